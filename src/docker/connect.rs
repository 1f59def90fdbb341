//! Which engine to talk to: the flag, the environment and the Docker CLI's contexts, resolved as the Docker CLI does.
//!
//! The environment comes in as a value ([`ConnectInputs`]); only the context files are read here.

use std::path::{Path, PathBuf};

use super::context;
use super::target::{Address, ConnectError, PLAIN_PORT, TLS_PORT, Target, split};

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

/// The socket where no setting names an engine.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

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
    /// The API version of `DOCKER_API_VERSION`; `None` when it is not set.
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
            // Port 2376 is for TLS. A folder of certificates beside it means that TLS is wanted.
            let tls = tls || verify || (port == Some(TLS_PORT) && certs.is_some());
            if !tls {
                return Ok(Target::Tcp(format!("{name}:{}", port.unwrap_or(PLAIN_PORT))));
            }
            let certs = certs.or_else(|| inputs.docker_config_dir.clone()).ok_or_else(|| {
                ConnectError::new(
                    origin,
                    format!(
                        "`{host}` is to be reached with TLS, but DOCKER_CERT_PATH does not say where ca.pem, cert.pem \
                         and key.pem are"
                    ),
                )
            })?;
            Ok(Target::Tls { address: format!("{name}:{}", port.unwrap_or(TLS_PORT)), certs })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::target::UNDERSTOOD;

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
    fn an_error_does_not_repeat_a_password() {
        for host in ["tcp://me:hunter2@nas:1", "ssh://me:hunter2@nas", "me:hun@ter2@nas:1", "https://me:hun/ter2@nas"] {
            let error = of_host(host).expect_err(host).to_string();
            assert!(error.contains("me:•••@nas") && !error.contains("ter2"), "{error}");
        }
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
