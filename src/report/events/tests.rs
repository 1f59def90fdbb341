//! What is in a log, and that it gives the same run again.

use std::path::Path;

use serde_json::Value;

use super::read::{RunRecord, read};
use super::*;
use crate::model::outcome::Verdict;
use crate::report::json::fill;
use crate::report::sample::{self, Paper};

fn log(events: &[Event]) -> String {
    let paper = Paper::default();
    sample::play(events, &mut EventsReporter::new("event".to_owned(), Box::new(paper.clone())));
    paper.text()
}

#[test]
fn generated_schema_is_committed() {
    let schema = schemars::schema_for!(Line<'_>);
    let mut made = serde_json::to_string_pretty(&schema).expect("a schema has string keys only, so it serializes");
    made.push('\n');
    crate::model::generated::check("src/report/events/events.schema.json", &made);
}

fn refusal(text: &str) -> String {
    read("run.jsonl", text.as_bytes()).expect_err(text).to_string()
}

#[test]
fn a_line_an_event_and_the_first_tells_the_version() {
    let log = log(&sample::mixed());
    assert!(
        log.starts_with("{\"events_version\":1,\"at\":\"2026-01-02T03:04:05Z\",\"event\":\"run-started\""),
        "{log}"
    );
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), sample::mixed().len());
    assert!(lines[1..].iter().all(|line| line.get("events_version").is_none()));
    assert_eq!(lines.last().expect("some")["event"], "run-finished");
}

#[test]
fn what_was_written_is_read_back() {
    for events in [sample::everything(), sample::hostile(), sample::nothing(), sample::left_behind()] {
        let read = read("run.jsonl", log(&events).as_bytes()).expect("a log");
        assert_eq!(read, RunRecord { events, ended: true });
    }
}

#[test]
fn a_log_of_version_1_is_still_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reports/events-v1.jsonl");
    let log = read("old", &std::fs::read(path).expect("the fixture is there")).expect("read");
    assert!(log.ended);
    let outcome = sample::outcome(&log.events);
    let verdicts: Vec<Verdict> = outcome.cases.iter().map(|case| case.verdict()).collect();
    let (passed, failed) = (Verdict::Passed, Verdict::Failed);
    let (errored, skipped) = (Verdict::Errored, Verdict::Skipped);
    assert_eq!(verdicts, [passed, failed, errored, skipped, passed, failed, errored, skipped]);
    assert_eq!((outcome.counts().flaky, outcome.left_behind.len(), outcome.interrupted), (1, 1, Some(15)));
    assert_eq!(outcome.exit_code().number(), 143);
}

#[test]
fn fields_that_nobody_knows_are_ignored() {
    let later: String = log(&sample::everything())
        .lines()
        .map(|line| {
            let mut line: Value = serde_json::from_str(line).expect("JSON");
            line["of_a_later_version"] = serde_json::json!({"a": [1]});
            format!("{line}\n")
        })
        .collect();
    assert_eq!(read("run.jsonl", later.as_bytes()).expect("a log").events, sample::everything());
}

#[test]
fn a_log_without_its_end_is_read_as_far_as_it_goes() {
    let whole = log(&sample::killed());
    assert_eq!(read("x", whole.as_bytes()).expect("a log"), RunRecord { events: sample::killed(), ended: false });
    let all = sample::killed();
    let last_begin = whole.trim_end().rfind('\n').expect("several lines") + 1;
    for cut in last_begin + 1..whole.len() - 1 {
        let log = read("x", &whole.as_bytes()[..cut]).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert_eq!(log, RunRecord { events: all[..all.len() - 1].to_vec(), ended: false }, "cut at {cut}");
    }
}

#[test]
fn damage_is_told_with_its_line() {
    let whole = log(&sample::mixed());
    let mut lines: Vec<&str> = whole.lines().collect();
    let half = &lines[4][..lines[4].len() / 2];
    lines[4] = half;
    assert!(refusal(&lines.join("\n")).starts_with("run.jsonl, line 5: this line is damaged"));
    let last = format!("{whole}xx");
    assert!(refusal(&last).contains(&format!("line {}: this line is damaged", whole.lines().count() + 1)));
    let blank = whole.replacen('\n', "\n\n", 1);
    assert!(refusal(&blank).starts_with("run.jsonl, line 2: "), "{}", refusal(&blank));
    let unknown = whole.replacen("case-started", "case-enchanted", 1);
    assert!(refusal(&unknown).starts_with("run.jsonl, line 2: this rehearsa does not understand"));
}

#[test]
fn what_is_no_log_of_one_run_is_refused() {
    let whole = log(&sample::one_passed());
    assert_eq!(refusal(""), "run.jsonl: the file is empty, so it is not the record of a run");
    assert_eq!(refusal("\n"), refusal(""));
    for other in ["{}", "<testsuites>", &whole[..40], whole.split_once('\n').expect("lines").1] {
        assert!(
            refusal(other).starts_with("run.jsonl: this is not the record of a run; "),
            "{other}: {}",
            refusal(other)
        );
    }
    assert!(refusal(&whole.replacen("version\":1", "version\":2", 1)).contains("this record is of version 2"));
    let report = serde_json::to_string_pretty(&fill::report(&sample::outcome(&sample::mixed()))).expect("JSON");
    assert_eq!(refusal(&report), "run.jsonl: this is the JSON report of a run, not its record");
    assert!(refusal(&report[..report.len() / 2]).starts_with("run.jsonl: this is not the record of a run; "));
    let count = whole.lines().count();
    assert!(refusal(&format!("{whole}{whole}")).contains(&format!("line {}: ", count + 1)));
    let ended = whole.lines().last().expect("some");
    assert!(refusal(&format!("{whole}{ended}\n")).contains("the run ended in an earlier line"));
    let killed = log(&sample::killed());
    assert!(refusal(&format!("{killed}{killed}")).contains("another run begins here"));
}
