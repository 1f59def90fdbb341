//! Counts what is at a path, without reading any content.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FileType, Stat};

use super::mounts::mounted_at;
use super::observe::{SeenEntry, TreeObserver, observe};
use super::open::unreadable;
use super::root::{open_root, stat_root};
use super::space::free_bytes;
use super::stat::{allocated, content_bytes, link_count};
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

/// Counts what is at `path`. With `report`, `control` hears of every entry as work done.
pub fn scan(path: &str, bounds: ScanBounds, control: &JobControl, report: bool) -> Result<Scan, JobStop> {
    let (root, stat) = stat_root(path)?;
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
            scan.free_bytes = free_bytes(&open_root(path, root)?).map_err(|error| unreadable(b"", error))?;
            scan.amount = Amount { files: 1, bytes: content_bytes(&stat) };
            scan.allocated = allocated(&stat);
        }
        RootKind::Folder => {
            let source = open_root(path, root)?;
            scan.free_bytes = free_bytes(&source).map_err(|error| unreadable(b"", error))?;
            let tally =
                ScanTally { max_bytes: bounds.bytes, report: report.then_some(control), ..ScanTally::default() };
            scan.complete = observe(source, &[&tally], bounds.entries, control)?;
            scan.amount = Amount { files: tally.files.into_inner(), bytes: tally.bytes.into_inner() };
            scan.allocated = tally.allocated.into_inner();
            scan.folders = tally.folders.into_inner();
            scan.special_files = into_inner(tally.special_files);
        }
        RootKind::Socket | RootKind::Other => {}
    }
    Ok(scan)
}

#[derive(Default)]
struct ScanTally<'a> {
    max_bytes: u64,
    /// Hears of every entry as work done; `None`: nobody is to hear.
    report: Option<&'a JobControl>,
    files: AtomicU64,
    bytes: AtomicU64,
    allocated: AtomicU64,
    folders: AtomicU64,
    special_files: Mutex<Sampled<String>>,
    /// Files of several names, with how many names are still to come: their content counts once.
    links: Mutex<HashMap<(u64, u64), u64>>,
}

impl ScanTally<'_> {
    fn seen_before(&self, stat: &Stat) -> bool {
        if link_count(stat) < 2 {
            return false;
        }
        let mut links = lock(&self.links);
        let key = (stat.st_dev, stat.st_ino);
        match links.get_mut(&key) {
            None => {
                links.insert(key, link_count(stat) - 1);
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

    fn note_special_file(&self, entry: &SeenEntry<'_>) {
        lock(&self.special_files).add(|| short_path(entry.path()));
    }
}

impl TreeObserver for ScanTally<'_> {
    fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
        let mut bytes = 0;
        match entry.kind {
            FileType::Directory => {
                self.folders.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            FileType::RegularFile => match entry.stat()? {
                None => return Ok(()),
                Some(stat) if self.seen_before(stat) => {}
                Some(stat) => {
                    bytes = content_bytes(stat);
                    self.allocated.fetch_add(allocated(stat), Ordering::Relaxed);
                }
            },
            // It holds no data and is not copied.
            FileType::Socket => {
                self.note_special_file(entry);
                return Ok(());
            }
            // Writing to a pipe is no writing to its file system: a reader outside would hear of it.
            FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice => self.note_special_file(entry),
            _ => {}
        }
        self.files.fetch_add(1, Ordering::Relaxed);
        let all = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if let Some(control) = self.report {
            control.add(1, bytes);
        }
        if self.max_bytes > 0 && all > self.max_bytes { Err(JobStop::Enough) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
