//! A buffered reader that shows more than one byte of what comes next.

use std::io::{self, BufRead, ErrorKind, Read};

/// A buffered reader.
pub struct Ahead<R> {
    inner: R,
    buffer: Box<[u8]>,
    /// The part of the buffer that was not taken yet.
    at: usize,
    end: usize,
}

impl<R: Read> Ahead<R> {
    /// Reads `inner` so many bytes at a time.
    pub fn with_capacity(capacity: usize, inner: R) -> Ahead<R> {
        Ahead { inner, buffer: vec![0; capacity].into_boxed_slice(), at: 0, end: 0 }
    }

    /// The next bytes, which are not taken: at least so many, or all that are left.
    pub fn peek(&mut self, least: usize) -> io::Result<&[u8]> {
        let least = least.min(self.buffer.len());
        if self.end - self.at < least {
            self.buffer.copy_within(self.at..self.end, 0);
            (self.at, self.end) = (0, self.end - self.at);
            while self.end < least {
                match self.inner.read(&mut self.buffer[self.end..]) {
                    Ok(0) => break,
                    Ok(read) => self.end += read,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(&self.buffer[self.at..self.end])
    }
}

impl<R: Read> Read for Ahead<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Ahead<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.end {
            (self.at, self.end) = (0, 0);
            self.end = self.inner.read(&mut self.buffer)?;
        }
        Ok(&self.buffer[self.at..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.at = (self.at + count).min(self.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_is_read_all_the_same() {
        let text = b"0123456789";
        for chunk in 1..12 {
            let mut ahead = Ahead::with_capacity(4, text.chunks(chunk).fold(Chunks::default(), Chunks::with));
            assert_eq!(ahead.peek(3).unwrap()[..3], text[..3]);
            ahead.consume(2);
            assert_eq!(ahead.peek(4).unwrap()[..4], text[2..6]);
            let mut rest = Vec::new();
            ahead.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, text[2..]);
            assert_eq!(ahead.peek(1).unwrap(), b"");
        }
    }

    /// Gives one chunk a read.
    #[derive(Default)]
    struct Chunks(std::collections::VecDeque<Vec<u8>>);

    impl Chunks {
        fn with(mut self, chunk: &[u8]) -> Chunks {
            self.0.push_back(chunk.to_vec());
            self
        }
    }

    impl Read for Chunks {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let Some(mut chunk) = self.0.pop_front() else { return Ok(0) };
            let count = chunk.len().min(out.len());
            out[..count].copy_from_slice(&chunk[..count]);
            if count < chunk.len() {
                self.0.push_front(chunk.split_off(count));
            }
            Ok(count)
        }
    }
}
