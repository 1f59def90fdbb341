//! The error of a call to the engine: the operation, the object, the kind of failure, and its cause.
//!
//! bollard's own error does not leave this room. Its text repeats the engine's message once a layer, so only the error
//! at its root is kept as the cause.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use bollard::errors::Error as Bollard;

use crate::model::mask::scrub;

/// A call to the engine that did not do what it should.
#[derive(Debug)]
pub struct DockerError {
    /// What was tried: `create volume`.
    pub operation: &'static str,
    /// On what: a name or id; may be empty.
    pub subject: String,
    /// What came of it.
    pub kind: DockerErrorKind,
    /// The cause below.
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

/// How a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DockerErrorKind {
    /// The engine does not answer, or the connection broke.
    #[error("the Docker engine does not answer")]
    Unreachable,
    /// The engine answers, but not to us (permission denied on the socket, TLS refused).
    #[error("not allowed to talk to the Docker engine")]
    Refused,
    /// There is no such object.
    #[error("not found: {0}")]
    NotFound(String),
    /// It is there already or in use.
    #[error("conflict: {0}")]
    Conflict(String),
    /// No address range is left for a network.
    #[error("no free address range is left for a network")]
    NetworksExhausted,
    /// No space left on the engine's disk.
    #[error("no space, or no inode for another file, is left on the engine's disk")]
    NoSpace,
    /// The engine took too long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The engine and we have no version of the API in common, or not the one that is asked for.
    #[error("{0}")]
    Version(String),
    /// Another refusal, in the engine's words.
    #[error("{0}")]
    Engine(String),
}

/// A result of the engine.
pub type Result<T> = std::result::Result<T, DockerError>;

impl fmt::Display for DockerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)?;
        if !self.subject.is_empty() {
            write!(f, " {}", self.subject)?;
        }
        match &self.kind {
            // Without this arm: "remove volume x: not found: No such volume: x".
            DockerErrorKind::NotFound(message) if message.is_empty() || message.trim_end().ends_with(&self.subject) => {
                f.write_str(": not found")
            }
            kind => write!(f, ": {kind}"),
        }
    }
}

impl StdError for DockerError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl DockerError {
    /// An error without a cause below it.
    pub(super) fn new(operation: &'static str, subject: impl Into<String>, kind: DockerErrorKind) -> Self {
        Self { operation, subject: subject.into(), kind, source: None }
    }

    /// An error with the text of what lies at its root.
    pub(super) fn caused(
        operation: &'static str,
        subject: impl Into<String>,
        kind: DockerErrorKind,
        cause: &(dyn StdError + 'static),
    ) -> Self {
        Self { operation, subject: subject.into(), kind, source: Some(Box::new(Root(root(cause).to_string()))) }
    }

    /// bollard's error in our words.
    pub(super) fn from_bollard(operation: &'static str, subject: &str, limit: Duration, error: &Bollard) -> Self {
        let kind = match error {
            Bollard::DockerResponseServerError { status_code, message } => {
                return Self::new(operation, subject, kind_of_answer(*status_code, message));
            }
            Bollard::DockerStreamError { error } => return Self::new(operation, subject, kind_of_answer(500, error)),
            Bollard::DockerContainerWaitError { error, .. } => DockerErrorKind::Engine(one_line(error)),
            Bollard::RequestTimeoutError => return Self::new(operation, subject, DockerErrorKind::Timeout(limit)),
            Bollard::SocketNotFoundError(_) => DockerErrorKind::Unreachable,
            // These are transparent: their `source()` skips the error that they hold.
            Bollard::IOError { err } => return Self::connection(operation, subject, err),
            Bollard::HyperResponseError { err } => return Self::connection(operation, subject, err),
            Bollard::HyperLegacyError { err } => return Self::connection(operation, subject, err),
            other => return Self::new(operation, subject, DockerErrorKind::Engine(one_line(&root(other).to_string()))),
        };
        Self::caused(operation, subject, kind, error)
    }

    /// The connection could not be made, or broke.
    fn connection(operation: &'static str, subject: &str, error: &(dyn StdError + 'static)) -> Self {
        let kind = chain(error).find_map(|error| kind_of_io(error.downcast_ref::<io::Error>()?));
        Self::caused(operation, subject, kind.unwrap_or(DockerErrorKind::Unreachable), error)
    }

    /// What the user can do about it, when that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match &self.kind {
            DockerErrorKind::Unreachable => {
                Some("see that the engine runs and that DOCKER_HOST, --host or the Docker context is right")
            }
            DockerErrorKind::Refused if self.subject.starts_with("unix:") => {
                Some("run as root, or as a user of the group that owns the socket (usually `docker`)")
            }
            DockerErrorKind::Refused => Some("see that the keys and certificates are the ones that this engine trusts"),
            DockerErrorKind::NetworksExhausted => Some(
                "`rehearsa clean` and `docker network prune` free address ranges; default-address-pools in daemon.json \
                 widens them",
            ),
            DockerErrorKind::NoSpace => {
                Some("free some space (`df`) or inodes (`df -i`) where the engine keeps its data")
            }
            DockerErrorKind::NotFound(_)
            | DockerErrorKind::Conflict(_)
            | DockerErrorKind::Timeout(_)
            | DockerErrorKind::Version(_)
            | DockerErrorKind::Engine(_) => None,
        }
    }
}

/// The text of a cause whose own layers say nothing more.
#[derive(Debug)]
struct Root(String);

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Root {}

/// The last error of the chain.
fn root<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    chain(error).last().unwrap_or(error)
}

/// The error and all that lies below it. An [`io::Error`] that only wraps another is stepped into, which its own
/// `source()` would skip.
pub(super) fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| below(*error))
}

fn below<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// What an I/O error of the connection means; `None` when it says nothing by itself.
pub(super) fn kind_of_io(error: &io::Error) -> Option<DockerErrorKind> {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Some(DockerErrorKind::Refused),
        io::ErrorKind::Other => None,
        _ => Some(DockerErrorKind::Unreachable),
    }
}

/// What the engine's answer means.
fn kind_of_answer(status: u16, message: &str) -> DockerErrorKind {
    let message = one_line(message);
    let lower = message.to_lowercase();
    if lower.contains("non-overlapping ipv4 address pool")
        || lower.contains("predefined address pools have been fully subnetted")
    {
        return DockerErrorKind::NetworksExhausted;
    }
    if lower.contains("no space left on device") {
        return DockerErrorKind::NoSpace;
    }
    match status {
        404 => DockerErrorKind::NotFound(message),
        409 => DockerErrorKind::Conflict(message),
        // Engines answer 403 when a network still has containers on it.
        403 if lower.contains("active endpoints") => DockerErrorKind::Conflict(message),
        401 => DockerErrorKind::Refused,
        _ if message.is_empty() => DockerErrorKind::Engine(format!("the engine answered with status {status}")),
        _ => DockerErrorKind::Engine(message),
    }
}

/// The message on one line, without the secrets that it quotes: the options of a volume, a command that is not found.
pub(super) fn one_line(message: &str) -> String {
    scrub(&message.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status_code: u16, message: &str) -> DockerError {
        let error = Bollard::DockerResponseServerError { status_code, message: message.to_owned() };
        DockerError::from_bollard("create network", "rehearsa-x", Duration::from_secs(120), &error)
    }

    /// The whole text as a reporter prints it, causes included.
    fn full(error: &DockerError) -> String {
        let mut text = error.to_string();
        let mut below = StdError::source(error);
        while let Some(cause) = below {
            text.push_str(&format!(": {cause}"));
            below = cause.source();
        }
        text
    }

    #[test]
    fn exhausted_address_pools_are_told_from_other_refusals() {
        for message in [
            "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the \
             network",
            "all predefined address pools have been fully subnetted",
        ] {
            assert_eq!(answer(400, message).kind, DockerErrorKind::NetworksExhausted);
            assert_eq!(answer(500, message).kind, DockerErrorKind::NetworksExhausted);
        }
        assert_eq!(
            full(&answer(500, "all predefined address pools have been fully subnetted")),
            "create network rehearsa-x: no free address range is left for a network"
        );
    }

    #[test]
    fn a_full_disk_is_told_whatever_the_status() {
        assert_eq!(answer(500, "mkdir /var/lib/docker/x: no space left on device").kind, DockerErrorKind::NoSpace);
    }

    #[test]
    fn the_engines_words_are_said_once() {
        assert_eq!(full(&answer(500, "driver failed:\n  oops")), "create network rehearsa-x: driver failed: oops");
        assert_eq!(full(&answer(409, "name in use")), "create network rehearsa-x: conflict: name in use");
        assert_eq!(full(&answer(502, "")), "create network rehearsa-x: the engine answered with status 502");
    }

    #[test]
    fn what_the_engine_quotes_is_free_of_secrets() {
        let message =
            "failed to mount local volume: mount //nas/x, data: username=bob,password=canary,vers=3.0: refused";
        let said = full(&answer(500, message));
        assert!(said.ends_with("data: username=bob,password=•••,vers=3.0: refused"), "{said}");
    }

    #[test]
    fn what_is_not_found_is_named_once_unless_it_is_something_else() {
        assert_eq!(
            full(&answer(404, "network rehearsa-x not found: rehearsa-x")),
            "create network rehearsa-x: not found"
        );
        assert_eq!(
            full(&answer(404, "No such image: a:b")),
            "create network rehearsa-x: not found: No such image: a:b"
        );
    }

    #[test]
    fn a_network_in_use_is_a_conflict() {
        assert!(matches!(answer(403, "network x has active endpoints").kind, DockerErrorKind::Conflict(_)));
        assert!(matches!(answer(403, "forbidden").kind, DockerErrorKind::Engine(_)));
    }

    #[test]
    fn a_broken_connection_has_its_root_as_cause_and_nothing_twice() {
        for (kind, expected) in [
            (io::ErrorKind::ConnectionRefused, DockerErrorKind::Unreachable),
            (io::ErrorKind::NotFound, DockerErrorKind::Unreachable),
            (io::ErrorKind::BrokenPipe, DockerErrorKind::Unreachable),
            (io::ErrorKind::UnexpectedEof, DockerErrorKind::Unreachable),
            (io::ErrorKind::PermissionDenied, DockerErrorKind::Refused),
        ] {
            let error = Bollard::IOError { err: io::Error::new(kind, "below") };
            let error = DockerError::from_bollard("list", "", Duration::ZERO, &error);
            assert_eq!(error.kind, expected);
            assert_eq!(full(&error), format!("list: {expected}: below"));
        }
    }

    #[test]
    fn a_timeout_says_how_long_it_waited() {
        let error = DockerError::from_bollard("start", "x", Duration::from_secs(120), &Bollard::RequestTimeoutError);
        assert_eq!(full(&error), "start x: no answer within 120s");
    }

    #[test]
    fn hints_fit_the_way_the_engine_is_talked_to() {
        let socket = DockerError::new("connect to", "unix:///var/run/docker.sock", DockerErrorKind::Refused);
        assert!(socket.hint().is_some_and(|hint| hint.contains("docker")));
        let tls = DockerError::new("connect to", "tcp://nas:2376", DockerErrorKind::Refused);
        assert!(tls.hint().is_some_and(|hint| hint.contains("certificates")));
        assert_eq!(answer(409, "in use").hint(), None);
    }
}
