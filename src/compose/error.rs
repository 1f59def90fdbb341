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
    /// Compose refuses the project. The text is Compose's own, without secrets.
    #[error("Docker Compose cannot read the project: {0}")]
    Stops(String),
    /// Something that Compose prints is not known here, or no sandbox can provide it.
    #[error("{0}")]
    Unknown(String),
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

impl ComposeError {
    /// What the error means for the rehearsal.
    pub fn diagnosis(&self) -> Diagnosis {
        let code = match self {
            ComposeError::Missing(_) | ComposeError::NotRun(_) => Code::ConfigComposeMissing,
            ComposeError::Stops(_) => Code::ConfigComposeStops,
            ComposeError::Unknown(_) => Code::ConfigComposeUnknown,
            ComposeError::NotBuilt(_) => Code::ConfigImageUnavailable,
            ComposeError::NoFile(_) | ComposeError::File(_) => Code::ConfigMissingFile,
        };
        Diagnosis::new(code, self.to_string())
    }
}
