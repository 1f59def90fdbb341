//! Fingerprint of a restored place: a sample of its files and its known data stores, before and after the service's
//! start.

use serde::{Deserialize, Serialize};

use super::event::Amount;

/// Most files in a sample.
pub const MOST_SAMPLES: usize = 4000;

/// Folders whose files may vanish without a loss of data.
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

/// One file of a sample, serialized as numbers: one message holds thousands of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u32, u64, u64)", into = "(u64, u64, u32, u64, u64)")]
pub struct Sample {
    /// Hash of the path.
    pub path: u64,
    /// Size in bytes.
    pub size: u64,
    /// The first four bytes.
    pub start: u32,
    /// Hash of the first and the last 4 KiB.
    pub content: u64,
    /// Hash of the inode and the birth time: a file that replaces this one has another identity.
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

/// A kind of data store that is recognised by its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// A PostgreSQL cluster (`global/pg_control`).
    Postgres,
    /// The system tablespace of MariaDB and MySQL (`ibdata1`).
    MySql,
    /// A dump of Redis (`dump.rdb`).
    RedisDump,
    /// An append-only file of Redis, or the base of one.
    RedisLog,
    /// An SQLite database.
    Sqlite,
}

/// A data store in a restored place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    pub kind: StoreKind,
    /// Path of the store's file, relative to the place.
    pub file: String,
    /// Identity of the store: PostgreSQL's own identifier of the cluster, else the identity of the file.
    pub identity: u64,
    /// Size of the file in bytes.
    pub size: u64,
    /// The store holds keys or tables; true where the store's kind is not looked into.
    pub full: bool,
    /// Version that the store gives; empty where it gives none.
    pub version: String,
}

/// The data of a place before its service starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Number of files that are meant to last, and their bytes.
    pub amount: Amount,
    /// The largest of these files.
    pub sample: Vec<Sample>,
    /// Names of the first files of the sample.
    pub names: Vec<String>,
    /// The data stores among all files.
    pub stores: Vec<Store>,
}

/// The part of a fingerprint that is left after the service's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survivors {
    /// Number of files of the sample that are gone, and their bytes.
    pub gone: Amount,
    /// The first of the files that are gone, as indexes into the sample.
    pub which: Vec<u32>,
    /// The data stores after the start.
    pub stores: Vec<Store>,
}

/// The program that wrote a version file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionFileKind {
    /// PostgreSQL: a `PG_VERSION` beside `global` and `base`.
    Postgres,
    /// MariaDB or MySQL: the upgrade note beside `ibdata1`.
    MySql,
    /// Redis: the first bytes of a dump, or of an append-only file that begins with one.
    Redis,
}

/// A file that says which version of a program wrote the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionFile {
    pub kind: VersionFileKind,
    /// Path of the file, relative to the restored place.
    pub file: String,
    /// The version in the file: `15`, `11.4.2-MariaDB`, `REDIS0011`.
    pub says: String,
}
