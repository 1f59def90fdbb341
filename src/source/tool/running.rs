//! An owner's program while it runs: its output as a stream, its words, our clock, and its end.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use super::program::ToolKind;
use super::words::{Words, told};
use crate::model::mask::Mask;
use crate::source::error::SourceError;

/// Time for a program to end after it was interrupted. Meanwhile its output is read and dropped, because some programs
/// do not end before.
const GRACE: Duration = Duration::from_secs(2);
/// How often a program is looked at that has closed its output and not ended.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes of standard error that are read at a time.
const PIECE: usize = 4096;

/// A running program. Reading yields its standard output; then [`RunningTool::finish`] tells how it ended. A program
/// that is dropped is stopped.
pub struct RunningTool {
    child: Child,
    kind: &'static ToolKind,
    /// `None`: at its end.
    stdout: Option<File>,
    stderr: Option<File>,
    words: Words,
    /// Time without a byte on either output.
    quiet: Duration,
    /// Time since the program has begun to try again, without a byte on standard output; `None`: it has not.
    retrying: Option<Duration>,
    /// Set when the program was stopped for our clock's sake.
    overdue: Option<String>,
    reaped: bool,
}

/// The end of a program.
#[derive(Debug)]
pub struct ToolEnd {
    pub status: ExitStatus,
    /// Lines of its standard error, with secrets hidden.
    pub words: Vec<String>,
}

impl ToolEnd {
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// The exit code; `None`: a signal ended the program.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Whether any line has this text.
    pub fn says(&self, text: &str) -> bool {
        self.words.iter().any(|line| line.contains(text))
    }

    /// How the program ended, and its own words: `exit code 1: Fatal: …`.
    pub fn told(&self) -> String {
        let end = match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("ended by signal {signal}"),
            (None, None) => self.status.to_string(),
        };
        if self.words.is_empty() { end } else { format!("{end}: {}", told(&self.words)) }
    }
}

impl RunningTool {
    pub(super) fn new(mut child: Child, kind: &'static ToolKind, mask: Mask) -> RunningTool {
        let stdout = child.stdout.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        let stderr = child.stderr.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        RunningTool {
            child,
            kind,
            stdout,
            stderr,
            words: Words::new(mask),
            quiet: Duration::ZERO,
            retrying: None,
            overdue: None,
            reaped: false,
        }
    }

    /// Waits for the end. Output that nobody has read is dropped.
    pub fn finish(mut self) -> Result<ToolEnd, SourceError> {
        let failed = |error: io::Error| SourceError::ToolFailed(format!("waiting for a program to end: {error}"));
        let mut sink = vec![0; 64 * 1024];
        // An error here is that of our clock, which is told below.
        while self.read(&mut sink).is_ok_and(|count| count > 0) {}
        while self.overdue.is_none() && !self.has_ended().map_err(failed)? {
            // An overdue program is stopped by the wait.
            let _ = self.wait_for_output(LOOK);
        }
        let status = self.reap().map_err(failed)?;
        if let Some(words) = self.overdue.take() {
            return Err(SourceError::NoAnswer(words));
        }
        Ok(ToolEnd { status, words: self.words.lines() })
    }

    /// Lets the program, whose output nobody needs, work for `most`: drops its output, takes its words, and looks at
    /// the clock. `has_progressed`: its work has had an effect since the last call, which counts as output. Returns
    /// whether the program still runs.
    pub fn attend(&mut self, most: Duration, has_progressed: bool) -> Result<bool, SourceError> {
        if has_progressed {
            (self.quiet, self.retrying) = (Duration::ZERO, None);
        }
        let failed = |error: io::Error| SourceError::ToolFailed(format!("waiting for a program to work: {error}"));
        let waited = self.wait_for_output(most);
        if let Some(words) = self.overdue.take() {
            return Err(SourceError::NoAnswer(words));
        }
        if waited.map_err(failed)? && !drained(&mut self.stdout, &mut [0; PIECE]) {
            self.stdout = None;
        }
        Ok(!self.has_ended().map_err(failed)?)
    }

    /// Interrupts the program, and waits for its end.
    pub fn interrupt(mut self) -> io::Result<ToolEnd> {
        self.stop();
        let status = self.reap()?;
        Ok(ToolEnd { status, words: self.words.lines() })
    }

    /// Waits until there is something to read, for `most` at the longest; takes the words. Returns whether standard
    /// output has something or is at its end. An error: the program took too long, and was stopped.
    fn wait_for_output(&mut self, most: Duration) -> io::Result<bool> {
        let began = Instant::now();
        let (mut out, mut err) = (false, false);
        {
            let mut fds = Vec::with_capacity(2);
            fds.extend(self.stdout.as_ref().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)));
            fds.extend(self.stderr.as_ref().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)));
            match poll(&mut fds, Some(&Timespec::try_from(most).unwrap_or_default())) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
            let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
            if self.stdout.is_some() {
                out = ready.next().unwrap_or(false);
            }
            if self.stderr.is_some() {
                err = ready.next().unwrap_or(false);
            }
        }
        let waited = began.elapsed();
        if err {
            self.take_words();
        }
        self.quiet = if out || err { Duration::ZERO } else { self.quiet + waited };
        match &mut self.retrying {
            Some(_) if out => self.retrying = None,
            Some(time) => *time += waited,
            None => {}
        }
        if !out {
            self.check_clock()?;
        }
        Ok(out)
    }

    /// Reads what is there of standard error.
    fn take_words(&mut self) {
        let Some(pipe) = &mut self.stderr else { return };
        let mut piece = [0; PIECE];
        let count = pipe.read(&mut piece).unwrap_or(0);
        let (name, is_retry, mut retries) = (self.kind.name, self.kind.is_retry, false);
        let mut see = |line: &str| {
            if is_retry(line) {
                retries = true;
                tracing::warn!("{name}: {line}");
            } else {
                tracing::debug!("{name}: {line}");
            }
        };
        if count == 0 {
            self.words.end_line(&mut see);
            self.stderr = None;
        } else {
            self.words.take(&piece[..count], &mut see);
        }
        if retries {
            self.retrying.get_or_insert_default();
        }
    }

    /// Stops the program and fails if it took too long.
    fn check_clock(&mut self) -> io::Result<()> {
        let (name, patience) = (self.kind.name, self.kind.patience);
        let why = match self.retrying {
            Some(time) if time >= patience.retries => format!("{name} has tried again for {} s", time.as_secs()),
            _ if self.quiet >= patience.silence => format!("{name} has said nothing for {} s", self.quiet.as_secs()),
            _ => return Ok(()),
        };
        self.stop();
        let words = self.words.lines();
        let words = if words.is_empty() { String::new() } else { format!("; its words: {}", told(&words)) };
        self.overdue = Some(format!("{why} and was stopped{words}"));
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Whether the program has ended. It is not reaped: nobody else can get its number.
    fn has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.pid()), options) {
            Ok(status) => Ok(status.is_some()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Ends what the program has started and left, takes its last words, and reaps it.
    fn reap(&mut self) -> io::Result<ExitStatus> {
        // Nothing of it is left: that is the usual case.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        // A process that daemonizes may hold the pipe open, so nobody waits for the pipe's end.
        while self.stderr.is_some() && self.has_words() {
            self.take_words();
        }
        self.words.end_line(&mut |_| {});
        let status = self.child.wait()?;
        self.reaped = true;
        Ok(status)
    }

    fn has_words(&self) -> bool {
        let Some(pipe) = &self.stderr else { return false };
        let mut fds = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).is_ok() && !fds[0].revents().is_empty()
    }

    /// Stops the program: interrupts it, so that it can remove locks, and kills it if that does not help.
    fn stop(&mut self) {
        let began = Instant::now();
        // The program may have ended; then nothing is left to interrupt.
        let _ = kill_process(self.pid(), Signal::INT);
        let mut sink = vec![0; 64 * 1024];
        while began.elapsed() < GRACE && !self.has_ended().unwrap_or(true) {
            let pipes = [&self.stdout, &self.stderr];
            let mut fds: Vec<PollFd<'_>> =
                pipes.into_iter().flatten().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)).collect();
            let _ = poll(&mut fds, Some(&Timespec::try_from(LOOK).unwrap_or_default()));
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(fds);
            let mut ready = ready.into_iter();
            if self.stdout.is_some() && ready.next() == Some(true) && !drained(&mut self.stdout, &mut sink) {
                self.stdout = None;
            }
            if self.stderr.is_some() && ready.next() == Some(true) {
                self.take_words();
            }
        }
        // Before the session has begun, the group does not exist, and the process itself is killed.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = kill_process(self.pid(), Signal::KILL);
    }
}

/// Reads a piece; returns whether there may be more.
fn drained(pipe: &mut Option<File>, sink: &mut [u8]) -> bool {
    pipe.as_mut().is_some_and(|pipe| pipe.read(sink).is_ok_and(|count| count > 0))
}

impl Read for RunningTool {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.overdue.is_some() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if self.stdout.is_none() {
                return Ok(0);
            }
            // The clock is looked at this often.
            if !self.wait_for_output(Duration::from_millis(500))? {
                continue;
            }
            let Some(stdout) = &mut self.stdout else { return Ok(0) };
            match stdout.read(buffer) {
                Ok(0) => self.stdout = None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => return result,
            }
            return Ok(0);
        }
    }
}

impl Drop for RunningTool {
    fn drop(&mut self) {
        if !self.reaped {
            self.stop();
            // What cannot be waited for has ended.
            let _ = self.reap();
        }
    }
}
