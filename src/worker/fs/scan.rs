//! Counting what is at a path, without reading any content.

use std::collections::HashMap;
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, fstatvfs, openat, statat};

use super::mounts::mounted_at;
use super::open::{is_gone, open_quietly, unreadable};
use super::walk::{Branch, VisitedFolder, Visitor, threads, walk};
use crate::model::event::Amount;
use crate::model::lock::{into_inner, lock};
use crate::model::sampled::Sampled;
use crate::worker::job::{JobControl, JobStop, short_path};
use crate::worker::protocol::{Failure, RootKind, Scan};

/// Bounds of a count; 0 is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct ScanBounds {
    /// Stop after this many entries.
    pub entries: u64,
    /// Stop when there is more than this.
    pub bytes: u64,
}

/// Counts what is at `path`. With `report`, the ticket hears of every entry as work done.
pub fn scan(path: &str, bounds: ScanBounds, ticket: &JobControl, report: bool) -> Result<Scan, JobStop> {
    let (root, stat) = look(path)?;
    let mounted = mounted_at(path).map_err(|error| Failure::Unreadable {
        path: String::new(),
        error: format!("what is mounted there cannot be found out: {error}"),
    })?;
    let mut scan = Scan {
        root,
        amount: Amount::default(),
        allocated: 0,
        folders: 0,
        special_files: Sampled::default(),
        complete: true,
        free_bytes: 0,
        file_system: mounted.file_system,
        mounts_below: mounted.below,
    };
    match root {
        RootKind::File => {
            scan.free_bytes = free_bytes(&open_root(path, root)?)?;
            scan.amount = Amount { files: 1, bytes: content(&stat) };
            scan.allocated = allocated(&stat);
        }
        RootKind::Folder => {
            let source = open_root(path, root)?;
            scan.free_bytes = free_bytes(&source)?;
            let tally = ScanTally { bounds, ticket, report, ..ScanTally::new(ticket) };
            scan.complete = match walk(&tally, threads(), source, (), ()) {
                Ok(()) => true,
                Err(JobStop::Enough) => false,
                Err(stop) => return Err(stop),
            };
            scan.amount = Amount { files: tally.files.into_inner(), bytes: tally.bytes.into_inner() };
            scan.allocated = tally.allocated.into_inner();
            scan.folders = tally.folders.into_inner();
            scan.special_files = into_inner(tally.special_files);
        }
        RootKind::Socket | RootKind::Other => {}
    }
    Ok(scan)
}

/// What is at a path, without opening it: opening a device can do things.
pub fn look(path: &str) -> Result<(RootKind, Stat), JobStop> {
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

/// Bytes an unprivileged writer still finds room for on the file system of `fd`.
pub fn free_bytes(fd: &OwnedFd) -> Result<u64, JobStop> {
    let stat = fstatvfs(fd).map_err(|error| unreadable(b"", error))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Files an unprivileged writer can still make on the file system of `fd`, where that is bounded.
pub fn free_files(fd: &OwnedFd) -> Option<u64> {
    let stat = fstatvfs(fd).ok()?;
    (stat.f_files > 0).then_some(stat.f_favail)
}

/// Bytes a file takes on its disk: holes take none.
pub fn allocated(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512)
}

/// Bytes of a file's content: its size, and of a sparse one what it takes on its disk.
pub fn content(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0).min(allocated(stat))
}

/// How many names a file has.
#[allow(clippy::useless_conversion, reason = "the types of a stat's fields differ between architectures")]
pub fn names(stat: &Stat) -> u64 {
    stat.st_nlink.into()
}

struct ScanTally<'a> {
    bounds: ScanBounds,
    ticket: &'a JobControl,
    report: bool,
    files: AtomicU64,
    bytes: AtomicU64,
    allocated: AtomicU64,
    folders: AtomicU64,
    special_files: Mutex<Sampled<String>>,
    /// Files of several names, and how many of these are still to come: their content counts once.
    links: Mutex<HashMap<(u64, u64), u64>>,
}

impl<'a> ScanTally<'a> {
    fn new(ticket: &'a JobControl) -> ScanTally<'a> {
        ScanTally {
            bounds: ScanBounds::default(),
            ticket,
            report: false,
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            allocated: AtomicU64::new(0),
            folders: AtomicU64::new(0),
            special_files: Mutex::default(),
            links: Mutex::default(),
        }
    }

    fn seen_before(&self, stat: &Stat) -> bool {
        if names(stat) < 2 {
            return false;
        }
        let mut links = lock(&self.links);
        let key = (stat.st_dev, stat.st_ino);
        match links.get_mut(&key) {
            None => {
                links.insert(key, names(stat) - 1);
                false
            }
            Some(left) => {
                *left -= 1;
                if *left == 0 {
                    links.remove(&key);
                }
                true
            }
        }
    }

    fn check(&self, entries: u64) -> Result<(), JobStop> {
        if self.bounds.entries > 0 && entries >= self.bounds.entries { Err(JobStop::Enough) } else { Ok(()) }
    }
}

impl Visitor for ScanTally<'_> {
    type Target = ();
    type Note = ();

    fn enter(&self, _parent: &VisitedFolder<'_, Self>, _name: &CStr, _source: &OwnedFd) -> Result<((), ()), JobStop> {
        let folders = self.folders.fetch_add(1, Ordering::Relaxed) + 1;
        self.ticket.beat()?;
        self.check(folders + self.files.load(Ordering::Relaxed))?;
        Ok(((), ()))
    }

    fn reopen(&self, _parent: &(), _name: &CStr) -> Result<(), JobStop> {
        Ok(())
    }

    fn entry(&self, place: &VisitedFolder<'_, Self>, name: &CStr, kind: FileType) -> Result<(), JobStop> {
        self.ticket.beat()?;
        let mut bytes = 0;
        match kind {
            FileType::RegularFile => match statat(&place.open.source, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if self.seen_before(&stat) => {}
                Ok(stat) => {
                    bytes = content(&stat);
                    self.allocated.fetch_add(allocated(&stat), Ordering::Relaxed);
                }
                Err(error) if is_gone(error) => return Ok(()),
                Err(error) => return Err(unreadable(&place.branch.path_of(name), error)),
            },
            FileType::Socket => {
                let mut special_files = lock(&self.special_files);
                special_files.add(|| short_path(&place.branch.path_of(name)));
                return Ok(());
            }
            // Writing to a pipe is no writing to its file system: whoever reads it outside would hear.
            FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice => {
                let mut special_files = lock(&self.special_files);
                special_files.add(|| short_path(&place.branch.path_of(name)));
            }
            _ => {}
        }
        let files = self.files.fetch_add(1, Ordering::Relaxed) + 1;
        let all = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.report {
            self.ticket.add(1, bytes);
        }
        if self.bounds.bytes > 0 && all > self.bounds.bytes {
            return Err(JobStop::Enough);
        }
        self.check(files + self.folders.load(Ordering::Relaxed))
    }

    fn gone(&self, _path: &[u8]) {}

    fn leave(&self, _branch: &Branch<Self>, _target: &()) -> Result<(), JobStop> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
