//! Live databases that are counted while their service goes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rusqlite::Connection;

use super::*;
use crate::worker::protocol::{LiveQuestion, WitnessStart};

/// A live folder with a database, what came back for it, and a scratch folder.
struct Case {
    dir: tempfile::TempDir,
    scratch: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let (dir, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in ["live/sub", "came/sub"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        Self { dir, scratch }
    }

    fn live(&self) -> PathBuf {
        self.dir.path().join("live/sub/app.db")
    }

    fn open(&self, mode: &str) -> Connection {
        let connection = Connection::open(self.live()).unwrap();
        connection.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(())).unwrap();
        connection
    }

    /// The answer to a backup that began so many seconds from now.
    fn counted(&self, seconds: i64, sequences: &[(&str, i64)], exclude: &[&str]) -> Vec<LiveDatabase> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let sequences = sequences.iter().map(|(table, id)| ((*table).to_owned(), *id)).collect();
        let job = CountLiveJob {
            live: text(&self.dir.path().join("live")),
            restored: text(&self.dir.path().join("came")),
            scratch: text(self.scratch.path()),
            keep_free: 0,
            exclude: exclude.iter().map(|&pattern| pattern.to_owned()).collect(),
            start: Some(WitnessStart { at: i64::try_from(now).unwrap() + seconds, newest: None }),
            databases: vec![LiveQuestion { path: "sub/app.db".to_owned(), sequences }],
        };
        let before = self.names();
        let counted = count_live(&job, &Arc::default()).unwrap();
        assert_eq!(self.names(), before, "a file was made beside it, or its times changed");
        assert_eq!(fs::read_dir(self.scratch.path()).unwrap().count(), 0, "something is left");
        counted
    }

    /// The live files with the times of their last changes.
    fn names(&self) -> Vec<(String, SystemTime, i64)> {
        use std::os::unix::fs::MetadataExt as _;
        let entries = fs::read_dir(self.dir.path().join("live/sub")).unwrap().map(Result::unwrap);
        let of = |entry: fs::DirEntry| {
            let meta = entry.metadata().unwrap();
            (entry.file_name().into_string().unwrap(), meta.modified().unwrap(), meta.ctime_nsec())
        };
        let mut names: Vec<_> = entries.map(of).collect();
        names.sort();
        names
    }
}

const NOTES: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT); CREATE TABLE tags (text);
    INSERT INTO notes (text) WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100) SELECT i FROM n";

/// Any moment after the database was written; any before.
const AFTER: i64 = 600;
const BEFORE: i64 = -600;

fn rows(tables: &[(&str, u64)]) -> Option<Vec<(String, Option<u64>)>> {
    Some(tables.iter().map(|(table, rows)| ((*table).to_owned(), Some(*rows))).collect())
}

#[test]
fn a_database_that_rests_since_the_backup_tells_all_of_its_rows() {
    for mode in ["wal", "delete"] {
        let case = Case::new();
        let writer = case.open(mode);
        writer.execute_batch(NOTES).unwrap();
        let counted = case.counted(AFTER, &[], &[]);
        assert_eq!(counted[0].untouched, rows(&[("notes", 100), ("tags", 0)]), "{mode}");
        assert_eq!(case.counted(BEFORE, &[], &[]), [], "{mode}: live may have grown since");
        // In the middle of a transaction, what was committed counts.
        writer.execute_batch("PRAGMA cache_size = 2; BEGIN; DELETE FROM notes").unwrap();
        let counted = case.counted(BEFORE, &[("notes", 100)], &[]);
        assert_eq!(counted[0].earlier, [("notes".to_owned(), 100)], "{mode}");
    }
}

#[test]
fn rows_with_ids_that_were_given_later_say_nothing() {
    let case = Case::new();
    case.open("wal").execute_batch(NOTES).unwrap();
    let counted = |id| case.counted(BEFORE, &[("notes", id), ("tags", 5), ("gone", 5)], &[])[0].earlier.clone();
    assert_eq!(counted(60), [("notes".to_owned(), 60)]);
    // The ids are of another database: this one has never given as many.
    assert_eq!(counted(101), []);
    // VACUUM gives no new ids.
    case.open("wal").execute_batch("DELETE FROM notes WHERE id <= 10; VACUUM").unwrap();
    assert_eq!(counted(60), [("notes".to_owned(), 50)]);
}

#[test]
fn what_is_a_copy_left_out_linked_or_moved_since_says_nothing() {
    let case = Case::new();
    drop(case.open("delete").execute_batch(NOTES));
    assert_eq!(case.counted(AFTER, &[], &["sub/**"]), []);
    assert_eq!(case.counted(AFTER, &[], &["*.db"]), []);
    let came = case.dir.path().join("came/sub/app.db");
    assert!(std::process::Command::new("cp").arg("-a").args([&case.live(), &came]).status().unwrap().success());
    assert_eq!(case.counted(AFTER, &[], &[]), [], "the very copy");
    fs::remove_file(came).unwrap();
    assert_eq!(case.counted(AFTER, &[], &[]).len(), 1);
    fs::rename(case.live(), case.dir.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(case.dir.path().join("elsewhere"), case.live()).unwrap();
    assert_eq!(case.counted(AFTER, &[], &[]), [], "a link leads out");
}
