//! The plan of one more boot of a service, alone and in a sandbox of its own.

use std::fmt::Display;

use crate::model::plan::StackPlan;
use crate::model::service::ServiceName;

/// The plan for another boot of one service: its stack under another name, with that service as the only case.
/// Services that it does not need are never booted, because no case asks for them.
pub(super) fn alone(stack: &StackPlan, case: &ServiceName, suffix: impl Display) -> StackPlan {
    let mut plan = stack.clone();
    // No stack and no container can have this character in its name, so the two sandboxes cannot be confused.
    plan.name = format!("{}@{suffix}", stack.name);
    for service in &mut plan.services {
        service.selected &= service.service.name == *case;
    }
    for restore in &mut plan.restores {
        restore.cases.retain(|name| name == case);
    }
    plan
}
