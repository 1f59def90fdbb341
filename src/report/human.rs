//! Output for people, on standard error: a line for each step, and the result at the end.
//!
//! A single case needs no name before its lines. Several cases have their names before each line and a table at the
//! end. Foreign text is quoted after a bar, so that no log can move the cursor or command a CI system.

use std::collections::BTreeMap;
use std::io::{self, Write};

use indicatif::ProgressDrawTarget;
use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use super::target::has_no_reader;
use super::wording::{self, StepWords};
use super::{Reporter, comparison, recovery, score, text, units};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::{Amount, Event, Fact, Step, StepResult};
use crate::model::evidence;
use crate::model::outcome::{CaseRecord, Counts, Outcome, Verdict};
use crate::model::pluralize::pluralize;
use crate::model::score::Score;
use crate::model::service::ServiceName;

mod bars;
mod cut_off;
mod style;
mod table;

pub use style::{HumanStyle, Tone};

/// Interval of a message about a step that takes long, without progress bars: CI systems end a job that is silent for
/// too long.
const SIGN_OF_LIFE: f64 = 30.0;

/// Longest name that the names' column is made wide for.
const NAME_COLUMN: usize = 32;

/// Writes the output for people.
pub struct HumanReporter {
    out: Box<dyn Write + Send>,
    style: HumanStyle,
    bars: bars::Bars,
    running: BTreeMap<u64, Running>,
    single: bool,
    name_width: usize,
    /// Whether the reader has gone.
    deaf: bool,
}

/// A step that runs.
struct Running {
    cases: Vec<ServiceName>,
    step: Step,
    started: Timestamp,
    spoke: Timestamp,
}

impl HumanReporter {
    /// Writes to standard error.
    pub fn on_stderr(style: HumanStyle) -> Self {
        Self::new(Box::new(io::stderr()), style, bars::on_stderr())
    }

    /// Writes to `out`; bars, if the style has them, are drawn on `target`, which should be the same place.
    pub fn new(out: Box<dyn Write + Send>, style: HumanStyle, target: ProgressDrawTarget) -> Self {
        Self {
            out,
            style,
            bars: bars::Bars::new(style.progress.then_some(target)),
            running: BTreeMap::new(),
            single: false,
            name_width: 0,
            deaf: false,
        }
    }

    fn say(&mut self, lines: &[String]) -> io::Result<()> {
        if lines.is_empty() || self.deaf {
            return Ok(());
        }
        let text: String = lines.iter().map(|line| format!("{}\n", text::without_commands(line))).collect();
        let out = &mut self.out;
        let written = self.bars.aside(|| out.write_all(text.as_bytes()).and_then(|()| out.flush()));
        match written {
            // `rehearsa test 2>&1 | head`: the reader has gone, which is no error.
            Err(error) if has_no_reader(&error) => {
                self.deaf = true;
                Ok(())
            }
            other => other,
        }
    }

    /// The prefix of lines about these cases: the case, or the stack of all; empty in a run of a single case.
    fn prefix(&self, cases: &[ServiceName]) -> String {
        let name = match cases {
            _ if self.single => return String::new(),
            [] => return String::new(),
            [case] => case.to_string(),
            [first, ..] => first.stack_name().to_owned(),
        };
        let name = text::one_line(&name);
        let blanks = " ".repeat(self.name_width.saturating_sub(name.width()));
        format!("{name}{blanks}  ")
    }

    fn step_started(&mut self, id: u64, cases: &[ServiceName], step: &Step, at: Timestamp) {
        let words = StepWords::of(step, cases, false, 0.0);
        self.bars.begin(id, format!("{}{}", self.prefix(cases), words.doing));
        self.running.insert(id, Running { cases: cases.to_vec(), step: step.clone(), started: at, spoke: at });
    }

    fn step_progress(&mut self, id: u64, amount: Amount, total: Option<Amount>, at: Timestamp) -> io::Result<()> {
        self.bars.advance(id, amount, total);
        if self.style.progress || self.style.quiet {
            return Ok(());
        }
        let Some(running) = self.running.get_mut(&id) else { return Ok(()) };
        if seconds(running.spoke, at) < SIGN_OF_LIFE {
            return Ok(());
        }
        running.spoke = at;
        let doing = StepWords::of(&running.step, &running.cases, false, 0.0).doing;
        let cases = running.cases.clone();
        let of = total.map(|total| format!(" of {}", units::bytes(total.bytes))).unwrap_or_default();
        self.say(&[format!("{}  {doing} … {}{of} so far", self.prefix(&cases), units::amount(amount))])
    }

    fn step_finished(&mut self, id: u64, result: &StepResult, at: Timestamp, outcome: &Outcome) -> io::Result<()> {
        self.bars.end(id);
        let Some(Running { cases, step, started, .. }) = self.running.remove(&id) else { return Ok(()) };
        let broke = matches!(result, StepResult::Broke { .. });
        if !broke && (self.style.quiet || (is_routine(&step) && !self.style.verbose)) {
            return Ok(());
        }
        let healthy = cases.iter().filter_map(|case| outcome.case(case)).any(|case| wording::is_healthy(case, &step));
        let words = StepWords::of(&step, &cases, healthy, seconds(started, at));
        let mark = match result {
            StepResult::Done { .. } => self.style.paint(Tone::Good, "✔"),
            StepResult::Broke { .. } => self.style.paint(Tone::Bad, "✘"),
            StepResult::Stopped => self.style.paint(Tone::Faint, "-"),
        };
        let note = match result {
            StepResult::Done { note: Some(note), .. } if self.style.verbose => format!(" ({})", text::one_line(note)),
            _ => String::new(),
        };
        self.say(&[format!("{}{mark} {}{note}", self.prefix(&cases), words.line(Some(result)))])
    }

    fn warned(&mut self, cases: &[ServiceName], words: &str) -> io::Result<()> {
        let mark = self.style.paint(Tone::Doubtful, "!");
        self.say(&[format!("{}{mark} {words}", self.prefix(cases))])
    }

    fn case_finished(&mut self, case: &CaseRecord) -> io::Result<()> {
        if self.single {
            // The result comes at the end of the run, after the teardown.
            return Ok(());
        }
        let verdict = case.verdict();
        let headline = self.style.paint(table::tone(verdict), wording::headline(verdict));
        let prefix = self.prefix(std::slice::from_ref(&case.info.name));
        let mut lines = Vec::new();
        match verdict {
            Verdict::Skipped => lines.push(format!("{prefix}{headline}: {}", wording::skip_reason(case))),
            Verdict::Passed => {
                lines.extend(self.notable(case).into_iter().map(|line| format!("{prefix}{line}")));
                let caveat = wording::caveat(case).map_or_else(String::new, |caveat| format!(", {caveat}"));
                lines.push(format!("{prefix}{headline} in {}{caveat}", units::seconds(case.seconds())));
            }
            Verdict::Failed | Verdict::Errored => {
                lines.push(format!("{prefix}{headline} in {}", units::seconds(case.seconds())));
                lines.extend(self.details(case).into_iter().map(|line| format!("    {line}")));
                lines.extend(case.warnings.iter().map(|warning| format!("    ! {}", wording::warning(warning))));
            }
        }
        self.say(&lines)
    }

    fn retried(&mut self, case: &ServiceName, outcome: &Outcome) -> io::Result<()> {
        let Some(attempt) = outcome.case(case).and_then(|record| record.earlier.last()) else { return Ok(()) };
        let why = attempt.diagnosis().map(wording::summary).unwrap_or_default();
        self.warned(
            std::slice::from_ref(case),
            &format!("{}, trying again: {why}", wording::headline(attempt.verdict())),
        )
    }

    /// A line for each setting that the sandbox changed for a service that passed nevertheless.
    fn notable(&self, case: &CaseRecord) -> Vec<String> {
        let mark = self.style.paint(Tone::Doubtful, "!");
        let changes = case.info.changes.iter().filter(|change| change.notable);
        changes.map(|change| format!("{mark} Changed in the sandbox: {}", wording::change(change))).collect()
    }

    /// The diagnoses of a case that is not green, and the changes by the sandbox.
    fn details(&self, case: &CaseRecord) -> Vec<String> {
        let deciding = wording::deciding(case);
        let mut lines = wording::explain(&deciding);
        if let Some(first) = lines.first_mut() {
            *first = self.style.paint(Tone::Strong, first);
        }
        let others = case.diagnoses.iter().filter(|other| **other != *deciding);
        lines.extend(others.map(|other| format!("Also: {}", wording::summary(other))));
        let notable: Vec<_> = case.info.changes.iter().filter(|change| change.notable).collect();
        if !notable.is_empty() {
            lines.push("Changed in the sandbox:".to_owned());
            lines.extend(notable.into_iter().map(|change| format!("  {}", wording::change(change))));
        }
        lines
    }

    fn left_behind(&mut self, diagnosis: &Diagnosis) -> io::Result<()> {
        let mark = self.style.paint(Tone::Bad, "✘");
        let mut lines = vec![format!("{mark} {}", wording::warning(diagnosis))];
        lines.push(format!("  What to do: {}", text::one_line(diagnosis.remedy())));
        self.say(&lines)
    }

    fn kept(&mut self, stack: &str, hints: &[(String, String)]) -> io::Result<()> {
        let mut lines = vec![format!("The sandbox of {} is kept:", text::one_line(stack))];
        let width = hints.iter().map(|(command, _)| command.width()).max().unwrap_or(0);
        lines.extend(hints.iter().map(|(command, word)| {
            let blanks = " ".repeat(width - command.width());
            format!("  {}{blanks}  {}", text::one_line(command), text::one_line(word))
        }));
        self.say(&lines)
    }

    fn run_finished(&mut self, outcome: &Outcome) -> io::Result<()> {
        self.bars.end_all();
        if outcome.finished.is_none() {
            return self.say(&self.cut_off_result(outcome));
        }
        let lines = match outcome.cases.as_slice() {
            [] => vec![format!("Nothing was selected{}", filtered_out(outcome))],
            [case] if !has_missing_part(outcome) => self.single_result(case),
            _ => self.overall_result(outcome),
        };
        self.say(&lines)?;
        self.say(&compared(outcome))
    }

    fn single_result(&self, case: &CaseRecord) -> Vec<String> {
        let verdict = case.verdict();
        let mut lines = if verdict == Verdict::Passed { self.notable(case) } else { Vec::new() };
        lines.push(String::new());
        let headline = self.style.paint(table::tone(verdict), wording::headline(verdict));
        let caveat = wording::caveat(case).map_or_else(String::new, |caveat| format!(", {caveat}"));
        lines.push(format!("Restore Simulation: {headline}{caveat}"));
        match verdict {
            Verdict::Skipped => lines.push(format!("Reason: {}", wording::skip_reason(case))),
            Verdict::Passed => {
                lines.push(format!("Time: {}", units::seconds(case.seconds())));
                lines.extend(wording::proof(case).map(|proof| format!("Proof: {proof}")));
                lines.extend(self.score(case));
                lines.extend(evidence::raised_by(case).map(|more| format!("More: {more}")));
            }
            Verdict::Failed | Verdict::Errored => {
                lines.push(format!("Time: {}", units::seconds(case.seconds())));
                lines.extend(self.score(case));
                lines.push(String::new());
                lines.extend(self.details(case));
            }
        }
        lines
    }

    /// The score of a case, and with `-v` what each group of points was given for.
    fn score(&self, case: &CaseRecord) -> Vec<String> {
        let mut lines: Vec<String> = score::of_case(case).map(|line| format!("Score: {line}")).into_iter().collect();
        if let Some(score) = Score::of_case(case).ok().filter(|_| self.style.verbose) {
            for part in &score.parts {
                lines.push(format!("  {}", score::part_head(part)));
                lines.extend(part.awards.iter().map(|award| format!("    {}", score::award_line(award))));
            }
            lines.extend(score.opened_by().map(|more| format!("  {more}")));
        }
        lines
    }

    fn overall_result(&self, outcome: &Outcome) -> Vec<String> {
        let mut lines = vec![String::new()];
        lines.extend(table::lines(outcome, &self.style));
        lines.push(String::new());
        for case in outcome.cases.iter().filter(|case| case.verdict() == Verdict::Skipped) {
            lines.push(format!(
                "Skipped {}: {}",
                text::one_line(&case.info.name.to_string()),
                wording::skip_reason(case)
            ));
        }
        let Counts { passed, failed, errored, skipped, flaky, .. } = outcome.counts();
        let counts = format!("{passed} passed, {failed} failed, {errored} errored, {skipped} skipped");
        let flaky = if flaky > 0 { format!(" ({flaky} of the passed only at a later attempt)") } else { String::new() };
        let missing = if has_missing_part(outcome) { ", and a part of the run is missing" } else { "" };
        lines.push(format!("Restore Simulation: {counts}{missing}{flaky}{}", filtered_out(outcome)));
        let flaky: Vec<String> = outcome.cases.iter().filter(|case| case.is_flaky()).map(name_of).collect();
        if !flaky.is_empty() {
            lines.push(format!("Flaky, as it passed only at a later attempt: {}", flaky.join(", ")));
        }
        lines.extend(wording::run_caveat(outcome));
        lines.push(format!("Time: {}", units::seconds(outcome.seconds())));
        lines.extend(recovery::lines(outcome));
        lines.extend(score::stack_lines(outcome));
        for (proof, more, cases) in wording::more_proof(outcome.cases.iter()) {
            let count = pluralize(cases.len(), "service");
            lines.push(format!("More than {} ({count}): {more}", proof.name()));
        }
        lines
    }
}

impl Reporter for HumanReporter {
    fn name(&self) -> &str {
        "output for people"
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        match &event.fact {
            Fact::RunStarted { cases, session, engine, .. } => {
                self.single = cases.len() == 1;
                let widths = cases.iter().map(|case| case.name.to_string().width());
                self.name_width = widths.filter(|width| *width <= NAME_COLUMN).max().unwrap_or(0);
                if self.style.verbose {
                    self.say(&[format!("Session {} on {}", text::one_line(session), text::one_line(engine))])?;
                }
                Ok(())
            }
            Fact::CaseStarted { .. }
            | Fact::BaselineRead { .. }
            | Fact::CaseAborted { .. }
            | Fact::CaseSkipped { .. }
            | Fact::PassedWithoutData { .. }
            | Fact::MissingDataNoticed { .. }
            | Fact::CaseProfiled { .. }
            | Fact::CaseProven { .. } => Ok(()),
            Fact::StepStarted { id, cases, step } => {
                self.step_started(*id, cases, step, event.at);
                Ok(())
            }
            Fact::StepProgress { id, amount, total } => self.step_progress(*id, *amount, *total, event.at),
            Fact::StepFinished { id, result } => self.step_finished(*id, result, event.at, outcome),
            Fact::Warned { cases, diagnosis } => self.warned(cases, &wording::warning(diagnosis)),
            Fact::CaseFinished { case } => match outcome.case(case) {
                Some(record) => self.case_finished(record),
                None => Ok(()),
            },
            Fact::CaseRetried { case } => self.retried(case, outcome),
            Fact::CaseSlow { case, seconds } => {
                let time = units::short_seconds(*seconds as f64);
                self.warned(std::slice::from_ref(case), &format!("Slow: it has been running for {time}"))
            }
            Fact::TimedOut { seconds } => {
                let time = units::short_seconds(*seconds as f64);
                self.warned(&[], &format!("The run's time of {time} is over, cleaning up"))
            }
            Fact::SandboxKept { stack, hints } => self.kept(stack, hints),
            Fact::Interrupted { signal } => {
                self.warned(&[], &format!("Interrupted by {}, cleaning up", wording::signal_name(*signal)))
            }
            Fact::LeftBehind { diagnosis } => self.left_behind(diagnosis),
            Fact::RunFinished => self.run_finished(outcome),
        }
    }
}

fn name_of(case: &CaseRecord) -> String {
    text::one_line(&case.info.name.to_string())
}

/// What is other than in the run that this one is compared with.
fn compared(outcome: &Outcome) -> Vec<String> {
    let changes = comparison::changes(outcome).unwrap_or_default();
    comparison::headline(outcome)
        .into_iter()
        .chain(changes.iter().map(|change| format!("  {}", change.line())))
        .collect()
}

/// Steps that people see only if they break.
fn is_routine(step: &Step) -> bool {
    match step {
        Step::Worker | Step::Canary | Step::Verify { .. } | Step::Settle { .. } | Step::Teardown => true,
        Step::Network
        | Step::Pull { .. }
        | Step::Restore { .. }
        | Step::Boot { .. }
        | Step::Load { .. }
        | Step::Check { .. }
        | Step::Control { .. } => false,
    }
}

/// Whether the record of a part is missing: what became of its services is not known.
fn has_missing_part(outcome: &Outcome) -> bool {
    outcome.left_behind.iter().any(|diagnosis| diagnosis.code == Code::RunPartMissing)
}

fn filtered_out(outcome: &Outcome) -> String {
    match outcome.filtered_out {
        0 => String::new(),
        count => format!(" ({count} filtered out)"),
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

#[cfg(test)]
mod tests;
