//! Database dumps: files of pg_dump, pg_dumpall, mysqldump, mariadb-dump or Redis, compressed and encrypted or not;
//! folders of `pg_dump -Fd`; files that match a pattern; standard input.
//!
//! A dump is read and checked, but never run here. It is streamed uncompressed, since the image that loads it may lack
//! the program to unpack it.

mod archive;
mod sql;

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::access::{Access, Presence, SnapshotReader, Source, SourceContext};
use super::archive_files::{self, ArchiveFiles};
use super::decrypt::PlainText;
use super::error::SourceError;
use super::snapshots;
use crate::archive::compression::window::WindowTooLong;
use crate::archive::write::{self, PackError, PackOptions};
use crate::archive::{Entry, Kind};
use crate::local_file;
use crate::model::dump::{Dump, DumpFormat};
use crate::model::event::Snapshot;
use crate::model::lock::lock;
use crate::model::source::SourceSpec;

/// Name of the table of contents in a folder of `pg_dump -Fd`.
const TOC: &str = "toc.dat";
/// Bytes that are enough to recognise a dump.
const HEAD: usize = 512;
/// Bytes that are read at a time.
const BUFFER: usize = 256 * 1024;
/// The first bytes of a dump of Redis or Valkey; below, the end mark and its distance from the end, where an 8-byte
/// checksum follows.
const REDIS: [&[u8]; 2] = [b"REDIS0", b"VALKEY"];
const REDIS_END: (u8, usize) = (0xff, 9);

/// A function that reads the content of a dump.
type ContentReader<'a, T> = dyn FnMut(Box<dyn Read + Send + '_>) -> Result<T, SourceError> + 'a;

/// The dumps of a source.
#[derive(Debug)]
struct DumpSource {
    files: ArchiveFiles,
    /// Summaries of the dumps that were read, by the snapshot's id.
    seen: Mutex<BTreeMap<String, Dump>>,
}

/// A dump that was summarised before.
struct DumpReader<'a> {
    source: &'a DumpSource,
    snapshot: Snapshot,
    dump: Dump,
}

/// Opens the dump at a path, the dumps that match a pattern in the last component, the dumps in a folder, or standard
/// input.
pub fn open(spec: &SourceSpec, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    let files = ArchiveFiles::open(spec, context, snapshots::dumps)?;
    Ok(Box::new(DumpSource { files, seen: Mutex::default() }))
}

/// Checks whether the newest dump can be opened.
pub fn probe(spec: &SourceSpec) -> Result<Presence, SourceError> {
    archive_files::probe(&spec.place, snapshots::dumps, is_readable)
}

fn is_readable(path: &Path) -> io::Result<()> {
    let file = if path.is_dir() { path.join(TOC) } else { path.to_owned() };
    local_file::open_regular(&file).map(drop)
}

impl DumpSource {
    /// Reads a dump to its end and summarises it; the result is kept. An incomplete dump and a file of another format
    /// are errors.
    fn summarize(&self, snapshot: &Snapshot) -> Result<Dump, SourceError> {
        let known = || lock(&self.seen);
        if let Some(dump) = known().get(&snapshot.id) {
            return Ok(dump.clone());
        }
        let dump = match self.folder(snapshot) {
            Some(folder) => summarize_folder(folder)?,
            None => self.read(snapshot, &mut |reader| summarize_file(reader, snapshot))?,
        };
        known().insert(snapshot.id.clone(), dump.clone());
        Ok(dump)
    }

    /// The path of a snapshot that is a folder; `None`: it is a file.
    fn folder(&self, snapshot: &Snapshot) -> Option<&Path> {
        self.files.path(snapshot).filter(|path| path.is_dir())
    }

    /// Reads a file from its beginning, decrypted and uncompressed. A failed decryption gives another error than
    /// damaged content.
    fn read<T>(&self, snapshot: &Snapshot, read: &mut ContentReader<'_, T>) -> Result<T, SourceError> {
        let broken = |error: io::Error| SourceError::of_beginning(&snapshot.id, &error);
        match self.files.plain(snapshot)? {
            PlainText::File(file) => read(self.files.unpack(file).map_err(broken)?),
            PlainText::Decrypted(reader, trouble) => {
                let result = self.files.unpack(reader).map_err(broken).and_then(&mut *read);
                // The decryption error explains the early end better than the error of the dump's reader.
                trouble.take().map_or(result, Err)
            }
        }
    }
}

/// The error of a failed read of a dump.
fn read_error(snapshot: &Snapshot, error: io::Error) -> SourceError {
    match error.kind() {
        _ if WindowTooLong::of(&error).is_some() => SourceError::Window(format!("the dump {}: {error}", snapshot.id)),
        ErrorKind::UnexpectedEof => SourceError::Incomplete(format!("the dump {}: {error}", snapshot.id)),
        ErrorKind::InvalidData => SourceError::Broken(format!("the dump {}: {error}", snapshot.id)),
        _ => SourceError::Unreachable { path: PathBuf::from(&snapshot.id), error },
    }
}

fn summarize_file(reader: Box<dyn Read + Send + '_>, snapshot: &Snapshot) -> Result<Dump, SourceError> {
    let mut reader = BufReader::with_capacity(BUFFER, reader);
    let head = match reader.fill_buf() {
        Ok(head) => head[..head.len().min(HEAD)].to_vec(),
        Err(error) => return Err(read_error(snapshot, error)),
    };
    let incomplete = |words: &str| SourceError::Incomplete(format!("the dump {}: {words}", snapshot.id));
    if head.starts_with(archive::MAGIC) {
        return summarize_archive(reader, snapshot);
    }
    if REDIS.iter().any(|magic| head.starts_with(magic)) {
        let dump = Dump::new(DumpFormat::Redis);
        let (bytes, tail) = read_to_end(&mut reader).map_err(|error| read_error(snapshot, error))?;
        let (mark, from_end) = REDIS_END;
        return if tail.len() == from_end && tail.first() == Some(&mark) {
            Ok(Dump { bytes, ..dump })
        } else {
            Err(incomplete(&format!("it ends after {bytes} bytes without the mark of its end")))
        };
    }
    if head.get(257..262) == Some(b"ustar") && head.starts_with(TOC.as_bytes()) {
        let dump = Dump::new(DumpFormat::PostgresArchive);
        let (bytes, _) = read_to_end(&mut reader).map_err(|error| read_error(snapshot, error))?;
        return Ok(Dump { bytes, ..dump });
    }
    if let Some(what) = other_format(&head) {
        let words = format!("{} is {what}, and no known kind of dump", snapshot.id);
        return Err(SourceError::NoDump(words));
    }
    let sql::SqlSummary { dump, lacks, of_sqlite } =
        sql::summarize(reader).map_err(|error| read_error(snapshot, error))?;
    if of_sqlite {
        let words = format!(
            "{} has statements for SQLite, whose service has no server to load them; restore its file instead",
            snapshot.id
        );
        return Err(SourceError::NoDump(words));
    }
    match lacks {
        Some(words) => Err(incomplete(&words)),
        None => Ok(dump),
    }
}

fn summarize_archive(
    mut reader: BufReader<Box<dyn Read + Send + '_>>,
    snapshot: &Snapshot,
) -> Result<Dump, SourceError> {
    let mut counted = CountingReader { inner: &mut reader, bytes: 0 };
    let seen = archive::summarize(&mut counted).map_err(|error| read_error(snapshot, toc_error(error)))?;
    let of_toc = counted.bytes;
    let (rest, _) = read_to_end(&mut reader).map_err(|error| read_error(snapshot, error))?;
    let rows = (seen.with_rows == 0).then_some(0);
    if seen.with_rows > 0 && rest == 0 {
        let words = format!("the dump {}: it ends after its table of contents, and has no rows", snapshot.id);
        return Err(SourceError::Incomplete(words));
    }
    Ok(Dump { bytes: of_toc + rest, rows, ..seen.dump })
}

/// Summarises a folder of `pg_dump -Fd` and checks that it has the files of its table of contents.
fn summarize_folder(folder: &Path) -> Result<Dump, SourceError> {
    let shown = folder.display();
    let unreachable = |error| SourceError::Unreachable { path: folder.to_owned(), error };
    let toc = match local_file::open_regular(&folder.join(TOC)) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let words = format!("{shown} is a folder without {TOC}, and so no folder of pg_dump -Fd");
            return Err(SourceError::NoDump(words));
        }
        other => other.map_err(unreachable)?,
    };
    let seen = archive::summarize(BufReader::new(toc)).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => SourceError::Incomplete(format!("{shown}/{TOC} ends in the middle")),
        ErrorKind::InvalidData => SourceError::Broken(format!("{shown}/{TOC}: {error}")),
        _ => unreachable(error),
    })?;
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).map_err(unreachable)? {
        bytes += entry.and_then(|entry| entry.metadata()).map_err(unreachable)?.len();
    }
    let is_there =
        |file: &str| ["", ".gz", ".lz4", ".zst"].iter().any(|end| folder.join(format!("{file}{end}")).exists());
    let missing: Vec<&str> = seen.files.iter().map(String::as_str).filter(|file| !is_there(file)).collect();
    if let Some(first) = missing.first() {
        let words = format!("{shown} lacks {} of the files that its {TOC} names, {first} among them", missing.len());
        return Err(SourceError::Incomplete(words));
    }
    Ok(Dump { bytes, rows: (seen.with_rows == 0).then_some(0), ..seen.dump })
}

fn toc_error(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "it ends in the middle of its table of contents"),
        _ => error,
    }
}

/// Recognises other formats by their first bytes; `None`: not known.
fn other_format(head: &[u8]) -> Option<&'static str> {
    match head {
        _ if head.starts_with(b"SQLite format 3\0") => Some("an SQLite database"),
        _ if head.starts_with(b"PK\x03\x04") => Some("a ZIP archive"),
        _ if head.get(257..262) == Some(b"ustar") => Some("a tar archive (which `tar:FILE` restores)"),
        _ if head.contains(&0) => Some("something binary"),
        _ => None,
    }
}

/// Reads to the end; returns the number of bytes and the last few of them.
fn read_to_end(reader: &mut impl Read) -> io::Result<(u64, Vec<u8>)> {
    let (mut bytes, mut tail) = (0, Vec::new());
    let mut piece = vec![0; BUFFER];
    loop {
        let count = match reader.read(&mut piece) {
            Ok(0) => return Ok((bytes, tail)),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes += count as u64;
        tail.extend_from_slice(&piece[count.saturating_sub(REDIS_END.1)..count]);
        tail.drain(..tail.len().saturating_sub(REDIS_END.1));
    }
}

struct CountingReader<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

impl Source for DumpSource {
    fn snapshots(&self) -> Result<Vec<Snapshot>, SourceError> {
        Ok(self.files.snapshots())
    }

    fn open(&self, snapshot: &Snapshot) -> Result<Access<'_>, SourceError> {
        let dump = self.summarize(snapshot)?;
        let reader = DumpReader { source: self, snapshot: snapshot.clone(), dump: dump.clone() };
        Ok(Access::Dump(dump, Box::new(reader)))
    }
}

impl SnapshotReader for DumpReader<'_> {
    fn list(&self, _max_entries: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError> {
        let name = self.dump.format.file();
        if let Some(folder) = self.source.folder(&self.snapshot) {
            return write::list(folder, &mut |entry| see(&nested_entry(entry, name)))
                .map_err(|error| failed(folder, error));
        }
        see(&write::plain_file(name.as_bytes(), self.dump.bytes));
        Ok(())
    }

    fn stream(&self, _wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError> {
        let name = self.dump.format.file().as_bytes();
        if let Some(folder) = self.source.folder(&self.snapshot) {
            let options = PackOptions { prefix: name.to_vec(), wanted: Vec::new() };
            return write::pack(folder, &options, out).map(drop).map_err(|error| failed(folder, error));
        }
        self.source.read(&self.snapshot, &mut |mut reader| {
            let packed = write::pack_stream(&write::plain_file(name, self.dump.bytes), &mut reader, &mut *out);
            packed.map_err(|error| match error {
                PackError::Output(error) => SourceError::Unheard(error),
                PackError::Unreadable { error, .. } => read_error(&self.snapshot, error),
            })
        })
    }
}

/// The entry of a folder, moved below the folder `name`.
fn nested_entry(entry: &Entry, name: &str) -> Entry {
    let mut path = name.as_bytes().to_vec();
    if !entry.path.is_empty() {
        path.push(b'/');
        path.extend_from_slice(&entry.path);
    }
    let kind = match &entry.kind {
        Kind::HardLink(first) => Kind::HardLink([name.as_bytes(), b"/", first].concat()),
        other => other.clone(),
    };
    Entry { path, kind, ..entry.clone() }
}

fn failed(folder: &Path, error: PackError) -> SourceError {
    match error {
        PackError::Output(error) => SourceError::Unheard(error),
        PackError::Unreadable { path, error } => SourceError::Unreachable { path: folder.join(path), error },
    }
}

#[cfg(test)]
mod tests;
