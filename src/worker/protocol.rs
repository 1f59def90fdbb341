//! The protocol between client and worker: one JSON object a line, requests on the worker's standard input, replies
//! on its standard output. Only the bytes after a [`Request::Data`] are no such line.
//!
//! Client and worker are always the same build (the image is tagged by content), so there is no version to negotiate.

mod answers;
mod failure;
mod jobs;

use serde::{Deserialize, Serialize};

use crate::model::event::Amount;

pub use answers::{
    Copied, DatabaseFinding, DatabaseTables, Databases, DifferingFiles, FileTally, FreeSpace, HttpResponse, Inspected,
    Inventory, LiveDatabase, LostContent, MAX_NAME_BYTES, MAX_NAMES, Owners, Queried, RootKind, Scan, Surveyed,
    TreeTally, Unpacked, WitnessStart, Witnessed,
};
pub use failure::Failure;
pub use jobs::{
    Answer, CanaryJob, ClearJob, CompareJob, CopyJob, CountLiveJob, FindBytesJob, HttpJob, IdentifyJob, InspectJob,
    InspectWants, Job, ListenJob, ListeningJob, LiveQuestion, LookJob, ManifestWant, PrepareEmptyJob,
    PrepareOverlayJob, QueryJob, RecogniseJob, Route, ScanJob, SpaceJob, SpaceLimit, SqliteWant, SurveyJob, UnpackJob,
    WatchSpaceJob, WeighJob, WitnessJob, WorkerJob,
};

/// Longest piece of a stream, in bytes.
pub const MAX_DATA: u32 = 1024 * 1024;

/// A request of the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// Start a job. Jobs run at the same time.
    Start {
        /// The number that all replies to the job bear; not 0.
        id: u64,
        /// The job.
        job: Job,
    },
    /// The next piece of the stream of a job; its bytes follow the line. An empty piece is the end of the stream.
    /// Pieces for a job that has ended are thrown away.
    Data {
        /// The job's number.
        id: u64,
        /// Number of bytes, at most [`MAX_DATA`].
        length: u32,
    },
    /// Stop a job, if it still runs.
    Cancel {
        /// The job's number.
        id: u64,
    },
}

/// A reply of the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The job's number; 0 in the greeting, and in a refusal of a request that could not be read.
    pub id: u64,
    /// Its content.
    pub message: Message,
}

/// The content of a reply. `Ready` comes once, before any other. `Progress` may come many times, at most a few a
/// second. Every other message ends its job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", content = "with", rename_all = "kebab-case")]
pub enum Message {
    /// The worker runs and takes jobs.
    Ready,
    /// The job goes on. Sent at least every 2 s while anything moves, so silence means that the worker is stuck.
    Progress {
        /// How far the job is.
        amount: Amount,
        /// The amount of all work; `None` where it is not known.
        total: Option<Amount>,
    },
    /// The job is done.
    Done(Answer),
    /// The job could not be done.
    Failed(Failure),
    /// The job was stopped on request.
    Cancelled,
}
