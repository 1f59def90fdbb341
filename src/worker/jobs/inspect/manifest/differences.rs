//! The differences between a volume and what should be in it, as any thread finds them.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::Stat;

use crate::model::event::Amount;
use crate::model::lock::{into_inner, lock};
use crate::model::sampled::Sampled;
use crate::worker::job::{short, shown};
use crate::worker::jobs::inspect::owners::OwnerTally;
use crate::worker::protocol::Inventory;

/// The differences found so far.
#[derive(Debug, Default)]
pub struct Differences {
    content: Mutex<Sampled<String>>,
    owners: Mutex<Sampled<String>>,
    modes: Mutex<Sampled<String>>,
    metadata: Mutex<Sampled<String>>,
    belongs: Mutex<OwnerTally>,
    compared_files: AtomicU64,
    compared_bytes: AtomicU64,
}

/// What the comparison of a volume counts beside the differences.
#[derive(Debug, Clone, Copy)]
pub struct ComparedEntries {
    /// Entries that should be there.
    pub expected: u64,
    /// Entries of the source that changed since they were copied.
    pub changed_since: u64,
    /// The contents of files were compared, too.
    pub contents: bool,
}

impl Differences {
    /// The end of the comparison. `root` is the volume's root, or the single file in it.
    pub fn into_inventory(self, entries: ComparedEntries, root: &Stat) -> Inventory {
        let compared = Amount { files: self.compared_files.into_inner(), bytes: self.compared_bytes.into_inner() };
        Inventory {
            entries: entries.expected,
            content: into_inner(self.content),
            owners: into_inner(self.owners),
            modes: into_inner(self.modes),
            metadata: into_inner(self.metadata),
            changed_since: entries.changed_since,
            compared: entries.contents.then_some(compared),
            belongs: into_inner(self.belongs).into_owners(root, true),
        }
    }

    /// An entry is missing, was not expected, or is of another kind, size or content.
    pub fn add_content(&self, path: &[u8], what: impl fmt::Display) {
        add(&self.content, path, what);
    }

    /// An entry lacks an attribute, a hole or a second name.
    pub fn add_metadata(&self, path: &[u8], what: impl fmt::Display) {
        add(&self.metadata, path, what);
    }

    /// Compares the user and the group of an entry.
    pub fn compare_owner(&self, path: &[u8], found: (u32, u32), expected: (u32, u32)) {
        if found != expected {
            let ((uid, gid), (own_uid, own_gid)) = (found, expected);
            add(&self.owners, path, format_args!("belongs to {uid}:{gid} instead of {own_uid}:{own_gid}"));
        }
    }

    /// Compares the permission bits of an entry.
    pub fn compare_mode(&self, path: &[u8], found: u32, expected: u32) {
        if found != expected {
            add(&self.modes, path, format_args!("has the mode {found:04o} instead of {expected:04o}"));
        }
    }

    /// Counts whom an entry of the volume belongs to.
    pub fn count_owner(&self, stat: &Stat) {
        lock(&self.belongs).add(stat);
    }

    /// Bytes of content were compared.
    pub fn count_bytes(&self, bytes: u64) {
        self.compared_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The content of one more file was compared.
    pub fn count_file(&self) {
        self.compared_files.fetch_add(1, Ordering::Relaxed);
    }
}

fn add(to: &Mutex<Sampled<String>>, path: &[u8], what: impl fmt::Display) {
    lock(to).add(|| short(format!("{}: {what}", shown(path))));
}
