//! The replies of a worker, and the jobs that wait for them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use futures_util::{Stream, StreamExt};
use tokio::sync::{oneshot, watch};

use crate::docker::Output;
use crate::model::event::Amount;
use crate::model::lock::lock;
use crate::worker::error::WorkerError;
use crate::worker::protocol::{Failure, Message, Reply};

/// Longest line of a worker, in bytes. The longest answer, that of an inspection, is a few megabytes.
const MAX_LINE: usize = 8 * 1024 * 1024;
/// Bytes of its standard error that are kept.
const MAX_STDERR: usize = 4096;

/// The jobs that wait for replies, shared with the task that reads.
#[derive(Debug, Default)]
pub(super) struct PendingReplies {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<u64, Waiting>,
    /// Set once, when nothing more will be read.
    end: Option<OutputEnd>,
}

/// How far a job is, and of how much.
pub(super) type Progress = (Amount, Option<Amount>);

#[derive(Debug)]
struct Waiting {
    progress: watch::Sender<Progress>,
    end: oneshot::Sender<Message>,
}

/// Why nothing more will be read.
#[derive(Debug, Clone)]
pub(super) enum OutputEnd {
    Stopped { exit_code: Option<i64>, stderr: String },
    Garbled(String),
}

impl From<OutputEnd> for WorkerError {
    fn from(end: OutputEnd) -> WorkerError {
        match end {
            OutputEnd::Stopped { exit_code, stderr } => WorkerError::Stopped { exit_code, stderr },
            OutputEnd::Garbled(line) => WorkerError::Garbled(line),
        }
    }
}

impl PendingReplies {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Why nothing more will be read; called once that is so.
    pub(super) fn end(&self) -> WorkerError {
        let end = self.lock().end.clone();
        end.unwrap_or(OutputEnd::Stopped { exit_code: None, stderr: String::new() }).into()
    }

    /// Registers a job: returns where its progress and its end will arrive.
    pub(super) fn wait_for(
        &self,
        id: u64,
    ) -> Result<(watch::Receiver<Progress>, oneshot::Receiver<Message>), OutputEnd> {
        let (progress, heard) = watch::channel(Default::default());
        let (end, ended) = oneshot::channel();
        let mut state = self.lock();
        if let Some(end) = &state.end {
            return Err(end.clone());
        }
        state.waiting.insert(id, Waiting { progress, end });
        Ok((heard, ended))
    }

    /// Nobody waits for this job any more.
    pub(super) fn forget(&self, id: u64) {
        self.lock().waiting.remove(&id);
    }

    /// Nothing more will be read.
    pub(super) fn close(&self, end: OutputEnd) {
        let mut state = self.lock();
        state.end = Some(end);
        state.waiting.clear();
    }

    fn hear(&self, line: &[u8]) -> Result<(), OutputEnd> {
        let garbled = || OutputEnd::Garbled(String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned());
        let Reply { id, message } = serde_json::from_slice(line).map_err(|_| garbled())?;
        let mut state = self.lock();
        match message {
            Message::Progress { amount, total } => {
                if let Some(waiting) = state.waiting.get(&id) {
                    waiting.progress.send_replace((amount, total));
                }
            }
            // Number 0 is the greeting's; a failure under it is about a request that could not be read.
            Message::Failed(Failure::BadRequest { error }) if id == 0 => return Err(OutputEnd::Garbled(error)),
            end => {
                if let Some(waiting) = state.waiting.remove(&id) {
                    // Whoever waited may have gone: that is how jobs are cancelled.
                    let _ = waiting.end.send(end);
                }
            }
        }
        Ok(())
    }
}

/// Reads a worker's output to its end and hands out its replies.
pub(super) async fn read(
    mut output: impl Stream<Item = crate::docker::Result<Output>> + Unpin,
    board: &PendingReplies,
    exit_code: impl Future<Output = Option<i64>>,
) -> OutputEnd {
    let mut line = Vec::new();
    let mut stderr = Vec::new();
    while let Some(piece) = output.next().await {
        match piece {
            Ok(Output::Stdout(bytes)) => {
                let mut rest = &bytes[..];
                while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                    line.extend_from_slice(&rest[..end]);
                    rest = &rest[end + 1..];
                    if let Err(end) = board.hear(&line) {
                        return end;
                    }
                    line.clear();
                }
                line.extend_from_slice(rest);
                if line.len() > MAX_LINE {
                    return OutputEnd::Garbled(format!("a line of more than {MAX_LINE} bytes"));
                }
            }
            Ok(Output::Stderr(bytes)) => {
                stderr.extend_from_slice(&bytes);
                stderr.drain(..stderr.len().saturating_sub(MAX_STDERR));
            }
            Err(error) => {
                tracing::debug!(%error, "the worker's output broke");
                break;
            }
        }
    }
    let stderr = String::from_utf8_lossy(&stderr).trim().to_owned();
    OutputEnd::Stopped { exit_code: exit_code.await, stderr }
}
