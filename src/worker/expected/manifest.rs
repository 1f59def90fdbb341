//! The entries of an archive that should be in a volume, kept small: about 60 bytes an entry (76 where contents are
//! compared) and, as long as there are not too many, its path.
//!
//! It is written while the entries are put into place, so a later entry of the same path replaces an earlier one. Of
//! an archive with more entries than the worker has memory for nothing is kept: then only the number and the size of
//! its entries are compared.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use crate::archive::{Entry, Kind};
use crate::worker::fs::digest::Digest;
use crate::worker::fs::meta::{Lost, Xattrs};

/// Bytes of paths that are kept, so that messages can name what is missing.
const MAX_NAMES: usize = 64 * 1024 * 1024;
/// Entries that fit into the worker's memory.
const MAX_ENTRIES: usize = 6_000_000;
/// Attributes that fit into the worker's memory; more are not compared.
const MAX_ATTRIBUTES: usize = 8_000_000;
/// Stands for a path that was not kept.
const NO_NAME: u32 = u32::MAX;
/// A file with at least this many bytes of holes is not expected to take its whole size on the disk.
pub const HOLES: u64 = 64 * 1024;

/// What should be in a volume.
#[derive(Debug, Default)]
pub struct Manifest {
    /// Keyed at random, so that no archive can be written whose paths collide.
    hasher: RandomState,
    slots_by_path: HashMap<u64, u32>,
    slots: Vec<Slot>,
    inodes: Vec<ExpectedEntry>,
    /// Digests of the contents, by inode; zeros where none was noted.
    contents: Vec<Digest>,
    attributes: Vec<Box<[u64]>>,
    attribute_count: usize,
    names: Vec<u8>,
    /// How many manifests share the worker's memory; 0 counts as one.
    among: usize,
    /// The archive has too many entries: nothing is expected.
    given_up: bool,
    /// The volume holds a single file.
    pub root_is_file: bool,
}

/// An expected path.
#[derive(Debug, Clone, Copy)]
struct Slot {
    inode: u32,
    name: u32,
}

/// What is expected at a path, or at several paths that are names of one file.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedEntry {
    /// Size of a file in bytes; for a symlink a hash of its target.
    pub size: u64,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    mode: u16,
    /// What it is.
    pub kind: EntryKind,
    /// It has holes.
    pub has_holes: bool,
    /// The file system refused the owner.
    any_owner: bool,
    /// The file system refused the mode, or it has none.
    any_mode: bool,
    /// Its attributes, as an index; 0 for none.
    attributes: u32,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// A symlink.
    Symlink,
    /// A named pipe.
    Fifo,
}

impl ExpectedEntry {
    /// User and group; `None` where the file system cannot keep them.
    pub fn owner(&self) -> Option<(u32, u32)> {
        (!self.any_owner).then_some((self.uid, self.gid))
    }

    /// The permission bits; `None` where the file system cannot keep them, and for a symlink.
    pub fn mode(&self) -> Option<u32> {
        (!self.any_mode).then_some(self.mode.into())
    }
}

impl Manifest {
    /// One of `among` manifests that are kept at the same time.
    pub fn one_of(among: usize) -> Manifest {
        Manifest { among, ..Manifest::default() }
    }

    fn share_of(&self, all: usize) -> usize {
        all / self.among.max(1)
    }

    /// Notes that an entry was put at `path` with these attributes, except for what the file system refused (`lost`).
    /// `first`: the path of the file that a hard link is another name of.
    pub fn note(&mut self, entry: &Entry, path: &[u8], first: Option<&[u8]>, xattrs: &Xattrs, lost: &[Lost]) {
        if self.given_up {
            return;
        }
        if self.inodes.len().max(self.slots.len()) >= self.share_of(MAX_ENTRIES) {
            *self = Manifest { given_up: true, root_is_file: self.root_is_file, ..Manifest::default() };
            return;
        }
        let kind = match &entry.kind {
            Kind::Folder => EntryKind::Folder,
            Kind::File => EntryKind::File,
            Kind::Symlink(_) => EntryKind::Symlink,
            Kind::Fifo => EntryKind::Fifo,
            Kind::HardLink(_) => {
                // It was unpacked before, or there would be no second name of it.
                if let Some(inode) = first.and_then(|first| self.slot(first)).map(|slot| self.slots[slot].inode) {
                    self.place(path, inode);
                }
                return;
            }
            Kind::Device => return,
        };
        let Ok(inode) = u32::try_from(self.inodes.len()) else { return };
        let size = match &entry.kind {
            Kind::Symlink(to) => self.hash(to),
            _ => entry.size,
        };
        let attributes = self.keep(xattrs, lost);
        let refused = |what: &str| lost.iter().any(|lost| lost.what == what);
        self.inodes.push(ExpectedEntry {
            size,
            uid: entry.uid,
            gid: entry.gid,
            mode: u16::try_from(entry.mode & 0o7777).unwrap_or_default(),
            kind,
            has_holes: kind == EntryKind::File && entry.stored.saturating_add(HOLES) < entry.size,
            // The highest number means to the kernel that the owner is left alone.
            any_owner: refused("owner") || entry.uid == u32::MAX || entry.gid == u32::MAX,
            any_mode: kind == EntryKind::Symlink || refused("mode"),
            attributes,
        });
        self.place(path, inode);
    }

    /// Notes that the file system refused some metadata of what was noted at `path`.
    pub fn mark_unsupported(&mut self, path: &[u8], lost: &[Lost]) {
        let Some(slot) = self.slot(path) else { return };
        let inode = self.slots[slot].inode as usize;
        for Lost { what, .. } in lost {
            match what.as_str() {
                "owner" => self.inodes[inode].any_owner = true,
                "mode" => self.inodes[inode].any_mode = true,
                "times" => {}
                // One refused attribute: none of this file is compared.
                _ => self.inodes[inode].attributes = 0,
            }
        }
    }

    /// Notes the digest of the file that was noted at `path`.
    pub fn note_content(&mut self, path: &[u8], digest: Digest) {
        let Some(slot) = self.slot(path) else { return };
        let inode = self.slots[slot].inode as usize;
        if self.contents.len() <= inode {
            self.contents.resize(inode + 1, Digest::default());
        }
        self.contents[inode] = digest;
    }

    /// The digest of an expected file; `None` where none was noted.
    pub fn content(&self, inode: usize) -> Option<&Digest> {
        self.contents.get(inode)
    }

    /// Keeps the hashes of the expected attributes; returns their index.
    fn keep(&mut self, xattrs: &Xattrs, lost: &[Lost]) -> u32 {
        let taken = xattrs.iter().filter(|(name, _)| !lost.iter().any(|lost| *lost.what == *name.to_string_lossy()));
        let hashes: Box<[u64]> = taken.filter_map(|(name, value)| self.attribute(name.to_bytes(), value)).collect();
        if hashes.is_empty() || self.attribute_count + hashes.len() > self.share_of(MAX_ATTRIBUTES) {
            return 0;
        }
        self.attribute_count += hashes.len();
        if self.attributes.is_empty() {
            self.attributes.push(Box::default());
        }
        self.attributes.push(hashes);
        u32::try_from(self.attributes.len() - 1).unwrap_or(0)
    }

    /// The hash by which an attribute is compared; `None` when the attribute is never kept.
    pub fn attribute(&self, name: &[u8], value: &[u8]) -> Option<u64> {
        attribute(name, value).map(|comparable| self.hasher.hash_one((name, comparable)))
    }

    fn place(&mut self, path: &[u8], inode: u32) {
        let (key, next) = (self.hash(path), u32::try_from(self.slots.len()));
        if let Some(slot) = self.slots_by_path.get(&key) {
            self.slots[*slot as usize].inode = inode;
            return;
        }
        let Ok(next) = next else { return };
        let name = self.keep_name(path);
        self.slots.push(Slot { inode, name });
        self.slots_by_path.insert(key, next);
    }

    fn keep_name(&mut self, path: &[u8]) -> u32 {
        let (at, length) = (u32::try_from(self.names.len()), u16::try_from(path.len()));
        let (Ok(at), Ok(length)) = (at, length) else { return NO_NAME };
        if self.names.len() + path.len() + 2 > self.share_of(MAX_NAMES) {
            return NO_NAME;
        }
        self.names.extend_from_slice(&length.to_le_bytes());
        self.names.extend_from_slice(path);
        at
    }

    /// A hash of a path or of a symlink's target.
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        self.hasher.hash_one(bytes)
    }

    /// Whether the archive had too many entries to be noted.
    pub fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// How many paths are expected.
    pub fn paths(&self) -> usize {
        self.slots.len()
    }

    /// The number of an expected path; `None` when nothing is expected there.
    pub fn slot(&self, path: &[u8]) -> Option<usize> {
        self.slots_by_path.get(&self.hash(path)).map(|slot| *slot as usize)
    }

    /// What is expected at a path, and the number of its file.
    pub fn expected(&self, slot: usize) -> (usize, &ExpectedEntry) {
        let inode = self.slots[slot].inode as usize;
        (inode, &self.inodes[inode])
    }

    /// The expected attributes, as [`Manifest::attribute`] gives them.
    pub fn attributes(&self, expected: &ExpectedEntry) -> &[u64] {
        self.attributes.get(expected.attributes as usize).map_or(&[], |hashes| hashes)
    }

    /// The path of this number; `None` where it was not kept.
    pub fn name(&self, slot: usize) -> Option<&[u8]> {
        let at = self.slots[slot].name;
        if at == NO_NAME {
            return None;
        }
        let (length, rest) = self.names[at as usize..].split_first_chunk::<2>()?;
        rest.get(..u16::from_le_bytes(*length).into())
    }

    /// How many names each file should have, by its number.
    pub fn link_counts(&self) -> Vec<u32> {
        let mut names = vec![0; self.inodes.len()];
        for slot in &self.slots {
            names[slot.inode as usize] += 1;
        }
        names
    }
}

/// The part of an attribute that is the same on every file system; `None` when it is kept on none. The kernel splits
/// up access lists: what the mode says as well follows the mode, and a list that says no more than the mode is
/// dropped. The head of a capability says in which form it is stored.
pub fn attribute(name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    const HEAD: usize = 4;
    const RIGHT: usize = 8;
    let mut value = value.to_vec();
    match name {
        b"system.posix_acl_access" | b"system.posix_acl_default" => {
            let rights = value.len().saturating_sub(HEAD) / RIGHT;
            if rights == 0 || name.ends_with(b"access") && rights <= 3 {
                return None;
            }
            for right in value[HEAD..].chunks_exact_mut(RIGHT) {
                let tag = u16::from_le_bytes([right[0], right[1]]);
                // Of a certain user or group: everything counts.
                if matches!(tag, 0x02 | 0x08) {
                    continue;
                }
                right[4..].fill(0);
                if name.ends_with(b"access") {
                    right[2..4].fill(0);
                }
            }
        }
        b"security.capability" => {
            let capabilities = value.get(HEAD..value.len().min(HEAD + 16)).unwrap_or_default();
            return Some(capabilities.to_vec());
        }
        _ => {}
    }
    Some(value)
}
