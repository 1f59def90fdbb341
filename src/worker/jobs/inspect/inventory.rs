//! The inventory: what really is in a volume after a restore, held against what should be.
//!
//! What should be is noted while a volume is filled ([`Manifest`] of an archive's entries) or still to be seen beside it (the
//! source of a copy). Whoever filled a volume is not asked what it did: the volume is walked anew.

pub mod contents;
pub mod copied;
pub mod manifest;
pub mod owners;
pub mod unpacked;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FileType, Stat};

use crate::model::event::Amount;
use crate::model::lock::{into_inner, lock};
use crate::model::sampled::Sampled;
use crate::worker::job::{JobControl, JobStop, short, shown};
use crate::worker::protocol::{Inventory, Owners};
use contents::Digest;
use manifest::Manifest;

/// Users that are told apart; more than these are not named.
const MAX_USERS: usize = 64;

/// What is known of how a volume was filled.
#[derive(Debug)]
pub enum Expected {
    /// Out of an archive.
    Unpacked(Manifest),
    /// From this tree.
    Copied(CopySource),
}

/// What stands for the content of files, by device and number.
pub type Contents = HashMap<(u64, u64), Digest>;

/// What a volume was copied from.
#[derive(Debug, Clone, Default)]
pub struct CopySource {
    /// A mount of the worker.
    pub from: String,
    /// When the copy began, in seconds since the epoch. What changed later says nothing of the copy.
    pub began: i64,
    /// Metadata that the volume's file system refused, by name (`owner`, `user.foo`).
    pub refused: BTreeSet<String>,
    /// What was read for files of the volume, as far as it was noted.
    pub contents: Contents,
}

/// The volumes that this worker filled, by their path.
#[derive(Debug, Default)]
pub struct FilledVolumes(Mutex<BTreeMap<String, Expected>>);

impl FilledVolumes {
    /// Notes how the volume at `path` was filled.
    pub fn note(&self, path: String, known: Expected) {
        lock(&self.0).insert(path, known);
    }

    /// Holds what is at `path` against what should be, with the contents of files if they are asked for; `None` when this worker
    /// has not filled it, or was asked before.
    pub fn inventory(&self, path: &str, contents: bool, ticket: &JobControl) -> Option<Result<Inventory, JobStop>> {
        let known = lock(&self.0).remove(path)?;
        Some(match known {
            Expected::Unpacked(manifest) => unpacked::compare(path, &manifest, contents, ticket),
            Expected::Copied(source) => copied::compare(path, &source, contents, ticket),
        })
    }
}

/// Differences as they are found, by any thread.
#[derive(Debug, Default)]
struct Findings {
    content: Mutex<Sampled<String>>,
    owners: Mutex<Sampled<String>>,
    modes: Mutex<Sampled<String>>,
    metadata: Mutex<Sampled<String>>,
    belongs: Mutex<OwnerTally>,
    compared: AtomicU64,
}

impl Findings {
    fn inventory(self, entries: u64, changed_since: u64, root: &Stat, ticket: Option<&JobControl>) -> Inventory {
        Inventory {
            entries,
            content: into_inner(self.content),
            owners: into_inner(self.owners),
            modes: into_inner(self.modes),
            metadata: into_inner(self.metadata),
            changed_since,
            compared: ticket.map(|ticket| Amount { files: self.compared.into_inner(), bytes: ticket.amount().bytes }),
            belongs: into_inner(self.belongs).owners(root, true),
        }
    }

    fn content(&self, path: &[u8], what: impl fmt::Display) {
        add(&self.content, path, what);
    }

    /// The content of one more file was compared.
    fn compared(&self) {
        self.compared.fetch_add(1, Ordering::Relaxed);
    }

    fn metadata(&self, path: &[u8], what: impl fmt::Display) {
        add(&self.metadata, path, what);
    }

    /// Compares an owner.
    fn owner(&self, path: &[u8], found: (u32, u32), expected: (u32, u32)) {
        if found != expected {
            let ((uid, gid), (own_uid, own_gid)) = (found, expected);
            add(&self.owners, path, format_args!("belongs to {uid}:{gid} instead of {own_uid}:{own_gid}"));
        }
    }

    /// Compares a mode.
    fn mode(&self, path: &[u8], found: u32, expected: u32) {
        if found != expected {
            add(&self.modes, path, format_args!("has the mode {found:04o} instead of {expected:04o}"));
        }
    }

    fn tally(&self, stat: &Stat) {
        lock(&self.belongs).add(stat);
    }
}

fn add(to: &Mutex<Sampled<String>>, path: &[u8], what: impl fmt::Display) {
    lock(to).add(|| short(format!("{}: {what}", shown(path))));
}

/// How many entries belong to whom.
#[derive(Debug, Default)]
struct OwnerTally {
    users: BTreeMap<u32, u64>,
    too_many: bool,
}

impl OwnerTally {
    fn add(&mut self, stat: &Stat) {
        let known = self.users.len();
        match self.users.get_mut(&stat.st_uid) {
            Some(count) => *count += 1,
            None if known < MAX_USERS => {
                self.users.insert(stat.st_uid, 1);
            }
            None => self.too_many = true,
        }
    }

    fn owners(self, root: &Stat, complete: bool) -> Owners {
        let mut users = self.users.into_iter().collect::<Vec<_>>();
        users.sort_by_key(|&(uid, count)| (std::cmp::Reverse(count), uid));
        Owners { root: owner(root), root_mode: mode(root), users, complete: complete && !self.too_many }
    }
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn owner(stat: &Stat) -> (u32, u32) {
    (stat.st_uid, stat.st_gid)
}

#[allow(clippy::unnecessary_cast, reason = "the types of a stat's fields differ between architectures")]
fn mode(stat: &Stat) -> u32 {
    stat.st_mode as u32 & 0o7777
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

fn kind_word(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a folder",
        FileType::RegularFile => "a file",
        FileType::Symlink => "a symlink",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        _ => "a device",
    }
}
