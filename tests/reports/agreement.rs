//! All reports of a run agree: the same names, verdicts, proofs, counts and exit code, and no report is green if the
//! run is no success.
//!
//! A new format needs three things: a function that reads its text, a line in [`FORMS`], and a rule in [`is_green`].

use std::collections::{BTreeMap, BTreeSet};

use quick_junit::{NonSuccessKind, TestCaseStatus};

use crate::support::recorded as sample;
use rehearsa::config::settings::ReportTargets;
use rehearsa::config::values::report_spec::{Form, JunitFlavor, TapVersion};
use rehearsa::model::check::EvidenceLevel;
use rehearsa::model::event::{Event, Fact};
use rehearsa::model::outcome::{Outcome, Verdict};

/// What a report tells; `None` where its form has no word for it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    /// Name and what became of it: the names of [`Verdict`], or [`NOT_OK`].
    verdicts: BTreeMap<String, &'static str>,
    /// All, passed, failed, errored, skipped: as the report itself counts them.
    counts: Option<[usize; 5]>,
    /// The passed ones that were not at an earlier attempt.
    flaky: Option<BTreeSet<String>>,
    /// The proofs of the passed ones.
    proofs: Option<BTreeMap<String, String>>,
    /// The exit code.
    exit_code: Option<u8>,
}

/// Failed or errored, where a form cannot tell them apart.
const NOT_OK: &str = "not ok";

/// Reads a report.
type Reader = fn(&str) -> Told;

/// The reader of each format that names services. (Metrics are compared with the outcome in the tests of their
/// writer; a badge names no service.)
const FORMS: [(Form, Reader); 7] = [
    (Form::Junit, told_by_junit),
    (Form::Tap, told_by_tap),
    (Form::Json, told_by_json),
    (Form::Events, told_by_events),
    (Form::Ctrf, told_by_ctrf),
    (Form::Html, told_by_html),
    (Form::Markdown, told_by_markdown),
];

/// How a run ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// By itself, or because its engine broke.
    Ended,
    /// It was killed.
    Killed,
}

/// Sends `events` through the real dispatcher with all reporters and opened files. Returns the outcome and the text
/// of each report.
fn reports(
    events: &[Event],
    (junit_flavor, tap_version): (JunitFlavor, TapVersion),
    end: End,
) -> (Outcome, BTreeMap<Form, String>) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |form: Form| dir.path().join(form.file());
    let files = Form::ALL.into_iter().map(|form| (form, path(form))).collect();
    let targets = ReportTargets { files, junit_flavor, tap_version, ..ReportTargets::default() };
    let outcome = if end == End::Killed {
        let reporters = rehearsa::report::open_for_recorded(&targets, Box::new(std::io::sink())).expect("opens");
        rehearsa::report::show_recorded(reporters, events.iter().cloned())
    } else {
        let reporters = rehearsa::report::open(&targets, Box::new(std::io::sink())).expect("opens");
        let (sink, dispatcher) = rehearsa::report::Dispatcher::start(reporters, || sample::at(1.0));
        events.iter().for_each(|event| sink.send(event.fact.clone()));
        dispatcher.finish()
    };
    let texts = Form::ALL.into_iter().filter_map(|form| Some((form, std::fs::read_to_string(path(form)).ok()?)));
    (outcome, texts.collect())
}

fn told_by_outcome(outcome: &Outcome) -> Told {
    let counts = outcome.counts();
    let flaky = outcome.cases.iter().filter(|case| case.is_flaky());
    let passed = outcome.cases.iter().filter(|case| case.verdict() == Verdict::Passed);
    let proofs = passed.filter_map(|case| Some((case.info.name.to_string(), case.proof?.name().to_owned())));
    Told {
        proofs: Some(proofs.collect()),
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
    Told { verdicts, counts, flaky: Some(flaky), proofs: None, exit_code: None }
}

fn told_by_json(json: &str) -> Told {
    let report: rehearsa::report::json::schema::Report = serde_json::from_str(json).expect("a JSON report");
    let verdicts = [Verdict::Passed, Verdict::Failed, Verdict::Errored, Verdict::Skipped];
    let verdict = |name: &str| verdicts.map(Verdict::name).into_iter().find(|known| *known == name).expect("known");
    let counts = report.counts;
    assert_eq!(counts.unfinished, 0, "the run is over");
    Told {
        verdicts: report.cases.iter().map(|case| (case.name.clone(), verdict(&case.verdict))).collect(),
        counts: Some([counts.total, counts.passed, counts.failed, counts.errored, counts.skipped]),
        flaky: None,
        proofs: Some(
            report
                .cases
                .iter()
                .filter(|case| case.verdict == "passed")
                .map(|case| {
                    assert_eq!(case.evidence.len(), EvidenceLevel::ALL.len(), "each level is told");
                    let shown = |level: &str| case.evidence.iter().any(|one| one.level == level && one.shown);
                    let proof = case.proof.clone().expect("a passed case has one");
                    assert_eq!(shown("data-proven"), proof == "data-proven");
                    (case.name.clone(), proof)
                })
                .collect(),
        ),
        exit_code: report.exit_code,
    }
}

fn told_by_tap(tap: &str) -> Told {
    let mut verdicts = BTreeMap::new();
    let (mut flaky, mut proofs) = (BTreeSet::new(), BTreeMap::new());
    let mut last = String::new();
    for line in tap.lines() {
        if line == "  flaky: true" {
            flaky.insert(last.clone());
        }
        if let Some(proof) = line.strip_prefix("  proof: \"")
            && verdicts.get(&last) == Some(&"passed")
        {
            proofs.insert(last.clone(), proof.trim_end_matches('"').to_owned());
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
    Told { verdicts, counts: None, flaky: Some(flaky), proofs: Some(proofs), exit_code: None }
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
    let (mut flaky, mut proofs) = (BTreeSet::new(), BTreeMap::new());
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
        if let Some(proof) = test["extra"]["proof"].as_str().filter(|_| verdict == "passed") {
            assert_eq!(
                test["extra"]["evidence"].as_array().map(Vec::len),
                Some(EvidenceLevel::ALL.len()),
                "each level is told"
            );
            proofs.insert(name.clone(), proof.to_owned());
        }
        assert_eq!(verdicts.insert(name, verdict), None, "names are unique");
    }
    Told { verdicts, counts: None, flaky: Some(flaky), proofs: Some(proofs), exit_code: None }
}

/// What stands between `start` and `end`, each time.
fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start).skip(1).map(move |rest| rest.split(end).next().unwrap_or_default())
}

/// The one of the verdicts' names that `words` begin with.
fn verdict_in(words: &str) -> &'static str {
    let known = [Verdict::Passed, Verdict::Failed, Verdict::Errored, Verdict::Skipped].map(Verdict::name);
    known.into_iter().find(|known| words.starts_with(known)).unwrap_or_else(|| panic!("no verdict: {words}"))
}

/// Names and verdicts of rows, each with its name and words that begin with the verdict and may have `flaky` in them.
fn told_by_rows<'a>(
    rows: impl Iterator<Item = (&'a str, &'a str)>,
    [passed, failed, errored, skipped]: [usize; 4],
) -> Told {
    let mut verdicts = BTreeMap::new();
    let mut flaky = BTreeSet::new();
    for (name, words) in rows {
        if words.contains("flaky") {
            flaky.insert(name.to_owned());
        }
        assert_eq!(verdicts.insert(name.to_owned(), verdict_in(words)), None, "names are unique");
    }
    let counts = Some([passed + failed + errored + skipped, passed, failed, errored, skipped]);
    Told { verdicts, counts, flaky: Some(flaky), proofs: None, exit_code: None }
}

fn told_by_html(html: &str) -> Told {
    let table = between(html, "<tbody>", "</tbody>").next().unwrap_or_default();
    let rows = between(table, "<tr class=\"case ", "</tr>").map(|row| {
        let link = between(row, "<a href=\"#c", "</a>").next().expect("a link");
        (link.split_once('>').expect("a tag").1, row.split('"').next().unwrap_or_default())
    });
    let counts = between(html, "<ul class=\"counts\"", "</ul>").next().expect("counts");
    let count = |verdict: Verdict| {
        let end = format!("</b> {}", verdict.name());
        let before = counts.split(end.as_str()).next().expect("it is counted");
        before.rsplit("<b>").next().and_then(|count| count.parse().ok()).expect("a number")
    };
    let counts = [Verdict::Passed, Verdict::Failed, Verdict::Errored, Verdict::Skipped].map(count);
    let exit_code = between(html, "Exit code <b>", "</b>").next().map(|code| code.parse().expect("a number"));
    Told { exit_code, ..told_by_rows(rows, counts) }
}

fn told_by_markdown(page: &str) -> Told {
    let proofs = page.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let name = cells[0].strip_suffix('`').expect("a name is code");
        let proof = cells[2].split(" (").next().unwrap_or_default();
        (proof != "-").then(|| (name.to_owned(), proof.to_owned()))
    });
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| {
        let mut cells = row.split(" | ");
        let (name, label) = (cells.next().unwrap_or_default(), cells.next().expect("a label"));
        (name.strip_suffix('`').expect("a name is code"), label.split_once(' ').expect("a mark before it").1)
    });
    let counts = page.lines().find_map(|line| line.strip_prefix("**")).expect("counts");
    let counts: Vec<usize> = counts.split(", ").take(4).map(leading).collect();
    Told { proofs: Some(proofs.collect()), ..told_by_rows(rows, counts.try_into().expect("four")) }
}

/// The number that `text` begins with.
fn leading(text: &str) -> usize {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

/// Whether who looks at this report takes the run for a success.
fn is_green(form: Form, text: &str) -> bool {
    let json = || serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    match form {
        Form::Junit => {
            let report = quick_junit::Report::deserialize_from_str(text).expect("a JUnit report");
            report.failures + report.errors == 0
        }
        Form::Tap => {
            let points = text.lines().filter(|line| line.starts_with("ok ")).count();
            let plan = text.lines().find_map(|line| line.strip_prefix("1.."));
            plan.is_some_and(|plan| leading(plan) == points) && !text.contains("\nBail out!")
        }
        Form::Json => json()["exit_code"] == 0,
        Form::Html => {
            ["passed", "live", "skipped"].iter().any(|tone| text.contains(&format!("<div class=\"banner {tone}\"")))
        }
        Form::Markdown => !text.lines().next().is_none_or(|headline| headline.contains(['❌', '⚠', '⏳'])),
        Form::Events => {
            let ended = text.lines().last().is_some_and(|line| line.contains("\"event\":\"run-finished\""));
            ended && told_by_events(text).exit_code == Some(0)
        }
        Form::Ctrf => {
            let summary = &json()["results"]["summary"];
            summary["failed"] == 0 && summary["pending"] == 0
        }
        Form::Prometheus => text.lines().any(|line| line == "rehearsa_run_exit_code 0"),
        // Green, and blue for a run that read no backup.
        Form::Badge => ["#2e7d32", "#1b5fb8"].iter().any(|color| text.contains(color)),
    }
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
        proofs: told.proofs.is_some().then(|| outcome.proofs.clone()).flatten(),
        exit_code: told.exit_code.and(outcome.exit_code),
    };
    assert_eq!(*told, expected, "{what}");
}

#[test]
fn all_reports_tell_the_same() {
    // Where no end was sent, the engine of the run broke.
    for (name, events) in sample::all() {
        for shape in [(JunitFlavor::Default, TapVersion::V13), (JunitFlavor::Jenkins, TapVersion::V14)] {
            let (outcome, texts) = reports(&events, shape, End::Ended);
            assert_eq!(outcome.lost_reports, Vec::<String>::new());
            let expected = told_by_outcome(&outcome);
            for (form, told) in FORMS {
                let text = &texts[&form];
                let what = format!("{} of {name}, {shape:?}: {text:.2000}", form.name());
                assert_agrees(&what, &told(text), &expected);
            }
        }
    }
}

#[test]
fn a_run_that_is_no_success_is_green_in_no_form_and_a_success_in_every_one() {
    let mut successes = 0;
    for (name, events) in sample::all() {
        let over = events.iter().any(|event| event.fact == Fact::RunFinished);
        for shape in [(JunitFlavor::Default, TapVersion::V13), (JunitFlavor::Jenkins, TapVersion::V14)] {
            let (outcome, texts) = reports(&events, shape, if over { End::Ended } else { End::Killed });
            let success = over && outcome.exit_code().number() == 0;
            successes += usize::from(success);
            for form in Form::ALL {
                let green = texts.get(&form).is_some_and(|text| is_green(form, text));
                assert_eq!(green, success, "{} of {name}, {shape:?}: {:.3000?}", form.name(), texts.get(&form));
            }
        }
    }
    assert!(successes > 0, "else the test would show little");
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
    let shape = (JunitFlavor::Default, TapVersion::V13);
    let (_, texts) = reports(&sample::everything(), shape, End::Ended);
    for (form, told) in FORMS {
        let text = &texts[&form];
        let wrong = match form {
            Form::Junit => text.replacen("<flakyError", "<other", 1).replacen("</flakyError>", "</other>", 1),
            Form::Tap => text.replacen("\nok 1 -", "\nnot ok 1 -", 1),
            Form::Json => text.replacen("\"errored\": 2", "\"errored\": 1", 1),
            Form::Events => text.replacen("case-skipped", "case-finished", 1),
            Form::Ctrf => text.replacen("\"rawStatus\": \"errored\"", "\"rawStatus\": \"failed\"", 1),
            Form::Html => text.replacen("<tr class=\"case passed flaky\"", "<tr class=\"case passed\"", 1),
            Form::Markdown => text.replacen("| ❌ failed |", "| ✅ passed |", 1),
            Form::Prometheus | Form::Badge => unreachable!("not read here"),
        };
        assert_ne!(*text, wrong, "{}", form.name());
        let told = std::panic::catch_unwind(|| assert_agrees("", &told(&wrong), &outcome));
        assert!(told.is_err(), "{}", form.name());
    }
}
