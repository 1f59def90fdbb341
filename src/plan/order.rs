//! Which services of a stack are booted, and in which order.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::plan::Need;
use crate::model::service::{Condition, NetworkMode, Service, ServiceName};

use super::isolate::find_container;
use super::neighbours::called;

/// The order of a stack.
pub struct Order {
    /// Indexes of the services to boot, dependencies first.
    pub needed: Vec<usize>,
    /// Services whose dependencies lead back to themselves.
    pub cycles: BTreeSet<ServiceName>,
    /// The services that each service needs first.
    pub needs: BTreeMap<ServiceName, Vec<Need>>,
    /// Services that depend on a missing one, with the name of the missing one.
    pub absent: Vec<(ServiceName, String)>,
}

/// Orders the wanted services of a stack and all services that they depend on.
pub fn order(services: &[&Service], wanted: &[ServiceName]) -> Order {
    let mut order = Order { needed: Vec::new(), cycles: BTreeSet::new(), needs: BTreeMap::new(), absent: Vec::new() };
    for (index, service) in services.iter().enumerate() {
        let needs = needs_of(service, services, &mut order.absent);
        order.needs.insert(services[index].name.clone(), needs);
    }
    let index_of = |name: &ServiceName| services.iter().position(|service| service.name == *name);
    let mut state = vec![Mark::New; services.len()];
    for name in wanted {
        if let Some(index) = index_of(name) {
            visit(index, services, &index_of, &mut state, &mut order);
        }
    }
    order
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    Open,
    Done,
}

fn visit(
    index: usize,
    services: &[&Service],
    index_of: &impl Fn(&ServiceName) -> Option<usize>,
    state: &mut [Mark],
    order: &mut Order,
) {
    match state[index] {
        Mark::Done => return,
        Mark::Open => {
            order.cycles.insert(services[index].name.clone());
            return;
        }
        Mark::New => state[index] = Mark::Open,
    }
    let needs = order.needs.get(&services[index].name).cloned().unwrap_or_default();
    for need in needs {
        if let Some(next) = index_of(&need.service) {
            visit(next, services, index_of, state, order);
        }
    }
    state[index] = Mark::Done;
    order.needed.push(index);
}

fn needs_of(service: &Service, stack: &[&Service], absent: &mut Vec<(ServiceName, String)>) -> Vec<Need> {
    let mut needs = Vec::new();
    for dependency in &service.depends_on {
        let mut found = false;
        for other in called(service, &dependency.service, stack) {
            found = true;
            needs.push(Need { service: other.name.clone(), condition: dependency.condition });
        }
        if !found && dependency.required {
            absent.push((service.name.clone(), dependency.service.clone()));
        }
    }
    if let NetworkMode::Container { container } = &service.network_mode
        && let Some(other) = find_container(stack, container)
        && !needs.iter().any(|need| need.service == other.name)
    {
        needs.push(Need { service: other.name.clone(), condition: Condition::ServiceStarted });
    }
    needs
}
