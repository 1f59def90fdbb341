//! Watches the disk of the engine's host while services of a sandbox run. A service that fills it is stopped while live
//! services still have room, and its rehearsal is errored: on a disk without room nothing is learned about a backup.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::docker::Daemon;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::mount::Strategy;
use crate::model::plan::{DataSource, RestorePlan, StackPlan};
use crate::model::service::ServiceName;
use crate::model::units;
use crate::rehearse::attempt::of_stack;
use crate::rehearse::diagnose::job_diagnosis;
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::stack_context::{KEEP_FREE, StackContext};
use crate::worker::client::{JobError, Worker};
use crate::worker::protocol::{FreeSpace, SpaceJob, SpaceLimit, WatchSpaceJob};

use super::room::RoomRequest;
use super::worker::Sandbox;

/// The worker's own root, whose file system has the engine's containers and their logs.
const OF_CONTAINERS: &str = "/";
/// Time between two attempts to stop the services: one may have been on its way to its start.
const REMOVE_EVERY: Duration = Duration::from_millis(500);
/// What is kept beside [`KEEP_FREE`], as far as a quarter of what is free above it allows: a service that writes fast
/// goes on until it is stopped.
const RESERVE: u64 = 128 * 1024 * 1024;
/// Longest wait for a last look.
const PATIENCE: Duration = Duration::from_secs(10);

/// A disk that became too full while services ran, once that is known.
#[derive(Debug, Default)]
pub(in crate::rehearse) struct Shortage {
    found: OnceLock<Diagnosis>,
    told: CancellationToken,
}

impl Shortage {
    fn tell(&self, diagnosis: Diagnosis) {
        // The first one counts.
        let _ = self.found.set(diagnosis);
        self.told.cancel();
    }

    /// The diagnosis for the services that ran then.
    pub fn known(&self) -> Option<Diagnosis> {
        self.found.get().cloned()
    }

    /// Waits until the disk is too full.
    pub async fn heard(&self) -> Diagnosis {
        self.told.cancelled().await;
        match self.known() {
            Some(diagnosis) => diagnosis,
            None => std::future::pending().await,
        }
    }
}

/// A running watch; it ends when it is dropped or stopped.
pub(in crate::rehearse) struct SpaceWatch {
    worker: Arc<Worker>,
    limits: Vec<SpaceLimit>,
    stack: String,
    shortage: Arc<Shortage>,
    /// Why nothing was seen any more.
    broken: Arc<OnceLock<Diagnosis>>,
    stop: CancellationToken,
}

impl SpaceWatch {
    /// Begins to watch the file systems of the sandbox's volumes and containers. When too little is free there,
    /// `shortage` is told and the containers of these names are removed.
    pub async fn begin(
        cx: &StackContext,
        sandbox: &Sandbox,
        shortage: &Arc<Shortage>,
        containers: Vec<String>,
    ) -> Diagnosed<Self> {
        let worker = sandbox.worker("the watch over the disk").await?;
        let volumes = sandbox.places.iter().filter_map(|place| Some(place.as_ref().ok()?.to.clone()));
        let paths: Vec<String> = volumes.chain([OF_CONTAINERS.to_owned()]).collect();
        let found = worker.run(SpaceJob { paths: paths.clone() }).await;
        let found = found.map_err(|error| job_diagnosis(&error, "looking how much is free on the engine's disk"))?;
        let limits = paths.into_iter().zip(found).map(|(path, free)| limit(path, &free)).collect();
        let watch = Self {
            worker,
            limits,
            stack: cx.plan.name.clone(),
            shortage: Arc::clone(shortage),
            broken: Arc::default(),
            stop: CancellationToken::new(),
        };
        tokio::spawn(watch.watching(cx.run.daemon.clone(), containers));
        Ok(watch)
    }

    /// Watches until it is stopped; stops the services when the disk is too full.
    fn watching(&self, daemon: Daemon, containers: Vec<String>) -> impl Future<Output = ()> + Send + use<> {
        let (worker, stop, stack) = (Arc::clone(&self.worker), self.stop.clone(), self.stack.clone());
        let (shortage, broken) = (Arc::clone(&self.shortage), Arc::clone(&self.broken));
        let job = WatchSpaceJob { limits: self.limits.clone(), once: false };
        async move {
            let answer = tokio::select! {
                answer = worker.run(job) => answer,
                () = stop.cancelled() => return,
            };
            drop(worker);
            match answer {
                Ok(Some(free)) => shortage.tell(diagnosis(&stack, &free)),
                Ok(None) => return,
                Err(error) => {
                    let _ = broken.set(unseen(&error));
                    return;
                }
            }
            loop {
                for removed in join_all(containers.iter().map(|name| daemon.remove_container(name))).await {
                    if let Err(error) = removed {
                        tracing::debug!(%error, "stopping a service that fills the disk");
                    }
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(REMOVE_EVERY) => {}
                }
            }
        }
    }

    /// Looks once more, before a verdict: a service that takes all room at once ends before the watch sees it.
    pub async fn look(&self) -> Diagnosed<()> {
        if let Some(diagnosis) = self.shortage.known().or_else(|| self.broken.get().cloned()) {
            return Err(diagnosis);
        }
        let job = WatchSpaceJob { limits: self.limits.clone(), once: true };
        match tokio::time::timeout(PATIENCE, self.worker.run(job)).await {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(free))) => {
                let diagnosis = diagnosis(&self.stack, &free);
                self.shortage.tell(diagnosis.clone());
                Err(diagnosis)
            }
            Ok(Err(error)) => Err(unseen(&error)),
            Err(_) => Err(Diagnosis::new(
                Code::WorkerFailed,
                "looking how much is free on the engine's disk: the worker does not answer",
            )),
        }
    }

    /// Ends the watch.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for SpaceWatch {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Reserves room on the engine's disk for what the stack will restore, and waits for the end of other stacks if there
/// is too little. Another boot of a service waits for nobody: the others may wait for its end.
pub(in crate::rehearse) async fn reserve(cx: &StackContext, sandbox: &Sandbox) -> Diagnosed<()> {
    let (name, bytes) = (cx.plan.name.as_str(), expected_bytes(&cx.plan));
    let path = sandbox.places.iter().find_map(|place| Some(place.as_ref().ok()?.to.clone()));
    let Some(path) = path.filter(|_| bytes > 0 && of_stack(name) == name) else { return Ok(()) };
    let worker = sandbox.worker("a look at the disk").await?;
    let free = || {
        let (worker, job) = (Arc::clone(&worker), SpaceJob { paths: vec![path.clone()] });
        async move {
            let found = worker.run(job).await;
            let found =
                found.map_err(|error| job_diagnosis(&error, "looking how much is free on the engine's disk"))?;
            Ok(found.first().map_or(u64::MAX, |free| free.bytes))
        }
    };
    cx.run.room().reserve(RoomRequest { sandbox: name, bytes, keep_free: KEEP_FREE }, free).await
}

/// Bytes that a stack will bring to the engine's disk, as far as its backup tells.
fn expected_bytes(plan: &StackPlan) -> u64 {
    let is_blocked =
        |name: &ServiceName| plan.services.iter().any(|of| of.service.name == *name && of.blocked.is_some());
    let restores = plan.restores.iter().filter(|of| of.cases.iter().any(|name| !is_blocked(name)));
    restores.map(restored_bytes).fold(0, u64::saturating_add)
}

/// Bytes that a restore will bring, as far as its backup tells.
pub(in crate::rehearse) fn restored_bytes(restore: &RestorePlan) -> u64 {
    match (&restore.supply, restore.strategy) {
        (DataSource::Archive { holds, .. }, _) => holds.amount.bytes,
        (DataSource::HostTree(_), Strategy::Copy) => restore.part.as_ref().map_or(0, |part| part.holds.amount.bytes),
        (DataSource::HostTree(_) | DataSource::Live, _) => 0,
    }
}

/// What has to stay free on a file system on which so much is free before the first service starts. Where less than
/// that is free already, half of it has to.
fn limit(path: String, free: &FreeSpace) -> SpaceLimit {
    let kept = |free: u64, keep: u64| if free >= keep { keep } else { free / 2 };
    let files = free.files.map_or(0, |files| kept(files, free.kept_files));
    let reserve = (free.bytes.saturating_sub(KEEP_FREE) / 4).min(RESERVE);
    SpaceLimit { path, bytes: kept(free.bytes, KEEP_FREE) + reserve, files }
}

fn diagnosis(stack: &str, free: &FreeSpace) -> Diagnosis {
    let (left, missing) = match free.files {
        Some(files) if files < free.kept_files => {
            (format!("{files} files (inodes), and {} stay free", free.kept_files), "inodes (`df -i` counts them)")
        }
        _ => (format!("{}, and {} stay free", units::bytes(free.bytes), units::bytes(KEEP_FREE)), "space"),
    };
    let message = format!(
        "while the services of {stack} ran, the engine's disk filled up to its last {left} for live services; they \
         were stopped"
    );
    Diagnosis {
        remedy: Some(format!(
            "Look at what the service writes once it runs, and at what else fills the engine's disk. Free some \
             {missing} there, or rehearse on a host with more."
        )),
        ..Diagnosis::new(Code::RestoreNoSpace, message)
    }
}

fn unseen(error: &JobError) -> Diagnosis {
    job_diagnosis(error, "watching how much is free on the engine's disk")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_to_stay_free_is_never_more_than_was_free() {
        let free = |bytes, files| FreeSpace { bytes, files, kept_files: 100 };
        let of = |free: FreeSpace| {
            let SpaceLimit { bytes, files, .. } = limit(String::new(), &free);
            (bytes, files)
        };
        assert_eq!(of(free(KEEP_FREE * 3, Some(1000))), (KEEP_FREE + RESERVE, 100));
        assert_eq!(
            of(free(KEEP_FREE + 400, Some(1000))),
            (KEEP_FREE + 100, 100),
            "most of the little is the service's"
        );
        assert_eq!(of(free(KEEP_FREE, None)), (KEEP_FREE, 0));
        assert_eq!(of(free(KEEP_FREE - 2, Some(50))), (KEEP_FREE / 2 - 1, 25));
    }

    #[tokio::test]
    async fn a_shortage_is_heard_by_all_and_the_first_counts() {
        let shortage = Shortage::default();
        assert_eq!(shortage.known(), None);
        let first = diagnosis("shop", &FreeSpace { bytes: 1_000_000, files: None, kept_files: 0 });
        shortage.tell(first.clone());
        shortage.tell(diagnosis("shop", &FreeSpace { bytes: 0, files: Some(3), kept_files: 100 }));
        assert_eq!(shortage.heard().await, first);
        assert_eq!(first.code, Code::RestoreNoSpace);
        let no_files = diagnosis("shop", &FreeSpace { bytes: 1 << 40, files: Some(3), kept_files: 100 });
        assert!(no_files.message.contains("its last 3 files (inodes), and 100 stay free"), "{no_files}");
        assert!(no_files.remedy().contains("Free some inodes") && first.remedy().contains("Free some space"));
        assert!(first.message.contains("of shop ran") && first.message.contains("1.0 MB"), "{first}");
    }
}
