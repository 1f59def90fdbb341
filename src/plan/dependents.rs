//! The services that a rehearsal needs, and the cases that need a service or a place.

use std::collections::BTreeSet;

use crate::model::plan::{ServicePlan, StackPlan};
use crate::model::service::ServiceName;

/// The selected services of the stack that need `service`, itself included.
pub fn dependents(stack: &StackPlan, service: &ServiceName) -> Vec<ServiceName> {
    cases_reaching(&stack.services, |reached| reached.service.name == *service)
}

/// The cases that need a place: selected services that mount it, and those that depend on such a service.
pub(super) fn cases_for(services: &[ServicePlan], restore: usize) -> Vec<ServiceName> {
    cases_reaching(services, |reached| reached.mounts.iter().any(|mount| mount.restore == Some(restore)))
}

fn cases_reaching(services: &[ServicePlan], is_it: impl Fn(&ServicePlan) -> bool) -> Vec<ServiceName> {
    let cases = services.iter().filter(|plan| plan.selected && plan.ignored.is_none());
    let reaching =
        cases.filter(|plan| reach(services, &plan.service.name).iter().any(|index| is_it(&services[*index])));
    reaching.map(|plan| plan.service.name.clone()).collect()
}

/// Indexes of `name` and of all services it depends on, directly or not.
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
