//! Reads a part of a far repository through `restic mount`.
//!
//! `restic dump` fetches one piece of a file after the other, and waits for the way to the repository and back each
//! time. The mount takes many readers: some read ahead, into the cache of restic and of the kernel, and one packs the
//! files in their order. A mount needs FUSE; where it does not come up, the caller uses `dump`, which also finds the
//! error's cause.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use super::repository::Repository;
use crate::archive::Kind;
use crate::archive::open::open_quietly;
use crate::archive::write::{self, PackError, PackOptions, PackSummary};
use crate::model::lock::lock;
use crate::source::error::SourceError;
use crate::source::tool::{RunFolder, RunningTool};

use rustix::fs::{CWD, Mode, OFlags, openat};

/// Readers that read ahead.
const READERS: usize = 16;
/// Bytes of a file that one reader reads at a time.
const PIECE: u64 = 1024 * 1024;
/// Most bytes that are read ahead. Restic keeps 64 MiB of contents in memory, of which some are of folders.
const AHEAD: u64 = 32 * 1024 * 1024;
/// Most pieces that wait for a reader.
const QUEUE: usize = 1024;
/// How often the mount is looked at while it is not there yet, and restic while it serves.
const LOOK: Duration = Duration::from_millis(50);

/// A mounted repository. It is unmounted when this value is dropped.
pub struct Mounted {
    running: RunningTool,
    root: PathBuf,
}

/// The end of packing: what the packer says, and what the receiver of the archive has returned.
pub struct Packed<T> {
    pub summary: Result<PackSummary, PackError>,
    pub received: T,
}

impl Mounted {
    /// Mounts the repository in the run's folder and waits until the snapshot is there. `None`: restic cannot mount
    /// anything here.
    pub fn start(repository: &Repository, folder: &RunFolder, id: &str) -> Result<Option<Mounted>, SourceError> {
        let Ok(point) = folder.mount_point() else { return Ok(None) };
        let mut call = repository.call()?.args(["mount"]);
        if let Some(backend) = repository.backend() {
            call = call.args(["-o".to_owned(), format!("{backend}.connections={READERS}")]);
        }
        let mut running = call.args([&point]).start()?;
        let root = point.join("ids").join(id.get(..8).unwrap_or(id));
        while !root.is_dir() {
            if !running.attend(LOOK, false).map_err(|error| repository.overdue(error))? {
                let end = running.finish().map_err(|error| repository.overdue(error))?;
                tracing::debug!("restic mounts nothing here, so its dump is used: {}", end.told());
                return Ok(None);
            }
        }
        Ok(Some(Mounted { running, root }))
    }

    /// Packs what is at and below `path` of the snapshot, and gives `receive` the archive. An error: restic took too
    /// long and was stopped.
    pub fn pack<T>(self, path: &[u8], receive: impl FnOnce(&mut dyn Read) -> T) -> Result<Packed<T>, SourceError> {
        let Mounted { running, root } = self;
        let root = root.join(Path::new(std::ffi::OsStr::from_bytes(path)));
        let no_pipe = |error: io::Error| SourceError::ToolFailed(format!("no pipe can be made: {error}"));
        let (mut archive, out) = io::pipe().map_err(no_pipe)?;
        let (pieces, waiting) = mpsc::sync_channel(QUEUE);
        let (course, waiting) = (Course::default(), Mutex::new(waiting));
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let packer = scope.spawn(|| {
                let options = PackOptions { prefix: path.to_vec(), wanted: Vec::new() };
                let summary = write::pack(&root, &options, Counted { out, course: &course });
                course.end();
                summary
            });
            let ahead: Vec<_> = (0..READERS).map(|_| scope.spawn(|| course.read_ahead(&root, &waiting))).collect();
            let lister = scope.spawn(|| course.list(&root, pieces));
            let (progress, stop) = (&course, &is_over);
            let watch = scope.spawn(move || attend(running, progress, stop));
            let received = receive(&mut archive);
            // The packer ends when nobody reads any more.
            drop(archive);
            let summary = packer.join();
            for reader in ahead {
                // A reader's panic is no statement about the backup: the packer reads everything itself.
                let _ = reader.join();
            }
            let _ = lister.join();
            is_over.store(true, Ordering::Release);
            let watched = watch.join();
            let panicked = || SourceError::ToolFailed("reading the mounted repository panicked".to_owned());
            watched.map_err(|_| panicked())??;
            Ok(Packed { summary: summary.map_err(|_| panicked())?, received })
        })
    }
}

/// Lets restic serve the mount until nobody needs it any more, and ends restic.
fn attend(mut running: RunningTool, course: &Course, is_over: &AtomicBool) -> Result<(), SourceError> {
    let mut before = 0;
    while !is_over.load(Ordering::Acquire) {
        let packed = course.packed();
        if !running.attend(LOOK, packed != before)? {
            break;
        }
        before = packed;
    }
    let ended = running.interrupt();
    ended.map(drop).map_err(|error| SourceError::ToolFailed(format!("waiting for restic to end: {error}")))
}

/// How far the packer and those who read ahead are.
#[derive(Default)]
struct Course {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    /// Bytes of archive that were written.
    packed: u64,
    /// Bytes that were read ahead, or are being read.
    ahead: u64,
    /// The packer has ended.
    is_over: bool,
}

/// A piece of a file to be read ahead.
struct Piece {
    path: Vec<u8>,
    offset: u64,
    length: u64,
}

impl Course {
    fn packed(&self) -> u64 {
        lock(&self.state).packed
    }

    fn end(&self) {
        lock(&self.state).is_over = true;
        self.moved.notify_all();
    }

    /// Lists the pieces of all files in the order in which they are packed.
    fn list(&self, root: &Path, pieces: SyncSender<Piece>) {
        let mut is_wanted = true;
        // The packer tells what cannot be read.
        let _ = write::list(root, &mut |entry| {
            let mut offset = 0;
            while is_wanted && entry.kind == Kind::File && offset < entry.size {
                let length = PIECE.min(entry.size - offset);
                is_wanted = pieces.send(Piece { path: entry.path.clone(), offset, length }).is_ok();
                offset += length;
            }
        });
    }

    /// Reads pieces, at most [`AHEAD`] bytes before the packer, until there are none or the packer has ended.
    fn read_ahead(&self, root: &Path, waiting: &Mutex<Receiver<Piece>>) {
        let Ok(folder) = openat(CWD, root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) else {
            return;
        };
        let mut buffer = vec![0; usize::try_from(PIECE).unwrap_or_default()];
        loop {
            let Ok(piece) = lock(waiting).recv() else { return };
            if !self.is_next(piece.length) {
                return;
            }
            // Only the caches matter here. The packer reads the file once more and tells if it cannot.
            let Ok(name) = std::ffi::CString::new(piece.path) else { continue };
            if let Ok(file) = open_quietly(&folder, &name, OFlags::empty()) {
                let length = usize::try_from(piece.length).unwrap_or_default();
                let _ = File::from(file).read_at(&mut buffer[..length], piece.offset);
            }
        }
    }

    /// Waits until a piece may be read. False: the packer has ended.
    fn is_next(&self, length: u64) -> bool {
        let too_far = |state: &mut State| !state.is_over && state.ahead > state.packed + AHEAD;
        let state = self.moved.wait_while(lock(&self.state), too_far);
        let mut state = state.unwrap_or_else(std::sync::PoisonError::into_inner);
        state.ahead += length;
        !state.is_over
    }
}

/// The archive on its way to the receiver; counts its bytes.
struct Counted<'a, W> {
    out: W,
    course: &'a Course,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        lock(&self.course.state).packed += written as u64;
        self.course.moved.notify_all();
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_ahead_stays_near_to_what_is_packed() {
        let course = Course::default();
        assert!(course.is_next(AHEAD) && course.is_next(1));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| course.is_next(1));
            lock(&course.state).packed += 1;
            course.moved.notify_all();
            assert!(waits.join().expect("it ends"));
            let waits = scope.spawn(|| course.is_next(1));
            course.end();
            assert!(!waits.join().expect("it ends"), "nobody needs it any more");
        });
    }

    #[test]
    fn the_pieces_of_a_file_cover_it() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("large"), vec![1; 2 * 1024 * 1024 + 1]).expect("written");
        std::fs::write(dir.path().join("empty"), "").expect("written");
        let (pieces, waiting) = mpsc::sync_channel(QUEUE);
        Course::default().list(dir.path(), pieces);
        let found: Vec<(u64, u64)> = waiting.iter().map(|piece| (piece.offset, piece.length)).collect();
        assert_eq!(found, [(0, PIECE), (PIECE, PIECE), (2 * PIECE, 1)]);
    }
}
