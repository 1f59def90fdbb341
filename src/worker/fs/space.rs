//! Room on a file system.

use std::os::fd::OwnedFd;

use rustix::fs::fstatvfs;
use rustix::io::Errno;

/// Bytes that an unprivileged writer still finds room for on the file system of `fd`.
pub fn free_bytes(fd: &OwnedFd) -> Result<u64, Errno> {
    let stat = fstatvfs(fd)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Files that an unprivileged writer can still make on the file system of `fd`; `None` where they are not bounded.
pub fn free_files(fd: &OwnedFd) -> Option<u64> {
    let stat = fstatvfs(fd).ok()?;
    (stat.f_files > 0).then_some(stat.f_favail)
}
