//! Errors of archives, for the person who has to do something about them.

use std::fmt;

/// Why an archive could not be read further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveError {
    pub kind: ArchiveFault,
    /// The last entry that was read, in full or in part, for people; `None` before the first entry.
    pub entry: Option<String>,
    /// Position in the uncompressed stream, in bytes.
    pub at: u64,
    /// Description of the problem.
    pub detail: String,
}

/// The kinds of [`ArchiveError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFault {
    /// The archive ends early.
    Truncated,
    /// The archive has an impossible value, or one that this reader cannot handle.
    Corrupt,
    /// The file is no tar archive.
    NotAnArchive,
    /// The archive is whole, but only a part of a backup: the rest is in another archive.
    Partial,
    /// The file has another known format, and may be whole.
    OtherFormat,
    /// The archive has more entries than the limit.
    TooMany,
    /// The archive needs a longer window in memory than is allowed.
    Window,
    /// The archive could not be read, which says nothing about its content.
    Io,
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = &self.detail;
        match self.kind {
            ArchiveFault::NotAnArchive | ArchiveFault::OtherFormat => {
                return write!(f, "this is not a tar archive: {detail}");
            }
            ArchiveFault::Partial => write!(f, "the archive is not all of the backup: {detail}")?,
            ArchiveFault::Truncated => write!(f, "the archive is cut off: {detail}")?,
            ArchiveFault::Corrupt => write!(f, "the archive is damaged, or of a form that is not known: {detail}")?,
            ArchiveFault::TooMany => write!(f, "the archive is too large: {detail}")?,
            ArchiveFault::Window => write!(f, "the archive is not unpacked: {detail}")?,
            ArchiveFault::Io => write!(f, "the archive could not be read: {detail}")?,
        }
        write!(f, " (byte {}", self.at)?;
        if let Some(entry) = &self.entry {
            write!(f, ", last entry {entry}")?;
        }
        f.write_str(")")
    }
}

impl std::error::Error for ArchiveError {}
