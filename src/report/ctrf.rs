//! The Common Test Report Format (<https://ctrf.io>), rewritten while the run goes on.
//!
//! The schema is strict: what only Rehearsa knows is in `extra`. The format has no status for *errored*: such a test
//! is `failed`, with the `rawStatus` `errored`. As in JUnit, a problem of the run is a test of the suite `rehearsa`,
//! which exists only if there is one; and in the file of a killed run, a rehearsal that was running counts as failed.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::problem::{RUN_SUITE, RunProblem, run_problems};
use super::score;
use super::snapshot_file::Render;
use super::text;
use super::wording::{self, Progress, StepWords};
use crate::model::event::StepResult;
use crate::model::evidence;
use crate::model::outcome::{Attempt, CaseRecord, Outcome, StepRecord, Verdict};
use crate::model::score::Score;

/// The version of the format.
const SPEC_VERSION: &str = "0.0.0";

/// The format.
pub struct Ctrf;

impl Render for Ctrf {
    fn render(&self, outcome: &Outcome, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, &document(outcome, now))?;
        out.write_all(b"\n")
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    report_format: &'static str,
    spec_version: &'static str,
    timestamp: String,
    generated_by: String,
    results: Results<'a>,
}

#[derive(Serialize)]
struct Results<'a> {
    tool: Tool,
    summary: Summary,
    tests: Tests<'a>,
}

/// The tests. Each is made when it is written, since there may be many.
struct Tests<'a> {
    outcome: &'a Outcome,
    problems: Vec<RunProblem<'a>>,
    now: Timestamp,
}

impl Tests<'_> {
    fn all(&self) -> impl Iterator<Item = Test> {
        let cases = self.outcome.cases.iter().map(|case| test(case, self.outcome, self.now));
        cases.chain(self.problems.iter().map(run_test))
    }

    /// Status and raw status of each.
    fn statuses(&self) -> impl Iterator<Item = (Status, &'static str)> {
        let cases = self.outcome.cases.iter().map(|case| status(Progress::of(case, self.outcome)));
        cases.chain(self.problems.iter().map(|_| PROBLEM))
    }
}

impl Serialize for Tests<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.all())
    }
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: String,
}

/// Times are milliseconds, points in time since 1970.
#[derive(Default, Serialize)]
struct Summary {
    tests: usize,
    passed: usize,
    failed: usize,
    skipped: usize,
    pending: usize,
    other: usize,
    flaky: usize,
    start: i64,
    stop: i64,
    duration: i64,
    extra: Map<String, Value>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Passed,
    Failed,
    Skipped,
    Pending,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    name: String,
    status: Status,
    raw_status: &'static str,
    duration: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<i64>,
    suite: Vec<String>,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    retries: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    retry_attempts: Vec<RetryAttempt>,
    flaky: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stdout: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Step>,
    extra: Map<String, Value>,
}

#[derive(Serialize)]
struct RetryAttempt {
    attempt: usize,
    status: Status,
    duration: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<i64>,
    stop: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    extra: Map<String, Value>,
}

#[derive(Serialize)]
struct Step {
    name: String,
    status: Status,
    extra: Map<String, Value>,
}

/// Status and raw status of a problem of the run.
const PROBLEM: (Status, &str) = (Status::Failed, "errored");

/// Status and raw status of a case.
fn status(standing: Progress) -> (Status, &'static str) {
    match standing {
        Progress::Ended(Verdict::Passed) => (Status::Passed, "passed"),
        Progress::Ended(Verdict::Skipped) => (Status::Skipped, "skipped"),
        Progress::Ended(verdict @ (Verdict::Failed | Verdict::Errored)) => (Status::Failed, verdict.name()),
        Progress::Running => (Status::Failed, "running"),
        Progress::Waiting => (Status::Pending, "waiting"),
    }
}

/// The report as it is at the time `now`.
fn document(outcome: &Outcome, now: Timestamp) -> Document<'_> {
    let tests = Tests { outcome, problems: run_problems(outcome), now };
    let count = |status| tests.statuses().filter(|(found, _)| *found == status).count();
    let passed = outcome.cases.iter().filter(|case| Progress::of(case, outcome) == Progress::Ended(Verdict::Passed));
    let start = outcome.started.unwrap_or(now);
    let stop = outcome.finished.unwrap_or(now);
    let mut extra = Map::new();
    extra.insert("session".to_owned(), text::one_line(&outcome.session).into());
    extra.insert("engine".to_owned(), text::one_line(&outcome.engine).into());
    extra.insert("errored".to_owned(), tests.statuses().filter(|(_, raw)| *raw == "errored").count().into());
    extra.insert("filteredOut".to_owned(), outcome.filtered_out.into());
    if let Some(partition) = outcome.partition {
        extra.insert("partition".to_owned(), partition.to_string().into());
    }
    if outcome.finished.is_some() {
        extra.insert("exitCode".to_owned(), outcome.exit_code().number().into());
    }
    let summary = Summary {
        tests: tests.statuses().count(),
        passed: count(Status::Passed),
        failed: count(Status::Failed),
        skipped: count(Status::Skipped),
        pending: count(Status::Pending),
        other: 0,
        flaky: passed.filter(|case| case.is_flaky()).count(),
        start: start.as_millisecond(),
        stop: stop.as_millisecond(),
        duration: between(start, stop),
        extra,
    };
    let version = text::one_line(&outcome.version);
    Document {
        report_format: "CTRF",
        spec_version: SPEC_VERSION,
        timestamp: format!("{stop:.3}"),
        generated_by: format!("rehearsa {version}"),
        results: Results { tool: Tool { name: "rehearsa", version }, summary, tests },
    }
}

fn test(case: &CaseRecord, outcome: &Outcome, now: Timestamp) -> Test {
    let standing = Progress::of(case, outcome);
    let unfinished = "unfinished: the rehearsal had begun and not ended when this report was written".to_owned();
    let (status, raw_status) = status(standing);
    let (message, trace) = match standing {
        Progress::Ended(Verdict::Passed) | Progress::Waiting => (None, None),
        Progress::Ended(Verdict::Skipped) => (Some(wording::skip_reason(case)), None),
        Progress::Ended(Verdict::Failed | Verdict::Errored) => {
            let diagnosis = wording::deciding(case);
            (Some(wording::summary(&diagnosis)), Some(wording::explain(&diagnosis).join("\n")))
        }
        Progress::Running => (Some(unfinished), None),
    };
    let stop = case.finished.or((standing == Progress::Running).then_some(now));
    let ended = matches!(standing, Progress::Ended(_));
    Test {
        name: text::one_line(&case.info.name.to_string()),
        status,
        raw_status,
        duration: case.started.zip(stop).map_or(0, |(start, stop)| between(start, stop)),
        start: case.started.map(Timestamp::as_millisecond),
        stop: case.finished.map(Timestamp::as_millisecond),
        suite: vec![text::one_line(case.info.name.stack_name())],
        kind: "restore",
        message,
        trace,
        file_path: case.info.declared.as_ref().map(|at| text::one_line(&at.file)),
        line: case.info.declared.as_ref().map(|at| at.line),
        retries: case.earlier.len(),
        retry_attempts: case.earlier.iter().enumerate().map(|(nth, earlier)| retry(nth + 1, earlier)).collect(),
        flaky: ended && case.is_flaky(),
        stdout: text::Tail::of(&case.log_tail, text::LOG_CAP).noticed(),
        steps: case.steps.iter().map(|record| step(record, case)).collect(),
        extra: extra(case, ended),
    }
}

fn extra(case: &CaseRecord, ended: bool) -> Map<String, Value> {
    let mut extra = Map::new();
    let mut set = |key: &str, value: Value| extra.insert(key.to_owned(), value);
    set("source", text::one_line(&case.info.source).into());
    if let Some(snapshot) = &case.info.snapshot {
        let time = snapshot.time.map(|time| time.to_string());
        set("snapshot", json!({ "id": text::one_line(&snapshot.id), "time": time }));
    }
    set("image", text::one_line(&case.info.image.reference).into());
    set("imageId", text::one_line(&case.info.image.id).into());
    let restored = case.restored();
    set("restored", json!({ "files": restored.files, "bytes": restored.bytes }));
    if let Some(proof) = case.proof {
        set("proof", proof.name().into());
    }
    if let Some(caveat) = wording::caveat(case) {
        set("caveat", caveat.into());
    }
    if let Some(more) = evidence::raised_by(case) {
        set("raisedBy", more.into());
    }
    let evidence = evidence::evidence(case).into_iter();
    let evidence = evidence
        .map(|one| json!({ "level": one.level.name(), "shown": one.shown, "by": text::one_line(&one.by) }))
        .collect::<Vec<_>>();
    if !evidence.is_empty() {
        set("evidence", evidence.into());
    }
    if let Some(score) = Score::of_case(case).ok().filter(|_| ended) {
        let parts: Vec<String> = score.parts.iter().map(score::part_line).collect();
        let words = score::line(&score);
        let (points, ceiling) = (score.points, score.ceiling.points);
        set("score", json!({ "points": points, "ceiling": ceiling, "words": words, "parts": parts }));
    }
    if let Some(diagnosis) = case.diagnosis().filter(|_| ended) {
        set("code", diagnosis.code.as_str().into());
    }
    let lines = |lines: Vec<String>| Value::from(lines);
    set("also", lines(case.diagnoses.iter().filter(|d| Some(*d) != case.diagnosis()).map(wording::summary).collect()));
    set("warnings", lines(case.warnings.iter().map(wording::warning).collect()));
    let notable = case.info.changes.iter().filter(|change| change.notable);
    set("changes", lines(notable.map(wording::change).collect()));
    extra
}

fn retry(attempt: usize, earlier: &Attempt) -> RetryAttempt {
    let diagnosis = earlier.diagnosis();
    let mut extra = Map::new();
    extra.insert("rawStatus".to_owned(), earlier.verdict().name().into());
    RetryAttempt {
        attempt,
        status: Status::Failed,
        duration: earlier.started.map_or(0, |start| between(start, earlier.finished)),
        start: earlier.started.map(Timestamp::as_millisecond),
        stop: earlier.finished.as_millisecond(),
        message: diagnosis.map(wording::summary),
        trace: diagnosis.map(|diagnosis| wording::explain(diagnosis).join("\n")),
        extra,
    }
}

fn step(record: &StepRecord, case: &CaseRecord) -> Step {
    let words = StepWords::of_record(record, case);
    let (name, status) = match &record.result {
        Some(StepResult::Done { .. }) => (words.done, Status::Passed),
        Some(StepResult::Broke { .. }) => (words.doing, Status::Failed),
        Some(StepResult::Stopped) => (words.doing, Status::Skipped),
        None => (words.doing, Status::Pending),
    };
    let mut extra = Map::new();
    let duration = record.finished.map_or(0, |end| between(record.started, end));
    extra.insert("duration".to_owned(), duration.into());
    if let Some(StepResult::Broke { diagnosis }) = &record.result {
        extra.insert("message".to_owned(), wording::summary(diagnosis).into());
    }
    Step { name, status, extra }
}

/// A problem of the run, as a test.
fn run_test(problem: &RunProblem<'_>) -> Test {
    let mut extra = Map::new();
    extra.insert("code".to_owned(), problem.first.code.as_str().into());
    let (status, raw_status) = PROBLEM;
    Test {
        name: problem.kind.name().to_owned(),
        status,
        raw_status,
        duration: 0,
        start: None,
        stop: None,
        suite: vec![RUN_SUITE.to_owned()],
        kind: "restore",
        message: Some(wording::summary(&problem.first)),
        trace: Some(problem.explained().join("\n")),
        file_path: None,
        line: None,
        retries: 0,
        retry_attempts: Vec::new(),
        flaky: false,
        stdout: Vec::new(),
        steps: Vec::new(),
        extra,
    }
}

fn between(start: Timestamp, stop: Timestamp) -> i64 {
    (stop.as_millisecond() - start.as_millisecond()).max(0)
}

#[cfg(test)]
mod tests;
