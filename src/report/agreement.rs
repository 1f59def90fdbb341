//! All reports of a run tell the same: the same names, the same verdicts, the same counts.

use std::collections::BTreeMap;
use std::path::Path;

use quick_junit::{NonSuccessKind, TestCaseStatus};

use super::sample;
use crate::config::settings::ReportTargets;
use crate::model::event::Event;
use crate::model::outcome::{Outcome, Verdict};

/// Name and what became of it, with failed and errored as one where a form cannot tell them apart.
type Told = BTreeMap<String, &'static str>;

struct Reports {
    outcome: Outcome,
    junit: String,
    json: String,
    tap: String,
}

/// Runs `events` through the real thing: opened files, the dispatcher, all reporters.
fn reports(events: &[Event]) -> Reports {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name);
    let targets = ReportTargets {
        junit: Some(path("junit.xml")),
        json: Some(path("run.json")),
        tap: Some(path("run.tap")),
        dir: None,
    };
    let reporters = super::open(&targets, Box::new(std::io::sink())).expect("opens");
    let (sink, dispatcher) = super::Dispatcher::start(reporters, || sample::at(1.0));
    events.iter().for_each(|event| sink.send(event.fact.clone()));
    let outcome = dispatcher.finish();
    let read = |name: &str| std::fs::read_to_string(Path::new(&path(name))).expect("written");
    Reports { outcome, junit: read("junit.xml"), json: read("run.json"), tap: read("run.tap") }
}

fn told_by_outcome(outcome: &Outcome) -> Told {
    outcome.cases.iter().map(|case| (case.info.name.to_string(), case.verdict().name())).collect()
}

fn told_by_junit(xml: &str) -> Told {
    let report = quick_junit::Report::deserialize_from_str(xml).expect("a JUnit report");
    let services = report.test_suites.iter().filter(|suite| suite.name.as_str() != "rehearsa");
    let cases: Vec<_> = services.flat_map(|suite| &suite.test_cases).collect();
    let told: Told = cases
        .iter()
        .map(|case| {
            let verdict = match case.status {
                TestCaseStatus::Success { .. } => "passed",
                TestCaseStatus::Skipped { .. } => "skipped",
                TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, .. } => "failed",
                TestCaseStatus::NonSuccess { kind: NonSuccessKind::Error, .. } => "errored",
            };
            (case.name.as_str().to_owned(), verdict)
        })
        .collect();
    assert_eq!(told.len(), cases.len(), "names are unique");
    told
}

fn told_by_json(json: &str) -> Told {
    let report: super::json::schema::Report = serde_json::from_str(json).expect("a JSON report");
    let verdicts = [Verdict::Passed, Verdict::Failed, Verdict::Errored, Verdict::Skipped];
    let verdict = |name: &str| verdicts.map(Verdict::name).into_iter().find(|known| *known == name).expect("known");
    report.cases.iter().map(|case| (case.name.clone(), verdict(&case.verdict))).collect()
}

fn told_by_tap(tap: &str) -> Told {
    tap.lines()
        .filter_map(|line| {
            let (ok, rest) = match line.strip_prefix("not ok ") {
                Some(rest) => (false, rest),
                None => (true, line.strip_prefix("ok ")?),
            };
            let (_, description) = rest.split_once(" - ").expect("a description");
            let (name, skipped) = match description.split_once(" # SKIP ") {
                Some((name, _)) => (name, true),
                None => (description, false),
            };
            let name = name.strip_prefix("service ").unwrap_or(name).replace("\\#", "#").replace("\\\\", "\\");
            Some((
                name,
                if skipped {
                    "skipped"
                } else if ok {
                    "passed"
                } else {
                    "not ok"
                },
            ))
        })
        .collect()
}

#[test]
fn all_reports_tell_the_same() {
    for events in [
        sample::one_passed(),
        sample::one_failed(),
        sample::mixed(),
        sample::left_behind(),
        sample::interrupted(),
        sample::hostile(),
        sample::nothing(),
        // Its engine broke: no end was sent.
        sample::killed(),
    ] {
        let Reports { outcome, junit, json, tap } = reports(&events);
        assert_eq!(outcome.lost_reports, Vec::<String>::new());
        let told = told_by_outcome(&outcome);
        assert_eq!(told_by_junit(&junit), told);
        assert_eq!(told_by_json(&json), told);
        let coarse: Told = told
            .into_iter()
            .map(|(name, verdict)| (name, if matches!(verdict, "failed" | "errored") { "not ok" } else { verdict }))
            .collect();
        assert_eq!(told_by_tap(&tap), coarse);

        let counts = outcome.counts();
        let xml = quick_junit::Report::deserialize_from_str(&junit).expect("a JUnit report");
        let run_errors = usize::from(!outcome.left_behind.is_empty());
        assert_eq!(
            (xml.tests, xml.failures, xml.errors, xml.skipped),
            (counts.total() + run_errors, counts.failed, counts.errored + run_errors, counts.skipped)
        );
        let report: super::json::schema::Report = serde_json::from_str(&json).expect("a JSON report");
        assert_eq!(report.exit_code, Some(outcome.exit_code().number()));
        assert_eq!(
            (report.counts.passed, report.counts.failed, report.counts.errored, report.counts.skipped),
            (counts.passed, counts.failed, counts.errored, counts.skipped)
        );
        assert_eq!(report.counts.unfinished, 0);
    }
}
