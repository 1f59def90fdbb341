//! The end of the output for a killed run, made from its record: the progress of each case.

use unicode_width::UnicodeWidthStr;

use super::{HumanReporter, Tone, table};
use crate::model::outcome::{CaseRecord, Outcome, Verdict};
use crate::report::wording::{self, Progress};
use crate::report::{text, units};

impl HumanReporter {
    /// The progress of each case, and a line that the rest is not known.
    pub(super) fn cut_off_result(&self, outcome: &Outcome) -> Vec<String> {
        let mut lines = Vec::new();
        if let [case] = outcome.cases.as_slice()
            && matches!(Progress::of(case, outcome), Progress::Ended(_))
        {
            // The result of a single case is shown at the end only.
            lines.extend(self.single_result(case));
        }
        lines.push(String::new());
        let names: Vec<String> = outcome.cases.iter().map(|case| text::one_line(&case.info.name.to_string())).collect();
        let width = names.iter().map(|name| name.width()).max().unwrap_or(0);
        for (case, name) in outcome.cases.iter().zip(&names) {
            let blanks = " ".repeat(width - name.width());
            lines.push(format!("{name}{blanks}  {}", self.standing(case, outcome)));
        }
        let ended = |verdict| {
            outcome.cases.iter().filter(|case| Progress::of(case, outcome) == Progress::Ended(verdict)).count()
        };
        let (passed, failed) = (ended(Verdict::Passed), ended(Verdict::Failed));
        let (errored, skipped) = (ended(Verdict::Errored), ended(Verdict::Skipped));
        let open = outcome.cases.len() - passed - failed - errored - skipped;
        lines.push(String::new());
        lines.push(format!(
            "Restore Simulation: cut off: {passed} passed, {failed} failed, {errored} errored, {skipped} skipped, \
             {open} not ended"
        ));
        lines
    }

    fn standing(&self, case: &CaseRecord, outcome: &Outcome) -> String {
        match Progress::of(case, outcome) {
            Progress::Ended(Verdict::Skipped) => {
                let headline = self.style.paint(Tone::Faint, wording::headline(Verdict::Skipped));
                format!("{headline}: {}", wording::skip_reason(case))
            }
            Progress::Ended(verdict) => {
                let headline = self.style.paint(table::tone(verdict), wording::headline(verdict));
                format!("{headline} in {}", units::seconds(case.seconds()))
            }
            Progress::Running => self.style.paint(Tone::Doubtful, "not ended"),
            Progress::Waiting => self.style.paint(Tone::Faint, "not run"),
        }
    }
}
