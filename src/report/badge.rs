//! A status badge as SVG: `restores 12/12 · 2026-11-22`, in the colour of the run's verdict. A run that read no backup
//! is `live 12/12` and blue.
//!
//! The badge shows how many of the rehearsals passed, and the date, since an old success says little. The earlier
//! badge is removed when the run begins, and the new one is written at the end: after a killed run there is none,
//! instead of last week's success. The badge contains no foreign text, and its texts keep their widths in any font.

use std::io;

use super::Reporter;
use super::target::AtomicFile;
use super::wording;
use crate::config::values::report_spec::BadgeSubject;
use crate::model::event::{Event, Fact};
use crate::model::outcome::{ExitCode, Outcome};
use crate::model::score;

const LABEL: &str = "restores";

const HEIGHT: usize = 20;

/// Space beside each text, in pixels.
const MARGIN: usize = 6;

// White text on these has a contrast of at least 4.5 to 1.
const GREEN: &str = "#2e7d32";
const RED: &str = "#c62828";
const AMBER: &str = "#a84f00";
const GREY: &str = "#616161";
const BLUE: &str = "#1b5fb8";
const DARK: &str = "#444444";

/// Writes the badge.
pub struct BadgeReporter {
    name: String,
    target: AtomicFile,
    subject: BadgeSubject,
}

impl BadgeReporter {
    /// A badge with the name `name` for messages, written to `target`.
    pub fn new(name: String, target: AtomicFile, subject: BadgeSubject) -> Self {
        Self { name, target, subject }
    }
}

impl Reporter for BadgeReporter {
    fn name(&self) -> &str {
        &self.name
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        match event.fact {
            Fact::RunFinished => {
                self.target.update(true, true, |out| out.write_all(svg(outcome, self.subject).as_bytes()))
            }
            _ => Ok(()),
        }
    }
}

/// Text and colour of the badge. Both texts are made here, so no character needs escaping.
struct Message {
    text: String,
    /// The text for screen readers.
    spoken: String,
    color: &'static str,
}

fn message(outcome: &Outcome) -> Message {
    let counts = outcome.counts();
    let asked = counts.total() - counts.skipped;
    let date = outcome.finished.or(outcome.started).map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
    let color = match outcome.exit_code() {
        _ if counts.failed > 0 => RED,
        ExitCode::Passed | ExitCode::NothingSelected if asked == 0 => GREY,
        ExitCode::Passed if counts.without_backup > 0 => BLUE,
        ExitCode::Passed => GREEN,
        ExitCode::Failed => RED,
        _ => AMBER,
    };
    if asked == 0 {
        return Message {
            text: format!("none · {date}"),
            spoken: format!("no service was rehearsed on {date} (UTC)"),
            color,
        };
    }
    let mut spoken = format!("{} of {asked} rehearsals passed on {date} (UTC)", counts.passed);
    if counts.failed > 0 {
        spoken.push_str(&format!(", {} failed", counts.failed));
    }
    spoken.push_str(match outcome.exit_code() {
        ExitCode::Passed | ExitCode::NothingSelected | ExitCode::Failed => "",
        ExitCode::Errored | ExitCode::Usage => ", some without a result",
        ExitCode::Interrupted | ExitCode::Terminated => ", the run was interrupted",
    });
    if outcome.filtered_out > 0 || outcome.partition.is_some() {
        spoken.push_str(", of a part of the services");
    }
    if let Some(caveat) = wording::run_caveat(outcome) {
        spoken.push_str(&format!(". {caveat}"));
    }
    let passed = format!("{}/{asked}", counts.passed);
    let text = match (counts.without_backup, counts.passed) {
        (0, _) => format!("{passed} · {date}"),
        (without, passing) if without == passing => format!("live {passed} · {date}"),
        (without, _) => format!("{passed}, {without} live · {date}"),
    };
    Message { text, spoken, color }
}

/// As [`message`], with the lowest score instead of the number of passed services.
fn score_message(outcome: &Outcome) -> Message {
    let Message { text, spoken, color } = message(outcome);
    let date = text.rsplit_once(" · ").map_or_else(String::new, |(_, date)| format!(" · {date}"));
    match score::lowest(outcome.cases.iter()) {
        Some((_, score)) => {
            let (points, most) = (score.points, score.ceiling.points);
            let spoken = format!("the lowest score is {points} of {most}; {spoken}");
            Message { text: format!("score {points}/{most}{date}"), spoken, color }
        }
        None => Message { text: format!("score unknown{date}"), spoken: format!("no score; {spoken}"), color },
    }
}

fn svg(outcome: &Outcome, subject: BadgeSubject) -> String {
    let Message { text, spoken, color } = match subject {
        BadgeSubject::Result => message(outcome),
        BadgeSubject::Score => score_message(outcome),
    };
    let (label, value) = (width(LABEL), width(&text));
    let (left, right) = (label + 2 * MARGIN, value + 2 * MARGIN);
    let all = left + right;
    let (label_at, value_at) = (MARGIN, left + MARGIN);
    let spoken = format!("{LABEL}: {spoken}");
    format!(
        "\
<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{all}\" height=\"{HEIGHT}\" viewBox=\"0 0 {all} {HEIGHT}\" \
     role=\"img\" aria-label=\"{spoken}\">
  <title>{spoken}</title>
  <clipPath id=\"round\"><rect width=\"{all}\" height=\"{HEIGHT}\" rx=\"3\"/></clipPath>
  <g clip-path=\"url(#round)\">
    <rect width=\"{left}\" height=\"{HEIGHT}\" fill=\"{DARK}\"/>
    <rect x=\"{left}\" width=\"{right}\" height=\"{HEIGHT}\" fill=\"{color}\"/>
  </g>
  <g fill=\"#ffffff\" font-family=\"Verdana, DejaVu Sans, Geneva, sans-serif\" font-size=\"11\" aria-hidden=\"true\">
    <text x=\"{label_at}\" y=\"14\" textLength=\"{label}\">{LABEL}</text>
    <text x=\"{value_at}\" y=\"14\" textLength=\"{value}\">{text}</text>
  </g>
</svg>
"
    )
}

/// Pixels of a text in Verdana at 11 pixels, by the font's own widths, which are given in hundredths of an em.
fn width(text: &str) -> usize {
    let hundredths = |c: char| match c {
        '0'..='9' => 64,
        '/' | '-' => 45,
        'r' => 43,
        'c' => 52,
        'u' => 63,
        'k' => 59,
        'w' => 82,
        'e' => 60,
        's' => 52,
        't' => 39,
        'o' => 61,
        'n' => 63,
        ' ' => 35,
        'l' | 'i' => 27,
        'v' => 59,
        ',' => 36,
        '·' => 36,
        _ => 65,
    };
    let sum: usize = text.chars().map(hundredths).sum();
    (sum * 11).div_ceil(100)
}

#[cfg(test)]
mod tests;
