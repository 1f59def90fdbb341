//! Errors of settings: who wrote the setting, what is wrong, and what would be right.

use std::fmt;

/// Who wrote a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingOrigin {
    /// A flag of the command line, with its dashes.
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
    /// An entry of the plan file.
    File {
        /// The file as it was named.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1, in characters.
        column: usize,
        /// The key of a wrong value.
        key: Option<String>,
    },
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingOrigin::Flag(flag) => f.write_str(flag),
            SettingOrigin::Variable(name) => write!(f, "environment variable {name}"),
            SettingOrigin::Label { container, key } => write!(f, "label {key} of container {container}"),
            SettingOrigin::File { file, line, column, key: None } => write!(f, "{file}:{line}:{column}"),
            SettingOrigin::File { file, line, column, key: Some(key) } => write!(f, "{file}:{line}:{column}: {key}"),
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value that is wrong.
    #[error("{origin}: `{value}` is not {expected}")]
    Value {
        /// Who wrote it.
        origin: SettingOrigin,
        /// What was written.
        value: String,
        /// What the value should be, with examples; goes on after "is not".
        expected: String,
    },
    /// A setting that is wrong in another way.
    #[error("{origin}: {what}")]
    Entry {
        /// Who wrote it.
        origin: SettingOrigin,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// Settings that contradict each other, or a file that cannot be read.
    #[error("{what}")]
    Conflict {
        /// What is wrong, and what would be right.
        what: String,
    },
}

impl ConfigError {
    /// The error of a wrong value. A long value is cut.
    pub fn value(origin: &SettingOrigin, value: &str, expected: impl Into<String>) -> Self {
        ConfigError::Value { origin: origin.clone(), value: cut(value, LONGEST_VALUE), expected: expected.into() }
    }

    /// Whether a label is wrong, so that the error concerns its container alone.
    pub fn is_of_label(&self) -> bool {
        matches!(
            self,
            ConfigError::Value { origin: SettingOrigin::Label { .. }, .. }
                | ConfigError::Entry { origin: SettingOrigin::Label { .. }, .. }
        )
    }

    /// The error of a setting that is there and says nothing.
    pub fn empty(origin: &SettingOrigin) -> Self {
        let what = "it is empty, so nobody knows what is meant; give it a value or take it away".to_owned();
        ConfigError::Entry { origin: origin.clone(), what }
    }
}

/// Most characters of a value that an error repeats.
const LONGEST_VALUE: usize = 120;

/// The text, or its beginning and how long it is.
pub fn cut(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(most).collect();
    format!("{beginning}… ({length} characters)")
}

impl serde::de::Error for ConfigError {
    /// An error of a value whose origin serde does not know; who reads the value adds it.
    fn custom<T: fmt::Display>(what: T) -> Self {
        ConfigError::Conflict { what: what.to_string() }
    }
}

/// All mistakes of a plan file in the order of the file; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigErrors {
    /// Sorts mistakes in the order of the file; those of no file come last. `None`: there are none.
    pub fn of(mut errors: Vec<ConfigError>) -> Option<Self> {
        errors.sort_by_key(|error| match error {
            ConfigError::Entry { origin: SettingOrigin::File { line, column, .. }, .. }
            | ConfigError::Value { origin: SettingOrigin::File { line, column, .. }, .. } => (*line, *column),
            _ => (usize::MAX, 0),
        });
        (!errors.is_empty()).then_some(Self(errors))
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => one.fmt(f),
            several => {
                write!(f, "{} things are wrong with the plan file", several.len())?;
                several.iter().try_for_each(|error| write!(f, "\n{error}"))
            }
        }
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}
