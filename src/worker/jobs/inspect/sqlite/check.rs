//! SQLite's own check of one file.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};

use crate::worker::job::{JobControl, JobStop, short};

/// Lines of SQLite's that are told of a file.
const LINES: usize = 3;
/// Findings after which SQLite ends its check. Rows that break a rule of their table's are among them and may come before
/// worse.
const FINDINGS: u32 = 1000;
/// Steps of SQLite's machine between two looks at whether to go on.
const STEPS: i32 = 2000;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Nothing is beside it that matters, and nobody writes to it: nothing is written, no lock is taken.
    Resting,
    /// Read with the log beside it. The index of the log is made beside it, the database is not written.
    WithLog,
    /// What is in the journal beside it is played back first.
    Recovering,
}

/// What came of a check.
#[derive(Debug)]
pub enum SqliteVerdict {
    /// The file is a whole database.
    Sound {
        /// There is something in it.
        has_tables: bool,
        /// Rows that break a rule of their table's: the program's doing, and so in the live file.
        odd: Vec<String>,
    },
    /// It is not; SQLite's words.
    Damaged(Vec<String>),
    /// It could not be found out.
    Unclear(String),
}

/// Asks SQLite whether the file is whole.
pub fn quick_check(path: &Path, how: OpenMode, ticket: &Arc<JobControl>) -> Result<SqliteVerdict, JobStop> {
    let verdict = open(path, how, ticket).and_then(|connection| ask(&connection));
    // A stop shows as one error among others.
    ticket.beat()?;
    Ok(verdict.unwrap_or_else(|error| of_error(&error)))
}

fn open(path: &Path, how: OpenMode, ticket: &Arc<JobControl>) -> rusqlite::Result<Connection> {
    let connection = connect(path, how, ticket)?;
    connection.collation_needed(any_collation)?;
    // What a program's own functions decide cannot be decided here.
    connection.execute_batch("PRAGMA ignore_check_constraints = on;")?;
    Ok(connection)
}

/// Opens a database in a way that changes nothing of it, and so that it ends when the job is stopped.
pub(super) fn connect(path: &Path, how: OpenMode, ticket: &Arc<JobControl>) -> rusqlite::Result<Connection> {
    let access = match how {
        OpenMode::Resting | OpenMode::WithLog => OpenFlags::SQLITE_OPEN_READ_ONLY,
        OpenMode::Recovering => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let flags = access | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(uri(path, how == OpenMode::Resting), flags)?;
    let ticket = Arc::clone(ticket);
    connection.progress_handler(STEPS, Some(move || ticket.beat().is_err()))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA temp_store = memory; PRAGMA trusted_schema = off;")?;
    Ok(connection)
}

/// Programs bring collations of their own. The check needs that there is one of the name; it does not sort by it.
fn any_collation(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    connection.create_collation(name, |one: &str, other: &str| one.cmp(other))
}

/// A path as SQLite's file name that may bear options.
fn uri(path: &Path, immutable: bool) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => uri.push(char::from(*byte)),
            // A string takes what is written to it.
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
        // A table that needs a program's own module keeps SQLite from looking at all the others.
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
        SqliteVerdict::Sound { has_tables: tables > 0, odd: cut(found.odd) }
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

    /// Checks every ordinary table by itself; whether there is one of which nothing could be found out.
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

/// Rows and full-text indexes that do not fit their schema. A program writes such, and runs well with them; the pages that
/// hold them are whole.
fn is_odd(line: &str) -> bool {
    line.contains(" value in ")
        || line.starts_with("CHECK constraint failed in ")
        || line.contains(" inverted index for")
}

/// The error says that the file is no whole database.
pub(super) fn damages(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        // A schema of a version that no SQLite ever wrote.
        || words(error) == "unsupported file format"
}

fn of_error(error: &Error) -> SqliteVerdict {
    if damages(error) { SqliteVerdict::Damaged(vec![words(error)]) } else { SqliteVerdict::Unclear(words(error)) }
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
