//! Booting a service from the restored data, after what it depends on.

pub(super) mod load;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use crate::docker::{DockerError, DockerErrorKind, NetworkInfo};
use crate::model::diagnosis::{Code, Diagnosis, Severity};
use crate::model::event::Step;
use crate::model::mount::{Mount, MountOrigin, Strategy};
use crate::model::plan::{Need, ServicePlan};
use crate::model::sandbox::{ContainerSpec, MountSource};
use crate::model::service::{NetworkMode, Service, ServiceName};
use crate::plan::dependents;
use crate::plan::isolate::{SandboxPlacement, isolate};

use super::diagnose::{container_diagnosis, docker_diagnosis};
use super::shared_task::Diagnosed;
use super::stack_context::StackContext;
use super::state::{Booted, MountedPlace, PreparedPlaces};
use super::steps::OpenStep;

/// A service's container, to be created: the sources of its mounts, and the container whose network it shares.
pub(super) struct ServiceContainer<'a> {
    pub cx: &'a StackContext,
    pub plan: &'a ServicePlan,
    /// The id of its image.
    pub image: &'a str,
    /// The sandbox's network.
    pub network: &'a NetworkInfo,
    /// The sandbox's container in place of the live one whose network the service shares.
    pub network_owner: Option<String>,
}

impl ServiceContainer<'_> {
    /// Creates the container on the restored places.
    pub async fn create(&self, mounts: &[MountedPlace]) -> Result<String, DockerError> {
        self.create_with(&|index| {
            let mounted = mounts.iter().find(|mounted| mounted.mount.restore == Some(index))?;
            mounted.place.brought.data.source()
        })
        .await
    }

    /// Creates the container on the prepared volumes, before they are filled.
    pub async fn create_early(&self, places: &PreparedPlaces) -> Result<String, DockerError> {
        self.create_with(&|index| {
            let place = places.get(index)?.as_ref().ok()?;
            let data = if self.cx.plan.restores[index].is_new() { place.as_new_volume() } else { place.as_folder() };
            data.source()
        })
        .await
    }

    async fn create_with(
        &self,
        source_of: &(dyn Fn(usize) -> Option<MountSource> + Sync),
    ) -> Result<String, DockerError> {
        let Self { cx, plan, image, network, network_owner } = self;
        let sources = |index: usize, _: &Mount| source_of(index);
        let spec = {
            let place = SandboxPlacement {
                network: network.id.clone(),
                sources: &sources,
                network_owner: network_owner.clone(),
                extra_aliases: linked_names(cx, &plan.service),
                taken_aliases: taken_names(cx, &plan.service),
                default_memory: default_memory(cx, plan),
                default_pids: i64::try_from(plan.settings.pids).unwrap_or(i64::MAX),
            };
            isolate(&plan.service, &plan.mounts, &place).spec
        };
        let spec = ContainerSpec { image: (*image).to_owned(), ..spec };
        cx.client.create_container(&container_role(cx, &plan.service.name), spec).await
    }
}

/// The role of a service's container in its sandbox.
pub(super) fn container_role(cx: &StackContext, name: &ServiceName) -> String {
    format!("s-{}", cx.short_name(name))
}

/// Begins the step that boots a service.
pub(super) fn begin_step(cx: &StackContext, name: &ServiceName) -> OpenStep {
    cx.begin(dependents(&cx.plan, name), Step::Boot { service: name.clone() })
}

/// Starts a container that was created.
pub(super) async fn start(
    cx: &StackContext,
    plan: &ServicePlan,
    container: String,
    mounts: Vec<MountedPlace>,
) -> Diagnosed<Arc<Booted>> {
    let booted = Booted {
        name: cx.client.name(&container_role(cx, &plan.service.name)),
        container,
        since: Instant::now(),
        breaks: *cx.run.watch().await?.breaks().borrow(),
        restarts: AtomicU32::new(0),
        begins_anew: plan.load.is_some(),
        mounts,
    };
    match cx.run.daemon.start_container(&booted.container).await {
        Ok(()) => Ok(Arc::new(booted)),
        Err(error) => Err(container_diagnosis(&error, &plan.service, &cx.mask, "starting")),
    }
}

/// Whether the container can be created before its data is restored: all its mounts become new volumes, and its
/// network is its own.
pub(super) fn can_create_early(plan: &ServicePlan) -> bool {
    !matches!(plan.service.network_mode, NetworkMode::Container { .. })
        && plan.mounts.iter().filter(|mount| mount.restore.is_some()).all(|mount| {
            matches!(mount.mount.origin, MountOrigin::Volume { .. } | MountOrigin::Dump { .. })
                && matches!(mount.strategy, Strategy::Copy | Strategy::Empty)
        })
}

/// Checks that the live container still exists after its data was copied: a copy that was made while the container
/// was removed or recreated belongs to no service.
pub(super) async fn still_live(cx: &StackContext, plan: &ServicePlan) -> Diagnosed<()> {
    let Service { name, container_id, container_name, .. } = &plan.service;
    match cx.run.daemon.state(container_id).await {
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

/// The diagnosis of a service whose dependency did not come up.
///
/// `on_live`: the dependency ran on a copy of its live data, and the service's own data is from a backup. Then nothing
/// is known about the backup.
pub(super) fn need_diagnosis(plan: &ServicePlan, need: &Need, on_live: bool, cause: Diagnosis) -> Diagnosis {
    let code = match cause.severity() {
        Severity::Failed if on_live => Code::OrderDependencyErrored,
        Severity::Failed => Code::OrderDependencyFailed,
        Severity::Errored | Severity::Warning => Code::OrderDependencyErrored,
    };
    // If the sandbox itself could not be built, no dependency is to blame.
    if cause.code.as_str().starts_with("sandbox/") && cause.code != Code::SandboxWithheld {
        return cause;
    }
    let data = if on_live { " on a copy of its live data" } else { "" };
    let message = format!(
        "{} was not started: it depends on {}, and that did not come up{data}: {cause}",
        plan.service.name, need.service
    );
    Diagnosis { cause: cause.cause.clone(), log_tail: cause.log_tail.clone(), ..Diagnosis::new(code, message) }
}

/// Aliases that the legacy links of other services use for this one.
fn linked_names(cx: &StackContext, service: &Service) -> Vec<String> {
    let links = cx.plan.services.iter().flat_map(|plan| &plan.service.links);
    links
        .filter_map(|link| {
            let (of, alias) = link.split_once(':')?;
            let is_it = of.trim_start_matches('/') == service.container_name;
            is_it.then(|| alias.rsplit('/').next().unwrap_or(alias).to_owned())
        })
        .collect()
}

/// The names that a service from outside of the stack must not take: those of the stack's own services.
fn taken_names(cx: &StackContext, service: &Service) -> Vec<String> {
    if cx.is_native(&service.name) {
        return Vec::new();
    }
    let natives = cx.plan.services.iter().map(|plan| &plan.service).filter(|other| cx.is_native(&other.name));
    let names = natives.flat_map(|other| {
        let aliases = other.networks.iter().flat_map(|attachment| &attachment.aliases);
        aliases.chain([&other.name.service, &other.container_name])
    });
    names.cloned().collect()
}

/// A service without a limit of its own may use half of the host's memory, so that a live service never runs short.
fn default_memory(cx: &StackContext, plan: &ServicePlan) -> Option<i64> {
    match plan.settings.memory {
        Some(bytes) => i64::try_from(bytes).ok().filter(|bytes| *bytes > 0),
        None => Some(cx.run.info.memory / 2).filter(|bytes| *bytes > 0),
    }
}
