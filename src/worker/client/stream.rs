//! The conversation about one job: its request, the pieces of its stream, its progress and its end.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, sleep_until};
use tokio_util::bytes::Bytes;

use super::{Running, Worker, WorkerError, line};
use crate::model::event::Amount;
use crate::worker::protocol::{Job, MAX_DATA, Message, Request};

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
    /// Nothing: the source is waited for.
    Empty,
    /// This much of a piece of the source.
    Piece(Bytes),
    /// The end.
    End,
    /// Nothing more: all is sent, or nobody takes it.
    Done,
}

/// When a worker that says nothing is stuck. It speaks whenever it works, and works whenever it has something: as long as the
/// source has given nothing since the worker was last heard, its silence means nothing.
struct Silence {
    patience: Duration,
    deadline: Option<Instant>,
}

impl Silence {
    /// The worker has something to do from now on, if it had nothing.
    fn begins(&mut self) {
        self.deadline.get_or_insert_with(|| Instant::now() + self.patience);
    }

    /// It was heard; and it still has something to do, or perhaps not.
    fn ends(&mut self, still: bool) {
        self.deadline = still.then(|| Instant::now() + self.patience);
    }
}

impl Worker {
    /// Gives the worker a job, and its stream where it takes one (`outbox` is `Empty` then, else `Done`), and waits for the
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
        let mut running = Running { worker: self, id, ended: false };
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
