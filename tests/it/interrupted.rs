//! A rehearsal that a signal ends, at each of its steps: the right exit code, valid reports, nothing left, and the
//! live service untouched. Needs a Docker engine and the fixture images (`ci/fixtures`).

use rustix::process::Signal;
use serde_json::Value;

use crate::support::objects::{Objects, objects_of, objects_of_session, sessions_of};
use crate::support::run::{Ended, Run};
use crate::support::{PATIENCE, inspect, rehearsa, unique, wait_for_log};

/// A test for each step of a rehearsal, which does this at its begin. Those behind `nightly` show at one more step what
/// the others show.
macro_rules! at_each_step {
    ($does:expr; $($step:ident)*; nightly $($further:ident)*) => {
        $(#[test]
        fn $step() {
            let at: fn(&str) = $does;
            at(stringify!($step));
        })*
        $(#[test]
        #[ignore = "nightly: one more step"]
        fn $further() {
            let at: fn(&str) = $does;
            at(stringify!($further));
        })*
    };
}

/// A live service whose own healthcheck is not due while the test runs: nothing about it changes by itself.
fn service(live: &mut Objects, what: &str) -> String {
    let (name, volume) = (unique(what), unique("data"));
    live.volume(&volume);
    live.run(&name, &["--volume", &format!("{volume}:/data"), "--health-interval", "1h", "rehearsa-fixture/notes"]);
    wait_for_log(&name, "listening on port");
    name
}

fn assert_reports(ended: &Ended, service: &str, code: i64, at: &str) {
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

/// The exit code is the signal's, the reports are valid, and nothing is left.
fn a_signal_at(step: &str, signal: Signal, code: i32) {
    let mut live = Objects::new();
    let name = service(&mut live, "signalled");
    let before = inspect("container", &name);
    let mut run = Run::start(&name, &[]);
    run.wait_for_step(step);
    let pid = run.pid();
    run.signal(signal);
    let ended = run.end();
    assert_eq!(ended.code(), Some(code), "{}", ended.stderr);
    assert_eq!(objects_of(pid), Vec::<String>::new(), "{}", ended.stderr);
    assert_eq!(objects_of_session(&ended.session()), Vec::<String>::new(), "{}", ended.stderr);
    assert_reports(&ended, &name, code.into(), step);
    // At the last step the verdict is known already, and stays.
    if step != "teardown" {
        assert_eq!(ended.case()["diagnosis"]["code"], "run/cancelled", "{:#}", ended.case());
    }
    assert_eq!(inspect("container", &name), before, "the live container is as it was");
}

mod sigint_exits_with_130_and_leaves_only_valid_reports {
    at_each_step!(|step| super::a_signal_at(step, super::Signal::INT, 130);
        canary restore settle teardown; nightly network worker boot check);
}

mod sigterm_exits_with_143_and_leaves_only_valid_reports {
    at_each_step!(|step| super::a_signal_at(step, super::Signal::TERM, 143);
        network boot; nightly worker canary restore check settle teardown);
}

#[test]
fn a_second_signal_changes_neither_the_exit_code_of_the_first_nor_what_is_left() {
    let mut live = Objects::new();
    let name = service(&mut live, "signalled-twice");
    let before = inspect("container", &name);
    let mut run = Run::start(&name, &[]);
    run.wait_for_step("settle");
    let pid = run.pid();
    run.signal(Signal::INT);
    run.wait_for_step("teardown");
    run.signal(Signal::TERM);
    let ended = run.end();
    assert_eq!(ended.code(), Some(130), "{}", ended.stderr);
    // The second signal shortens the clean-up. The run names what it could not remove, and `clean` removes it; a run
    // that starts at this moment may have swept it away already.
    let left = objects_of(pid);
    assert!(left.is_empty() || ended.stderr.contains("rehearsa clean"), "{left:?}: {}", ended.stderr);
    clean_up_after(pid);
    assert_reports(&ended, &name, 130, "two signals");
    assert_eq!(inspect("container", &name), before);
}

/// Runs `rehearsa clean` until nothing is left of a dead process's sessions; other tests' sessions are not touched.
/// One run is not always enough: the engine may still be busy with the process's last request, or another run may
/// sweep at the same time.
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

/// `rehearsa clean` removes what is left.
fn killed_at(step: &str) {
    let mut live = Objects::new();
    let name = service(&mut live, "killed");
    let before = inspect("container", &name);
    let mut run = Run::start(&name, &[]);
    run.wait_for_step(step);
    let pid = run.pid();
    // Any run that starts may sweep what a dead process left, so this looks while the process still lives.
    run.signal(Signal::STOP);
    if matches!(step, "boot" | "check" | "settle") {
        assert_ne!(objects_of(pid), Vec::<String>::new(), "there is something to clean");
    }
    run.signal(Signal::KILL);
    let ended = run.end();
    assert_eq!(ended.code(), None, "it was killed");
    clean_up_after(pid);
    assert_eq!(inspect("container", &name), before, "the live container is as it was");
}

mod clean_removes_what_a_killed_run_left {
    at_each_step!(super::killed_at; worker check; nightly network canary restore boot settle teardown);
}
