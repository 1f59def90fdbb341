//! The course of a whole run: retries, services that are left out, early ends. Needs a Docker engine with the fixture
//! images.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::support::{Live, Stack, rehearsa, rehearse, service};
use serde_json::Value;

/// Runs it and hands each event over as it comes; the exit code, and all events.
fn follow(args: &[&str], mut each: impl FnMut(&Value)) -> (Option<i32>, Vec<Value>) {
    let mut child = rehearsa(&["test", "--settle", "0s", "--events", "-"])
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("rehearsa starts");
    let mut events = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines() {
        let event: Value = serde_json::from_str(&line.expect("text")).expect("a line is an event");
        each(&event);
        events.push(event);
    }
    (child.wait().expect("it ends").code(), events)
}

fn count(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["event"] == kind).count()
}

fn dies(code: u32) -> Live {
    service("broken").rehearsed_as(&format!("exec behave exits-with {code}")).start()
}

#[test]
fn a_service_that_comes_up_at_a_later_attempt_is_green_and_flaky() {
    let live = service("broken")
        .volume("/data")
        .rehearsed_as("[ -e /data/mended ] && exec behave healthy; exec behave exits-with 9")
        .start();
    // By the time it boots, its data is copied: what is written then is for the next attempt.
    let (code, events) = follow(&["--exact", &live.name, "--retries", "9", "--retry-failures"], |event| {
        if event["event"] == "step-started" && event["step"]["step"] == "boot" {
            live.write("/data/mended", "");
        }
    });
    assert_eq!(code, Some(0), "{events:#?}");
    assert!(count(&events, "case-retried") >= 1, "{events:#?}");
    assert_eq!((count(&events, "case-started"), count(&events, "case-finished")), (1, 1), "{events:#?}");
    // Each attempt has a sandbox of its own.
    let networks = events.iter().filter(|e| e["event"] == "step-started" && e["step"]["step"] == "network").count();
    assert_eq!(networks, count(&events, "case-retried") + 1, "{events:#?}");
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn a_bad_backup_is_not_tried_again_unless_asked() {
    let live = dies(37);
    let (code, events) = follow(&["--exact", &live.name, "--retries", "2"], |_| {});
    assert_eq!((code, count(&events, "case-retried")), (Some(101), 0), "{events:#?}");
    let (code, events) = follow(&["--exact", &live.name, "--retries", "2", "--retry-failures"], |_| {});
    assert_eq!((code, count(&events, "case-retried")), (Some(101), 2), "{events:#?}");
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn what_could_not_be_found_out_is_tried_again() {
    // A check for which the image has no program cannot be asked.
    let live =
        service("broken").command(&["healthy"]).options(&["--label", "rehearsa.check.x=exec no-such-program"]).start();
    let args = ["--exact", &live.name, "--retries", "1"];
    let (code, events) = follow(&args, |_| {});
    assert_eq!((code, count(&events, "case-retried")), (Some(102), 1), "{events:#?}");
    let rehearsal = rehearse(&[&live.name], &args[2..]);
    rehearsal.errored("check/cannot-ask");
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn what_another_attempt_would_find_again_is_not_tried_again() {
    let live = service("broken").volume("/data").command(&["healthy"]).file("/data/big", &"x".repeat(100_000)).start();
    let args = ["--exact", &live.name, "--max-copy", "1kB", "--retries", "1"];
    let (code, events) = follow(&args, |_| {});
    assert_eq!((code, count(&events, "case-retried")), (Some(102), 0), "{events:#?}");
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn after_enough_failures_no_more_is_begun() {
    let services = [dies(31), dies(32), dies(33)];
    let names: Vec<&str> = services.iter().map(|live| live.name.as_str()).collect();
    let rehearsal = rehearse(&names, &["--max-fail", "2", "--test-threads", "1"]);
    assert_eq!(rehearsal.code, Some(101), "{rehearsal}");
    let mut verdicts: Vec<&str> = rehearsal.cases().iter().filter_map(|case| case["verdict"].as_str()).collect();
    verdicts.sort_unstable();
    assert_eq!(verdicts, ["failed", "failed", "skipped"], "{rehearsal}");
    let skipped = rehearsal.cases().iter().find(|case| case["verdict"] == "skipped").expect("one is skipped");
    assert_eq!(skipped["skipped"], "not run: 2 before it were not green", "{rehearsal}");
}

#[test]
fn a_run_whose_time_is_over_is_an_error_of_all_that_was_not_done() {
    let hangs = || service("broken").options(&["--health-retries", "600"]).rehearsed_as("exec behave never-healthy");
    let services = [hangs().start(), hangs().start()];
    let names: Vec<&str> = services.iter().map(|live| live.name.as_str()).collect();
    let rehearsal = rehearse(&names, &["--global-timeout", "3s", "--test-threads", "1"]);
    assert_eq!(rehearsal.code, Some(102), "{rehearsal}");
    for case in rehearsal.cases() {
        assert_eq!(case["diagnosis"]["code"], "run/timed-out", "{rehearsal}");
    }
    rehearsal.nothing_is_left();
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_slow_rehearsal_is_told_of() {
    let live = service("broken").rehearsed_as("exec behave slow-start 3").options(&["--health-retries", "60"]).start();
    let rehearsal = rehearse(&[&live.name], &["--slow-after", "1s"]);
    rehearsal.is_green("healthy");
    assert!(rehearsal.stderr.contains("Slow: it has been running for 1s"), "{rehearsal}");
}

#[test]
fn the_parts_of_a_partition_are_the_whole() {
    let services: Vec<Live> = (0..3).map(|_| service("no-ports").start()).collect();
    let mut whole: Vec<&str> = services.iter().map(|live| live.name.as_str()).collect();
    whole.sort_unstable();
    for kind in ["slice", "hash"] {
        let mut parts = Vec::new();
        for part in 1..=3 {
            let partition = format!("{kind}:{part}/3");
            let output = rehearsa(&["test", "--list", "--format", "terse", "--exact", "--partition", &partition])
                .args(&whole)
                .output()
                .expect("rehearsa starts");
            let listed = String::from_utf8_lossy(&output.stdout).into_owned();
            parts.extend(
                listed.lines().map(|line| line.trim_end_matches(": test").trim_start_matches("[live] ").to_owned()),
            );
        }
        parts.sort_unstable();
        assert_eq!(parts, whole, "{kind}");
    }
}

#[test]
fn an_empty_selection_means_what_was_said() {
    // On a host where nothing runs there is nothing that the name could have missed.
    let _some = service("no-ports").start();
    let exit = |args: &[&str]| {
        let output = rehearsa(&["test", "--exact", "no-service-has-this-name"]).args(args).output().expect("it starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(exit(&[]).0, Some(4));
    let (code, words) = exit(&["--no-tests", "warn"]);
    assert_eq!(code, Some(0));
    assert!(words.contains("no-service-has-this-name"), "{words}");
    let (code, words) = exit(&["--no-tests", "pass"]);
    assert_eq!(code, Some(0));
    assert!(!words.contains("no-service-has-this-name"), "{words}");
}

#[test]
fn what_only_looks_says_as_well_why_there_is_nothing() {
    let stack = Stack::new("look");
    let _some = service("no-ports").of(&stack, "some").start();
    let (there, nobody) = (stack.service("some"), "no-service-has-this-name");
    for command in [&["plan", "--no-sizes"][..], &["test", "--list"]] {
        for (filters, exit) in [(&[nobody][..], 4), (&[&there, nobody], 0)] {
            let output = rehearsa(command).args(filters).output().expect("it starts");
            let words = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(exit), "{command:?} {filters:?}: {words}");
            assert_eq!(words.matches(nobody).count(), 1, "{command:?} {filters:?}: {words}");
        }
    }
}

#[test]
fn a_strategy_for_a_mount_that_is_not_there_is_refused() {
    let live = service("no-ports").volume("/mounted").start();
    let volume = live.first_volume();
    for command in ["test", "plan"] {
        let args = [command, "--exact", &live.name, "--strategy", "/mouted=empty", "--strategy", "/mounted=empty"];
        let output = rehearsa(&args).output().expect("it starts");
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command}: {words}");
        assert_eq!(words.matches("has no effect").count(), 1, "{command}: {words}");
        assert!(!words.contains("Creating sandbox"), "{command}: {words}");
        assert!(words.contains("--strategy /mouted=empty") && words.contains(volume), "{command}: {words}");
    }
}

#[test]
fn a_filter_that_finds_nothing_beside_one_that_does_is_named() {
    let stack = Stack::new("filter");
    let _some = service("no-ports").of(&stack, "some").start();
    let exit = |args: &[&str]| {
        let output = rehearsa(&["test", "--settle", "0s"]).args(args).output().expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    // Not the whole name, and yet in no other's.
    let part = format!("{}::", stack.name);
    let (code, _, words) = exit(&[&part, "no-service-has-this-name"]);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("No service name contains `no-service-has-this-name`"), "{words}");
    let name = stack.service("some");
    let exact = ["--exact", &name, "no-service-has-this-name"];
    let (code, results, words) = exit(&exact);
    assert_eq!((code, results.as_str()), (Some(4), ""), "{words}");
    assert!(words.contains("error: ") && words.contains("No service is named `no-service-has-this-name`"), "{words}");
    assert!(!words.contains("Creating sandbox"), "{words}");
    // Who may be missing is rehearsed where it is.
    let (code, _, words) = exit(&[&exact[..], &["--no-tests", "warn"]].concat());
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("No service is named `no-service-has-this-name`"), "{words}");
    let (code, listed, words) = exit(&[&exact[..], &["--list"]].concat());
    assert_eq!(code, Some(0), "{words}");
    assert!(listed.contains(&name) && words.contains("No service is named `no-service-has-this-name`"), "{words}");
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn only_what_was_not_green_is_run_again() {
    let (bad, good) = (dies(41), service("broken").command(&["healthy"]).start());
    let dir = tempfile::tempdir().expect("a folder");
    let report = dir.path().join("first.json");
    let first = rehearsa(&["test", "--settle", "0s", "--exact", &bad.name, &good.name, "--json"])
        .arg(&report)
        .output()
        .expect("rehearsa starts");
    assert_eq!(first.status.code(), Some(101));
    let again =
        rehearsa(&["test", "--list", "--format", "terse", "--rerun-failed"]).arg(&report).output().expect("it starts");
    let listed: BTreeSet<String> = String::from_utf8_lossy(&again.stdout).lines().map(str::to_owned).collect();
    assert_eq!(listed, BTreeSet::from([format!("[live] {}: test", bad.name)]));
    let missing = rehearsa(&["test", "--list", "--rerun-failed", "no-such.json"]).output().expect("it starts");
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no-such.json"));
}
