//! Tests of the judge's rules.

use super::*;
use crate::model::check::CheckSummary;
use crate::model::check::Proof;
use crate::model::event::{Amount, CaseInfo, Step};
use crate::model::sample::case_info;

fn name(service: &str) -> ServiceName {
    ServiceName::of_stack("stack", service)
}

fn info(service: &str) -> CaseInfo {
    case_info(name(service))
}

/// The outcome of a run with these cases and facts, one fact a second.
fn run(cases: &[&str], facts: Vec<Fact>) -> Outcome {
    let started = Fact::RunStarted {
        session: "s".to_owned(),
        version: "v".to_owned(),
        engine: "e".to_owned(),
        cases: cases.iter().map(|case| info(case)).collect(),
        filtered_out: 0,
        threads: 1,
        partition: None,
        no_tests: NoTests::Fail,
    };
    let mut outcome = Outcome::new();
    for (second, fact) in std::iter::once(started).chain(facts).enumerate() {
        let at = Timestamp::from_second(1_767_323_045 + second as i64).expect("a time");
        outcome.apply(&Event { at, fact });
    }
    outcome
}

fn begin(case: &str) -> Fact {
    Fact::CaseStarted { case: name(case) }
}

fn end(case: &str) -> Fact {
    Fact::CaseFinished { case: name(case) }
}

fn proven(case: &str) -> Fact {
    Fact::CaseProven { case: name(case), proof: Proof::Healthy, log_tail: Vec::new() }
}

fn aborted(case: &str, code: Code) -> Fact {
    Fact::CaseAborted { case: name(case), diagnosis: Diagnosis::new(code, "why") }
}

fn open(id: u64, cases: &[&str], step: Step) -> Fact {
    Fact::StepStarted { id, cases: cases.iter().map(|case| name(case)).collect(), step }
}

fn done(id: u64, amount: Option<Amount>) -> Fact {
    Fact::StepFinished { id, result: StepResult::Done { amount, note: None, compared: None, witness: None } }
}

fn broke(id: u64, code: Code) -> Fact {
    Fact::StepFinished { id, result: StepResult::Broke { diagnosis: Diagnosis::new(code, "why") } }
}

fn verdict(outcome: &Outcome, case: &str) -> Verdict {
    outcome.case(&name(case)).expect("the case is selected").verdict()
}

#[test]
fn a_case_is_never_green_without_a_proof() {
    let step = Step::Check { service: name("a"), check: CheckSummary::Health };
    let facts = vec![begin("a"), open(1, &["a"], step), done(1, None), end("a"), Fact::RunFinished];
    let outcome = run(&["a"], facts);
    assert_eq!(verdict(&outcome, "a"), Verdict::Errored, "steps that went well are no proof");
    assert_eq!(outcome.exit_code(), ExitCode::Errored);
}

#[test]
fn a_case_of_which_nothing_was_said_is_errored() {
    let outcome = run(&["a", "b"], vec![begin("a"), proven("a"), end("a"), Fact::RunFinished]);
    assert_eq!(verdict(&outcome, "b"), Verdict::Errored);
    assert_eq!(outcome.exit_code(), ExitCode::Errored);
}

#[test]
fn a_proof_with_something_against_it_is_not_green() {
    let outcome = run(&["a"], vec![proven("a"), aborted("a", Code::RunPanicked)]);
    assert_eq!(verdict(&outcome, "a"), Verdict::Errored);
    let outcome = run(&["a"], vec![open(1, &["a"], Step::Teardown), proven("a"), broke(1, Code::SandboxLeftBehind)]);
    assert_eq!(verdict(&outcome, "a"), Verdict::Errored, "also when it came after the proof");
}

#[test]
fn failed_beats_errored_whatever_came_first() {
    let outcome = run(&["a"], vec![aborted("a", Code::WorkerFailed), aborted("a", Code::BootExited)]);
    let case = outcome.case(&name("a")).expect("selected");
    assert_eq!(case.verdict(), Verdict::Failed);
    assert_eq!(case.diagnosis().map(|d| d.code), Some(Code::BootExited), "what decided is shown");
}

#[test]
fn what_a_service_did_on_a_full_disk_is_not_held_against_its_backup() {
    let of = |facts| {
        let outcome = run(&["a"], facts);
        let case = outcome.case(&name("a")).expect("selected");
        (case.verdict(), case.diagnosis().map(|d| d.code))
    };
    let boot = || open(1, &["a"], Step::Boot { service: name("a") });
    let full = of(vec![boot(), broke(1, Code::BootExited), aborted("a", Code::RestoreNoSpace)]);
    assert_eq!(full, (Verdict::Errored, Some(Code::RestoreNoSpace)));
    let damaged = of(vec![boot(), broke(1, Code::SourceCorrupt), aborted("a", Code::RestoreNoSpace)]);
    assert_eq!(damaged, (Verdict::Failed, Some(Code::SourceCorrupt)), "the damage was there before");
}

#[test]
fn a_warning_decides_nothing() {
    let torn = Diagnosis::new(Code::DataTornCopy, "x.db");
    let outcome = run(&["a"], vec![Fact::Warned { cases: vec![name("a")], diagnosis: torn }, proven("a"), end("a")]);
    assert_eq!(verdict(&outcome, "a"), Verdict::Passed);
    assert_eq!(outcome.cases[0].warnings.len(), 1);
}

#[test]
fn a_skipped_case_stays_skipped_unless_something_is_wrong() {
    let skipped = || Fact::CaseSkipped { case: name("a"), reason: "why".to_owned() };
    assert_eq!(verdict(&run(&["a"], vec![skipped(), proven("a")]), "a"), Verdict::Skipped);
    assert_eq!(verdict(&run(&["a"], vec![skipped(), aborted("a", Code::RunPanicked)]), "a"), Verdict::Errored);
}

#[test]
fn what_was_never_begun_is_put_off_and_what_is_skipped_on_purpose_is_not() {
    let skipped = Fact::CaseSkipped { case: name("a"), reason: "why".to_owned() };
    assert!(run(&["a"], vec![skipped]).cases[0].not_started());
    let mut ignored = run(&["a", "b"], vec![begin("b"), proven("b"), end("b")]);
    assert!(!ignored.cases[1].not_started());
    ignored.cases[0] = CaseRecord::new(CaseInfo { ignored: Some("not run: so it says".to_owned()), ..info("a") });
    assert_eq!((ignored.cases[0].verdict(), ignored.cases[0].not_started()), (Verdict::Skipped, false));
}

#[test]
fn a_step_of_a_stack_counts_for_each_of_its_cases() {
    let amount = Amount { files: 2, bytes: 10 };
    let step = Step::Restore {
        mount: "volume v".to_owned(),
        strategy: crate::model::mount::Strategy::Copy,
        source: "live".to_owned(),
    };
    let facts = vec![
        open(1, &["a", "b"], step),
        done(1, Some(amount)),
        open(2, &["a", "b"], Step::Network),
        broke(2, Code::SandboxFailed),
    ];
    let outcome = run(&["a", "b", "c"], facts);
    for case in ["a", "b"] {
        assert_eq!(verdict(&outcome, case), Verdict::Errored);
        assert_eq!(outcome.case(&name(case)).expect("selected").restored(), amount);
    }
    assert!(outcome.case(&name("c")).expect("selected").steps.is_empty());
}

#[test]
fn the_log_of_what_broke_is_the_log_of_the_case() {
    let diagnosis = Diagnosis { log_tail: vec!["last".to_owned()], ..Diagnosis::new(Code::BootExited, "why") };
    let facts = vec![
        open(1, &["a"], Step::Boot { service: name("a") }),
        Fact::StepFinished { id: 1, result: StepResult::Broke { diagnosis } },
    ];
    assert_eq!(run(&["a"], facts).cases[0].log_tail, ["last"]);
}

#[test]
fn a_verdict_that_was_told_is_final_and_what_breaks_later_is_the_runs_error() {
    let facts = vec![
        begin("a"),
        proven("a"),
        end("a"),
        open(1, &["a", "b"], Step::Teardown),
        broke(1, Code::SandboxLeftBehind),
        Fact::LeftBehind { diagnosis: Diagnosis::new(Code::SandboxLeftBehind, "why") },
        proven("b"),
        end("b"),
        Fact::RunFinished,
    ];
    let outcome = run(&["a", "b"], facts);
    assert_eq!(verdict(&outcome, "a"), Verdict::Passed, "the report has said so already");
    assert_eq!(verdict(&outcome, "b"), Verdict::Errored, "it was not finished yet");
    assert_eq!(outcome.left_behind.len(), 1, "reported once");
    assert_eq!(outcome.exit_code(), ExitCode::Errored);
}

#[test]
fn every_ending_has_its_exit_code() {
    let passed = || vec![begin("a"), proven("a"), end("a")];
    let skipped = || vec![Fact::CaseSkipped { case: name("a"), reason: "why".to_owned() }];
    let failed = || vec![aborted("a", Code::HealthTimeout), end("a")];
    let errored = || vec![aborted("a", Code::HostUnreachable), end("a")];
    let left = || Fact::LeftBehind { diagnosis: Diagnosis::new(Code::SandboxLeftBehind, "volume x") };
    let and = |mut facts: Vec<Fact>, fact: Fact| {
        facts.push(fact);
        facts
    };
    let of_two = |mut first: Vec<Fact>, second: Fact| {
        first.extend([second, end("b")]);
        first
    };
    let one: &[&str] = &["a"];
    let two: &[&str] = &["a", "b"];
    for (what, cases, facts, code, number) in [
        ("passed", one, passed(), ExitCode::Passed, 0),
        ("skipped", one, skipped(), ExitCode::Passed, 0),
        ("nothing selected", &[], Vec::new(), ExitCode::NothingSelected, 4),
        ("failed", one, failed(), ExitCode::Failed, 101),
        ("passed and failed", two, of_two(passed(), aborted("b", Code::BootExited)), ExitCode::Failed, 101),
        ("errored", one, errored(), ExitCode::Errored, 102),
        ("failed and errored", two, of_two(failed(), aborted("b", Code::WorkerFailed)), ExitCode::Failed, 101),
        ("passed, left behind", one, and(passed(), left()), ExitCode::Errored, 102),
        ("nothing selected, left behind", &[], vec![left()], ExitCode::Errored, 102),
        ("failed, left behind", one, and(failed(), left()), ExitCode::Failed, 101),
        ("SIGINT", one, and(passed(), Fact::Interrupted { signal: 2 }), ExitCode::Interrupted, 130),
        ("SIGTERM", one, and(failed(), Fact::Interrupted { signal: 15 }), ExitCode::Terminated, 143),
    ] {
        let outcome = run(cases, facts);
        assert_eq!(outcome.exit_code(), code, "{what}");
        assert_eq!(code.number(), number, "{what}");
    }
    assert_eq!(ExitCode::Usage.number(), 2);
}

#[test]
fn a_lost_report_makes_a_green_run_an_error_and_no_failure_less() {
    let mut outcome = run(&["a"], vec![proven("a"), end("a")]);
    outcome.lost_reports.push("JUnit report: disk full".to_owned());
    assert_eq!(outcome.exit_code(), ExitCode::Errored);
    let mut outcome = run(&["a"], vec![aborted("a", Code::BootExited), end("a")]);
    outcome.lost_reports.push("JUnit report: disk full".to_owned());
    assert_eq!(outcome.exit_code(), ExitCode::Failed);
}

#[test]
fn a_cancelled_case_is_known_as_one() {
    let outcome = run(&["a", "b"], vec![aborted("a", Code::RunCancelled), aborted("b", Code::RunPanicked)]);
    assert!(is_cancelled(&outcome.cases[0]));
    assert!(!is_cancelled(&outcome.cases[1]));
}

#[test]
fn times_are_taken_from_the_events() {
    let facts =
        vec![begin("a"), open(1, &["a"], Step::Network), done(1, None), proven("a"), end("a"), Fact::RunFinished];
    let outcome = run(&["a"], facts);
    assert_eq!(outcome.cases[0].seconds(), 4.0);
    assert_eq!(outcome.cases[0].steps[0].seconds(), 1.0);
    assert_eq!(outcome.seconds(), 6.0);
}

#[test]
fn facts_about_unknown_cases_and_steps_change_nothing() {
    let before = run(&["a"], vec![]);
    let after = run(&["a"], vec![begin("x"), proven("x"), done(9, None), broke(9, Code::BootExited), end("x")]);
    assert_eq!(before, after);
}

#[test]
fn a_green_attempt_after_one_that_was_not_is_flaky() {
    let outcome = run(
        &["a"],
        vec![
            begin("a"),
            aborted("a", Code::WorkerFailed),
            Fact::CaseRetried { case: name("a") },
            proven("a"),
            end("a"),
        ],
    );
    let case = &outcome.cases[0];
    assert_eq!((case.verdict(), case.is_flaky(), case.earlier.len()), (Verdict::Passed, true, 1));
    assert_eq!((case.earlier[0].verdict(), case.earlier[0].seconds()), (Verdict::Errored, 2.0));
    assert_eq!((outcome.counts().passed, outcome.counts().flaky), (1, 1));
    assert_eq!((case.seconds(), outcome.exit_code()), (4.0, ExitCode::Passed));
}

#[test]
fn an_attempts_teardown_that_breaks_later_is_the_runs_error() {
    let broken = Diagnosis::new(Code::SandboxLeftBehind, "a volume");
    let outcome = run(
        &["a"],
        vec![
            begin("a"),
            open(1, &["a"], Step::Teardown),
            aborted("a", Code::WorkerFailed),
            Fact::CaseRetried { case: name("a") },
            Fact::StepFinished { id: 1, result: StepResult::Broke { diagnosis: broken.clone() } },
            proven("a"),
            end("a"),
        ],
    );
    assert_eq!(outcome.cases[0].verdict(), Verdict::Passed);
    assert_eq!(outcome.left_behind, [broken]);
    assert_eq!(outcome.exit_code(), ExitCode::Errored);
}

#[test]
fn a_run_whose_time_was_over_is_an_error_even_if_no_case_is() {
    let outcome = run(&["a"], vec![begin("a"), proven("a"), end("a"), Fact::TimedOut { seconds: 60 }]);
    assert_eq!(outcome.exit_code(), ExitCode::Errored);
}

#[test]
fn what_no_case_means_is_the_runs_policy() {
    for (policy, exit) in [
        (NoTests::Fail, ExitCode::NothingSelected),
        (NoTests::Warn, ExitCode::Passed),
        (NoTests::Pass, ExitCode::Passed),
    ] {
        let mut outcome = run(&[], vec![Fact::RunFinished]);
        outcome.no_tests = policy;
        assert_eq!(outcome.exit_code(), exit);
    }
}
