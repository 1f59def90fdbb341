//! The connection to the Docker engine: the choice of the engine, and advice when it does not answer.

use std::path::PathBuf;
use std::time::Duration;

use super::args::ConnectionArgs;
use super::exit::{Failure, docker_hint};
use crate::config::values::duration;
use crate::config::{ConfigError, Environment, SettingOrigin};
use crate::docker::{ConnectError, ConnectInputs, Daemon, DockerError, DockerErrorKind, RegistryLogins, Target};
use crate::model::outcome::ExitCode;

/// What an engine answers, in Go's words, to a plain request at its TLS port.
const WANTS_TLS: &str = "HTTP request to an HTTPS server";

/// The engine does not answer at this address.
#[derive(Debug, thiserror::Error)]
#[error("no Docker engine answers at {address} ({came_from}){}", waited(.wait))]
pub struct NoEngine {
    address: String,
    came_from: String,
    wait: Option<Duration>,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

fn waited(wait: &Option<Duration>) -> String {
    wait.map(|wait| format!(", not even after {}", duration::show(wait))).unwrap_or_default()
}

/// The address of the engine, and where it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The engine.
    pub target: Target,
    /// `from DOCKER_HOST`, …
    pub came_from: String,
    /// How long to wait for it.
    pub wait: Option<Duration>,
    /// The API version that DOCKER_API_VERSION asks for; `None`: the newest that both sides know.
    pub api: Option<(u16, u16)>,
    /// The logins for the registries that the engine pulls images from.
    pub logins: RegistryLogins,
}

impl Endpoint {
    /// Reads flags and environment.
    pub fn resolve(args: &ConnectionArgs, env: &Environment) -> Result<Endpoint, Failure> {
        let inputs = inputs(args, env);
        let target = Target::resolve(&inputs).map_err(misnamed)?;
        let api = inputs.api_version().map_err(misnamed)?;
        let logins = RegistryLogins::in_folder(inputs.docker_config_dir.clone());
        Ok(Endpoint { target, came_from: came_from(&inputs), wait: wait(args, env)?, api, logins })
    }

    /// Connects.
    pub async fn connect(&self) -> Result<Daemon, Failure> {
        Daemon::connect_at(&self.target, self.wait, self.api).await.map_err(|error| self.unanswered(error))
    }

    fn unanswered(&self, source: DockerError) -> Failure {
        if !matches!(source.kind, DockerErrorKind::Unreachable | DockerErrorKind::Timeout(_)) {
            let hint = match (&source.kind, &self.target) {
                (DockerErrorKind::Refused, Target::Tls { certs, .. }) => Some(format!(
                    "check that ca.pem, cert.pem and key.pem in {} belong to this engine",
                    certs.display()
                )),
                (DockerErrorKind::Engine(why), Target::Tcp(_)) if why.contains(WANTS_TLS) => Some(
                    "this engine wants TLS: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder of ca.pem, \
                     cert.pem and key.pem"
                        .to_owned(),
                ),
                (DockerErrorKind::Version(_), _) if self.api.is_some() => Some(
                    "unset DOCKER_API_VERSION to use the newest version that both sides know, or set it to one of \
                     these"
                        .to_owned(),
                ),
                _ => docker_hint(&source),
            };
            return Failure { exit: ExitCode::Errored, error: Box::new(source), hint };
        }
        let mut hint = match &self.target {
            Target::Unix(_) => "start Docker (`systemctl start docker`, or Docker Desktop)",
            Target::Tcp(_) | Target::Tls { .. } => "check that the engine listens there and that no firewall blocks it",
            Target::Ssh(_) => "check that `ssh` to that host works without a prompt, and that Docker runs there",
        }
        .to_owned();
        hint.push_str(", or name another engine with -H/--host or DOCKER_HOST.");
        if self.wait.is_none() {
            hint.push_str("\nIf it is still starting, wait for it with --docker-wait 60s.");
        }
        let error = NoEngine {
            address: self.target.to_string(),
            came_from: self.came_from.clone(),
            wait: self.wait,
            // The error itself only repeats this message; its source says more.
            source: match source.source {
                Some(cause) => cause,
                None => Box::new(source),
            },
        };
        Failure { exit: ExitCode::Errored, error: Box::new(error), hint: Some(hint) }
    }
}

fn misnamed(error: ConnectError) -> Failure {
    Failure { exit: ExitCode::Usage, error: Box::new(error), hint: None }
}

fn inputs(args: &ConnectionArgs, env: &Environment) -> ConnectInputs {
    let variable = |name: &str| env.get(name).map(str::to_owned);
    let config = || Some(PathBuf::from(env.get("HOME")?).join(".docker"));
    ConnectInputs {
        host_flag: args.host.clone(),
        docker_host: variable("DOCKER_HOST"),
        tls_verify: variable("DOCKER_TLS_VERIFY"),
        cert_path: variable("DOCKER_CERT_PATH").map(PathBuf::from),
        docker_context: variable("DOCKER_CONTEXT"),
        docker_config_dir: variable("DOCKER_CONFIG").map(PathBuf::from).or_else(config),
        api_version: variable("DOCKER_API_VERSION"),
        runtime_dir: variable("XDG_RUNTIME_DIR").map(PathBuf::from),
    }
}

/// Where the engine's address comes from, in the order of [`Target::resolve`].
fn came_from(inputs: &ConnectInputs) -> String {
    let given = |value: &Option<String>| value.as_deref().is_some_and(|value| !value.trim().is_empty());
    if given(&inputs.host_flag) {
        "from --host".to_owned()
    } else if given(&inputs.docker_host) {
        "from DOCKER_HOST".to_owned()
    } else if let Some(name) = inputs.docker_context.as_deref().filter(|name| *name != "default") {
        format!("from the Docker context {name}, which DOCKER_CONTEXT names")
    } else {
        "from the Docker CLI's context, or Docker's default address".to_owned()
    }
}

fn wait(args: &ConnectionArgs, env: &Environment) -> Result<Option<Duration>, ConfigError> {
    let variable = "REHEARSA_DOCKER_WAIT";
    let wait = match (&args.docker_wait, env.get(variable)) {
        (Some(text), _) => duration::parse(&SettingOrigin::Flag("--docker-wait"), text)?,
        (None, Some(text)) => duration::parse(&SettingOrigin::Variable(variable), text)?,
        (None, None) => return Ok(None),
    };
    Ok(Some(wait).filter(|wait| !wait.is_zero()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(host: Option<&str>, wait: Option<&str>, env: &[(&str, &str)]) -> Result<Endpoint, Failure> {
        let args = ConnectionArgs { host: host.map(str::to_owned), docker_wait: wait.map(str::to_owned) };
        Endpoint::resolve(&args, &env.iter().copied().collect())
    }

    fn unreachable() -> DockerError {
        let cause = std::io::Error::new(std::io::ErrorKind::NotFound, "No such file or directory (os error 2)");
        DockerError {
            operation: "connect to",
            subject: "unix:///nowhere.sock".to_owned(),
            kind: DockerErrorKind::Unreachable,
            source: Some(Box::new(cause)),
        }
    }

    #[test]
    fn the_flag_is_heard_before_the_environment() {
        let env = [("DOCKER_HOST", "unix:///env.sock")];
        let named = endpoint(Some("unix:///flag.sock"), None, &env).expect("both are right");
        assert_eq!(named.target, Target::Unix("/flag.sock".into()));
        assert_eq!(named.came_from, "from --host");
        let named = endpoint(None, None, &env).expect("it is right");
        assert_eq!(named.target, Target::Unix("/env.sock".into()));
        assert_eq!(named.came_from, "from DOCKER_HOST");
    }

    #[test]
    fn an_engine_that_does_not_answer_is_named_with_what_to_do() {
        let named = endpoint(None, None, &[("DOCKER_HOST", "unix:///nowhere.sock")]).expect("it is right");
        let failure = named.unanswered(unreachable());
        assert_eq!(failure.exit, ExitCode::Errored);
        let text = failure.render(false);
        assert!(
            text.starts_with("error: no Docker engine answers at unix:///nowhere.sock (from DOCKER_HOST)\n"),
            "{text}"
        );
        assert!(text.contains("\n  because: No such file or directory (os error 2)\n"), "{text}");
        assert!(text.contains("What to do: start Docker (`systemctl start docker`"), "{text}");
        assert!(text.contains("--docker-wait 60s"), "{text}");
    }

    #[test]
    fn who_waited_already_is_told_how_long_and_not_to_wait() {
        let named = endpoint(Some("tcp://nas:2375"), Some("90s"), &[]).expect("it is right");
        let text = named.unanswered(unreachable()).render(false);
        assert!(text.contains("tcp://nas:2375 (from --host), not even after 1m 30s"), "{text}");
        assert!(!text.contains("--docker-wait"), "{text}");
    }

    #[test]
    fn no_right_to_the_socket_is_told_apart_from_no_engine() {
        let named = endpoint(None, None, &[("DOCKER_HOST", "unix:///d.sock")]).expect("it is right");
        let text = named.unanswered(DockerError { kind: DockerErrorKind::Refused, ..unreachable() }).render(false);
        assert!(text.contains("not allowed to talk to the Docker engine"), "{text}");
        assert!(text.contains("group `docker`"), "{text}");
    }

    #[test]
    fn an_engine_that_wants_tls_is_told_with_how_to_say_so() {
        let named = endpoint(Some("tcp://nas:2376"), None, &[]).expect("it is right");
        let said = DockerErrorKind::Engine("Client sent an HTTP request to an HTTPS server.".to_owned());
        let text = named.unanswered(DockerError { kind: said, source: None, ..unreachable() }).render(false);
        assert!(text.contains("What to do: this engine wants TLS: set DOCKER_TLS_VERIFY=1"), "{text}");
    }

    #[test]
    fn the_api_version_is_that_of_the_environment_and_a_refusal_names_the_variable() {
        assert_eq!(endpoint(None, None, &[]).expect("it is right").api, None);
        let pinned = endpoint(None, None, &[("DOCKER_API_VERSION", "1.41")]).expect("it is right");
        assert_eq!(pinned.api, Some((1, 41)));
        let refusal = DockerError {
            kind: DockerErrorKind::Version("1.41 is not to be had".to_owned()),
            source: None,
            ..unreachable()
        };
        let text = pinned.unanswered(refusal).render(false);
        assert!(text.contains("1.41 is not to be had") && text.contains("unset DOCKER_API_VERSION"), "{text}");
        let failure = endpoint(None, None, &[("DOCKER_API_VERSION", "newest")]).expect_err("no version");
        assert_eq!(failure.exit, ExitCode::Usage);
        assert!(failure.render(false).contains("DOCKER_API_VERSION: `newest` is not an API version"));
    }

    #[test]
    fn a_wrong_wait_or_address_is_wrong_usage() {
        let failure = endpoint(None, Some("soon"), &[]).expect_err("no duration");
        assert_eq!(failure.exit, ExitCode::Usage);
        assert!(failure.render(false).contains("--docker-wait: `soon` is not a duration"));
        assert_eq!(endpoint(Some("gopher://x"), None, &[]).expect_err("no address").exit, ExitCode::Usage);
    }
}
