//! The recorded runs.

use super::{Script, at, broke, clone_of, exited, info, name, notable, restored, score_basis};
use rehearsa::model::check::{CheckSummary, Proof};
use rehearsa::model::diagnosis::{Code, Diagnosis, KnownCause};
use rehearsa::model::event::{CaseInfo, Change, Event, Fact, Snapshot, Step, StepResult};
use rehearsa::model::location::Location;
use rehearsa::model::partition::{Partition, Sharing};
use rehearsa::model::service::ServiceName;

/// Every recorded run with its name.
pub fn all() -> Vec<(&'static str, Vec<Event>)> {
    let mut all = ended();
    all.extend([("killed", killed()), ("killed_between", killed_between())]);
    all
}

/// Those that came to their end.
pub fn ended() -> Vec<(&'static str, Vec<Event>)> {
    vec![
        ("one_passed", one_passed()),
        ("one_failed", one_failed()),
        ("mixed", mixed()),
        ("left_behind", left_behind()),
        ("part_missing", part_missing()),
        ("timed_out", timed_out()),
        ("interrupted", interrupted()),
        ("interrupted_late", interrupted_late()),
        ("everything", everything()),
        ("torn", torn()),
        ("hostile", hostile()),
        ("nothing", nothing()),
        ("scored", scored()),
    ]
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
        .step(case, Step::Check { service: service(), check: CheckSummary::Health }, 1.3, StepResult::done())
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

/// Backups with scores: of a service that passed, of one that failed, of one that errored, and of one without data.
pub fn scored() -> Vec<Event> {
    let services = ["jellyfin", "sonarr", "radarr", "proxy"].map(|service| name("media", service));
    let [passed, failed, errored, without_data] = &services;
    let of_backup = |case: &ServiceName| CaseInfo {
        source: "tar".to_owned(),
        score_basis: Some(score_basis(&format!("volume {}_config", case.service))),
        ..info(case)
    };
    let mut cases: Vec<CaseInfo> = services.iter().map(of_backup).collect();
    cases[3].score_basis.as_mut().expect("it has one").mounts.clear();
    let mut script = Script::run(cases);
    pass(&mut script, passed);
    fail(&mut script, failed);
    let worker = Diagnosis::new(Code::WorkerFailed, "the worker's container ended with 137");
    script.begin(errored).step(errored, Step::Worker, 0.5, broke(&worker)).end(errored);
    pass(&mut script, without_data);
    super::of_backup(script.over())
}

/// As [`mixed`], and something could not be removed.
pub fn left_behind() -> Vec<Event> {
    let mut script = mixed_script();
    let diagnosis = Diagnosis::new(Code::SandboxLeftBehind, "volume rehearsa-k3x9-1: the engine says it is in use");
    script.fact(Fact::LeftBehind { diagnosis });
    script.over()
}

/// One case that passes, and then `fact`.
fn passed_but(fact: Fact) -> Vec<Event> {
    let mut events = one_passed();
    let end = events.pop().expect("the run's end");
    events.extend([Event { at: end.at, fact }, end]);
    events
}

/// One case that passes, and another part without a record.
pub fn part_missing() -> Vec<Event> {
    let diagnosis = Diagnosis::new(Code::RunPartMissing, "there is no record of part slice:2/2");
    passed_but(Fact::LeftBehind { diagnosis })
}

/// One case that passes, and the time of the run is over before its end.
pub fn timed_out() -> Vec<Event> {
    passed_but(Fact::TimedOut { seconds: 3600 })
}

/// A signal comes when the only case has passed.
pub fn interrupted_late() -> Vec<Event> {
    passed_but(Fact::Interrupted { signal: 15 })
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

/// Every end that a case can have, in one run: passed, failed, errored, skipped, passed at the second attempt, failed
/// at both attempts, and cancelled by a signal. With a snapshot, a partition, a slow case and an object left behind.
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

/// The run is killed when the first of two cases has passed, and the second has not begun.
pub fn killed_between() -> Vec<Event> {
    let [first, second] = ["jellyfin", "sonarr"].map(|service| name("media", service));
    let mut script = Script::run([&first, &second].map(info).to_vec());
    pass(&mut script, &first);
    script.killed()
}

/// Nothing was selected.
pub fn nothing() -> Vec<Event> {
    Script::run(Vec::new()).over()
}

/// Text that breaks naive reports.
pub const HOSTILE: &str = "]]> <&\"' \u{1b}[31mred\u{1b}[0m nul:\0 ffff:\u{ffff} 🦀 # \\ 9 \
    [[ATTACHMENT|x]] ##[error]boo\n\
    ::error::boom\nthird --- ...\n\u{1b}[0Ksection_start:1:x[collapsed=true]\r\u{1b}[0Ksection";

/// A green case whose stack and service have hostile names.
pub fn hostile_names() -> Vec<Event> {
    let name = ServiceName::of_stack(HOSTILE, HOSTILE);
    let mut script = Script::run(vec![info(&name)]);
    pass(&mut script, &name);
    script.over()
}

/// A failed case in which every text is hostile, with a log line of a megabyte, and a skipped case with a hostile
/// reason.
pub fn hostile() -> Vec<Event> {
    let (case, skipped) = (ServiceName::lone("3proxy"), name("h#sh", "b\\ck"));
    let mut hostile = info(&case);
    hostile.changes.push(notable(HOSTILE, HOSTILE, HOSTILE));
    hostile.image.reference = HOSTILE.to_owned();
    hostile.score_basis = Some(score_basis(HOSTILE));
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

/// The special cases of the fold: a stack's steps in two cases, steps side by side, a dependency that broke, an abort
/// before and after a broken step, a teardown that broke late, and an attempt that had passed its checks.
pub fn torn() -> Vec<Event> {
    let (db, web, cron) = (name("shop", "db"), name("shop", "web"), name("shop", "cron"));
    let mut script = Script::run([&db, &web, &cron].map(info).to_vec());
    let trouble = |code, words: &str| Diagnosis::new(code, words);
    script.begin(&db).begin(&web);
    let network = script.open(&[&db, &web], Step::Network);
    let (first, second) = (script.open(&[&db], clone_of("a")), script.open(&[&db, &web], clone_of("b")));
    script.wait(0.123).close(second, restored(2, 2)).close(network, StepResult::done());
    script.wait(0.4567).close(first, restored(1, 1));
    let aborted = trouble(Code::RunPanicked, "first");
    script.fact(Fact::CaseAborted { case: web.clone(), diagnosis: aborted });
    let boot = script.open(&[&db, &web], Step::Boot { service: db.clone() });
    let broken = Diagnosis { log_tail: vec!["of db".to_owned()], ..trouble(Code::BootExited, "db exited") };
    script.wait(1.0).close(boot, broke(&broken));
    script.step(&web, Step::Worker, 0.1, broke(&trouble(Code::WorkerFailed, "second")));
    let last = trouble(Code::OrderDependencyFailed, "third");
    script.fact(Fact::CaseAborted { case: web.clone(), diagnosis: last });
    script.end(&web).wait(0.1).end(&db).begin(&cron);
    let check = Step::Check { service: cron.clone(), check: CheckSummary::Tcp { ports: vec![80, 443] } };
    let log_tail = vec!["fine so far".to_owned()];
    script
        .step(
            &cron,
            check.clone(),
            0.1,
            StepResult::Done { amount: None, note: Some("2 probes".to_owned()), compared: None, witness: None },
        )
        .fact(Fact::CaseProven { case: cron.clone(), proof: Proof::Listening, log_tail })
        .fact(Fact::CaseAborted { case: cron.clone(), diagnosis: trouble(Code::HostUnreachable, "gone") });
    let early = script.open(&[&cron], Step::Teardown);
    script
        .fact(Fact::CaseRetried { case: cron.clone() })
        .close(early, broke(&trouble(Code::HostUnreachable, "cannot remove the first")))
        .step(&cron, check, 0.1, StepResult::done())
        .fact(Fact::CaseProven { case: cron.clone(), proof: Proof::Listening, log_tail: Vec::new() })
        .end(&cron);
    let late = script.open(&[&db, &web, &cron], Step::Teardown);
    script.wait(1.0).close(late, broke(&trouble(Code::HostUnreachable, "cannot remove the second")));
    script.fact(Fact::TimedOut { seconds: 3 });
    script.over()
}
