//! The engine: holds what all stacks of a run share, and rehearses one service at a time on request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Fact;
use crate::model::lock::lock;
use crate::model::plan::{Plan, StackPlan};
use crate::model::service::ServiceName;

use super::attempt::alone;
use super::case;
use super::context::RunContext;
use super::stack::StackRehearsal;

/// Carries a plan out.
pub struct Engine {
    shared: Arc<RunContext>,
    stacks: Vec<Arc<StackRehearsal>>,
    by_case: BTreeMap<ServiceName, usize>,
    /// The stacks of further attempts.
    again: Mutex<Vec<Arc<StackRehearsal>>>,
}

impl Engine {
    /// An engine for this plan. Nothing is created yet.
    pub fn new(context: RunContext, plan: Plan) -> Self {
        let shared = Arc::new(context);
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

    /// Starts early what every rehearsal needs and what takes a moment: the event stream, the worker image.
    pub fn warm_up(&self) {
        if !self.by_case.is_empty() {
            drop(self.shared.watch());
            drop(self.shared.image());
            drop(self.shared.addresses());
        }
    }

    /// Reports that the rehearsal of a selected service begins.
    pub fn begin(&self, case: &ServiceName) {
        self.shared.notify.send(Fact::CaseStarted { case: case.clone() });
    }

    /// Rehearses one selected service. The last one of a stack tears the sandbox down.
    pub async fn rehearse(&self, case: &ServiceName) {
        match self.stack_of(case) {
            Some(stack) => case::rehearse(stack, case).await,
            None => self.abort(case, Diagnosis::new(Code::RunPanicked, format!("{case} is not in the plan"))).await,
        }
    }

    /// Rehearses a service once more, alone and in a sandbox of its own; `attempt` counts from 2.
    pub async fn rehearse_again(&self, case: &ServiceName, attempt: u32) {
        let Some(stack) = self.stack_of(case) else { return };
        self.shared.notify.send(Fact::CaseRetried { case: case.clone() });
        let stack = Arc::new(StackRehearsal::new(Arc::clone(&self.shared), alone(&stack.cx.plan, case, attempt)));
        lock(&self.again).push(Arc::clone(&stack));
        case::rehearse(&stack, case).await;
    }

    /// Reports that a rehearsal has ended: no more facts about it follow.
    pub fn end(&self, case: &ServiceName) {
        self.shared.notify.send(Fact::CaseFinished { case: case.clone() });
    }

    /// Reports that a selected service will not be rehearsed, and why.
    pub async fn pass_over(&self, case: &ServiceName, reason: &str) {
        self.shared.notify.send(Fact::CaseSkipped { case: case.clone(), reason: reason.to_owned() });
        if let Some(stack) = self.stack_of(case) {
            stack.leave(case).await;
        }
    }

    /// Reports a rehearsal that did not end by itself (a panic, a stop).
    pub async fn abort(&self, case: &ServiceName, diagnosis: Diagnosis) {
        self.shared.notify.send(Fact::CaseAborted { case: case.clone(), diagnosis });
        if let Some(stack) = self.stack_of(case) {
            stack.leave(case).await;
        }
    }

    fn stack_of(&self, case: &ServiceName) -> Option<&Arc<StackRehearsal>> {
        self.by_case.get(case).map(|index| &self.stacks[*index])
    }

    /// Tears down all sandboxes that still exist, for instance after a panic.
    pub async fn finish(&self) {
        let again = std::mem::take(&mut *lock(&self.again));
        for stack in self.stacks.iter().chain(&again) {
            stack.tear_down(Vec::new()).await;
        }
    }
}

fn runnable(stack: &StackPlan) -> Vec<ServiceName> {
    let runs = stack.services.iter().filter(|plan| plan.selected && plan.ignored.is_none());
    runs.map(|plan| plan.service.name.clone()).collect()
}
