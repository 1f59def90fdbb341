//! A private view of a database that SQLite has to recover before it can read it: a copy of the files that recovery
//! writes to, beside all others that it needs.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, fstat, futimens, linkat, mkdirat, openat, unlinkat,
};
use rustix::io::Errno;

use super::files::beside;
use crate::model::units;
use crate::worker::fs::content::{CopyTrouble, Unsupported, copy_content};
use crate::worker::fs::open::{error_text, is_gone, open_quietly, unreadable, unwritable};
use crate::worker::fs::space::free_bytes;
use crate::worker::fs::stat::allocated;
use crate::worker::job::{JobControl, JobStop};

/// The database's name in its view.
const MAIN: &str = "db";
/// Endings of the files that may lie beside it.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];
/// Most names that are tried for a view.
const NAMES: u32 = 100;

/// Why there is no view.
pub enum NoView {
    /// The job ends.
    Stop(JobStop),
    /// The database cannot be checked, for this reason.
    Because(String),
}

impl From<JobStop> for NoView {
    fn from(stop: JobStop) -> NoView {
        NoView::Stop(stop)
    }
}

/// A hidden folder with a database in it; removed when it is dropped.
pub struct View {
    root: OwnedFd,
    /// The root's times, which the view must not change.
    times: Timestamps,
    scratch: PathBuf,
    name: String,
    open: bool,
}

/// The database that a view shows.
#[derive(Clone, Copy)]
pub struct ViewOf<'a> {
    /// Where it lies.
    pub path: &'a Path,
    /// Its name in messages.
    pub name: &'a [u8],
    /// SQLite will write to the view's database; else it only reads it.
    pub recover: bool,
    /// The database is Rehearsa's own copy. Else it gets no second name: that would give it a new time of change.
    pub own: bool,
}

impl View {
    /// Makes a view in the folder `scratch`, where `keep_free` bytes stay free.
    pub fn make(of: ViewOf<'_>, scratch: &str, keep_free: u64, control: &JobControl) -> Result<View, NoView> {
        let because =
            |error: Errno| NoView::Because(format!("there is no scratch room to recover it in: {}", error_text(error)));
        let root = open_quietly(CWD, scratch, OFlags::DIRECTORY).map_err(because)?;
        let mut view = View::begin(root, scratch).map_err(because)?;
        let made = view.fill(of, keep_free, control);
        if let Err(error) = made {
            view.clear()?;
            return Err(error);
        }
        Ok(view)
    }

    fn begin(root: OwnedFd, scratch: &str) -> Result<View, Errno> {
        let stat = fstat(&root)?;
        #[allow(clippy::unnecessary_cast, reason = "the types of a stat's fields differ between architectures")]
        let times = Timestamps {
            last_access: Timespec { tv_sec: stat.st_atime as i64, tv_nsec: stat.st_atime_nsec as _ },
            last_modification: Timespec { tv_sec: stat.st_mtime as i64, tv_nsec: stat.st_mtime_nsec as _ },
        };
        // The data may have such a name, too.
        for number in 0..NAMES {
            let name = format!(".rehearsa-view-{number}");
            match mkdirat(&root, name.as_str(), Mode::RWXU) {
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(View { root, times, scratch: PathBuf::from(scratch), name, open: true }),
            }
        }
        Err(Errno::EXIST)
    }

    fn fill(&self, of: ViewOf<'_>, keep_free: u64, control: &JobControl) -> Result<(), NoView> {
        let ViewOf { path, name, recover, own } = of;
        // A second name of the database is enough to read it; there is none across file systems and mounts.
        let linked = own && !recover && linkat(CWD, path, CWD, self.main(), AtFlags::empty()).is_ok();
        if !linked {
            self.copy(path, &self.main(), name, keep_free, control)?;
        }
        let brought = if recover { &["-wal", "-journal"][..] } else { &["-wal"] };
        for suffix in brought {
            self.copy(&beside(path, suffix), &beside(&self.main(), suffix), name, keep_free, control)?;
        }
        Ok(())
    }

    fn copy(&self, from: &Path, to: &Path, name: &[u8], keep_free: u64, control: &JobControl) -> Result<(), NoView> {
        let source = match open_quietly(CWD, from, OFlags::empty()) {
            Ok(source) => source,
            Err(error) if is_gone(error) => return Ok(()),
            Err(error) => return Err(unreadable(name, error).into()),
        };
        let stat = fstat(&source).map_err(|error| unreadable(name, error))?;
        let free = free_bytes(&self.root).map_err(|error| unreadable(b"", error))?;
        let needed = allocated(&stat);
        if needed.saturating_add(keep_free) > free {
            let why = format!(
                "recovering it needs {} of scratch room, and {} are free, of which {} stay so",
                units::bytes(needed),
                units::bytes(free),
                units::bytes(keep_free)
            );
            return Err(NoView::Because(why));
        }
        let target = openat(
            CWD,
            to,
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::RUSR | Mode::WUSR,
        );
        let because = |error| NoView::Because(format!("its scratch copy could not be written: {}", error_text(error)));
        let target = target.map_err(because)?;
        let copied = copy_content(&source, &target, &stat, &Unsupported::default(), false, control);
        copied.map(drop).map_err(|trouble| match trouble {
            CopyTrouble::Source(error) => unreadable(name, error).into(),
            CopyTrouble::Target(error) => because(error),
            CopyTrouble::Stop(stop) => stop.into(),
        })
    }

    /// The database.
    pub fn main(&self) -> PathBuf {
        self.scratch.join(&self.name).join(MAIN)
    }

    /// Removes the view. A view that cannot be removed is an error: a service would boot on it.
    pub fn remove(mut self) -> Result<(), JobStop> {
        self.clear()
    }

    fn clear(&mut self) -> Result<(), JobStop> {
        if !std::mem::take(&mut self.open) {
            return Ok(());
        }
        let main = self.main();
        let files = std::iter::once(main.clone()).chain(BESIDE.iter().map(|suffix| beside(&main, suffix)));
        // Each file is removed, even when one before could not be.
        let mut result = Ok(());
        for path in files {
            match unlinkat(CWD, path, AtFlags::empty()) {
                Err(error) if error != Errno::NOENT => result = Err(error),
                _ => {}
            }
        }
        result = result.and(unlinkat(&self.root, self.name.as_str(), AtFlags::REMOVEDIR));
        result = futimens(&self.root, &self.times).and(result);
        result.map_err(|error| unwritable(&self.root, self.name.as_bytes(), error).into())
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // Comes here only after a panic of the check: then the job fails, and no service boots on what is left.
        let _ = self.clear();
    }
}
