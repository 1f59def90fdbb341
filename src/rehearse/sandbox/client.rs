//! Creates the objects of one stack's sandbox. Each is noted in the ledger before the engine is asked for it, and bears
//! the session's labels and a generated name.

use std::sync::Arc;

use crate::docker::{Daemon, Device, DockerError, DockerErrorKind, NetworkInfo, VolumeInfo};
use crate::model::sandbox::{ContainerSpec, MountSpec, NetworkSpec, ObjectLabels, VolumeSpec};
use crate::worker::client::{CreatedWorker, Worker, WorkerError, WorkerImage, memory_with, worker_spec};

use super::ledger::{Ledger, LedgerEntry};
use super::session::Session;

/// The name under which the objects go that are needed to make a plan, before there is any stack.
pub(in crate::rehearse) const PLAN: &str = "plan";

/// The one way in which a rehearsal creates anything. Clones share the ledger.
#[derive(Clone)]
pub(in crate::rehearse) struct SandboxClient {
    daemon: Daemon,
    session: Session,
    stack: String,
    ledger: Arc<Ledger>,
}

impl SandboxClient {
    /// A client for a stack of this session, with an empty ledger.
    pub fn new(daemon: &Daemon, session: &Session, stack: &str) -> Self {
        Self { daemon: daemon.clone(), session: session.clone(), stack: stack.to_owned(), ledger: Arc::default() }
    }

    /// The record of what was created.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The name of the object that plays this role in the sandbox.
    pub fn name(&self, role: &str) -> String {
        self.session.name(&self.stack, role)
    }

    fn labels(&self) -> ObjectLabels {
        self.session.marks(&self.stack)
    }

    /// Creates a network on this device.
    pub async fn create_network(&self, role: &str, device: Device) -> Result<NetworkInfo, DockerError> {
        let (daemon, name, labels) = (self.daemon.clone(), self.name(role), self.labels());
        let entry = LedgerEntry::Network(name.clone());
        self.ledger.create(entry, async move { daemon.create_network(&name, &device, &labels).await }).await
    }

    /// Creates a volume.
    pub async fn create_volume(&self, role: &str, spec: VolumeSpec) -> Result<VolumeInfo, DockerError> {
        let (daemon, name, labels) = (self.daemon.clone(), self.name(role), self.labels());
        let entry = LedgerEntry::Volume(name.clone());
        self.ledger.create(entry, async move { daemon.create_volume(&name, &spec, &labels).await }).await
    }

    /// Creates a container and returns its id; it is not started.
    pub async fn create_container(&self, role: &str, spec: ContainerSpec) -> Result<String, DockerError> {
        let (daemon, name, labels) = (self.daemon.clone(), self.name(role), self.labels());
        let entry = LedgerEntry::Container(name.clone());
        self.ledger.create(entry, async move { daemon.create_container(&name, &spec, &labels).await }).await
    }

    /// Starts a worker that sees these mounts.
    pub async fn start_worker(
        &self,
        image: &WorkerImage,
        role: &str,
        mounts: Vec<MountSpec>,
        network: NetworkSpec,
    ) -> Result<Arc<Worker>, WorkerError> {
        self.start_probe(image, role, mounts, network, Vec::new()).await
    }

    /// The same with kernel settings of a service: the worker's network namespace is then made like the service's.
    pub async fn start_probe(
        &self,
        image: &WorkerImage,
        role: &str,
        mounts: Vec<MountSpec>,
        network: NetworkSpec,
        sysctls: Vec<(String, String)>,
    ) -> Result<Arc<Worker>, WorkerError> {
        let spec = ContainerSpec { sysctls, ..worker_spec(image, mounts, network) };
        let created = self.create_from(role, spec.clone()).await?;
        match self.start_created(created).await {
            Err(WorkerError::Docker(error)) if self.daemon.ipv6.learn(&error) => {
                let created = self.create_from(&format!("{role}-again"), spec).await?;
                self.start_created(created).await
            }
            started => started,
        }
    }

    /// Creates the container of a worker that sees these mounts, with so many bytes of memory more than usual. The
    /// network may be created meanwhile.
    ///
    /// If the caller goes away, the request goes on, here as in [`start_created`](Self::start_created): an engine gives
    /// up no half-made container, and teardown waits for it.
    pub async fn create_worker(
        &self,
        image: &WorkerImage,
        role: &str,
        seat: (Vec<MountSpec>, NetworkSpec),
        windows: u64,
    ) -> Result<CreatedWorker, WorkerError> {
        let (mounts, network) = seat;
        let spec = ContainerSpec { memory: memory_with(windows), ..worker_spec(image, mounts, network) };
        self.create_from(role, spec).await
    }

    async fn create_from(&self, role: &str, spec: ContainerSpec) -> Result<CreatedWorker, WorkerError> {
        let (daemon, name, labels) = (self.daemon.clone(), self.name(role), self.labels());
        let entry = LedgerEntry::Container(name.clone());
        self.ledger.note(entry.clone());
        let create = async move { CreatedWorker::create(&daemon, &name, &spec, &labels).await };
        let created = self.ledger.run(create).await;
        if let Err(WorkerError::Docker(error)) = &created
            && matches!(error.kind, DockerErrorKind::Conflict(_))
        {
            self.ledger.forget(&entry);
        }
        created
    }

    /// Starts a worker whose container was created and whose network is there.
    pub async fn start_created(&self, created: CreatedWorker) -> Result<Arc<Worker>, WorkerError> {
        self.ledger.run(created.start()).await.map(Arc::new)
    }

    /// Lets a worker go: its container is removed in the background, and teardown waits for that.
    pub fn dismiss(&self, worker: Arc<Worker>) {
        let id = worker.container_id().to_owned();
        drop(worker);
        self.remove_in_background(id);
    }

    /// Removes a container in the background. Teardown waits for it, and tries again if it fails.
    pub fn remove_in_background(&self, container: String) {
        let daemon = self.daemon.clone();
        self.ledger.in_background(async move {
            if let Err(error) = daemon.remove_container(&container).await {
                tracing::debug!(%error, container, "could not remove a helper's container; teardown tries again");
            }
        });
    }
}
