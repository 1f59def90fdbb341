//! The restored data is compared with the backup, owners and modes included. A backup that was made as the wrong user
//! fails for that reason if its service cannot work with it, and only then. Needs root, a Docker engine on this
//! machine and the fixture images.

use std::path::Path;
use std::process::Command;

use crate::support::{Live, Rehearsal, Wanted, docker, rehearse, service, shown};

/// The user that the services here run as.
const USER: &str = "1500:1500";

/// Runs a shell script; it has to succeed. The folder of the first volume's data is `$1`, the volume's name `$2`.
#[track_caller]
fn sh(live: &Live, folder: &Path, script: &str) {
    let volume = live.first_volume();
    let data = docker(&["volume", "inspect", "--format", "{{.Mountpoint}}", volume]);
    let output = Command::new("sh").args(["-euc", script, "sh", &data, volume]).current_dir(folder).output();
    let output = output.expect("sh runs");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A service that runs as an ordinary user and is healthy if it can write to its note. This script makes its backup.
#[track_caller]
fn writer(wanted: Wanted, script: &str) -> (Live, tempfile::TempDir) {
    let live = wanted.volume("/mounted").file("/mounted/note", "kept").start();
    let dir = tempfile::tempdir().expect("a temporary folder");
    sh(&live, dir.path(), "chown -R 1500:1500 \"$1\"; chmod 750 \"$1\"");
    sh(&live, dir.path(), script);
    (live, dir)
}

fn by_a_user() -> Wanted {
    service("broken").options(&["--user", USER]).healthy_when("[ -w /mounted/note ]").command(&["runs"])
}

fn from(live: &Live, archive: &Path) -> Rehearsal {
    rehearse(&[&live.name], &["--from", &format!("tar:{}", shown(archive))])
}

fn warned(rehearsal: &Rehearsal, code: &str) -> bool {
    rehearsal.case()["warnings"].to_string().contains(code)
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn a_backup_that_is_all_of_root_fails_by_its_owner_when_the_service_cannot_use_it() {
    let (live, dir) = writer(
        by_a_user(),
        "tar -C \"$1\" --owner=0 --group=0 -cf root.tar .; tar -C \"$1\" -cf good.tar .; \
         mkdir copy; cp -r \"$1\" copy/\"$2\"",
    );
    let rehearsal = from(&live, &dir.path().join("root.tar"));
    rehearsal.failed("data/ownership");
    for part in [live.first_volume(), "the user 0", "the user 1500", "the healthcheck of"] {
        assert!(rehearsal.message().contains(part), "{part}: {rehearsal}");
    }
    assert_eq!(rehearsal.diagnosis()["log_tail"], serde_json::json!(["running"]), "{rehearsal}");

    // `cp -r`, which gives all to whoever runs it.
    let copied = rehearse(&[&live.name], &["--from", &format!("daemon:{}", shown(&dir.path().join("copy")))]);
    copied.failed("data/ownership");

    let good = format!("tar:{}", shown(&dir.path().join("good.tar")));
    let good = rehearse(&[&live.name], &["--from", &good, "--verify-content"]);
    good.is_green("healthy");
    assert_eq!(good.steps("verify")[0]["note"], "contents compared: 1 file, 4 B", "{good}");
    assert!(!warned(&good, "data/metadata-lost"), "{good}");
}

/// What the live mount tells is of use, and nothing hangs on it.
#[test]
fn a_bind_mount_that_is_gone_keeps_no_backup_from_being_rehearsed() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let source = data.path().join("data");
    std::fs::create_dir(&source).expect("made");
    std::fs::write(source.join("note"), "kept").expect("written");
    let live = service("broken")
        .options(&["--volume", &format!("{}:/mounted", shown(&source))])
        .healthy_when("[ -e /mounted/note ]")
        .command(&["runs"])
        .start();
    let archive = data.path().join("data.tar");
    let tar = Command::new("tar").arg("-C").arg(data.path()).arg("-cf").arg(&archive).arg("data").status();
    assert!(tar.expect("tar runs").success());
    std::fs::remove_dir_all(&source).expect("removed");
    from(&live, &archive).is_green("healthy");
    assert!(!source.exists(), "rehearsing must not make it");
}
