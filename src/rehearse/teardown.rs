//! Removes a sandbox, and checks that nothing of it is left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::docker::ownership::name_prefix;
use crate::docker::{DockerError, DockerErrorKind, Objects, own_objects_left, users_of};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::{Fact, Step};
use crate::model::service::ServiceName;
use crate::worker::client::Worker;
use crate::worker::protocol::{ClearJob, WeighJob};

use super::boot::container_role;
use super::sandbox::ledger::LedgerEntry;
use super::sandbox::sweep::HEAVY;
use super::sandbox::worker::WORKER;
use super::stack_context::StackContext;
use super::state::PreparedPlaces;

/// Attempts to remove an object: a network or volume may be in use for a moment after its last container was removed.
const TRIES: u32 = 5;

/// Time for an engine that does not answer to come back: one that is restarted is away for some seconds.
const AWAY: Duration = Duration::from_secs(30);

/// The volumes of a sandbox, with the worker that mounts them.
pub(super) struct Filled {
    worker: Arc<Worker>,
    /// Where the worker sees each volume, and the volume's name.
    volumes: Vec<(String, String)>,
}

impl Filled {
    /// The volumes of these places.
    pub fn of(worker: Arc<Worker>, places: &PreparedPlaces) -> Filled {
        let volumes = places.iter().filter_map(|place| place.as_ref().ok());
        Filled { worker, volumes: volumes.map(|place| (place.to.clone(), place.volume.name.clone())).collect() }
    }

    /// The volumes that hold much.
    async fn heavy(&self) -> Vec<(String, String)> {
        let job = WeighJob { paths: self.volumes.iter().map(|(path, _)| path.clone()).collect(), least: HEAVY };
        match self.worker.run(job).await {
            Ok(heavy) => {
                self.volumes.iter().zip(heavy).filter(|(_, heavy)| *heavy).map(|(volume, _)| volume.clone()).collect()
            }
            Err(error) => {
                tracing::debug!(%error, "how much the volumes hold is not known");
                Vec::new()
            }
        }
    }

    /// Empties volumes that no container but workers uses any more. One that somebody else's container mounts is left
    /// as it is. What cannot be removed is left to the engine.
    async fn clear(&self, cx: &StackContext, volumes: Vec<(String, String)>) {
        let own = name_prefix(&cx.run.session.id);
        let mut paths = Vec::new();
        for (path, volume) in volumes {
            match users_of(&cx.run.daemon, &volume).await {
                Ok(users) if users.iter().all(|user| user.starts_with(&own)) => paths.push(path),
                users => tracing::debug!(?users, %volume, "somebody else uses it, so it is not emptied"),
            }
        }
        if paths.is_empty() {
            return;
        }
        if let Err(error) = self.worker.run(ClearJob { paths }).await {
            tracing::debug!(%error, "a volume could not be emptied; the engine removes it as it is");
        }
    }
}

/// Keeps the sandbox for its owner to look at, and tells how. These services were started. The containers of workers
/// go: only the services and their data are worth a look.
pub(super) async fn keep(cx: &StackContext, cases: Vec<ServiceName>, started: &[&ServiceName]) {
    let step = cx.begin(cases, Step::Teardown);
    cx.client.ledger().settled().await;
    let services: Vec<String> = cx.plan.services.iter().map(|plan| service_container(cx, &plan.service.name)).collect();
    let helpers = cx
        .client
        .ledger()
        .entries()
        .into_iter()
        .filter(|entry| matches!(entry, LedgerEntry::Container(name) if !services.contains(name)));
    for error in remove_each(cx, &helpers.collect::<Vec<_>>(), Instant::now() + AWAY).await {
        tracing::warn!("{error}");
    }
    cx.run.notify.send(Fact::SandboxKept { stack: cx.plan.name.clone(), hints: hints(cx, started) });
    step.done_with(None, Some("kept".to_owned()));
}

/// Removes all objects of the ledger, goes on after failures, then looks for more by label.
pub(super) async fn remove(cx: &StackContext, cases: Vec<ServiceName>, filled: Option<Filled>) {
    let step = cx.begin(cases, Step::Teardown);
    let left = tokio::select! {
        left = remove_and_look(cx, filled) => left,
        () = cx.run.stop.grace_over() => Err("there was no time to remove everything".to_owned()),
    };
    match left {
        Ok(()) => step.done(),
        Err(message) => {
            step.done_with(None, Some("not all could be removed".to_owned()));
            let message = format!("the sandbox of {}: {message}", cx.plan.name);
            cx.run.notify.send(Fact::LeftBehind { diagnosis: Diagnosis::new(Code::SandboxLeftBehind, message) });
        }
    }
}

async fn remove_and_look(cx: &StackContext, filled: Option<Filled>) -> Result<(), String> {
    let ledger = cx.client.ledger();
    ledger.settled().await;
    let patience = Instant::now() + AWAY;
    let mut errors = remove_all(cx, ledger.take(), filled, patience).await;
    let left = match objects_left(cx).await {
        Ok(left) => left,
        Err(error) => {
            errors.push(format!("looking for what is left: {error}"));
            return Err(errors.join("; "));
        }
    };
    if left.is_empty() {
        // An object that could not be removed, but is not there any more, is no problem.
        return Ok(());
    }
    let errors = remove_all(cx, left, None, patience).await;
    let left = objects_left(cx).await.map_err(|error| format!("looking for what is left: {error}"))?;
    if left.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = left.iter().map(describe).collect();
    Err(format!("{} left; {}", names.join(", "), errors.join("; ")))
}

/// Removes all containers at once, then all other objects at once. Returns the failures. Meanwhile the worker looks
/// which volumes hold much; it empties them once no service uses them any more, and goes last of the containers.
/// An engine that does not answer is waited for until `patience` is over.
async fn remove_all(
    cx: &StackContext,
    entries: Vec<LedgerEntry>,
    filled: Option<Filled>,
    patience: Instant,
) -> Vec<String> {
    let (containers, held): (Vec<LedgerEntry>, Vec<LedgerEntry>) =
        entries.into_iter().partition(|entry| matches!(entry, LedgerEntry::Container(_)));
    let worker = cx.client.name(WORKER);
    let (workers, services): (Vec<LedgerEntry>, Vec<LedgerEntry>) = containers
        .into_iter()
        .partition(|entry| matches!(entry, LedgerEntry::Container(name) if name.starts_with(&worker)));
    let dismissed = async {
        let Some(filled) = filled else { return Err(remove_each(cx, &workers, patience).await) };
        match filled.heavy().await {
            heavy if heavy.is_empty() => Err(remove_each(cx, &workers, patience).await),
            heavy => Ok((filled, heavy)),
        }
    };
    let (mut errors, dismissed) = tokio::join!(remove_each(cx, &services, patience), dismissed);
    errors.extend(match dismissed {
        Err(errors) => errors,
        Ok((filled, heavy)) => {
            filled.clear(cx, heavy).await;
            remove_each(cx, &workers, patience).await
        }
    });
    errors.extend(remove_each(cx, &held, patience).await);
    errors
}

/// Removes these objects at once. Returns the failures.
async fn remove_each(cx: &StackContext, entries: &[LedgerEntry], patience: Instant) -> Vec<String> {
    let removed = join_all(entries.iter().map(|entry| remove_one(cx, entry, patience))).await;
    let failed = entries.iter().zip(removed).filter_map(|(entry, result)| Some((entry, result.err()?)));
    failed.map(|(entry, error)| format!("{}: {error}", describe(entry))).collect()
}

async fn remove_one(cx: &StackContext, entry: &LedgerEntry, patience: Instant) -> Result<(), DockerError> {
    let daemon = &cx.run.daemon;
    let mut tries = 0;
    loop {
        let result = match entry {
            LedgerEntry::Container(name) => daemon.remove_container(name).await,
            LedgerEntry::Network(name) => daemon.remove_network(name).await,
            LedgerEntry::Volume(name) => daemon.remove_volume(name).await,
        };
        tries += 1;
        match result {
            Err(error) if error.kind == DockerErrorKind::Unreachable && Instant::now() < patience => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            // An overlay volume uses the volume below it until the overlay is removed.
            Err(error) if matches!(error.kind, DockerErrorKind::Conflict(_)) && tries < TRIES => {
                tokio::time::sleep(Duration::from_millis(50 << tries)).await;
            }
            other => return other,
        }
    }
}

/// The objects that carry this stack's labels now.
async fn objects_left(cx: &StackContext) -> Result<Vec<LedgerEntry>, DockerError> {
    let Objects { containers, networks, volumes, foreign: _ } =
        own_objects_left(&cx.run.daemon, &cx.run.session.id).await?;
    let mine = |stack: &str| stack == cx.plan.name;
    let containers = containers.into_iter().filter(|o| mine(&o.marks.stack)).map(|o| LedgerEntry::Container(o.name));
    let networks = networks.into_iter().filter(|o| mine(&o.marks.stack)).map(|o| LedgerEntry::Network(o.name));
    let volumes = volumes.into_iter().filter(|o| mine(&o.marks.stack)).map(|o| LedgerEntry::Volume(o.name));
    Ok(containers.chain(networks).chain(volumes).collect())
}

/// Commands for a kept sandbox, each with its purpose.
fn hints(cx: &StackContext, started: &[&ServiceName]) -> Vec<(String, String)> {
    let mut hints = Vec::new();
    for name in started {
        let container = service_container(cx, name);
        hints.push((format!("docker logs {container}"), format!("the log of {name}")));
        hints.push((format!("docker exec -it {container} sh"), format!("a shell in {name}, if it still runs")));
        hints.push((format!("docker start {container}"), format!("start {name} again, if it exited")));
    }
    hints.push((format!("rehearsa clean --session {}", cx.run.session.id), "remove all of it".to_owned()));
    hints
}

fn service_container(cx: &StackContext, name: &ServiceName) -> String {
    cx.client.name(&container_role(cx, name))
}

fn describe(entry: &LedgerEntry) -> String {
    match entry {
        LedgerEntry::Container(name) => format!("container {name}"),
        LedgerEntry::Network(name) => format!("network {name}"),
        LedgerEntry::Volume(name) => format!("volume {name}"),
    }
}
