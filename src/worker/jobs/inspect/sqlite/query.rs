//! Runs a query of one database. It can only read: its author may have made a mistake.

use std::path::Path;
use std::sync::Arc;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, ErrorCode, Row};

use super::check::{OpenMode, connect, damages, words};
use crate::worker::job::{JobControl, JobStop};

/// Bytes of the first row that a result carries.
const FIRST: usize = 64 * 1024;
/// Pragmas that only read when they have no argument.
const TELLING: [&str; 12] = [
    "application_id",
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "encoding",
    "freelist_count",
    "journal_mode",
    "page_count",
    "page_size",
    "schema_version",
    "user_version",
];
/// Pragmas that only read, with any argument.
const LOOKING: [&str; 10] = [
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];
/// Functions that do more than compute.
const DOING: [&str; 2] = ["load_extension", "fts3_tokenizer"];

/// The result of a query.
#[derive(Debug, PartialEq, Eq)]
pub enum QueryResult {
    /// Rows.
    Rows {
        /// The first row, its columns joined by `|`.
        first: Option<String>,
        /// How many rows there are, up to the number that was asked for.
        count: u64,
    },
    /// SQLite refuses the query: its words.
    Refused(String),
    /// The file is no database: SQLite's words.
    NoDatabase(String),
    /// The file is no whole database: SQLite's words.
    Damaged(String),
}

/// Runs a query, and counts rows up to `most`.
pub fn ask(
    path: &Path,
    how: OpenMode,
    query: &str,
    most: u64,
    control: &Arc<JobControl>,
) -> Result<QueryResult, JobStop> {
    let said = connect(path, how, control).and_then(|mut connection| {
        restrict(&mut connection)?;
        read(&connection, query, most.max(1))
    });
    // A stop shows as one error among others.
    control.beat()?;
    Ok(said.unwrap_or_else(|error| of_error(&error)))
}

/// Allows nothing but reading from now on.
fn restrict(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.execute_batch("PRAGMA query_only = on;")?;
    connection.authorizer(Some(
        |context: AuthContext<'_>| {
            if only_reads(&context.action) { Authorization::Allow } else { Authorization::Deny }
        },
    ))
}

fn only_reads(action: &AuthAction<'_>) -> bool {
    let is_one_of = |names: &[&str], name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    match action {
        AuthAction::Select | AuthAction::Recursive | AuthAction::Read { .. } => true,
        AuthAction::Function { function_name } => !is_one_of(&DOING, function_name),
        AuthAction::Pragma { pragma_name, pragma_value } => {
            is_one_of(&LOOKING, pragma_name) || pragma_value.is_none() && is_one_of(&TELLING, pragma_name)
        }
        _ => false,
    }
}

fn read(connection: &Connection, query: &str, most: u64) -> rusqlite::Result<QueryResult> {
    let mut statement = connection.prepare(query)?;
    let columns = statement.column_count();
    if columns == 0 {
        return Ok(QueryResult::Refused("it asks for nothing that could be answered".to_owned()));
    }
    let (mut first, mut count) = (None, 0);
    let mut rows = statement.query([])?;
    while count < most {
        let Some(row) = rows.next()? else { break };
        if count == 0 {
            first = Some(line(row, columns)?);
        }
        count += 1;
    }
    Ok(QueryResult::Rows { first, count })
}

/// A row's columns as text, as SQLite's own shell writes them.
fn line(row: &Row<'_>, columns: usize) -> rusqlite::Result<String> {
    let mut line = String::new();
    for column in 0..columns {
        if column > 0 {
            line.push('|');
        }
        match row.get_ref(column)? {
            ValueRef::Null => {}
            ValueRef::Integer(number) => line.push_str(&number.to_string()),
            ValueRef::Real(number) => line.push_str(&real(number)),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                line.push_str(&String::from_utf8_lossy(&bytes[..bytes.len().min(FIRST + 1)]));
            }
        }
    }
    if line.len() > FIRST {
        line.truncate(line.floor_char_boundary(FIRST));
        line.push('…');
    }
    Ok(line)
}

/// A number with at most fifteen digits, as SQLite writes it.
fn real(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            String::new()
        } else if number > 0.0 {
            "Inf".to_owned()
        } else {
            "-Inf".to_owned()
        };
    }
    let text = format!("{number:.14e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..15).contains(&exponent) {
        let places = usize::try_from(14 - exponent).unwrap_or(0);
        return trimmed(&format!("{number:.places$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(digits), exponent.abs())
}

/// Removes zeros at the end, but keeps one digit after the point.
fn trimmed(digits: &str) -> String {
    let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
    let places = places.trim_end_matches('0');
    format!("{whole}.{}", if places.is_empty() { "0" } else { places })
}

fn of_error(error: &Error) -> QueryResult {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => QueryResult::NoDatabase(words(error)),
        Some(ErrorCode::AuthorizationForStatementDenied) => {
            QueryResult::Refused("it does more than to read, and a check only reads".to_owned())
        }
        // A forbidden function is reported as an ordinary error.
        _ if words(error).starts_with("not authorized") => {
            QueryResult::Refused("it does more than to read, and a check only reads".to_owned())
        }
        _ if matches!(error, Error::MultipleStatement) => {
            QueryResult::Refused("it is more than one statement".to_owned())
        }
        _ if damages(error) => QueryResult::Damaged(words(error)),
        _ => QueryResult::Refused(words(error)),
    }
}
