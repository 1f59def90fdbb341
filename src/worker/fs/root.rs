//! The roots of what a job works on: mounts of the worker that are read, and volumes that are written.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat};

use super::open::{error_text, open_quietly, unreadable};
use crate::worker::job::{JobStop, shown};
use crate::worker::protocol::{Failure, RootKind};

/// The name under which a mount that is a single file lies in its volume.
pub const SINGLE_FILE: &CStr = c"file";

/// What is at a path, without opening it: opening a device can do things.
pub fn stat_root(path: &str) -> Result<(RootKind, Stat), JobStop> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(CWD, path, flags, Mode::empty()).map_err(|error| unreadable(b"", error))?;
    let stat = fstat(&fd).map_err(|error| unreadable(b"", error))?;
    let root = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => RootKind::Folder,
        FileType::RegularFile => RootKind::File,
        FileType::Socket => RootKind::Socket,
        _ => RootKind::Other,
    };
    Ok((root, stat))
}

/// Opens a mount's root for reading.
pub fn open_root(path: &str, root: RootKind) -> Result<OwnedFd, JobStop> {
    let more = if root == RootKind::Folder { OFlags::DIRECTORY } else { OFlags::empty() };
    open_quietly(CWD, path, more).map_err(|error| unreadable(b"", error))
}

/// Opens the root of a volume that is written to.
pub fn open_volume(path: &str) -> Result<OwnedFd, JobStop> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty())
        .map_err(|error| Failure::Unwritable { path: shown(b""), error: error_text(error) }.into())
}
