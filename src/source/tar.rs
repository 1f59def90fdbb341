//! Tar archives: a file, the files that fit a pattern, or standard input; compressed and encrypted as they may be.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::decrypt::{self, Plain, Unlocked};
use super::{Source, SourceError, snapshots, spool};
use crate::archive::Entry;
use crate::archive::compression::{self, Compression};
use crate::archive::error::ArchiveFault;
use crate::archive::read::{Limits, Reader};
use crate::model::event::Snapshot;
use crate::model::source::Keys;

/// Bytes that are passed on at a time.
const PIECE: usize = 256 * 1024;
/// Bytes that show how a file is compressed.
const HEAD: usize = 512;

/// One archive or several.
#[derive(Debug)]
pub struct Tar {
    place: ArchiveFiles,
    keys: Unlocked,
}

/// Where files lie that are read more than once.
#[derive(Debug)]
pub enum ArchiveFiles {
    /// There.
    Files(Vec<(Snapshot, PathBuf)>),
    /// In a nameless file, into which standard input was read.
    Kept(File),
}

impl ArchiveFiles {
    /// Standard input, all of which is read now.
    pub fn from_stdin() -> Result<ArchiveFiles, SourceError> {
        Ok(ArchiveFiles::Kept(spool::buffer_to_temp_file(io::stdin().lock())?))
    }

    /// Each file is a snapshot.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        match self {
            ArchiveFiles::Files(files) => files.iter().map(|(snapshot, _)| snapshot.clone()).collect(),
            ArchiveFiles::Kept(_) => vec![Snapshot { id: "standard input".to_owned(), time: None }],
        }
    }

    /// Where a snapshot lies, if it has a name.
    pub fn path(&self, snapshot: &Snapshot) -> Option<&Path> {
        match self {
            ArchiveFiles::Files(files) => {
                files.iter().find(|(known, _)| known.id == snapshot.id).map(|(_, path)| path.as_path())
            }
            ArchiveFiles::Kept(_) => None,
        }
    }

    /// A snapshot from its beginning, its encryption undone.
    pub fn plain(&self, snapshot: &Snapshot, keys: &Unlocked) -> Result<Plain, SourceError> {
        let (file, path) = match self {
            ArchiveFiles::Files(_) => {
                let path = self
                    .path(snapshot)
                    .ok_or_else(|| SourceError::NoSnapshot(format!("there is no {}", snapshot.id)))?
                    .to_owned();
                (File::open(&path).map_err(|error| SourceError::Unreachable { path: path.clone(), error })?, path)
            }
            ArchiveFiles::Kept(file) => {
                let path = PathBuf::from("standard input");
                // A handle of its own by name, not a clone: two stacks may read at the same time.
                let again = File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file)));
                let mut file = again.map_err(|error| SourceError::Unreachable { path: path.clone(), error })?;
                file.rewind().map_err(|error| SourceError::Unreachable { path: path.clone(), error })?;
                (file, path)
            }
        };
        decrypt::open(file, &path, keys)
    }
}

impl Tar {
    /// The archive at a path; those that fit the pattern in its last component; those in a folder.
    pub fn open(path: &Path, keys: &Keys) -> Result<Tar, SourceError> {
        let files = snapshots::archives(path)?;
        Ok(Tar { place: ArchiveFiles::Files(files), keys: Unlocked::fetch(keys)? })
    }

    /// The archive on standard input, all of which is read now.
    pub fn from_stdin(keys: &Keys) -> Result<Tar, SourceError> {
        let keys = Unlocked::fetch(keys)?;
        Ok(Tar { place: ArchiveFiles::from_stdin()?, keys })
    }
}

impl Source for Tar {
    fn snapshots(&self) -> Result<Vec<Snapshot>, SourceError> {
        Ok(self.place.snapshots())
    }

    fn list(&self, snapshot: &Snapshot, max_entries: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError> {
        let bound = if max_entries == 0 { u64::MAX } else { max_entries };
        let limits = Limits { max_entries: bound };
        match self.place.plain(snapshot, &self.keys)? {
            Plain::File(mut file) => {
                let unreachable = |error| SourceError::Unreachable { path: PathBuf::from(&snapshot.id), error };
                if is_packed(&mut file).map_err(unreachable)? {
                    list(unpacked(file, limits)?, bound, see)
                } else {
                    // Contents are jumped over.
                    list(Reader::seekable(file, limits).map_err(unreachable)?, bound, see)
                }
            }
            Plain::Decrypted(reader, trouble) => {
                let result = unpacked(reader, limits).and_then(|reader| list(reader, bound, see));
                // Why the plain text ended is the better word for what is wrong with it.
                trouble.take().map_or(result, Err)
            }
        }
    }

    fn stream(&self, snapshot: &Snapshot, _wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError> {
        match self.place.plain(snapshot, &self.keys)? {
            Plain::File(file) => {
                pass_on(file, out, |error| SourceError::Unreachable { path: PathBuf::from(&snapshot.id), error })
            }
            Plain::Decrypted(reader, trouble) => {
                let broken = |error| SourceError::Broken(format!("decrypting {}: {error}", snapshot.id));
                let result = pass_on(reader, out, broken);
                trouble.take().map_or(result, Err)
            }
        }
    }
}

/// Whether a file, which is at its beginning, is compressed.
fn is_packed(file: &mut File) -> io::Result<bool> {
    let mut head = Vec::with_capacity(HEAD);
    file.take(HEAD as u64).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(Compression::detect(&head) != Compression::None)
}

fn unpacked<'a>(
    input: impl Read + Send + 'a,
    limits: Limits,
) -> Result<Reader<Box<dyn Read + Send + 'a>>, SourceError> {
    let plain = compression::open(input)
        .map_err(|error| SourceError::Broken(format!("its beginning cannot be unpacked: {error}")))?;
    Ok(Reader::new(plain, limits))
}

fn list<R: Read>(mut reader: Reader<R>, bound: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError> {
    loop {
        match reader.next() {
            Ok(Some(entry)) => see(&entry),
            Ok(None) => return Ok(()),
            Err(error) if error.kind == ArchiveFault::TooMany => return Err(SourceError::TooMany(bound)),
            Err(error) if error.kind == ArchiveFault::Io => return Err(SourceError::NotThere(error.to_string())),
            Err(error) => return Err(SourceError::Corrupt(error)),
        }
    }
}

fn pass_on(
    mut input: impl Read,
    out: &mut dyn Write,
    unreachable: impl Fn(io::Error) -> SourceError,
) -> Result<(), SourceError> {
    let mut piece = vec![0; PIECE];
    loop {
        match input.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => out.write_all(&piece[..count]).map_err(SourceError::Unheard)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreachable(error)),
        }
    }
}
