//! Files that are read more than once: the files of a path or of a store, or standard input. Each file is a snapshot.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::access::{Presence, SourceContext};
use super::decrypt::{self, PlainText, StreamTrouble, UnlockedKeys};
use super::error::SourceError;
use super::parts::{self, PartsReader, StoredFile};
use super::rclone::RemoteFiles;
use super::spool;
use crate::archive::compression::{self, window::DecodeBounds};
use crate::local_file;
use crate::model::event::Snapshot;
use crate::model::source::{SourceLocation, SourcePlace, SourceSpec};

/// Finds the files that a path names; oldest first.
pub type FindFiles = fn(&Path) -> Result<Vec<(Snapshot, PathBuf)>, SourceError>;

/// The files of a source, with the keys that decrypt them.
#[derive(Debug)]
pub struct ArchiveFiles {
    stored: StoredFiles,
    keys: UnlockedKeys,
    decoding: DecodeBounds,
}

#[derive(Debug)]
enum StoredFiles {
    /// Files with names, oldest first.
    Named(Vec<StoredFile>),
    /// Files of a store that rclone reaches.
    Remote(RemoteFiles),
    /// The nameless file into which standard input was read.
    Stdin(File),
}

impl ArchiveFiles {
    /// Finds the files of a source and fetches its keys. Reads standard input to its end.
    pub fn open(spec: &SourceSpec, context: &SourceContext, find: FindFiles) -> Result<ArchiveFiles, SourceError> {
        let fetch_keys = || UnlockedKeys::fetch(&spec.keys, &context.environment);
        match &spec.place.location {
            SourceLocation::Path(path) => {
                let stored = StoredFiles::Named(parts::join(find(path)?)?);
                Ok(ArchiveFiles { stored, keys: fetch_keys()?, decoding: context.decoding })
            }
            SourceLocation::Stdin => {
                let keys = fetch_keys()?;
                let file = spool::buffer_to_temp_file(io::stdin().lock(), &context.environment.temp_dir())?;
                Ok(ArchiveFiles { stored: StoredFiles::Stdin(file), keys, decoding: context.decoding })
            }
            SourceLocation::Address(address) => {
                let stored = StoredFiles::Remote(RemoteFiles::find(address, spec.place.kind, context)?);
                Ok(ArchiveFiles { stored, keys: fetch_keys()?, decoding: context.decoding })
            }
            SourceLocation::HostPath(_) | SourceLocation::Dataset(_) => Err(not_of_this_machine(&spec.place)),
        }
    }

    /// The snapshots, oldest first.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        match &self.stored {
            StoredFiles::Named(files) => files.iter().map(|file| file.snapshot.clone()).collect(),
            StoredFiles::Remote(remote) => remote.snapshots(),
            StoredFiles::Stdin(_) => vec![Snapshot { id: "standard input".to_owned(), time: None }],
        }
    }

    /// Path of a snapshot on this machine, or of its first part; `None` for others and for an unknown snapshot.
    pub fn path(&self, snapshot: &Snapshot) -> Option<&Path> {
        self.parts(snapshot)?.first().map(PathBuf::as_path)
    }

    fn parts(&self, snapshot: &Snapshot) -> Option<&[PathBuf]> {
        let StoredFiles::Named(files) = &self.stored else { return None };
        files.iter().find(|file| file.snapshot.id == snapshot.id).map(|file| file.parts.as_slice())
    }

    /// Decompresses a stream of one of the files.
    pub fn unpack<'a>(&self, input: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
        compression::open_within(input, self.decoding)
    }

    /// Opens a snapshot at its beginning and decrypts it if necessary.
    pub fn plain(&self, snapshot: &Snapshot) -> Result<PlainText, SourceError> {
        let file = match &self.stored {
            StoredFiles::Named(_) => {
                let parts = self.parts(snapshot).ok_or_else(|| SourceError::no_such_snapshot(snapshot))?;
                let [path] = parts else {
                    return decrypt::open_parts(PartsReader::new(parts), Path::new(&snapshot.id), &self.keys);
                };
                let file = local_file::open_regular(path)
                    .map_err(|error| SourceError::Unreachable { path: path.clone(), error })?;
                return decrypt::open(file, path, &self.keys);
            }
            StoredFiles::Remote(remote) => {
                let trouble = StreamTrouble::default();
                let output = remote.open(snapshot, trouble.clone())?;
                return decrypt::open_output(output, trouble, Path::new(&snapshot.id), &self.keys);
            }
            StoredFiles::Stdin(file) => file,
        };
        let path = PathBuf::from("standard input");
        // The file is reopened by its name below /proc, not cloned: two stacks may read at the same time.
        let again = File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file)));
        let mut file = again.map_err(|error| SourceError::Unreachable { path: path.clone(), error })?;
        file.rewind().map_err(|error| SourceError::Unreachable { path: path.clone(), error })?;
        decrypt::open(file, &path, &self.keys)
    }

    /// Runs `read`, which reads the snapshot, and tells an error of its content from a file that somebody writes to
    /// meanwhile.
    pub fn unless_changed<T>(
        &self,
        snapshot: &Snapshot,
        read: impl FnOnce() -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        if let StoredFiles::Remote(remote) = &self.stored {
            return remote.unless_changed(snapshot, read());
        }
        let before = self.version(snapshot);
        let result = read();
        match (before, self.version(snapshot)) {
            (Some((before, _)), Some((after, _))) if after > before => Err(SourceError::Changing(format!(
                "{} grew while it was read, from {before} to {after} bytes: it is still being written",
                snapshot.id
            ))),
            (Some(before), Some(after)) if before != after && result.is_err() => Err(SourceError::Changing(format!(
                "{} was changed while it was read: it is being written to",
                snapshot.id
            ))),
            _ => result,
        }
    }

    /// Size of a snapshot's files and the time of their last change; `None`: they cannot be seen, or are folders.
    fn version(&self, snapshot: &Snapshot) -> Option<(u64, SystemTime)> {
        let seen = self.parts(snapshot)?.iter().map(|path| {
            let metadata = path.metadata().ok().filter(|metadata| metadata.is_file())?;
            Some((metadata.len(), metadata.modified().ok()?))
        });
        let seen: Vec<(u64, SystemTime)> = seen.collect::<Option<_>>()?;
        Some((seen.iter().map(|(length, _)| length).sum(), seen.iter().map(|(_, time)| *time).max()?))
    }
}

/// Checks whether the newest of the source's files or folders can be opened.
pub fn probe(
    place: &SourcePlace,
    find: FindFiles,
    open: impl Fn(&Path) -> io::Result<()>,
) -> Result<Presence, SourceError> {
    let path = match &place.location {
        SourceLocation::Stdin => return Ok(Presence::NotLooked("it is read when a rehearsal begins")),
        SourceLocation::Address(_) => return Ok(Presence::NotLooked("it is in a store that only rclone reaches")),
        SourceLocation::HostPath(_) | SourceLocation::Dataset(_) => return Err(not_of_this_machine(place)),
        SourceLocation::Path(path) => path,
    };
    if let Some((_, newest)) = find(path)?.last() {
        open(newest).map_err(|error| SourceError::NotThere(format!("{} cannot be read: {error}", newest.display())))?;
    }
    Ok(Presence::There)
}

/// The error for a source of this machine whose location is on another one.
pub fn not_of_this_machine(place: &SourcePlace) -> SourceError {
    SourceError::NotThere(format!("{place} is read by this machine, and cannot lie on another one"))
}
