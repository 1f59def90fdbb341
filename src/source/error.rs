//! Errors of sources, and their meaning for the restore.

use std::io;
use std::path::PathBuf;

use crate::archive::compression::window::WindowTooLong;
use crate::archive::error::{ArchiveError, ArchiveFault};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Snapshot;
use crate::model::repository::{Layout, Repository};
use crate::model::source::{SourceLocation, SourcePlace};
use crate::model::source_kind::SourceKind;

/// Most names of snapshots that an error lists.
const NAMED: usize = 6;

/// Why a source could not deliver.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The source exists and cannot be read.
    #[error("reading {path}: {error}")]
    Unreachable {
        /// The file or folder.
        path: PathBuf,
        /// Why it cannot be read.
        error: io::Error,
    },
    /// Nothing is at the source's place, or a thing of another kind.
    #[error("{0}")]
    NotThere(String),
    /// The host has the snapshot and does not show what is in it.
    #[error(
        "{path} is an empty folder: the engine's host did not mount the snapshot there, so nothing is known about it"
    )]
    NotShown {
        /// The folder.
        path: String,
    },
    /// Another file or folder is where the snapshot was.
    #[error("{}", exchanged(path))]
    Exchanged {
        /// The path.
        path: String,
    },
    /// The source has no snapshots.
    #[error("{0}")]
    NoSnapshot(String),
    /// The source has snapshots, and not the wanted one.
    #[error("{0}")]
    UnknownSnapshot(String),
    /// The names of the snapshots differ in more than their times, so they are not of one thing.
    #[error("these are not backups of one thing, so none can be chosen as the newest: {}", first_names(.0))]
    Several(Vec<String>),
    /// It is not clear which of several things is wanted.
    #[error("{words}")]
    Ambiguous {
        words: String,
        /// How the user chooses.
        remedy: String,
    },
    /// The archive is damaged.
    #[error("{0}")]
    Corrupt(ArchiveError),
    /// The encryption or the compression is damaged.
    #[error("{0}")]
    Broken(String),
    /// The database dump is incomplete.
    #[error("{0}")]
    Incomplete(String),
    /// The file is no database dump of a known format.
    #[error("{0}")]
    NoDump(String),
    /// The file has another format, which is known.
    #[error("{file} is {what}, and no {wanted}")]
    OtherFormat {
        /// Name of the file.
        file: String,
        /// What it is.
        what: String,
        /// What it should be.
        wanted: &'static str,
        /// What the user can do; `None`: the code's general remedy.
        remedy: Option<String>,
    },
    /// The folder is a repository of another kind than the source's.
    #[error("{path} is {}; write `{}:{path}`", .of.title(), .kind.name())]
    OtherKind {
        /// The folder.
        path: String,
        /// Whose repository it is.
        of: Repository,
        /// The kind of source that reads it.
        kind: SourceKind,
    },
    /// The backup has the layout of another program, whose files are no data as they are.
    #[error("{}is {}; its files are no data that could be restored as they are", place_of(.0), .0.of.title())]
    Layout(Layout),
    /// The archive holds several dumps, and none was chosen.
    #[error("{file} holds several database dumps, and it is not clear which one is wanted: {}", first_names(.names))]
    SeveralDumps {
        /// The archive, as the user may write it.
        file: String,
        /// The dumps in it.
        names: Vec<String>,
    },
    /// A part of a split archive is missing.
    #[error("{0}")]
    PartMissing(String),
    /// The archive was changed while it was read.
    #[error("{0}")]
    Changing(String),
    /// The snapshot has more entries than the limit.
    #[error("it has more than the {0} entries that --max-entries allows")]
    TooMany(u64),
    /// The archive needs a longer window in memory than is allowed.
    #[error("{0}")]
    Window(String),
    /// The source is encrypted, and the given keys do not open it.
    #[error("{0}")]
    LockedOut(String),
    /// The source is encrypted, and a key is missing or cannot be fetched.
    #[error("{0}")]
    NoKey(String),
    /// A required program is not installed.
    #[error("{0}")]
    ToolMissing(String),
    /// A required program is too old, or another one than the one that is meant.
    #[error("{0}")]
    ToolTooOld(String),
    /// A program, or what it talks to, does not answer.
    #[error("{0}")]
    NoAnswer(String),
    /// Somebody else works on the backup, and has locked it.
    #[error("{0}")]
    Busy(String),
    /// A program could not do its work, and nothing is known about the backup.
    #[error("{0}")]
    ToolFailed(String),
    /// The receiver of the stream has ended.
    #[error("the receiver of the data has ended: {0}")]
    Unheard(io::Error),
}

/// The folder of a layout, as the beginning of a sentence; empty for the whole backup.
fn place_of(layout: &Layout) -> String {
    match layout.path.as_slice() {
        [] => "this ".to_owned(),
        path => format!("{} in it ", String::from_utf8_lossy(path)),
    }
}

/// The source that reads the repository which the folder `place` has; `None`: there is none.
fn address_of(layout: &Layout, place: &SourcePlace) -> Option<String> {
    let (SourceKind::Dir, SourceLocation::Path(path)) = (place.kind, &place.location) else { return None };
    let path = match std::str::from_utf8(&layout.path).ok()? {
        "" => path.clone(),
        within => path.join(within),
    };
    // A pattern is no folder.
    if !path.is_dir() {
        return None;
    }
    Some(format!("{}:{}", layout.of.kind()?.name(), path.display()))
}

/// The first names, and the number of the others.
fn first_names(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let first = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

/// What it means that another file or folder is at `path` than before.
pub fn exchanged(path: &str) -> String {
    format!(
        "{path} on the engine's host is another file or folder now than when the backup was looked through: it was \
         exchanged meanwhile, so nothing of it was used"
    )
}

/// What to do about it.
pub fn exchanged_remedy(path: &str) -> String {
    format!(
        "Look who may write to the folders above {path}, and whether a program renames or replaces snapshots there. \
         Whoever exchanges them chooses what is restored. If that is as it should be, run it again when the program \
         is done."
    )
}

impl SourceError {
    /// The snapshot is gone, or never was one of the source's snapshots.
    pub fn no_such_snapshot(snapshot: &Snapshot) -> SourceError {
        SourceError::NoSnapshot(format!("there is no {}", snapshot.id))
    }

    /// The error when a file's beginning cannot be decompressed; `what` names the file.
    pub fn of_beginning(what: &str, error: &io::Error) -> SourceError {
        match WindowTooLong::of(error) {
            Some(too_long) => SourceError::Window(format!("{what}: {too_long}")),
            None => SourceError::Broken(format!("{what}: its beginning cannot be unpacked: {error}")),
        }
    }

    /// The diagnosis of the error. `place` is the source that the user asked for.
    pub fn diagnosis(&self, place: &SourcePlace) -> Diagnosis {
        let code = match self {
            SourceError::Unreachable { .. }
            | SourceError::NotThere(_)
            | SourceError::NotShown { .. }
            | SourceError::NoKey(_)
            | SourceError::NoAnswer(_)
            | SourceError::Busy(_)
            | SourceError::ToolFailed(_)
            | SourceError::Unheard(_) => Code::SourceUnreachable,
            SourceError::Exchanged { .. } => Code::SourceExchanged,
            SourceError::NoSnapshot(_) | SourceError::UnknownSnapshot(_) => Code::SourceNoSnapshot,
            SourceError::Several(_) | SourceError::Ambiguous { .. } => Code::SourceSeveral,
            SourceError::Corrupt(error) if error.kind == ArchiveFault::Partial => Code::RestoreIncomplete,
            SourceError::Corrupt(error) if error.kind == ArchiveFault::OtherFormat => Code::SourceOtherFormat,
            SourceError::Corrupt(_) | SourceError::Broken(_) => Code::SourceCorrupt,
            SourceError::Incomplete(_) => Code::RestoreIncomplete,
            SourceError::NoDump(_)
            | SourceError::OtherFormat { .. }
            | SourceError::OtherKind { .. }
            | SourceError::Layout(_) => Code::SourceOtherFormat,
            SourceError::SeveralDumps { .. } => Code::SourceSeveral,
            SourceError::PartMissing(_) => Code::RestoreIncomplete,
            SourceError::Changing(_) => Code::SourceUnreachable,
            SourceError::TooMany(_) | SourceError::Window(_) => Code::RestoreTooLarge,
            SourceError::LockedOut(_) => Code::SourceLockedOut,
            SourceError::ToolMissing(_) | SourceError::ToolTooOld(_) => Code::SourceToolMissing,
        };
        let remedy = self.remedy(place);
        Diagnosis { remedy, ..Diagnosis::new(code, format!("{place}: {self}")) }
    }

    /// What the user can do about this error; `None`: the code's general remedy says it.
    fn remedy(&self, place: &SourcePlace) -> Option<String> {
        let words = match self {
            SourceError::Exchanged { path } => return Some(exchanged_remedy(path)),
            SourceError::NotShown { path } => {
                return Some(format!(
                    "Look on the engine's host: `ls {path}`. If the folder is empty there, too, see the kernel's log. \
                     If it is not, repeat the run while the host has it mounted, or clone the snapshot (`zfs clone`) \
                     and name the clone: --from daemon:FOLDER"
                ));
            }
            SourceError::Incomplete(_) => {
                "Load an older dump, and look at how this one was written: a full disk, a killed job or a broken pipe \
                 cuts dumps off (write to another name, and rename what is whole)."
            }
            SourceError::OtherFormat { remedy, .. } => return remedy.clone(),
            SourceError::Ambiguous { remedy, .. } => return Some(remedy.clone()),
            SourceError::OtherKind { path, kind, .. } => {
                let kind = kind.name();
                return Some(format!(
                    "Name the repository as what it is: --from {kind}:{path}. Nothing is known about the backup in it."
                ));
            }
            SourceError::Layout(layout) => {
                let path = if layout.path.is_empty() { ".".into() } else { String::from_utf8_lossy(&layout.path) };
                let remedy = match address_of(layout, place) {
                    Some(address) => format!("Name the repository itself: --from {address}."),
                    None => layout.of.remedy().to_owned(),
                };
                return Some(format!("{remedy} If a service keeps this as its data: --map 'MOUNT={path}'."));
            }
            SourceError::SeveralDumps { file, names } => {
                let first = names.first().map(String::as_str).unwrap_or_default();
                return Some(format!("Choose one: --from '{file}#{first}'"));
            }
            SourceError::PartMissing(_) => {
                "Copy the missing part again from where the backup was written. A backup that lacks a part cannot be \
                 restored."
            }
            SourceError::Changing(_) => {
                "Rehearse after the backup job has ended. A job that writes to another name and renames what is whole \
                 cannot be caught in the middle."
            }
            SourceError::NoKey(_) => {
                "Name the key: --passphrase-file FILE (or REHEARSA_PASSPHRASE) for a passphrase, --identity FILE for a \
                 private key of age or SSH. Check that the file that the message names is there and can be read."
            }
            SourceError::ToolTooOld(_) => {
                "Install a newer version of the program on the machine that runs rehearsa. The restore in the disaster \
                 needs it, too."
            }
            SourceError::NoAnswer(_) => {
                "Try the program by hand from this machine: the network, the repository's server or its disk may be \
                 down. Nothing is known about the backup."
            }
            SourceError::Busy(_) => {
                "Rehearse when the other job has ended. If no job runs, a killed one has left its lock: the backup \
                 program's own command removes it (`restic unlock`, `borg break-lock`)."
            }
            SourceError::ToolFailed(_) => {
                "Try the program by hand on the machine that runs rehearsa, with the same access. Nothing is known \
                 about the backup."
            }
            _ => return None,
        };
        Some(words.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_about_a_repository_is_the_source_that_reads_it() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("repo")).expect("made");
        let advice = |of, path: &str, place: &SourcePlace| {
            let error = SourceError::Layout(Layout { of, path: path.as_bytes().to_vec() });
            error.diagnosis(place).remedy().to_owned()
        };
        let place = SourcePlace::at_path(SourceKind::Dir, dir.path());
        for (of, kind) in [(Repository::Restic, "restic"), (Repository::Borg, "borg")] {
            let shown = dir.path().display();
            let told = advice(of, "", &place);
            assert!(told.contains(&format!("--from {kind}:{shown}.")), "{told}");
            let told = advice(of, "repo", &place);
            assert!(told.contains(&format!("--from {kind}:{shown}/repo.")), "{told}");
            let told = advice(of, "", &SourcePlace::at_path(SourceKind::Tar, "/b/repo.tar"));
            assert!(told.contains(&format!("--from {kind}:REPOSITORY.")), "{told}");
        }
        assert!(advice(Repository::Kopia, "", &place).contains("`kopia snapshot restore ID FOLDER`"));
    }
}
