//! Recorded runs for the tests of all reports: each is a sequence of events as the engine would send them, at fixed
//! times. This file has the script that writes them; `runs` has the runs.

use jiff::{SignedDuration, Timestamp};

use rehearsa::config::values::report_spec::JunitFlavor;
use rehearsa::model::diagnosis::{Code, Diagnosis, KnownCause};
use rehearsa::model::event::{Amount, CaseInfo, Change, Event, Fact, NoTests, Step, StepResult};
use rehearsa::model::mount::Strategy;
use rehearsa::model::outcome::Outcome;
use rehearsa::model::score::basis::{FoundBy, RequiredMount, ScoreBasis};
use rehearsa::model::service::{Image, ServiceName};
use rehearsa::report::Reporter;
use rehearsa::report::junit::Junit;
use rehearsa::report::snapshot_file::{Render, SnapshotReport};
use rehearsa::report::target::{AtomicFile, Naming};

pub mod html;
mod runs;

pub use runs::{
    HOSTILE, all, ended, everything, hostile, hostile_names, interrupted, interrupted_late, killed, killed_between,
    left_behind, mixed, nothing, one_failed, one_passed, part_missing, pass, scored, timed_out, torn,
};

/// The time so many seconds into the run.
pub fn at(seconds: f64) -> Timestamp {
    let start: Timestamp = "2026-01-02T03:04:05Z".parse().expect("a time");
    start + SignedDuration::from_millis((seconds * 1000.0).round() as i64)
}

/// `stack::service`.
pub fn name(stack: &str, service: &str) -> ServiceName {
    ServiceName::of_stack(stack, service)
}

/// What is known of a case before it runs.
pub fn info(name: &ServiceName) -> CaseInfo {
    CaseInfo {
        name: name.clone(),
        source: "live".to_owned(),
        snapshot: None,
        image: Image { reference: format!("{}:1", name.service), id: "sha256:0123456789abcdef".to_owned() },
        changes: Vec::new(),
        ignored: None,
        declared: None,
        required: None,
        score_basis: None,
    }
}

/// What is known of a backup that holds this mount, before the rehearsal; two days old, and seen without a boot before.
pub fn score_basis(mount: &str) -> Box<ScoreBasis> {
    Box::new(ScoreBasis {
        listed: true,
        age: Some(2 * 86_400),
        time_told: true,
        max_age: Some(86_400),
        mounts: vec![RequiredMount { mount: mount.to_owned(), found: Some(FoundBy::Name) }],
        ..ScoreBasis::default()
    })
}

/// A change that every report says.
pub fn notable(field: &str, live: &str, sandbox: &str) -> Change {
    Change { field: field.to_owned(), live: live.to_owned(), sandbox: sandbox.to_owned(), notable: true }
}

/// Cloning a live volume.
pub fn clone_of(volume: &str) -> Step {
    Step::Restore { mount: format!("volume {volume}"), strategy: Strategy::Copy, source: "live".to_owned() }
}

/// The same run with data of a backup instead of live copies.
pub fn of_backup(mut events: Vec<Event>) -> Vec<Event> {
    for event in &mut events {
        if let Fact::StepStarted { step: Step::Restore { source, .. }, .. } = &mut event.fact {
            *source = "tar:b.tar".to_owned();
        }
    }
    events
}

/// A step's end with what was restored.
pub fn restored(files: u64, bytes: u64) -> StepResult {
    StepResult::Done { amount: Some(Amount { files, bytes }), note: None, compared: None, witness: None }
}

/// A step's end that was not well.
pub fn broke(diagnosis: &Diagnosis) -> StepResult {
    StepResult::Broke { diagnosis: diagnosis.clone() }
}

/// A service that exited, with a known cause and a log.
pub fn exited() -> Diagnosis {
    Diagnosis {
        cause: Some(KnownCause {
            meaning: "the database file is damaged".to_owned(),
            line: "sqlite3.DatabaseError: database disk image is malformed".to_owned(),
        }),
        remedy: Some("Restore config.db from an older backup.".to_owned()),
        log_tail: vec![
            "starting".to_owned(),
            "sqlite3.DatabaseError: database disk image is malformed".to_owned(),
            "bye".to_owned(),
        ],
        ..Diagnosis::new(Code::BootExited, "sonarr exited with 1 after 2.1 s")
    }
}

/// Writes events.
pub struct Script {
    events: Vec<Event>,
    now: f64,
    steps: u64,
}

impl Script {
    /// A run of these cases.
    pub fn run(cases: Vec<CaseInfo>) -> Self {
        let mut script = Self { events: Vec::new(), now: 0.0, steps: 0 };
        script.fact(Fact::RunStarted {
            session: "k3x9".to_owned(),
            version: "0.1.0".to_owned(),
            engine: "Docker 20.10.24 on nas".to_owned(),
            cases,
            filtered_out: 2,
            threads: 1,
            partition: None,
            no_tests: NoTests::Fail,
        });
        script
    }

    /// Anything, now.
    pub fn fact(&mut self, fact: Fact) -> &mut Self {
        self.events.push(Event { at: at(self.now), fact });
        self
    }

    /// Time passes.
    pub fn wait(&mut self, seconds: f64) -> &mut Self {
        self.now += seconds;
        self
    }

    /// A case begins.
    pub fn begin(&mut self, case: &ServiceName) -> &mut Self {
        self.fact(Fact::CaseStarted { case: case.clone() })
    }

    /// A whole step of one case.
    pub fn step(&mut self, case: &ServiceName, step: Step, seconds: f64, result: StepResult) -> &mut Self {
        let id = self.open(&[case], step);
        self.wait(seconds).close(id, result)
    }

    /// A step begins; its number.
    pub fn open(&mut self, cases: &[&ServiceName], step: Step) -> u64 {
        self.steps += 1;
        let id = self.steps;
        self.fact(Fact::StepStarted { id, cases: cases.iter().map(|case| (*case).clone()).collect(), step });
        id
    }

    /// A step ends.
    pub fn close(&mut self, id: u64, result: StepResult) -> &mut Self {
        self.fact(Fact::StepFinished { id, result })
    }

    /// A case ends.
    pub fn end(&mut self, case: &ServiceName) -> &mut Self {
        self.fact(Fact::CaseFinished { case: case.clone() })
    }

    /// The run ends; all its events.
    pub fn over(&mut self) -> Vec<Event> {
        self.fact(Fact::RunFinished);
        std::mem::take(&mut self.events)
    }

    /// Its events so far: of a run that is killed now.
    pub fn killed(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

/// Folds `events` and hands them to `reporter`; the outcome.
pub fn play(events: &[Event], reporter: &mut dyn Reporter) -> Outcome {
    let mut outcome = Outcome::new();
    for event in events {
        outcome.apply(event);
        reporter.event(event, &outcome).expect("the reporter can write");
    }
    outcome
}

/// What is written in a form to a stream, which gets it once, at the end.
pub fn written(events: &[Event], form: impl Render) -> String {
    let paper = Paper::default();
    play(events, &mut SnapshotReport::new("report".to_owned(), AtomicFile::stream(Box::new(paper.clone())), form));
    paper.text()
}

/// The JUnit report of `events`.
pub fn junit(events: &[Event], flavor: JunitFlavor) -> String {
    written(events, Junit(flavor))
}

/// Writes the report of `events` to the file at `path`, as a run does, and calls `after_each` after each event.
pub fn play_into_file(
    events: &[Event],
    path: &std::path::Path,
    form: impl Render,
    mut after_each: impl FnMut(),
) -> Outcome {
    let mut report =
        SnapshotReport::new("report".to_owned(), AtomicFile::file(path, Naming::User).expect("it opens"), form);
    let mut outcome = Outcome::new();
    for event in events {
        outcome.apply(event);
        report.event(event, &outcome).expect("written");
        after_each();
    }
    outcome
}

/// What is written in a form of a run as it is at the time `now`.
pub fn rendered(outcome: &Outcome, now: Timestamp, form: &impl Render) -> String {
    let mut bytes = Vec::new();
    form.render(outcome, now, &mut bytes).expect("a Vec takes everything");
    String::from_utf8(bytes).expect("reports are UTF-8")
}

/// The outcome of `events`.
pub fn outcome(events: &[Event]) -> Outcome {
    let mut outcome = Outcome::new();
    events.iter().for_each(|event| outcome.apply(event));
    outcome
}

/// A writer whose content can be looked at.
#[derive(Clone, Default)]
pub struct Paper(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Paper {
    /// What was written.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("unpoisoned").clone()).expect("reports are UTF-8")
    }
}

impl std::io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("unpoisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
