//! The engine: what all stacks of a run share, and the one thing that is asked of it: rehearse this service.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use crate::docker::{Daemon, DaemonInfo, DockerError, DockerErrorKind};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Fact;
use crate::model::plan::{Plan, StackPlan};
use crate::model::service::ServiceName;
use crate::model::source::SourcePlace;
use crate::source::Backup;
use crate::worker::client::WorkerImage;

use super::breach::Breach;
use super::sandbox::session::Session;
use super::sandbox::stop::StopSignal;
use super::sandbox::watch::Watch;
use super::shared_task::{SharedFuture, SharedTask};
use super::stack::StackRehearsal;
use super::steps::Notify;

/// What an engine needs.
pub struct Setup {
    /// The engine's connection.
    pub daemon: Daemon,
    /// What it says of itself.
    pub info: DaemonInfo,
    /// What is to be done.
    pub plan: Plan,
    /// Whose objects they are.
    pub session: Session,
    /// Where facts go.
    pub notify: Notify,
    /// Keep the sandboxes of stacks that are not green.
    pub keep: bool,
    /// The plan's sources, in its order.
    pub sources: Vec<OpenedSource>,
    /// Addresses of the host that the sandbox must not reach, as far as the client knows them.
    pub host_addresses: Vec<String>,
    /// Ends all work when somebody asks for it.
    pub stop: StopSignal,
}

/// A source of the plan, and what was opened of it.
#[derive(Debug, Clone)]
pub struct OpenedSource {
    /// As it was asked for.
    pub place: SourcePlace,
    /// What pours it out; `None` when it lies on the engine's host, or could not be opened.
    pub backup: Option<Arc<Backup>>,
}

/// Carries a plan out.
pub struct Engine {
    pub(super) shared: Arc<RunContext>,
    stacks: Vec<Arc<StackRehearsal>>,
    by_case: BTreeMap<ServiceName, usize>,
    /// The stacks of further attempts.
    again: Mutex<Vec<Arc<StackRehearsal>>>,
}

/// What every stack's rehearsal needs.
pub(super) struct RunContext {
    pub daemon: Daemon,
    pub info: DaemonInfo,
    pub session: Session,
    pub notify: Notify,
    pub keep: bool,
    pub sources: Vec<OpenedSource>,
    pub host_addresses: Vec<String>,
    pub stop: StopSignal,
    pub image: SharedTask<WorkerImage>,
    pub watch: SharedTask<Arc<Watch>>,
    pub addresses: SharedTask<Arc<Vec<String>>>,
    /// Once a sandbox was found open, nothing is booted any more, and what runs is stopped.
    pub breach: Arc<Breach>,
}

impl Engine {
    /// An engine for this plan. Nothing is created yet.
    pub fn new(setup: Setup) -> Self {
        let Setup { daemon, info, plan, session, notify, keep, sources, host_addresses, stop } = setup;
        let shared = Arc::new(RunContext {
            daemon,
            info,
            session,
            notify,
            keep,
            sources,
            host_addresses,
            stop,
            image: SharedTask::default(),
            watch: SharedTask::default(),
            addresses: SharedTask::default(),
            breach: Arc::default(),
        });
        let mut by_case = BTreeMap::new();
        let mut stacks = Vec::new();
        for (index, stack) in plan.stacks.into_iter().enumerate() {
            for name in runnable(&stack) {
                by_case.insert(name, index);
            }
            stacks.push(Arc::new(StackRehearsal::new(Arc::clone(&shared), stack)));
        }
        Self { shared, stacks, by_case, again: Mutex::default() }
    }

    /// Starts what every rehearsal will need and what takes a moment: the event stream, the worker image.
    pub fn warm_up(&self) {
        if !self.by_case.is_empty() {
            drop(self.shared.watch());
            drop(self.shared.image());
            drop(self.shared.addresses());
        }
    }

    /// A selected service's rehearsal begins.
    pub fn begin(&self, case: &ServiceName) {
        self.shared.notify.send(Fact::CaseStarted { case: case.clone() });
    }

    /// Rehearses one selected service. The last of a stack tears it down.
    pub async fn rehearse(&self, case: &ServiceName) {
        match self.stack_of(case) {
            Some(stack) => stack.rehearse(case).await,
            None => self.abort(case, Diagnosis::new(Code::RunPanicked, format!("{case} is not in the plan"))).await,
        }
    }

    /// Rehearses it once more, alone and in a sandbox of its own; `attempt` counts from 2.
    pub async fn rehearse_again(&self, case: &ServiceName, attempt: u32) {
        let Some(stack) = self.stack_of(case) else { return };
        self.shared.notify.send(Fact::CaseRetried { case: case.clone() });
        let stack = Arc::new(StackRehearsal::new(Arc::clone(&self.shared), alone(&stack.plan, case, attempt)));
        self.again.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&stack));
        stack.rehearse(case).await;
    }

    /// Nothing more will be said of this rehearsal.
    pub fn end(&self, case: &ServiceName) {
        self.shared.notify.send(Fact::CaseFinished { case: case.clone() });
    }

    /// A selected service will not be rehearsed, for this reason.
    pub async fn pass_over(&self, case: &ServiceName, reason: &str) {
        self.shared.notify.send(Fact::CaseSkipped { case: case.clone(), reason: reason.to_owned() });
        if let Some(stack) = self.stack_of(case) {
            stack.leave(case).await;
        }
    }

    /// A rehearsal ended otherwise than by its own doing.
    pub async fn abort(&self, case: &ServiceName, diagnosis: Diagnosis) {
        self.shared.notify.send(Fact::CaseAborted { case: case.clone(), diagnosis });
        if let Some(stack) = self.stack_of(case) {
            stack.leave(case).await;
        }
    }

    fn stack_of(&self, case: &ServiceName) -> Option<&Arc<StackRehearsal>> {
        self.by_case.get(case).map(|index| &self.stacks[*index])
    }

    /// Tears down whatever still stands, after a panic for instance.
    pub async fn finish(&self) {
        let again = std::mem::take(&mut *self.again.lock().unwrap_or_else(PoisonError::into_inner));
        for stack in self.stacks.iter().chain(&again) {
            stack.tear_down(Vec::new()).await;
        }
    }
}

/// The plan for another boot of one service: its stack under another name, in which it is the only case. What it does not need is
/// never booted, since nobody asks for it.
pub(super) fn alone(stack: &StackPlan, case: &ServiceName, suffix: impl Display) -> StackPlan {
    let mut plan = stack.clone();
    // No stack and no container can have this character in its name, so the two sandboxes are never taken for one.
    plan.name = format!("{}@{suffix}", stack.name);
    for service in &mut plan.services {
        service.selected &= service.service.name == *case;
    }
    for restore in &mut plan.restores {
        restore.cases.retain(|name| name == case);
    }
    plan
}

fn runnable(stack: &StackPlan) -> Vec<ServiceName> {
    let runs = stack.services.iter().filter(|plan| plan.selected && plan.ignored.is_none());
    runs.map(|plan| plan.service.name.clone()).collect()
}

impl RunContext {
    /// The same for a sandbox of which nothing is told but to `overhear`, and nothing is kept.
    pub fn silenced(&self, overhear: impl Fn(&Fact) + Send + Sync + 'static) -> RunContext {
        RunContext {
            daemon: self.daemon.clone(),
            info: self.info.clone(),
            session: self.session.clone(),
            notify: self.notify.silenced(overhear),
            keep: false,
            sources: self.sources.clone(),
            host_addresses: self.host_addresses.clone(),
            stop: self.stop.clone(),
            image: SharedTask::default(),
            watch: SharedTask::default(),
            addresses: SharedTask::default(),
            breach: Arc::clone(&self.breach),
        }
    }

    /// The worker image, imported if need be.
    pub fn image(self: &Arc<Self>) -> SharedFuture<WorkerImage> {
        let daemon = self.daemon.clone();
        self.image.get(|| async move {
            WorkerImage::ensure(&daemon)
                .await
                .map_err(|error| super::sandbox::worker::worker_diagnosis(&error, "the worker image"))
        })
    }

    /// The watch over the session's containers.
    pub fn watch(self: &Arc<Self>) -> SharedFuture<Arc<Watch>> {
        let common = Arc::clone(self);
        self.watch.get(|| async move {
            let watch = Watch::start(&common.daemon, &common.session.id).await;
            watch
                .map(Arc::new)
                .map_err(|error| docker_diagnosis(&error, Code::SandboxFailed, "watching the sandbox's containers"))
        })
    }

    /// Every address that must not answer from inside a sandbox.
    pub fn addresses(self: &Arc<Self>) -> SharedFuture<Arc<Vec<String>>> {
        let common = Arc::clone(self);
        self.addresses.get(|| async move {
            let networks = common.daemon.networks().await;
            let networks =
                networks.map_err(|error| docker_diagnosis(&error, Code::SandboxFailed, "listing the networks"))?;
            let mut addresses: Vec<String> = common.host_addresses.clone();
            // Our own networks' gateways come and go with other stacks; each sandbox tries its own.
            let others = networks.into_iter().filter(|network| !network.name.starts_with("rehearsa-"));
            addresses.extend(others.flat_map(|network| network.gateways));
            addresses.sort_unstable();
            addresses.dedup();
            Ok(Arc::new(addresses))
        })
    }
}

/// A refusal of the engine as a diagnosis: what every place agrees on, else `code`.
pub(super) fn docker_diagnosis(error: &DockerError, code: Code, during: &str) -> Diagnosis {
    let code = match &error.kind {
        DockerErrorKind::Unreachable
        | DockerErrorKind::Refused
        | DockerErrorKind::Timeout(_)
        | DockerErrorKind::Version(_) => Code::HostUnreachable,
        DockerErrorKind::NetworksExhausted => Code::SandboxNetworksExhausted,
        DockerErrorKind::NoSpace => Code::RestoreNoSpace,
        DockerErrorKind::NotFound(_) | DockerErrorKind::Conflict(_) | DockerErrorKind::Engine(_) => code,
    };
    let detail = match &error.kind {
        DockerErrorKind::NotFound(words) if !words.is_empty() => format!(": {words}"),
        _ => String::new(),
    };
    Diagnosis::new(code, format!("{during}: {error}{detail}"))
}
