//! `rehearsa demo` and `rehearsa clean` against the real engine: the demo succeeds, and nothing is left however it
//! ends. Needs a Docker engine and nothing else. Each test looks only at the objects of the processes it started.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rehearsa::cli::args::ConnectionArgs;
use rehearsa::cli::connection::Endpoint;
use rehearsa::docker::Daemon;
use rehearsa::rehearse::sandbox::sweep;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{PATIENCE, rehearsa, text};

async fn daemon() -> Daemon {
    let endpoint = Endpoint::resolve(&ConnectionArgs::default(), &std::env::vars().collect());
    let endpoint = endpoint.unwrap_or_else(|failure| panic!("{}", failure.render(false)));
    endpoint.connect().await.unwrap_or_else(|failure| panic!("{}", failure.render(false)))
}

/// The sessions of a process of which something is still there.
async fn sessions_of(daemon: &Daemon, pid: u32) -> BTreeSet<String> {
    let objects = daemon.objects(None).await.expect("the engine lists our objects");
    let own = |process: &str| process.split('.').next() == Some(pid.to_string().as_str());
    let own = sweep::in_order(&objects).filter(|(_, object)| own(&object.marks.process));
    own.map(|(_, object)| object.marks.session.clone()).collect()
}

/// The names of what a process created and that is still there.
async fn objects_of(daemon: &Daemon, pid: u32) -> Vec<String> {
    let objects = daemon.objects(None).await.expect("the engine lists our objects");
    let own = |process: &str| process.split('.').next() == Some(pid.to_string().as_str());
    sweep::in_order(&objects).filter(|(_, object)| own(&object.marks.process)).map(|(_, o)| o.name.clone()).collect()
}

async fn wait_for(daemon: &Daemon, pid: u32, what: &str, holds: impl Fn(&[String]) -> bool) {
    let started = Instant::now();
    loop {
        let objects = objects_of(daemon, pid).await;
        if holds(&objects) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{what} never came to be: {objects:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Without a backup program on PATH, so that the backup is an archive.
fn start_demo(dir: &tempfile::TempDir) -> Child {
    start(rehearsa(&["demo", "--report-dir"]).arg(dir.path()).env("PATH", "/nowhere"))
}

fn start(demo: &mut Command) -> Child {
    demo.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("rehearsa starts")
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it still runs");
}

/// Of one session: what else is on the engine is not this test's to remove.
fn clean(session: &str) -> Output {
    rehearsa(&["clean", "--session", session]).output().expect("rehearsa starts")
}

#[tokio::test]
async fn the_demo_succeeds_and_leaves_nothing_but_its_reports() {
    let (daemon, dir) = (daemon().await, tempfile::tempdir().expect("a temporary folder"));
    let child = start_demo(&dir);
    let pid = child.id();
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.expect("no panic").expect("it ends");
    let shown = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let parts = [
        "Restoring volume rehearsa-demo-",
        "Booting container",
        "Healthcheck passed",
        "Restore Simulation: SUCCESS",
        "Restore Simulation: FAILED",
        "restore/mount-missing",
        "This is what a bad backup looks like:",
    ];
    let mut rest = shown.as_str();
    for part in parts {
        let (_, after) = rest.split_once(part).unwrap_or_else(|| panic!("{part} is missing in:\n{shown}"));
        rest = after;
    }
    for report in ["junit.xml", "report.json", "report.tap"] {
        let content = std::fs::read_to_string(dir.path().join(report)).expect(report);
        assert!(content.contains("rehearsa-demo-"), "{report}: {content}");
        assert!(shown.contains(report), "{report} is not shown in:\n{shown}");
        let of_bad = std::fs::read_to_string(dir.path().join("bad-backup").join(report)).expect(report);
        assert!(of_bad.contains("restore/mount-missing") && !content.contains("restore/mount-missing"), "{report}");
    }
    for folder in [dir.path().to_owned(), dir.path().join("bad-backup")] {
        let archives = archives(&folder);
        assert_eq!(archives.len(), 1, "{archives:?}");
    }
    assert_eq!(objects_of(&daemon, pid).await, Vec::<String>::new());
}

/// Needs Docker Compose.
#[tokio::test]
async fn after_a_disaster_the_service_comes_back_from_its_file_and_the_backup() {
    let (daemon, dir) = (daemon().await, tempfile::tempdir().expect("a temporary folder"));
    let child = start(rehearsa(&["demo", "--disaster", "--report-dir"]).arg(dir.path()));
    let pid = child.id();
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.expect("no panic").expect("it ends");
    let shown = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let removed = shown.find("Removed the service, its volume and its network.").expect(&shown);
    let rehearsed = shown.find("Restore Simulation: SUCCESS").expect(&shown);
    assert!(removed < rehearsed && shown.contains("Restore Simulation: FAILED"), "{shown}");
    let report = std::fs::read_to_string(dir.path().join("report.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&report).expect("it is JSON");
    assert_eq!(report["cases"][0]["service"], "notes", "{report:#}");
    assert_eq!(objects_of(&daemon, pid).await, Vec::<String>::new());
}

#[tokio::test]
async fn where_restic_is_installed_the_demo_restores_from_a_repository() {
    let (daemon, dir) = (daemon().await, tempfile::tempdir().expect("a temporary folder"));
    let child = start(rehearsa(&["demo", "--report-dir"]).arg("demo").current_dir(dir.path()));
    let pid = child.id();
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.expect("no panic").expect("it ends");
    let shown = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let reports = dir.path().join("demo");
    for (folder, verdict) in [(reports.clone(), "passed"), (reports.join("bad-backup"), "failed")] {
        let report = std::fs::read_to_string(folder.join("report.json")).expect("a report");
        let report: serde_json::Value = serde_json::from_str(&report).expect("it is JSON");
        let case = &report["cases"][0];
        assert_eq!((case["verdict"].as_str(), case["source"].as_str()), (Some(verdict), Some("restic")), "{report:#}");
        // Nothing but the repository and its password stays beside the reports.
        let mut kept: Vec<_> = names_in(&folder).into_iter().filter(|name| name.contains("-notes")).collect();
        kept.sort();
        assert!(
            matches!(&*kept, [repository, password]
                if repository.ends_with("-notes.restic") && password.ends_with("-notes.restic-password")),
            "{kept:?}"
        );
        assert!(names_in(&folder).iter().all(|name| !name.starts_with('.')), "{:?}", names_in(&folder));
    }
    assert_eq!(objects_of(&daemon, pid).await, Vec::<String>::new());
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// The names of the files in a folder that are no reports.
fn archives(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("an entry"));
    let names = files.filter(|entry| entry.path().is_file()).map(|e| e.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with('.') || name.starts_with("rehearsa-demo-")).collect()
}

/// Whether these objects show that a step was reached.
type Reached = fn(&[String]) -> bool;

/// What is there when the signal comes: the demo's own volume, its service, what packs the backup, the sandbox.
#[tokio::test]
#[ignore = "nightly: takes many rehearsals"]
async fn a_signal_at_any_step_ends_the_demo_with_nothing_left() {
    let daemon = daemon().await;
    let steps: [(&str, Reached); 4] = [
        ("the volume", |objects| objects.iter().any(|name| name.ends_with("-notes"))),
        ("the writer of the note", |objects| objects.iter().any(|name| name.ends_with("-writer"))),
        ("the backup", |objects| objects.iter().any(|name| name.ends_with("-backup"))),
        ("the sandbox", |objects| objects.iter().any(|name| !name.starts_with("rehearsa-demo-"))),
    ];
    for (i, (what, holds)) in steps.into_iter().enumerate() {
        let (number, code) = if i % 2 == 0 { (Signal::INT, 130) } else { (Signal::TERM, 143) };
        let dir = tempfile::tempdir().expect("a temporary folder");
        let child = start_demo(&dir);
        let pid = child.id();
        wait_for(&daemon, pid, what, holds).await;
        let asked = Instant::now();
        signal(&child, number);
        let output =
            tokio::task::spawn_blocking(|| child.wait_with_output()).await.expect("no panic").expect("it ends");
        assert_eq!(output.status.code(), Some(code), "{what}: {}", text(&output.stderr));
        assert!(asked.elapsed() < Duration::from_secs(9), "{what}: {:?}", asked.elapsed());
        assert_eq!(objects_of(&daemon, pid).await, Vec::<String>::new(), "{what}");
        assert!(archives(dir.path()).iter().all(|name| name.ends_with("-notes.tar")), "{what}: a piece of an archive");
    }
}

#[test]
fn clean_says_that_a_session_is_not_there() {
    let output = rehearsa(&["clean", "--session", "no-such-session"]).output().expect("rehearsa starts");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.starts_with("There is no session no-such-session on this engine"), "{said}");
}

#[tokio::test]
#[ignore = "nightly: one more case of what a test beside it shows"]
async fn clean_spares_what_lives_and_removes_what_a_killed_run_left() {
    let (daemon, dir) = (daemon().await, tempfile::tempdir().expect("a temporary folder"));
    let mut child = start_demo(&dir);
    let pid = child.id();
    wait_for(&daemon, pid, "the sandbox", |objects| objects.iter().any(|name| !name.starts_with("rehearsa-demo-")))
        .await;
    signal(&child, Signal::STOP);
    let before = objects_of(&daemon, pid).await;
    let whole = rehearsa(&["clean", "--dry-run", "--format", "json"]).output();
    let whole: serde_json::Value = serde_json::from_slice(&whole.expect("rehearsa starts").stdout).expect("JSON");
    let spared = whole["spared"].as_array().expect("it says what it spares");
    let own = |line: &serde_json::Value| line["process"].as_str().is_some_and(|p| p.starts_with(&format!("{pid}.")));
    assert!(spared.iter().any(own), "{whole:#}");
    for session in sessions_of(&daemon, pid).await {
        let cleaned = clean(&session);
        assert_eq!(cleaned.status.code(), Some(102), "{}", text(&cleaned.stdout));
        assert!(text(&cleaned.stderr).contains("it is running"), "{}", text(&cleaned.stderr));
    }
    // A call that was under way when it stopped may have come to its end and made one object more.
    let after = objects_of(&daemon, pid).await;
    assert!(before.iter().all(|name| after.contains(name)), "a stopped process is a live one: {before:?} {after:?}");

    signal(&child, Signal::KILL);
    child.wait().expect("it ends");
    // The worker ends by itself when its client is gone, and any run that starts sweeps. `clean` removes the rest.
    let started = Instant::now();
    loop {
        let sessions = sessions_of(&daemon, pid).await;
        if sessions.is_empty() {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{sessions:?} stay");
        for session in sessions {
            let cleaned = clean(&session);
            assert!(!text(&cleaned.stdout).contains("Left alone"), "a dead process was taken to live: {cleaned:?}");
        }
    }
    assert_eq!(objects_of(&daemon, pid).await, Vec::<String>::new());
}
