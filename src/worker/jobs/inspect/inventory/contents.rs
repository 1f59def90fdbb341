//! What files hold: as a digest of 16 bytes, taken of what an archive brings and of what is in the volume, and side by side, of a
//! copy and what it was made of. A hole holds zeros, as whoever reads it finds.

use std::cell::RefCell;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;

use rustix::fs::{Advice, Stat, fadvise};
use rustix::io::{Errno, pread};

use super::size;
use crate::worker::fs::content::next_data;
use crate::worker::fs::scan::allocated;
use crate::worker::job::{JobControl, JobStop};

/// Zeros are told from data by blocks of this size.
const BLOCK: usize = 4096;
/// Read at a time, of each file.
const PIECE: usize = 256 * 1024;

/// A block of a hole.
const ZEROS: [u8; BLOCK] = [0; BLOCK];

/// What stands for a file's content.
pub type Digest = [u8; 16];

/// Takes a file's content in, in the order of its places.
///
/// Blocks of zeros are left out, and which are left out is taken in beside the others: so a file of a terabyte of which most is
/// a hole costs what it holds.
#[derive(Default)]
pub struct Digester {
    data: blake3::Hasher,
    /// Where data begins and how many blocks of it there are, again and again.
    runs: blake3::Hasher,
    run: (u64, u64),
    /// The number of the block that comes next.
    block: u64,
    /// What came of it.
    begun: Vec<u8>,
}

impl Digester {
    /// This is in the file at this place; what was left out since the last piece is a hole.
    pub fn add(&mut self, offset: u64, mut bytes: &[u8]) {
        self.go_to(offset);
        if !self.begun.is_empty() {
            let (more, rest) = bytes.split_at(bytes.len().min(BLOCK - self.begun.len()));
            self.begun.extend_from_slice(more);
            bytes = rest;
            self.end_block(false);
        }
        let (whole, rest) = bytes.split_at(bytes.len() / BLOCK * BLOCK);
        self.blocks(whole);
        self.begun.extend_from_slice(rest);
    }

    /// What stands for all of it. Zeros at its end make no difference: a file's size is compared by itself.
    pub fn finish(mut self) -> Digest {
        self.end_block(true);
        self.end_run();
        let data = self.data.finalize();
        self.runs.update(data.as_bytes());
        let mut digest = Digest::default();
        self.runs.finalize_xof().fill(&mut digest);
        digest
    }

    fn go_to(&mut self, offset: u64) {
        let (block, within) = (offset / BLOCK as u64, (offset % BLOCK as u64) as usize);
        if block != self.block {
            self.end_block(true);
            self.block = block;
        }
        // Nothing comes twice: what lies before this place in its block is there, or is a hole.
        self.begun.resize(within, 0);
    }

    /// The block that was begun is whole, or as much of it as there will be came.
    fn end_block(&mut self, all_came: bool) {
        if self.begun.len() == BLOCK || all_came && !self.begun.is_empty() {
            let mut block = std::mem::take(&mut self.begun);
            block.resize(BLOCK, 0);
            self.blocks(&block);
            block.clear();
            self.begun = block;
        }
    }

    fn blocks(&mut self, whole: &[u8]) {
        let mut data = 0;
        for (at, block) in whole.chunks_exact(BLOCK).enumerate() {
            if *block == ZEROS {
                self.data.update(&whole[data..at * BLOCK]);
                data = (at + 1) * BLOCK;
            } else {
                if self.run.0 + self.run.1 != self.block {
                    self.end_run();
                    self.run.0 = self.block;
                }
                self.run.1 += 1;
            }
            self.block += 1;
        }
        self.data.update(&whole[data..]);
    }

    fn end_run(&mut self) {
        let (from, blocks) = std::mem::take(&mut self.run);
        if blocks > 0 {
            self.runs.update(&from.to_le_bytes());
            self.runs.update(&blocks.to_le_bytes());
        }
    }
}

/// Which content could not be read.
#[derive(Debug)]
pub enum Unread {
    /// That of the file, or of the copy.
    Copy(Errno),
    /// That of what it was copied from.
    Source(Errno),
    /// The job was stopped.
    Stop(JobStop),
}

thread_local! {
    static PIECES: RefCell<[Vec<u8>; 2]> = RefCell::new([vec![0; PIECE], vec![0; PIECE]]);
}

/// Reads a file of the volume; what stands for its content.
pub fn digest(file: &OwnedFd, stat: &Stat, ticket: &JobControl) -> Result<Digest, Unread> {
    forget(file);
    let (mut digester, mut at, size) = (Digester::default(), 0, size(stat));
    let sparse = allocated(stat) < size;
    PIECES.with_borrow_mut(|[piece, _]| {
        while let Some((from, to)) = next(file, at, size, sparse).map_err(Unread::Copy)? {
            at = from;
            while at < to {
                let length = fill(file, piece, at, to).map_err(Unread::Copy)?;
                if length == 0 {
                    return Ok(digester.finish());
                }
                digester.add(at, &piece[..length]);
                at += length as u64;
                tell(ticket, length)?;
            }
        }
        Ok(digester.finish())
    })
}

/// Whether a copy holds what its source does, both being of this size.
pub fn same(copy: &OwnedFd, source: &OwnedFd, stats: [&Stat; 2], ticket: &JobControl) -> Result<bool, Unread> {
    forget(copy);
    let (mut at, size) = (0, size(stats[0]));
    let [copy_sparse, source_sparse] = stats.map(|stat| allocated(stat) < size);
    PIECES.with_borrow_mut(|[one, other]| {
        loop {
            // Where both have a hole, there is nothing to compare.
            let in_copy = next(copy, at, size, copy_sparse).map_err(Unread::Copy)?;
            let in_source = next(source, at, size, source_sparse).map_err(Unread::Source)?;
            let (from, to) = match (in_copy, in_source) {
                (None, None) => return Ok(true),
                (Some(range), None) | (None, Some(range)) => range,
                (Some(one), Some(other)) => one.min(other),
            };
            at = from;
            while at < to {
                let length = fill(copy, one, at, to).map_err(Unread::Copy)?;
                let of_source = fill(source, other, at, to).map_err(Unread::Source)?;
                tell(ticket, length)?;
                if length == 0 || one[..length] != other[..of_source] {
                    return Ok(false);
                }
                at += length as u64;
            }
        }
    })
}

/// What of a file of the volume is on its disk by now is read from there, and not from the memory in which it was written.
fn forget(file: &OwnedFd) {
    // A file system that does not take the advice reads as well.
    let _ = fadvise(file, 0, None::<NonZeroU64>, Advice::DontNeed);
}

/// Where data is at or behind this place, and where it ends.
fn next(file: &OwnedFd, at: u64, size: u64, sparse: bool) -> Result<Option<(u64, u64)>, Errno> {
    if at >= size {
        return Ok(None);
    }
    if sparse { next_data(file, at, size) } else { Ok(Some((at, size))) }
}

/// Reads up to `to` as much as a piece takes; less at the end of the file only.
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

fn tell(ticket: &JobControl, bytes: usize) -> Result<(), Unread> {
    ticket.add(0, bytes as u64);
    ticket.beat().map_err(Unread::Stop)
}
