//! What a restored place holds: a sample of its files, and the stores that are known, before the service's start and after.

use serde::{Deserialize, Serialize};

use super::event::Amount;

/// Files of a sample.
pub const MOST_SAMPLES: usize = 4000;

/// Folders from which files vanish without anybody missing them.
pub const DISPOSABLE_FOLDERS: [&str; 18] = [
    "cache",
    ".cache",
    "caches",
    "tmp",
    ".tmp",
    "temp",
    "log",
    "logs",
    "transcodes",
    "lost+found",
    "consume",
    "inbox",
    "incoming",
    "queue",
    "spool",
    "upload-tmp",
    "watch",
    "run",
];

/// One file of a sample, as numbers: thousands of them go in one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u32, u64, u64)", into = "(u64, u64, u32, u64, u64)")]
pub struct Sample {
    /// A hash of its path.
    pub path: u64,
    /// Its size.
    pub size: u64,
    /// Its first four bytes.
    pub start: u32,
    /// A hash of its first and last 4 KiB.
    pub content: u64,
    /// A hash of its inode and its time of birth: a file that takes its place has another.
    pub identity: u64,
}

impl From<(u64, u64, u32, u64, u64)> for Sample {
    fn from((path, size, start, content, identity): (u64, u64, u32, u64, u64)) -> Self {
        Self { path, size, start, content, identity }
    }
}

impl From<Sample> for (u64, u64, u32, u64, u64) {
    fn from(Sample { path, size, start, content, identity }: Sample) -> Self {
        (path, size, start, content, identity)
    }
}

/// A kind of store that is known by its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// A PostgreSQL cluster, by its `global/pg_control`.
    Postgres,
    /// The tablespace that MariaDB and MySQL share among all tables.
    MySql,
    /// `dump.rdb`.
    RedisDump,
    /// An append-only file of Redis, or the base of one.
    RedisLog,
    /// An SQLite database.
    Sqlite,
}

/// A store in a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    /// Of which kind.
    pub kind: StoreKind,
    /// Its file, relative to the place.
    pub file: String,
    /// What it is known by again: PostgreSQL's own identifier of the cluster, else the identity of the file.
    pub identity: u64,
    /// Its size.
    pub size: u64,
    /// It holds keys or tables; true where that is not looked at.
    pub full: bool,
    /// The version that it says it is of, where it says one.
    pub version: String,
}

/// What a place holds before its service starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// All its files that are meant to last, and their bytes.
    pub amount: Amount,
    /// The largest of them.
    pub sample: Vec<Sample>,
    /// The names of the first of these.
    pub names: Vec<String>,
    /// The stores among all files.
    pub stores: Vec<Store>,
}

/// What is still there after its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survivors {
    /// What of the sample is gone, with the bytes that it had.
    pub gone: Amount,
    /// Which, by their index in the sample: the first.
    pub which: Vec<u32>,
    /// The stores that are there now.
    pub stores: Vec<Store>,
}

/// What a mark is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionFileKind {
    /// A `PG_VERSION` beside `global` and `base`.
    Postgres,
    /// What MariaDB or MySQL noted beside `ibdata1` when it last upgraded the data.
    MySql,
    /// The first bytes of a dump, or of an append-only file that begins with one.
    Redis,
}

/// A file in which data says what wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionFile {
    /// Of which program.
    pub kind: VersionFileKind,
    /// The file, relative to the place it was found in.
    pub file: String,
    /// What it says: `15`, `11.4.2-MariaDB`, `REDIS0011`.
    pub says: String,
}
