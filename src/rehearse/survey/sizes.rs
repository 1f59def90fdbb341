//! Measures how much a plan would copy, by one worker without a network that mounts every source read-only.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use tracing::debug;

use crate::docker::{Daemon, DockerErrorKind};
use crate::model::mount::{MountOrigin, Strategy};
use crate::model::plan::{DataSource, Plan, RestorePlan};
use crate::model::sandbox::{MountSource, MountSpec, NetworkSpec};
use crate::rehearse::sandbox::client::{PLAN, SandboxClient};
use crate::rehearse::sandbox::session::Session;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::sandbox::sweep;
use crate::worker::client::{JobError, WorkerError, WorkerImage};
use crate::worker::protocol::{Scan, ScanJob};

/// Counting stops after so many entries, so that a plan is made soon.
const MOST_ENTRIES: u64 = 1_000_000;

/// Scans that run at the same time; they share one disk.
const AT_A_TIME: usize = 4;

/// The size of each stack's restores, in the plan's order; `None`: not counted, or not countable.
pub type Sizes = Vec<Vec<Option<Scan>>>;

/// The sizes if none were asked for: all unknown.
pub fn unknown(plan: &Plan) -> Sizes {
    plan.stacks.iter().map(|stack| vec![None; stack.restores.len()]).collect()
}

/// Counts the sizes of the plan's restores, and removes the worker. A source that cannot be mounted, or was not
/// counted before a stop, has no size.
pub async fn measure(daemon: &Daemon, session: &Session, plan: &Plan, stop: &StopSignal) -> Result<Sizes, WorkerError> {
    let mut sources: Vec<MountOrigin> = Vec::new();
    for restore in plan.stacks.iter().flat_map(|stack| &stack.restores) {
        if is_read(restore) && !sources.contains(&restore.mount.origin) {
            sources.push(restore.mount.origin.clone());
        }
    }
    let mut present = Vec::new();
    for source in sources {
        if is_present(daemon, &source).await? {
            present.push(source);
        }
    }
    if present.is_empty() {
        return Ok(unknown(plan));
    }
    let image = WorkerImage::ensure(daemon, session.began).await?;
    let client = SandboxClient::new(daemon, session, PLAN);
    let counted = Counting { client, image: &image, stop }.all(&present).await;
    let left = sweep::remove_session(daemon, &session.id).await?;
    if let Some(left) = left.into_iter().next() {
        return Err(left.error.into());
    }
    let counted = counted?;
    let scan = |restore: &RestorePlan| {
        let place = present.iter().position(|source| *source == restore.mount.origin)?;
        if is_read(restore) { counted.get(&place).cloned() } else { None }
    };
    Ok(plan.stacks.iter().map(|stack| stack.restores.iter().map(scan).collect()).collect())
}

/// Whether the restore reads the live data at all.
fn is_read(restore: &RestorePlan) -> bool {
    let reads = matches!(restore.strategy, Strategy::Copy | Strategy::Readonly | Strategy::Overlay);
    let is_live = restore.supply == DataSource::Live && restore.ask.as_ref().is_none_or(|ask| !ask.required);
    reads && is_live && matches!(restore.mount.origin, MountOrigin::Volume { .. } | MountOrigin::Bind { .. })
}

/// Whether a volume exists: Docker would create a missing one, and a plan creates nothing.
async fn is_present(daemon: &Daemon, source: &MountOrigin) -> Result<bool, WorkerError> {
    let MountOrigin::Volume { name, .. } = source else { return Ok(true) };
    match daemon.volume(name).await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind, DockerErrorKind::Unreachable | DockerErrorKind::Refused) => {
            Err(error.into())
        }
        Err(error) => {
            debug!("volume {name} has no size: {error}");
            Ok(false)
        }
    }
}

/// What the counting workers need.
struct Counting<'a> {
    client: SandboxClient,
    image: &'a WorkerImage,
    stop: &'a StopSignal,
}

impl Counting<'_> {
    /// Counts with one worker for all sources. If that worker does not start, because one source cannot be mounted,
    /// counts with one worker each.
    async fn all(&self, sources: &[MountOrigin]) -> Result<BTreeMap<usize, Scan>, WorkerError> {
        let all: Vec<(usize, &MountOrigin)> = sources.iter().enumerate().collect();
        match self.some("sizes", &all).await {
            Ok(counted) => return Ok(counted),
            Err(WorkerError::Docker(error))
                if matches!(error.kind, DockerErrorKind::Unreachable | DockerErrorKind::Refused) =>
            {
                return Err(error.into());
            }
            Err(error) if all.len() == 1 => {
                debug!("{:?} has no size: {error}", all[0].1);
                return Ok(BTreeMap::new());
            }
            Err(error) => debug!("one worker for all sources did not do: {error}"),
        }
        let mut counted = BTreeMap::new();
        for one in all {
            if self.stop.is_cancelled() {
                break;
            }
            match self.some(&format!("size-{}", one.0), &[one]).await {
                Ok(found) => counted.extend(found),
                Err(error) => debug!("{:?} has no size: {error}", one.1),
            }
        }
        Ok(counted)
    }

    async fn some(&self, role: &str, sources: &[(usize, &MountOrigin)]) -> Result<BTreeMap<usize, Scan>, WorkerError> {
        let mounts = sources.iter().map(|(place, origin)| mount(*place, origin)).collect();
        // Starting a worker is never dropped half-way: the engine might create the container after the clean-up
        // looked for it.
        let worker = self.client.start_worker(self.image, role, mounts, NetworkSpec::None).await?;
        let scans = stream::iter(sources)
            .map(|(place, _)| {
                let worker = &worker;
                async move {
                    let job = ScanJob { path: target(*place), max_entries: MOST_ENTRIES };
                    (*place, worker.run(job).await)
                }
            })
            .buffer_unordered(AT_A_TIME)
            .collect::<Vec<_>>();
        let scans = tokio::select! {
            scans = scans => scans,
            () = self.stop.cancelled() => Vec::new(),
        };
        let mut counted = BTreeMap::new();
        for (place, answer) in scans {
            match answer {
                Ok(scan) => {
                    counted.insert(place, scan);
                }
                Err(JobError::Worker(error)) => return Err(error),
                Err(error) => debug!("no size of source {place}: {error}"),
            }
        }
        Ok(counted)
    }
}

fn target(place: usize) -> String {
    format!("/sources/{place}")
}

fn mount(place: usize, origin: &MountOrigin) -> MountSpec {
    let source = match origin {
        MountOrigin::Volume { name, .. } => MountSource::Volume(name.clone()),
        MountOrigin::Bind { source } => MountSource::HostPath(source.clone()),
        MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. } => {
            unreachable!("only volumes and binds are read")
        }
    };
    MountSpec { target: target(place), source, read_only: true }
}
