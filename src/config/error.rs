//! A setting that cannot be used: who wrote it, what is wrong with it, what would do.

use std::fmt;

/// Who wrote a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line, dashes included.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A label of a live container.
    Label {
        /// The container's name.
        container: String,
        /// The label's key.
        key: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(flag) => f.write_str(flag),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
            Origin::Label { container, key } => write!(f, "label {key} of container {container}"),
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value that does not say what it should.
    #[error("{origin}: `{value}` is not {expected}")]
    Value {
        /// Who wrote it.
        origin: Origin,
        /// What was written.
        value: String,
        /// What it should be, with examples; goes on after "is not".
        expected: String,
    },
    /// Settings that cannot hold together.
    #[error("{what}")]
    Conflict {
        /// What clashes with what, and what would do.
        what: String,
    },
}

impl ConfigError {
    /// A value that does not say what it should.
    pub fn value(origin: &Origin, value: &str, expected: impl Into<String>) -> Self {
        ConfigError::Value { origin: origin.clone(), value: value.to_owned(), expected: expected.into() }
    }
}
