//! A parallel walk over a tree that somebody else may be changing.
//!
//! Folders are opened relative to their parents, never following a symlink, so a writer that swaps a folder for a
//! symlink cannot lead the walk outside. A folder is forgotten once everything below it is done, and files are not
//! remembered at all: memory grows with the folders still to visit, not with the entries of the tree. A big folder is
//! shared among the threads in batches.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::fs::{AtFlags, FileType, RawDir, statat};

use super::open::{is_gone, open_folder, unreadable};
use crate::model::lock::{into_inner, lock};
use crate::worker::job::JobStop;

/// Most threads: more only compete for the disk.
const MAX_THREADS: usize = 4;
/// Entries that are handed over at a time: enough to make it cheap, few enough to share a folder of a hundred files.
const BATCH: usize = 32;
/// Folders whose descriptors stay open while something below them is to be done. The others are opened again by name.
const MAX_KEPT: usize = 128;
/// A `getdents` buffer.
const LIST_BYTES: usize = 32 * 1024;

/// What is done with each entry of a walk.
pub trait Visitor: Sync + Sized {
    /// The counterpart of a folder, open (a copy's target).
    type Target: Send + Sync;
    /// What the visitor remembers of a folder until everything below it is done.
    type Note: Send + Sync;

    /// A folder is listed in its parent. Returns whether it is opened; if not, nothing below it is visited.
    fn list_folder(&self, _parent: &VisitedFolder<'_, Self>, _name: &CStr) -> Result<bool, JobStop> {
        Ok(true)
    }
    /// A folder was opened. Returns its counterpart and what to remember of it.
    fn enter(
        &self,
        parent: &VisitedFolder<'_, Self>,
        name: &CStr,
        source: &OwnedFd,
    ) -> Result<(Self::Target, Self::Note), JobStop>;
    /// Opens the counterpart of a folder again, which was entered before.
    fn reopen(&self, parent: &Self::Target, name: &CStr) -> Result<Self::Target, JobStop>;
    /// Visits an entry that is no folder.
    fn entry(&self, folder: &VisitedFolder<'_, Self>, name: &CStr, kind: FileType) -> Result<(), JobStop>;
    /// A folder that was listed in its parent has vanished.
    fn gone(&self, path: &[u8]);
    /// Everything below a folder is done.
    fn leave(&self, branch: &Branch<Self>, target: &Self::Target) -> Result<(), JobStop>;
}

/// A folder and its counterpart, both open.
pub struct Open<V: Visitor> {
    /// The folder.
    pub source: OwnedFd,
    /// Its counterpart.
    pub target: V::Target,
}

/// A folder that is being visited.
pub struct Branch<V: Visitor> {
    parent: Option<Arc<Branch<V>>>,
    name: CString,
    /// What the visitor remembers of it.
    pub note: V::Note,
    /// Its own listing, its batches and its folders that are not done yet.
    pending: AtomicUsize,
    kept: OnceLock<(Arc<Open<V>>, Slot)>,
}

/// A folder that is being visited, with its descriptors.
pub struct VisitedFolder<'a, V: Visitor> {
    /// The folder.
    pub branch: &'a Branch<V>,
    /// Its descriptors.
    pub open: &'a Open<V>,
}

impl<V: Visitor> Branch<V> {
    /// Its path, relative to the walk's root, which itself is empty.
    pub fn path(&self) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = self;
        while let Some(parent) = &at.parent {
            names.push(at.name.to_bytes());
            at = parent;
        }
        names.reverse();
        names.join(&b'/')
    }

    /// The path of an entry of this folder, relative to the walk's root.
    pub fn path_of(&self, name: &CStr) -> Vec<u8> {
        let mut path = self.path();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.to_bytes());
        path
    }
}

impl<V: Visitor> Drop for Branch<V> {
    /// A tree may be deeper than the stack: ancestors are dropped one after the other.
    fn drop(&mut self) {
        let mut parent = self.parent.take();
        while let Some(mut last) = parent.and_then(Arc::into_inner) {
            parent = last.parent.take();
        }
    }
}

/// One of the [`MAX_KEPT`] places for open descriptors.
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

enum Task<V: Visitor> {
    /// Visit this folder of `parent`, whose descriptors are at hand when it was just listed.
    Folder { parent: Arc<Branch<V>>, name: CString, at_hand: Option<Arc<Open<V>>> },
    /// Visit these entries.
    Batch { branch: Arc<Branch<V>>, open: Arc<Open<V>>, entries: Vec<(CString, FileType)> },
}

struct Queue<V: Visitor> {
    /// Batches are taken before folders, newest folders first: that keeps the number of open and waiting folders low.
    folders: Vec<Task<V>>,
    batches: VecDeque<Task<V>>,
    running: usize,
    stopped: Option<JobStop>,
}

struct Pool<'v, V: Visitor> {
    visitor: &'v V,
    threads: usize,
    queue: Mutex<Queue<V>>,
    wake: Condvar,
    kept: Arc<AtomicUsize>,
}

/// How many threads a walk uses here.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS)
}

/// Walks the tree below `source` with all its threads. The root itself is not entered, but it is left.
pub fn walk<V: Visitor>(
    visitor: &V,
    threads: usize,
    source: OwnedFd,
    target: V::Target,
    note: V::Note,
) -> Result<(), JobStop> {
    let kept = Arc::new(AtomicUsize::new(1));
    let open = Arc::new(Open { source, target });
    let root = Arc::new(Branch {
        parent: None,
        name: CString::default(),
        note,
        pending: AtomicUsize::new(1),
        kept: OnceLock::from((Arc::clone(&open), Slot(Arc::clone(&kept)))),
    });
    let queue = Queue { folders: Vec::new(), batches: VecDeque::new(), running: 1, stopped: None };
    let pool = Pool { visitor, threads, queue: Mutex::new(queue), wake: Condvar::new(), kept };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| pool.work());
        }
        // The root's listing counts as running, so the others wait for what it brings.
        pool.settle(pool.list(&root, &open));
        pool.work();
    });
    let stopped = into_inner(pool.queue).stopped;
    stopped.map_or(Ok(()), Err)
}

impl<V: Visitor> Pool<'_, V> {
    fn lock(&self) -> MutexGuard<'_, Queue<V>> {
        lock(&self.queue)
    }

    fn work(&self) {
        loop {
            let task = {
                let mut queue = self.lock();
                loop {
                    if queue.stopped.is_some() {
                        return;
                    }
                    if let Some(task) = queue.batches.pop_front().or_else(|| queue.folders.pop()) {
                        queue.running += 1;
                        break task;
                    }
                    if queue.running == 0 {
                        return;
                    }
                    queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
            };
            self.settle(self.perform(task));
        }
    }

    /// Ends a task, going on with the one it leads to.
    fn settle(&self, mut result: Result<Option<Task<V>>, JobStop>) {
        let stop = loop {
            match result {
                Ok(Some(_)) if self.lock().stopped.is_some() => break None,
                Ok(Some(next)) => result = self.perform(next),
                Ok(None) => break None,
                Err(stop) => break Some(stop),
            }
        };
        let mut queue = self.lock();
        queue.running -= 1;
        if queue.stopped.is_none() {
            queue.stopped = stop;
        }
        if queue.stopped.is_some() || queue.running == 0 {
            self.wake.notify_all();
        }
    }

    fn perform(&self, task: Task<V>) -> Result<Option<Task<V>>, JobStop> {
        match task {
            Task::Batch { branch, open, entries } => {
                self.entries(&branch, &open, &entries)?;
                self.finish(branch)?;
                Ok(None)
            }
            Task::Folder { parent, name, at_hand } => {
                let Some((source, parent_open)) = self.open_below(&parent, &name, at_hand)? else {
                    self.visitor.gone(&parent.path_of(&name));
                    self.finish(parent)?;
                    return Ok(None);
                };
                let place = VisitedFolder { branch: &parent, open: &parent_open };
                let (target, note) = self.visitor.enter(&place, &name, &source)?;
                let open = Arc::new(Open { source, target });
                let branch = Arc::new(Branch {
                    parent: Some(parent),
                    name,
                    note,
                    pending: AtomicUsize::new(1),
                    kept: OnceLock::new(),
                });
                self.keep(&branch, &open);
                self.list(&branch, &open)
            }
        }
    }

    /// Keeps a folder's descriptors open while there is something to do below it, if there is room.
    fn keep(&self, branch: &Branch<V>, open: &Arc<Open<V>>) {
        if self.kept.fetch_add(1, Ordering::Relaxed) < MAX_KEPT {
            let slot = Slot(Arc::clone(&self.kept));
            // Fresh branch: nobody else has set it.
            let _ = branch.kept.set((Arc::clone(open), slot));
        } else {
            self.kept.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Opens a folder of `parent`; `None` when it is gone.
    #[expect(clippy::type_complexity, reason = "two descriptors and whether they are there")]
    fn open_below(
        &self,
        parent: &Arc<Branch<V>>,
        name: &CStr,
        at_hand: Option<Arc<Open<V>>>,
    ) -> Result<Option<(OwnedFd, Arc<Open<V>>)>, JobStop> {
        let open = match at_hand {
            Some(open) => open,
            None => match self.reach(parent)? {
                Some(open) => open,
                None => return Ok(None),
            },
        };
        match open_folder(&open.source, name) {
            Ok(source) => Ok(Some((source, open))),
            Err(error) if is_gone(error) => Ok(None),
            Err(error) => Err(unreadable(&parent.path_of(name), error)),
        }
    }

    /// Opens a folder that was visited before, from the nearest ancestor that is still open; `None` when it is gone.
    fn reach(&self, branch: &Arc<Branch<V>>) -> Result<Option<Arc<Open<V>>>, JobStop> {
        let (mut open, below) = nearest(branch);
        for step in below.into_iter().rev() {
            let source = match open_folder(&open.source, step.name.as_c_str()) {
                Ok(source) => source,
                Err(error) if is_gone(error) => return Ok(None),
                Err(error) => return Err(unreadable(&step.path(), error)),
            };
            let target = self.visitor.reopen(&open.target, &step.name)?;
            open = Arc::new(Open { source, target });
        }
        Ok(Some(open))
    }

    /// Lists a folder, sharing its entries; returns the folder of it to go on with.
    fn list(&self, branch: &Arc<Branch<V>>, open: &Arc<Open<V>>) -> Result<Option<Task<V>>, JobStop> {
        let mut buffer = Vec::with_capacity(LIST_BYTES);
        let buffer: &mut [MaybeUninit<u8>] = buffer.spare_capacity_mut();
        let mut listing = RawDir::new(&open.source, buffer);
        let mut entries = Vec::new();
        let mut folders = Vec::new();
        while let Some(next) = listing.next() {
            let entry = match next {
                Ok(entry) => entry,
                Err(error) if is_gone(error) => break,
                Err(error) => return Err(unreadable(&branch.path(), error)),
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => match statat(&open.source, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(_) => FileType::RegularFile,
                },
                kind => kind,
            };
            if kind == FileType::Directory {
                if self.visitor.list_folder(&VisitedFolder { branch, open }, name)? {
                    folders.push(name.to_owned());
                }
                continue;
            }
            entries.push((name.to_owned(), kind));
            if entries.len() == BATCH {
                self.share(branch, open, std::mem::take(&mut entries))?;
            }
        }
        // The last folder is gone on with from here, where its parent is open; the others are for whoever is free.
        let last = folders.pop();
        branch.pending.fetch_add(folders.len() + usize::from(last.is_some()), Ordering::Relaxed);
        if !folders.is_empty() {
            let mut queue = self.lock();
            let parent = || Arc::clone(branch);
            queue.folders.extend(folders.into_iter().rev().map(|name| Task::Folder {
                parent: parent(),
                name,
                at_hand: None,
            }));
            self.wake.notify_all();
        }
        self.entries(branch, open, &entries)?;
        self.finish(Arc::clone(branch))?;
        Ok(last.map(|name| Task::Folder { parent: Arc::clone(branch), name, at_hand: Some(Arc::clone(open)) }))
    }

    /// Gives a batch to whoever is free, or does it here when enough are waiting.
    fn share(
        &self,
        branch: &Arc<Branch<V>>,
        open: &Arc<Open<V>>,
        entries: Vec<(CString, FileType)>,
    ) -> Result<(), JobStop> {
        if self.threads > 1 {
            let mut queue = self.lock();
            if queue.stopped.is_some() {
                // The first reason to stop stands; this one only ends the listing.
                return Err(JobStop::Enough);
            }
            if queue.batches.len() < 2 * self.threads {
                branch.pending.fetch_add(1, Ordering::Relaxed);
                queue.batches.push_back(Task::Batch { branch: Arc::clone(branch), open: Arc::clone(open), entries });
                self.wake.notify_one();
                return Ok(());
            }
        }
        self.entries(branch, open, &entries)
    }

    fn entries(&self, branch: &Branch<V>, open: &Open<V>, entries: &[(CString, FileType)]) -> Result<(), JobStop> {
        let place = VisitedFolder { branch, open };
        entries.iter().try_for_each(|(name, kind)| self.visitor.entry(&place, name, *kind))
    }

    /// One thing less to do in a folder; leaves it when that was the last, and so its parents.
    fn finish(&self, mut branch: Arc<Branch<V>>) -> Result<(), JobStop> {
        while branch.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            let (open, below) = nearest(&branch);
            let mut target = None;
            for step in below.iter().rev() {
                target = Some(self.visitor.reopen(target.as_ref().unwrap_or(&open.target), &step.name)?);
            }
            self.visitor.leave(&branch, target.as_ref().unwrap_or(&open.target))?;
            let Some(parent) = branch.parent.clone() else { break };
            branch = parent;
        }
        Ok(())
    }
}

/// The nearest folder at or above that is open, and the steps from there, nearest last.
fn nearest<V: Visitor>(branch: &Branch<V>) -> (Arc<Open<V>>, Vec<&Branch<V>>) {
    let mut below = Vec::new();
    let mut at = branch;
    loop {
        if let Some((open, _)) = at.kept.get() {
            return (Arc::clone(open), below);
        }
        below.push(at);
        at = at.parent.as_deref().expect("the root is always kept open");
    }
}
