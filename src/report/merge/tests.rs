//! Jobs that shared the work, joined again.

use super::*;
use crate::model::event::{Step, StepResult};
use crate::model::outcome::{ExitCode, Outcome, Verdict};
use crate::report::json::schema::Report;
use crate::report::json::tests::text;
use crate::report::sample::{self, Script};

/// A job's events: part `index` of `total`, with these services, all green.
fn green(index: u64, total: u64, services: &[&str]) -> Vec<Event> {
    let names: Vec<ServiceName> = services.iter().map(|service| sample::name("media", service)).collect();
    let mut script = Script::run(names.iter().map(sample::info).collect());
    names.iter().for_each(|name| sample::pass(&mut script, name));
    part(script.over(), index, total)
}

fn part(mut events: Vec<Event>, index: u64, total: u64) -> Vec<Event> {
    if let Fact::RunStarted { partition, .. } = &mut events[0].fact {
        *partition = Some(Partition { sharing: Sharing::Slice, index, total });
    }
    events
}

fn filtering_out(services: usize, mut events: Vec<Event>) -> Vec<Event> {
    if let Fact::RunStarted { filtered_out, .. } = &mut events[0].fact {
        *filtered_out = services;
    }
    events
}

fn record(file: &str, events: &[Event]) -> (String, RunRecord) {
    let ended = events.iter().any(|event| event.fact == Fact::RunFinished);
    (file.to_owned(), RunRecord { events: events.to_vec(), ended })
}

fn merged<const N: usize>(records: [(String, RunRecord); N]) -> (Outcome, Vec<String>) {
    let MergedRun { events, notes } = merge(records.to_vec()).expect("they belong together");
    (sample::outcome(&events), notes)
}

fn refusal<const N: usize>(records: [(String, RunRecord); N]) -> String {
    merge(records.to_vec()).expect_err("refused").to_string()
}

fn names(outcome: &Outcome) -> Vec<&str> {
    outcome.cases.iter().map(|case| case.info.name.service.as_str()).collect()
}

#[test]
fn all_parts_make_the_run_whatever_their_order() {
    let first = record("1.jsonl", &filtering_out(4, green(1, 2, &["a", "c", "e"])));
    let second = record("2.jsonl", &filtering_out(5, green(2, 2, &["b", "d"])));
    let (outcome, notes) = merged([first.clone(), second.clone()]);
    assert_eq!(names(&outcome), ["a", "b", "c", "d", "e"], "the order before they were dealt out");
    assert_eq!((outcome.counts().passed, outcome.exit_code()), (5, ExitCode::Passed));
    assert_eq!((outcome.partition, outcome.threads, outcome.filtered_out), (None, 2, 2), "2 in no part");
    assert_eq!((outcome.started, outcome.finished), (Some(sample::at(0.0)), Some(sample::at(3.0 * 18.4))));
    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(merged([second, first]).0.cases, outcome.cases);
}

#[test]
fn one_judge_for_all_parts() {
    let failed = record("2.jsonl", &part(sample::one_failed(), 2, 2));
    let (outcome, _) = merged([record("1.jsonl", &green(1, 2, &["a"])), failed]);
    assert_eq!(outcome.exit_code(), ExitCode::Failed);
    let interrupted = record("2.jsonl", &part(sample::interrupted(), 2, 2));
    let (outcome, _) = merged([record("1.jsonl", &green(1, 2, &["a"])), interrupted]);
    assert_eq!(outcome.exit_code(), ExitCode::Interrupted);
    let empty = record("2.jsonl", &part(sample::nothing(), 2, 2));
    let (outcome, _) = merged([record("1.jsonl", &green(1, 2, &["a"])), empty.clone()]);
    assert_eq!(outcome.exit_code(), ExitCode::Passed, "a part may be empty");
    let (outcome, _) = merged([record("1.jsonl", &part(sample::nothing(), 1, 2)), empty]);
    assert_eq!(outcome.exit_code(), ExitCode::NothingSelected, "the whole may not");
}

#[test]
fn a_missing_part_could_not_be_found_out() {
    let (outcome, _) = merged([record("1.jsonl", &green(1, 3, &["a"])), record("3.jsonl", &green(3, 3, &["c"]))]);
    assert_eq!(outcome.exit_code(), ExitCode::Errored);
    let [diagnosis] = &outcome.left_behind[..] else { panic!("{:?}", outcome.left_behind) };
    assert_eq!(diagnosis.to_string(), "run/part-missing: there is no record of part slice:2/3");
    let (outcome, _) = merged([record("1.jsonl", &green(4, u64::MAX, &["a"]))]);
    let words = &outcome.left_behind[0].message;
    assert!(words.starts_with("there are no records of the parts slice:1/18446744073709551615, "), "{words}");
    assert!(words.ends_with(" and 18446744073709551604 more"), "{words}");
}

#[test]
fn what_a_killed_job_left_open_could_not_be_found_out() {
    let (outcome, notes) =
        merged([record("1.jsonl", &green(1, 2, &["a"])), record("2.jsonl", &part(sample::killed(), 2, 2))]);
    let verdicts: Vec<(&str, Verdict)> =
        names(&outcome).into_iter().zip(outcome.cases.iter().map(|case| case.verdict())).collect();
    let (passed, errored) = (Verdict::Passed, Verdict::Errored);
    assert_eq!(verdicts, [("a", passed), ("jellyfin", passed), ("sonarr", errored), ("radarr", errored)]);
    let diagnosis = outcome.cases[2].diagnosis().expect("it errored");
    assert_eq!(diagnosis.message, "2.jsonl ends before this rehearsal did: its job was killed");
    assert_eq!(outcome.cases[2].finished, Some(sample::at(18.4)), "the last that is known of its job");
    assert_eq!(outcome.exit_code(), ExitCode::Errored);
    assert_eq!(outcome.left_behind.len(), 1);
    assert_eq!(notes, ["2.jsonl has no end: the job that wrote it was killed"]);
    // All its cases had ended, but not the job.
    let mut whole = green(2, 2, &["b"]);
    whole.pop();
    let (outcome, _) = merged([record("1.jsonl", &green(1, 2, &["a"])), record("2.jsonl", &whole)]);
    assert_eq!((outcome.counts().errored, outcome.exit_code()), (0, ExitCode::Errored));
}

#[test]
fn what_is_there_twice_is_refused() {
    let first = record("a/events.jsonl", &green(1, 2, &["a"]));
    let twice = record("b/events.jsonl", &green(1, 2, &["b"]));
    assert_eq!(
        refusal([first.clone(), twice]),
        "a/events.jsonl and b/events.jsonl are both of part slice:1/2; give each part once"
    );
    let same_case = record("b/events.jsonl", &green(2, 2, &["a"]));
    assert_eq!(
        refusal([first.clone(), same_case]),
        "a/events.jsonl and b/events.jsonl both contain media::a; give records of different services, each once"
    );
    let other = record("b/events.jsonl", &green(2, 3, &["b"]));
    assert_eq!(
        refusal([first, other]),
        "a/events.jsonl is of part slice:1/2 and b/events.jsonl of part slice:2/3: they are not parts of one run; \
         give the records of one run"
    );
}

#[test]
fn runs_that_shared_nothing_are_put_side_by_side() {
    let (outcome, _) = merged([record("1.jsonl", &sample::one_passed()), record("2.jsonl", &sample::one_failed())]);
    assert_eq!(names(&outcome), ["jellyfin", "sonarr"]);
    assert_eq!((outcome.filtered_out, outcome.left_behind.len()), (4, 0));
}

#[test]
fn different_versions_are_told() {
    let (file, mut second) = record("2.jsonl", &green(2, 2, &["b"]));
    let Fact::RunStarted { version, .. } = &mut second.events[0].fact else { panic!("a run begins") };
    *version = "0.2.0".to_owned();
    let (outcome, notes) = merged([record("1.jsonl", &green(1, 2, &["a"])), (file, second)]);
    assert_eq!(notes, ["the records are of different versions of rehearsa: 0.1.0 (1.jsonl), 0.2.0 (2.jsonl)"]);
    assert_eq!(outcome.version, "0.1.0, 0.2.0");
}

#[test]
fn a_merged_run_is_told_whole_in_every_report() {
    let MergedRun { events, .. } =
        merge(vec![record("1.jsonl", &green(1, 3, &["a"])), record("2.jsonl", &sample::one_failed())]).expect("merged");
    let report: Report = serde_json::from_str(&text(&events)).expect("a report");
    assert_eq!(report.exit_code, Some(101));
    assert_eq!(report.left_behind[0].code, "run/part-missing");
    assert_eq!(report.left_behind[0].message, "there are no records of the parts slice:2/3, slice:3/3");
}

#[test]
fn the_only_record_of_a_run_gives_that_run_again() {
    for (name, events) in sample::ended().into_iter().filter(|(name, _)| *name != "everything") {
        let (outcome, notes) = merged([record("1.jsonl", &events)]);
        assert_eq!(outcome, sample::outcome(&events), "{name}");
        assert_eq!(notes, Vec::<String>::new());
    }
}

#[test]
fn each_case_keeps_its_own_steps_although_every_job_counts_from_one() {
    let (web, db) = (sample::name("shop", "web"), sample::name("files", "db"));
    let events = |case: &ServiceName, result: StepResult| {
        let mut script = Script::run(vec![sample::info(case)]);
        script.begin(case);
        let first = script.open(&[case], Step::Network);
        let second = script.open(&[case], Step::Worker);
        script.wait(1.0).close(second, result).close(first, StepResult::done()).end(case).over()
    };
    let broken = sample::broke(&Diagnosis::new(Code::WorkerFailed, "the worker's container ended with 137"));
    let (outcome, _) =
        merged([record("1.jsonl", &events(&web, broken.clone())), record("2.jsonl", &events(&db, StepResult::done()))]);
    let results: Vec<Vec<Option<StepResult>>> =
        outcome.cases.iter().map(|case| case.steps.iter().map(|step| step.result.clone()).collect()).collect();
    let done = || Some(StepResult::done());
    assert_eq!(results, [vec![done(), Some(broken)], vec![done(), done()]]);
    assert_eq!(outcome.cases[1].verdict(), Verdict::Errored, "no proof was had");
    let mut numbers: Vec<u64> = outcome.cases.iter().flat_map(|case| &case.steps).map(|step| step.id).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[test]
fn of_two_signals_the_first_part_s_is_told_and_other_jobs_go_on() {
    let interrupted = |index, signal| {
        let mut events = part(sample::interrupted_late(), index, 2);
        for event in &mut events {
            match &mut event.fact {
                Fact::Interrupted { signal: of_sample } => *of_sample = signal,
                Fact::RunStarted { cases, .. } => cases.clear(),
                _ => {}
            }
        }
        events
    };
    let records = [record("2.jsonl", &interrupted(2, 2)), record("1.jsonl", &interrupted(1, 15))];
    let (outcome, _) = merged(records.clone());
    assert_eq!(outcome.interrupted, Some(15));
    let MergedRun { events, .. } = merge(records.to_vec()).expect("they belong together");
    let last: Vec<&Fact> = events.iter().rev().take(2).map(|event| &event.fact).collect();
    assert_eq!(last, [&Fact::RunFinished, &Fact::Interrupted { signal: 15 }]);
}
