//! Who needs what: the services that a rehearsal reaches, and the cases for whose sake something is done.

use std::collections::BTreeSet;

use crate::model::plan::{ServicePlan, StackPlan};
use crate::model::service::ServiceName;

/// The selected services of the stack for whose sake `service` is booted, itself included.
pub fn dependents(stack: &StackPlan, service: &ServiceName) -> Vec<ServiceName> {
    cases_reaching(&stack.services, |reached| reached.service.name == *service)
}

/// The cases for whose sake a place is restored: the selected services that show it, and those that need one that does.
pub(super) fn cases_for(services: &[ServicePlan], restore: usize) -> Vec<ServiceName> {
    cases_reaching(services, |reached| reached.mounts.iter().any(|mount| mount.restore == Some(restore)))
}

fn cases_reaching(services: &[ServicePlan], is_it: impl Fn(&ServicePlan) -> bool) -> Vec<ServiceName> {
    let cases = services.iter().filter(|plan| plan.selected && plan.ignored.is_none());
    let reaching =
        cases.filter(|plan| reach(services, &plan.service.name).iter().any(|index| is_it(&services[*index])));
    reaching.map(|plan| plan.service.name.clone()).collect()
}

/// Indexes of `name` and of all it needs, near and far.
fn reach(services: &[ServicePlan], name: &ServiceName) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![name];
    while let Some(next) = open.pop() {
        let Some(index) = services.iter().position(|plan| plan.service.name == *next) else { continue };
        if reached.insert(index) {
            open.extend(services[index].needs.iter().map(|need| &need.service));
        }
    }
    reached
}
