//! The interface of a source, and the ways to the data of its snapshots.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::choose::choose_snapshot;
use super::error::SourceError;
use super::snapshots;
use crate::archive::Entry;
use crate::archive::compression::window::DecodeBounds;
use crate::model::dump::Dump;
use crate::model::environment::Environment;
use crate::model::event::Snapshot;
use crate::model::host_tree::{FolderId, Hole, HostLook, HostMount, HostSeen, HostTree};
use crate::model::program::ProgramPaths;
use crate::model::source::{BackupContents, MountQuery, SnapshotGroups, SnapshotTraits};

/// A source of restored data. A source has snapshots, and each snapshot can be opened.
pub trait Source: fmt::Debug + Send + Sync {
    /// The snapshots, oldest first.
    fn snapshots(&self) -> Result<Vec<Snapshot>, SourceError>;

    /// What the source knows of a snapshot beside its name and time. By default the name tells all.
    fn traits(&self, snapshot: &Snapshot) -> SnapshotTraits {
        snapshots::traits_of_name(snapshot)
    }

    /// Chooses the snapshot that the user wants; `None`: the newest.
    fn choose(&self, wanted: Option<&str>) -> Result<Snapshot, SourceError> {
        choose_snapshot(self.snapshots()?, wanted)
    }

    /// What the report says of how the source is read; nothing by default.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// The folder of this machine that a snapshot is; `None`: it is no folder, or one of another machine.
    fn folder(&self, _snapshot: &Snapshot) -> Option<&Path> {
        None
    }

    /// The snapshots of the same things that are older than the chosen one, the newest of them first; at most `most`.
    fn earlier(&self, chosen: &Snapshot, most: usize) -> Result<Vec<Snapshot>, SourceError> {
        let group = self.traits(chosen).group;
        let older = self.snapshots()?.into_iter().take_while(|snapshot| snapshot.id != chosen.id);
        let mut earlier: Vec<Snapshot> = older.filter(|snapshot| self.traits(snapshot).group == group).collect();
        earlier.reverse();
        earlier.truncate(most);
        Ok(earlier)
    }

    /// Opens a snapshot. Content is not read yet, except that of a database dump.
    fn open(&self, snapshot: &Snapshot) -> Result<Access<'_>, SourceError>;
}

/// The way to the data of a snapshot.
pub enum Access<'a> {
    /// This process reads the snapshot and writes it as a tar archive, which a worker unpacks.
    Stream(Box<dyn SnapshotReader + 'a>),
    /// The snapshot is this folder of the engine's host: only a worker there reads it.
    HostTree(HostSnapshot),
    /// The snapshot is a database dump, which a service loads. The dump is streamed as one file or folder.
    Dump(Dump, Box<dyn SnapshotReader + 'a>),
}

/// A snapshot that is a folder of the engine's host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSnapshot {
    /// The folder.
    pub tree: HostTree,
    /// The folder of the host of which it is a snapshot; `None`: not known.
    pub live_path: Option<String>,
    /// Folders whose content is in no snapshot.
    pub holes: Vec<Hole>,
    /// It lies where snapshots lie, so on btrfs it is one.
    pub is_listed: bool,
}

/// A snapshot that this process reads. Each method is one pass and keeps no content in memory.
pub trait SnapshotReader {
    /// Calls `see` for each entry (metadata only). More entries than `max_entries` are an error; 0 means no limit.
    fn list(&self, max_entries: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError>;

    /// Whether listing the snapshot has read all of its content too; false before it is listed.
    fn has_read_content(&self) -> bool {
        false
    }

    /// Writes the snapshot as a tar archive, compressed or not. Parts outside of `wanted` may be left out; an empty
    /// list means everything. A failed write to `out` is [`SourceError::Unheard`].
    fn stream(&self, wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError>;

    /// The snapshot that the parts at these paths come from, if that is less than the chosen one. An error: it is not
    /// clear which of several things they are of.
    fn narrow(&self, _paths: &[Vec<u8>]) -> Result<Option<Snapshot>, SourceError> {
        Ok(None)
    }

    /// The groups of snapshots that the parts at these paths come from; by default there are no groups.
    fn groups(&self, _paths: &[Vec<u8>]) -> SnapshotGroups {
        SnapshotGroups::default()
    }
}

/// The result of a look for a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// The source is there.
    There,
    /// Nobody has looked, for this reason. Only a rehearsal can tell.
    NotLooked(&'static str),
}

/// What a source needs from the process that opens it.
#[derive(Clone)]
pub struct SourceContext {
    /// The environment of the process, which may have secrets and names the folder for temporary files.
    pub environment: Environment,
    /// Paths of programs that the user names.
    pub programs: ProgramPaths,
    /// Bounds of the decoders of compressed backups.
    pub decoding: DecodeBounds,
    /// The executable of Rehearsa, whose hidden command starts programs of the owner's.
    pub executable: PathBuf,
    /// Name of the host whose services are rehearsed; `None`: not known.
    pub host_name: Option<String>,
    /// When the run began.
    pub now: Timestamp,
    /// Access to folders of the engine's host.
    pub host: Arc<dyn EngineHost>,
}

/// Access to folders of the engine's host, by a worker there.
pub trait EngineHost: Send + Sync {
    /// Surveys a folder. A folder that cannot be read is [`SourceError::NotThere`]. Blocks until the worker has
    /// answered.
    fn survey(&self, tree: &HostTree, queries: &[MountQuery]) -> Result<HostFolder, SourceError>;

    /// Looks at what the host has. What cannot be read is [`SourceError::NotThere`]. Blocks until the worker has
    /// answered.
    fn look(&self, look: &HostLook) -> Result<HostSeen, SourceError>;
}

/// A folder of the engine's host, as a worker saw it.
#[derive(Debug)]
pub struct HostFolder {
    /// The folder's content, by query.
    pub contents: BackupContents,
    /// Time of the last change of the folder itself; `None`: the time cannot be represented.
    pub modified: Option<Timestamp>,
    /// Inode of the folder itself.
    pub inode: u64,
    /// What is mounted at the folder and below it. The mount points are relative to the folder, which itself is empty.
    pub mounts: Vec<HostMount>,
    /// What the folder and its parts are, as in [`HostTree::known`].
    pub known: Vec<(String, FolderId)>,
}

impl fmt::Debug for SourceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceContext").field("environment", &self.environment).finish_non_exhaustive()
    }
}
