//! The context of every phase of one stack's rehearsal: the run, the stack's plan, the client that creates the
//! sandbox's objects, and the secrets to mask.

use std::sync::Arc;

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::{Fact, Step};
use crate::model::mask::Mask;
use crate::model::plan::{ServicePlan, StackPlan};
use crate::model::service::ServiceName;

use super::attempt::of_stack;
use super::context::RunContext;
use super::sandbox::client::SandboxClient;
use super::shared_task::Diagnosed;
use super::steps::OpenStep;

/// Bytes that stay free where the engine keeps its volumes, for live services.
pub(super) const KEEP_FREE: u64 = 512 * 1024 * 1024;

/// The context of one stack.
pub(super) struct StackContext {
    pub run: Arc<RunContext>,
    pub plan: StackPlan,
    pub client: SandboxClient,
    /// The secrets of all services of the stack: the log of one may show another's.
    pub mask: Mask,
}

impl StackContext {
    /// Creates nothing.
    pub fn new(run: Arc<RunContext>, plan: StackPlan) -> Self {
        let client = SandboxClient::new(&run.daemon, &run.session, &plan.name);
        let mask = Mask::of_services(plan.services.iter().map(|plan| &plan.service));
        Self { run, client, mask, plan }
    }

    /// The plan of a service of this stack.
    pub fn service(&self, name: &ServiceName) -> Diagnosed<&ServicePlan> {
        let plan = self.plan.services.iter().find(|plan| plan.service.name == *name);
        plan.ok_or_else(|| Diagnosis::new(Code::RunPanicked, format!("{name} is not in the plan of its stack")))
    }

    /// Whether a service is of the stack itself. Others are there because a service of the stack needs them.
    pub fn is_native(&self, name: &ServiceName) -> bool {
        of_stack(&self.plan.name) == name.stack_name()
    }

    /// The name of a service in the names of objects: without its stack, unless it is of another one.
    pub fn short_name(&self, name: &ServiceName) -> String {
        if self.is_native(name) { name.service.clone() } else { name.to_string() }
    }

    /// The services that are test cases: a step of the whole sandbox is for all of them.
    pub fn cases(&self) -> Vec<ServiceName> {
        let runs = self.plan.services.iter().filter(|plan| plan.selected && plan.ignored.is_none());
        runs.map(|plan| plan.service.name.clone()).collect()
    }

    /// Begins a step for these cases.
    pub fn begin(&self, cases: Vec<ServiceName>, step: Step) -> OpenStep {
        self.run.notify.begin(cases, step)
    }

    /// Sends a warning to these cases.
    pub fn warn(&self, cases: Vec<ServiceName>, diagnosis: Diagnosis) {
        self.run.notify.send(Fact::Warned { cases, diagnosis });
    }
}
