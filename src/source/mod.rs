//! Where restored data comes from: one file a source, behind one trait.
//!
//! A source has snapshots. It can say what is in one, entry by entry and without reading any content, and it can pour one out as
//! a tar archive, compressed or not, whole or only the parts that are wanted. Both are done in one pass, on a thread of their
//! own, and hold nothing in memory.

#[doc(hidden)]
pub mod decrypt;
mod dir;
mod dump;
pub mod probe;
mod secrets;
mod snapshots;
mod spool;
mod tar;
mod timestamp_from_name;

use std::io::{self, Write};
use std::path::PathBuf;

use crate::archive::Entry;
use crate::archive::error::{ArchiveError, ArchiveFault};
use crate::archive::survey::Survey;
use crate::model;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Snapshot;
use crate::model::source::{BackupContents, MountQuery, SourcePlace, SourceSpec};

pub use self::tar::Tar;
pub use dir::Dir;
pub use dump::Dump;
pub use secrets::fetch as fetch_secret;

/// What every source can do.
pub trait Source {
    /// Its snapshots, oldest first.
    fn snapshots(&self) -> Result<Vec<Snapshot>, SourceError>;

    /// Tells of everything in a snapshot, content unread; of no more than `max_entries`, if that is not 0.
    fn list(&self, snapshot: &Snapshot, max_entries: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError>;

    /// Writes the snapshot as a tar archive; of the parts that nobody wants it may leave out what it likes. A failure to write
    /// is [`SourceError::Unheard`].
    fn stream(&self, snapshot: &Snapshot, wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError>;
}

/// A source that was opened.
#[derive(Debug)]
pub enum Opened {
    /// A folder of this machine, or several.
    Dir(Dir),
    /// A tar archive, or several.
    Tar(Tar),
    /// A database dump, or several.
    Dump(Dump),
}

impl Opened {
    /// Opens what is asked for. A folder on the engine's side is not for this: a worker reads it.
    pub fn open(spec: &SourceSpec) -> Result<Opened, SourceError> {
        match &spec.place {
            SourcePlace::Dir(path) => Ok(Opened::Dir(Dir::open(path)?)),
            SourcePlace::Tar(path) => Ok(Opened::Tar(Tar::open(path, &spec.keys)?)),
            SourcePlace::TarStdin => Ok(Opened::Tar(Tar::from_stdin(&spec.keys)?)),
            SourcePlace::Dump(path) => Ok(Opened::Dump(Dump::open(path, &spec.keys)?)),
            SourcePlace::DumpStdin => Ok(Opened::Dump(Dump::from_stdin(&spec.keys)?)),
            SourcePlace::DaemonDir(path) => Err(SourceError::Unreachable {
                path: PathBuf::from(path),
                error: io::Error::other("it lies on the engine's host, and only a worker there can read it"),
            }),
        }
    }

    /// The snapshot of this name, or the newest.
    pub fn choose(&self, wanted: Option<&str>) -> Result<Snapshot, SourceError> {
        let mut all = self.snapshots()?;
        match wanted {
            None => {
                let stems = snapshots::stems(all.iter().map(|snapshot| snapshot.id.as_str()));
                if stems.len() > 1 {
                    return Err(SourceError::Several(all.into_iter().map(|snapshot| snapshot.id).collect()));
                }
                all.pop().ok_or_else(|| SourceError::NoSnapshot("it has none".to_owned()))
            }
            Some(wanted) => match all.iter().find(|snapshot| snapshot.id == wanted) {
                Some(snapshot) => Ok(snapshot.clone()),
                None => {
                    let newest: Vec<&str> = all.iter().rev().take(10).map(|snapshot| snapshot.id.as_str()).collect();
                    Err(SourceError::NoSnapshot(format!(
                        "none of its {} is called {wanted}; the newest are {}",
                        all.len(),
                        newest.join(", ")
                    )))
                }
            },
        }
    }

    fn inner(&self) -> &dyn Source {
        match self {
            Opened::Dir(dir) => dir,
            Opened::Tar(tar) => tar,
            Opened::Dump(dump) => dump,
        }
    }
}

impl Source for Opened {
    fn snapshots(&self) -> Result<Vec<Snapshot>, SourceError> {
        self.inner().snapshots()
    }

    fn list(&self, snapshot: &Snapshot, max_entries: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError> {
        self.inner().list(snapshot, max_entries, see)
    }

    fn stream(&self, snapshot: &Snapshot, wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError> {
        self.inner().stream(snapshot, wanted, out)
    }
}

/// A snapshot of an opened source.
#[derive(Debug)]
pub struct Backup {
    /// The source as it was asked for.
    pub place: SourcePlace,
    /// Which of its snapshots.
    pub snapshot: Snapshot,
    source: Opened,
}

impl Backup {
    /// Opens the source and chooses the snapshot.
    pub fn open(spec: &SourceSpec) -> Result<Backup, SourceError> {
        let source = Opened::open(spec)?;
        let snapshot = source.choose(spec.snapshot.as_deref())?;
        Ok(Backup { place: spec.place.clone(), snapshot, source })
    }

    /// What it holds for these wants. Reads it to its end, unless it has more than `max_entries`; 0 is no bound.
    pub fn survey(&self, wants: &[MountQuery], max_entries: u64) -> Result<BackupContents, SourceError> {
        let mut survey = Survey::new(wants);
        self.source.list(&self.snapshot, max_entries, &mut |entry| survey.see(entry))?;
        Ok(survey.finish())
    }

    /// What a database dump says of itself; `None` for a source that is none.
    pub fn dump(&self) -> Result<Option<model::dump::Dump>, SourceError> {
        match &self.source {
            Opened::Dump(dump) => dump.look(&self.snapshot).map(Some),
            Opened::Dir(_) | Opened::Tar(_) => Ok(None),
        }
    }

    /// As [`Source::stream`].
    pub fn stream(&self, wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError> {
        self.source.stream(&self.snapshot, wanted, out)
    }
}

/// Why a source does not give what is asked of it.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be read.
    #[error("reading {path}: {error}")]
    Unreachable {
        /// What.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It is not there, or something else is.
    #[error("{0}")]
    NotThere(String),
    /// No snapshot, or not the one that is wanted.
    #[error("{0}")]
    NoSnapshot(String),
    /// These are no snapshots of one thing, by their names.
    #[error("these are not backups of one thing, so that the newest of them is no answer: {}", few(.0))]
    Several(Vec<String>),
    /// It is damaged.
    #[error("{0}")]
    Corrupt(ArchiveError),
    /// It is damaged in its encryption.
    #[error("{0}")]
    Broken(String),
    /// It is a database dump that is not whole.
    #[error("{0}")]
    Incomplete(String),
    /// It is no database dump that is known.
    #[error("{0}")]
    NoDump(String),
    /// It has more entries than may be looked at.
    #[error("it has more than {0} entries, which --max-entries allows")]
    TooMany(u64),
    /// It is encrypted, and what was given does not open it.
    #[error("{0}")]
    LockedOut(String),
    /// It is encrypted, and what shall open it cannot be had.
    #[error("{0}")]
    NoKey(String),
    /// A program that is needed is not installed.
    #[error("{0}")]
    ToolMissing(String),
    /// Whoever it was poured out for does not listen any more.
    #[error("what it was read for has ended: {0}")]
    Unheard(io::Error),
}

/// The first names of many.
fn few(names: &[String]) -> String {
    let more = names.len().saturating_sub(6);
    let first = names.iter().take(6).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

impl SourceError {
    /// What it means for the restore; `place` is the source as it was asked for.
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
            "Load an older dump, and look at how this one was written: a full disk, a killed job or a broken pipe cuts dumps off (write to another name, and rename what is whole)."
                .to_owned()
        });
        Diagnosis { remedy, ..Diagnosis::new(code, format!("{place}: {self}")) }
    }
}
