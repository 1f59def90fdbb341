//! Errors of files that a service may be changing, as failures of a job.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

use super::space::{free_bytes, free_files};
pub use crate::archive::open::{changed, is_gone, open_folder, open_quietly, version};
use crate::worker::job::{JobStop, shown};
use crate::worker::protocol::Failure;

/// The failure when something of the source cannot be read.
pub fn unreadable(path: &[u8], error: Errno) -> JobStop {
    JobStop::Failed(Failure::Unreadable { path: shown(path), error: error_text(error) })
}

/// The failure when something cannot be written into the volume `top`.
pub fn unwritable(top: &OwnedFd, path: &[u8], error: Errno) -> Failure {
    let (path, error, is_full) = (shown(path), error_text(error), matches!(error, Errno::NOSPC | Errno::DQUOT));
    if is_full {
        Failure::Full { path, error, free: free_bytes(top).unwrap_or(0), free_files: free_files(top) }
    } else {
        Failure::Unwritable { path, error }
    }
}

/// The system's words for an error.
pub fn error_text(error: Errno) -> String {
    std::io::Error::from(error).to_string()
}
