//! Dumps among the files of an archive: reads, summarises and streams one of them.

use std::io::{self, BufReader, Write};

use super::archive;
use super::content;
use super::packed::{self, Content, ContentReader};
use super::recognize::{DumpName, TOC, of_folder, read_error, toc_error};
use crate::archive::Entry;
use crate::archive::compression;
use crate::archive::write::{self, PackError};
use crate::model::dump::Dump;
use crate::source::error::SourceError;

/// Gives a function the archive, uncompressed and from its beginning.
pub type ReadArchive<'a> = dyn Fn(&mut ContentReader<'_, ()>) -> Result<(), SourceError> + 'a;

/// A dump in an archive.
pub struct Member<'a> {
    pub archive: &'a ReadArchive<'a>,
    /// Name of the archive, for people.
    pub id: &'a str,
    /// Path of the dump in the archive.
    pub path: &'a [u8],
}

impl Member<'_> {
    /// Reads a file of the archive, uncompressed.
    pub fn read_file<T>(&self, path: &[u8], read: &mut ContentReader<'_, T>) -> Result<T, SourceError> {
        let mut result = None;
        (self.archive)(&mut |whole| {
            let content = packed::read_member(whole, path, self.id, &mut |content| {
                let broken = |error: io::Error| {
                    SourceError::of_beginning(&format!("{} in {}", String::from_utf8_lossy(path), self.id), &error)
                };
                // With the usual window: the archive's own decoder may be the one that is allowed a larger one.
                read(compression::open(content).map_err(broken)?)
            })?;
            result = Some(content);
            Ok(())
        })?;
        result.ok_or_else(|| SourceError::NoSnapshot(format!("{} was not read", self.id)))
    }

    fn name(&self) -> DumpName {
        DumpName(format!("{} in {}", String::from_utf8_lossy(self.path), self.id))
    }

    /// Reads a dump that is a file to its end, and summarises it.
    pub fn summarize_file(&self) -> Result<Dump, SourceError> {
        let name = self.name();
        match self.read_file(self.path, &mut |reader| content::look_at(reader, &name))? {
            Content::Dump(dump) => Ok(dump),
            Content::Archive(_) => Err(SourceError::NoDump(format!("{name} is an archive in an archive"))),
        }
    }

    /// Summarises a folder of `pg_dump -Fd` with these files.
    pub fn summarize_folder(&self, files: &[(String, u64)]) -> Result<Dump, SourceError> {
        let name = self.name();
        let toc = [self.path, b"/", TOC.as_bytes()].concat();
        let toc = toc.strip_prefix(b"/").unwrap_or(&toc);
        let seen = self.read_file(toc, &mut |reader| {
            archive::summarize(BufReader::new(reader)).map_err(|error| toc_error(&name, error))
        })?;
        of_folder(&name, seen, files)
    }

    /// Writes a dump that is a file as an archive of one file.
    pub fn stream_file(&self, dump: &Dump, out: &mut dyn Write) -> Result<(), SourceError> {
        let name = self.name();
        let entry = write::plain_file(dump.format.file().as_bytes(), dump.bytes);
        self.read_file(self.path, &mut |mut reader| {
            write::pack_stream(&entry, &mut reader, &mut *out).map_err(|error| failed(&name, error))
        })
    }

    /// Writes a folder of `pg_dump -Fd` with these files as an archive.
    pub fn stream_folder(&self, dump: &Dump, files: &[(String, u64)], out: &mut dyn Write) -> Result<(), SourceError> {
        let (name, folder) = (self.name(), dump.format.file());
        write::begin_folder(&write::plain_folder(folder.as_bytes()), out).map_err(|error| failed(&name, error))?;
        (self.archive)(&mut |whole| {
            packed::each_file_of(whole, self.path, self.id, &mut |file, content| {
                let Some((_, size)) = files.iter().find(|(known, _)| known == file) else { return Ok(()) };
                let entry = write::plain_file(&nested(folder, file), *size);
                write::add_file(&entry, content, &mut *out).map_err(|error| failed(&name, error))
            })
        })?;
        write::write_end(out).map_err(SourceError::Unheard)
    }
}

/// The entries of the archive as which a dump is streamed. `files`: those of a folder of `pg_dump -Fd`, with sizes.
pub fn list(dump: &Dump, files: Option<&[(String, u64)]>, see: &mut dyn FnMut(&Entry)) {
    let name = dump.format.file();
    match files {
        None => see(&write::plain_file(name.as_bytes(), dump.bytes)),
        Some(files) => {
            see(&write::plain_folder(name.as_bytes()));
            files.iter().for_each(|(file, size)| see(&write::plain_file(&nested(name, file), *size)));
        }
    }
}

/// The error of a failed write of a dump's archive.
pub fn failed(name: &DumpName, error: PackError) -> SourceError {
    match error {
        PackError::Output(error) => SourceError::Unheard(error),
        PackError::Unreadable { error, .. } => read_error(name, error),
    }
}

/// The path of a file in a folder.
pub fn nested(folder: &str, file: &str) -> Vec<u8> {
    format!("{folder}/{file}").into_bytes()
}
