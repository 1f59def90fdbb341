//! JUnit XML: `testsuites > testsuite (one a stack) > testcase (one a service)`, rewritten while the run goes on.
//!
//! Shaped by what its consumers really read: suites are flat, names unique, times everywhere, bodies never empty, one
//! `system-out` a case. *failure* is the backup's fault, *error* says that it could not be found out; what was left behind is an
//! error of the testcase `teardown` in the suite `rehearsa`, which exists only then. A file left by a killed run lists every
//! selected case: those that were running as errors, those that had not begun as skipped.

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::target::Whole;
use super::wording::{Standing, StepWords};
use super::{Reporter, text, wording};
use crate::model::event::{Event, Fact, StepResult};
use crate::model::outcome::{CaseRecord, Outcome, Verdict};

/// The suite of what concerns the run and no service.
const RUN_SUITE: &str = "rehearsa";

/// Writes JUnit XML.
pub struct JunitReporter {
    name: String,
    target: Whole,
}

impl JunitReporter {
    /// A report that is called `name` and goes to `target`.
    pub fn new(name: String, target: Whole) -> Self {
        Self { name, target }
    }
}

impl Reporter for JunitReporter {
    fn name(&self) -> &str {
        &self.name
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        let last = matches!(event.fact, Fact::RunFinished);
        let news = matches!(event.fact, Fact::RunStarted { .. } | Fact::CaseFinished { .. } | Fact::LeftBehind { .. });
        self.target.update(news, last, || render(outcome, event.at))
    }
}

/// The report as it is at the time `now`.
fn render(outcome: &Outcome, now: Timestamp) -> io::Result<Vec<u8>> {
    let mut report = Report::new(RUN_SUITE);
    let started = outcome.started.unwrap_or(now);
    // The type that is asked for belongs to a crate that nothing else here needs: it parses itself.
    report.timestamp = rfc3339(started).parse().ok();
    report.time = Some(between(started, outcome.finished.unwrap_or(now)));
    let mut suites: Vec<(&str, Vec<&CaseRecord>)> = Vec::new();
    for case in &outcome.cases {
        let stack = case.info.name.stack_name();
        match suites.iter_mut().find(|(name, _)| *name == stack) {
            Some((_, cases)) => cases.push(case),
            None => suites.push((stack, vec![case])),
        }
    }
    for (stack, cases) in suites {
        report.add_test_suite(suite(stack, &cases, outcome, now));
    }
    if !outcome.left_behind.is_empty() {
        report.add_test_suite(run_suite(outcome, now));
    }
    let mut xml = Vec::new();
    report.serialize(&mut xml).map_err(io::Error::other)?;
    Ok(xml)
}

fn suite(stack: &str, cases: &[&CaseRecord], outcome: &Outcome, now: Timestamp) -> TestSuite {
    let mut suite = TestSuite::new(attribute(stack));
    let begin = cases.iter().filter_map(|case| case.started).min();
    let end = cases.iter().map(|case| end_of(case, now)).max().unwrap_or(now);
    suite.extra.insert("timestamp".into(), rfc3339(begin.or(outcome.started).unwrap_or(now)).into());
    suite.set_time(begin.map_or(Duration::ZERO, |begin| between(begin, end)));
    for (name, value) in
        [("session", &outcome.session), ("rehearsa.version", &outcome.version), ("engine", &outcome.engine)]
    {
        suite.add_property(property(name, value));
    }
    suite.add_test_cases(cases.iter().map(|case| test_case(case, outcome, now)));
    suite
}

fn test_case(case: &CaseRecord, outcome: &Outcome, now: Timestamp) -> TestCase {
    let name = &case.info.name;
    let mut test = TestCase::new(attribute(&name.to_string()), status(case, outcome));
    test.set_classname(format!("{}.{}", class_part(name.stack_name()), class_part(&name.service)));
    let begin = case.started.or(outcome.started).unwrap_or(now);
    test.extra.insert("timestamp".into(), rfc3339(begin).into());
    test.set_time(case.started.map_or(Duration::ZERO, |started| between(started, end_of(case, now))));
    if let Some(place) = &case.info.declared {
        test.extra.insert("file".into(), attribute(&place.file).into());
        test.extra.insert("line".into(), place.line.to_string().into());
    }
    test.add_properties(properties(case));
    if !case.steps.is_empty() || !case.log_tail.is_empty() {
        test.set_system_out(body(&output(case)));
    }
    test
}

fn status(case: &CaseRecord, outcome: &Outcome) -> TestCaseStatus {
    match Standing::of(case, outcome) {
        Standing::Ended(Verdict::Passed) => TestCaseStatus::success(),
        Standing::Ended(Verdict::Skipped) => skipped(&wording::skip_reason(case)),
        Standing::Ended(Verdict::Failed) => decided(case, NonSuccessKind::Failure),
        Standing::Ended(Verdict::Errored) => decided(case, NonSuccessKind::Error),
        Standing::Running => {
            let words = "unfinished: the rehearsal had begun and not ended when this report was written";
            non_success(NonSuccessKind::Error, "unfinished", words, words)
        }
        Standing::Waiting => skipped("not run: the run had not come to it when this report was written"),
    }
}

fn skipped(reason: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    // Some readers want the reason here, some there.
    status.set_message(attribute(reason)).set_description(body(reason));
    status
}

fn decided(case: &CaseRecord, kind: NonSuccessKind) -> TestCaseStatus {
    let diagnosis = wording::deciding(case);
    let mut lines = wording::explain(&diagnosis);
    for other in case.diagnoses.iter().filter(|other| **other != *diagnosis) {
        lines.push(format!("Also: {}", wording::summary(other)));
    }
    let notable: Vec<_> = case.info.changes.iter().filter(|change| change.notable).collect();
    if !notable.is_empty() {
        lines.push("In the sandbox, not as live:".to_owned());
        lines.extend(notable.into_iter().map(|change| format!("  {}", wording::change(change))));
    }
    lines.extend(case.warnings.iter().map(|warning| format!("Warning: {}", wording::warning(warning))));
    non_success(kind, diagnosis.code.as_str(), &wording::summary(&diagnosis), &lines.join("\n"))
}

fn non_success(kind: NonSuccessKind, ty: &str, message: &str, description: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(ty).set_message(attribute(message)).set_description(body(description));
    status
}

fn properties(case: &CaseRecord) -> Vec<Property> {
    let restored = case.restored();
    let mut list = vec![
        property("source", &case.info.source),
        property("image.reference", &case.info.image.reference),
        property("image.id", &case.info.image.id),
        property("restored.files", &restored.files.to_string()),
        property("restored.bytes", &restored.bytes.to_string()),
    ];
    if let Some(proof) = case.proof {
        list.push(property("proof", proof.name()));
    }
    for (nth, record) in case.steps.iter().enumerate() {
        let words = StepWords::of_record(record, case);
        list.push(property(&format!("step.{}.{}", nth + 1, words.doing), &format!("{:.3}", record.seconds())));
    }
    for (nth, change) in case.info.changes.iter().enumerate() {
        list.push(property(&format!("change.{}", nth + 1), &wording::change(change)));
    }
    list
}

/// What happened in which second, then the log.
fn output(case: &CaseRecord) -> String {
    let begin = case.started.or(case.steps.first().map(|record| record.started));
    let mut lines: Vec<String> = Vec::new();
    for record in &case.steps {
        let mark = match &record.result {
            Some(StepResult::Done { .. }) => "✔",
            Some(StepResult::Broke { .. }) => "✘",
            Some(StepResult::Stopped) | None => "-",
        };
        let since = begin.map_or(0.0, |begin| between(begin, record.started).as_secs_f64());
        let line = StepWords::of_record(record, case).line(record.result.as_ref());
        lines.push(format!("{since:>9.3}s  {mark} {line} ({:.3}s)", record.seconds()));
    }
    lines.extend(case.warnings.iter().map(|warning| format!("            ! {}", wording::warning(warning))));
    if !case.log_tail.is_empty() {
        lines.push(format!("Last log lines of {}:", case.info.name));
        let tail = text::Tail::of(&case.log_tail, text::LOG_CAP);
        lines.extend(tail.noticed().iter().map(|line| format!("{}{line}", wording::QUOTE)));
    }
    lines.join("\n")
}

fn run_suite(outcome: &Outcome, now: Timestamp) -> TestSuite {
    let lines: Vec<String> = outcome.left_behind.iter().flat_map(wording::explain).collect();
    let first = outcome.left_behind.first().map(wording::summary).unwrap_or_default();
    let code = outcome.left_behind.first().map_or("sandbox/left-behind", |diagnosis| diagnosis.code.as_str());
    let mut test = TestCase::new("teardown", non_success(NonSuccessKind::Error, code, &first, &lines.join("\n")));
    test.set_classname(format!("{RUN_SUITE}.teardown")).set_time(Duration::ZERO);
    test.extra.insert("timestamp".into(), rfc3339(now).into());
    let mut suite = TestSuite::new(RUN_SUITE);
    suite.extra.insert("timestamp".into(), rfc3339(now).into());
    suite.set_time(Duration::ZERO).add_test_case(test);
    suite
}

fn property(name: &str, value: &str) -> Property {
    Property::new(attribute(name), attribute(value))
}

/// Fit for an attribute: one line (line feeds would be written as they are and read as blanks).
fn attribute(value: &str) -> String {
    body(&text::one_line(value))
}

/// Fit for a body: clean, and with no word that makes GitLab or Jenkins attach a file.
fn body(value: &str) -> String {
    text::clean(value).replace("[[ATTACHMENT|", "[[ATTACHMENT |")
}

/// A dot would open another branch in the tree that Jenkins and Buildkite make.
fn class_part(name: &str) -> String {
    attribute(name).replace('.', "_")
}

fn end_of(case: &CaseRecord, now: Timestamp) -> Timestamp {
    case.finished.unwrap_or(if case.started.is_some() { now } else { Timestamp::MIN })
}

fn between(begin: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(begin)).unwrap_or_default()
}

fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
mod tests;
