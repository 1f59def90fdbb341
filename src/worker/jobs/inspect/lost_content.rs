//! Compares a live mount with the data that was restored for it, file by file at the same paths: data stores that came
//! back as something else or with other tables, and files that came back empty.
//!
//! Only the beginnings are read, and of a live file only if its restored one looks wrong. A file that is missing is no
//! finding: the live service may have made it since the backup.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use rustix::fs::{FileType, OFlags, fstat};

use super::datastores::{SQLITE_HEAD, find_store, is_filled_sqlite, is_sqlite};
use super::fingerprint::open_parent;
use super::sample::{is_disposable, read_at, stat_file};
use super::schema::no_table_in_common;
use crate::model::fingerprint::{Store, StoreKind};
use crate::model::lock::{into_inner, lock};
use crate::model::units;
use crate::worker::fs::observe::{SeenEntry, TreeObserver};
use crate::worker::fs::open::open_quietly;
use crate::worker::fs::root::{open_root, stat_root};
use crate::worker::job::{JobStop, short_path};
use crate::worker::protocol::{DatabaseFinding, LostContent, RootKind};

/// Looks, for each file of a live mount, at the restored file of the same path.
pub struct LostContentFinder {
    /// The restored data; `None` if it is not of the live mount's kind, which is told elsewhere.
    restored: Option<OwnedFd>,
    found: Mutex<LostContent>,
}

impl LostContentFinder {
    /// `restored` is a mount of the worker, `live` is what the live mount is.
    pub fn new(restored: &str, live: RootKind) -> Result<Self, JobStop> {
        let (root, _) = stat_root(restored)?;
        let is_comparable = root == live && matches!(root, RootKind::Folder | RootKind::File);
        let restored = is_comparable.then(|| open_root(restored, root)).transpose()?;
        Ok(Self { restored, found: Mutex::default() })
    }

    /// Looks at a mount that is a single file. Only an SQLite database is known by its content alone.
    pub fn see_single_file(&self, live: &OwnedFd) {
        let Some(restored) = &self.restored else { return };
        let (Some(head), Some(came)) = (read_at(live, SQLITE_HEAD, 0), read_at(restored, SQLITE_HEAD, 0)) else {
            return;
        };
        let (Ok(stat), Ok(now)) = (fstat(live), fstat(restored)) else { return };
        if head.is_empty() {
            return;
        }
        let mut found = lock(&self.found);
        found.compared += 1;
        if is_filled_sqlite(&head) && !is_sqlite(&came) {
            let words = came_instead(&came, size(now.st_size), size(stat.st_size));
            found.databases.add(|| finding(b"", words));
        } else if let Some(words) = no_table_in_common(restored, live) {
            found.foreign.add(|| finding(b"", words));
        } else if is_blank(&came) && !is_blank(&head) {
            found.emptied.add(|| short_path(b""));
            found.zeros += u64::from(now.st_size > 0);
        }
    }

    /// What was found.
    pub fn finish(self) -> LostContent {
        into_inner(self.found)
    }
}

impl TreeObserver for LostContentFinder {
    fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
        let Some(restored) = self.restored.as_ref().filter(|_| entry.kind == FileType::RegularFile) else {
            return Ok(());
        };
        let path = entry.path();
        let live = stat_file(entry.folder, entry.name).filter(|live| live.stx_size > 0 && !is_disposable(path));
        let (Some(live), Some((folder, name))) = (live, open_parent(restored, path)) else { return Ok(()) };
        let (Some(stat), Some(came)) = (stat_file(&folder, &name), head(&folder, &name)) else { return Ok(()) };
        let blank = is_blank(&came);
        // To know a store, its live file is read, so only where the restored one may be none.
        let store = if is_sqlite(&came) { None } else { find_store(entry.folder, entry.name, path, &live) };
        let foreign = if is_sqlite(&came) { foreign(&folder, &name, entry) } else { None };
        let is_other =
            store.as_ref().is_some_and(|live| is_other_cluster(live, find_store(&folder, &name, path, &stat)));
        let lost = store.filter(|store| is_lost(store, blank));
        let own = if blank { head(entry.folder, entry.name) } else { None };
        let emptied = own.as_ref().is_some_and(|head| !is_blank(head));
        let is_lmdb = own.is_some_and(|head| is_lmdb(&head));
        let mut found = lock(&self.found);
        found.compared += 1;
        if emptied {
            found.emptied.add(|| short_path(path));
            found.zeros += u64::from(stat.stx_size > 0);
        }
        if let Some(words) = foreign {
            found.foreign.add(|| finding(path, words));
        }
        if is_other {
            found.clusters.add(|| short_path(path));
        }
        if is_lmdb {
            let instead = came_instead(&came, stat.stx_size, live.stx_size);
            found.servers.add(|| finding(path, format!("of an LMDB database: {instead}")));
        }
        if let Some(store) = lost {
            let instead = came_instead(&came, stat.stx_size, store.size);
            match store.kind {
                StoreKind::Sqlite => found.databases.add(|| finding(path, instead)),
                kind => found.servers.add(|| finding(path, format!("of {}: {instead}", kind.title()))),
            }
        }
        Ok(())
    }
}

/// How the restored database of this name differs from the live one, if they have no table in common.
fn foreign(folder: &OwnedFd, name: &CStr, live: &SeenEntry<'_>) -> Option<String> {
    let restored = open_quietly(folder, name, OFlags::empty()).ok()?;
    no_table_in_common(&restored, &open_quietly(live.folder, live.name, OFlags::empty()).ok()?)
}

/// Whether a cluster of PostgreSQL came back that was made by another `initdb` than the live one.
fn is_other_cluster(live: &Store, came: Option<Store>) -> bool {
    live.kind == StoreKind::Postgres
        && came.is_some_and(|came| {
            came.kind == StoreKind::Postgres && came.identity != live.identity && came.identity != 0
        })
}

/// Whether a live store is lost, of which the restored file is no SQLite database.
fn is_lost(live: &Store, blank: bool) -> bool {
    match live.kind {
        StoreKind::Sqlite => live.holds_data(),
        StoreKind::Postgres | StoreKind::MySql | StoreKind::Mongo => blank,
        // An empty log is right after a rewrite, and a dump beside a log is not read.
        StoreKind::RedisDump | StoreKind::RedisLog => false,
    }
}

/// The beginning of a file; `None` when it cannot be read.
fn head(folder: &OwnedFd, name: &CStr) -> Option<Vec<u8>> {
    read_at(&open_quietly(folder, name, OFlags::empty()).ok()?, SQLITE_HEAD, 0)
}

/// Whether a file with this beginning is empty, or begins with nothing but zeros.
fn is_blank(head: &[u8]) -> bool {
    head.iter().all(|byte| *byte == 0)
}

/// Whether a file with this beginning is a database of LMDB, as OpenLDAP keeps its directory in. Its programs make an
/// empty file one without a word.
fn is_lmdb(head: &[u8]) -> bool {
    head.get(16..20).is_some_and(|magic| u32::from_ne_bytes([magic[0], magic[1], magic[2], magic[3]]) == 0xbeef_c0de)
}

fn size(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or(0)
}

/// What came back, as the words of a finding.
fn came_instead(came: &[u8], size: u64, live: u64) -> String {
    let live = units::bytes(live);
    let (size, what) = match came {
        [] => return format!("it is empty, and the live one has {live}"),
        came if is_blank(came) => (size, "that begin with zeros"),
        _ => (size, "that begin like something else"),
    };
    format!("it has {} {what}, and the live one has {live}", units::bytes(size))
}

fn finding(path: &[u8], words: String) -> DatabaseFinding {
    DatabaseFinding { path: short_path(path), words: vec![words] }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use super::super::tree::inspect;
    use super::*;
    use crate::worker::expected::FilledVolumes;
    use crate::worker::protocol::{InspectJob, InspectWants};

    fn lost(live: &Path, restored: &Path) -> LostContent {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let wants = InspectWants { lost_in: Some(text(restored)), ..InspectWants::default() };
        let job = InspectJob { path: text(live), max_entries: 0, wants };
        inspect(&job, &FilledVolumes::default(), &Arc::default()).unwrap().lost.expect("it was asked for")
    }

    fn database(path: &Path, script: &str) {
        rusqlite::Connection::open(path).unwrap().execute_batch(script).unwrap();
    }

    const TABLE: &str = "CREATE TABLE notes (text TEXT)";

    fn folders() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (live, restored) = (dir.path().join("live"), dir.path().join("restored"));
        for folder in [&live, &restored] {
            fs::create_dir_all(folder.join("sub")).unwrap();
        }
        (dir, live, restored)
    }

    #[test]
    fn a_live_database_is_lost_where_something_else_came_back() {
        let (_dir, live, restored) = folders();
        for name in ["empty.db", "sub/zeros.db", "noise.db", "short.db", "headless.db"] {
            database(&live.join(name), TABLE);
        }
        fs::write(restored.join("empty.db"), "").unwrap();
        fs::write(restored.join("sub/zeros.db"), [0; 9000]).unwrap();
        fs::write(restored.join("noise.db"), [b'x'; 9000]).unwrap();
        fs::write(restored.join("short.db"), "SQLite").unwrap();
        let whole = fs::read(live.join("headless.db")).unwrap();
        fs::write(restored.join("headless.db"), [&[0; 100], &whole[100..]].concat()).unwrap();
        let lost = lost(&live, &restored);
        let mut words: Vec<String> = lost.databases.first.iter().map(ToString::to_string).collect();
        words.sort();
        assert_eq!(words.len(), 5, "{words:?}");
        assert!(words[0].starts_with("empty.db (it is empty, and the live one has "), "{words:?}");
        assert!(words[2].contains("that begin like something else"), "{words:?}");
        assert!(words[4].starts_with("sub/zeros.db (it has 9") && words[4].contains("with zeros"), "{words:?}");
        assert_eq!(lost.servers.count, 0);
    }

    #[test]
    fn a_database_that_is_young_missing_or_none_live_is_not_lost() {
        let (_dir, live, restored) = folders();
        database(&live.join("young.db"), TABLE);
        database(&restored.join("young.db"), "PRAGMA user_version = 1");
        database(&live.join("missing.db"), TABLE);
        database(&live.join("unused.db"), "PRAGMA user_version = 1");
        fs::write(live.join("text.db"), "no database".repeat(100)).unwrap();
        fs::create_dir(live.join("cache")).unwrap();
        fs::create_dir(restored.join("cache")).unwrap();
        database(&live.join("cache/pages.db"), TABLE);
        for name in ["unused.db", "text.db", "cache/pages.db"] {
            fs::write(restored.join(name), "x").unwrap();
        }
        assert_eq!(lost(&live, &restored), LostContent { compared: 3, ..LostContent::default() });
    }

    #[test]
    fn a_database_of_another_program_is_told() {
        let (_dir, live, restored) = folders();
        for folder in [&live, &restored] {
            database(&folder.join("same.db"), TABLE);
        }
        database(&live.join("other.db"), TABLE);
        database(&restored.join("other.db"), "CREATE TABLE t (a)");
        let lost = lost(&live, &restored);
        assert_eq!(lost.foreign.to_string(), "other.db (it has t, and the live one has notes)");
        assert_eq!((lost.databases.count, lost.emptied.count), (0, 0));
    }

    #[test]
    fn another_cluster_than_the_live_one_is_told() {
        let (_dir, live, restored) = folders();
        for folder in [&live, &restored] {
            for cluster in ["same/global", "other/global"] {
                fs::create_dir_all(folder.join(cluster)).unwrap();
                fs::write(folder.join(cluster).join("pg_control"), [7; 8192]).unwrap();
            }
        }
        fs::write(live.join("other/global/pg_control"), [8; 8192]).unwrap();
        let lost = lost(&live, &restored);
        assert_eq!(lost.clusters.first, ["other/global/pg_control"]);
        assert_eq!((lost.servers.count, lost.foreign.count), (0, 0));
    }

    #[test]
    fn a_server_s_file_is_lost_where_an_empty_one_came_back() {
        let (_dir, live, restored) = folders();
        for name in ["ibdata1", "WiredTiger", "sub/dump.rdb"] {
            fs::write(live.join(name), "REDIS0011\u{fe}").unwrap();
        }
        fs::write(restored.join("ibdata1"), [0; 4096]).unwrap();
        fs::write(restored.join("WiredTiger"), "another").unwrap();
        fs::write(restored.join("sub/dump.rdb"), "").unwrap();
        let lost = lost(&live, &restored);
        assert_eq!((lost.databases.count, lost.servers.count, lost.emptied.count), (0, 1, 2));
        assert!(lost.servers.to_string().starts_with("ibdata1 (of a MariaDB or MySQL data folder: "), "{lost:?}");
    }

    #[test]
    fn an_lmdb_database_is_lost_where_an_empty_file_or_zeros_came_back() {
        let (_dir, live, restored) = folders();
        let page = [&[0; 16][..], &0xbeef_c0de_u32.to_ne_bytes(), &[1; 4076]].concat();
        for name in ["data.mdb", "zeros.mdb", "kept.mdb"] {
            fs::write(live.join(name), &page).unwrap();
        }
        fs::write(restored.join("data.mdb"), "").unwrap();
        fs::write(restored.join("zeros.mdb"), [0; 4096]).unwrap();
        fs::write(restored.join("kept.mdb"), [2; 4096]).unwrap();
        let lost = lost(&live, &restored);
        assert_eq!(lost.servers.count, 2, "{lost:?}");
        assert!(lost.servers.to_string().contains("data.mdb (of an LMDB database: it is empty"), "{lost:?}");
    }

    #[test]
    fn files_that_came_back_empty_or_as_zeros_are_counted() {
        let (_dir, live, restored) = folders();
        for name in ["empty", "zeros", "kept", "gone", "sub/x.log"] {
            fs::write(live.join(name), "a page of text").unwrap();
        }
        fs::write(live.join("image"), [0; 9000]).unwrap();
        fs::write(live.join("none"), "").unwrap();
        for (name, content) in
            [("empty", &b""[..]), ("zeros", &[0; 14]), ("kept", b"x"), ("image", &[0; 9000]), ("none", b"")]
        {
            fs::write(restored.join(name), content).unwrap();
        }
        fs::write(restored.join("sub/x.log"), "").unwrap();
        let lost = lost(&live, &restored);
        let mut names = lost.emptied.first.clone();
        names.sort();
        assert_eq!((names, lost.zeros, lost.compared), (vec!["empty".to_owned(), "zeros".to_owned()], 1, 4));
    }

    #[test]
    fn a_mount_that_is_a_single_file_is_compared_with_the_restored_file() {
        let (_dir, live, restored) = folders();
        let (live, restored) = (live.join("app"), restored.join("file"));
        database(&live, TABLE);
        fs::write(&restored, "").unwrap();
        assert_eq!(lost(&live, &restored).databases.first[0].path, ".");
        fs::copy(&live, &restored).unwrap();
        assert_eq!(lost(&live, &restored), LostContent { compared: 1, ..LostContent::default() });
        assert_eq!(lost(&live, live.parent().unwrap()), LostContent::default(), "a folder came back");
    }
}
