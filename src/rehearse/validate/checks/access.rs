//! Access to a running service for checks: a command in its container, a worker in its network, a worker on its
//! volumes.

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

/// Folder of the reading worker below which it has the service's mounts, each at its path in the service's container.
pub(super) const ROOT: &str = "/service";
/// Scratch folder of that worker. It is a volume and not memory, because a copy of a large database would not fit
/// into memory.
pub(super) const SCRATCH: &str = "/scratch";
/// Shortest wait for an answer, also after the service's time is over.
const LEAST: Duration = Duration::from_secs(5);

/// A service and the workers that check it.
pub(super) struct ServiceAccess<'a> {
    pub running: RunningService<'a>,
    /// The end of the service's time to answer.
    pub deadline: Instant,
    /// A worker in the service's network namespace, once one was needed.
    inside: Option<Arc<Worker>>,
    /// A worker that mounts the service's volumes, once one was needed.
    reader: Option<Arc<Worker>>,
}

impl<'a> ServiceAccess<'a> {
    /// Starts no worker yet.
    pub fn new(running: RunningService<'a>, deadline: Instant) -> Self {
        Self { running, deadline, inside: None, reader: None }
    }

    /// The longest wait for one answer.
    pub fn patience(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()).max(LEAST)
    }

    /// Removes the workers.
    pub fn dismiss_workers(self) {
        for worker in [self.inside, self.reader].into_iter().flatten() {
            self.running.cx.client.dismiss(worker);
        }
    }

    /// Runs a command in the service's container; `None`: it did not end in time.
    pub async fn exec(&self, command: &[String]) -> Diagnosed<Option<ExecOutput>> {
        let limit = self.patience();
        match self.running.cx.run.daemon.exec(&self.running.booted.container, None, command, limit).await {
            Ok(ran) => Ok(Some(ran)),
            Err(DockerError { kind: DockerErrorKind::Timeout(after), .. }) if after == limit => Ok(None),
            Err(error) => Err(self.unheard(&error)),
        }
    }

    /// The diagnosis of an engine that could not run a check.
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
        let role = format!("ask-{}", cx.short_name(self.running.name()));
        let network = NetworkSpec::Share(booted.container.clone());
        let started = cx.client.start_worker(&image, &role, Vec::new(), network).await;
        let worker = started.map_err(|error| worker_diagnosis(&error, "asking a service of the sandbox"))?;
        self.inside = Some(Arc::clone(&worker));
        Ok(worker)
    }

    /// The worker that mounts the service's volumes.
    pub async fn reader(&mut self) -> Diagnosed<Arc<Worker>> {
        if let Some(worker) = &self.reader {
            return Ok(Arc::clone(worker));
        }
        let RunningService { cx, booted, .. } = self.running;
        let name = self.running.name();
        let image = cx.run.image().await?;
        let scratch = cx.client.create_volume(&format!("scratch-{}", cx.short_name(name)), VolumeSpec::Plain).await;
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
            cx.client.start_worker(&image, &format!("read-{}", cx.short_name(name)), mounts, NetworkSpec::None).await;
        let doing = || format!("looking at the databases of {name}");
        let worker = started.map_err(|error| worker_diagnosis(&error, &doing()))?;
        self.reader = Some(Arc::clone(&worker));
        Ok(worker)
    }
}
