//! Building a sandbox: its network and its volumes, created at the same time, and the worker that copies into them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::Mutex;

use crate::docker::{DockerErrorKind, labels};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Step;
use crate::model::host_tree::joined;
use crate::model::mount::{IN_MEMORY, MountOrigin, Strategy};
use crate::model::plan::{DataSource, RestorePlan};
use crate::model::sandbox::{MountSource, MountSpec, NetworkSpec, VolumeSpec};
use crate::rehearse::diagnose::{docker_diagnosis, job_diagnosis, source_diagnosis, vanished, worker_diagnosis};
use crate::rehearse::shared_task::{Diagnosed, SharedFuture};
use crate::rehearse::stack_context::StackContext;
use crate::rehearse::state::{PreparedPlace, PreparedPlaces};
use crate::source::{DEFAULT_WINDOW, DecodeBounds, exchanged, exchanged_remedy};
use crate::worker::client::{JobError, Worker, WorkerError, WorkerImage};
use crate::worker::protocol::RecogniseJob;

use super::media::Medium;
use super::network::{self, NETWORK, SandboxNetwork, refuse_after_breach};

/// What the role of each attempt at the sandbox's worker begins with.
pub(in crate::rehearse) const WORKER: &str = "worker";

/// What all services of a stack share.
pub(in crate::rehearse) struct Sandbox {
    pub network: SandboxNetwork,
    /// The prepared places; an error also where the source has vanished meanwhile.
    pub places: PreparedPlaces,
    /// The worker; gone once the sandbox is torn down.
    worker: Mutex<Option<Arc<Worker>>>,
}

impl Sandbox {
    /// The worker, which is needed for this.
    pub async fn worker(&self, purpose: &str) -> Diagnosed<Arc<Worker>> {
        let worker = self.worker.lock().await.clone();
        worker.ok_or_else(|| Diagnosis::new(Code::WorkerFailed, format!("the worker was gone before {purpose}")))
    }

    /// Takes the worker out: nothing is restored or inspected any more.
    pub async fn take_worker(&self) -> Option<Arc<Worker>> {
        self.worker.lock().await.take()
    }
}

/// Creates the volumes of all places, in the order of `StackPlan::restores`; an error where a place cannot be restored.
pub(in crate::rehearse) async fn prepare_places(cx: &StackContext) -> Diagnosed<PreparedPlaces> {
    refuse_after_breach(cx)?;
    let places = cx.plan.restores.iter().enumerate().map(|(index, restore)| prepare_place(cx, index, restore));
    Ok(join_all(places).await)
}

/// Starts the worker. Its container is created as soon as the volumes are there, while the network is still being
/// created; the engine needs the network only for the start.
pub(in crate::rehearse) async fn build(
    cx: &StackContext,
    network: SharedFuture<SandboxNetwork>,
    places: SharedFuture<Arc<PreparedPlaces>>,
) -> Diagnosed<Sandbox> {
    let (places, image) = tokio::join!(places, cx.run.image());
    let (mut places, image) = (places?.to_vec(), image?);
    let kept_up = network::keep_up(cx, &image, network.clone());
    let (started, kept_up) = tokio::join!(start_worker(cx, &image, network, &mut places), kept_up);
    let (worker, network) = started?;
    if network.medium == Medium::Wire {
        kept_up?;
    }
    Ok(Sandbox { network, places, worker: Mutex::new(Some(worker)) })
}

/// Creates the volume of one place, and finds out where its data lies.
async fn prepare_place(cx: &StackContext, index: usize, restore: &RestorePlan) -> Diagnosed<PreparedPlace> {
    // A place that is left empty takes only owner and mode from the live one, so it does not need the live one.
    let may_be_gone = restore.strategy == Strategy::Empty;
    let mut mounted_on_use = false;
    let streamed = matches!(restore.supply, DataSource::Archive { .. });
    let source_path = match &restore.mount.origin {
        _ if let DataSource::HostTree(tree) = &restore.supply => Some(tree.path.clone()),
        _ if streamed && !may_be_gone || !restore.has_live => None,
        MountOrigin::Volume { name, driver } => match cx.run.daemon.volume(name).await {
            Ok(_) if may_be_gone && driver != "local" && driver != IN_MEMORY => None,
            Ok(volume) => {
                mounted_on_use = volume.driver != "local" || !volume.options.is_empty();
                Some(volume.mountpoint).filter(|path| !path.is_empty())
            }
            Err(_) if may_be_gone => None,
            Err(error) => return Err(source_diagnosis(&error, &restore.mount.title())),
        },
        MountOrigin::Bind { source } => Some(source.clone()),
        MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. } => None,
    };
    let volume = cx.client.create_volume(&format!("v{index}"), VolumeSpec::Plain).await;
    let volume =
        volume.map_err(|error| docker_diagnosis(&error, Code::SandboxFailed, "creating a volume of the sandbox"))?;
    let reads = source_path.is_some() || !may_be_gone && !streamed && restore.has_live;
    let from = reads.then(|| format!("/from/{index}"));
    let live = has_live(cx, restore).await.then(|| format!("/live/{index}"));
    Ok(PreparedPlace { from, to: format!("/to/{index}"), volume, source_path, live, mounted_on_use })
}

/// Whether the live data can be looked at beside what comes from a backup. A volume with a driver or options of its own
/// is not mounted for that: it may be far away.
async fn has_live(cx: &StackContext, restore: &RestorePlan) -> bool {
    match (&restore.supply, &restore.mount.origin) {
        (DataSource::Live, _) => false,
        _ if !restore.has_live => false,
        _ if matches!(restore.strategy, Strategy::Empty | Strategy::Omit) => false,
        (_, MountOrigin::Volume { name, .. }) => match cx.run.daemon.volume(name).await {
            Ok(volume) => volume.driver == "local" && volume.options.is_empty(),
            Err(_) => false,
        },
        (_, MountOrigin::Bind { .. }) => true,
        (_, MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. }) => false,
    }
}

/// Starts the stack's worker with every source, read-only, and every new volume. A source whose path is gone would keep
/// it from starting: that place is taken out and marked, and the rest goes on.
async fn start_worker(
    cx: &StackContext,
    image: &WorkerImage,
    network: SharedFuture<SandboxNetwork>,
    places: &mut [Diagnosed<PreparedPlace>],
) -> Diagnosed<(Arc<Worker>, SandboxNetwork)> {
    // Dropped, and so stopped, when the network or the watch is what breaks.
    let step = cx.begin(cx.cases(), Step::Worker);
    let mut replaced = None;
    // Twice for each place, since the live mount beside it may be gone, too; and once for each of what the engine's
    // kernel may lack.
    for attempt in 0..=2 * places.len() + 2 {
        let (role, mounts) = (format!("{WORKER}{attempt}"), worker_mounts(cx, places));
        let on = NetworkSpec::Sandbox { network: cx.client.name(NETWORK), aliases: Vec::new() };
        let created = cx.client.create_worker(image, &role, (mounts, on), long_windows(&cx.plan.restores));
        let (created, network, watch) = tokio::join!(created, network.clone(), cx.run.watch());
        let network = replaced.clone().map_or(network, Ok)?;
        watch?;
        let started = match created {
            Ok(created) => cx.client.start_created(created).await,
            Err(error) => Err(error),
        };
        let error = match started {
            Ok(worker) => {
                take_out_vanished(cx, places).await;
                if let Err(error) = take_out_exchanged(cx, &worker, places).await {
                    return Err(step.broke(job_diagnosis(&error, "looking whether the backup's folders are the same")));
                }
                step.done();
                return Ok((worker, network));
            }
            Err(error) => error,
        };
        if lacks_ipv6(cx, &error) {
            continue;
        }
        match network::replace_if_unsupported(cx, &network, &error).await {
            Ok(None) => {}
            Ok(bridge) => {
                replaced = bridge;
                continue;
            }
            Err(diagnosis) => return Err(step.broke(diagnosis)),
        }
        if !take_out_missing(cx, &error, places) {
            return Err(step.broke(worker_diagnosis(&error, "starting the worker")));
        }
    }
    Err(step.broke(Diagnosis::new(Code::WorkerFailed, "starting the worker: its mounts keep vanishing")))
}

/// Memory for the windows of the archives that the worker unpacks, each source once. An ordinary one fits into the
/// worker's usual memory.
fn long_windows(restores: &[RestorePlan]) -> u64 {
    let windows = restores.iter().filter_map(|restore| match &restore.supply {
        DataSource::Archive { source, max_window, .. } => Some((*source, *max_window)),
        DataSource::Live | DataSource::HostTree(_) => None,
    });
    let mut of_sources: BTreeMap<usize, u64> = BTreeMap::new();
    for (source, max_window) in windows {
        let longest = DecodeBounds { max_window, ..DecodeBounds::default() }.longest();
        let of_source = of_sources.entry(source).or_default();
        *of_source = longest.max(*of_source);
    }
    of_sources.into_values().filter(|window| *window > DEFAULT_WINDOW).sum()
}

/// Whether the worker could not be started because the kernel has no IPv6 to switch off; the next one can.
fn lacks_ipv6(cx: &StackContext, error: &WorkerError) -> bool {
    matches!(error, WorkerError::Docker(error) if cx.run.daemon.ipv6.learn(error))
}

/// Marks the places whose path the engine misses; false when that is not why it refused.
fn take_out_missing(cx: &StackContext, error: &WorkerError, places: &mut [Diagnosed<PreparedPlace>]) -> bool {
    let Some(path) = missing_path(error) else { return false };
    let mut found = false;
    for (restore, place) in cx.plan.restores.iter().zip(places) {
        // Only to be looked at beside what comes from the backup.
        if let Ok(prepared) = place
            && prepared.live.is_some()
            && matches!(&restore.mount.origin, MountOrigin::Bind { source } if *source == path)
        {
            prepared.live = None;
            found = true;
        }
        let is_it = match (&restore.supply, &restore.mount.origin) {
            (DataSource::HostTree(tree), _) => tree.path == path || tree.inside.iter().any(|(_, data)| *data == path),
            (DataSource::Live, MountOrigin::Bind { source }) => *source == path,
            _ => false,
        };
        if place.is_ok() && is_it {
            found = true;
            if restore.strategy == Strategy::Empty {
                *place = place.clone().map(|prepared| PreparedPlace { from: None, ..prepared });
                continue;
            }
            let message = format!("{path}, which is mounted at {}, is not on the host any more", restore.mount.target);
            *place = Err(Diagnosis::new(Code::ConfigMissingFile, message));
        }
    }
    found
}

/// Marks the places whose volume was removed since it was looked at. The engine makes a volume that is to be mounted
/// and is not there; such a one bears our labels, and is removed with the sandbox.
async fn take_out_vanished(cx: &StackContext, places: &mut [Diagnosed<PreparedPlace>]) {
    let looks = cx.plan.restores.iter().zip(places).map(|(restore, place)| async move {
        let (MountOrigin::Volume { name, .. }, DataSource::Live) = (&restore.mount.origin, &restore.supply) else {
            return;
        };
        if !place.as_ref().is_ok_and(|prepared| prepared.from.is_some()) {
            return;
        }
        let made_by_us = match cx.run.daemon.volume(name).await {
            Ok(volume) => volume.labels.get(labels::SESSION) == Some(&cx.run.session.id),
            Err(error) => matches!(error.kind, DockerErrorKind::NotFound(_)),
        };
        if made_by_us {
            *place = Err(vanished(&restore.mount.title()));
        }
    });
    join_all(looks).await;
}

/// Marks the places whose folder on the engine's host is another one than when the backup was looked through. The
/// worker keeps what it has mounted, so what it sees now is what it will read.
async fn take_out_exchanged(
    cx: &StackContext,
    worker: &Worker,
    places: &mut [Diagnosed<PreparedPlace>],
) -> Result<(), JobError> {
    for (restore, place) in cx.plan.restores.iter().zip(places) {
        let (DataSource::HostTree(tree), Ok(PreparedPlace { from: Some(from), .. })) = (&restore.supply, &*place)
        else {
            continue;
        };
        let paths = tree.known.iter().map(|(at, _)| joined(from, at)).collect();
        let found = worker.run(RecogniseJob { paths }).await?;
        let found = tree.known.iter().zip(found).filter_map(|((at, _), id)| Some((at.clone(), id?)));
        if let Some(path) = tree.exchanged(&found.collect::<Vec<_>>()) {
            let remedy = Some(exchanged_remedy(&path));
            *place = Err(Diagnosis { remedy, ..Diagnosis::new(Code::SourceExchanged, exchanged(&path)) });
        }
    }
    Ok(())
}

fn worker_mounts(cx: &StackContext, places: &[Diagnosed<PreparedPlace>]) -> Vec<MountSpec> {
    let mut mounts = Vec::new();
    for (restore, prepared) in cx.plan.restores.iter().zip(places) {
        let Ok(prepared) = prepared else { continue };
        if let Some(from) = &prepared.from {
            let source = match &restore.mount.origin {
                _ if let DataSource::HostTree(tree) = &restore.supply => Some(MountSource::HostPath(tree.path.clone())),
                MountOrigin::Volume { name, .. } => Some(MountSource::Volume(name.clone())),
                MountOrigin::Bind { source } => Some(MountSource::HostPath(source.clone())),
                // A dump that is left out, as in the boot without data, has nothing to read; its volume is there.
                MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. } => None,
            };
            let target = from.clone();
            mounts.extend(source.map(|source| MountSpec { target, source, read_only: true }));
            if let DataSource::HostTree(tree) = &restore.supply {
                mounts.extend(tree.inside.iter().map(|(at, data)| MountSpec {
                    target: format!("{from}/{at}"),
                    source: MountSource::HostPath(data.clone()),
                    read_only: true,
                }));
            }
        }
        if let Some(live) = &prepared.live {
            let source = match &restore.mount.origin {
                MountOrigin::Volume { name, .. } => MountSource::Volume(name.clone()),
                MountOrigin::Bind { source } => MountSource::HostPath(source.clone()),
                MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. } => continue,
            };
            mounts.push(MountSpec { target: live.clone(), source, read_only: true });
        }
        let to = MountSource::Volume(prepared.volume.name.clone());
        mounts.push(MountSpec { target: prepared.to.clone(), source: to, read_only: false });
    }
    mounts
}

/// The path that the engine misses, when that is why it refused.
fn missing_path(error: &WorkerError) -> Option<String> {
    let WorkerError::Docker(error) = error else { return None };
    let (DockerErrorKind::Engine(words) | DockerErrorKind::NotFound(words) | DockerErrorKind::Conflict(words)) =
        &error.kind
    else {
        return None;
    };
    let (_, path) = words.split_once("bind source path does not exist: ")?;
    Some(path.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mount::Mount;
    use crate::model::source::ContentTally;

    fn archive(source: usize, max_window: u64) -> RestorePlan {
        let origin = MountOrigin::Volume { name: "v".to_owned(), driver: "local".to_owned() };
        let supply = DataSource::Archive {
            source,
            path: Vec::new(),
            holds: ContentTally::default(),
            max_entries: 0,
            max_window,
            root_of_live: false,
        };
        RestorePlan {
            mount: Mount { target: "/data".to_owned(), origin, read_only: false },
            strategy: Strategy::Copy,
            supply,
            ask: None,
            part: None,
            cases: Vec::new(),
            max_copy: 0,
            witness: Default::default(),
            verify_content: false,
            has_live: true,
        }
    }

    #[test]
    fn the_worker_gets_memory_for_each_long_window_once() {
        let usual = archive(0, DEFAULT_WINDOW);
        assert_eq!(long_windows(std::slice::from_ref(&usual)), 0);
        let places = [usual, archive(1, 2 << 30), archive(1, 1 << 30), archive(2, 0)];
        assert_eq!(long_windows(&places), (2 << 30) + (4 << 30));
    }
}
