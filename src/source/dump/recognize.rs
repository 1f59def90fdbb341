//! What every reader of dumps knows: the first bytes of dumps, the names of their files, and the errors.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;

use super::archive::{self, ArchiveSummary};
use crate::archive::compression::window::WindowTooLong;
use crate::model::dump::Dump;
use crate::source::error::SourceError;

/// Name of the table of contents in a folder of `pg_dump -Fd`.
pub const TOC: &str = "toc.dat";
/// The first bytes of a dump of Redis or Valkey.
pub const REDIS: [&[u8]; 2] = [b"REDIS0", b"VALKEY"];

/// The name of a dump, for people.
#[derive(Debug, Clone)]
pub struct DumpName(pub String);

impl fmt::Display for DumpName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a file begins as a dump does that its own program wrote.
pub fn is_dump(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"--\n").unwrap_or(head);
    let known: [&[u8]; 7] =
        [archive::MAGIC, b"-- PostgreSQL database", b"-- MySQL dump ", b"-- MariaDB dump ", b"/*!", b"/*M!", REDIS[0]];
    known.iter().any(|magic| text.starts_with(magic)) || head.starts_with(REDIS[1])
}

/// The error of a failed read of a dump.
pub fn read_error(name: &DumpName, error: io::Error) -> SourceError {
    match error.kind() {
        _ if WindowTooLong::of(&error).is_some() => SourceError::Window(format!("the dump {name}: {error}")),
        ErrorKind::UnexpectedEof => SourceError::Incomplete(format!("the dump {name}: {error}")),
        ErrorKind::InvalidData => SourceError::Broken(format!("the dump {name}: {error}")),
        _ => SourceError::Unreachable { path: PathBuf::from(&name.0), error },
    }
}

/// The error of a failed read of a table of contents.
pub fn toc_error(name: &DumpName, error: io::Error) -> SourceError {
    let error = match error.kind() {
        ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "it ends in the middle of its table of contents"),
        _ => error,
    };
    read_error(name, error)
}

/// Checks that the files of a table of contents are among these, which have sizes.
pub fn of_folder(name: &DumpName, seen: ArchiveSummary, files: &[(String, u64)]) -> Result<Dump, SourceError> {
    let is_there = |file: &str| {
        ["", ".gz", ".lz4", ".zst"].iter().any(|end| files.iter().any(|(known, _)| *known == format!("{file}{end}")))
    };
    let missing: Vec<&str> = seen.files.iter().map(String::as_str).filter(|file| !is_there(file)).collect();
    if let Some(first) = missing.first() {
        let words = format!("{name} lacks {} of the files that its {TOC} names, {first} among them", missing.len());
        return Err(SourceError::Incomplete(words));
    }
    let bytes = files.iter().map(|(_, size)| size).sum();
    Ok(Dump { bytes, rows: (seen.with_rows == 0).then_some(0), ..seen.dump })
}

/// Counts the bytes that are read.
pub struct CountingReader<R> {
    pub inner: R,
    pub bytes: u64,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}
