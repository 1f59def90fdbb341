//! Reads a log of events back. What is damaged or not understood is told with its line and never passed over: a verdict
//! could depend on it.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::EVENTS_VERSION;
use crate::model::event::{Event, Fact};

/// The events of one run.
#[derive(Debug, PartialEq)]
pub struct Log {
    /// In order; the first is the begin of the run.
    pub events: Vec<Event>,
    /// The last is the end of the run. Otherwise it was killed, or still goes on.
    pub ended: bool,
}

/// A log that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}{place}: {problem}", place = line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct LogError {
    /// The log.
    pub file: String,
    /// Which line, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// There is no line in it.
    #[error("the file is empty, so it tells of no run")]
    Empty,
    /// Something else than a log.
    #[error("this is no log of events of rehearsa; `rehearsa test --events` writes one")]
    NoLog,
    /// A log of a later version.
    #[error(
        "this log is of version {version}, and this rehearsa reads version {EVENTS_VERSION} only; use the rehearsa that wrote it, \
         or a later one"
    )]
    Newer {
        /// Its version.
        version: u64,
    },
    /// A line that is no JSON.
    #[error("this line is damaged, so nothing was made of the log ({0})")]
    Damaged(serde_json::Error),
    /// A line that says something new.
    #[error("this rehearsa does not understand the line; use the rehearsa that wrote it, or a later one ({0})")]
    NotUnderstood(serde_json::Error),
    /// Two logs in one file.
    #[error("another run begins here; a log is of one run")]
    SecondRun,
    /// More after the end.
    #[error("the run ended in an earlier line, so this one does not belong to it")]
    AfterEnd,
}

/// Reads the log `text` of the file that people call `file`. A last line that was cut off by the death of its writer is left
/// out.
///
/// # Errors
///
/// When it is no log, of a later version, or damaged.
pub fn read(file: &str, text: &[u8]) -> Result<Log, LogError> {
    let wrong = |line, problem| LogError { file: file.to_owned(), line, problem };
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    while lines.last().is_some_and(|line| line.trim_ascii().is_empty()) {
        lines.pop();
    }
    if lines.is_empty() {
        return Err(wrong(None, Problem::Empty));
    }
    check_version(lines[0]).map_err(|problem| wrong(None, problem))?;
    let mut log = Log { events: Vec::with_capacity(lines.len()), ended: false };
    for (nth, line) in lines.iter().enumerate() {
        let number = Some(nth + 1);
        let event: Event = match serde_json::from_slice(line) {
            Ok(event) => event,
            Err(error) => match serde_json::from_slice::<IgnoredAny>(line) {
                Ok(_) => return Err(wrong(number, Problem::NotUnderstood(error))),
                // What a kill leaves is the begin of a line.
                Err(error) if error.is_eof() && nth > 0 && nth + 1 == lines.len() && !log.ended => break,
                Err(error) => return Err(wrong(number, Problem::Damaged(error))),
            },
        };
        if log.ended {
            return Err(wrong(number, Problem::AfterEnd));
        }
        match event.fact {
            Fact::RunStarted { .. } if nth > 0 => return Err(wrong(number, Problem::SecondRun)),
            Fact::RunStarted { .. } => {}
            _ if nth == 0 => return Err(wrong(None, Problem::NoLog)),
            Fact::RunFinished => log.ended = true,
            _ => {}
        }
        log.events.push(event);
    }
    Ok(log)
}

/// Looks whether a log begins with this line, and of which version it is: what a later one holds may not be understood.
fn check_version(first: &[u8]) -> Result<(), Problem> {
    #[derive(Deserialize)]
    struct Begin {
        events_version: u64,
    }
    match serde_json::from_slice(first) {
        Ok(Begin { events_version: version }) if version > u64::from(EVENTS_VERSION) => Err(Problem::Newer { version }),
        Ok(Begin { events_version: 1.. }) => Ok(()),
        _ => Err(Problem::NoLog),
    }
}
