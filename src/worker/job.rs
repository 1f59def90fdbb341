//! A running job as its work sees it: whether to stop, how far it is, and how it can end before its end. And how
//! paths are written in results.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::protocol::Failure;
use crate::model::event::Amount;

/// Longest name in a result, in bytes: a reply stays a short line.
const NAME_BYTES: usize = 1024;

/// Why work ended before its end.
#[derive(Debug)]
pub enum JobStop {
    /// It cannot be done.
    Failed(Failure),
    /// The client does not want it any more.
    Cancelled,
    /// Its bound is reached.
    Enough,
}

impl From<Failure> for JobStop {
    fn from(failure: Failure) -> JobStop {
        JobStop::Failed(failure)
    }
}

/// A running job: shared by the threads that do it and the one that reports on it.
#[derive(Debug, Default)]
pub struct JobControl {
    cancelled: AtomicBool,
    /// Changes whenever anything was done. A job whose pulse stands still sends no progress, so a client can tell a
    /// slow disk from a hung one.
    pulse: AtomicU64,
    files: AtomicU64,
    bytes: AtomicU64,
    total: OnceLock<Amount>,
}

impl JobControl {
    /// Asks the job to stop.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Called by the work every now and then: shows that it lives and learns whether to go on.
    pub fn beat(&self) -> Result<(), JobStop> {
        self.pulse.fetch_add(1, Ordering::Relaxed);
        self.check()
    }

    /// Learns whether to go on, without a sign of life.
    pub fn check(&self) -> Result<(), JobStop> {
        if self.cancelled.load(Ordering::Relaxed) { Err(JobStop::Cancelled) } else { Ok(()) }
    }

    /// A number that changes while the work goes on.
    pub fn pulse(&self) -> u64 {
        self.pulse.load(Ordering::Relaxed)
    }

    /// Work done.
    pub fn add(&self, files: u64, bytes: u64) {
        self.pulse.fetch_add(1, Ordering::Relaxed);
        self.files.fetch_add(files, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The work to do has become known.
    pub fn set_total(&self, total: Amount) {
        // A job has one total; a second one would be a mistake that only shows in a progress bar.
        let _ = self.total.set(total);
    }

    /// Work done so far.
    pub fn amount(&self) -> Amount {
        Amount { files: self.files.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }

    /// Work to do.
    pub fn total(&self) -> Option<Amount> {
        self.total.get().copied()
    }
}

/// A text cut to what a result carries of one name, with `…` where it was cut.
pub fn short(mut name: String) -> String {
    if name.len() > NAME_BYTES {
        name.truncate(name.floor_char_boundary(NAME_BYTES));
        name.push('…');
    }
    name
}

/// A path for people: lossy, relative; the root itself is `.`.
pub fn shown(path: &[u8]) -> String {
    if path.is_empty() { ".".to_owned() } else { String::from_utf8_lossy(path).into_owned() }
}

/// As [`shown`], cut to what a result carries.
pub fn short_path(path: &[u8]) -> String {
    short(shown(path))
}
