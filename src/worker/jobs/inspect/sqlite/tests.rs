//! Databases that SQLite itself made, whole and damaged. Whatever is checked is compared, to the byte, with its state
//! before.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;

mod beside;

use super::check::{OpenMode, SqliteVerdict, quick_check};
use super::view::{View, ViewOf};
use crate::model::sampled::Sampled;
use crate::worker::expected::FilledVolumes;
use crate::worker::job::{JobControl, JobStop};
use crate::worker::jobs::inspect::tree::inspect;
use crate::worker::protocol::{DatabaseFinding, Databases, InspectJob, InspectWants, SqliteWant};

const ROWS: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
    CREATE INDEX by_text ON notes (text);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO notes SELECT i, printf('%060d', i * 7919 % 2000) FROM n;";

/// A database of some hundred pages, open.
fn made(path: &Path, mode: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(())).unwrap();
    connection.execute_batch(ROWS).unwrap();
    connection
}

/// A database in a folder of its own.
fn one(mode: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    made(&path, mode).close().unwrap();
    (folder, path)
}

/// Copies what lies at and beside a database that is in use, as a backup of files does.
fn copied(from: &Path, to: &Path, suffixes: &[&str]) {
    for suffix in suffixes {
        let named = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        fs::copy(named(from), named(to)).unwrap();
    }
}

/// Everything that a check must leave as it is: content, times, modes and how many names there are.
fn everything(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, i64, i64, u32, u64)> {
    let mut all = BTreeMap::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(path) = left.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let content = if meta.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        if meta.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        all.insert(path, (content, meta.mtime(), meta.mtime_nsec(), meta.mode(), meta.nlink()));
    }
    all
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn check(path: &Path, want: SqliteWant, control: &Arc<JobControl>) -> Result<Databases, JobStop> {
    let wants = InspectWants { sqlite: Some(want), ..InspectWants::default() };
    let job = InspectJob { path: text(path), max_entries: 0, wants };
    Ok(inspect(&job, &FilledVolumes::default(), control)?.databases.unwrap())
}

/// What a check says, which changed nothing. Its rows are tested in `rows`.
fn asked(root: &Path, source: Option<&Path>, live: Option<&Path>, keep_free: u64) -> Databases {
    // Folders from before the check, so that a new time would show.
    fs::File::open(root).unwrap().set_modified(SystemTime::UNIX_EPOCH + Duration::new(1_500_000_000, 5)).unwrap();
    let before = everything(root);
    let want =
        SqliteWant { scratch: text(root), source: source.map(text), live: live.map(text), keep_free, rows: true };
    let mut databases = check(root, want, &Arc::new(JobControl::default())).unwrap();
    assert_eq!(everything(root), before, "the check changed something");
    let Databases { found, damaged, torn, orphaned, .. } = &databases;
    assert_eq!(databases.tables.len() as u64, found - damaged.count - torn.count - orphaned.count);
    databases.tables.clear();
    databases
}

fn of(root: &Path) -> Databases {
    asked(root, None, None, 0)
}

#[track_caller]
fn all_sound(databases: &Databases, count: u64) {
    let expected = Databases { found: count, sound: count, ..Databases::default() };
    assert_eq!(databases, &expected);
}

/// The only one is told of, in these words.
#[track_caller]
fn says(findings: &Sampled<DatabaseFinding>, words: &str) {
    let said = &findings.first.first().expect("one is told of").words;
    assert!(findings.count == 1 && said.len() <= 3, "{findings:?}");
    assert!(said.iter().any(|line| line.contains(words)), "{said:?}");
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    fs::File::options().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

#[test]
fn a_file_of_zeros_with_the_name_of_a_database_is_told_unless_its_origin_has_one_too() {
    let folder = tempfile::tempdir().unwrap();
    let (copy, live) = (folder.path().join("copy"), folder.path().join("live"));
    fs::create_dir(&copy).unwrap();
    fs::create_dir(&live).unwrap();
    fs::write(copy.join("app.db"), [0; 8192]).unwrap();
    fs::write(copy.join("App.SQLITE3"), [0; 700]).unwrap();
    for (name, content) in [("empty.db", &[][..]), ("zeros.bin", &[0; 8192]), ("zeros.db-wal", &[0; 8192])] {
        fs::write(copy.join(name), content).unwrap();
    }
    let mut other = vec![0; 8192];
    other[4096] = 1;
    fs::write(copy.join("other.db"), other).unwrap();
    let told = |databases: &Databases| databases.blank.first.iter().map(ToString::to_string).collect::<Vec<_>>();
    let both = ["App.SQLITE3 (700 B)", "app.db (8.2 kB)"];
    assert_eq!((told(&of(&copy)), of(&copy).found), (both.map(str::to_owned).to_vec(), 0));
    assert_eq!(told(&asked(&copy, None, Some(&live), 0)), both);
    fs::write(live.join("app.db"), "anything").unwrap();
    assert_eq!(told(&asked(&copy, None, Some(&live), 0)), both[..1]);
    assert_eq!(told(&asked(&copy, Some(&live), None, 0)), both[..1]);
}

#[test]
fn whole_databases_are_found_by_their_header_whatever_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b ? #c%d");
    fs::create_dir_all(&deep).unwrap();
    made(&deep.join("no ending"), "delete").close().unwrap();
    made(&folder.path().join("app.db"), "wal").close().unwrap();
    made(&folder.path().join(OsStr::from_bytes(b"not utf-8 \xff")), "delete").close().unwrap();
    fs::write(folder.path().join("short"), b"SQLite format 3").unwrap();
    fs::write(folder.path().join("other.db"), [b'x'; 4096]).unwrap();
    all_sound(&of(folder.path()), 3);
}

#[test]
fn a_tree_without_databases_has_none() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..200 {
        let path = folder.path().join(format!("{}/{number}", number % 7));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![b'S'; number * 10]).unwrap();
    }
    assert_eq!(of(folder.path()), Databases::default());
}

#[test]
fn a_mount_that_is_a_file_is_checked() {
    let (folder, path) = one("delete");
    let check = |path: &Path| {
        let want = SqliteWant { scratch: text(folder.path()), source: None, live: None, keep_free: 0, rows: false };
        check(path, want, &Arc::new(JobControl::default())).unwrap()
    };
    all_sound(&check(&path), 1);
    overwrite(&path, 4096, &[0xff; 64]);
    let databases = check(&path);
    assert_eq!((databases.damaged.count, databases.damaged.first[0].path.as_str()), (1, "."));
}

#[test]
fn what_is_in_the_log_belongs_to_the_database() {
    let (live, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (live, path) = (live.path().join("app.db"), copy.path().join("app.db"));
    let _writer = made(&live, "wal");
    copied(&live, &path, &["", "-wal"]);
    all_sound(&of(copy.path()), 1);
    // The tables are in the log only.
    let control = Arc::new(JobControl::default());
    let at_rest = quick_check(&path, OpenMode::Resting, &control).unwrap();
    assert!(matches!(at_rest, SqliteVerdict::Sound { has_tables: false, .. }), "{at_rest:?}");
    let of_view = ViewOf { path: &path, name: b"app.db", recover: false, own: true };
    let view = View::make(of_view, &text(copy.path()), 0, &control).ok().unwrap();
    let with_log = quick_check(&view.main(), OpenMode::WithLog, &control).unwrap();
    assert!(matches!(with_log, SqliteVerdict::Sound { has_tables: true, .. }), "{with_log:?}");
    view.remove().unwrap();
    copied(&live, &path, &["-shm"]);
    all_sound(&of(copy.path()), 1);
}

#[test]
fn damage_in_any_page_is_seen() {
    let (folder, path) = one("delete");
    let whole = fs::read(&path).unwrap();
    let pages = whole.len() / 4096;
    assert!(pages > 50, "{pages}");
    for page in [1, 2, pages / 2, pages - 1] {
        for damage in [&[0xff; 512][..], &[0; 4096]] {
            overwrite(&path, page as u64 * 4096, damage);
            let databases = of(folder.path());
            assert_eq!((databases.found, databases.sound, databases.damaged.count), (1, 0, 1), "page {page}");
            fs::write(&path, &whole).unwrap();
        }
    }
    all_sound(&of(folder.path()), 1);
}

#[test]
fn a_database_that_is_cut_off_is_damaged() {
    for mode in ["delete", "wal"] {
        let (folder, path) = one(mode);
        let size = fs::metadata(&path).unwrap().len();
        for left in [size / 2, size - 4096, 600] {
            fs::File::options().write(true).open(&path).unwrap().set_len(left).unwrap();
            let databases = of(folder.path());
            assert_eq!(databases.damaged.count, 1, "{mode}, {left} bytes left: {databases:?}");
        }
    }
}

#[test]
fn a_header_and_nothing_behind_it_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let noise: Vec<u8> = (0..8192_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(folder.path().join("app.db"), [b"SQLite format 3\0", &noise[..]].concat()).unwrap();
    says(&of(folder.path()).damaged, "file is not a database");
    let (folder, path) = one("delete");
    overwrite(&path, 44, &[9, 9, 9, 9]);
    says(&of(folder.path()).damaged, "unsupported file format");
}

#[test]
fn damage_beside_a_log_is_seen_and_nothing_of_the_view_is_left() {
    let (live, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (live, path) = (live.path().join("app.db"), copy.path().join("app.db"));
    let writer = made(&live, "wal");
    writer.query_row("PRAGMA wal_checkpoint(truncate)", [], |_| Ok(())).unwrap();
    writer.execute("INSERT INTO notes (text) VALUES ('last')", []).unwrap();
    copied(&live, &path, &["", "-wal"]);
    all_sound(&of(copy.path()), 1);
    overwrite(&path, 30 * 4096, &[0xff; 512]);
    assert_eq!(of(copy.path()).damaged.count, 1);
}

/// A backup of files in the middle of a transaction that has already reached the database.
#[test]
fn a_hot_journal_is_played_back_first() {
    let (live, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (live, path) = (live.path().join("app.db"), copy.path().join("app.db"));
    let writer = made(&live, "delete");
    writer
        .execute_batch(
            "PRAGMA cache_size = 2; BEGIN; DELETE FROM notes WHERE id % 3 > 0; DROP INDEX by_text;
             CREATE INDEX by_text ON notes (text, id); UPDATE notes SET text = text || text || text || text;",
        )
        .unwrap();
    copied(&live, &path, &["", "-journal"]);
    let databases = of(copy.path());
    assert_eq!((databases.sound, databases.hot.count, databases.damaged.count), (1, 1, 0), "{databases:?}");
    // Another file, which is not here, would decide whether this one is to be played back.
    let journal = copy.path().join("app.db-journal");
    let alone = fs::read(&journal).unwrap();
    fs::write(&journal, [&alone[..], &[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]].concat()).unwrap();
    says(&of(copy.path()).unchecked, "several databases");
    // Without it there is nothing to be played back.
    fs::remove_file(copy.path().join("app.db-journal")).unwrap();
    let databases = of(copy.path());
    assert_eq!((databases.damaged.count, databases.hot.count), (1, 0), "{databases:?}");
}

#[test]
fn a_journal_that_was_put_to_rest_is_none() {
    let (folder, path) = one("persist");
    assert!(fs::metadata(folder.path().join("app.db-journal")).unwrap().len() > 0, "{path:?}");
    all_sound(&of(folder.path()), 1);
}

#[test]
fn what_there_is_no_room_to_recover_is_told_and_not_called_sound() {
    let (live, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (live, path) = (live.path().join("app.db"), copy.path().join("app.db"));
    let _writer = made(&live, "wal");
    copied(&live, &path, &["", "-wal"]);
    let databases = asked(copy.path(), None, None, u64::MAX);
    assert_eq!((databases.found, databases.sound), (1, 0));
    says(&databases.unchecked, "scratch room");
}

#[test]
fn a_name_too_long_for_sqlite_is_checked_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let deep = (0..4).fold(folder.path().to_path_buf(), |path, _| path.join("d".repeat(200)));
    fs::create_dir_all(&deep).unwrap();
    let (_keep, path) = one("delete");
    fs::copy(&path, deep.join("app.db")).unwrap();
    all_sound(&of(folder.path()), 1);
    overwrite(&deep.join("app.db"), 4096, &[0xff; 512]);
    assert_eq!(of(folder.path()).damaged.count, 1);
}

/// Plex, for one, sorts by a collation and splits words by a tokenizer of its own.
#[test]
fn what_only_a_program_brings_along_is_no_damage() {
    let (folder, path) = one("delete");
    let connection = Connection::open(&path).unwrap();
    connection.create_collation("of_its_own", |one: &str, other: &str| other.cmp(one)).unwrap();
    connection
        .execute_batch(
            "CREATE INDEX of_its_own ON notes (text COLLATE of_its_own);
             CREATE VIRTUAL TABLE words USING fts4 (text, tokenize=unicode61);
             INSERT INTO words SELECT text FROM notes LIMIT 10;",
        )
        .unwrap();
    all_sound(&of(folder.path()), 1);
    connection
        .execute_batch(
            "PRAGMA writable_schema = on;
             UPDATE sqlite_schema SET sql = replace(sql, 'unicode61', 'of_its_own') WHERE name = 'words';",
        )
        .unwrap();
    connection.close().unwrap();
    all_sound(&of(folder.path()), 1);
    overwrite(&path, 40 * 4096, &[0xff; 512]);
    assert_eq!(of(folder.path()).damaged.count, 1);
}

#[test]
fn rows_that_break_a_rule_of_their_table_are_the_programs_doing() {
    let (folder, path) = one("delete");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE later (a, b, CHECK (a > 100)); PRAGMA ignore_check_constraints = on;
             INSERT INTO later VALUES (1, NULL); PRAGMA writable_schema = on;
             UPDATE sqlite_schema SET sql = replace(sql, 'a, b,', 'a, b NOT NULL,') WHERE name = 'later';",
        )
        .unwrap();
    connection.close().unwrap();
    let databases = of(folder.path());
    assert_eq!((databases.sound, databases.damaged.count), (1, 0), "{databases:?}");
    says(&databases.odd, "NULL value in later.b");
}

#[test]
fn what_our_own_copy_may_have_torn_is_not_called_damaged() {
    let (source, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (original, path) = (source.path().join("app.db"), copy.path().join("app.db"));
    made(&original, "delete").close().unwrap();
    fs::copy(&original, &path).unwrap();
    overwrite(&path, 4096, &[0xff; 512]);
    let time = fs::metadata(&original).unwrap().modified().unwrap();
    fs::File::open(&path).unwrap().set_modified(time).unwrap();
    let databases = asked(copy.path(), Some(source.path()), None, 0);
    assert_eq!((databases.damaged.count, databases.torn.count), (1, 0), "nobody wrote meanwhile");
    fs::File::open(&original).unwrap().set_modified(time + Duration::from_secs(1)).unwrap();
    let databases = asked(copy.path(), Some(source.path()), None, 0);
    assert_eq!((databases.damaged.count, databases.torn.count), (0, 1), "somebody did");
}

#[test]
fn a_log_that_the_source_has_must_be_in_the_copy() {
    let (source, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (original, path) = (source.path().join("app.db"), copy.path().join("app.db"));
    let _writer = made(&original, "wal");
    let log = source.path().join("app.db-wal");
    let set = |path: &Path, time| fs::File::open(path).unwrap().set_modified(time).unwrap();
    copied(&original, &path, &[""]);
    set(&log, SystemTime::now() - Duration::from_secs(60));
    says(&asked(copy.path(), Some(source.path()), None, 0).lacking, "copied from has one");
    // What the service wrote after the copy says nothing of the copy.
    set(&log, SystemTime::now() + Duration::from_secs(60));
    all_sound(&asked(copy.path(), Some(source.path()), None, 0), 1);
}

/// Memos: a database of one page, whose content was in the log that the backup did not have.
#[test]
fn a_backup_without_the_log_is_bad_when_nothing_is_left_without_it() {
    let (live, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (original, path) = (live.path().join("app.db"), copy.path().join("app.db"));
    let writer = made(&original, "wal");
    copied(&original, &path, &[""]);
    assert_eq!(fs::metadata(&path).unwrap().len(), 4096);
    says(&asked(copy.path(), None, Some(live.path()), 0).lacking, "single page");
    // Also where it was copied from a folder that lacks the log itself.
    let source = tempfile::tempdir().unwrap();
    copied(&original, &source.path().join("app.db"), &[""]);
    says(&asked(copy.path(), Some(source.path()), Some(live.path()), 0).lacking, "single page");
    // By itself it is an empty database, and may well be one.
    all_sound(&of(copy.path()), 1);
    // The index of the log came along, and counts what is missing.
    copied(&original, &path, &["-shm"]);
    says(&of(copy.path()).lacking, "-shm file");
    fs::remove_file(copy.path().join("app.db-shm")).unwrap();
    // At rest all of it is in the database: that a log is there now is no fault of the backup.
    writer.query_row("PRAGMA wal_checkpoint(truncate)", [], |_| Ok(())).unwrap();
    copied(&original, &path, &["", "-shm"]);
    all_sound(&asked(copy.path(), None, Some(live.path()), 0), 1);
    writer.execute("INSERT INTO notes (text) VALUES ('since')", []).unwrap();
    let databases = asked(copy.path(), None, Some(live.path()), 0);
    assert_eq!((databases.sound, databases.lacking.count), (1, 0), "{databases:?}");
    says(&databases.doubtful, "the live one has a log");
}

#[test]
fn a_job_that_is_stopped_ends() {
    let (folder, _path) = one("delete");
    let control = Arc::new(JobControl::default());
    control.cancel();
    let want = SqliteWant { scratch: text(folder.path()), source: None, live: None, keep_free: 0, rows: false };
    assert!(matches!(check(folder.path(), want, &control), Err(JobStop::Cancelled)));
    assert!(matches!(quick_check(&folder.path().join("app.db"), OpenMode::Resting, &control), Err(JobStop::Cancelled)));
}
