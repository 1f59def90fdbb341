//! Everything of ours on the engine, found by label and proven by [`super::ownership`].

use std::collections::{BTreeMap, HashMap};

use bollard::models::ContainerSummary;
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder};

use crate::model::sandbox::ObjectLabels;

use super::client::Daemon;
use super::containers::{is_not_found, own_name, with_label};
use super::errors::Result;
use super::labels;
use super::ownership::{NotOurs, owner, owner_of_container};

/// Objects of ours on the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    /// Containers, running or not.
    pub containers: Vec<Object>,
    /// Networks.
    pub networks: Vec<Object>,
    /// Volumes.
    pub volumes: Vec<Object>,
    /// Objects that carry a label of ours and are not ours.
    pub foreign: Vec<ForeignObject>,
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

/// An object that carries a label of ours and is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignObject {
    /// What kind.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// Why it is not ours.
    pub why: NotOurs,
}

/// The kinds of objects with labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A container; it holds networks and volumes.
    Container,
    /// A network.
    Network,
    /// A volume.
    Volume,
}

impl ObjectKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::Container => "container",
            ObjectKind::Network => "network",
            ObjectKind::Volume => "volume",
        }
    }
}

impl Daemon {
    /// Everything on the engine that is ours; with `session`, of that one only.
    ///
    /// The anonymous volumes that the engine creates for the `VOLUME`s of an image have no label. They are removed with
    /// their container.
    pub async fn objects(&self, session: Option<&str>) -> Result<Objects> {
        find(self, session, false).await
    }

    /// The same, without containers that are removed and listed all the same. Under load an engine may forget to take
    /// a container out of its list; such a container has no name and cannot be inspected.
    pub async fn objects_left(&self, session: Option<&str>) -> Result<Objects> {
        without_ghosts(self, self.objects(session).await?).await
    }
}

/// Everything of a session of this very process. A volume may have any name: if a live volume is removed while a worker
/// is created that mounts it, the engine makes a new one of the same name, with our labels.
pub async fn own_objects(daemon: &Daemon, session: &str) -> Result<Objects> {
    find(daemon, Some(session), true).await
}

/// As [`own_objects`], without what [`Daemon::objects_left`] leaves out.
pub async fn own_objects_left(daemon: &Daemon, session: &str) -> Result<Objects> {
    without_ghosts(daemon, own_objects(daemon, session).await?).await
}

async fn find(daemon: &Daemon, session: Option<&str>, is_own: bool) -> Result<Objects> {
    let filter = with_label(match session {
        Some(session) => format!("{}={session}", labels::SESSION),
        None => labels::SESSION.to_owned(),
    });
    let containers = ListContainersOptionsBuilder::default().all(true).filters(&filter).build();
    let networks = ListNetworksOptionsBuilder::default().filters(&filter).build();
    let volumes = ListVolumesOptionsBuilder::default().filters(&filter).build();
    let connection = &daemon.connection;
    let (containers, networks, volumes) = futures_util::try_join!(
        connection.call("list containers", "", |docker| docker.list_containers(Some(containers))),
        connection.call("list networks", "", |docker| docker.list_networks(Some(networks))),
        connection.call("list volumes", "", |docker| docker.list_volumes(Some(volumes))),
    )?;
    let mut found = Objects::default();
    for container in containers {
        add_container(daemon, &mut found, container, is_own).await?;
    }
    for network in networks {
        let (id, name) = (network.id.unwrap_or_default(), network.name.unwrap_or_default());
        let owner = owner(Some(&name), &sorted(network.labels), &BTreeMap::new());
        found.add(ObjectKind::Network, id, name, owner);
    }
    for volume in volumes.volumes.unwrap_or_default() {
        let name = Some(volume.name.as_str()).filter(|_| !is_own);
        let owner = owner(name, &sorted(Some(volume.labels)), &BTreeMap::new());
        found.add(ObjectKind::Volume, volume.name.clone(), volume.name, owner);
    }
    for list in [&mut found.containers, &mut found.networks, &mut found.volumes] {
        list.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)));
    }
    found.foreign.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Ok(found)
}

/// `is_own`: the session is of this process, which knows its containers also without their image.
async fn add_container(daemon: &Daemon, found: &mut Objects, container: ContainerSummary, is_own: bool) -> Result<()> {
    let id = container.id.unwrap_or_default();
    let name = own_name(container.names.as_deref().unwrap_or_default());
    let own = sorted(container.labels);
    let known = Some(name.as_str()).filter(|name| !name.is_empty());
    let mut of = owner(known, &own, &BTreeMap::new());
    // A container that is just being removed has no name, and its image may be gone before it.
    if of.is_ok() {
        let of_image = daemon.image_labels(&container.image_id.unwrap_or_default()).await?;
        if of_image.is_some() || known.is_some() && !is_own {
            of = owner_of_container(known, &own, of_image.as_deref());
        }
    }
    let name = if name.is_empty() { id.clone() } else { name };
    found.add(ObjectKind::Container, id, name, of);
    Ok(())
}

async fn without_ghosts(daemon: &Daemon, mut objects: Objects) -> Result<Objects> {
    let mut there = Vec::with_capacity(objects.containers.len());
    for container in objects.containers {
        let is_ghost = container.name == container.id
            && matches!(daemon.state(&container.id).await, Err(error) if is_not_found(&error));
        if !is_ghost {
            there.push(container);
        }
    }
    objects.containers = there;
    Ok(objects)
}

impl Objects {
    fn add(&mut self, kind: ObjectKind, id: String, name: String, owner: std::result::Result<ObjectLabels, NotOurs>) {
        let list = match kind {
            ObjectKind::Container => &mut self.containers,
            ObjectKind::Network => &mut self.networks,
            ObjectKind::Volume => &mut self.volumes,
        };
        match owner {
            Ok(marks) => list.push(Object { id, name, marks }),
            Err(why) => self.foreign.push(ForeignObject { kind, name, why }),
        }
    }
}

fn sorted(labels: Option<HashMap<String, String>>) -> BTreeMap<String, String> {
    labels.unwrap_or_default().into_iter().collect()
}
