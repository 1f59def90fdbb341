//! JSON with its own schema ([`schema`]), rewritten while the run goes on.
//!
//! Strings are what they were, escaped: a program that shows them has to make them fit for its own readers.

use std::io;

use super::Reporter;
use super::target::Whole;
use crate::model::event::{Event, Fact};
use crate::model::outcome::Outcome;

pub(super) mod fill;
pub mod read;
pub mod schema;

/// Writes JSON.
pub struct JsonReporter {
    name: String,
    target: Whole,
}

impl JsonReporter {
    /// A report that is called `name` and goes to `target`.
    pub fn new(name: String, target: Whole) -> Self {
        Self { name, target }
    }
}

impl Reporter for JsonReporter {
    fn name(&self) -> &str {
        &self.name
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        let last = matches!(event.fact, Fact::RunFinished);
        let news = matches!(
            event.fact,
            Fact::RunStarted { .. } | Fact::CaseStarted { .. } | Fact::CaseFinished { .. } | Fact::LeftBehind { .. }
        );
        self.target.update(news, last, || {
            let mut text = serde_json::to_vec_pretty(&fill::report(outcome))?;
            text.push(b'\n');
            Ok(text)
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
