//! Dumps in tar archives: the archive that `pg_dump -Ft` writes is itself a dump; any other may hold dumps as files, or
//! a folder of `pg_dump -Fd`.

use std::collections::BTreeMap;
use std::io::{self, BufReader, ErrorKind, Read};

use super::archive;
use super::recognize::{CountingReader, DumpName, TOC, is_dump, of_folder, read_error, toc_error};
use crate::archive::compression::Compression;
use crate::archive::error::{ArchiveError, ArchiveFault};
use crate::archive::read::{ReadLimits, Reader};
use crate::archive::{Kind, below};
use crate::model::dump::{Dump, DumpFormat};
use crate::model::source::is_sidecar;
use crate::model::source_kind::is_dump_name;
use crate::source::error::SourceError;

/// Bytes of a file by which a dump is recognised.
const HEAD: usize = 64;
/// Most files of an archive that are remembered.
const MOST: usize = 200_000;

/// The content of a file.
pub enum Content {
    /// It is a dump.
    Dump(Dump),
    /// It is a tar archive.
    Archive(Held),
}

/// A function that reads the content of a file.
pub type ContentReader<'a, T> = dyn FnMut(Box<dyn Read + Send + '_>) -> Result<T, SourceError> + 'a;

/// What an archive holds.
#[derive(Debug, Default)]
pub struct Held {
    /// The dumps in it.
    found: Vec<HeldDump>,
    /// All files with their sizes.
    files: BTreeMap<Vec<u8>, u64>,
}

/// A dump in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldDump {
    pub path: Vec<u8>,
    /// It is a folder of `pg_dump -Fd`.
    pub is_folder: bool,
}

/// Why no dump of an archive is taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is none.
    None,
    /// There are several, and none was chosen.
    Several,
    /// The one that was chosen is not there.
    NotThere(String),
}

impl Held {
    /// The names of the dumps.
    pub fn names(&self) -> Vec<String> {
        self.found.iter().map(|dump| String::from_utf8_lossy(&dump.path).into_owned()).collect()
    }

    /// The dump that the user chose (by its path, or the end of its path), else the only one.
    pub fn choose(&self, wanted: Option<&str>) -> Result<&HeldDump, Refused> {
        let Some(wanted) = wanted else {
            return match self.found.as_slice() {
                [] => Err(Refused::None),
                [only] => Ok(only),
                _ => Err(Refused::Several),
            };
        };
        let wanted = wanted.trim_start_matches("./").trim_matches('/').as_bytes();
        let at_end = |path: &[u8]| path.strip_suffix(wanted).is_some_and(|rest| rest.ends_with(b"/"));
        let whole = self.found.iter().find(|dump| dump.path == wanted);
        let mut ending = self.found.iter().filter(|dump| at_end(&dump.path));
        match (whole, ending.next(), ending.next()) {
            (Some(dump), _, _) | (None, Some(dump), None) => Ok(dump),
            (None, Some(_), Some(_)) => Err(Refused::Several),
            (None, None, _) => Err(Refused::NotThere(String::from_utf8_lossy(wanted).into_owned())),
        }
    }

    /// The files directly in a folder, with their sizes.
    pub fn files_of(&self, folder: &[u8]) -> Vec<(String, u64)> {
        let inside = self.files.iter().filter_map(|(path, size)| Some((file_of(path, folder)?, *size)));
        inside.collect()
    }

    fn see(&mut self, path: Vec<u8>, size: u64, head: &[u8]) {
        if self.files.len() >= MOST || is_sidecar(&path) {
            return;
        }
        let name = String::from_utf8_lossy(path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()).into_owned();
        let is_toc = name == TOC && head.starts_with(archive::MAGIC);
        let is_packed = Compression::detect(head) != Compression::None;
        let dump = if is_toc {
            let folder = path.len().saturating_sub(TOC.len() + 1);
            Some(HeldDump { path: path[..folder].to_vec(), is_folder: true })
        } else if size > 0
            && (is_dump(head) || is_tar_of_pg_dump(head) || is_dump_name(&name) && (is_packed || !head.contains(&0)))
        {
            Some(HeldDump { path: path.clone(), is_folder: false })
        } else {
            None
        };
        self.files.insert(path, size);
        // An entry that comes again replaces the first one.
        if let Some(dump) = dump.filter(|dump| !self.found.contains(dump)) {
            self.found.push(dump);
        }
    }
}

/// Whether a file is an archive of `pg_dump -Ft`.
fn is_tar_of_pg_dump(head: &[u8]) -> bool {
    head.strip_prefix(TOC.as_bytes()).is_some_and(|rest| rest.starts_with(&[0]))
}

/// The name of a file that is directly in a folder.
fn file_of(path: &[u8], folder: &[u8]) -> Option<String> {
    let rest = below(path, folder).filter(|rest| !rest.is_empty() && !rest.contains(&b'/'))?;
    Some(String::from_utf8_lossy(rest).into_owned())
}

/// Looks at an archive and reads it to its end.
pub fn look_at(whole: Box<dyn Read + Send + '_>, name: &DumpName) -> Result<Content, SourceError> {
    let mut counted = CountingReader { inner: whole, bytes: 0 };
    let mut reader = Reader::new(&mut counted, ReadLimits::NONE);
    let mut held = Held::default();
    let mut toc = None;
    while let Some(entry) = reader.next().map_err(|error| told(&name.0, error))? {
        if entry.kind != Kind::File {
            continue;
        }
        // pg_dump writes the table of contents first.
        if held.files.is_empty() && entry.path == TOC.as_bytes() {
            let content = BufReader::new(EntryContent { reader: &mut reader });
            toc = Some(archive::summarize(content).map_err(|error| toc_error(name, error))?);
            held.files.insert(entry.path, entry.size);
            continue;
        }
        let mut head = Vec::new();
        let content = EntryContent { reader: &mut reader };
        content.take(HEAD as u64).read_to_end(&mut head).map_err(|error| read_error(name, error))?;
        held.see(entry.path, entry.size, &head);
    }
    drop(reader);
    let Some(toc) = toc else { return Ok(Content::Archive(held)) };
    let files = held.files_of(b"");
    let dump = of_folder(name, toc, &files)?;
    let dump = Dump { format: DumpFormat::PostgresArchive, bytes: counted.bytes, ..dump };
    Ok(Content::Dump(dump))
}

/// Reads a file of an archive.
pub fn read_member<T>(
    whole: Box<dyn Read + Send + '_>,
    member: &[u8],
    archive: &str,
    read: &mut ContentReader<'_, T>,
) -> Result<T, SourceError> {
    let mut reader = Reader::new(whole, ReadLimits::NONE);
    let mut result = None;
    while let Some(entry) = reader.next().map_err(|error| told(archive, error))? {
        // An entry that comes again replaces the first one.
        if entry.kind == Kind::File && entry.path == member && result.is_none() {
            result = Some(read(Box::new(EntryContent { reader: &mut reader }))?);
            break;
        }
    }
    result.ok_or_else(|| SourceError::NoSnapshot(format!("{archive} has no {}", String::from_utf8_lossy(member))))
}

/// Calls `read` for each file that is directly in a folder of an archive.
pub fn each_file_of(
    whole: Box<dyn Read + Send + '_>,
    folder: &[u8],
    archive: &str,
    read: &mut dyn FnMut(&str, &mut dyn Read) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let mut reader = Reader::new(whole, ReadLimits::NONE);
    while let Some(entry) = reader.next().map_err(|error| told(archive, error))? {
        if let Some(name) = file_of(&entry.path, folder).filter(|_| entry.kind == Kind::File) {
            read(&name, &mut EntryContent { reader: &mut reader })?;
        }
    }
    Ok(())
}

/// The error about an archive of this name.
pub fn told(archive: &str, error: ArchiveError) -> SourceError {
    match error.kind {
        ArchiveFault::Truncated => SourceError::Incomplete(format!("{archive}: {error}")),
        ArchiveFault::Window => SourceError::Window(error.detail),
        _ => SourceError::Corrupt(error),
    }
}

/// Content of the current entry. A file with holes is read without them: no dump has holes.
pub struct EntryContent<'a, R: Read> {
    reader: &'a mut Reader<R>,
}

impl<'a, R: Read> EntryContent<'a, R> {
    pub fn of(reader: &'a mut Reader<R>) -> Self {
        EntryContent { reader }
    }
}

impl<R: Read> Read for EntryContent<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        match self.reader.read_piece(buffer) {
            Ok(piece) => Ok(piece.map_or(0, |(_, length)| length)),
            Err(error) => {
                let kind = match error.kind {
                    ArchiveFault::Truncated => ErrorKind::UnexpectedEof,
                    ArchiveFault::Io => ErrorKind::Other,
                    _ => ErrorKind::InvalidData,
                };
                Err(io::Error::new(kind, error))
            }
        }
    }
}
