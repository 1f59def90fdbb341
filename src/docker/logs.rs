//! The last lines of a container's log.

use std::collections::VecDeque;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::TryStreamExt;

use super::client::Daemon;
use super::connection::in_path;
use super::errors::Result;

impl Daemon {
    /// The last lines of a container's log, oldest first: at most `lines` lines, and at most `bytes` bytes in all.
    pub async fn log_tail(&self, id: &str, lines: usize, bytes: usize) -> Result<Vec<String>> {
        const READ: &str = "read the log of container";
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&lines.to_string()).build();
        let id = in_path(READ, id)?;
        let read = async |docker: &Docker| {
            let mut tail = Tail::new(lines, bytes);
            let mut log = std::pin::pin!(docker.logs(id, Some(options)));
            while let Some(piece) = log.try_next().await? {
                match piece {
                    LogOutput::StdErr { message } => tail.push(Channel::Err, &message),
                    // A container with a terminal has one channel only, without frames.
                    LogOutput::StdOut { message } | LogOutput::Console { message } | LogOutput::StdIn { message } => {
                        tail.push(Channel::Out, &message);
                    }
                }
            }
            Ok(tail.finish())
        };
        self.connection.call(READ, id, read).await
    }
}

#[derive(Debug, Clone, Copy)]
enum Channel {
    Out,
    Err,
}

/// The last lines of an output within the bounds. A piece may end anywhere: each channel joins its own pieces to lines,
/// and a line takes its place in the order when it ends.
#[derive(Debug)]
struct Tail {
    most_lines: usize,
    most_bytes: usize,
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    open: [Vec<u8>; 2],
}

impl Tail {
    fn new(most_lines: usize, most_bytes: usize) -> Self {
        Self { most_lines, most_bytes, lines: VecDeque::new(), bytes: 0, open: Default::default() }
    }

    fn push(&mut self, channel: Channel, piece: &[u8]) {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.extend(channel, &rest[..end]);
            let line = std::mem::take(&mut self.open[channel as usize]);
            self.keep(line);
            rest = &rest[end + 1..];
        }
        self.extend(channel, rest);
    }

    /// Adds to the unfinished line; of one that grows too long, the end is kept.
    fn extend(&mut self, channel: Channel, piece: &[u8]) {
        let open = &mut self.open[channel as usize];
        open.extend_from_slice(piece);
        if open.len() > self.most_bytes {
            open.drain(..open.len() - self.most_bytes);
        }
    }

    fn keep(&mut self, mut line: Vec<u8>) {
        while line.last() == Some(&b'\r') {
            line.pop();
        }
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.lines.len() > self.most_lines || self.bytes > self.most_bytes {
            match self.lines.pop_front() {
                Some(first) => self.bytes -= first.len(),
                None => break,
            }
        }
    }

    fn finish(mut self) -> Vec<String> {
        for channel in [Channel::Out, Channel::Err] {
            let line = std::mem::take(&mut self.open[channel as usize]);
            if !line.is_empty() {
                self.keep(line);
            }
        }
        self.lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_from_pieces_of_both_channels() {
        let mut tail = Tail::new(10, 1000);
        tail.push(Channel::Out, b"one\ntw");
        tail.push(Channel::Err, b"oops\r\n");
        tail.push(Channel::Out, b"o\nlast");
        assert_eq!(tail.finish(), ["one", "oops", "two", "last"]);
    }

    #[test]
    fn the_end_is_kept_when_there_is_too_much() {
        let mut tail = Tail::new(2, 1000);
        tail.push(Channel::Out, b"a\nb\nc\n");
        assert_eq!(tail.finish(), ["b", "c"]);

        let mut tail = Tail::new(10, 5);
        tail.push(Channel::Out, b"aaa\nbbb\n");
        tail.push(Channel::Out, b"cc\n");
        assert_eq!(tail.finish(), ["bbb", "cc"]);

        let mut tail = Tail::new(10, 5);
        tail.push(Channel::Out, b"123456789");
        assert_eq!(tail.finish(), ["56789"]);
    }

    #[test]
    fn what_is_not_utf8_is_replaced() {
        let mut tail = Tail::new(10, 1000);
        tail.push(Channel::Out, b"a\xffb\n\n");
        assert_eq!(tail.finish(), ["a\u{fffd}b", ""]);
    }
}
