//! Why a job has no answer: the errors of the client.

use std::time::Duration;

use super::protocol::{Answer, Failure};
use crate::docker::DockerError;

/// The worker did not do its job for a reason of its own.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The engine refused something.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// This executable could not be made into an image.
    #[error("making the worker image from {path}: {source}")]
    Image {
        /// The executable or shared object.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The container ended or closed its output before the job's answer.
    #[error("the worker stopped before its answer (exit code {exit_code:?}){}", stderr_note(.stderr))]
    Stopped {
        /// Its exit code, when it is known.
        exit_code: Option<i64>,
        /// The last it wrote on standard error.
        stderr: String,
    },
    /// Nothing was heard of it for this long.
    #[error("the worker has said nothing for {0:?}")]
    Silent(Duration),
    /// The stream that it was to be given broke off.
    #[error("reading what the worker was to unpack: {0}")]
    Source(#[source] std::io::Error),
    /// It said something that is not in the protocol.
    #[error("the worker said something unexpected: {0}")]
    Garbled(String),
}

fn stderr_note(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}

/// Why a job has no answer.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The worker could not do the job.
    #[error("{0}")]
    Failed(Failure),
    /// The job was stopped on request.
    #[error("the job was stopped")]
    Cancelled,
    /// The worker failed, or could not be reached any more.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The answer is one to another job.
    #[error("unexpected answer {0:?}")]
    Unexpected(Box<Answer>),
}
