//! Which part of a backup belongs to which mount.
//!
//! First it is asked ([`ask`]): where would the data of a mount be in a backup, by the names that backup tools go by. Then the
//! backup is looked through, elsewhere, in one pass. Then it is decided ([`supply`]); what is not clear is not guessed.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::place;
use crate::config::settings::Rehearsal;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Snapshot;
use crate::model::mount::{Mount, Origin, Strategy};
use crate::model::plan::{Ask, MountPlan, Plan, RestorePlan, ServicePlan, StackPlan, Supply};
use crate::model::service::Service;
use crate::model::source::{Candidate, Found, Pattern, Rule, SourcePlace, SourceSpec, Tally, Want};
use crate::model::units;

/// Parts of a backup that an error lists.
const LISTED: usize = 20;
/// Folders at the top of a whole system: an archive that has one of these is not the data of a single mount.
const SYSTEM: [&str; 12] =
    ["backup", "boot", "etc", "home", "mnt", "opt", "root", "run", "srv", "usr", "var", "volumes"];

/// Notes what is looked for in a backup for the places that a service shows, if its data is to come from one.
pub fn ask(
    service: &Service,
    rehearsal: &Rehearsal,
    mounts: &[MountPlan],
    restores: &mut [RestorePlan],
    sources: &mut Vec<SourceSpec>,
) {
    let Some(spec) = &rehearsal.source else { return };
    let source = sources.iter().position(|known| known == spec).unwrap_or_else(|| {
        sources.push(spec.clone());
        sources.len() - 1
    });
    for MountPlan { mount, strategy, restore } in mounts {
        let Some(restore) = restore.and_then(|index| restores.get_mut(index)) else { continue };
        if *strategy == Strategy::Empty {
            continue;
        }
        let ask = restore.ask.get_or_insert_with(|| Ask {
            source,
            want: Want::default(),
            required: false,
            allow_empty: false,
            rule_name: format!("{}:{}", service.name, mount.target),
            max_entries: rehearsal.max_entries,
        });
        ask.required |= !mount.read_only;
        ask.allow_empty |= rehearsal.allow_empty.iter().any(|named| place::is_mount(named, &service.name, mount));
        add_patterns(&mut ask.want, service, rehearsal, mount);
    }
}

/// What the user says of a mount is all that is looked for.
fn add_patterns(want: &mut Want, service: &Service, rehearsal: &Rehearsal, mount: &Mount) {
    let said = rehearsal.maps.iter().rev().find(|rule| {
        place::is_service(rule.service.as_deref(), &service.name) && place::is_mount(&rule.mount, &service.name, mount)
    });
    if let Some(rule) = said {
        let path = rule.path.trim_matches('/').trim_start_matches("./");
        let path = if path == "." { "" } else { path };
        want.patterns = vec![(Rule::Said, Pattern::Top(path.as_bytes().to_vec()))];
    }
    if want.patterns.iter().any(|(rule, _)| *rule == Rule::Said) {
        return;
    }
    let mut add = |rule, path: &str| {
        let pattern = (rule, Pattern::Top(path.trim_matches('/').as_bytes().to_vec()));
        if !want.patterns.contains(&pattern) && pattern.1 != Pattern::Top(Vec::new()) {
            want.patterns.push(pattern);
        }
    };
    match &mount.origin {
        Origin::Volume { name, .. } => {
            for name in [Some(name.as_str()), place::short_name(&service.name, name)].into_iter().flatten() {
                add(Rule::Name, name);
                add(Rule::Name, &format!("backup/{name}"));
                add(Rule::Name, &format!("volumes/{name}"));
            }
            want.patterns.push((Rule::Name, Pattern::VolumeData(name.as_bytes().to_vec())));
        }
        Origin::Bind { source } => {
            add(Rule::Name, source);
            add(Rule::Name, &format!("backup/{}", source.trim_start_matches('/')));
            let last = source.rsplit('/').next().unwrap_or_default();
            add(Rule::Name, &format!("backup/{last}"));
            add(Rule::Target, last);
        }
        Origin::Tmpfs { .. } | Origin::Other { .. } => {}
    }
    let mut add = |path: &str| {
        let pattern = (Rule::Target, Pattern::Top(path.trim_matches('/').as_bytes().to_vec()));
        if pattern.1 != Pattern::Top(Vec::new()) && !want.patterns.contains(&pattern) {
            want.patterns.push(pattern);
        }
    };
    // What `docker run --volumes-from` and `docker cp` leave.
    add(&mount.target);
    add(mount.target.rsplit('/').next().unwrap_or_default());
}

/// What is looked for in the source of this index, in the order in which [`supply`] takes what was found.
pub fn wants(plan: &Plan, source: usize) -> Vec<Want> {
    asks(plan, source).map(|ask| ask.want.clone()).collect()
}

/// Entries that the source of this index may have for all who ask; 0 for no bound.
pub fn max_entries(plan: &Plan, source: usize) -> u64 {
    asks(plan, source).map(|ask| ask.max_entries).filter(|bound| *bound > 0).min().unwrap_or(0)
}

fn asks(plan: &Plan, source: usize) -> impl Iterator<Item = &Ask> {
    let restores = plan.stacks.iter().flat_map(|stack| &stack.restores);
    restores.filter_map(|restore| restore.ask.as_ref()).filter(move |ask| ask.source == source)
}

/// A source that was looked through.
pub struct Surveyed {
    /// The snapshot that will be restored.
    pub snapshot: Snapshot,
    /// What it holds.
    pub found: Found,
    /// Where it lies on the engine's host, when it does: what it holds is then used as it is.
    pub tree: Option<String>,
}

/// Decides where the data of every place comes from that is asked of the source of this index. What cannot be had keeps its
/// services from being booted, for the reason that `surveyed` or this gives.
pub fn supply(plan: &mut Plan, source: usize, surveyed: Result<Surveyed, Diagnosis>, now: Timestamp) {
    let Plan { stacks, sources, .. } = plan;
    let spec = &sources[source];
    let services = || stacks.iter().flat_map(|stack| &stack.services).filter(|plan| plan.source == Some(source));
    let Surveyed { snapshot, mut found, tree } = match surveyed {
        Ok(surveyed) => surveyed,
        Err(diagnosis) => {
            for plan in stacks.iter_mut().flat_map(|stack| &mut stack.services) {
                if plan.source == Some(source) {
                    plan.blocked.get_or_insert_with(|| diagnosis.clone());
                }
            }
            return;
        }
    };
    let of_source = |restore: &&RestorePlan| restore.ask.as_ref().is_some_and(|ask| ask.source == source);
    let asked = stacks.iter().flat_map(|stack| &stack.restores).filter(of_source);
    let required = asked.clone().filter(|restore| restore.ask.as_ref().is_some_and(|ask| ask.required)).count();
    let mut choices: Vec<Choice> = Vec::new();
    for (place, restore) in asked.enumerate() {
        let candidates = std::mem::take(&mut found.candidates[place]);
        let choice = choose(candidates);
        let only = required == 1 && restore.ask.as_ref().is_some_and(|ask| ask.required);
        choices.push(match choice {
            Choice::None if only => only_part(&found).map_or(Choice::None, Choice::One),
            choice => choice,
        });
    }
    refuse_shared(&mut choices);
    let backup = Backup { place: &spec.place, snapshot: &snapshot, found: &found };
    let stale: Vec<_> =
        services().filter_map(|plan| Some((plan.service.name.clone(), stale(plan, &backup, now)?))).collect();

    let mut choices = choices.into_iter();
    for stack in stacks.iter_mut() {
        let StackPlan { services, restores, .. } = stack;
        for (index, restore) in restores.iter_mut().enumerate() {
            let Some(ask) = restore.ask.clone().filter(|ask| ask.source == source) else { continue };
            let choice = choices.next().unwrap_or(Choice::None);
            let users = services.iter_mut().filter(|plan| plan.mounts.iter().any(|mount| mount.restore == Some(index)));
            match decide(choice, &ask, &restore.mount, &backup, tree.as_deref()) {
                Decision::Supplied(supply) => restore.supply = supply,
                Decision::Live(warning) => users.for_each(|plan| plan.warnings.push(warning.clone())),
                Decision::Blocked(diagnosis) => users.for_each(|plan| {
                    plan.blocked.get_or_insert_with(|| diagnosis.clone());
                }),
            }
        }
        for plan in services.iter_mut().filter(|plan| plan.source == Some(source)) {
            plan.snapshot = Some(snapshot.clone());
            if let Some((_, diagnosis)) = stale.iter().find(|(name, _)| *name == plan.service.name) {
                plan.blocked.get_or_insert_with(|| diagnosis.clone());
            }
        }
    }
}

/// The backup as messages speak of it.
struct Backup<'a> {
    place: &'a SourcePlace,
    snapshot: &'a Snapshot,
    found: &'a Found,
}

#[derive(Debug)]
enum Choice {
    None,
    One(Candidate),
    /// Several fit, and the user has to say which.
    Several(Vec<Candidate>),
    /// The part fits another mount just as well.
    Shared(Candidate),
}

enum Decision {
    Supplied(Supply),
    Live(Diagnosis),
    Blocked(Diagnosis),
}

/// The strongest rule decides; a part with files in it is preferred to an empty one of the same rule.
fn choose(candidates: Vec<Candidate>) -> Choice {
    let Some(strongest) = candidates.first().map(|first| first.rule) else { return Choice::None };
    let (full, empty): (Vec<_>, Vec<_>) = candidates
        .into_iter()
        .filter(|candidate| candidate.rule == strongest)
        .partition(|candidate| candidate.tally.amount.files > 0);
    let mut fitting = if full.is_empty() { empty } else { full };
    if fitting.len() > 1 { Choice::Several(fitting) } else { fitting.pop().map_or(Choice::None, Choice::One) }
}

/// The part of a backup that is made of one mount alone: its single top folder, or all of it when its root is an entry of its
/// own (`tar c -C /data .`) or there are several things at its top. Not when it looks like a backup of more than that.
fn only_part(found: &Found) -> Option<Candidate> {
    let whole = || Candidate { rule: Rule::Only, path: Vec::new(), tally: found.whole.clone() };
    let of_more = found.parts.iter().any(|(path, _)| path.ends_with(b"/_data"));
    let tops: Vec<&(Vec<u8>, Tally)> = found.parts.iter().filter(|(path, _)| !path.contains(&b'/')).collect();
    if of_more || tops.iter().any(|(path, _)| SYSTEM.iter().any(|name| name.as_bytes() == path)) {
        return None;
    }
    if found.whole.is_file.is_some() {
        return Some(whole());
    }
    match tops.as_slice() {
        [] => None,
        [(path, tally)] if tally.is_file != Some(true) => {
            Some(Candidate { rule: Rule::Only, path: path.clone(), tally: tally.clone() })
        }
        _ => Some(whole()),
    }
}

/// One part for two mounts is a guess for one of them, unless the user said so.
fn refuse_shared(choices: &mut [Choice]) {
    let paths: Vec<Option<Vec<u8>>> = choices
        .iter()
        .map(|choice| match choice {
            Choice::One(candidate) if candidate.rule != Rule::Said => Some(candidate.path.clone()),
            _ => None,
        })
        .collect();
    for (index, choice) in choices.iter_mut().enumerate() {
        let Some(path) = &paths[index] else { continue };
        let shared =
            paths.iter().enumerate().any(|(other, of_other)| other != index && of_other.as_ref() == Some(path));
        if shared && let Choice::One(candidate) = std::mem::replace(choice, Choice::None) {
            *choice = Choice::Shared(candidate);
        }
    }
}

fn decide(choice: Choice, ask: &Ask, mount: &Mount, backup: &Backup<'_>, tree: Option<&str>) -> Decision {
    let title = mount.title();
    let Backup { place, snapshot, .. } = backup;
    let what = format!("{place} (snapshot {})", snapshot.id);
    let candidate = match choice {
        Choice::One(candidate) => candidate,
        Choice::None if ask.want.patterns.iter().any(|(rule, _)| *rule == Rule::Said) => {
            let said = ask.want.patterns.iter().find_map(|(_, pattern)| match pattern {
                Pattern::Top(path) => Some(shown(path)),
                Pattern::VolumeData(_) => None,
            });
            return Decision::Blocked(Diagnosis::new(
                Code::RestoreMountMissing,
                format!(
                    "{what} has no {}, which is said to hold {title} (mounted at {}); {}",
                    said.unwrap_or_default(),
                    mount.target,
                    listing(backup)
                ),
            ));
        }
        Choice::None if !ask.required => {
            return Decision::Live(Diagnosis::new(
                Code::RestoreNotInBackup,
                format!("{title} (mounted read-only at {}) is not in {what}; the live one is used", mount.target),
            ));
        }
        Choice::None => {
            return Decision::Blocked(Diagnosis {
                remedy: Some(format!(
                    "If it is there under another name, say so: --map '{}=PATH/IN/THE/BACKUP'; if it may come up empty: --strategy '{}=empty'. Else add it to the backup.",
                    ask.rule_name, ask.rule_name
                )),
                ..Diagnosis::new(
                    Code::RestoreMountMissing,
                    format!("{what} holds nothing for {title} (mounted at {}); {}", mount.target, listing(backup)),
                )
            });
        }
        Choice::Several(candidates) => {
            let fitting: Vec<String> = candidates.iter().map(|c| part(&c.path, &c.tally)).collect();
            return ambiguous(
                ask,
                &candidates[0],
                format!(
                    "{} parts of {what} fit {title} (mounted at {}): {}",
                    candidates.len(),
                    mount.target,
                    fitting.join("; ")
                ),
            );
        }
        Choice::Shared(candidate) => {
            return ambiguous(
                ask,
                &candidate,
                format!(
                    "{} of {what} fits {title} (mounted at {}), and another mount just as well; {}",
                    part(&candidate.path, &candidate.tally),
                    mount.target,
                    listing(backup)
                ),
            );
        }
    };
    if candidate.tally.amount.files == 0 && ask.required && !ask.allow_empty {
        return Decision::Blocked(Diagnosis::new(
            Code::RestoreEmpty,
            format!(
                "{} of {what}, which belongs to {title} (mounted at {}), has not one file in it",
                shown(&candidate.path),
                mount.target
            ),
        ));
    }
    Decision::Supplied(match tree {
        Some(root) => Supply::Tree(below_root(root, &candidate.path)),
        None => Supply::Stream {
            source: ask.source,
            path: candidate.path,
            holds: candidate.tally,
            max_entries: ask.max_entries,
        },
    })
}

fn ambiguous(ask: &Ask, candidate: &Candidate, message: String) -> Decision {
    let remedy = format!("Say which it is: --map '{}={}'", ask.rule_name, shown(&candidate.path));
    Decision::Blocked(Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreAmbiguous, message) })
}

fn below_root(root: &str, path: &[u8]) -> String {
    let mut full = PathBuf::from(root);
    full.push(String::from_utf8_lossy(path).as_ref());
    full.to_string_lossy().trim_end_matches('/').to_owned()
}

/// The parts of a backup with what they hold, as the end of a sentence.
fn listing(backup: &Backup<'_>) -> String {
    let Found { parts, more_parts, whole, .. } = backup.found;
    let volumes = parts.iter().filter(|(path, _)| path.ends_with(b"/_data"));
    let depth = |path: &[u8]| path.iter().filter(|byte| **byte == b'/').count();
    let tops = parts.iter().filter(|(path, _)| depth(path) == 0).count();
    let named: Vec<&(Vec<u8>, Tally)> = if volumes.clone().next().is_some() {
        volumes.collect()
    } else {
        // A single top folder says nothing: what is in it does.
        parts.iter().filter(|(path, _)| depth(path) == usize::from(tops == 1)).collect()
    };
    if named.is_empty() {
        return format!("it holds {} in all", units::amount(whole.amount));
    }
    let listed: Vec<String> = named.iter().take(LISTED).map(|(path, tally)| part(path, tally)).collect();
    let more = if named.len() > LISTED || *more_parts { "; and more" } else { "" };
    format!("it holds {}{more}", listed.join("; "))
}

fn part(path: &[u8], tally: &Tally) -> String {
    format!("{} ({})", shown(path), units::amount(tally.amount))
}

fn shown(path: &[u8]) -> String {
    if path.is_empty() { ".".to_owned() } else { String::from_utf8_lossy(path).into_owned() }
}

fn stale(plan: &ServicePlan, backup: &Backup<'_>, now: Timestamp) -> Option<Diagnosis> {
    let max_age = plan.max_age?;
    let Backup { place, snapshot, .. } = backup;
    let Some(time) = snapshot.time else {
        return Some(Diagnosis::new(
            Code::SourceStale,
            format!(
                "{place} does not say when the snapshot {} was made, and max_age allows {}",
                snapshot.id,
                words(max_age)
            ),
        ));
    };
    let age = Duration::try_from(now.duration_since(time)).unwrap_or_default();
    (age > max_age).then(|| {
        Diagnosis::new(
            Code::SourceStale,
            format!(
                "the snapshot {} of {place} is {} old ({time}), and max_age allows {}",
                snapshot.id,
                words(age),
                words(max_age)
            ),
        )
    })
}

fn words(duration: Duration) -> String {
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

#[cfg(test)]
mod tests;
