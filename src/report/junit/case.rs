//! One service as a test case: its result, and the earlier attempts.

use std::time::Duration;

use quick_junit::{FlakyOrRerun, NonSuccessKind, TestCase, TestCaseStatus, TestRerun};

use super::output;
use super::page::Page;
use super::values::{attribute, between, body, property, rfc3339};
use crate::config::values::report_spec::JunitFlavor;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::outcome::{Attempt, CaseRecord, Verdict};
use crate::report::wording::{self, Progress};

impl Page<'_> {
    pub(super) fn test_case(&self, case: &CaseRecord) -> TestCase {
        let name = &case.info.name;
        let mut status = self.status(case);
        // Surefire's words: a *flaky* run came before a green one, a *rerun* before another that was not.
        let kind = if case.is_flaky() { FlakyOrRerun::Flaky } else { FlakyOrRerun::Rerun };
        if !matches!(status, TestCaseStatus::Skipped { .. }) && !case.earlier.is_empty() {
            status.set_rerun_kind(kind);
            status.add_reruns(case.earlier.iter().map(|attempt| rerun(attempt, case)));
        }
        let mut test = TestCase::new(attribute(&name.to_string()), status);
        test.set_classname(format!("{}.{}", class_part(name.stack_name()), class_part(&name.service)));
        test.set_time(case.started.map_or(Duration::ZERO, |started| between(started, self.end_of(case))));
        let facts = output::facts(case);
        match self.flavor {
            JunitFlavor::Default => {
                let begin = case.started.or(self.outcome.started).unwrap_or(self.now);
                test.extra.insert("timestamp".into(), rfc3339(begin).into());
                // A service that no file declares has no `file` and `line`: an invented place would mislead readers.
                if let Some(place) = &case.info.declared {
                    test.extra.insert("file".into(), attribute(&place.file).into());
                    test.extra.insert("line".into(), place.line.to_string().into());
                }
                test.add_properties(facts.iter().map(|(name, value)| property(name, value)));
                if !case.steps.is_empty() || !case.log_tail.is_empty() {
                    test.set_system_out(body(&output::text(case, self.log_cap)));
                }
            }
            JunitFlavor::Jenkins => {
                let facts: Vec<String> = facts.iter().map(|(name, value)| format!("{name} = {value}")).collect();
                let parts = [facts.join("\n"), output::text(case, self.log_cap)];
                test.set_system_out(body(parts.join("\n").trim_end()));
            }
        }
        test
    }

    fn status(&self, case: &CaseRecord) -> TestCaseStatus {
        match Progress::of(case, self.outcome) {
            Progress::Ended(Verdict::Passed) => TestCaseStatus::success(),
            Progress::Ended(Verdict::Skipped) => skipped(&wording::skip_reason(case)),
            Progress::Ended(Verdict::Failed) => decided(case, NonSuccessKind::Failure),
            Progress::Ended(Verdict::Errored) => decided(case, NonSuccessKind::Error),
            Progress::Running => {
                let words = "unfinished: the rehearsal had begun and not ended when this report was written";
                non_success(NonSuccessKind::Error, "unfinished", words, words)
            }
            Progress::Waiting => skipped("not run: the run had not come to it when this report was written"),
        }
    }
}

/// An earlier attempt that was not green.
fn rerun(attempt: &Attempt, case: &CaseRecord) -> TestRerun {
    let unsaid = || Diagnosis::new(Code::RunPanicked, "the attempt ended without a result");
    let diagnosis = attempt.diagnosis().cloned().unwrap_or_else(unsaid);
    let kind = match attempt.verdict() {
        Verdict::Failed => NonSuccessKind::Failure,
        Verdict::Passed | Verdict::Skipped | Verdict::Errored => NonSuccessKind::Error,
    };
    let mut lines = wording::explain(&diagnosis);
    lines.extend(output::timeline(&attempt.steps, attempt.started, case));
    let mut rerun = TestRerun::new(kind);
    // The schema wants a type on each. All lines are in one text, because some readers take any `system-out` below a
    // case for the case's own.
    rerun
        .set_type(diagnosis.code.as_str())
        .set_message(attribute(&wording::what_happened(&diagnosis)))
        .set_stack_trace(body(&lines.join("\n")));
    rerun
}

fn skipped(reason: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    // Some readers take the reason from the message, others from the body.
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
        lines.push("Changed in the sandbox:".to_owned());
        lines.extend(notable.into_iter().map(|change| format!("  {}", wording::change(change))));
    }
    lines.extend(case.warnings.iter().map(|warning| format!("Warning: {}", wording::warning(warning))));
    non_success(kind, diagnosis.code.as_str(), &wording::what_happened(&diagnosis), &lines.join("\n"))
}

pub(super) fn non_success(kind: NonSuccessKind, ty: &str, message: &str, description: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(ty).set_message(attribute(message)).set_description(body(description));
    status
}

/// A dot would open another level in the tree that Jenkins and Buildkite show.
fn class_part(name: &str) -> String {
    attribute(name).replace('.', "_")
}
