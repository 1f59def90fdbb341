//! Counts what a tree holds by its folders at the top, so that the next rehearsal can tell what has become less.
//!
//! Only files count that are meant to last. A data store's program rewrites, compacts and cuts its files as it likes:
//! of a store its tables, keys or samples tell whether it has become less.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use rustix::fs::{FileType, OFlags};

use super::datastores::{is_part_of_redis, is_sqlite};
use super::sample::{is_disposable, read_at, stat_file};
use crate::model::lock::{into_inner, lock};
use crate::model::profile::{MOST_FOLDERS, TOP};
use crate::worker::fs::observe::{SeenEntry, TreeObserver};
use crate::worker::fs::open::open_quietly;
use crate::worker::job::{JobStop, shown};
use crate::worker::protocol::{FileTally, TreeTally};

/// Folders that are kept apart while the tree is read: those of servers are taken out at its end. The files of all
/// others count together, so that memory has a bound.
const MOST_KEPT: usize = 10_000;
/// Files that are looked at for zeros: opening them costs more than counting.
const MOST_LOOKED_AT: u64 = 10_000;
/// Bytes that are read at the beginning, in the middle and at the end of a file.
const LOOK: usize = 512;

/// Folders whose files a program compacts, cuts or begins anew.
const STORE_FOLDERS: [&[u8]; 6] = [b"wal", b"pg_wal", b"chunks_head", b"binlog", b"appendonlydir", b"#innodb_redo"];
/// Endings of the files of stores that merge their files.
const STORE_ENDINGS: [&[u8]; 10] =
    [b".sst", b".ldb", b".cfs", b".cfe", b".ibd", b"-wal", b"-shm", b"-journal", b".mdb", b".wal"];
/// Files by which the folder of a database server is known; everything below that folder is the store's.
const SERVERS: [&[u8]; 3] = [b"PG_VERSION", b"ibdata1", b"WiredTiger"];
/// Letters of a folder that a time series store names by a ULID.
const ULID: usize = 26;

/// Counts the files of a tree.
#[derive(Default)]
pub struct TreeCounter(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    folders: BTreeMap<Vec<u8>, FileTally>,
    /// The folders beyond [`MOST_KEPT`], together.
    others: FileTally,
    /// Those of the folders in which a server keeps its data; [`TOP`] stands for the tree itself.
    servers: BTreeSet<Vec<u8>>,
    /// Files of which the content was to be looked at.
    looked_at: u64,
}

impl TreeCounter {
    /// What was counted.
    pub fn finish(self) -> TreeTally {
        let Counted { mut folders, mut others, servers, looked_at } = into_inner(self.0);
        if servers.contains(TOP.as_bytes()) {
            (folders, others) = Default::default();
        }
        folders.retain(|folder, _| !servers.contains(folder));
        let all = folders.values().fold(others, |sum, one| FileTally {
            files: sum.files + one.files,
            bytes: sum.bytes + one.bytes,
            empty: sum.empty + one.empty,
            zeros: sum.zeros + one.zeros,
        });
        if folders.len() > MOST_FOLDERS {
            folders.clear();
        }
        let folders = folders.into_iter().map(|(folder, tally)| (shown(&folder), tally)).collect();
        TreeTally { all, folders, zeros_known: looked_at <= MOST_LOOKED_AT }
    }

    /// Whether the content of one more file is looked at.
    fn has_turn(&self) -> bool {
        let mut counted = lock(&self.0);
        counted.looked_at += 1;
        counted.looked_at <= MOST_LOOKED_AT
    }
}

impl TreeObserver for TreeCounter {
    fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
        if entry.kind != FileType::RegularFile {
            return Ok(());
        }
        let (path, name) = (entry.path(), entry.name.to_bytes());
        let folder = top_of(path);
        if SERVERS.contains(&name) {
            let mut counted = lock(&self.0);
            if counted.servers.len() < MOST_KEPT || folder == TOP.as_bytes() {
                counted.servers.insert(folder.to_vec());
            }
        }
        if is_disposable(path) || is_of_store(path, name) {
            return Ok(());
        }
        let Some(stat) = stat_file(entry.folder, entry.name) else { return Ok(()) };
        let size = stat.stx_size;
        let content =
            if size > 0 && self.has_turn() { content(entry.folder, entry.name, size) } else { Content::Other };
        if content == Content::Sqlite {
            return Ok(());
        }
        let mut counted = lock(&self.0);
        let Counted { folders, others, .. } = &mut *counted;
        let has_room = folders.len() < MOST_KEPT || folders.contains_key(folder);
        let tally = if has_room { folders.entry(folder.to_vec()).or_default() } else { others };
        // Blocks are merged, which leaves fewer files and as many bytes.
        tally.files += u64::from(!is_in_block(path));
        tally.bytes += size;
        tally.empty += u64::from(size == 0);
        tally.zeros += u64::from(content == Content::Zeros);
        Ok(())
    }
}

/// The folder at the top that a file is counted for. Names of blocks change with every merge.
fn top_of(path: &[u8]) -> &[u8] {
    match path.iter().position(|byte| *byte == b'/') {
        Some(end) if !is_block(&path[..end]) => &path[..end],
        _ => TOP.as_bytes(),
    }
}

/// Whether the program of a store rewrites, merges or cuts this file.
fn is_of_store(path: &[u8], name: &[u8]) -> bool {
    let mut above = path.split(|byte| *byte == b'/').rev().skip(1);
    STORE_ENDINGS.iter().any(|ending| name.ends_with(ending))
        || is_part_of_redis(name)
        || is_git_object(path)
        || above.any(|part| STORE_FOLDERS.contains(&part))
}

/// `objects/4f/…`, `objects/pack/…`: git packs its objects.
fn is_git_object(path: &[u8]) -> bool {
    let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let is_hex = |part: &[u8]| part.len() == 2 && part.iter().all(u8::is_ascii_hexdigit);
    parts.windows(3).any(|part| part[0] == b"objects" && (is_hex(part[1]) || part[1] == b"pack" || part[1] == b"info"))
}

fn is_in_block(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').rev().skip(1).any(is_block)
}

/// Whether a folder has the name of a block of a time series store.
fn is_block(name: &[u8]) -> bool {
    name.len() == ULID && name[0].is_ascii_digit() && name.iter().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Sqlite,
    Zeros,
    Other,
}

/// What a file holds, as far as its beginning, middle and end tell. A file that cannot be read is like any other.
fn content(folder: &OwnedFd, name: &CStr, size: u64) -> Content {
    let Ok(file) = open_quietly(folder, name, OFlags::empty()) else { return Content::Other };
    let is_zero = |from: u64| read_at(&file, LOOK, from).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0));
    match read_at(&file, LOOK, 0) {
        Some(head) if is_sqlite(&head) => Content::Sqlite,
        Some(head) if head.iter().any(|byte| *byte != 0) => Content::Other,
        Some(_) if is_zero(size / 2) && is_zero(size.saturating_sub(LOOK as u64)) => Content::Zeros,
        _ => Content::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::worker::fs::observe::observe;
    use crate::worker::fs::root::open_root;
    use crate::worker::job::JobControl;
    use crate::worker::protocol::RootKind;

    fn counted(root: &Path) -> TreeTally {
        let counter = TreeCounter::default();
        let open = open_root(root.to_str().unwrap(), RootKind::Folder).unwrap();
        assert!(observe(open, &[&counter], 0, &JobControl::default()).unwrap());
        counter.finish()
    }

    fn write(root: &Path, path: &str, content: &[u8]) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn files_are_counted_by_the_folders_at_the_top() {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in [("top", "x"), ("a/one", "12"), ("a/deep/two", ""), ("b/three", "123")] {
            write(dir.path(), path, content.as_bytes());
        }
        write(dir.path(), "b/zeros", &[0; 5000]);
        write(dir.path(), "b/begins", &[&[0; 5000][..], b"x"].concat());
        let tally = |files, bytes, empty, zeros| FileTally { files, bytes, empty, zeros };
        let expected = TreeTally {
            all: tally(6, 10_007, 1, 1),
            folders: [(".", tally(1, 1, 0, 0)), ("a", tally(2, 2, 1, 0)), ("b", tally(3, 10_004, 0, 1))]
                .map(|(folder, tally)| (folder.to_owned(), tally))
                .into(),
            zeros_known: true,
        };
        assert_eq!(counted(dir.path()), expected);
    }

    #[test]
    fn what_programs_rewrite_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let block = "01JDM6XV1ZWJ8QK3J9Q7R0T5ZA";
        for path in [
            "cache/a",
            "x.log",
            "app.db-wal",
            "dump.rdb",
            "appendonlydir/a",
            "a.git/objects/4f/aa",
            "a.git/objects/pack/p",
            "lsm/1.sst",
            "prometheus/wal/0001",
            "pg/PG_VERSION",
            "pg/base/1/2",
            "a.git/HEAD",
            "objects/pack",
        ] {
            write(dir.path(), path, b"xx");
        }
        write(dir.path(), &format!("{block}/chunks/000001"), b"xx");
        rusqlite::Connection::open(dir.path().join("Cookies")).unwrap().execute_batch("CREATE TABLE a (b)").unwrap();
        let names = |tally: TreeTally| -> Vec<(String, u64, u64)> {
            tally.folders.into_iter().map(|(name, tally)| (name, tally.files, tally.bytes)).collect()
        };
        let expected = [(".", 0, 2), ("a.git", 1, 2), ("objects", 1, 2)];
        assert_eq!(names(counted(dir.path())), expected.map(|(name, files, bytes)| (name.to_owned(), files, bytes)));
        write(dir.path(), "ibdata1", b"xx");
        assert_eq!(counted(dir.path()).all, FileTally::default(), "all of it is a server's");
    }

    #[test]
    fn very_many_folders_are_counted_as_one() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..=MOST_FOLDERS {
            write(dir.path(), &format!("{number}/file"), b"x");
        }
        let TreeTally { all, folders, .. } = counted(dir.path());
        assert_eq!((all.files, folders.len()), (MOST_FOLDERS as u64 + 1, 0));
    }

    #[test]
    fn memory_for_the_folders_has_a_bound_and_every_file_counts() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..MOST_KEPT + 50 {
            write(dir.path(), &format!("{number}/file"), b"x");
        }
        let counter = TreeCounter::default();
        let open = open_root(dir.path().to_str().unwrap(), RootKind::Folder).unwrap();
        observe(open, &[&counter], 0, &JobControl::default()).unwrap();
        let kept = lock(&counter.0).folders.len();
        assert_eq!((kept, counter.finish().all.files), (MOST_KEPT, MOST_KEPT as u64 + 50));
    }
}
