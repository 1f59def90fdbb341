//! Whether a restored file was read or changed by a service. The kernel notes both in the times of the file.
//!
//! With `relatime`, the usual mount option, the kernel notes a read only if the file was not read since its last
//! change. So each file whose access time is younger than its change time is given an older one before the service
//! starts. The worker itself reads with `O_NOATIME`.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{
    AtFlags, Mode, OFlags, Statx, StatxFlags, StatxTimestamp, Timespec, Timestamps, UTIME_OMIT, futimens, openat,
    statx, utimensat,
};
use rustix::io::{pread, pwrite};
use rustix::time::{ClockId, clock_gettime};

use super::sample::stat_file;
use crate::model::fingerprint::{AccessMark, Moment};

/// Nanoseconds by which a clock is behind the uptime when it was set back, and not only slowed down.
const SET_BACK: i128 = 200_000_000;

/// What happened to a file since a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing that the kernel notes.
    None,
    /// The file was read or changed.
    Touched,
    /// The file was made.
    New,
}

impl Access {
    /// What happened to the file of this metadata since the mark. A new owner or mode is neither a read nor a change:
    /// many services hand all of their files to their user when they start.
    pub fn since(mark: Moment, stat: &Statx) -> Access {
        let after = |time: StatxTimestamp| moment(time) > mark;
        let has_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
        if has_birth && after(stat.stx_btime) {
            return Access::New;
        }
        // A restored file may bear a modification time of the future, so the change time must agree.
        if after(stat.stx_atime) || after(stat.stx_mtime) && after(stat.stx_ctime) {
            Access::Touched
        } else {
            Access::None
        }
    }
}

/// Gives a file an older access time if the kernel would not note its next read. An error does not matter: that file
/// then counts as untouched, or as touched if its access time is in the future.
pub fn arm(folder: &OwnedFd, name: &CStr, stat: &Statx) {
    if moment(stat.stx_atime) <= moment(stat.stx_ctime) {
        return;
    }
    let modified = moment(stat.stx_mtime);
    let old = if modified <= moment(stat.stx_ctime) { modified } else { Moment::default() };
    let _ = utimensat(folder, name, &access_time(old), AtFlags::SYMLINK_NOFOLLOW);
}

/// As [`arm`], for a file that was just read.
pub fn arm_again(folder: &OwnedFd, name: &CStr) {
    if let Some(stat) = stat_file(folder, name) {
        arm(folder, name, &stat);
    }
}

/// The mark from which on the files of this folder are accessed by services only. A nameless file of the same file
/// system shows which accesses are noted there.
pub fn mark(folder: &OwnedFd) -> AccessMark {
    let (changes, reads) = noted(folder).unwrap_or_default();
    AccessMark { at: now(ClockId::Realtime), uptime: now(ClockId::Boottime), changes, reads }
}

/// The time of a mark, or the beginning of all times if the clock was set back since: then every file counts as
/// accessed, so that nothing is said of any.
pub fn time_of(mark: AccessMark) -> Moment {
    let by_clock = nanoseconds(now(ClockId::Realtime)) - nanoseconds(mark.at);
    let by_uptime = nanoseconds(now(ClockId::Boottime)) - nanoseconds(mark.uptime);
    if by_clock + SET_BACK < by_uptime { Moment::default() } else { mark.at }
}

fn nanoseconds(Moment { seconds, nanoseconds }: Moment) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

/// Whether the file system notes changes, and reads, with times that are exact and of this machine's clock; `None`:
/// it cannot be tried.
fn noted(folder: &OwnedFd) -> Option<(bool, bool)> {
    // The clock of the times of files: it may be a few milliseconds behind.
    let began = now(ClockId::RealtimeCoarse);
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = openat(folder, c".", flags, Mode::RUSR | Mode::WUSR).ok()?;
    let stat = || statx(&file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).ok();
    pwrite(&file, b"x", 0).ok()?;
    let written = moment(stat()?.stx_mtime);
    let is_now = |time: Moment| began <= time && time <= now(ClockId::Realtime);
    futimens(&file, &access_time(Moment::default())).ok()?;
    pread(&file, &mut [0; 1], 0).ok()?;
    let read = moment(stat()?.stx_atime);
    Some((is_now(written), is_now(written) && is_now(read)))
}

fn access_time(time: Moment) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() },
        last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
    }
}

fn moment(time: StatxTimestamp) -> Moment {
    Moment { seconds: time.tv_sec, nanoseconds: time.tv_nsec }
}

#[allow(clippy::useless_conversion, reason = "the types of a time's fields differ between architectures")]
fn now(clock: ClockId) -> Moment {
    let time = clock_gettime(clock);
    Moment { seconds: time.tv_sec.into(), nanoseconds: u32::try_from(time.tv_nsec).unwrap_or(0) }
}

/// Waits until the clock of the times of files, which is some milliseconds behind, is past this moment.
#[cfg(test)]
pub fn wait_until_past(mark: Moment) {
    while now(ClockId::RealtimeCoarse) <= mark {
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::worker::fs::root::open_root;
    use crate::worker::protocol::RootKind;

    fn folder() -> (tempfile::TempDir, OwnedFd) {
        let dir = tempfile::tempdir().unwrap();
        let opened = open_root(dir.path().to_str().unwrap(), RootKind::Folder).unwrap();
        (dir, opened)
    }

    /// A mark of a moment ago, and nothing that happens from now on is as old.
    fn marked(folder: &OwnedFd) -> Moment {
        let mark = mark(folder);
        assert!(mark.changes && mark.reads, "{mark:?}: this test needs a file system that notes reads");
        wait_until_past(mark.at);
        mark.at
    }

    fn access(folder: &OwnedFd, name: &CStr, mark: Moment) -> Access {
        Access::since(mark, &stat_file(folder, name).unwrap())
    }

    fn set_times(path: &Path, times: fs::FileTimes) {
        fs::File::options().write(true).open(path).unwrap().set_times(times).unwrap();
    }

    #[test]
    fn what_is_read_changed_or_made_is_told_from_what_is_left_alone() {
        let (dir, opened) = folder();
        for name in ["read", "changed", "left", "handed over"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let mark = marked(&opened);
        fs::read(dir.path().join("read")).unwrap();
        fs::write(dir.path().join("changed"), "y").unwrap();
        fs::set_permissions(dir.path().join("handed over"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(dir.path().join("new"), "x").unwrap();
        assert_eq!(access(&opened, c"read", mark), Access::Touched);
        assert_eq!(access(&opened, c"changed", mark), Access::Touched);
        assert_eq!(access(&opened, c"left", mark), Access::None);
        assert_eq!(access(&opened, c"handed over", mark), Access::None);
        assert_eq!(access(&opened, c"new", mark), Access::New);
    }

    #[test]
    fn after_the_clock_was_set_back_every_file_counts_as_accessed() {
        let (dir, opened) = folder();
        fs::write(dir.path().join("left"), "x").unwrap();
        let mark = mark(&opened);
        assert_eq!(time_of(mark), mark.at);
        let set_back = AccessMark { at: Moment { seconds: mark.at.seconds + 5, ..mark.at }, ..mark };
        assert_ne!(access(&opened, c"left", time_of(set_back)), Access::None);
        let set_forward = AccessMark { at: Moment { seconds: mark.at.seconds - 5, ..mark.at }, ..mark };
        assert_eq!(time_of(set_forward), set_forward.at);
    }

    /// With `relatime` the kernel does not note a second read; and a backup may bear access times of the future.
    #[test]
    fn a_file_that_was_read_before_the_mark_is_armed() {
        let (dir, opened) = folder();
        for name in ["read twice", "of the future", "changed in the future", "left"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        fs::read(dir.path().join("read twice")).unwrap();
        fs::read(dir.path().join("left")).unwrap();
        let later = SystemTime::now() + Duration::from_secs(3600);
        set_times(&dir.path().join("of the future"), fs::FileTimes::new().set_accessed(later));
        set_times(&dir.path().join("changed in the future"), fs::FileTimes::new().set_modified(later));
        for name in [c"read twice", c"of the future", c"changed in the future", c"left"] {
            arm_again(&opened, name);
        }
        let mark = marked(&opened);
        assert_eq!(access(&opened, c"of the future", mark), Access::None);
        assert_eq!(access(&opened, c"changed in the future", mark), Access::None);
        fs::read(dir.path().join("read twice")).unwrap();
        fs::read(dir.path().join("of the future")).unwrap();
        assert_eq!(access(&opened, c"read twice", mark), Access::Touched);
        assert_eq!(access(&opened, c"of the future", mark), Access::Touched);
        assert_eq!(access(&opened, c"left", mark), Access::None);
    }
}
