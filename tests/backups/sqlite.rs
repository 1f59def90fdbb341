//! Backups of an application that keeps its data in SQLite. Its health says nothing of what is in the database, so only
//! SQLite's own check tells these apart.

use std::fs;

use crate::making::{data_of, folder, sh, stopped, tar};
use crate::support::{Live, Rehearsal, rehearse, service, shown};

const WRITE: &str = "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/notes', b'remembered ' * 2000)";

/// Healthy however many notes it has.
fn notes() -> Live {
    let live = service("notes").volume("/data").healthy_when("true").start();
    live.until(&["python3", "-c", WRITE]);
    live
}

fn warned(rehearsal: &Rehearsal, code: &str) -> bool {
    let warnings = rehearsal.case()["warnings"].as_array().expect("a case has its warnings");
    warnings.iter().any(|warning| warning["code"] == code)
}

#[test]
fn a_damaged_database_is_told_though_the_service_is_healthy_on_it() {
    let (live, dir) = (notes(), folder());
    let script = "cp -a \"$1\" copy; tar -C copy -cf good.tar .; \
                  dd if=/dev/urandom of=copy/notes.db bs=4096 seek=1 count=1 conv=notrunc status=none; \
                  tar -C copy -cf bad.tar .";
    stopped(&live, dir.path(), script, &[&data_of(live.first_volume())]);
    // Now the live one has a log, and the backup, made at rest, rightly has none.
    live.until(&["python3", "-c", WRITE]);
    let good = rehearse(&[&live.name], &["--from", &tar(dir.path().join("good.tar"))]);
    good.is_green("healthy");
    assert!(warned(&good, "data/sqlite-wal-absent"), "{good}");
    assert_eq!(good.steps("verify")[0]["note"], "1 SQLite database sound", "{good}");
    let archive = tar(dir.path().join("bad.tar"));
    for from in [&archive, &format!("daemon:{}", shown(&dir.path().join("copy")))] {
        let bad = rehearse(&[&live.name], &["--from", from]);
        bad.failed("data/sqlite-corrupt");
        assert!(bad.message().contains("notes.db"), "{bad}");
    }
}

#[test]
fn the_log_of_a_running_service_has_to_be_in_its_backup() {
    let (live, dir) = (notes(), folder());
    let script = "tar -C \"$1\" -cf whole.tar .; tar -C \"$1\" --exclude '*-wal' --exclude '*-shm' -cf alone.tar .; \
                  tar -C \"$1\" --exclude '*-wal' -cf no-log.tar .; test -s \"$1/notes.db-wal\"";
    sh(dir.path(), script, &[&data_of(live.first_volume())]);
    let from = |name: &str| rehearse(&[&live.name], &["--from", &tar(dir.path().join(name))]);
    let whole = from("whole.tar");
    whole.is_green("healthy");
    assert_eq!(whole.steps("verify")[0]["note"], "1 SQLite database sound", "{whole}");
    // The live one has a log for as long as it runs.
    from("alone.tar").failed("data/sqlite-wal-missing");
    // All of it is brought into the database: the live log is empty now.
    let empty = "import sqlite3; sqlite3.connect('/data/notes.db').execute('PRAGMA wal_checkpoint(TRUNCATE)')";
    live.exec(&["python3", "-c", empty]);
    // And this one brought the log's index along, so that nothing else is needed.
    from("no-log.tar").failed("data/sqlite-wal-missing");
}

/// As on a new host: what is live is only compared with.
#[test]
fn a_live_folder_that_is_gone_keeps_no_backup_from_being_rehearsed() {
    let (live_dir, dir) = (folder(), folder());
    let data = live_dir.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("note"), "kept").unwrap();
    let live = service("broken")
        .options(&["--volume", &format!("{}:/mounted", shown(&data))])
        .healthy_when("[ \"$(cat /mounted/note)\" = kept ]")
        .command(&["runs"])
        .start();
    sh(dir.path(), "tar -C \"$1\" -cf x.tar .", &[&shown(&data)]);
    fs::remove_dir_all(&data).unwrap();
    rehearse(&[&live.name], &["--from", &tar(dir.path().join("x.tar"))]).is_green("healthy");
}
