//! Compares a copy with the tree that it was copied from, which a service may have changed since.
//!
//! The kernel notes the time of every change of an entry. An entry that was changed since the copy began, as far as
//! that clock tells, is counted and not compared: nobody can say what the copy should have found. In a folder that
//! was moved since, nothing is compared either.

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Stat, fstat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::contents::{Unread, digest_file, same_content};
use super::differences::{ComparedEntries, Differences};
use crate::model::lock::lock;
use crate::worker::expected::manifest::attribute;
use crate::worker::expected::{ContentDigests, CopySource};
use crate::worker::fs::meta::{self, Xattrs};
use crate::worker::fs::mounts::mounted_at;
use crate::worker::fs::open::{changed, is_gone, open_quietly, unreadable};
use crate::worker::fs::root::{SINGLE_FILE, open_root, open_volume, stat_root};
use crate::worker::fs::stat::{file_id, file_type, kind_word, link_count, mode, owner, size};
use crate::worker::fs::walk::{Branch, VisitedFolder, Visitor, threads, walk};
use crate::worker::job::{JobControl, JobStop};
use crate::worker::protocol::{Failure, Inventory, RootKind};

/// File systems that note the time of every change, a move included, by this kernel's own clock.
const BY_OUR_CLOCK: [&str; 11] =
    ["ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "overlay", "bcachefs", "jfs"];
/// Seconds by which times may be too early: the kernel's clock for them moves a few times a second.
const TICK: i64 = 1;
/// Seconds by which the clock of another machine may be off.
pub const SKEW: i64 = 24 * 60 * 60;
/// Seconds for which a write through mapped memory may go without a new time: as long as it waits for the disk, which
/// is half a minute by the kernel's default.
const MAPPED: i64 = 2 * 60;
/// A file system that never notes the time of such a write.
const IN_MEMORY: &str = "tmpfs";

/// Differences count only for entries that were last changed before these times (Unix seconds): later ones may have
/// changed during the copy.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct UnchangedSince {
    /// For everything but content.
    pub entry: i64,
    /// For the content of a file; `None`: contents are not compared.
    pub content: Option<i64>,
}

/// Compares the volume at `path` with its source; with `contents`, also what files hold.
pub fn compare(path: &str, source: &CopySource, contents: bool, control: &JobControl) -> Result<Inventory, JobStop> {
    let file_system = mounted_at(&source.from).map(|mounted| mounted.file_system).unwrap_or_default();
    let entry = source.began - if BY_OUR_CLOCK.contains(&file_system.as_str()) { TICK } else { SKEW };
    let content = contents.then_some(if file_system == IN_MEMORY { i64::MIN } else { entry - MAPPED });
    compare_since(path, source, UnchangedSince { entry, content }, control)
}

/// As [`compare`], with the times from which on a change counts as later.
#[doc(hidden)]
pub fn compare_since(
    path: &str,
    source: &CopySource,
    rested: UnchangedSince,
    control: &JobControl,
) -> Result<Inventory, JobStop> {
    let CopySource { from, refused, contents: noted, .. } = source;
    let (root, mut stat) = stat_root(from)?;
    let target = open_volume(path)?;
    let checker = Checker {
        control,
        refuses: |what: &str| refused.contains(what),
        rested,
        entries: AtomicU64::new(0),
        unsure: AtomicU64::new(0),
        same: Mutex::default(),
        noted,
        read: Mutex::default(),
        differences: Differences::default(),
    };
    let target_stat = match root {
        RootKind::Folder => {
            let top = open_root(from, root)?;
            stat = fstat(&top).map_err(|error| unreadable(b"", error))?;
            let copy = fstat(&target).map_err(|error| unreadable(b"", error))?;
            checker.differences.count_owner(&copy);
            if checker.is_sure(&stat, false) {
                checker.same(b"", &stat, &copy);
                checker.attributes(b"", meta::xattrs_of(&top), || meta::xattrs_of(&target))?;
            }
            let note = Note { fresh: checker.is_fresh(&stat), below: false, matched: AtomicU64::new(0) };
            walk(&checker, threads(), top, Some(target), note)?;
            copy
        }
        RootKind::File => {
            let copy =
                statat(&target, SINGLE_FILE, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| unreadable(b"", error))?;
            checker.differences.count_owner(&copy);
            let (own, sure) = (open_root(from, root)?, checker.is_sure(&stat, false));
            if sure {
                checker.same(b"", &stat, &copy);
                checker.attributes(b"", meta::xattrs_of(&own), || meta::xattrs_at(&target, SINGLE_FILE))?;
            }
            let open_copy = || open_quietly(&target, SINGLE_FILE, OFlags::empty());
            checker.content(b"", [&stat, &copy], sure, || Ok(own), open_copy)?;
            copy
        }
        RootKind::Socket | RootKind::Other => return Err(Failure::WrongKind { root }.into()),
    };
    let Checker { entries, unsure, differences, .. } = checker;
    let entries = ComparedEntries {
        expected: entries.into_inner(),
        changed_since: unsure.into_inner(),
        contents: rested.content.is_some(),
    };
    Ok(differences.into_inventory(entries, &target_stat))
}

struct Checker<'a, R> {
    control: &'a JobControl,
    /// Whether the volume's file system refused metadata of this name.
    refuses: R,
    /// The times after which an entry may have changed since it was copied.
    rested: UnchangedSince,
    entries: AtomicU64,
    unsure: AtomicU64,
    /// Files of several names, each with device and inode of its copy.
    same: Mutex<HashMap<(u64, u64), (u64, u64)>>,
    /// Digests of what was read when the files were copied.
    noted: &'a ContentDigests,
    /// Files of several names whose content was compared, and their copies.
    read: Mutex<HashSet<[(u64, u64); 2]>>,
    differences: Differences,
}

/// What is remembered of a folder of the source.
struct Note {
    /// The folder changed since it was copied.
    fresh: bool,
    /// The folder, or one above it, was moved to its place since the copy.
    below: bool,
    /// How many of its entries have a copy.
    matched: AtomicU64,
}

impl<R: Fn(&str) -> bool + Sync> Checker<'_, R> {
    fn is_fresh(&self, stat: &Stat) -> bool {
        last_change(stat) >= self.rested.entry
    }

    /// Counts an entry of the source; returns whether it is as it was when it was copied.
    fn is_sure(&self, stat: &Stat, below: bool) -> bool {
        self.control.add(1, 0);
        self.entries.fetch_add(1, Ordering::Relaxed);
        let sure = !below && !self.is_fresh(stat);
        if !sure {
            self.unsure.fetch_add(1, Ordering::Relaxed);
        }
        sure
    }

    /// Compares the metadata of an entry and its copy.
    fn same(&self, path: &[u8], own: &Stat, copy: &Stat) {
        if file_type(own) != file_type(copy) {
            let words = format_args!("is {} instead of {}", kind_word(file_type(copy)), kind_word(file_type(own)));
            return self.differences.add_content(path, words);
        }
        match file_type(own) {
            FileType::RegularFile if size(own) != size(copy) => {
                let words = format_args!("has {} B instead of {} B", size(copy), size(own));
                self.differences.add_content(path, words);
            }
            FileType::CharacterDevice | FileType::BlockDevice if own.st_rdev != copy.st_rdev => {
                self.differences.add_content(path, "is another device");
            }
            _ => {}
        }
        if !(self.refuses)("owner") {
            self.differences.compare_owner(path, owner(copy), owner(own));
        }
        if file_type(own) != FileType::Symlink && !(self.refuses)("mode") {
            self.differences.compare_mode(path, mode(copy), mode(own));
        }
        if file_type(own) != FileType::Directory && link_count(own) > 1 && !(self.refuses)("hard link") {
            let here = file_id(copy);
            if *lock(&self.same).entry(file_id(own)).or_insert(here) != here {
                self.differences.add_metadata(path, "is a file of its own instead of one of several names of one");
            }
        }
    }

    /// Compares the content of a file's copy, once for all its names: with the digest that was noted or, where none
    /// was, with the source.
    fn content(
        &self,
        path: &[u8],
        [own, copy]: [&Stat; 2],
        sure: bool,
        source: impl FnOnce() -> Result<OwnedFd, Errno>,
        target: impl FnOnce() -> Result<OwnedFd, Errno>,
    ) -> Result<(), JobStop> {
        let Some(rested) = self.rested.content else { return Ok(()) };
        let told = sure && (file_type(own), size(own)) != (file_type(copy), size(copy));
        let here = file_id(copy);
        let noted = self.noted.get(&here);
        if told || file_type(copy) != FileType::RegularFile || !sure && noted.is_none() {
            return Ok(());
        }
        let is_known = || !lock(&self.read).insert([file_id(own), here]);
        if link_count(copy) > 1 && is_known() {
            return Ok(());
        }
        if size(copy) > 0 {
            let copied = target().map_err(|error| unreadable(path, error))?;
            let progress = |bytes| {
                self.differences.count_bytes(bytes);
                self.control.add(0, bytes);
                self.control.beat()
            };
            let same = match noted {
                Some(noted) => digest_file(&copied, copy, &progress).map(|found| found == *noted),
                None => match source() {
                    Ok(source) => {
                        let same = same_content([&copied, &source], [copy, own], &progress);
                        let after = fstat(&source).map_err(|error| unreadable(path, error))?;
                        let rests = last_change(own) < rested && !changed(own, &after);
                        if !rests && matches!(same, Ok(false)) {
                            self.unsure.fetch_add(1, Ordering::Relaxed);
                            return Ok(());
                        }
                        same
                    }
                    Err(error) => Err(Unread::Source(error)),
                },
            };
            match same {
                Ok(true) => {}
                Ok(false) => self.differences.add_content(path, "has other content than its source"),
                Err(Unread::Source(error)) if is_gone(error) => return Ok(()),
                Err(Unread::Copy(error) | Unread::Source(error)) => return Err(unreadable(path, error)),
                Err(Unread::Stop(stop)) => return Err(stop),
            }
        }
        self.differences.count_file();
        Ok(())
    }

    /// Compares attributes; those of the copy are only read when the source has some.
    fn attributes(
        &self,
        path: &[u8],
        own: Result<Xattrs, Errno>,
        copy: impl FnOnce() -> Result<Xattrs, Errno>,
    ) -> Result<(), JobStop> {
        let own = match own {
            Ok(own) if own.is_empty() => return Ok(()),
            Ok(own) => own,
            Err(error) if is_gone(error) => return Ok(()),
            Err(error) => return Err(unreadable(path, error)),
        };
        let copy = copy().map_err(|error| unreadable(path, error))?;
        for (name, value) in &own {
            let kept = |value| attribute(name.to_bytes(), value);
            let found = copy.iter().find(|(other, _)| other == name).and_then(|(_, value)| kept(value));
            let shown = name.to_string_lossy();
            if kept(value).is_some() && found != kept(value) && !(self.refuses)(&shown) {
                self.differences.add_metadata(path, format_args!("lacks {shown}, or has another"));
            }
        }
        Ok(())
    }
}

#[allow(clippy::unnecessary_cast, reason = "the types of a stat's fields differ between architectures")]
fn last_change(stat: &Stat) -> i64 {
    (stat.st_ctime as i64).max(stat.st_mtime as i64)
}

impl<R: Fn(&str) -> bool + Sync> Visitor for Checker<'_, R> {
    /// The copy of a folder; `None` when it is missing.
    type Target = Option<OwnedFd>;
    type Note = Note;

    fn enter(
        &self,
        parent: &VisitedFolder<'_, Self>,
        name: &CStr,
        source: &OwnedFd,
    ) -> Result<(Option<OwnedFd>, Note), JobStop> {
        self.control.beat()?;
        let (path, above) = (parent.branch.path_of(name), &parent.branch.note);
        let own = fstat(source).map_err(|error| unreadable(&path, error))?;
        let fresh = self.is_fresh(&own);
        let note = Note { fresh, below: above.below || fresh && above.fresh, matched: AtomicU64::new(0) };
        let Some(folder) = &parent.open.target else { return Ok((None, note)) };
        let sure = self.is_sure(&own, note.below);
        let copy = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(copy) => copy,
            Err(error) if is_gone(error) => {
                if sure {
                    self.differences.add_content(&path, "is missing, with all that is in it");
                }
                return Ok((None, note));
            }
            Err(error) => return Err(unreadable(&path, error)),
        };
        above.matched.fetch_add(1, Ordering::Relaxed);
        self.differences.count_owner(&copy);
        let target = match self.reopen(&parent.open.target, name) {
            Ok(target) => target,
            Err(_) if file_type(&copy) != FileType::Directory => None,
            Err(stop) => return Err(stop),
        };
        if sure {
            self.same(&path, &own, &copy);
            if let Some(target) = &target {
                self.attributes(&path, meta::xattrs_of(source), || meta::xattrs_of(target))?;
            }
        }
        Ok((target, note))
    }

    fn reopen(&self, parent: &Option<OwnedFd>, name: &CStr) -> Result<Option<OwnedFd>, JobStop> {
        let Some(parent) = parent else { return Ok(None) };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(parent, name, flags, Mode::empty()) {
            Ok(folder) => Ok(Some(folder)),
            Err(error) if is_gone(error) => Ok(None),
            Err(error) => Err(unreadable(name.to_bytes(), error)),
        }
    }

    fn entry(&self, place: &VisitedFolder<'_, Self>, name: &CStr, listed: FileType) -> Result<(), JobStop> {
        self.control.beat()?;
        let Some(target) = &place.open.target else { return Ok(()) };
        // Sockets are not copied.
        if listed == FileType::Socket {
            return Ok(());
        }
        let path = || place.branch.path_of(name);
        let (source, above) = (&place.open.source, &place.branch.note);
        let own = match statat(source, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(own) => own,
            Err(error) if is_gone(error) => return Ok(()),
            Err(error) => return Err(unreadable(&path(), error)),
        };
        let sure = self.is_sure(&own, above.below);
        let copy = match statat(target, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(copy) => copy,
            Err(error) if is_gone(error) => {
                let special = !matches!(file_type(&own), FileType::RegularFile | FileType::Symlink);
                if sure && !(special && (self.refuses)("special file")) {
                    self.differences.add_content(&path(), "is missing");
                }
                return Ok(());
            }
            Err(error) => return Err(unreadable(&path(), error)),
        };
        above.matched.fetch_add(1, Ordering::Relaxed);
        self.differences.count_owner(&copy);
        let open = |folder| open_quietly(folder, name, OFlags::empty());
        if !sure {
            return match self.rested.content {
                Some(_) => self.content(&path(), [&own, &copy], false, || open(source), || open(target)),
                None => Ok(()),
            };
        }
        let path = path();
        self.same(&path, &own, &copy);
        if file_type(&own) == FileType::Symlink && file_type(&copy) == FileType::Symlink {
            let leads = |folder| readlinkat(folder, name, Vec::new()).map_err(|error| unreadable(&path, error));
            let (own, copy) = (leads(source)?, leads(target)?);
            if own != copy {
                let words = format_args!("leads to {} instead of {}", copy.to_string_lossy(), own.to_string_lossy());
                self.differences.add_content(&path, words);
            }
        }
        self.attributes(&path, meta::xattrs_at(source, name), || meta::xattrs_at(target, name))?;
        self.content(&path, [&own, &copy], true, || open(source), || open(target))
    }

    fn gone(&self, _path: &[u8]) {}

    fn leave(&self, branch: &Branch<Self>, target: &Option<OwnedFd>) -> Result<(), JobStop> {
        let (Some(target), false) = (target, branch.note.fresh || branch.note.below) else { return Ok(()) };
        let mut buffer = [MaybeUninit::<u8>::uninit(); 16 * 1024];
        // Opened anew: the offset of another descriptor may be at the end of the listing.
        let folder = openat(target, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let folder = folder.map_err(|error| unreadable(&branch.path(), error))?;
        let (mut listing, mut found) = (RawDir::new(&folder, &mut buffer), 0);
        while let Some(entry) = listing.next() {
            let entry = entry.map_err(|error| unreadable(&branch.path(), error))?;
            found += u64::from(!matches!(entry.file_name().to_bytes(), b"." | b".."));
        }
        let extra = found.saturating_sub(branch.note.matched.load(Ordering::Relaxed));
        if extra > 0 {
            self.differences.add_content(&branch.path(), format_args!("holds {extra} that its source does not"));
        }
        Ok(())
    }
}
