//! Compares a volume with the manifest of the archive that was unpacked into it.
//!
//! A folder that the archive does not mention was made for what is in it and is no difference. Nor is an attribute
//! that was not asked for: a file system may add its own.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, OFlags, Stat, fstat, readlinkat, statat};
use rustix::io::Errno;

use super::contents::{Unread, digest_file};
use super::differences::{ComparedEntries, Differences};
use crate::model::lock::lock;
use crate::model::pluralize::pluralize;
use crate::worker::expected::manifest::{EntryKind, ExpectedEntry, Manifest};
use crate::worker::fs::meta;
use crate::worker::fs::observe::{SeenEntry, TreeObserver};
use crate::worker::fs::open::{open_quietly, unreadable};
use crate::worker::fs::root::{SINGLE_FILE, open_volume};
use crate::worker::fs::stat::{allocated, file_id, file_type, kind_word, link_count, mode, owner, size};
use crate::worker::job::{JobControl, JobStop};
use crate::worker::protocol::Inventory;

/// What a path that was not kept is called.
const NAMELESS: &[u8] = b"(a path too many to be kept)";

/// Compares the entries of a volume with a manifest, as a walk shows them.
pub struct UnpackedComparison<'a> {
    manifest: &'a Manifest,
    control: &'a JobControl,
    /// The contents of files are compared, too.
    contents: bool,
    /// The volume's root, or the single file in it.
    root: Stat,
    /// How many names each file should have.
    link_counts: Vec<u32>,
    /// Which expected paths were seen.
    seen: Vec<AtomicBool>,
    /// The device and inode of each expected file of several names.
    linked: Mutex<HashMap<usize, (u64, u64)>>,
    /// Files of several names whose content was read: the expected file, and device and inode.
    read: Mutex<HashSet<(usize, (u64, u64))>>,
    differences: Differences,
}

impl<'a> UnpackedComparison<'a> {
    /// Begins with the root of the volume at `path`. The walk over the volume shows everything below it.
    pub fn begin(
        path: &str,
        manifest: &'a Manifest,
        contents: bool,
        control: &'a JobControl,
    ) -> Result<UnpackedComparison<'a>, JobStop> {
        let volume = open_volume(path)?;
        let stat = fstat(&volume).map_err(|error| unreadable(b"", error))?;
        let file =
            if manifest.root_is_file { statat(&volume, SINGLE_FILE, AtFlags::SYMLINK_NOFOLLOW).ok() } else { None };
        let comparison = UnpackedComparison {
            manifest,
            control,
            contents,
            root: file.unwrap_or(stat),
            link_counts: manifest.link_counts(),
            seen: (0..manifest.paths()).map(|_| AtomicBool::new(false)).collect(),
            linked: Mutex::default(),
            read: Mutex::default(),
            differences: Differences::default(),
        };
        comparison.compare_entry(b"", &stat, || meta::xattrs_of(&volume))?;
        Ok(comparison)
    }

    /// The end of the walk: what was not seen is missing.
    pub fn finish(self) -> Inventory {
        for (slot, seen) in self.seen.iter().enumerate() {
            if !seen.load(Ordering::Relaxed) {
                self.differences.add_content(self.manifest.name(slot).unwrap_or(NAMELESS), "is missing");
            }
        }
        let entries = ComparedEntries {
            expected: self.manifest.paths() as u64,
            changed_since: 0,
            // Of an archive that was too large to be noted, no content was.
            contents: self.contents && !self.manifest.is_given_up(),
        };
        self.differences.into_inventory(entries, &self.root)
    }

    /// Compares what a stat and the attributes of an entry say. Returns what is expected there, with its number; `None`
    /// when nothing is, or something else.
    fn compare_entry(
        &self,
        path: &[u8],
        stat: &Stat,
        xattrs: impl FnOnce() -> Result<meta::Xattrs, Errno>,
    ) -> Result<Option<(usize, &ExpectedEntry)>, JobStop> {
        self.control.add(1, 0);
        let found = file_type(stat);
        let Some(slot) = self.manifest.slot(path) else {
            if self.manifest.is_given_up() {
                self.differences.count_owner(stat);
            } else if found != FileType::Directory {
                self.differences.count_owner(stat);
                let what = format_args!("is {} that the backup does not hold", kind_word(found));
                self.differences.add_content(path, what);
            }
            return Ok(None);
        };
        self.differences.count_owner(stat);
        self.seen[slot].store(true, Ordering::Relaxed);
        let (inode, expected) = self.manifest.expected(slot);
        let wanted = match expected.kind {
            EntryKind::Folder => FileType::Directory,
            EntryKind::File => FileType::RegularFile,
            EntryKind::Symlink => FileType::Symlink,
            EntryKind::Fifo => FileType::Fifo,
        };
        if found != wanted {
            let what = format_args!("is {} instead of {}", kind_word(found), kind_word(wanted));
            self.differences.add_content(path, what);
            return Ok(None);
        }
        if expected.kind == EntryKind::File {
            if size(stat) != expected.size {
                let (found, wanted) = (size(stat), expected.size);
                self.differences.add_content(path, format_args!("has {found} B instead of {wanted} B"));
            } else if expected.has_holes && allocated(stat) >= expected.size {
                self.differences.add_metadata(path, "has no holes any more");
            }
        }
        if let Some(wanted) = expected.owner() {
            self.differences.compare_owner(path, owner(stat), wanted);
        }
        if let Some(wanted) = expected.mode() {
            self.differences.compare_mode(path, mode(stat), wanted);
        }
        if expected.kind != EntryKind::Folder {
            self.compare_links(path, stat, inode);
        }
        self.compare_attributes(path, expected, xattrs)?;
        Ok(Some((inode, expected)))
    }

    /// Each expected attribute is there; the entry's own are only read when some are expected.
    fn compare_attributes(
        &self,
        path: &[u8],
        expected: &ExpectedEntry,
        xattrs: impl FnOnce() -> Result<meta::Xattrs, Errno>,
    ) -> Result<(), JobStop> {
        let wanted = self.manifest.attributes(expected);
        if wanted.is_empty() {
            return Ok(());
        }
        let found = xattrs().map_err(|error| unreadable(path, error))?;
        let hashes = found.iter().filter_map(|(name, value)| self.manifest.attribute(name.to_bytes(), value));
        let hashes = hashes.collect::<Vec<_>>();
        let lost = wanted.iter().filter(|hash| !hashes.contains(hash)).count();
        if lost > 0 {
            let what = format_args!("lacks {lost} of {}", pluralize(wanted.len(), "attribute"));
            self.differences.add_metadata(path, what);
        }
        Ok(())
    }

    /// The names of one file lead to one file, and no other name does.
    fn compare_links(&self, path: &[u8], stat: &Stat, inode: usize) {
        let (found, wanted) = (link_count(stat), u64::from(self.link_counts[inode]));
        let here = file_id(stat);
        let apart = wanted > 1 && *lock(&self.linked).entry(inode).or_insert(here) != here;
        if found != wanted {
            let found = pluralize(found, "name");
            self.differences.add_metadata(path, format_args!("its file has {found} instead of {wanted}"));
        } else if apart {
            self.differences.add_metadata(path, "shares its file with other names than it did");
        }
    }

    /// Compares the content of a file, once for all its names.
    fn compare_content(&self, entry: &SeenEntry<'_>, stat: &Stat, inode: usize) -> Result<(), JobStop> {
        let is_known = || !lock(&self.read).insert((inode, file_id(stat)));
        if link_count(stat) > 1 && is_known() {
            return Ok(());
        }
        let Some(wanted) = self.manifest.content(inode) else { return Ok(()) };
        let unreadable = |error| unreadable(entry.path(), error);
        // An empty file holds what it should.
        if size(stat) > 0 {
            let file = open_quietly(entry.folder, entry.name, OFlags::empty()).map_err(unreadable)?;
            let progress = |bytes| {
                self.differences.count_bytes(bytes);
                self.control.add(0, bytes);
                self.control.beat()
            };
            match digest_file(&file, stat, &progress) {
                Ok(found) if found == *wanted => {}
                Ok(_) => self.differences.add_content(entry.path(), "has other content than the backup"),
                Err(Unread::Copy(error) | Unread::Source(error)) => return Err(unreadable(error)),
                Err(Unread::Stop(stop)) => return Err(stop),
            }
        }
        self.differences.count_file();
        Ok(())
    }

    /// Compares where a symlink leads.
    fn compare_symlink(&self, entry: &SeenEntry<'_>, expected: &ExpectedEntry) {
        let to = readlinkat(entry.folder, entry.name, Vec::new());
        if expected.size != to.as_ref().map_or(0, |to| self.manifest.hash(to.as_bytes())) {
            let to = to.unwrap_or_default();
            let what = format_args!("leads elsewhere, to {}", to.to_string_lossy());
            self.differences.add_content(entry.path(), what);
        }
    }
}

impl TreeObserver for UnpackedComparison<'_> {
    fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
        // Nobody else works in the volume: an entry that has vanished is missing.
        let Some(stat) = entry.stat()? else { return Ok(()) };
        let found = self.compare_entry(entry.path(), stat, || meta::xattrs_at(entry.folder, entry.name))?;
        let Some((inode, expected)) = found else { return Ok(()) };
        match expected.kind {
            EntryKind::Symlink => self.compare_symlink(entry, expected),
            // Another size was noted above.
            EntryKind::File if self.contents && size(stat) == expected.size => {
                self.compare_content(entry, stat, inode)?;
            }
            _ => {}
        }
        Ok(())
    }
}
