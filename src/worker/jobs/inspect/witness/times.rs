//! What the times of a live entry say: whether it is as it was when the backup began.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, statx};
use rustix::io::Errno;

use crate::worker::fs::open::is_gone;

/// Seconds for which a write through mapped memory may go without a new time: as long as it waits for the disk, which
/// is half a minute by the kernel's default.
const MAPPED: i64 = 2 * 60;

/// The metadata of an entry, as far as it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    pub kind: FileType,
    pub size: u64,
    pub owner: (u32, u32),
    /// Permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// The last change of anything of it, which nobody can set (seconds and nanoseconds).
    pub changed: (i64, u32),
    /// The last change of its content, or what a program set.
    pub modified: i64,
    /// When it was made; `None` where the file system does not know.
    pub born: Option<i64>,
    /// The device that it lies on.
    pub device: (u32, u32),
}

impl Facts {
    /// Of an entry of a folder; `None`: it is not there. With an empty name, of the folder itself.
    pub fn of(folder: &OwnedFd, name: &CStr) -> Result<Option<Self>, Errno> {
        let flags = if name.is_empty() { AtFlags::EMPTY_PATH } else { AtFlags::SYMLINK_NOFOLLOW };
        match statx(folder, name, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME) {
            Ok(stat) => Ok(Some(Self::read(&stat))),
            Err(error) if is_gone(error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(stat: &Statx) -> Self {
        // A file system that was made as an image may have the beginning of all times there.
        let has_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0 && stat.stx_btime.tv_sec > 0;
        Self {
            kind: FileType::from_raw_mode(stat.stx_mode.into()),
            size: stat.stx_size,
            owner: (stat.stx_uid, stat.stx_gid),
            mode: u32::from(stat.stx_mode) & 0o7777,
            changed: (stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
            modified: stat.stx_mtime.tv_sec,
            born: has_birth.then_some(stat.stx_btime.tv_sec),
            device: (stat.stx_dev_major, stat.stx_dev_minor),
        }
    }
}

/// The time from which on changes may be later than the backup.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// Unix seconds: what is as old or younger may have changed since the backup began.
    pub at: i64,
    /// The newest time in the backup, where only the backup's end is known; `None`: no such bound. The file that is the
    /// backup may be a later copy, and nothing in it shows that it saw a younger change.
    pub newest: Option<i64>,
    /// Writes through mapped memory never get a time there.
    pub hides_mapped: bool,
}

/// What may be said of a live file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Testimony {
    /// The backup must have an entry of this path.
    pub exists: bool,
    /// Kind, owner and mode are as they were.
    pub whole: bool,
    /// Its size is as it was, and the restored file is a copy of this very file.
    pub size: bool,
    /// Its content is as it was.
    pub content: bool,
}

/// What is known of a folder of the live mount.
#[derive(Debug, Clone, Copy, Default)]
pub struct FolderPast {
    /// The folder, or one above it, may have been moved to its place since the backup.
    pub moved: bool,
    /// It lists the names that it listed when the backup began.
    pub same_names: bool,
    /// Names were added to it or taken away since, so what it lists may have been moved there.
    pub new_names: bool,
    /// Nothing of it changed since.
    pub untouched: bool,
    /// Nothing below it is looked at.
    pub skipped: bool,
}

impl Start {
    /// Whether a moment is before the backup.
    pub fn is_before(&self, time: i64) -> bool {
        time < self.at && self.newest.is_none_or(|newest| time <= newest)
    }

    /// What a folder's times say. A folder that was renamed or moved has a new time of change, and the folder that it
    /// was moved into has a new time of modification.
    pub fn folder(&self, folder: &Facts, parent: &FolderPast) -> FolderPast {
        let untouched = self.is_before(folder.changed.0);
        let new_names = !self.is_before(folder.modified);
        let was_there = folder.born.map_or(untouched, |born| self.is_before(born));
        FolderPast {
            moved: parent.moved || !untouched && parent.new_names,
            same_names: !new_names && was_there,
            new_names,
            untouched,
            skipped: parent.skipped,
        }
    }

    /// What a live file's times say. `came`: the restored entry of the same path.
    pub fn file(&self, live: &Facts, folder: &FolderPast, came: Option<&Facts>) -> Testimony {
        let whole = self.is_before(live.changed.0) && !folder.moved;
        // Written in place since, in a folder that kept its names.
        let was_there = live.born.map_or(folder.untouched, |born| self.is_before(born));
        let exists = whole || folder.same_names && was_there && !folder.moved;
        // Only its owner, mode or name is new: the restored file of the same time is the same file.
        let is_unwritten = self.is_before(live.modified) && live.born.is_some_and(|born| self.is_before(born));
        let same_file = is_unwritten && came.is_some_and(|came| came.modified == live.modified);
        let rested = |time: i64| !self.hides_mapped && self.is_before(time) && time < self.at - MAPPED;
        Testimony {
            exists,
            whole,
            size: whole || same_file,
            content: whole && rested(live.changed.0) || same_file && rested(live.modified),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Start = Start { at: 10_000, newest: None, hides_mapped: false };
    const OLD: i64 = 5_000;
    const NEW: i64 = 20_000;

    fn facts(changed: i64, modified: i64, born: Option<i64>) -> Facts {
        let device = (0, 0);
        Facts {
            kind: FileType::RegularFile,
            size: 1,
            owner: (0, 0),
            mode: 0o644,
            changed: (changed, 0),
            modified,
            born,
            device,
        }
    }

    fn said(live: &Facts, folder: &FolderPast, came: Option<&Facts>) -> [bool; 4] {
        let Testimony { exists, whole, size, content } = START.file(live, folder, came);
        [exists, whole, size, content]
    }

    /// A folder that nobody touched since, below the mount's root.
    fn quiet() -> FolderPast {
        START.folder(&facts(OLD, OLD, Some(OLD)), &FolderPast::default())
    }

    #[test]
    fn a_file_that_nobody_touched_since_is_as_it_was() {
        assert_eq!(said(&facts(OLD, OLD, Some(OLD)), &quiet(), None), [true; 4]);
        // Within two minutes before the backup, a write through mapped memory may not have its time yet.
        assert_eq!(said(&facts(9_900, OLD, None), &quiet(), None), [true, true, true, false]);
        let in_memory = Start { hides_mapped: true, ..START };
        assert!(!in_memory.file(&facts(OLD, OLD, None), &quiet(), None).content);
        // Made, or written, since.
        let busy = START.folder(&facts(NEW, NEW, Some(OLD)), &FolderPast::default());
        assert_eq!(said(&facts(NEW, NEW, Some(NEW)), &busy, None), [false; 4]);
        assert_eq!(said(&facts(NEW, NEW, Some(OLD)), &busy, None), [false; 4]);
    }

    #[test]
    fn a_folder_that_kept_its_names_has_files_that_were_written_since() {
        assert_eq!(said(&facts(NEW, NEW, Some(OLD)), &quiet(), None), [true, false, false, false]);
        // Without times of birth only a folder that is quite untouched tells.
        assert_eq!(said(&facts(NEW, NEW, None), &quiet(), None), [true, false, false, false]);
        let handed_over = START.folder(&facts(NEW, OLD, None), &FolderPast::default());
        assert_eq!(said(&facts(NEW, NEW, None), &handed_over, None), [false; 4]);
        // A copy with old times is a new folder.
        let copied = START.folder(&facts(NEW, OLD, Some(NEW)), &FolderPast::default());
        assert_eq!(said(&facts(NEW, OLD, Some(NEW)), &copied, None), [false; 4]);
    }

    #[test]
    fn a_file_that_was_handed_over_since_is_the_same_file_where_its_time_is_the_same() {
        let handed_over = START.folder(&facts(NEW, OLD, Some(OLD)), &FolderPast::default());
        let live = facts(NEW, OLD, Some(OLD));
        assert_eq!(said(&live, &handed_over, None), [true, false, false, false], "its folder kept its names");
        assert_eq!(said(&live, &handed_over, Some(&facts(1, OLD, None))), [true, false, true, true]);
        assert_eq!(said(&live, &handed_over, Some(&facts(1, OLD - 1, None))), [true, false, false, false]);
        assert_eq!(said(&facts(NEW, OLD, None), &handed_over, Some(&live)), [false; 4], "it may be a copy");
        assert_eq!(said(&facts(NEW, OLD, Some(NEW)), &handed_over, Some(&live)), [false; 4], "it is a copy");
    }

    #[test]
    fn what_may_have_been_moved_says_nothing_of_its_path() {
        let root = START.folder(&facts(NEW, NEW, Some(OLD)), &FolderPast::default());
        let renamed = START.folder(&facts(NEW, OLD, Some(OLD)), &root);
        assert!(root.new_names && !root.moved && renamed.moved);
        let below = START.folder(&facts(OLD, OLD, Some(OLD)), &renamed);
        let live = facts(OLD, OLD, Some(OLD));
        assert_eq!(said(&live, &below, None), [false; 4]);
        assert_eq!(said(&live, &below, Some(&facts(1, OLD, None))), [false, false, true, true], "the same file");
        // A folder in which files were made, in a folder that kept its names, was not moved.
        let busy = START.folder(&facts(NEW, NEW, Some(OLD)), &quiet());
        assert_eq!(said(&live, &busy, None), [true; 4]);
    }

    #[test]
    fn a_backup_of_which_only_the_end_is_known_saw_nothing_younger_than_its_newest_time() {
        let copied_later = Start { newest: Some(6_000), ..START };
        assert!(copied_later.file(&facts(6_000, OLD, None), &quiet(), None).whole);
        let later = facts(6_001, OLD, None);
        let said = copied_later.file(&later, &quiet(), None);
        assert!(said.exists && !said.whole, "its folder kept its names");
        let folder = copied_later.folder(&facts(6_001, 6_001, None), &FolderPast::default());
        assert!(!copied_later.file(&later, &folder, None).exists);
    }
}
