//! The answers of a worker: plain values, judged by the engine.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::event::Amount;
use crate::model::fingerprint::{Fingerprint, VersionFile};
use crate::model::host_tree::{FolderId, HostMount};
use crate::model::sampled::Sampled;
use crate::model::source::BackupContents;

/// Most names of a folder that are listed.
pub const MAX_NAMES: usize = 10_000;
/// Most bytes of these names: an answer is one line, in which a byte of a name takes up to four.
pub const MAX_NAME_BYTES: usize = 512 * 1024;

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

/// What is free on a file system, for an unprivileged writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeSpace {
    /// Bytes.
    pub bytes: u64,
    /// Files that can still be made; `None` where they are not bounded.
    pub files: Option<u64>,
    /// Files that have to stay free for others: a twentieth of all that the file system holds.
    pub kept_files: u64,
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
    /// Sockets, pipes and devices, which lead out even of a read-only mount, by name relative to the path.
    pub special_files: Sampled<String>,
    /// Everything was counted; false when the bound was hit first.
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
    /// Files that changed or vanished while they were copied, by name relative to the source.
    pub torn: Sampled<String>,
    /// Sockets left out.
    pub sockets: u64,
    /// Metadata that the target's file system refused (`user.foo on a/b: not supported`).
    pub lost_metadata: Sampled<String>,
}

/// What an archive brought to one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    /// What the archive has at the prefix: a folder or a file; `None` when it has nothing there.
    pub root: Option<RootKind>,
    /// Entries (folders are not counted) and bytes of content that are in the volume now.
    pub amount: Amount,
    /// Entries that came and were replaced by a later one of the same name, and bytes of their content.
    pub replaced: Amount,
    /// Folders, the root not counted.
    pub folders: u64,
    /// Metadata that the target's file system refused (`user.foo on a/b: not supported`).
    pub lost_metadata: Sampled<String>,
}

/// What an inspection found; `None` for what was not wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspected {
    /// What the path itself is.
    pub root: RootKind,
    /// The names at the top, at most [`MAX_NAMES`], in no order; empty for anything but a folder.
    pub names: Option<Vec<Vec<u8>>>,
    /// Whom the entries belong to.
    pub owners: Option<Owners>,
    /// The version files, those nearest to the root first.
    pub version_files: Option<Vec<VersionFile>>,
    /// What the tree holds; `None` also for anything but a folder.
    pub fingerprint: Option<Fingerprint>,
    /// The differences to what should be there.
    pub inventory: Option<Inventory>,
    /// The SQLite databases.
    pub databases: Option<Databases>,
    /// What of the content is lost in the restored data.
    pub lost: Option<LostContent>,
    /// What the tree holds by its folders; `None` also for anything but a folder, and where the bound of the walk was
    /// hit first.
    pub tally: Option<TreeTally>,
}

impl Inspected {
    /// The answer when nothing is wanted.
    pub fn of(root: RootKind) -> Self {
        Self {
            root,
            names: None,
            owners: None,
            version_files: None,
            fingerprint: None,
            inventory: None,
            databases: None,
            lost: None,
            tally: None,
        }
    }
}

/// What a tree holds: files that are meant to last and that no data store's program rewrites.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeTally {
    /// All of it.
    pub all: FileTally,
    /// The same by the folders at the top; empty where there are too many. The files at the top have the name `.`.
    pub folders: Vec<(String, FileTally)>,
    /// Every file was looked at for zeros.
    pub zeros_known: bool,
}

/// Files that were counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTally {
    /// All of them.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those that are empty.
    pub empty: u64,
    /// Those that hold nothing but zeros, as far as their beginning, middle and end tell.
    pub zeros: u64,
}

/// What of a live mount has not been touched since the backup began, and how what came back differs from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witnessed {
    /// Why nothing could be compared; `None`: it was.
    pub silent: Option<String>,
    /// Live files and symlinks, and bytes; without those that are exempt.
    pub live: Amount,
    /// Those that have not been touched since.
    pub unchanged: Amount,
    /// Files whose content was compared, and bytes that were read of each.
    pub read: Amount,
    /// Entries that nobody expects in a backup; a folder counts once.
    pub exempt: u64,
    /// Live files with a time of change in the future.
    pub of_the_future: u64,
    /// Live files that were modified later than they were changed: a clock was set.
    pub out_of_order: u64,
    /// Entries whose owner and mode were compared.
    pub owned: u64,
    /// Unchanged live files that did not come back.
    pub missing: DifferingFiles,
    /// Those that came back smaller.
    pub smaller: DifferingFiles,
    /// Those that came back as something else, larger, or with other content.
    pub other: DifferingFiles,
    /// Entries with another user or group.
    pub owners: DifferingFiles,
    /// Entries with another mode.
    pub modes: DifferingFiles,
    /// Every live file was looked at; false when the bound was hit first.
    pub complete: bool,
    /// From when on changes may be later than the backup; `None` if nothing was compared.
    pub start: Option<WitnessStart>,
}

/// The time from which on changes may be later than the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessStart {
    /// Unix seconds: what is as old or younger may have changed since the backup began.
    pub at: i64,
    /// The newest time in the backup, where only the backup's end is known; `None`: no such bound. The file that is the
    /// backup may be a later copy, and nothing in it shows that it saw a younger change.
    pub newest: Option<i64>,
}

impl Witnessed {
    /// The answer when nothing can be compared.
    pub fn silent(why: impl Into<String>) -> Self {
        Self { silent: Some(why.into()), ..Self::default() }
    }
}

/// Files that differ in one way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferingFiles {
    /// Their paths relative to the mount, each with what differs (`a/b has 0 B instead of 12 B`).
    pub named: Sampled<String>,
    /// Bytes of the live files.
    pub bytes: u64,
    /// The folders that have most of them, and how many each has; only folders that have several.
    pub folders: Vec<(String, u64)>,
}

/// What of a live mount's content did not come back, though files of the same paths did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostContent {
    /// SQLite databases with tables or a log, of which the restored file is no database: what came instead.
    pub databases: Sampled<DatabaseFinding>,
    /// SQLite databases of which the restored one has no table in common: the tables of both.
    pub foreign: Sampled<DatabaseFinding>,
    /// Files of PostgreSQL clusters that were made by another `initdb` than the live ones.
    pub clusters: Sampled<String>,
    /// The files by which the data of a database server is known, which came back empty: what they are of.
    pub servers: Sampled<DatabaseFinding>,
    /// How many files with content have a restored file at their path.
    pub compared: u64,
    /// Those of them that came back empty, or with nothing but zeros where the live file begins with something else.
    pub emptied: Sampled<String>,
    /// How many of those are not empty and begin with zeros.
    pub zeros: u64,
}

/// The SQLite databases at a path, by what was found of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Databases {
    /// How many there are.
    pub found: u64,
    /// How many SQLite's check finds whole.
    pub sound: u64,
    /// Not whole: SQLite's words.
    pub damaged: Sampled<DatabaseFinding>,
    /// Not whole, and written to at their source while they were copied from there.
    pub torn: Sampled<DatabaseFinding>,
    /// In WAL mode and without the log of their last writes: how that is known.
    pub lacking: Sampled<DatabaseFinding>,
    /// In WAL mode and without a log, which may be right: what speaks against it.
    pub doubtful: Sampled<DatabaseFinding>,
    /// With a log whose end SQLite leaves out: why.
    pub cut: Sampled<DatabaseFinding>,
    /// Missing or empty, while a log of theirs came back.
    pub orphaned: Sampled<DatabaseFinding>,
    /// Called as databases are, with nothing but zeros at their beginning and no file of the name where they come from:
    /// their sizes.
    pub blank: Sampled<DatabaseFinding>,
    /// Not checked, since the check needs more memory than it gets: SQLite's words.
    pub too_large: Sampled<DatabaseFinding>,
    /// With a rollback journal that had to be played back.
    pub hot: Sampled<DatabaseFinding>,
    /// Whole, and with something in them that is not as their own schema says: SQLite's words.
    pub odd: Sampled<DatabaseFinding>,
    /// Nothing could be found out: why.
    pub unchecked: Sampled<DatabaseFinding>,
    /// The tables of each of them; empty where rows were not asked for.
    pub tables: Vec<DatabaseTables>,
}

/// The tables of an SQLite database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseTables {
    /// The database's name, relative to the path.
    pub path: String,
    /// All of its tables and their rows (`None`: they were not counted); `None`: its tables are not known, since it
    /// could not be checked or there are too many.
    pub tables: Option<Vec<(String, Option<u64>)>>,
    /// The highest id that each table with `AUTOINCREMENT` has ever given to a row.
    pub sequences: Vec<(String, i64)>,
}

/// What the live database of a restored one's path holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveDatabase {
    /// The database's name, relative to the mount.
    pub path: String,
    /// Why its rows are not known; `None`: they are.
    pub why: Option<String>,
    /// All of its tables and their rows, if the database has not been touched since the backup began.
    pub untouched: Option<Vec<(String, Option<u64>)>>,
    /// How many rows each table with `AUTOINCREMENT` has whose ids it had given when the backup was made.
    pub earlier: Vec<(String, u64)>,
}

/// An SQLite database and what was found of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseFinding {
    /// Its name, relative to the path.
    pub path: String,
    /// A few lines; empty when its kind says all.
    pub words: Vec<String>,
}

/// `a.db (words; more words)`.
impl fmt::Display for DatabaseFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DatabaseFinding { path, words } = self;
        if words.is_empty() { f.write_str(path) } else { write!(f, "{path} ({})", words.join("; ")) }
    }
}

/// How what is in a volume differs from what should be. A difference is named with its path
/// (`a/b: belongs to 0:0 instead of 999:999`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// How many entries should be there, folders included.
    pub entries: u64,
    /// Entries that are missing, not expected, or of another kind, size or content.
    pub content: Sampled<String>,
    /// Entries with another user or group.
    pub owners: Sampled<String>,
    /// Entries with another mode.
    pub modes: Sampled<String>,
    /// Entries without an attribute, a hole or a second name.
    pub metadata: Sampled<String>,
    /// How many entries of a live source changed since they were copied: they are not compared.
    pub changed_since: u64,
    /// Files whose content was compared, and bytes of it; `None` where it was not asked for, or where the archive has
    /// more entries than can be noted.
    pub compared: Option<Amount>,
    /// Whom the entries belong to.
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
    /// Every entry was counted, and every user is named.
    pub complete: bool,
}

/// What a backup in a folder holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surveyed {
    /// The parts that match each query.
    pub found: BackupContents,
    /// Last change of the folder itself, in seconds since the epoch.
    pub modified: i64,
    /// Inode of the folder itself.
    pub inode: u64,
    /// What is mounted at the folder and below it. The mount points are relative to the folder, which itself is empty.
    pub mounts: Vec<HostMount>,
    /// What the folder and each part are, as in [`HostTree::known`](crate::model::host_tree::HostTree::known).
    pub known: Vec<(String, FolderId)>,
}

/// A response over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The beginning of the body; bytes that are no text are replaced.
    pub body: String,
    /// The body is longer than `body`.
    pub cut: bool,
}

/// The result of a query of an SQLite database.
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
