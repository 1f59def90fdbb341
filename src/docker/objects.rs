//! Everything of ours on the engine, found by label.

use std::collections::HashMap;

use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder};

use crate::model::sandbox::ObjectLabels;

use super::client::Daemon;
use super::containers::{is_not_found, own_name, with_label};
use super::errors::Result;
use super::labels;

/// Objects of ours on the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    /// Containers, running or not.
    pub containers: Vec<Object>,
    /// Networks.
    pub networks: Vec<Object>,
    /// Volumes.
    pub volumes: Vec<Object>,
}

/// One object of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its id (a volume: its name).
    pub id: String,
    /// Its name, or the id of a container that has lost its name because the engine is just removing it.
    pub name: String,
    /// What its labels say.
    pub marks: ObjectLabels,
}

impl Daemon {
    /// Everything on the engine that carries the session label; with `session`, of that one only.
    ///
    /// The anonymous volumes that the engine creates for the `VOLUME`s of an image have no label. They are removed with
    /// their container.
    pub async fn objects(&self, session: Option<&str>) -> Result<Objects> {
        let filter = with_label(match session {
            Some(session) => format!("{}={session}", labels::SESSION),
            None => labels::SESSION.to_owned(),
        });
        let containers = ListContainersOptionsBuilder::default().all(true).filters(&filter).build();
        let networks = ListNetworksOptionsBuilder::default().filters(&filter).build();
        let volumes = ListVolumesOptionsBuilder::default().filters(&filter).build();
        let connection = &self.connection;
        let (containers, networks, volumes) = futures_util::try_join!(
            connection.call("list containers", "", |docker| docker.list_containers(Some(containers))),
            connection.call("list networks", "", |docker| docker.list_networks(Some(networks))),
            connection.call("list volumes", "", |docker| docker.list_volumes(Some(volumes))),
        )?;
        Ok(Objects {
            containers: sorted(containers.into_iter().map(|container| {
                let id = container.id.unwrap_or_default();
                let name = name_or_id(container.names.as_deref().unwrap_or_default(), &id);
                object(Some(id), name, container.labels)
            })),
            networks: sorted(
                networks
                    .into_iter()
                    .map(|network| object(network.id, network.name.unwrap_or_default(), network.labels)),
            ),
            volumes: sorted(
                volumes
                    .volumes
                    .unwrap_or_default()
                    .into_iter()
                    .map(|volume| object(Some(volume.name.clone()), volume.name, Some(volume.labels))),
            ),
        })
    }

    /// The same, without containers that are removed and listed all the same. Under load an engine may forget to take
    /// a container out of its list; such a container has no name and cannot be inspected.
    pub async fn objects_left(&self, session: Option<&str>) -> Result<Objects> {
        let mut objects = self.objects(session).await?;
        let mut there = Vec::with_capacity(objects.containers.len());
        for container in objects.containers {
            let is_ghost = container.name == container.id
                && matches!(self.state(&container.id).await, Err(error) if is_not_found(&error));
            if !is_ghost {
                there.push(container);
            }
        }
        objects.containers = there;
        Ok(objects)
    }
}

/// The name by which a container can be inspected and removed, or else its id.
fn name_or_id(names: &[String], id: &str) -> String {
    let name = own_name(names);
    if name.is_empty() { id.to_owned() } else { name }
}

fn object(id: Option<String>, name: String, labels: Option<HashMap<String, String>>) -> Object {
    Object { id: id.unwrap_or_default(), name, marks: labels::read(&labels.unwrap_or_default()) }
}

fn sorted(objects: impl Iterator<Item = Object>) -> Vec<Object> {
    let mut objects: Vec<_> = objects.collect();
    objects.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)));
    objects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_has_lost_its_name_is_known_by_its_id() {
        // Seen of an engine under load: a container whose removal is under way is listed, its name is not.
        assert_eq!(name_or_id(&[], "0a1b"), "0a1b");
        assert_eq!(name_or_id(&["/rehearsa-x".to_owned()], "0a1b"), "rehearsa-x");
    }
}
