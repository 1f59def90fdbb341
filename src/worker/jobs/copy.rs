//! A faithful copy of a tree whose owner may be changing it.
//!
//! There are two walks: one counts, so that nothing is written when it would not fit, and one copies. To remember the
//! first walk for the second would save the cheapest part of the work and cost memory for every entry.
//!
//! A file that changed or vanished during the copy is no error: it is counted and named. Sockets are left out, since
//! they mean nothing without their process.

use std::collections::{BTreeSet, HashMap};
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, fstat, linkat, mkdirat, mknodat, openat, readlinkat, statat, symlinkat,
};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use crate::model::event::Amount;
use crate::model::lock::{into_inner, lock};
use crate::model::sampled::Sampled;
use crate::worker::expected::{ContentDigests, CopySource};
use crate::worker::fs::content::{CopyTrouble, Unsupported, copy_content};
use crate::worker::fs::digest::Digest;
use crate::worker::fs::meta::{self, Lost, Xattrs};
use crate::worker::fs::open::{changed, error_text, is_gone, open_quietly, unreadable, unwritable, version};
use crate::worker::fs::root::{SINGLE_FILE, open_root, open_volume, stat_root};
use crate::worker::fs::scan::{ScanBounds, scan};
use crate::worker::fs::space::{check_fits, free_space};
use crate::worker::fs::stat::{allocated, link_count};
use crate::worker::fs::walk::{Branch, VisitedFolder, Visitor, threads, walk};
use crate::worker::job::{JobControl, JobStop, short, short_path, shown};
use crate::worker::protocol::{Copied, CopyJob, Failure, RootKind};

/// Bytes that a folder takes on most file systems.
const FOLDER_BYTES: u64 = 4096;
/// Most kinds of refused metadata that are remembered.
const MAX_REFUSED: usize = 256;
/// Most files whose digest is noted: that many fit into the worker's memory. For the others the source is read again.
const MAX_CONTENTS: usize = 4_000_000;
/// Time between two looks at what is free, and bytes of a file before which there is one in any case: others write to
/// the disk, too, and the source may grow.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LARGE: u64 = 64 * 1024 * 1024;
/// Longest path that is given to the kernel at once, in bytes.
const PATH_BYTES: usize = 4000;

/// Hears how far a copy is. Tests change the source at a chosen moment through it.
pub trait CopyObserver: Sync {
    /// This file was opened, and nothing of it was read yet.
    fn opened(&self, _path: &[u8]) {}
    /// This entry was listed, and nothing was done with it yet.
    fn listed(&self, _path: &[u8]) {}
    /// Whether anybody listens; if not, no path is put together.
    fn listens(&self) -> bool {
        true
    }
}

impl CopyObserver for () {
    fn listens(&self) -> bool {
        false
    }
}

/// Copies a tree into a volume. Returns what the copy did, and what the volume is compared with later: with
/// `CopyJob::contents`, digests of the files are among it.
pub fn copy(job: &CopyJob, control: &JobControl, observer: &dyn CopyObserver) -> Result<(Copied, CopySource), JobStop> {
    let CopyJob { from, to, contents, keep_free, .. } = job;
    let began = now();
    let (root, stat) = stat_root(from)?;
    if !matches!(root, RootKind::Folder | RootKind::File) {
        return Err(Failure::WrongKind { root }.into());
    }
    let target = open_volume(to)?;
    let total = measure(job, &target, control)?;
    control.set_total(total);

    let source = open_root(from, root)?;
    let stat = if root == RootKind::Folder { fstat(&source).map_err(|error| unreadable(b"", error))? } else { stat };
    meta::forget_inherited(&target);
    let copier = Copier {
        control,
        observer,
        unsupported: Unsupported::default(),
        top: target.try_clone().map_err(|error| unwritable_io(&error))?,
        keep_free: *keep_free,
        look: Mutex::new(Instant::now() + LOOK_EVERY),
        links: Mutex::default(),
        torn: Mutex::default(),
        lost: Mutex::default(),
        refused: Mutex::default(),
        contents: contents.then(Mutex::default),
        sockets: AtomicU64::new(0),
        folders: AtomicU64::new(0),
    };
    if root == RootKind::Folder {
        let xattrs = meta::xattrs_of(&source).map_err(|error| unreadable(b"", error))?;
        walk(&copier, threads(), source, target, Original { stat, xattrs })?;
    } else {
        copier.file_mount(&source, &target)?;
    }
    let refused = into_inner(copier.refused);
    let copied = Copied {
        root,
        amount: control.amount(),
        folders: copier.folders.into_inner(),
        torn: into_inner(copier.torn),
        sockets: copier.sockets.into_inner(),
        lost_metadata: into_inner(copier.lost),
    };
    let contents = into_inner(copier.contents.unwrap_or_default());
    Ok((copied, CopySource { from: from.clone(), began, refused, contents }))
}

/// Seconds since the epoch.
fn now() -> i64 {
    clock_gettime(ClockId::Realtime).tv_sec
}

fn unwritable_io(error: &std::io::Error) -> JobStop {
    Failure::Unwritable { path: shown(b""), error: error.to_string() }.into()
}

/// How much there is; an error when it is more than `max_bytes` or does not fit.
fn measure(job: &CopyJob, target: &OwnedFd, control: &JobControl) -> Result<Amount, JobStop> {
    let CopyJob { from, max_bytes, keep_free, .. } = job;
    let found = scan(from, ScanBounds { entries: 0, bytes: *max_bytes }, control, false)?;
    let total = found.amount;
    if *max_bytes > 0 && total.bytes > *max_bytes {
        return Err(Failure::TooLarge { bytes: total.bytes, max_bytes: *max_bytes }.into());
    }
    let room = found.allocated.saturating_add(found.folders * FOLDER_BYTES);
    let files = total.files.saturating_add(found.folders);
    let free = free_space(target).map_err(|error| unreadable(b"", error))?;
    check_fits(&free, room, files, *keep_free)?;
    Ok(total)
}

/// A folder's metadata; the copy gets it after its content.
#[derive(Debug)]
struct Original {
    stat: Stat,
    xattrs: Xattrs,
}

/// A file of several names that was copied under its first one.
struct Link {
    path: Vec<u8>,
    /// Names still to come.
    left: u64,
    version: [i64; 3],
}

struct Copier<'a> {
    control: &'a JobControl,
    observer: &'a dyn CopyObserver,
    unsupported: Unsupported,
    /// The target's root.
    top: OwnedFd,
    /// Bytes that stay free, and the time of the next look.
    keep_free: u64,
    look: Mutex<Instant>,
    links: Mutex<HashMap<(u64, u64), Link>>,
    torn: Mutex<Sampled<String>>,
    lost: Mutex<Sampled<String>>,
    /// Kinds of metadata that the target refused for any entry.
    refused: Mutex<BTreeSet<String>>,
    /// Digests of what was read, by the file that it was written to; `None` where they are not wanted.
    contents: Option<Mutex<ContentDigests>>,
    sockets: AtomicU64,
    folders: AtomicU64,
}

impl Copier<'_> {
    fn tear(&self, path: &[u8]) {
        lock(&self.torn).add(|| short_path(path));
    }

    fn lose(&self, path: &[u8], lost: Vec<Lost>) {
        if !lost.is_empty() {
            let mut all = lock(&self.lost);
            let mut kinds = lock(&self.refused);
            for Lost { what, error } in lost {
                if kinds.len() < MAX_REFUSED && !kinds.contains(&what) {
                    kinds.insert(what.clone());
                }
                all.add(|| short(format!("{what} on {}: {}", shown(path), error_text(error))));
            }
        }
    }

    /// Checks now and then that enough stays free, and before each file of so many bytes that they fit.
    fn check_room(&self, bytes: u64) -> Result<(), JobStop> {
        if bytes < LARGE {
            let now = Instant::now();
            let mut look = lock(&self.look);
            if now < *look {
                return Ok(());
            }
            *look = now + LOOK_EVERY;
        }
        let free = free_space(&self.top).map_err(|error| unreadable(b"", error))?;
        check_fits(&free, bytes, 1, self.keep_free)
    }

    /// An error of the source: an entry that is gone is torn, any other error ends the job.
    fn source_error(&self, path: &[u8], error: Errno) -> Result<(), JobStop> {
        if is_gone(error) {
            self.tear(path);
            Ok(())
        } else {
            Err(unreadable(path, error))
        }
    }

    fn target_error(&self, path: &[u8], error: Errno) -> JobStop {
        unwritable(&self.top, path, error).into()
    }

    /// Makes an entry, or only another name for it when it was made before. `None`: there is nothing more to do for
    /// it.
    fn make<T>(
        &self,
        folder: &OwnedFd,
        name: &CStr,
        path: &dyn Fn() -> Vec<u8>,
        stat: &Stat,
        make: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<Option<T>, JobStop> {
        let make = || make().map_err(|error| self.target_error(&path(), error));
        if link_count(stat) < 2 {
            return make().map(Some);
        }
        // The lock is held while the entry is made: a second name must find the first one there. Content is copied
        // later, without the lock.
        let mut links = lock(&self.links);
        let key = (stat.st_dev, stat.st_ino);
        let Some(link) = links.get_mut(&key) else {
            let made = make()?;
            links.insert(key, Link { path: path(), left: link_count(stat) - 1, version: version(stat) });
            return Ok(Some(made));
        };
        match self.link(&link.path, folder, name) {
            Ok(()) => {}
            // A file system without hard links, or with not so many: the name gets a copy of its own.
            Err(error @ (Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP | Errno::XDEV | Errno::NOSYS)) => {
                self.lose(&path(), vec![Lost { what: "hard link".to_owned(), error }]);
                return make().map(Some);
            }
            Err(error) => return Err(self.target_error(&path(), error)),
        }
        // The file was written to since its first name was copied, or another file got the inode of a deleted one.
        if link.version != version(stat) {
            self.tear(&path());
        }
        link.left = link.left.saturating_sub(1);
        if link.left == 0 {
            links.remove(&key);
        }
        Ok(None)
    }

    /// Makes another name for the file at `first`, a path that may be longer than the kernel takes at once.
    fn link(&self, first: &[u8], folder: &OwnedFd, name: &CStr) -> Result<(), Errno> {
        let mut at: Option<OwnedFd> = None;
        let mut rest = first;
        while rest.len() > PATH_BYTES {
            let cut = rest[..PATH_BYTES].iter().rposition(|&byte| byte == b'/').expect("no name is this long");
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            at = Some(openat(at.as_ref().unwrap_or(&self.top), &rest[..cut], flags, Mode::empty())?);
            rest = &rest[cut + 1..];
        }
        linkat(at.as_ref().unwrap_or(&self.top), rest, folder, name, AtFlags::empty())
    }

    /// Copies a regular file, open as `source`.
    fn regular(
        &self,
        source: &OwnedFd,
        folder: &OwnedFd,
        name: &CStr,
        path: &dyn Fn() -> Vec<u8>,
    ) -> Result<(), JobStop> {
        let before = fstat(source).map_err(|error| unreadable(&path(), error))?;
        if FileType::from_raw_mode(before.st_mode) != FileType::RegularFile {
            self.tear(&path());
            return Ok(());
        }
        if self.observer.listens() {
            self.observer.opened(&path());
        }
        self.check_room(allocated(&before))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = || openat(folder, name, flags, Mode::RUSR | Mode::WUSR);
        let Some(target) = self.make(folder, name, path, &before, create)? else {
            self.control.add(1, 0);
            return Ok(());
        };
        match copy_content(source, &target, &before, &self.unsupported, self.contents.is_some(), self.control) {
            Ok(Some(digest)) => self.note_content(&target, digest, path)?,
            Ok(None) => {}
            Err(CopyTrouble::Source(error)) => self.source_error(&path(), error)?,
            Err(CopyTrouble::Target(error)) => return Err(self.target_error(&path(), error)),
            Err(CopyTrouble::Stop(stop)) => return Err(stop),
        }
        let xattrs = meta::xattrs_of(source).map_err(|error| unreadable(&path(), error))?;
        let after = fstat(source).map_err(|error| unreadable(&path(), error))?;
        if changed(&before, &after) {
            self.tear(&path());
        }
        let lost =
            meta::apply(&target, &(&before).into(), &xattrs).map_err(|error| self.target_error(&path(), error))?;
        self.lose(&path(), lost);
        self.control.add(1, 0);
        Ok(())
    }

    /// Notes the digest of a file, as long as there are not too many.
    fn note_content(&self, target: &OwnedFd, digest: Digest, path: &dyn Fn() -> Vec<u8>) -> Result<(), JobStop> {
        let Some(contents) = &self.contents else { return Ok(()) };
        let stat = fstat(target).map_err(|error| self.target_error(&path(), error))?;
        let mut contents = lock(contents);
        if contents.len() < MAX_CONTENTS {
            contents.insert((stat.st_dev, stat.st_ino), digest);
        }
        Ok(())
    }

    /// Copies a symlink, FIFO or device.
    fn special(&self, place: &VisitedFolder<'_, Self>, name: &CStr) -> Result<(), JobStop> {
        let path = || place.branch.path_of(name);
        let (source, folder) = (&place.open.source, &place.open.target);
        let stat = match statat(source, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(error) => return self.source_error(&path(), error),
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let made = match kind {
            FileType::Symlink => match readlinkat(source, name, Vec::new()) {
                Ok(to) => self.make(folder, name, &path, &stat, || symlinkat(to.as_c_str(), folder, name))?,
                // The entry is something else by now.
                Err(Errno::INVAL) => return self.source_error(&path(), Errno::NOENT),
                Err(error) => return self.source_error(&path(), error),
            },
            FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice => {
                let make = || match mknodat(folder, name, kind, Mode::RUSR | Mode::WUSR, stat.st_rdev) {
                    Err(error @ (Errno::PERM | Errno::OPNOTSUPP | Errno::INVAL)) => {
                        self.lose(&path(), vec![Lost { what: "special file".to_owned(), error }]);
                        Ok(false)
                    }
                    other => other.map(|()| true),
                };
                match self.make(folder, name, &path, &stat, make)? {
                    Some(false) => return Ok(()),
                    made => made.map(|_| ()),
                }
            }
            _ => return self.source_error(&path(), Errno::NOENT),
        };
        if made.is_some() {
            let xattrs = match meta::xattrs_at(source, name) {
                Ok(xattrs) => xattrs,
                Err(error) => {
                    self.source_error(&path(), error)?;
                    Vec::new()
                }
            };
            let lost = meta::apply_at(folder, name, &(&stat).into(), &xattrs)
                .map_err(|error| self.target_error(&path(), error))?;
            self.lose(&path(), lost);
        }
        self.control.add(1, 0);
        Ok(())
    }

    /// Copies a mount that is a single file under its fixed name in the volume.
    fn file_mount(&self, source: &OwnedFd, target: &OwnedFd) -> Result<(), JobStop> {
        self.regular(source, target, SINGLE_FILE, &Vec::new)
    }
}

impl Visitor for Copier<'_> {
    type Target = OwnedFd;
    type Note = Original;

    fn enter(
        &self,
        parent: &VisitedFolder<'_, Self>,
        name: &CStr,
        source: &OwnedFd,
    ) -> Result<(OwnedFd, Original), JobStop> {
        self.control.beat()?;
        self.check_room(0)?;
        let path = || parent.branch.path_of(name);
        let stat = fstat(source).map_err(|error| unreadable(&path(), error))?;
        let xattrs = meta::xattrs_of(source).map_err(|error| unreadable(&path(), error))?;
        mkdirat(&parent.open.target, name, Mode::RWXU).map_err(|error| self.target_error(&path(), error))?;
        let target = self.reopen(&parent.open.target, name)?;
        self.folders.fetch_add(1, Ordering::Relaxed);
        Ok((target, Original { stat, xattrs }))
    }

    fn reopen(&self, parent: &OwnedFd, name: &CStr) -> Result<OwnedFd, JobStop> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(parent, name, flags, Mode::empty()).map_err(|error| self.target_error(name.to_bytes(), error))
    }

    fn entry(&self, place: &VisitedFolder<'_, Self>, name: &CStr, kind: FileType) -> Result<(), JobStop> {
        self.control.beat()?;
        if self.observer.listens() {
            self.observer.listed(&place.branch.path_of(name));
        }
        match kind {
            FileType::RegularFile => match open_quietly(&place.open.source, name, OFlags::empty()) {
                Ok(source) => self.regular(&source, &place.open.target, name, &|| place.branch.path_of(name)),
                Err(error) => self.source_error(&place.branch.path_of(name), error),
            },
            FileType::Socket => {
                self.sockets.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            _ => self.special(place, name),
        }
    }

    fn gone(&self, path: &[u8]) {
        self.tear(path);
    }

    fn leave(&self, branch: &Branch<Self>, target: &OwnedFd) -> Result<(), JobStop> {
        let Original { stat, xattrs } = &branch.note;
        let lost =
            meta::apply(target, &stat.into(), xattrs).map_err(|error| self.target_error(&branch.path(), error))?;
        self.lose(&branch.path(), lost);
        Ok(())
    }
}
