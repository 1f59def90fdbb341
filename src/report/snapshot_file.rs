//! Reports that are written as whole files, again and again during the run.
//!
//! After an event that can change a report, the whole report is written beside the old one and replaces it, as often
//! as the cost allows. So a killed run leaves complete and valid files. A format only implements [`Render`].

use std::io::{self, Write};

use jiff::Timestamp;

use super::Reporter;
use super::target::AtomicFile;
use crate::model::event::{Event, Fact};
use crate::model::outcome::Outcome;

/// A format of report that is written as a whole.
pub trait Render: Send {
    /// Takes each fact, for a format that shows more than the outcome keeps.
    fn hear(&mut self, _fact: &Fact) {}

    /// Writes the report of the run as it is at the time `now`.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    fn render(&self, outcome: &Outcome, now: Timestamp, out: &mut dyn Write) -> io::Result<()>;
}

/// Writes a report in the format `F`.
pub struct SnapshotReport<F> {
    name: String,
    target: AtomicFile,
    form: F,
}

impl<F: Render> SnapshotReport<F> {
    /// A report that is called `name` and goes to `target`.
    pub fn new(name: String, target: AtomicFile, form: F) -> Self {
        Self { name, target, form }
    }
}

impl<F: Render> Reporter for SnapshotReport<F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        self.form.hear(&event.fact);
        let last = matches!(event.fact, Fact::RunFinished);
        self.target.update(is_news(&event.fact), last, |out| self.form.render(outcome, event.at, out))
    }
}

/// Whether a fact can change a report: all can, except the progress of a step, which no report shows.
fn is_news(fact: &Fact) -> bool {
    !matches!(fact, Fact::StepProgress { .. })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::event::Amount;
    use crate::report::sample;

    /// A form that says how often it was written.
    struct Counting(std::cell::Cell<usize>);

    impl Render for Counting {
        fn render(&self, _: &Outcome, _: Timestamp, out: &mut dyn Write) -> io::Result<()> {
            self.0.set(self.0.get() + 1);
            write!(out, "{}", self.0.get())
        }
    }

    #[test]
    fn progress_is_no_news_and_everything_else_is() {
        let amount = Amount { files: 1, bytes: 1 };
        assert!(!is_news(&Fact::StepProgress { id: 1, amount, total: None }));
        for (name, events) in sample::all() {
            assert!(events.iter().all(|event| is_news(&event.fact)), "{name}");
        }
    }

    #[test]
    fn a_report_that_cannot_be_rendered_leaves_the_earlier_one() {
        struct Broken;
        impl Render for Broken {
            fn render(&self, _: &Outcome, _: Timestamp, out: &mut dyn Write) -> io::Result<()> {
                out.write_all(b"half of")?;
                Err(io::Error::other("out of ink"))
            }
        }
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("report");
        let events = sample::one_passed();
        let mut whole = SnapshotReport::new(
            "x".to_owned(),
            AtomicFile::file(&path, crate::report::target::Naming::User).expect("opens"),
            Counting(0.into()),
        );
        whole.event(&events[0], &Outcome::new()).expect("written");
        let mut broken = SnapshotReport::new(
            "x".to_owned(),
            AtomicFile::keeping(&path, crate::report::target::Naming::User).expect("opens"),
            Broken,
        );
        assert!(broken.event(&events[0], &Outcome::new()).is_err());
        assert_eq!(fs::read_to_string(&path).expect("there"), "1");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "nothing half is left there");
    }
}
