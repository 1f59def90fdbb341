//! Opening what somebody else may be changing, and telling whether they did.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, Stat, openat};
use rustix::io::Errno;
use rustix::path::Arg;

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

/// What changes when a file is written to.
#[allow(clippy::unnecessary_cast, reason = "the types of a stat's fields differ between architectures")]
pub fn version(stat: &Stat) -> [i64; 3] {
    [stat.st_size as i64, stat.st_mtime as i64, stat.st_mtime_nsec as i64]
}

/// Whether a file was changed between these two looks at it.
#[allow(clippy::unnecessary_cast, reason = "the types of a stat's fields differ between architectures")]
pub fn changed(before: &Stat, after: &Stat) -> bool {
    let ctime = |stat: &Stat| (stat.st_ctime as i64, stat.st_ctime_nsec as i64);
    // A new name for a file changes its ctime only, and is no change of the file.
    version(before) != version(after) || (ctime(before) != ctime(after) && before.st_nlink == after.st_nlink)
}
