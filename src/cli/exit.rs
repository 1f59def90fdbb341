//! The end of a command: its exit code, and the message if it failed.
//!
//! The exit code of a run of rehearsals comes from its outcome ([`crate::model::outcome`]); this file is about
//! failures before and beside the run.

use std::error::Error;
use std::fmt::Write as _;

use crate::config::{ConfigError, ConfigErrors};
use crate::discover::DiscoverError;
use crate::docker::{DockerError, DockerErrorKind};
use crate::model::outcome::ExitCode;
use crate::model::plain_text::clean;
use crate::worker::client::WorkerError;

/// Why a command could not do its work, for the person who has to act.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: ExitCode,
    /// What happened; the sources of the error say why.
    pub error: Box<dyn Error + Send + Sync>,
    /// What to do.
    pub hint: Option<String>,
}

/// An error without a cause.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Plain(String);

impl Failure {
    /// Wrong usage or configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: ExitCode::Usage, error: Box::new(Plain(message.into())), hint: None }
    }

    /// Something that could not be found out or done.
    pub fn errored(message: impl Into<String>) -> Self {
        Self { exit: ExitCode::Errored, error: Box::new(Plain(message.into())), hint: None }
    }

    /// Something that could not be found out or done, with its cause.
    pub fn caused(error: impl Error + Send + Sync + 'static) -> Self {
        Self { exit: ExitCode::Errored, error: Box::new(error), hint: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The lines for standard error, without terminal codes of others: an error may quote names in a backup. A cause
    /// that only repeats the message is left out.
    pub fn render(&self, color: bool) -> String {
        let (red, bold, plain) = if color { ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
        let mut said = clean(&self.error.to_string());
        let mut text = format!("{red}error:{plain} {said}\n");
        let mut cause = self.error.source();
        while let Some(error) = cause {
            let message = clean(&error.to_string());
            if !message.is_empty() && !said.contains(&message) {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "  because: {}", message.replace('\n', "\n  "));
                said.push_str(&message);
            }
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "\n{bold}What to do:{plain} {}", clean(hint).replace('\n', "\n  "));
        }
        text
    }
}

/// What to do about an engine's refusal.
pub fn docker_hint(error: &DockerError) -> Option<String> {
    let hint = match error.kind {
        DockerErrorKind::Unreachable => {
            "check that the Docker engine still runs; `rehearsa clean` then removes what this run left"
        }
        DockerErrorKind::Refused => {
            "the user that runs rehearsa must be allowed to talk to Docker (on most systems: be in the group `docker`, \
             and log in again after joining it)"
        }
        DockerErrorKind::NoSpace => {
            "free some space where the engine keeps its data (`docker system df` shows what uses it), or inodes if `df \
             -i` shows none"
        }
        DockerErrorKind::NetworksExhausted => "`rehearsa clean` and `docker network prune` free address ranges",
        DockerErrorKind::Timeout(_) => "the engine may be overloaded; try again, or with a smaller --test-threads",
        DockerErrorKind::Version(_) => "update the one of the two that is older: the engine or rehearsa",
        DockerErrorKind::NotFound(_) | DockerErrorKind::Conflict(_) | DockerErrorKind::Engine(_) => return None,
    };
    Some(hint.to_owned())
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self { exit: ExitCode::Usage, error: Box::new(error), hint: None }
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self { exit: ExitCode::Usage, error: Box::new(errors), hint: None }
    }
}

impl From<DockerError> for Failure {
    fn from(error: DockerError) -> Self {
        Self { exit: ExitCode::Errored, hint: docker_hint(&error), error: Box::new(error) }
    }
}

impl From<DiscoverError> for Failure {
    fn from(error: DiscoverError) -> Self {
        Self { exit: ExitCode::Errored, hint: docker_hint(error.docker()), error: Box::new(error) }
    }
}

impl From<WorkerError> for Failure {
    fn from(error: WorkerError) -> Self {
        let hint = match &error {
            WorkerError::Docker(docker) => docker_hint(docker),
            WorkerError::Image { .. } => Some(
                "rehearsa copies its own executable to the engine; check that the file can be read and that the \
                 engine has room for it"
                    .to_owned(),
            ),
            _ => None,
        };
        Self { exit: ExitCode::Errored, hint, error: Box::new(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn docker(kind: DockerErrorKind, source: Option<&str>) -> DockerError {
        DockerError {
            operation: "create network",
            subject: "rehearsa-1".to_owned(),
            kind,
            source: source.map(|text| Box::new(Plain(text.to_owned())) as Box<dyn Error + Send + Sync>),
        }
    }

    #[test]
    fn a_chain_is_shown_once_with_what_to_do() {
        let failure =
            Failure::from(docker(DockerErrorKind::NetworksExhausted, Some("could not find an available pool")));
        assert_eq!(
            failure.render(false),
            "error: create network rehearsa-1: no free address range is left for a network\n  \
             because: could not find an available pool\n\n\
             What to do: `rehearsa clean` and `docker network prune` free address ranges\n"
        );
    }

    #[test]
    fn what_others_named_sends_nothing_to_the_terminal() {
        let odd = "host \u{1b}]0;title\u{7}\u{1b}[2Jnas\u{9b}31m";
        let failure = Failure::from(docker(DockerErrorKind::Engine(odd.to_owned()), Some(odd))).hint(odd);
        assert_eq!(
            failure.render(false),
            "error: create network rehearsa-1: host nas\n\nWhat to do: host nas\n",
            "the cause is said already"
        );
    }

    #[test]
    fn a_cause_that_was_said_already_is_not_said_again() {
        let failure =
            Failure::from(docker(DockerErrorKind::Engine("no such driver".to_owned()), Some("no such driver")));
        assert_eq!(failure.render(false), "error: create network rehearsa-1: no such driver\n");
    }

    #[test]
    fn an_inspection_that_fails_names_the_container_and_the_cause() {
        let failure = Failure::from(DiscoverError::Inspect {
            name: "jellyfin".to_owned(),
            source: docker(DockerErrorKind::Unreachable, None),
        });
        let text = failure.render(false);
        assert!(text.starts_with("error: cannot read the configuration of container jellyfin\n  because: "), "{text}");
        assert!(text.contains("What to do: check that the Docker engine still runs"), "{text}");
        assert_eq!(failure.exit, ExitCode::Errored);
    }

    #[test]
    fn wrong_settings_are_wrong_usage() {
        let error = ConfigError::Conflict { what: "two on one".to_owned() };
        assert_eq!(Failure::from(error).exit.number(), 2);
    }
}
