//! Makes the draft of services and settings: which services are rehearsed, in which order, and what is requested of
//! which source.
//!
//! Pure, and made before any source is opened. Then the sources are surveyed for [`Draft::requests`], and
//! [`resolve`](super::resolve::resolve) makes the plan of both.

use crate::config::settings::{IgnoredMode, Selection};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Change;
use crate::model::mount::Strategy;
use crate::model::plan::MountPlan;
use crate::model::project_files::ProjectFiles;
use crate::model::service::{NetworkMode, Service, ServiceName};
use crate::model::settings::{DependencySource, ServiceSettings};
use crate::model::source::SourceSpec;

use super::draft::{Draft, ServiceDraft, SourceRequest, StackDraft};
use super::inside::{self, KnownServer};
use super::isolate::{self, SandboxPlacement};
use super::order::{self, Order};
use super::select::{ServiceSelection, select};
use super::{mounts, neighbours, patterns};

/// Drafts the plan for the services of a host, each with the settings that hold for it.
pub fn draft(mut services: Vec<(Service, ServiceSettings)>, selection: &Selection) -> Draft {
    services.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    let ignored: Vec<Option<String>> =
        services.iter().map(|(service, settings)| not_rehearsable(service, settings)).collect();
    let selected = select(services.iter().zip(&ignored).map(|((s, r), i)| (s, r, i.is_some())), selection);
    let volumes = services.iter().flat_map(|(service, _)| patterns::named_volumes(service)).collect();
    let binds = services.iter().flat_map(|(service, _)| patterns::bind_sources(service)).collect();

    let mut names: Vec<&str> = chosen(&selected).map(ServiceName::stack_name).collect();
    names.sort_unstable();
    names.dedup();
    let mut sources = Vec::new();
    let mut stacks = Vec::new();
    for name in names {
        let is_native = |service: &Service| is_member(&service.name, name, &selected);
        let all: Vec<&Service> = services.iter().map(|(service, _)| service).collect();
        let borrowed = neighbours::borrowed(&all, &is_native);
        let members: Vec<Member<'_>> = services
            .iter()
            .zip(&ignored)
            .filter(|((service, _), _)| is_native(service) || borrowed.contains(&service.name))
            .map(|((service, settings), ignored)| {
                // A borrowed one may be a case of its own, in its own stack's sandbox.
                let selected = is_native(service) && chosen(&selected).any(|chosen| *chosen == service.name);
                let ignored = ignored.clone().filter(|_| selection.ignored == IgnoredMode::Skip);
                Member::new(service, settings, selected, ignored)
            })
            .collect();
        stacks.push(draft_stack(name, &members, &all, &mut sources));
    }
    let servers = inside::known_servers(services.iter().map(|(service, _)| service));
    let sources = sources.into_iter().enumerate();
    let requests = sources.map(|(index, spec)| source_request(&stacks, index, spec, &servers)).collect();
    Draft { selection: selected, requests, project_files: ProjectFiles::default(), stacks, volumes, binds }
}

fn chosen(selection: &[ServiceSelection]) -> impl Iterator<Item = &ServiceName> {
    selection.iter().filter(|service| service.is_selected()).map(|service| &service.service)
}

/// Whether a service belongs to the stack `stack`, of which a service is selected. A lone container may have the name
/// of a stack and does not belong to it.
fn is_member(service: &ServiceName, stack: &str, selection: &[ServiceSelection]) -> bool {
    service.stack_name() == stack
        && chosen(selection)
            .any(|chosen| chosen.stack_name() == stack && chosen.stack.is_some() == service.stack.is_some())
}

/// A service of a stack with what was decided for it so far.
struct Member<'a> {
    service: &'a Service,
    settings: ServiceSettings,
    selected: bool,
    ignored: Option<String>,
    /// Its data comes from the source only if the source has all of it, else from the live service.
    if_found: bool,
}

impl<'a> Member<'a> {
    fn new(service: &'a Service, settings: &ServiceSettings, selected: bool, ignored: Option<String>) -> Self {
        let mut settings = settings.clone();
        let if_found =
            !selected && settings.source.is_some() && settings.as_dependency == DependencySource::SameIfFound;
        if let (false, DependencySource::Other(source)) = (selected, &settings.as_dependency) {
            settings.source = source.clone();
        }
        Self { service, settings, selected, ignored, if_found }
    }
}

fn draft_stack(name: &str, members: &[Member<'_>], all: &[&Service], sources: &mut Vec<SourceSpec>) -> StackDraft {
    let services: Vec<&Service> = members.iter().map(|member| member.service).collect();
    let names = |wanted: &dyn Fn(&Member<'_>) -> bool| -> Vec<ServiceName> {
        members.iter().filter(|member| wanted(member)).map(|member| member.service.name.clone()).collect()
    };
    let mut order = order::order(&services, &names(&|member| member.selected));
    // Skipped services start only as dependencies. Otherwise none of their mounts is given to a worker.
    let booted = order::order(&services, &names(&|member| member.selected && member.ignored.is_none())).needed;
    let shown: Vec<_> = order
        .needed
        .iter()
        .map(|index| (members[*index].service, &members[*index].settings, booted.contains(index)))
        .collect();
    let (mount_plans, mut places) = mounts::plan_mounts(&shown);
    for (index, mounts) in order.needed.iter().zip(&mount_plans) {
        let Member { service, settings, if_found, .. } = &members[*index];
        patterns::add_requests(service, all, settings, *if_found, mounts, &mut places, sources);
    }
    let mut drafts = Vec::new();
    for (index, mounts) in std::mem::take(&mut order.needed).into_iter().zip(mount_plans) {
        let Member { service, settings, selected, ignored, if_found } = &members[index];
        let is_booted = |name: &ServiceName| booted.iter().any(|index| members[*index].service.name == *name);
        let source = settings.source.as_ref();
        drafts.push(ServiceDraft {
            selected: *selected,
            ignored: ignored.clone(),
            changes: sandbox_changes(service, name, &services, &mounts, booted.contains(&index)),
            unbootable: unbootable(&service.name, &order),
            neighbours: neighbours::left_out(service, all, &is_booted),
            needs: order.needs.remove(&service.name).unwrap_or_default(),
            source: source.and_then(|spec| sources.iter().position(|known| known == spec)),
            if_found: *if_found,
            service: (*service).clone(),
            settings: settings.clone(),
            mounts,
        });
    }
    StackDraft { name: name.to_owned(), services: drafts, places }
}

fn source_request(stacks: &[StackDraft], source: usize, spec: SourceSpec, servers: &[KnownServer]) -> SourceRequest {
    let requests = stacks.iter().flat_map(|stack| stack.requests_to(source)).map(|(_, request)| request);
    let mut queries = requests.clone().map(|request| request.want.clone()).collect();
    let dumps = inside::dump_requests(stacks, source, &mut queries, servers);
    SourceRequest {
        spec,
        queries,
        dumps,
        max_entries: patterns::loosest(requests.clone().map(|request| request.max_entries)),
        max_window: patterns::loosest(requests.map(|request| request.max_window)),
    }
}

/// Why a service is skipped: it cannot be rehearsed, or its settings skip it.
fn not_rehearsable(service: &Service, settings: &ServiceSettings) -> Option<String> {
    if settings.skip.is_some() {
        return settings.skip.clone();
    }
    let withheld = isolate::withheld_for_good(service);
    if withheld.is_empty() || mounts::has_data(service) {
        return None;
    }
    Some(format!("it has no data to restore, and it needs what no sandbox provides: {}", withheld.join(", ")))
}

/// Why a service can never be booted, judged by its dependencies.
fn unbootable(service: &ServiceName, order: &Order) -> Option<Diagnosis> {
    if order.cycles.contains(service) {
        return Some(Diagnosis::new(Code::OrderCycle, format!("depends_on of {service} leads back to itself")));
    }
    let (_, missing) = order.absent.iter().find(|(who, _)| who == service)?;
    let message =
        format!("{service} depends on {missing}, which is not on this host: no running container has that name");
    Some(Diagnosis::new(Code::OrderDependencyErrored, message))
}

/// The differences between the live container and the sandbox's.
fn sandbox_changes(
    service: &Service,
    stack: &str,
    members: &[&Service],
    mounts: &[MountPlan],
    booted: bool,
) -> Vec<Change> {
    // A mount that is not restored because its service is not booted is no change by the sandbox.
    let shown: Vec<MountPlan> =
        mounts.iter().filter(|mount| booted || mount.strategy == Strategy::Omit).cloned().collect();
    let mut changes = isolate::isolate(service, &shown, &SandboxPlacement::preview(service, stack, members)).changes;
    if let NetworkMode::Container { container } = &service.network_mode
        && isolate::find_container(members, container).is_none()
    {
        changes.push(Change {
            field: "network_mode".to_owned(),
            live: format!("the network of container {container}, which is not of this stack"),
            sandbox: "the sandbox network".to_owned(),
            notable: true,
        });
    }
    changes
}
