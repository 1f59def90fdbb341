//! Finds the SQLite databases in restored data by their header and has SQLite check them, which changes nothing of
//! them. Queries of one database, which its service may be writing to, are in `query`.

mod check;
mod files;
mod live;
mod log;
mod query;
mod rows;
mod running;
mod view;

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::{FileType, OFlags};
use rustix::io::{Errno, pread};

use self::check::{OpenMode, SqliteVerdict, quick_check};
use self::files::{Files, Header, LONGEST_PATH, frames_not_in, is_journal_of_several, is_valid_journal};
pub use self::live::count_live;
use self::log::{LogState, is_filled_log, log_state};
pub use self::running::query;
use self::view::{NoView, View, ViewOf};
use super::datastores::may_be_sqlite;
use super::sample::read_at;
use crate::model::lock::{into_inner, lock};
use crate::model::pluralize::pluralize;
use crate::model::profile::{MOST_STORES, MOST_TABLES};
use crate::model::units;
use crate::worker::fs::observe::{SeenEntry, TreeObserver};
use crate::worker::fs::open::{is_gone, open_quietly, unreadable};
use crate::worker::job::{JobControl, JobStop, short_path};
use crate::worker::protocol::{DatabaseFinding, DatabaseTables, Databases, SqliteWant};

/// The first bytes of every SQLite database.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// The smallest page in bytes, and so the smallest database.
const SMALLEST: u64 = 512;
/// The largest page in bytes.
const LARGEST_PAGE: usize = 65_536;
/// Most attempts of a check of a file that somebody writes to meanwhile.
const TRIES: usize = 3;
/// What the name of a write-ahead log ends with.
const LOG: &[u8] = b"-wal";

/// Looks for SQLite databases in a tree, by their header, and for their logs.
#[derive(Default)]
pub struct DatabaseFinder {
    databases: Mutex<Vec<Vec<u8>>>,
    logs: Mutex<Vec<Vec<u8>>>,
    blank: Mutex<Vec<Vec<u8>>>,
}

/// What was found, by paths. An empty path is the mount itself.
pub struct FoundDatabases {
    /// The databases, sorted.
    pub databases: Vec<Vec<u8>>,
    /// The filled logs, sorted, by the paths of their databases, which may be missing.
    logs: Vec<Vec<u8>>,
    /// The files that are called as databases are and begin with nothing but zeros, sorted.
    blank: Vec<Vec<u8>>,
}

impl DatabaseFinder {
    /// Looks at a mount that is a single file.
    pub fn see_single_file(&self, file: &OwnedFd) -> Result<(), JobStop> {
        if is_database(file).map_err(|error| unreadable(b"", error))? {
            lock(&self.databases).push(Vec::new());
        }
        Ok(())
    }

    /// What was found.
    pub fn finish(self) -> FoundDatabases {
        let sorted = |paths: Mutex<Vec<Vec<u8>>>| {
            let mut paths = into_inner(paths);
            paths.sort_unstable();
            paths
        };
        FoundDatabases { databases: sorted(self.databases), logs: sorted(self.logs), blank: sorted(self.blank) }
    }
}

impl TreeObserver for DatabaseFinder {
    fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
        if entry.kind != FileType::RegularFile {
            return Ok(());
        }
        let opened = open_quietly(entry.folder, entry.name, OFlags::empty());
        let is_log = entry.name.to_bytes().strip_suffix(LOG).is_some_and(|name| !name.is_empty());
        let is_blank = |file: &OwnedFd| may_be_sqlite(entry.name.to_bytes()) && begins_with_zeros(file);
        let looked = opened.and_then(|file| {
            let (is_database, is_blank) = (is_database(&file)?, is_blank(&file));
            Ok((is_database, is_blank, is_log && is_filled_log(&file.into())))
        });
        match looked {
            Ok((true, ..)) => lock(&self.databases).push(entry.path().to_vec()),
            Ok((_, true, _)) => lock(&self.blank).push(entry.path().to_vec()),
            Ok((.., true)) => lock(&self.logs).extend(entry.path().strip_suffix(LOG).map(<[u8]>::to_vec)),
            Ok(_) => {}
            Err(error) if is_gone(error) => {}
            Err(error) => return Err(unreadable(entry.path(), error)),
        }
        Ok(())
    }
}

/// Whether the file begins as a database does. One that was cut off after a few bytes is one, too.
fn is_database(file: &OwnedFd) -> Result<bool, Errno> {
    let mut begin = [0; MAGIC.len()];
    Ok(pread(file, &mut begin, 0)? == begin.len() && &begin == MAGIC)
}

/// Whether a file has nothing but zeros where the largest first page of a database would be; not so for an empty one,
/// which is an empty database.
fn begins_with_zeros(file: &OwnedFd) -> bool {
    let first = read_at(file, MAGIC.len(), 0);
    let are_zeros =
        |bytes: Option<Vec<u8>>| bytes.is_some_and(|bytes| !bytes.is_empty() && bytes.iter().all(|b| *b == 0));
    // Of almost every file the first bytes tell.
    are_zeros(first) && are_zeros(read_at(file, LARGEST_PAGE, 0))
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
    found: &FoundDatabases,
    control: &Arc<JobControl>,
) -> Result<Databases, JobStop> {
    let (of, mut databases) = (RestoredDatabases { path, want }, Databases::default());
    for name in &found.databases {
        check_database(of, name, control, &mut databases)?;
    }
    for name in found.logs.iter().filter(|name| is_orphaned(of, name)) {
        databases.found += 1;
        databases.orphaned.add(|| DatabaseFinding { path: short_path(name), words: Vec::new() });
    }
    for name in &found.blank {
        let files = |root: &str| Files::of(&path_below(root, name)).main;
        // Whatever lies at its origin is compared with it, or is the same.
        let is_known = of.want.source.iter().chain(&of.want.live).any(|root| files(root).is_some());
        if let Some(main) = files(of.path).filter(|_| !is_known) {
            let size = units::bytes(main.size);
            databases.blank.add(|| DatabaseFinding { path: short_path(name), words: vec![size] });
        }
    }
    Ok(databases)
}

/// Whether a database is missing or empty whose log is there, and not so where it comes from. SQLite deletes the log of
/// an empty database. A live mount without the database and without its log has moved on since the backup: it says
/// nothing for the log that came back. A symbolic link has its log beside the file that it leads to.
fn is_orphaned(of: RestoredDatabases<'_>, name: &[u8]) -> bool {
    let at = |root: &str| path_below(root, name);
    let is_filled = |files: Files| files.main.is_some_and(|main| main.size > 0);
    if is_filled(Files::of(&at(of.path))) || at(of.path).is_symlink() {
        return false;
    }
    match (&of.want.source, &of.want.live) {
        (Some(source), _) => is_filled(Files::of(&at(source))),
        (None, Some(live)) => {
            let live = Files::of(&at(live));
            is_filled(live) || live.wal.is_none()
        }
        (None, None) => true,
    }
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
    let (mut counted, mut ids) = (None, Vec::new());
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
        SqliteVerdict::TooLarge(why) => {
            databases.too_large.add(|| finding(vec![why]));
            None
        }
        SqliteVerdict::Sound { has_tables, odd, tables, sequences } => {
            databases.sound += 1;
            (counted, ids) = (tables, sequences);
            if !odd.is_empty() {
                databases.odd.add(|| finding(odd));
            }
            Some(has_tables)
        }
    };
    if of.want.rows && databases.tables.len() < MOST_STORES {
        let told: usize = databases.tables.iter().flat_map(|one| &one.tables).map(Vec::len).sum();
        let tables = counted.filter(|tables| told + tables.len() <= MOST_TABLES);
        databases.tables.push(DatabaseTables { path: short_path(name), tables, sequences: ids });
    }
    if let (Some(_), LogState::Cut(why)) = (files.wal, log_state(&path, control)?) {
        databases.cut.add(|| finding(vec![why]));
    }
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
    if let Some(main) = files.main.filter(|main| main.size < SMALLEST) {
        let words = format!("it is {} long, and the smallest database has {SMALLEST} B", units::bytes(main.size));
        return Ok(SqliteVerdict::Damaged(vec![words]));
    }
    let hot = is_valid_journal(path);
    let in_wal_mode = Header::of(path).is_some_and(|header| header.wal_mode);
    if let LogState::Lost(words) = log_state(path, control)?
        && in_wal_mode
    {
        return Ok(SqliteVerdict::Damaged(vec![words]));
    }
    if !hot && files.wal.is_none() && path.as_os_str().len() <= LONGEST_PATH {
        return quick_check(path, OpenMode::Resting, control);
    }
    if hot && is_journal_of_several(path) {
        let why = "its rollback journal is part of a transaction over several databases";
        return Ok(SqliteVerdict::Unclear(why.to_owned()));
    }
    let view = match View::make(
        ViewOf { path, name, recover: hot, own: true },
        &of.want.scratch,
        of.want.keep_free,
        control,
    ) {
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
