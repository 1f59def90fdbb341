//! `--rerun-failed`: the services that were not green in an earlier run.

use std::path::Path;

use super::exit::Failure;
use super::replay;
use crate::report::events::read::{RecordProblem, read};
use crate::report::not_green::{of_json_report, of_record};

/// The names of all services of the run that were not green: failed, errored, or not finished. `path` is the record
/// of the run, its JSON report, or the folder of its reports.
pub fn not_green(path: &Path) -> Result<Vec<String>, Failure> {
    let path = replay::record_file(path);
    let file = replay::called(&path);
    let refuse = |why: String| {
        Failure::usage(format!("--rerun-failed: {why}"))
            .hint("give the record (events.jsonl) or the JSON report of an earlier run, or its --report-dir")
    };
    let text = replay::read(&path).map_err(|failure| refuse(failure.error.to_string()))?;
    match read(&file, &text) {
        Ok(record) => Ok(of_record(&record)),
        Err(error) if matches!(error.problem, RecordProblem::JsonReport | RecordProblem::NoRecord) => {
            of_json_report(&text).map_err(|error| refuse(format!("{file}: {error}")))
        }
        Err(error) => Err(refuse(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reports").join(name)
    }

    #[test]
    fn a_record_its_report_and_their_folder_name_the_same_services() {
        let by_record = not_green(&fixture("events-v1.jsonl")).expect("a record");
        assert_eq!(not_green(&fixture("report.json")).expect("a report"), by_record);
        assert_eq!(by_record.len(), 5, "{by_record:?}");
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::copy(fixture("events-v1.jsonl"), dir.path().join("events.jsonl")).expect("copied");
        assert_eq!(not_green(dir.path()).expect("a folder of reports"), by_record);
    }

    #[test]
    fn what_cannot_be_used_is_told_with_what_to_give() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("x");
        for (content, words) in [
            ("", "x: the file is empty"),
            ("<testsuites>", "x: this is neither the record of a run (events.jsonl) nor its JSON report"),
            ("{\"schema_version\": 9}", "x: this report is of version 9"),
            ("{\"events_version\": 9}", "x: this record is of version 9"),
        ] {
            std::fs::write(&file, content).expect("written");
            let refusal = not_green(&file).expect_err(words).render(false);
            assert!(refusal.contains("error: --rerun-failed: ") && refusal.contains(words), "{refusal}");
            assert!(refusal.contains("give the record (events.jsonl) or the JSON report"), "{refusal}");
        }
        let missing = not_green(dir.path()).expect_err("no record in it").render(false);
        assert!(missing.contains("cannot read ") && missing.contains("events.jsonl"), "{missing}");
    }
}
