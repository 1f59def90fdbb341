//! The live witness: compares a live mount with the data that was restored for it. A live file that has not been
//! touched since the backup began must have come back as it is.
//!
//! One walk over the live mount, with the restored folder beside each live folder: memory does not grow with the number
//! of files. The live mount is never written to, and access times are left alone where that is allowed.

mod content;
mod exempt;
mod findings;
mod times;

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rustix::fs::{FileType, OFlags, readlinkat};
use rustix::io::{Errno, dup};
use rustix::time::{ClockId, clock_gettime};

use super::datastores::is_sqlite;
use super::sample::read_at;
use crate::model::witness::BackupClock;
use crate::worker::fs::mounts::mounted_at;
use crate::worker::fs::observe::{SeenEntry, TreeObserver, observe};
use crate::worker::fs::open::{is_gone, open_folder, open_quietly, unreadable};
use crate::worker::fs::root::{SINGLE_FILE, open_root, stat_root};
use crate::worker::fs::stat::kind_word;
use crate::worker::fs::walk::{Branch, VisitedFolder, Visitor, threads, walk};
use crate::worker::job::{JobControl, JobStop};
use crate::worker::protocol::{RootKind, WitnessJob, WitnessStart, Witnessed};

use content::{Compared, ContentComparison};
use exempt::{Exemptions, is_in_passing, is_tagged};
use findings::{Difference, Findings};
use times::Testimony;
pub(super) use {exempt::Exemptions as LiveExemptions, times::Facts, times::FolderPast, times::Start};

/// File systems that note the time of every change by this kernel's own clock. Others (network file systems, FAT, most
/// of FUSE) make these times up or take them from another machine.
const BY_OUR_CLOCK: [&str; 9] = ["ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "overlay"];
/// A file system that never notes the time of a write through mapped memory.
const IN_MEMORY: &str = "tmpfs";
/// Seconds by which times of changes may be too early: the kernel's clock for them moves a few times a second.
const TICK: i64 = 2;
/// Seconds by which the clock of the machine that made the backup may be off.
const OTHER_CLOCK: i64 = 60;

/// Compares a live mount with what was restored for it.
pub fn testify(job: &WitnessJob, control: &Arc<JobControl>) -> Result<Witnessed, JobStop> {
    let file_system = mounted_at(&job.live).map(|mounted| mounted.file_system).unwrap_or_default();
    if !BY_OUR_CLOCK.contains(&file_system.as_str()) {
        let words = format!("the live mount lies on {file_system}, which does not tell when a file was changed");
        return Ok(Witnessed::silent(words));
    }
    let (live, _) = stat_root(&job.live)?;
    let (restored, _) = stat_root(&job.restored)?;
    if live != restored || !matches!(live, RootKind::Folder | RootKind::File) {
        return Ok(Witnessed::silent("the live mount and what came back are of different kinds"));
    }
    let slack = i64::try_from(job.slack).unwrap_or(i64::MAX);
    let newest = match job.clock {
        BackupClock::Began(_) => None,
        BackupClock::Written(_) | BackupClock::Unknown => Some(newest_in(&job.restored, restored, control)?),
    };
    let (at, newest) = match (job.clock, newest) {
        (BackupClock::Began(began), _) => (began - OTHER_CLOCK, None),
        (BackupClock::Written(written), newest) => (written.saturating_sub(slack) - TICK, newest),
        (BackupClock::Unknown, Some(newest)) => (newest.saturating_sub(slack) - TICK, None),
        (BackupClock::Unknown, None) => return Ok(Witnessed::silent("nothing tells when the backup was made")),
    };
    if at > now() {
        return Ok(Witnessed::silent("the backup says that it was made in the future"));
    }
    // The files of an overlay lie on the devices of its layers.
    let one_device = file_system != "overlay";
    let start = Start { at, newest, hides_mapped: file_system == IN_MEMORY };
    let witnessed = compare(job, live, start, one_device, control)?;
    let start = witnessed.silent.is_none().then_some(WitnessStart { at, newest });
    Ok(Witnessed { start, ..witnessed })
}

#[allow(clippy::useless_conversion, reason = "the types of a time's fields differ between architectures")]
fn now() -> i64 {
    clock_gettime(ClockId::Realtime).tv_sec.into()
}

/// The newest time of modification in the restored data that is not in the future: the backup saw what was written
/// then, so it did not end before.
fn newest_in(path: &str, root: RootKind, control: &JobControl) -> Result<i64, JobStop> {
    struct Newest {
        now: i64,
        newest: AtomicI64,
    }

    impl Newest {
        fn see_time(&self, modified: i64) {
            if modified <= self.now {
                self.newest.fetch_max(modified, Ordering::Relaxed);
            }
        }
    }

    impl TreeObserver for Newest {
        #[allow(clippy::unnecessary_cast, reason = "the types of a stat's fields differ between architectures")]
        fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
            if let Some(stat) = entry.stat()? {
                self.see_time(stat.st_mtime as i64);
            }
            Ok(())
        }
    }

    let newest = Newest { now: now(), newest: AtomicI64::new(i64::MIN / 2) };
    let opened = open_root(path, root)?;
    if let Some(facts) = Facts::of(&opened, c"").map_err(|error| unreadable(b"", error))? {
        newest.see_time(facts.modified);
    }
    if root == RootKind::Folder {
        observe(opened, &[&newest], 0, control)?;
    }
    Ok(newest.newest.into_inner())
}

/// As [`testify`], from a known start on.
fn compare(
    job: &WitnessJob,
    root: RootKind,
    start: Start,
    one_device: bool,
    control: &Arc<JobControl>,
) -> Result<Witnessed, JobStop> {
    let live = open_root(&job.live, root)?;
    let restored = open_root(&job.restored, root)?;
    let Some(facts) = Facts::of(&live, c"").map_err(|error| unreadable(b"", error))? else {
        return Ok(Witnessed::silent("the live mount has vanished"));
    };
    let witness = Witness {
        control,
        start,
        device: one_device.then_some(facts.device),
        exemptions: Exemptions::new(&job.exclude),
        contents: ContentComparison::new(job.contents),
        max_entries: job.max_entries,
        entries: AtomicU64::new(0),
        now: now(),
        findings: Findings::default(),
    };
    if root == RootKind::File {
        let came = Facts::of(&restored, c"").map_err(|error| unreadable(b"", error))?;
        let pair = Pair { live: &live, came: Some(&restored), name: c"", path: SINGLE_FILE.to_bytes() };
        witness.file(&pair, &FolderPast::default(), &facts, came.as_ref())?;
        return Ok(witness.findings.finish(true));
    }
    let past = start.folder(&facts, &FolderPast::default());
    let complete = match walk(&witness, threads(), live, Some(restored), past) {
        Ok(()) => true,
        Err(JobStop::Enough) => false,
        Err(stop) => return Err(stop),
    };
    Ok(witness.findings.finish(complete))
}

/// The walk over the live mount.
struct Witness<'a> {
    control: &'a JobControl,
    start: Start,
    /// The device of the live mount; what lies on another one is of another mount. `None`: that cannot be told.
    device: Option<(u32, u32)>,
    exemptions: Exemptions,
    contents: ContentComparison,
    /// Most entries that are looked at; 0: no bound.
    max_entries: u64,
    entries: AtomicU64,
    now: i64,
    findings: Findings,
}

/// A live file and where the restored one would be. With an empty name both are the files themselves.
struct Pair<'a> {
    live: &'a OwnedFd,
    came: Option<&'a OwnedFd>,
    name: &'a CStr,
    path: &'a [u8],
}

impl Pair<'_> {
    fn open(&self, folder: &OwnedFd) -> Result<OwnedFd, Errno> {
        if self.name.is_empty() { dup(folder) } else { open_quietly(folder, self.name, OFlags::empty()) }
    }
}

impl Witness<'_> {
    /// Counts an entry; ends the walk at the bound.
    fn count(&self) -> Result<(), JobStop> {
        self.control.beat()?;
        let entries = self.entries.fetch_add(1, Ordering::Relaxed) + 1;
        if self.max_entries > 0 && entries > self.max_entries { Err(JobStop::Enough) } else { Ok(()) }
    }

    /// Compares a live file with what came back at its path.
    fn file(&self, pair: &Pair<'_>, folder: &FolderPast, live: &Facts, came: Option<&Facts>) -> Result<(), JobStop> {
        let findings = &self.findings;
        findings.live.add(live.size);
        self.doubt_clock(live);
        let said = self.start.file(live, folder, came);
        let Some(came) = came else {
            if said.exists && !is_in_passing(pair.name.to_bytes()) && self.is_still(pair, live, folder) {
                findings.unchanged.add(live.size);
                findings.add(Difference::Missing, pair.path, live.size, "");
            }
            return Ok(());
        };
        if !said.whole && !said.size {
            return Ok(());
        }
        if live.kind != came.kind {
            if said.whole && self.is_still(pair, live, folder) {
                let words = format_args!("is {} instead of {}", kind_word(came.kind), kind_word(live.kind));
                findings.unchanged.add(live.size);
                findings.add(Difference::Other, pair.path, live.size, words);
            }
            return Ok(());
        }
        findings.unchanged.add(live.size);
        if said.whole {
            self.compare_rights(pair, live, came);
        }
        match live.kind {
            FileType::RegularFile => self.compare_content(pair, folder, (live, came), said),
            FileType::Symlink if said.whole => {
                let leads = |folder: &OwnedFd| readlinkat(folder, pair.name, Vec::new()).ok();
                let (own, other) = (leads(pair.live), pair.came.and_then(leads));
                if let (Some(own), Some(other)) = (own, other)
                    && own != other
                    && self.is_still(pair, live, folder)
                {
                    let words = format!("leads to {} instead of {}", other.to_string_lossy(), own.to_string_lossy());
                    findings.add(Difference::Other, pair.path, live.size, words);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Compares size and content of two files.
    fn compare_content(
        &self,
        pair: &Pair<'_>,
        folder: &FolderPast,
        (live, came): (&Facts, &Facts),
        said: Testimony,
    ) -> Result<(), JobStop> {
        let same_size = live.size == came.size;
        if same_size && (!said.content || live.size == 0) {
            return Ok(());
        }
        let opened = pair.came.and_then(|came| Some((pair.open(pair.live).ok()?, pair.open(came).ok()?)));
        let Some((own, other)) = opened else {
            // What cannot be opened is no statement about its content; its size is known.
            if !same_size && self.is_still(pair, live, folder) {
                self.add_size(pair, live, came);
            }
            return Ok(());
        };
        let zeros = if same_size {
            match self.contents.compare([&own, &other], pair.path, live.size, self.control)? {
                Compared::Same(read) => {
                    self.findings.read.add(read);
                    return Ok(());
                }
                Compared::Differ { zeros } => zeros,
                Compared::Unread => return Ok(()),
            }
        } else {
            false
        };
        // A backup that SQLite made has the same rows in another file.
        let is_database = |file: &OwnedFd| read_at(file, 16, 0).is_some_and(|head| is_sqlite(&head));
        let is_remade = came.modified != live.modified && is_database(&own) && is_database(&other);
        if is_remade || !self.is_still(pair, live, folder) {
            return Ok(());
        }
        match (same_size, zeros) {
            (false, _) => self.add_size(pair, live, came),
            (true, true) => self.findings.add(Difference::Other, pair.path, live.size, "holds zeros"),
            (true, false) => self.findings.add(Difference::Other, pair.path, live.size, "has other content"),
        }
        Ok(())
    }

    fn add_size(&self, pair: &Pair<'_>, live: &Facts, came: &Facts) {
        let difference = if came.size < live.size { Difference::Smaller } else { Difference::Other };
        let words = format_args!("has {} B instead of {} B", came.size, live.size);
        self.findings.add(difference, pair.path, live.size, words);
    }

    /// Compares owner and mode of an entry that is surely as it was.
    fn compare_rights(&self, pair: &Pair<'_>, live: &Facts, came: &Facts) {
        self.findings.owned.fetch_add(1, Ordering::Relaxed);
        if live.owner != came.owner {
            let ((uid, gid), (own_uid, own_gid)) = (came.owner, live.owner);
            let words = format_args!("belongs to {uid}:{gid} instead of {own_uid}:{own_gid}");
            self.findings.add(Difference::Owner, pair.path, live.size, words);
        }
        if live.kind != FileType::Symlink && live.mode != came.mode {
            let words = format_args!("has the mode {:04o} instead of {:04o}", came.mode, live.mode);
            self.findings.add(Difference::Mode, pair.path, live.size, words);
        }
    }

    /// Looks at the live file once more before anything is said of it: its service may have changed it meanwhile.
    fn is_still(&self, pair: &Pair<'_>, live: &Facts, folder: &FolderPast) -> bool {
        let is_same = Facts::of(pair.live, pair.name).is_ok_and(|again| again == Some(*live));
        let names = || Facts::of(pair.live, c"").ok().flatten();
        let keeps_names = || names().is_some_and(|again| self.start.is_before(again.modified));
        is_same && (pair.name.is_empty() || !folder.same_names || keeps_names())
    }

    fn is_of_mount(&self, facts: &Facts) -> bool {
        self.device.is_none_or(|device| device == facts.device)
    }

    fn doubt_clock(&self, live: &Facts) {
        if live.changed.0 > self.now + TICK {
            self.findings.of_the_future.fetch_add(1, Ordering::Relaxed);
        } else if live.modified > live.changed.0 + TICK {
            self.findings.out_of_order.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Visitor for Witness<'_> {
    /// The restored folder; `None`: there is none.
    type Target = Option<OwnedFd>;
    type Note = FolderPast;

    fn list_folder(&self, parent: &VisitedFolder<'_, Self>, name: &CStr) -> Result<bool, JobStop> {
        self.count()?;
        if parent.branch.note.skipped || self.exemptions.has_folder(&parent.branch.path_of(name)) {
            self.findings.exempt.fetch_add(1, Ordering::Relaxed);
            return Ok(false);
        }
        Ok(true)
    }

    fn enter(
        &self,
        parent: &VisitedFolder<'_, Self>,
        name: &CStr,
        source: &OwnedFd,
    ) -> Result<(Option<OwnedFd>, FolderPast), JobStop> {
        let path = || parent.branch.path_of(name);
        let facts = Facts::of(source, c"").map_err(|error| unreadable(&path(), error))?;
        let Some(facts) = facts.filter(|facts| self.is_of_mount(facts) && !is_tagged(source)) else {
            self.findings.exempt.fetch_add(1, Ordering::Relaxed);
            return Ok((None, FolderPast { skipped: true, ..FolderPast::default() }));
        };
        let past = self.start.folder(&facts, &parent.branch.note);
        let target = self.reopen(&parent.open.target, name)?;
        if let Some(folder) = &target
            && past.untouched
            && !past.moved
            && let Ok(Some(came)) = Facts::of(folder, c"")
        {
            let path = path();
            self.compare_rights(&Pair { live: source, came: None, name: c"", path: &path }, &facts, &came);
        }
        Ok((target, past))
    }

    fn reopen(&self, parent: &Option<OwnedFd>, name: &CStr) -> Result<Option<OwnedFd>, JobStop> {
        let Some(parent) = parent else { return Ok(None) };
        match open_folder(parent, name) {
            Ok(folder) => Ok(Some(folder)),
            Err(error) if is_gone(error) => Ok(None),
            Err(error) => Err(unreadable(name.to_bytes(), error)),
        }
    }

    fn entry(&self, place: &VisitedFolder<'_, Self>, name: &CStr, kind: FileType) -> Result<(), JobStop> {
        self.count()?;
        let past = &place.branch.note;
        if past.skipped || !matches!(kind, FileType::RegularFile | FileType::Symlink) {
            return Ok(());
        }
        let path = place.branch.path_of(name);
        if self.exemptions.has(&path) {
            self.findings.exempt.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let look = |folder: &OwnedFd| Facts::of(folder, name).map_err(|error| unreadable(&path, error));
        let live = look(&place.open.source)?.filter(|live| self.is_of_mount(live));
        let Some(live) = live else { return Ok(()) };
        let came = place.open.target.as_ref().map(look).transpose()?.flatten();
        let pair = Pair { live: &place.open.source, came: place.open.target.as_ref(), name, path: &path };
        self.file(&pair, past, &live, came.as_ref())
    }

    fn gone(&self, _path: &[u8]) {}

    fn leave(&self, _branch: &Branch<Self>, _target: &Option<OwnedFd>) -> Result<(), JobStop> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
