//! Why a project could not be read from its files.

use crate::model::diagnosis::{Code, Diagnosis};

/// Why a project could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// Compose is not installed, or too old.
    #[error("{0}")]
    Missing(String),
    /// A file that is named is not there.
    #[error("there is no file {0}")]
    NoFile(String),
    /// A folder that is named has no Compose file.
    #[error("the folder {folder} has no Compose file ({names})")]
    EmptyFolder { folder: String, names: String },
    /// A pattern that fits no project; the second text says what is wrong with it.
    #[error("no Compose file and no folder with one fits {0}{1}")]
    NoMatch(String, String),
    /// Compose refuses the project. The text is Compose's own, without secrets.
    #[error("Docker Compose cannot read the project: {0}")]
    Stops(String),
    /// Something that Compose prints is not known here, or no sandbox can provide it.
    #[error("{0}")]
    Unknown(String),
    /// Compose files of a stranger lead out of their folder, or cannot be judged.
    #[error("{0}")]
    Unsafe(String),
    /// Compose could not be run, or did not answer.
    #[error("{0}")]
    NotRun(String),
    /// An image could not be built.
    #[error("{0}")]
    NotBuilt(String),
    /// A file of this machine that a service mounts cannot be read.
    #[error("{0}")]
    File(String),
}

/// What to do about an image that cannot be built.
const NOT_BUILT: &str = "Read the builder's last lines: they name the step of the Dockerfile that failed. See that \
    `docker compose build` works with nothing but the files that would survive the loss of the host, or rehearse \
    without --build on the image that the engine has.";

impl ComposeError {
    /// The command line names what is not there: nothing is found out about a project.
    pub fn is_mistyped(&self) -> bool {
        matches!(self, ComposeError::NoFile(_) | ComposeError::EmptyFolder { .. } | ComposeError::NoMatch(..))
    }

    /// What the error means for the rehearsal.
    pub fn diagnosis(&self) -> Diagnosis {
        let code = match self {
            ComposeError::Missing(_) => Code::ConfigComposeMissing,
            ComposeError::NotRun(_) => Code::ConfigComposeFailed,
            ComposeError::Unsafe(_) => Code::ConfigComposeUnsafe,
            ComposeError::Stops(_) => Code::ConfigComposeStops,
            ComposeError::Unknown(_) => Code::ConfigComposeUnknown,
            ComposeError::NotBuilt(_) => Code::ConfigImageUnavailable,
            ComposeError::NoFile(_)
            | ComposeError::EmptyFolder { .. }
            | ComposeError::NoMatch(..)
            | ComposeError::File(_) => Code::ConfigMissingFile,
        };
        let remedy = matches!(self, ComposeError::NotBuilt(_)).then(|| NOT_BUILT.to_owned());
        Diagnosis { remedy, ..Diagnosis::new(code, self.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_build_is_not_told_as_a_failed_pull() {
        let diagnosis = ComposeError::NotBuilt("building the image of web failed".to_owned()).diagnosis();
        assert_eq!(diagnosis.code, Code::ConfigImageUnavailable);
        assert!(diagnosis.remedy().contains("Dockerfile") && !diagnosis.remedy().contains("pull"), "{diagnosis:?}");
    }
}
