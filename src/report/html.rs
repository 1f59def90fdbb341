//! HTML: one page for a browser that loads nothing and has no script.
//!
//! People open the page from a CI system's artifacts, a mail or a folder, so its policy (`page::POLICY`) forbids all
//! loading. Folding is `<details>`; filtering needs style only. The template macro (`maud`) escapes all text; only the
//! style sheet, which is a constant, gets into the page without it.

use std::io::{self, Write};

use jiff::Timestamp;

use super::snapshot_file::Render;
use crate::model::event::Fact;
use crate::model::outcome::Outcome;

mod banner;
mod case;
mod diagnosis;
mod page;
mod score;
mod services;
#[cfg(test)]
mod tests;
mod timeline;
mod view;

#[doc(hidden)]
pub use page::POLICY;

use view::{KeptSandbox, View};

/// HTML.
#[derive(Default)]
pub struct Html {
    /// Sandboxes that were kept: the outcome does not have them.
    kept: Vec<KeptSandbox>,
}

impl Render for Html {
    fn hear(&mut self, fact: &Fact) {
        if let Fact::SandboxKept { stack, hints } = fact {
            self.kept.push(KeptSandbox { stack: stack.clone(), hints: hints.clone() });
        }
    }

    fn render(&self, outcome: &Outcome, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
        page::write(&View::new(outcome, now, &self.kept), out)
    }
}
