//! Problems of the run that belong to no case: an interruption, objects left behind, …
//!
//! Every report shows every problem in its own way (a test, a `Bail out!`, a line at the top), so that a run that is
//! no success is green in none of them. Each report matches [`ProblemKind`] without a wildcard, so that the compiler
//! finds those that do not know a new kind.

use std::borrow::Cow;

use super::wording;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::NoTests;
use crate::model::outcome::Outcome;

/// The suite of the problems of the run, in reports that have suites. It exists only if there is a problem.
pub const RUN_SUITE: &str = "rehearsa";

/// The kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The run is still running, or was killed.
    Unfinished,
    /// A signal ended it.
    Interrupted,
    /// A part of the shared work has no record.
    PartMissing,
    /// Something could not be removed, or failed after its cases had ended.
    LeftBehind,
    /// The run's time was over before its end.
    TimedOut,
    /// A report could not be written.
    ReportLost,
    /// No service was selected, which is a failure here.
    NothingSelected,
}

impl ProblemKind {
    /// The name of the test that stands for the problem.
    pub fn name(self) -> &'static str {
        match self {
            ProblemKind::Unfinished => "end",
            ProblemKind::Interrupted => "interruption",
            ProblemKind::PartMissing => "parts",
            ProblemKind::LeftBehind => "teardown",
            ProblemKind::TimedOut => "global-timeout",
            ProblemKind::ReportLost => "reports",
            ProblemKind::NothingSelected => "selection",
        }
    }
}

/// A problem of the run, with all its diagnoses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunProblem<'a> {
    /// Its kind.
    pub kind: ProblemKind,
    /// The first diagnosis.
    pub first: Cow<'a, Diagnosis>,
    /// Further diagnoses.
    pub more: Vec<Cow<'a, Diagnosis>>,
}

impl<'a> RunProblem<'a> {
    fn of(kind: ProblemKind, code: Code, message: impl Into<String>) -> Self {
        Self { kind, first: Cow::Owned(Diagnosis::new(code, message)), more: Vec::new() }
    }

    /// The problem of these diagnoses; `None` when there are none.
    fn of_all(kind: ProblemKind, mut diagnoses: impl Iterator<Item = Cow<'a, Diagnosis>>) -> Option<Self> {
        Some(Self { kind, first: diagnoses.next()?, more: diagnoses.collect() })
    }

    /// All diagnoses, in order.
    pub fn diagnoses(&self) -> impl Iterator<Item = &Diagnosis> {
        std::iter::once(&*self.first).chain(self.more.iter().map(|diagnosis| &**diagnosis))
    }

    /// All diagnoses in full, as lines.
    pub fn explained(&self) -> Vec<String> {
        self.diagnoses().flat_map(wording::explain).collect()
    }
}

/// The problems of the run in its current state, the gravest first; empty for a run that can be a success. They agree
/// with the exit code, which a run has only at its end.
pub fn run_problems(outcome: &Outcome) -> Vec<RunProblem<'_>> {
    let mut problems = Vec::new();
    if outcome.finished.is_none() {
        problems.push(RunProblem::of(
            ProblemKind::Unfinished,
            Code::RunUnfinished,
            "the run had not ended when this was written",
        ));
    }
    if let Some(signal) = outcome.interrupted {
        let words = format!("{} ended the run", wording::signal_name(signal));
        problems.push(RunProblem::of(ProblemKind::Interrupted, Code::RunCancelled, words));
    }
    let left = || outcome.left_behind.iter().map(Cow::Borrowed);
    let is_part = |diagnosis: &Cow<'_, Diagnosis>| diagnosis.code == Code::RunPartMissing;
    problems.extend(RunProblem::of_all(ProblemKind::PartMissing, left().filter(is_part)));
    problems.extend(RunProblem::of_all(ProblemKind::LeftBehind, left().filter(|diagnosis| !is_part(diagnosis))));
    if let Some(seconds) = outcome.timed_out {
        let words = format!("the run did not end within its time of {seconds} s");
        problems.push(RunProblem::of(ProblemKind::TimedOut, Code::RunTimedOut, words));
    }
    let lost = outcome.lost_reports.iter();
    let lost = lost.map(|lost| Cow::Owned(Diagnosis::new(Code::RunReportLost, lost.clone())));
    problems.extend(RunProblem::of_all(ProblemKind::ReportLost, lost));
    if outcome.cases.is_empty() && outcome.no_tests == NoTests::Fail {
        let words = format!("no service was selected ({} filtered out)", outcome.filtered_out);
        problems.push(RunProblem::of(ProblemKind::NothingSelected, Code::RunNothingSelected, words));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::{ExitCode, Verdict};
    use crate::report::sample;

    #[test]
    fn a_run_without_problem_and_without_red_cases_is_a_success_and_no_other_is() {
        let mut kinds: Vec<ProblemKind> = Vec::new();
        for (name, events) in sample::all() {
            let outcome = sample::outcome(&events);
            let found = run_problems(&outcome);
            let red = outcome.cases.iter().any(|case| matches!(case.verdict(), Verdict::Failed | Verdict::Errored));
            let success = outcome.finished.is_some() && outcome.exit_code() == ExitCode::Passed;
            assert_eq!(success, found.is_empty() && !red, "{name}: {found:?}");
            kinds.extend(found.iter().map(|problem| problem.kind));
        }
        let mut lost = sample::outcome(&sample::one_passed());
        lost.lost_reports.push("JUnit report: disk full".to_owned());
        assert_eq!(run_problems(&lost)[0].first.message, "JUnit report: disk full");
        for kind in [
            ProblemKind::Unfinished,
            ProblemKind::Interrupted,
            ProblemKind::PartMissing,
            ProblemKind::LeftBehind,
            ProblemKind::TimedOut,
            ProblemKind::NothingSelected,
        ] {
            assert!(kinds.contains(&kind), "{kind:?} is in no sample, and so seen by no form");
        }
    }

    #[test]
    fn what_is_missing_and_what_is_left_are_two_problems() {
        let mut outcome = sample::outcome(&sample::one_passed());
        let left = |code, words: &str| Diagnosis::new(code, words);
        outcome.left_behind = vec![
            left(Code::SandboxLeftBehind, "a volume"),
            left(Code::RunPartMissing, "part 2"),
            left(Code::SandboxLeftBehind, "a network"),
        ];
        let found = run_problems(&outcome);
        let words = |problem: &RunProblem<'_>| problem.diagnoses().map(|told| told.message.clone()).collect::<Vec<_>>();
        let told: Vec<_> = found.iter().map(|problem| (problem.kind, words(problem))).collect();
        let of = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            told,
            [(ProblemKind::PartMissing, of(&["part 2"])), (ProblemKind::LeftBehind, of(&["a volume", "a network"]))]
        );
    }
}
