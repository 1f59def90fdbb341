//! Packs a folder or a single file as an archive, with everything that the file system knows of it. Values without room
//! in a header become pax records.
//!
//! The files may change while they are packed. Folders are opened relative to their parents and never through a
//! symlink. Only some of them stay open, so that any depth works. A file that changes, shrinks, grows or vanishes does
//! not damage the archive: its content is cut or padded with zeros to the announced size, and the file is reported.
//! Sockets are left out, since they mean nothing without their process.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, Stat, fstat, major, minor, openat, readlinkat, statat};
use rustix::io::Errno;

use self::content::{ArchiveOutput, DataPiece, data_pieces, encode_sparse_map};
use self::headers::{HeaderTooLarge, HeaderValues};
use super::open::{changed, is_gone, open_folder, open_quietly};
use super::xattrs::{Xattrs, xattrs_at, xattrs_of};
use super::{Entry, Kind, below};
use crate::model::sampled::Sampled;

mod content;
mod error;
mod headers;
mod stream;

pub use error::PackError;
pub use stream::{add_file, begin_entry, begin_folder, fill_block, pack_stream, plain_file, plain_folder, write_end};

/// Most folders on the way down that stay open, besides the root.
const MAX_OPEN: usize = 64;
/// Size of the buffer for `getdents`, in bytes.
const LIST_BYTES: usize = 32 * 1024;

/// Which files are packed, and under which paths.
#[derive(Debug, Default, Clone)]
pub struct PackOptions {
    /// Prefix of all paths, in the form of [`super::Entry::path`]; the root has the prefix as its path. With an empty
    /// prefix, a single file gets its own name.
    pub prefix: Vec<u8>,
    /// Only files and folders at or below one of these paths (relative to the root) are packed, with the folders on the
    /// way to them. Empty: everything.
    pub wanted: Vec<Vec<u8>>,
}

/// The result of packing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PackSummary {
    /// Number of entries that are no folders.
    pub files: u64,
    /// Number of folders, the root included.
    pub folders: u64,
    /// Bytes of content without holes. A file with several names counts once.
    pub bytes: u64,
    /// Number of sockets, which were left out.
    pub sockets: u64,
    /// The files that changed or vanished while they were packed.
    pub torn: Sampled<String>,
}

/// A moment of packing at which tests change the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The entry was listed, but not opened.
    Listed,
    /// The file was opened and its header written; its content was not read yet.
    Announced,
}

/// Packs the file or folder at `root`. A symlink there is followed; symlinks inside never are.
pub fn pack(root: &Path, options: &PackOptions, out: impl Write) -> Result<PackSummary, PackError> {
    pack_or_list(root, options, out, &mut |_, _| {}, None)
}

/// Calls `see` for each entry that [`pack`] would write; contents are not read.
pub fn list(root: &Path, see: &mut dyn FnMut(&Entry)) -> Result<(), PackError> {
    pack_or_list(root, &PackOptions::default(), io::sink(), &mut |_, _| {}, Some(see)).map(drop)
}

#[cfg(test)]
fn pack_watched(
    root: &Path,
    options: &PackOptions,
    out: impl Write,
    watch: &mut dyn FnMut(Moment, &[u8]),
) -> Result<PackSummary, PackError> {
    pack_or_list(root, options, out, watch, None)
}

fn pack_or_list<'a>(
    root: &Path,
    options: &'a PackOptions,
    out: impl Write,
    watch: &'a mut dyn FnMut(Moment, &[u8]),
    see: Option<&'a mut dyn FnMut(&Entry)>,
) -> Result<PackSummary, PackError> {
    let unreadable = |error: io::Error| PackError::Unreadable { path: root.display().to_string(), error };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let source = openat(CWD, root, flags, Mode::empty()).map_err(|error| unreadable(error.into()))?;
    let stat = fstat(&source).map_err(|error| unreadable(error.into()))?;
    let mut packer = Packer {
        out: ArchiveOutput::new(out),
        options,
        path: options.prefix.clone(),
        packed: PackSummary::default(),
        links: HashMap::new(),
        listing: Vec::with_capacity(LIST_BYTES),
        watch,
        see,
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => packer.pack_tree(source)?,
        FileType::RegularFile => {
            if packer.path.is_empty() {
                packer.path = root.file_name().map_or_else(|| b"file".to_vec(), |name| name.as_bytes().to_vec());
            }
            packer.pack_file(&source)?;
        }
        _ => return Err(unreadable(io::Error::other("it is neither a folder nor a file"))),
    }
    packer.out.finish()?;
    Ok(packer.packed)
}

/// A folder that was packed and has folders still to pack.
struct Branch {
    name: CString,
    /// Device and inode: another folder may have the name later.
    id: (u64, u64),
    /// The open folder; only for the root and the last [`MAX_OPEN`] branches.
    source: Option<OwnedFd>,
    /// Folders in it that are still to pack.
    folders: Vec<CString>,
    /// Length of its path in bytes.
    path: usize,
}

/// A file with several names, which was packed under its first one.
struct Link {
    path: Vec<u8>,
    /// Number of names still to come.
    left: u64,
}

struct Packer<'a, W> {
    out: ArchiveOutput<W>,
    options: &'a PackOptions,
    /// Path of the current entry in the archive.
    path: Vec<u8>,
    packed: PackSummary,
    links: HashMap<(u64, u64), Link>,
    listing: Vec<u8>,
    watch: &'a mut dyn FnMut(Moment, &[u8]),
    /// The receiver of a mere list; nothing is written then.
    see: Option<&'a mut dyn FnMut(&Entry)>,
}

/// Whether a path is packed.
#[derive(PartialEq, Eq)]
enum Want {
    All,
    /// Only because wanted paths are below it.
    Way,
    Nothing,
}

/// Bytes of a file's content without holes, as far as the file system tells.
fn content_bytes(stat: &Stat) -> u64 {
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let on_disk = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
    if is_file { u64::try_from(stat.st_size).unwrap_or(0).min(on_disk) } else { 0 }
}

#[allow(clippy::unnecessary_cast, reason = "the types of a stat's fields differ between architectures")]
fn file_id(stat: &Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

impl<W: Write> Packer<'_, W> {
    /// Packs a folder and everything below it.
    fn pack_tree(&mut self, source: OwnedFd) -> Result<(), PackError> {
        let root = self.pack_folder(CString::default(), source)?;
        let mut branches = vec![root];
        while let Some(branch) = branches.last_mut() {
            self.path.truncate(branch.path);
            let Some(name) = branch.folders.pop() else {
                branches.pop();
                continue;
            };
            push_name(&mut self.path, &name);
            match open_last_branch(&mut branches).and_then(|parent| open_folder(parent, &name)) {
                Ok(source) => {
                    let branch = self.pack_folder(name, source)?;
                    branches.push(branch);
                    // The root stays open: all other folders can be reached from it.
                    if branches.len() > MAX_OPEN + 1 {
                        let far = branches.len() - MAX_OPEN - 1;
                        branches[far.max(1)].source = None;
                    }
                }
                Err(error) => self.handle_source_error(error)?,
            }
        }
        Ok(())
    }

    /// Packs a folder and its entries except folders.
    fn pack_folder(&mut self, name: CString, source: OwnedFd) -> Result<Branch, PackError> {
        let stat = fstat(&source).map_err(|error| self.unreadable(error.into()))?;
        let xattrs = xattrs_of(&source).map_err(|error| self.unreadable(error.into()))?;
        self.write_header(b'5', &stat, &xattrs, b"", None)?;
        self.packed.folders += 1;
        let path = self.path.len();
        let folders = self.pack_entries(&source)?;
        Ok(Branch { name, id: file_id(&stat), source: Some(source), folders, path })
    }

    /// Packs the entries of a folder, and returns the names of its folders.
    fn pack_entries(&mut self, source: &OwnedFd) -> Result<Vec<CString>, PackError> {
        let mut folders = Vec::new();
        let mut buffer = std::mem::take(&mut self.listing);
        let spare: &mut [MaybeUninit<u8>] = buffer.spare_capacity_mut();
        let mut listing = RawDir::new(source, spare);
        let length = self.path.len();
        while let Some(next) = listing.next() {
            let entry = match next {
                Ok(entry) => entry,
                Err(error) => {
                    self.handle_source_error(error)?;
                    break;
                }
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            push_name(&mut self.path, name);
            let kind = match entry.file_type() {
                FileType::Unknown => statat(source, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::RegularFile, |stat| FileType::from_raw_mode(stat.st_mode)),
                kind => kind,
            };
            match self.current_want() {
                Want::Nothing => {}
                _ if kind == FileType::Directory => folders.push(name.to_owned()),
                Want::Way => {}
                Want::All => self.pack_entry(source, name, kind)?,
            }
            self.path.truncate(length);
        }
        self.listing = buffer;
        Ok(folders)
    }

    fn current_want(&self) -> Want {
        let wanted = &self.options.wanted;
        let path = self.relative_path();
        if wanted.is_empty() || wanted.iter().any(|wanted| below(path, wanted).is_some()) {
            Want::All
        } else if wanted.iter().any(|wanted| below(wanted, path).is_some()) {
            Want::Way
        } else {
            Want::Nothing
        }
    }

    /// Packs an entry that is no folder.
    fn pack_entry(&mut self, folder: &OwnedFd, name: &CStr, kind: FileType) -> Result<(), PackError> {
        (self.watch)(Moment::Listed, &self.path);
        match kind {
            FileType::RegularFile => match open_quietly(folder, name, OFlags::empty()) {
                Ok(source) => self.pack_file(&source),
                Err(error) => self.handle_source_error(error),
            },
            FileType::Socket => {
                self.packed.sockets += 1;
                Ok(())
            }
            _ => match self.pack_special(folder, name) {
                Ok(packed) => packed,
                Err(error) => self.handle_source_error(error),
            },
        }
    }

    /// Packs a symlink, FIFO or device.
    fn pack_special(&mut self, folder: &OwnedFd, name: &CStr) -> Result<Result<(), PackError>, Errno> {
        let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let mut target = CString::default();
        let flag = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => {
                target = match readlinkat(folder, name, Vec::new()) {
                    // Another kind of file has taken its place.
                    Err(Errno::INVAL) => return Err(Errno::NOENT),
                    other => other?,
                };
                b'2'
            }
            FileType::CharacterDevice => b'3',
            FileType::BlockDevice => b'4',
            FileType::Fifo => b'6',
            _ => return Err(Errno::NOENT),
        };
        let xattrs = xattrs_at(folder, name)?;
        Ok(self.pack_without_content(flag, &stat, &xattrs, target.to_bytes()))
    }

    /// Packs an entry without content, or a second name of one.
    fn pack_without_content(&mut self, flag: u8, stat: &Stat, xattrs: &Xattrs, target: &[u8]) -> Result<(), PackError> {
        if !self.pack_hard_link(stat)? {
            self.write_header(flag, stat, xattrs, target, None)?;
            self.packed.files += 1;
        }
        Ok(())
    }

    /// Packs a file.
    fn pack_file(&mut self, source: &OwnedFd) -> Result<(), PackError> {
        let stat = fstat(source).map_err(|error| self.unreadable(error.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return self.handle_source_error(Errno::NOENT);
        }
        if self.pack_hard_link(&stat)? {
            return Ok(());
        }
        let xattrs = xattrs_of(source).map_err(|error| self.unreadable(error.into()))?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let pieces = data_pieces(source, &stat).map_err(|error| self.unreadable(error.into()))?;
        let is_whole = match pieces {
            None => {
                self.write_header(b'0', &stat, &xattrs, b"", None)?;
                (self.watch)(Moment::Announced, &self.path);
                self.pack_content(source, &[DataPiece { offset: 0, length: size }])?
            }
            Some(pieces) => {
                let map = encode_sparse_map(&pieces, size);
                let held = pieces.iter().map(|piece| piece.length).sum::<u64>();
                self.write_header(b'0', &stat, &xattrs, b"", Some((held, map.len() as u64)))?;
                self.out.put(&map)?;
                (self.watch)(Moment::Announced, &self.path);
                self.pack_content(source, &pieces)?
            }
        };
        self.packed.files += 1;
        let after = fstat(source).map_err(|error| self.unreadable(error.into()))?;
        if !is_whole || changed(&stat, &after) {
            self.note_torn();
        }
        Ok(())
    }

    /// Packs these pieces of a file's content, with exactly their length; false: the file had less.
    fn pack_content(&mut self, source: &OwnedFd, pieces: &[DataPiece]) -> Result<bool, PackError> {
        if self.see.is_some() {
            return Ok(true);
        }
        let mut is_whole = true;
        for piece in pieces {
            let copied = match self.out.copy(source, *piece)? {
                Ok(copied) => copied,
                // The file system was unmounted.
                Err((copied, error)) if is_gone(error) => copied,
                Err((_, error)) => return Err(self.unreadable(error.into())),
            };
            self.out.zeros(piece.length - copied)?;
            self.packed.bytes += copied;
            is_whole &= copied == piece.length;
        }
        self.out.fill_block()?;
        Ok(is_whole)
    }

    /// Packs a second name of a file that was packed before; false: it was not.
    fn pack_hard_link(&mut self, stat: &Stat) -> Result<bool, PackError> {
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        let id = file_id(stat);
        let Some(link) = self.links.get_mut(&id) else {
            #[allow(clippy::unnecessary_cast, reason = "the types of a stat's fields differ between architectures")]
            let left = stat.st_nlink as u64 - 1;
            self.links.insert(id, Link { path: self.path.clone(), left });
            return Ok(false);
        };
        link.left = link.left.saturating_sub(1);
        let (is_last, target) = (link.left == 0, link.path.clone());
        if is_last {
            self.links.remove(&id);
        }
        self.write_header(b'1', stat, &Vec::new(), &target, None)?;
        self.packed.files += 1;
        Ok(true)
    }

    /// Writes a header. For a sparse file, `stored` has the number of content bytes in the archive and the length of
    /// the map before them.
    #[allow(clippy::unnecessary_cast, reason = "the types of a stat's fields differ between architectures")]
    fn write_header(
        &mut self,
        flag: u8,
        stat: &Stat,
        xattrs: &Xattrs,
        target: &[u8],
        stored: Option<(u64, u64)>,
    ) -> Result<(), PackError> {
        let size = if flag == b'0' { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
        if let Some(see) = &mut self.see {
            see(&Entry {
                path: self.path.clone(),
                kind: match flag {
                    b'1' => Kind::HardLink(target.to_vec()),
                    b'2' => Kind::Symlink(target.to_vec()),
                    b'3' | b'4' => Kind::Device,
                    b'5' => Kind::Folder,
                    b'6' => Kind::Fifo,
                    _ => Kind::File,
                },
                mode: stat.st_mode as u32 & 0o7777,
                uid: stat.st_uid,
                gid: stat.st_gid,
                mtime: (stat.st_mtime as i64, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
                xattrs: Vec::new(),
                size: if flag == b'1' { content_bytes(stat) } else { size },
                stored: stored.map_or(size, |(held, _)| held),
            });
            return Ok(());
        }
        let about = HeaderValues {
            path: &self.path,
            flag,
            target,
            size: stored.map_or(size, |(held, map)| held + map),
            real_size: stored.map(|_| size),
            mode: stat.st_mode as u32 & 0o7777,
            owner: (stat.st_uid, stat.st_gid),
            mtime: (stat.st_mtime as i64, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
            device: matches!(flag, b'3' | b'4').then(|| (major(stat.st_rdev), minor(stat.st_rdev))),
            xattrs,
        };
        match about.to_blocks() {
            Ok(blocks) => Ok(self.out.put(&blocks)?),
            Err(HeaderTooLarge) => {
                Err(self.unreadable(io::Error::other("its attributes are too large for an archive")))
            }
        }
    }

    /// Path of the current entry below the root.
    fn relative_path(&self) -> &[u8] {
        below(&self.path, &self.options.prefix).unwrap_or(&self.path)
    }

    fn shown_path(&self) -> String {
        match self.relative_path() {
            b"" => ".".to_owned(),
            path => String::from_utf8_lossy(path).into_owned(),
        }
    }

    fn note_torn(&mut self) {
        let name = self.shown_path();
        self.packed.torn.add(|| name);
    }

    /// Handles an error of the source: a file that is gone counts as torn; any other error ends the packing.
    fn handle_source_error(&mut self, error: Errno) -> Result<(), PackError> {
        if is_gone(error) {
            self.note_torn();
            return Ok(());
        }
        Err(self.unreadable(error.into()))
    }

    fn unreadable(&self, error: io::Error) -> PackError {
        PackError::Unreadable { path: self.shown_path(), error }
    }
}

fn push_name(path: &mut Vec<u8>, name: &CStr) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name.to_bytes());
}

/// Opens the last branch, by names from the nearest open one. Branches near it stay open too, since they are next.
fn open_last_branch(branches: &mut [Branch]) -> Result<&OwnedFd, Errno> {
    let last = branches.len() - 1;
    let open = branches.iter().rposition(|branch| branch.source.is_some()).unwrap_or(0);
    let mut passing: Option<OwnedFd> = None;
    for at in open + 1..=last {
        let parent = passing.as_ref().or(branches[at - 1].source.as_ref()).ok_or(Errno::NOENT)?;
        let source = open_folder(parent, &branches[at].name)?;
        if file_id(&fstat(&source)?) != branches[at].id {
            return Err(Errno::NOENT);
        }
        if last - at < MAX_OPEN / 2 {
            branches[at].source = Some(source);
            passing = None;
        } else {
            passing = Some(source);
        }
    }
    branches[last].source.as_ref().ok_or(Errno::NOENT)
}

#[cfg(test)]
mod tests;
