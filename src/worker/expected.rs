//! What a volume should hold, as the job that filled it noted it down.
//!
//! A restored volume is compared with a [`Manifest`] of the archive's entries, or with the tree that it was copied
//! from. The job that filled it reports no result of its own: the comparison walks the volume anew.

pub mod manifest;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

use crate::model::lock::lock;
use crate::worker::fs::digest::Digest;
use manifest::Manifest;

/// Digests of files, by device and inode.
pub type ContentDigests = HashMap<(u64, u64), Digest>;

/// How a volume was filled.
#[derive(Debug)]
pub enum Expected {
    /// From an archive.
    Unpacked(Manifest),
    /// From a tree.
    Copied(CopySource),
}

/// The tree that a volume was copied from.
#[derive(Debug, Clone, Default)]
pub struct CopySource {
    /// A mount of the worker.
    pub from: String,
    /// When the copy began, in seconds since the epoch. A later change of the source says nothing about the copy.
    pub began: i64,
    /// Metadata that the volume's file system refused, by name (`owner`, `user.foo`).
    pub refused: BTreeSet<String>,
    /// Digests of what was read, by the file of the volume; empty where none was taken.
    pub contents: ContentDigests,
}

/// The volumes that this worker filled, by their path.
#[derive(Debug, Default)]
pub struct FilledVolumes(Mutex<BTreeMap<String, Expected>>);

impl FilledVolumes {
    /// Notes how the volume at `path` was filled.
    pub fn note(&self, path: String, expected: Expected) {
        lock(&self.0).insert(path, expected);
    }

    /// Takes what the volume at `path` should hold. `None`: this worker has not filled it, or it was taken before: a
    /// service may have written to the volume since.
    pub fn take(&self, path: &str) -> Option<Expected> {
        lock(&self.0).remove(path)
    }
}
