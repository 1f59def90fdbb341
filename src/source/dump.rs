//! Database dumps: files of pg_dump, pg_dumpall, mysqldump, mariadb-dump or Redis, compressed and encrypted or not;
//! folders of `pg_dump -Fd`; files that match a pattern; standard input. A tar archive may hold dumps, too.
//!
//! A dump is read and checked, but never run here. It is streamed uncompressed, since the image that loads it may lack
//! the program to unpack it.

mod archive;
mod commands;
mod content;
mod filled;
pub mod inside;
mod member;
mod packed;
mod recognize;
mod sql;

use std::collections::BTreeMap;
use std::io::{self, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::access::{Access, Presence, SnapshotReader, Source, SourceContext};
use super::archive_files::{self, ArchiveFiles};
use super::decrypt::PlainText;
use super::error::SourceError;
use super::snapshots;
use crate::archive::Entry;
use crate::archive::write;
use crate::local_file;
use crate::model::dump::Dump;
use crate::model::event::Snapshot;
use crate::model::lock::lock;
use crate::model::source::{SourceLocation, SourcePlace, SourceSpec};
use member::{Member, nested};
use packed::{Content, ContentReader};
pub(in crate::source) use packed::{EntryContent, told as archive_error};
use recognize::{DumpName, TOC, of_folder, toc_error};

/// The dumps of a source.
#[derive(Debug)]
struct DumpSource {
    files: ArchiveFiles,
    /// The dump that the user chose in an archive.
    member: Option<String>,
    /// Path of the source as the user wrote it, without the member.
    path: String,
    /// The dumps that were read, by the snapshot's id.
    seen: Mutex<BTreeMap<String, SeenDump>>,
}

/// A dump that was summarised, and its place.
#[derive(Debug, Clone)]
struct SeenDump {
    dump: Dump,
    at: DumpPlace,
}

#[derive(Debug, Clone)]
enum DumpPlace {
    /// The snapshot is the dump.
    File,
    /// A folder of `pg_dump -Fd`: its files with their sizes.
    Folder(PathBuf, Vec<(String, u64)>),
    /// A file in an archive.
    Member(Vec<u8>),
    /// A folder of `pg_dump -Fd` in an archive: its files with their sizes.
    MemberFolder(Vec<u8>, Vec<(String, u64)>),
}

/// A dump that was summarised before.
struct DumpReader<'a> {
    source: &'a DumpSource,
    snapshot: Snapshot,
    seen: SeenDump,
}

/// Opens the dump at a path, the dumps that match a pattern in the last component, the dumps in a folder, or standard
/// input. `FILE#MEMBER` is a dump in an archive.
pub fn open(spec: &SourceSpec, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    let (place, member) = without_member(&spec.place);
    let path = place.to_string();
    let files = ArchiveFiles::open(&SourceSpec { place, ..spec.clone() }, context, snapshots::dumps)?;
    Ok(Box::new(DumpSource { files, member, path, seen: Mutex::default() }))
}

/// Checks whether the newest dump can be opened.
pub fn probe(spec: &SourceSpec) -> Result<Presence, SourceError> {
    archive_files::probe(&without_member(&spec.place).0, snapshots::dumps, is_readable)
}

fn is_readable(path: &Path) -> io::Result<()> {
    let file = if path.is_dir() { path.join(TOC) } else { path.to_owned() };
    local_file::open_regular(&file).map(drop)
}

/// Separates `FILE#MEMBER`. The name of a file may have a `#`, too: a file that is there is itself.
fn without_member(place: &SourcePlace) -> (SourcePlace, Option<String>) {
    let path = match &place.location {
        SourceLocation::Path(path) => path,
        SourceLocation::Address(address) => {
            return match address.split_once('#').filter(|(file, member)| !file.is_empty() && !member.is_empty()) {
                Some((file, member)) => {
                    let location = SourceLocation::Address(file.to_owned());
                    (SourcePlace { location, ..place.clone() }, Some(member.to_owned()))
                }
                None => (place.clone(), None),
            };
        }
        SourceLocation::Stdin | SourceLocation::HostPath(_) | SourceLocation::Dataset(_) => {
            return (place.clone(), None);
        }
    };
    let text = path.to_string_lossy();
    let splits = text.match_indices('#').map(|(at, _)| (&text[..at], &text[at + 1..]));
    let is_there = |path: &str| Path::new(path).exists() || path.contains(['*', '?', '[']);
    let mut splits = splits.filter(|(file, member)| !file.is_empty() && !member.is_empty());
    if path.exists() {
        return (place.clone(), None);
    }
    match splits.clone().find(|(file, _)| is_there(file)).or_else(|| splits.next()) {
        Some((file, member)) => {
            (SourcePlace { location: SourceLocation::Path(file.into()), ..place.clone() }, Some(member.to_owned()))
        }
        None => (place.clone(), None),
    }
}

impl DumpSource {
    /// Reads a dump to its end and summarises it; the result is kept. An incomplete dump and a file of another format
    /// are errors.
    fn summarize(&self, snapshot: &Snapshot) -> Result<SeenDump, SourceError> {
        let known = || lock(&self.seen);
        if let Some(seen) = known().get(&snapshot.id) {
            return Ok(seen.clone());
        }
        let seen = match self.folder(snapshot) {
            Some(folder) => summarize_folder(folder)?,
            None => self.files.unless_changed(snapshot, || self.summarize_file(snapshot))?,
        };
        known().insert(snapshot.id.clone(), seen.clone());
        Ok(seen)
    }

    /// The path of a snapshot that is a folder; `None`: it is a file.
    fn folder(&self, snapshot: &Snapshot) -> Option<&Path> {
        self.files.path(snapshot).filter(|path| path.is_dir())
    }

    fn summarize_file(&self, snapshot: &Snapshot) -> Result<SeenDump, SourceError> {
        let name = DumpName(snapshot.id.clone());
        match self.read(snapshot, &mut |reader| content::look_at(reader, &name))? {
            Content::Dump(_) if self.member.is_some() => Err(SourceError::NoSnapshot(format!(
                "{} is a dump itself and no archive, so there is no {} in it",
                snapshot.id,
                self.member.as_deref().unwrap_or_default()
            ))),
            Content::Dump(dump) => Ok(SeenDump { dump, at: DumpPlace::File }),
            Content::Archive(held) => self.summarize_member(snapshot, &held),
        }
    }

    /// Summarises the chosen dump of an archive, or the only one.
    fn summarize_member(&self, snapshot: &Snapshot, held: &packed::Held) -> Result<SeenDump, SourceError> {
        let found = held.choose(self.member.as_deref()).map_err(|refused| self.refused(snapshot, held, refused))?;
        let archive = |read: &mut ContentReader<'_, ()>| self.read(snapshot, read);
        let member = Member { archive: &archive, id: &snapshot.id, path: &found.path };
        if !found.is_folder {
            return Ok(SeenDump { dump: member.summarize_file()?, at: DumpPlace::Member(found.path.clone()) });
        }
        let files = held.files_of(&found.path);
        Ok(SeenDump { dump: member.summarize_folder(&files)?, at: DumpPlace::MemberFolder(found.path.clone(), files) })
    }

    fn refused(&self, snapshot: &Snapshot, held: &packed::Held, refused: packed::Refused) -> SourceError {
        let id = &snapshot.id;
        match refused {
            packed::Refused::Several => SourceError::SeveralDumps { file: self.path.clone(), names: held.names() },
            packed::Refused::None => SourceError::NoDump(format!("{id} is an archive without a database dump in it")),
            packed::Refused::NotThere(member) => SourceError::NoSnapshot(format!(
                "{id} has no {member}; the dumps in it are {}",
                held.names().iter().take(10).cloned().collect::<Vec<_>>().join(", ")
            )),
        }
    }

    /// Reads a file from its beginning, decrypted and uncompressed. A failed decryption gives another error than
    /// damaged content.
    fn read<T>(&self, snapshot: &Snapshot, read: &mut ContentReader<'_, T>) -> Result<T, SourceError> {
        let broken = |error: io::Error| SourceError::of_beginning(&snapshot.id, &error);
        match self.files.plain(snapshot)? {
            PlainText::File(file) => read(self.files.unpack(file).map_err(broken)?),
            PlainText::Parts(reader) => read(self.files.unpack(reader).map_err(broken)?),
            PlainText::Stream(reader, trouble) => {
                let result = self.files.unpack(reader).map_err(broken).and_then(&mut *read);
                // The error behind the stream explains the early end better than the error of the dump's reader.
                trouble.take().map_or(result, Err)
            }
        }
    }
}

/// Summarises a folder of `pg_dump -Fd` and checks that it has the files of its table of contents.
fn summarize_folder(folder: &Path) -> Result<SeenDump, SourceError> {
    let unreachable = |error| SourceError::Unreachable { path: folder.to_owned(), error };
    let name = DumpName(folder.display().to_string());
    let toc = match local_file::open_regular(&folder.join(TOC)) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let words = format!("{name} is a folder without {TOC}, and so no folder of pg_dump -Fd");
            return Err(SourceError::NoDump(words));
        }
        other => other.map_err(unreachable)?,
    };
    let seen = archive::summarize(BufReader::new(toc)).map_err(|error| toc_error(&name, error))?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreachable)? {
        let entry = entry.map_err(unreachable)?;
        let metadata = entry.metadata().map_err(unreachable)?;
        if metadata.is_file() {
            files.push((entry.file_name().to_string_lossy().into_owned(), metadata.len()));
        }
    }
    files.sort();
    let dump = of_folder(&name, seen, &files)?;
    Ok(SeenDump { dump, at: DumpPlace::Folder(folder.to_owned(), files) })
}

impl Source for DumpSource {
    fn snapshots(&self) -> Result<Vec<Snapshot>, SourceError> {
        Ok(self.files.snapshots())
    }

    fn open(&self, snapshot: &Snapshot) -> Result<Access<'_>, SourceError> {
        let seen = self.summarize(snapshot)?;
        let dump = seen.dump.clone();
        Ok(Access::Dump(dump, Box::new(DumpReader { source: self, snapshot: snapshot.clone(), seen })))
    }
}

/// The service's own user loads the dump, so every file of it can be read by all, whatever its mode was.
impl SnapshotReader for DumpReader<'_> {
    fn list(&self, _max_entries: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError> {
        let files = match &self.seen.at {
            DumpPlace::File | DumpPlace::Member(_) => None,
            DumpPlace::Folder(_, files) | DumpPlace::MemberFolder(_, files) => Some(files.as_slice()),
        };
        member::list(&self.seen.dump, files, see);
        Ok(())
    }

    fn has_read_content(&self) -> bool {
        // Of a folder only its table of contents was read.
        matches!(self.seen.at, DumpPlace::File | DumpPlace::Member(_))
    }

    fn stream(&self, _wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError> {
        let (source, snapshot, dump) = (self.source, &self.snapshot, &self.seen.dump);
        let (name, shown) = (dump.format.file(), DumpName(snapshot.id.clone()));
        let failed = |error| member::failed(&shown, error);
        let archive = |read: &mut ContentReader<'_, ()>| source.read(snapshot, read);
        let member = |path| Member { archive: &archive, id: &snapshot.id, path };
        match &self.seen.at {
            DumpPlace::File => {
                let entry = write::plain_file(name.as_bytes(), dump.bytes);
                source.read(snapshot, &mut |mut reader| {
                    write::pack_stream(&entry, &mut reader, &mut *out).map_err(failed)
                })
            }
            DumpPlace::Member(path) => member(path).stream_file(dump, out),
            DumpPlace::Folder(folder, files) => {
                write::begin_folder(&write::plain_folder(name.as_bytes()), out).map_err(failed)?;
                for (file, size) in files {
                    let path = folder.join(file);
                    let content = local_file::open_regular(&path);
                    let mut content = content.map_err(|error| SourceError::Unreachable { path, error })?;
                    let entry = write::plain_file(&nested(name, file), *size);
                    write::add_file(&entry, &mut content, out).map_err(failed)?;
                }
                write::write_end(out).map_err(SourceError::Unheard)
            }
            DumpPlace::MemberFolder(folder, files) => member(folder).stream_folder(dump, files, out),
        }
    }
}

#[cfg(test)]
mod tests;
