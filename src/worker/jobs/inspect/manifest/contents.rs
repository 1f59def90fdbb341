//! Compares what files hold: with a digest that was noted, or side by side with the file that a copy was made of.

use std::cell::RefCell;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;

use rustix::fs::{Advice, Stat, fadvise};
use rustix::io::{Errno, pread};

use crate::worker::fs::content::next_data;
use crate::worker::fs::digest::{Digest, Digester};
use crate::worker::fs::stat::{allocated, size};
use crate::worker::job::JobStop;

/// Bytes that are read of a file at a time.
const PIECE: usize = 256 * 1024;

/// Why contents could not be compared.
#[derive(Debug)]
pub enum Unread {
    /// The file of the volume could not be read.
    Copy(Errno),
    /// The file that it was copied from could not be read.
    Source(Errno),
    /// The job was stopped.
    Stop(JobStop),
}

thread_local! {
    static PIECES: RefCell<[Vec<u8>; 2]> = RefCell::new([vec![0; PIECE], vec![0; PIECE]]);
}

/// Reads a file of the volume and returns its digest. `progress` hears how many bytes were read, and may stop.
pub fn digest_file(
    file: &OwnedFd,
    stat: &Stat,
    progress: &dyn Fn(u64) -> Result<(), JobStop>,
) -> Result<Digest, Unread> {
    forget_cached(file);
    let (mut digester, mut at, size) = (Digester::default(), 0, size(stat));
    let sparse = allocated(stat) < size;
    PIECES.with_borrow_mut(|[piece, _]| {
        while let Some((from, to)) = next_range(file, at, size, sparse).map_err(Unread::Copy)? {
            at = from;
            while at < to {
                let length = fill(file, piece, at, to).map_err(Unread::Copy)?;
                if length == 0 {
                    return Ok(digester.finish());
                }
                digester.add(at, &piece[..length]);
                at += length as u64;
                progress(length as u64).map_err(Unread::Stop)?;
            }
        }
        Ok(digester.finish())
    })
}

/// Whether a copy holds the same as its source; both have the same size. `progress` hears how many bytes were
/// compared, and may stop.
pub fn same_content(
    [copy, source]: [&OwnedFd; 2],
    stats: [&Stat; 2],
    progress: &dyn Fn(u64) -> Result<(), JobStop>,
) -> Result<bool, Unread> {
    forget_cached(copy);
    let (mut at, size) = (0, size(stats[0]));
    let [copy_sparse, source_sparse] = stats.map(|stat| allocated(stat) < size);
    PIECES.with_borrow_mut(|[one, other]| {
        loop {
            // Where both have a hole, there is nothing to compare.
            let in_copy = next_range(copy, at, size, copy_sparse).map_err(Unread::Copy)?;
            let in_source = next_range(source, at, size, source_sparse).map_err(Unread::Source)?;
            let (from, to) = match (in_copy, in_source) {
                (None, None) => return Ok(true),
                (Some(range), None) | (None, Some(range)) => range,
                (Some(one), Some(other)) => one.min(other),
            };
            at = from;
            while at < to {
                let length = fill(copy, one, at, to).map_err(Unread::Copy)?;
                let of_source = fill(source, other, at, to).map_err(Unread::Source)?;
                progress(length as u64).map_err(Unread::Stop)?;
                if length == 0 || one[..length] != other[..of_source] {
                    return Ok(false);
                }
                at += length as u64;
            }
        }
    })
}

/// Makes the kernel read a file of the volume from its disk again, as far as it was written there.
fn forget_cached(file: &OwnedFd) {
    // A file system that does not take the advice reads as well.
    let _ = fadvise(file, 0, None::<NonZeroU64>, Advice::DontNeed);
}

/// The next range of data at or after `at`; `None`: there is nothing but a hole up to the end.
fn next_range(file: &OwnedFd, at: u64, size: u64, sparse: bool) -> Result<Option<(u64, u64)>, Errno> {
    if at >= size {
        return Ok(None);
    }
    if sparse { next_data(file, at, size) } else { Ok(Some((at, size))) }
}

/// Fills `piece` from `at` on, up to `to`; it gets less only at the end of the file.
fn fill(file: &OwnedFd, piece: &mut [u8], at: u64, to: u64) -> Result<usize, Errno> {
    let (mut filled, want) = (0, piece.len().min(usize::try_from(to - at).unwrap_or(usize::MAX)));
    while filled < want {
        match pread(file, &mut piece[filled..want], at + filled as u64) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
