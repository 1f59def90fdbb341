//! Which part of a backup belongs to which mount.
//!
//! First it is asked ([`ask`]): where would the data of a mount be in a backup, by the names that backup tools go by. Then the
//! backup is looked through, elsewhere, in one pass. Then it is decided ([`supply`]); what is not clear is not guessed.

mod choice;

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::loading::{self, Dumped};
use crate::config::values::{duration, place};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::dump::Dump;
use crate::model::event::Snapshot;
use crate::model::mount::{Mount, MountOrigin, Strategy};
use crate::model::plan::{
    BackupPart, BackupRequest, DataSource, KnownVolume, MountPlan, Plan, RestorePlan, ServicePlan, StackPlan,
};
use crate::model::service::Service;
use crate::model::settings::ServiceSettings;
use crate::model::source::{
    BackupContents, Candidate, ContentTally, MatchRule, MountQuery, Pattern, Shape, SourcePlace, SourceSpec,
};
use crate::model::units;
pub use choice::is_said;
use choice::{Choice, MountCandidates, SYSTEM, can_fill};

/// Parts of a backup that an error lists.
const LISTED: usize = 20;
/// A time in a name may be that of any time zone, and so may lie ahead by this much.
const AHEAD: SignedDuration = SignedDuration::from_hours(26);

/// Notes what is looked for in a backup for the places that a service shows, if its data is to come from one.
pub fn ask(
    service: &Service,
    rehearsal: &ServiceSettings,
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
        let ask = restore.ask.get_or_insert_with(|| BackupRequest {
            source,
            want: MountQuery::default(),
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
fn add_patterns(want: &mut MountQuery, service: &Service, rehearsal: &ServiceSettings, mount: &Mount) {
    let was_said = want.patterns.iter().any(|(rule, _)| *rule == MatchRule::Explicit);
    let said = rehearsal.maps.iter().rev().find(|rule| rule.applies(&service.name, mount));
    if let Some(rule) = said {
        let pattern = (MatchRule::Explicit, Pattern::Top(rule.path.as_bytes().to_vec()));
        if !was_said {
            want.patterns = vec![pattern];
        } else if !want.patterns.contains(&pattern) {
            want.patterns.push(pattern);
        }
        return;
    }
    if was_said {
        return;
    }
    let mut add = |rule, path: &str| {
        let path = path.trim_matches('/');
        // A single name is that of many things, above all when it is one that every system has at its top.
        if path.is_empty() || SYSTEM.contains(&path) {
            return;
        }
        let pattern = (rule, Pattern::Top(path.as_bytes().to_vec()));
        if !want.patterns.contains(&pattern) {
            want.patterns.push(pattern);
        }
    };
    let last = mount.target.rsplit('/').next().unwrap_or_default();
    match &mount.origin {
        MountOrigin::Volume { name, .. } => {
            let short = place::short_name(&service.name, name);
            for name in [Some(name.as_str()), short].into_iter().flatten() {
                let is_common = name == last || Some(name) == short;
                // As it is, and as the engine keeps it.
                for name in [name, &format!("{name}/_data")] {
                    add(if is_common && !name.contains('/') { MatchRule::Target } else { MatchRule::Name }, name);
                    add(MatchRule::Name, &format!("backup/{name}"));
                    add(MatchRule::Name, &format!("volumes/{name}"));
                }
            }
        }
        MountOrigin::Bind { source } => {
            let source = source.trim_matches('/');
            add(if source.contains('/') { MatchRule::Name } else { MatchRule::Target }, source);
            add(MatchRule::Name, &format!("backup/{source}"));
            // From a folder on the way to it on, as `tar -C /srv -c app` leaves it.
            let ends = source.match_indices('/').map(|(at, _)| &source[at + 1..]);
            ends.filter(|end| end.contains('/')).for_each(|end| add(MatchRule::Name, end));
            if let Some(last) = source.rsplit('/').next().filter(|last| !last.is_empty()) {
                add(MatchRule::Target, &format!("backup/{last}"));
                add(MatchRule::Target, last);
            }
        }
        MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. } => {}
    }
    // What `docker run --volumes-from` and `docker cp` leave.
    add(MatchRule::Target, &mount.target);
    add(MatchRule::Target, last);
    if let MountOrigin::Volume { name, .. } = &mount.origin {
        want.patterns.push((MatchRule::Name, Pattern::VolumeData(name.as_bytes().to_vec())));
    }
}

/// The volumes of a service that have a name.
pub fn volumes(service: &Service) -> impl Iterator<Item = KnownVolume> {
    service.mounts.iter().filter(|mount| !mount.origin.is_anonymous()).filter_map(|mount| match &mount.origin {
        MountOrigin::Volume { name, .. } => Some(KnownVolume {
            name: name.clone(),
            short_name: place::short_name(&service.name, name).map(str::to_owned),
            stack: service.name.stack_name().to_owned(),
        }),
        MountOrigin::Bind { .. } | MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. } => {
            None
        }
    })
}

/// What is looked for in the source of this index, in the order in which [`supply`] takes what was found.
pub fn wants(plan: &Plan, source: usize) -> Vec<MountQuery> {
    asks(plan, source).map(|ask| ask.want.clone()).collect()
}

/// Entries that the source of this index may have for somebody who asks; 0 for no bound. Each one's own bound is held against what
/// was found.
pub fn max_entries(plan: &Plan, source: usize) -> u64 {
    loosest(asks(plan, source).map(|ask| ask.max_entries))
}

/// The loosest of some bounds, of which 0 is none.
pub fn loosest(bounds: impl Iterator<Item = u64> + Clone) -> u64 {
    if bounds.clone().any(|bound| bound == 0) { 0 } else { bounds.max().unwrap_or(0) }
}

fn asks(plan: &Plan, source: usize) -> impl Iterator<Item = &BackupRequest> + Clone {
    let restores = plan.stacks.iter().flat_map(|stack| &stack.restores);
    restores.filter_map(|restore| restore.ask.as_ref()).filter(move |ask| ask.source == source)
}

/// A source that was looked through.
pub struct Surveyed {
    /// The snapshot that will be restored.
    pub snapshot: Snapshot,
    /// What it holds.
    pub found: BackupContents,
    /// Where it lies on the engine's host, when it does: what it holds is then used as it is.
    pub tree: Option<String>,
    /// What it says of itself, when it is a database dump.
    pub dump: Option<Dump>,
}

/// Decides where the data of every place comes from that is asked of the source of this index. What cannot be had keeps its
/// services from being booted, for the reason that `surveyed` or this gives.
pub fn supply(plan: &mut Plan, source: usize, surveyed: Result<Surveyed, Diagnosis>, now: Timestamp) {
    let Plan { stacks, sources, volumes, .. } = plan;
    let spec = &sources[source];
    let services = || stacks.iter().flat_map(|stack| &stack.services).filter(|plan| plan.source == Some(source));
    let Surveyed { snapshot, mut found, tree, dump } = match surveyed {
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
    if let Some(dump) = dump {
        let dumped = Dumped { source, place: &spec.place, title: &snapshot.id, dump: &dump, holds: &found.whole };
        let backup = BackupDescription { place: &spec.place, snapshot: &snapshot, found: &found };
        for stack in stacks.iter_mut() {
            for index in 0..stack.services.len() {
                if stack.services[index].source != Some(source) {
                    continue;
                }
                loading::load(stack, index, &dumped);
                let plan = &mut stack.services[index];
                plan.snapshot = Some(snapshot.clone());
                if let Some(diagnosis) = stale(plan, &backup, now) {
                    plan.blocked.get_or_insert(diagnosis);
                }
            }
        }
        return;
    }
    let mut asked = Vec::new();
    let mut candidates = std::mem::take(&mut found.candidates).into_iter();
    for (of_stack, stack) in stacks.iter().enumerate() {
        for (index, restore) in stack.restores.iter().enumerate() {
            let Some(ask) = restore.ask.as_ref().filter(|ask| ask.source == source) else { continue };
            let candidates = candidates.next().unwrap_or_default();
            asked.push(MountCandidates { at: (of_stack, index), mount: &restore.mount, ask, candidates });
        }
    }
    let shown: Vec<&str> =
        services().flat_map(|plan| &plan.service.mounts).map(|mount| mount.target.as_str()).collect();
    let places: Vec<(usize, usize)> = asked.iter().map(|asked| asked.at).collect();
    let is_of_more = names_a_volume(&found, volumes, stacks) || bears_a_name(&snapshot.id, volumes, &asked);
    let mut choices = choice::choose(asked, &found, &shown, is_of_more);
    if tree.is_none() {
        choice::share_out(&places, &mut choices, stacks);
    }
    let backup = BackupDescription { place: &spec.place, snapshot: &snapshot, found: &found };
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
                MountDecision::Supplied(part, supply) => {
                    restore.part = Some(part);
                    restore.supply = supply;
                }
                MountDecision::Live(warning) => users.for_each(|plan| plan.warnings.push(warning.clone())),
                MountDecision::Blocked(diagnosis) => users.for_each(|plan| {
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

/// Whether a part of the backup bears the name of a volume: then it is of volumes by name, and none is guessed by its being alone.
fn names_a_volume(found: &BackupContents, volumes: &[KnownVolume], stacks: &[StackPlan]) -> bool {
    // A file is no volume, and `_data` is what an engine calls the inside of any.
    let is_volume = |(path, tally): &&(Vec<u8>, ContentTally)| tally.root != Some(Shape::File) && path != b"_data";
    found.parts.iter().filter(is_volume).any(|(path, _)| {
        let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let is_top = last.len() == path.len();
        volumes.iter().any(|volume| {
            let is_near = || stacks.iter().any(|planned| planned.name == volume.stack);
            let is_short = |short: &String| last == short.as_bytes() || last.ends_with(format!("_{short}").as_bytes());
            last == volume.name.as_bytes() || is_top && volume.short_name.as_ref().is_some_and(is_short) && is_near()
        })
    })
}

/// Whether the backup itself is called after a volume, and after none that something is looked for.
fn bears_a_name(snapshot: &str, volumes: &[KnownVolume], asked: &[MountCandidates<'_>]) -> bool {
    let bears = |name: &str| {
        snapshot.match_indices(name).any(|(at, _)| {
            let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            !is_word(snapshot[..at].chars().next_back()) && !is_word(snapshot[at + name.len()..].chars().next())
        })
    };
    let own = |name: &String| {
        asked.iter().any(|asked| matches!(&asked.mount.origin, MountOrigin::Volume { name: of, .. } if of == name))
    };
    let named: Vec<&String> = volumes.iter().map(|volume| &volume.name).filter(|name| bears(name)).collect();
    !named.is_empty() && !named.iter().any(|name| own(name))
}

/// The backup as messages speak of it.
struct BackupDescription<'a> {
    place: &'a SourcePlace,
    snapshot: &'a Snapshot,
    found: &'a BackupContents,
}

impl BackupDescription<'_> {
    /// The source, and which of its snapshots where it has several.
    fn what(&self) -> String {
        let BackupDescription { place, snapshot, .. } = self;
        let text = place.to_string();
        if text.ends_with(&snapshot.id) { text } else { format!("{text} (snapshot {})", snapshot.id) }
    }
}

enum MountDecision {
    Supplied(BackupPart, DataSource),
    Live(Diagnosis),
    Blocked(Diagnosis),
}

fn decide(
    choice: Choice,
    ask: &BackupRequest,
    mount: &Mount,
    backup: &BackupDescription<'_>,
    tree: Option<&str>,
) -> MountDecision {
    let title = mount.title();
    let what = backup.what();
    let ContentTally { amount, folders, .. } = &backup.found.whole;
    if ask.max_entries > 0 && amount.files + folders > ask.max_entries {
        let message = format!("{what} has more than {} entries, which --max-entries allows", ask.max_entries);
        return MountDecision::Blocked(Diagnosis::new(Code::RestoreTooLarge, message));
    }
    let is_volume = matches!(mount.origin, MountOrigin::Volume { .. });
    let candidate = match choice {
        Choice::One(candidate) if !can_fill(candidate.tally.root, is_volume) => {
            let is = if candidate.tally.root == Some(Shape::File) { "a file" } else { "a symlink, a pipe or a device" };
            return MountDecision::Blocked(Diagnosis::new(
                Code::RestoreMountMissing,
                format!(
                    "{} of {what}, which is said to hold {title} (mounted at {}), is {is}; {}",
                    shown(&candidate.path),
                    mount.target,
                    listing(backup)
                ),
            ));
        }
        Choice::One(candidate) => candidate,
        Choice::None if is_said(ask) => {
            let said = ask.want.patterns.iter().find_map(|(_, pattern)| match pattern {
                Pattern::Top(path) => Some(shown(path)),
                Pattern::VolumeData(_) => None,
            });
            return MountDecision::Blocked(Diagnosis::new(
                Code::RestoreMountMissing,
                format!(
                    "{what} has no {}, which is said to hold {title} (mounted at {}); {}",
                    said.unwrap_or_default(),
                    mount.target,
                    listing(backup)
                ),
            ));
        }
        Choice::None | Choice::Doubted(_) if !ask.required => {
            return MountDecision::Live(Diagnosis::new(
                Code::RestoreNotInBackup,
                format!("{title} (mounted read-only at {}) is not in {what}; the live one is used", mount.target),
            ));
        }
        Choice::None => {
            return MountDecision::Blocked(Diagnosis {
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
        Choice::Doubted(candidates) => {
            let fitting: Vec<String> = candidates.iter().map(|c| part(&c.path, &c.tally)).collect();
            return ambiguous(
                ask,
                &candidates[0],
                format!(
                    "{title} (mounted at {}) may be {} of {what}, by a name that many things have, and the backup holds more than the mounts that are restored; {}",
                    mount.target,
                    fitting.join(" or "),
                    listing(backup)
                ),
            );
        }
        Choice::Torn(candidate, other) => {
            return MountDecision::Blocked(Diagnosis {
                remedy: Some(
                    "Map them to parts of their own, or unpack the backup on the engine's host and restore from there: --from daemon:FOLDER"
                        .to_owned(),
                ),
                ..Diagnosis::new(
                    Code::RestoreAmbiguous,
                    format!(
                        "{} of {what} belongs to {title} (mounted at {}), and {other} takes all or some of it; what is streamed can go to one of them only",
                        part(&candidate.path, &candidate.tally),
                        mount.target
                    ),
                )
            });
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
    if candidate.tally.amount.bytes == 0 && ask.required && !ask.allow_empty {
        return MountDecision::Blocked(Diagnosis::new(
            Code::RestoreEmpty,
            format!(
                "{} of {what}, which belongs to {title} (mounted at {}), has not one byte in it",
                shown(&candidate.path),
                mount.target
            ),
        ));
    }
    let part = BackupPart { path: candidate.path.clone(), rule: candidate.rule };
    let supply = match tree {
        Some(root) => DataSource::HostPath(below_root(root, &candidate.path)),
        None => DataSource::Archive {
            source: ask.source,
            path: candidate.path,
            holds: candidate.tally,
            max_entries: ask.max_entries,
            root_of_live: false,
        },
    };
    MountDecision::Supplied(part, supply)
}

fn ambiguous(ask: &BackupRequest, candidate: &Candidate, message: String) -> MountDecision {
    let remedy = format!("Say which it is: --map '{}={}'", ask.rule_name, shown(&candidate.path));
    MountDecision::Blocked(Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreAmbiguous, message) })
}

fn below_root(root: &str, path: &[u8]) -> String {
    let mut full = PathBuf::from(root);
    full.push(String::from_utf8_lossy(path).as_ref());
    full.to_string_lossy().trim_end_matches('/').to_owned()
}

/// The parts of a backup with what they hold, as the end of a sentence.
fn listing(backup: &BackupDescription<'_>) -> String {
    let BackupContents { parts, more_parts, whole, .. } = backup.found;
    let volumes = parts.iter().filter(|(path, _)| path.ends_with(b"/_data"));
    let depth = |path: &[u8]| path.iter().filter(|byte| **byte == b'/').count();
    let tops = parts.iter().filter(|(path, _)| depth(path) == 0).count();
    let named: Vec<&(Vec<u8>, ContentTally)> = if volumes.clone().next().is_some() {
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

fn part(path: &[u8], tally: &ContentTally) -> String {
    format!("{} ({})", shown(path), units::amount(tally.amount))
}

fn shown(path: &[u8]) -> String {
    if path.is_empty() { ".".to_owned() } else { String::from_utf8_lossy(path).into_owned() }
}

fn stale(plan: &ServicePlan, backup: &BackupDescription<'_>, now: Timestamp) -> Option<Diagnosis> {
    let max_age = plan.settings.max_age?;
    let BackupDescription { place, snapshot, .. } = backup;
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
    let Ok(age) = Duration::try_from(now.duration_since(time) + AHEAD) else {
        let message = format!(
            "the snapshot {} of {place} says that it was made in the future ({time}), so that nobody knows how old it is",
            snapshot.id
        );
        return Some(Diagnosis::new(Code::SourceStale, message));
    };
    let age = age.saturating_sub(AHEAD.unsigned_abs());
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
    duration::show(Duration::from_secs(duration.as_secs()))
}

#[cfg(test)]
mod tests;
