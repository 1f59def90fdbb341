//! What lies beside a database, or is left of it: logs, indexes, pipes. And schemas that cost memory.

use std::sync::mpsc::channel;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

/// Bytes of a page in the log, with its header.
const FRAME: u64 = 4096 + 24;

/// A copy of a database whose tables are in its log only, and of these files beside it.
fn with_log(suffixes: &[&str]) -> (tempfile::TempDir, PathBuf, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let (live, copy) = (folder.path().join("live"), folder.path().join("copy"));
    fs::create_dir(&live).unwrap();
    fs::create_dir(&copy).unwrap();
    let writer = made(&live.join("app.db"), "wal");
    copied(&live.join("app.db"), &copy.join("app.db"), suffixes);
    (folder, copy, writer)
}

fn cut_to(path: &Path, length: u64) {
    fs::File::options().write(true).open(path).unwrap().set_len(length).unwrap();
}

#[test]
fn a_log_without_its_database_is_no_backup() {
    let (folder, copy, _writer) = with_log(&["-wal"]);
    let live = folder.path().join("live");
    let orphaned = |databases: &Databases| (databases.found, databases.orphaned.first.clone());
    let expected = (1, vec![DatabaseFinding { path: "app.db".to_owned(), words: Vec::new() }]);
    assert_eq!(orphaned(&of(&copy)), expected);
    assert_eq!(orphaned(&asked(&copy, None, Some(&live), 0)), expected);
    fs::write(copy.join("app.db"), "").unwrap();
    assert_eq!(orphaned(&of(&copy)), expected, "SQLite deletes the log of an empty database");
    // The program has left it so.
    let same = folder.path().join("same");
    fs::create_dir(&same).unwrap();
    fs::copy(copy.join("app.db-wal"), same.join("app.db-wal")).unwrap();
    assert_eq!(asked(&copy, None, Some(&same), 0), Databases::default());
    // The live service has neither of them any more.
    let gone = folder.path().join("gone");
    fs::create_dir(&gone).unwrap();
    assert_eq!(orphaned(&asked(&copy, None, Some(&gone), 0)), expected);
    // The log of a symbolic link is beside the file that it leads to; one that lies here is left of another database.
    fs::remove_file(copy.join("app.db")).unwrap();
    std::os::unix::fs::symlink("elsewhere/app.db", copy.join("app.db")).unwrap();
    assert_eq!(of(&copy), Databases::default());
    fs::remove_file(copy.join("app.db")).unwrap();
    // A file of this name that is no log, a log without a page, and an empty file.
    let log = fs::read(copy.join("app.db-wal")).unwrap();
    for content in [&[b'x'; 9000][..], &log[..32], &log[..32 + 24], &[]] {
        fs::write(copy.join("app.db-wal"), content).unwrap();
        assert_eq!(of(&copy), Databases::default());
        assert_eq!(asked(&copy, None, Some(&gone), 0), Databases::default());
    }
}

#[test]
fn a_log_that_sqlite_throws_away_is_damage() {
    let (_folder, copy, _writer) = with_log(&["", "-wal"]);
    let log = copy.join("app.db-wal");
    let whole = fs::read(&log).unwrap();
    for (at, bytes) in [(0, &[b'x'; 4096][..]), (0, &[0; 32]), (20, &[1]), (9, &[3])] {
        fs::write(&log, &whole).unwrap();
        overwrite(&log, at, bytes);
        let databases = of(&copy);
        says(&databases.damaged, "-wal file does not begin as SQLite's do");
        assert_eq!(databases.sound, 0);
    }
    fs::write(&log, &whole).unwrap();
    cut_to(&log, 31);
    says(&of(&copy).damaged, "ends in the middle of its header");
}

#[test]
fn the_end_of_a_log_may_be_missing_and_is_told_where_that_is_known() {
    let (_folder, copy, _writer) = with_log(&["", "-wal", "-shm"]);
    let log = copy.join("app.db-wal");
    let frames = (fs::metadata(&log).unwrap().len() - 32) / FRAME;
    assert!(frames > 50, "{frames}");
    all_sound(&of(&copy), 1);
    cut_to(&log, 32 + (frames - 2) * FRAME);
    let databases = of(&copy);
    says(&databases.cut, &format!("lacks 2 pages of the {frames} that its -shm file counts"));
    assert_eq!((databases.damaged.count, databases.lacking.count), (0, 0));
    fs::remove_file(copy.join("app.db-shm")).unwrap();
    assert_eq!(of(&copy).cut.count, 0, "after a power cut it looks the same");
    cut_to(&log, 32 + (frames - 2) * FRAME - 100);
    says(&of(&copy).cut, "ends in the middle of a page");
}

#[test]
fn what_follows_a_damaged_page_of_the_log_is_left_out() {
    let (_folder, copy, writer) = with_log(&["", "-wal"]);
    let log = copy.join("app.db-wal");
    let frames = (fs::metadata(&log).unwrap().len() - 32) / FRAME;
    let mut byte = [0];
    let at = 32 + 5 * FRAME + 1000;
    fs::File::open(&log).unwrap().read_exact_at(&mut byte, at).unwrap();
    overwrite(&log, at, &[byte[0] ^ 1]);
    says(&of(&copy).cut, &format!("page 6 of its -wal file is damaged or torn, and {} pages are", frames - 6));
    // A log that began anew has pages of its earlier round behind the new ones.
    writer.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())).unwrap();
    writer.execute("INSERT INTO notes VALUES (9999, 'anew')", []).unwrap();
    let live = PathBuf::from(writer.path().unwrap());
    copied(&live, &copy.join("app.db"), &["", "-wal", "-shm"]);
    assert!(fs::metadata(&log).unwrap().len() > 32 + 50 * FRAME);
    all_sound(&of(&copy), 1);
}

#[test]
fn a_database_of_a_few_bytes_was_cut_off() {
    let (folder, path) = one("delete");
    for length in [16, 100, 511] {
        cut_to(&path, length);
        let databases = of(folder.path());
        says(&databases.damaged, &format!("it is {length} B long, and the smallest database has 512 B"));
    }
    cut_to(&path, 0);
    assert_eq!(of(folder.path()), Databases::default(), "an empty file is an empty database");
}

#[test]
fn a_pipe_beside_a_database_is_not_waited_for() {
    let (_folder, copy, _writer) = with_log(&["", "-wal"]);
    let (folder, _) = one("delete");
    for (root, name) in
        [(copy.as_path(), "app.db-shm"), (folder.path(), "app.db-journal"), (folder.path(), "app.db-wal")]
    {
        mknodat(CWD, root.join(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let (send, checked) = channel();
        let path = root.to_owned();
        std::thread::spawn(move || {
            let want = SqliteWant { scratch: text(&path), source: None, live: None, keep_free: 0, rows: false };
            send.send(check(&path, want, &Arc::new(JobControl::default())).unwrap().sound)
        });
        // Longer than any check takes; the other end of the pipe never comes.
        assert_eq!(checked.recv_timeout(Duration::from_secs(120)), Ok(1), "{name}");
        fs::remove_file(root.join(name)).unwrap();
    }
}

#[test]
fn a_schema_that_costs_memory_leaves_the_worker_alive() {
    for value in ["zeroblob(400000000)", "hex(zeroblob(100000000))"] {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("app.db")).unwrap();
        // The row is there before the column, so that nobody but the check has to make its value.
        let schema = format!(
            "CREATE TABLE t (a); INSERT INTO t VALUES (1); ALTER TABLE t ADD COLUMN b TEXT AS (CAST({value} AS TEXT));"
        );
        connection.execute_batch(&schema).unwrap();
        connection.close().unwrap();
        let databases = of(folder.path());
        assert_eq!((databases.too_large.count, databases.sound), (1, 0), "{value}: {databases:?}");
    }
}
