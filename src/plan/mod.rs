//! The plan: live services and settings become everything that will be done, before anything is created.
//!
//! Pure. `rehearsa plan`, `rehearsa test --list` and `rehearsa test` share it and differ only in what comes after.

pub mod isolate;
pub mod loading;
pub mod mapping;
mod mounts;
mod order;
mod select;

use crate::config::settings::{IgnoredMode, Selection};
use crate::model::check::CheckSummary;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Change;
use crate::model::mount::Strategy;
use crate::model::plan::{MountPlan, Plan, ServicePlan, StackPlan};
use crate::model::service::{NetworkMode, Service, ServiceName};
use crate::model::settings::ServiceSettings;
use crate::model::source::SourceSpec;

use isolate::SandboxPlacement;
pub use mounts::holds_data;

/// What the plan is made from.
pub struct Inputs<'a> {
    /// Every service of the host, with the settings that hold for it.
    pub services: Vec<(Service, ServiceSettings)>,
    /// Which of them are wanted.
    pub selection: &'a Selection,
}

pub use select::{is_selected, may_be_selected};

/// Decides everything.
pub fn plan(inputs: Inputs<'_>) -> Plan {
    let Inputs { mut services, selection } = inputs;
    services.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    let offered = |(service, rehearsal): &&(Service, ServiceSettings)| service.running && !rehearsal.ignore;

    let volumes = services.iter().flat_map(|(service, _)| mapping::volumes(service)).collect();
    let mut filtered_out = 0;
    let mut wanted: Vec<ServiceName> = Vec::new();
    for (service, rehearsal) in services.iter().filter(offered) {
        let ignored = not_rehearsable(service, rehearsal).is_some();
        let by_mode = match selection.ignored {
            IgnoredMode::Only => ignored,
            IgnoredMode::Skip | IgnoredMode::Include => true,
        };
        if by_mode && is_selected(selection, &service.name, rehearsal) {
            wanted.push(service.name.clone());
        } else {
            filtered_out += 1;
        }
    }

    if let Some(partition) = selection.partition {
        let before = wanted.len();
        let mut position = 0..;
        wanted.retain(|name| position.next().is_some_and(|position| partition.takes(position, &name.to_string())));
        filtered_out += before - wanted.len();
    }

    let mut names: Vec<&str> = wanted.iter().map(ServiceName::stack_name).collect();
    names.sort_unstable();
    names.dedup();
    let mut sources: Vec<SourceSpec> = Vec::new();
    let stacks = names
        .into_iter()
        .map(|name| {
            let members: Vec<&(Service, ServiceSettings)> = services
                .iter()
                .filter(|(service, _)| {
                    service.name.stack_name() == name
                        // A lone container may bear the name of a stack: they are not of one stack for that.
                        && wanted.iter().any(|w| w.stack_name() == name && w.stack.is_some() == service.name.stack.is_some())
                })
                .collect();
            plan_stack(name, &members, &wanted, selection.ignored, &mut sources)
        })
        .collect();
    Plan { stacks, filtered_out, sources, volumes }
}

fn plan_stack(
    name: &str,
    members: &[&(Service, ServiceSettings)],
    wanted: &[ServiceName],
    mode: IgnoredMode,
    sources: &mut Vec<SourceSpec>,
) -> StackPlan {
    let services: Vec<&Service> = members.iter().map(|(service, _)| service).collect();
    let order::Order { needed, cycles, mut needs, absent } = order::order(&services, wanted);
    // An ignored service is booted only where another needs it; else its places are not so much as shown to a worker.
    let ignored = |(service, rehearsal): &(Service, ServiceSettings)| {
        not_rehearsable(service, rehearsal).filter(|_| mode == IgnoredMode::Skip)
    };
    let run: Vec<ServiceName> = members
        .iter()
        .filter(|member| wanted.contains(&member.0.name) && ignored(member).is_none())
        .map(|(service, _)| service.name.clone())
        .collect();
    let booted = order::order(&services, &run).needed;
    let restored: Vec<(&(Service, ServiceSettings), bool)> =
        needed.iter().map(|index| (members[*index], booted.contains(index))).collect();
    let (mut mount_plans, mut restores) = mounts::plan_mounts(&restored);
    for ((service, rehearsal), mounts) in restored.iter().map(|(member, _)| member).zip(&mount_plans) {
        mapping::ask(service, rehearsal, mounts, &mut restores, sources);
    }

    let mut plans = Vec::new();
    for (position, (member, booted)) in restored.into_iter().enumerate() {
        let (service, rehearsal) = member;
        let mounts = std::mem::take(&mut mount_plans[position]);
        // What is not restored because nobody boots the service is no change that a sandbox makes.
        let made = |mount: &&MountPlan| booted || mount.strategy == Strategy::Omit;
        let shown: Vec<MountPlan> = mounts.iter().filter(made).cloned().collect();
        let isolated = isolate::isolate(service, &shown, &SandboxPlacement::preview(service, name, &services));
        let mut changes = isolated.changes;
        let blocked = if cycles.contains(&service.name) {
            Some(Diagnosis::new(Code::OrderCycle, format!("depends_on of {} leads back to itself", service.name)))
        } else {
            absent.iter().find(|(who, _)| *who == service.name).map(|(_, missing)| {
                Diagnosis::new(
                    Code::OrderDependencyErrored,
                    format!(
                        "{} depends on {missing}, which is not on this host: no container of the stack has that name",
                        service.name
                    ),
                )
            })
        };
        changes.extend(order_changes(service, &services));
        plans.push(ServicePlan {
            selected: wanted.contains(&service.name),
            ignored: ignored(member),
            checks: checks(service),
            needs: needs.remove(&service.name).unwrap_or_default(),
            blocked,
            warnings: Vec::new(),
            settings: rehearsal.clone(),
            source: rehearsal.source.as_ref().and_then(|spec| sources.iter().position(|known| known == spec)),
            snapshot: None,
            load: None,
            kind: select::kind(rehearsal),
            service: service.clone(),
            changes,
            mounts,
        });
    }
    for (index, restore) in restores.iter_mut().enumerate() {
        restore.cases = cases_for(&plans, index);
        let users = || plans.iter().filter(|plan| plan.mounts.iter().any(|mount| mount.restore == Some(index)));
        restore.verify_content = users().any(|plan| plan.settings.verify_content);
        let bounds = users().map(|plan| plan.settings.max_copy);
        restore.max_copy = bounds.map(|bound| if bound == 0 { u64::MAX } else { bound }).min().unwrap_or(0);
        if restore.max_copy == u64::MAX {
            restore.max_copy = 0;
        }
    }
    StackPlan { name: name.to_owned(), services: plans, restores }
}

/// The cases for whose sake a restore is done: the selected services that show it, and those that need one that does.
fn cases_for(plans: &[ServicePlan], restore: usize) -> Vec<ServiceName> {
    let uses = |plan: &ServicePlan| plan.mounts.iter().any(|mount| mount.restore == Some(restore));
    plans
        .iter()
        .filter(|plan| plan.selected && plan.ignored.is_none())
        .filter(|plan| order::reach(plans, &plan.service.name).iter().any(|index| uses(&plans[*index])))
        .map(|plan| plan.service.name.clone())
        .collect()
}

/// The selected services of the stack for whose sake `service` is booted, itself included.
pub fn dependents(stack: &StackPlan, service: &ServiceName) -> Vec<ServiceName> {
    stack
        .services
        .iter()
        .filter(|plan| plan.selected && plan.ignored.is_none())
        .filter(|plan| {
            order::reach(&stack.services, &plan.service.name)
                .iter()
                .any(|i| stack.services[*i].service.name == *service)
        })
        .map(|plan| plan.service.name.clone())
        .collect()
}

/// What is asked of a booted service: the strongest question that it gives an answer to.
fn checks(service: &Service) -> Vec<CheckSummary> {
    if service.healthcheck.is_some() {
        return vec![CheckSummary::Health];
    }
    let mut ports: Vec<u16> = service.exposed.iter().filter(|p| p.protocol == "tcp").map(|p| p.number).collect();
    ports.sort_unstable();
    ports.dedup();
    if ports.is_empty() { vec![CheckSummary::Running] } else { vec![CheckSummary::Tcp { ports }] }
}

/// Why a service cannot be rehearsed, or is asked not to be.
fn not_rehearsable(service: &Service, rehearsal: &ServiceSettings) -> Option<String> {
    if rehearsal.skip.is_some() {
        return rehearsal.skip.clone();
    }
    let withheld = isolate::withheld_for_good(service);
    if withheld.is_empty() || mounts::has_data(service) {
        return None;
    }
    Some(format!("it keeps no data to restore, and what it works with is never in a sandbox: {}", withheld.join(", ")))
}

/// Dependencies that a stack records nowhere are worth a word.
fn order_changes(service: &Service, stack: &[&Service]) -> Vec<Change> {
    match &service.network_mode {
        NetworkMode::Container { container } if isolate::find_container(stack, container).is_none() => vec![Change {
            field: "network_mode".to_owned(),
            live: format!("the network of container {container}, which is not of this stack"),
            sandbox: "the sandbox network".to_owned(),
            notable: true,
        }],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
