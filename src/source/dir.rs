//! Folders of this machine, as rsync, rclone, a mounted backup or an unpacked archive leave them.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::access::{Access, Presence, SnapshotReader, Source, SourceContext};
use super::archive_files::{self, not_of_this_machine};
use super::error::SourceError;
use super::snapshots;
use crate::archive::Entry;
use crate::archive::write::{self, PackError, PackOptions};
use crate::local_file;
use crate::model::event::Snapshot;
use crate::model::source::{SourceLocation, SourceSpec};

/// The folders of a source; each is a snapshot.
#[derive(Debug)]
struct DirSource {
    folders: Vec<(Snapshot, PathBuf)>,
}

/// A folder that is opened.
struct DirReader<'a> {
    path: &'a Path,
}

/// Opens the folder at a path, or the folders that match a pattern in the last component.
pub fn open(spec: &SourceSpec, _context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    match &spec.place.location {
        SourceLocation::Path(path) => Ok(Box::new(DirSource { folders: snapshots::folders(path)? })),
        SourceLocation::Stdin
        | SourceLocation::HostPath(_)
        | SourceLocation::Address(_)
        | SourceLocation::Dataset(_) => Err(not_of_this_machine(&spec.place)),
    }
}

/// Checks whether the newest folder can be read.
pub fn probe(spec: &SourceSpec) -> Result<Presence, SourceError> {
    archive_files::probe(&spec.place, snapshots::folders, |path| {
        local_file::check_folder(path)?;
        fs::read_dir(path).map(drop)
    })
}

impl Source for DirSource {
    fn snapshots(&self) -> Result<Vec<Snapshot>, SourceError> {
        Ok(self.folders.iter().map(|(snapshot, _)| snapshot.clone()).collect())
    }

    fn folder(&self, snapshot: &Snapshot) -> Option<&Path> {
        self.folders.iter().find(|(known, _)| known.id == snapshot.id).map(|(_, path)| path.as_path())
    }

    fn open(&self, snapshot: &Snapshot) -> Result<Access<'_>, SourceError> {
        let path = self.folder(snapshot).ok_or_else(|| SourceError::no_such_snapshot(snapshot))?;
        local_file::check_folder(path).map_err(|error| SourceError::Unreachable { path: path.to_owned(), error })?;
        Ok(Access::Stream(Box::new(DirReader { path })))
    }
}

impl SnapshotReader for DirReader<'_> {
    fn list(&self, max_entries: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError> {
        let mut count = 0;
        write::list(self.path, &mut |entry| {
            count += 1;
            see(entry);
        })
        .map_err(|error| failed(self.path, error))?;
        if max_entries > 0 && count > max_entries { Err(SourceError::TooMany(max_entries)) } else { Ok(()) }
    }

    fn stream(&self, wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError> {
        // If the root itself is wanted, the whole folder is: the packer takes an empty list for that.
        let wanted = if wanted.iter().any(Vec::is_empty) { Vec::new() } else { wanted.to_vec() };
        let packed = write::pack(self.path, &PackOptions { prefix: Vec::new(), wanted }, out)
            .map_err(|error| failed(self.path, error))?;
        if !packed.torn.is_empty() {
            return Err(SourceError::Unreachable {
                path: self.path.to_owned(),
                error: io::Error::other(format!(
                    "{} changed or vanished while they were read, {} of them: it is being written to",
                    packed.torn.first.join(", "),
                    packed.torn.count
                )),
            });
        }
        Ok(())
    }
}

fn failed(path: &Path, error: PackError) -> SourceError {
    match error {
        PackError::Output(error) => SourceError::Unheard(error),
        PackError::Unreadable { path: inside, error } => {
            SourceError::Unreachable { path: path.join(inside.trim_start_matches("./")), error }
        }
    }
}
