//! Checks that a service which is well uses what was restored. A service that looks for its data elsewhere begins with
//! none and is just as healthy.
//!
//! The evidence are the accesses to the restored files since the service's start, which the worker reads together with
//! the question whether they are still there. Only if something looks unused the engine is asked, too: for the programs
//! of the container, and for the data stores that the service has made where nothing was restored. [`judgement`] has
//! the rules.

mod elsewhere;
mod judgement;

use crate::model::diagnosis::Diagnosis;
use crate::model::fingerprint::{Fingerprint, Survivors};
use crate::model::mount::MountOrigin;
use crate::model::service::Service;

use super::inspect::retention::is_kept;
use super::running::{FAILURE_LOG, RunningService};
use super::shared_task::Diagnosed;
use super::state::{Booted, MountedPlace};
use crate::worker::client::Worker;
use elsewhere::{emptied_mounts, in_emptied, in_memory, in_own_layer, omitted_stores};
use judgement::{SeenMount, ServiceFacts, begun_anew, failure, not_used, suspect};

/// A mount with restored data, before and after the service's start.
pub(super) struct LookedAt<'a> {
    pub mounted: &'a MountedPlace,
    pub held: &'a Fingerprint,
    pub kept: Survivors,
}

/// What a green service does not show about its data.
#[derive(Default)]
pub(super) struct UseWarnings {
    /// No restored file of a mount was read or changed.
    pub not_used: Option<Diagnosis>,
    /// A data store was begun where nothing was restored.
    pub begun_anew: Option<Diagnosis>,
}

/// Whether the service has a mount that has to be looked at though nothing was restored into it.
pub(super) fn has_emptied_mount(booted: &Booted) -> bool {
    emptied_mounts(booted).next().is_some()
}

/// Judges whether the service uses what was restored; an error if it does not. `worker` is needed if
/// [`has_emptied_mount`].
pub(super) async fn judge_use(
    running: RunningService<'_>,
    looked_at: &[LookedAt<'_>],
    worker: Option<&Worker>,
) -> Diagnosed<UseWarnings> {
    let (name, booted) = (running.name(), running.booted);
    let is_dump = |looked: &&LookedAt<'_>| matches!(looked.mounted.mount.mount.origin, MountOrigin::Dump { .. });
    let seen: Vec<SeenMount<'_>> = looked_at
        .iter()
        .filter(|looked| !is_dump(looked))
        .map(|looked| SeenMount { mount: &looked.mounted.mount.mount, held: looked.held, kept: &looked.kept })
        .collect();
    let mut anew = omitted_stores(running).await;
    if let Some(worker) = worker {
        for mounted in emptied_mounts(booted) {
            anew.extend(in_emptied(mounted, worker).await?);
        }
    }
    let suspicion = suspect(&seen, are_all_looked_at(booted));
    // The data of a service that is filled from a dump is where nothing was restored before.
    if !booted.begins_anew {
        let programs = if suspicion.asks_for_programs() { programs(running).await } else { Vec::new() };
        if suspicion.asks_for_stores(may_be_server(&running.plan.service)) {
            anew.extend(in_own_layer(running).await);
            anew.extend(in_memory(running, &suspicion.unopened_databases()).await);
        }
        if let Some(diagnosis) = failure(name, &suspicion, &ServiceFacts { programs: &programs, elsewhere: &anew }) {
            let log_tail = running.log_tail(FAILURE_LOG).await;
            return Err(Diagnosis { log_tail, ..diagnosis });
        }
    }
    Ok(UseWarnings { not_used: not_used(name, &suspicion), begun_anew: begun_anew(name, &seen, &anew) })
}

/// Parts of the names of database servers and of their images.
const SERVERS: [&str; 11] = [
    "postgres",
    "postgis",
    "timescale",
    "pgvector",
    "mysql",
    "mariadb",
    "percona",
    "redis",
    "valkey",
    "keydb",
    "mongo",
];

/// Whether the service may be a database server, by its image and its command.
fn may_be_server(service: &Service) -> bool {
    let words = service.entrypoint.iter().chain(&service.command).flatten().map(String::as_str);
    let words = std::iter::once(service.image.reference.as_str()).chain(words).map(str::to_ascii_lowercase);
    words.into_iter().any(|word| SERVERS.iter().any(|server| word.contains(server)))
}

/// Whether every mount with restored files that the service writes to was looked at.
fn are_all_looked_at(booted: &Booted) -> bool {
    let mut written = booted.mounts.iter().filter(|mounted| is_kept(&mounted.mount) && mounted.place.brought.files > 0);
    written.all(|mounted| mounted.place.inspected.fingerprint.is_some())
}

async fn programs(running: RunningService<'_>) -> Vec<String> {
    match running.insides().programs().await {
        Ok(programs) => programs,
        Err(error) => {
            tracing::debug!(%error, service = %running.name(), "its programs cannot be listed");
            Vec::new()
        }
    }
}
