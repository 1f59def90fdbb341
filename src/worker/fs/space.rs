//! Room on a file system.

use std::os::fd::OwnedFd;

use rustix::fs::fstatvfs;
use rustix::io::Errno;

use crate::worker::job::JobStop;
use crate::worker::protocol::{Failure, FreeSpace};

/// One of so many inodes stays free for others: 5 %.
const KEPT_FILES: u64 = 20;

/// What an unprivileged writer finds free on the file system of `fd`.
pub fn free_space(fd: &OwnedFd) -> Result<FreeSpace, Errno> {
    let stat = fstatvfs(fd)?;
    // Some file systems make inodes as they need them and count none.
    let counts_files = stat.f_files > 0;
    Ok(FreeSpace {
        bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        files: counts_files.then_some(stat.f_favail),
        kept_files: stat.f_files / KEPT_FILES,
    })
}

/// Bytes that an unprivileged writer still finds room for on the file system of `fd`.
pub fn free_bytes(fd: &OwnedFd) -> Result<u64, Errno> {
    Ok(free_space(fd)?.bytes)
}

/// Files that an unprivileged writer can still make on the file system of `fd`; `None` where they are not bounded.
pub fn free_files(fd: &OwnedFd) -> Option<u64> {
    free_space(fd).ok()?.files
}

/// Checks that `bytes` and `files` more leave `keep_free` bytes and a twentieth of the inodes free. With a `keep_free`
/// of 0 nothing has to stay free.
pub fn check_fits(free: &FreeSpace, bytes: u64, files: u64, keep_free: u64) -> Result<(), JobStop> {
    let needed = bytes.saturating_add(keep_free);
    if needed > free.bytes {
        return Err(Failure::NoSpace { bytes: needed, free: free.bytes }.into());
    }
    let kept = if keep_free > 0 { free.kept_files } else { 0 };
    match free.files {
        Some(free) if files.saturating_add(kept) > free => Err(Failure::NoFiles { files, free, kept }.into()),
        _ => Ok(()),
    }
}
