//! Surveys a backup that is a folder on the engine's host, by a worker that mounts the folder read-only.

use jiff::Timestamp;

use crate::docker::Daemon;
use crate::model::sandbox::{MountSource, MountSpec, NetworkSpec};
use crate::model::source::{BackupContents, MountQuery};
use crate::rehearse::sandbox::client::{PLAN, SandboxClient};
use crate::rehearse::sandbox::session::Session;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::sandbox::sweep;
use crate::worker::client::{JobError, WorkerError, WorkerImage};
use crate::worker::protocol::{Failure, SurveyJob, Surveyed};

/// The folder's path in the worker.
const TARGET: &str = "/backup";

/// What a folder of the engine's host holds for these queries, and the time of its last change. The inner error says
/// why the folder cannot be read; the outer one comes from the worker or the engine. The worker is removed.
pub async fn look(
    daemon: &Daemon,
    session: &Session,
    path: &str,
    wants: Vec<MountQuery>,
    stop: &StopSignal,
) -> Result<Result<(BackupContents, Option<Timestamp>), String>, WorkerError> {
    let image = WorkerImage::ensure(daemon, session.began).await?;
    let mounts =
        vec![MountSpec { target: TARGET.to_owned(), source: MountSource::HostPath(path.to_owned()), read_only: true }];
    let client = SandboxClient::new(daemon, session, PLAN);
    let answer = match client.start_worker(&image, "lookup", mounts, NetworkSpec::None).await {
        Ok(worker) => {
            let job = SurveyJob { path: TARGET.to_owned(), wants };
            tokio::select! {
                answer = worker.run(job) => answer,
                () = stop.cancelled() => Err(JobError::Cancelled),
            }
        }
        Err(error) => Err(JobError::Worker(error)),
    };
    if let Some(left) = sweep::remove_session(daemon, &session.id).await?.into_iter().next() {
        return Err(left.error.into());
    }
    Ok(match answer {
        Ok(Surveyed { found, modified }) => Ok((found, Timestamp::from_second(modified).ok())),
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
