//! A recorded run gives the same reports again.

use std::collections::BTreeMap;
use std::fs;

use rehearsa::report::events::read;
use rehearsa::report::json::schema::Report;

use crate::support::recorded as sample;
use rehearsa::config::settings::ReportTargets;
use rehearsa::config::values::report_spec::Form;
use rehearsa::model::event::Event;
use rehearsa::model::outcome::Outcome;

/// The forms whose content depends on nothing but the events and their times.
const FORMS: [Form; 5] = [Form::Junit, Form::Tap, Form::Json, Form::Ctrf, Form::Events];

struct Reports {
    outcome: Outcome,
    texts: BTreeMap<&'static str, Vec<u8>>,
}

/// All reports of `events`, through the real thing.
fn reports(events: &[Event]) -> Reports {
    let dir = tempfile::tempdir().expect("a folder");
    let files = FORMS.into_iter().map(|form| (form, dir.path().join(form.file()))).collect();
    let targets = ReportTargets { files, ..ReportTargets::default() };
    let reporters = rehearsa::report::open_for_recorded(&targets, Box::new(std::io::sink())).expect("opens");
    let outcome = rehearsa::report::show_recorded(reporters, events.iter().cloned());
    assert_eq!(outcome.lost_reports, Vec::<String>::new());
    let texts = FORMS.into_iter().map(|form| (form.file(), fs::read(dir.path().join(form.file())).expect("written")));
    Reports { outcome, texts: texts.collect() }
}

#[test]
fn a_log_gives_the_same_reports_to_the_byte() {
    for (name, events) in sample::ended() {
        let original = reports(&events);
        let log = read::read("log", &original.texts["events.jsonl"]).expect("a log");
        assert!(log.ended);
        let again = reports(&log.events);
        assert_eq!(again.outcome, original.outcome);
        assert_eq!(again.outcome.exit_code(), original.outcome.exit_code());
        for (form, text) in &original.texts {
            assert!(again.texts[form] == *text, "{name}: {form} differs");
        }
    }
}

#[test]
fn a_log_without_an_end_gives_the_reports_of_a_killed_run() {
    let killed = sample::killed();
    let original = reports(&killed);
    assert_eq!(original.outcome.finished, None);
    let report: Report = serde_json::from_slice(&original.texts["report.json"]).expect("a report");
    assert_eq!((report.exit_code, report.finished), (None, None));
    let verdicts: Vec<&str> = report.cases.iter().map(|case| case.verdict.as_str()).collect();
    assert_eq!(verdicts, ["passed", "running", "waiting"]);
    let junit = String::from_utf8(original.texts["junit.xml"].clone()).expect("UTF-8");
    assert!(junit.contains("errors=\"1\"") && junit.contains("unfinished: ") && junit.contains("not run: "), "{junit}");
    let tap = String::from_utf8(original.texts["report.tap"].clone()).expect("UTF-8");
    assert!(tap.starts_with("TAP version 13\n1..3\n"), "{tap}");
    assert!(tap.ends_with("\nBail out! the run was killed before its end\n"), "{tap}");
    assert!(!tap.contains("not ok"), "{tap}");
    let log = read::read("log", &original.texts["events.jsonl"]).expect("a log");
    assert_eq!((log.events, log.ended), (killed, false), "a copy of the log has no more of an end than the log");
}
