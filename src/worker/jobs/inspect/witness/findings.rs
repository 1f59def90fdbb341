//! What is not in the backup as it is live, and how much could be compared, as any thread finds it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::event::Amount;
use crate::model::lock::{into_inner, lock};
use crate::worker::job::{short, shown};
use crate::worker::protocol::{DifferingFiles, Witnessed};

/// Folders that are counted; more than these are not named.
const MAX_FOLDERS: usize = 1000;
/// Folders that are named.
const NAMED_FOLDERS: usize = 3;

/// Files and bytes, counted by several threads.
#[derive(Debug, Default)]
pub struct Tally {
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Tally {
    /// Counts a file.
    pub fn add(&self, bytes: u64) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn amount(&self) -> Amount {
        Amount { files: self.files.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}

/// Files of one kind of difference.
#[derive(Debug, Default)]
struct Collected {
    files: DifferingFiles,
    folders: BTreeMap<Vec<u8>, u64>,
}

/// The findings so far.
#[derive(Debug, Default)]
pub struct Findings {
    /// All live files, without those that are exempt.
    pub live: Tally,
    /// Those that have not been touched since.
    pub unchanged: Tally,
    /// Those whose content was compared, and what was read of each.
    pub read: Tally,
    pub exempt: AtomicU64,
    /// Files with a time of change in the future.
    pub of_the_future: AtomicU64,
    /// Files that were modified later than they were changed: the clock was set.
    pub out_of_order: AtomicU64,
    /// Files whose owner and mode were compared, and are surely as they were.
    pub owned: AtomicU64,
    missing: Mutex<Collected>,
    smaller: Mutex<Collected>,
    other: Mutex<Collected>,
    owners: Mutex<Collected>,
    modes: Mutex<Collected>,
}

/// A kind of difference.
#[derive(Debug, Clone, Copy)]
pub enum Difference {
    Missing,
    Smaller,
    /// Of another kind, or with other content.
    Other,
    Owner,
    Mode,
}

impl Findings {
    /// Adds a file that differs. `what` follows its path in the message; it may be empty.
    pub fn add(&self, difference: Difference, path: &[u8], bytes: u64, what: impl Display) {
        let of = match difference {
            Difference::Missing => &self.missing,
            Difference::Smaller => &self.smaller,
            Difference::Other => &self.other,
            Difference::Owner => &self.owners,
            Difference::Mode => &self.modes,
        };
        let folder = path.iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |end| &path[..end]);
        let mut of = lock(of);
        of.files.bytes += bytes;
        of.files.named.add(|| {
            let what = what.to_string();
            if what.is_empty() { short(shown(path)) } else { short(format!("{} {what}", shown(path))) }
        });
        let known = of.folders.len();
        match of.folders.get_mut(folder) {
            Some(count) => *count += 1,
            None if known < MAX_FOLDERS => drop(of.folders.insert(folder.to_vec(), 1)),
            None => {}
        }
    }

    /// The end of the comparison; `complete`: every live file was looked at.
    pub fn finish(self, complete: bool) -> Witnessed {
        Witnessed {
            silent: None,
            live: self.live.amount(),
            unchanged: self.unchanged.amount(),
            read: self.read.amount(),
            exempt: self.exempt.into_inner(),
            of_the_future: self.of_the_future.into_inner(),
            out_of_order: self.out_of_order.into_inner(),
            owned: self.owned.into_inner(),
            missing: finish(self.missing),
            smaller: finish(self.smaller),
            other: finish(self.other),
            owners: finish(self.owners),
            modes: finish(self.modes),
            complete,
            start: None,
        }
    }
}

fn finish(collected: Mutex<Collected>) -> DifferingFiles {
    let Collected { files, folders } = into_inner(collected);
    let mut folders: Vec<(Vec<u8>, u64)> = folders.into_iter().filter(|(_, count)| *count > 1).collect();
    folders.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    folders.truncate(NAMED_FOLDERS);
    let folders = folders.into_iter().map(|(path, count)| (short(shown(&path)), count)).collect();
    DifferingFiles { folders, ..files }
}
