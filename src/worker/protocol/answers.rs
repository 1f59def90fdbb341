//! What a worker answers to its jobs: plain values, judged by the engine.

use serde::{Deserialize, Serialize};

use crate::model::event::Amount;
use crate::model::source::BackupContents;

/// How many names a result carries; the rest is only counted.
pub const NAMES: usize = 20;

/// How many names of a folder are listed.
pub const MAX_NAMES: usize = 10_000;

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootKind {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// A socket.
    Socket,
    /// A device, FIFO or anything else.
    Other,
}

/// What a scan counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// What the path itself is.
    pub root: RootKind,
    /// Regular files, symlinks and special files (folders are not counted), and bytes of content.
    pub amount: Amount,
    /// Bytes that this content takes on its disk, which gives room by the block.
    pub allocated: u64,
    /// Folders.
    pub folders: u64,
    /// What leads out even of a read-only mount: sockets, pipes, devices. By name relative to the path, the first 20.
    pub special_files: Vec<String>,
    /// How many of them in all.
    pub special_file_count: u64,
    /// All was counted; else the bound was hit first.
    pub complete: bool,
    /// Bytes free on the file system of the path.
    pub free_bytes: u64,
    /// The type of the file system that is mounted at the path (`ext4`).
    pub file_system: String,
    /// Other mounts below the path; their content is counted with the rest.
    pub mounts_below: u64,
}

/// What a copy did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// What the source is.
    pub root: RootKind,
    /// Entries (folders are not counted) and bytes of content copied.
    pub amount: Amount,
    /// Folders made.
    pub folders: u64,
    /// Files that changed or vanished while they were copied, by name relative to the source, the first 20.
    pub torn: Vec<String>,
    /// How many in all.
    pub torn_count: u64,
    /// Sockets left out.
    pub sockets: u64,
    /// Metadata the target's file system would not take (`user.foo on a/b: not supported`), the first 20.
    pub lost_metadata: Vec<String>,
    /// How many in all.
    pub lost_metadata_count: u64,
}

/// What came to one place out of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    /// What the archive has at the prefix: a folder or a file; `None` when it has nothing there.
    pub root: Option<RootKind>,
    /// Entries (folders are not counted) and bytes of content, as they came: what a later one replaced counts too.
    pub amount: Amount,
    /// Folders, the root not counted.
    pub folders: u64,
    /// Metadata the target's file system would not take (`user.foo on a/b: not supported`), the first 20.
    pub lost_metadata: Vec<String>,
    /// How many in all.
    pub lost_metadata_count: u64,
}

/// The SQLite databases at a path, by what was found of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Databases {
    /// How many there are.
    pub found: u64,
    /// How many SQLite's check finds whole.
    pub sound: u64,
    /// Not whole: SQLite's words.
    pub damaged: Findings,
    /// Not whole, and written to at their source while they were copied from there.
    pub torn: Findings,
    /// In WAL mode and without the log of their last writes: how that is known.
    pub lacking: Findings,
    /// In WAL mode and without a log, which may be right: what speaks against it.
    pub doubtful: Findings,
    /// With a rollback journal that had to be played back.
    pub hot: Findings,
    /// Whole, and with something in them that is not as their own schema says: SQLite's words.
    pub odd: Findings,
    /// Nothing could be found out: why.
    pub unchecked: Findings,
}

/// The first few files of a kind and what is said of each, and how many there are in all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// The first 20.
    pub files: Vec<Finding>,
    /// How many in all.
    pub count: u64,
}

/// What is said of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its name, relative to the path.
    pub path: String,
    /// A few lines.
    pub words: Vec<String>,
}

impl Findings {
    /// One more; its name and words are only made when they are kept.
    pub fn add(&mut self, path: impl FnOnce() -> String, words: impl FnOnce() -> Vec<String>) {
        self.count += 1;
        if self.files.len() < NAMES {
            self.files.push(Finding { path: path(), words: words() });
        }
    }
}

/// The first few differences, for people, and how many in all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Few {
    /// The first 20 (`a/b: belongs to 0:0 instead of 999:999`).
    pub names: Vec<String>,
    /// How many in all.
    pub count: u64,
}

/// How what is in a volume differs from what should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Entries that should be there, folders included.
    pub entries: u64,
    /// Entries that are missing, that nobody asked for, or that are of another kind, size or content.
    pub content: Few,
    /// Entries that belong to somebody else.
    pub owners: Few,
    /// Entries with another mode.
    pub modes: Few,
    /// Entries without an attribute, a hole or a second name.
    pub metadata: Few,
    /// Entries of a live source that changed since they were copied: nothing can be said of them.
    pub changed_since: u64,
    /// Files whose content was compared and how much of it there was; `None` where that was not asked for, or where the archive
    /// has more entries than can be noted.
    pub compared: Option<Amount>,
    /// Whom it all belongs to.
    pub belongs: Owners,
}

/// Whom entries belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owners {
    /// User and group of the root; for a mount that is a file, the file's.
    pub root: (u32, u32),
    /// The root's permission bits.
    pub root_mode: u32,
    /// Users and how many entries each has, the root included, the one with most first.
    pub users: Vec<(u32, u64)>,
    /// All entries were looked at, and all users are named.
    pub complete: bool,
}

/// What a backup in a folder holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surveyed {
    /// The parts that match each query.
    pub found: BackupContents,
    /// Last change of the folder itself, in seconds since the epoch.
    pub modified: i64,
}

/// A response over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The beginning of the body; bytes that are no text are replaced.
    pub body: String,
    /// The body goes on after that.
    pub cut: bool,
}

/// What came of a query that was put to an SQLite database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "queried", rename_all = "kebab-case")]
pub enum Queried {
    /// The query returned rows.
    Rows {
        /// The first row, its columns joined by `|`.
        first: Option<String>,
        /// Number of rows, up to the number that the job asked for.
        count: u64,
    },
    /// There is no such file.
    Missing {
        /// The path in the container, with all symlinks followed.
        path: String,
    },
    /// SQLite does not take the query.
    Refused {
        /// SQLite's words.
        words: String,
    },
    /// The database is damaged.
    Damaged {
        /// SQLite's words.
        words: String,
    },
    /// The service wrote to the database during every attempt.
    Busy {
        /// What was seen.
        why: String,
    },
    /// The database cannot be asked.
    NotAsked {
        /// Why.
        why: String,
    },
}
