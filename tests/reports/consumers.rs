//! Other people's programs read the reports: each must accept them and count the same cases.
//!
//! `prove` and xmllint are system packages, junitparser and tappy are in `target/tools/venv`; `ci/setup` installs all
//! of them. A missing reader fails its test.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::recorded::{self as sample, Paper};
use rehearsa::config::values::report_spec::{JunitFlavor, TapVersion};
use rehearsa::model::event::{Event, Fact};
use rehearsa::model::outcome::{CaseRecord, Counts, Outcome};
use rehearsa::report::junit::Junit;
use rehearsa::report::tap::TapReporter;

/// What is printed of a JUnit report by junitparser, and of a TAP stream by tappy.
const JUNITPARSER: &str = "
import json, sys
from junitparser import JUnitXml
from junitparser.xunit2 import JUnitXml as Xunit2
def cases(xml): return [case for suite in xml for case in suite]
xml = JUnitXml.fromfile(sys.argv[1])
kinds = [[type(result).__name__ for result in case.result] for case in cases(xml)]
more = Xunit2.fromfile(sys.argv[1])
json.dump({
    'root': [xml.tests, xml.failures, xml.errors],
    'suites': [sum(getattr(s, n) or 0 for s in xml) for n in ('tests', 'failures', 'errors', 'skipped')],
    'kinds': [len(kinds)] + [sum(kind in of for of in kinds) for kind in ('Failure', 'Error', 'Skipped')],
    'nameless': sum(not (case.name and case.classname) or case.time is None for case in cases(xml)),
    'again': sum(len(c.flaky_failures()) + len(c.flaky_errors()) + len(c.rerun_failures()) + len(c.rerun_errors())
                 for c in cases(more)),
}, sys.stdout)
";
const TAPPY: &str = "
import json, sys, unittest
from tap.loader import Loader
from tap.parser import Parser
result = unittest.TestResult()
Loader().load_suite_from_file(sys.argv[1]).run(result)
points = [line for line in Parser().parse_file(sys.argv[1]) if line.category == 'test']
json.dump({
    'run': result.testsRun,
    'failed': len(result.failures),
    'errors': [str(error[1]) for error in result.errors],
    'skipped': len(result.skipped),
    'blocks': [point.yaml_block for point in points],
    'green': result.wasSuccessful(),
}, sys.stdout)
";

/// Runs that end by themselves: nobody bails out of their streams.
fn runs() -> Vec<(&'static str, Vec<Event>)> {
    let mut retried = sample::everything();
    retried.retain(|event| !matches!(event.fact, Fact::Interrupted { .. } | Fact::LeftBehind { .. }));
    vec![
        ("a green run", sample::one_passed()),
        ("a red run", sample::one_failed()),
        ("a mixed run", sample::mixed()),
        ("a run with attempts", retried),
        ("a run of hostile text", sample::hostile()),
    ]
}

fn junit(events: &[Event], flavor: JunitFlavor) -> String {
    sample::written(events, Junit(flavor))
}

fn tap(events: &[Event], version: TapVersion) -> String {
    let paper = Paper::default();
    sample::play(events, &mut TapReporter::new("TAP".to_owned(), Box::new(paper.clone()), version));
    paper.text()
}

/// Whether `program` calls the report in the file a success, and what it prints.
fn read_by(program: &str, args: &[&str], report: &str) -> (bool, String) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut file, report.as_bytes()).expect("written");
    let output = Command::new(program)
        .args(args)
        .arg(file.path())
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program} cannot be run (ci/setup installs it): {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

/// What a program of Python prints of the report.
fn read_by_python(script: &str, report: &str) -> Value {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/venv/bin/python");
    let (well, said) = read_by(python.to_str().expect("a path in UTF-8"), &["-c", script], report);
    assert!(well, "{said}\n{report:.3000}");
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn is_green(outcome: &Outcome) -> bool {
    outcome.exit_code().number() == 0
}

/// The four numbers that JUnit has.
fn numbers(counts: Counts) -> Value {
    [counts.total(), counts.failed, counts.errored, counts.skipped].to_vec().into()
}

#[test]
fn junitparser_counts_in_both_flavours_what_the_outcome_does() {
    for (what, events) in runs() {
        let outcome = sample::outcome(&events);
        let counts = outcome.counts();
        let attempts: usize = outcome.cases.iter().map(|case| case.earlier.len()).sum();
        for flavor in [JunitFlavor::Default, JunitFlavor::Jenkins] {
            let xml = junit(&events, flavor);
            let said = read_by_python(JUNITPARSER, &xml);
            let what = format!("junitparser of {what}, {flavor:?}: {said}");
            assert_eq!(said["root"], Value::from(vec![counts.total(), counts.failed, counts.errored]), "{what}");
            assert_eq!(said["suites"], numbers(counts), "{what}");
            assert_eq!(said["kinds"], numbers(counts), "{what}");
            assert_eq!(said["nameless"], 0, "{what}");
            assert_eq!(said["again"], attempts, "{what}");
        }
    }
}

#[test]
fn xmllint_finds_both_flavours_well_formed() {
    for (what, events) in runs() {
        for flavor in [JunitFlavor::Default, JunitFlavor::Jenkins] {
            let (well, said) = read_by("xmllint", &["--noout"], &junit(&events, flavor));
            assert!(well && said.is_empty(), "xmllint of {what}, {flavor:?}: {said}");
        }
    }
}

#[test]
fn tappy_counts_in_both_versions_what_the_outcome_does_and_reads_every_block() {
    for (what, events) in runs() {
        let outcome = sample::outcome(&events);
        let counts = outcome.counts();
        for version in [TapVersion::V13, TapVersion::V14] {
            let said = read_by_python(TAPPY, &tap(&events, version));
            let what = format!("tappy of {what}, {version:?}: {said}");
            assert_eq!(said["run"], counts.total(), "{what}");
            assert_eq!(said["failed"], counts.failed + counts.errored, "{what}");
            // tappy knows no escape: it reads `\#` in a name as a directive's beginning, and takes the skipped case
            // for a passed one.
            let escaped = |case: &&CaseRecord| case.skipped.is_some() && case.info.name.to_string().contains('#');
            let unseen = outcome.cases.iter().filter(escaped).count();
            assert_eq!(said["skipped"], counts.skipped - unseen, "{what}");
            assert_eq!(said["errors"], Value::Array(Vec::new()), "{what}");
            assert_eq!(said["green"], is_green(&outcome), "{what}");
            let blocks = said["blocks"].as_array().expect("a list");
            let read = blocks.iter().filter(|block| block["duration_ms"].is_u64());
            assert_eq!(read.count(), counts.total() - counts.skipped, "{what}");
            let flaky = blocks.iter().filter(|block| block["flaky"] == true && block["attempts"] == 2);
            assert_eq!(flaky.count(), counts.flaky, "{what}");
        }
    }
}

#[test]
fn prove_counts_in_version_13_what_the_outcome_does() {
    for (what, events) in runs() {
        let outcome = sample::outcome(&events);
        let counts = outcome.counts();
        let (green, said) = read_by("prove", &["--verbose", "--exec", "cat"], &tap(&events, TapVersion::V13));
        let end = &said[said.floor_char_boundary(said.len().saturating_sub(1500))..];
        let what = format!("prove of {what}: {end}");
        assert_eq!(green, is_green(&outcome), "{what}");
        assert!(!said.contains("Parse errors"), "{what}");
        let red = counts.failed + counts.errored;
        let told = if red == 0 {
            "All tests successful".to_owned()
        } else {
            format!("Failed {red}/{} subtests", counts.total())
        };
        assert!(said.contains(&told), "{told}; {what}");
    }
}

#[test]
fn a_run_that_was_cut_short_or_left_something_is_red_to_every_reader() {
    for events in [sample::everything(), sample::interrupted(), sample::left_behind(), sample::nothing()] {
        let stream = tap(&events, TapVersion::V13);
        assert!(!read_by("prove", &["--exec", "cat"], &stream).0, "{stream}");
    }
    for events in [sample::everything(), sample::interrupted(), sample::left_behind()] {
        let said = read_by_python(JUNITPARSER, &junit(&events, JunitFlavor::Default));
        assert!(said["root"][2].as_u64().is_some_and(|errors| errors > 0), "{said}");
    }
}
