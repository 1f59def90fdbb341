//! A database's files as they lie on the disk: the main file, its write-ahead log and its rollback journal.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags};

use crate::worker::fs::open::open_quietly;

/// Longest path that SQLite opens, with room for the name of its journal.
pub const LONGEST_PATH: usize = 480;
/// The first bytes of a rollback journal that has not been played back or put to rest.
const JOURNAL_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// The version number in every index of a write-ahead log.
const INDEX_VERSION: u32 = 3_007_000;
/// Bytes of the index that are read: its header, twice, and how much of the log was brought into the database.
const INDEX_BYTES: usize = 48 * 2 + 4;

/// Opens a regular file for reading. `None` for anything else: a pipe of this name would be waited for, and a device
/// may do things.
pub fn open_regular(path: &Path) -> Option<File> {
    let file = File::from(open_quietly(CWD, path, OFlags::empty()).ok()?);
    file.metadata().is_ok_and(|meta| meta.is_file()).then_some(file)
}

/// The name of a file beside the database.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// The properties of a file that a write changes.
#[derive(Debug, Clone, Copy)]
pub struct Version {
    /// Size in bytes.
    pub size: u64,
    /// When its content changed last.
    pub modified: (i64, i64),
    /// When anything of it changed last; for a copy, the time of the copy.
    pub changed: (i64, i64),
}

impl PartialEq for Version {
    /// A copy keeps the content's time.
    fn eq(&self, other: &Version) -> bool {
        (self.size, self.modified) == (other.size, other.modified)
    }
}

impl Version {
    fn of(path: &Path) -> Option<Version> {
        let meta = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        Some(Version {
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

/// The files of a database; a file beside it is `None` when it is empty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Files {
    /// The database.
    pub main: Option<Version>,
    /// Its write-ahead log.
    pub wal: Option<Version>,
    /// Its rollback journal.
    pub journal: Option<Version>,
}

impl Files {
    /// The files as they are now.
    pub fn of(path: &Path) -> Files {
        let filled = |suffix| Version::of(&beside(path, suffix)).filter(|version| version.size > 0);
        Files { main: Version::of(path), wal: filled("-wal"), journal: filled("-journal") }
    }
}

/// The parts of a database's header that matter here.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// Writers keep a write-ahead log.
    pub wal_mode: bool,
    /// Bytes of a page.
    pub page_size: u64,
}

impl Header {
    /// Reads the header; `None` when the file is too short or cannot be read.
    pub fn of(path: &Path) -> Option<Header> {
        let mut bytes = [0; 20];
        open_regular(path)?.read_exact_at(&mut bytes, 0).ok()?;
        let page_size = match u16::from_be_bytes([bytes[16], bytes[17]]) {
            1 => 65_536,
            size => size.into(),
        };
        Some(Header { wal_mode: bytes[18] == 2 && bytes[19] == 2, page_size })
    }
}

/// Whether a journal lies beside the database that has to be played back.
pub fn is_valid_journal(path: &Path) -> bool {
    let mut bytes = [0; 8];
    let read = open_regular(&beside(path, "-journal")).map(|file| file.read_exact_at(&mut bytes, 0));
    read.is_some_and(|read| read.is_ok()) && bytes == JOURNAL_MAGIC
}

/// Whether the journal belongs to a transaction over several databases. It then ends with the name of a file that
/// only the program's own folders lead to, so whether to play it back cannot be told here.
pub fn is_journal_of_several(path: &Path) -> bool {
    let mut bytes = [0; 8];
    let read = open_regular(&beside(path, "-journal")).and_then(|file| {
        let end = file.metadata().ok()?.len().saturating_sub(bytes.len() as u64);
        file.read_exact_at(&mut bytes, end).ok().map(|()| end)
    });
    read.is_some_and(|end| end > 0) && bytes == JOURNAL_MAGIC
}

/// The parts of a log's index that matter here.
#[derive(Debug, Clone, Copy)]
pub struct LogIndex {
    /// Pages in the log.
    pub in_log: u32,
    /// Pages of these that are in the database, too.
    pub brought_in: u32,
    /// The salts of the log that it belongs to, as they stand in the log's own header.
    pub salts: [u8; 8],
}

/// How many pages of the log were not in the database yet, by the log's index beside it; `None`: no index, or none
/// that tells.
pub fn frames_not_in(path: &Path) -> Option<u32> {
    let LogIndex { in_log, brought_in, .. } = LogIndex::of(path)?;
    in_log.checked_sub(brought_in).filter(|frames| *frames > 0)
}

impl LogIndex {
    /// Reads the index beside a database; `None`: none that tells.
    pub fn of(path: &Path) -> Option<LogIndex> {
        let mut bytes = [0; INDEX_BYTES];
        open_regular(&beside(path, "-shm"))?.read_exact_at(&mut bytes, 0).ok()?;
        read_index(&bytes)
    }
}

fn read_index(bytes: &[u8; INDEX_BYTES]) -> Option<LogIndex> {
    let (first, rest) = bytes.split_at(48);
    // A writer fills the first copy of the header, then the second.
    if first != &rest[..48] || first[12] != 1 {
        return None;
    }
    let word = |at: usize| -> [u8; 4] { [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]] };
    // The numbers are in the byte order of the machine that wrote them.
    let read: fn([u8; 4]) -> u32 = match word(0) {
        version if u32::from_le_bytes(version) == INDEX_VERSION => u32::from_le_bytes,
        version if u32::from_be_bytes(version) == INDEX_VERSION => u32::from_be_bytes,
        _ => return None,
    };
    let salts = bytes[32..40].try_into().ok()?;
    Some(LogIndex { in_log: read(word(16)), brought_in: read(word(96)), salts })
}
