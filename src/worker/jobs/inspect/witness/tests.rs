//! Tests of the live witness on folders of this machine's file system.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::*;

/// A live folder and what came back for it.
struct Case {
    _dir: tempfile::TempDir,
    live: PathBuf,
    came: PathBuf,
}

/// A live folder with some files in it, and a faithful copy.
fn case() -> Case {
    let dir = tempfile::tempdir().unwrap();
    let (live, came) = (dir.path().join("live"), dir.path().join("came"));
    for file in ["index", "pages/one", "pages/two", "pages/deep/three", "cache/page"] {
        fs::create_dir_all(live.join(file).parent().unwrap()).unwrap();
        fs::write(live.join(file), format!("the content of {file}")).unwrap();
    }
    fs::write(live.join("large"), vec![b'x'; 300_000]).unwrap();
    symlink("pages/one", live.join("link")).unwrap();
    copy(&live, &came);
    Case { _dir: dir, live, came }
}

/// Copies with owners, modes and times.
fn copy(from: &Path, to: &Path) {
    assert!(std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// So many seconds from now on: a backup that begins then comes after all that was written until now.
fn after(seconds: i64) -> Start {
    Start { at: now() + seconds, newest: None, hides_mapped: false }
}

impl Case {
    fn job(&self) -> WitnessJob {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        WitnessJob {
            live: text(&self.live),
            restored: text(&self.came),
            clock: BackupClock::Unknown,
            slack: 0,
            exclude: Vec::new(),
            contents: false,
            max_entries: 0,
        }
    }

    fn found(&self, job: &WitnessJob, start: Start) -> Witnessed {
        compare(job, stat_root(&job.live).unwrap().0, start, false, &Arc::default()).unwrap()
    }

    /// What is found of a backup that begins in some minutes.
    fn witnessed(&self) -> Witnessed {
        self.found(&self.job(), after(600))
    }
}

fn names(files: &crate::worker::protocol::DifferingFiles) -> Vec<String> {
    let mut names = files.named.first.clone();
    names.sort();
    names
}

/// No kind of difference but owners and modes.
fn is_all_there(found: &Witnessed) -> bool {
    [&found.missing, &found.smaller, &found.other].iter().all(|files| files.named.count == 0)
}

fn set_modified(path: &Path, seconds_ago: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds_ago);
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_faithful_copy_is_all_there_and_what_spoke_is_counted() {
    let case = case();
    let found = case.witnessed();
    assert!(is_all_there(&found) && found.complete, "{found:?}");
    assert_eq!((found.owners.named.count, found.modes.named.count), (0, 0));
    assert_eq!((found.live.files, found.unchanged.files, found.exempt), (6, 6, 1), "{found:?}");
    assert_eq!(found.read.files, 5, "all but the symlink");
    assert_eq!(found.owned, 8, "two folders, too");
}

#[test]
fn files_that_did_not_come_back_are_missing_with_their_folders() {
    let case = case();
    fs::remove_file(case.came.join("index")).unwrap();
    fs::remove_file(case.came.join("link")).unwrap();
    fs::remove_dir_all(case.came.join("pages")).unwrap();
    fs::remove_dir_all(case.came.join("cache")).unwrap();
    let found = case.witnessed();
    assert_eq!(names(&found.missing), ["index", "link", "pages/deep/three", "pages/one", "pages/two"]);
    assert_eq!(found.missing.folders, [(".".to_owned(), 2), ("pages".to_owned(), 2)]);
    assert_eq!((found.smaller.named.count, found.other.named.count), (0, 0));
}

#[test]
fn a_folder_under_another_name_is_missing() {
    let case = case();
    fs::rename(case.came.join("pages"), case.came.join("Pages")).unwrap();
    assert_eq!(case.witnessed().missing.named.count, 3);
}

#[test]
fn files_that_came_back_smaller_or_with_other_content_are_told() {
    let case = case();
    fs::write(case.came.join("index"), "").unwrap();
    fs::write(case.came.join("pages/one"), [0; 24]).unwrap();
    fs::write(case.came.join("pages/two"), "the content of pages/twi").unwrap();
    fs::write(case.came.join("pages/deep/three"), "more than the content of it, by far").unwrap();
    let mut large = vec![b'x'; 300_000];
    large[299_990] = b'y';
    fs::write(case.came.join("large"), large).unwrap();
    fs::remove_file(case.came.join("link")).unwrap();
    symlink("pages/two", case.came.join("link")).unwrap();
    let found = case.witnessed();
    assert_eq!(names(&found.smaller), ["index has 0 B instead of 20 B"]);
    let expected = [
        "large has other content",
        "link leads to pages/two instead of pages/one",
        "pages/deep/three has 35 B instead of 31 B",
        "pages/one holds zeros",
        "pages/two has other content",
    ];
    assert_eq!(names(&found.other), expected);
    assert_eq!(found.missing.named.count, 0);
}

#[test]
fn a_file_that_came_back_as_something_else_is_told() {
    let case = case();
    fs::remove_file(case.came.join("index")).unwrap();
    fs::create_dir(case.came.join("index")).unwrap();
    assert_eq!(names(&case.witnessed().other), ["index is a folder instead of a file"]);
}

#[test]
fn what_live_has_changed_since_says_nothing() {
    let case = case();
    // A backup that ended before all of it was written.
    let found = case.found(&case.job(), after(-600));
    assert_eq!((found.unchanged.files, found.live.files), (0, 6));
    for file in ["index", "large"] {
        fs::remove_file(case.came.join(file)).unwrap();
    }
    assert!(is_all_there(&case.found(&case.job(), after(-600))));
}

/// The content of a file that was written through mapped memory may be younger than its times.
#[test]
fn content_is_not_compared_of_what_changed_a_moment_before_the_backup() {
    let case = case();
    fs::write(case.came.join("index"), "THE CONTENT OF INDEX").unwrap();
    fs::write(case.came.join("pages/one"), "short").unwrap();
    let found = case.found(&case.job(), after(60));
    assert_eq!((found.other.named.count, found.smaller.named.count), (0, 1));
}

#[test]
fn owners_and_modes_are_counted_apart() {
    let case = case();
    lchown(case.came.join("index"), Some(12_345), Some(0)).unwrap();
    fs::set_permissions(case.came.join("pages"), fs::Permissions::from_mode(0o700)).unwrap();
    let found = case.witnessed();
    assert!(is_all_there(&found));
    let live = fs::metadata(&case.live).map(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata)).unwrap();
    let gid = fs::metadata(case.live.join("index")).map(|of| std::os::unix::fs::MetadataExt::gid(&of)).unwrap();
    assert_eq!(names(&found.owners), [format!("index belongs to 12345:0 instead of {live}:{gid}")]);
    assert_eq!(names(&found.modes), ["pages has the mode 0700 instead of 0755"]);
}

#[test]
fn what_is_excluded_tagged_or_disposable_is_not_missed() {
    let case = case();
    fs::create_dir(case.live.join("made")).unwrap();
    fs::write(case.live.join("made/CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n").unwrap();
    fs::write(case.live.join("made/anew"), "x").unwrap();
    fs::write(case.live.join("server.log"), "x").unwrap();
    fs::remove_dir_all(case.came.join("pages")).unwrap();
    fs::remove_file(case.came.join("large")).unwrap();
    let job = WitnessJob { exclude: vec!["pages/**".to_owned(), "lar*".to_owned()], ..case.job() };
    let found = case.found(&job, after(600));
    assert!(is_all_there(&found), "{found:?}");
    assert_eq!((found.live.files, found.exempt), (2, 5));
    assert_eq!(case.witnessed().missing.named.count, 4, "without the patterns");
}

/// A service that hands all of its files to its user at each start renews the times of change.
#[test]
fn files_that_were_handed_over_since_are_known_by_their_other_times() {
    let case = case();
    // All of it was made and written long before the backup, and handed over after it.
    let start = after(-3600);
    for file in ["index", "large", "pages/one", "pages/two", "pages/deep/three"] {
        for root in [&case.live, &case.came] {
            set_modified(&root.join(file), 7200);
        }
    }
    fs::write(case.came.join("index"), "THE CONTENT OF INDEX").unwrap();
    set_modified(&case.came.join("index"), 7200);
    let found = case.found(&case.job(), start);
    // The file system tells that they were made just now: a copy with old times is no old file.
    assert!(is_all_there(&found) && found.unchanged.files == 0, "{found:?}");
}

#[test]
fn a_database_that_sqlite_itself_backed_up_is_another_file() {
    let case = case();
    let database = |path: &Path, script: &str| {
        rusqlite::Connection::open(path).unwrap().execute_batch(script).unwrap();
    };
    database(&case.live.join("app.db"), "CREATE TABLE a (t); CREATE TABLE b (t)");
    database(&case.came.join("app.db"), "CREATE TABLE a (t)");
    fs::write(case.live.join("app.db-wal"), "x").unwrap();
    set_modified(&case.came.join("app.db"), 100);
    assert!(is_all_there(&case.witnessed()));
    fs::write(case.came.join("app.db"), [0; 100]).unwrap();
    assert_eq!(case.witnessed().smaller.named.count, 1);
}

#[test]
fn a_mount_that_is_a_single_file_is_compared() {
    let case = case();
    let of = |name: &str| Case {
        live: case.live.join(name),
        came: case.came.join(name),
        _dir: tempfile::tempdir().unwrap(),
    };
    assert_eq!(of("index").witnessed().unchanged.files, 1);
    fs::write(case.came.join("index"), "short").unwrap();
    assert_eq!(of("index").witnessed().smaller.named.count, 1);
}

#[test]
fn a_bound_ends_the_walk() {
    let case = case();
    let found = case.found(&WitnessJob { max_entries: 3, ..case.job() }, after(600));
    assert!(!found.complete);
}

#[test]
fn all_of_a_large_file_is_read_on_request() {
    let case = case();
    let at = (16_384..280_000).step_by(4096).find(|at| {
        let mut large = vec![b'x'; 300_000];
        large[*at] = b'y';
        fs::write(case.came.join("large"), large).unwrap();
        is_all_there(&case.witnessed())
    });
    assert!(at.is_some(), "a place that no sample hits");
    let whole = WitnessJob { contents: true, ..case.job() };
    assert_eq!(names(&case.found(&whole, after(600)).other), ["large has other content"]);
}

#[test]
fn times_that_cannot_be_are_counted() {
    let case = case();
    let path = case.live.join("index");
    let later = SystemTime::now() + Duration::from_secs(3600);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    let found = case.witnessed();
    assert_eq!((found.out_of_order, found.of_the_future), (1, 0));
}

#[test]
fn a_file_system_that_makes_times_up_is_not_believed() {
    let case = case();
    // The folder is no mount, so its file system is not known.
    let found = testify(&case.job(), &Arc::default()).unwrap();
    assert!(found.silent.is_some_and(|why| why.contains("does not tell when a file was changed")));
}

#[test]
fn the_newest_time_in_the_backup_that_is_not_in_the_future_counts() {
    let case = case();
    let newest = || newest_in(case.came.to_str().unwrap(), RootKind::Folder, &JobControl::default()).unwrap();
    let before = newest();
    assert!(before <= now() && before > now() - 600);
    let later = SystemTime::now() + Duration::from_secs(3600);
    fs::File::options().write(true).open(case.came.join("index")).unwrap().set_modified(later).unwrap();
    assert_eq!(newest(), before);
}

/// The live data must not be written to, and reading it must not be noted where that can be had.
#[test]
fn nothing_of_the_live_folder_changes() {
    use std::os::unix::fs::MetadataExt as _;
    let case = case();
    let times = || {
        ["", "index", "large", "pages", "pages/one"].map(|name| {
            let of = fs::symlink_metadata(case.live.join(name)).unwrap();
            (of.atime(), of.atime_nsec(), of.mtime_nsec(), of.ctime(), of.ctime_nsec())
        })
    };
    let before = times();
    assert!(case.witnessed().read.files > 0);
    assert_eq!(times(), before);
}
