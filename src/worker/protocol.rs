//! What client and worker say to each other: one JSON object a line, requests on the worker's standard input, replies on
//! its standard output. One request is followed by bytes that are none of these lines: [`Job::Data`]. Client and worker are always the same build (the image is tagged by content), so there is no
//! version to negotiate.

mod queried;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::event::Amount;
use crate::model::fingerprint::VersionFile;
use crate::model::fingerprint::{Fingerprint, Sample, Survivors};
use crate::model::source::{BackupContents, MountQuery};

pub use queried::Queried;

/// Longest piece of a stream.
pub const MAX_DATA: u32 = 1024 * 1024;
/// How many names a result carries; the rest is only counted.
pub const NAMES: usize = 20;

/// Names of a folder that are told.
pub const MAX_NAMES: usize = 10_000;

/// A job for the worker, with a number that its replies bear. Jobs run at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The job's number.
    pub id: u64,
    /// The job.
    pub job: Job,
}

/// What a worker can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "kebab-case")]
pub enum Job {
    /// Walks `path` and counts.
    Scan {
        /// A mount of the worker: a folder or a file.
        path: String,
        /// Stop counting after this many entries; 0 for no bound.
        max_entries: u64,
    },
    /// Looks through `path` for what is asked for of a backup that lies there.
    Survey {
        /// A mount of the worker.
        path: String,
        /// What is looked for.
        wants: Vec<MountQuery>,
    },
    /// Names what is at the top of a folder.
    Names {
        /// A mount of the worker.
        path: String,
    },
    /// Copies the content of `from`, its root included, into `to`.
    Copy {
        /// A mount of the worker: a folder, or a file.
        from: String,
        /// An empty volume of the worker. A file lands in it under the name `file`.
        to: String,
        /// Refuse, before anything is written, when there is more than this; 0 for no bound.
        max_bytes: u64,
        /// Leave this many bytes free on the target's file system.
        keep_free: u64,
        /// Note what is read of the files, so that it can be compared.
        contents: bool,
    },
    /// Gives `to` the owner, mode, times and attributes of the root of `from`, and nothing of its content. A file becomes
    /// an empty one under the name `file`.
    PrepareEmpty {
        /// A mount of the worker: a folder or a file.
        from: String,
        /// An empty volume of the worker.
        to: String,
    },
    /// Makes the folders of an overlay in `to`: `upper` with the owner, mode, times and attributes of `from`, and `work`.
    PrepareOverlay {
        /// The overlay's lower layer, a mount of the worker.
        from: String,
        /// An empty volume of the worker.
        to: String,
    },
    /// Takes an archive apart that comes as [`Job::Data`] under this job's number, and puts what the routes name into place.
    /// The archive may be compressed (gzip, zstd, xz, bzip2: its content tells).
    Unpack {
        /// What goes where. An entry takes the route of the longest prefix.
        routes: Vec<Route>,
        /// Refuse a route that gets more than this; 0 for no bound.
        max_bytes: u64,
        /// Refuse an archive of more entries than this, the ones that are not wanted included; 0 for no bound.
        max_entries: u64,
        /// Leave this many bytes free on the target's file system.
        keep_free: u64,
    },
    /// The next piece of the stream of the job of the same number: after the line come so many bytes. None is the end. What
    /// comes for a job that has ended is thrown away.
    Data {
        /// How many bytes, at most [`MAX_DATA`].
        length: u32,
    },
    /// Puts every SQLite database at `path` to SQLite's own check, without changing anything there.
    Sqlite {
        /// A mount of the worker: a folder or a file.
        path: String,
        /// A mount that can be written to, for what SQLite has to recover first; may be `path`.
        scratch: String,
        /// What `path` was copied from, a mount.
        source: Option<String>,
        /// What the live service has there now, a mount.
        live: Option<String>,
        /// Leave this many bytes free on the scratch mount's file system.
        keep_free: u64,
    },
    /// Asks an SQLite database that its service may be writing to, without changing or locking anything of the service's.
    Query {
        /// Where the service's mounts lie as they do in its container.
        root: String,
        /// The database's path in the container.
        path: String,
        /// It is a mount by itself.
        alone: bool,
        /// A mount that can be written to, which is no mount of the service.
        scratch: String,
        /// The query.
        query: String,
        /// Count rows up to this number.
        rows: u64,
        /// Leave this many bytes free on the scratch mount's file system.
        keep_free: u64,
    },
    /// Holds what is in `path` against what should be: the entries of the archive that was unpacked there by this worker, or the
    /// tree that it copied there. To be asked once, before anybody writes to it.
    Inventory {
        /// A volume of the worker that a job before this one filled.
        path: String,
        /// The content of every file is compared, too. What an archive held must have been noted for that.
        contents: bool,
    },
    /// Looks at whom the entries at `path` belong to.
    Owners {
        /// A mount of the worker: a folder or a file.
        path: String,
        /// Stop after this many entries; 0 for no bound.
        max_entries: u64,
    },
    /// Tries to reach what must not be reachable.
    Canary {
        /// Addresses to try (no names).
        addresses: Vec<String>,
        /// A name that only an outside resolver knows.
        name: String,
        /// How long to wait for an answer, in milliseconds.
        patience_ms: u64,
    },
    /// Waits until all these TCP ports are listened on in the worker's network namespace. Looks at the kernel's socket
    /// tables; no connection is made.
    Listen {
        /// The ports.
        ports: Vec<u16>,
    },
    /// Looks in `path` for the files by which data says which program wrote it.
    VersionFiles {
        /// A mount of the worker: a folder or a file.
        path: String,
    },
    /// Notes what `path` holds.
    Fingerprint {
        /// A mount of the worker: a folder or a file.
        path: String,
    },
    /// Looks what of a sample is still in `path`.
    Compare {
        /// A mount of the worker.
        path: String,
        /// What was there.
        sample: Vec<Sample>,
    },
    /// Sends one request to a port of the worker's network namespace, on whichever loopback address takes the connection. No
    /// redirect is followed, and no certificate is checked.
    Http {
        /// The request.
        request: HttpRequest,
    },
    /// Stops the job of this number, if it still runs.
    Cancel {
        /// The job to stop.
        target: u64,
    },
}

/// A request over HTTP. It may bear secrets, so that it is not printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// The port.
    pub port: u16,
    /// It speaks TLS.
    pub tls: bool,
    /// `GET`, …
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// All headers but those of the connection.
    pub headers: Vec<(String, String)>,
    /// How long to wait for the whole answer, in milliseconds.
    pub patience_ms: u64,
    /// How much of the body is wanted, in bytes.
    pub most: usize,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest").field("port", &self.port).field("method", &self.method).finish_non_exhaustive()
    }
}

/// What of an archive goes where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// A path in the archive: entries below it, without it, go to `to`. Empty: all entries.
    pub prefix: Vec<u8>,
    /// An empty volume of the worker. Where the prefix names a file, the file lands in it under the name `file`.
    pub to: String,
    /// Note the content of every file, so that it can be compared.
    pub contents: bool,
}

/// What a worker says of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The job's number; 0 in the greeting.
    pub id: u64,
    /// What it says.
    pub answer: Answer,
}

/// An answer. `Progress` may come many times (at most a few a second), `Ready` comes once, before any other; every other
/// answer ends its job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// The worker runs and takes jobs.
    Ready,
    /// It still works. Sent at least every 2 s while a job runs, so that silence means it is stuck.
    Progress {
        /// How far.
        amount: Amount,
        /// Of how much.
        total: Option<Amount>,
    },
    /// A scan's result.
    Scanned(Scan),
    /// What is at the top of a folder; empty for anything else.
    Named {
        /// The names, the first [`MAX_NAMES`], in no order.
        names: Vec<Vec<u8>>,
    },
    /// What was found in a backup.
    Surveyed {
        /// For each want.
        found: Box<BackupContents>,
        /// When its root was changed last, in seconds since the epoch.
        modified: i64,
    },
    /// A copy's result.
    Copied(Copied),
    /// What was unpacked, in the order of the routes.
    Unpacked {
        /// One for each route.
        places: Vec<Unpacked>,
    },
    /// How what is there differs from what should be.
    Inventoried(Box<Inventory>),
    /// Whom the entries belong to.
    Owners(Owners),
    /// The empty place is ready.
    EmptyReady {
        /// What the source is.
        root: RootKind,
    },
    /// An overlay's folders are ready.
    OverlayReady,
    /// What SQLite says of the databases.
    Sqlite(Box<Databases>),
    /// What came of a query.
    Queried {
        /// What.
        queried: Queried,
    },
    /// What the canary met.
    Canary {
        /// What answered, for people (`172.17.0.1:22 refused the connection`); empty when nothing did.
        answered: Vec<String>,
    },
    /// All ports are listened on.
    Listening,
    /// What data says of itself.
    VersionFiles {
        /// Each such file.
        marks: Vec<VersionFile>,
    },
    /// What a place holds.
    Fingerprint {
        /// Its files and stores.
        held: Box<Fingerprint>,
    },
    /// What of it is still there.
    Survivors {
        /// And what is gone.
        kept: Survivors,
    },
    /// The answer to a request.
    Http {
        /// Its status.
        status: u16,
        /// The beginning of its body; what is no text is replaced.
        body: String,
        /// There is more of it.
        cut: bool,
    },
    /// There was no answer to a request, for this reason.
    NoHttp {
        /// Why.
        error: String,
    },
    /// The job could not be done.
    Failed(Failure),
    /// The job was stopped on request.
    Cancelled,
}

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

/// Why a job could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Failure {
    /// More than `max_bytes`.
    TooLarge {
        /// What there is; a lower bound when counting stopped there.
        bytes: u64,
        /// What was allowed.
        max_bytes: u64,
    },
    /// Not enough room.
    NoSpace {
        /// What is needed.
        bytes: u64,
        /// What is free.
        free: u64,
    },
    /// There was room for it, and then no more: somebody else writes there too, or the file system takes no more files.
    Full {
        /// What was being written, relative to the target.
        path: String,
        /// The system's words.
        error: String,
        /// Bytes free now.
        free: u64,
        /// Files that it has room for now, where that is bounded.
        free_files: Option<u64>,
    },
    /// The source could not be read.
    Unreadable {
        /// The file, relative to the source.
        path: String,
        /// The system's words.
        error: String,
    },
    /// The target could not be written.
    Unwritable {
        /// The file, relative to the target.
        path: String,
        /// The system's words.
        error: String,
    },
    /// An archive is damaged, cut off, or none.
    Corrupt {
        /// The last entry before the damage, when there was one.
        entry: String,
        /// Where, in bytes of the archive once it is decompressed.
        at: u64,
        /// What is wrong.
        error: String,
    },
    /// An entry of an archive would be written elsewhere than where it belongs.
    Unsafe {
        /// The entry.
        path: String,
        /// What it would do.
        error: String,
    },
    /// An archive has more entries than are allowed.
    TooMany {
        /// How many are allowed.
        max_entries: u64,
    },
    /// The source is neither a folder nor a file.
    WrongKind {
        /// What it is.
        root: RootKind,
    },
    /// The request makes no sense to this worker.
    BadRequest {
        /// Why.
        error: String,
    },
}
