//! The files that GitHub and Gitea give a step: one for its summary, one for its outputs.
//!
//! Other commands of the step write to these files, too, so Rehearsa appends. A cancelled job is killed after some
//! seconds, even if the clean-up is not done: the summary is written when the signal comes and replaced when the run
//! ends.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::model::event::{Event, Fact};
use crate::model::outcome::{ExitCode, Outcome, Verdict};
use crate::report::{Reporter, markdown, text};

/// Writes the summary of the step.
pub struct SummaryReporter {
    name: String,
    path: PathBuf,
    /// The bytes of the file that hold this summary; `None` before the first writing.
    own: Option<Range<u64>>,
}

impl SummaryReporter {
    /// Writes to this file.
    pub fn new(path: PathBuf) -> Self {
        Self { name: format!("summary of the step {}", path.display()), path, own: None }
    }

    fn write(&mut self, outcome: &Outcome, last: bool) -> io::Result<()> {
        if !is_regular(&self.path) {
            // Text that went into a pipe cannot be replaced.
            let text = markdown::summary(outcome, markdown::CAP);
            return if last { appending(&self.path)?.write_all(text.as_bytes()) } else { Ok(()) };
        }
        let mut file = OpenOptions::new().write(true).open(&self.path)?;
        let length = file.metadata()?.len();
        let start = self.own.as_ref().filter(|own| own.end == length).map_or(length, |own| own.start);
        let gap = if start == 0 { "" } else { "\n\n" };
        let used = usize::try_from(start).unwrap_or(usize::MAX).saturating_add(gap.len());
        let room = markdown::CAP.saturating_sub(used);
        let text = format!("{gap}{}", markdown::summary(outcome, room));
        if text.len() > room + gap.len() {
            return Err(io::Error::other("the step's summary has no room left"));
        }
        file.set_len(start)?;
        file.seek(SeekFrom::Start(start))?;
        file.write_all(text.as_bytes())?;
        self.own = Some(start..start + text.len() as u64);
        Ok(())
    }
}

impl Reporter for SummaryReporter {
    fn name(&self) -> &str {
        &self.name
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        match event.fact {
            // A file that cannot be written is reported now, not after hours.
            Fact::RunStarted { .. } => appending(&self.path).map(drop),
            Fact::Interrupted { .. } => self.write(outcome, false),
            Fact::RunFinished => self.write(outcome, true),
            _ => Ok(()),
        }
    }
}

/// Writes the outputs of the step, for the steps after it.
pub struct OutputReporter {
    name: String,
    path: PathBuf,
}

impl OutputReporter {
    /// Writes to this file.
    pub fn new(path: PathBuf) -> Self {
        Self { name: format!("outputs of the step {}", path.display()), path }
    }
}

impl Reporter for OutputReporter {
    fn name(&self) -> &str {
        &self.name
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        match event.fact {
            Fact::RunStarted { .. } => appending(&self.path).map(drop),
            Fact::RunFinished => {
                let mut file = appending(&self.path)?;
                file.write_all(outputs(outcome).as_bytes())?;
                file.flush()
            }
            _ => Ok(()),
        }
    }
}

fn appending(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn is_regular(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file())
}

fn outputs(outcome: &Outcome) -> String {
    let counts = outcome.counts();
    let numbers = [
        ("passed", counts.passed),
        ("failed", counts.failed),
        ("errored", counts.errored),
        ("skipped", counts.skipped),
        ("flaky", counts.flaky),
        ("without-backup", counts.without_backup),
        ("exit-code", usize::from(outcome.exit_code().number())),
    ];
    let mut text: String = numbers.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    text.push_str(&format!("verdict={}\n", verdict(outcome)));
    let not_green = outcome.cases.iter().filter(|case| matches!(case.verdict(), Verdict::Failed | Verdict::Errored));
    let names: Vec<String> = not_green.map(|case| text::one_line(&case.info.name.to_string())).collect();
    text.push_str(&lines("not-green", &outcome.session, &names));
    text
}

/// The run's verdict in a word.
fn verdict(outcome: &Outcome) -> &'static str {
    match outcome.exit_code() {
        ExitCode::Passed => "passed",
        ExitCode::Failed => "failed",
        ExitCode::Errored | ExitCode::Usage => "errored",
        ExitCode::NothingSelected => "nothing-selected",
        ExitCode::Interrupted | ExitCode::Terminated => "interrupted",
    }
}

/// An output of several lines, ended by a line that none of them equals.
fn lines(name: &str, session: &str, lines: &[String]) -> String {
    let session: String = session.chars().filter(char::is_ascii_alphanumeric).collect();
    let mut end = format!("rehearsa_{session}");
    while lines.contains(&end) {
        end.push('_');
    }
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!("{name}<<{end}\n{body}{end}\n")
}

#[cfg(test)]
mod tests;
