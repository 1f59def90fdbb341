//! SQLite's own check of one file.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};

use super::rows;
use crate::worker::job::{JobControl, JobStop, short};

/// Most lines of SQLite's output that a result carries for a file.
const LINES: usize = 3;
/// Findings after which SQLite ends its check. Rows that break a rule of their table count among them, and may come
/// before worse findings.
const FINDINGS: u32 = 1000;
/// Steps of SQLite's virtual machine between two looks at whether to go on.
const STEPS: i32 = 2000;

/// Bytes that all of SQLite may use in this process, and that a value may have: well below the worker's memory, which
/// other jobs need, too. A check that needs more ends with an error.
const MEMORY: i32 = 256 * 1024 * 1024;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Nothing that matters lies beside it, and nobody writes to it: nothing is written, no lock is taken.
    Resting,
    /// Read with the log beside it. SQLite makes the index of the log beside it; the database is not written.
    WithLog,
    /// The journal beside it is played back first.
    Recovering,
}

/// The result of a check.
#[derive(Debug)]
pub enum SqliteVerdict {
    /// The file is a whole database.
    Sound {
        /// The database holds at least one table.
        has_tables: bool,
        /// Rows that break a rule of their table. The program wrote them, so the live file has them, too.
        odd: Vec<String>,
        /// All tables and their rows (`None`: they were not counted, since the file is large); `None`: there are too
        /// many tables, or they cannot be listed.
        tables: Option<Vec<(String, Option<u64>)>>,
        /// The highest id that each table with `AUTOINCREMENT` has ever given to a row.
        sequences: Vec<(String, i64)>,
    },
    /// The file is damaged; SQLite's words.
    Damaged(Vec<String>),
    /// The check could not be done; the reason.
    Unclear(String),
    /// The check needs more memory than it gets; SQLite's words.
    TooLarge(String),
}

/// Runs SQLite's check of a file.
pub fn quick_check(path: &Path, how: OpenMode, control: &Arc<JobControl>) -> Result<SqliteVerdict, JobStop> {
    let verdict = open(path, how, control).and_then(|connection| ask(&connection));
    // A stop shows as one error among others.
    control.beat()?;
    Ok(verdict.unwrap_or_else(|error| of_error(&error)))
}

fn open(path: &Path, how: OpenMode, control: &Arc<JobControl>) -> rusqlite::Result<Connection> {
    let connection = connect(path, how, control)?;
    connection.collation_needed(any_collation)?;
    // A rule that a program's own functions decide cannot be checked here.
    connection.execute_batch("PRAGMA ignore_check_constraints = on;")?;
    Ok(connection)
}

/// Opens a database without changing anything of it. Its work ends when the job is stopped.
pub(super) fn connect(path: &Path, how: OpenMode, control: &Arc<JobControl>) -> rusqlite::Result<Connection> {
    let access = match how {
        OpenMode::Resting | OpenMode::WithLog => OpenFlags::SQLITE_OPEN_READ_ONLY,
        OpenMode::Recovering => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let flags = access | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(uri(path, how == OpenMode::Resting), flags)?;
    // The heap is that of the whole process; the bound can only be lowered by this.
    connection.query_row(&format!("PRAGMA hard_heap_limit = {MEMORY}"), [], |_| Ok(()))?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MEMORY)?;
    let control = Arc::clone(control);
    connection.progress_handler(STEPS, Some(move || control.beat().is_err()))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA temp_store = memory; PRAGMA trusted_schema = off;")?;
    Ok(connection)
}

/// Programs bring their own collations. The check needs a collation of the name and does not sort by it.
fn any_collation(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    connection.create_collation(name, |one: &str, other: &str| one.cmp(other))
}

/// A path as a file name that can carry options of SQLite.
fn uri(path: &Path, immutable: bool) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => uri.push(char::from(*byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(uri, "%{byte:02x}")),
        }
    }
    if immutable {
        uri.push_str("?immutable=1");
    }
    uri
}

fn ask(connection: &Connection) -> rusqlite::Result<SqliteVerdict> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let mut found = SqliteFindings::default();
    let unclear = match found.by(connection, &format!("PRAGMA quick_check({FINDINGS})")) {
        Ok(()) => None,
        Err(error) if damages(&error) => {
            found.hard.push(words(&error));
            None
        }
        // A table that needs a program's own module ends SQLite's check of all other tables.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => {
            found.table_by_table(connection)?.then(|| words(&error))
        }
        Err(error) => return Err(error),
    };
    Ok(if !found.hard.is_empty() {
        SqliteVerdict::Damaged(cut(found.hard))
    } else if let Some(words) = unclear {
        SqliteVerdict::Unclear(words)
    } else {
        let (counted, sequences) = (rows::count(connection), rows::sequences(connection));
        SqliteVerdict::Sound { has_tables: tables > 0, odd: cut(found.odd), tables: counted, sequences }
    })
}

/// What SQLite found.
#[derive(Default)]
struct SqliteFindings {
    /// The file is damaged.
    hard: Vec<String>,
    /// The file is whole, and something in it is not as its own schema says.
    odd: Vec<String>,
}

impl SqliteFindings {
    fn by(&mut self, connection: &Connection, pragma: &str) -> rusqlite::Result<()> {
        let mut statement = connection.prepare(pragma)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let text = row.get_ref(0)?.as_bytes().map(String::from_utf8_lossy).unwrap_or_default();
            for line in text.lines().filter(|line| !line.starts_with("*** in database") && *line != "ok") {
                let list = if is_odd(line) { &mut self.odd } else { &mut self.hard };
                if list.len() < LINES {
                    list.push(line.to_owned());
                }
            }
        }
        Ok(())
    }

    /// Checks every ordinary table by itself. Returns whether a table is left that could not be checked.
    fn table_by_table(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        let mut statement =
            connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0")?;
        let names = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        let mut any_left = false;
        for name in names {
            match self.by(connection, &format!("PRAGMA quick_check('{}')", name.replace('\'', "''"))) {
                Ok(()) => {}
                Err(error) if damages(&error) => self.hard.push(words(&error)),
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => any_left = true,
                Err(error) => return Err(error),
            }
        }
        Ok(any_left)
    }
}

/// Whether a line is about rows or full-text indexes that do not fit their schema. A program writes such, and runs
/// well with them; the pages that hold them are whole.
fn is_odd(line: &str) -> bool {
    line.contains(" value in ")
        || line.starts_with("CHECK constraint failed in ")
        || line.contains(" inverted index for")
}

/// Whether the error says that the file is no whole database.
pub(super) fn damages(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        // A schema of a version that no SQLite ever wrote.
        || words(error) == "unsupported file format"
}

fn of_error(error: &Error) -> SqliteVerdict {
    match error.sqlite_error_code() {
        _ if damages(error) => SqliteVerdict::Damaged(vec![words(error)]),
        Some(ErrorCode::OutOfMemory | ErrorCode::TooBig) => SqliteVerdict::TooLarge(words(error)),
        _ => SqliteVerdict::Unclear(words(error)),
    }
}

/// SQLite's words for an error.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::SqliteFailure(_, Some(words)) | Error::SqlInputError { msg: words, .. } => short(words.clone()),
        other => short(other.to_string()),
    }
}

fn cut(mut lines: Vec<String>) -> Vec<String> {
    lines.truncate(LINES);
    lines.into_iter().map(short).collect()
}
