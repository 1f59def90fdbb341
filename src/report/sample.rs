//! Recorded runs for the tests of all reports: each a sequence of events as the engine would send them, at fixed times.

use jiff::{SignedDuration, Timestamp};

use super::Reporter;
use crate::model::check::{Check, Proof};
use crate::model::diagnosis::{Code, Diagnosis, KnownCause};
use crate::model::event::{Amount, CaseInfo, Change, Event, Fact, Location, NoTests, Snapshot, Step, StepResult};
use crate::model::mount::Strategy;
use crate::model::outcome::Outcome;
use crate::model::partition::{Partition, Sharing};
use crate::model::service::{Image, ServiceName};

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
    }
}

/// A change that every report says.
pub fn notable(field: &str, live: &str, sandbox: &str) -> Change {
    Change { field: field.to_owned(), live: live.to_owned(), sandbox: sandbox.to_owned(), notable: true }
}

/// Cloning a live volume.
pub fn clone_of(volume: &str) -> Step {
    Step::Restore { mount: format!("volume {volume}"), strategy: Strategy::Copy, source: "live".to_owned() }
}

/// A step's end with what was restored.
pub fn restored(files: u64, bytes: u64) -> StepResult {
    StepResult::Done { amount: Some(Amount { files, bytes }), note: None }
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

/// The steps of the page of the project's description, for `case`.
pub fn pass(script: &mut Script, case: &ServiceName) {
    let service = || case.clone();
    script
        .begin(case)
        .step(case, Step::Worker, 0.5, StepResult::done())
        .step(case, clone_of(&format!("{}_config", case.service)), 12.0, restored(412, 38_000_000))
        .step(case, Step::Network, 0.2, StepResult::done())
        .step(case, Step::Canary, 0.3, StepResult::done())
        .step(case, Step::Boot { service: service() }, 1.1, StepResult::done())
        .step(case, Step::Check { service: service(), check: Check::Health }, 1.3, StepResult::done())
        .step(case, Step::Settle { service: service() }, 3.0, StepResult::done())
        .fact(Fact::CaseProven { case: service(), proof: Proof::Healthy, log_tail: vec!["ready".to_owned()] })
        .end(case);
}

/// One case that passes.
pub fn one_passed() -> Vec<Event> {
    let case = name("media", "jellyfin");
    let mut script = Script::run(vec![info(&case)]);
    pass(&mut script, &case);
    script.step(&case, Step::Teardown, 0.6, StepResult::done());
    script.over()
}

/// One case that fails, with a warning and a notable change.
pub fn one_failed() -> Vec<Event> {
    let case = name("media", "sonarr");
    let mut info = info(&case);
    info.changes.push(notable("mount /var/run/docker.sock", "/var/run/docker.sock", "left out"));
    info.changes.push(Change { notable: false, ..notable("ports", "8989:8989/tcp", "not published") });
    let mut script = Script::run(vec![info]);
    fail(&mut script, &case);
    script.over()
}

fn fail(script: &mut Script, case: &ServiceName) {
    script.begin(case).step(case, clone_of("sonarr_config"), 2.0, restored(1, 1_200_000_000));
    let torn = Diagnosis::new(Code::DataTornCopy, "logs.db");
    script
        .fact(Fact::Warned { cases: vec![case.clone()], diagnosis: torn })
        .step(case, Step::Boot { service: case.clone() }, 2.1, broke(&exited()))
        .end(case);
}

/// Passed, failed, errored and skipped in one run.
pub fn mixed() -> Vec<Event> {
    mixed_script().over()
}

fn mixed_script() -> Script {
    let (jellyfin, sonarr) = (name("media", "jellyfin"), name("media", "sonarr"));
    let (web, watchtower) = (name("paperless", "web"), ServiceName::lone("watchtower"));
    let declared = Some(Location { file: "compose.yaml".to_owned(), line: 7 });
    let skipped = CaseInfo { ignored: Some("it needs the Docker socket".to_owned()), ..info(&watchtower) };
    let cases = vec![
        CaseInfo { declared, ..info(&jellyfin) },
        CaseInfo { changes: vec![notable("privileged", "true", "left out")], ..info(&sonarr) },
        info(&web),
        skipped,
    ];
    let mut script = Script::run(cases);
    pass(&mut script, &jellyfin);
    fail(&mut script, &sonarr);
    let no_space = Diagnosis::new(Code::RestoreNoSpace, "volume paperless_data holds 80 GB, 12 GB are free");
    script
        .begin(&web)
        .step(&web, Step::Network, 0.2, StepResult::done())
        .step(&web, clone_of("paperless_data"), 0.4, broke(&no_space))
        .end(&web);
    script
}

/// As [`mixed`], and something could not be removed.
pub fn left_behind() -> Vec<Event> {
    let mut script = mixed_script();
    let diagnosis = Diagnosis::new(Code::SandboxLeftBehind, "volume rehearsa-k3x9-1: the engine says it is in use");
    script.fact(Fact::LeftBehind { diagnosis });
    script.over()
}

/// A signal comes while the second of three cases runs.
pub fn interrupted() -> Vec<Event> {
    let [first, second, third] = ["jellyfin", "sonarr", "radarr"].map(|service| name("media", service));
    let mut script = Script::run([&first, &second, &third].map(info).to_vec());
    pass(&mut script, &first);
    script.begin(&second);
    let id = script.open(&[&second], clone_of("sonarr_config"));
    script.wait(1.0).fact(Fact::Interrupted { signal: 2 }).close(id, StepResult::Stopped);
    for case in [&second, &third] {
        let diagnosis = Diagnosis::new(Code::RunCancelled, "SIGINT ended the run");
        script.fact(Fact::CaseAborted { case: case.clone(), diagnosis }).end(case);
    }
    script.over()
}

/// Every way in which a case can end, in one run: passed, failed, errored, skipped, green at its second attempt, failed at
/// each of two, and cancelled by a signal. With a snapshot, a partition, a slow case and something left behind.
pub fn everything() -> Vec<Event> {
    let (flaky, stubborn) = (name("files", "nextcloud"), name("files", "office"));
    let (cancelled, late) = (name("photos", "immich"), ServiceName::lone("vaultwarden"));
    let Script { mut events, now, steps } = mixed_script();
    if let Fact::RunStarted { cases, partition, .. } = &mut events[0].fact {
        cases.extend([&flaky, &stubborn, &cancelled, &late].map(info));
        cases[4].source = "restic".to_owned();
        cases[4].snapshot = Some(Snapshot { id: "4f1c09d2".to_owned(), time: Some(at(-86_400.0)) });
        *partition = Some(Partition { sharing: Sharing::Slice, index: 1, total: 2 });
    }
    let mut script = Script { events, now, steps };
    let worker = Diagnosis::new(Code::WorkerFailed, "the worker's container ended with 137");
    script
        .begin(&flaky)
        .step(&flaky, Step::Worker, 0.5, broke(&worker))
        .fact(Fact::CaseRetried { case: flaky.clone() })
        .step(&flaky, Step::Worker, 0.4, StepResult::done())
        .step(&flaky, clone_of("nextcloud_data"), 4.0, restored(20_000, 900_000_000))
        .fact(Fact::CaseSlow { case: flaky.clone(), seconds: 60 })
        .step(&flaky, Step::Boot { service: flaky.clone() }, 1.0, StepResult::done())
        .fact(Fact::CaseProven { case: flaky.clone(), proof: Proof::Listening, log_tail: Vec::new() })
        .end(&flaky);
    script
        .begin(&stubborn)
        .step(&stubborn, Step::Boot { service: stubborn.clone() }, 1.0, broke(&exited()))
        .fact(Fact::CaseRetried { case: stubborn.clone() })
        .step(&stubborn, Step::Boot { service: stubborn.clone() }, 1.5, broke(&exited()))
        .end(&stubborn);
    script.begin(&cancelled);
    let id = script.open(&[&cancelled], clone_of("immich_library"));
    script.wait(1.0).fact(Fact::Interrupted { signal: 15 }).close(id, StepResult::Stopped);
    let diagnosis = Diagnosis::new(Code::RunCancelled, "SIGTERM ended the run");
    script.fact(Fact::CaseAborted { case: cancelled.clone(), diagnosis }).end(&cancelled);
    let reason = "not run: the run was interrupted".to_owned();
    script.fact(Fact::CaseSkipped { case: late.clone(), reason }).end(&late);
    let diagnosis = Diagnosis::new(Code::SandboxLeftBehind, "volume rehearsa-k3x9-1: the engine says it is in use");
    script.fact(Fact::LeftBehind { diagnosis });
    script.over()
}

/// The run is killed while the second of three cases runs: no more events.
pub fn killed() -> Vec<Event> {
    let [first, second, third] = ["jellyfin", "sonarr", "radarr"].map(|service| name("media", service));
    let mut script = Script::run([&first, &second, &third].map(info).to_vec());
    pass(&mut script, &first);
    script.begin(&second);
    script.open(&[&second], clone_of("sonarr_config"));
    script.wait(1.0).killed()
}

/// Nothing was selected.
pub fn nothing() -> Vec<Event> {
    Script::run(Vec::new()).over()
}

/// Text that breaks naive reports.
pub const HOSTILE: &str = "]]> <&\"' \u{1b}[31mred\u{1b}[0m nul:\0 ffff:\u{ffff} 🦀 # \\ 9 [[ATTACHMENT|x]] ##[error]boo\n::error::boom\nthird --- ...\n\u{1b}[0Ksection_start:1:x[collapsed=true]\r\u{1b}[0Ksection";

/// A failed case in which every text is hostile, with a log line of a megabyte, and a skipped one with a hostile reason.
pub fn hostile() -> Vec<Event> {
    let (case, skipped) = (ServiceName::lone("3proxy"), name("h#sh", "b\\ck"));
    let mut hostile = info(&case);
    hostile.changes.push(notable(HOSTILE, HOSTILE, HOSTILE));
    hostile.image.reference = HOSTILE.to_owned();
    let skip = CaseInfo { ignored: Some(HOSTILE.to_owned()), ..info(&skipped) };
    let mut script = Script::run(vec![hostile, skip]);
    let diagnosis = Diagnosis {
        cause: Some(KnownCause { meaning: HOSTILE.to_owned(), line: HOSTILE.to_owned() }),
        remedy: Some(HOSTILE.to_owned()),
        log_tail: vec![HOSTILE.to_owned(), "x".repeat(1_000_000), "::error::last".to_owned()],
        ..Diagnosis::new(Code::BootExited, HOSTILE)
    };
    script
        .begin(&case)
        .step(&case, clone_of(HOSTILE), 1.0, restored(1, 1))
        .fact(Fact::Warned { cases: vec![case.clone()], diagnosis: Diagnosis::new(Code::DataTornCopy, HOSTILE) })
        .step(&case, Step::Boot { service: case.clone() }, 1.0, broke(&diagnosis))
        .end(&case);
    script.over()
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
