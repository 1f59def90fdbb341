//! The stream of a job: the serving loop fills it, the job reads it. It holds few pieces; who fills it waits meanwhile.

use std::io::{Error, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::job::JobControl;

/// Pieces that wait to be read. They are at most 1 MiB long, and the worker's memory is bounded.
const PIECES: usize = 4;

/// The end at which it is filled. An empty piece is the end of the stream; dropped without one, it breaks the stream.
pub type StreamSender = SyncSender<Vec<u8>>;

/// The end that is read.
#[derive(Debug)]
pub struct StreamReader {
    pieces: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    /// What of the piece was read.
    read: usize,
    ended: bool,
    ticket: Arc<JobControl>,
}

/// A stream for the job of this ticket.
pub fn feed(ticket: &Arc<JobControl>) -> (StreamSender, StreamReader) {
    let (filler, pieces) = sync_channel(PIECES);
    (filler, StreamReader { pieces, piece: Vec::new(), read: 0, ended: false, ticket: Arc::clone(ticket) })
}

impl Read for StreamReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.read == self.piece.len() && !self.ended {
            // Whoever reads this wants to know why it stopped, and asks the ticket.
            let stopped = || Error::other("the job was stopped");
            self.piece = self.pieces.recv().map_err(|_| stopped())?;
            self.read = 0;
            self.ended = self.piece.is_empty();
            // Every piece is answered by a sign of life: that is what the client counts on.
            self.ticket.beat().map_err(|_| stopped())?;
        }
        let length = buffer.len().min(self.piece.len() - self.read);
        buffer[..length].copy_from_slice(&self.piece[self.read..self.read + length]);
        self.read += length;
        Ok(length)
    }
}
