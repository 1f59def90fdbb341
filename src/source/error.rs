//! Why a source does not give what is asked of it, and what that means for the restore.

use std::io;
use std::path::PathBuf;

use crate::archive::error::{ArchiveError, ArchiveFault};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Snapshot;
use crate::model::source::SourcePlace;

/// Names of snapshots that an error lists.
const NAMED: usize = 6;

/// Why a source does not give what is asked of it.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The source is there and cannot be read.
    #[error("reading {path}: {error}")]
    Unreachable {
        /// The file or folder.
        path: PathBuf,
        /// Why it cannot be read.
        error: io::Error,
    },
    /// Nothing is at the source's place, or something of another kind.
    #[error("{0}")]
    NotThere(String),
    /// The source has no snapshot, or not the wanted one.
    #[error("{0}")]
    NoSnapshot(String),
    /// By their names, these are not snapshots of one thing.
    #[error("these are not backups of one thing, so that the newest of them is no answer: {}", few(.0))]
    Several(Vec<String>),
    /// The archive is damaged.
    #[error("{0}")]
    Corrupt(ArchiveError),
    /// The encryption or the packing is damaged.
    #[error("{0}")]
    Broken(String),
    /// The database dump is not whole.
    #[error("{0}")]
    Incomplete(String),
    /// The file is no database dump that is known.
    #[error("{0}")]
    NoDump(String),
    /// The snapshot has more entries than may be looked at.
    #[error("it has more than {0} entries, which --max-entries allows")]
    TooMany(u64),
    /// The source is encrypted, and what was given does not open it.
    #[error("{0}")]
    LockedOut(String),
    /// The source is encrypted, and what shall open it cannot be had.
    #[error("{0}")]
    NoKey(String),
    /// A program that is needed is not installed.
    #[error("{0}")]
    ToolMissing(String),
    /// The receiver of the stream has ended.
    #[error("what it was read for has ended: {0}")]
    Unheard(io::Error),
}

/// The first names of many.
fn few(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let first = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

impl SourceError {
    /// The snapshot was there when the source was opened, or was never one of its snapshots.
    pub fn no_such_snapshot(snapshot: &Snapshot) -> SourceError {
        SourceError::NoSnapshot(format!("there is no {}", snapshot.id))
    }

    /// What the error means for the restore; `place` is the source as it was asked for.
    pub fn diagnosis(&self, place: &SourcePlace) -> Diagnosis {
        let code = match self {
            SourceError::Unreachable { .. }
            | SourceError::NotThere(_)
            | SourceError::NoKey(_)
            | SourceError::Unheard(_) => Code::SourceUnreachable,
            SourceError::NoSnapshot(_) => Code::SourceNoSnapshot,
            SourceError::Several(_) => Code::SourceSeveral,
            SourceError::Corrupt(error) if error.kind == ArchiveFault::Partial => Code::RestoreIncomplete,
            SourceError::Corrupt(error) if error.kind == ArchiveFault::OtherFormat => Code::SourceOtherFormat,
            SourceError::Corrupt(_) | SourceError::Broken(_) => Code::SourceCorrupt,
            SourceError::Incomplete(_) => Code::RestoreIncomplete,
            SourceError::NoDump(_) => Code::SourceOtherFormat,
            SourceError::TooMany(_) => Code::RestoreTooLarge,
            SourceError::LockedOut(_) => Code::SourceLockedOut,
            SourceError::ToolMissing(_) => Code::SourceToolMissing,
        };
        let remedy = matches!(self, SourceError::Incomplete(_)).then(|| {
            "Load an older dump, and look at how this one was written: a full disk, a killed job or a broken pipe cuts \
             dumps off (write to another name, and rename what is whole)."
                .to_owned()
        });
        Diagnosis { remedy, ..Diagnosis::new(code, format!("{place}: {self}")) }
    }
}
