//! What the score of a service is based on, as far as the plan knows.

use super::choose::inside;
use super::decisions::BackupFacts;
use super::mounts::holds_data;
use crate::model::mount::{MountOrigin, Strategy};
use crate::model::plan::{MountPlan, RestorePlan, ServicePlan};
use crate::model::score::basis::{FoundBy, RequiredMount, ScoreBasis};
use crate::model::source::MatchRule;

/// The basis of a service's score. `backup`: the facts about its snapshot; `None`: no snapshot was surveyed.
pub(super) fn score_basis(service: &ServicePlan, restores: &[RestorePlan], backup: Option<&BackupFacts>) -> ScoreBasis {
    let settings = &service.settings;
    let seconds = |time: std::time::Duration| time.as_secs();
    let lost_logs = backup.map(|backup| lost_logs(service, restores, &backup.lost_logs)).unwrap_or_default();
    ScoreBasis {
        listed: backup.is_some(),
        content_read: backup.is_some_and(|backup| backup.traits.content_read),
        age: backup.and_then(|backup| backup.age),
        time_told: backup.is_some_and(|backup| backup.traits.time_told),
        rewritten: backup.is_some_and(|backup| backup.traits.rewritten),
        max_age: settings.max_age.map(seconds),
        max_rto: settings.max_rto.map(seconds),
        mounts: required_mounts(service, restores),
        lost_logs,
        history: None,
        has_data_check: settings.checks.iter().any(|check| check.ask.asks_the_data()),
        control: settings.control,
        min_score: settings.min_score,
    }
}

/// The mounts that the service writes to; of a service that only reads, those that the backup holds.
fn required_mounts(service: &ServicePlan, restores: &[RestorePlan]) -> Vec<RequiredMount> {
    let shown: Vec<(&MountPlan, RequiredMount)> =
        service.mounts.iter().filter_map(|mount| Some((mount, required_mount(service, mount, restores)?))).collect();
    let mut required: Vec<RequiredMount> =
        shown.iter().filter(|(mount, _)| !mount.mount.read_only).map(|(_, required)| required.clone()).collect();
    if let Some(load) = service.load.as_ref().filter(|load| load.into.is_none()) {
        required.push(RequiredMount { mount: format!("dump {}", load.title), found: Some(FoundBy::Dump) });
    }
    if required.is_empty() {
        required.extend(shown.into_iter().map(|(_, read)| read).filter(|read| read.found.is_some()));
    }
    required
}

/// The mount as the score counts it; `None`: nothing has to be restored into it.
fn required_mount(service: &ServicePlan, plan: &MountPlan, restores: &[RestorePlan]) -> Option<RequiredMount> {
    let index = plan.restore.filter(|_| !matches!(plan.mount.origin, MountOrigin::Dump { .. }))?;
    let place = restores.get(index)?;
    let is_loaded = service.load.as_ref().is_some_and(|load| load.into == Some(index));
    let found = match &place.part {
        _ if is_loaded => Some(FoundBy::Dump),
        Some(part) => Some(found_by(part.rule)),
        // The user says that nothing has to be restored there.
        None if place.strategy == Strategy::Empty => return None,
        None if !holds_data(&plan.mount) => return None,
        None => None,
    };
    Some(RequiredMount { mount: plan.mount.title(), found })
}

fn found_by(rule: MatchRule) -> FoundBy {
    match rule {
        MatchRule::Explicit => FoundBy::Said,
        MatchRule::Name | MatchRule::Suffix => FoundBy::Name,
        MatchRule::Target => FoundBy::Target,
        MatchRule::OnlyCandidate => FoundBy::Only,
    }
}

/// The databases in the service's parts of the backup that lack their write-ahead log.
fn lost_logs(service: &ServicePlan, restores: &[RestorePlan], lost: &[Vec<u8>]) -> Vec<String> {
    let places = service.mounts.iter().filter_map(|mount| restores.get(mount.restore?));
    let parts: Vec<&[u8]> = places.filter_map(|place| Some(place.part.as_ref()?.path.as_slice())).collect();
    let is_own = |path: &&Vec<u8>| parts.iter().any(|part| inside(path, part).is_some());
    lost.iter().filter(is_own).map(|path| String::from_utf8_lossy(path).into_owned()).collect()
}
