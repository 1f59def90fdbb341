//! The reports of all recorded runs and all plan files are valid by their schemas. The validator is
//! `check-jsonschema`, which `ci/setup` installs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::recorded as sample;
use rehearsa::model::event::{Amount, Event, Fact};
use rehearsa::model::outcome::Outcome;
use rehearsa::model::profile::{MountProfile, Profile};
use rehearsa::report::Reporter;
use rehearsa::report::comparison::baseline_of;
use rehearsa::report::ctrf::Ctrf;
use rehearsa::report::events::EventsReporter;
use rehearsa::report::json::Json;
use rehearsa::report::snapshot_file::SnapshotReport;
use rehearsa::report::target::{AtomicFile, Naming};

/// Where the fixtures and the tools are.
fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What the validator says; `None` when it has nothing against the files.
fn objections(schema: &Path, files: &[PathBuf]) -> Option<String> {
    let tool = project("target/tools/venv/bin/check-jsonschema");
    let output = Command::new(&tool).arg("--schemafile").arg(schema).args(files).output();
    let output = output.unwrap_or_else(|error| panic!("{} (ci/setup installs it): {error}", tool.display()));
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Each recorded run in a file: at its end, and as it was at its begin.
fn written(folder: &Path, reporter: impl Fn(AtomicFile) -> Box<dyn Reporter>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for (name, events) in sample::all() {
        for (name, events) in
            [(name.to_owned(), &events[..]), (format!("{name}-begin"), &events[..events.len().min(3)])]
        {
            let path = folder.join(format!("{name}.json"));
            let mut reporter = reporter(AtomicFile::file(&path, Naming::User).expect("opens"));
            let mut outcome = Outcome::new();
            for event in events {
                outcome.apply(event);
            }
            // As when a log without an end is replayed: whatever the outcome is, it is written.
            let at = events.last().expect("some").at;
            reporter.event(&Event { at, fact: Fact::RunFinished }, &outcome).expect("written");
            files.push(path);
        }
    }
    files
}

#[test]
fn json_reports_fit_their_schema() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = written(folder.path(), |whole| Box::new(SnapshotReport::new("JSON".to_owned(), whole, Json)));
    // Reports of earlier versions fit the schema of today.
    files.extend([project("fixtures/reports/json-v1.json"), project("fixtures/reports/report.json")]);
    assert_eq!(objections(&project("src/report/json/report.schema.json"), &files), None);
}

#[test]
fn a_schema_is_open_for_new_fields_and_closed_for_wrong_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let sample = fs::read_to_string(project("fixtures/reports/report.json")).expect("the fixture is there");
    let path = folder.path().join("changed.json");
    let check = |from: &str, to: &str| {
        assert!(sample.contains(from), "{from}");
        fs::write(&path, sample.replacen(from, to, 1)).expect("written");
        objections(&project("src/report/json/report.schema.json"), std::slice::from_ref(&path))
    };
    assert_eq!(check("\"session\":", "\"of_a_later_version\": [1], \"session\":"), None);
    assert!(check("\"verdict\": \"failed\"", "\"verdict\": \"dubious\"").is_some());
    assert!(check("\"session\":", "\"season\":").is_some());
    assert!(check("\"started\": \"2026-", "\"started\": \"tomorrow-").is_some());
}

#[test]
fn ctrf_reports_fit_its_schema() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = written(folder.path(), |whole| Box::new(SnapshotReport::new("CTRF".to_owned(), whole, Ctrf)));
    let schema = project("fixtures/reports/ctrf.schema.json");
    assert_eq!(objections(&schema, &files), None);
    let text = fs::read_to_string(&files[0]).expect("written");
    for (from, to) in [("\"summary\"", "\"own\": 1, \"summary\""), ("\"passed\"", "\"errored\"")] {
        let path = folder.path().join("changed.json");
        fs::write(&path, text.replacen(from, to, 1)).expect("written");
        assert!(objections(&schema, &[path]).is_some(), "{from}");
    }
}

#[test]
fn every_line_of_a_log_fits_the_schema_and_a_wrong_one_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let schema = project("src/report/events/events.schema.json");
    let mut logs: Vec<String> = Vec::new();
    for (_, events) in sample::all() {
        let paper = sample::Paper::default();
        sample::play(&events, &mut EventsReporter::new("events".to_owned(), Box::new(paper.clone())));
        logs.push(paper.text());
    }
    // What was written first fits the schema of today.
    logs.push(fs::read_to_string(project("fixtures/reports/events-v1.jsonl")).expect("the fixture is there"));
    let file = |name: String, line: &str| {
        let path = folder.path().join(format!("{name}.json"));
        fs::write(&path, line).expect("written");
        path
    };
    let lines = logs.iter().flat_map(|log| log.lines());
    let files: Vec<PathBuf> = lines.enumerate().map(|(nth, line)| file(nth.to_string(), line)).collect();
    assert_eq!(objections(&schema, &files), None);
    let kinds: BTreeSet<String> = sample::all().into_iter().flat_map(|(_, events)| events).map(kind).collect();
    let known: serde_json::Value = serde_json::from_slice(&fs::read(&schema).expect("there")).expect("JSON");
    let known = known["oneOf"].as_array().expect("kinds").iter();
    let known: BTreeSet<String> =
        known.map(|kind| kind["properties"]["event"]["const"].as_str().expect("a name").to_owned()).collect();
    let unseen: Vec<&String> = known.difference(&kinds).collect();
    let below = [
        "baseline-read",
        "case-profiled",
        "missing-data-noticed",
        "passed-without-data",
        "sandbox-kept",
        "step-progress",
    ];
    assert_eq!(unseen, below, "seen below");
    let progress = Fact::StepProgress { id: 1, amount: Amount { files: 1, bytes: 2 }, total: None };
    let kept = Fact::SandboxKept { stack: "media".to_owned(), hints: vec![("sh".to_owned(), "look".to_owned())] };
    let blind = Fact::PassedWithoutData { case: sample::name("media", "web"), checks: vec!["any".to_owned()] };
    let noticed = Fact::MissingDataNoticed { case: sample::name("media", "web") };
    let profile = Box::new(Profile { mounts: vec![MountProfile::default()], ..Profile::default() });
    let profiled = Fact::CaseProfiled {
        case: sample::name("media", "web"),
        profile,
        earlier: None,
        not_compared: vec!["/data: too many folders".to_owned()],
        has_history: true,
    };
    let earlier = baseline_of(&sample::outcome(&sample::mixed()));
    let compared = Fact::BaselineRead { baseline: Box::new(earlier) };
    for fact in [progress, kept, blind, noticed, profiled, compared] {
        let event = Event { at: sample::at(0.0), fact };
        let line = serde_json::to_string(&event).expect("it serializes");
        assert_eq!(objections(&schema, &[file(kind(event), &line)]), None, "{line}");
    }
    let begin = logs[0].lines().next().expect("a begin");
    for (from, to) in [
        ("\"event\":\"run-started\"", "\"event\":\"run-dreamt\""),
        ("\"session\":", "\"season\":"),
        ("\"threads\":1", "\"threads\":\"one\""),
        ("\"at\":\"2026-", "\"at\":\"tomorrow-"),
    ] {
        assert!(begin.contains(from), "{from} in {begin}");
        let wrong = file("wrong".to_owned(), &begin.replacen(from, to, 1));
        assert!(objections(&schema, &[wrong]).is_some(), "{to}");
    }
    let later = file("later".to_owned(), &begin.replacen('{', "{\"of_a_later_version\": [1], ", 1));
    assert_eq!(objections(&schema, &[later]), None);
}

/// The plan files of a folder of the fixtures.
fn plan_files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(project(folder)).expect("the fixtures are there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("the fixtures are readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "toml"));
    assert!(!paths.is_empty());
    paths
}

#[test]
fn the_schema_of_plan_files_takes_what_is_right_and_refuses_what_is_wrong() {
    let schema = project("src/config/plan_file/rehearsa.schema.json");
    assert_eq!(objections(&schema, &plan_files("fixtures/plans")), None);
    let wrong = plan_files("fixtures/plans/bad");
    let said = objections(&schema, &wrong).expect("they are wrong");
    for file in wrong {
        assert!(said.contains(&file.display().to_string()), "{}: {said}", file.display());
    }
}

/// The name of an event's kind.
fn kind(event: Event) -> String {
    let value = serde_json::to_value(event).expect("it serializes");
    value["event"].as_str().expect("it has a kind").to_owned()
}
