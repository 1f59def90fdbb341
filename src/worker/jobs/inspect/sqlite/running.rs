//! Queries a database that a service may be writing to. Nothing of the service's is changed or locked, so nobody says
//! when the database rests. Signs of a write are looked for before and after, and an answer counts only when there
//! are none.
//!
//! - A write-ahead log is only appended to until all of it is in the database; then it begins anew with another
//!   header. A copy of the database and then of the log, with the same header before and after, can be read by
//!   SQLite: a part of the database that was copied in the middle of a checkpoint is in the log, too.
//! - A database without such a log is only written to while its rollback journal lies beside it, and each transaction
//!   counts up a number in the header. What was read between two looks at the same number without a journal was read
//!   at rest.
//! - A transaction that has begun to write is seen by its journal, which puts a copy of both back to the state
//!   before.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::check::OpenMode;
use super::files::{Files, Header, LONGEST_PATH, beside, is_journal_of_several, is_valid_journal, open_regular};
use super::query::{QueryResult, ask};
use super::view::{NoView, View, ViewOf};
use crate::worker::fs::resolve::{Resolved, resolve};
use crate::worker::fs::root::stat_root;
use crate::worker::job::{JobControl, JobStop, short};
use crate::worker::protocol::{Queried, QueryJob, RootKind};

/// Most attempts to find the database at rest, and the time between two.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(20);
/// Bytes of a database's header that a transaction changes.
const HEADER: usize = 100;
/// Bytes of the header of a write-ahead log.
const LOG_HEADER: usize = 32;

/// Queries a database that its service may be writing to. What the job makes in its scratch folder is removed again.
pub fn query(question: &QueryJob, control: &Arc<JobControl>) -> Result<Queried, JobStop> {
    let path = match resolve(Path::new(&question.root), Path::new(&question.path)) {
        Ok(Resolved::There(path)) => path,
        Ok(Resolved::Missing(path)) => return Ok(Queried::Missing { path: short(path.display().to_string()) }),
        Err(error) => return Ok(Queried::NotAsked { why: format!("its path cannot be followed: {error}") }),
    };
    match stat_root(&path.display().to_string())?.0 {
        RootKind::File => {}
        RootKind::Folder => return Ok(Queried::NotAsked { why: "it is a folder".to_owned() }),
        RootKind::Socket | RootKind::Other => return Ok(Queried::NotAsked { why: "it is no file".to_owned() }),
    }
    if question.alone && Header::of(&path).is_some_and(|header| header.wal_mode) {
        let why =
            "it is in WAL mode and a mount by itself, so that its log, which lies beside the mount, cannot be read";
        return Ok(Queried::NotAsked { why: why.to_owned() });
    }
    let of = ViewOf { path: &path, name: question.path.as_bytes(), recover: false, own: false };
    let read = |path: &Path, how| ask(path, how, &question.query, question.rows, control);
    Ok(match read_unlocked(of, &question.scratch, question.keep_free, control, read)? {
        Unlocked::Answer(QueryResult::Rows { first, count }) => Queried::Rows { first, count },
        Unlocked::Answer(QueryResult::Refused(words)) => Queried::Refused { words },
        Unlocked::Answer(QueryResult::NoDatabase(words)) => {
            Queried::NotAsked { why: format!("it is no SQLite database: {words}") }
        }
        Unlocked::Answer(QueryResult::Damaged(words)) => Queried::Damaged { words },
        Unlocked::Never(why) => Queried::NotAsked { why },
        Unlocked::Busy(why) => Queried::Busy { why },
    })
}

/// What came of reading a database that somebody may be writing to.
pub(super) enum Unlocked<T> {
    /// Read while nobody wrote.
    Answer(T),
    /// It cannot be read.
    Never(String),
    /// It was written to each time.
    Busy(String),
}

/// Reads a database at a moment at which nobody writes to it, without a lock; in a view when SQLite has to recover
/// something first. `read` gets the path that SQLite opens, and may be called several times.
pub(super) fn read_unlocked<T>(
    of: ViewOf<'_>,
    scratch: &str,
    keep_free: u64,
    control: &JobControl,
    read: impl Fn(&Path, OpenMode) -> Result<T, JobStop>,
) -> Result<Unlocked<T>, JobStop> {
    let mut why = String::new();
    for turn in 0..TRIES {
        if turn > 0 {
            std::thread::sleep(PAUSE);
        }
        let before = Signs::of(of.path);
        let of = ViewOf { recover: before.hot, ..of };
        let said = match once(of, (scratch, keep_free), &before, control, &read)? {
            Ok(said) => said,
            Err(NoAnswer::Never(why)) => return Ok(Unlocked::Never(why)),
            Err(NoAnswer::NotNow(reason)) => {
                why = reason;
                continue;
            }
        };
        if before.still(&Signs::of(of.path)) {
            return Ok(Unlocked::Answer(said));
        }
        "it is written to all the time".clone_into(&mut why);
    }
    Ok(Unlocked::Busy(why))
}

/// Why an attempt has no answer.
enum NoAnswer {
    Never(String),
    NotNow(String),
}

/// Reads the database once.
fn once<T>(
    of: ViewOf<'_>,
    (scratch, keep_free): (&str, u64),
    signs: &Signs,
    control: &JobControl,
    read: impl Fn(&Path, OpenMode) -> Result<T, JobStop>,
) -> Result<Result<T, NoAnswer>, JobStop> {
    let has_log = signs.files.wal.is_some();
    if !signs.hot && !has_log && of.path.as_os_str().len() <= LONGEST_PATH {
        return read(of.path, OpenMode::Resting).map(Ok);
    }
    if signs.hot && is_journal_of_several(of.path) {
        let why = "it is in the middle of a transaction over several databases";
        return Ok(Err(NoAnswer::NotNow(why.to_owned())));
    }
    let view = match View::make(of, scratch, keep_free, control) {
        Ok(view) => view,
        Err(NoView::Stop(stop)) => return Err(stop),
        Err(NoView::Because(why)) => return Ok(Err(NoAnswer::Never(why))),
    };
    let how = match (signs.hot, has_log) {
        (true, _) => OpenMode::Recovering,
        (false, true) => OpenMode::WithLog,
        (false, false) => OpenMode::Resting,
    };
    let said = read(&view.main(), how);
    view.remove()?;
    said.map(Ok)
}

/// The signs by which a write is seen.
#[derive(Debug, PartialEq)]
struct Signs {
    /// Read before the rest.
    header: Option<[u8; HEADER]>,
    log: Option<[u8; LOG_HEADER]>,
    files: Files,
    /// A journal lies beside the database.
    hot: bool,
    /// The header again, read after the rest: a transaction begins with the journal and ends without it.
    header_again: Option<[u8; HEADER]>,
}

impl Signs {
    fn of(path: &Path) -> Self {
        let header = begin(path);
        let log = begin(&beside(path, "-wal"));
        let files = Files::of(path);
        let hot = is_valid_journal(path);
        Self { header, log, files, hot, header_again: begin(path) }
    }

    /// Whether what was read between these signs and `after` is whole.
    fn still(&self, after: &Self) -> bool {
        match (self.files.wal, after.files.wal) {
            (Some(_), Some(_)) => self.log.is_some() && self.log == after.log,
            (None, None) => self == after && self.header == self.header_again,
            _ => false,
        }
    }
}

fn begin<const BYTES: usize>(path: &Path) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    open_regular(path)?.read_exact_at(&mut bytes, 0).ok()?;
    Some(bytes)
}

#[cfg(test)]
#[path = "running_tests.rs"]
mod tests;
