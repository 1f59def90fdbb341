//! Reports: everything that consumes the events of a run.
//!
//! One thread ([`dispatch`]) orders the events, folds them into the [`Outcome`] and passes both to every
//! [`Reporter`]. A reporter shows what happened and decides nothing; a reporter that fails is dropped without harm to
//! the run. Each format has a file: [`human`], [`junit`], [`json`], [`tap`], … They share the words ([`wording`]),
//! the units ([`units`]), the treatment of foreign text ([`text`]) and the files they write to ([`target`]).
//! [`merge`] and [`not_green`] read records of earlier runs ([`events::read`]).

use std::io;

use crate::model::event::Event;
use crate::model::outcome::Outcome;

pub mod badge;
pub mod ci;
pub mod comparison;
pub mod ctrf;
pub mod dispatch;
pub mod earlier_run;
pub mod events;
pub mod html;
pub mod human;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod merge;
pub mod not_green;
pub mod open;
pub mod problem;
pub mod profiles;
pub mod prometheus;
mod recovery;
#[cfg(test)]
#[path = "../../tests/support/recorded/mod.rs"]
pub mod sample;
pub mod snapshot_file;
pub mod tap;
pub mod target;
pub mod text;
pub use crate::model::units;
pub mod score;
pub mod wording;

pub use dispatch::{Dispatcher, EventSink, RunFacts, show_recorded};
pub use open::{ReportError, never_began, open, open_for_recorded};

/// Something that shows a run.
pub trait Reporter: Send {
    /// What people call it: `JUnit report out/junit.xml`.
    fn name(&self) -> &str;

    /// Whether the user asked for it. A report that nobody asked for may be lost: that changes no exit code.
    fn is_asked_for(&self) -> bool {
        true
    }

    /// Takes one more event; `outcome` has it folded in already.
    ///
    /// # Errors
    ///
    /// After an error the reporter is not called again, the run goes on, and its report counts as lost.
    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()>;
}
