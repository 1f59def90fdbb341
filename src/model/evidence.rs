//! Evidence: what a green rehearsal has shown, level by level, and by what. A fold over the events, as the verdict is.
//!
//! The levels are restored → complete → matches-live → booted → healthy → data-proven. Each is judged by itself, by
//! the steps that succeeded and the warnings that contradict it. A live copy is no backup: it is never restored nor
//! complete. [`below_required`] judges by the ladder: a level includes the ones before it, but matches-live, which
//! needs a live service that has been left alone for long enough.

use super::case_record::{CaseRecord, StepRecord, Verdict};
pub use super::check::EvidenceLevel;
use super::check::{CheckSummary, DataOrigin, Proof, one_of_ports};
use super::diagnosis::{Code, Diagnosis};
use super::event::{Against, Amount, Step, StepResult, WitnessSummary};
use super::mount::Strategy;
use super::pluralize::pluralize;
use super::project_files::PROJECT;
use super::units;

/// Number of checks that are named; more are counted.
const NAMED: usize = 5;

/// The beginning of the reason why a service does not match live although it was compared.
const NOT_AS_LIVE: &str = "not all is as it is live";

/// The evidence for one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    pub level: EvidenceLevel,
    /// The level was shown.
    pub shown: bool,
    /// What has shown the level, or why it was not shown.
    pub by: String,
}

/// The evidence of each level; empty for a case that is not green.
pub fn evidence(case: &CaseRecord) -> Vec<Evidence> {
    if case.verdict() != Verdict::Passed {
        return Vec::new();
    }
    let of = |level| {
        let (shown, by) = match level {
            EvidenceLevel::Restored => judge_restored(case),
            EvidenceLevel::Complete => judge_complete(case),
            EvidenceLevel::MatchesLive => {
                let (shown, by) = judge_matches_live(case);
                (shown, format!("{by}{}", compared_with_earlier(case)))
            }
            EvidenceLevel::Booted => judge_booted(case),
            EvidenceLevel::Healthy => judge_healthy(case),
            EvidenceLevel::DataProven => judge_data_proven(case),
        };
        Evidence { level, shown, by }
    };
    EvidenceLevel::ALL.map(of).into()
}

/// What is needed to show more, for people; `None` when there is no more to show.
pub fn raised_by(case: &CaseRecord) -> Option<&'static str> {
    let proof = case.proof?;
    let has_mounts = case.steps.iter().any(|record| matches!(record.step, Step::Restore { .. }));
    let passed = case.verdict() == Verdict::Passed;
    match case.data_origin() {
        DataOrigin::Live if passed => Some("a backup instead of the live copy: --from SOURCE, as in --from tar:FILE"),
        DataOrigin::Nothing if passed && has_mounts && case.info.source == "live" => {
            Some("a backup that holds something for its mounts: --from SOURCE, as in --from tar:FILE")
        }
        _ if has_mounts && passed && !judge_restored(case).0 => Some("a backup that holds something for its mounts"),
        _ => proof.raised_by(),
    }
}

/// The diagnosis of a case that passed and has shown less than its settings require; `None`: it has shown enough.
pub fn below_required(case: &CaseRecord) -> Option<Diagnosis> {
    let required = case.info.required?;
    let evidence = evidence(case);
    let is_missing = |one: &&Evidence| {
        let instead = required > EvidenceLevel::Booted
            && one.level == EvidenceLevel::Healthy
            && (required == EvidenceLevel::DataProven || is_shown(&evidence, EvidenceLevel::DataProven));
        let is_asked = one.level != EvidenceLevel::MatchesLive || required == EvidenceLevel::MatchesLive;
        one.level <= required && is_asked && !one.shown && !instead
    };
    let missing = evidence.iter().find(is_missing)?;
    let (name, level) = (&case.info.name, missing.level.name());
    let message = format!(
        "{name} passed, but less was shown than --require-proof {} demands: not shown to be {level}: {}",
        required.name(),
        missing.by
    );
    let remedy = match missing.level {
        EvidenceLevel::Restored => "Rehearse a backup that holds the data of this service: --from SOURCE.",
        EvidenceLevel::Complete => {
            "Give the data as an archive or a folder that is copied, so that each entry can be compared."
        }
        EvidenceLevel::MatchesLive if missing.by.starts_with(NOT_AS_LIVE) => {
            "Make and restore the backup with owners and modes, as root, with the host's clock right."
        }
        EvidenceLevel::MatchesLive => {
            "Rehearse a backup that tells when it began, of a service of this host: by restic or Borg, or with the \
             time and its zone in its name."
        }
        EvidenceLevel::Booted | EvidenceLevel::Healthy => {
            "Give the service a healthcheck, in its image or its compose file, or a check that asks its data."
        }
        EvidenceLevel::DataProven => {
            "Add a check that only the data can pass: a query for a row, a page of a user, a file."
        }
    };
    let remedy = Some(format!("{remedy} If the service cannot show more, require less of it."));
    Some(Diagnosis { remedy, log_tail: case.log_tail.clone(), ..Diagnosis::new(Code::ProofBelowRequired, message) })
}

fn is_shown(evidence: &[Evidence], level: EvidenceLevel) -> bool {
    evidence.iter().any(|one| one.level == level && one.shown)
}

/// The steps that succeeded, with amount and note.
fn done_steps(case: &CaseRecord) -> impl Iterator<Item = (&StepRecord, Option<Amount>, Option<&str>)> {
    case.steps.iter().filter_map(|record| match &record.result {
        Some(StepResult::Done { amount, note, .. }) => Some((record, *amount, note.as_deref())),
        _ => None,
    })
}

/// The service's own checks that passed, with their notes.
fn passed_checks(case: &CaseRecord) -> impl Iterator<Item = (&CheckSummary, Option<&str>)> {
    done_steps(case).filter_map(|(record, _, note)| match &record.step {
        Step::Check { service, check } if *service == case.info.name => Some((check, note)),
        _ => None,
    })
}

fn is_warned(case: &CaseRecord, code: Code) -> bool {
    case.warnings.iter().any(|warning| warning.code == code)
}

/// Number of mounts that the service sees in place, without a copy.
fn mounts_in_place(case: &CaseRecord) -> usize {
    let shown = done_steps(case).filter(|(record, amount, _)| {
        let strategy = match &record.step {
            Step::Restore { strategy, .. } => *strategy,
            _ => return false,
        };
        amount.is_none() && matches!(strategy, Strategy::Readonly | Strategy::Overlay)
    });
    shown.count()
}

fn judge_restored(case: &CaseRecord) -> (bool, String) {
    let amount = case.restored();
    let (mut sources, mut any) = (Vec::new(), false);
    for (record, amount, _) in done_steps(case) {
        let Step::Restore { source, .. } = &record.step else { continue };
        any = true;
        if source == PROJECT {
            continue;
        }
        let source = if source == "live" { "the live service" } else { source.as_str() };
        if amount.is_some_and(|amount| amount.files > 0) && !sources.contains(&source) {
            sources.push(source);
        }
    }
    let in_place = mounts_in_place(case);
    let loaded = done_steps(case).find_map(|(record, _, note)| match &record.step {
        Step::Load { service, dump } if *service == case.info.name => Some((dump, note)),
        _ => None,
    });
    if let Some((dump, note)) = loaded {
        let note = note.map_or_else(String::new, |note| format!(", {note}"));
        return (true, format!("{dump} of {} was loaded{note}", sources.join(" and ")));
    }
    let shown_there = format!("{} used in place", pluralize(in_place, "mount"));
    if case.data_origin() == DataOrigin::Live && !is_warned(case, Code::DataNothingRestored) {
        let copied = match (amount.files, in_place) {
            (0, _) => shown_there,
            (_, 0) => units::amount(amount),
            _ => format!("{}, {shown_there}", units::amount(amount)),
        };
        return (false, format!("a copy of the live service ({copied}); no backup was read"));
    }
    match (amount.files, in_place) {
        _ if !any => (false, "there is no mount to restore".to_owned()),
        _ if is_warned(case, Code::DataNothingRestored) => (false, "no file of its data was restored".to_owned()),
        (0, 0) => (false, "no file was restored".to_owned()),
        (0, _) => (true, shown_there),
        (_, 0) => (true, format!("{} from {}", units::amount(amount), sources.join(" and "))),
        _ => (true, format!("{} from {}, {shown_there}", units::amount(amount), sources.join(" and "))),
    }
}

fn judge_complete(case: &CaseRecord) -> (bool, String) {
    let (mut entries, mut against, mut notes) = (0, Vec::new(), Vec::new());
    let of_backup = case.data_origin() == DataOrigin::Backup;
    for record in &case.steps {
        let (Step::Verify { .. }, Some(StepResult::Done { compared, note, .. })) = (&record.step, &record.result)
        else {
            continue;
        };
        // The copy of a dependency's live data says nothing about the backup.
        if of_backup && compared.as_ref().is_some_and(|compared| compared.against == Against::Live) {
            continue;
        }
        notes.extend(note.as_deref());
        if let Some(compared) = compared {
            entries += compared.entries;
            let words = match compared.against {
                Against::Archive => "the archive",
                Against::Backup => "the backup",
                Against::Live => "the live mount",
            };
            if !against.contains(&words) {
                against.push(words);
            }
        }
    }
    if case.data_origin() == DataOrigin::Live && entries > 0 {
        let compared = entry_count(entries);
        return (false, format!("a live copy of {compared} was compared with the live mount, and no backup was read"));
    }
    if !judge_restored(case).0 {
        return (false, "nothing was inspected".to_owned());
    }
    if let Some(dump) = loaded_dump(case).filter(|_| entries == 0) {
        return (true, format!("the whole of {dump} was loaded without an error"));
    }
    if entries == 0 {
        let why = if case.restored().files == 0 {
            "data that is used in place is not compared with anything"
        } else {
            "no comparison with the expected data was recorded"
        };
        return (false, why.to_owned());
    }
    let mut by = format!("{} as in {}", entry_count(entries), against.join(" and "));
    for note in notes {
        by.push_str("; ");
        by.push_str(note);
    }
    (true, by)
}

/// Judges whether what live has not touched since the backup began came back as it is live.
fn judge_matches_live(case: &CaseRecord) -> (bool, String) {
    let witnesses: Vec<&WitnessSummary> = case
        .steps
        .iter()
        .filter_map(|record| match (&record.step, &record.result) {
            (Step::Verify { .. }, Some(StepResult::Done { witness, .. })) => witness.as_deref(),
            _ => None,
        })
        .collect();
    let sum = |amount: fn(&WitnessSummary) -> Amount| {
        let add = |sum: Amount, one: Amount| Amount { files: sum.files + one.files, bytes: sum.bytes + one.bytes };
        witnesses.iter().map(|witness| amount(witness)).fold(Amount::default(), add)
    };
    let (live, unchanged) = (sum(|witness| witness.live), sum(|witness| witness.unchanged));
    let mut silent: Vec<&str> = witnesses.iter().filter_map(|witness| witness.silent.as_deref()).collect();
    silent.dedup();
    if case.data_origin() != DataOrigin::Backup || witnesses.is_empty() {
        return (false, "no data of a backup was compared with live data".to_owned());
    }
    if let Some(why) = witnesses.iter().find_map(|witness| witness.differs.as_deref()) {
        return (false, format!("{NOT_AS_LIVE}: {why}"));
    }
    if unchanged.files == 0 {
        let why = match silent.first() {
            Some(why) => (*why).to_owned(),
            None if live.files == 0 => "the live mounts hold no files to compare".to_owned(),
            None => format!("none of {} of the live service is surely older than the backup", units::files(live.files)),
        };
        return (false, why);
    }
    let all = if unchanged.files == 1 { "it is there" } else { "all are there" };
    let mut by = format!(
        "{} of {} ({} of {}) unchanged since the backup began: {all}",
        unchanged.files,
        units::files(live.files),
        units::bytes(unchanged.bytes),
        units::bytes(live.bytes)
    );
    if let Some(why) = silent.first() {
        by.push_str(&format!("; not all was compared: {why}"));
    }
    (true, by)
}

/// Whether the profile was compared with that of an earlier run, to be added to what live shows; empty where no history
/// is kept.
fn compared_with_earlier(case: &CaseRecord) -> String {
    let Some(profile) = &case.profile else { return String::new() };
    let not_compared = match profile.not_compared.split_first() {
        None => String::new(),
        Some((first, [])) => format!("; not compared: {first}"),
        Some((first, more)) => format!("; not compared: {first}, and {} more", more.len()),
    };
    match &profile.earlier {
        Some(earlier) => {
            let at = units::minute(earlier.at);
            format!("; no more is gone than may be since the green run of {at}{not_compared}")
        }
        None if profile.has_history => {
            "; the history has no green run of this snapshot or an older one to compare with".to_owned()
        }
        None => String::new(),
    }
}

fn entry_count(entries: u64) -> String {
    if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") }
}

/// The dump that was loaded into the service.
fn loaded_dump(case: &CaseRecord) -> Option<&str> {
    done_steps(case).find_map(|(record, ..)| match &record.step {
        Step::Load { service, dump } if *service == case.info.name => Some(dump.as_str()),
        _ => None,
    })
}

fn judge_booted(case: &CaseRecord) -> (bool, String) {
    let own = |record: &StepRecord| record.step.owner() == Some(&case.info.name);
    let started = done_steps(case).any(|(record, ..)| matches!(record.step, Step::Boot { .. }) && own(record));
    if !started {
        return (false, "no start was recorded".to_owned());
    }
    let again = passed_checks(case).find_map(|(check, note)| match check {
        CheckSummary::Health | CheckSummary::Tcp { .. } | CheckSummary::Running => {
            note.and_then(|note| note.split("; ").find(|part| part.starts_with("after ")))
        }
        CheckSummary::Own { .. } => None,
    });
    let mut by = again.map_or_else(|| "it started".to_owned(), |note| format!("it started, and was ready {note}"));
    if is_warned(case, Code::DataNotUsed) {
        by.push_str("; not all that was restored was read");
    }
    (true, by)
}

fn judge_healthy(case: &CaseRecord) -> (bool, String) {
    let settled = done_steps(case).find(|(record, ..)| {
        matches!(record.step, Step::Settle { .. }) && record.step.owner() == Some(&case.info.name)
    });
    let settled = settled.map(|(record, ..)| units::short_seconds(record.seconds()));
    if passed_checks(case).any(|(check, _)| *check == CheckSummary::Health) {
        let stayed = settled.map_or_else(String::new, |time| format!(" and stayed well for {time}"));
        return (true, format!("its healthcheck passed{stayed}"));
    }
    let listened = passed_checks(case).find_map(|(check, note)| match check {
        CheckSummary::Tcp { ports } => {
            let silent = note.and_then(|note| note.split("; ").find(|part| part.starts_with("nothing listens")));
            Some(format!("{}{}", one_of_ports(ports), silent.map_or_else(String::new, |note| format!(" ({note})"))))
        }
        _ => None,
    });
    let stayed = settled.map_or_else(String::new, |time| format!(" and stayed up for {time}"));
    match listened {
        Some(ports) => (false, format!("it has no healthcheck; it listened on {ports}{stayed}")),
        None => (false, format!("it has no healthcheck and no port that is known; it ran{stayed}")),
    }
}

fn judge_data_proven(case: &CaseRecord) -> (bool, String) {
    if is_warned(case, Code::CheckNotDataSensitive) {
        return (false, "all its checks pass without the data, too".to_owned());
    }
    let names: Vec<&str> = passed_checks(case)
        .filter_map(|(check, _)| match check {
            CheckSummary::Own { name, of_data: true, .. } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    // A check that passes without the data, too, is no proof of it.
    let (blind, names): (Vec<&str>, Vec<&str>) =
        names.into_iter().partition(|name| case.without_data.iter().any(|blind| blind == name));
    if !blind.is_empty() && names.is_empty() {
        return (false, format!("{} without the data, too", pass(&blind)));
    }
    if case.data_origin() == DataOrigin::Nothing {
        return (false, "no data came into the sandbox that a check could ask".to_owned());
    }
    if case.proof != Some(Proof::DataProven) {
        return (false, "no check asked its data".to_owned());
    }
    let mut by = match names.len() {
        // Older records do not name the checks.
        0 => "checks of the user's".to_owned(),
        1 => format!("the check {}", names[0]),
        count if count <= NAMED => format!("the checks {}", names.join(", ")),
        count => format!("the checks {} and {} more", names[..NAMED].join(", "), count - NAMED),
    };
    let control =
        done_steps(case).find_map(|(record, _, note)| note.filter(|_| matches!(record.step, Step::Control { .. })));
    if let Some(note) = control {
        by.push_str(&format!("; booted once more without the data: {note}"));
    }
    (true, by)
}

/// `the check x passes`, `the checks x, y pass`.
fn pass(checks: &[&str]) -> String {
    match checks {
        [one] => format!("the check {one} passes"),
        several => format!("the checks {} pass", several.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
