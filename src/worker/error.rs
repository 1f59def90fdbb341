//! Why a job has no answer: the errors of the client.

use std::time::Duration;

use super::protocol::{Answer, Failure};
use crate::docker::DockerError;

/// The worker itself, its image or its container failed.
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
        /// The end of its standard error.
        stderr: String,
    },
    /// The worker has said nothing for this long.
    #[error("the worker has said nothing for {0:?}")]
    Silent(Duration),
    /// The stream for the worker broke off.
    #[error("reading what the worker was to unpack: {0}")]
    Source(#[source] std::io::Error),
    /// The worker said something that is not in the protocol.
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
