//! Copies the content of one file: shared with the source where the file system can, copied by the kernel where it
//! can, else read and written. Holes stay holes.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{SeekFrom, Stat, copy_file_range, ftruncate, ioctl_ficlone, seek};
use rustix::io::{Errno, pread, pwrite};

use super::digest::{Digest, Digester};
use super::stat::{allocated, content_bytes, size};
use crate::worker::job::{JobControl, JobStop};

/// Content up to this many bytes goes through a buffer: that is quicker than setting up a copy in the kernel.
const BUFFER: usize = 128 * 1024;
/// Bytes that the kernel copies at a time, so that a cancelled job ends soon and a slow one is seen to move.
const CHUNK: u64 = 4 * 1024 * 1024;

/// Which side of a copy an error is about.
#[derive(Debug)]
pub enum CopyTrouble {
    /// Reading.
    Source(Errno),
    /// Writing.
    Target(Errno),
    /// The job was stopped.
    Stop(JobStop),
}

/// What has failed for one file on these file systems and is not tried for the others.
#[derive(Debug, Default)]
pub struct Unsupported {
    reflink: AtomicBool,
    in_kernel: AtomicBool,
}

/// Copies what `source` held when `stat` was taken into `target`, an empty file. A file that shrinks meanwhile ends
/// short, and one that grows is cut; the caller has to notice both. With `note`, returns the digest of what was read,
/// unless the kernel copied any of it.
pub fn copy_content(
    source: &OwnedFd,
    target: &OwnedFd,
    stat: &Stat,
    unsupported: &Unsupported,
    note: bool,
    control: &JobControl,
) -> Result<Option<Digest>, CopyTrouble> {
    let size = size(stat);
    if size == 0 {
        return Ok(None);
    }
    if !unsupported.reflink.load(Ordering::Relaxed) {
        match ioctl_ficlone(target, source) {
            Ok(()) => {
                control.add(0, content_bytes(stat));
                return Ok(None);
            }
            // Only this file: it may be open for swapping or be kept without checksums.
            Err(Errno::INVAL | Errno::TXTBSY | Errno::PERM) => {}
            Err(Errno::NOSPC) => return Err(CopyTrouble::Target(Errno::NOSPC)),
            Err(_) => unsupported.reflink.store(true, Ordering::Relaxed),
        }
    }
    let digester = note.then(Digester::default);
    let mut copy = Ranges { source, target, unsupported, control, budget: content_bytes(stat), digester };
    if allocated(stat) >= size {
        // A file without holes: its size was counted as its content.
        copy.range(0, size)?;
    } else {
        let mut at = 0;
        while at < size {
            let Some((data, hole)) = next_data(source, at, size).map_err(CopyTrouble::Source)? else { break };
            if !copy.range(data, hole)? {
                copy.budget = 0;
                break;
            }
            at = hole;
        }
        ftruncate(target, size).map_err(CopyTrouble::Target)?;
        // Count as the scan does: it counts blocks that belong to the file and hold no data of it.
        control.add(0, copy.budget);
    }
    Ok(copy.digester.map(Digester::finish))
}

/// The next range of data in a file of `size` bytes, at or after `at`; `None` when there is only a hole up to the
/// end.
pub fn next_data(file: &OwnedFd, at: u64, size: u64) -> Result<Option<(u64, u64)>, Errno> {
    let data = match seek(file, SeekFrom::Data(at)) {
        Ok(data) if data < size => data,
        // Nothing but a hole up to the end.
        Ok(_) | Err(Errno::NXIO) => return Ok(None),
        // The file system knows no holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => at,
        Err(error) => return Err(error),
    };
    let hole = match seek(file, SeekFrom::Hole(data)) {
        Ok(hole) => hole.min(size),
        Err(Errno::NXIO | Errno::INVAL | Errno::OPNOTSUPP) => size,
        Err(error) => return Err(error),
    };
    // The next call goes on after this range, whatever the file system says of a file that is written to.
    Ok(Some((data, hole.max(data + 1))))
}

struct Ranges<'a> {
    source: &'a OwnedFd,
    target: &'a OwnedFd,
    unsupported: &'a Unsupported,
    control: &'a JobControl,
    /// Bytes of content that were not reported yet.
    budget: u64,
    /// `None` once any of the content was not read but copied by the kernel.
    digester: Option<Digester>,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

impl Ranges<'_> {
    /// Copies a range; false when the source ended before it.
    fn range(&mut self, from: u64, to: u64) -> Result<bool, CopyTrouble> {
        if to - from > BUFFER as u64 && !self.unsupported.in_kernel.load(Ordering::Relaxed) {
            self.in_kernel(from, to)
        } else {
            self.through_buffer(from, to)
        }
    }

    fn done(&mut self, bytes: u64) -> Result<(), CopyTrouble> {
        let report = bytes.min(self.budget);
        self.budget -= report;
        self.control.add(0, report);
        self.control.beat().map_err(CopyTrouble::Stop)
    }

    fn in_kernel(&mut self, from: u64, to: u64) -> Result<bool, CopyTrouble> {
        let mut at = from;
        while at < to {
            let (mut read, mut write) = (at, at);
            let want = usize::try_from((to - at).min(CHUNK)).unwrap_or(usize::MAX);
            match copy_file_range(self.source, Some(&mut read), self.target, Some(&mut write), want) {
                // Nothing copied can mean the end, or a file system that pretends to know the call.
                Ok(0) => return self.through_buffer(at, to),
                Ok(copied) => {
                    self.digester = None;
                    at += copied as u64;
                    self.done(copied as u64)?;
                }
                Err(Errno::INTR) => {}
                Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => return Err(CopyTrouble::Target(error)),
                Err(error) => {
                    if matches!(error, Errno::XDEV | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) {
                        self.unsupported.in_kernel.store(true, Ordering::Relaxed);
                    }
                    // The call does not say which side failed; reading and writing do.
                    return self.through_buffer(at, to);
                }
            }
        }
        Ok(true)
    }

    fn through_buffer(&mut self, from: u64, to: u64) -> Result<bool, CopyTrouble> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut at = from;
            while at < to {
                let want = usize::try_from(to - at).unwrap_or(usize::MAX).min(scratch.len());
                let got = match pread(self.source, &mut scratch[..want], at) {
                    Ok(0) => return Ok(false),
                    Ok(got) => got,
                    Err(Errno::INTR) => continue,
                    Err(error) => return Err(CopyTrouble::Source(error)),
                };
                if let Some(digester) = &mut self.digester {
                    digester.add(at, &scratch[..got]);
                }
                let mut written = 0;
                while written < got {
                    match pwrite(self.target, &scratch[written..got], at + written as u64) {
                        Ok(count) => written += count,
                        Err(Errno::INTR) => {}
                        Err(error) => return Err(CopyTrouble::Target(error)),
                    }
                }
                at += got as u64;
                self.done(got as u64)?;
            }
            Ok(true)
        })
    }
}
