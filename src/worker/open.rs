//! Opening what somebody else may be changing, and what the errors of that mean.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::path::Arg;

use super::job::{Stop, shown};
use super::protocol::Failure;
use super::scan::{free_bytes, free_files};

/// Opens a folder for listing: never through a symlink, without a trace in its access time where that is allowed.
pub fn open_folder(parent: &OwnedFd, name: &CStr) -> Result<OwnedFd, Errno> {
    open_quietly(parent, name, OFlags::DIRECTORY)
}

/// Opens for reading: never through a symlink, never waiting for a FIFO's other end, without a trace in the access time.
pub fn open_quietly(parent: impl AsFd + Copy, name: impl Arg + Copy, more: OFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | more;
    match openat(parent, name, flags | OFlags::NOATIME, Mode::empty()) {
        // Only the owner of a file, or one who may act as the owner, may leave its access time alone.
        Err(Errno::PERM) => openat(parent, name, flags, Mode::empty()),
        other => other,
    }
}

/// The errors that mean: it was there a moment ago and now it is not, or it is something else.
pub fn is_gone(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE | Errno::NXIO | Errno::NODEV)
}

/// The failure of not being able to read something of the source.
pub fn unreadable(path: &[u8], error: Errno) -> Stop {
    Stop::Failed(Failure::Unreadable { path: shown(path), error: words(error) })
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
