//! Scores for people: a table of the snapshots, and for each service what its newest one got its points for.

use unicode_width::UnicodeWidthStr;

use super::scored::{ScoredService, ScoredSnapshot, stacks, verdict};
use crate::model::score::Part;
use crate::model::score::weights::ScoredBy;
use crate::report::{score, text, units, wording};

/// The scores as people read them.
pub fn render(scored: &[ScoredService]) -> String {
    let mut lines = table(scored);
    for service in scored {
        lines.push(String::new());
        lines.extend(details(service));
    }
    lines.extend(stack_lines(scored));
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

fn table(scored: &[ScoredService]) -> Vec<String> {
    let head = ["service", "snapshot", "verdict", "age", "files", "data", "empty", "score"].map(str::to_owned);
    let mut rows = vec![head];
    for service in scored {
        rows.extend(service.snapshots.iter().map(|snapshot| row(service, snapshot)));
    }
    let width = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

/// The first three columns hold words and are flush left, the others numbers.
fn line(row: &[String; 8], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
        let blanks = " ".repeat(width - cell.width());
        if column < 3 { format!("{cell}{blanks}") } else { format!("{blanks}{cell}") }
    });
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn row(service: &ScoredService, snapshot: &ScoredSnapshot) -> [String; 8] {
    let ScoredSnapshot { snapshot: of, age, tally, score, diagnosis, warnings: _ } = snapshot;
    let nothing = || "-".to_owned();
    let sum = |of: fn(&crate::model::score::history::MountTally) -> u64| tally.mounts.iter().map(of).sum::<u64>();
    let is_seen = !tally.mounts.is_empty();
    let told = |value: String| if is_seen { value } else { nothing() };
    [
        text::one_line(&service.name.to_string()),
        of.as_ref().map_or_else(nothing, |of| text::one_line(&of.id)),
        verdict(diagnosis.as_ref().map(|of| of.severity())).to_owned(),
        age.map_or_else(nothing, units::span),
        told(sum(|mount| mount.files).to_string()),
        told(units::bytes(sum(|mount| mount.bytes))),
        told(sum(|mount| mount.empty_files).to_string()),
        match score {
            Some(score) => format!("{}/{}", score.points, score.ceiling.points),
            None if diagnosis.is_some() => "unknown".to_owned(),
            None => nothing(),
        },
    ]
}

/// The newest snapshot in full.
fn details(service: &ScoredService) -> Vec<String> {
    let name = text::one_line(&service.name.to_string());
    let Some(newest) = service.snapshots.first() else {
        let why = match (&service.ignored, &service.source) {
            (Some(reason), _) => format!("skipped: {}", text::one_line(reason)),
            (None, _) => "no backup is named for it, so it has no score".to_owned(),
        };
        return vec![format!("{name}: {why}")];
    };
    let mut lines = match &newest.score {
        Some(score) => vec![format!("{name}: {}", score::line(score))],
        None if newest.diagnosis.is_some() => vec![format!("{name}: unknown, as the backup could not be judged")],
        None => vec![format!("{name}: it writes to no mount that a backup could hold, so it has no score")],
    };
    if let Some(score) = &newest.score {
        let seen = |part: &&Part| part.awards.iter().any(|award| award.point.is_seen_by(ScoredBy::Score));
        for part in score.parts.iter().filter(seen) {
            lines.push(format!("  {}", score::part_head(part)));
            lines.extend(part.awards.iter().map(|award| format!("    {}", score::award_line(award))));
        }
        lines.extend(newest.warnings.iter().map(|warning| format!("  ! {}", text::one_line(warning))));
        lines.extend(score.opened_by().map(|more| format!("  {more}")));
    }
    let told = newest.diagnosis.iter().flat_map(wording::explain);
    lines.extend(told.map(|line| format!("  {line}")));
    lines
}

/// The score of each stack of several services: the lowest of theirs, as far as all are known.
fn stack_lines(scored: &[ScoredService]) -> Vec<String> {
    let mut lines = Vec::new();
    for (stack, lowest) in stacks(scored).into_iter().filter(|(_, of)| of.services > 1) {
        if let Some((points, service)) = lowest.lowest {
            let (stack, service) = (text::one_line(&stack), text::one_line(&service));
            lines.push(format!("Score of {stack}: {points}, that of {service}, its lowest"));
        }
    }
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}
