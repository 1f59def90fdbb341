//! Removes what dead runs left behind. An engine that removes a volume with very many files or pieces answers no other
//! question about volumes meanwhile, also none of a live service that starts; that takes minutes. So a worker empties
//! such a volume first.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::docker::{Daemon, DockerError, DockerErrorKind, Object, ObjectKind, Objects, users_of};
use crate::model::sandbox::{MountSource, MountSpec, NetworkSpec};
use crate::rehearse::sandbox::client::{PLAN, SandboxClient};
use crate::rehearse::sandbox::session::Session;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::sandbox::sweep::{self, HEAVY, LeftObject};
use crate::worker::client::{JobError, WorkerError, WorkerImage};
use crate::worker::protocol::{ClearJob, WeighJob};

/// Removes these objects of dead sessions. `on_removed` hears of each that is gone. A failure stops nothing; what is
/// left is returned. `session` is one of this process; it has the worker, and nothing else. After a stop the volumes
/// are left for the next time.
pub async fn remove(
    daemon: &Daemon,
    session: &Session,
    objects: Objects,
    stop: &StopSignal,
    mut on_removed: impl FnMut(ObjectKind, &str),
) -> Vec<LeftObject> {
    let Objects { containers, networks, volumes, foreign } = objects;
    let (mut plain, mut others) = (Vec::new(), Vec::new());
    for volume in volumes {
        // An overlay lies on other volumes and on live data, which a worker must not empty.
        let is_plain = daemon.volume(&volume.id).await.is_ok_and(|found| found.options.is_empty());
        if is_plain { plain.push(volume) } else { others.push(volume) }
    }
    let first = Objects { containers, networks, volumes: others, foreign };
    let mut left = sweep::remove(daemon, &first, &mut on_removed).await;
    let (used, plain) = used_by_others(daemon, plain).await;
    left.extend(used);
    if plain.is_empty() {
        return left;
    }
    let full = match empty(daemon, session, &plain, stop).await {
        Ok(full) => full,
        Err(error) => {
            tracing::debug!(%error, "how much the volumes hold is not known; the engine removes them as they are");
            Vec::new()
        }
    };
    if stop.is_cancelled() {
        return left;
    }
    let (full, plain): (Vec<Object>, Vec<Object>) = plain.into_iter().partition(|volume| full.contains(&volume.name));
    left.extend(sweep::remove(daemon, &Objects { volumes: plain, ..Objects::default() }, &mut on_removed).await);
    left.extend(full.into_iter().map(still_full));
    left
}

/// How long an object that is in use is asked for again.
const IN_USE: Duration = Duration::from_secs(15);

/// Tries again to remove what the engine said is in use: another client that sweeps the same objects has a worker on
/// them for a moment, or the engine still ends a container of a killed run. Returns what is left then. What somebody
/// else's container uses is not waited for.
pub async fn remove_again(
    daemon: &Daemon,
    left: Vec<LeftObject>,
    mut on_removed: impl FnMut(ObjectKind, &str),
) -> Vec<LeftObject> {
    let until = Instant::now() + IN_USE;
    let mut pause = Duration::from_millis(50);
    let (mut busy, mut final_ones) = (Vec::new(), Vec::new());
    for object in left {
        if is_busy(daemon, &object).await { busy.push(object) } else { final_ones.push(object) }
    }
    while !busy.is_empty() && Instant::now() + pause < until {
        for object in &busy {
            tracing::debug!("{} {} is in use; trying again", object.kind.name(), object.name);
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
        let Ok(now) = daemon.objects(None).await else { break };
        let mut again = Objects::default();
        for (kind, object) in sweep::in_order(&now) {
            if busy.iter().any(|left| left.kind == kind && left.name == object.name) {
                match kind {
                    ObjectKind::Container => again.containers.push(object.clone()),
                    ObjectKind::Network => again.networks.push(object.clone()),
                    ObjectKind::Volume => again.volumes.push(object.clone()),
                }
            }
        }
        busy = sweep::remove(daemon, &again, &mut on_removed).await;
    }
    busy.extend(final_ones);
    busy
}

async fn is_busy(daemon: &Daemon, left: &LeftObject) -> bool {
    let is_conflict = matches!(left.error.kind, DockerErrorKind::Conflict(_));
    is_conflict
        && match left.kind {
            ObjectKind::Volume => others_of(daemon, &left.name).await.is_ok_and(|others| others.is_empty()),
            ObjectKind::Container | ObjectKind::Network => true,
        }
}

/// The sweep before a run: quiet, and never a reason not to run.
pub async fn remove_quietly(daemon: &Daemon, session: &Session, objects: Objects, stop: &StopSignal) {
    let left = remove(daemon, session, objects, stop, |kind, name| {
        tracing::info!("removed {} {name}, which an earlier run left", kind.name());
    })
    .await;
    for left in left {
        tracing::warn!(
            "an earlier run left {} {}, which cannot be removed: {}",
            left.kind.name(),
            left.name,
            left.error
        );
    }
}

/// Splits off the volumes that somebody else's container mounts: the restored data of a kept sandbox is in use. The
/// engine refuses to remove such a volume, so it must not be emptied either. A volume whose users are not known counts
/// as used.
async fn used_by_others(daemon: &Daemon, volumes: Vec<Object>) -> (Vec<LeftObject>, Vec<Object>) {
    let (mut used, mut free) = (Vec::new(), Vec::new());
    for volume in volumes {
        let error = match others_of(daemon, &volume.name).await {
            Ok(others) if others.is_empty() => {
                free.push(volume);
                continue;
            }
            Ok(others) => {
                let why = format!("container {} mounts it and is not Rehearsa's", others.join(", "));
                not_removed(&volume, DockerErrorKind::Conflict(why))
            }
            Err(error) => error,
        };
        used.push(LeftObject { kind: ObjectKind::Volume, name: volume.name, error });
    }
    (used, free)
}

async fn others_of(daemon: &Daemon, volume: &str) -> Result<Vec<String>, DockerError> {
    let mut users = users_of(daemon, volume).await?;
    if !users.is_empty() {
        let ours = daemon.objects(None).await?.containers;
        users.retain(|user| ours.iter().all(|object| object.name != *user));
    }
    Ok(users)
}

fn still_full(volume: Object) -> LeftObject {
    let why = "it holds very much and could not be emptied; an engine that removes it as it is answers nothing else \
               about volumes for a long time";
    let error = not_removed(&volume, DockerErrorKind::Engine(why.to_owned()));
    LeftObject { kind: ObjectKind::Volume, name: volume.name, error }
}

fn not_removed(volume: &Object, kind: DockerErrorKind) -> DockerError {
    DockerError { operation: "remove volume", subject: volume.name.clone(), kind, source: None }
}

/// Empties those of these volumes that hold much. Returns the names of those that still do.
async fn empty(
    daemon: &Daemon,
    session: &Session,
    volumes: &[Object],
    stop: &StopSignal,
) -> Result<Vec<String>, WorkerError> {
    let image = WorkerImage::ensure(daemon, session.began).await?;
    let client = SandboxClient::new(daemon, session, PLAN);
    let target = |nth: usize| format!("/left/{nth}");
    let mounts = volumes.iter().enumerate().map(|(nth, volume)| MountSpec {
        target: target(nth),
        source: MountSource::Volume(volume.name.clone()),
        read_only: false,
    });
    let mut full = Vec::new();
    let done = match client.start_worker(&image, "sweeper", mounts.collect(), NetworkSpec::None).await {
        Ok(worker) => {
            let work = async {
                let paths: Vec<String> = (0..volumes.len()).map(target).collect();
                let heavy = worker.run(WeighJob { paths: paths.clone(), least: HEAVY }).await?;
                let heavy = volumes.iter().zip(paths).zip(heavy).filter_map(|(of, is_heavy)| is_heavy.then_some(of));
                let heavy: Vec<(&Object, String)> = heavy.collect();
                full.extend(heavy.iter().map(|(volume, _)| volume.name.clone()));
                for (volume, path) in heavy {
                    tracing::info!("emptying volume {}, which an earlier run left full", volume.name);
                    worker.run(ClearJob { paths: vec![path] }).await?;
                    full.retain(|name| *name != volume.name);
                }
                Ok(())
            };
            tokio::select! {
                done = work => done,
                () = stop.cancelled() => Ok(()),
            }
        }
        Err(error) => Err(JobError::Worker(error)),
    };
    if let Err(error) = done {
        tracing::debug!(%error, "a worker that empties what an earlier run left");
    }
    if let Some(left) = sweep::remove_session(daemon, &session.id).await?.into_iter().next() {
        return Err(left.error.into());
    }
    Ok(full)
}
