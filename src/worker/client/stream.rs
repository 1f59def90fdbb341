//! Giving a worker a job that takes a stream.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, sleep_until};
use tokio_util::bytes::Bytes;

use super::{Running, Worker, WorkerError, line};
use crate::model::event::Amount;
use crate::worker::protocol::{Answer, Job, MAX_DATA, Request};

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
        Frame { line: line(&Request { id, job: Job::Data { length } }), bytes }
    }
}

/// What is to be sent.
enum Outbox {
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
    /// Gives it a job that takes a stream, the stream, and waits for the answer that ends the job; `progress` hears of the
    /// rest. The stream is not read to its end when the answer comes before. When it breaks, or the future is dropped, the job
    /// is cancelled.
    ///
    /// What waits to be sent is bounded: the stream is read as fast as the worker takes it.
    pub async fn unpack(
        &self,
        job: Job,
        stream: impl Stream<Item = std::io::Result<Bytes>> + Send,
        mut progress: impl FnMut(Amount, Option<Amount>) + Send,
    ) -> Result<Answer, WorkerError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (mut heard, mut answered) = self.board.wait_for(id)?;
        let mut running = Running { worker: self, id, ended: false };
        self.send(&Request { id, job });
        let mut stream = pin!(stream);
        let mut outbox = Outbox::Empty;
        let mut silence = Silence { patience: self.silence, deadline: None };
        loop {
            let deadline = silence.deadline;
            tokio::select! {
                biased;
                answer = &mut answered => {
                    running.ended = true;
                    return answer.map_err(|_| self.board.end());
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
