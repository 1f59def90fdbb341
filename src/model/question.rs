//! Checks that the user wrote: the question to a booted service and the expected answer.

use std::fmt;
use std::time::Duration;

use super::check::{CheckKind, CheckSummary, Proof};
use super::mask::{HIDDEN, Mask, scrub};
use super::source::SecretPlace;

/// Most characters of a question that a report shows.
const SHOWN: usize = 120;

/// A check that the user wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Name of the check; the question in words if the user gave no name.
    pub name: String,
    /// The question and the expected answer.
    pub ask: CheckSpec,
}

/// The question and the expected answer of a check. Patterns are regular expressions that have been parsed before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckSpec {
    /// Runs a command in the service's container.
    Exec {
        /// The program and its arguments.
        command: Vec<String>,
        /// The expected exit code.
        exit: i64,
        /// Pattern that the command's standard output must match.
        stdout: Option<String>,
    },
    /// Looks for a file or folder in a mount of the service.
    File {
        /// Path in the container.
        path: String,
        /// Smallest size in bytes.
        min_size: Option<u64>,
        /// SHA-256 of the content, in lower-case hexadecimal.
        sha256: Option<String>,
        /// Greatest age of the last change.
        newer_than: Option<Duration>,
    },
    /// Looks into the service's log so far.
    Log {
        /// Pattern that the log must have.
        contains: Option<String>,
        /// Pattern that the log must not have.
        not_contains: Option<String>,
    },
    /// Sends a request from inside the sandbox.
    Http(Box<HttpCheck>),
    /// Waits for TCP ports to be listened on.
    Tcp { ports: Vec<u16> },
    /// Runs a query with the client of the service's own image (PostgreSQL, MariaDB, MySQL).
    Sql {
        query: String,
        /// The database; `None`: the one that the container's variables name.
        database: Option<String>,
        /// The expected first row, its columns joined by `|`.
        value: Option<String>,
        /// Least number of rows.
        min_rows: u64,
    },
    /// Runs a query on an SQLite database in a mount; the image needs no client.
    Sqlite {
        /// Path of the database in the container.
        path: String,
        /// The query, which only reads.
        query: String,
        /// The expected first row, its columns joined by `|`.
        value: Option<String>,
        /// Least number of rows.
        min_rows: u64,
    },
}

/// An HTTP request and the expected answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    /// The method: `GET`, …
    pub method: String,
    /// Path that begins with a slash; a query may follow it.
    pub path: String,
    pub port: u16,
    /// The request uses TLS. Certificates are not verified, since none can be right in a sandbox.
    pub tls: bool,
    /// Additional headers.
    pub headers: Vec<(String, HeaderValue)>,
    /// User name and password of basic authentication.
    pub login: Option<(String, SecretPlace)>,
    /// The expected status.
    pub status: u16,
    /// Text that the body must have.
    pub contains: Option<String>,
    /// Pattern that the body must match.
    pub matches: Option<String>,
    /// Expected values in the body by JSON pointer; `None`: any value.
    pub json: Vec<(String, Option<serde_json::Value>)>,
}

/// The value of a header; never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// The value itself. It may be a secret, so it is not shown.
    Text(String),
    /// The value is a secret that is kept elsewhere.
    Secret(SecretPlace),
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Check {
    /// Makes a check. Without a name it is called by its question in words.
    pub fn new(name: Option<String>, ask: CheckSpec) -> Self {
        Self { name: name.unwrap_or_else(|| ask.words()), ask }
    }

    /// The check as plans and reports show it.
    pub fn check(&self) -> CheckSummary {
        let of_data = self.ask.asks_the_data();
        CheckSummary::Own { name: self.name.clone(), how: self.ask.manner(), asks: self.ask.words(), of_data }
    }

    /// A mask for the secrets of the check.
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
    /// Kind of the check.
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

    /// Whether only a service that is up can answer.
    pub fn asks_the_service(&self) -> bool {
        matches!(self, CheckSpec::Http(_) | CheckSpec::Tcp { .. } | CheckSpec::Sql { .. })
    }

    /// Whether only the restored data can give the right answer.
    pub fn asks_the_data(&self) -> bool {
        self.proof() == Proof::DataProven
    }

    /// The proof that a right answer gives.
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

    /// The question in words, for people; free of secrets.
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
    /// Whether the check needs the body of the answer, and not only the status.
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
