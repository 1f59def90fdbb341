//! Databases that are asked while their writer goes on.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use rustix::fs::{AtFlags, CWD, statat};

use super::query;
use crate::worker::job::{JobControl, JobStop};
use crate::worker::protocol::{Queried, QueryJob};

/// A service's `/data` and a scratch folder, as a worker sees them.
struct Service {
    root: tempfile::TempDir,
    /// On another file system where that can be had, as a volume of its own seems to be.
    scratch: tempfile::TempDir,
}

impl Service {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("data")).unwrap();
        let scratch = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Self { root, scratch }
    }

    fn open(&self, mode: &str) -> Connection {
        let connection = Connection::open(self.root.path().join("data/app.db")).unwrap();
        connection.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(())).unwrap();
        connection
    }

    fn asked(
        &self,
        path: &str,
        alone: bool,
        text: &str,
        rows: u64,
        control: &Arc<JobControl>,
    ) -> Result<Queried, JobStop> {
        let [root, scratch] = [&self.root, &self.scratch].map(|folder| folder.path().to_str().unwrap().to_owned());
        let (path, text) = (path.to_owned(), text.to_owned());
        let question = QueryJob { root, path, alone, scratch, query: text, rows, keep_free: 0 };
        let answer = query(&question, control);
        assert_eq!(fs::read_dir(self.scratch.path()).unwrap().count(), 0, "something is left");
        answer
    }

    fn ask(&self, text: &str) -> Queried {
        self.asked("/data/app.db", false, text, 1, &Arc::default()).unwrap()
    }
}

fn rows(first: &str, count: u64) -> Queried {
    Queried::Rows { first: Some(first.to_owned()), count }
}

#[track_caller]
fn refused(queried: Queried, part: &str) {
    let Queried::Refused { words } = queried else { panic!("{queried:?}") };
    assert!(words.contains(part), "{words}");
}

#[test]
fn what_was_committed_is_seen_and_what_was_not_is_not() {
    for mode in ["wal", "delete", "truncate", "persist"] {
        let service = Service::new();
        let writer = service.open(mode);
        writer.execute_batch("CREATE TABLE notes (text); INSERT INTO notes VALUES ('one'), ('two')").unwrap();
        assert_eq!(service.ask("SELECT count(*) FROM notes"), rows("2", 1), "{mode}");
        // What does not fit into its cache reaches the files before the end.
        writer.execute_batch("PRAGMA cache_size = 2; PRAGMA cache_spill = 1; BEGIN").unwrap();
        for _ in 0..300 {
            writer.execute("INSERT INTO notes VALUES (hex(zeroblob(500)))", []).unwrap();
        }
        assert_eq!(service.ask("SELECT count(*) FROM notes"), rows("2", 1), "{mode}");
        writer.execute_batch("COMMIT").unwrap();
        assert_eq!(service.ask("SELECT count(*) FROM notes"), rows("302", 1), "{mode}");
    }
}

#[test]
fn a_writer_that_never_rests_is_not_told_as_damage_and_its_sums_are_right() {
    for mode in ["wal", "delete"] {
        let service = Service::new();
        let writer = service.open(mode);
        writer
            .execute_batch(
                "PRAGMA synchronous = off; PRAGMA wal_autocheckpoint = 3; CREATE TABLE half (side, amount, filler);
                 CREATE INDEX by_amount ON half (amount);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
                 INSERT INTO half SELECT i % 2, 10, hex(zeroblob(300)) FROM n;",
            )
            .unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let writing = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                // From one side to the other: the sum stays.
                writer.execute_batch("UPDATE half SET amount = amount + side * 2 - 1").unwrap();
            }
        });
        let (mut answers, mut turns) = (0, 0);
        while answers < 20 && turns < 2000 {
            turns += 1;
            match service.ask("SELECT sum(amount) FROM half") {
                Queried::Rows { first, .. } => {
                    assert_eq!(first.as_deref(), Some("2000"), "{mode}");
                    answers += 1;
                }
                Queried::Busy { .. } => {}
                other => panic!("{mode}: {other:?}"),
            }
        }
        over.store(true, Ordering::Relaxed);
        writing.join().unwrap();
        assert!(mode != "wal" || answers == 20, "a log can be read at any time: {answers} in {turns}");
        assert_eq!(service.ask("SELECT sum(amount) FROM half"), rows("2000", 1), "{mode}");
    }
}

#[test]
fn nothing_of_the_services_is_changed_or_locked() {
    for mode in ["wal", "delete"] {
        let service = Service::new();
        let writer = service.open(mode);
        writer.execute_batch("CREATE TABLE notes (text); BEGIN EXCLUSIVE; INSERT INTO notes VALUES ('x')").unwrap();
        let folder = service.root.path().join("data");
        let looked = |folder: &Path| {
            let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
            let mut all: Vec<_> = names
                .map(|name| {
                    let stat = statat(CWD, folder.join(&name), AtFlags::empty()).unwrap();
                    (name, stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_nlink)
                })
                .collect();
            all.sort();
            all
        };
        let before = looked(&folder);
        assert_eq!(service.ask("SELECT count(*) FROM notes"), rows("0", 1), "{mode}");
        if service.scratch.path().starts_with("/dev/shm") {
            assert_eq!(looked(&folder), before, "{mode}");
        }
        writer.execute_batch("COMMIT").unwrap();
        assert_eq!(service.ask("SELECT count(*) FROM notes"), rows("1", 1), "{mode}");
    }
}

#[test]
fn only_what_reads_is_asked() {
    let service = Service::new();
    service.open("delete").execute_batch("CREATE TABLE notes (text); INSERT INTO notes VALUES ('x')").unwrap();
    let elsewhere = service.scratch.path().join("other.db");
    let attach = format!("ATTACH '{}' AS other", elsewhere.display());
    for text in [
        "DELETE FROM notes",
        "INSERT INTO notes VALUES ('y') RETURNING text",
        "CREATE TEMP TABLE t (a)",
        "DROP TABLE notes",
        "PRAGMA user_version = 5",
        "PRAGMA journal_mode = wal",
        "PRAGMA wal_checkpoint",
        "BEGIN",
        "SELECT load_extension('/data/x.so')",
        attach.as_str(),
    ] {
        refused(service.ask(text), "only reads");
    }
    for (text, first) in [
        ("SELECT count(*) FROM notes", "1"),
        ("PRAGMA user_version", "0"),
        ("PRAGMA integrity_check", "ok"),
        ("SELECT name FROM pragma_table_info('notes')", "text"),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT max(i) FROM n", "9"),
    ] {
        assert_eq!(service.ask(text), rows(first, 1), "{text}");
    }
}

#[test]
fn a_wrong_query_is_refused_in_the_words_of_sqlite() {
    let service = Service::new();
    service.open("delete").execute_batch("CREATE TABLE notes (text)").unwrap();
    for (text, part) in [
        ("SELEC 1", "syntax error"),
        ("SELECT 1 FROM users", "no such table: users"),
        ("SELECT title FROM notes", "no such column: title"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("-- nothing", "nothing that could be answered"),
        ("SELECT ?", "parameter"),
        ("SELECT hex(zeroblob(400000000))", "too big"),
        ("SELECT hex(zeroblob(130000000))", "out of memory"),
        ("VACUUM", "nothing that could be answered"),
    ] {
        refused(service.ask(text), part);
    }
}

#[test]
fn values_are_texts_as_in_the_shell_of_sqlite_and_rows_are_counted_as_far_as_it_matters() {
    let service = Service::new();
    service.open("delete");
    let text = "SELECT 1, 'a', NULL, 1.0, 0.1 + 0.2, 1e100, -2.5e-7, 123456.75, x'6162'";
    assert_eq!(service.ask(text), rows("1|a||1.0|0.3|1.0e+100|-2.5e-07|123456.75|ab", 1));
    let text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    assert_eq!(service.asked("/data/app.db", false, text, 7, &Arc::default()).unwrap(), rows("1", 7));
    let none = Queried::Rows { first: None, count: 0 };
    assert_eq!(service.asked("/data/app.db", false, "SELECT 1 WHERE 0", 0, &Arc::default()).unwrap(), none);
    let Queried::Rows { first: Some(first), .. } = service.ask("SELECT printf('%.*c', 200000, 'ä')") else { panic!() };
    assert!(first.len() < 70_000 && first.ends_with('…'));
}

#[test]
fn a_query_without_an_end_ends_with_its_job() {
    let service = Service::new();
    service.open("delete");
    let control = Arc::new(JobControl::default());
    let text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    let over = Arc::clone(&control);
    let stopping = std::thread::spawn(move || {
        let before = over.pulse();
        // It has begun once something moves.
        while over.pulse() == before {
            std::thread::yield_now();
        }
        over.cancel();
    });
    assert!(matches!(service.asked("/data/app.db", false, text, 1, &control), Err(JobStop::Cancelled)));
    stopping.join().unwrap();
}

#[test]
fn what_is_no_database_and_what_is_not_there_are_told_apart() {
    let service = Service::new();
    let data = service.root.path().join("data");
    fs::write(data.join("app.db"), vec![b'x'; 8192]).unwrap();
    let Queried::NotAsked { why } = service.ask("SELECT 1 FROM sqlite_schema") else { panic!() };
    assert!(why.contains("no SQLite database: file is not a database"), "{why}");
    let asked = |path: &str, alone| service.asked(path, alone, "SELECT 1", 1, &Arc::default()).unwrap();
    assert_eq!(asked("/data/other.db", false), Queried::Missing { path: "/data/other.db".to_owned() });
    assert_eq!(asked("/data", false), Queried::NotAsked { why: "it is a folder".to_owned() });
    fs::remove_file(data.join("app.db")).unwrap();
    let writer = service.open("wal");
    writer.execute_batch("CREATE TABLE notes (text)").unwrap();
    let Queried::NotAsked { why } = asked("/data/app.db", true) else { panic!() };
    assert!(why.contains("a mount by itself"), "{why}");
    std::os::unix::fs::symlink("/data/app.db", data.join("link.db")).unwrap();
    let count = |path: &str| service.asked(path, false, "SELECT count(*) FROM notes", 1, &Arc::default()).unwrap();
    assert_eq!(count("/data/link.db"), rows("0", 1), "its log lies beside what the link leads to");
}

#[test]
fn damage_that_no_writer_explains_is_told() {
    let service = Service::new();
    let writer = service.open("delete");
    writer
        .execute_batch(
            "CREATE TABLE notes (text); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
             INSERT INTO notes SELECT hex(zeroblob(50)) FROM n",
        )
        .unwrap();
    writer.close().unwrap();
    let path = service.root.path().join("data/app.db");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..8192].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let Queried::Damaged { words } = service.ask("SELECT sum(length(text)) FROM notes") else { panic!() };
    assert!(words.contains("malformed"), "{words}");
}
