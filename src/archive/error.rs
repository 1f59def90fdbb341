//! What is wrong with an archive, for the person who has to do something about it.

use std::fmt;

/// Why an archive could not be read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveError {
    /// Of which sort.
    pub kind: ArchiveFault,
    /// The last entry that was met, in full or in part, for people; `None` before the first.
    pub entry: Option<String>,
    /// How far into the archive, in bytes of the unpacked stream.
    pub at: u64,
    /// What was found.
    pub detail: String,
}

/// The sorts of [`ArchiveError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFault {
    /// It ends before its end.
    Truncated,
    /// It says something that cannot be, or something this program cannot do justice to.
    Corrupt,
    /// It is no tar archive at all.
    NotAnArchive,
    /// It is whole, and only a part of a backup: the rest is in another archive.
    Partial,
    /// It is something else that is known, and may be whole.
    OtherFormat,
    /// It has more entries than are allowed.
    TooMany,
    /// It could not be read; that says nothing about the archive.
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
