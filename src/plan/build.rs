//! Makes the plan of a draft and the decisions about it.

use std::time::Duration;

use super::basis::score_basis;
use super::decisions::{BackupFacts, LoadDecision, ServiceDecision, StackDecisions};
use super::dependents::cases_for;
use super::draft::{Draft, PlaceDraft, ServiceDraft, StackDraft};
use super::select;
use super::strict;
use crate::model::check::CheckSummary;
use crate::model::dump::LOAD_FOLDER;
use crate::model::mount::{Mount, MountOrigin, Strategy};
use crate::model::plan::{BackupPart, BackupRequest, DataSource, MountPlan, Plan, RestorePlan, ServicePlan, StackPlan};
use crate::model::profile::losses::Tolerance;
use crate::model::score::basis::ScoreBasis;
use crate::model::service::Service;
use crate::model::settings::ServiceSettings;
use crate::model::witness::WitnessPlan;

/// Makes the plan; `decisions` are in the order of the draft's stacks.
pub(super) fn build(draft: Draft, decisions: Vec<StackDecisions>) -> Plan {
    let filtered_out = draft.filtered_out();
    let Draft { selection: _, requests, project_files: _, stacks, volumes: _, binds: _ } = draft;
    Plan {
        stacks: stacks.into_iter().zip(decisions).map(|(stack, decided)| build_stack(stack, decided)).collect(),
        filtered_out,
        sources: requests.into_iter().map(|request| request.spec).collect(),
    }
}

fn build_stack(draft: StackDraft, decided: StackDecisions) -> StackPlan {
    let StackDraft { name, services, places } = draft;
    // Restores of dumps come after those of the draft's places.
    let dump_mounts: Vec<MountPlan> =
        decided.dumps.iter().zip(places.len()..).map(|(dump, index)| dump_mount(&dump.title, index)).collect();
    let replaced: Vec<Option<Strategy>> = places
        .iter()
        .zip(&decided.places)
        .enumerate()
        .map(|(index, (place, decision))| {
            let showing = services.iter().filter(|service| service.shows(index));
            // What is shown in place is neither compared nor watched.
            let wants_more = |settings: &ServiceSettings| settings.verify_content || settings.require_proof.is_some();
            let compares = showing.clone().any(|service| wants_more(&service.settings));
            match decision.emptied {
                true => Some(Strategy::Empty),
                false => (!compares && is_shown_in_place(place, &decision.supply)).then_some(Strategy::Overlay),
            }
        })
        .collect();
    let backups: Vec<Option<BackupFacts>> = decided.services.iter().map(|decision| decision.backup.clone()).collect();
    let mut services: Vec<ServicePlan> = services
        .into_iter()
        .zip(decided.services)
        .map(|(draft, decision)| build_service(draft, decision, &replaced, &dump_mounts))
        .collect();
    let mut restores = Vec::new();
    for ((place, decision), replaced) in places.into_iter().zip(decided.places).zip(&replaced) {
        let PlaceDraft { mount, strategy, is_strategy_chosen: _, request } = place;
        let place = match decision.emptied {
            true => {
                Place { mount, strategy: Strategy::Empty, request: None, part: decision.part, supply: decision.supply }
            }
            false => {
                let request = request.filter(|_| !decision.live);
                let strategy = replaced.unwrap_or(strategy);
                Place { mount, strategy, request, part: decision.part, supply: decision.supply }
            }
        };
        restores.push(build_restore(restores.len(), place, &services, &backups));
    }
    for (mounted, dump) in dump_mounts.into_iter().zip(decided.dumps) {
        let MountPlan { mount, strategy, .. } = mounted;
        let place = Place { mount, strategy, request: None, part: None, supply: dump.supply };
        restores.push(build_restore(restores.len(), place, &services, &backups));
    }
    for (service, backup) in services.iter_mut().zip(backups) {
        service.score_basis = score_basis(service, &restores, backup.as_ref());
    }
    StackPlan { name, services, restores }
}

/// Whether a place shows a snapshot through an overlay: nobody changes a snapshot, so a copy would tell nothing more. A
/// snapshot of several file systems is copied, because an overlay shows one.
fn is_shown_in_place(place: &PlaceDraft, supply: &DataSource) -> bool {
    let is_alone = matches!(supply, DataSource::HostTree(tree) if tree.is_snapshot && tree.inside.is_empty());
    is_alone && place.strategy == Strategy::Copy && !place.is_strategy_chosen
}

fn dump_mount(title: &str, index: usize) -> MountPlan {
    let origin = MountOrigin::Dump { title: title.to_owned() };
    let mount = Mount { target: LOAD_FOLDER.to_owned(), origin, read_only: true };
    MountPlan { mount, strategy: Strategy::Copy, restore: Some(index) }
}

fn build_service(
    draft: ServiceDraft,
    decision: ServiceDecision,
    replaced: &[Option<Strategy>],
    dump_mounts: &[MountPlan],
) -> ServicePlan {
    let ServiceDraft { service, settings, selected, ignored, changes, mut mounts, needs, neighbours, source, .. } =
        draft;
    let ServiceDecision { blocked, warnings, snapshot, backup: _, load, live } = decision;
    let blocked = blocked.or_else(|| strict::refusal(&warnings).filter(|_| selected && settings.strict));
    let source = source.filter(|_| live.is_none());
    let settings = match live {
        Some(_) => ServiceSettings { source: None, ..settings },
        None => settings,
    };
    for mount in &mut mounts {
        if let Some(strategy) = mount.restore.and_then(|index| replaced[index]) {
            mount.strategy = strategy;
        }
    }
    let load = load.map(|LoadDecision { load, dump }| {
        mounts.push(dump_mounts[dump].clone());
        load
    });
    ServicePlan {
        selected,
        ignored,
        checks: builtin_checks(&service, &settings),
        needs,
        neighbours,
        blocked,
        warnings,
        kind: select::kind(&settings),
        source,
        snapshot,
        load,
        settings,
        service,
        changes,
        mounts,
        // Made when the restores of the stack are known.
        score_basis: ScoreBasis::default(),
    }
}

/// The restore of a place, as decided.
struct Place {
    mount: Mount,
    strategy: Strategy,
    request: Option<BackupRequest>,
    part: Option<BackupPart>,
    supply: DataSource,
}

/// `backups` are the facts about the services' snapshots, in the order of the services.
fn build_restore(index: usize, place: Place, services: &[ServicePlan], backups: &[Option<BackupFacts>]) -> RestorePlan {
    let Place { mount, strategy, request, part, supply } = place;
    let showing = || services.iter().filter(|service| shows(service, index));
    let source = request.as_ref().map(|request| request.source);
    let path = part.as_ref().map_or(&b""[..], |part| &part.path);
    let witness =
        witness_plan(index, source, path, services.iter().zip(backups).filter(|(service, _)| shows(service, index)));
    RestorePlan {
        mount,
        strategy,
        cases: cases_for(services, index),
        max_copy: strictest(showing().map(|service| service.settings.max_copy)),
        verify_content: showing().any(|service| service.settings.verify_content),
        ask: request,
        part,
        supply,
        witness,
        has_live: showing().any(|service| service.service.is_live()),
    }
}

fn shows(service: &ServicePlan, restore: usize) -> bool {
    service.mounts.iter().any(|mount| mount.restore == Some(restore))
}

/// The pattern of a backup job as it is within the part of this path; `None`: it names nothing there. A pattern of a
/// job that begins with a slash is a path of the backed-up machine; others may begin in any folder.
fn pattern_within(pattern: &str, path: &[u8]) -> Option<String> {
    let pattern = pattern.trim_end_matches('/');
    match pattern.strip_prefix('/') {
        _ if pattern.is_empty() || pattern.starts_with('!') => None,
        Some(rooted) if path.is_empty() => Some(format!("/{rooted}")),
        Some(rooted) => {
            let within = rooted.strip_prefix(std::str::from_utf8(path).ok()?)?.strip_prefix('/')?;
            Some(format!("/{within}"))
        }
        None if pattern.contains('/') => Some(format!("**/{pattern}")),
        None => Some(pattern.to_owned()),
    }
}

/// How a place of this source is compared with the live mount, by the services that show it and the facts about their
/// snapshots. `path` is where the place lies in the backup.
fn witness_plan<'a>(
    index: usize,
    source: Option<usize>,
    path: &[u8],
    showing: impl Iterator<Item = (&'a ServicePlan, &'a Option<BackupFacts>)>,
) -> WitnessPlan {
    let (slack, tolerance) = (Duration::ZERO, Tolerance::NOTHING);
    let mut witness = WitnessPlan { slack, tolerance, ..WitnessPlan::default() };
    for (service, backup) in showing {
        if let Some(backup) = backup.as_ref().filter(|_| service.source == source) {
            witness.clock = backup.traits.clock;
            witness.exclude.extend(backup.traits.excludes.iter().filter_map(|pattern| pattern_within(pattern, path)));
        }
        witness.slack = witness.slack.max(service.settings.witness_slack);
        witness.tolerance = witness.tolerance.or(service.settings.tolerance);
        let mounts = || service.mounts.iter();
        let own = mounts().filter(|mount| mount.restore == Some(index));
        let covered = own.flat_map(|own| mounts().filter_map(|other| covered(&own.mount.target, &other.mount.target)));
        for pattern in service.settings.exclude.iter().cloned().chain(covered) {
            if !witness.exclude.contains(&pattern) {
                witness.exclude.push(pattern);
            }
        }
    }
    witness
}

/// The pattern of the folder that a mount inside of another one covers: what the outer one has there is seen by no
/// service, and a backup that saw the mounts as the service does cannot hold it.
fn covered(outer: &str, inner: &str) -> Option<String> {
    let within = inner.strip_prefix(outer.trim_end_matches('/'))?.strip_prefix('/')?;
    (!within.is_empty()).then(|| format!("/{within}"))
}

/// The smallest bound; 0 means no bound.
fn strictest(bounds: impl Iterator<Item = u64>) -> u64 {
    bounds.filter(|bound| *bound > 0).min().unwrap_or(0)
}

/// The strongest check that a service can pass without a check of the user. That somebody listens on an exposed port is
/// a guess; a check of the user that asks the service replaces it.
fn builtin_checks(service: &Service, settings: &ServiceSettings) -> Vec<CheckSummary> {
    if service.healthcheck.is_some() {
        return vec![CheckSummary::Health];
    }
    if settings.checks.iter().any(|check| check.ask.asks_the_service()) {
        return vec![CheckSummary::Running];
    }
    let mut ports: Vec<u16> = service.exposed.iter().filter(|p| p.protocol == "tcp").map(|p| p.number).collect();
    ports.sort_unstable();
    ports.dedup();
    if ports.is_empty() { vec![CheckSummary::Running] } else { vec![CheckSummary::Tcp { ports }] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_mount_covers_is_not_missed() {
        assert_eq!(covered("/var/www/html", "/var/www/html/data"), Some("/data".to_owned()));
        assert_eq!(covered("/", "/data"), Some("/data".to_owned()));
        for (outer, inner) in [("/data", "/data"), ("/data", "/database"), ("/data/sub", "/data")] {
            assert_eq!(covered(outer, inner), None, "{outer} {inner}");
        }
    }

    #[test]
    fn a_pattern_of_a_backup_job_is_made_relative_to_the_part() {
        let within = |pattern: &str| pattern_within(pattern, b"srv/app");
        let some = |pattern: &str| Some(pattern.to_owned());
        assert_eq!(within("*.iso"), some("*.iso"));
        assert_eq!(within("/srv/app/cache/"), some("/cache"));
        assert_eq!(within("/srv/app/a/*"), some("/a/*"));
        assert_eq!(within("user/thumbs"), some("**/user/thumbs"));
        for other in ["/srv/application/cache", "/srv/app", "/etc", "!*.iso", "/", ""] {
            assert_eq!(within(other), None, "{other}");
        }
    }
}
