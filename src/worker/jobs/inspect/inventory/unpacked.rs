//! What an archive brought into a volume, held against what the archive said.
//!
//! Folders that the archive does not mention were made for what is in them and are no difference. Attributes that are there and
//! not asked for are none either: a file system may add its own.

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, OFlags, Stat, fstat, readlinkat, statat};
use rustix::io::Errno;

use super::contents::{Unread, digest};
use super::manifest::{EntryKind, ExpectedEntry, Manifest};
use super::{Findings, kind, kind_word, mode, owner, size};
use crate::model::lock::lock;
use crate::model::pluralize::pluralize;
use crate::worker::fs::meta;
use crate::worker::fs::open::{open_quietly, unreadable};
use crate::worker::fs::scan::{allocated, names};
use crate::worker::fs::walk::{Branch, VisitedFolder, Visitor, threads, walk};
use crate::worker::job::{JobControl, JobStop};
use crate::worker::jobs::copy::open_target;
use crate::worker::protocol::Inventory;

/// The name of the file that a route which is one lands under.
const FILE: &[u8] = b"file";

/// Compares the volume at `path` with the manifest, with the contents of files if they are asked for.
pub fn compare(path: &str, manifest: &Manifest, contents: bool, ticket: &JobControl) -> Result<Inventory, JobStop> {
    let root = open_target(path)?;
    let mut stat = fstat(&root).map_err(|error| unreadable(b"", error))?;
    let checker = Checker {
        manifest,
        ticket,
        names: manifest.names_of_inodes(),
        seen: (0..manifest.paths()).map(|_| AtomicBool::new(false)).collect(),
        same: Mutex::default(),
        contents,
        read: Mutex::default(),
        findings: Findings::default(),
    };
    checker.look(b"", &stat, || meta::xattrs_of(&root))?;
    if manifest.root_is_file
        && let Ok(file) = statat(&root, FILE, AtFlags::SYMLINK_NOFOLLOW)
    {
        stat = file;
    }
    walk(&checker, threads(), root, (), ())?;
    let Checker { seen, findings, .. } = checker;
    for (slot, seen) in seen.iter().enumerate() {
        if !seen.load(Ordering::Relaxed) {
            let name = manifest.name(slot).unwrap_or(b"(a path too many to be kept)");
            findings.content(name, "is missing");
        }
    }
    // Of what was too much to be noted, nothing was compared.
    let compared = (contents && !manifest.is_given_up()).then_some(ticket);
    Ok(findings.inventory(manifest.paths() as u64, 0, &stat, compared))
}

struct Checker<'a> {
    manifest: &'a Manifest,
    ticket: &'a JobControl,
    /// How many names each file should have.
    names: Vec<u32>,
    seen: Vec<AtomicBool>,
    /// Under which number the file system keeps a file of several names.
    same: Mutex<HashMap<usize, (u64, u64)>>,
    /// Contents are compared.
    contents: bool,
    /// Files of several names whose content was read: which should be there, and under which number it is.
    read: Mutex<HashSet<(usize, u64, u64)>>,
    findings: Findings,
}

impl Checker<'_> {
    fn look(
        &self,
        path: &[u8],
        stat: &Stat,
        xattrs: impl FnOnce() -> Result<meta::Xattrs, Errno>,
    ) -> Result<Option<(usize, &ExpectedEntry)>, JobStop> {
        self.ticket.add(1, 0);
        let found = kind(stat);
        let Some(slot) = self.manifest.slot(path) else {
            if self.manifest.is_given_up() {
                self.findings.tally(stat);
            } else if found != FileType::Directory {
                self.findings.tally(stat);
                self.findings.content(path, format_args!("is {} that the backup does not hold", kind_word(found)));
            }
            return Ok(None);
        };
        self.findings.tally(stat);
        self.seen[slot].store(true, Ordering::Relaxed);
        let (inode, expected) = self.manifest.expected(slot);
        let wanted = match expected.kind {
            EntryKind::Folder => FileType::Directory,
            EntryKind::File => FileType::RegularFile,
            EntryKind::Symlink => FileType::Symlink,
            EntryKind::Fifo => FileType::Fifo,
        };
        if found != wanted {
            self.findings.content(path, format_args!("is {} instead of {}", kind_word(found), kind_word(wanted)));
            return Ok(None);
        }
        if expected.kind == EntryKind::File {
            if size(stat) != expected.size {
                let (found, wanted) = (size(stat), expected.size);
                self.findings.content(path, format_args!("has {found} B instead of {wanted} B"));
            } else if expected.has_holes && allocated(stat) >= expected.size {
                self.findings.metadata(path, "has no holes any more");
            }
        }
        if let Some(wanted) = expected.owner() {
            self.findings.owner(path, owner(stat), wanted);
        }
        if let Some(wanted) = expected.mode() {
            self.findings.mode(path, mode(stat), wanted);
        }
        if expected.kind != EntryKind::Folder {
            self.links(path, stat, inode);
        }
        let wanted = self.manifest.attributes(expected);
        if !wanted.is_empty() {
            let found = xattrs().map_err(|error| unreadable(path, error))?;
            let found = found.iter().filter_map(|(name, value)| self.manifest.attribute(name.to_bytes(), value));
            let found = found.collect::<Vec<_>>();
            let lost = wanted.iter().filter(|hash| !found.contains(hash)).count();
            if lost > 0 {
                self.findings.metadata(path, format_args!("lacks {lost} of {}", pluralize(wanted.len(), "attribute")));
            }
        }
        Ok(Some((inode, expected)))
    }

    /// The names of one file lead to one file, and no other name does.
    fn links(&self, path: &[u8], stat: &Stat, inode: usize) {
        let (found, wanted) = (names(stat), u64::from(self.names[inode]));
        let apart = wanted > 1 && {
            let here = (stat.st_dev, stat.st_ino);
            *lock(&self.same).entry(inode).or_insert(here) != here
        };
        if found != wanted {
            let found = pluralize(found, "name");
            self.findings.metadata(path, format_args!("its file has {found} instead of {wanted}"));
        } else if apart {
            self.findings.metadata(path, "shares its file with other names than it did");
        }
    }
}

impl Visitor for Checker<'_> {
    type Target = ();
    type Note = ();

    fn enter(&self, parent: &VisitedFolder<'_, Self>, name: &CStr, source: &OwnedFd) -> Result<((), ()), JobStop> {
        self.ticket.beat()?;
        let path = parent.branch.path_of(name);
        let stat = fstat(source).map_err(|error| unreadable(&path, error))?;
        self.look(&path, &stat, || meta::xattrs_of(source))?;
        Ok(((), ()))
    }

    fn reopen(&self, _parent: &(), _name: &CStr) -> Result<(), JobStop> {
        Ok(())
    }

    fn entry(&self, place: &VisitedFolder<'_, Self>, name: &CStr, _kind: FileType) -> Result<(), JobStop> {
        self.ticket.beat()?;
        let (path, folder) = (place.branch.path_of(name), &place.open.source);
        let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| unreadable(&path, error))?;
        let Some((inode, expected)) = self.look(&path, &stat, || meta::xattrs_at(folder, name))? else { return Ok(()) };
        match expected.kind {
            EntryKind::Symlink if expected.size != self.leads(folder, name) => {
                let to = readlinkat(folder, name, Vec::new()).unwrap_or_default();
                self.findings.content(&path, format_args!("leads elsewhere, to {}", to.to_string_lossy()));
            }
            // Of another size it is told already.
            EntryKind::File if self.contents && size(&stat) == expected.size => {
                self.content(&path, folder, name, &stat, inode)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn gone(&self, _path: &[u8]) {}

    fn leave(&self, _branch: &Branch<Self>, _target: &()) -> Result<(), JobStop> {
        Ok(())
    }
}

impl Checker<'_> {
    /// Compares the content of a file, once for all its names.
    fn content(&self, path: &[u8], folder: &OwnedFd, name: &CStr, stat: &Stat, inode: usize) -> Result<(), JobStop> {
        let is_known = || !lock(&self.read).insert((inode, stat.st_dev, stat.st_ino));
        if names(stat) > 1 && is_known() {
            return Ok(());
        }
        let Some(wanted) = self.manifest.content(inode) else { return Ok(()) };
        // An empty file holds what it should.
        if size(stat) > 0 {
            let file = open_quietly(folder, name, OFlags::empty()).map_err(|error| unreadable(path, error))?;
            match digest(&file, stat, self.ticket) {
                Ok(found) if found == *wanted => {}
                Ok(_) => self.findings.content(path, "has other content than the backup"),
                Err(Unread::Copy(error) | Unread::Source(error)) => return Err(unreadable(path, error)),
                Err(Unread::Stop(stop)) => return Err(stop),
            }
        }
        self.findings.compared();
        Ok(())
    }

    /// Where a symlink leads, as the manifest has it.
    fn leads(&self, folder: &OwnedFd, name: &CStr) -> u64 {
        readlinkat(folder, name, Vec::new()).map_or(0, |to| self.manifest.hash(to.as_bytes()))
    }
}
