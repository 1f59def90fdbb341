//! Content of files on its way into an archive: the pieces of data of a file, and the output buffer.

use std::io::{self, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{SeekFrom, Stat, seek};
use rustix::io::{Errno, pread};

use crate::archive::header::BLOCK;

/// Size of the output buffer in bytes: as much as a pipe takes. With more, one side waits for the other and the data
/// falls out of the processor's cache, which takes twice as long.
const BUFFER: usize = 64 * 1024;
/// Smallest file, in bytes, whose holes are worth a map.
const SMALLEST_SPARSE: u64 = 16 * 1024;
/// Most pieces of a file. After these, the rest is packed as data, holes included.
const MAX_PIECES: usize = 100_000;

/// A piece of data in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataPiece {
    /// Offset in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
}

/// The pieces of a file that are data; `None`: all of it. All pieces but the last consist of whole blocks, because
/// readers do not agree on the padding of others.
#[allow(clippy::unnecessary_cast, reason = "the types of a stat's fields differ between architectures")]
pub fn data_pieces(source: &OwnedFd, stat: &Stat) -> Result<Option<Vec<DataPiece>>, Errno> {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    if size < SMALLEST_SPARSE || stat.st_blocks as u64 * 512 >= size {
        return Ok(None);
    }
    let block = BLOCK as u64;
    let mut pieces: Vec<DataPiece> = Vec::new();
    let mut at = 0;
    while at < size {
        let data = match seek(source, SeekFrom::Data(at)) {
            Ok(data) if data < size => data,
            // A hole up to the end of the file.
            Ok(_) | Err(Errno::NXIO) => break,
            // A file system without holes.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(None),
            Err(error) => return Err(error),
        };
        let hole = match seek(source, SeekFrom::Hole(data)) {
            Ok(hole) if pieces.len() < MAX_PIECES => hole.next_multiple_of(block).min(size),
            Ok(_) | Err(Errno::NXIO) => size,
            Err(error) => return Err(error),
        };
        let data = data / block * block;
        // The data may have been removed meanwhile, but the loop must advance.
        let hole = hole.max((data + block).min(size));
        match pieces.last_mut() {
            Some(last) if last.offset + last.length >= data => last.length = hole - last.offset,
            _ => pieces.push(DataPiece { offset: data, length: hole - data }),
        }
        at = hole;
    }
    let is_dense = pieces == [DataPiece { offset: 0, length: size }];
    Ok((!is_dense).then_some(pieces))
}

/// The map (version 1.0) that precedes the data of a sparse file: decimal numbers, one in each line, padded to whole
/// blocks.
pub fn encode_sparse_map(pieces: &[DataPiece], size: u64) -> Vec<u8> {
    let mut map = Vec::new();
    // GNU tar takes the file's size from the end of the last piece, so a piece must end there.
    let end = pieces.last().map_or(0, |last| last.offset + last.length);
    let tail = (end < size).then_some(DataPiece { offset: size, length: 0 });
    let number = |map: &mut Vec<u8>, number: u64| map.extend_from_slice(format!("{number}\n").as_bytes());
    number(&mut map, pieces.len() as u64 + u64::from(tail.is_some()));
    for piece in pieces.iter().chain(&tail) {
        number(&mut map, piece.offset);
        number(&mut map, piece.length);
    }
    map.resize(map.len().next_multiple_of(BLOCK), 0);
    map
}

/// The output of the packer. Headers and small files are written together; content is read directly into the buffer.
pub struct ArchiveOutput<W> {
    inner: W,
    buffer: Vec<u8>,
    filled: usize,
    written: u64,
}

impl<W: Write> ArchiveOutput<W> {
    pub fn new(inner: W) -> ArchiveOutput<W> {
        ArchiveOutput { inner, buffer: vec![0; BUFFER], filled: 0, written: 0 }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.write_all(&self.buffer[..self.filled])?;
        self.written += self.filled as u64;
        self.filled = 0;
        Ok(())
    }

    /// Free space in the buffer: `want` bytes, or as many as fit.
    fn space(&mut self, want: u64) -> io::Result<&mut [u8]> {
        let want = usize::try_from(want).unwrap_or(BUFFER);
        if BUFFER - self.filled < want.min(BUFFER) {
            self.flush()?;
        }
        let end = self.filled + want.min(BUFFER - self.filled);
        Ok(&mut self.buffer[self.filled..end])
    }

    pub fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let space = self.space(bytes.len() as u64)?;
            let length = space.len();
            let (now, later) = bytes.split_at(length);
            space.copy_from_slice(now);
            self.filled += length;
            bytes = later;
        }
        Ok(())
    }

    pub fn zeros(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            let space = self.space(count)?;
            let length = space.len();
            space.fill(0);
            self.filled += length;
            count -= length as u64;
        }
        Ok(())
    }

    /// Copies a piece of a file; returns the number of bytes, with the error if one ended the copy early.
    pub fn copy(&mut self, source: &OwnedFd, piece: DataPiece) -> io::Result<Result<u64, (u64, Errno)>> {
        let mut copied = 0;
        while copied < piece.length {
            let space = self.space(piece.length - copied)?;
            match pread(source, space, piece.offset + copied) {
                Ok(0) => break,
                Ok(read) => {
                    self.filled += read;
                    copied += read as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Ok(Err((copied, error))),
            }
        }
        Ok(Ok(copied))
    }

    /// Pads the last block with zeros.
    pub fn fill_block(&mut self) -> io::Result<()> {
        let at = self.written + self.filled as u64;
        self.zeros(at.next_multiple_of(BLOCK as u64) - at)
    }

    /// Writes the end mark and the rest of the buffer.
    pub fn finish(&mut self) -> io::Result<()> {
        self.zeros(2 * BLOCK as u64)?;
        self.flush()?;
        self.inner.flush()
    }
}
