//! What is in the document. That it fits the format's schema is seen in `report::valid`.

use serde_json::{Value, json};

use super::*;
use crate::model::event::Event;
use crate::report::sample::{self, HOSTILE};

fn value(events: &[Event]) -> Value {
    serde_json::from_str(&sample::written(events, Ctrf)).expect("JSON")
}

#[test]
fn a_run_field_by_field() {
    let report = value(&sample::mixed());
    assert_eq!((&report["reportFormat"], &report["specVersion"]), (&json!("CTRF"), &json!("0.0.0")));
    assert_eq!(report["timestamp"], "2026-01-02T03:04:28.100Z");
    assert_eq!(report["results"]["tool"], json!({"name": "rehearsa", "version": "0.1.0"}));
    let summary = &report["results"]["summary"];
    for (field, expected) in [("tests", 4), ("passed", 1), ("failed", 2), ("skipped", 1), ("pending", 0), ("other", 0)]
    {
        assert_eq!(summary[field], expected, "{field}");
    }
    assert_eq!((&summary["start"], &summary["duration"]), (&json!(1_767_323_045_000_i64), &json!(23_100)));
    assert_eq!((&summary["extra"]["errored"], &summary["extra"]["exitCode"]), (&json!(1), &json!(101)));
    let tests = report["results"]["tests"].as_array().expect("a list");
    let statuses: Vec<(&str, &str)> = tests
        .iter()
        .map(|test| (test["status"].as_str().expect("text"), test["rawStatus"].as_str().expect("text")))
        .collect();
    assert_eq!(statuses, [("passed", "passed"), ("failed", "failed"), ("failed", "errored"), ("skipped", "skipped")]);
    let failed = &tests[1];
    assert_eq!((&failed["name"], &failed["suite"]), (&json!("media::sonarr"), &json!(["media"])));
    assert_eq!(failed["message"], "boot/exited: sonarr exited with 1 after 2.1 s");
    assert!(failed["trace"].as_str().expect("text").contains("Known cause: the database file is damaged"));
    assert_eq!((&failed["duration"], &failed["retries"], &failed["flaky"]), (&json!(4100), &json!(0), &json!(false)));
    assert_eq!(failed["steps"][1]["status"], "failed");
    assert_eq!(failed["extra"]["code"], "boot/exited");
    assert_eq!((&tests[0]["filePath"], &tests[0]["line"]), (&json!("compose.yaml"), &json!(7)));
    assert_eq!(tests[3]["message"], "it needs the Docker socket");
}

#[test]
fn a_flaky_case_has_its_attempts() {
    let report = value(&sample::everything());
    let test = &report["results"]["tests"][4];
    assert_eq!((&test["status"], &test["flaky"], &test["retries"]), (&json!("passed"), &json!(true), &json!(1)));
    let attempt = &test["retryAttempts"][0];
    assert_eq!((&attempt["attempt"], &attempt["status"]), (&json!(1), &json!("failed")));
    assert_eq!((&attempt["extra"]["rawStatus"], &attempt["duration"]), (&json!("errored"), &json!(500)));
    assert_eq!(report["results"]["summary"]["flaky"], 1);
}

#[test]
fn what_was_left_behind_is_a_failed_test() {
    let report = value(&sample::left_behind());
    let test = report["results"]["tests"].as_array().expect("a list").last().expect("some");
    assert_eq!((&test["name"], &test["suite"]), (&json!("teardown"), &json!(["rehearsa"])));
    assert_eq!((&test["status"], &test["rawStatus"]), (&json!("failed"), &json!("errored")));
    assert_eq!(report["results"]["summary"]["tests"], 5);
}

#[test]
fn what_had_not_ended_is_not_green() {
    let outcome = sample::outcome(&sample::killed());
    let document = document(&outcome, sample::at(30.0));
    let raw: Vec<&str> = document.results.tests.all().map(|test| test.raw_status).collect();
    assert_eq!(raw, ["passed", "running", "waiting", "errored"], "the last is the run itself");
    let summary = document.results.summary;
    assert_eq!((summary.passed, summary.failed, summary.pending), (1, 2, 1));
    assert!(!summary.extra.contains_key("exitCode"));
}

#[test]
fn hostile_text_is_clean_and_capped() {
    let report = value(&sample::hostile());
    let test = &report["results"]["tests"][0];
    let text = test.to_string();
    assert!(!text.contains("\\u001b") && !text.contains("\\u0000") && !text.contains('\u{ffff}'), "{}", &text[..3000]);
    let log: usize = test["stdout"].as_array().expect("a list").iter().map(|line| line.to_string().len()).sum();
    assert!(log < 2 * text::LOG_CAP, "{log}");
    assert!(HOSTILE.contains("red") && test["message"].as_str().expect("text").contains("red"));
}
