//! What a worker says of a query that it put to an SQLite database.

use serde::{Deserialize, Serialize};

/// What came of asking an SQLite database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "queried", rename_all = "kebab-case")]
pub enum Queried {
    /// Rows.
    Rows {
        /// The first, its columns joined by `|`.
        first: Option<String>,
        /// How many there are, up to the number that was asked.
        count: u64,
    },
    /// There is no such file.
    Missing {
        /// The path in the container, where all symlinks are followed.
        path: String,
    },
    /// SQLite does not take the query.
    Refused {
        /// Its words.
        words: String,
    },
    /// The database is damaged.
    Damaged {
        /// SQLite's words.
        words: String,
    },
    /// It was written to each time.
    Busy {
        /// What was seen.
        why: String,
    },
    /// It cannot be asked.
    NotAsked {
        /// Why.
        why: String,
    },
}
