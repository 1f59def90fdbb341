//! The table at the end of a run of several cases: verdict, proof, time, data, and the time by kind of step.

use std::collections::BTreeSet;

use unicode_width::UnicodeWidthStr;

use super::style::{HumanStyle, Tone};
use crate::model::event::{Step, StepResult};
use crate::model::outcome::{CaseRecord, Outcome, StepRecord, Verdict};
use crate::report::{score, text, units, wording};

/// Kinds of steps that have a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sandbox,
    Restore,
    Boot,
    Check,
    Teardown,
}

const KINDS: [(Kind, &str); 5] = [
    (Kind::Sandbox, "sandbox"),
    (Kind::Restore, "restore"),
    (Kind::Boot, "boot"),
    (Kind::Check, "check"),
    (Kind::Teardown, "teardown"),
];

/// The column of the score, which a run without scores has not.
const SCORE: usize = 3;

fn kind(step: &Step) -> Kind {
    match step {
        Step::Network | Step::Worker | Step::Canary | Step::Pull { .. } => Kind::Sandbox,
        Step::Restore { .. } | Step::Load { .. } => Kind::Restore,
        Step::Boot { .. } => Kind::Boot,
        Step::Verify { .. } | Step::Check { .. } | Step::Settle { .. } | Step::Control { .. } => Kind::Check,
        Step::Teardown => Kind::Teardown,
    }
}

/// The table's lines. A terminal that is too narrow gets no columns for the kinds of steps.
pub fn lines(outcome: &Outcome, style: &HumanStyle) -> Vec<String> {
    let used: Vec<(Kind, &str)> = KINDS
        .into_iter()
        .filter(|(wanted, _)| outcome.cases.iter().any(|case| spent(&case.steps, *wanted).is_some()))
        .collect();
    let rows = rows(outcome, &used);
    let widths = widths(&rows);
    let needed = widths.iter().sum::<usize>() + 2 * (widths.len().saturating_sub(1));
    if used.is_empty() || style.width.is_none_or(|width| needed <= width) {
        print(&rows, &widths, style)
    } else {
        let rows = self::rows(outcome, &[]);
        print(&rows, &self::widths(&rows), style)
    }
}

/// A line of the table and the colour of its second cell.
struct Row {
    cells: Vec<String>,
    tone: Option<Tone>,
}

fn rows(outcome: &Outcome, kinds: &[(Kind, &str)]) -> Vec<Row> {
    let head =
        ["case", "verdict", "proof", "score", "time", "data"].into_iter().chain(kinds.iter().map(|(_, name)| *name));
    let mut rows = vec![Row { cells: head.map(str::to_owned).collect(), tone: None }];
    rows.extend(outcome.cases.iter().map(|case| row(case, kinds)));
    rows.push(total(outcome, kinds));
    if !score::is_told(outcome) {
        rows.iter_mut().for_each(|row| drop(row.cells.remove(SCORE)));
    }
    rows
}

fn row(case: &CaseRecord, kinds: &[(Kind, &str)]) -> Row {
    let verdict = case.verdict();
    let ran = case.started.is_some();
    let time = if ran { units::seconds(case.seconds()) } else { "-".to_owned() };
    let data = if ran { units::bytes(case.restored().bytes) } else { "-".to_owned() };
    let proof = wording::proof_name(case).unwrap_or_else(|| "-".to_owned());
    let name = text::one_line(&case.info.name.to_string());
    let mut cells = vec![name, wording::headline(verdict).to_owned(), proof, score::cell(case), time, data];
    cells.extend(kinds.iter().map(|(kind, _)| cell(spent(&case.steps, *kind))));
    Row { cells, tone: Some(tone(verdict)) }
}

fn total(outcome: &Outcome, kinds: &[(Kind, &str)]) -> Row {
    // A step of a whole stack is in the record of each of its cases and counts once.
    let mut seen = BTreeSet::new();
    let all = outcome.cases.iter().flat_map(|case| &case.steps);
    let steps: Vec<StepRecord> = all.filter(|record| seen.insert(record.id)).cloned().collect();
    let bytes: u64 = steps
        .iter()
        .filter_map(|record| match &record.result {
            Some(StepResult::Done { amount: Some(amount), .. }) => Some(amount.bytes),
            _ => None,
        })
        .sum();
    let (nothing, seconds) = (String::new, units::seconds(outcome.seconds()));
    let mut cells = vec!["total".to_owned(), nothing(), nothing(), nothing(), seconds, units::bytes(bytes)];
    cells.extend(kinds.iter().map(|(kind, _)| cell(spent(&steps, *kind))));
    Row { cells, tone: None }
}

fn cell(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), units::seconds)
}

/// Seconds spent on a kind of step; `None` when there was none of it.
fn spent(steps: &[StepRecord], wanted: Kind) -> Option<f64> {
    let steps = steps.iter().filter(|record| kind(&record.step) == wanted);
    steps.map(StepRecord::seconds).reduce(|sum, seconds| sum + seconds)
}

/// The colour of a verdict.
pub fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Passed => Tone::Good,
        Verdict::Failed => Tone::Bad,
        Verdict::Errored => Tone::Doubtful,
        Verdict::Skipped => Tone::Faint,
    }
}

fn widths(rows: &[Row]) -> Vec<usize> {
    let columns = rows.first().map_or(0, |row| row.cells.len());
    (0..columns).map(|column| rows.iter().map(|row| row.cells[column].width()).max().unwrap_or(0)).collect()
}

/// The first three columns hold words and are flush left, the others numbers.
fn print(rows: &[Row], widths: &[usize], style: &HumanStyle) -> Vec<String> {
    rows.iter()
        .map(|row| {
            let cells = row.cells.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
                let blanks = " ".repeat(width - cell.width());
                let shown = match row.tone {
                    Some(tone) if column == 1 => style.paint(tone, cell),
                    _ => cell.clone(),
                };
                if column < 3 { format!("{shown}{blanks}") } else { format!("{blanks}{shown}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}
