//! A reader that goes away, or an output that is full, is no verdict. Needs a Docker engine with the fixture images.

use std::fs::File;
use std::io::{self, Read};
use std::process::{Command, Output, Stdio};

use crate::support::{Live, rehearsa, service, text};

/// The end of a pipe that nobody reads.
fn nobody() -> Stdio {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").expect("the device is there").into()
}

fn good() -> Live {
    service("tiny").volume("/data").file("/data/note", "kept").start()
}

fn bad() -> Live {
    service("broken").rehearsed_as("exec behave exits-with 9").start()
}

fn test(live: &Live, stdout: Stdio, stderr: Stdio) -> Output {
    let mut command = rehearsa(&["test", "--exact", "--settle", "0s", &live.name]);
    command.stdout(stdout).stderr(stderr).spawn().expect("rehearsa starts").wait_with_output().expect("it ends")
}

#[track_caller]
fn is_quiet(output: &Output, code: i32) {
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    for word in ["panic", "backtrace", "RUST_BACKTRACE", "run/panicked"] {
        assert!(!told.contains(word), "{word}: {told}");
    }
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn a_reader_that_goes_away_changes_no_verdict() {
    let (good, bad) = (good(), bad());
    for (live, code) in [(&good, 0), (&bad, 101)] {
        is_quiet(&test(live, nobody(), Stdio::piped()), code);
        is_quiet(&test(live, nobody(), nobody()), code);
        is_quiet(&test(live, Stdio::piped(), nobody()), code);
    }
    let list = rehearsa(&["test", "--list"]).stdout(nobody()).stderr(Stdio::piped()).output().expect("it starts");
    is_quiet(&list, 0);
}

#[test]
fn a_reader_that_goes_away_in_the_middle_changes_no_verdict() {
    let live = good();
    let mut child = rehearsa(&["test", "--exact", "--settle", "0s", &live.name])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("rehearsa starts");
    // As `head -1`: the first line is read, and then nobody is there.
    let mut first = [0; 1];
    let read = child.stdout.take().expect("it is piped").read(&mut first);
    assert_eq!(read.expect("the first line comes"), 1);
    is_quiet(&child.wait_with_output().expect("it ends"), 0);
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_full_output_is_a_lost_report_and_no_failure() {
    let (good, bad) = (good(), bad());
    let output = test(&good, full(), Stdio::piped());
    is_quiet(&output, 102);
    assert!(text(&output.stderr).contains("A report is lost: the lines on standard output: "), "{output:?}");
    assert!(text(&output.stderr).contains("Restore Simulation: SUCCESS"), "{output:?}");
    is_quiet(&test(&bad, full(), Stdio::piped()), 101);
    let list = rehearsa(&["test", "--list"]).stdout(full()).stderr(Stdio::piped()).output().expect("it starts");
    is_quiet(&list, 102);
    assert!(text(&list.stderr).contains("cannot write the list to standard output"), "{list:?}");
}

/// Runs a command on a terminal that is closed as soon as something is shown there. Exits with its code.
const ON_A_TERMINAL: &str = "
import os, subprocess, sys
ours, theirs = os.openpty()
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
os.close(theirs)
os.read(ours, 1)
os.close(ours)
sys.exit(child.wait())
";

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_terminal_that_is_closed_changes_no_verdict() {
    // The terminal is no controlling one, so there is no SIGHUP: as for a job under `nohup`.
    let on_a_terminal = |live: &Live| {
        let command = rehearsa(&["test", "--exact", "--settle", "2s", &live.name]);
        let mut python = Command::new("python3");
        python.args(["-c", ON_A_TERMINAL]).arg(command.get_program()).args(command.get_args());
        python.output().expect("python3 is installed").status.code()
    };
    assert_eq!(on_a_terminal(&good()), Some(0));
    assert_eq!(on_a_terminal(&bad()), Some(101));
}

#[test]
#[ignore = "nightly: takes many rehearsals"]
fn what_the_ci_system_gets_unasked_may_be_lost_and_what_was_asked_for_may_not() {
    let live = good();
    let run = |more: &[&str]| {
        let args = [&["test", "--exact", "--settle", "0s", &live.name], more].concat();
        let env = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", "/nonexistent/s.md")];
        rehearsa(&args).envs(env).env_remove("GITHUB_OUTPUT").output().expect("rehearsa starts")
    };
    let output = run(&[]);
    is_quiet(&output, 0);
    let told = text(&output.stderr);
    assert!(told.contains("/nonexistent/s.md") && told.contains("nobody asked for it"), "{told}");
    is_quiet(&run(&["--ci", "github"]), 102);
    is_quiet(&run(&["--junit", "/dev/full"]), 102);
}

#[test]
fn a_list_is_no_report() {
    for flag in ["--json", "--junit", "--tap", "--events"] {
        let output = rehearsa(&["test", "--list", flag, "-"]).output().expect("rehearsa starts");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{flag}");
        let told = text(&output.stderr);
        assert!(told.contains("--list rehearses nothing") && told.contains("rehearsa plan --format json"), "{told}");
    }
}
