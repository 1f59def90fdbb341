//! Tar archives: a file, the files that match a pattern, or standard input; compressed and encrypted or not.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, Write};
use std::path::PathBuf;

use super::access::{Access, Presence, SnapshotReader, Source, SourceContext};
use super::archive_files::{self, ArchiveFiles};
use super::decrypt::PlainText;
use super::error::SourceError;
use super::snapshots;
use crate::archive::Entry;
use crate::archive::compression::Compression;
use crate::archive::error::ArchiveFault;
use crate::archive::other_format::{self, HEAD, OtherFormat};
use crate::archive::read::{ReadLimits, Reader};
use crate::local_file;
use crate::model::event::Snapshot;
use crate::model::source::{SnapshotTraits, SourceSpec};

/// Bytes that are passed on at a time.
const PIECE: usize = 256 * 1024;

/// The archives of a source.
#[derive(Debug)]
struct TarSource {
    files: ArchiveFiles,
}

/// An archive that is opened.
struct TarReader<'a> {
    files: &'a ArchiveFiles,
    snapshot: Snapshot,
    /// The list was read from a stream, which reads all of the content.
    content_read: Cell<bool>,
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

    fn traits(&self, snapshot: &Snapshot) -> SnapshotTraits {
        snapshots::traits_of_file(snapshot)
    }

    fn open(&self, snapshot: &Snapshot) -> Result<Access<'_>, SourceError> {
        Ok(Access::Stream(Box::new(TarReader {
            files: &self.files,
            snapshot: snapshot.clone(),
            content_read: Cell::new(false),
        })))
    }
}

impl SnapshotReader for TarReader<'_> {
    fn list(&self, max_entries: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError> {
        let bound = if max_entries == 0 { u64::MAX } else { max_entries };
        let limits = ReadLimits { max_entries: bound };
        self.content_read.set(true);
        self.files.unless_changed(&self.snapshot, || match self.files.plain(&self.snapshot)? {
            PlainText::File(mut file) => {
                let unreachable = |error| self.unreachable(error);
                let head = head_of(&mut file).map_err(unreachable)?;
                if Compression::detect(&head) != Compression::None {
                    return list(self.unpacked(file, limits)?, bound, see);
                }
                self.is_archive(&head)?;
                self.content_read.set(false);
                // The reader seeks over contents.
                list(Reader::seekable(file, limits).map_err(unreachable)?, bound, see)
            }
            PlainText::Parts(reader) => list(self.unpacked(reader, limits)?, bound, see),
            PlainText::Stream(reader, trouble) => {
                let result = self.unpacked(reader, limits).and_then(|reader| list(reader, bound, see));
                // The error behind the stream explains the early end better than the error of the archive's reader.
                trouble.take().map_or(result, Err)
            }
        })
    }

    fn has_read_content(&self) -> bool {
        self.content_read.get()
    }

    fn stream(&self, _wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError> {
        self.files.unless_changed(&self.snapshot, || match self.files.plain(&self.snapshot)? {
            PlainText::File(file) => pass_on(file, out, |error| self.unreachable(error)),
            PlainText::Parts(reader) => pass_on(reader, out, |error| self.unreachable(error)),
            PlainText::Stream(reader, trouble) => {
                let broken = |error| SourceError::Broken(format!("decrypting {}: {error}", self.snapshot.id));
                let result = pass_on(reader, out, broken);
                trouble.take().map_or(result, Err)
            }
        })
    }
}

impl TarReader<'_> {
    fn unreachable(&self, error: io::Error) -> SourceError {
        SourceError::Unreachable { path: PathBuf::from(&self.snapshot.id), error }
    }

    /// Refuses what begins like another format.
    fn is_archive(&self, head: &[u8]) -> Result<(), SourceError> {
        let Some(OtherFormat { what, remedy }) = other_format::recognize(head) else { return Ok(()) };
        Err(SourceError::OtherFormat { file: self.snapshot.id.clone(), what, wanted: "tar archive", remedy })
    }

    fn unpacked<'a>(
        &self,
        input: impl Read + Send + 'a,
        limits: ReadLimits,
    ) -> Result<Reader<Box<dyn Read + Send + 'a>>, SourceError> {
        let mut plain =
            self.files.unpack(input).map_err(|error| SourceError::of_beginning(&self.snapshot.id, &error))?;
        let mut head = Vec::new();
        // An error comes again when the archive is read, and is told there.
        let failed = (&mut plain).take(HEAD as u64).read_to_end(&mut head).err();
        self.is_archive(&head)?;
        let rest: Box<dyn Read + Send + 'a> = match failed {
            Some(error) => Box::new(Failed(Some(error))),
            None => plain,
        };
        Ok(Reader::new(Box::new(Cursor::new(head).chain(rest)), limits))
    }
}

/// The rest of a stream that could not be read further.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(self.0.take().unwrap_or_else(|| io::ErrorKind::Other.into()))
    }
}

/// The first bytes of a file, which is at its beginning before and after.
fn head_of(file: &mut File) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.take(HEAD as u64).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(head)
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
