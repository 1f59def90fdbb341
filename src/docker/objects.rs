//! Everything of ours on the engine, found by label.

use std::collections::HashMap;
use std::time::Duration;

use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder};

use crate::model::sandbox::Marks;

use super::client::Daemon;
use super::containers::{own_name, with_label};
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
    /// Its name; of a container that the engine is just removing, and whose name is free again already, its id.
    pub name: String,
    /// What its labels say.
    pub marks: Marks,
}

/// A container that the engine is just done removing is listed for a moment without its name. It is looked again so often for such,
/// and one that stays is told.
const LOOKS: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(100);

impl Daemon {
    /// Everything on the engine that carries the session label; with `session`, of that one only.
    ///
    /// The anonymous volumes that the engine makes for an image's undeclared `VOLUME`s carry no label. They go with their
    /// container.
    pub async fn objects(&self, session: Option<&str>) -> Result<Objects> {
        let filter = with_label(match session {
            Some(session) => format!("{}={session}", labels::SESSION),
            None => labels::SESSION.to_owned(),
        });
        let containers = ListContainersOptionsBuilder::default().all(true).filters(&filter).build();
        let networks = ListNetworksOptionsBuilder::default().filters(&filter).build();
        let volumes = ListVolumesOptionsBuilder::default().filters(&filter).build();
        let docker = self.docker();
        let (containers, networks, volumes) = futures_util::try_join!(
            self.call("list containers", "", docker.list_containers(Some(containers))),
            self.call("list networks", "", docker.list_networks(Some(networks))),
            self.call("list volumes", "", docker.list_volumes(Some(volumes))),
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

    /// The same, once the engine is done with what it is just removing.
    pub async fn objects_left(&self, session: Option<&str>) -> Result<Objects> {
        for _ in 0..LOOKS {
            let objects = self.objects(session).await?;
            if objects.containers.iter().all(|container| container.name != container.id) {
                return Ok(objects);
            }
            tokio::time::sleep(BETWEEN).await;
        }
        self.objects(session).await
    }
}

/// What a container can be asked for and removed by.
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
