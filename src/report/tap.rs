//! TAP, streamed: a test point a service, written and flushed when its rehearsal ends, led by a subtest of its steps.
//!
//! Headed version 13, since `prove` fails a stream headed 14 whose subtests it does not know; the same stream headed 13
//! passes everywhere. The plan comes first, so a stream that was cut off is a failure to every reader.
//! What concerns the run and no service has no test point (the plan is out already), so it ends in `Bail out!`, which every
//! reader takes for a failure: a run that was interrupted before its end, and anything that was left behind.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::wording::{Standing, StepWords};
use super::{Reporter, text, units, wording};
use crate::model::diagnosis::Diagnosis;
use crate::model::event::{Event, Fact, StepResult};
use crate::model::outcome::{CaseRecord, Outcome, StepRecord, Verdict, is_cancelled};
use crate::model::service::ServiceName;

/// Bytes of a log in a YAML block: less than other reports have, since Perl's reader takes no scalar of more than some 32,000
/// characters, escapes counted.
const LOG_CAP: usize = 8 * 1024;

/// Streams TAP.
pub struct TapReporter {
    name: String,
    out: Box<dyn Write + Send>,
    written: BTreeSet<ServiceName>,
}

impl TapReporter {
    /// A report that is called `name` and goes to `out`.
    pub fn new(name: String, out: Box<dyn Write + Send>) -> Self {
        Self { name, out, written: BTreeSet::new() }
    }

    fn point(&mut self, case: &CaseRecord, outcome: &Outcome) -> io::Result<()> {
        if !self.written.insert(case.info.name.clone()) {
            return Ok(());
        }
        let lines = point(self.written.len(), case, outcome);
        self.write(&lines)
    }

    /// Writes whole lines at once, so that a reader never sees half of a point.
    fn write(&mut self, lines: &[String]) -> io::Result<()> {
        let mut text = lines.join("\n");
        text.push('\n');
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn end(&mut self, outcome: &Outcome) -> io::Result<()> {
        for case in &outcome.cases {
            self.point(case, outcome)?;
        }
        for diagnosis in &outcome.left_behind {
            let lines: Vec<String> = wording::explain(diagnosis).iter().map(|line| comment(line)).collect();
            self.write(&lines)?;
        }
        let cut_short = outcome.interrupted.filter(|_| outcome.cases.iter().any(is_cut_short));
        if let Some(signal) = cut_short {
            self.write(&[format!("Bail out! interrupted by {}", wording::signal_name(signal))])
        } else if !outcome.left_behind.is_empty() {
            self.write(&["Bail out! something was left behind".to_owned()])
        } else {
            Ok(())
        }
    }
}

impl Reporter for TapReporter {
    fn name(&self) -> &str {
        &self.name
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        match &event.fact {
            Fact::RunStarted { cases, filtered_out, .. } => {
                let plan = match cases.len() {
                    0 => format!("1..0 # SKIP no service was selected ({filtered_out} filtered out)"),
                    count => format!("1..{count}"),
                };
                self.write(&["TAP version 13".to_owned(), plan])
            }
            Fact::CaseFinished { case } => match outcome.case(case) {
                Some(case) => self.point(case, outcome),
                None => Ok(()),
            },
            Fact::RunFinished => self.end(outcome),
            _ => Ok(()),
        }
    }
}

/// The signal came before this case was done.
fn is_cut_short(case: &CaseRecord) -> bool {
    is_cancelled(case) || (case.verdict() == Verdict::Errored && case.diagnoses.is_empty())
}

fn point(number: usize, case: &CaseRecord, outcome: &Outcome) -> Vec<String> {
    let name = case.info.name.to_string();
    let mut lines = Vec::new();
    if !case.steps.is_empty() {
        lines.push(comment(&format!("Subtest: {name}")));
        lines.push(format!("    1..{}", case.steps.len()));
        for (nth, record) in case.steps.iter().enumerate() {
            lines.extend(step(nth + 1, record, case).into_iter().map(|line| format!("    {line}")));
        }
    }
    let name = description(&name);
    match Standing::of(case, outcome) {
        Standing::Ended(Verdict::Passed) => {
            lines.push(format!("ok {number} - {name}"));
            lines.extend(block(case.seconds(), &case_fields(case)));
        }
        Standing::Ended(Verdict::Skipped) => {
            lines.push(format!("ok {number} - {name} # SKIP {}", escaped(&wording::skip_reason(case))));
        }
        // A point is only written for a case that has ended, so any other standing cannot be green.
        Standing::Ended(Verdict::Failed | Verdict::Errored) | Standing::Running | Standing::Waiting => {
            lines.push(format!("not ok {number} - {name}"));
            let mut fields = diagnosis_fields(&wording::deciding(case));
            fields.extend(case_fields(case));
            lines.extend(block(case.seconds(), &fields));
        }
    }
    lines
}

fn step(number: usize, record: &StepRecord, case: &CaseRecord) -> Vec<String> {
    let words = StepWords::of_record(record, case);
    match &record.result {
        Some(StepResult::Done { amount, .. }) => {
            let mut lines = vec![format!("ok {number} - {}", description(&words.done))];
            let fields = amount.map(|amount| ("restored", units::amount(amount)));
            lines.extend(block(record.seconds(), &Vec::from_iter(fields)));
            lines
        }
        Some(StepResult::Broke { diagnosis }) => {
            let mut lines = vec![format!("not ok {number} - {}", description(&words.doing))];
            lines.extend(block(
                record.seconds(),
                &diagnosis_fields(&Diagnosis { log_tail: Vec::new(), ..diagnosis.clone() }),
            ));
            lines
        }
        Some(StepResult::Stopped) => vec![format!("ok {number} - {} # SKIP stopped", description(&words.doing))],
        None => vec![format!("ok {number} - {} # SKIP not ended yet", description(&words.doing))],
    }
}

/// A key of a YAML block and its text; a list is a text of lines.
type Field = (&'static str, String);

fn diagnosis_fields(diagnosis: &Diagnosis) -> Vec<Field> {
    let mut fields = vec![
        ("message", text::clean(&diagnosis.message)),
        ("code", diagnosis.code.to_string()),
        ("severity", wording::severity_name(diagnosis.severity()).to_owned()),
    ];
    if let Some(cause) = &diagnosis.cause {
        fields.push(("cause", text::clean(&cause.meaning)));
        fields.push(("line", text::clean(&cause.line)));
    }
    fields.push(("remedy", text::clean(diagnosis.remedy())));
    fields
}

fn case_fields(case: &CaseRecord) -> Vec<Field> {
    let lines = |lines: Vec<String>| lines.join("\n");
    let notable = case.info.changes.iter().filter(|change| change.notable).map(wording::change);
    let mut fields = vec![
        ("proof", case.proof.map_or_else(String::new, |proof| proof.name().to_owned())),
        ("warnings", lines(case.warnings.iter().map(wording::warning).collect())),
        ("changes", lines(notable.collect())),
    ];
    // The log of a service that is well says nothing that a reader of TAP needs.
    if case.verdict() != Verdict::Passed {
        fields.push(("log", lines(text::Tail::of(&case.log_tail, LOG_CAP).noticed())));
    }
    fields
}

/// A YAML block after a test point; what is empty is left out. It holds nothing but one-line scalars: Perl's reader takes an
/// entry of a list that has a colon in it for a mapping, and gives up the whole stream.
fn block(seconds: f64, fields: &[Field]) -> Vec<String> {
    let mut lines = vec!["  ---".to_owned(), format!("  duration_ms: {}", (seconds * 1000.0).round())];
    let filled = fields.iter().filter(|(_, value)| !value.is_empty());
    lines.extend(filled.map(|(key, value)| format!("  {key}: {}", scalar(value))));
    lines.push("  ...".to_owned());
    lines
}

/// A JSON string, which is a YAML scalar too and always one line. `##[error]` in it would be a command to a CI system.
fn scalar(value: &str) -> String {
    serde_json::Value::from(value).to_string().replace("##", "#\\x23")
}

/// Fit for a comment line.
fn comment(line: &str) -> String {
    format!("# {}", text::without_commands(&text::one_line(line)))
}

/// Fit for the description of a test point, which must not start with a digit.
fn description(words: &str) -> String {
    let words = escaped(&text::one_line(words));
    if words.starts_with(|c: char| c.is_ascii_digit()) { format!("service {words}") } else { words }
}

/// Without what TAP reads as a directive or an escape.
fn escaped(words: &str) -> String {
    text::without_commands(words).replace('\\', "\\\\").replace('#', "\\#")
}

#[cfg(test)]
mod tests;
