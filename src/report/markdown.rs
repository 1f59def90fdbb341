//! A summary in Markdown, for the page of a CI job or a message: the counts, a table of the services, and the details
//! of those that are not green.
//!
//! CI systems refuse a whole summary that is too long, so it is cut: the counts are always there, then the table,
//! then the details. Foreign text is code everywhere (`inert`). The file of a killed run says that it is unfinished.

use std::io::{self, Write};

use jiff::Timestamp;

use self::page::Page;
use super::comparison;
use super::problem::{ProblemKind, RunProblem, run_problems};
use super::score;
use super::snapshot_file::Render;
use super::units;
use super::wording::{self, Progress};
use crate::model::diagnosis::Code;
use crate::model::event::{CaseInfo, NoTests};
use crate::model::outcome::{CaseRecord, ExitCode, Outcome, Verdict};
use crate::model::pluralize::pluralize;

mod details;
mod inert;
mod page;

use inert::code;

/// Bytes that GitHub takes for the summary of a step.
pub const CAP: usize = 1024 * 1024;

/// Lost reports, and services of the same proof, that are named.
const NAMED: usize = 5;

/// Markdown.
pub struct Markdown;

impl Render for Markdown {
    fn render(&self, outcome: &Outcome, _: Timestamp, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(summary(outcome, CAP).as_bytes())
    }
}

/// The summary of the run in its current state, within `cap` bytes unless not even the counts fit.
pub fn summary(outcome: &Outcome, cap: usize) -> String {
    let mut page = Page::new(cap);
    page.must(&head(outcome));
    if outcome.cases.is_empty() {
        return page.finish();
    }
    let is_scored = score::is_told(outcome);
    let (score, line) = if is_scored { (" score |", " ---: |") } else { ("", "") };
    page.must(&format!("\n| service | verdict | proof |{score} time | restored | source |\n"));
    page.must(&format!("| --- | --- | --- |{line} ---: | ---: | --- |\n"));
    // A long table must not crowd out the failures.
    let left = page.fill(0.6, outcome.cases.iter().map(|case| row(case, outcome, is_scored)));
    page.must(&more(left, "service", "services"));
    if let Some(headline) = comparison::headline(outcome) {
        page.must(&format!("\n**{headline}**\n"));
        let changes = comparison::changes(outcome).unwrap_or_default();
        page.must(if changes.is_empty() { "" } else { "\n" });
        let lines = changes.iter().map(|change| {
            let detail = if change.detail.is_empty() { String::new() } else { format!(" ({})", change.detail) };
            format!("- {}: {}{detail}\n", change.kind.title(), code(&change.name))
        });
        let left = page.fill(0.7, lines);
        page.must(&more(left, "change", "changes"));
    }
    let more_proof = wording::more_proof(outcome.cases.iter().filter(|case| is_passed(case, outcome)));
    if !more_proof.is_empty() {
        page.must("\n");
        let lines = more_proof.into_iter().map(|(proof, more, cases)| {
            format!("More than *{}* ({}) would be shown by {more}.\n", proof.name(), named(&cases))
        });
        let left = page.fill(1.0, lines);
        page.must(&more(left, "remark", "remarks"));
    }
    let scores: Vec<String> = outcome.cases.iter().filter_map(|case| details::score(case, outcome)).collect();
    if !scores.is_empty() {
        page.must("\n");
        let left = page.fill(0.8, scores.into_iter());
        page.must(&more(left, "score", "scores"));
    }
    let problemd: Vec<&CaseRecord> = outcome.cases.iter().filter(|case| is_problemd(case, outcome)).collect();
    if !outcome.left_behind.is_empty() {
        page.must("\n");
        let left = page.fill(1.0, std::iter::once(details::left_behind(&outcome.left_behind)));
        page.must(&more(left, "block of details", "blocks of details"));
    }
    page.must(if problemd.is_empty() { "" } else { "\n" });
    let left = page.fill(1.0, problemd.iter().map(|case| details::of(case)));
    page.must(&more(left, "service that is not green", "services that are not green"));
    let remarks: Vec<String> = outcome.cases.iter().flat_map(|case| remarks(case, outcome)).collect();
    if !remarks.is_empty() {
        page.must("\n### Worth knowing\n\n");
        let left = page.fill(1.0, remarks.into_iter());
        page.must(&more(left, "remark", "remarks"));
    }
    page.finish()
}

fn is_passed(case: &CaseRecord, outcome: &Outcome) -> bool {
    Progress::of(case, outcome) == Progress::Ended(Verdict::Passed)
}

/// The names of the first few, and how many others there are.
fn named(cases: &[&CaseRecord]) -> String {
    let names: Vec<String> = cases.iter().take(NAMED).map(|case| code(&case.info.name.to_string())).collect();
    match cases.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        others => format!("{} and {others} more", names.join(", ")),
    }
}

fn is_problemd(case: &CaseRecord, outcome: &Outcome) -> bool {
    matches!(Progress::of(case, outcome), Progress::Ended(Verdict::Failed | Verdict::Errored))
}

fn more(left: usize, one: &str, many: &str) -> String {
    match left {
        0 => String::new(),
        1 => format!("\n… and 1 more {one}, for which there is no room here; see the other reports.\n"),
        left => format!("\n… and {left} more {many}, for which there is no room here; see the other reports.\n"),
    }
}

/// The result of the run, its counts, and what concerns no single case.
fn head(outcome: &Outcome) -> String {
    let caveat = match outcome.exit_code() {
        ExitCode::Passed if outcome.finished.is_some() => wording::run_caveat(outcome),
        _ => None,
    };
    let caveat = caveat.map_or_else(String::new, |caveat| format!(". {caveat}"));
    let mut text = format!("## {}{caveat}\n\n{}\n", headline(outcome), counts(outcome));
    let mut add = |line: String| {
        text.push_str("\n- ");
        text.push_str(&line);
    };
    for problem in run_problems(outcome) {
        told(&problem, outcome).into_iter().for_each(&mut add);
    }
    for warning in &outcome.warnings {
        add(format!("**Warning:** {}: {}", warning.code.title(), code(&warning.message)));
    }
    if let Some(partition) = &outcome.partition {
        add(format!("Only a part of the selected services: `{partition}`."));
    }
    if !outcome.engine.is_empty() {
        let (version, engine, session) = (code(&outcome.version), code(&outcome.engine), code(&outcome.session));
        add(format!("rehearsa {version} on {engine}, session {session}"));
    }
    text.push('\n');
    text
}

/// A problem of the run, as lines.
fn told(problem: &RunProblem<'_>, outcome: &Outcome) -> Vec<String> {
    let count = problem.diagnoses().count();
    let line = match problem.kind {
        ProblemKind::Unfinished => "**Unfinished:** the run had not ended when this was written.".to_owned(),
        ProblemKind::Interrupted => {
            format!("**Interrupted** by {}.", wording::signal_name(outcome.interrupted.unwrap_or_default()))
        }
        ProblemKind::PartMissing => "**Part missing:** the record of a part is missing, see below.".to_owned(),
        ProblemKind::LeftBehind if count == 1 => {
            "**Left behind:** something could not be removed, see below.".to_owned()
        }
        ProblemKind::LeftBehind => format!("**Left behind:** {count} times something could not be removed, see below."),
        ProblemKind::TimedOut => {
            let time = units::short_seconds(outcome.timed_out.unwrap_or_default() as f64);
            format!("**Timed out:** the run did not end within its time of {time}.")
        }
        ProblemKind::ReportLost => {
            let named = problem.diagnoses().take(NAMED);
            let mut lines: Vec<String> = named.map(|lost| format!("**Lost:** the {}", code(&lost.message))).collect();
            if count > NAMED {
                lines.push(format!("**Lost:** {}", pluralize(count - NAMED, "more report")));
            }
            return lines;
        }
        // The headline already says so.
        ProblemKind::NothingSelected => return Vec::new(),
    };
    vec![line]
}

fn headline(outcome: &Outcome) -> &'static str {
    if outcome.finished.is_none() {
        return "⏳ Restore Simulation: unfinished";
    }
    match outcome.exit_code() {
        ExitCode::Passed if outcome.cases.is_empty() && outcome.no_tests == NoTests::Warn => {
            "⚠️ Restore Simulation: nothing was selected"
        }
        ExitCode::Passed if outcome.cases.is_empty() => "Restore Simulation: nothing was selected",
        ExitCode::Passed if outcome.counts().without_backup > 0 => "☑️ Restore Simulation: SUCCESS",
        ExitCode::Passed => "✅ Restore Simulation: SUCCESS",
        ExitCode::Failed => "❌ Restore Simulation: FAILED",
        ExitCode::Errored | ExitCode::Usage => "⚠️ Restore Simulation: ERROR",
        ExitCode::NothingSelected => "⚠️ Restore Simulation: nothing was selected",
        ExitCode::Interrupted | ExitCode::Terminated => "⚠️ Restore Simulation: interrupted",
    }
}

/// `**1 passed, 1 failed, 0 errored, 2 skipped** (1 of the passed only at a later attempt, 2 filtered out) in 18.4s`.
fn counts(outcome: &Outcome) -> String {
    let standings = || outcome.cases.iter().map(|case| Progress::of(case, outcome));
    let ended = |verdict| standings().filter(|standing| *standing == Progress::Ended(verdict)).count();
    let unfinished = standings().filter(|standing| !matches!(standing, Progress::Ended(_))).count();
    let [passed, failed, errored, skipped] =
        [Verdict::Passed, Verdict::Failed, Verdict::Errored, Verdict::Skipped].map(ended);
    let mut text = format!("**{passed} passed, {failed} failed, {errored} errored, {skipped} skipped");
    if unfinished > 0 {
        text.push_str(&format!(", {unfinished} not finished"));
    }
    text.push_str("**");
    if outcome.left_behind.iter().any(|diagnosis| diagnosis.code == Code::RunPartMissing) {
        text.push_str(", and a part of the run is missing");
    }
    let mut aside = Vec::new();
    match outcome.cases.iter().filter(|case| case.is_flaky()).count() {
        0 => {}
        flaky => aside.push(format!("{flaky} of the passed only at a later attempt")),
    }
    if outcome.filtered_out > 0 {
        aside.push(format!("{} filtered out", outcome.filtered_out));
    }
    if !aside.is_empty() {
        text.push_str(&format!(" ({})", aside.join(", ")));
    }
    if outcome.finished.is_some() {
        text.push_str(&format!(" in {}", units::seconds(outcome.seconds())));
    }
    text
}

fn row(case: &CaseRecord, outcome: &Outcome, is_scored: bool) -> String {
    let standing = Progress::of(case, outcome);
    let ended = matches!(standing, Progress::Ended(_)) && case.started.is_some();
    let told = |value: String| if ended { value } else { "-".to_owned() };
    let score = if is_scored { format!(" {} |", told(score::cell(case))) } else { String::new() };
    let proof = Some(standing).filter(|standing| *standing == Progress::Ended(Verdict::Passed));
    let proof = proof.and_then(|_| wording::proof_name(case)).unwrap_or_else(|| "-".to_owned());
    format!(
        "| {} | {} | {proof} |{score} {} | {} | {} |\n",
        code(&case.info.name.to_string()),
        label(standing, case.is_flaky()),
        told(units::seconds(case.seconds())),
        told(units::amount(case.restored())),
        source(&case.info),
    )
}

/// A verdict with a symbol.
fn label(standing: Progress, flaky: bool) -> &'static str {
    match standing {
        Progress::Ended(Verdict::Passed) if flaky => "✅ passed (flaky)",
        Progress::Ended(Verdict::Passed) => "✅ passed",
        Progress::Ended(Verdict::Failed) => "❌ failed",
        Progress::Ended(Verdict::Errored) => "⚠️ errored",
        Progress::Ended(Verdict::Skipped) => "⏭️ skipped",
        Progress::Running => "⏳ running",
        Progress::Waiting => "⏳ waiting",
    }
}

/// `live`, or the source with the snapshot and its time.
fn source(info: &CaseInfo) -> String {
    let mut text = code(&info.source);
    if let Some(snapshot) = &info.snapshot {
        text.push_str(&format!(" {}", code(&snapshot.id)));
        if let Some(time) = snapshot.time {
            text.push_str(&format!(" of {time:.0}"));
        }
    }
    text
}

/// Remarks on a case without details: why it was skipped, or warnings of one that passed.
fn remarks(case: &CaseRecord, outcome: &Outcome) -> Vec<String> {
    let name = code(&case.info.name.to_string());
    let mut remarks = Vec::new();
    match Progress::of(case, outcome) {
        Progress::Ended(Verdict::Skipped) => {
            remarks.push(format!("- {name} was skipped: {}\n", code(&wording::skip_reason(case))));
        }
        Progress::Ended(Verdict::Passed) => {
            remarks.extend(details::earlier(case).into_iter().map(|attempt| format!("- {name}, {attempt}\n")));
            remarks.extend(details::warnings(case).into_iter().map(|warning| format!("- {name}: {warning}\n")));
            let changes = details::notable(case).into_iter();
            remarks.extend(changes.map(|change| format!("- {name}, changed in the sandbox: {change}\n")));
        }
        _ => {}
    }
    remarks
}

#[cfg(test)]
mod tests;
