//! HTML: one page for a browser, with nothing outside of it and no script in it.
//!
//! It is looked at from a CI system's artifacts, from a mail or from a folder, so it asks no network for anything and
//! forbids itself to (`page::POLICY`). Folding is `<details>`, filtering is style alone. All escaping is done by the
//! template macro (`maud`): text gets into the page by no other way, but for the style sheet, which is ours.

use std::io;

use super::Reporter;
use super::target::Whole;
use crate::model::event::{Event, Fact};
use crate::model::outcome::Outcome;

mod banner;
#[cfg(test)]
mod browser;
mod case;
mod diagnosis;
#[cfg(test)]
mod looks;
mod page;
mod services;
#[cfg(test)]
mod tests;
mod timeline;
mod view;

use view::{Kept, View};

/// Writes HTML.
pub struct HtmlReporter {
    name: String,
    target: Whole,
    /// Sandboxes that were kept: how to look into them is said of the run, not of a case.
    kept: Vec<Kept>,
}

impl HtmlReporter {
    /// A report that is called `name` and goes to `target`.
    pub fn new(name: String, target: Whole) -> Self {
        Self { name, target, kept: Vec::new() }
    }
}

impl Reporter for HtmlReporter {
    fn name(&self) -> &str {
        &self.name
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        if let Fact::SandboxKept { stack, hints } = &event.fact {
            self.kept.push(Kept { stack: stack.clone(), hints: hints.clone() });
        }
        let last = matches!(event.fact, Fact::RunFinished);
        // What a killed run was doing is worth as much as what it had done.
        let news = !matches!(event.fact, Fact::StepProgress { .. });
        let kept = &self.kept;
        self.target.update(news, last, || {
            let view = View::new(outcome, event.at, kept);
            Ok(page::page(&view).into_string().into_bytes())
        })
    }
}
