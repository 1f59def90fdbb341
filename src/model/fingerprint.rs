//! Fingerprint of a restored place: a sample of its files and its known data stores, before and after the service's
//! start.

use serde::{Deserialize, Serialize};

use super::event::Amount;
use super::sampled::Sampled;

/// Most files in a sample.
pub const MOST_SAMPLES: usize = 4000;

/// Folders whose files a program makes anew: a backup may lack them.
pub const REMADE_FOLDERS: [&str; 12] = [
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
    "upload-tmp",
    "run",
];

/// Folders from which a program takes files in: a file that was there before the start may be gone after it.
pub const INTAKE_FOLDERS: [&str; 6] = ["consume", "inbox", "incoming", "queue", "spool", "watch"];

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
    /// The data of a MongoDB server (`WiredTiger`).
    Mongo,
}

impl StoreKind {
    /// The name for people, with its article.
    pub fn title(self) -> &'static str {
        match self {
            StoreKind::Postgres => "a PostgreSQL cluster",
            StoreKind::MySql => "a MariaDB or MySQL data folder",
            StoreKind::RedisDump | StoreKind::RedisLog => "a Redis dump or log",
            StoreKind::Sqlite => "an SQLite database",
            StoreKind::Mongo => "a MongoDB data folder",
        }
    }

    /// Whether the same program keeps its data in both.
    pub fn is_like(self, other: StoreKind) -> bool {
        let family = |kind| if kind == StoreKind::RedisLog { StoreKind::RedisDump } else { kind };
        family(self) == family(other)
    }

    /// Whether a server reads the store when it starts.
    pub fn is_of_server(self) -> bool {
        self != StoreKind::Sqlite
    }
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
    /// A write-ahead log of SQLite's with pages in it lies beside the file. A young database has all its tables there.
    pub log: bool,
    /// Version that the store gives; empty where it gives none.
    pub version: String,
}

impl Store {
    /// Whether the store holds data, as far as is known.
    pub fn holds_data(&self) -> bool {
        self.full || self.log
    }
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
    /// The moment from which on services, and nobody else, access the place.
    pub mark: AccessMark,
}

/// A time of the engine's host, since the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "(i64, u32)", into = "(i64, u32)")]
pub struct Moment {
    pub seconds: i64,
    pub nanoseconds: u32,
}

impl From<(i64, u32)> for Moment {
    fn from((seconds, nanoseconds): (i64, u32)) -> Self {
        Self { seconds, nanoseconds }
    }
}

impl From<Moment> for (i64, u32) {
    fn from(Moment { seconds, nanoseconds }: Moment) -> Self {
        (seconds, nanoseconds)
    }
}

/// The moment from which on services, and nobody else, access a place, and which accesses show later.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessMark {
    pub at: Moment,
    /// The same moment as the time since the host's start, which nobody sets.
    pub uptime: Moment,
    /// The file system notes when a file is changed.
    pub changes: bool,
    /// The file system notes when a file is read.
    pub reads: bool,
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
    /// The accesses since the fingerprint's mark.
    pub accessed: Accessed,
}

/// The accesses to a place since the mark of its fingerprint. Files that may vanish without a loss do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accessed {
    /// Number of restored files that were read, changed or replaced.
    pub files: u64,
    /// Names of files that were made beside the restored ones.
    pub beside: Sampled<String>,
    /// The stores of which a file was read, changed or made, as indexes into [`Survivors::stores`].
    pub stores: Vec<u32>,
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
