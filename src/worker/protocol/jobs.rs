//! The jobs of a worker: one struct each, and a table with the type of each answer.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::answers::{
    Copied, FreeSpace, HttpResponse, Inspected, LiveDatabase, Queried, RootKind, Scan, Surveyed, Unpacked,
    WitnessStart, Witnessed,
};
use crate::model::file_id::FileId;
use crate::model::fingerprint::{AccessMark, Sample, Survivors};
use crate::model::host_tree::{FolderId, HostSeen};
use crate::model::source::MountQuery;
use crate::model::witness::BackupClock;

/// A job, and the type of its answer.
pub trait WorkerJob: Sized {
    /// What the worker answers when the job is done.
    type Answer;

    /// The job as it goes over the wire.
    fn into_job(self) -> Job;

    /// The answer as it goes over the wire.
    fn into_answer(answer: Self::Answer) -> Answer;

    /// Reads the answer as it came over the wire; returns it as the error when it answers another job.
    fn from_answer(answer: Answer) -> Result<Self::Answer, Answer>;
}

macro_rules! jobs {
    ($($name:ident($job:ident) -> $answer:ty;)*) => {
        /// Any job.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "job", rename_all = "kebab-case")]
        pub enum Job {
            $(#[doc = concat!("See [`", stringify!($job), "`].")] $name($job),)*
        }

        /// The answer to any job.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "of", content = "answer", rename_all = "kebab-case")]
        pub enum Answer {
            $(#[doc = concat!("Answers [`", stringify!($job), "`].")] $name(Box<$answer>),)*
        }

        $(impl WorkerJob for $job {
            type Answer = $answer;

            fn into_job(self) -> Job {
                Job::$name(self)
            }

            fn into_answer(answer: $answer) -> Answer {
                Answer::$name(Box::new(answer))
            }

            fn from_answer(answer: Answer) -> Result<$answer, Answer> {
                match answer {
                    Answer::$name(answer) => Ok(*answer),
                    other => Err(other),
                }
            }
        })*
    };
}

jobs! {
    Scan(ScanJob) -> Scan;
    Survey(SurveyJob) -> Surveyed;
    Look(LookJob) -> HostSeen;
    Identify(IdentifyJob) -> Vec<Option<FileId>>;
    Recognise(RecogniseJob) -> Vec<Option<FolderId>>;
    FindBytes(FindBytesJob) -> bool;
    Copy(CopyJob) -> Copied;
    PrepareEmpty(PrepareEmptyJob) -> RootKind;
    PrepareOverlay(PrepareOverlayJob) -> ();
    Unpack(UnpackJob) -> Vec<Unpacked>;
    Inspect(InspectJob) -> Inspected;
    Witness(WitnessJob) -> Witnessed;
    CountLive(CountLiveJob) -> Vec<LiveDatabase>;
    Compare(CompareJob) -> Survivors;
    Query(QueryJob) -> Queried;
    Canary(CanaryJob) -> Vec<String>;
    Listen(ListenJob) -> Vec<u16>;
    Listening(ListeningJob) -> Vec<u16>;
    Http(HttpJob) -> Result<HttpResponse, String>;
    Space(SpaceJob) -> Vec<FreeSpace>;
    WatchSpace(WatchSpaceJob) -> Option<FreeSpace>;
    Weigh(WeighJob) -> Vec<bool>;
    Clear(ClearJob) -> ();
}

/// Walks a tree and counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanJob {
    /// A mount of the worker: a folder or a file.
    pub path: String,
    /// Stop counting after this many entries; 0 for no bound.
    pub max_entries: u64,
}

/// Looks for the data of mounts in a backup that lies in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyJob {
    /// A mount of the worker.
    pub path: String,
    /// What is looked for.
    pub wants: Vec<MountQuery>,
}

/// Looks at what the engine's host has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookJob {
    /// The host's table of mounts, a file that is a mount of the worker; `None`: it is not wanted.
    pub mounts: Option<String>,
    /// A folder whose folders are listed, and where the data may lie in each; an empty path is the folder itself.
    pub list: Option<(String, Vec<String>)>,
    /// Paths that may be folders. The answer is in their order.
    pub folders: Vec<String>,
}

/// Tells what is at these paths, so that two paths to one folder can be told from two folders. The answer is in their
/// order; `None`: nothing is there, or the file system does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentifyJob {
    /// Mounts of the worker.
    pub paths: Vec<String>,
}

/// Tells what is at these paths, to see whether it is what was there before. The answer is in their order; `None`:
/// nothing is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecogniseJob {
    /// Mounts of the worker.
    pub paths: Vec<String>,
}

/// Looks for bytes in the beginning of a file. No link is followed. A file that is not there has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindBytesJob {
    /// A folder that is a mount of the worker.
    pub folder: String,
    /// The file below it.
    pub file: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Copies the content of `from`, its root included, into `to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyJob {
    /// A mount of the worker: a folder, or a file.
    pub from: String,
    /// An empty volume of the worker. A file lands in it under the name `file`.
    pub to: String,
    /// Refuse, before anything is written, when there are more bytes than this; 0 for no bound.
    pub max_bytes: u64,
    /// Leave this many bytes free on the target's file system.
    pub keep_free: u64,
    /// Note what is read of the files, so that an [`InspectJob`] can compare it.
    pub contents: bool,
}

/// Gives `to` the owner, mode, times and attributes of the root of `from`, and nothing of its content. A file becomes
/// an empty one under the name `file`. The answer is the kind of the root of `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrepareEmptyJob {
    /// A mount of the worker: a folder or a file.
    pub from: String,
    /// An empty volume of the worker.
    pub to: String,
}

/// Makes the folders of an overlay in `to`: `upper` with the owner, mode, times and attributes of `from`, and `work`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrepareOverlayJob {
    /// The overlay's lower layer, a mount of the worker.
    pub from: String,
    /// An empty volume of the worker.
    pub to: String,
}

/// Unpacks an archive that comes as a stream: each route puts a part of it into a volume. The archive may be
/// compressed with gzip, zstd, xz or bzip2, which its content tells. The answer has one element a route, in their
/// order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnpackJob {
    /// What goes where. An entry takes the route of the longest prefix.
    pub routes: Vec<Route>,
    /// Refuse a route that gets more bytes than this; 0 for no bound.
    pub max_bytes: u64,
    /// Refuse an archive of more entries than this, unwanted ones included; 0 for no bound.
    pub max_entries: u64,
    /// Leave this many bytes free on the target's file system.
    pub keep_free: u64,
    /// Refuse an archive whose decoder needs a longer window than this, in bytes; 0 for no bound.
    pub max_window: u64,
}

/// A part of an archive and the volume that it goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// A path in the archive: entries below it, without it, go to `to`. Empty: all entries.
    pub prefix: Vec<u8>,
    /// An empty volume of the worker. Where the prefix names a file, the file lands in it under the name `file`.
    pub to: String,
    /// Note the content of every file, so that an [`InspectJob`] can compare it.
    pub contents: bool,
}

/// Looks at a tree, in one walk, for everything that is wanted of it. Nothing of the tree is changed, but with
/// `InspectWants::fingerprint` access times, so that the kernel notes the next read of each file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectJob {
    /// A mount of the worker: a folder or a file.
    pub path: String,
    /// End the walk after this many entries; 0 for no bound.
    pub max_entries: u64,
    /// What to look for.
    pub wants: InspectWants,
}

/// What is wanted of an inspection. Each part has its answer in [`Inspected`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectWants {
    /// The names at the top.
    pub names: bool,
    /// Whom the entries belong to.
    pub owners: bool,
    /// The files by which data says which program wrote it.
    pub version_files: bool,
    /// What the tree holds, so that a [`CompareJob`] can tell later what of it is left and what was accessed. Only for
    /// a volume that the worker can write to.
    pub fingerprint: bool,
    /// The differences to what should be there.
    pub manifest: Option<ManifestWant>,
    /// SQLite's own check of every database.
    pub sqlite: Option<SqliteWant>,
    /// The inspected path is live; what of its content is lost in this mount of the worker, which was restored for it.
    pub lost_in: Option<String>,
    /// How many files the tree holds by its folders, and the rows of its SQLite databases.
    pub tally: bool,
}

/// The comparison of a volume with what should be in it: the entries of the archive that this worker unpacked there,
/// or the tree that it copied there. A volume can be compared once, before a service writes to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestWant {
    /// A volume of the worker that an earlier job filled; the inspected path is this volume or the single file in it.
    pub volume: String,
    /// Compare the content of every file, too. The job that filled the volume must have noted it.
    pub contents: bool,
}

/// How to check SQLite databases without changing anything of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqliteWant {
    /// A mount that can be written to, for what SQLite has to recover first; may be the inspected path itself.
    pub scratch: String,
    /// What the inspected path was copied from, a mount; `None` if it was not copied.
    pub source: Option<String>,
    /// What the live service has there now, a mount; `None` if it cannot be seen.
    pub live: Option<String>,
    /// Leave this many bytes free on the scratch mount's file system.
    pub keep_free: u64,
    /// Count the rows of the tables.
    pub rows: bool,
}

/// Compares a live mount with what was restored for it: what has not been touched since the backup began must have come
/// back as it is. Nothing of either is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessJob {
    /// A mount of the worker: the live folder or file.
    pub live: String,
    /// A mount of the worker: the restored folder or file.
    pub restored: String,
    /// When the backup began.
    pub clock: BackupClock,
    /// Seconds that the backup took at most, where only its end is known.
    pub slack: u64,
    /// Paths that the backup leaves out on purpose: patterns relative to the mount.
    pub exclude: Vec<String>,
    /// Compare all of the content of every file, and not only samples.
    pub contents: bool,
    /// End the walk after this many live entries; 0 for no bound.
    pub max_entries: u64,
}

/// Counts rows of the live databases that these restored ones stand for. The live mount is not written to, and nothing
/// of it is locked. The answer lacks databases of which live says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountLiveJob {
    /// A mount of the worker: the live folder.
    pub live: String,
    /// A mount of the worker: the restored folder.
    pub restored: String,
    /// A mount that can be written to, for copies of databases that have a log.
    pub scratch: String,
    /// Leave this many bytes free on the scratch mount's file system.
    pub keep_free: u64,
    /// Paths that the backup leaves out on purpose: patterns relative to the mount.
    pub exclude: Vec<String>,
    /// When the backup began; `None`: that is not known, or live does not tell what changed since.
    pub start: Option<WitnessStart>,
    /// The restored databases.
    pub databases: Vec<LiveQuestion>,
}

/// A restored database of which the live one is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveQuestion {
    /// The database's name, relative to the mount.
    pub path: String,
    /// The highest id that each table with `AUTOINCREMENT` has ever given to a row.
    pub sequences: Vec<(String, i64)>,
}

/// Looks which files of a fingerprint's sample are still in a tree, and which files were accessed, after a service has
/// run on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompareJob {
    /// A mount of the worker.
    pub path: String,
    /// The files that were there.
    pub sample: Vec<Sample>,
    /// The moment from which on accesses count.
    pub since: AccessMark,
}

/// Asks an SQLite database that its service may be writing to, without changing or locking anything of the service's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryJob {
    /// Where the service's mounts lie as they do in its container.
    pub root: String,
    /// The database's path in the container.
    pub path: String,
    /// The database is a mount by itself.
    pub alone: bool,
    /// A mount that can be written to, which is no mount of the service.
    pub scratch: String,
    /// The query.
    pub query: String,
    /// Count rows up to this number.
    pub rows: u64,
    /// Leave this many bytes free on the scratch mount's file system.
    pub keep_free: u64,
}

/// Looks what is free on the file systems of these paths. The answer is in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceJob {
    /// Folders of the worker.
    pub paths: Vec<String>,
}

/// Watches what is free on the file systems of some paths. The answer is what is free on the first on which too little
/// is; `None` only for a single look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchSpaceJob {
    /// The paths and what has to stay free there.
    pub limits: Vec<SpaceLimit>,
    /// Look once, and do not wait until there is too little.
    pub once: bool,
}

/// What has to stay free on the file system of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceLimit {
    /// A folder of the worker.
    pub path: String,
    /// Bytes.
    pub bytes: u64,
    /// Files that can still be made, where they are bounded.
    pub files: u64,
}

/// Looks which volumes hold at least so many entries and pieces of files with holes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeighJob {
    /// Volumes of the worker. The answer is in their order.
    pub paths: Vec<String>,
    /// How many entries and pieces make a volume heavy.
    pub least: u64,
}

/// Removes everything in volumes that nobody else uses any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClearJob {
    /// Volumes of the worker.
    pub paths: Vec<String>,
}

/// Tries to reach what must not be reachable. The answer lists what answered (`172.17.0.1:22 refused the
/// connection`); empty when nothing did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryJob {
    /// Addresses to try (no names).
    pub addresses: Vec<String>,
    /// A name that only an outside resolver knows.
    pub name: String,
    /// How long to wait for an answer, in milliseconds.
    pub patience_ms: u64,
}

/// Waits until TCP ports are listened on in the worker's network namespace, by the kernel's socket tables. No
/// connection is made. The answer is the ports that are listened on then, in the order of the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenJob {
    /// The ports.
    pub ports: Vec<u16>,
    /// How long to wait for the others once the first is listened on, in milliseconds; `None`: until all are.
    pub others_ms: Option<u64>,
}

/// Looks once which TCP ports are listened on in another network namespace. The answer is in the order of the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListeningJob {
    /// A mount of the worker with that namespace's tables of sockets: the `net` of a process in procfs.
    pub tables: String,
    /// The ports.
    pub ports: Vec<u16>,
}

/// Sends one request to a port of the worker's network namespace, on the loopback address that takes the connection.
/// No redirect is followed, and no certificate is checked. The error says why there was no response.
///
/// The request may bear secrets, so it is not printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpJob {
    /// The port.
    pub port: u16,
    /// The port speaks TLS.
    pub tls: bool,
    /// `GET`, …
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// All headers but those of the connection.
    pub headers: Vec<(String, String)>,
    /// How long to wait for the whole response, in milliseconds.
    pub patience_ms: u64,
    /// Most bytes of the body that the answer carries.
    pub most: usize,
}

impl fmt::Debug for HttpJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpJob").field("port", &self.port).field("method", &self.method).finish_non_exhaustive()
    }
}
