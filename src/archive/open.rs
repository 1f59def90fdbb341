//! Opens files that somebody else may be changing, and tells whether they did.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, Stat, openat};
use rustix::io::Errno;
use rustix::path::Arg;

/// Opens a folder for listing. Never follows a symlink; leaves the access time alone where that is allowed.
pub fn open_folder(parent: &OwnedFd, name: &CStr) -> Result<OwnedFd, Errno> {
    open_quietly(parent, name, OFlags::DIRECTORY)
}

/// Opens a file or folder for reading. Never follows a symlink, never waits for the other end of a FIFO; leaves the
/// access time alone where that is allowed.
pub fn open_quietly(parent: impl AsFd + Copy, name: impl Arg + Copy, more: OFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | more;
    match openat(parent, name, flags | OFlags::NOATIME, Mode::empty()) {
        // Only the owner, or a process that may act as the owner, may leave the access time alone.
        Err(Errno::PERM) => openat(parent, name, flags, Mode::empty()),
        other => other,
    }
}

/// Whether the error means that the file is gone, or that another kind of file took its place.
pub fn is_gone(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE | Errno::NXIO | Errno::NODEV)
}

/// The values of a stat that change when a file is written to.
#[allow(clippy::unnecessary_cast, reason = "the types of a stat's fields differ between architectures")]
pub fn version(stat: &Stat) -> [i64; 3] {
    [stat.st_size as i64, stat.st_mtime as i64, stat.st_mtime_nsec as i64]
}

/// Whether a file was changed between two stats.
#[allow(clippy::unnecessary_cast, reason = "the types of a stat's fields differ between architectures")]
pub fn changed(before: &Stat, after: &Stat) -> bool {
    let ctime = |stat: &Stat| (stat.st_ctime as i64, stat.st_ctime_nsec as i64);
    // A new hard link changes only the ctime, and is no change of the file.
    version(before) != version(after) || (ctime(before) != ctime(after) && before.st_nlink == after.st_nlink)
}
