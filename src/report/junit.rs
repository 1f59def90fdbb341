//! JUnit XML: `testsuites > testsuite (one a stack) > testcase (one a service)`, rewritten while the run goes on.
//!
//! Shaped by what its consumers really read: suites are flat, names unique, times everywhere, bodies never empty, one
//! `system-out` a case. *failure* is the backup's fault, *error* says that it could not be found out; what concerns the run and no
//! service ([`run_problems`]) is an error in the suite `rehearsa`, which exists only then. A file left by a killed
//! run lists every selected case: those that were running as errors, those that had not begun as skipped.
//!
//! Jenkins' xunit plugin refuses a file that its schema does not know in every part: in its flavour a case has no attributes
//! but name, class and time, its facts stand in its output instead of properties, and the root has no `skipped` and no time stamp.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::time::Duration;

use jiff::Timestamp;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestSuite};

use super::problem::{RUN_SUITE, RunProblem, run_problems};
use super::snapshot_file::Render;
use super::{text, wording};
use crate::config::values::report_spec::JunitFlavor;
use crate::model::outcome::{CaseRecord, Outcome};

mod case;
mod output;

/// Bytes of logs in a whole file, as far as each case still has [`SHORTEST_LOG`]: GitLab refuses files of more than 30 MB, and
/// each character may become six when it is escaped.
const LOGS_CAP: usize = 4_000_000;
/// Bytes of its log that a case has at least.
const SHORTEST_LOG: usize = 1024;

/// JUnit XML.
pub struct Junit(pub JunitFlavor);

impl Render for Junit {
    fn render(&self, outcome: &Outcome, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&Page::new(outcome, now, self.0).render()?)
    }
}

/// A report as it is at one moment.
struct Page<'a> {
    outcome: &'a Outcome,
    now: Timestamp,
    flavor: JunitFlavor,
    /// Bytes of its log that a case has.
    log_cap: usize,
}

impl<'a> Page<'a> {
    fn new(outcome: &'a Outcome, now: Timestamp, flavor: JunitFlavor) -> Self {
        let log_cap = (LOGS_CAP / outcome.cases.len().max(1)).clamp(SHORTEST_LOG, text::LOG_CAP);
        Self { outcome, now, flavor, log_cap }
    }

    fn render(&self) -> io::Result<Vec<u8>> {
        let mut report = Report::new(RUN_SUITE);
        let started = self.outcome.started.unwrap_or(self.now);
        if self.flavor == JunitFlavor::Default {
            // The type that is asked for belongs to a crate that nothing else here needs: it parses itself.
            report.timestamp = rfc3339(started).parse().ok();
        }
        report.time = Some(between(started, self.outcome.finished.unwrap_or(self.now)));
        for (stack, cases) in by_stack(&self.outcome.cases) {
            report.add_test_suite(self.suite(stack, &cases));
        }
        let troubles = run_problems(self.outcome);
        if !troubles.is_empty() {
            report.add_test_suite(self.run_suite(&troubles));
        }
        let mut xml = Vec::new();
        report.serialize(&mut xml).map_err(io::Error::other)?;
        Ok(match self.flavor {
            JunitFlavor::Default => xml,
            JunitFlavor::Jenkins => without_root_skipped(xml),
        })
    }

    fn suite(&self, stack: &str, cases: &[&CaseRecord]) -> TestSuite {
        let mut suite = TestSuite::new(attribute(stack));
        let begin = cases.iter().filter_map(|case| case.started).min();
        let end = cases.iter().map(|case| self.end_of(case)).max().unwrap_or(self.now);
        let stamp = begin.or(self.outcome.started).unwrap_or(self.now);
        suite.extra.insert("timestamp".into(), rfc3339(stamp).into());
        suite.set_time(begin.map_or(Duration::ZERO, |begin| between(begin, end)));
        let Outcome { session, version, engine, .. } = self.outcome;
        for (name, value) in [("session", session), ("rehearsa.version", version), ("engine", engine)] {
            suite.add_property(property(name, value));
        }
        // Readers know a case by suite, class and name; two names may differ in nothing that can be shown.
        let mut names = BTreeSet::new();
        for case in cases {
            let mut test = self.test_case(case);
            let shown = test.name.as_str().to_owned();
            let mut nth = 1;
            while !names.insert(test.name.as_str().to_owned()) {
                nth += 1;
                test.name = format!("{shown} ({nth})").into();
            }
            suite.add_test_case(test);
        }
        suite
    }

    fn run_suite(&self, troubles: &[RunProblem<'_>]) -> TestSuite {
        let mut suite = TestSuite::new(RUN_SUITE);
        suite.extra.insert("timestamp".into(), rfc3339(self.now).into());
        suite.set_time(Duration::ZERO);
        for trouble in troubles {
            let (name, first) = (trouble.kind.name(), &*trouble.first);
            let (code, message) = (first.code.as_str(), wording::summary(first));
            let status = case::non_success(NonSuccessKind::Error, code, &message, &trouble.explained().join("\n"));
            let mut test = TestCase::new(name, status);
            test.set_classname(format!("{RUN_SUITE}.{name}")).set_time(Duration::ZERO);
            if self.flavor == JunitFlavor::Default {
                test.extra.insert("timestamp".into(), rfc3339(self.now).into());
            }
            suite.add_test_case(test);
        }
        suite
    }

    fn end_of(&self, case: &CaseRecord) -> Timestamp {
        case.finished.unwrap_or(if case.started.is_some() { self.now } else { Timestamp::MIN })
    }
}

/// The cases of each stack; stacks and cases in the plan's order.
fn by_stack(cases: &[CaseRecord]) -> Vec<(&str, Vec<&CaseRecord>)> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut stacks: Vec<(&str, Vec<&CaseRecord>)> = Vec::new();
    for case in cases {
        let stack = case.info.name.stack_name();
        let place = *places.entry(stack).or_insert(stacks.len());
        if place == stacks.len() {
            stacks.push((stack, Vec::new()));
        }
        stacks[place].1.push(case);
    }
    stacks
}

/// Without the one attribute of the root that is always written and that Jenkins' schema does not know. All that stands in the
/// root's tag is ours, so the first `>` ends it.
fn without_root_skipped(xml: Vec<u8>) -> Vec<u8> {
    const SKIPPED: &[u8] = b" skipped=\"";
    let find = |part: &[u8], from: usize| xml[from..].windows(part.len()).position(|at| at == part).map(|at| from + at);
    let cut = || {
        let root = find(b"<testsuites", 0)?;
        let begin = find(SKIPPED, root).filter(|begin| find(b">", root).is_some_and(|end| *begin < end))?;
        Some((begin, find(b"\"", begin + SKIPPED.len())? + 1))
    };
    match cut() {
        Some((begin, end)) => [&xml[..begin], &xml[end..]].concat(),
        None => xml,
    }
}

fn property(name: &str, value: &str) -> Property {
    Property::new(attribute(name), attribute(value))
}

/// Fit for an attribute: one line (line feeds would be written as they are and read as blanks).
fn attribute(value: &str) -> String {
    without_attachments(text::one_line(value))
}

/// Fit for a body: clean, and with no word that makes GitLab or Jenkins attach a file.
fn body(value: &str) -> String {
    without_attachments(text::clean(value))
}

fn without_attachments(value: String) -> String {
    if value.contains("[[ATTACHMENT|") { value.replace("[[ATTACHMENT|", "[[ATTACHMENT |") } else { value }
}

fn between(begin: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(begin)).unwrap_or_default()
}

fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
mod tests;
