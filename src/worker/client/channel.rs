//! The line to a worker's process: requests and pieces of streams go in, and each job has a conversation of its own.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::bytes::Bytes;

use super::board::PendingReplies;
use crate::model::event::Amount;
use crate::worker::error::WorkerError;
use crate::worker::protocol::{Job, MAX_DATA, Message, Request};

/// Pieces of streams that wait to be written; each is at most [`MAX_DATA`] long.
const FRAMES: usize = 2;

/// A piece of a stream on its way.
#[derive(Debug)]
pub(super) struct Frame {
    /// The request that announces it.
    pub(super) line: Vec<u8>,
    pub(super) bytes: Bytes,
}

impl Frame {
    fn new(id: u64, bytes: Bytes) -> Frame {
        let length = u32::try_from(bytes.len()).expect("it was cut to what a frame holds");
        Frame { line: line(&Request::Data { id, length }), bytes }
    }
}

/// What is to be sent.
pub(super) enum Outbox {
    /// Nothing: the source has to give a piece first.
    Empty,
    /// What is left of a piece of the source.
    Piece(Bytes),
    /// The end.
    End,
    /// Nothing more: everything is sent, or the worker takes nothing more.
    Done,
}

/// The time after which a silent worker counts as stuck. A worker reports whenever it works, and works whenever it
/// has something to do. While the source has given nothing since the last report, silence means nothing.
struct Silence {
    patience: Duration,
    deadline: Option<Instant>,
}

impl Silence {
    /// The worker has something to do from now on, if it had nothing before.
    fn begins(&mut self) {
        self.deadline.get_or_insert_with(|| Instant::now() + self.patience);
    }

    /// The worker was heard. `still`: it has more to do.
    fn ends(&mut self, still: bool) {
        self.deadline = still.then(|| Instant::now() + self.patience);
    }
}

/// The sending side of the line to a worker, with the jobs that wait for replies.
#[derive(Debug)]
pub(super) struct JobChannel {
    requests: mpsc::UnboundedSender<Vec<u8>>,
    /// Pieces of streams. Requests go first.
    data: mpsc::Sender<Frame>,
    board: Arc<PendingReplies>,
    next_id: AtomicU64,
    /// A worker that has sent nothing for a job for this long is stuck.
    silence: Duration,
}

impl JobChannel {
    /// A channel, and what [`write`] takes out of it.
    pub(super) fn new(
        board: Arc<PendingReplies>,
        silence: Duration,
    ) -> (JobChannel, mpsc::UnboundedReceiver<Vec<u8>>, mpsc::Receiver<Frame>) {
        let (requests, lines) = mpsc::unbounded_channel();
        let (data, frames) = mpsc::channel(FRAMES);
        (JobChannel { requests, data, board, next_id: AtomicU64::new(1), silence }, lines, frames)
    }

    /// Waits for the worker's greeting.
    pub(super) async fn greeted(&self, greeting: oneshot::Receiver<Message>) -> Result<(), WorkerError> {
        match tokio::time::timeout(self.silence, greeting).await {
            Ok(Ok(Message::Ready)) => Ok(()),
            Ok(Ok(other)) => Err(WorkerError::Garbled(format!("{other:?} as a greeting"))),
            Ok(Err(_)) => Err(self.board.end()),
            Err(_) => Err(WorkerError::Silent(self.silence)),
        }
    }

    fn send(&self, request: &Request) {
        // The writing task ends early only when the worker's input is broken, which shows as the end of its output.
        let _ = self.requests.send(line(request));
    }

    /// Gives the worker a job, and its stream if it takes one (`outbox` is `Empty` then, else `Done`). Returns the
    /// message that ends the job. When the stream breaks, or the future is dropped, the job is cancelled.
    pub(super) async fn converse(
        &self,
        job: Job,
        mut outbox: Outbox,
        stream: impl Stream<Item = std::io::Result<Bytes>> + Send,
        mut progress: impl FnMut(Amount, Option<Amount>) + Send,
    ) -> Result<Message, WorkerError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (mut heard, mut ended) = self.board.wait_for(id)?;
        let mut running = RunningJob { channel: self, id, ended: false };
        self.send(&Request::Start { id, job });
        let mut stream = pin!(stream);
        let mut silence = Silence { patience: self.silence, deadline: None };
        silence.ends(!matches!(outbox, Outbox::Empty));
        loop {
            let deadline = silence.deadline;
            tokio::select! {
                biased;
                end = &mut ended => {
                    running.ended = true;
                    return end.map_err(|_| self.board.end());
                }
                Ok(()) = heard.changed() => {
                    let (amount, total) = *heard.borrow_and_update();
                    progress(amount, total);
                    silence.ends(!matches!(outbox, Outbox::Empty));
                }
                place = self.data.reserve(), if matches!(outbox, Outbox::Piece(_) | Outbox::End) => {
                    let (bytes, rest) = match outbox {
                        Outbox::Piece(mut piece) if piece.len() > MAX_DATA as usize => {
                            (piece.split_to(MAX_DATA as usize), Outbox::Piece(piece))
                        }
                        Outbox::Piece(piece) => (piece, Outbox::Empty),
                        _ => (Bytes::new(), Outbox::Done),
                    };
                    outbox = match place {
                        Ok(place) => {
                            place.send(Frame::new(id, bytes));
                            rest
                        }
                        // The worker's input is broken, which shows as the end of its output.
                        Err(_) => Outbox::Done,
                    };
                    silence.begins();
                }
                piece = stream.next(), if matches!(outbox, Outbox::Empty) => {
                    outbox = match piece {
                        Some(Ok(piece)) if piece.is_empty() => continue,
                        Some(Ok(piece)) => Outbox::Piece(piece),
                        Some(Err(error)) => return Err(WorkerError::Source(error)),
                        None => Outbox::End,
                    };
                    silence.begins();
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    return Err(WorkerError::Silent(self.silence));
                }
            }
        }
    }
}

fn line(request: &Request) -> Vec<u8> {
    let mut line = serde_json::to_vec(request).expect("a request has string keys only");
    line.push(b'\n');
    line
}

/// A job while somebody waits for it.
struct RunningJob<'a> {
    channel: &'a JobChannel,
    id: u64,
    ended: bool,
}

impl Drop for RunningJob<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.channel.board.forget(self.id);
            self.channel.send(&Request::Cancel { id: self.id });
        }
    }
}

/// Writes requests and, when there are none, pieces of streams. Returns when the worker is dropped or its input
/// breaks, which shows as the end of its output.
pub(super) async fn write(
    input: &mut (impl AsyncWrite + Unpin),
    mut lines: mpsc::UnboundedReceiver<Vec<u8>>,
    mut frames: mpsc::Receiver<Frame>,
) {
    loop {
        let written = tokio::select! {
            biased;
            line = lines.recv() => match line {
                Some(line) => write_line(input, &line).await,
                None => return,
            },
            Some(frame) = frames.recv() => write_frame(input, &mut lines, &frame).await,
        };
        if written.is_err() {
            return;
        }
    }
}

async fn write_line(input: &mut (impl AsyncWrite + Unpin), line: &[u8]) -> std::io::Result<()> {
    input.write_all(line).await?;
    input.flush().await
}

pub(super) async fn write_frame(
    input: &mut (impl AsyncWrite + Unpin),
    lines: &mut mpsc::UnboundedReceiver<Vec<u8>>,
    frame: &Frame,
) -> std::io::Result<()> {
    // The request that starts this job was queued before the piece, perhaps after requests were looked at last.
    while let Ok(line) = lines.try_recv() {
        input.write_all(&line).await?;
    }
    input.write_all(&frame.line).await?;
    input.write_all(&frame.bytes).await?;
    input.flush().await
}
