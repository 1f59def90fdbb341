//! Makes the plan of a draft and the surveys of its sources. Where something is not clear, nothing is guessed.
//!
//! Pure. All decisions are collected first, source by source; then the plan is made of them and never changed.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::build::build;
use super::choose::{self, MountCandidates};
use super::decide::{BackupDescription, MountDecision, decide};
use super::decisions::{BackupFacts, PlaceDecision, StackDecisions};
use super::draft::{Draft, KnownVolume, ServiceDraft, StackDraft};
use super::fill_inside::DumpsInside;
use super::loading::{self, Dumped};
use super::survey::Survey;
use super::without_live;
use crate::config::values::duration;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::dump::Dump;
use crate::model::mount::{Mount, MountOrigin};
use crate::model::plan::Plan;
use crate::model::service::ServiceName;
use crate::model::source::{BackupContents, ContentTally, Shape, SnapshotTraits, SourcePlace};

/// A time in a name may be in any time zone, so it may lie in the future by this much.
const AHEAD: SignedDuration = SignedDuration::from_hours(26);

/// Makes the plan. `surveys` are the results for [`Draft::requests`], in their order. A failed survey blocks the
/// services of its source; sources without a survey stay undecided.
pub fn resolve(draft: Draft, surveys: Vec<Result<Survey, Diagnosis>>, now: Timestamp) -> Plan {
    let mut decisions: Vec<StackDecisions> = draft.stacks.iter().map(StackDecisions::of).collect();
    for (source, survey) in surveys.into_iter().enumerate() {
        let mut survey = match survey {
            Ok(survey) => survey,
            Err(diagnosis) => {
                for (stack, decided) in draft.stacks.iter().zip(&mut decisions) {
                    decided.fed_by(stack, source).for_each(|service| service.block(diagnosis.clone()));
                }
                continue;
            }
        };
        match survey.dump.take() {
            Some(dump) => fill_from_dump(&draft, source, &survey, &dump, &mut decisions),
            None => fill_from_parts(&draft, source, &mut survey, &mut decisions),
        }
        let backup = describe(&draft, source, &survey);
        for (stack, decided) in draft.stacks.iter().zip(&mut decisions) {
            note_snapshot(stack, source, &backup, &survey.traits, now, decided);
        }
    }
    without_live::fill(&draft, &mut decisions);
    build(draft, decisions)
}

fn describe<'a>(draft: &'a Draft, source: usize, survey: &'a Survey) -> BackupDescription<'a> {
    let place = &draft.requests[source].spec.place;
    BackupDescription { place, snapshot: &survey.snapshot, found: &survey.found }
}

/// Decides which part of the backup fills each place that is requested of the source.
fn fill_from_parts(draft: &Draft, source: usize, survey: &mut Survey, decisions: &mut [StackDecisions]) {
    let dumps = DumpsInside::of(&draft.requests[source], survey);
    let mut candidates = std::mem::take(&mut survey.found.candidates).into_iter();
    let mut asked = Vec::new();
    for (of_stack, stack) in draft.stacks.iter().enumerate() {
        for (place, request) in stack.requests_to(source) {
            let (mount, candidates) = (&stack.places[place].mount, candidates.next().unwrap_or_default());
            asked.push(MountCandidates { at: (of_stack, place), mount, request, candidates });
        }
    }
    let found = &survey.found;
    let services = draft.stacks.iter().flat_map(|stack| &stack.services);
    let fed = services.filter(|service| service.source == Some(source));
    let targets: Vec<&str> =
        fed.flat_map(|service| &service.service.mounts).map(|mount| mount.target.as_str()).collect();
    let is_of_more =
        names_a_volume(found, draft) || bears_a_name(&survey.snapshot.id, &draft.volumes, &asked) || dumps.is_of_more;
    let places: Vec<_> = asked.iter().map(|asked| (asked.at, asked.mount, asked.request)).collect();
    let host = choose::HostPaths { shown: &targets, binds: &draft.binds };
    let mut choices = choose::choose(asked, found, &host, &dumps.loaded, is_of_more);
    dumps.fill(draft, source, survey, &places, &mut choices, decisions);
    if survey.tree.is_none() {
        let at: Vec<(usize, usize)> = places.iter().map(|(at, _, _)| *at).collect();
        choose::share_out(&at, &mut choices, &draft.stacks);
    }
    let backup = describe(draft, source, survey);
    for (query, (((of_stack, place), mount, request), choice)) in places.into_iter().zip(choices).enumerate() {
        let decided = &mut decisions[of_stack];
        // A service fills the place from a dump.
        if decided.places[place].emptied || decided.places[place].part.is_some() {
            continue;
        }
        let stack = &draft.stacks[of_stack];
        if without_live::is_own_file(&draft.project_files, mount) {
            continue;
        }
        match decide(choice, (query, request), mount, &backup, survey.tree.as_ref()) {
            MountDecision::Supplied(part, supply) => {
                decided.places[place].part = Some(part);
                decided.places[place].supply = supply;
            }
            // What has no live data is decided at the end.
            MountDecision::Live(_) if without_live::is_without_live(stack, place) => {}
            MountDecision::Blocked(diagnosis) if without_live::may_be_sent(draft, stack, place, &diagnosis) => {}
            MountDecision::Live(warning) if mount.read_only || request.required => {
                decided.showing(stack, place).for_each(|service| service.warnings.push(warning.clone()));
            }
            // A dependency need not be in the backup.
            MountDecision::Live(_) => not_found(decided, stack, place, mount),
            MountDecision::Blocked(_) if !request.required && is_if_found(stack, place) => {
                not_found(decided, stack, place, mount);
            }
            MountDecision::Blocked(diagnosis) => {
                decided.showing(stack, place).for_each(|service| service.block((*diagnosis).clone()));
            }
        }
    }
    for (stack, decided) in draft.stacks.iter().zip(decisions) {
        use_live(stack, source, decided, &draft.requests[source].spec.place);
    }
}

/// Whether all services that mount a place are dependencies which the source need not have.
fn is_if_found(stack: &StackDraft, place: usize) -> bool {
    stack.services.iter().filter(|service| service.shows(place)).all(|service| service.if_found)
}

/// Records for the dependencies that mount a place that the source does not have it.
fn not_found(decided: &mut StackDecisions, stack: &StackDraft, place: usize, mount: &Mount) {
    for (service, decision) in stack.services.iter().zip(&mut decided.services) {
        if service.if_found && service.shows(place) {
            decision.live.get_or_insert_with(|| format!("holds nothing for its {}", mount.title()));
        }
    }
}

/// Gives the dependencies that the source does not have, or not in whole, their live data in all mounts: data of two
/// times in one service would be the data of no time. The cases that need them are warned.
fn use_live(stack: &StackDraft, source: usize, decided: &mut StackDecisions, backup: &SourcePlace) {
    for (index, service) in stack.services.iter().enumerate() {
        if !service.if_found || service.source != Some(source) {
            continue;
        }
        let has_request = |place: usize| stack.places[place].request.as_ref().is_some_and(|r| r.source == source);
        let places = || service.mounts.iter().filter_map(|mount| mount.restore).filter(|place| has_request(*place));
        if places().next().is_none() && decided.services[index].load.is_none() {
            // It has no data at all, or what it has is another service's.
            decided.services[index].live.get_or_insert_with(String::new);
        }
        let Some(why) = decided.services[index].live.clone() else { continue };
        for place in places() {
            let is_needed = stack.services.iter().any(|other| !other.if_found && other.shows(place));
            if !is_needed {
                decided.places[place] = PlaceDecision { live: true, ..PlaceDecision::of_live() };
            }
        }
        if why.is_empty() {
            continue;
        }
        let name = &service.service.name;
        let message = format!(
            "{name} was not asked for and is needed by what was; {backup} {why}, so it runs on a copy of its live data"
        );
        let remedy = format!(
            "Name the backup of the dependency: --from {name}=SOURCE. To accept the live data, say so: \
             --from {name}=live."
        );
        let warning = Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreDependencyLive, message) };
        for (other, decision) in stack.services.iter().zip(&mut decided.services) {
            if other.selected && reaches(stack, other, name) {
                decision.warnings.push(warning.clone());
            }
        }
    }
}

/// Whether a service needs another one, directly or not.
fn reaches(stack: &StackDraft, from: &ServiceDraft, name: &ServiceName) -> bool {
    let mut open = vec![from];
    let mut seen = BTreeSet::new();
    while let Some(service) = open.pop() {
        for need in &service.needs {
            if need.service == *name {
                return true;
            }
            if seen.insert(&need.service) {
                open.extend(stack.services.iter().filter(|other| other.service.name == need.service));
            }
        }
    }
    false
}

/// Decides how each service of the source is filled, if the source is a dump.
fn fill_from_dump(draft: &Draft, source: usize, survey: &Survey, dump: &Dump, decisions: &mut [StackDecisions]) {
    let place = &draft.requests[source].spec.place;
    let dumped = Dumped {
        source,
        name: place.to_string(),
        title: &survey.snapshot.id,
        dump,
        holds: &survey.found.whole,
        is_beside_files: false,
        of_database: None,
    };
    for (stack, decided) in draft.stacks.iter().zip(decisions) {
        for index in 0..stack.services.len() {
            if stack.services[index].source != Some(source) {
                continue;
            }
            if stack.services[index].if_found && !loading::suits_program(&stack.services[index].service, dump) {
                decided.services[index].live = Some("is a dump of another program".to_owned());
                continue;
            }
            if let Some(path) = &stack.services[index].settings.load.from {
                let message = format!("{path} is to be loaded, and {place} is itself a dump; {path} is not looked for");
                decided.services[index].warnings.push(Diagnosis::new(Code::RestoreDumpUnused, message));
            }
            let is_emptied = |place: usize| decided.places[place].emptied;
            let filling = loading::fill(stack, index, &dumped, &is_emptied);
            if stack.services[index].if_found && filling.blocked.is_some() {
                decided.services[index].live = Some("does not hold all of its data".to_owned());
                continue;
            }
            decided.fill(index, filling, &dumped);
        }
        use_live(stack, source, decided, place);
    }
}

/// Records the snapshot for the services it feeds, and blocks those whose `max_age` is exceeded.
fn note_snapshot(
    stack: &StackDraft,
    source: usize,
    backup: &BackupDescription<'_>,
    traits: &SnapshotTraits,
    now: Timestamp,
    decided: &mut StackDecisions,
) {
    for (draft, service) in stack.services.iter().zip(&mut decided.services) {
        if draft.source != Some(source) || service.live.is_some() {
            continue;
        }
        service.snapshot = Some(backup.snapshot.clone());
        service.backup = Some(BackupFacts {
            age: backup.snapshot.time.and_then(|time| age(time, now)).map(|age| age.as_secs()),
            traits: traits.clone(),
            lost_logs: backup.found.lost_logs.clone(),
        });
        if let Some(diagnosis) = draft.settings.max_age.and_then(|max_age| too_old(max_age, backup, now)) {
            service.block(diagnosis);
        }
    }
}

fn too_old(max_age: Duration, backup: &BackupDescription<'_>, now: Timestamp) -> Option<Diagnosis> {
    let BackupDescription { place, snapshot, .. } = backup;
    let id = &snapshot.id;
    let Some(time) = snapshot.time else {
        let allowed = in_seconds(max_age);
        let message = format!("{place} does not say when the snapshot {id} was made, and max_age allows {allowed}");
        return Some(Diagnosis::new(Code::SourceStale, message));
    };
    let Some(age) = age(time, now) else {
        let message =
            format!("the snapshot {id} of {place} says that it was made in the future ({time}), so its age is unknown");
        return Some(Diagnosis::new(Code::SourceStale, message));
    };
    (age > max_age).then(|| {
        let (age, allowed) = (in_seconds(age), in_seconds(max_age));
        let message = format!("the snapshot {id} of {place} is {age} old ({time}), and max_age allows {allowed}");
        Diagnosis::new(Code::SourceStale, message)
    })
}

/// The age of a snapshot; `None`: its time lies in the future, by more than a time zone.
fn age(time: Timestamp, now: Timestamp) -> Option<Duration> {
    let since = Duration::try_from(now.duration_since(time) + AHEAD).ok()?;
    Some(since.saturating_sub(AHEAD.unsigned_abs()))
}

fn in_seconds(duration: Duration) -> String {
    duration::show(Duration::from_secs(duration.as_secs()))
}

/// Whether a part of the backup has the name of a volume. Then the backup is sorted by volume names, and no part is
/// taken because it is the only one.
fn names_a_volume(found: &BackupContents, draft: &Draft) -> bool {
    // A file is no volume, and every volume has a `_data`.
    let is_volume = |(path, tally): &&(Vec<u8>, ContentTally)| tally.root != Some(Shape::File) && path != b"_data";
    found.parts.iter().filter(is_volume).any(|(path, _)| {
        let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let is_top = last.len() == path.len();
        draft.volumes.iter().any(|volume| {
            let is_near = || draft.stacks.iter().any(|stack| stack.name == volume.stack);
            let is_short = |short: &String| last == short.as_bytes() || last.ends_with(format!("_{short}").as_bytes());
            last == volume.name.as_bytes() || is_top && volume.short_name.as_ref().is_some_and(is_short) && is_near()
        })
    })
}

/// Whether the snapshot itself has the name of a volume, and of none that is requested.
fn bears_a_name(snapshot: &str, volumes: &[KnownVolume], asked: &[MountCandidates<'_>]) -> bool {
    let bears = |name: &str| {
        snapshot.match_indices(name).any(|(at, _)| {
            let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            !is_word(snapshot[..at].chars().next_back()) && !is_word(snapshot[at + name.len()..].chars().next())
        })
    };
    let is_asked = |name: &String| {
        asked.iter().any(|asked| matches!(&asked.mount.origin, MountOrigin::Volume { name: of, .. } if of == name))
    };
    let named: Vec<&String> = volumes.iter().map(|volume| &volume.name).filter(|name| bears(name)).collect();
    !named.is_empty() && !named.into_iter().any(is_asked)
}

#[cfg(test)]
mod tests;
