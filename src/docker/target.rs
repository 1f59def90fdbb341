//! Where an engine is: the addresses that people write, taken apart.

use std::fmt;
use std::path::PathBuf;

use crate::model::mask::HIDDEN;

/// Where the engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A Unix socket.
    Unix(PathBuf),
    /// Plain HTTP.
    Tcp(String),
    /// HTTP with TLS, keys from this folder (`ca.pem`, `cert.pem`, `key.pem`).
    Tls {
        /// `host:port`.
        address: String,
        /// The folder.
        certs: PathBuf,
    },
    /// Over SSH (`user@host:port`, and the path of a socket over there if it is not the usual one).
    Ssh(String),
}

/// A setting that does not say where the engine is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {problem}")]
pub struct ConnectError {
    /// Where the setting came from: `--host`, `DOCKER_HOST`, a file.
    pub origin: String,
    /// What is wrong with it and what would be understood.
    pub problem: String,
}

impl ConnectError {
    pub(super) fn new(origin: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { origin: origin.into(), problem: problem.into() }
    }
}

/// What an address may look like.
pub(super) const UNDERSTOOD: &str =
    "understood are unix:///path/of/docker.sock, tcp://host:port, https://host:port and ssh://user@host";

/// The engine's port for plain HTTP.
pub(super) const PLAIN_PORT: u16 = 2375;
/// The engine's port for TLS.
pub(super) const TLS_PORT: u16 = 2376;

/// An address taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address {
    Unix(PathBuf),
    Ssh(String),
    Tcp { host: String, port: Option<u16>, tls: bool },
}

impl Address {
    /// The target, with TLS when there are keys for it.
    pub(super) fn with_keys(self, certs: Option<PathBuf>) -> Target {
        match (self, certs) {
            (Address::Unix(path), _) => Target::Unix(path),
            (Address::Ssh(place), _) => Target::Ssh(place),
            (Address::Tcp { host, port, .. }, Some(certs)) => {
                Target::Tls { address: format!("{host}:{}", port.unwrap_or(TLS_PORT)), certs }
            }
            (Address::Tcp { host, port, .. }, None) => Target::Tcp(format!("{host}:{}", port.unwrap_or(PLAIN_PORT))),
        }
    }
}

/// An address as it may be shown: no address of an engine has a password, and people write one all the same.
fn without_password(text: &str) -> String {
    let (scheme, rest) = text.split_at(text.find("://").map_or(0, |at| at + 3));
    let login = rest.rsplit_once('@').and_then(|(login, host)| Some((login.split_once(':')?.0, host)));
    login.map_or_else(|| text.to_owned(), |(user, host)| format!("{scheme}{user}:{HIDDEN}@{host}"))
}

/// Takes an address apart.
pub(super) fn split(text: &str, origin: &str) -> Result<Address, ConnectError> {
    let bad = |why: &str| ConnectError::new(origin, format!("`{}` {why}; {UNDERSTOOD}", without_password(text)));
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None if text.starts_with('/') => return Err(bad("has no scheme")),
        // `host:port` alone, as the Docker CLI takes it.
        None => ("tcp".to_owned(), text),
    };
    match scheme.as_str() {
        "unix" if rest.starts_with('/') => Ok(Address::Unix(PathBuf::from(rest))),
        "unix" => Err(bad("names no absolute path")),
        "ssh" => {
            let place = rest.trim_end_matches('/');
            SshAddress::parse(place).map_err(|why| bad(&why))?;
            Ok(Address::Ssh(place.to_owned()))
        }
        "tcp" | "http" | "https" => {
            let (host, port) =
                host_and_port(rest.trim_end_matches('/')).ok_or_else(|| bad("is not a host and a port"))?;
            Ok(Address::Tcp { host, port, tls: scheme == "https" })
        }
        "npipe" => Err(bad("is a Windows pipe")),
        _ => Err(bad("has an unknown scheme")),
    }
}

/// `host`, `host:port`, `[v6]:port`.
pub(super) fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if text.starts_with('[') {
        let end = text.find(']')?;
        text[1..end].parse::<std::net::Ipv6Addr>().ok()?;
        let (host, rest) = text.split_at(end + 1);
        (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let port = port.map(str::parse::<u16>).transpose().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-[]:".contains(&byte);
    (!host.is_empty() && !host.starts_with('-') && host.bytes().all(plain)).then(|| (host.to_owned(), port))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Unix(path) => write!(f, "unix://{}", path.display()),
            Target::Tcp(address) => write!(f, "tcp://{address}"),
            Target::Tls { address, .. } => write!(f, "https://{address}"),
            Target::Ssh(place) => write!(f, "ssh://{place}"),
        }
    }
}

/// The address of an engine that `ssh` leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SshAddress {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    /// The engine's socket over there; `None` for its usual one.
    socket: Option<String>,
}

impl SshAddress {
    /// `[user@]host[:port][/path/of/docker.sock]`; an error says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (login, socket) = match text.find('/') {
            Some(at) => (&text[..at], Some(text[at..].to_owned())),
            None => (text, None),
        };
        let (user, address) = match login.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, login),
        };
        let plain =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/+".contains(&b));
        if user.is_some_and(|user| user.contains(':')) {
            return Err("holds a password, which ssh does not take".to_owned());
        }
        // Neither may be taken for an option of ssh, nor for shell syntax over there.
        if user.is_some_and(|user| !plain(user) || user.starts_with('-'))
            || socket.as_deref().is_some_and(|path| !plain(path))
        {
            return Err("is not user, host and path".to_owned());
        }
        let (host, port) = host_and_port(address).ok_or("is not a user and a host")?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { user: user.map(str::to_owned), host, port, socket })
    }

    /// The arguments of `ssh`. Nobody is there to be asked for a password, and a host that does not answer is given up.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> =
            ["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30"].map(str::to_owned).into();
        if let Some(user) = &self.user {
            arguments.extend(["-l".to_owned(), user.clone()]);
        }
        if let Some(port) = self.port {
            arguments.extend(["-p".to_owned(), port.to_string()]);
        }
        arguments.extend(["--".to_owned(), self.host.clone(), "docker".to_owned()]);
        if let Some(socket) = &self.socket {
            arguments.extend(["--host".to_owned(), format!("unix://{socket}")]);
        }
        arguments.extend(["system", "dial-stdio"].map(str::to_owned));
        arguments
    }
}
