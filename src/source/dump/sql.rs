//! Summary of a dump of SQL statements: the program that wrote the dump, its content, and whether the dump is complete.
//! The dump is read line by line and never run; of a long line only the beginning is looked at.
//!
//! The comments and statements are those of pg_dump and pg_dumpall (`pg_backup_archiver.c`, `pg_dumpall.c`) and of
//! mysqldump and mariadb-dump (`mysqldump.c`).

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, BufRead};

use super::commands::{CommandScan, FoundCommands};
use super::filled::FilledTables;
use crate::model::dump::{Dump, DumpFormat, DumpProgram};

/// Bytes of a line that are looked at.
const LINE: usize = 4096;
/// Lines at the beginning in which the program gives its name.
const HEAD: usize = 64;
/// Lines at the end among which the end mark is.
const TAIL: usize = 12;
/// Most names of one kind that are kept.
const MOST_NAMES: usize = 1000;
/// Most removals that are kept.
const MOST_REMOVALS: usize = 200_000;

/// Beginnings of statements that insert rows.
const INSERTS: [&str; 3] = ["INSERT INTO ", "INSERT IGNORE INTO ", "REPLACE INTO "];
/// The beginnings of lines that are written in pairs.
const PAIRS: [(&str, &str); 2] =
    [("\\restrict ", "\\unrestrict "), ("/*!40111 SET @OLD_SQL_NOTES=", "/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES")];

/// The summary of a dump.
#[derive(Debug)]
pub struct SqlSummary {
    /// Facts for the load.
    pub dump: Dump,
    /// Why the dump is not complete; `None`: it is complete.
    pub lacks: Option<String>,
    /// The dump is for SQLite, which has no server that could load it.
    pub of_sqlite: bool,
}

/// Reads a dump to its end and summarises it.
pub fn summarize(mut input: impl BufRead) -> io::Result<SqlSummary> {
    let mut scan = SqlScan::default();
    let mut line = Vec::with_capacity(LINE);
    loop {
        line.clear();
        scan.begins_statement = scan.commands.begins_statement();
        let read = next_line(&mut input, &mut line, &mut scan)?;
        if read == 0 {
            return Ok(scan.finish());
        }
        scan.bytes += read;
        let is_ended = line.last() == Some(&b'\n');
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        scan.read_line(text.strip_suffix(b"\r").unwrap_or(text));
        scan.ends_in_a_line = !is_ended && read < LINE as u64;
    }
}

/// Reads one line; keeps its first bytes in `line` and returns its length with the newline. The newline is kept if it
/// is among the first bytes. All of the line is scanned for commands.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>, scan: &mut SqlScan) -> io::Result<u64> {
    let mut length = 0;
    loop {
        let ahead = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if ahead.is_empty() {
            return Ok(length);
        }
        let end = ahead.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let taken = end.unwrap_or(ahead.len());
        let room = LINE.saturating_sub(line.len());
        line.extend_from_slice(&ahead[..taken.min(room)]);
        if scan.first_nul.is_none() {
            let nul = ahead[..taken].iter().position(|byte| *byte == 0);
            scan.first_nul = nul.map(|at| (scan.bytes + length + at as u64, scan.lines as u64 + 1));
        }
        scan.commands.take(&ahead[..taken]);
        length += taken as u64;
        input.consume(taken);
        if end.is_some() {
            return Ok(length);
        }
    }
}

#[derive(Debug, Default)]
struct SqlScan {
    lines: usize,
    bytes: u64,
    ends_in_a_line: bool,
    writer: Option<DumpWriter>,
    version: Option<String>,
    /// Databases that the dump makes or enters, in its order.
    databases: Vec<String>,
    /// The database in the head's comment.
    of_head: Option<String>,
    makes_database: bool,
    tables: u64,
    rows: u64,
    /// The table whose rows of a `COPY` are being read.
    copying: Option<String>,
    /// A row of that table was read.
    has_row: bool,
    removals: Vec<u64>,
    needed: BTreeSet<String>,
    made: BTreeSet<String>,
    tail: VecDeque<String>,
    is_sqlite: bool,
    statements: u64,
    /// A line that opens what a later one closes (`\restrict`, notes that are switched off), and how the line begins
    /// that closes it.
    open: Option<(String, &'static str)>,
    /// Such a line was closed.
    closed: bool,
    /// Lines that end in `\r\r\n`.
    doubled_returns: u64,
    commands: CommandScan,
    /// The current line begins a statement: for psql, and for the clients of MariaDB and MySQL.
    begins_statement: (bool, bool),
    filled: FilledTables,
    /// The first NUL byte: its position in the dump, and its line.
    first_nul: Option<(u64, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DumpWriter {
    PgDump,
    PgDumpAll,
    MySqlDump,
}

impl SqlScan {
    fn read_line(&mut self, bytes: &[u8]) {
        self.lines += 1;
        self.doubled_returns += u64::from(bytes.ends_with(b"\r"));
        if let Some(table) = &self.copying {
            if bytes == b"\\." {
                self.copying = None;
            } else {
                self.rows += 1;
                if !std::mem::replace(&mut self.has_row, true) {
                    self.filled.note(table, false);
                }
            }
            return;
        }
        let text = String::from_utf8_lossy(bytes);
        let text = text.as_ref();
        self.note_pair(text);
        if !text.trim().is_empty() {
            if self.tail.len() == TAIL {
                self.tail.pop_front();
            }
            self.tail.push_back(text.chars().take(120).collect());
        }
        if let Some(comment) = text.strip_prefix("-- ") {
            self.read_comment(comment);
            return;
        }
        if text.starts_with("/*!") || text.starts_with("/*M!") {
            self.writer.get_or_insert(DumpWriter::MySqlDump);
        }
        self.read_statement(text);
    }

    /// Notes the lines that dump programs write in pairs, near the beginning and near the end of a dump, also without
    /// comments: a dump that has the first and not the second is cut off.
    fn note_pair(&mut self, text: &str) {
        if self.open.as_ref().is_some_and(|(_, end)| text.starts_with(end)) {
            (self.open, self.closed) = (None, true);
        } else if let Some((_, end)) = PAIRS.iter().find(|(begin, _)| text.starts_with(begin)) {
            self.open = Some((text.trim_end().chars().take(60).collect(), end));
        }
    }

    fn read_comment(&mut self, comment: &str) {
        if self.lines <= HEAD {
            let writer = match comment {
                "PostgreSQL database dump" => Some(DumpWriter::PgDump),
                "PostgreSQL database cluster dump" => Some(DumpWriter::PgDumpAll),
                _ if comment.starts_with("MySQL dump ") || comment.starts_with("MariaDB dump ") => {
                    Some(DumpWriter::MySqlDump)
                }
                _ => None,
            };
            // In the dump of a cluster each database has a head of its own.
            if self.writer != Some(DumpWriter::PgDumpAll) {
                self.writer = writer.or(self.writer);
            }
            if let Some(host) = comment.strip_prefix("Host: ")
                && let Some((_, database)) = host.split_once("Database: ")
                && !database.trim().is_empty()
            {
                self.of_head = Some(database.trim().to_owned());
            }
        }
        let version = comment
            .strip_prefix("Dumped by pg_dump version ")
            .or_else(|| comment.strip_prefix("Server version").map(|rest| rest.trim_start_matches([':', '\t', ' '])));
        if let Some(version) = version.filter(|_| self.version.is_none()) {
            self.version = version.split_whitespace().next().map(str::to_owned);
        }
        if let Some(database) = comment.strip_prefix("Current Database: ") {
            self.note_database(unquote(database, '`'));
        }
    }

    fn note_database(&mut self, database: String) {
        if !database.is_empty() && !self.databases.contains(&database) && self.databases.len() < MOST_NAMES {
            self.databases.push(database);
        }
    }

    fn enter(&mut self, database: String) {
        self.filled.enter(&database);
        self.note_database(database);
    }

    fn read_statement(&mut self, text: &str) {
        self.statements += u64::from(!text.trim().is_empty() && !text.starts_with('\\'));
        let upper: String = text.chars().take(32).collect::<String>().to_ascii_uppercase();
        if upper.starts_with("COPY ") && text.ends_with(" FROM stdin;") {
            self.writer.get_or_insert(DumpWriter::PgDump);
            self.copying = Some(text["COPY ".len()..].to_owned());
            self.has_row = false;
        } else if let Some(word) = INSERTS.iter().find(|word| upper.starts_with(*word)) {
            self.rows += 1;
            let is_mysql = self.writer == Some(DumpWriter::MySqlDump);
            let (for_psql, for_mysql) = self.begins_statement;
            if (is_mysql && for_mysql) || (!is_mysql && for_psql) {
                self.filled.note(&text[word.len()..], is_mysql);
            }
        } else if upper.starts_with("CREATE TABLE ") || upper.starts_with("CREATE UNLOGGED TABLE ") {
            self.tables += 1;
        } else if upper.starts_with("CREATE DATABASE ") {
            self.makes_database = true;
            let name = text["CREATE DATABASE ".len()..].trim_start_matches("/*!32312 IF NOT EXISTS*/ ");
            self.note_database(first_name(name));
        } else if upper.starts_with("CREATE ROLE ") || upper.starts_with("CREATE USER ") {
            self.made.insert(first_name(&text["CREATE ROLE ".len()..]));
        } else if upper.starts_with("USE ") {
            self.enter(first_name(&text["USE ".len()..]));
        } else if upper.starts_with("PRAGMA FOREIGN_KEYS=") {
            self.is_sqlite = true;
        } else if let Some(rest) = text.strip_prefix("\\connect ") {
            let rest = rest.trim_start_matches("-reuse-previous=on ");
            let quoted = rest.trim_matches('"');
            match quoted.strip_prefix("dbname=") {
                Some(name) => self.enter(unquote(name, '\'')),
                None => self.enter(first_name(rest)),
            }
        }
        if self.writer != Some(DumpWriter::MySqlDump) {
            self.note_roles(text);
            let removes = upper.starts_with("DROP ") || upper.starts_with("ALTER ") && text.contains(" DROP ");
            if removes && self.removals.len() < MOST_REMOVALS {
                self.removals.push(self.lines as u64);
            }
        }
    }

    /// Notes the roles that the statement grants something to.
    fn note_roles(&mut self, text: &str) {
        let of = |words: &str| text.rfind(words).map(|at| &text[at + words.len()..]);
        let given = if text.starts_with("ALTER ") && !text.starts_with("ALTER ROLE ") {
            of(" OWNER TO ").or_else(|| text.strip_prefix("ALTER DEFAULT PRIVILEGES FOR ROLE "))
        } else if text.starts_with("GRANT ") && text.contains(" ON ") {
            of(" TO ")
        } else {
            None
        };
        if let Some(role) = given.map(first_name)
            && !role.is_empty()
            && !matches!(role.as_str(), "PUBLIC" | "CURRENT_USER" | "SESSION_USER" | "CURRENT_ROLE")
            && self.needed.len() < MOST_NAMES
        {
            self.needed.insert(role);
        }
    }

    fn dump_format(&self) -> DumpFormat {
        match self.writer {
            Some(DumpWriter::PgDumpAll) => DumpFormat::PostgresCluster,
            Some(DumpWriter::PgDump) if self.makes_database => DumpFormat::PostgresCluster,
            Some(DumpWriter::PgDump) => DumpFormat::PostgresSql,
            Some(DumpWriter::MySqlDump) => DumpFormat::MySql,
            None => DumpFormat::Sql,
        }
    }

    fn finish(mut self) -> SqlSummary {
        let commands = std::mem::take(&mut self.commands).finish();
        let lacks = self.missing_part().or_else(|| self.open_part(&commands));
        let has_end =
            self.closed || self.end_mark().is_some_and(|end| self.tail.iter().any(|line| line.starts_with(end)));
        let format = self.dump_format();
        let names_its_place = !self.databases.is_empty();
        let mut databases = self.databases;
        if let Some(database) = self.of_head.filter(|_| !names_its_place) {
            databases.push(database);
        }
        // Dumps of MariaDB and MySQL do not make roles, so they need none here.
        let roles = self.needed.difference(&self.made).cloned().collect();
        let dump = Dump {
            format,
            version: self.version,
            bytes: self.bytes,
            databases,
            names_its_place,
            tables: self.tables,
            rows: Some(self.rows),
            removals: self.removals,
            roles,
            lacks_end: !has_end,
            // Statements of other programs may remove again what they fill.
            filled: if self.writer.is_some() { self.filled.finish() } else { Vec::new() },
            of_psql: commands.of_psql,
            of_mysql: commands.of_mysql,
        };
        SqlSummary { dump, lacks, of_sqlite: self.is_sqlite }
    }

    /// The comment with which the program ends a dump.
    fn end_mark(&self) -> Option<&'static str> {
        Some(match self.writer? {
            DumpWriter::PgDump => "-- PostgreSQL database dump complete",
            DumpWriter::PgDumpAll => "-- PostgreSQL database cluster dump complete",
            DumpWriter::MySqlDump => "-- Dump completed",
        })
    }

    fn missing_part(&self) -> Option<String> {
        if self.bytes == 0 {
            return Some("it is empty".to_owned());
        }
        // The clients drop the rest of such a line, or refuse it. The dump programs write no such byte.
        if let Some((at, line)) = self.first_nul {
            return Some(format!(
                "it has a NUL byte (at byte {at}, in line {line}), which no dump program writes: a part of the file \
                 was overwritten or never written"
            ));
        }
        let end = self.end_mark().unwrap_or_default();
        if self.doubled_returns * 2 > self.lines as u64 {
            return Some(
                "its lines end in \\r\\r\\n, so what follows a row's last value belongs to the value; a terminal \
                 writes such ends, as in `docker exec -t`: dump with `docker exec` without -t"
                    .to_owned(),
            );
        }
        if let Some(table) = &self.copying {
            let table = table.split(' ').next().unwrap_or_default();
            return Some(format!("it ends in the middle of the rows of {table}, after {} bytes", self.bytes));
        }
        // A dump without comments has no end mark either.
        let has_comments =
            self.version.is_some() || self.of_head.is_some() || self.writer == Some(DumpWriter::PgDumpAll);
        if !end.is_empty() && has_comments && !self.tail.iter().any(|line| line.starts_with(end)) {
            let last = self.tail.back().map(String::as_str).unwrap_or_default();
            return Some(format!("it ends without its last line, which would be `{end}`; the last one is `{last}`"));
        }
        if self.statements == 0 {
            return Some("it has not one statement".to_owned());
        }
        if let Some((begin, end)) = &self.open {
            return Some(format!("it has the line `{begin}`, and ends without the line `{end}…` that belongs to it"));
        }
        self.ends_in_a_statement()
    }

    /// An end within a statement, a string or a comment, as the client sees it that loads the dump.
    fn open_part(&self, commands: &FoundCommands) -> Option<String> {
        // With a foreign command in it, the client would see something else.
        let of_psql = commands.psql_is_open && commands.of_psql.is_none();
        let of_mysql = commands.mysql_is_open && commands.of_mysql.is_none();
        let is_open = match self.dump_format().program() {
            Some(DumpProgram::Postgres) => of_psql,
            Some(DumpProgram::MySql) => of_mysql,
            Some(DumpProgram::Redis) | None => of_psql && of_mysql,
        };
        is_open.then(|| {
            "it ends within a statement, a string or a comment that begins further up and is never ended".to_owned()
        })
    }

    fn ends_in_a_statement(&self) -> Option<String> {
        let last = self.tail.back()?.trim_end();
        let is_whole = last.ends_with(';') || last.starts_with("--") || last.starts_with('\\') || last.ends_with("*/");
        (self.ends_in_a_line && !is_whole).then(|| format!("it ends in the middle of a line: `{last}`"))
    }
}

/// The first name of a text: quoted, or up to the next space, semicolon or comma.
fn first_name(text: &str) -> String {
    let text = text.trim_start();
    match text.chars().next() {
        Some(quote @ ('"' | '`')) => unquote(text, quote),
        _ => text.split([' ', ';', ',', '\r']).next().unwrap_or_default().to_owned(),
    }
}

/// The text within the quotes at the beginning, doubled quotes reduced to one; without quotes the whole text.
fn unquote(text: &str, quote: char) -> String {
    let Some(rest) = text.trim().strip_prefix(quote) else {
        return text.trim().trim_end_matches(';').to_owned();
    };
    let mut name = String::new();
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        if c != quote {
            name.push(c);
        } else if chars.peek() == Some(&quote) {
            name.push(quote);
            chars.next();
        } else {
            break;
        }
    }
    name
}

#[cfg(test)]
mod tests;
