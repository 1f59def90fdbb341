//! What goes wrong with what somebody else may be changing, as failures of a job.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

use super::scan::{free_bytes, free_files};
pub use crate::archive::open::{changed, is_gone, open_folder, open_quietly, version};
use crate::worker::job::{JobStop, shown};
use crate::worker::protocol::Failure;

/// The failure of not being able to read something of the source.
pub fn unreadable(path: &[u8], error: Errno) -> JobStop {
    JobStop::Failed(Failure::Unreadable { path: shown(path), error: words(error) })
}

/// The failure of not being able to write something into the volume `top`.
pub fn unwritable(top: &OwnedFd, path: &[u8], error: Errno) -> Failure {
    let (path, error, is_full) = (shown(path), words(error), matches!(error, Errno::NOSPC | Errno::DQUOT));
    if is_full {
        Failure::Full { path, error, free: free_bytes(top).unwrap_or(0), free_files: free_files(top) }
    } else {
        Failure::Unwritable { path, error }
    }
}

/// The system's words for an error.
pub fn words(error: Errno) -> String {
    std::io::Error::from(error).to_string()
}
