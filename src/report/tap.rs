//! TAP, streamed: one test point for each service, written and flushed when its rehearsal ends, after a subtest of
//! its steps.
//!
//! The head says version 13 unless 14 is asked for: `prove` fails a stream headed 14 whose subtests it does not know,
//! and every reader takes the same stream headed 13. The plan comes first, so every reader takes a cut stream for a
//! failure. A problem of the run ([`run_problems`]) cannot have a test point, because the plan is out already. The
//! stream ends in `Bail out!` instead, which every reader takes for a failure. So does the stream of a run without
//! cases, unless that is allowed, and of a run that never began.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde_json::Value;

use super::problem::{ProblemKind, RunProblem, run_problems};
use super::score;
use super::wording::{Progress, StepWords};
use super::{Reporter, text, units, wording};
use crate::config::values::report_spec::TapVersion;
use crate::model::diagnosis::Diagnosis;
use crate::model::event::{Event, Fact, NoTests, StepResult};
use crate::model::evidence;
use crate::model::outcome::{Attempt, CaseRecord, Outcome, StepRecord, Verdict};
use crate::model::score::Score;
use crate::model::service::ServiceName;

/// Bytes of a log in a YAML block. Other reports have more, but Perl's reader refuses scalars of more than about
/// 32,000 characters, counted with escapes.
const LOG_CAP: usize = 8 * 1024;

/// Streams TAP.
pub struct TapReporter {
    name: String,
    out: Box<dyn Write + Send>,
    version: TapVersion,
    written: BTreeSet<ServiceName>,
}

impl TapReporter {
    /// A report that is called `name` and goes to `out`.
    pub fn new(name: String, out: Box<dyn Write + Send>, version: TapVersion) -> Self {
        Self { name, out, version, written: BTreeSet::new() }
    }

    /// The head and the plan. A stream without cases ends here.
    fn begin(&mut self, cases: usize, filtered_out: usize, no_tests: NoTests) -> io::Result<()> {
        let none = format!("no service was selected ({filtered_out} filtered out)");
        let plan = match (cases, no_tests) {
            (0, NoTests::Pass | NoTests::Warn) => format!("1..0 # SKIP {none}"),
            (0, NoTests::Fail) => format!("Bail out! {none}"),
            (count, _) => format!("1..{count}"),
        };
        self.write(&[head(self.version).to_owned(), plan])
    }

    fn point(&mut self, case: &CaseRecord, outcome: &Outcome) -> io::Result<()> {
        if !self.written.insert(case.info.name.clone()) {
            return Ok(());
        }
        let lines = point(self.written.len(), case, outcome);
        self.write(&lines)
    }

    /// Writes whole lines at once, so that a reader never sees half of a point.
    fn write(&mut self, lines: &[String]) -> io::Result<()> {
        let mut text = lines.join("\n");
        text.push('\n');
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn end(&mut self, outcome: &Outcome) -> io::Result<()> {
        // The record of a killed run: its own stream ended here, too.
        if outcome.finished.is_some() {
            for case in &outcome.cases {
                self.point(case, outcome)?;
            }
        }
        // A stream without cases had its `Bail out!` at the begin.
        let told = |problem: &RunProblem<'_>| problem.kind != ProblemKind::NothingSelected;
        let problems: Vec<RunProblem<'_>> = run_problems(outcome).into_iter().filter(told).collect();
        for warning in &outcome.warnings {
            self.write(&[comment(&wording::warning(warning))])?;
        }
        for problem in &problems {
            let lines: Vec<String> = problem.explained().iter().map(|line| comment(line)).collect();
            self.write(&lines)?;
        }
        match problems.first() {
            Some(gravest) => self.write(&[format!("Bail out! {}", reason(gravest, outcome))]),
            None => Ok(()),
        }
    }
}

/// The reason after `Bail out!`.
fn reason(problem: &RunProblem<'_>, outcome: &Outcome) -> String {
    match problem.kind {
        ProblemKind::Unfinished => "the run was killed before its end".to_owned(),
        ProblemKind::Interrupted => {
            format!("interrupted by {}", wording::signal_name(outcome.interrupted.unwrap_or_default()))
        }
        ProblemKind::LeftBehind => "something was left behind".to_owned(),
        ProblemKind::PartMissing | ProblemKind::TimedOut | ProblemKind::ReportLost | ProblemKind::NothingSelected => {
            problem.first.code.title().to_owned()
        }
    }
}

impl Reporter for TapReporter {
    fn name(&self) -> &str {
        &self.name
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        match &event.fact {
            Fact::RunStarted { cases, filtered_out, no_tests, .. } => self.begin(cases.len(), *filtered_out, *no_tests),
            Fact::CaseFinished { case } => match outcome.case(case) {
                Some(case) => self.point(case, outcome),
                None => Ok(()),
            },
            Fact::RunFinished => self.end(outcome),
            _ => Ok(()),
        }
    }
}

fn head(version: TapVersion) -> &'static str {
    match version {
        TapVersion::V13 => "TAP version 13",
        TapVersion::V14 => "TAP version 14",
    }
}

/// A whole stream for a run that never began, so that no reader takes silence for success.
pub fn never_began(version: TapVersion, reason: &str) -> String {
    let reason = text::shortened(&text::one_line(reason), wording::QUOTED_CHARS);
    format!("{}\nBail out! {}\n", head(version), text::without_commands(&reason))
}

fn point(number: usize, case: &CaseRecord, outcome: &Outcome) -> Vec<String> {
    let name = case.info.name.to_string();
    let mut lines = Vec::new();
    if !case.steps.is_empty() {
        lines.push(comment(&format!("Subtest: {name}")));
        lines.push(format!("    1..{}", case.steps.len()));
        for (nth, record) in case.steps.iter().enumerate() {
            lines.extend(step(nth + 1, record, case).into_iter().map(|line| format!("    {line}")));
        }
    }
    let name = description(&name);
    match Progress::of(case, outcome) {
        Progress::Ended(Verdict::Passed) => {
            lines.push(format!("ok {number} - {name}"));
            lines.extend(block(case.seconds(), &case_fields(case)));
        }
        Progress::Ended(Verdict::Skipped) => {
            lines.push(format!("ok {number} - {name} # SKIP {}", escaped(&wording::skip_reason(case))));
        }
        // A test point is written only for a case that has ended, so any other progress cannot be green.
        Progress::Ended(Verdict::Failed | Verdict::Errored) | Progress::Running | Progress::Waiting => {
            lines.push(format!("not ok {number} - {name}"));
            let mut fields = diagnosis_fields(&wording::deciding(case));
            fields.extend(case_fields(case));
            lines.extend(block(case.seconds(), &fields));
        }
    }
    lines
}

fn step(number: usize, record: &StepRecord, case: &CaseRecord) -> Vec<String> {
    let words = StepWords::of_record(record, case);
    match &record.result {
        Some(StepResult::Done { amount, .. }) => {
            let mut lines = vec![format!("ok {number} - {}", description(&words.done))];
            let fields = amount.map(|amount| ("restored", units::amount(amount).into()));
            lines.extend(block(record.seconds(), &Vec::from_iter(fields)));
            lines
        }
        Some(StepResult::Broke { diagnosis }) => {
            let mut lines = vec![format!("not ok {number} - {}", description(&words.doing))];
            lines.extend(block(
                record.seconds(),
                &diagnosis_fields(&Diagnosis { log_tail: Vec::new(), ..diagnosis.clone() }),
            ));
            lines
        }
        Some(StepResult::Stopped) => vec![format!("ok {number} - {} # SKIP stopped", description(&words.doing))],
        None => vec![format!("ok {number} - {} # SKIP not ended yet", description(&words.doing))],
    }
}

/// A key of a YAML block and its value; a list is a string with one line an item.
type YamlField = (&'static str, Value);

fn diagnosis_fields(diagnosis: &Diagnosis) -> Vec<YamlField> {
    let mut fields = vec![
        ("message", text::clean(&diagnosis.message).into()),
        ("code", diagnosis.code.as_str().into()),
        ("severity", wording::severity_name(diagnosis.severity()).into()),
    ];
    if let Some(cause) = &diagnosis.cause {
        fields.push(("cause", text::clean(&cause.meaning).into()));
        fields.push(("line", text::clean(&cause.line).into()));
    }
    fields.push(("remedy", text::clean(diagnosis.remedy()).into()));
    fields
}

/// `failed, boot/exited: jellyfin exited with 1 (2.1s)`.
fn attempt(attempt: &Attempt) -> String {
    let why = attempt.diagnosis().map(|diagnosis| format!(", {}", wording::summary(diagnosis))).unwrap_or_default();
    let words = format!("{}{why}", attempt.verdict().name());
    format!("{} ({})", text::shortened(&words, wording::QUOTED_CHARS), units::seconds(attempt.seconds()))
}

/// A line for each group of points; `None` without a score.
fn score_parts(case: &CaseRecord) -> Option<Vec<String>> {
    Score::of_case(case).ok().map(|score| score.parts.iter().map(score::part_line).collect())
}

fn case_fields(case: &CaseRecord) -> Vec<YamlField> {
    let lines = |lines: Vec<String>| Value::from(lines.join("\n"));
    let notable = case.info.changes.iter().filter(|change| change.notable).map(wording::change);
    let mut fields = vec![
        ("proof", case.proof.map_or(Value::Null, |proof| proof.name().into())),
        ("caveat", wording::caveat(case).map_or(Value::Null, Value::from)),
        ("raised_by", evidence::raised_by(case).map_or(Value::Null, Value::from)),
        ("evidence", lines(evidence::evidence(case).iter().map(wording::evidence_line).collect())),
        ("score", score::of_case(case).map_or(Value::Null, Value::from)),
        ("score_parts", score_parts(case).map_or(Value::Null, lines)),
        ("warnings", lines(case.warnings.iter().map(wording::warning).collect())),
        ("changes", lines(notable.collect())),
    ];
    if !case.earlier.is_empty() {
        fields.push(("flaky", case.is_flaky().into()));
        fields.push(("attempts", (case.earlier.len() + 1).into()));
        fields.push(("earlier", lines(case.earlier.iter().map(attempt).collect())));
    }
    // The log of a service that passed is left out.
    if case.verdict() != Verdict::Passed {
        fields.push(("log", lines(text::Tail::of(&case.log_tail, LOG_CAP).noticed())));
    }
    fields
}

/// A YAML block after a test point, without empty fields. All values are one-line scalars: Perl's reader takes a list
/// entry with a colon for a mapping, and gives up the whole stream.
fn block(seconds: f64, fields: &[YamlField]) -> Vec<String> {
    let mut lines = vec!["  ---".to_owned(), format!("  duration_ms: {}", (seconds * 1000.0).round())];
    let filled = fields.iter().filter(|(_, value)| !value.is_null() && value != "");
    lines.extend(filled.map(|(key, value)| format!("  {key}: {}", scalar(value))));
    lines.push("  ...".to_owned());
    lines
}

/// A JSON scalar, which is a YAML scalar too and always one line. `##[error]` in it would be a command to a CI system.
fn scalar(value: &Value) -> String {
    value.to_string().replace("##", "#\\x23")
}

/// Makes a text fit for a comment line.
fn comment(line: &str) -> String {
    format!("# {}", text::without_commands(&text::one_line(line)))
}

/// Makes a text fit for the description of a test point, which must not start with a digit.
fn description(words: &str) -> String {
    let words = escaped(&text::one_line(words));
    if words.starts_with(|c: char| c.is_ascii_digit()) { format!("service {words}") } else { words }
}

/// Escapes what TAP reads as a directive or an escape.
fn escaped(words: &str) -> String {
    text::without_commands(words).replace('\\', "\\\\").replace('#', "\\#")
}
