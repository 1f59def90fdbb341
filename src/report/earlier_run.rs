//! Reads the result of an earlier run, from its record or its JSON report.

use jiff::Timestamp;
use serde::Deserialize;

use super::comparison::baseline_of;
use super::events::read::{self, RecordProblem};
use super::json::schema::SCHEMA_VERSION;
use super::not_green::JsonReportError;
use crate::model::baseline::{Baseline, EarlierCase};
use crate::model::verdict::Verdict;

/// The result of the run whose record or JSON report `text` is; `file` is its name for messages.
///
/// # Errors
///
/// When `text` is neither, with the reason.
pub fn read(file: &str, text: &[u8]) -> Result<Baseline, String> {
    match read::read(file, text) {
        Ok(record) => Ok(baseline_of(&record.outcome())),
        Err(error) if matches!(error.problem, RecordProblem::JsonReport | RecordProblem::NoRecord) => {
            of_json_report(text).map_err(|error| format!("{file}: {error}"))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// The part of a JSON report that is needed here.
#[derive(Deserialize)]
struct Report {
    schema_version: u32,
    #[serde(default)]
    started: Option<Timestamp>,
    #[serde(default)]
    exit_code: Option<u8>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    verdict: String,
    #[serde(default)]
    ready_after: Option<f64>,
    restored: Restored,
}

#[derive(Deserialize)]
struct Restored {
    bytes: u64,
}

fn of_json_report(text: &[u8]) -> Result<Baseline, JsonReportError> {
    let report: Report = serde_json::from_slice(text).map_err(JsonReportError::NoReport)?;
    if report.schema_version > SCHEMA_VERSION {
        return Err(JsonReportError::Newer { version: report.schema_version });
    }
    let cases = report.cases.into_iter().map(|case| EarlierCase {
        verdict: match case.verdict.as_str() {
            "passed" => Verdict::Passed,
            "failed" => Verdict::Failed,
            "skipped" => Verdict::Skipped,
            // What had not ended is known no better than what errored.
            _ => Verdict::Errored,
        },
        name: case.name,
        ready_after: case.ready_after,
        bytes: case.restored.bytes,
    });
    Ok(Baseline { started: report.started, exit_code: report.exit_code, cases: cases.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::json::fill;
    use crate::report::sample;

    #[test]
    fn a_record_and_its_report_tell_the_same() {
        for (name, events) in sample::ended() {
            let outcome = sample::outcome(&events);
            let report = serde_json::to_vec(&fill::report(&outcome)).expect("JSON");
            let read = read("x", &report).expect(name);
            let mut expected = baseline_of(&outcome);
            for case in &mut expected.cases {
                case.ready_after = case.ready_after.map(crate::report::units::thousandths);
            }
            assert_eq!(read, expected, "{name}");
        }
    }

    #[test]
    fn what_is_neither_is_refused_by_its_name() {
        for text in ["", "{}", "<html>", "{\"schema_version\": 9, \"cases\": []}", "{\"events_version\": 9}"] {
            let error = read("x.json", text.as_bytes()).expect_err(text);
            assert!(error.starts_with("x.json: "), "{error}");
        }
    }

    #[test]
    fn reports_and_records_of_the_first_release_are_read() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reports");
        for file in ["json-v1.json", "events-v1.jsonl"] {
            let text = std::fs::read(folder.join(file)).expect("the fixture is there");
            assert!(!read(file, &text).expect(file).cases.is_empty());
        }
    }
}
