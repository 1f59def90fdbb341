//! The undamaged twins: for each service and source with a fault, the same rehearsal with an undamaged backup.

use std::collections::BTreeSet;
use std::time::Instant;

use libtest_mimic::Failed;

use crate::fault::{Fault, is_about_the_live, rehearse_here};
use crate::form::Form;
use crate::kind::Kind;
use crate::record::{Line, record};
use crate::subject::subject;
use crate::support::backup::folder;

/// An undamaged backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Twin {
    form: Form,
    pub kind: Kind,
    hot: bool,
}

/// The undamaged backups of these faults' services and sources.
pub fn of(faults: &[Fault]) -> BTreeSet<Twin> {
    let is_there = |form: Form| form != Form::Live;
    let twin = |fault: &Fault| Twin { kind: fault.kind, form: fault.form, hot: fault.hot };
    faults.iter().filter(|fault| is_there(fault.form)).map(twin).collect()
}

impl Twin {
    /// The trial's name.
    pub fn name(self) -> String {
        let hot = if self.hot { ", made while it ran" } else { "" };
        format!("twin {} from {}: undamaged{hot}", self.kind.word(), self.form.word())
    }

    /// Rehearses from it: the service must be green and data-proven, without a warning.
    pub fn stays_green(self) -> Result<(), Failed> {
        let Self { kind, form, hot } = self;
        let began = Instant::now();
        let (subject, dir) = (subject(kind), folder());
        if form.is_dump() {
            subject.copy_dumps_to(dir.path());
        } else if form == Form::Inside {
            subject.lay_dump_in(dir.path());
        } else {
            subject.copy_to(dir.path(), hot);
        }
        let args = form.make(dir.path());
        let rehearsal = rehearse_here(dir.path(), &subject.name, Some(kind.check()), &args, true);
        rehearsal.nothing_is_left();
        let case = rehearsal.case();
        let warnings = case["warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
        let warned: Vec<_> = warnings.iter().filter(|warning| !is_about_the_live(warning)).collect();
        let got = format!("{} {}", case["verdict"].as_str().unwrap_or_default(), case["proof"].as_str().unwrap_or(""));
        // SQLite's own check must have run, also for a database with a log.
        let checked = kind != Kind::Notes || rehearsal.steps("verify")[0]["note"] == "1 SQLite database sound";
        let ok = got == "passed data-proven" && warned.is_empty() && checked;
        record(&Line {
            row: 0,
            what: if hot { "undamaged, made while it ran" } else { "undamaged" },
            service: kind.word(),
            source: form.word(),
            twin: true,
            gap: None,
            wanted: "passed data-proven".to_owned(),
            detected: !ok,
            right: ok,
            harmless: true,
            ok,
            got,
            seconds: began.elapsed().as_secs_f64(),
        });
        if ok { Ok(()) } else { Err(format!("an undamaged backup is not green without a word: {rehearsal}").into()) }
    }
}
