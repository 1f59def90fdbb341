//! How much may still be written to a volume.

use std::os::fd::OwnedFd;

use crate::worker::fs::open::unreadable;
use crate::worker::fs::space::free_bytes;
use crate::worker::job::JobStop;
use crate::worker::protocol::Failure;

/// Bytes that may be written before free space is looked at again.
const UNSEEN: u64 = 64 * 1024 * 1024;
/// Bytes that an entry takes on most file systems beside its content.
const ENTRY_BYTES: u64 = 4096;

/// Bounds for an archive; 0 is no bound.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnpackBounds {
    /// Bytes of content for a route.
    pub max_bytes: u64,
    /// Entries, unwanted ones included.
    pub max_entries: u64,
    /// Bytes that stay free on the file system of a route.
    pub keep_free: u64,
}

/// How much may be written to a place.
#[derive(Debug)]
pub struct Room {
    bounds: UnpackBounds,
    written: u64,
    /// Bytes that may be written until the next look.
    unseen: u64,
}

impl Room {
    /// Room within the bounds.
    pub fn new(bounds: UnpackBounds) -> Room {
        Room { bounds, written: 0, unseen: 0 }
    }

    /// Bytes of content written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Checks that an entry fits whose content is said to have `bytes` bytes; what cannot fit is not begun. Nothing
    /// is reserved for it, since what an archive says need not be true.
    pub fn expect(&mut self, top: &OwnedFd, bytes: u64) -> Result<(), JobStop> {
        self.check(bytes)?;
        self.look(top, bytes.saturating_add(ENTRY_BYTES))?;
        self.unseen = self.unseen.saturating_sub(ENTRY_BYTES);
        Ok(())
    }

    /// Takes room for content that is about to be written.
    pub fn take(&mut self, top: &OwnedFd, bytes: u64) -> Result<(), JobStop> {
        self.check(bytes)?;
        self.look(top, bytes)?;
        self.unseen = self.unseen.saturating_sub(bytes);
        self.written += bytes;
        Ok(())
    }

    fn check(&self, more: u64) -> Result<(), JobStop> {
        let (bytes, max_bytes) = (self.written.saturating_add(more), self.bounds.max_bytes);
        if max_bytes > 0 && bytes > max_bytes { Err(Failure::TooLarge { bytes, max_bytes }.into()) } else { Ok(()) }
    }

    fn look(&mut self, top: &OwnedFd, more: u64) -> Result<(), JobStop> {
        if more <= self.unseen {
            return Ok(());
        }
        let free = free_bytes(top).map_err(|error| unreadable(b"", error))?;
        let bytes = more.saturating_add(self.bounds.keep_free);
        if bytes > free {
            return Err(Failure::NoSpace { bytes, free }.into());
        }
        self.unseen = (free - self.bounds.keep_free).min(UNSEEN);
        Ok(())
    }
}
