//! The services of a live Docker host: lists and inspects the containers, hears the labels that are their own, and
//! finds the stack of each.
//!
//! Discovery changes nothing. A container that disappears meanwhile is left out without an error.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use tracing::debug;

use super::naming::{self, ComposeLabels};
use super::{depends, hearing};
use crate::docker::ownership::owner;
use crate::docker::{ContainerLine, Daemon, DockerError, DockerErrorKind, memory_volumes};
use crate::model::mount::{IN_MEMORY, MountOrigin};
use crate::model::service::{Condition, Dependency, NetworkMode, Service, ServiceName};

/// Number of containers that are inspected at the same time.
const AT_A_TIME: usize = 16;

/// Why the live services could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// The engine did not list its containers.
    #[error("cannot list the containers")]
    List(#[source] DockerError),
    /// The engine did not describe a container.
    #[error("cannot read the configuration of container {name}")]
    Inspect {
        /// The name of the container.
        name: String,
        /// The refusal of the engine.
        #[source]
        source: DockerError,
    },
}

impl DiscoverError {
    /// The refusal of the engine.
    pub fn docker(&self) -> &DockerError {
        match self {
            DiscoverError::List(source) | DiscoverError::Inspect { source, .. } => source,
        }
    }
}

/// The containers that discovery considers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// All containers of the host except Rehearsa's own.
    Host,
    /// Only the containers of this session: the demo's service is Rehearsa's own and is rehearsed like a live one.
    Session(&'a str),
}

/// What discovery found.
#[derive(Debug, Clone, Default)]
pub struct Discovered {
    /// The services, ordered by name: the running ones, and stopped ones that a running service of their stack depends
    /// on.
    pub services: Vec<Service>,
    /// The other stopped containers. They are no services to rehearse, and are known by name only.
    pub stopped: Vec<StoppedContainer>,
}

/// A container that does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedContainer {
    /// The name that its service would have.
    pub name: ServiceName,
    /// Its own name.
    pub container_name: String,
}

/// The services of the host.
pub async fn live(daemon: &Daemon) -> Result<Discovered, DiscoverError> {
    live_in(daemon, Scope::Host).await
}

/// The services in `scope`.
pub async fn live_in(daemon: &Daemon, scope: Scope<'_>) -> Result<Discovered, DiscoverError> {
    let mut lines = daemon.containers(true).await.map_err(DiscoverError::List)?;
    let unheard = take_unheard(daemon, &mut lines).await?;
    let Selected { wanted, stopped } = select_containers(lines, scope);
    let unheard = &unheard;
    let found: Vec<Option<(ContainerLine, Service)>> = stream::iter(wanted)
        .map(|line| async move {
            match daemon.service(&line.id).await {
                Ok(mut service) => {
                    service.unheard = unheard.get(&line.id).cloned().unwrap_or_default();
                    service.labels.retain(|(key, _)| service.unheard.iter().all(|(unheard, _)| unheard != key));
                    Ok(Some((line, service)))
                }
                Err(DockerError { kind: DockerErrorKind::NotFound(_), .. }) => {
                    debug!(container = %line.name, "went away between list and inspect");
                    Ok(None)
                }
                Err(source) => Err(DiscoverError::Inspect { name: line.name, source }),
            }
        })
        .buffer_unordered(AT_A_TIME)
        .try_collect()
        .await?;
    let mut services = assemble_services(found.into_iter().flatten().collect());
    match memory_volumes(daemon).await {
        Ok(in_memory) => mark_memory(&mut services, &in_memory),
        // Whoever needs the volumes meets the error again, with the work that it stops.
        Err(error) => tracing::warn!(%error, "cannot list the volumes, so none is known to be memory"),
    }
    Ok(Discovered { services, stopped })
}

/// Marks the volumes that are memory by their options.
fn mark_memory(services: &mut [Service], in_memory: &BTreeSet<String>) {
    for mount in services.iter_mut().flat_map(|service| &mut service.mounts) {
        if let MountOrigin::Volume { name, driver } = &mut mount.origin
            && in_memory.contains(name)
        {
            IN_MEMORY.clone_into(driver);
        }
    }
}

/// Takes the labels out of the lines that are not heard; by the ids of the containers.
async fn take_unheard(
    daemon: &Daemon,
    lines: &mut [ContainerLine],
) -> Result<BTreeMap<String, Vec<(String, String)>>, DiscoverError> {
    let asked: BTreeMap<String, String> = lines
        .iter()
        .filter(|line| hearing::are_read(&line.labels))
        .map(|line| (line.image.clone(), line.name.clone()))
        .collect();
    let images: BTreeMap<String, _> = stream::iter(asked)
        .map(|(image, name)| async move {
            match daemon.image_labels(&image).await {
                Ok(labels) => Ok((image, labels)),
                Err(source) => Err(DiscoverError::Inspect { name, source }),
            }
        })
        .buffer_unordered(AT_A_TIME)
        .try_collect()
        .await?;
    let mut unheard = BTreeMap::new();
    for line in lines {
        let Some(of_image) = images.get(&line.image) else { continue };
        let taken = hearing::take_unheard(&mut line.labels, of_image.as_deref());
        unheard.insert(line.id.clone(), taken.into_iter().collect());
    }
    Ok(unheard)
}

/// The containers to inspect, and those that do not run.
struct Selected {
    wanted: Vec<ContainerLine>,
    stopped: Vec<StoppedContainer>,
}

/// The containers to inspect: the running ones, and stopped ones that a running service depends on (one-shot set-ups
/// and migrations). A container is Rehearsa's own by its labels and its name, once labels of images are taken out.
fn select_containers(lines: Vec<ContainerLine>, scope: Scope<'_>) -> Selected {
    let session =
        |line: &ContainerLine| owner(Some(&line.name), &line.labels, &BTreeMap::new()).ok().map(|marks| marks.session);
    let seen: Vec<ContainerLine> = lines
        .into_iter()
        .filter(|line| match (scope, session(line)) {
            (Scope::Host, session) => session.is_none(),
            (Scope::Session(wanted), session) => session.is_some_and(|own| own == wanted),
        })
        .collect();
    // By stack; lone containers are under `None`.
    let mut running: BTreeMap<Option<String>, BTreeSet<String>> = BTreeMap::new();
    let mut depends_on: BTreeMap<Option<String>, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for line in &seen {
        let ComposeLabels { stack, service, .. } = naming::read_labels(&line.name, &line.labels);
        let names = depends::from_labels(&line.labels).into_iter().map(|dependency| dependency.service);
        depends_on.entry(stack.clone()).or_default().entry(service.clone()).or_default().extend(names);
        if line.running {
            running.entry(stack).or_default().insert(service);
        }
    }
    let needed: BTreeMap<Option<&str>, BTreeSet<&str>> = running
        .iter()
        .filter_map(|(stack, services)| {
            let needs = depends::all_dependencies(services.iter().map(String::as_str), depends_on.get(stack)?);
            Some((stack.as_deref(), needs))
        })
        .collect();
    let is_wanted = |line: &&ContainerLine| {
        line.running || {
            let place = naming::read_labels(&line.name, &line.labels);
            let needs = needed.get(&place.stack.as_deref());
            needs.is_some_and(|needs| needs.contains(place.service.as_str()))
        }
    };
    let (wanted, stopped): (Vec<&ContainerLine>, Vec<&ContainerLine>) = seen.iter().partition(is_wanted);
    let stopped = stopped.into_iter().map(|line| StoppedContainer {
        name: naming::wanted_name(&naming::read_labels(&line.name, &line.labels)),
        container_name: line.name.clone(),
    });
    Selected { stopped: stopped.collect(), wanted: wanted.into_iter().cloned().collect() }
}

/// Gives each service its name and its dependencies.
fn assemble_services(mut found: Vec<(ContainerLine, Service)>) -> Vec<Service> {
    // Oldest first: if two containers want the same name, the same one gets it in every run.
    found.sort_by(|(a, sa), (b, sb)| (&sa.created, &a.name).cmp(&(&sb.created, &b.name)));
    let places: Vec<(&str, ComposeLabels)> =
        found.iter().map(|(line, _)| (line.name.as_str(), naming::read_labels(&line.name, &line.labels))).collect();
    let names = naming::assign_names(&places);
    // From the name in depends_on to the name of the service's first container, with that container's number.
    let mut heads: BTreeMap<(Option<String>, String), (u32, String)> = BTreeMap::new();
    for ((_, place), name) in places.iter().zip(&names) {
        let head = (place.number, name.service.clone());
        let key = (place.stack.clone(), place.service.clone());
        heads.entry(key).and_modify(|known| *known = known.clone().min(head.clone())).or_insert(head);
    }
    let containers: Vec<(String, String)> =
        found.iter().map(|(line, _)| (line.id.clone(), line.name.clone())).collect();
    let mut services: Vec<Service> = Vec::with_capacity(found.len());
    for (i, (line, mut service)) in found.into_iter().enumerate() {
        let name = &names[i];
        let mut depends_on = depends::from_labels(&line.labels);
        for dependency in &mut depends_on {
            let key = (name.stack.clone(), dependency.service.clone());
            if let Some((_, head)) = heads.get(&key) {
                dependency.service.clone_from(head);
            }
        }
        if let NetworkMode::Container { container } = &service.network_mode
            && let Some(other) = containers.iter().position(|(id, own)| is_called(container, id, own))
            && names[other].stack.is_some()
            && names[other].stack == name.stack
            && !depends_on.iter().any(|dependency| dependency.service == names[other].service)
        {
            let service = names[other].service.clone();
            depends_on.push(Dependency { service, condition: Condition::ServiceStarted, required: true });
        }
        depends_on.retain(|dependency| dependency.service != name.service);
        service.name = name.clone();
        service.depends_on = depends_on;
        services.push(service);
    }
    depends::infer_missing(&mut services);
    services.sort_by(|a, b| a.name.cmp(&b.name));
    services
}

/// Whether `reference` (a name, an id or the start of an id) is this container.
fn is_called(reference: &str, id: &str, name: &str) -> bool {
    reference == name || reference == id || (reference.len() >= 12 && id.starts_with(reference))
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
