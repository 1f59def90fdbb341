//! HTML: one page for a browser, with nothing outside of it and no script in it.
//!
//! It is looked at from a CI system's artifacts, from a mail or from a folder, so it asks no network for anything and
//! forbids itself to (`page::POLICY`). Folding is `<details>`, filtering is style alone. All escaping is done by the
//! template macro (`maud`): text gets into the page by no other way, but for the style sheet, which is ours.

use std::io::{self, Write};

use jiff::Timestamp;

use super::snapshot_file::Render;
use crate::model::event::Fact;
use crate::model::outcome::Outcome;

mod banner;
mod case;
mod diagnosis;
mod page;
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
    /// Sandboxes that were kept: how to look into them is said of the run, not of a case.
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
