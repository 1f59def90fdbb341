//! JUnit XML: `testsuites > testsuite (one a stack) > testcase (one a service)`, rewritten while the run goes on.
//!
//! The shape follows what the readers of JUnit XML really read: flat suites, unique names, times everywhere, bodies
//! that are never empty, one `system-out` a case. A message has no code, since readers show the type before it.
//! *failure* means that the backup is not usable, *error* that this
//! could not be found out. A problem of the run ([`run_problems`]) is an error in the suite `rehearsa`, which exists
//! only if there is one. The file of a killed run lists every selected case: running ones as errors, those that had
//! not begun as skipped.
//!
//! Jenkins' xunit plugin validates against a strict schema. In its flavour a case has only the attributes name, class
//! and time, its facts are in its output instead of in properties, and the root has no `skipped` and no time stamp.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::time::Duration;

use jiff::Timestamp;
use quick_junit::{NonSuccessKind, Report, TestCase, TestSuite};

use super::problem::{RUN_SUITE, RunProblem, run_problems};
use super::snapshot_file::Render;
use super::wording;
use crate::config::values::report_spec::JunitFlavor;
use crate::model::outcome::{CaseRecord, Outcome};

mod case;
mod output;
mod page;
mod values;

use page::Page;
use values::{attribute, between, property, rfc3339};

/// JUnit XML.
pub struct Junit(pub JunitFlavor);

impl Render for Junit {
    fn render(&self, outcome: &Outcome, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&Page::new(outcome, now, self.0).render()?)
    }
}

impl Page<'_> {
    fn render(&self) -> io::Result<Vec<u8>> {
        let mut report = Report::new(RUN_SUITE);
        let started = self.outcome.started.unwrap_or(self.now);
        if self.flavor == JunitFlavor::Default {
            // The type belongs to a crate that nothing else here needs, so the text is parsed into it.
            report.timestamp = rfc3339(started).parse().ok();
        }
        report.time = Some(between(started, self.outcome.finished.unwrap_or(self.now)));
        for (stack, cases) in by_stack(&self.outcome.cases) {
            report.add_test_suite(self.suite(stack, &cases));
        }
        let problems = run_problems(self.outcome);
        if !problems.is_empty() {
            report.add_test_suite(self.run_suite(&problems));
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
        for warning in &self.outcome.warnings {
            suite.add_property(property("warning", &wording::warning(warning)));
        }
        // Readers identify a case by suite, class and name; two names may differ only in characters that cannot be
        // shown.
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

    fn run_suite(&self, problems: &[RunProblem<'_>]) -> TestSuite {
        let mut suite = TestSuite::new(RUN_SUITE);
        suite.extra.insert("timestamp".into(), rfc3339(self.now).into());
        suite.set_time(Duration::ZERO);
        for problem in problems {
            let (name, first) = (problem.kind.name(), &*problem.first);
            let (code, message) = (first.code.as_str(), wording::what_happened(first));
            let status = case::non_success(NonSuccessKind::Error, code, &message, &problem.explained().join("\n"));
            let mut test = TestCase::new(name, status);
            test.set_classname(format!("{RUN_SUITE}.{name}")).set_time(Duration::ZERO);
            if self.flavor == JunitFlavor::Default {
                test.extra.insert("timestamp".into(), rfc3339(self.now).into());
            }
            suite.add_test_case(test);
        }
        suite
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

/// Removes the root's attribute `skipped`, which is always written and which Jenkins' schema does not know. The
/// root's tag holds no foreign text, so the first `>` ends it.
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

#[cfg(test)]
mod tests;
