//! What was found in a source: the input of the plan beside the draft.

use crate::model::diagnosis::Diagnosis;
use crate::model::dump::Dump;
use crate::model::event::Snapshot;
use crate::model::host_tree::HostTree;
use crate::model::source::{BackupContents, ContentTally, SnapshotGroups, SnapshotTraits};

/// A surveyed source.
#[derive(Debug, Clone)]
pub struct Survey {
    /// The snapshot that will be restored.
    pub snapshot: Snapshot,
    /// What the snapshot holds.
    pub found: BackupContents,
    /// The folder on the engine's host that is the backup; `None`: the data comes as a stream.
    pub tree: Option<HostTree>,
    /// What the snapshot says about itself, if it is a database dump.
    pub dump: Option<Dump>,
    /// The dumps among its files that were read: see [`SourceRequest::dumps_to_read`](super::SourceRequest).
    pub inside: Vec<ReadDump>,
    /// What the source knows of the snapshot, and how it was read.
    pub traits: SnapshotTraits,
    /// The groups of snapshots that its parts come from.
    pub groups: SnapshotGroups,
}

/// A dump among the files of a snapshot.
#[derive(Debug, Clone)]
pub struct ReadDump {
    /// Path in the snapshot.
    pub path: Vec<u8>,
    /// Index of its reader among the opened sources.
    pub source: usize,
    /// The summary, or why the dump cannot be loaded.
    pub result: Result<DumpSummary, Diagnosis>,
}

/// What is known of a dump that was read.
#[derive(Debug, Clone)]
pub struct DumpSummary {
    /// Its name, for people.
    pub title: String,
    /// What it says about itself.
    pub dump: Dump,
    /// The files as which it is streamed.
    pub holds: ContentTally,
}
