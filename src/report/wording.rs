//! The words that all reports share: for steps, verdicts and diagnoses.
//!
//! All returned text went through [`text::clean`]. Reports that CI systems show neutralise commands in it themselves.

use std::borrow::Cow;

use super::{text, units};
use crate::model::check::{CheckSummary, DataOrigin, Proof, one_of_ports};
use crate::model::diagnosis::{Code, Diagnosis, Severity};
use crate::model::event::{Change, Step, StepResult};
use crate::model::evidence::{self, Evidence, EvidenceLevel};
use crate::model::mount::Strategy;
use crate::model::outcome::{CaseRecord, Outcome, StepRecord, Verdict};
use crate::model::project_files::PROJECT;
use crate::model::service::ServiceName;

/// Prefix of every line of foreign text, so that no reader takes it for Rehearsa's text or for a command.
pub const QUOTE: &str = "  │ ";

/// Lines of a log that an explanation quotes.
pub const QUOTED_LINES: usize = 20;

/// Characters of a quoted line.
pub const QUOTED_CHARS: usize = 500;

/// The words for a step: while it runs or if it broke, and when it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepWords {
    /// `Booting container`.
    pub doing: String,
    /// `Healthcheck passed`.
    pub done: String,
}

impl StepWords {
    /// The words for a step that is shown to `cases`: a service that is none of them is a dependency. `healthy`: the
    /// service has a healthcheck that passed before.
    pub fn of(step: &Step, cases: &[ServiceName], healthy: bool, seconds: f64) -> Self {
        let (doing, done) = words(step, cases, healthy, seconds);
        let doing = text::one_line(&doing);
        Self { done: done.map_or_else(|| doing.clone(), |done| text::one_line(&done)), doing }
    }

    /// The words for a step in the record of a case.
    pub fn of_record(record: &StepRecord, case: &CaseRecord) -> Self {
        let healthy = is_healthy(case, &record.step);
        Self::of(&record.step, std::slice::from_ref(&case.info.name), healthy, record.seconds())
    }

    /// The words for its result (`None`: not ended), with the amount: `Cloning volume x … 412 files, 38 MB`.
    pub fn line(&self, result: Option<&StepResult>) -> String {
        match result {
            Some(StepResult::Done { amount: Some(amount), .. }) => {
                format!("{} … {}", self.done, units::amount(*amount))
            }
            Some(StepResult::Done { amount: None, .. }) => self.done.clone(),
            Some(StepResult::Broke { diagnosis }) => format!("{} … {}", self.doing, diagnosis.code.title()),
            Some(StepResult::Stopped) => format!("{} … stopped", self.doing),
            None => format!("{} … not done", self.doing),
        }
    }
}

/// Whether the service of `step` passed its healthcheck in this rehearsal.
pub fn is_healthy(case: &CaseRecord, step: &Step) -> bool {
    let Step::Settle { service } = step else { return false };
    case.steps.iter().any(|record| {
        matches!(&record.step, Step::Check { service: checked, check: CheckSummary::Health } if checked == service)
            && matches!(record.result, Some(StepResult::Done { .. }))
    })
}

fn words(step: &Step, cases: &[ServiceName], healthy: bool, seconds: f64) -> (String, Option<String>) {
    let own = |service: &ServiceName| cases.contains(service);
    let both = |doing: &str, done: &str| (doing.to_owned(), Some(done.to_owned()));
    match step {
        Step::Network => ("Creating sandbox network".to_owned(), None),
        Step::Worker => ("Starting worker".to_owned(), None),
        Step::Canary => both("Checking that the sandbox is isolated", "Sandbox is isolated"),
        Step::Pull { image } => both(&format!("Pulling image {image}"), &format!("Pulled image {image}")),
        Step::Restore { mount, strategy, source } => (restoring(mount, *strategy, source), None),
        Step::Verify { mount } => both(&format!("Inspecting {mount}"), &format!("Inspected {mount}")),
        Step::Boot { service } if own(service) => ("Booting container".to_owned(), None),
        Step::Boot { service } => (format!("Booting dependency {}", service.service), None),
        Step::Load { service, dump } if own(service) => both(&format!("Loading {dump}"), &format!("Loaded {dump}")),
        Step::Load { service, dump } => {
            let name = &service.service;
            both(&format!("Dependency {name}: loading {dump}"), &format!("Dependency {name}: loaded {dump}"))
        }
        Step::Check { service, check } => {
            let (doing, done) = checking(check);
            if own(service) {
                both(&doing, &done)
            } else {
                both(
                    &format!("Dependency {}: {doing}", service.service),
                    &format!("Dependency {}: {done}", service.service),
                )
            }
        }
        Step::Settle { service } => {
            let time = units::short_seconds(seconds);
            let (doing, done) =
                if healthy { ("Staying healthy", "Stayed healthy for") } else { ("Staying up", "Stayed up for") };
            if own(service) {
                both(doing, &format!("{done} {time}"))
            } else {
                let name = &service.service;
                both(&format!("Dependency {name}: {doing}"), &format!("Dependency {name}: {done} {time}"))
            }
        }
        Step::Control { .. } => both("Booting once more without the data", "Booted once more without the data"),
        Step::Teardown => both("Removing sandbox", "Removed sandbox"),
    }
}

fn restoring(mount: &str, strategy: Strategy, source: &str) -> String {
    match strategy {
        Strategy::Copy if source == "live" => format!("Cloning {mount}"),
        Strategy::Copy | Strategy::Readonly if source == PROJECT => format!("Sending {mount} of this machine"),
        Strategy::Copy => format!("Restoring {mount} from {source}"),
        Strategy::Readonly => format!("Mounting {mount} read-only"),
        Strategy::Overlay => format!("Mounting {mount} through an overlay"),
        Strategy::Empty => format!("Leaving {mount} empty"),
        Strategy::Omit => format!("Leaving out {mount}"),
    }
}

fn checking(check: &CheckSummary) -> (String, String) {
    match check {
        CheckSummary::Health => ("Healthcheck".to_owned(), "Healthcheck passed".to_owned()),
        CheckSummary::Tcp { ports } => {
            let words = format!("Listening on {}", one_of_ports(ports));
            (words.clone(), words)
        }
        CheckSummary::Own { name, asks, .. } => {
            let words = if name == asks { name.clone() } else { format!("{name} ({asks})") };
            (format!("Check: {words}"), format!("Check passed: {words}"))
        }
        CheckSummary::Running => {
            ("Running".to_owned(), "Kept running (no healthcheck, no port to wait for)".to_owned())
        }
    }
}

/// What a green rehearsal without a backup has done: `started again from a live copy; no backup was read`. `None` if it
/// read a backup, and for a rehearsal that is not green.
pub fn caveat(case: &CaseRecord) -> Option<&'static str> {
    case.data_origin().caveat().filter(|_| case.verdict() == Verdict::Passed)
}

/// The same about the green rehearsals of a run, as a sentence; `None` if all of them read a backup, or none is green.
pub fn run_caveat(outcome: &Outcome) -> Option<String> {
    let passed = outcome.cases.iter().filter(|case| case.verdict() == Verdict::Passed);
    let origins: Vec<DataOrigin> = passed.map(CaseRecord::data_origin).collect();
    let of = |wanted| origins.iter().filter(|origin| **origin == wanted).count();
    let (live, nothing, all) = (of(DataOrigin::Live), of(DataOrigin::Nothing), origins.len());
    match (live, nothing) {
        (0, 0) => None,
        (live, 0) if live == all => DataOrigin::Live.caveat().map(|words| words.replacen('s', "S", 1)),
        (0, nothing) if nothing == all => DataOrigin::Nothing.caveat().map(|words| words.replacen('s', "S", 1)),
        _ => {
            let counted = [(live, "started again from a live copy"), (nothing, "started without data")];
            let counted = counted.iter().filter(|(count, _)| *count > 0);
            let counted: Vec<String> = counted.map(|(count, words)| format!("{count} {words}")).collect();
            let passed = format!("{} of {all} passed without a backup", live + nothing);
            Some(format!("{passed}: {}", counted.join(", ")))
        }
    }
}

/// The name of a green rehearsal's proof, with a note if the rehearsal read no backup: `healthy (live)`. `None` for a
/// rehearsal that is not green.
pub fn proof_name(case: &CaseRecord) -> Option<String> {
    let proof = case.proof.filter(|_| case.verdict() == Verdict::Passed)?.name();
    Some(match case.data_origin() {
        DataOrigin::Backup => proof.to_owned(),
        DataOrigin::Live => format!("{proof} (live)"),
        DataOrigin::Nothing => format!("{proof} (no data)"),
    })
}

/// The proof of a green rehearsal in one line: `healthy (412 files, 38 MB restored and complete; its healthcheck
/// passed)`; if the rehearsal read no backup, this comes first. `None` for a rehearsal that is not green.
pub fn proof(case: &CaseRecord) -> Option<String> {
    let proof = case.proof.filter(|_| case.verdict() == Verdict::Passed)?;
    let evidence = evidence::evidence(case);
    let shown = |level| evidence.iter().find(|one| one.level == level && one.shown);
    let amount = case.restored();
    let restored = match (shown(EvidenceLevel::Restored), shown(EvidenceLevel::Complete)) {
        (None, _) if case.data_origin() == DataOrigin::Live && amount.files > 0 => {
            format!("{} copied", units::amount(amount))
        }
        (None, _) if case.data_origin() == DataOrigin::Live => "data shown in place".to_owned(),
        (None, _) => "nothing restored".to_owned(),
        (Some(_), complete) => {
            let what =
                if amount.files > 0 { format!("{} restored", units::amount(amount)) } else { "data shown".to_owned() };
            let as_live = shown(EvidenceLevel::MatchesLive).is_some();
            let more = match (complete.is_some(), as_live) {
                (true, true) => ", complete and as live",
                (true, false) => " and complete",
                (false, true) => " and as live",
                (false, false) => "",
            };
            format!("{what}{more}")
        }
    };
    let by = match proof {
        Proof::Running => "it kept running, and nothing was asked of it",
        Proof::Listening => "it listened, and has no healthcheck",
        Proof::Healthy => "its healthcheck passed",
        Proof::DataProven => shown(EvidenceLevel::DataProven).map_or("your checks", |one| one.by.as_str()),
    };
    let words = match caveat(case) {
        Some(caveat) => format!("{caveat} ({}; {restored}; {by})", proof.name()),
        None => format!("{} ({restored}; {by})", proof.name()),
    };
    Some(text::shortened(&text::one_line(&words), QUOTED_CHARS))
}

/// For each proof below the highest: the proof, what would show more, and the cases that have it.
pub fn more_proof<'a>(cases: impl Iterator<Item = &'a CaseRecord>) -> Vec<(Proof, &'static str, Vec<&'a CaseRecord>)> {
    let mut all: Vec<(Proof, &'static str, Vec<&CaseRecord>)> = Vec::new();
    for case in cases.filter(|case| case.verdict() == Verdict::Passed) {
        let (Some(proof), Some(more)) = (case.proof, evidence::raised_by(case)) else { continue };
        match all.iter_mut().find(|(of, by, _)| (*of, *by) == (proof, more)) {
            Some((_, _, cases)) => cases.push(case),
            None => all.push((proof, more, vec![case])),
        }
    }
    all.sort_by_key(|(proof, more, _)| (*proof, *more));
    all
}

/// `restored: 412 files, 38 MB from the live service`, `data-proven: not shown, no check asked its data`.
pub fn evidence_line(evidence: &Evidence) -> String {
    let words = if evidence.shown { &evidence.by } else { &format!("not shown, {}", evidence.by) };
    text::shortened(&text::one_line(&format!("{}: {words}", evidence.level.name())), QUOTED_CHARS)
}

/// The name of a verdict in headlines: `Restore Simulation: SUCCESS`.
pub fn headline(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "SUCCESS",
        Verdict::Failed => "FAILED",
        Verdict::Errored => "ERROR",
        Verdict::Skipped => "SKIPPED",
    }
}

/// The name of a severity in reports.
pub fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Failed => "failed",
        Severity::Errored => "errored",
        Severity::Warning => "warning",
    }
}

/// The progress of a rehearsal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It has not begun.
    Waiting,
    /// It has begun and not ended.
    Running,
    /// It is over.
    Ended(Verdict),
}

impl Progress {
    /// The progress of a case of this run. When the run is over, every case has ended.
    pub fn of(case: &CaseRecord, outcome: &Outcome) -> Self {
        let untouched = case.started.is_none() && case.diagnoses.is_empty();
        if outcome.finished.is_some() || case.finished.is_some() || (case.skipped.is_some() && untouched) {
            Progress::Ended(case.verdict())
        } else if case.started.is_some() {
            Progress::Running
        } else {
            Progress::Waiting
        }
    }
}

/// The diagnosis that decided about a case that failed or errored. A case without one gets `run/panicked`: no event
/// said how it ended.
pub fn deciding(case: &CaseRecord) -> Cow<'_, Diagnosis> {
    match case.diagnosis() {
        Some(diagnosis) => Cow::Borrowed(diagnosis),
        None => Cow::Owned(Diagnosis::new(Code::RunPanicked, "the run ended without a result for this service")),
    }
}

/// Why a case was skipped.
pub fn skip_reason(case: &CaseRecord) -> String {
    let reason = text::one_line(case.skipped.as_deref().unwrap_or_default());
    if reason.is_empty() { "no reason given".to_owned() } else { reason }
}

/// `boot/exited: jellyfin exited with 1`.
pub fn summary(diagnosis: &Diagnosis) -> String {
    format!("{}: {}", diagnosis.code, what_happened(diagnosis))
}

/// `jellyfin exited with 1`: the summary without the code.
pub fn what_happened(diagnosis: &Diagnosis) -> String {
    let message = text::first_line(&diagnosis.message);
    if message.is_empty() { diagnosis.code.title().to_owned() } else { message }
}

/// A diagnosis in full: code and title, what happened, the known cause with the line that shows it, what it means,
/// what to do, and the last log lines. Never empty.
pub fn explain(diagnosis: &Diagnosis) -> Vec<String> {
    let code = diagnosis.code;
    let mut lines = vec![format!("{code}: {}", code.title())];
    let message = text::clean(&diagnosis.message);
    lines.extend(message.trim_end().lines().map(|line| text::shortened(&format!("  {line}"), QUOTED_CHARS)));
    if let Some(cause) = &diagnosis.cause {
        lines.push(format!("Known cause: {}", text::one_line(&cause.meaning)));
        lines.push(quoted(&text::one_line(&cause.line)));
    }
    lines.push(format!("What it means: {}", code.cause()));
    lines.push(format!("What to do: {}", text::one_line(diagnosis.remedy())));
    lines.extend(quoted_log(&diagnosis.log_tail));
    lines
}

/// The last lines of a log with their heading; nothing when there is no log.
fn quoted_log(log: &[String]) -> Vec<String> {
    let tail = text::Tail::of(log, text::LOG_CAP);
    if tail.lines.is_empty() {
        return Vec::new();
    }
    let from = tail.lines.len().saturating_sub(QUOTED_LINES);
    let heading = "Last log lines:".to_owned();
    std::iter::once(heading).chain(tail.lines[from..].iter().map(|line| quoted(line))).collect()
}

/// A foreign line; of a line that is too long, the end is kept.
fn quoted(line: &str) -> String {
    let length = line.chars().count();
    if length <= QUOTED_CHARS {
        return format!("{QUOTE}{line}").trim_end().to_owned();
    }
    let end: String = line.chars().skip(length - QUOTED_CHARS).collect();
    format!("{QUOTE}…{end}")
}

/// `ports: left out (live: 8096:8096/tcp)`.
pub fn change(change: &Change) -> String {
    let words = if change.live.is_empty() {
        format!("{}: {}", change.field, change.sandbox)
    } else {
        format!("{}: {} (live: {})", change.field, change.sandbox, change.live)
    };
    text::shortened(&text::one_line(&words), QUOTED_CHARS)
}

/// `files changed while they were copied: library.db`.
pub fn warning(diagnosis: &Diagnosis) -> String {
    let message = text::one_line(&diagnosis.message);
    let words = if message.is_empty() {
        diagnosis.code.title().to_owned()
    } else {
        format!("{}: {message}", diagnosis.code.title())
    };
    text::shortened(&words, QUOTED_CHARS)
}

/// Why a case is not green, in full, for the `failures:` section of the harness. `None` for a green or skipped case.
pub fn failure_text(case: &CaseRecord) -> Option<String> {
    match case.verdict() {
        Verdict::Passed | Verdict::Skipped => None,
        Verdict::Failed | Verdict::Errored => {
            let lines = explain(&deciding(case));
            Some(lines.iter().map(|line| text::without_commands(line)).collect::<Vec<_>>().join("\n"))
        }
    }
}

/// The name of a signal that ends a run.
pub fn signal_name(signal: i32) -> String {
    match signal {
        2 => "SIGINT".to_owned(),
        15 => "SIGTERM".to_owned(),
        other => format!("signal {other}"),
    }
}
