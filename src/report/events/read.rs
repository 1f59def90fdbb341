//! Reads the record of a run. Damaged lines and lines of a later version are errors with their line number and are
//! never skipped: a verdict could depend on them.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::EVENTS_VERSION;
use crate::model::event::{Event, Fact};
use crate::model::outcome::Outcome;

/// The recorded events of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// In order; the first is the begin of the run.
    pub events: Vec<Event>,
    /// Whether the last event is the end of the run. Otherwise the run was killed, or is still running.
    pub ended: bool,
}

impl RunRecord {
    /// The outcome of the events; unfinished if the record has no end.
    pub fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::new();
        self.events.iter().for_each(|event| outcome.apply(event));
        outcome
    }
}

/// A record that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}{place}: {problem}", place = line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct RecordError {
    /// The file's name for messages.
    pub file: String,
    /// The line, from 1; `None` when the problem is the whole file.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: RecordProblem,
}

/// What is wrong with a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordProblem {
    /// A file without lines.
    #[error("the file is empty, so it is not the record of a run")]
    Empty,
    /// The JSON report of a run.
    #[error("this is the JSON report of a run, not its record")]
    JsonReport,
    /// Something else.
    #[error("this is not the record of a run; `rehearsa test --events` writes one")]
    NoRecord,
    /// A record of a later version.
    #[error(
        "this record is of version {version}, and this rehearsa reads up to version {EVENTS_VERSION}; use the rehearsa \
         that wrote it, or a later one"
    )]
    Newer {
        /// Its version.
        version: u64,
    },
    /// A line that is not JSON.
    #[error("this line is damaged, so nothing was made of the record ({0})")]
    Damaged(serde_json::Error),
    /// A line with an event that this version does not know.
    #[error("this rehearsa does not understand the line; use the rehearsa that wrote it, or a later one ({0})")]
    NotUnderstood(serde_json::Error),
    /// Two records in one file.
    #[error("another run begins here; a record is of one run")]
    SecondRun,
    /// More lines after the end.
    #[error("the run ended in an earlier line, so this line does not belong to it")]
    AfterEnd,
}

/// Reads the record `text`; `file` is its name for messages. A last line that was cut off when its writer was killed
/// is ignored.
///
/// # Errors
///
/// When `text` is not a record, of a later version, or damaged.
pub fn read(file: &str, text: &[u8]) -> Result<RunRecord, RecordError> {
    let wrong = |line, problem| RecordError { file: file.to_owned(), line, problem };
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    while lines.last().is_some_and(|line| line.trim_ascii().is_empty()) {
        lines.pop();
    }
    if lines.is_empty() {
        return Err(wrong(None, RecordProblem::Empty));
    }
    check_version(lines[0], text).map_err(|problem| wrong(None, problem))?;
    let mut record = RunRecord { events: Vec::with_capacity(lines.len()), ended: false };
    for (nth, line) in lines.iter().enumerate() {
        let number = Some(nth + 1);
        let event: Event = match serde_json::from_slice(line) {
            Ok(event) => event,
            Err(error) => match serde_json::from_slice::<IgnoredAny>(line) {
                Ok(_) => return Err(wrong(number, RecordProblem::NotUnderstood(error))),
                // A killed writer leaves the beginning of a line.
                Err(error) if error.is_eof() && nth > 0 && nth + 1 == lines.len() && !record.ended => break,
                Err(error) => return Err(wrong(number, RecordProblem::Damaged(error))),
            },
        };
        if record.ended {
            return Err(wrong(number, RecordProblem::AfterEnd));
        }
        match event.fact {
            Fact::RunStarted { .. } if nth > 0 => return Err(wrong(number, RecordProblem::SecondRun)),
            Fact::RunStarted { .. } => {}
            _ if nth == 0 => return Err(wrong(None, RecordProblem::NoRecord)),
            Fact::RunFinished => record.ended = true,
            _ => {}
        }
        record.events.push(event);
    }
    Ok(record)
}

/// Checks that the first line begins a record, and its version: a later version may not be understood.
fn check_version(first: &[u8], text: &[u8]) -> Result<(), RecordProblem> {
    #[derive(Deserialize)]
    struct Begin {
        events_version: u64,
    }
    match serde_json::from_slice(first) {
        Ok(Begin { events_version: version }) if version > u64::from(EVENTS_VERSION) => {
            Err(RecordProblem::Newer { version })
        }
        Ok(Begin { events_version: 1.. }) => Ok(()),
        _ if is_json_report(text) => Err(RecordProblem::JsonReport),
        _ => Err(RecordProblem::NoRecord),
    }
}

/// A whole JSON object with the fields that open each JSON report.
fn is_json_report(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Report {
        #[serde(rename = "schema_version")]
        _schema_version: u64,
        #[serde(rename = "cases")]
        _cases: IgnoredAny,
    }
    serde_json::from_slice::<Report>(text).is_ok()
}
