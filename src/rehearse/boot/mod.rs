//! Booting a service from the restored data, after what it depends on.

pub(super) mod load;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use futures_util::future::{join_all, try_join_all};

use crate::docker::{DockerError, DockerErrorKind};
use crate::model::diagnosis::{Code, Diagnosis, Severity};
use crate::model::event::Step;
use crate::model::mount::{Mount, MountOrigin, Strategy};
use crate::model::plan::{Need, ServicePlan};
use crate::model::sandbox::ContainerSpec;
use crate::model::service::{Condition, NetworkMode, Service, ServiceName};
use crate::plan::dependents;
use crate::plan::isolate::{SandboxPlacement, isolate};

use super::engine::docker_diagnosis;
use super::restore::Restored;
use super::sandbox::ledger::LedgerEntry;
use super::sandbox::worker::{PreparedVolume, SandboxBase};
use super::shared_task::{Diagnosed, SharedFuture};
use super::stack::StackRehearsal;

/// A container that was started.
pub(super) struct Booted {
    /// Its id.
    pub container: String,
    /// Its name.
    pub name: String,
    /// When it was started first.
    pub since: Instant,
    /// How often it was started again, as its restart policy would have it.
    pub restarts: AtomicU32,
    /// It is filled from a dump: it began anew, which takes its time, and what asks for the data is only answered later.
    pub begins_anew: bool,
    /// When its dump was loaded, if it has one.
    pub loaded: OnceLock<Instant>,
}

impl Booted {
    /// Since when it has its time to become ready.
    pub fn clock(&self) -> Instant {
        self.loaded.get().copied().unwrap_or(self.since)
    }
}

impl StackRehearsal {
    /// The service's container, started by the first who needs it.
    pub fn started(self: &Arc<Self>, name: &ServiceName) -> SharedFuture<Arc<Booted>> {
        let (stack, service) = (Arc::clone(self), name.clone());
        self.services[name].started.get(|| async move { stack.boot(&service).await.map(Arc::new) })
    }

    async fn boot(self: &Arc<Self>, name: &ServiceName) -> Diagnosed<Booted> {
        let plan = &self.plan.services[self.services[name].index];
        if let Some(diagnosis) = &plan.blocked {
            return Err(diagnosis.clone());
        }
        // The sandbox is built while dependencies boot.
        let (needs, sandbox) = tokio::join!(self.await_needs(plan), self.sandbox_and_restores(plan));
        needs?;
        let Ready { created, restored } = sandbox?;
        if plan.source.is_none() {
            self.still_live(plan).await?;
        }
        self.version_fits(plan).await?;

        let step = self.common.notify.begin(dependents(&self.plan, name), Step::Boot { service: name.clone() });
        let container = match created {
            Some(container) => container,
            None => match self.create(plan, &restored).await {
                Ok(container) => container,
                Err(error) => return Err(step.broke(self.refused(plan, &error, "creating"))),
            },
        };
        let booted = Booted {
            name: self.container_name(name),
            container,
            since: Instant::now(),
            restarts: AtomicU32::new(0),
            begins_anew: plan.load.is_some(),
            loaded: OnceLock::new(),
        };
        let started = self.common.daemon.start_container(&booted.container).await;
        self.release_worker().await;
        match started {
            Ok(()) => {
                step.done();
                Ok(booted)
            }
            Err(error) => Err(step.broke(self.refused(plan, &error, "starting"))),
        }
    }

    /// Lets the worker go once all is restored, unless it is needed for a second look: not at once, but after the next service's
    /// start, which its removal would hold up, and before the wait for the service, in which the engine has nothing else to do.
    async fn release_worker(self: &Arc<Self>) {
        if self.to_restore.load(Ordering::Acquire) == 0
            && !self.checks_retention()
            && let Ok(sandbox) = self.sandbox().await
        {
            self.dismiss_worker(&sandbox).await;
        }
    }

    /// The live container must still be there when its data has been copied: what was copied while it was removed or recreated
    /// is nobody's data.
    async fn still_live(&self, plan: &ServicePlan) -> Diagnosed<()> {
        let Service { name, container_id, container_name, .. } = &plan.service;
        match self.common.daemon.state(container_id).await {
            Ok(_) => Ok(()),
            Err(DockerError { kind: DockerErrorKind::NotFound(_), .. }) => Err(Diagnosis::new(
                Code::HostServiceVanished,
                format!("the live container {container_name} of {name} was removed or recreated during its rehearsal"),
            )),
            Err(error) => {
                Err(docker_diagnosis(&error, Code::SandboxFailed, &format!("looking at the live container of {name}")))
            }
        }
    }

    async fn await_needs(self: &Arc<Self>, plan: &ServicePlan) -> Diagnosed<()> {
        try_join_all(plan.needs.iter().map(|need| self.await_need(plan, need))).await.map(drop)
    }

    async fn await_need(self: &Arc<Self>, plan: &ServicePlan, need: &Need) -> Diagnosed<()> {
        let result = match need.condition {
            Condition::ServiceStarted => match self.started(&need.service).await {
                // Whoever needs it needs its data.
                Ok(_) => self.loaded(&need.service).await,
                Err(diagnosis) => Err(diagnosis),
            },
            Condition::ServiceHealthy => self.ready(&need.service).await.map(drop),
            Condition::ServiceCompletedSuccessfully => self.completed(&need.service).await,
        };
        result.map_err(|cause| {
            let code = match cause.severity() {
                Severity::Failed => Code::OrderDependencyFailed,
                Severity::Errored | Severity::Warning => Code::OrderDependencyErrored,
            };
            // A whole sandbox that could not be built is no dependency's fault.
            if cause.code.as_str().starts_with("sandbox/") && cause.code != Code::SandboxWithheld {
                return cause;
            }
            Diagnosis {
                cause: cause.cause.clone(),
                log_tail: cause.log_tail.clone(),
                ..Diagnosis::new(
                    code,
                    format!(
                        "{} was not started: it depends on {}, and that did not come up: {cause}",
                        plan.service.name, need.service
                    ),
                )
            }
        })
    }

    /// Waits for the sandbox and the service's data. Where all is known beforehand, the container is created meanwhile.
    async fn sandbox_and_restores(self: &Arc<Self>, plan: &ServicePlan) -> Diagnosed<Ready> {
        let indexes: Vec<usize> = plan.mounts.iter().filter_map(|mount| mount.restore).collect();
        let restores = async {
            self.sandbox().await?;
            let restored = join_all(indexes.iter().map(|index| self.restored(*index))).await;
            let restored: Diagnosed<Vec<Restored>> = restored.into_iter().collect();
            Ok(indexes.iter().copied().zip(restored?).collect::<Vec<_>>())
        };
        if !can_create_early(plan) {
            return Ok(Ready { created: None, restored: restores.await? });
        }
        let create = async {
            let grounds = self.grounds().await?;
            Ok::<_, Diagnosis>(self.create_early(plan, &indexes, &grounds).await)
        };
        let (restored, created) = tokio::join!(restores, create);
        let restored = restored?;
        match created? {
            Ok(container) => Ok(Ready { created: Some(container), restored }),
            Err(error) => {
                let name = &plan.service.name;
                let step = self.common.notify.begin(dependents(&self.plan, name), Step::Boot { service: name.clone() });
                Err(step.broke(self.refused(plan, &error, "creating")))
            }
        }
    }

    async fn create_early(
        &self,
        plan: &ServicePlan,
        indexes: &[usize],
        grounds: &SandboxBase,
    ) -> Result<String, DockerError> {
        let known = indexes.iter().filter_map(|index| {
            let Ok(PreparedVolume { volume, .. }) = &grounds.places[*index] else { return None };
            Some((*index, Restored::Volume(volume.name.clone())))
        });
        self.create_with(plan, &known.collect::<Vec<_>>(), None).await
    }

    async fn create(
        self: &Arc<Self>,
        plan: &ServicePlan,
        restored: &[(usize, Restored)],
    ) -> Result<String, DockerError> {
        let owner = match &plan.service.network_mode {
            NetworkMode::Container { container } => self.network_owner(container).await,
            _ => None,
        };
        self.create_with(plan, restored, owner).await
    }

    /// The container in the sandbox that stands for the live container `container`.
    async fn network_owner(self: &Arc<Self>, container: &str) -> Option<String> {
        let services: Vec<_> = self.plan.services.iter().map(|plan| &plan.service).collect();
        let owner = crate::plan::isolate::find_container(&services, container)?.name.clone();
        // It is a dependency too, so it has started; if it could not, that was said before.
        self.started(&owner).await.ok().map(|booted| booted.container.clone())
    }

    async fn create_with(
        &self,
        plan: &ServicePlan,
        restored: &[(usize, Restored)],
        network_owner: Option<String>,
    ) -> Result<String, DockerError> {
        let sources = |index: usize, _: &Mount| {
            restored.iter().find(|(known, _)| *known == index).and_then(|(_, restored)| restored.source())
        };
        let spec: ContainerSpec = {
            let place = SandboxPlacement {
                network: self.common.session.name(&self.plan.name, "net"),
                sources: &sources,
                network_owner,
                extra_aliases: self.linked_names(&plan.service.name),
                default_memory: self.default_memory(plan),
            };
            isolate(&plan.service, &plan.mounts, &place).spec
        };
        let name = self.container_name(&plan.service.name);
        let (daemon, marks) = (self.common.daemon.clone(), self.common.session.marks(&self.plan.name));
        let request = {
            let name = name.clone();
            async move { daemon.create_container(&name, &spec, &marks).await }
        };
        self.ledger.create(LedgerEntry::Container(name), request).await
    }

    fn container_name(&self, name: &ServiceName) -> String {
        self.common.session.name(&self.plan.name, &format!("s-{}", name.service))
    }

    /// Names by which legacy links of others call this service.
    fn linked_names(&self, name: &ServiceName) -> Vec<String> {
        let Some(target) = self.plan_of(name).map(|plan| plan.service.container_name.as_str()) else {
            return Vec::new();
        };
        let links = self.plan.services.iter().flat_map(|plan| &plan.service.links);
        links
            .filter_map(|link| {
                let (of, alias) = link.split_once(':')?;
                (of.trim_start_matches('/') == target).then(|| alias.rsplit('/').next().unwrap_or(alias).to_owned())
            })
            .collect()
    }

    /// A service without a limit of its own may use half of the host's memory, so that a live service never runs short.
    fn default_memory(&self, plan: &ServicePlan) -> Option<i64> {
        match plan.settings.memory {
            Some(bytes) => i64::try_from(bytes).ok().filter(|bytes| *bytes > 0),
            None => Some(self.common.info.memory / 2).filter(|bytes| *bytes > 0),
        }
    }

    /// The engine refused to create or start a service's container.
    pub(super) fn refused(&self, plan: &ServicePlan, error: &DockerError, doing: &str) -> Diagnosis {
        let name = &plan.service.name;
        let words = match &error.kind {
            DockerErrorKind::NotFound(words) | DockerErrorKind::Engine(words) | DockerErrorKind::Conflict(words) => {
                words.as_str()
            }
            _ => "",
        };
        if words.contains("o such image") {
            let message = format!(
                "{name} runs {} ({}), and the host has that image no more",
                plan.service.image.reference, plan.service.image.id
            );
            return Diagnosis::new(Code::ConfigImageUnavailable, message);
        }
        if words.contains("mount a directory onto a file") {
            let message = format!("starting the container of {name}: {}", self.mask.apply(words));
            return Diagnosis::new(Code::ConfigMountType, message);
        }
        if words.contains("failed to mount local volume") || words.contains("error while mounting volume") {
            return Diagnosis::new(
                Code::RestoreFailed,
                format!("mounting the data of {name}: {}", self.mask.apply(words)),
            );
        }
        let diagnosis = docker_diagnosis(error, Code::BootNotStarted, &format!("{doing} the container of {name}"));
        Diagnosis { message: self.mask.apply(&diagnosis.message), ..diagnosis }
    }
}

struct Ready {
    created: Option<String>,
    restored: Vec<(usize, Restored)>,
}

/// Whether the container can be created before its data is there: when every mount is known to become a new volume, and
/// its network is its own.
fn can_create_early(plan: &ServicePlan) -> bool {
    !matches!(plan.service.network_mode, NetworkMode::Container { .. })
        && plan.mounts.iter().filter(|mount| mount.restore.is_some()).all(|mount| {
            matches!(mount.mount.origin, MountOrigin::Volume { .. } | MountOrigin::Dump { .. })
                && matches!(mount.strategy, Strategy::Copy | Strategy::Empty)
        })
}
