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

/// The small files of one folder, as far as they were read.
struct FolderFiles<'a> {
    folder: &'a [u8],
    files: Vec<SmallFile>,
    bytes: u64,
}

impl FolderFiles<'_> {
    /// Whether there is more than a folder of a stack has.
    fn is_too_large(&self, bounds: SmallFileBounds) -> bool {
        self.files.len() > bounds.files || self.bytes > bounds.all
    }

    /// Adds a file; a later entry of an archive takes the place of an earlier one.
    fn add(&mut self, file: SmallFile) {
        if let SmallContent::File(content) = &file.content {
            self.bytes += content.len() as u64;
        }
        match self.files.iter_mut().find(|known| known.path == file.path) {
            Some(known) => *known = file,
            None => self.files.push(file),
        }
    }

    fn result(self, bounds: SmallFileBounds) -> Result<Vec<SmallFile>, SourceError> {
        match self.is_too_large(bounds) {
            false => Ok(self.files),
            true => Err(SourceError::NotThere(format!(
                "the folder /{} has more than {} small files or more than {} MiB of them, so it is no folder of a \
                 stack",
                String::from_utf8_lossy(self.folder),
                bounds.files,
                bounds.all >> 20
            ))),
        }
    }
}

impl SnapshotFiles {
    /// The small files below each of these folders, read in one pass.
    pub fn read_folders(
        &self,
        folders: &[Vec<u8>],
        bounds: SmallFileBounds,
    ) -> Result<Vec<Result<Vec<SmallFile>, SourceError>>, SourceError> {
        let of = |folder| FolderFiles { folder, files: Vec::new(), bytes: 0 };
        let mut found: Vec<FolderFiles<'_>> = folders.iter().map(|folder| of(folder.as_slice())).collect();
        self.read_parts(folders, &mut |whole| {
            let mut reader = Reader::new(whole, ReadLimits::NONE);
            while let Some(entry) = reader.next().map_err(|error| archive_error(&self.snapshot.id, error))? {
                let content = match &entry.kind {
                    Kind::File if entry.size <= bounds.file => None,
                    Kind::Symlink(target) => Some(String::from_utf8_lossy(target).into_owned()),
                    Kind::File | Kind::HardLink(_) | Kind::Folder | Kind::Fifo | Kind::Device => continue,
                };
                let paths: Vec<(usize, String)> = found
                    .iter()
                    .enumerate()
                    .filter(|(_, of)| !of.is_too_large(bounds))
                    .filter_map(|(index, of)| Some((index, path_in(&entry.path, of.folder, bounds.depth)?.to_owned())))
                    .collect();
                if paths.is_empty() {
                    continue;
                }
                let content = match content {
                    Some(target) => SmallContent::Link(target),
                    None => {
                        let mut content = Vec::new();
                        let read = EntryContent::of(&mut reader).take(bounds.file + 1).read_to_end(&mut content);
                        read.map_err(|error| SourceError::Unreachable {
                            path: self.snapshot.id.clone().into(),
                            error,
                        })?;
                        SmallContent::File(content)
                    }
                };
                for (index, path) in paths {
                    found[index].add(SmallFile { path, mode: entry.mode, content: content.clone() });
                }
            }
            Ok(())
        })?;
        Ok(found.into_iter().map(|of| of.result(bounds)).collect())
    }

    /// The contents of these files, read in one pass; `None`: there is no such file, or it has more than `most` bytes.
    pub fn read_files(&self, paths: &[Vec<u8>], most: u64) -> Result<Vec<Option<Vec<u8>>>, SourceError> {
        let mut contents = vec![None; paths.len()];
        self.read_parts(paths, &mut |whole| {
            let mut reader = Reader::new(whole, ReadLimits::NONE);
            while let Some(entry) = reader.next().map_err(|error| archive_error(&self.snapshot.id, error))? {
                let Some(index) = paths.iter().position(|path| *path == entry.path) else { continue };
                if entry.kind != Kind::File || entry.size > most {
                    continue;
                }
                let mut content = Vec::new();
                let read = EntryContent::of(&mut reader).take(most + 1).read_to_end(&mut content);
                read.map_err(|error| SourceError::Unreachable { path: self.snapshot.id.clone().into(), error })?;
                contents[index] = Some(content);
            }
            Ok(())
        })?;
        Ok(contents)
    }
}

/// The path of an entry below a folder, if it is not deeper than `depth` folders.
fn path_in<'e>(entry: &'e [u8], folder: &[u8], depth: usize) -> Option<&'e str> {
    let path = below(entry, folder).filter(|path| !path.is_empty() && !escapes(path))?;
    let is_near = path.iter().filter(|byte| **byte == b'/').count() <= depth;
    std::str::from_utf8(path).ok().filter(|_| is_near)
}
