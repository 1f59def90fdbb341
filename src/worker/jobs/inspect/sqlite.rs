//! Finds the SQLite databases in restored data by their header and has SQLite check them, which changes nothing of
//! them. Queries of one database, which its service may be writing to, are in `query`.

mod check;
mod files;
mod query;
mod running;
mod view;

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::{FileType, OFlags, fstat};
use rustix::io::{Errno, pread};

use self::check::{OpenMode, SqliteVerdict, quick_check};
use self::files::{Files, Header, LONGEST_PATH, frames_not_in, is_journal_of_several, is_valid_journal};
pub use self::running::query;
use self::view::{NoView, View, ViewOf};
use crate::model::lock::{into_inner, lock};
use crate::model::pluralize::pluralize;
use crate::model::units;
use crate::worker::fs::observe::{SeenEntry, TreeObserver};
use crate::worker::fs::open::{is_gone, open_quietly, unreadable};
use crate::worker::job::{JobControl, JobStop, short_path};
use crate::worker::protocol::{DatabaseFinding, Databases, SqliteWant};

/// The first bytes of every SQLite database.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// The smallest page in bytes, and so the smallest database.
const SMALLEST: i64 = 512;
/// Most attempts of a check of a file that somebody writes to meanwhile.
const TRIES: usize = 3;
/// Looks for SQLite databases in a tree, by their header.
#[derive(Default)]
pub struct DatabaseFinder(Mutex<Vec<Vec<u8>>>);

impl DatabaseFinder {
    /// Looks at a mount that is a single file.
    pub fn see_single_file(&self, file: &OwnedFd) -> Result<(), JobStop> {
        if is_database(file).map_err(|error| unreadable(b"", error))? {
            lock(&self.0).push(Vec::new());
        }
        Ok(())
    }

    /// Paths of the databases, sorted; an empty path is the mount itself.
    pub fn finish(self) -> Vec<Vec<u8>> {
        let mut found = into_inner(self.0);
        found.sort_unstable();
        found
    }
}

impl TreeObserver for DatabaseFinder {
    fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
        if entry.kind != FileType::RegularFile {
            return Ok(());
        }
        let opened = open_quietly(entry.folder, entry.name, OFlags::empty());
        match opened.and_then(|file| is_database(&file)) {
            Ok(true) => lock(&self.0).push(entry.path().to_vec()),
            Ok(false) => {}
            Err(error) if is_gone(error) => {}
            Err(error) => return Err(unreadable(entry.path(), error)),
        }
        Ok(())
    }
}

/// Whether the file begins as a database does and is as long as one.
fn is_database(file: &OwnedFd) -> Result<bool, Errno> {
    let mut begin = [0; MAGIC.len()];
    Ok(pread(file, &mut begin, 0)? == begin.len() && &begin == MAGIC && fstat(file)?.st_size >= SMALLEST)
}

/// A tree with databases, which is not written to.
#[derive(Clone, Copy)]
struct RestoredDatabases<'a> {
    path: &'a str,
    want: &'a SqliteWant,
}

/// Checks the databases of a tree, by their names below `path`.
pub fn check_databases(
    path: &str,
    want: &SqliteWant,
    names: &[Vec<u8>],
    control: &Arc<JobControl>,
) -> Result<Databases, JobStop> {
    let mut databases = Databases::default();
    for name in names {
        check_database(RestoredDatabases { path, want }, name, control, &mut databases)?;
    }
    Ok(databases)
}

/// A path below a mount; the mount itself when `name` is empty.
fn path_below(root: &str, name: &[u8]) -> PathBuf {
    if name.is_empty() { PathBuf::from(root) } else { Path::new(root).join(std::ffi::OsStr::from_bytes(name)) }
}

/// Checks one database and notes the result.
fn check_database(
    of: RestoredDatabases<'_>,
    name: &[u8],
    control: &Arc<JobControl>,
    databases: &mut Databases,
) -> Result<(), JobStop> {
    let path = path_below(of.path, name);
    let mut tries = 0;
    let (files, verdict) = loop {
        let files = Files::of(&path);
        if files.main.is_none() {
            return Ok(());
        }
        let verdict = examine(of, name, &path, &files, control)?;
        if Files::of(&path) == files {
            break (files, verdict);
        }
        tries += 1;
        if tries == TRIES {
            break (files, SqliteVerdict::Unclear("it was written to while it was being checked".to_owned()));
        }
    };
    databases.found += 1;
    let finding = |words: Vec<String>| DatabaseFinding { path: short_path(name), words };
    if is_valid_journal(&path) {
        databases.hot.add(|| finding(Vec::new()));
    }
    let has_tables = match verdict {
        SqliteVerdict::Damaged(words) => {
            let moved = of.want.source.as_ref().is_some_and(|source| Files::of(&path_below(source, name)) != files);
            // A file that the service wrote to during our copy may be torn by that copy and whole at its source.
            (if moved { &mut databases.torn } else { &mut databases.damaged }).add(|| finding(words));
            return Ok(());
        }
        SqliteVerdict::Unclear(why) => {
            databases.unchecked.add(|| finding(vec![why]));
            None
        }
        SqliteVerdict::Sound { has_tables, odd } => {
            databases.sound += 1;
            if !odd.is_empty() {
                databases.odd.add(|| finding(odd));
            }
            Some(has_tables)
        }
    };
    match lacks_log(of, name, &path, &files, has_tables) {
        Some(Lack::Certain(why)) => databases.lacking.add(|| finding(vec![why])),
        Some(Lack::Possible(why)) => databases.doubtful.add(|| finding(vec![why])),
        None => {}
    }
    Ok(())
}

/// Runs SQLite's check: where the database lies when nothing has to be recovered first, else in a view of its own.
fn examine(
    of: RestoredDatabases<'_>,
    name: &[u8],
    path: &Path,
    files: &Files,
    control: &Arc<JobControl>,
) -> Result<SqliteVerdict, JobStop> {
    let hot = is_valid_journal(path);
    if !hot && files.wal.is_none() && path.as_os_str().len() <= LONGEST_PATH {
        return quick_check(path, OpenMode::Resting, control);
    }
    if hot && is_journal_of_several(path) {
        let why = "its rollback journal is part of a transaction over several databases";
        return Ok(SqliteVerdict::Unclear(why.to_owned()));
    }
    let view = match View::make(ViewOf { path, name, recover: hot }, &of.want.scratch, of.want.keep_free, control) {
        Ok(view) => view,
        Err(NoView::Stop(stop)) => return Err(stop),
        Err(NoView::Because(why)) => return Ok(SqliteVerdict::Unclear(why)),
    };
    let how = match (hot, files.wal.is_some()) {
        (true, _) => OpenMode::Recovering,
        (false, true) => OpenMode::WithLog,
        (false, false) => OpenMode::Resting,
    };
    let verdict = quick_check(&view.main(), how, control);
    view.remove()?;
    verdict
}

/// A log that is missing.
enum Lack {
    Certain(String),
    Possible(String),
}

/// Whether a database in WAL mode came without the log that holds its last writes.
fn lacks_log(
    of: RestoredDatabases<'_>,
    name: &[u8],
    path: &Path,
    files: &Files,
    has_tables: Option<bool>,
) -> Option<Lack> {
    let header = Header::of(path)?;
    // A file that is a mount by itself has nothing beside it in any backup.
    if files.wal.is_some() || !header.wal_mode || name.is_empty() {
        return None;
    }
    let source = of.want.source.as_ref().map(|source| Files::of(&path_below(source, name)));
    // The index may be older than a file that changed since it was copied.
    let moved = source.is_some_and(|source| source != *files);
    if let Some(frames) = frames_not_in(path).filter(|_| !moved) {
        return Some(Lack::Certain(format!(
            "its -shm file, which did come back, counts {} of the log that were not in the database yet",
            pluralize(frames, "page")
        )));
    }
    let main = files.main?;
    if let Some(wal) = source.and_then(|source| source.wal) {
        // A log that is younger than our copy belongs to what the service did since.
        return (wal.modified < main.changed)
            .then(|| Lack::Certain(format!("what it was copied from has one of {}", units::bytes(wal.size))));
    }
    let live = Files::of(&path_below(of.want.live.as_ref()?, name));
    let (_, wal) = (live.main?, live.wal?);
    let size = units::bytes(wal.size);
    if main.size <= header.page_size {
        return Some(Lack::Certain(format!("it is a single page, and the live one has a log of {size} beside it")));
    }
    match has_tables {
        Some(false) => {
            Some(Lack::Certain(format!("it has not one table, and the live one has a log of {size} beside it")))
        }
        // The last program that closes the database removes the log, so one that was backed up at rest rightly has
        // none.
        _ => Some(Lack::Possible(format!("the live one has a log of {size} beside it"))),
    }
}

#[cfg(test)]
mod tests;
