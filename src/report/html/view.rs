//! The page's data in the page's order: the progress of each case, which comes first, and the length of logs.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::model::outcome::{CaseRecord, ExitCode, Outcome, Verdict};
pub(super) use crate::model::pluralize::pluralize;
use crate::report::text;
use crate::report::wording::{self, Progress};

/// Bytes for the logs of all cases together: a browser has to open the page.
const ALL_LOGS: usize = 16 * 1024 * 1024;

/// Bytes for the log of one case, however many cases there are.
const LEAST_LOG: usize = 2 * 1024;

/// Characters of a message. Messages of engines have a few lines.
const LONGEST_MESSAGE: usize = 4000;

/// A sandbox that was kept.
pub(super) struct KeptSandbox {
    /// The stack.
    pub stack: String,
    /// Commands, each with its purpose.
    pub hints: Vec<(String, String)>,
}

/// A case as the page shows it.
pub(super) struct Row<'a> {
    /// Its number in the plan, which links use.
    pub number: usize,
    /// The case.
    pub case: &'a CaseRecord,
    /// Its progress.
    pub standing: Progress,
}

/// The number of cases by progress.
#[derive(Default)]
pub(super) struct CaseTally {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Errored.
    pub errored: usize,
    /// Skipped.
    pub skipped: usize,
    /// Begun and not ended.
    pub running: usize,
    /// Not begun.
    pub waiting: usize,
    /// Passed cases that were not green at the first attempt.
    pub flaky: usize,
    /// Cases with a warning, whatever their progress.
    pub warned: usize,
}

impl CaseTally {
    /// The count of each progress with its name, worst first; the names are the classes of the style sheet.
    pub(super) fn standings(&self) -> [(&'static str, usize); 6] {
        [
            ("failed", self.failed),
            ("errored", self.errored),
            ("running", self.running),
            ("passed", self.passed),
            ("waiting", self.waiting),
            ("skipped", self.skipped),
        ]
    }
}

/// The run at a moment.
pub(super) struct View<'a> {
    /// The run.
    pub outcome: &'a Outcome,
    /// The moment: of the last event.
    pub now: Timestamp,
    /// Sandboxes that were kept.
    pub kept: &'a [KeptSandbox],
    /// The cases; those that are not green come first, the rest in the plan's order.
    pub rows: Vec<Row<'a>>,
    /// The number of cases by progress.
    pub tally: CaseTally,
    /// Bytes for the log of one case.
    pub log_cap: usize,
}

impl<'a> View<'a> {
    /// The view of the run as it is `now`.
    pub(super) fn new(outcome: &'a Outcome, now: Timestamp, kept: &'a [KeptSandbox]) -> Self {
        let mut rows: Vec<Row<'_>> = outcome
            .cases
            .iter()
            .enumerate()
            .map(|(number, case)| Row { number, case, standing: Progress::of(case, outcome) })
            .collect();
        rows.sort_by_key(|row| rank(row.standing));
        let tally = tally(&rows);
        let log_cap = (ALL_LOGS / outcome.cases.len().max(1)).clamp(LEAST_LOG, text::LOG_CAP);
        Self { outcome, now, kept, rows, tally, log_cap }
    }

    /// The exit code; `None` while the run goes on.
    pub(super) fn exit(&self) -> Option<ExitCode> {
        self.outcome.finished.map(|_| self.outcome.exit_code())
    }

    /// Seconds the run took, or has taken so far.
    pub(super) fn seconds(&self) -> f64 {
        self.outcome.started.map_or(0.0, |start| seconds(start, self.outcome.finished.unwrap_or(self.now)))
    }

    /// Seconds a case took, or has taken so far.
    pub(super) fn case_seconds(&self, row: &Row<'_>) -> f64 {
        let end = row.case.finished.or(self.outcome.finished).unwrap_or(self.now);
        row.case.started.map_or(0.0, |start| seconds(start, end))
    }
}

impl Row<'_> {
    /// The class of the style sheet, which is also the word for it.
    pub(super) fn kind(&self) -> &'static str {
        kind(self.standing)
    }

    /// Whether the case ended and is not green: it is then unfolded and explained.
    pub(super) fn is_bad(&self) -> bool {
        matches!(self.standing, Progress::Ended(Verdict::Failed | Verdict::Errored))
    }

    /// Whether the case is green, but not at its first attempt.
    pub(super) fn is_flaky(&self) -> bool {
        self.standing == Progress::Ended(Verdict::Passed) && self.case.is_flaky()
    }

    /// All classes of the case: its progress, and what else the filter needs.
    pub(super) fn classes(&self) -> String {
        let mut classes = format!("case {}", self.kind());
        if self.is_flaky() {
            classes.push_str(" flaky");
        }
        if !self.case.warnings.is_empty() {
            classes.push_str(" warned");
        }
        classes
    }

    /// Its name, made fit for display.
    pub(super) fn name(&self) -> String {
        short(&self.case.info.name.to_string())
    }

    /// Its progress as a badge.
    pub(super) fn badge(&self) -> Markup {
        let kind = self.kind();
        html! { span class={"badge " (kind)} { (kind) } }
    }
}

/// The word for a case's progress.
fn kind(standing: Progress) -> &'static str {
    match standing {
        Progress::Waiting => "waiting",
        Progress::Running => "running",
        Progress::Ended(verdict) => verdict.name(),
    }
}

/// The rank of a progress in the order of cases: what readers look for comes first.
fn rank(standing: Progress) -> u8 {
    match standing {
        Progress::Ended(Verdict::Failed) => 0,
        Progress::Ended(Verdict::Errored) => 1,
        Progress::Running => 2,
        Progress::Ended(Verdict::Passed) => 3,
        Progress::Waiting => 4,
        Progress::Ended(Verdict::Skipped) => 5,
    }
}

fn tally(rows: &[Row<'_>]) -> CaseTally {
    let mut tally = CaseTally::default();
    for row in rows {
        let count = match row.standing {
            Progress::Ended(Verdict::Passed) => &mut tally.passed,
            Progress::Ended(Verdict::Failed) => &mut tally.failed,
            Progress::Ended(Verdict::Errored) => &mut tally.errored,
            Progress::Ended(Verdict::Skipped) => &mut tally.skipped,
            Progress::Running => &mut tally.running,
            Progress::Waiting => &mut tally.waiting,
        };
        *count += 1;
        tally.flaky += usize::from(row.is_flaky());
        tally.warned += usize::from(!row.case.warnings.is_empty());
    }
    tally
}

/// Seconds between two times, never negative.
pub(super) fn seconds(start: Timestamp, end: Timestamp) -> f64 {
    end.duration_since(start).as_secs_f64().max(0.0)
}

/// A time, for people and machines. In UTC, because the page may be read in another time zone.
pub(super) fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
}

/// A title with a capital letter: titles of codes begin with a small one.
pub(super) fn capitalized(title: &str) -> String {
    let mut chars = title.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A foreign text as one line, shortened to a readable length.
pub(super) fn short(text: &str) -> String {
    text::shortened(&text::one_line(text), wording::QUOTED_CHARS)
}

/// A message that keeps its lines, shortened to a readable length.
pub(super) fn message(message: &str) -> Markup {
    let message = text::clean(message);
    html! { @if !message.trim().is_empty() { p.message { (text::shortened(message.trim_end(), LONGEST_MESSAGE)) } } }
}

/// Advice: text between backticks becomes a command.
pub(super) fn advice(text: &str) -> Markup {
    let text = short(text);
    let whole_pairs = text.matches('`').count().is_multiple_of(2);
    html! {
        @if whole_pairs {
            @for (nth, part) in text.split('`').enumerate() {
                @if nth % 2 == 1 { code { (part) } } @else { (part) }
            }
        } @else {
            (text)
        }
    }
}
