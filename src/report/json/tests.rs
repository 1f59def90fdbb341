//! What is in the document, and that readers can rely on it.

use std::path::Path;

use serde_json::{Value, json};

use super::schema::{Case, Report};
use super::*;
use crate::model::event::Event;
use crate::model::generated;
use crate::report::Reporter;
use crate::report::sample::{self, HOSTILE};
use crate::report::snapshot_file::SnapshotReport;
use crate::report::target::AtomicFile;

pub fn text(events: &[Event]) -> String {
    sample::written(events, Json)
}

fn value(events: &[Event]) -> Value {
    serde_json::from_str(&text(events)).expect("JSON")
}

#[test]
fn a_mixed_run_field_by_field() {
    let report = value(&sample::mixed());
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["tool"], json!({"name": "rehearsa", "version": "0.1.0"}));
    assert_eq!(report["exit_code"], 101);
    assert_eq!(report["seconds"], 23.1);
    assert_eq!(
        report["counts"],
        json!({"total": 4, "passed": 1, "failed": 1, "errored": 1, "skipped": 1, "unfinished": 0, "flaky": 0,
            "without_backup": 1})
    );
    let case = &report["cases"][1];
    assert_eq!(case["name"], "media::sonarr");
    assert_eq!((&case["stack"], &case["service"]), (&json!("media"), &json!("sonarr")));
    assert_eq!(case["verdict"], "failed");
    assert_eq!(case["restored"], json!({"files": 1, "bytes": 1_200_000_000}));
    assert_eq!(
        case["steps"][0],
        json!({
            "step": "restore", "subject": "volume sonarr_config", "strategy": "copy", "source": "live", "check": null,
            "name": null, "asks": null, "of_data": false,
            "ports": [], "started": "2026-01-02T03:04:23.4Z", "finished": "2026-01-02T03:04:25.4Z", "seconds": 2.0,
            "result": "done", "note": null,
            "amount": {"files": 1, "bytes": 1_200_000_000}, "compared": null, "witness": null,
            "diagnosis": null,
        })
    );
    assert_eq!(case["steps"][1]["result"], "broke");
    assert_eq!(case["diagnosis"]["code"], "boot/exited");
    assert_eq!(case["diagnosis"]["severity"], "failed");
    assert_eq!(case["diagnosis"]["cause"]["meaning"], "the database file is damaged");
    assert_eq!(case["diagnoses"], json!([case["diagnosis"]]));
    assert_eq!(case["warnings"][0]["code"], "data/torn-copy");
    assert_eq!(case["changes"][0]["field"], "privileged");
    assert_eq!(report["cases"][0]["proof"], "healthy");
    let evidence = report["cases"][0]["evidence"].as_array().expect("a case that passed has some");
    let shown: Vec<_> =
        evidence.iter().map(|one| (one["level"].as_str().unwrap_or(""), one["shown"] == true)).collect();
    let levels = [
        ("restored", false),
        ("complete", false),
        ("matches-live", false),
        ("booted", true),
        ("healthy", true),
        ("data-proven", false),
    ];
    assert_eq!(shown, levels);
    assert_eq!(evidence[0]["by"], "a copy of the live service (412 files, 38 MB); no backup was read");
    assert_eq!(report["cases"][1]["evidence"], json!([]), "this one failed");
    assert_eq!(report["cases"][0]["declared"], json!({"file": "compose.yaml", "line": 7}));
    assert_eq!(report["cases"][3]["stack"], Value::Null);
    assert_eq!(report["cases"][3]["skipped"], "it needs the Docker socket");
}

#[test]
fn a_report_comes_back_as_it_was() {
    for (_, events) in sample::ended() {
        let report: Report = serde_json::from_str(&text(&events)).expect("the schema reads what it writes");
        assert_eq!(report, fill::report(&sample::outcome(&events)));
    }
}

#[test]
fn a_reader_ignores_fields_it_does_not_know() {
    fn add_unknown(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.values_mut().for_each(add_unknown);
                fields.insert("of_a_later_version".to_owned(), json!([1]));
            }
            Value::Array(values) => values.iter_mut().for_each(add_unknown),
            _ => {}
        }
    }
    let mut value = value(&sample::left_behind());
    add_unknown(&mut value);
    let report: Report = serde_json::from_value(value).expect("read");
    assert_eq!(report, fill::report(&sample::outcome(&sample::left_behind())));
}

#[test]
fn a_retried_case_has_its_attempts() {
    let report = value(&sample::everything());
    let (flaky, stubborn) = (&report["cases"][4], &report["cases"][5]);
    assert_eq!(
        (&report["counts"]["flaky"], &flaky["flaky"], &stubborn["flaky"]),
        (&json!(1), &json!(true), &json!(false))
    );
    assert_eq!(flaky["attempts"][0]["verdict"], "errored");
    assert_eq!(flaky["attempts"][0]["diagnosis"]["code"], "worker/failed");
    assert_eq!(flaky["attempts"][0]["steps"][0]["result"], "broke");
    assert_eq!((&stubborn["attempts"][0]["verdict"], &stubborn["verdict"]), (&json!("failed"), &json!("failed")));
    assert_eq!(flaky["snapshot"], json!({"id": "4f1c09d2", "time": "2026-01-01T03:04:05Z"}));
    assert_eq!(report["partition"], json!({"kind": "slice", "part": 1, "parts": 2}));
}

#[test]
fn a_report_of_the_first_release_is_still_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reports/json-v1.json");
    let old = std::fs::read(path).expect("the fixture is there");
    let old: Report = serde_json::from_slice(&old).expect("the fields that came later have defaults");
    // What the first release did not say yet.
    let mut new = fill::report(&sample::outcome(&sample::left_behind()));
    new.threads = 0;
    new.counts.without_backup = 0;
    new.stack_scores.clear();
    for case in &mut new.cases {
        (case.raised_by, case.evidence, case.data_from) = (None, Vec::new(), None);
        (case.no_score, case.ready_after) = (None, None);
        case.steps.iter_mut().for_each(|step| (step.finished, step.source) = (None, None));
    }
    // Two remedies in the words of the first release.
    new.cases[1].warnings[0].remedy =
        "Rehearse from a snapshot, or at a quiet time; databases usually recover from it, as after a power cut."
            .to_owned();
    new.left_behind[0].remedy =
        "Run `rehearsa clean` when the engine answers again; the message names what is left.".to_owned();
    assert_eq!(old, new);
}

#[test]
fn generated_sample_is_committed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reports");
    let log = std::fs::read(folder.join("events-v1.jsonl")).expect("the fixture is there");
    let log = crate::report::events::read::read("events-v1.jsonl", &log).expect("a log");
    generated::check("fixtures/reports/report.json", &text(&log.events));
}

#[test]
fn generated_schema_is_committed() {
    let schema = schemars::schema_for!(Report<Vec<Case>>);
    let mut made = serde_json::to_string_pretty(&schema).expect("a schema has string keys only, so it serializes");
    made.push('\n');
    generated::check("src/report/json/report.schema.json", &made);
}

#[test]
fn hostile_text_is_kept_as_it_was() {
    let report: Report = serde_json::from_str(&text(&sample::hostile())).expect("read");
    assert_eq!(report.cases[0].diagnosis.as_ref().expect("it failed").message, HOSTILE);
    assert_eq!(report.cases[0].log_tail[1].len(), 1_000_000);
    assert_eq!(report.cases[1].skipped.as_deref(), Some(HOSTILE));
}

#[test]
fn a_killed_run_leaves_a_report_without_an_exit_code() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("run.json");
    let mut reporter = SnapshotReport::new(
        "JSON".to_owned(),
        AtomicFile::file(&path, crate::report::target::Naming::User).expect("opens"),
        Json,
    );
    let mut outcome = Outcome::new();
    for event in sample::killed() {
        outcome.apply(&event);
        std::thread::sleep(std::time::Duration::from_millis(20));
        reporter.event(&event, &outcome).expect("written");
        let text = std::fs::read_to_string(&path).expect("there from the first event on");
        serde_json::from_str::<Report>(&text).expect("never anything but a whole document");
    }
    let report = fill::report(&outcome);
    assert_eq!((report.exit_code, report.finished), (None, None));
    assert_eq!(
        report.cases.iter().map(|case| case.verdict.as_str()).collect::<Vec<_>>(),
        ["passed", "running", "waiting"]
    );
    assert_eq!((report.counts.unfinished, report.counts.errored), (2, 0));
}

#[test]
fn signals_and_leftovers_are_told() {
    let report = value(&sample::interrupted());
    assert_eq!((&report["interrupted"], &report["exit_code"]), (&json!(2), &json!(130)));
    let report = value(&sample::left_behind());
    assert_eq!(report["left_behind"][0]["code"], "sandbox/left-behind");
}
