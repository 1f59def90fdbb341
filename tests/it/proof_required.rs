//! A run that read no backup never looks like proof of one, and `--require-proof` fails what shows too little. Needs a
//! Docker engine with the fixture images.

use std::path::Path;
use std::process::Command;

use crate::support::{Live, Rehearsal, rehearsa, rehearse, rehearse_by, service, shown};

const LIVE: &str = "started again from a live copy; no backup was read";
const NOTHING: &str = "started without data; nothing of a backup came into it";

fn live() -> Live {
    service("broken")
        .volume("/data")
        .file("/data/note", "kept")
        .healthy_when("true")
        .command(&["runs"])
        .options(&["--label", "rehearsa.check.note=exec test -s /data/note || true"])
        .start()
}

/// An archive of the service's volume.
fn backup(live: &Live, dir: &Path) -> String {
    std::fs::create_dir_all(dir.join("tree/data")).expect("made");
    std::fs::write(dir.join("tree/data/note"), "kept").expect("written");
    let archive = dir.join(format!("{}.tar", live.name));
    let packed = Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(dir.join("tree")).arg("data").status();
    assert!(packed.expect("tar is installed").success());
    format!("tar:{}", shown(&archive))
}

/// Every report of a run says `words`.
#[track_caller]
fn all_say(dir: &Path, words: &str) {
    for report in ["report.html", "summary.md", "badge.svg", "junit.xml", "report.tap", "ctrf.json"] {
        let text = std::fs::read_to_string(dir.join(report)).expect(report);
        assert!(text.to_lowercase().contains(words), "{report}: {text}");
    }
}

fn with_reports(live: &Live, dir: &Path, args: &[&str]) -> Rehearsal {
    rehearse(&[&live.name], &[&["--report-dir", &shown(dir)], args].concat())
}

#[test]
fn a_live_copy_is_told_as_one_in_every_report() {
    let (live, dir) = (live(), tempfile::tempdir().expect("a folder"));
    let rehearsal = with_reports(&live, dir.path(), &[]);
    rehearsal.is_green("data-proven");
    assert_eq!(rehearsal.case()["data_from"], "live", "{rehearsal}");
    let evidence = &rehearsal.case()["evidence"];
    assert_eq!((&evidence[0]["shown"], &evidence[1]["shown"]), (&false.into(), &false.into()), "{rehearsal}");
    let told = &rehearsal.stderr;
    assert!(told.contains(&format!("Restore Simulation: SUCCESS, {LIVE}\n")), "{told}");
    assert!(told.contains(&format!("Proof: {LIVE} (")), "{told}");
    let more = told.lines().find(|line| line.starts_with("More: ")).expect("a hint");
    assert!(more.contains("--from"), "{told}");
    all_say(dir.path(), LIVE);
    let badge = std::fs::read_to_string(dir.path().join("badge.svg")).expect("written");
    assert!(badge.contains(">live 1/1 · "), "{badge}");
    let metrics = std::fs::read_to_string(dir.path().join("rehearsa.prom")).expect("written");
    assert!(metrics.lines().any(|line| line.starts_with("rehearsa_rehearsal_backup_read{") && line.ends_with(" 0")));
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_service_without_data_is_never_data_proven() {
    let (live, dir) = (live(), tempfile::tempdir().expect("a folder"));
    let rehearsal = with_reports(&live, dir.path(), &["--strategy", "/data=empty"]);
    rehearsal.is_green("healthy");
    assert_eq!(rehearsal.case()["data_from"], "nothing", "{rehearsal}");
    assert!(rehearsal.stderr.contains(&format!("Proof: {NOTHING} (")), "{rehearsal}");
    all_say(dir.path(), NOTHING);
}

#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn a_check_that_passes_without_the_data_is_not_listed_as_proof() {
    let live = service("broken")
        .volume("/data")
        .file("/data/note", "kept")
        .healthy_when("true")
        .command(&["runs"])
        .options(&["--label", "rehearsa.check.any=exec true"])
        .options(&["--label", "rehearsa.check.note=exec test -s /data/note"])
        .start();
    let rehearsal = rehearse(&[&live.name], &["--control", "--timeout", "10s"]);
    rehearsal.is_green("data-proven");
    assert_eq!(rehearsal.case()["passed_without_data"], serde_json::json!(["any"]), "{rehearsal}");
    let by = rehearsal.case()["evidence"][5]["by"].as_str().unwrap_or_default();
    assert!(by.starts_with("the check note; "), "{rehearsal}");
}

#[test]
fn what_shows_less_than_is_required_fails() {
    let (live, dir) = (live(), tempfile::tempdir().expect("a folder"));
    let backup = backup(&live, dir.path());
    let require = |level: &str, more: &[&str]| rehearse(&[&live.name], &[&["--require-proof", level], more].concat());
    let failed = require("restored", &["--retries", "2", "--retry-failures"]);
    failed.failed("proof/below-required");
    assert!(failed.message().contains("--require-proof restored demands: not shown to be restored"), "{failed}");
    assert!(failed.diagnosis()["remedy"].as_str().is_some_and(|remedy| remedy.contains("--from")), "{failed}");
    assert_eq!(failed.case()["attempts"], serde_json::json!([]), "another attempt would find the same: {failed}");
    require("none", &[]).is_green("data-proven");
    for level in ["restored", "complete", "healthy", "data-proven"] {
        let rehearsal = require(level, &["--from", &backup]);
        rehearsal.is_green("data-proven");
        assert_eq!(rehearsal.case()["data_from"], "backup", "{rehearsal}");
    }
    let mut command = rehearsa(&[]);
    command.env("REHEARSA_REQUIRE_PROOF", "complete");
    rehearse_by(command, &[&live.name], &[]).failed("proof/below-required");
    let wrong = rehearsa(&["test", "--require-proof", "booted", &live.name]).output().expect("rehearsa starts");
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
#[ignore = "nightly: one more rehearsal; every push keeps sandboxes of services that fail"]
fn a_service_that_has_shown_too_little_is_kept_on_request() {
    let live = live();
    let rehearsal = rehearse(&[&live.name], &["--require-proof", "restored", "--keep"]);
    assert_eq!(rehearsal.diagnosis()["code"], "proof/below-required", "{rehearsal}");
    let session = rehearsal.report["session"].as_str().expect("a session").to_owned();
    assert!(rehearsal.stderr.contains(&format!("rehearsa clean --session {session}")), "{rehearsal}");
    let cleaned = rehearsa(&["clean", "--session", &session]).output().expect("it runs");
    assert!(cleaned.status.success(), "{cleaned:?}");
    rehearsal.nothing_is_left();
}
