//! Questions of the user's own to a booted service, and what is to be answered.

use std::fmt;
use std::time::Duration;

use super::check::{CheckKind, CheckSummary, Proof};
use super::mask::{HIDDEN, Mask, scrub};
use super::source::SecretPlace;

/// Characters of a question that a report shows.
const SHOWN: usize = 120;

/// A question of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What the user calls it; else what is asked.
    pub name: String,
    /// What is asked.
    pub ask: CheckSpec,
}

/// What is asked, and what is to be answered. Patterns are regular expressions that were found to be such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckSpec {
    /// A command is run in the service's container.
    Exec {
        /// The program and its arguments.
        command: Vec<String>,
        /// It ends with this exit code.
        exit: i64,
        /// A pattern of what it prints.
        stdout: Option<String>,
    },
    /// A file or folder is there, in a mount of the service.
    File {
        /// Its path in the container.
        path: String,
        /// It has so many bytes at least.
        min_size: Option<u64>,
        /// Its SHA-256 in lower-case hexadecimal.
        sha256: Option<String>,
        /// It was changed no longer ago than this.
        newer_than: Option<Duration>,
    },
    /// The service's log so far.
    Log {
        /// A pattern that is in it.
        contains: Option<String>,
        /// A pattern that is not in it.
        not_contains: Option<String>,
    },
    /// A request from inside the sandbox.
    Http(Box<HttpCheck>),
    /// TCP ports are listened on.
    Tcp {
        /// The ports.
        ports: Vec<u16>,
    },
    /// A query by the client of the service's own image, as PostgreSQL's and MariaDB's have one.
    Sql {
        /// The query.
        query: String,
        /// The database; `None`: the one that the image's variables name.
        database: Option<String>,
        /// The first row, its columns joined by `|`.
        value: Option<String>,
        /// So many rows at least.
        min_rows: u64,
    },
    /// A query of an SQLite database in a mount of the service, which no client of the image is needed for.
    Sqlite {
        /// The database's path in the container.
        path: String,
        /// The query; it only reads.
        query: String,
        /// The first row, its columns joined by `|`.
        value: Option<String>,
        /// So many rows at least.
        min_rows: u64,
    },
}

/// A request and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    /// `GET`, …
    pub method: String,
    /// The path, with a slash first; a query may follow it.
    pub path: String,
    /// The port.
    pub port: u16,
    /// It speaks TLS; no certificate is checked, for in a sandbox none can be right.
    pub tls: bool,
    /// Headers beside the usual ones.
    pub headers: Vec<(String, HeaderValue)>,
    /// Name and password of the basic scheme.
    pub login: Option<(String, SecretPlace)>,
    /// The status of the answer.
    pub status: u16,
    /// A text that is in the body.
    pub contains: Option<String>,
    /// A pattern of the body.
    pub matches: Option<String>,
    /// Values in the body, by their JSON pointers; `None`: any value.
    pub json: Vec<(String, Option<serde_json::Value>)>,
}

/// The value of a header; never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// As it is written. It may be a secret all the same, so that it is not shown.
    Text(String),
    /// Found elsewhere.
    Secret(SecretPlace),
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Check {
    /// A question; without a name it is called by what it asks.
    pub fn new(name: Option<String>, ask: CheckSpec) -> Self {
        Self { name: name.unwrap_or_else(|| ask.words()), ask }
    }

    /// As plans and reports have it.
    pub fn check(&self) -> CheckSummary {
        let of_data = self.ask.proof() == Proof::DataProven;
        CheckSummary::Own { name: self.name.clone(), how: self.ask.manner(), asks: self.ask.words(), of_data }
    }

    /// Whatever of it must not be shown when somebody says it.
    pub fn mask(&self) -> Mask {
        match &self.ask {
            CheckSpec::Exec { command, .. } => Mask::of_arguments(command),
            CheckSpec::Http(ask) => {
                let texts = ask.headers.iter().filter_map(|(_, value)| match value {
                    HeaderValue::Text(text) => Some(text.as_str()),
                    HeaderValue::Secret(_) => None,
                });
                Mask::of_secrets(texts)
            }
            CheckSpec::File { .. }
            | CheckSpec::Log { .. }
            | CheckSpec::Tcp { .. }
            | CheckSpec::Sql { .. }
            | CheckSpec::Sqlite { .. } => Mask::default(),
        }
    }
}

impl CheckSpec {
    /// How it is asked.
    pub fn manner(&self) -> CheckKind {
        match self {
            CheckSpec::Exec { .. } => CheckKind::Exec,
            CheckSpec::File { .. } => CheckKind::File,
            CheckSpec::Log { .. } => CheckKind::Log,
            CheckSpec::Http(_) => CheckKind::Http,
            CheckSpec::Tcp { .. } => CheckKind::Tcp,
            CheckSpec::Sql { .. } => CheckKind::Sql,
            CheckSpec::Sqlite { .. } => CheckKind::Sqlite,
        }
    }

    /// What a right answer shows.
    pub fn proof(&self) -> Proof {
        match self {
            CheckSpec::Exec { .. } | CheckSpec::File { .. } | CheckSpec::Sql { .. } | CheckSpec::Sqlite { .. } => {
                Proof::DataProven
            }
            CheckSpec::Http(ask) if ask.asks_for_content() => Proof::DataProven,
            CheckSpec::Http(_) | CheckSpec::Tcp { .. } => Proof::Listening,
            CheckSpec::Log { .. } => Proof::Running,
        }
    }

    /// What is asked, for people; free of secrets.
    pub fn words(&self) -> String {
        let words = match self {
            CheckSpec::Exec { command, .. } => {
                let shell = matches!(command.as_slice(), [sh, c, _] if sh == "sh" && c == "-c");
                let words = if shell { command[2].clone() } else { command.join(" ") };
                format!("exec {}", Mask::of_arguments(command).apply(&words))
            }
            CheckSpec::File { path, .. } => format!("file {path}"),
            CheckSpec::Log { contains: Some(pattern), not_contains: None } => format!("log has {pattern}"),
            CheckSpec::Log { contains: Some(pattern), not_contains: Some(other) } => {
                format!("log has {pattern} and not {other}")
            }
            CheckSpec::Log { not_contains, .. } => {
                format!("log has no {}", not_contains.as_deref().unwrap_or_default())
            }
            CheckSpec::Http(ask) => {
                let scheme = if ask.tls { "https" } else { "http" };
                format!("{} {scheme}://localhost:{}{}", ask.method, ask.port, ask.path)
            }
            CheckSpec::Tcp { ports } => {
                format!("tcp {}", ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", "))
            }
            CheckSpec::Sql { query, .. } => format!("sql {query}"),
            CheckSpec::Sqlite { path, query, .. } => format!("sqlite {path} {query}"),
        };
        let words = scrub(&words.split_whitespace().collect::<Vec<_>>().join(" "));
        match words.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &words[..end]),
            None => words,
        }
    }
}

impl HttpCheck {
    /// The body is asked for, too, and not only the status.
    pub fn asks_for_content(&self) -> bool {
        self.contains.is_some() || self.matches.is_some() || !self.json.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(command: &[&str]) -> CheckSpec {
        CheckSpec::Exec { command: command.iter().map(|&word| word.to_owned()).collect(), exit: 0, stdout: None }
    }

    #[test]
    fn what_is_asked_is_said_in_one_line_without_secrets() {
        assert_eq!(exec(&["test", "-s", "/data/x"]).words(), "exec test -s /data/x");
        assert_eq!(exec(&["sh", "-c", "a |\n  b"]).words(), "exec a | b");
        let shown = exec(&["psql", "--password=fixture-Own-secret", "PGPASSWORD=fixture-Own-secret"]).words();
        assert!(!shown.contains("fixture-Own-secret"), "{shown}");
        assert_eq!(exec(&["sh", "-c", &"ä".repeat(500)]).words().chars().count(), SHOWN + 1);
    }

    #[test]
    fn only_what_asks_the_data_proves_it() {
        assert_eq!(exec(&["true"]).proof(), Proof::DataProven);
        let query = "SELECT 1".to_owned();
        let sqlite = CheckSpec::Sqlite { path: "/data/app.db".to_owned(), query, value: None, min_rows: 1 };
        assert_eq!((sqlite.proof(), sqlite.words()), (Proof::DataProven, "sqlite /data/app.db SELECT 1".to_owned()));
        assert_eq!(CheckSpec::Tcp { ports: vec![80] }.proof(), Proof::Listening);
        assert!(Proof::DataProven > Proof::Healthy);
        let ask = HttpCheck {
            method: "GET".to_owned(),
            path: "/notes".to_owned(),
            port: 80,
            tls: false,
            headers: Vec::new(),
            login: None,
            status: 200,
            contains: None,
            matches: None,
            json: Vec::new(),
        };
        assert_eq!(CheckSpec::Http(Box::new(ask.clone())).proof(), Proof::Listening);
        assert_eq!(
            CheckSpec::Http(Box::new(HttpCheck { contains: Some("x".to_owned()), ..ask })).proof(),
            Proof::DataProven
        );
    }
}
