//! Checks of a service's owner: the values that plan file and labels share, and the short form of a label.
//!
//! `rehearsa.check.NAME` is `exec COMMAND` (run by the shell), `file PATH`, `log PATTERN`, `http [METHOD] PORT/PATH
//! [TEXT]`, `tcp PORT[,PORT]`, `sql QUERY` or `sqlite PATH QUERY`. Checks with further keys need the plan file.

use regex::Regex;

use super::suggest::suggestion;
use crate::config::declared::CHECK;
use crate::config::error::{ConfigError, SettingOrigin};
use crate::model::check::CheckKind;
use crate::model::question::{Check, CheckSpec, HttpCheck};

const SQLITE_EXAMPLE: &str = "sqlite /data/app.db SELECT 1 FROM notes LIMIT 1";

/// The methods that a check may use. `POST` and the like can change data; some services answer to nothing else.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Checks a regular expression. The error says what is wrong with it.
pub fn pattern(text: &str) -> Result<String, String> {
    match Regex::new(text) {
        Ok(_) => Ok(text.to_owned()),
        // The last line says what is wrong; those before it draw an arrow, which would not fit.
        Err(error) => {
            let error = error.to_string();
            let why = error.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
            Err(format!("`{text}` is no regular expression: {why}"))
        }
    }
}

/// Checks a JSON pointer; the empty one is the whole document.
pub fn pointer(text: &str) -> Result<String, String> {
    let escapes = text.match_indices('~').all(|(at, _)| matches!(text.as_bytes().get(at + 1), Some(b'0' | b'1')));
    if (text.is_empty() || text.starts_with('/')) && escapes {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is no JSON pointer; write it as `/items/0/name`"))
    }
}

/// Checks a word of a command: no program can be given a NUL.
pub fn command(text: &str) -> Result<&str, String> {
    if text.contains('\0') { Err("a command cannot have the character NUL in it".to_owned()) } else { Ok(text) }
}

/// Reads a port, which is not 0.
pub fn port(text: &str) -> Result<u16, String> {
    match text.trim().parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("`{text}` is no port; there are 1 to 65535")),
    }
}

/// Checks a method of HTTP; the error names the nearest.
pub fn method(text: &str) -> Result<String, String> {
    if METHODS.contains(&text) {
        return Ok(text.to_owned());
    }
    let hint = suggestion(text, METHODS).unwrap_or_else(|| format!("there are {}", METHODS.join(", ")));
    Err(format!("`{text}` is no method of HTTP; {hint}"))
}

/// Checks the path of a request: ASCII that begins with a slash.
pub fn path(text: &str) -> Result<String, String> {
    let clean = text.bytes().all(|byte| byte.is_ascii_graphic());
    if clean && text.starts_with('/') {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{text}` is not the path of a request; it must begin with `/`, and other characters than ASCII are \
             written as `%C3%A9`"
        ))
    }
}

/// Checks the path of a file in a container: absolute and without `..`.
pub fn file(text: &str) -> Result<String, String> {
    let steps_out = text.split('/').any(|part| part == "..");
    if text.starts_with('/') && !steps_out && !text.contains('\0') {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is no path in a container; it begins with a slash and has no `..`"))
    }
}

/// Reads a SHA-256 and returns it in lower case.
pub fn sha256(text: &str) -> Result<String, String> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_lowercase())
    } else {
        Err(format!("`{text}` is no SHA-256, which has 64 digits of 0 to 9 and a to f"))
    }
}

/// The arguments that run a command by the shell.
pub fn shell(command: &str) -> Vec<String> {
    ["sh", "-c", command].map(str::to_owned).to_vec()
}

/// A GET request that expects status 200.
pub fn plain_request(port: u16, path: String) -> HttpCheck {
    HttpCheck {
        method: "GET".to_owned(),
        path,
        port,
        tls: false,
        headers: Vec::new(),
        login: None,
        status: 200,
        contains: None,
        matches: None,
        json: Vec::new(),
    }
}

/// Reads the check of a label; `name` is what follows `rehearsa.check.`.
pub fn of_label(origin: &SettingOrigin, name: &str, value: &str) -> Result<Check, ConfigError> {
    let wrong = |expected: String| ConfigError::Entry { origin: origin.clone(), what: expected };
    let value = value.trim();
    let (kind, rest) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    let rest = rest.trim();
    if name.trim().is_empty() {
        return Err(wrong(format!("the check has no name; write {CHECK}NAME")));
    }
    let Some(manner) = CheckKind::ALL.into_iter().find(|manner| manner.name() == kind) else {
        let kinds = CheckKind::ALL.map(CheckKind::name);
        let hint = suggestion(kind, kinds).unwrap_or_else(|| format!("there are {}", kinds.join(", ")));
        return Err(wrong(format!("`{kind}` is no kind of check; {hint}")));
    };
    if rest.is_empty() {
        let example = match manner {
            CheckKind::Exec => "exec test -s /data/app.db",
            CheckKind::File => "file /data/app.db",
            CheckKind::Log => "log ready to accept connections",
            CheckKind::Http => "http 8080/notes remembered",
            CheckKind::Tcp => "tcp 5432",
            CheckKind::Sql => "sql SELECT 1 FROM notes LIMIT 1",
            CheckKind::Sqlite => SQLITE_EXAMPLE,
        };
        return Err(wrong(format!("this asks nothing; write it as `{example}`")));
    }
    let ask = match manner {
        CheckKind::Exec => CheckSpec::Exec { command: shell(command(rest).map_err(wrong)?), exit: 0, stdout: None },
        CheckKind::File => {
            let path = file(rest).map_err(wrong)?;
            CheckSpec::File { path, min_size: None, sha256: None, newer_than: None }
        }
        CheckKind::Log => CheckSpec::Log { contains: Some(pattern(rest).map_err(wrong)?), not_contains: None },
        CheckKind::Http => CheckSpec::Http(Box::new(request(rest).map_err(wrong)?)),
        CheckKind::Tcp => CheckSpec::Tcp { ports: rest.split(',').map(port).collect::<Result<_, _>>().map_err(wrong)? },
        CheckKind::Sql => CheckSpec::Sql { query: rest.to_owned(), database: None, value: None, min_rows: 1 },
        CheckKind::Sqlite => {
            let (path, query) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let path = file(path).map_err(wrong)?;
            if query.trim().is_empty() {
                return Err(wrong(format!("this asks {path} nothing; write it as `{SQLITE_EXAMPLE}`")));
            }
            CheckSpec::Sqlite { path, query: query.trim().to_owned(), value: None, min_rows: 1 }
        }
    };
    Ok(Check::new(Some(name.to_owned()), ask))
}

/// Reads `[METHOD] PORT/PATH [TEXT]`.
fn request(text: &str) -> Result<HttpCheck, String> {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let (said, place, rest) = if first.starts_with(|c: char| c.is_ascii_digit() || c == ':') {
        (None, first, rest.trim())
    } else {
        let rest = rest.trim();
        let (place, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        (Some(method(first)?), place, rest.trim())
    };
    let place = place.trim_start_matches(':');
    let (number, target) = place.split_once('/').unwrap_or((place, ""));
    let mut ask = plain_request(port(number)?, path(&format!("/{target}"))?);
    ask.method = said.unwrap_or(ask.method);
    ask.contains = Some(rest).filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(ask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<CheckSpec, String> {
        let origin = SettingOrigin::Label { container: "web_1".to_owned(), key: format!("{CHECK}note") };
        let read = of_label(&origin, "note", value);
        read.map(|question| question.ask).map_err(|error| error.to_string())
    }

    #[test]
    fn every_short_form_is_read() {
        let exec = CheckSpec::Exec { command: shell("test -s /data/x"), exit: 0, stdout: None };
        assert_eq!(read(" exec  test -s /data/x "), Ok(exec));
        assert_eq!(read("tcp 80, 443"), Ok(CheckSpec::Tcp { ports: vec![80, 443] }));
        assert_eq!(read("log ^ready"), Ok(CheckSpec::Log { contains: Some("^ready".to_owned()), not_contains: None }));
        let sql = CheckSpec::Sql { query: "SELECT 1".to_owned(), database: None, value: None, min_rows: 1 };
        assert_eq!(read("sql SELECT 1"), Ok(sql));
        let (path, query) = ("/data/app.db".to_owned(), "SELECT 1 FROM notes".to_owned());
        let sqlite = CheckSpec::Sqlite { path, query, value: None, min_rows: 1 };
        assert_eq!(read("sqlite  /data/app.db  SELECT 1 FROM notes"), Ok(sqlite));
        let get = plain_request(8080, "/notes".to_owned());
        assert_eq!(read("http 8080/notes"), Ok(CheckSpec::Http(Box::new(get.clone()))));
        let text = HttpCheck { contains: Some("to be remembered".to_owned()), ..get.clone() };
        assert_eq!(read("http :8080/notes to be remembered"), Ok(CheckSpec::Http(Box::new(text))));
        let head = HttpCheck { method: "HEAD".to_owned(), path: "/".to_owned(), ..get };
        assert_eq!(read("http HEAD 8080"), Ok(CheckSpec::Http(Box::new(head))));
    }

    #[test]
    fn what_is_wrong_with_a_short_form_is_told_with_its_label() {
        let told = |value, expected: &str| {
            let told = read(value).expect_err(value);
            assert_eq!(told, format!("label rehearsa.check.note of container web_1: {expected}"));
        };
        told("exce true", "`exce` is no kind of check; did you mean `exec`?");
        told("", "`` is no kind of check; there are exec, file, log, http, tcp, sql, sqlite");
        told("sqlite data/x SELECT 1", "`data/x` is no path in a container; it begins with a slash and has no `..`");
        told("sqlite /x", "this asks /x nothing; write it as `sqlite /data/app.db SELECT 1 FROM notes LIMIT 1`");
        told("exec", "this asks nothing; write it as `exec test -s /data/app.db`");
        told("tcp 80,0", "`0` is no port; there are 1 to 65535");
        told("log (", "`(` is no regular expression: unclosed group");
        told("http GETT 80/", "`GETT` is no method of HTTP; did you mean `GET`?");
    }

    #[test]
    fn pointers_begin_with_a_slash_and_have_no_other_escapes() {
        for right in ["", "/", "/a/0", "/a~1b/~0"] {
            assert_eq!(pointer(right), Ok(right.to_owned()));
        }
        for wrong in ["a", "/a~2", "/a~"] {
            assert!(pointer(wrong).is_err(), "{wrong}");
        }
    }
}
