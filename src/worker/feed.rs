//! The stream of a job: the serving loop fills it, the job reads it. It holds few pieces; the serving loop waits
//! while it is full.

use std::io::{Error, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::job::JobControl;

/// Pieces that wait to be read. They are at most 1 MiB long, and the worker's memory is bounded.
const PIECES: usize = 4;

/// The end that is filled. An empty piece is the end of the stream; when it is dropped without one, the stream
/// breaks.
pub type StreamSender = SyncSender<Vec<u8>>;

/// The end that is read.
#[derive(Debug)]
pub struct StreamReader {
    pieces: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    /// Bytes of the piece that were read.
    read: usize,
    ended: bool,
    control: Arc<JobControl>,
}

/// A stream for a job.
pub fn feed(control: &Arc<JobControl>) -> (StreamSender, StreamReader) {
    let (filler, pieces) = sync_channel(PIECES);
    (filler, StreamReader { pieces, piece: Vec::new(), read: 0, ended: false, control: Arc::clone(control) })
}

impl Read for StreamReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.read == self.piece.len() && !self.ended {
            // The reader asks the job why it was stopped.
            let stopped = || Error::other("the job was stopped");
            self.piece = self.pieces.recv().map_err(|_| stopped())?;
            self.read = 0;
            self.ended = self.piece.is_empty();
            // Every piece is answered by a sign of life, which the client counts on.
            self.control.beat().map_err(|_| stopped())?;
        }
        let length = buffer.len().min(self.piece.len() - self.read);
        buffer[..length].copy_from_slice(&self.piece[self.read..self.read + length]);
        self.read += length;
        Ok(length)
    }
}
