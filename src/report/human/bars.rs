//! Progress bars on a terminal: one for each running step, removed when the step ends.

use std::collections::BTreeMap;
use std::io;

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use crate::model::event::Amount;
use crate::report::units;

/// How often a second bars are drawn at most.
const REDRAWS: u8 = 20;

/// The bars of the running steps; without a terminal there are none.
pub struct Bars {
    screen: Option<MultiProgress>,
    bars: BTreeMap<u64, (ProgressBar, String)>,
}

impl Bars {
    /// Bars that are drawn on `target`, or none.
    pub fn new(target: Option<ProgressDrawTarget>) -> Self {
        Self { screen: target.map(MultiProgress::with_draw_target), bars: BTreeMap::new() }
    }

    /// Adds the bar of a step.
    pub fn begin(&mut self, id: u64, words: String) {
        let Some(screen) = &self.screen else { return };
        let bar = screen.add(ProgressBar::no_length());
        bar.set_style(template("  {msg}"));
        bar.set_message(format!("{words} …"));
        bar.tick();
        self.bars.insert(id, (bar, words));
    }

    /// Updates the bar of a step.
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

    /// Removes the bar of a step.
    pub fn end(&mut self, id: u64) {
        if let (Some(screen), Some((bar, _))) = (&self.screen, self.bars.remove(&id)) {
            bar.finish_and_clear();
            screen.remove(&bar);
        }
    }

    /// Removes all bars.
    pub fn end_all(&mut self) {
        while let Some(id) = self.bars.keys().next().copied() {
            self.end(id);
        }
    }

    /// Calls `write` while no bar is on the screen.
    pub fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        match &self.screen {
            Some(screen) => screen.suspend(write),
            None => write(),
        }
    }
}

/// Standard error as a terminal that may be closed: then nothing is drawn any more. indicatif panics on an error.
#[derive(Debug)]
struct LastingTerm(Term);

/// Where bars are drawn: on standard error.
pub fn on_stderr() -> ProgressDrawTarget {
    ProgressDrawTarget::term_like_with_hz(Box::new(LastingTerm(Term::buffered_stderr())), REDRAWS)
}

/// An error of a terminal that is gone; there is nobody to tell.
fn swallow(_: io::Result<()>) -> io::Result<()> {
    Ok(())
}

impl TermLike for LastingTerm {
    fn width(&self) -> u16 {
        self.0.size().1
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        swallow(self.0.move_cursor_up(lines))
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        swallow(self.0.move_cursor_down(lines))
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        swallow(self.0.move_cursor_right(columns))
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        swallow(self.0.move_cursor_left(columns))
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        swallow(self.0.write_line(line))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        swallow(self.0.write_str(text))
    }

    fn clear_line(&self) -> io::Result<()> {
        swallow(self.0.clear_line())
    }

    fn flush(&self) -> io::Result<()> {
        swallow(self.0.flush())
    }
}

fn template(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates of this file are well-formed")
}
