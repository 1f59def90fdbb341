//! A place in a file of the user.

use serde::{Deserialize, Serialize};

/// A line of a file, relative to the working directory where that is possible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Location {
    /// Path of the file.
    pub file: String,
    /// Line number, from 1.
    pub line: u32,
}
