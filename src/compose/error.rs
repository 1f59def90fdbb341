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
    /// The command line names what is not there: nothing is found out about a project.
    pub fn is_mistyped(&self) -> bool {
        matches!(self, ComposeError::NoFile(_) | ComposeError::EmptyFolder { .. })
    }

    /// What the error means for the rehearsal.
    pub fn diagnosis(&self) -> Diagnosis {
        let code = match self {
            ComposeError::Missing(_) | ComposeError::NotRun(_) => Code::ConfigComposeMissing,
            ComposeError::Stops(_) => Code::ConfigComposeStops,
            ComposeError::Unknown(_) => Code::ConfigComposeUnknown,
            ComposeError::NotBuilt(_) => Code::ConfigImageUnavailable,
            ComposeError::NoFile(_) | ComposeError::EmptyFolder { .. } | ComposeError::File(_) => {
                Code::ConfigMissingFile
            }
        };
        Diagnosis::new(code, self.to_string())
    }
}
