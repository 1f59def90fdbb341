//! What every source can do, and the ways in which the data of a snapshot is had.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use jiff::Timestamp;

use super::error::SourceError;
use crate::archive::Entry;
use crate::model::dump::Dump;
use crate::model::environment::Environment;
use crate::model::event::Snapshot;
use crate::model::source::{BackupContents, MountQuery};

/// A source: it has snapshots, and each snapshot can be opened.
pub trait Source: fmt::Debug + Send + Sync {
    /// The snapshots, oldest first.
    fn snapshots(&self) -> Result<Vec<Snapshot>, SourceError>;

    /// Opens a snapshot. Its content is not read yet, except that of a database dump.
    fn open(&self, snapshot: &Snapshot) -> Result<Access<'_>, SourceError>;
}

/// How the data of a snapshot is had.
pub enum Access<'a> {
    /// This process reads the snapshot and writes it as a tar archive, which a worker unpacks.
    Stream(Box<dyn SnapshotReader + 'a>),
    /// The snapshot is this folder of the engine's host: only a worker there reads it.
    HostPath(String),
    /// A database dump, which a service loads. It is streamed as one file or folder.
    Dump(Dump, Box<dyn SnapshotReader + 'a>),
}

/// A snapshot that this process reads. Both ways of reading are one pass, and hold nothing in memory.
pub trait SnapshotReader {
    /// Calls `see` for each entry (metadata only). More entries than `max_entries` are an error; 0 means no limit.
    fn list(&self, max_entries: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError>;

    /// Writes the snapshot as a tar archive, packed or not. Parts outside of `wanted` may be left out; an empty list
    /// means everything. A failure to write is [`SourceError::Unheard`].
    fn stream(&self, wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError>;
}

/// What a look for a source has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// The source is there.
    There,
    /// Only a rehearsal can tell, for the reason given.
    NotLooked(&'static str),
}

/// What a source is given by the process that opens it.
#[derive(Clone)]
pub struct SourceContext {
    /// The process's environment: secrets may be in it, and it names the folder for temporary files.
    pub environment: Environment,
    /// The way to folders of the engine's host.
    pub host: Arc<dyn EngineHost>,
}

/// The engine's host, as far as a source may ask: a worker there looks into folders.
pub trait EngineHost: Send + Sync {
    /// Looks through the folder `path`. A folder that cannot be read is [`SourceError::NotThere`]. Blocks until the
    /// worker has answered.
    fn survey(&self, path: &str, queries: &[MountQuery]) -> Result<HostFolder, SourceError>;
}

/// A folder of the engine's host, as a worker saw it.
#[derive(Debug)]
pub struct HostFolder {
    /// What the folder holds for the queries.
    pub contents: BackupContents,
    /// When the folder itself was changed last; `None` where its time is none that can be told.
    pub modified: Option<Timestamp>,
}

impl fmt::Debug for SourceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceContext").field("environment", &self.environment).finish_non_exhaustive()
    }
}
