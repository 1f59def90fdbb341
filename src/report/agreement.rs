//! All reports of a run tell the same: the same names, the same verdicts, the same counts, the same exit code.
//!
//! To add a form: a function from its text to what it tells, and a line in [`FORMS`].

use std::collections::{BTreeMap, BTreeSet};

use quick_junit::{NonSuccessKind, TestCaseStatus};

use super::sample;
use crate::config::forms::{Form, JunitFlavor, TapVersion};
use crate::config::settings::ReportTargets;
use crate::model::event::Event;
use crate::model::outcome::{Outcome, Verdict};

/// What a report tells; `None` where its form has no word for it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    /// Name and what became of it: the names of [`Verdict`], or [`NOT_OK`].
    verdicts: BTreeMap<String, &'static str>,
    /// All, passed, failed, errored, skipped: as the report itself counts them.
    counts: Option<[usize; 5]>,
    /// The passed ones that were not at an earlier attempt.
    flaky: Option<BTreeSet<String>>,
    /// The exit code.
    exit_code: Option<u8>,
}

/// Failed or errored, where a form cannot tell them apart.
const NOT_OK: &str = "not ok";

/// Reads a report.
type Reader = fn(&str) -> Told;

/// How each form is read. The page in Markdown is held against the outcome beside its writer, by a reader of Markdown.
const FORMS: [(Form, Reader); 5] = [
    (Form::Junit, told_by_junit),
    (Form::Tap, told_by_tap),
    (Form::Json, told_by_json),
    (Form::Events, told_by_events),
    (Form::Ctrf, told_by_ctrf),
];

/// Runs `events` through the real thing: opened files, the dispatcher, all reporters. The outcome, and each report's text.
fn reports(events: &[Event], junit_flavor: JunitFlavor, tap_version: TapVersion) -> (Outcome, Vec<String>) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |form: Form| dir.path().join(form.file());
    let files = FORMS.iter().map(|(form, _)| (*form, path(*form))).collect();
    let targets = ReportTargets { files, junit_flavor, tap_version, ..ReportTargets::default() };
    let reporters = super::open(&targets, Box::new(std::io::sink())).expect("opens");
    let (sink, dispatcher) = super::Dispatcher::start(reporters, || sample::at(1.0));
    events.iter().for_each(|event| sink.send(event.fact.clone()));
    let outcome = dispatcher.finish();
    let read = |form: Form| std::fs::read_to_string(path(form)).expect("written");
    (outcome, FORMS.iter().map(|(form, _)| read(*form)).collect())
}

fn told_by_outcome(outcome: &Outcome) -> Told {
    let counts = outcome.counts();
    let flaky = outcome.cases.iter().filter(|case| case.is_flaky());
    Told {
        verdicts: outcome.cases.iter().map(|case| (case.info.name.to_string(), case.verdict().name())).collect(),
        counts: Some([counts.total(), counts.passed, counts.failed, counts.errored, counts.skipped]),
        flaky: Some(flaky.map(|case| case.info.name.to_string()).collect()),
        exit_code: Some(outcome.exit_code().number()),
    }
}

fn told_by_junit(xml: &str) -> Told {
    let report = quick_junit::Report::deserialize_from_str(xml).expect("a JUnit report");
    let (run, services): (Vec<_>, Vec<_>) =
        report.test_suites.iter().partition(|suite| suite.name.as_str() == "rehearsa");
    let mut verdicts = BTreeMap::new();
    let mut flaky = BTreeSet::new();
    for case in services.iter().flat_map(|suite| &suite.test_cases) {
        let name = case.name.as_str().to_owned();
        let verdict = match &case.status {
            TestCaseStatus::Success { flaky_runs } => {
                if !flaky_runs.is_empty() {
                    flaky.insert(name.clone());
                }
                "passed"
            }
            TestCaseStatus::Skipped { .. } => "skipped",
            TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, .. } => "failed",
            TestCaseStatus::NonSuccess { kind: NonSuccessKind::Error, .. } => "errored",
        };
        assert_eq!(verdicts.insert(name, verdict), None, "names are unique");
    }
    let sum = |count: fn(&quick_junit::TestSuite) -> usize| services.iter().map(|suite| count(suite)).sum::<usize>();
    let [all, failed, errored, skipped] =
        [sum(|suite| suite.tests), sum(|suite| suite.failures), sum(|suite| suite.errors), sum(|suite| suite.skipped)];
    let troubles: usize = run.iter().map(|suite| suite.tests).sum();
    assert_eq!(
        (report.tests, report.failures, report.errors),
        (all + troubles, failed, errored + troubles),
        "the root counts its suites"
    );
    let counts = Some([all, all - failed - errored - skipped, failed, errored, skipped]);
    Told { verdicts, counts, flaky: Some(flaky), exit_code: None }
}

fn told_by_json(json: &str) -> Told {
    let report: super::json::schema::Report = serde_json::from_str(json).expect("a JSON report");
    let verdicts = [Verdict::Passed, Verdict::Failed, Verdict::Errored, Verdict::Skipped];
    let verdict = |name: &str| verdicts.map(Verdict::name).into_iter().find(|known| *known == name).expect("known");
    let counts = report.counts;
    assert_eq!(counts.unfinished, 0, "the run is over");
    Told {
        verdicts: report.cases.iter().map(|case| (case.name.clone(), verdict(&case.verdict))).collect(),
        counts: Some([counts.total, counts.passed, counts.failed, counts.errored, counts.skipped]),
        flaky: None,
        exit_code: report.exit_code,
    }
}

fn told_by_tap(tap: &str) -> Told {
    let mut verdicts = BTreeMap::new();
    let mut flaky = BTreeSet::new();
    let mut last = String::new();
    for line in tap.lines() {
        if line == "  flaky: true" {
            flaky.insert(last.clone());
        }
        let (verdict, rest) = match (line.strip_prefix("not ok "), line.strip_prefix("ok ")) {
            (Some(rest), _) => (NOT_OK, rest),
            (None, Some(rest)) if rest.contains(" # SKIP ") => ("skipped", rest),
            (None, Some(rest)) => ("passed", rest),
            (None, None) => continue,
        };
        let (_, description) = rest.split_once(" - ").expect("a description");
        let name = description.split(" # SKIP ").next().unwrap_or_default();
        last = name.strip_prefix("service ").unwrap_or(name).replace("\\#", "#").replace("\\\\", "\\");
        assert_eq!(verdicts.insert(last.clone(), verdict), None, "names are unique");
    }
    Told { verdicts, counts: None, flaky: Some(flaky), exit_code: None }
}

fn told_by_events(lines: &str) -> Told {
    let events: Vec<Event> = lines.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    told_by_outcome(&sample::outcome(&events))
}

fn told_by_ctrf(json: &str) -> Told {
    let report: serde_json::Value = serde_json::from_str(json).expect("a CTRF report");
    let results = &report["results"];
    let tests: Vec<&serde_json::Value> = results["tests"]
        .as_array()
        .expect("it has tests")
        .iter()
        .filter(|test| test["suite"][0] != "rehearsa")
        .collect();
    let mut verdicts = BTreeMap::new();
    let mut flaky = BTreeSet::new();
    for test in tests {
        let name = test["name"].as_str().expect("a test has a name").to_owned();
        let raw = test["rawStatus"].as_str().expect("a test has its own status");
        let known = ["passed", "failed", "errored", "skipped"];
        let verdict = known.into_iter().find(|known| *known == raw).expect("it is known");
        let status = if verdict == "errored" { "failed" } else { verdict };
        assert_eq!(test["status"], status, "CTRF has no word for errored");
        if test["flaky"] == true {
            flaky.insert(name.clone());
        }
        assert_eq!(verdicts.insert(name, verdict), None, "names are unique");
    }
    Told { verdicts, counts: None, flaky: Some(flaky), exit_code: None }
}

/// Asserts that a report tells what the outcome does, as far as its form has words.
fn assert_agrees(what: &str, told: &Told, outcome: &Told) {
    let coarse = told.verdicts.values().any(|verdict| *verdict == NOT_OK);
    let word = |verdict: &'static str| match verdict {
        "failed" | "errored" if coarse => NOT_OK,
        other => other,
    };
    let verdicts = outcome.verdicts.iter().map(|(name, verdict)| (name.clone(), word(verdict))).collect();
    let expected = Told {
        verdicts,
        counts: told.counts.and(outcome.counts),
        flaky: told.flaky.is_some().then(|| outcome.flaky.clone()).flatten(),
        exit_code: told.exit_code.and(outcome.exit_code),
    };
    assert_eq!(*told, expected, "{what}");
}

#[test]
fn all_reports_tell_the_same() {
    for events in [
        sample::one_passed(),
        sample::one_failed(),
        sample::mixed(),
        sample::left_behind(),
        sample::interrupted(),
        sample::everything(),
        sample::hostile(),
        sample::nothing(),
        // Its engine broke: no end was sent.
        sample::killed(),
    ] {
        for (flavor, version) in [(JunitFlavor::Default, TapVersion::V13), (JunitFlavor::Jenkins, TapVersion::V14)] {
            let (outcome, texts) = reports(&events, flavor, version);
            assert_eq!(outcome.lost_reports, Vec::<String>::new());
            let expected = told_by_outcome(&outcome);
            for ((form, told), text) in FORMS.iter().zip(&texts) {
                let what = format!("{} ({flavor:?}, {version:?}): {text:.2000}", form.name());
                assert_agrees(&what, &told(text), &expected);
            }
        }
    }
}

#[test]
fn the_run_with_everything_has_every_verdict_and_a_flaky_case() {
    let told = told_by_outcome(&sample::outcome(&sample::everything()));
    assert_eq!(told.counts, Some([8, 2, 2, 2, 2]));
    assert_eq!(told.flaky, Some(["files::nextcloud".to_owned()].into()));
    assert_eq!(told.exit_code, Some(143));
}

#[test]
fn a_report_that_tells_otherwise_is_noticed() {
    let outcome = told_by_outcome(&sample::outcome(&sample::everything()));
    let (_, texts) = reports(&sample::everything(), JunitFlavor::Default, TapVersion::V13);
    let wrong = [
        texts[0].replacen("<flakyError", "<other", 1).replacen("</flakyError>", "</other>", 1),
        texts[1].replacen("\nok 1 -", "\nnot ok 1 -", 1),
        texts[2].replacen("\"errored\": 2", "\"errored\": 1", 1),
        texts[3].replacen("case-skipped", "case-finished", 1),
        texts[4].replacen("\"rawStatus\": \"errored\"", "\"rawStatus\": \"failed\"", 1),
    ];
    for (((form, told), text), wrong) in FORMS.iter().zip(&texts).zip(&wrong) {
        assert_ne!(text, wrong, "{}", form.name());
        let told = std::panic::catch_unwind(|| assert_agrees("", &told(wrong), &outcome));
        assert!(told.is_err(), "{}", form.name());
    }
}
