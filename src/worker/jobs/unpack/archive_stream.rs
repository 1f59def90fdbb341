//! The archive as it comes: entries and pieces of their content, with errors as failures of the job.

use std::io::Read;

use crate::archive::Entry;
use crate::archive::error::{ArchiveError, ArchiveFault};
use crate::archive::read::{ReadLimits, Reader};
use crate::worker::job::{JobControl, JobStop, short};
use crate::worker::protocol::Failure;

/// Content is read and written in pieces of this many bytes; most files are one piece.
const PIECE: usize = 256 * 1024;

/// Why the stream of a job broke, if that is because the job was stopped.
pub fn stopped(control: &JobControl) -> Option<JobStop> {
    control.beat().err()
}

/// An archive that is read from a stream.
pub struct ArchiveStream<'a, R: Read> {
    reader: Reader<Watched<'a, R>>,
    buffer: Vec<u8>,
    max_entries: u64,
    control: &'a JobControl,
}

impl<'a, R: Read> ArchiveStream<'a, R> {
    /// Reads `stream` as an archive of at most `max_entries` entries; 0 is no bound.
    pub fn new(stream: R, max_entries: u64, control: &'a JobControl) -> Self {
        let limits = if max_entries == 0 { ReadLimits::NONE } else { ReadLimits { max_entries } };
        Self { reader: Reader::new(Watched { stream, control }, limits), buffer: vec![0; PIECE], max_entries, control }
    }

    /// The next entry; `None` at the end of the archive.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, JobStop> {
        self.reader.next().map_err(|error| failure_of(error, self.max_entries, self.control))
    }

    /// The next piece of the current file's content and its offset in the file; `None` at the end of the file.
    pub fn next_piece(&mut self) -> Result<Option<(u64, &[u8])>, JobStop> {
        let piece = self.reader.read_piece(&mut self.buffer);
        let piece = piece.map_err(|error| failure_of(error, self.max_entries, self.control))?;
        Ok(piece.map(|(offset, length)| (offset, &self.buffer[..length])))
    }

    /// Bytes that were read, decompressed.
    pub fn position(&self) -> u64 {
        self.reader.position()
    }
}

/// The failure that an error of the archive is.
fn failure_of(error: ArchiveError, max_entries: u64, control: &JobControl) -> JobStop {
    let ArchiveError { kind, entry, at, detail } = error;
    let error = match kind {
        ArchiveFault::TooMany => return Failure::TooMany { max_entries }.into(),
        ArchiveFault::Window => return Failure::Window { error: detail }.into(),
        ArchiveFault::Io => {
            if let Some(stop) = stopped(control) {
                return stop;
            }
            format!("it could not be read: {detail}")
        }
        ArchiveFault::Truncated => format!("it is cut off: {detail}"),
        ArchiveFault::NotAnArchive | ArchiveFault::OtherFormat => format!("this is not a tar archive: {detail}"),
        ArchiveFault::Corrupt | ArchiveFault::Partial => detail,
    };
    Failure::Corrupt { entry: short(entry.unwrap_or_default()), at, error: short(error) }.into()
}

/// Shows that the job lives also while unwanted entries are read: a small piece of an archive can decompress to a
/// lot.
struct Watched<'a, R> {
    stream: R,
    control: &'a JobControl,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.control.beat().map_err(|_| std::io::Error::other("the job was stopped"))?;
        self.stream.read(buffer)
    }
}
