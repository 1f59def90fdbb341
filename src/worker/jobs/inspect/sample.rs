//! One file of a fingerprint: what is noted of it, and how it is found again.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, OFlags, Statx, StatxFlags, statx};
use rustix::io::{Errno, pread};

use crate::model::fingerprint::{INTAKE_FOLDERS, REMADE_FOLDERS, Sample};
use crate::worker::fs::open::open_quietly;

/// Bytes at either end of a file that are compared.
const END: usize = 4096;

/// Whether a file may vanish without loss while the service runs: it is made anew, or was taken in.
pub fn is_disposable(path: &[u8]) -> bool {
    is_remade(path) || is_below(path, &INTAKE_FOLDERS)
}

/// Whether nobody misses a file in a backup: a cache, a log, a lock.
pub fn is_remade(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_ascii_lowercase();
    let endings: [&[u8]; 6] = [b".log", b".tmp", b".pid", b".lock", b".lck", b".sock"];
    endings.iter().any(|ending| name.ends_with(ending)) || is_below(path, &REMADE_FOLDERS)
}

/// Whether a file lies in a folder with one of these names, at any depth.
fn is_below(path: &[u8], folders: &[&str]) -> bool {
    let mut above = path.rsplit(|byte| *byte == b'/').skip(1);
    above.any(|part| folders.iter().any(|folder| part.eq_ignore_ascii_case(folder.as_bytes())))
}

/// A hash that stands for a path or a content.
pub fn hash(bytes: &[u8]) -> u64 {
    let hash = blake3::hash(bytes);
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap_or_default())
}

/// A hash of the inode and, where the file system knows it, the time of birth: inodes are reused at once.
pub fn identity(stat: &Statx) -> u64 {
    let has_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    let birth = if has_birth { (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec) } else { (0, 0) };
    hash(format!("{} {} {}", stat.stx_ino, birth.0, birth.1).as_bytes())
}

/// The metadata of a regular file, without opening it; `None` for anything else, or nothing.
pub fn stat_file(folder: &OwnedFd, name: &CStr) -> Option<Statx> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let stat = statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, wanted).ok()?;
    (FileType::from_raw_mode(stat.stx_mode.into()) == FileType::RegularFile).then_some(stat)
}

/// Reads `bytes` of a file from an offset on, until the buffer is full or the file ends.
pub fn read_at(file: &OwnedFd, bytes: usize, from: u64) -> Option<Vec<u8>> {
    let mut buffer = vec![0; bytes];
    let mut filled = 0;
    while filled < bytes {
        match pread(file, &mut buffer[filled..], from + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    buffer.truncate(filled);
    Some(buffer)
}

/// What is noted of a file; `None` when it cannot be read.
pub fn sample_file(folder: &OwnedFd, name: &CStr, path: &[u8]) -> Option<Sample> {
    let stat = stat_file(folder, name)?;
    let file = open_quietly(folder, name, OFlags::empty()).ok()?;
    let mut ends = read_at(&file, END, 0)?;
    let mut start = [0; 4];
    let known = ends.len().min(start.len());
    start[..known].copy_from_slice(&ends[..known]);
    if stat.stx_size > END as u64 {
        ends.extend(read_at(&file, END, stat.stx_size.saturating_sub(END as u64))?);
    }
    Some(Sample {
        path: hash(path),
        size: stat.stx_size,
        start: u32::from_le_bytes(start),
        content: hash(&ends),
        identity: identity(&stat),
    })
}

#[cfg(test)]
mod tests {
    use super::{is_disposable, is_remade};

    #[test]
    fn what_a_program_takes_in_is_missed_in_a_backup() {
        for path in ["cache/a", "a/Cache/b/c", "x.log", "deep/x.PID"] {
            assert!(is_remade(path.as_bytes()) && is_disposable(path.as_bytes()), "{path}");
        }
        for path in ["mail/spool/a", "Inbox/b", "queue/c"] {
            assert!(!is_remade(path.as_bytes()) && is_disposable(path.as_bytes()), "{path}");
        }
        for path in ["spool", "cache", "logs.txt", "a/b"] {
            assert!(!is_disposable(path.as_bytes()), "{path}");
        }
    }
}
