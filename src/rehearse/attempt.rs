//! The plan of one more boot of a service, alone and in a sandbox of its own.

use std::fmt::Display;

use crate::model::plan::StackPlan;
use crate::model::service::ServiceName;

/// Separates the name of a stack from the boot that its sandbox is for. Compose allows no such character in the name of
/// a stack, and the engine none in that of a container.
const ANOTHER: char = '@';

/// The stack that a sandbox of this name is for.
pub(super) fn of_stack(sandbox: &str) -> &str {
    sandbox.split(ANOTHER).next().unwrap_or(sandbox)
}

/// The plan for another boot of one service: its stack under another name, with that service as the only case.
/// Services that it does not need are never booted, because no case asks for them.
///
/// The name has the service, too: two services of a stack may be booted once more at the same time.
pub(super) fn alone(stack: &StackPlan, case: &ServiceName, which: impl Display) -> StackPlan {
    let mut plan = stack.clone();
    plan.name = match stack.name.contains(ANOTHER) {
        // The control of a later attempt.
        true => format!("{}.{which}", stack.name),
        false => format!("{}{ANOTHER}{}.{which}", stack.name, case.service),
    };
    for service in &mut plan.services {
        service.selected &= service.service.name == *case;
    }
    for restore in &mut plan.restores {
        restore.cases.retain(|name| name == case);
    }
    plan
}
