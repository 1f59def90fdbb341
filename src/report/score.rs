//! The words of all reports for the score of a service.

use super::text;
use super::wording::QUOTED_CHARS;
use crate::model::outcome::{CaseRecord, Outcome};
use crate::model::score::points::Award;
use crate::model::score::{self, NoScore, Part, Score};

/// Whether a case of the run has a score, so that a table needs a column for it.
pub fn is_told(outcome: &Outcome) -> bool {
    outcome.cases.iter().any(|case| Score::of_case(case).is_ok())
}

/// `52/60` for a table; `unknown` after an error, `-` for a service without a score.
pub fn cell(case: &CaseRecord) -> String {
    match Score::of_case(case) {
        Ok(score) => format!("{}/{}", score.points, score.ceiling.points),
        Err(NoScore::Unknown) => "unknown".to_owned(),
        Err(NoScore::Skipped | NoScore::NoData | NoScore::OldRecord) => "-".to_owned(),
    }
}

/// `52 of 60 that can be had without a check of the data`, with the cap if one took points away.
pub fn line(score: &Score) -> String {
    match score.cap() {
        Some(cap) => format!("{}; capped at {}: {}", score.words(), cap.at(), cap.when()),
        None => score.words(),
    }
}

/// The score of a case in a line; `None`: neither a score nor a reason that somebody would miss.
pub fn of_case(case: &CaseRecord) -> Option<String> {
    match Score::of_case(case) {
        Ok(score) => Some(line(&score)),
        Err(why @ NoScore::Unknown) => Some(why.words().to_owned()),
        Err(NoScore::Skipped | NoScore::NoData | NoScore::OldRecord) => None,
    }
}

/// `fresh 10 of 10`.
pub fn part_head(part: &Part) -> String {
    format!("{} {} of {}", part.measure.name(), part.points(), part.measure.most())
}

/// `age 8 of 8: 6h old, and max_age allows 26h`, and what would raise it.
pub fn award_line(award: &Award) -> String {
    let Award { point, points, by } = award;
    let raised = award.raised_by().map_or_else(String::new, |by| format!(" (raised by {by})"));
    let words = format!("{} {points} of {}: {by}{raised}", point.name(), point.most());
    text::shortened(&text::one_line(&words), QUOTED_CHARS)
}

/// A line for each group of points.
pub fn part_line(part: &Part) -> String {
    let awards: Vec<String> = part.awards.iter().map(award_line).collect();
    text::shortened(&format!("{}: {}", part_head(part), awards.join("; ")), 2 * QUOTED_CHARS)
}

/// A line for each stack of several services: its score is the lowest of theirs.
pub fn stack_lines(outcome: &Outcome) -> Vec<String> {
    let stacks = score::stacks(&outcome.cases).into_iter().filter(|(_, cases)| cases.len() > 1);
    let line = |(name, cases): (&str, Vec<&CaseRecord>)| {
        let (case, score) = score::lowest(cases.into_iter())?;
        let name = text::one_line(name);
        let of = text::one_line(&case.info.name.to_string());
        Some(format!("Score of {name}: {}, that of {of}, its lowest", score.points))
    };
    stacks.filter_map(line).collect()
}
