//! The Common Test Report Format (<https://ctrf.io>), rewritten while the run goes on.
//!
//! Its schema is strict: what is only Rehearsa's is in `extra`. It knows no status for what could not be found out: that is
//! `failed`, with the `rawStatus` `errored`. As in JUnit, what concerns the run and no service is a test of the suite `rehearsa`, which
//! exists only then, and in the file of a killed run what was running counts as failed.

use std::io;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::target::Whole;
use super::trouble::{RUN_SUITE, Trouble, troubles};
use super::wording::{self, Standing, StepWords};
use super::{Reporter, text};
use crate::model::event::{Event, Fact, StepResult};
use crate::model::outcome::{Attempt, CaseRecord, Outcome, StepRecord, Verdict};

/// The version of the format.
const SPEC_VERSION: &str = "0.0.0";

/// Writes it.
pub struct CtrfReporter {
    name: String,
    target: Whole,
}

impl CtrfReporter {
    /// A report that is called `name` and goes to `target`.
    pub fn new(name: String, target: Whole) -> Self {
        Self { name, target }
    }
}

impl Reporter for CtrfReporter {
    fn name(&self) -> &str {
        &self.name
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        let last = matches!(event.fact, Fact::RunFinished);
        let news = matches!(
            event.fact,
            Fact::RunStarted { .. } | Fact::CaseStarted { .. } | Fact::CaseFinished { .. } | Fact::LeftBehind { .. }
        );
        self.target.update(news, last, || {
            let mut text = serde_json::to_vec_pretty(&document(outcome, event.at))?;
            text.push(b'\n');
            Ok(text)
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    report_format: &'static str,
    spec_version: &'static str,
    timestamp: String,
    generated_by: String,
    results: Results,
}

#[derive(Serialize)]
struct Results {
    tool: Tool,
    summary: Summary,
    tests: Vec<Test>,
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

/// The report as it is at the time `now`.
fn document(outcome: &Outcome, now: Timestamp) -> Document {
    let mut tests: Vec<Test> = outcome.cases.iter().map(|case| test(case, outcome, now)).collect();
    tests.extend(troubles(outcome).iter().map(run_test));
    let count = |status| tests.iter().filter(|test| test.status == status).count();
    let start = outcome.started.unwrap_or(now);
    let stop = outcome.finished.unwrap_or(now);
    let mut extra = Map::new();
    extra.insert("session".to_owned(), text::one_line(&outcome.session).into());
    extra.insert("engine".to_owned(), text::one_line(&outcome.engine).into());
    extra.insert("errored".to_owned(), tests.iter().filter(|test| test.raw_status == "errored").count().into());
    extra.insert("filteredOut".to_owned(), outcome.filtered_out.into());
    if let Some(partition) = outcome.partition {
        extra.insert("partition".to_owned(), partition.to_string().into());
    }
    if outcome.finished.is_some() {
        extra.insert("exitCode".to_owned(), outcome.exit_code().number().into());
    }
    let summary = Summary {
        tests: tests.len(),
        passed: count(Status::Passed),
        failed: count(Status::Failed),
        skipped: count(Status::Skipped),
        pending: count(Status::Pending),
        other: 0,
        flaky: tests.iter().filter(|test| test.flaky).count(),
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
    let standing = Standing::of(case, outcome);
    let unfinished = "unfinished: the rehearsal had begun and not ended when this report was written".to_owned();
    let (status, raw_status, message, trace) = match standing {
        Standing::Ended(Verdict::Passed) => (Status::Passed, "passed", None, None),
        Standing::Ended(Verdict::Skipped) => (Status::Skipped, "skipped", Some(wording::skip_reason(case)), None),
        Standing::Ended(verdict @ (Verdict::Failed | Verdict::Errored)) => {
            let diagnosis = wording::deciding(case);
            let (message, trace) = (wording::summary(&diagnosis), wording::explain(&diagnosis).join("\n"));
            (Status::Failed, verdict.name(), Some(message), Some(trace))
        }
        Standing::Running => (Status::Failed, "running", Some(unfinished), None),
        Standing::Waiting => (Status::Pending, "waiting", None, None),
    };
    let stop = case.finished.or((standing == Standing::Running).then_some(now));
    let ended = matches!(standing, Standing::Ended(_));
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

/// What concerns the run and no service.
fn run_test(trouble: &Trouble<'_>) -> Test {
    let mut extra = Map::new();
    extra.insert("code".to_owned(), trouble.first.code.as_str().into());
    Test {
        name: trouble.kind.name().to_owned(),
        status: Status::Failed,
        raw_status: "errored",
        duration: 0,
        start: None,
        stop: None,
        suite: vec![RUN_SUITE.to_owned()],
        kind: "restore",
        message: Some(wording::summary(&trouble.first)),
        trace: Some(trouble.explained().join("\n")),
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
