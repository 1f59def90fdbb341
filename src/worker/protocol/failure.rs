//! Why a worker could not do a job.

use serde::{Deserialize, Serialize};

use super::answers::RootKind;

/// Why a job could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Failure {
    /// There is more than `max_bytes`.
    #[error("at least {bytes} bytes, more than the {max_bytes} that are allowed")]
    TooLarge {
        /// Bytes there are; a lower bound when counting stopped there.
        bytes: u64,
        /// Bytes that were allowed.
        max_bytes: u64,
    },
    /// The target's file system has not enough room.
    #[error("{bytes} bytes are needed, {free} are free")]
    NoSpace {
        /// Bytes that are needed.
        bytes: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The target's file system has not enough room for files.
    #[error("{files} more inodes are needed, {free} are free, and {kept} of them stay so")]
    NoFiles {
        /// Files that are needed; a lower bound when the number is not known beforehand.
        files: u64,
        /// Files that there is room for.
        free: u64,
        /// Files of these that stay free for others.
        kept: u64,
    },
    /// The target's file system became full during the job: somebody else writes there, too, or it takes no more
    /// files.
    #[error("writing {path}: {error} ({free} bytes are free now)")]
    Full {
        /// The file that was being written, relative to the target.
        path: String,
        /// The system's words.
        error: String,
        /// Bytes free now.
        free: u64,
        /// Files that there is room for now, where that is bounded.
        free_files: Option<u64>,
    },
    /// The target's file system stores no file as large as one of the source.
    #[error("writing {path}: {error}")]
    FileTooLarge {
        /// The file, relative to the target.
        path: String,
        /// The system's words.
        error: String,
    },
    /// The source could not be read.
    #[error("reading {path}: {error}")]
    Unreadable {
        /// The file, relative to the source.
        path: String,
        /// The system's words.
        error: String,
    },
    /// The target could not be written.
    #[error("writing {path}: {error}")]
    Unwritable {
        /// The file, relative to the target.
        path: String,
        /// The system's words.
        error: String,
    },
    /// An archive is damaged, cut off, or none.
    #[error("the archive is damaged at byte {at} after the entry {entry:?}: {error}")]
    Corrupt {
        /// The last entry before the damage; empty when there was none.
        entry: String,
        /// The offset in the decompressed archive, in bytes.
        at: u64,
        /// What is wrong.
        error: String,
    },
    /// An entry of an archive would be written to another place than its own.
    #[error("the entry {path} {error}")]
    Unsafe {
        /// The entry.
        path: String,
        /// What it would do.
        error: String,
    },
    /// An archive has more entries than are allowed.
    #[error("more than {max_entries} entries")]
    TooMany {
        /// How many are allowed.
        max_entries: u64,
    },
    /// The decoder of an archive needs a longer window in memory than is allowed.
    #[error("{error}")]
    Window {
        /// What it needs and what is allowed.
        error: String,
    },
    /// The source is neither a folder nor a file.
    #[error("a {root:?} where a folder or a file is expected")]
    WrongKind {
        /// What it is.
        root: RootKind,
    },
    /// The request makes no sense to this worker.
    #[error("the worker refused the job: {error}")]
    BadRequest {
        /// Why.
        error: String,
    },
}
