//! Whom a tree belongs to.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, fstat, statat};

use super::OwnerTally;
use crate::model::lock::{into_inner, lock};
use crate::worker::fs::open::{is_gone, unreadable};
use crate::worker::fs::scan::{look, open_root};
use crate::worker::fs::walk::{Branch, VisitedFolder, Visitor, threads, walk};
use crate::worker::job::{JobControl, JobStop};
use crate::worker::protocol::{Owners, RootKind};

/// Counts whom the entries at `path` belong to, which somebody may be changing.
pub fn owners(path: &str, max_entries: u64, ticket: &JobControl) -> Result<Owners, JobStop> {
    let (root, stat) = look(path)?;
    let counter = Counter { max_entries, ticket, entries: AtomicU64::new(0), tally: Mutex::default() };
    lock(&counter.tally).add(&stat);
    let mut complete = true;
    if root == RootKind::Folder {
        complete = match walk(&counter, threads(), open_root(path, root)?, (), ()) {
            Ok(()) => true,
            Err(JobStop::Enough) => false,
            Err(stop) => return Err(stop),
        };
    }
    Ok(into_inner(counter.tally).owners(&stat, complete))
}

struct Counter<'a> {
    max_entries: u64,
    ticket: &'a JobControl,
    entries: AtomicU64,
    tally: Mutex<OwnerTally>,
}

impl Counter<'_> {
    fn count(&self) -> Result<(), JobStop> {
        self.ticket.beat()?;
        let entries = self.entries.fetch_add(1, Ordering::Relaxed) + 1;
        if self.max_entries > 0 && entries > self.max_entries { Err(JobStop::Enough) } else { Ok(()) }
    }
}

impl Visitor for Counter<'_> {
    type Target = ();
    type Note = ();

    fn enter(&self, parent: &VisitedFolder<'_, Self>, name: &CStr, source: &OwnedFd) -> Result<((), ()), JobStop> {
        self.count()?;
        let stat = fstat(source).map_err(|error| unreadable(&parent.branch.path_of(name), error))?;
        lock(&self.tally).add(&stat);
        Ok(((), ()))
    }

    fn reopen(&self, _parent: &(), _name: &CStr) -> Result<(), JobStop> {
        Ok(())
    }

    fn entry(&self, place: &VisitedFolder<'_, Self>, name: &CStr, _kind: FileType) -> Result<(), JobStop> {
        self.count()?;
        match statat(&place.open.source, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => lock(&self.tally).add(&stat),
            Err(error) if is_gone(error) => {}
            Err(error) => return Err(unreadable(&place.branch.path_of(name), error)),
        }
        Ok(())
    }

    fn gone(&self, _path: &[u8]) {}

    fn leave(&self, _branch: &Branch<Self>, _target: &()) -> Result<(), JobStop> {
        Ok(())
    }
}
