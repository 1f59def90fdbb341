//! A dump among the files of a snapshot of another source, as a source of its own. Every kind of source that streams
//! its snapshots can have one.

use std::io::{self, Read, Write};
use std::sync::Arc;

use super::member::{self, Member};
use super::packed::ContentReader;
use crate::archive::compression;
use crate::archive::compression::window::DecodeBounds;
use crate::archive::{Entry, Kind, below};
use crate::model::dump::Dump;
use crate::model::event::Snapshot;
use crate::source::access::{Access, SnapshotReader, Source};
use crate::source::error::SourceError;

/// A snapshot whose single files are read.
#[derive(Debug, Clone)]
pub struct SnapshotFiles {
    pub source: Arc<dyn Source>,
    pub snapshot: Snapshot,
    /// Bounds of the decoder, if the snapshot is a compressed archive.
    pub decoding: DecodeBounds,
}

/// A dump among the files of a snapshot.
#[derive(Debug)]
pub struct DumpInSnapshot {
    files: SnapshotFiles,
    path: Vec<u8>,
    dump: Dump,
    /// For a folder of `pg_dump -Fd`: its files with their sizes.
    of_folder: Option<Vec<(String, u64)>>,
    /// The dump as a snapshot of its own.
    itself: Snapshot,
}

impl SnapshotFiles {
    /// Gives `read` an archive with at least the part at `path`, uncompressed and from its beginning. The source writes
    /// on a thread of its own and ends when `read` does.
    pub(in crate::source) fn read_part(
        &self,
        path: &[u8],
        read: &mut ContentReader<'_, ()>,
    ) -> Result<(), SourceError> {
        self.read_parts(&[path.to_vec()], read)
    }

    /// As [`read_part`](Self::read_part), for several parts in one pass.
    pub(in crate::source) fn read_parts(
        &self,
        paths: &[Vec<u8>],
        read: &mut ContentReader<'_, ()>,
    ) -> Result<(), SourceError> {
        let id = &self.snapshot.id;
        let broken = |error: io::Error| SourceError::of_beginning(id, &error);
        let (receiver, mut sender) = io::pipe().map_err(|error| SourceError::Unreachable { path: id.into(), error })?;
        std::thread::scope(|scope| {
            let streaming = scope.spawn(move || match self.source.open(&self.snapshot)? {
                Access::Stream(reader) => reader.stream(paths, &mut sender),
                Access::Dump(..) => Err(SourceError::NoDump(format!("{id} is itself a dump, without files in it"))),
                Access::HostTree(found) => Err(SourceError::NotThere(format!(
                    "{} lies on the engine's host, and a dump in it cannot be read from here; name the folder as \
                     dir:FOLDER where this machine sees it, or the dump itself as dump:FILE",
                    found.tree.path
                ))),
            });
            let result = compression::open_within(receiver, self.decoding).map_err(broken).and_then(&mut *read);
            match streaming.join() {
                // The reader may stop before the end. Any other error of the source explains an early end best.
                Ok(Err(error)) if !matches!(error, SourceError::Unheard(_)) => Err(error),
                Ok(_) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// The content of a small file of the snapshot. A file of more than `most` bytes is an error.
    pub fn read_small_file(&self, path: &[u8], most: u64) -> Result<Vec<u8>, SourceError> {
        let archive = |read: &mut ContentReader<'_, ()>| self.read_part(path, read);
        Member { archive: &archive, id: &self.snapshot.id, path }.read_file(path, &mut |reader| {
            let mut content = Vec::new();
            let read = reader.take(most + 1).read_to_end(&mut content);
            read.map_err(|error| SourceError::Unreachable { path: self.snapshot.id.clone().into(), error })?;
            if content.len() as u64 > most {
                let path = String::from_utf8_lossy(path);
                return Err(SourceError::NoDump(format!("{path} has more than {most} bytes")));
            }
            Ok(content)
        })
    }

    /// The files directly in a folder of the snapshot, with their sizes.
    fn files_of(&self, folder: &[u8]) -> Result<Vec<(String, u64)>, SourceError> {
        let Access::Stream(reader) = self.source.open(&self.snapshot)? else { return Ok(Vec::new()) };
        let mut files = Vec::new();
        reader.list(0, &mut |entry| {
            let name = below(&entry.path, folder).filter(|name| !name.is_empty() && !name.contains(&b'/'));
            if let (Some(name), Kind::File) = (name, &entry.kind) {
                files.push((String::from_utf8_lossy(name).into_owned(), entry.size));
            }
        })?;
        files.sort();
        Ok(files)
    }
}

impl DumpInSnapshot {
    /// Reads the dump at `path` to its end and summarises it. An incomplete dump is an error.
    pub fn summarize(files: SnapshotFiles, path: &[u8], is_folder: bool) -> Result<DumpInSnapshot, SourceError> {
        let of_folder = if is_folder { Some(files.files_of(path)?) } else { None };
        let archive = |read: &mut ContentReader<'_, ()>| files.read_part(path, read);
        let member = Member { archive: &archive, id: &files.snapshot.id, path };
        let dump = match &of_folder {
            Some(of_folder) => member.summarize_folder(of_folder)?,
            None => member.summarize_file()?,
        };
        let id = format!("{} in {}", String::from_utf8_lossy(path), files.snapshot.id);
        let itself = Snapshot { id, time: files.snapshot.time };
        Ok(DumpInSnapshot { path: path.to_vec(), dump, of_folder, itself, files })
    }

    /// What is known of the dump.
    pub fn dump(&self) -> &Dump {
        &self.dump
    }

    /// The dump as a snapshot of its own.
    pub fn snapshot(&self) -> &Snapshot {
        &self.itself
    }
}

impl Source for DumpInSnapshot {
    fn snapshots(&self) -> Result<Vec<Snapshot>, SourceError> {
        Ok(vec![self.itself.clone()])
    }

    fn open(&self, _snapshot: &Snapshot) -> Result<Access<'_>, SourceError> {
        Ok(Access::Dump(self.dump.clone(), Box::new(InsideReader(self))))
    }
}

/// A dump that was summarised before.
struct InsideReader<'a>(&'a DumpInSnapshot);

impl SnapshotReader for InsideReader<'_> {
    fn list(&self, _max_entries: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError> {
        member::list(&self.0.dump, self.0.of_folder.as_deref(), see);
        Ok(())
    }

    fn stream(&self, _wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError> {
        let DumpInSnapshot { files, path, dump, of_folder, .. } = self.0;
        let archive = |read: &mut ContentReader<'_, ()>| files.read_part(path, read);
        let member = Member { archive: &archive, id: &files.snapshot.id, path };
        match of_folder {
            Some(of_folder) => member.stream_folder(dump, of_folder, out),
            None => member.stream_file(dump, out),
        }
    }
}
