//! What tells one file or folder of a kernel from every other.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// A file or folder of a running kernel. Whatever path leads to it, from whatever container, it has the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileId {
    device: u64,
    inode: u64,
    /// Nanoseconds from 1970 to the making of the file. Files of two machines may have the same numbers, but they were
    /// hardly made at the same time.
    born: u64,
}

impl FileId {
    /// `None`: the file system does not tell when the file was made.
    pub fn of(metadata: &Metadata) -> Option<FileId> {
        let born = metadata.created().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        Some(FileId { device: metadata.dev(), inode: metadata.ino(), born: u64::try_from(born).ok()? })
    }
}
