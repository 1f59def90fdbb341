//! Marks: files by which data says which program wrote it, and in which version.

use serde::{Deserialize, Serialize};

/// What a mark is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkKind {
    /// A `PG_VERSION` beside `global` and `base`.
    Postgres,
    /// What MariaDB or MySQL noted beside `ibdata1` when it last upgraded the data.
    MySql,
    /// The first bytes of a dump, or of an append-only file that begins with one.
    Redis,
}

/// A file in which data says what wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Of which program.
    pub kind: MarkKind,
    /// The file, relative to the place it was found in.
    pub file: String,
    /// What it says: `15`, `11.4.2-MariaDB`, `REDIS0011`.
    pub says: String,
}
