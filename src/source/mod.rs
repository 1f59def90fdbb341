//! Sources of restored data: one file for each kind, behind one trait.
//!
//! A source has snapshots, and each can be opened ([`Source::open`]): as a stream of entries that this process reads,
//! as a folder of the engine's host that only a worker reads, or as a database dump. A new kind of source is a file
//! here and a row in `kinds.rs`; its name and its forms are a row in [`crate::model::source_kind`].

mod access;
mod archive_files;
mod backup;
mod borg;
mod choose;
mod daemon;
#[doc(hidden)]
pub mod decrypt;
mod dir;
mod dump;
mod error;
mod host_snapshot;
mod kinds;
mod other_kind;
mod parts;
pub mod probe;
mod rclone;
mod restic;
mod secrets;
mod small_files;
mod snapshots;
mod spool;
mod tar;
mod timestamp_from_name;
#[doc(hidden)]
pub mod tool;

pub use crate::archive::compression::window::{DEFAULT_WINDOW, DecodeBounds};
pub use access::{Access, EngineHost, HostFolder, HostSnapshot, SnapshotReader, Source, SourceContext};
pub use backup::{Backup, OpenedDump};
pub use choose::choose_snapshot;
pub use error::{SourceError, exchanged, exchanged_remedy};
pub use kinds::open;
pub use restic::OLDEST as OLDEST_RESTIC;
pub use secrets::fetch as fetch_secret;
pub use small_files::{SmallContent, SmallFile, SmallFileBounds};
