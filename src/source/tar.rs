//! Tar archives: a file, the files that match a pattern, or standard input; compressed and encrypted or not.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;

use super::access::{Access, Presence, SnapshotReader, Source, SourceContext};
use super::archive_files::{self, ArchiveFiles};
use super::decrypt::PlainText;
use super::error::SourceError;
use super::snapshots;
use crate::archive::Entry;
use crate::archive::compression::Compression;
use crate::archive::error::ArchiveFault;
use crate::archive::read::{ReadLimits, Reader};
use crate::local_file;
use crate::model::event::Snapshot;
use crate::model::source::SourceSpec;

/// Bytes that are passed on at a time.
const PIECE: usize = 256 * 1024;
/// Bytes that are enough to recognise the compression.
const HEAD: usize = 512;

/// The archives of a source.
#[derive(Debug)]
struct TarSource {
    files: ArchiveFiles,
}

/// An archive that is opened.
struct TarReader<'a> {
    files: &'a ArchiveFiles,
    snapshot: Snapshot,
}

/// Opens the archive at a path, the archives that match a pattern in the last component, the archives in a folder, or
/// standard input.
pub fn open(spec: &SourceSpec, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    Ok(Box::new(TarSource { files: ArchiveFiles::open(spec, context, snapshots::archives)? }))
}

/// Checks whether the newest archive can be opened.
pub fn probe(spec: &SourceSpec) -> Result<Presence, SourceError> {
    archive_files::probe(&spec.place, snapshots::archives, |path| local_file::open_regular(path).map(drop))
}

impl Source for TarSource {
    fn snapshots(&self) -> Result<Vec<Snapshot>, SourceError> {
        Ok(self.files.snapshots())
    }

    fn open(&self, snapshot: &Snapshot) -> Result<Access<'_>, SourceError> {
        Ok(Access::Stream(Box::new(TarReader { files: &self.files, snapshot: snapshot.clone() })))
    }
}

impl SnapshotReader for TarReader<'_> {
    fn list(&self, max_entries: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError> {
        let bound = if max_entries == 0 { u64::MAX } else { max_entries };
        let limits = ReadLimits { max_entries: bound };
        match self.files.plain(&self.snapshot)? {
            PlainText::File(mut file) => {
                let unreachable = |error| self.unreachable(error);
                if is_packed(&mut file).map_err(unreachable)? {
                    list(self.unpacked(file, limits)?, bound, see)
                } else {
                    // The reader seeks over contents.
                    list(Reader::seekable(file, limits).map_err(unreachable)?, bound, see)
                }
            }
            PlainText::Decrypted(reader, trouble) => {
                let result = self.unpacked(reader, limits).and_then(|reader| list(reader, bound, see));
                // The decryption error explains the early end better than the error of the archive's reader.
                trouble.take().map_or(result, Err)
            }
        }
    }

    fn stream(&self, _wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError> {
        match self.files.plain(&self.snapshot)? {
            PlainText::File(file) => pass_on(file, out, |error| self.unreachable(error)),
            PlainText::Decrypted(reader, trouble) => {
                let broken = |error| SourceError::Broken(format!("decrypting {}: {error}", self.snapshot.id));
                let result = pass_on(reader, out, broken);
                trouble.take().map_or(result, Err)
            }
        }
    }
}

impl TarReader<'_> {
    fn unpacked<'b>(
        &self,
        input: impl Read + Send + 'b,
        limits: ReadLimits,
    ) -> Result<Reader<Box<dyn Read + Send + 'b>>, SourceError> {
        let plain = self.files.unpack(input).map_err(|error| SourceError::of_beginning(&self.snapshot.id, &error))?;
        Ok(Reader::new(plain, limits))
    }

    fn unreachable(&self, error: io::Error) -> SourceError {
        SourceError::Unreachable { path: PathBuf::from(&self.snapshot.id), error }
    }
}

/// Whether a file is compressed. The file is at its beginning, before and after.
fn is_packed(file: &mut File) -> io::Result<bool> {
    let mut head = Vec::with_capacity(HEAD);
    file.take(HEAD as u64).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(Compression::detect(&head) != Compression::None)
}

fn list<R: Read>(mut reader: Reader<R>, bound: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError> {
    loop {
        match reader.next() {
            Ok(Some(entry)) => see(&entry),
            Ok(None) => return Ok(()),
            Err(error) if error.kind == ArchiveFault::TooMany => return Err(SourceError::TooMany(bound)),
            Err(error) if error.kind == ArchiveFault::Window => return Err(SourceError::Window(error.detail)),
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
