//! Judges the answer to a check: pass, fail, or no answer.

use std::time::Duration;

use regex::Regex;
use serde_json::Value;

use crate::docker::ExecOutput;
use crate::model::diagnosis::{Code, Diagnosis, KnownCause};
use crate::model::mask::Mask;
use crate::model::question::HttpCheck;
use crate::worker::protocol::Queried;

/// Most characters of an answer in a message.
const QUOTED: usize = 300;
/// Lines of a log around a quoted one that may share a secret with it.
const AROUND: usize = 8;
/// Exit codes that mean: the command cannot be run, or does not exist.
const NO_COMMAND: [i64; 2] = [126, 127];
/// Messages of database clients while the database takes no connections.
const NO_CONNECTION: [&str; 9] = [
    "could not connect",
    "connection to server",
    "the database system is",
    "terminating connection",
    "ERROR 2002",
    "ERROR 2003",
    "ERROR 2006",
    "ERROR 2013",
    "ERROR 1040",
];

/// Words of database clients that tell of damaged or missing files, and not of a wrong query.
const DAMAGE: &str = concat!(
    r"ERROR (29|126|127|144|145|1017|1030|1033|1034|1035|1194|1195|1712|1812|1815|1877|1932) |",
    r"doesn't exist in engine|(?i)is corrupt|missing tablespace|tablespace .*(missing|does not exist|not found)|",
    r"invalid page in block|could not read block|could not open file .(base|global|pg_)|missing chunk number|",
    r"database disk image is malformed"
);

/// Words of database clients about a table that is not there: PostgreSQL, MariaDB and MySQL, SQLite.
const NO_TABLE: &str = concat!(
    r#"relation "(?<postgres>[^"]+)" does not exist|"#,
    r"ERROR 1146 .*Table '(?<mysql>[^']+)' doesn't exist|",
    r"no such table: (?<sqlite>\S+)"
);
/// What a refusal means whose query names a table that is not there.
const LACKS_TABLE: &str = "the restored data has no table of that name";

/// Runs a query with the client in the image and the credentials of the service's environment. The query is an
/// argument, so no shell interprets it.
const SQL: &str = r#"
secret() {
  eval "value=\${$1-} file=\${$1_FILE-}"
  if [ -z "$value" ] && [ -r "$file" ]; then value=$(cat "$file"); fi
}
if command -v psql >/dev/null 2>&1; then
  user=${POSTGRES_USER:-postgres}
  secret POSTGRES_PASSWORD
  if [ -n "$value" ]; then export PGPASSWORD="$value"; fi
  exec psql -X -w -q -v ON_ERROR_STOP=1 -U "$user" -d "${2:-${POSTGRES_DB:-$user}}" -t -A -0 -c "$1"
fi
for client in mariadb mysql; do
  if command -v $client >/dev/null 2>&1; then
    user=root
    secret MARIADB_ROOT_PASSWORD
    if [ -z "$value" ]; then secret MYSQL_ROOT_PASSWORD; fi
    if [ -z "$value" ] && [ -n "${MARIADB_USER:-${MYSQL_USER:-}}" ]; then
      user=${MARIADB_USER:-$MYSQL_USER}
      secret MARIADB_PASSWORD
      if [ -z "$value" ]; then secret MYSQL_PASSWORD; fi
    fi
    if [ -n "$value" ]; then export MYSQL_PWD="$value"; fi
    exec $client -u "$user" -N -B -e "$1" "${2:-${MARIADB_DATABASE:-${MYSQL_DATABASE:-mysql}}}"
  fi
done
echo "there is neither psql nor mariadb nor mysql" >&2
exit 127
"#;

/// Prints the size of a file, the time of its last change and the time now in Unix seconds, and its SHA-256 if the
/// second argument is not empty.
const FILE: &str = r#"
[ -e "$1" ] || [ -h "$1" ] || { echo missing; exit 0; }
stat -L -c '%s %Y' "$1" || exit 1
date +%s
[ -z "$2" ] || sha256sum < "$1"
"#;

/// The result of one attempt of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CheckResult {
    /// The answer is as expected.
    Pass,
    /// The answer is wrong, and may still change.
    Fail(String),
    /// The answer is wrong, and will not change.
    FailFinal(String),
    /// There is no answer yet.
    Retry(String),
    /// The database finds its own data damaged.
    Damaged(String),
    /// The query names a table that is not there.
    Lacking { table: String, words: String },
    /// The check cannot be asked: it makes no sense here, or the image lacks the program for it.
    Invalid(String),
}

/// Adds which table a check misses. Whether the backup lacks it or the check is wrong is not known.
pub(in crate::rehearse::validate) fn without_table(diagnosis: Diagnosis, table: &str, words: String) -> Diagnosis {
    let remedy = format!(
        "The restored data has no table {table}; if the live database has it, the backup lacks it: look at what the \
         backup job saves. Else correct the check in the plan file or the label."
    );
    let cause = KnownCause { meaning: LACKS_TABLE.to_owned(), line: words };
    Diagnosis { cause: Some(cause), remedy: Some(remedy), ..diagnosis }
}

/// Whether a check could not be asked because its table is not there.
pub(in crate::rehearse::validate) fn misses_table(diagnosis: &Diagnosis) -> bool {
    let says = |cause: &KnownCause| cause.meaning == LACKS_TABLE;
    diagnosis.code == Code::CheckCannotAsk && diagnosis.cause.as_ref().is_some_and(says)
}

/// The command that runs a query.
pub(super) fn sql_command(query: &str, database: Option<&str>) -> Vec<String> {
    ["sh", "-c", SQL, "sh", query, database.unwrap_or_default()].map(str::to_owned).to_vec()
}

/// The command that reads the facts of a file.
pub(super) fn file_command(path: &str, hash: bool) -> Vec<String> {
    ["sh", "-c", FILE, "sh", path, if hash { "hash" } else { "" }].map(str::to_owned).to_vec()
}

/// Judges a file.
pub(super) fn to_file(
    ran: &ExecOutput,
    min_size: Option<u64>,
    sha256: Option<&str>,
    newer_than: Option<Duration>,
    mask: &Mask,
) -> CheckResult {
    let (exit, stdout, stderr) = match ran {
        ExecOutput::NotStarted(words) => {
            return CheckResult::Invalid(format!(
                "the image has no shell, which a file check needs: {}",
                quoted(words, mask)
            ));
        }
        ExecOutput::Ended { exit, stdout, stderr } => {
            (*exit, String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr))
        }
    };
    let words: Vec<&str> = stdout.split_whitespace().collect();
    let (size, age, hash) = match words.as_slice() {
        _ if exit != 0 => {
            return CheckResult::Invalid(format!("the file cannot be read: {}", quoted(&stderr, mask)));
        }
        ["missing"] => return CheckResult::FailFinal("expected the file, and it is not there".to_owned()),
        [size, changed, now, rest @ ..] => {
            let [size, changed, now] = [size, changed, now].map(|word| word.parse::<i64>().unwrap_or(0));
            (size, now - changed, rest.first().copied())
        }
        _ => {
            return CheckResult::Invalid(format!("the command that reads the file printed: {}", quoted(&stdout, mask)));
        }
    };
    if let Some(least) = min_size.filter(|least| u64::try_from(size).unwrap_or(0) < *least) {
        return CheckResult::FailFinal(format!("expected at least {least} bytes, found {size}"));
    }
    if let Some(most) = newer_than.filter(|most| age > i64::try_from(most.as_secs()).unwrap_or(i64::MAX)) {
        let age = Duration::from_secs(age.unsigned_abs());
        let (most, age) = (humantime::format_duration(most), humantime::format_duration(age));
        return CheckResult::FailFinal(format!("expected a change within the last {most}, found one {age} ago"));
    }
    match sha256 {
        Some(expected) if hash != Some(expected) => {
            let found = hash.unwrap_or("none");
            CheckResult::FailFinal(format!("expected the SHA-256 {expected}, found {found}"))
        }
        _ => CheckResult::Pass,
    }
}

/// Judges a command.
pub(super) fn to_exec(ran: &ExecOutput, exit: i64, pattern: Option<&str>, mask: &Mask) -> CheckResult {
    let (found, stdout, stderr) = match ran {
        ExecOutput::NotStarted(words) => {
            let words = quoted(words, mask);
            return CheckResult::Invalid(format!("the command cannot be run in the service's container: {words}"));
        }
        ExecOutput::Ended { exit, stdout, stderr } => {
            (*exit, String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr))
        }
    };
    let said = match (stdout.trim(), stderr.trim()) {
        ("", "") => " and said nothing".to_owned(),
        (output, "") | ("", output) => format!(" and said: {}", quoted(output, mask)),
        (output, error) => format!(" and said: {}; on standard error: {}", quoted(output, mask), quoted(error, mask)),
    };
    if found != exit && NO_COMMAND.contains(&found) {
        return CheckResult::Invalid(format!("the command ended with exit code {found}{said}"));
    }
    if found != exit {
        return CheckResult::Fail(format!("expected exit code {exit}, found {found}: the command ended{said}"));
    }
    match pattern.map(Regex::new) {
        None => CheckResult::Pass,
        Some(Err(error)) => CheckResult::Invalid(error.to_string()),
        Some(Ok(pattern)) if pattern.is_match(stdout.trim_end_matches(['\r', '\n'])) => CheckResult::Pass,
        Some(Ok(pattern)) => {
            CheckResult::Fail(format!("expected output that matches `{pattern}`, but the command ended{said}"))
        }
    }
}

/// Judges the rows of a query.
pub(super) fn to_sql(ran: &ExecOutput, value: Option<&str>, min_rows: u64, mask: &Mask) -> CheckResult {
    let (exit, stdout, stderr) = match ran {
        ExecOutput::NotStarted(words) => {
            return CheckResult::Invalid(format!(
                "the image has no shell to run its database client: {}",
                quoted(words, mask)
            ));
        }
        ExecOutput::Ended { exit, stdout, stderr } => {
            (*exit, String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr))
        }
    };
    if exit != 0 {
        let words = quoted(stderr.trim(), mask);
        if NO_CONNECTION.iter().any(|sign| stderr.contains(sign)) {
            return CheckResult::Retry(format!("the database accepts no connection: {words}"));
        }
        if NO_COMMAND.contains(&exit) {
            return CheckResult::Invalid(format!("the image has no client for its database: {words}"));
        }
        return refused(&words);
    }
    // Records of psql end with a zero, those of the others with their line.
    let end = if stdout.contains('\0') { '\0' } else { '\n' };
    let text = stdout.strip_suffix(end).unwrap_or(&stdout);
    let rows: Vec<String> = match text {
        "" if stdout.is_empty() => Vec::new(),
        // A single record of psql has no zero after it.
        text => text.split(end).map(|row| row.replace('\t', "|").trim_end_matches('\n').to_owned()).collect(),
    };
    to_rows(rows.len() as u64, rows.first().map(String::as_str), value, min_rows, mask)
}

/// Judges the rows of a query of an SQLite database.
pub(super) fn to_sqlite(queried: &Queried, value: Option<&str>, min_rows: u64, mask: &Mask) -> CheckResult {
    match queried {
        Queried::Rows { first, count } => to_rows(*count, first.as_deref(), value, min_rows, mask),
        Queried::Refused { words } => refused(&quoted(words, mask)),
        // SQLite finds the database damaged, but the running service may still repair it.
        Queried::Damaged { words } => CheckResult::Fail(format!(
            "expected a database, found one that SQLite calls damaged: {}",
            quoted(words, mask)
        )),
        Queried::Busy { why } => CheckResult::Retry(why.clone()),
        Queried::Missing { path } => {
            CheckResult::FailFinal(format!("expected the database {path}, and it is not there"))
        }
        Queried::NotAsked { why } => CheckResult::Invalid(quoted(why, mask)),
    }
}

fn refused(words: &str) -> CheckResult {
    if Regex::new(DAMAGE).is_ok_and(|damage| damage.is_match(words)) {
        return CheckResult::Damaged(format!("the database finds its data damaged: {words}"));
    }
    let missing = Regex::new(NO_TABLE).ok().and_then(|missing| missing.captures(words));
    if let Some(table) = missing.and_then(|found| found.iter().skip(1).flatten().next().map(|name| name.as_str())) {
        return CheckResult::Lacking { table: table.to_owned(), words: words.to_owned() };
    }
    CheckResult::Invalid(format!(
        "the database refuses the query: {words}. If the live database answers it, the restored data lacks what it \
         asks for"
    ))
}

fn to_rows(count: u64, first: Option<&str>, value: Option<&str>, min_rows: u64, mask: &Mask) -> CheckResult {
    if count < min_rows {
        return CheckResult::Fail(format!("expected at least {min_rows} rows, found {count}"));
    }
    match (value, first) {
        (None, _) => CheckResult::Pass,
        (Some(value), Some(found)) if value == found => CheckResult::Pass,
        (Some(value), Some(found)) => {
            CheckResult::Fail(format!("expected `{}`, found `{}`", quoted(value, mask), quoted(found, mask)))
        }
        (Some(value), None) => CheckResult::Fail(format!("expected `{}`, found no row", quoted(value, mask))),
    }
}

/// Judges a log.
pub(super) fn to_log(log: &[String], contains: Option<&str>, not_contains: Option<&str>, mask: &Mask) -> CheckResult {
    if let Some(pattern) = not_contains {
        match Regex::new(pattern) {
            Err(error) => return CheckResult::Invalid(error.to_string()),
            Ok(regex) => {
                if let Some(at) = log.iter().position(|line| regex.is_match(line)) {
                    let line = quoted_line(log, at, mask);
                    return CheckResult::FailFinal(format!("expected no line that matches `{pattern}`, found: {line}"));
                }
            }
        }
    }
    match contains.map(Regex::new) {
        None => CheckResult::Pass,
        Some(Err(error)) => CheckResult::Invalid(error.to_string()),
        Some(Ok(regex)) if log.iter().any(|line| regex.is_match(line)) => CheckResult::Pass,
        Some(Ok(regex)) => CheckResult::Fail(format!(
            "expected a line of its log that matches `{regex}`, found none in {} lines",
            log.len()
        )),
    }
}

/// Judges an HTTP response.
pub(super) fn to_http(ask: &HttpCheck, status: u16, body: &str, cut: bool, mask: &Mask) -> CheckResult {
    let said = quoted(body.trim(), mask);
    if status != ask.status {
        return CheckResult::Fail(format!("expected status {}, found {status}: {said}", ask.status));
    }
    if let Some(text) = ask.contains.as_ref().filter(|text| !body.contains(text.as_str())) {
        return CheckResult::Fail(format!("expected a body with `{text}`, found: {said}"));
    }
    match ask.matches.as_deref().map(Regex::new) {
        Some(Err(error)) => return CheckResult::Invalid(error.to_string()),
        Some(Ok(regex)) if !regex.is_match(body) => {
            return CheckResult::Fail(format!("expected a body that matches `{regex}`, found: {said}"));
        }
        _ => {}
    }
    if ask.json.is_empty() {
        return CheckResult::Pass;
    }
    let json: Value = match serde_json::from_str(body) {
        Ok(json) => json,
        Err(_) if cut => return CheckResult::Invalid("the body is too long to be read as JSON".to_owned()),
        Err(error) => return CheckResult::Fail(format!("expected a body of JSON ({error}), found: {said}")),
    };
    for (pointer, expected) in &ask.json {
        let found = json.pointer(pointer);
        match (found, expected) {
            (Some(found), Some(expected)) if is_same(found, expected) => {}
            (Some(_), None) => {}
            (Some(found), Some(expected)) => {
                let found = quoted(&found.to_string(), mask);
                return CheckResult::Fail(format!("expected {expected} at `{pointer}` of the body, found {found}"));
            }
            (None, _) => {
                return CheckResult::Fail(format!("expected something at `{pointer}` of the body, found: {said}"));
            }
        }
    }
    CheckResult::Pass
}

/// Whether two JSON values are the same; 1 and 1.0 are.
fn is_same(one: &Value, other: &Value) -> bool {
    one == other || one.as_f64().is_some_and(|number| other.as_f64() == Some(number))
}

/// `port 80` or `ports 80, 443`.
pub(super) fn ports(ports: &[u16]) -> String {
    let words = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    if ports.len() == 1 { format!("port {words}") } else { format!("ports {words}") }
}

/// The beginning of foreign text with secrets masked. Masked before it is cut, so that no half of a secret is left.
fn quoted(text: &str, mask: &Mask) -> String {
    let text: String = mask.apply(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.char_indices().nth(QUOTED) {
        _ if text.trim().is_empty() => "nothing".to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.trim_end().to_owned(),
    }
}

/// The beginning of a line of a log, as [`quoted`]. A secret may be written over it and the lines around it.
fn quoted_line(log: &[String], at: usize, mask: &Mask) -> String {
    let begin = at.saturating_sub(AROUND);
    let around = &log[begin..log.len().min(at + AROUND + 1)];
    // Each line is one line of the result, whatever it holds.
    let around: Vec<String> = around.iter().map(|line| line.replace('\r', " ")).collect();
    quoted(mask.apply_to_lines(&around).get(at - begin).map_or("", String::as_str), mask)
}

/// Base64 with padding, for HTTP's basic scheme.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for piece in bytes.chunks(3) {
        let bits = piece.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - piece.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= piece.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests;
