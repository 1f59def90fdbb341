//! The details of a case that is not green, folded up under one line.

use super::inert::{block, code, html_code};
use crate::model::diagnosis::Diagnosis;
use crate::model::outcome::{CaseRecord, Outcome, Verdict};
use crate::model::pluralize::pluralize;
use crate::model::score::Score;
use crate::report::wording::Progress;
use crate::report::{score, text, wording};

/// Bytes of a log in the details of a case: the summary is for the first look, and holds many cases.
const LOG: usize = 16 * 1024;

/// Lines of a message.
const MESSAGE_LINES: usize = 20;

/// Things of one kind that are listed.
const LISTED: usize = 20;

/// The details of a case.
pub fn of(case: &CaseRecord) -> String {
    let deciding = wording::deciding(case);
    let mark = if case.verdict() == Verdict::Failed { "❌" } else { "⚠️" };
    let name = html_code(&case.info.name.to_string());
    let mut body = diagnosis(&deciding);
    let others = case.diagnoses.iter().filter(|other| **other != *deciding);
    body.push_str(&list("Also", others.map(|other| code(&wording::summary(other))).collect()));
    body.push_str(&list("Changed in the sandbox", notable(case)));
    body.push_str(&list("Warnings", warnings(case)));
    body.push_str(&list("Earlier attempts", earlier(case)));
    folded(&format!("{mark} {name} {}", html_code(&wording::summary(&deciding))), &body)
}

/// The points of a case that has ended, by group; `None`: it has no score.
pub fn score(case: &CaseRecord, outcome: &Outcome) -> Option<String> {
    let score = Score::of_case(case).ok().filter(|_| matches!(Progress::of(case, outcome), Progress::Ended(_)))?;
    let name = html_code(&case.info.name.to_string());
    let mut body = "| points | group | seen |\n| ---: | --- | --- |\n".to_owned();
    for part in &score.parts {
        let awards: Vec<String> = part.awards.iter().map(|award| code(&score::award_line(award))).collect();
        let (points, most) = (part.points(), part.measure.most());
        body.push_str(&format!("| {points} of {most} | {} | {} |\n", part.measure.name(), awards.join("<br>")));
    }
    if let Some(more) = score.opened_by() {
        body.push_str(&format!("\n{more}.\n"));
    }
    Some(folded(&format!("{name}: score {}", score::line(&score)), &body))
}

/// What could not be removed.
pub fn left_behind(left: &[Diagnosis]) -> String {
    let mut body = list("What", left.iter().map(|diagnosis| code(&wording::warning(diagnosis))).collect());
    if let Some(first) = left.first() {
        body.push_str(&format!("\n**What to do:** {}\n", remedy(first)));
    }
    folded("⚠️ Left behind", &body)
}

/// Warnings about a case.
pub fn warnings(case: &CaseRecord) -> Vec<String> {
    case.warnings.iter().map(|warning| code(&wording::warning(warning))).collect()
}

/// Changes by the sandbox that may matter.
pub fn notable(case: &CaseRecord) -> Vec<String> {
    case.info.changes.iter().filter(|change| change.notable).map(|change| code(&wording::change(change))).collect()
}

/// The attempts before the last.
pub fn earlier(case: &CaseRecord) -> Vec<String> {
    let attempts = case.earlier.iter().enumerate();
    attempts
        .map(|(nth, attempt)| {
            let why = attempt.diagnosis().map(wording::summary).unwrap_or_default();
            format!("attempt {}: {}, {}", nth + 1, attempt.verdict().name(), code(&why))
        })
        .collect()
}

/// `summary` is HTML.
fn folded(summary: &str, body: &str) -> String {
    // Without the blank lines the body would be HTML too.
    format!("<details>\n<summary>{summary}</summary>\n\n{}\n</details>\n\n", body.trim_start())
}

fn diagnosis(diagnosis: &Diagnosis) -> String {
    let code_ = diagnosis.code;
    let mut text = format!("**{}** (`{code_}`)\n", code_.title());
    let message = text::clean(&diagnosis.message);
    let lines: Vec<String> = message
        .trim_end()
        .lines()
        .take(MESSAGE_LINES)
        .map(|line| text::shortened(line, wording::QUOTED_CHARS))
        .collect();
    if !lines.is_empty() {
        text.push_str(&format!("\n{}", block(lines.iter().map(String::as_str))));
    }
    match message.trim_end().lines().count().saturating_sub(MESSAGE_LINES) {
        0 => {}
        left => text.push_str(&format!("\n… and {}\n", pluralize(left, "more line"))),
    }
    if let Some(cause) = &diagnosis.cause {
        let line = text::shortened(&text::one_line(&cause.line), wording::QUOTED_CHARS);
        text.push_str(&format!("\n**Known cause:** {}\n\n{}", code(&cause.meaning), block([line.as_str()])));
    }
    text.push_str(&format!("\n**What it means:** {}\n", code_.cause()));
    text.push_str(&format!("\n**What to do:** {}\n", remedy(diagnosis)));
    let tail = text::Tail::of(&diagnosis.log_tail, LOG);
    if !tail.lines.is_empty() {
        let lines = tail.noticed();
        text.push_str(&format!("\n**Last log lines:**\n\n{}", block(lines.iter().map(String::as_str))));
    }
    text
}

/// A code's own remedy may use backticks for commands; a special one may quote foreign text.
fn remedy(diagnosis: &Diagnosis) -> String {
    match &diagnosis.remedy {
        Some(special) => code(special),
        None => diagnosis.code.remedy().to_owned(),
    }
}

/// A list of Markdown under a heading; empty without items.
fn list(heading: &str, items: Vec<String>) -> String {
    if items.is_empty() {
        return String::new();
    }
    let left = items.len().saturating_sub(LISTED);
    let mut text = format!("\n**{heading}:**\n\n");
    text.extend(items.into_iter().take(LISTED).map(|item| format!("- {item}\n")));
    if left > 0 {
        text.push_str(&format!("- … and {left} more\n"));
    }
    text
}
