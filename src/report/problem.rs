//! What keeps a run from being a success and belongs to no case: it was interrupted, something was left behind, …
//!
//! Every form tells every trouble in its own way (a test of its own, a `Bail out!`, a line at the top), so that a run that is no
//! success is green in none of them. Each asks for the [`ProblemKind`] without a rest, so that a new one is
//! forgotten nowhere.

use std::borrow::Cow;

use super::wording;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::NoTests;
use crate::model::outcome::Outcome;

/// The suite of what concerns the run and no service, in the forms that have suites. It exists only when there is a trouble.
pub const RUN_SUITE: &str = "rehearsa";

/// Which trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The run goes on, or was killed.
    Unfinished,
    /// A signal ended it.
    Interrupted,
    /// Of a part of the shared work there is no report.
    PartMissing,
    /// Something could not be removed, or broke after the cases it concerned were over.
    LeftBehind,
    /// Its time was over before its end.
    TimedOut,
    /// A report could not be written.
    ReportLost,
    /// No service was selected, and one should have been.
    NothingSelected,
}

impl ProblemKind {
    /// Its name where it is a test among tests.
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

/// A trouble, with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunProblem<'a> {
    /// Which.
    pub kind: ProblemKind,
    /// The first thing that is known of it.
    pub first: Cow<'a, Diagnosis>,
    /// What else is known.
    pub more: Vec<Cow<'a, Diagnosis>>,
}

impl<'a> RunProblem<'a> {
    fn of(kind: ProblemKind, code: Code, message: impl Into<String>) -> Self {
        Self { kind, first: Cow::Owned(Diagnosis::new(code, message)), more: Vec::new() }
    }

    /// Of these diagnoses; nothing when there are none.
    fn of_all(kind: ProblemKind, mut diagnoses: impl Iterator<Item = Cow<'a, Diagnosis>>) -> Option<Self> {
        Some(Self { kind, first: diagnoses.next()?, more: diagnoses.collect() })
    }

    /// All that is known of it, in order.
    pub fn diagnoses(&self) -> impl Iterator<Item = &Diagnosis> {
        std::iter::once(&*self.first).chain(self.more.iter().map(|diagnosis| &**diagnosis))
    }

    /// It in full, as lines.
    pub fn explained(&self) -> Vec<String> {
        self.diagnoses().flat_map(wording::explain).collect()
    }
}

/// The troubles of the run as it is now, the gravest first; none in a run that can be a success. Its exit code says the same, but for
/// a run that has not ended, which has none.
pub fn run_problems(outcome: &Outcome) -> Vec<RunProblem<'_>> {
    let mut troubles = Vec::new();
    if outcome.finished.is_none() {
        troubles.push(RunProblem::of(
            ProblemKind::Unfinished,
            Code::RunUnfinished,
            "the run had not ended when this was written",
        ));
    }
    if let Some(signal) = outcome.interrupted {
        let words = format!("{} ended the run", wording::signal_name(signal));
        troubles.push(RunProblem::of(ProblemKind::Interrupted, Code::RunCancelled, words));
    }
    let left = || outcome.left_behind.iter().map(Cow::Borrowed);
    let is_part = |diagnosis: &Cow<'_, Diagnosis>| diagnosis.code == Code::RunPartMissing;
    troubles.extend(RunProblem::of_all(ProblemKind::PartMissing, left().filter(is_part)));
    troubles.extend(RunProblem::of_all(ProblemKind::LeftBehind, left().filter(|diagnosis| !is_part(diagnosis))));
    if let Some(seconds) = outcome.timed_out {
        troubles.push(RunProblem::of(ProblemKind::TimedOut, Code::RunTimedOut, format!("the run had {seconds} s")));
    }
    let lost = outcome.lost_reports.iter();
    let lost = lost.map(|lost| Cow::Owned(Diagnosis::new(Code::RunReportLost, lost.clone())));
    troubles.extend(RunProblem::of_all(ProblemKind::ReportLost, lost));
    if outcome.cases.is_empty() && outcome.no_tests == NoTests::Fail {
        let words = format!("no service was selected ({} filtered out)", outcome.filtered_out);
        troubles.push(RunProblem::of(ProblemKind::NothingSelected, Code::RunNothingSelected, words));
    }
    troubles
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::{ExitCode, Verdict};
    use crate::report::sample;

    #[test]
    fn a_run_without_trouble_and_without_red_cases_is_a_success_and_no_other_is() {
        let mut kinds: Vec<ProblemKind> = Vec::new();
        for (name, events) in sample::all() {
            let outcome = sample::outcome(&events);
            let found = run_problems(&outcome);
            let red = outcome.cases.iter().any(|case| matches!(case.verdict(), Verdict::Failed | Verdict::Errored));
            let success = outcome.finished.is_some() && outcome.exit_code() == ExitCode::Passed;
            assert_eq!(success, found.is_empty() && !red, "{name}: {found:?}");
            kinds.extend(found.iter().map(|trouble| trouble.kind));
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
    fn what_is_missing_and_what_is_left_are_two_troubles() {
        let mut outcome = sample::outcome(&sample::one_passed());
        let left = |code, words: &str| Diagnosis::new(code, words);
        outcome.left_behind = vec![
            left(Code::SandboxLeftBehind, "a volume"),
            left(Code::RunPartMissing, "part 2"),
            left(Code::SandboxLeftBehind, "a network"),
        ];
        let found = run_problems(&outcome);
        let words = |trouble: &RunProblem<'_>| trouble.diagnoses().map(|told| told.message.clone()).collect::<Vec<_>>();
        let told: Vec<_> = found.iter().map(|trouble| (trouble.kind, words(trouble))).collect();
        let of = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            told,
            [(ProblemKind::PartMissing, of(&["part 2"])), (ProblemKind::LeftBehind, of(&["a volume", "a network"]))]
        );
    }
}
