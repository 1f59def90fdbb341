//! The record of a run: its events, one JSON object a line, written as they happen.
//!
//! The first line is the begin of the run and has the version of the record. Within a version, fields may be added,
//! which readers ignore; none is taken away or changes its meaning. Every line is written at once and flushed: a kill
//! cuts at most the last line. Events hold no secrets: values of environment variables are masked before an event is
//! made.

use std::io::{self, Write};

use serde::Serialize;

use super::Reporter;
use crate::model::event::{Event, Fact};
use crate::model::outcome::Outcome;

pub mod read;

/// The version that is written.
pub const EVENTS_VERSION: u32 = 1;

/// A line of the record of a run of rehearsa: something that happened, and when. The first line is the begin of the
/// run.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Event"))]
struct Line<'a> {
    /// The version of the record, in its first line: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    events_version: Option<u32>,
    #[serde(flatten)]
    event: &'a Event,
}

/// Writes the events.
pub struct EventsReporter {
    name: String,
    out: Box<dyn Write + Send>,
}

impl EventsReporter {
    /// A report that is called `name` and goes to `out`.
    pub fn new(name: String, out: Box<dyn Write + Send>) -> Self {
        Self { name, out }
    }
}

impl Reporter for EventsReporter {
    fn name(&self) -> &str {
        &self.name
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        // The record of a killed run has no end, and neither has its copy.
        if event.fact == Fact::RunFinished && outcome.finished.is_none() {
            return Ok(());
        }
        let events_version = matches!(event.fact, Fact::RunStarted { .. }).then_some(EVENTS_VERSION);
        let mut line = serde_json::to_vec(&Line { events_version, event })?;
        line.push(b'\n');
        self.out.write_all(&line)?;
        self.out.flush()
    }
}

/// The JSON Schema (draft 2020-12) of a line, for programs that check or read records. The schema requires the
/// current fields and allows others.
pub const SCHEMA: &str = include_str!("events/events.schema.json");

#[cfg(test)]
mod tests;
