//! One walk through a tree that is only read, and several observers that it shows everything to.

use std::cell::OnceCell;
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Stat, statat};

use super::open::{is_gone, unreadable};
use super::walk::{Branch, VisitedFolder, Visitor, threads, walk};
use crate::worker::job::{JobControl, JobStop};

/// Sees the entries of a tree, from several threads at once.
pub trait TreeObserver: Sync {
    /// How many folders may lie between the root and an entry that this observer sees; 0: only what the root lists.
    fn depth(&self) -> usize {
        usize::MAX
    }

    /// Sees an entry, which may be a folder. Entries come in no order, but a folder before what is in it.
    /// [`JobStop::Enough`] ends the walk for all observers.
    fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop>;
}

/// An entry that the walk has come to.
pub struct SeenEntry<'a> {
    /// The folder that lists it, open.
    pub folder: &'a OwnedFd,
    /// Its name there.
    pub name: &'a CStr,
    /// What the folder's listing says that it is.
    pub kind: FileType,
    /// How many folders lie between the root and it.
    pub depth: usize,
    find_path: &'a dyn Fn() -> Vec<u8>,
    path: OnceCell<Vec<u8>>,
    /// `None` inside: it is gone.
    stat: OnceCell<Option<Stat>>,
}

impl SeenEntry<'_> {
    /// Its path, relative to the walk's root.
    pub fn path(&self) -> &[u8] {
        self.path.get_or_init(self.find_path)
    }

    /// Its metadata, of a symlink its own; asked of the kernel once. `None`: it has vanished.
    pub fn stat(&self) -> Result<Option<&Stat>, JobStop> {
        if let Some(stat) = self.stat.get() {
            return Ok(stat.as_ref());
        }
        let stat = match statat(self.folder, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(stat),
            Err(error) if is_gone(error) => None,
            Err(error) => return Err(unreadable(self.path(), error)),
        };
        Ok(self.stat.get_or_init(|| stat).as_ref())
    }
}

/// Walks the tree below the folder `root` and shows each entry to `observers`; 0 for `max_entries` is no bound. Returns
/// false when there is more than that, or when an observer had enough.
pub fn observe(
    root: OwnedFd,
    observers: &[&dyn TreeObserver],
    max_entries: u64,
    control: &JobControl,
) -> Result<bool, JobStop> {
    let walked = ObservedWalk { observers, max_entries, entries: AtomicU64::new(0), control };
    match walk(&walked, threads(), root, (), 0) {
        Ok(()) => Ok(true),
        Err(JobStop::Enough) => Ok(false),
        Err(stop) => Err(stop),
    }
}

struct ObservedWalk<'a> {
    observers: &'a [&'a dyn TreeObserver],
    max_entries: u64,
    entries: AtomicU64,
    control: &'a JobControl,
}

impl ObservedWalk<'_> {
    fn show(&self, folder: &VisitedFolder<'_, Self>, name: &CStr, kind: FileType) -> Result<(), JobStop> {
        self.control.beat()?;
        let entries = self.entries.fetch_add(1, Ordering::Relaxed) + 1;
        if self.max_entries > 0 && entries > self.max_entries {
            return Err(JobStop::Enough);
        }
        let depth = folder.branch.note;
        let entry = SeenEntry {
            folder: &folder.open.source,
            name,
            kind,
            depth,
            find_path: &|| folder.branch.path_of(name),
            path: OnceCell::new(),
            stat: OnceCell::new(),
        };
        let mut observers = self.observers.iter().filter(|observer| observer.depth() >= depth);
        observers.try_for_each(|observer| observer.see(&entry))
    }
}

impl Visitor for ObservedWalk<'_> {
    type Target = ();
    /// How many folders lie between the root and what is in this folder.
    type Note = usize;

    fn list_folder(&self, parent: &VisitedFolder<'_, Self>, name: &CStr) -> Result<bool, JobStop> {
        self.show(parent, name, FileType::Directory)?;
        Ok(self.observers.iter().any(|observer| observer.depth() > parent.branch.note))
    }

    fn enter(&self, parent: &VisitedFolder<'_, Self>, _name: &CStr, _source: &OwnedFd) -> Result<((), usize), JobStop> {
        Ok(((), parent.branch.note + 1))
    }

    fn reopen(&self, _parent: &(), _name: &CStr) -> Result<(), JobStop> {
        Ok(())
    }

    fn entry(&self, folder: &VisitedFolder<'_, Self>, name: &CStr, kind: FileType) -> Result<(), JobStop> {
        self.show(folder, name, kind)
    }

    fn gone(&self, _path: &[u8]) {}

    fn leave(&self, _branch: &Branch<Self>, _target: &()) -> Result<(), JobStop> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::model::lock::lock;
    use crate::worker::fs::root::open_root;
    use crate::worker::protocol::RootKind;

    /// Notes the paths that it sees, no deeper than it is told.
    struct Paths(usize, Mutex<Vec<String>>);

    impl TreeObserver for Paths {
        fn depth(&self) -> usize {
            self.0
        }

        fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
            assert!(entry.stat()?.is_some());
            lock(&self.1).push(String::from_utf8_lossy(entry.path()).into_owned());
            Ok(())
        }
    }

    fn watch(root: &std::path::Path, depths: &[usize], max_entries: u64) -> (bool, Vec<Vec<String>>) {
        let paths: Vec<Paths> = depths.iter().map(|depth| Paths(*depth, Mutex::default())).collect();
        let observers: Vec<&dyn TreeObserver> = paths.iter().map(|paths| paths as &dyn TreeObserver).collect();
        let root = open_root(root.to_str().unwrap(), RootKind::Folder).unwrap();
        let complete = observe(root, &observers, max_entries, &JobControl::default()).unwrap();
        let sorted = |paths: Paths| {
            let mut paths = paths.1.into_inner().unwrap();
            paths.sort();
            paths
        };
        (complete, paths.into_iter().map(sorted).collect())
    }

    #[test]
    fn each_observer_sees_as_deep_as_it_asks() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
        std::fs::write(dir.path().join("a/b/c/file"), "").unwrap();
        std::fs::write(dir.path().join("top"), "").unwrap();
        let (complete, seen) = watch(dir.path(), &[0, 1, usize::MAX], 0);
        assert!(complete);
        assert_eq!(seen[0], ["a", "top"]);
        assert_eq!(seen[1], ["a", "a/b", "top"]);
        assert_eq!(seen[2], ["a", "a/b", "a/b/c", "a/b/c/file", "top"]);
        assert_eq!(watch(dir.path(), &[], 0), (true, vec![]));
    }

    #[test]
    fn a_walk_ends_at_its_bound() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..100 {
            std::fs::write(dir.path().join(number.to_string()), "").unwrap();
        }
        assert!(watch(dir.path(), &[0], 100).0);
        let (complete, seen) = watch(dir.path(), &[0], 99);
        assert!(!complete && seen[0].len() == 99, "{seen:?}");
    }
}
