//! Errors of packing.

use std::fmt;
use std::io;

/// Why packing failed.
#[derive(Debug)]
pub enum PackError {
    /// A file or folder could not be read.
    Unreadable {
        /// Path relative to the root.
        path: String,
        error: io::Error,
    },
    /// The archive could not be written.
    Output(io::Error),
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackError::Unreadable { path, error } => write!(f, "{path} could not be read: {error}"),
            PackError::Output(error) => write!(f, "the archive could not be passed on: {error}"),
        }
    }
}

impl std::error::Error for PackError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PackError::Unreadable { error, .. } | PackError::Output(error) => Some(error),
        }
    }
}

impl From<io::Error> for PackError {
    fn from(error: io::Error) -> PackError {
        PackError::Output(error)
    }
}
