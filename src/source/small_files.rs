//! The small files of a folder in a snapshot, read by this process: the files of a project, never its data.

use std::io::Read;

use super::dump::inside::SnapshotFiles;
use super::dump::{EntryContent, archive_error};
use super::error::SourceError;
use crate::archive::read::{ReadLimits, Reader};
use crate::archive::{Kind, below, escapes};

/// Bounds of what is read.
#[derive(Debug, Clone, Copy)]
pub struct SmallFileBounds {
    /// Most bytes of a file; a larger one is left out.
    pub file: u64,
    /// Most bytes of all files together. More is an error.
    pub all: u64,
    /// Most files.
    pub files: usize,
    /// Most folders between the folder and a file; what lies deeper is left out.
    pub depth: usize,
}

/// A small file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmallFile {
    /// Path below the folder, without `..`.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    pub content: SmallContent,
}

/// What a small file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmallContent {
    File(Vec<u8>),
    /// A symbolic link with its target, as written.
    Link(String),
}

impl SnapshotFiles {
    /// The small files below a folder.
    pub fn read_small_files(&self, folder: &[u8], bounds: SmallFileBounds) -> Result<Vec<SmallFile>, SourceError> {
        let (mut files, mut bytes) = (Vec::new(), 0);
        self.read_part(folder, &mut |whole| {
            let mut reader = Reader::new(whole, ReadLimits::NONE);
            while let Some(entry) = reader.next().map_err(|error| archive_error(&self.snapshot.id, error))? {
                let Some(path) = below(&entry.path, folder).filter(|path| !path.is_empty() && !escapes(path)) else {
                    continue;
                };
                let depth = path.iter().filter(|byte| **byte == b'/').count();
                let Ok(path) = std::str::from_utf8(path) else { continue };
                if depth > bounds.depth {
                    continue;
                }
                let content = match &entry.kind {
                    Kind::File if entry.size <= bounds.file => {
                        let mut content = Vec::new();
                        let read = EntryContent::of(&mut reader).take(bounds.file + 1).read_to_end(&mut content);
                        read.map_err(|error| SourceError::Unreachable {
                            path: self.snapshot.id.clone().into(),
                            error,
                        })?;
                        bytes += content.len() as u64;
                        SmallContent::File(content)
                    }
                    Kind::Symlink(target) => SmallContent::Link(String::from_utf8_lossy(target).into_owned()),
                    Kind::File | Kind::HardLink(_) | Kind::Folder | Kind::Fifo | Kind::Device => continue,
                };
                if files.len() >= bounds.files || bytes > bounds.all {
                    return Err(SourceError::NotThere(format!(
                        "the folder /{} has more than {} small files or more than {} MiB of them, so it is no folder \
                         of a stack",
                        String::from_utf8_lossy(folder),
                        bounds.files,
                        bounds.all >> 20
                    )));
                }
                files.push(SmallFile { path: path.to_owned(), mode: entry.mode, content });
            }
            Ok(())
        })?;
        Ok(files)
    }
}
