//! Looks at the engine's host by a worker that mounts folders of the host read-only: a backup that lies there, and what
//! has to be known before one is chosen.

use crate::docker::Daemon;
use crate::model::host_tree::{HostLook, HostSeen, HostTree};
use crate::model::sandbox::{MountSource, MountSpec, NetworkSpec};
use crate::model::source::MountQuery;
use crate::rehearse::sandbox::client::{PLAN, SandboxClient};
use crate::rehearse::sandbox::session::Session;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::sandbox::sweep;
use crate::worker::client::{JobError, WorkerError, WorkerImage};
use crate::worker::protocol::{Failure, LookJob, SurveyJob, Surveyed, WorkerJob};

/// The folder's path in the worker.
const TARGET: &str = "/backup";
/// The path in the worker of the host's table of mounts.
const MOUNTS_TARGET: &str = "/mounts";
/// The table of mounts of the host's first process.
const MOUNTS: &str = "/proc/1/mountinfo";

/// What was found; the error says why the host could not be looked at.
type Found<T> = Result<T, String>;

/// What a folder of the engine's host holds for these queries. The inner error says why the folder cannot be read; the
/// outer one comes from the worker or the engine. The worker is removed.
pub async fn survey(
    daemon: &Daemon,
    session: &Session,
    tree: &HostTree,
    wants: Vec<MountQuery>,
    stop: &StopSignal,
) -> Result<Found<Surveyed>, WorkerError> {
    let mut mounts = vec![mount(TARGET.to_owned(), &tree.path)];
    mounts.extend(tree.inside.iter().map(|(at, data)| mount(format!("{TARGET}/{at}"), data)));
    let job = SurveyJob { path: TARGET.to_owned(), wants };
    ask(daemon, session, &tree.path, mounts, job, stop).await
}

/// What the engine's host has of what is asked for. Errors are as for [`survey`].
pub async fn look(
    daemon: &Daemon,
    session: &Session,
    look: &HostLook,
    stop: &StopSignal,
) -> Result<Found<HostSeen>, WorkerError> {
    let HostLook { mounts: wants_mounts, list, folders } = look;
    let mut mounts = Vec::new();
    if *wants_mounts {
        mounts.push(mount(MOUNTS_TARGET.to_owned(), MOUNTS));
    }
    if let Some(list) = list {
        mounts.push(mount(TARGET.to_owned(), &list.path));
    }
    // Each folder is mounted once, whatever number of paths below it is looked at.
    let mut bases: Vec<&str> = folders.iter().map(|(base, _)| base.as_str()).collect();
    bases.sort_unstable();
    bases.dedup();
    let target_of = |index: usize| format!("/folders/{index}");
    mounts.extend(bases.iter().enumerate().map(|(index, base)| mount(target_of(index), base)));
    let in_worker = |(base, path): &(String, String)| {
        let index = bases.iter().position(|known| known == base).unwrap_or_default();
        format!("{}/{path}", target_of(index))
    };
    let job = LookJob {
        mounts: wants_mounts.then(|| MOUNTS_TARGET.to_owned()),
        list: list.as_ref().map(|list| (TARGET.to_owned(), list.inside.clone())),
        folders: folders.iter().map(in_worker).collect(),
    };
    let shown = list.as_ref().map(|list| list.path.as_str()).or(bases.first().copied()).unwrap_or("the mounts");
    ask(daemon, session, shown, mounts, job, stop).await
}

fn mount(target: String, path: &str) -> MountSpec {
    MountSpec { target, source: MountSource::HostPath(path.to_owned()), read_only: true }
}

/// Gives a job to a worker with these mounts. `path` is named in errors.
async fn ask<J: WorkerJob>(
    daemon: &Daemon,
    session: &Session,
    path: &str,
    mounts: Vec<MountSpec>,
    job: J,
    stop: &StopSignal,
) -> Result<Found<J::Answer>, WorkerError> {
    let image = WorkerImage::ensure(daemon, session.began).await?;
    let client = SandboxClient::new(daemon, session, PLAN);
    let answer = match client.start_worker(&image, "lookup", mounts, NetworkSpec::None).await {
        Ok(worker) => tokio::select! {
            answer = worker.run(job) => answer,
            () = stop.cancelled() => Err(JobError::Cancelled),
        },
        Err(error) => Err(JobError::Worker(error)),
    };
    if let Some(left) = sweep::remove_session(daemon, &session.id).await?.into_iter().next() {
        return Err(left.error.into());
    }
    Ok(match answer {
        Ok(answer) => Ok(answer),
        Err(JobError::Failed(Failure::Unreadable { path: inside, error })) => {
            Err(format!("reading {path}/{inside} on the engine's host: {error}"))
        }
        // The engine refuses to mount a path that does not exist.
        Err(JobError::Worker(WorkerError::Docker(error))) => {
            Err(format!("the engine cannot mount {path} of its host: {error}"))
        }
        Err(JobError::Worker(error)) => return Err(error),
        Err(other) => Err(format!("looking through {path}: {other}")),
    })
}
