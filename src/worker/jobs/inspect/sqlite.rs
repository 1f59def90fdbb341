//! SQLite databases in what was restored: found by their header, put to SQLite's own check, and not changed by it in any way. And
//! one that its service may be writing to, which is asked something.

mod check;
mod files;
mod query;
mod running;
mod view;

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::{FileType, OFlags, fstat};
use rustix::io::{Errno, pread};

use self::check::{How, SqliteVerdict, quick_check};
use self::files::{Files, Header, frames_not_in, is_journal_of_several, is_valid_journal};
pub use self::running::query;
use self::view::{NoView, View};
use crate::model::lock::{into_inner, lock};
use crate::model::pluralize::pluralize;
use crate::model::units;
use crate::worker::fs::open::{is_gone, open_quietly, unreadable};
use crate::worker::fs::scan::{look, open_root};
use crate::worker::fs::walk::{Branch, VisitedFolder, Visitor, threads, walk};
use crate::worker::job::{JobControl, JobStop, short_path};
use crate::worker::protocol::{DatabaseFinding, Databases, RootKind};

/// How every SQLite database begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// The smallest page, and so the smallest database.
const SMALLEST: i64 = 512;
/// How often a file is looked at that somebody writes to meanwhile.
const TRIES: usize = 3;
/// Longest path that SQLite opens, with room for the name of its journal.
const LONGEST_PATH: usize = 480;

/// What is to be looked through.
#[derive(Debug, Clone, Copy)]
pub struct SqliteSearch<'a> {
    /// A folder or a file, which is not written to.
    pub path: &'a str,
    /// A folder that can be written to; what is made in it is removed again. May be `path` itself.
    pub scratch: &'a str,
    /// What `path` was copied from by us.
    pub source: Option<&'a str>,
    /// What the live service has there now, when `path` came out of a backup.
    pub live: Option<&'a str>,
    /// Leave this many bytes free where `scratch` lies.
    pub keep_free: u64,
}

/// Checks every SQLite database at a path.
pub fn check(asked: SqliteSearch<'_>, ticket: &Arc<JobControl>) -> Result<Databases, JobStop> {
    let (root, _) = look(asked.path)?;
    let mut databases = Databases::default();
    let found = match root {
        RootKind::File => match is_database(&open_root(asked.path, root)?) {
            Ok(true) => vec![Vec::new()],
            Ok(false) => Vec::new(),
            Err(error) => return Err(unreadable(b"", error)),
        },
        RootKind::Folder => {
            let finder = Finder { ticket, found: Mutex::default() };
            walk(&finder, threads(), open_root(asked.path, root)?, (), ())?;
            let mut found = into_inner(finder.found);
            found.sort_unstable();
            found
        }
        RootKind::Socket | RootKind::Other => Vec::new(),
    };
    for name in found {
        judge(&asked, &name, ticket, &mut databases)?;
    }
    Ok(databases)
}

/// Whether the file begins as a database does and is as long as one.
fn is_database(file: &OwnedFd) -> Result<bool, Errno> {
    let mut begin = [0; MAGIC.len()];
    Ok(pread(file, &mut begin, 0)? == begin.len() && &begin == MAGIC && fstat(file)?.st_size >= SMALLEST)
}

struct Finder<'a> {
    ticket: &'a JobControl,
    found: Mutex<Vec<Vec<u8>>>,
}

impl Visitor for Finder<'_> {
    type Target = ();
    type Note = ();

    fn enter(&self, _parent: &VisitedFolder<'_, Self>, _name: &CStr, _source: &OwnedFd) -> Result<((), ()), JobStop> {
        self.ticket.beat()?;
        Ok(((), ()))
    }

    fn reopen(&self, _parent: &(), _name: &CStr) -> Result<(), JobStop> {
        Ok(())
    }

    fn entry(&self, place: &VisitedFolder<'_, Self>, name: &CStr, kind: FileType) -> Result<(), JobStop> {
        self.ticket.beat()?;
        if kind != FileType::RegularFile {
            return Ok(());
        }
        let opened = open_quietly(&place.open.source, name, OFlags::empty());
        match opened.and_then(|file| is_database(&file)) {
            Ok(false) => {}
            Ok(true) => {
                let path = place.branch.path_of(name);
                lock(&self.found).push(path);
            }
            Err(error) if is_gone(error) => {}
            Err(error) => return Err(unreadable(&place.branch.path_of(name), error)),
        }
        Ok(())
    }

    fn gone(&self, _path: &[u8]) {}

    fn leave(&self, _branch: &Branch<Self>, _target: &()) -> Result<(), JobStop> {
        Ok(())
    }
}

/// A path below a mount; the mount itself when there is no name.
fn below(root: &str, name: &[u8]) -> PathBuf {
    if name.is_empty() { PathBuf::from(root) } else { Path::new(root).join(std::ffi::OsStr::from_bytes(name)) }
}

/// Checks one database and says what came of it.
fn judge(
    asked: &SqliteSearch<'_>,
    name: &[u8],
    ticket: &Arc<JobControl>,
    databases: &mut Databases,
) -> Result<(), JobStop> {
    let path = below(asked.path, name);
    let mut tries = 0;
    let (files, verdict) = loop {
        let files = Files::of(&path);
        if files.main.is_none() {
            return Ok(());
        }
        let verdict = examine(asked, name, &path, &files, ticket)?;
        if Files::of(&path) == files {
            break (files, verdict);
        }
        tries += 1;
        if tries == TRIES {
            break (files, SqliteVerdict::Unclear("it was written to while it was being checked".to_owned()));
        }
    };
    databases.found += 1;
    let of = |words: Vec<String>| DatabaseFinding { path: short_path(name), words };
    if is_valid_journal(&path) {
        databases.hot.add(|| of(Vec::new()));
    }
    let has_tables = match verdict {
        SqliteVerdict::Damaged(words) => {
            let moved = asked.source.is_some_and(|source| Files::of(&below(source, name)) != files);
            // What the service wrote to during our copy may be torn by that copy and whole at its source.
            (if moved { &mut databases.torn } else { &mut databases.damaged }).add(|| of(words));
            return Ok(());
        }
        SqliteVerdict::Unclear(why) => {
            databases.unchecked.add(|| of(vec![why]));
            None
        }
        SqliteVerdict::Sound { has_tables, odd } => {
            databases.sound += 1;
            if !odd.is_empty() {
                databases.odd.add(|| of(odd));
            }
            Some(has_tables)
        }
    };
    match lacks_log(asked, name, &path, &files, has_tables) {
        Some(Lack::Certain(why)) => databases.lacking.add(|| of(vec![why])),
        Some(Lack::Possible(why)) => databases.doubtful.add(|| of(vec![why])),
        None => {}
    }
    Ok(())
}

/// Puts a database to the check: where it lies when nothing has to be recovered first, else in a view of its own.
fn examine(
    asked: &SqliteSearch<'_>,
    name: &[u8],
    path: &Path,
    files: &Files,
    ticket: &Arc<JobControl>,
) -> Result<SqliteVerdict, JobStop> {
    let hot = is_valid_journal(path);
    if !hot && files.wal.is_none() && path.as_os_str().len() <= LONGEST_PATH {
        return quick_check(path, How::Resting, ticket);
    }
    if hot && is_journal_of_several(path) {
        let why = "its rollback journal is part of a transaction over several databases";
        return Ok(SqliteVerdict::Unclear(why.to_owned()));
    }
    let view = match View::make(asked.scratch, path, name, hot, asked.keep_free, ticket) {
        Ok(view) => view,
        Err(NoView::Stop(stop)) => return Err(stop),
        Err(NoView::Because(why)) => return Ok(SqliteVerdict::Unclear(why)),
    };
    let how = match (hot, files.wal.is_some()) {
        (true, _) => How::Recovering,
        (false, true) => How::WithLog,
        (false, false) => How::Resting,
    };
    let verdict = quick_check(&view.main(), how, ticket);
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
    asked: &SqliteSearch<'_>,
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
    let source = asked.source.map(|source| Files::of(&below(source, name)));
    // Of what changed since it was copied, the index may be older than the rest.
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
    let live = Files::of(&below(asked.live?, name));
    let (_, wal) = (live.main?, live.wal?);
    let size = units::bytes(wal.size);
    if main.size <= header.page_size {
        return Some(Lack::Certain(format!("it is a single page, and the live one has a log of {size} beside it")));
    }
    match has_tables {
        Some(false) => {
            Some(Lack::Certain(format!("it has not one table, and the live one has a log of {size} beside it")))
        }
        // The log goes when the last program closes the database, so one that was backed up at rest rightly has none.
        _ => Some(Lack::Possible(format!("the live one has a log of {size} beside it"))),
    }
}

#[cfg(test)]
mod tests;
