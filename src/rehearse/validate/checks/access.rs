//! The ways in which a running service is asked: by a command in its container, by a worker in its network namespace,
//! and by one that sees its volumes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::docker::{DockerError, DockerErrorKind, ExecOutput};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::sandbox::{MountSource, MountSpec, NetworkSpec, VolumeSpec};
use crate::rehearse::diagnose::{docker_diagnosis, worker_diagnosis};
use crate::rehearse::running::RunningService;
use crate::rehearse::shared_task::Diagnosed;
use crate::worker::client::Worker;

/// Where the worker that reads sees the service's mounts, each below it where it is in the service's container.
pub(super) const ROOT: &str = "/service";
/// Where that worker has a place of its own. A volume and not memory, which a copy of a large database would not fit
/// into.
pub(super) const SCRATCH: &str = "/scratch";
/// The least time that an answer is waited for, however late it is.
const LEAST: Duration = Duration::from_secs(5);

/// A service that is asked, and the workers that ask it.
pub(super) struct ServiceAccess<'a> {
    pub running: RunningService<'a>,
    /// When the service's time to answer is over.
    pub deadline: Instant,
    /// A worker in the service's network namespace, once it was needed.
    inside: Option<Arc<Worker>>,
    /// A worker that sees the service's volumes, once it was needed.
    reader: Option<Arc<Worker>>,
}

impl<'a> ServiceAccess<'a> {
    /// No worker is started yet.
    pub fn new(running: RunningService<'a>, deadline: Instant) -> Self {
        Self { running, deadline, inside: None, reader: None }
    }

    /// How long one answer is waited for.
    pub fn patience(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()).max(LEAST)
    }

    /// Lets the workers go.
    pub fn dismiss_workers(self) {
        for worker in [self.inside, self.reader].into_iter().flatten() {
            self.running.cx.client.dismiss(worker);
        }
    }

    /// Runs a command in the service's container; nothing when it did not end in time.
    pub async fn exec(&self, command: &[String]) -> Diagnosed<Option<ExecOutput>> {
        let limit = self.patience();
        match self.running.cx.run.daemon.exec(&self.running.booted.container, command, limit).await {
            Ok(ran) => Ok(Some(ran)),
            Err(DockerError { kind: DockerErrorKind::Timeout(after), .. }) if after == limit => Ok(None),
            Err(error) => Err(self.unheard(&error)),
        }
    }

    /// The engine could not ask the service.
    pub fn unheard(&self, error: &DockerError) -> Diagnosis {
        let diagnosis = docker_diagnosis(error, Code::SandboxFailed, "asking a service of the sandbox");
        Diagnosis { message: self.running.cx.mask.apply(&diagnosis.message), ..diagnosis }
    }

    /// The worker in the service's network namespace.
    pub async fn inside(&mut self) -> Diagnosed<Arc<Worker>> {
        if let Some(worker) = &self.inside {
            return Ok(Arc::clone(worker));
        }
        let RunningService { cx, booted, .. } = self.running;
        let image = cx.run.image().await?;
        let role = format!("ask-{}", self.running.name().service);
        let network = NetworkSpec::Share(booted.container.clone());
        let started = cx.client.start_worker(&image, &role, Vec::new(), network).await;
        let worker = started.map_err(|error| worker_diagnosis(&error, "asking a service of the sandbox"))?;
        self.inside = Some(Arc::clone(&worker));
        Ok(worker)
    }

    /// The worker that sees what the service sees.
    pub async fn reader(&mut self) -> Diagnosed<Arc<Worker>> {
        if let Some(worker) = &self.reader {
            return Ok(Arc::clone(worker));
        }
        let RunningService { cx, booted, .. } = self.running;
        let name = self.running.name();
        let image = cx.run.image().await?;
        let scratch = cx.client.create_volume(&format!("scratch-{}", name.service), VolumeSpec::Plain).await;
        let scratch = scratch
            .map_err(|error| docker_diagnosis(&error, Code::SandboxFailed, "creating a volume to ask a database in"))?;
        let source = MountSource::Volume(scratch.name);
        let mut mounts = vec![MountSpec { target: SCRATCH.to_owned(), source, read_only: false }];
        for mounted in &booted.mounts {
            let Some(source) = mounted.place.brought.data.source() else { continue };
            let target = format!("{ROOT}{}", mounted.mount.mount.target);
            mounts.push(MountSpec { target, source, read_only: true });
        }
        let started =
            cx.client.start_worker(&image, &format!("read-{}", name.service), mounts, NetworkSpec::None).await;
        let doing = || format!("looking at the databases of {name}");
        let worker = started.map_err(|error| worker_diagnosis(&error, &doing()))?;
        self.reader = Some(Arc::clone(&worker));
        Ok(worker)
    }
}
