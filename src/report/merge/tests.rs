//! Jobs that shared the work, joined again.

use super::*;
use crate::model::outcome::{ExitCode, Outcome, Verdict};
use crate::report::json::read::parse;
use crate::report::json::tests::text;
use crate::report::sample::{self, Script};

/// A job's report: part `index` of `total`, with these services, all green.
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

fn report(file: &str, events: &[Event]) -> (String, Report) {
    let killed = events.iter().all(|event| event.fact != Fact::RunFinished);
    let text = if killed {
        serde_json::to_string(&crate::report::json::fill::report(&sample::outcome(events))).expect("JSON")
    } else {
        text(events)
    };
    (file.to_owned(), parse(text.as_bytes()).expect("a report"))
}

fn joined(reports: &[(String, Report)]) -> (Outcome, Vec<String>) {
    let Joined { events, notes } = join(reports).expect("they belong together");
    (sample::outcome(&events), notes)
}

fn refusal(reports: &[(String, Report)]) -> String {
    join(reports).expect_err("refused").to_string()
}

fn names(outcome: &Outcome) -> Vec<&str> {
    outcome.cases.iter().map(|case| case.info.name.service.as_str()).collect()
}

#[test]
fn all_parts_make_the_run_whatever_their_order() {
    let first = report("1.json", &green(1, 2, &["a", "c", "e"]));
    let second = report("2.json", &green(2, 2, &["b", "d"]));
    let (outcome, notes) = joined(&[first.clone(), second.clone()]);
    assert_eq!(names(&outcome), ["a", "b", "c", "d", "e"], "the order before they were dealt out");
    assert_eq!((outcome.counts().passed, outcome.exit_code()), (5, ExitCode::Passed));
    assert_eq!((outcome.partition, outcome.threads, outcome.filtered_out), (None, 2, 2));
    assert_eq!((outcome.started, outcome.finished), (Some(sample::at(0.0)), Some(sample::at(3.0 * 18.4))));
    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(joined(&[second, first]).0.cases, outcome.cases);
}

#[test]
fn one_judge_for_all_parts() {
    let failed = report("2.json", &part(sample::one_failed(), 2, 2));
    let (outcome, _) = joined(&[report("1.json", &green(1, 2, &["a"])), failed]);
    assert_eq!(outcome.exit_code(), ExitCode::Failed);
    let interrupted = report("2.json", &part(sample::interrupted(), 2, 2));
    let (outcome, _) = joined(&[report("1.json", &green(1, 2, &["a"])), interrupted]);
    assert_eq!(outcome.exit_code(), ExitCode::Interrupted);
    let empty = report("2.json", &part(sample::nothing(), 2, 2));
    let (outcome, _) = joined(&[report("1.json", &green(1, 2, &["a"])), empty.clone()]);
    assert_eq!(outcome.exit_code(), ExitCode::Passed, "a part may be empty");
    let (outcome, _) = joined(&[report("1.json", &part(sample::nothing(), 1, 2)), empty]);
    assert_eq!(outcome.exit_code(), ExitCode::NothingSelected, "the whole may not");
}

#[test]
fn a_missing_part_could_not_be_found_out() {
    let (outcome, _) = joined(&[report("1.json", &green(1, 3, &["a"])), report("3.json", &green(3, 3, &["c"]))]);
    assert_eq!(outcome.exit_code(), ExitCode::Errored);
    let [diagnosis] = &outcome.left_behind[..] else { panic!("{:?}", outcome.left_behind) };
    assert_eq!(diagnosis.to_string(), "run/part-missing: there is no report of part slice:2/3");
    let (outcome, _) = joined(&[report("1.json", &green(4, u64::MAX, &["a"]))]);
    let words = &outcome.left_behind[0].message;
    assert!(words.starts_with("there are no reports of the parts slice:1/18446744073709551615, "), "{words}");
    assert!(words.ends_with(" and 18446744073709551604 more"), "{words}");
}

#[test]
fn what_a_killed_job_left_open_could_not_be_found_out() {
    let (outcome, notes) =
        joined(&[report("1.json", &green(1, 2, &["a"])), report("2.json", &part(sample::killed(), 2, 2))]);
    let verdicts: Vec<(&str, Verdict)> =
        names(&outcome).into_iter().zip(outcome.cases.iter().map(|case| case.verdict())).collect();
    let (passed, errored) = (Verdict::Passed, Verdict::Errored);
    assert_eq!(verdicts, [("a", passed), ("jellyfin", passed), ("sonarr", errored), ("radarr", errored)]);
    let diagnosis = outcome.cases[2].diagnosis().expect("it errored");
    assert_eq!(diagnosis.message, "2.json ends before this rehearsal did: its job was killed");
    assert_eq!(outcome.cases[2].finished, Some(sample::at(18.4)), "the last that is known of its job");
    assert_eq!(outcome.exit_code(), ExitCode::Errored);
    assert_eq!(outcome.left_behind.len(), 1);
    assert_eq!(notes, ["2.json has no end: the job that wrote it was killed"]);
    // All its cases had ended, but not the job.
    let mut whole = green(2, 2, &["b"]);
    whole.pop();
    let (outcome, _) = joined(&[report("1.json", &green(1, 2, &["a"])), report("2.json", &whole)]);
    assert_eq!((outcome.counts().errored, outcome.exit_code()), (0, ExitCode::Errored));
}

#[test]
fn what_is_there_twice_is_refused() {
    let first = report("a/report.json", &green(1, 2, &["a"]));
    let twice = report("b/report.json", &green(1, 2, &["b"]));
    assert_eq!(
        refusal(&[first.clone(), twice]),
        "a/report.json and b/report.json are both of part slice:1/2; give each part once"
    );
    let same_case = report("b/report.json", &green(2, 2, &["a"]));
    assert_eq!(
        refusal(&[first.clone(), same_case]),
        "a/report.json and b/report.json both tell of media::a; give reports of different services, each once"
    );
    let other = report("b/report.json", &green(2, 3, &["b"]));
    assert_eq!(
        refusal(&[first, other]),
        "a/report.json is of part slice:1/2 and b/report.json of part slice:2/3: they are not parts of one run"
    );
}

#[test]
fn runs_that_shared_nothing_are_put_side_by_side() {
    let (outcome, _) = joined(&[report("1.json", &sample::one_passed()), report("2.json", &sample::one_failed())]);
    assert_eq!(names(&outcome), ["jellyfin", "sonarr"]);
    assert_eq!((outcome.filtered_out, outcome.left_behind.len()), (4, 0));
}

#[test]
fn different_versions_are_told() {
    let (file, mut second) = report("2.json", &green(2, 2, &["b"]));
    second.tool.version = "0.2.0".to_owned();
    let (outcome, notes) = joined(&[report("1.json", &green(1, 2, &["a"])), (file, second)]);
    assert_eq!(notes, ["the reports are of different versions of rehearsa: 0.1.0 (1.json), 0.2.0 (2.json)"]);
    assert_eq!(outcome.version, "0.1.0, 0.2.0");
}

#[test]
fn a_joined_run_is_told_whole_in_every_report() {
    let Joined { events, .. } =
        join(&[report("1.json", &green(1, 3, &["a"])), report("2.json", &sample::one_failed())]).expect("joined");
    let report = parse(text(&events).as_bytes()).expect("a report");
    assert_eq!(report.exit_code, Some(101));
    assert_eq!(report.left_behind[0].code, "run/part-missing");
    assert_eq!(report.left_behind[0].message, "there are no reports of the parts slice:2/3, slice:3/3");
    let again = sample::outcome(&crate::report::json::read::events(&report).expect("understood"));
    assert_eq!(again.left_behind, sample::outcome(&events).left_behind);
}
