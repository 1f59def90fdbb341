//! Commands of the database client in a dump of SQL: psql and the clients of MariaDB and MySQL take some text between
//! the statements as commands of their own, and a few of these run programs or touch files. pg_dump, pg_dumpall,
//! mysqldump and mariadb-dump write only a handful of harmless ones; any other is found here before a client sees it.
//!
//! The scanners follow the lexers of the clients (`psqlscan.l`, and `add_line` of `mysql.cc`): a backslash within a
//! string, a quoted name, a comment or the rows of a `COPY` is data and no command.

mod encoding;

use crate::model::dump::ClientCommand;

/// Bytes of a statement or command that are kept.
const KEPT: usize = 512;
/// Bytes of a `COPY` that are kept: it may name many columns.
const KEPT_OF_COPY: usize = 256 * 1024;
/// Bytes that are kept of the end of a statement: longer than any delimiter.
const TAIL: usize = 32;
/// Commands of MariaDB's and MySQL's client without a backslash, all but `use` and `delimiter`: they run a program, use
/// a file, connect elsewhere, or end the load.
const NAMED: [&str; 24] = [
    "?",
    "charset",
    "clear",
    "connect",
    "edit",
    "ego",
    "exit",
    "go",
    "help",
    "nopager",
    "notee",
    "nowarning",
    "pager",
    "print",
    "prompt",
    "quit",
    "rehash",
    "resetconnection",
    "source",
    "status",
    "system",
    "tee",
    "warnings",
    "costs",
];
/// What may end a statement after a `delimiter` command.
const DELIMITERS: [&[u8]; 6] = [b";", b";;", b"$$", b"//", b"|", b"||"];
/// Most characters of a command in a message.
const QUOTED: usize = 60;

/// Finds the first foreign command of each client.
#[derive(Debug, Default)]
pub struct CommandScan {
    psql: PsqlScan,
    mysql: MySqlScan,
}

/// What is in a dump for the clients themselves.
#[derive(Debug)]
pub struct FoundCommands {
    /// The first foreign command of psql.
    pub of_psql: Option<ClientCommand>,
    /// The first foreign command of the clients of MariaDB and MySQL.
    pub of_mysql: Option<ClientCommand>,
    /// For psql the dump ends within a statement, a string or a comment.
    pub psql_is_open: bool,
    /// For the clients of MariaDB and MySQL it does.
    pub mysql_is_open: bool,
}

impl CommandScan {
    /// Takes the next bytes of the dump.
    pub fn take(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.psql.take(*byte));
        bytes.iter().for_each(|byte| self.mysql.take(*byte));
    }

    /// Whether the next byte begins a statement: for psql, and for the clients of MariaDB and MySQL.
    pub fn begins_statement(&self) -> (bool, bool) {
        (!self.psql.is_open(), self.mysql.state == MySqlState::Between && self.mysql.is_between_statements())
    }

    /// What the scan has found.
    pub fn finish(mut self) -> FoundCommands {
        // The last line may have no end.
        self.take(b"\n");
        FoundCommands {
            psql_is_open: self.psql.is_open(),
            mysql_is_open: self.mysql.is_open(),
            of_psql: self.psql.found,
            of_mysql: self.mysql.found,
        }
    }
}

fn command(line: u64, text: &[u8]) -> ClientCommand {
    let text = String::from_utf8_lossy(text);
    let plain = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    ClientCommand { line, text: plain.take(QUOTED).collect() }
}

fn keep(kept: &mut Vec<u8>, byte: u8) {
    if kept.len() < KEPT {
        kept.push(byte);
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Where psql's lexer is.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum PsqlState {
    #[default]
    Between,
    /// In a string; `escapes`: a backslash escapes the next character.
    Text {
        escapes: bool,
    },
    /// In a quoted name.
    Name,
    /// After a `$`, which may open a dollar-quoted string.
    Dollar,
    /// In a dollar-quoted string; the text since the last `$` is in `mark`.
    DollarText {
        tag: Vec<u8>,
    },
    LineComment,
    BlockComment {
        depth: u32,
    },
    /// In a command, up to the end of the line.
    Command,
    /// In the rows of a `COPY`.
    Rows,
}

#[derive(Debug, Default)]
struct PsqlScan {
    state: PsqlState,
    /// Number of complete lines.
    lines: u64,
    before: u8,
    /// The byte before was escaped, or ended something, and begins nothing.
    spent: bool,
    /// The statement so far, in upper case and without comments.
    statement: Vec<u8>,
    /// The current word of a statement, the text after a `$`, or the current command or row.
    mark: Vec<u8>,
    /// After a string: whether it had escapes. A string that follows on another line continues it.
    ended_text: Option<bool>,
    is_new_line: bool,
    parentheses: u32,
    /// Plain strings have escapes: `standard_conforming_strings` is off.
    old_strings: bool,
    /// Rows of a `COPY` begin with the next line.
    rows_follow: bool,
    found: Option<ClientCommand>,
}

impl PsqlScan {
    fn take(&mut self, byte: u8) {
        match std::mem::take(&mut self.state) {
            PsqlState::Between => self.between(byte),
            PsqlState::Text { escapes } => self.in_text(byte, escapes),
            PsqlState::Name => self.state = if byte == b'"' { PsqlState::Between } else { PsqlState::Name },
            PsqlState::Dollar => self.after_dollar(byte),
            PsqlState::DollarText { tag } => self.in_dollar_text(byte, tag),
            PsqlState::LineComment => {
                self.state = if byte == b'\n' { PsqlState::Between } else { PsqlState::LineComment }
            }
            PsqlState::BlockComment { depth } => self.in_block_comment(byte, depth),
            PsqlState::Command => self.in_command(byte),
            PsqlState::Rows => self.in_rows(byte),
        }
        if byte == b'\n' {
            self.lines += 1;
            self.is_new_line = true;
            if std::mem::take(&mut self.rows_follow) {
                self.state = PsqlState::Rows;
                self.mark.clear();
            }
        }
        self.before = byte;
    }

    fn is_open(&self) -> bool {
        self.state != PsqlState::Between || !self.statement.trim_ascii().is_empty()
    }

    fn between(&mut self, byte: u8) {
        let (before, spent) = (self.before, std::mem::take(&mut self.spent));
        let continues = self.ended_text.filter(|_| self.is_new_line);
        if !byte.is_ascii_whitespace() && byte != b'-' {
            self.ended_text = None;
        }
        self.keep_statement(byte);
        let word = std::mem::take(&mut self.mark);
        match byte {
            b'\'' => {
                let is_escaped = word.eq_ignore_ascii_case(b"e");
                self.state = PsqlState::Text { escapes: continues.unwrap_or(is_escaped || self.old_strings) };
            }
            b'"' => self.state = PsqlState::Name,
            // A digit does not part a word from a `$`, but a number from a quoted string: both readings are possible.
            b'$' if word.iter().all(u8::is_ascii_digit) => self.state = PsqlState::Dollar,
            b'-' if before == b'-' && !spent => {
                self.statement.truncate(self.statement.len().saturating_sub(2));
                self.state = PsqlState::LineComment;
            }
            b'*' if before == b'/' && !spent => {
                self.statement.truncate(self.statement.len().saturating_sub(2));
                // A comment parts words as a blank does.
                self.statement.push(b' ');
                self.state = PsqlState::BlockComment { depth: 1 };
                self.spent = true;
            }
            b'\\' => {
                // No command is a part of the statement.
                self.statement.pop();
                self.state = PsqlState::Command;
            }
            b'(' => self.parentheses += 1,
            b')' => self.parentheses = self.parentheses.saturating_sub(1),
            b';' if self.parentheses == 0 => self.end_statement(),
            b'$' => self.mark = [word.as_slice(), b"$"].concat(),
            _ if is_of_name(byte) => {
                self.mark = word;
                keep(&mut self.mark, byte);
            }
            _ => {}
        }
    }

    fn keep_statement(&mut self, byte: u8) {
        let most = if self.statement.starts_with(b"COPY") { KEPT_OF_COPY } else { KEPT };
        // Of spaces in a row one is kept, so that they do not fill the room.
        let is_spare = byte.is_ascii_whitespace() && self.statement.last().is_none_or(u8::is_ascii_whitespace);
        if self.statement.len() < most && !is_spare {
            self.statement.push(byte.to_ascii_uppercase());
        }
    }

    fn end_statement(&mut self) {
        if ![&b"COPY"[..], b"SET", b"SELECT", b"ALTER"].iter().any(|word| self.statement.starts_with(word)) {
            self.statement.clear();
            return;
        }
        let statement = String::from_utf8_lossy(&self.statement);
        let words = words(&statement);
        let has = |word: &str| words.contains(&word);
        if words.first() == Some(&"COPY") {
            self.rows_follow = words.windows(2).any(|pair| pair == ["FROM", "STDIN"]);
            if has("PROGRAM") {
                let found = command(self.lines + 1, &self.statement);
                self.found.get_or_insert(found);
            }
        }
        if words.first() == Some(&"SET") && has("STANDARD_CONFORMING_STRINGS") {
            self.old_strings = !(has("ON") || has("TRUE") || has("1"));
        }
        if !encoding::set_by(&words).iter().all(|set| encoding::keeps_ascii(set)) {
            let found = command(self.lines + 1, &self.statement);
            self.found.get_or_insert(found);
        }
        self.statement.clear();
    }

    fn in_text(&mut self, byte: u8, escapes: bool) {
        self.keep_statement(byte);
        let is_escaped = std::mem::take(&mut self.spent);
        self.state = PsqlState::Text { escapes };
        if escapes && byte == b'\\' && !is_escaped {
            self.spent = true;
        } else if byte == b'\'' && !is_escaped {
            // A doubled quote is one string that ends and another that begins with the same escapes.
            (self.ended_text, self.is_new_line) = (Some(escapes), false);
            self.state = PsqlState::Between;
            self.mark = if escapes { b"e".to_vec() } else { Vec::new() };
        }
    }

    fn after_dollar(&mut self, byte: u8) {
        match byte {
            b'$' => {
                let tag = std::mem::take(&mut self.mark);
                self.state = PsqlState::DollarText { tag };
            }
            _ if is_of_name(byte) && !(self.mark.is_empty() && byte.is_ascii_digit()) && self.mark.len() < KEPT => {
                self.mark.push(byte);
                self.state = PsqlState::Dollar;
            }
            // The `$` of a parameter.
            _ => {
                self.mark.clear();
                self.between(byte);
            }
        }
    }

    /// In a dollar-quoted string `spent` tells that `mark` begins behind a `$`.
    fn in_dollar_text(&mut self, byte: u8, tag: Vec<u8>) {
        if byte != b'$' {
            if self.spent && self.mark.len() <= tag.len() {
                self.mark.push(byte);
            }
            self.state = PsqlState::DollarText { tag };
        } else if self.spent && self.mark == tag {
            self.spent = false;
            self.mark.clear();
        } else {
            self.spent = true;
            self.mark.clear();
            self.state = PsqlState::DollarText { tag };
        }
    }

    fn in_block_comment(&mut self, byte: u8, depth: u32) {
        let spent = std::mem::take(&mut self.spent);
        let depth = match (self.before, byte) {
            (b'*', b'/') if !spent => depth - 1,
            (b'/', b'*') if !spent => depth + 1,
            _ => {
                self.state = PsqlState::BlockComment { depth };
                return;
            }
        };
        self.spent = true;
        if depth > 0 {
            self.state = PsqlState::BlockComment { depth };
        }
    }

    fn in_command(&mut self, byte: u8) {
        if byte != b'\n' {
            keep(&mut self.mark, byte);
            self.state = PsqlState::Command;
            return;
        }
        let text = std::mem::take(&mut self.mark);
        if !is_of_pg_dump(text.trim_ascii_end()) {
            let found = command(self.lines + 1, &[b"\\", text.as_slice()].concat());
            self.found.get_or_insert(found);
        }
    }

    /// A row of pg_dump has few kinds of escapes. If the server refuses the `COPY`, psql takes its rows for statements
    /// and commands, and none of these is one that does harm.
    fn in_rows(&mut self, byte: u8) {
        self.state = PsqlState::Rows;
        if byte == b'\n' {
            let row = std::mem::take(&mut self.mark);
            self.spent = false;
            if row.trim_ascii_end() == b"\\." {
                self.state = PsqlState::Between;
            } else if row.starts_with(b"\\.") {
                let found = command(self.lines + 1, &row);
                self.found.get_or_insert(found);
            }
            return;
        }
        keep(&mut self.mark, byte);
        if std::mem::take(&mut self.spent) {
            let is_end = byte == b'.' && self.mark == b"\\.";
            if !is_end && !b"\\bfnrtvN".contains(&byte) {
                let found = command(self.lines + 1, &self.mark);
                self.found.get_or_insert(found);
            }
        } else {
            self.spent = byte == b'\\';
        }
    }
}

/// The words of a statement, without signs and quotes.
fn words(statement: &str) -> Vec<&str> {
    let is_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    statement.split(|c: char| !is_of_word(c)).filter(|word| !word.is_empty()).collect()
}

/// Whether pg_dump or pg_dumpall writes such a command; the backslash is left out.
fn is_of_pg_dump(command: &[u8]) -> bool {
    let Ok(command) = std::str::from_utf8(command) else { return false };
    let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
    let is_word = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    match name {
        // The end of rows whose `COPY` failed.
        "." => rest.is_empty(),
        "restrict" | "unrestrict" => is_word,
        "encoding" => is_word && encoding::keeps_ascii(rest),
        "connect" => is_plain_database(rest),
        _ => false,
    }
}

/// Whether the argument of `\connect` is a database and nothing else, as pg_dumpall writes it: a name, a name in double
/// quotes, or the setting `dbname` alone. Other settings name a server or an encoding.
fn is_plain_database(argument: &str) -> bool {
    let unquoted = |text: &str| Some(text.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", ""));
    if let Some(setting) = argument.strip_prefix("-reuse-previous=on ") {
        let name =
            unquoted(setting).and_then(|text| Some(text.strip_prefix("dbname='")?.strip_suffix('\'')?.to_owned()));
        // A backslash escapes itself and a quote.
        let rest = name.map(|name| name.replace("\\\\", "").replace("\\'", ""));
        return rest.is_some_and(|rest| !rest.contains(['"', '\'', '\\']));
    }
    match unquoted(argument) {
        Some(name) => !name.contains(['"', '=', ':', '\\']),
        None => !argument.is_empty() && argument.bytes().all(|byte| is_of_name(byte) || b"-.".contains(&byte)),
    }
}

/// Where the lexer of MariaDB's and MySQL's client is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum MySqlState {
    #[default]
    Between,
    /// In a string or a quoted name, up to this quote.
    Quoted(u8),
    LineComment,
    /// After `/*`. What is in `/*! … */` and `/*M! … */` is read like other text.
    CommentOpens,
    CommentOpensWithM,
    BlockComment,
}

#[derive(Debug, Default)]
struct MySqlScan {
    state: MySqlState,
    /// Number of complete lines.
    lines: u64,
    before: u8,
    /// The byte before was escaped, or ended something, and begins nothing.
    spent: bool,
    /// A backslash was read outside of strings; the next byte names the command.
    is_command: bool,
    /// The statement so far, in upper case and without comments.
    statement: Vec<u8>,
    /// The last bytes of the statement outside of quotes.
    tail: Vec<u8>,
    /// The current line.
    line: Vec<u8>,
    /// The current line began a statement.
    begins: bool,
    /// What ends a statement; empty: a semicolon.
    delimiter: Vec<u8>,
    /// A backslash in a string is a character like others: `NO_BACKSLASH_ESCAPES`.
    plain_backslashes: bool,
    found: Option<ClientCommand>,
}

impl MySqlScan {
    fn take(&mut self, byte: u8) {
        if self.line.is_empty() {
            self.begins = self.state == MySqlState::Between && self.is_between_statements();
        }
        keep(&mut self.line, byte);
        match self.state {
            MySqlState::Between => self.between(byte),
            MySqlState::Quoted(quote) => self.in_quotes(byte, quote),
            MySqlState::LineComment if byte == b'\n' => self.state = MySqlState::Between,
            MySqlState::LineComment => {}
            MySqlState::CommentOpens | MySqlState::CommentOpensWithM if byte == b'!' => {
                self.state = MySqlState::Between;
            }
            MySqlState::CommentOpens if byte == b'M' => self.state = MySqlState::CommentOpensWithM,
            MySqlState::CommentOpens | MySqlState::CommentOpensWithM => self.state = MySqlState::BlockComment,
            MySqlState::BlockComment if (self.before, byte) == (b'*', b'/') => {
                self.state = MySqlState::Between;
                self.spent = true;
            }
            MySqlState::BlockComment => {}
        }
        if byte == b'\n' {
            self.end_line();
        }
        self.before = byte;
    }

    fn is_open(&self) -> bool {
        let has_delimiter = !self.delimiter.is_empty() && self.delimiter != b";";
        has_delimiter || self.state != MySqlState::Between || !self.is_between_statements()
    }

    /// Whether nothing but comments was read since the last statement.
    fn is_between_statements(&self) -> bool {
        let statement = self.statement.trim_ascii();
        statement.is_empty() || statement.ends_with(b"*/")
    }

    fn between(&mut self, byte: u8) {
        let (before, spent) = (self.before, std::mem::take(&mut self.spent));
        if std::mem::take(&mut self.is_command) {
            // `\-` switches the client's own sandbox on, and `\N` is NULL.
            if !b"-N".contains(&byte) {
                let found = command(self.lines + 1, &self.line);
                self.found.get_or_insert(found);
            }
            self.spent = true;
            return;
        }
        keep(&mut self.statement, byte.to_ascii_uppercase());
        self.tail.push(byte.to_ascii_uppercase());
        if self.tail.len() > 2 * TAIL {
            self.tail.drain(..TAIL);
        }
        match byte {
            b'\'' | b'"' | b'`' => {
                self.state = MySqlState::Quoted(byte);
                self.tail.clear();
            }
            b'\\' => {
                self.statement.pop();
                self.is_command = true;
            }
            b'#' => self.begin_comment(1, MySqlState::LineComment),
            // `-- ` is a comment, `--1` is not.
            _ if byte.is_ascii_whitespace() && self.tail.ends_with(&[b'-', b'-', byte]) => {
                let state = if byte == b'\n' { MySqlState::Between } else { MySqlState::LineComment };
                self.begin_comment(3, state);
            }
            b'*' if before == b'/' && !spent => self.begin_comment(2, MySqlState::CommentOpens),
            _ => {
                let delimiter: &[u8] = if self.delimiter.is_empty() { b";" } else { &self.delimiter };
                if self.tail.ends_with(delimiter) {
                    self.end_statement();
                }
            }
        }
    }

    /// Enters a comment whose first bytes were taken for a part of the statement.
    fn begin_comment(&mut self, opening: usize, state: MySqlState) {
        self.statement.truncate(self.statement.len().saturating_sub(opening));
        self.tail.clear();
        self.state = state;
    }

    fn end_statement(&mut self) {
        // The client looks at a statement as at a line.
        let is_word = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'?';
        let first: Vec<u8> = self.statement.trim_ascii_start().iter().copied().take_while(is_word).collect();
        if NAMED.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(&first)) {
            let found = command(self.lines + 1, &self.line);
            self.found.get_or_insert(found);
        }
        if self.statement.windows(8).any(|word| word == b"SQL_MODE") {
            let sets = self.statement.windows(20).any(|word| word == b"NO_BACKSLASH_ESCAPES");
            self.plain_backslashes = sets;
        }
        self.statement.clear();
        self.tail.clear();
    }

    fn in_quotes(&mut self, byte: u8, quote: u8) {
        keep(&mut self.statement, byte.to_ascii_uppercase());
        let is_escaped = std::mem::take(&mut self.spent);
        if byte == b'\\' && quote != b'`' && !self.plain_backslashes && !is_escaped {
            self.spent = true;
        } else if byte == quote && !is_escaped {
            self.state = MySqlState::Between;
        }
    }

    /// A line that begins a statement may be a command without a backslash.
    fn end_line(&mut self) {
        self.lines += 1;
        let line = std::mem::take(&mut self.line);
        if !self.begins {
            return;
        }
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let first = String::from_utf8_lossy(words.next().unwrap_or_default()).to_ascii_lowercase();
        if first == "delimiter" {
            self.delimiter = words.next().unwrap_or_default().to_ascii_uppercase();
            self.delimiter.truncate(TAIL);
            if !DELIMITERS.contains(&self.delimiter.as_slice()) {
                let found = command(self.lines, &line);
                self.found.get_or_insert(found);
            }
            self.statement.clear();
            self.tail.clear();
        } else if NAMED.contains(&first.trim_end_matches(';')) {
            let found = command(self.lines, &line);
            self.found.get_or_insert(found);
        }
    }
}

#[cfg(test)]
mod tests;
