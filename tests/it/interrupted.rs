//! A rehearsal that is ended by a signal, at whatever step: the right exit code, valid reports, nothing left, and the live
//! service untouched. Needs a Docker engine and the fixture images (`ci/fixtures`).

use crate::support::run::{
    Live, PATIENCE, Run, inspect, objects_of, objects_of_session, rehearsa, sessions_of, unique,
};
use rustix::process::Signal;
use serde_json::Value;

/// The steps as the debug lines name them, in the order they come.
const STEPS: [&str; 8] = ["Network", "Worker", "Canary", "Restore", "Boot", "Check", "Settle", "Teardown"];

/// A live service whose own healthcheck is not due while the test runs: nothing about it changes by itself.
fn service(live: &mut Live, what: &str) -> String {
    let (name, volume) = (unique(what), unique("data"));
    live.volume(&volume);
    live.run(&name, &["--volume", &format!("{volume}:/data"), "--health-interval", "1h", "rehearsa-fixture/notes"]);
    crate::support::run::wait_for_log(&name, "listening on port");
    name
}

fn assert_reports(ended: &crate::support::run::Ended, service: &str, code: i64, at: &str) {
    let json = ended.json();
    assert_eq!(json["exit_code"], code, "{at}: {json:#}");
    assert_eq!(json["cases"][0]["name"], service, "{at}: {json:#}");
    assert!(json["finished"].is_string(), "{at}: {json:#}");
    let junit = ended.report("junit.xml");
    let report = quick_junit::Report::deserialize_from_str(&junit);
    let report = report.unwrap_or_else(|error| panic!("{at}: {error}\n{junit}"));
    // Beside it stands what concerns the whole run: that it was interrupted.
    let cases = report.test_suites.iter().flat_map(|suite| &suite.test_cases);
    assert_eq!(cases.filter(|case| case.name.as_str() == service).count(), 1, "{at}: {junit}");
}

fn a_signal_at_each_step(signal: Signal, code: i32) {
    let mut live = Live::new();
    let name = service(&mut live, "signalled");
    let before = inspect("container", &name);
    for step in STEPS {
        let mut run = Run::start(&name, &[]);
        run.wait_for_step(step);
        let pid = run.pid();
        run.signal(signal);
        let ended = run.end();
        assert_eq!(ended.code(), Some(code), "{step}: {}", ended.stderr);
        assert_eq!(objects_of(pid), Vec::<String>::new(), "{step}: {}", ended.stderr);
        assert_eq!(objects_of_session(&ended.session()), Vec::<String>::new(), "{step}: {}", ended.stderr);
        assert_reports(&ended, &name, code.into(), step);
        // At the last step the verdict is known already, and stays.
        if step != "Teardown" {
            assert_eq!(ended.case()["diagnosis"]["code"], "run/cancelled", "{step}: {:#}", ended.case());
        }
        assert_eq!(inspect("container", &name), before, "{step}: the live container is as it was");
    }
}

#[test]
fn sigint_at_any_step_exits_with_130_and_leaves_only_valid_reports() {
    a_signal_at_each_step(Signal::INT, 130);
}

#[test]
fn sigterm_at_any_step_exits_with_143_and_leaves_only_valid_reports() {
    a_signal_at_each_step(Signal::TERM, 143);
}

#[test]
fn a_second_signal_changes_neither_the_exit_code_of_the_first_nor_what_is_left() {
    let mut live = Live::new();
    let name = service(&mut live, "signalled-twice");
    let before = inspect("container", &name);
    let mut run = Run::start(&name, &[]);
    run.wait_for_step("Settle");
    let pid = run.pid();
    run.signal(Signal::INT);
    run.wait_for_step("Teardown");
    run.signal(Signal::TERM);
    let ended = run.end();
    assert_eq!(ended.code(), Some(130), "{}", ended.stderr);
    // The second shortens the time to clean up; what it did not suffice for is said, and `clean` removes it. A run that starts
    // at this moment may have swept it away already.
    let left = objects_of(pid);
    assert!(left.is_empty() || ended.stderr.contains("rehearsa clean"), "{left:?}: {}", ended.stderr);
    clean_up_after(pid);
    assert_reports(&ended, &name, 130, "two signals");
    assert_eq!(inspect("container", &name), before);
}

/// `rehearsa clean` of a dead process's sessions until nothing is left; other tests' are not touched. Once would do, if the
/// engine were not still busy with what the process asked for last, and if nobody else swept at the same time.
fn clean_up_after(pid: u32) {
    let ends = std::time::Instant::now() + PATIENCE;
    loop {
        let sessions = sessions_of(pid);
        if sessions.is_empty() {
            return;
        }
        assert!(std::time::Instant::now() < ends, "{sessions:?} stay");
        for session in sessions {
            let args = ["clean", "--session", &session, "--format", "json"];
            let output = rehearsa(&args).output().expect("rehearsa starts");
            let shown: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
            let spared = shown["spared"].as_array().expect("it says what it spares");
            assert!(spared.is_empty(), "a dead process was taken to live: {shown:#}");
        }
    }
}

#[test]
fn clean_removes_what_a_run_left_that_was_killed_at_any_step() {
    let mut live = Live::new();
    let name = service(&mut live, "killed");
    let before = inspect("container", &name);
    let mut killed = Vec::new();
    for step in STEPS {
        let mut run = Run::start(&name, &[]);
        run.wait_for_step(step);
        let pid = run.pid();
        run.signal(Signal::KILL);
        let ended = run.end();
        assert_eq!(ended.code(), None, "{step}: it was killed");
        if matches!(step, "Boot" | "Check" | "Settle") {
            // Somebody else may sweep at this moment, but hardly in each of these three.
            killed.push((step, objects_of(pid).len()));
        }
        clean_up_after(pid);
        assert_eq!(inspect("container", &name), before, "{step}: the live container is as it was");
    }
    assert!(killed.iter().any(|(_, left)| *left > 0), "there was never anything to clean: {killed:?}");
}
