//! The cases of an earlier run that were not green: what `--rerun-failed` rehearses again.
//!
//! They failed, errored or did not end, or they never began because the run was interrupted or enough had failed.
//! Their names are in the record of the run, and in its JSON report for runs without a record.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::events::read::RunRecord;
use super::json::schema::SCHEMA_VERSION;
use super::wording::Progress;
use crate::model::outcome::Verdict;

/// A JSON report that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JsonReportError {
    /// Not JSON, or JSON of something else.
    #[error("this is neither the record of a run (events.jsonl) nor its JSON report ({0})")]
    NoReport(serde_json::Error),
    /// A report of a later version.
    #[error(
        "this report is of version {version}, and this rehearsa reads up to version {SCHEMA_VERSION}; use the rehearsa \
         that wrote it, or a later one"
    )]
    Newer {
        /// Its version.
        version: u32,
    },
}

/// The names of the cases in `record` that were not green, in the plan's order.
pub fn of_record(record: &RunRecord) -> Vec<String> {
    let outcome = record.outcome();
    let cases = outcome.cases.iter().filter(|case| match Progress::of(case, &outcome) {
        Progress::Ended(Verdict::Passed) => false,
        Progress::Ended(Verdict::Skipped) => case.not_started(),
        Progress::Ended(Verdict::Failed | Verdict::Errored) | Progress::Running | Progress::Waiting => true,
    });
    cases.map(|case| case.info.name.to_string()).collect()
}

/// The names of the cases in a JSON report that were not green, in the plan's order.
///
/// # Errors
///
/// When `text` is not a JSON report, or is one of a later version.
pub fn of_json_report(text: &[u8]) -> Result<Vec<String>, JsonReportError> {
    #[derive(Deserialize)]
    struct Version {
        schema_version: u32,
    }
    // The version is read first: a later report may not parse.
    let Version { schema_version: version } = serde_json::from_slice(text).map_err(JsonReportError::NoReport)?;
    if version > SCHEMA_VERSION {
        return Err(JsonReportError::Newer { version });
    }
    let report: Report = serde_json::from_slice(text).map_err(JsonReportError::NoReport)?;
    Ok(report.cases.into_iter().filter(|case| !case.is_settled()).map(|case| case.name).collect())
}

/// The part of a JSON report that is needed here.
#[derive(Deserialize)]
struct Report {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    verdict: String,
    skipped: Option<String>,
    #[serde(default)]
    put_off: bool,
    finished: Option<IgnoredAny>,
}

impl Case {
    fn is_settled(&self) -> bool {
        match self.verdict.as_str() {
            "passed" => true,
            "skipped" => !self.was_put_off(),
            _ => false,
        }
    }

    /// Whether it was selected and never began. The first reports have no field for this; among their skipped cases,
    /// only these have an end.
    fn was_put_off(&self) -> bool {
        self.put_off || (self.skipped.is_some() && self.finished.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::event::{CaseInfo, Event, Fact};
    use crate::model::service::ServiceName;
    use crate::report::json::fill;
    use crate::report::sample::{self, Script};

    /// The names by the record and by the JSON report of the run, which are the same.
    fn not_green(events: &[Event]) -> Vec<String> {
        let ended = events.last().is_some_and(|event| event.fact == Fact::RunFinished);
        let by_record = of_record(&RunRecord { events: events.to_vec(), ended });
        let report = serde_json::to_vec(&fill::report(&sample::outcome(events))).expect("JSON");
        assert_eq!(of_json_report(&report).expect("a report"), by_record);
        by_record
    }

    #[test]
    fn what_was_not_green_is_named() {
        assert_eq!(not_green(&sample::mixed()), ["media::sonarr", "paperless::web"]);
        assert_eq!(not_green(&sample::killed()), ["media::sonarr", "media::radarr"]);
        assert_eq!(not_green(&sample::interrupted()), ["media::sonarr", "media::radarr"]);
        assert_eq!(not_green(&sample::one_passed()), [""; 0]);
        // The last one was never begun, which is no pass.
        let names = not_green(&sample::everything());
        assert_eq!(names.last().map(String::as_str), Some("vaultwarden"), "{names:?}");
        assert!(
            !names.contains(&"watchtower".to_owned()),
            "what cannot be rehearsed is not asked for again: {names:?}"
        );
    }

    #[test]
    fn what_was_put_off_is_known_by_a_fact_and_not_by_its_words() {
        let [late, own] = ["late", "own"].map(ServiceName::lone);
        let wish = "not run: its label says so".to_owned();
        let mut script = Script::run(vec![sample::info(&late), CaseInfo { ignored: Some(wish), ..sample::info(&own) }]);
        // The run is killed before it says that the case is over.
        let events = script.fact(Fact::CaseSkipped { case: late, reason: "another time".to_owned() }).killed();
        let report = fill::report(&sample::outcome(&events));
        assert_eq!(report.cases.iter().map(|case| case.put_off).collect::<Vec<_>>(), [true, false]);
        assert_eq!(not_green(&events), ["late"]);
    }

    #[test]
    fn a_report_of_the_first_release_is_still_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reports/json-v1.json");
        let old = std::fs::read(path).expect("the fixture is there");
        assert_eq!(of_json_report(&old).expect("a report"), not_green(&sample::left_behind()));
    }

    #[test]
    fn an_older_report_says_by_its_times_what_was_put_off() {
        let report = fill::report(&sample::outcome(&sample::everything()));
        let mut old = serde_json::to_value(&report).expect("JSON");
        for case in old["cases"].as_array_mut().expect("cases") {
            case.as_object_mut().expect("a case").remove("put_off").expect("it is written today");
        }
        let old = of_json_report(old.to_string().as_bytes()).expect("a report");
        assert_eq!(old, not_green(&sample::everything()));
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let refusal = |text: &str| of_json_report(text.as_bytes()).expect_err(text).to_string();
        let whole = serde_json::to_string(&fill::report(&sample::outcome(&sample::mixed()))).expect("JSON");
        for text in ["", "{\"a\": 1}", "{\"schema_version\": 1}", &whole[..whole.len() / 2]] {
            assert!(refusal(text).starts_with("this is neither the record of a run"), "{}", refusal(text));
        }
        assert!(refusal("{\"schema_version\": 2}").starts_with("this report is of version 2"));
    }
}
