//! Building a sandbox: its network, the volumes, the worker that copies into them, and the proof that nothing outside
//! answers.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::docker::{DockerError, DockerErrorKind, NetworkInfo, VolumeInfo, labels};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Step;
use crate::model::mount::{MountOrigin, Strategy};
use crate::model::plan::{DataSource, RestorePlan};
use crate::model::sandbox::{MountSource, MountSpec, NetworkSpec, VolumeSpec};
use crate::model::service::ServiceName;
use crate::worker::client::{JobError, Worker, WorkerError, WorkerImage};
use crate::worker::protocol::CanaryJob;

use super::ledger::LedgerEntry;
use crate::rehearse::engine::docker_diagnosis;
use crate::rehearse::shared_task::{Diagnosed, SharedFuture};
use crate::rehearse::stack::StackRehearsal;

/// Where a sandbox will stand: what can be made before the worker runs.
pub(in crate::rehearse) struct SandboxBase {
    /// The network.
    pub network: NetworkInfo,
    /// What became of each restore's preparation, by its index in the plan.
    pub places: Vec<Diagnosed<PreparedVolume>>,
}

/// What all services of a stack share, known to be isolated.
pub(in crate::rehearse) struct Sandbox {
    /// As in [`SandboxBase`], the vanished sources marked.
    pub places: Vec<Diagnosed<PreparedVolume>>,
    /// The worker; gone when nothing is left to copy.
    pub worker: Mutex<Option<Arc<Worker>>>,
}

/// A place to restore, ready to be filled.
#[derive(Debug, Clone)]
pub(in crate::rehearse) struct PreparedVolume {
    /// Where the worker sees the source; `None` when nothing is read.
    pub from: Option<String>,
    /// Where the worker sees the new volume.
    pub to: String,
    /// The new volume.
    pub volume: VolumeInfo,
    /// Path of the source on the engine's host.
    pub source_path: Option<String>,
    /// Where the worker sees what the live service has there, when the data comes from elsewhere.
    pub live: Option<String>,
    /// The engine has the source mounted there only while a container uses it: its volume has another driver, or options.
    pub mounted_on_use: bool,
}

/// A name that only a resolver outside knows.
const OUTSIDE_NAME: &str = "example.com";
/// How long the canary waits for an answer. Neighbours on a bridge answer within a millisecond; where no route leads, the
/// kernel says so at once; a resolver on the host or beside it knows a name as common as the canary's within some ten.
const CANARY_PATIENCE_MS: u64 = 75;

impl StackRehearsal {
    /// The sandbox, built by the first who asks.
    pub fn sandbox(self: &Arc<Self>) -> SharedFuture<Arc<Sandbox>> {
        let stack = Arc::clone(self);
        self.sandbox.get(|| async move { stack.build().await.map(Arc::new) })
    }

    /// All cases of the stack: whom a step of the whole sandbox is for.
    pub fn all_cases(&self) -> Vec<ServiceName> {
        let runs = self.plan.services.iter().filter(|plan| plan.selected && plan.ignored.is_none());
        runs.map(|plan| plan.service.name.clone()).collect()
    }

    /// The network and the volumes, made by the first who asks.
    pub fn grounds(self: &Arc<Self>) -> SharedFuture<Arc<SandboxBase>> {
        let stack = Arc::clone(self);
        self.grounds.get(|| async move {
            if let Some(diagnosis) = stack.common.breach().known(&stack.plan.name) {
                return Err(diagnosis);
            }
            let (network, places) = tokio::join!(stack.make_network(), stack.prepare_all());
            Ok(Arc::new(SandboxBase { network: network?, places }))
        })
    }

    async fn build(self: &Arc<Self>) -> Diagnosed<Sandbox> {
        let (grounds, image, watch) = tokio::join!(self.grounds(), self.common.image(), self.common.watch());
        let (grounds, image) = (grounds?, image?);
        watch?;
        let mut places = grounds.places.clone();
        let worker = self.start_worker(&image, &grounds.network, &mut places).await?;
        let worker = Arc::new(worker);
        self.canary(&worker, &grounds.network).await?;
        Ok(Sandbox { places, worker: Mutex::new(Some(worker)) })
    }

    /// Lets the worker go; its container is removed while other things go on.
    pub async fn dismiss_worker(self: &Arc<Self>, sandbox: &Sandbox) {
        let Some(worker) = sandbox.worker.lock().await.take() else { return };
        self.dismiss(worker);
    }

    /// Removes a worker's container in the background. Teardown waits for it.
    pub fn dismiss(&self, worker: Arc<Worker>) {
        let daemon = self.common.daemon.clone();
        self.ledger.in_background(async move {
            let id = worker.container_id().to_owned();
            drop(worker);
            if let Err(error) = daemon.remove_container(&id).await {
                tracing::debug!(%error, "removing a worker; teardown tries again");
            }
        });
    }

    async fn make_network(self: &Arc<Self>) -> Diagnosed<NetworkInfo> {
        let step = self.common.notify.begin(self.all_cases(), Step::Network);
        let name = self.common.session.name(&self.plan.name, "net");
        let (daemon, marks) = (self.common.daemon.clone(), self.common.session.marks(&self.plan.name));
        let request = {
            let name = name.clone();
            async move { daemon.create_network(&name, &marks).await }
        };
        match self.ledger.create(LedgerEntry::Network(name), request).await {
            Ok(network) => {
                step.done();
                Ok(network)
            }
            Err(error) => {
                Err(step.broke(docker_diagnosis(&error, Code::SandboxFailed, "creating the sandbox network")))
            }
        }
    }

    async fn prepare_all(self: &Arc<Self>) -> Vec<Diagnosed<PreparedVolume>> {
        let all = self.plan.restores.iter().enumerate().map(|(index, restore)| self.prepare(index, restore));
        futures_util::future::join_all(all).await
    }

    async fn prepare(self: &Arc<Self>, index: usize, restore: &RestorePlan) -> Diagnosed<PreparedVolume> {
        // What is left empty only lends its owner and mode: a volume whose driver is missing can still be replaced by that.
        let may_be_gone = restore.strategy == Strategy::Empty;
        let mut mounted_on_use = false;
        let streamed = matches!(restore.supply, DataSource::Archive { .. });
        let source_path = match &restore.mount.origin {
            _ if let DataSource::HostPath(path) = &restore.supply => Some(path.clone()),
            _ if streamed && !may_be_gone => None,
            MountOrigin::Volume { name, driver } => match self.common.daemon.volume(name).await {
                Ok(_) if may_be_gone && driver != "local" => None,
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
        let name = self.common.session.name(&self.plan.name, &format!("v{index}"));
        let (daemon, marks) = (self.common.daemon.clone(), self.common.session.marks(&self.plan.name));
        let request = {
            let name = name.clone();
            async move { daemon.create_volume(&name, &VolumeSpec::Plain, &marks).await }
        };
        let volume = self.ledger.create(LedgerEntry::Volume(name), request).await;
        let volume = volume
            .map_err(|error| docker_diagnosis(&error, Code::SandboxFailed, "creating a volume of the sandbox"))?;
        let reads = source_path.is_some() || !may_be_gone && !streamed;
        let from = reads.then(|| format!("/from/{index}"));
        let live = self.has_live(restore).await.then(|| format!("/live/{index}"));
        Ok(PreparedVolume { from, to: format!("/to/{index}"), volume, source_path, live, mounted_on_use })
    }

    /// Whether the live data can be looked at beside what comes from a backup. A volume with a driver or options of its own is not
    /// mounted for that: it may be far away.
    async fn has_live(&self, restore: &RestorePlan) -> bool {
        match (&restore.supply, &restore.mount.origin) {
            (DataSource::Live, _) => false,
            _ if matches!(restore.strategy, Strategy::Empty | Strategy::Omit) => false,
            (_, MountOrigin::Volume { name, .. }) => match self.common.daemon.volume(name).await {
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
        self: &Arc<Self>,
        image: &WorkerImage,
        network: &NetworkInfo,
        places: &mut [Diagnosed<PreparedVolume>],
    ) -> Diagnosed<Worker> {
        let step = self.common.notify.begin(self.all_cases(), Step::Worker);
        // Twice: a place and the live mount beside it may both be gone.
        for attempt in 0..=2 * places.len() {
            let mounts = self.worker_mounts(places);
            let name = self.common.session.name(&self.plan.name, &format!("worker{attempt}"));
            let marks = self.common.session.marks(&self.plan.name);
            let spec = NetworkSpec::Sandbox { network: network.name.clone(), aliases: Vec::new() };
            let (daemon, image) = (self.common.daemon.clone(), image.clone());
            self.ledger.note(LedgerEntry::Container(name.clone()));
            let started =
                self.ledger.run(async move { Worker::start(&daemon, &image, &name, mounts, spec, &marks).await });
            let error = match started.await {
                Ok(worker) => {
                    self.take_out_vanished(places).await;
                    step.done();
                    return Ok(worker);
                }
                Err(error) => error,
            };
            if !self.take_out_missing(&error, places) {
                return Err(step.broke(worker_diagnosis(&error, "starting the worker")));
            }
        }
        Err(step.broke(Diagnosis::new(Code::WorkerFailed, "starting the worker: its mounts keep vanishing")))
    }

    /// Marks the places whose path the engine misses; false when that is not why it refused.
    fn take_out_missing(&self, error: &WorkerError, places: &mut [Diagnosed<PreparedVolume>]) -> bool {
        let Some(path) = missing_path(error) else { return false };
        let mut found = false;
        for (restore, place) in self.plan.restores.iter().zip(places) {
            // Only to be looked at beside what comes from the backup.
            if let Ok(prepared) = place
                && prepared.live.is_some()
                && matches!(&restore.mount.origin, MountOrigin::Bind { source } if *source == path)
            {
                prepared.live = None;
                found = true;
            }
            let is_it = match (&restore.supply, &restore.mount.origin) {
                (DataSource::HostPath(source), _) | (DataSource::Live, MountOrigin::Bind { source }) => *source == path,
                _ => false,
            };
            if place.is_ok() && is_it {
                found = true;
                if restore.strategy == Strategy::Empty {
                    *place = place.clone().map(|prepared| PreparedVolume { from: None, ..prepared });
                    continue;
                }
                let message =
                    format!("{path}, which is mounted at {}, is not on the host any more", restore.mount.target);
                *place = Err(Diagnosis::new(Code::ConfigMissingFile, message));
            }
        }
        found
    }

    /// Marks the places whose volume was removed since it was looked at. The engine makes a volume that is to be mounted and
    /// is not there; such a one bears our labels, and is removed with the sandbox.
    async fn take_out_vanished(&self, places: &mut [Diagnosed<PreparedVolume>]) {
        let looks = self.plan.restores.iter().zip(places).map(|(restore, place)| async move {
            let (MountOrigin::Volume { name, .. }, DataSource::Live) = (&restore.mount.origin, &restore.supply) else {
                return;
            };
            if !place.as_ref().is_ok_and(|prepared| prepared.from.is_some()) {
                return;
            }
            let made_by_us = match self.common.daemon.volume(name).await {
                Ok(volume) => volume.labels.get(labels::SESSION) == Some(&self.common.session.id),
                Err(error) => matches!(error.kind, DockerErrorKind::NotFound(_)),
            };
            if made_by_us {
                *place = Err(vanished(&restore.mount.title()));
            }
        });
        futures_util::future::join_all(looks).await;
    }

    fn worker_mounts(&self, places: &[Diagnosed<PreparedVolume>]) -> Vec<MountSpec> {
        let mut mounts = Vec::new();
        for (restore, prepared) in self.plan.restores.iter().zip(places) {
            let Ok(prepared) = prepared else { continue };
            if let Some(from) = &prepared.from {
                let source = match &restore.mount.origin {
                    _ if let DataSource::HostPath(path) = &restore.supply => MountSource::HostPath(path.clone()),
                    MountOrigin::Volume { name, .. } => MountSource::Volume(name.clone()),
                    MountOrigin::Bind { source } => MountSource::HostPath(source.clone()),
                    MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. } => continue,
                };
                mounts.push(MountSpec { target: from.clone(), source, read_only: true });
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

    async fn canary(self: &Arc<Self>, worker: &Worker, network: &NetworkInfo) -> Diagnosed<()> {
        let step = self.common.notify.begin(self.all_cases(), Step::Canary);
        let mut addresses = match self.common.addresses().await {
            Ok(addresses) => addresses.to_vec(),
            Err(diagnosis) => return Err(step.broke(diagnosis)),
        };
        addresses.extend(network.gateways.iter().cloned());
        let job = CanaryJob { addresses, name: OUTSIDE_NAME.to_owned(), patience_ms: CANARY_PATIENCE_MS };
        match worker.run(job).await {
            Ok(answered) if answered.is_empty() => {
                step.done();
                Ok(())
            }
            Ok(answered) => {
                let message = format!(
                    "from inside the sandbox network {}, which must lead nowhere: {}; no service was booted in it",
                    network.name,
                    answered.join("; ")
                );
                let diagnosis = step.broke(Diagnosis::new(Code::SandboxNotIsolated, message));
                self.common.notify.halt();
                self.common.breach().tell(&self.plan.name, &diagnosis);
                Err(diagnosis)
            }
            Err(error) => Err(step.broke(job_diagnosis(&error, "the canary"))),
        }
    }
}

/// Why a job that is about no mount has no answer.
pub(in crate::rehearse) fn job_diagnosis(error: &JobError, during: &str) -> Diagnosis {
    match error {
        JobError::Worker(error) => worker_diagnosis(error, during),
        JobError::Failed(_) | JobError::Cancelled | JobError::Unexpected(_) => {
            Diagnosis::new(Code::WorkerFailed, format!("{during}: {error}"))
        }
    }
}

/// A worker's failure as a diagnosis.
pub(in crate::rehearse) fn worker_diagnosis(error: &WorkerError, during: &str) -> Diagnosis {
    match error {
        WorkerError::Docker(error) => docker_diagnosis(error, Code::WorkerFailed, during),
        WorkerError::Image { .. } | WorkerError::Stopped { .. } | WorkerError::Silent(_) | WorkerError::Garbled(_) => {
            Diagnosis::new(Code::WorkerFailed, format!("{during}: {error}"))
        }
        WorkerError::Source(_) => Diagnosis::new(Code::SourceUnreachable, format!("{during}: {error}")),
    }
}

fn vanished(mount: &str) -> Diagnosis {
    Diagnosis::new(Code::HostServiceVanished, format!("{mount} is gone from the host"))
}

/// Looking at a live volume failed.
fn source_diagnosis(error: &DockerError, mount: &str) -> Diagnosis {
    match &error.kind {
        DockerErrorKind::NotFound(words) if words.contains("no such volume") => vanished(mount),
        DockerErrorKind::NotFound(words) | DockerErrorKind::Engine(words) => {
            Diagnosis::new(Code::ConfigVolumeDriver, format!("{mount} cannot be read: {words}"))
        }
        _ => docker_diagnosis(error, Code::ConfigVolumeDriver, &format!("looking at {mount}")),
    }
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
