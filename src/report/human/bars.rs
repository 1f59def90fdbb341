//! Progress bars on a terminal: one for each step that runs, gone when it ends.

use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::model::event::Amount;
use crate::report::units;

/// The bars of the steps that run now; without a terminal there are none.
pub struct Bars {
    screen: Option<MultiProgress>,
    bars: BTreeMap<u64, (ProgressBar, String)>,
}

impl Bars {
    /// Bars that are drawn on `target`, or none.
    pub fn new(target: Option<ProgressDrawTarget>) -> Self {
        Self { screen: target.map(MultiProgress::with_draw_target), bars: BTreeMap::new() }
    }

    /// A step begins.
    pub fn begin(&mut self, id: u64, words: String) {
        let Some(screen) = &self.screen else { return };
        let bar = screen.add(ProgressBar::no_length());
        bar.set_style(template("  {msg}"));
        bar.set_message(format!("{words} …"));
        bar.tick();
        self.bars.insert(id, (bar, words));
    }

    /// A step goes on.
    pub fn advance(&self, id: u64, amount: Amount, total: Option<Amount>) {
        let Some((bar, words)) = self.bars.get(&id) else { return };
        let so_far = units::amount(amount);
        match total.map(|total| total.bytes).filter(|bytes| *bytes > 0) {
            Some(bytes) => {
                if bar.length() != Some(bytes) {
                    bar.set_style(template("  {msg} [{bar:20}] {percent}%").progress_chars("=> "));
                    bar.set_length(bytes);
                }
                bar.set_message(format!("{words} … {so_far} of {}", units::bytes(bytes)));
                bar.set_position(amount.bytes.min(bytes));
            }
            None => {
                bar.set_message(format!("{words} … {so_far}"));
                bar.tick();
            }
        }
    }

    /// A step ended.
    pub fn end(&mut self, id: u64) {
        if let (Some(screen), Some((bar, _))) = (&self.screen, self.bars.remove(&id)) {
            bar.finish_and_clear();
            screen.remove(&bar);
        }
    }

    /// All steps ended.
    pub fn end_all(&mut self) {
        while let Some(id) = self.bars.keys().next().copied() {
            self.end(id);
        }
    }

    /// Does `write` while no bar is on the screen.
    pub fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        match &self.screen {
            Some(screen) => screen.suspend(write),
            None => write(),
        }
    }
}

fn template(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates of this file are well-formed")
}
