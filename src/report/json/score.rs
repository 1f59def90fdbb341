//! The score in the JSON report.

use super::schema::{Score, ScoreAward, ScorePart, StackScore};
use crate::model::outcome::Outcome;
use crate::model::score;
use crate::model::score::points::Award;
use crate::model::score::weights::Cap;

/// The score of a service.
pub fn score(score: &score::Score) -> Score {
    Score {
        points: score.points,
        ceiling: score.ceiling.points,
        ceiling_by: score.ceiling.cap.map(|cap| cap.name().to_owned()),
        opened_by: score.opened_by(),
        caps: score.caps.iter().copied().map(Cap::name).map(str::to_owned).collect(),
        parts: score.parts.iter().map(part).collect(),
    }
}

fn part(part: &score::Part) -> ScorePart {
    ScorePart {
        group: part.measure.name().to_owned(),
        points: part.points(),
        of: part.measure.most(),
        awards: part.awards.iter().map(award).collect(),
    }
}

fn award(award: &Award) -> ScoreAward {
    ScoreAward {
        name: award.point.name().to_owned(),
        points: award.points,
        of: award.point.most(),
        by: award.by.clone(),
        raised_by: award.raised_by().map(str::to_owned),
    }
}

/// The score of each stack of the run.
pub fn stack_scores(outcome: &Outcome) -> Vec<StackScore> {
    let of_stack = |(stack, cases): (&str, Vec<_>)| {
        let lowest = score::lowest(cases.into_iter());
        StackScore {
            stack: stack.to_owned(),
            points: lowest.as_ref().map(|(_, score)| score.points),
            lowest: lowest.map(|(case, _)| case.info.name.to_string()),
        }
    };
    score::stacks(&outcome.cases).into_iter().map(of_stack).collect()
}
