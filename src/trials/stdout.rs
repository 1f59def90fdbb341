//! libtest-mimic's way to standard output. libtest-mimic panics if it cannot write, so it writes into a pipe, and a
//! thread passes on what comes out: a reader that has gone (`rehearsa test | head -1`) does not end the run.

use std::fs::OpenOptions;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::thread::JoinHandle;

use crate::report::target::has_no_reader;

/// Bytes that are passed on at a time.
const BUFFER: usize = 8 * 1024;

/// A pipe that leads to standard output.
pub(super) struct LastingStdout {
    writer: PipeWriter,
    passing: JoinHandle<io::Result<()>>,
}

impl LastingStdout {
    /// Opens the way; `None`: the system has none to offer, and libtest-mimic has to write by itself.
    pub fn open() -> Option<Self> {
        Self::to(io::stdout())
    }

    fn to(out: impl Write + Send + 'static) -> Option<Self> {
        let (reader, writer) = io::pipe().ok()?;
        // Without a procfs of this process's own the path leads nowhere, or elsewhere.
        OpenOptions::new().write(true).open(path(&writer)).ok()?;
        let passing = std::thread::Builder::new().name("stdout".to_owned()).spawn(move || pass_on(reader, out)).ok()?;
        Some(Self { writer, passing })
    }

    /// The file that libtest-mimic writes to.
    pub fn path(&self) -> String {
        path(&self.writer)
    }

    /// Waits until everything is written; an error if it could not be, for another reason than that nobody reads.
    pub fn finish(self) -> io::Result<()> {
        drop(self.writer);
        self.passing.join().unwrap_or_else(|_| Err(io::Error::other("its thread panicked")))
    }
}

fn path(writer: &PipeWriter) -> String {
    format!("/proc/self/fd/{}", writer.as_raw_fd())
}

/// Passes everything on, and after an error reads on, so that the writer never waits.
fn pass_on(mut reader: PipeReader, mut out: impl Write) -> io::Result<()> {
    let mut buffer = [0; BUFFER];
    let mut result = Ok(());
    loop {
        let length = match reader.read(&mut buffer) {
            Ok(0) => return result,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return result.and(Err(error)),
        };
        if result.is_ok() {
            result = out.write_all(&buffer[..length]).and_then(|()| out.flush());
        }
        if result.as_ref().is_err_and(has_no_reader) {
            out_of_sight(&mut reader, &mut buffer);
            return Ok(());
        }
    }
}

/// Reads the rest for nobody.
fn out_of_sight(reader: &mut PipeReader, buffer: &mut [u8]) {
    while reader.read(buffer).is_ok_and(|length| length > 0) {}
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    struct Passed(Sender<Vec<u8>>);

    impl Write for Passed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Far more than a pipe holds.
    const MUCH: usize = 1024 * 1024;

    #[test]
    fn everything_is_passed_on_in_order() {
        let (sender, passed) = channel();
        let stdout = LastingStdout::to(Passed(sender)).expect("opens");
        let mut file = OpenOptions::new().write(true).open(stdout.path()).expect("opens");
        file.write_all(b"one\n").expect("written");
        assert_eq!(passed.recv().expect("at once"), b"one\n");
        file.write_all(&vec![b'x'; MUCH]).expect("written");
        drop(file);
        stdout.finish().expect("all is written");
        assert_eq!(passed.iter().map(|piece| piece.len()).sum::<usize>(), MUCH);
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error_and_a_full_disk_is_one() {
        let (sender, passed) = channel();
        drop(passed);
        let write = |stdout: LastingStdout| {
            let mut file = OpenOptions::new().write(true).open(stdout.path()).expect("opens");
            file.write_all(&vec![b'x'; MUCH]).expect("the writer never waits");
            drop(file);
            stdout.finish()
        };
        assert!(write(LastingStdout::to(Passed(sender)).expect("opens")).is_ok());
        let error = write(LastingStdout::to(Full).expect("opens")).expect_err("told");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
