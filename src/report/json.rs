//! JSON with its own schema ([`schema`]), rewritten while the run goes on.
//!
//! Strings keep their content, escaped; a program that displays them has to make them fit for its own readers.

use std::io::{self, Write};

use jiff::Timestamp;

use super::snapshot_file::Render;
use crate::model::outcome::Outcome;

pub(super) mod fill;
pub mod schema;
pub mod score;

/// JSON.
pub struct Json;

impl Render for Json {
    fn render(&self, outcome: &Outcome, _: Timestamp, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, &fill::streamed(outcome))?;
        out.write_all(b"\n")
    }
}

#[cfg(test)]
pub(super) mod tests;
