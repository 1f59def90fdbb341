//! Which engine to talk to: the flag, the environment and the Docker CLI's contexts, resolved as the Docker CLI does.
//!
//! Everything comes in as values ([`ConnectInputs`]); only the context files are read here.

use std::fmt;
use std::path::{Path, PathBuf};

use super::context;

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

/// What the user said about the engine, as found in flags and environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectInputs {
    /// `-H`, `--host`.
    pub host_flag: Option<String>,
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// `DOCKER_TLS_VERIFY`; set but empty means off.
    pub tls_verify: Option<String>,
    /// `DOCKER_CERT_PATH`.
    pub cert_path: Option<PathBuf>,
    /// `DOCKER_CONTEXT`.
    pub docker_context: Option<String>,
    /// `DOCKER_CONFIG`, else `~/.docker`.
    pub docker_config_dir: Option<PathBuf>,
    /// `DOCKER_API_VERSION`.
    pub api_version: Option<String>,
    /// `XDG_RUNTIME_DIR`: where the socket of a rootless engine is.
    pub runtime_dir: Option<PathBuf>,
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

/// The socket when nothing is said.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// What an address may look like.
const UNDERSTOOD: &str =
    "understood are unix:///path/of/docker.sock, tcp://host:port, https://host:port and ssh://user@host";

impl Target {
    /// The engine that the inputs name, in the Docker CLI's order: flag, `DOCKER_HOST`, `DOCKER_CONTEXT`, the current
    /// context, the usual socket.
    pub fn resolve(inputs: &ConnectInputs) -> Result<Target, ConnectError> {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.trim().is_empty());
        if let Some(host) = given(&inputs.host_flag) {
            return parse(host.trim(), "--host", inputs);
        }
        if let Some(host) = given(&inputs.docker_host) {
            return parse(host.trim(), "DOCKER_HOST", inputs);
        }
        let named = match given(&inputs.docker_context) {
            Some(name) => Some((name, "DOCKER_CONTEXT".to_owned())),
            None => context::current(inputs.docker_config_dir.as_deref())?,
        };
        match named {
            Some((name, origin)) if name != "default" => {
                context::target(inputs.docker_config_dir.as_deref(), &name, &origin)
            }
            _ => Ok(Target::Unix(default_socket(inputs.runtime_dir.as_deref()))),
        }
    }
}

impl ConnectInputs {
    /// The API version that the user insists on.
    pub fn api_version(&self) -> Result<Option<(u16, u16)>, ConnectError> {
        let Some(text) = self.api_version.as_deref().map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        parse_version(text).map(Some).ok_or_else(|| {
            ConnectError::new(
                "DOCKER_API_VERSION",
                format!("`{text}` is not an API version; understood is `1.41` and the like"),
            )
        })
    }
}

/// `1.41` as numbers.
pub(super) fn parse_version(text: &str) -> Option<(u16, u16)> {
    let (major, minor) = text.trim_start_matches('v').split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The usual socket; a rootless engine's when only that one is there.
fn default_socket(runtime_dir: Option<&Path>) -> PathBuf {
    let usual = PathBuf::from(DEFAULT_SOCKET);
    let rootless = runtime_dir.map(|dir| dir.join("docker.sock"));
    match rootless {
        Some(rootless) if !usual.exists() && rootless.exists() => rootless,
        _ => usual,
    }
}

/// An address with the TLS settings of the environment.
fn parse(host: &str, origin: &str, inputs: &ConnectInputs) -> Result<Target, ConnectError> {
    let verify = inputs.tls_verify.as_deref().is_some_and(|value| !value.is_empty());
    let certs = inputs.cert_path.clone().filter(|path| !path.as_os_str().is_empty());
    match split(host, origin)? {
        Address::Unix(path) => Ok(Target::Unix(path)),
        Address::Ssh(place) => Ok(Target::Ssh(place)),
        Address::Tcp { host: name, port, tls } => {
            // Port 2376 is the one for TLS; certificates with it mean that TLS is wanted.
            let tls = tls || verify || (port == Some(TLS_PORT) && certs.is_some());
            if !tls {
                return Ok(Target::Tcp(format!("{name}:{}", port.unwrap_or(PLAIN_PORT))));
            }
            let certs = certs.or_else(|| inputs.docker_config_dir.clone()).ok_or_else(|| {
                ConnectError::new(
                    origin,
                    format!("`{host}` is to be reached with TLS, but DOCKER_CERT_PATH does not say where ca.pem, cert.pem and key.pem are"),
                )
            })?;
            Ok(Target::Tls { address: format!("{name}:{}", port.unwrap_or(TLS_PORT)), certs })
        }
    }
}

/// The engine's port for plain HTTP.
const PLAIN_PORT: u16 = 2375;
/// The engine's port for TLS.
const TLS_PORT: u16 = 2376;

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

/// Takes an address apart.
pub(super) fn split(text: &str, origin: &str) -> Result<Address, ConnectError> {
    let bad = |why: &str| ConnectError::new(origin, format!("`{text}` {why}; {UNDERSTOOD}"));
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
            super::ssh::SshAddress::parse(place).map_err(|why| bad(&why))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> ConnectInputs {
        ConnectInputs::default()
    }

    fn of_host(host: &str) -> Result<Target, ConnectError> {
        Target::resolve(&ConnectInputs { docker_host: Some(host.into()), ..inputs() })
    }

    #[test]
    fn addresses_of_every_kind_are_understood() {
        assert_eq!(of_host("unix:///run/x.sock"), Ok(Target::Unix("/run/x.sock".into())));
        assert_eq!(of_host("tcp://nas:1234"), Ok(Target::Tcp("nas:1234".into())));
        assert_eq!(of_host("tcp://nas"), Ok(Target::Tcp("nas:2375".into())));
        assert_eq!(of_host("http://10.0.0.1:2375/"), Ok(Target::Tcp("10.0.0.1:2375".into())));
        assert_eq!(of_host("nas:2375"), Ok(Target::Tcp("nas:2375".into())));
        assert_eq!(of_host("tcp://[::1]:2375"), Ok(Target::Tcp("[::1]:2375".into())));
        assert_eq!(of_host("ssh://me@nas:2222"), Ok(Target::Ssh("me@nas:2222".into())));
        assert_eq!(
            of_host("ssh://nas/run/user/1000/docker.sock"),
            Ok(Target::Ssh("nas/run/user/1000/docker.sock".into()))
        );
    }

    #[test]
    fn garbage_names_its_source_and_what_is_understood() {
        for host in [
            "/var/run/docker.sock",
            "unix://",
            "unix://a",
            "tcp://",
            "tcp://a:b",
            "tcp://:1",
            "tcp://-x:1",
            "tcp://[x]:1",
            "fd://",
            "ssh://",
            "ssh://-oProxyCommand=x",
            "npipe:////./pipe/x",
        ] {
            let error = of_host(host).expect_err(host).to_string();
            assert!(error.starts_with(&format!("DOCKER_HOST: `{host}` ")), "{error}");
            assert!(error.contains("ssh://user@host"), "{error}");
        }
        let flag = ConnectInputs { host_flag: Some("ftp://x".into()), ..inputs() };
        assert_eq!(
            Target::resolve(&flag).expect_err("ftp").to_string(),
            format!("--host: `ftp://x` has an unknown scheme; {UNDERSTOOD}")
        );
    }

    #[test]
    fn tls_is_on_when_verify_is_set_and_not_empty() {
        let certs = Some(PathBuf::from("/certs"));
        let tls = |verify: Option<&str>, host: &str, certs: Option<PathBuf>| {
            Target::resolve(&ConnectInputs {
                docker_host: Some(host.into()),
                tls_verify: verify.map(Into::into),
                cert_path: certs,
                ..inputs()
            })
        };
        let with_tls = |address: &str| Ok(Target::Tls { address: address.into(), certs: "/certs".into() });
        assert_eq!(tls(Some("1"), "tcp://nas:2375", certs.clone()), with_tls("nas:2375"));
        assert_eq!(tls(Some("1"), "tcp://nas", certs.clone()), with_tls("nas:2376"));
        assert_eq!(tls(Some(""), "tcp://nas:2375", certs.clone()), Ok(Target::Tcp("nas:2375".into())));
        assert_eq!(tls(None, "tcp://nas:2376", certs.clone()), with_tls("nas:2376"));
        assert_eq!(tls(None, "tcp://nas:2376", None), Ok(Target::Tcp("nas:2376".into())));
        assert_eq!(tls(None, "https://nas:443", certs.clone()), with_tls("nas:443"));
        assert_eq!(tls(Some("1"), "unix:///x", certs), Ok(Target::Unix("/x".into())));
        let error = tls(Some("1"), "tcp://nas", None).expect_err("no keys").to_string();
        assert!(error.starts_with("DOCKER_HOST: ") && error.contains("DOCKER_CERT_PATH"), "{error}");
    }

    #[test]
    fn keys_are_looked_for_in_the_configuration_folder_last() {
        let target = Target::resolve(&ConnectInputs {
            docker_host: Some("tcp://nas".into()),
            tls_verify: Some("1".into()),
            docker_config_dir: Some("/home/me/.docker".into()),
            ..inputs()
        });
        assert_eq!(target, Ok(Target::Tls { address: "nas:2376".into(), certs: "/home/me/.docker".into() }));
    }

    #[test]
    fn the_flag_wins_over_the_environment_and_that_over_contexts() {
        let all = ConnectInputs {
            host_flag: Some("tcp://flag:1".into()),
            docker_host: Some("tcp://env:1".into()),
            docker_context: Some("missing".into()),
            docker_config_dir: Some("/nonexistent".into()),
            ..inputs()
        };
        assert_eq!(Target::resolve(&all), Ok(Target::Tcp("flag:1".into())));
        let env = ConnectInputs { host_flag: None, ..all };
        assert_eq!(Target::resolve(&env), Ok(Target::Tcp("env:1".into())));
        let empty = ConnectInputs { docker_host: Some(" ".into()), docker_context: Some("default".into()), ..env };
        assert_eq!(Target::resolve(&empty), Ok(Target::Unix(DEFAULT_SOCKET.into())));
    }

    #[test]
    fn the_api_version_is_two_numbers() {
        let of = |text: &str| ConnectInputs { api_version: Some(text.into()), ..inputs() }.api_version();
        assert_eq!(of("1.41"), Ok(Some((1, 41))));
        assert_eq!(of(""), Ok(None));
        assert!(of("latest").expect_err("no version").to_string().starts_with("DOCKER_API_VERSION: `latest`"));
    }
}
