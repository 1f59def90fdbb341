//! How much may still be written to a volume.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use crate::archive::Entry;
use crate::worker::fs::open::unreadable;
use crate::worker::fs::space::{check_fits, free_space};
use crate::worker::job::JobStop;
use crate::worker::protocol::Failure;

/// Bytes that may be written before free space is looked at again.
const UNSEEN: u64 = 64 * 1024 * 1024;
/// Files that may be made before it is looked at again.
const UNSEEN_FILES: u64 = 4096;
/// Time after which it is looked at again: others write to the disk, too.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bytes of a block on most file systems; each piece of data takes whole blocks.
const BLOCK: u64 = 4096;
/// Bytes that an entry takes on most file systems beside its content.
const ENTRY_BYTES: u64 = 4096;

/// Bounds for an archive; 0 is no bound.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnpackBounds {
    /// Bytes of content for a route.
    pub max_bytes: u64,
    /// Entries, unwanted ones included.
    pub max_entries: u64,
    /// Bytes that stay free on the file system of a route; with them stays a twentieth of the inodes.
    pub keep_free: u64,
    /// Bytes of the window that the archive's decoder may need.
    pub max_window: u64,
}

/// How much may be written to a place.
#[derive(Debug)]
pub struct Room {
    bounds: UnpackBounds,
    /// Bytes of content written.
    written: u64,
    /// The same as far as `max_bytes` counts them: pieces of files with holes as whole blocks. Without that, a file of
    /// many tiny pieces would take thousands of times what is counted.
    counted: u64,
    current: CurrentFile,
    /// Bytes and files until the next look, and the time of the last one.
    unseen: u64,
    unseen_files: u64,
    looked: Option<Instant>,
}

/// The file that is being written.
#[derive(Debug, Default)]
struct CurrentFile {
    has_holes: bool,
    /// The end of its last block that was counted.
    counted_to: u64,
}

impl CurrentFile {
    /// Bytes of the blocks that a piece takes beside those of the pieces before it.
    fn blocks_of(&mut self, offset: u64, length: u64) -> u64 {
        let end = offset.saturating_add(length);
        let end = end.checked_next_multiple_of(BLOCK).unwrap_or(end);
        let begin = (offset / BLOCK * BLOCK).max(self.counted_to);
        self.counted_to = self.counted_to.max(end);
        end.saturating_sub(begin)
    }
}

impl Room {
    /// Room within the bounds.
    pub fn new(bounds: UnpackBounds) -> Room {
        let current = CurrentFile::default();
        Room { bounds, written: 0, counted: 0, current, unseen: 0, unseen_files: 0, looked: None }
    }

    /// Bytes of content written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Checks that there is any room at all.
    pub fn expect_any(&mut self, top: &OwnedFd) -> Result<(), JobStop> {
        self.look(top, ENTRY_BYTES, 1)
    }

    /// Checks that an entry fits whose content is said to have `stored` bytes; what cannot fit is not begun. Nothing is
    /// reserved for the content, since what an archive says need not be true.
    pub fn expect(&mut self, top: &OwnedFd, entry: &Entry) -> Result<(), JobStop> {
        self.current = CurrentFile { has_holes: entry.stored < entry.size, counted_to: 0 };
        self.check(entry.stored)?;
        let attributes: usize = entry.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
        let beside = ENTRY_BYTES + (attributes as u64).next_multiple_of(BLOCK);
        self.look(top, entry.stored.saturating_add(beside), 1)?;
        self.unseen = self.unseen.saturating_sub(beside);
        self.unseen_files = self.unseen_files.saturating_sub(1);
        Ok(())
    }

    /// Takes room for folders that were made for an entry below them.
    pub fn take_folders(&mut self, top: &OwnedFd, folders: u64) -> Result<(), JobStop> {
        let bytes = folders.saturating_mul(ENTRY_BYTES);
        self.look(top, bytes, folders)?;
        self.unseen = self.unseen.saturating_sub(bytes);
        self.unseen_files = self.unseen_files.saturating_sub(folders);
        Ok(())
    }

    /// Takes room for a piece of the entry's content that is about to be written.
    pub fn take(&mut self, top: &OwnedFd, offset: u64, length: u64) -> Result<(), JobStop> {
        let blocks = self.current.blocks_of(offset, length);
        let counted = if self.current.has_holes { blocks } else { length };
        self.check(counted)?;
        self.look(top, blocks, 0)?;
        self.unseen = self.unseen.saturating_sub(blocks);
        self.written += length;
        self.counted += counted;
        Ok(())
    }

    /// Takes room for zeros that are about to be written into a hole. They are no content that the archive holds.
    pub fn fill(&mut self, top: &OwnedFd, offset: u64, length: u64) -> Result<(), JobStop> {
        self.take(top, offset, length)?;
        self.written -= length;
        Ok(())
    }

    fn check(&self, more: u64) -> Result<(), JobStop> {
        let (bytes, max_bytes) = (self.counted.saturating_add(more), self.bounds.max_bytes);
        if max_bytes > 0 && bytes > max_bytes { Err(Failure::TooLarge { bytes, max_bytes }.into()) } else { Ok(()) }
    }

    fn look(&mut self, top: &OwnedFd, bytes: u64, files: u64) -> Result<(), JobStop> {
        let is_fresh = self.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY);
        if is_fresh && bytes <= self.unseen && files <= self.unseen_files {
            return Ok(());
        }
        let free = free_space(top).map_err(|error| unreadable(b"", error))?;
        check_fits(&free, bytes, files, self.bounds.keep_free)?;
        self.unseen = free.bytes.saturating_sub(self.bounds.keep_free).min(UNSEEN);
        let kept = if self.bounds.keep_free > 0 { free.kept_files } else { 0 };
        self.unseen_files = free.files.map_or(UNSEEN_FILES, |free| free.saturating_sub(kept).min(UNSEEN_FILES));
        self.looked = Some(Instant::now());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_takes_whole_blocks_and_no_block_twice() {
        let mut file = CurrentFile::default();
        assert_eq!(file.blocks_of(0, 1), 4096);
        assert_eq!(file.blocks_of(1, 4095), 0, "the rest of the same block");
        assert_eq!(file.blocks_of(4095, 2), 4096, "a new block behind the one that was counted");
        assert_eq!(file.blocks_of(20_479, 2), 8192, "both ends are rounded");
        assert_eq!(file.blocks_of(1 << 20, 256 * 1024), 256 * 1024);
        assert_eq!(file.blocks_of(u64::MAX - 10, 20), 4095, "the end of all offsets");
    }
}
