//! All recorded runs fit the schemas of the forms that have one, by a validator that others use: `check-jsonschema`, which
//! `ci/setup` installs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Reporter;
use super::ctrf::Ctrf;
use super::json::Json;
use super::rewritten::Rewritten;
use super::sample;
use super::target::Whole;
use crate::model::event::{Event, Fact};
use crate::model::outcome::Outcome;

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
fn written(folder: &Path, reporter: impl Fn(Whole) -> Box<dyn Reporter>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for (name, events) in sample::all() {
        for (name, events) in
            [(name.to_owned(), &events[..]), (format!("{name}-begin"), &events[..events.len().min(3)])]
        {
            let path = folder.join(format!("{name}.json"));
            let mut reporter = reporter(Whole::file(&path).expect("opens"));
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
    let mut files = written(folder.path(), |whole| Box::new(Rewritten::new("JSON".to_owned(), whole, Json)));
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
    let files = written(folder.path(), |whole| Box::new(Rewritten::new("CTRF".to_owned(), whole, Ctrf)));
    let schema = project("fixtures/reports/ctrf.schema.json");
    assert_eq!(objections(&schema, &files), None);
    let text = fs::read_to_string(&files[0]).expect("written");
    for (from, to) in [("\"summary\"", "\"own\": 1, \"summary\""), ("\"passed\"", "\"errored\"")] {
        let path = folder.path().join("changed.json");
        fs::write(&path, text.replacen(from, to, 1)).expect("written");
        assert!(objections(&schema, &[path]).is_some(), "{from}");
    }
}
