//! Folders of this machine: what rsync, rclone, a mounted backup or an archive that was unpacked leave.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Source, SourceError, snapshots};
use crate::archive::Entry;
use crate::archive::write::{self, Options, PackError};
use crate::model::event::Snapshot;

/// One folder, or those that fit a pattern: each is a snapshot.
#[derive(Debug)]
pub struct Dir {
    folders: Vec<(Snapshot, PathBuf)>,
}

impl Dir {
    /// The folder at a path; those that fit the pattern in its last component.
    pub fn open(path: &Path) -> Result<Dir, SourceError> {
        let folders = snapshots::folders(path)?;
        Ok(Dir { folders })
    }

    fn path(&self, snapshot: &Snapshot) -> Result<&Path, SourceError> {
        let found = self.folders.iter().find(|(known, _)| known.id == snapshot.id);
        found
            .map(|(_, path)| path.as_path())
            .ok_or_else(|| SourceError::NoSnapshot(format!("there is no {}", snapshot.id)))
    }
}

impl Source for Dir {
    fn snapshots(&self) -> Result<Vec<Snapshot>, SourceError> {
        Ok(self.folders.iter().map(|(snapshot, _)| snapshot.clone()).collect())
    }

    fn list(&self, snapshot: &Snapshot, max_entries: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError> {
        let path = self.path(snapshot)?;
        let mut count = 0;
        write::list(path, &mut |entry| {
            count += 1;
            see(entry);
        })
        .map_err(|error| failed(path, error))?;
        if max_entries > 0 && count > max_entries { Err(SourceError::TooMany(max_entries)) } else { Ok(()) }
    }

    fn stream(&self, snapshot: &Snapshot, wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError> {
        let path = self.path(snapshot)?;
        // All of it is wanted when its root is: an empty list means the same to the packer.
        let wanted = if wanted.iter().any(Vec::is_empty) { Vec::new() } else { wanted.to_vec() };
        let packed =
            write::pack(path, &Options { prefix: Vec::new(), wanted }, out).map_err(|error| failed(path, error))?;
        if packed.torn_count > 0 {
            return Err(SourceError::Unreachable {
                path: path.to_owned(),
                error: io::Error::other(format!(
                    "{} changed or vanished while they were read, {} of them: it is being written to",
                    packed.torn.join(", "),
                    packed.torn_count
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
