//! The score of a service's backup: 0 to 100, from what one run has seen.
//!
//! Points are given only for what was seen in this run; what was not looked at gives none. Caps bound the score where
//! something essential was not shown. A service that errored has no score: nothing is known. The weights are one table
//! ([`weights`]), and the score is a fold over the events, as the verdict is.

pub mod basis;
pub mod facts;
pub mod history;
#[cfg(test)]
mod page;
pub mod points;
#[cfg(test)]
mod tests;
pub mod weights;

use basis::ScoreBasis;
use facts::{ControlFact, ScoreFacts};
use history::History;
use points::{Award, award};
use weights::{Cap, Measure, Point, ScoredBy, most_of};

use super::case_record::{CaseRecord, Verdict};
use super::diagnosis::{Code, Diagnosis};

/// The score of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Score {
    /// The points, within the lowest cap.
    pub points: u8,
    /// The most that this run could give.
    pub ceiling: Ceiling,
    /// The caps that hold, lowest first.
    pub caps: Vec<Cap>,
    /// The points by group.
    pub parts: Vec<Part>,
}

/// The points of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub measure: Measure,
    pub awards: Vec<Award>,
}

/// The most points that a run can give, by its command and settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceiling {
    pub points: u8,
    /// The cap that bounds it; `None`: the command cannot see more.
    pub cap: Option<Cap>,
    /// The ceiling once that cap is lifted.
    pub next: u8,
}

/// Why there is no score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoScore {
    /// The rehearsal errored, or has not ended: nothing is known.
    Unknown,
    /// The service was not rehearsed.
    Skipped,
    /// The service writes to no mount, so a backup of it holds nothing that could be lost.
    NoData,
    /// The record is older than scores.
    OldRecord,
}

impl NoScore {
    /// The reason, for people.
    pub fn words(self) -> &'static str {
        match self {
            NoScore::Unknown => "unknown: it could not be found out",
            NoScore::Skipped => "none: it was skipped",
            NoScore::NoData => "none: it writes to no mount that a backup could hold",
            NoScore::OldRecord => "none: the record does not have the facts for it",
        }
    }
}

impl Part {
    /// The points of the group.
    pub fn points(&self) -> u8 {
        self.awards.iter().map(|award| award.points).sum()
    }
}

impl Score {
    /// The score that follows from the facts.
    pub fn of(facts: &ScoreFacts) -> Score {
        let part = |measure| {
            let points = Point::ALL.iter().filter(|point| point.measure() == measure);
            Part { measure, awards: points.map(|point| award(*point, facts)).collect() }
        };
        let parts: Vec<Part> = Measure::ALL.into_iter().map(part).collect();
        let sum: u8 = parts.iter().map(Part::points).sum();
        let caps: Vec<Cap> = Cap::ALL.iter().copied().filter(|cap| holds(*cap, facts)).collect();
        let lowest = caps.iter().map(|cap| cap.at()).min().unwrap_or(100);
        let command = if facts.rehearsal.is_some() { ScoredBy::Test } else { ScoredBy::Score };
        Score { points: sum.min(lowest), ceiling: Ceiling::of(&facts.basis, command), caps, parts }
    }

    /// The score of a case that has ended.
    pub fn of_case(case: &CaseRecord) -> Result<Score, NoScore> {
        let Some(basis) = case.info.score_basis.as_ref() else { return Err(NoScore::OldRecord) };
        match case.verdict() {
            Verdict::Errored => Err(NoScore::Unknown),
            Verdict::Skipped => Err(NoScore::Skipped),
            Verdict::Passed | Verdict::Failed if basis.mounts.is_empty() => Err(NoScore::NoData),
            Verdict::Passed | Verdict::Failed => Ok(Score::of(&ScoreFacts::of_case(case, basis))),
        }
    }

    /// The cap that took points away or would do so, if it is lower than the ceiling.
    pub fn cap(&self) -> Option<Cap> {
        self.caps.first().copied().filter(|cap| cap.at() < self.ceiling.points)
    }

    /// `46 of 50 that can be had without booting`.
    pub fn words(&self) -> String {
        let Ceiling { points, cap, .. } = self.ceiling;
        let without = cap.map_or("in one rehearsal", Cap::without);
        format!("{} of {points} that can be had {without}", self.points)
    }

    /// What would open more points than this run could give; `None`: it could give all.
    pub fn opened_by(&self) -> Option<String> {
        let Ceiling { points, cap, next } = self.ceiling;
        let more = next.checked_sub(points).filter(|more| *more > 0)?;
        let by = cap.map_or("`rehearsa score`, which looks at earlier snapshots", Cap::lifted_by);
        Some(format!("{more} more would be opened by {by}"))
    }

    /// The points that this run could have given and did not, the most first.
    pub fn missed(&self, command: ScoredBy) -> Vec<&Award> {
        let all = self.parts.iter().flat_map(|part| &part.awards);
        let mut missed: Vec<&Award> =
            all.filter(|award| award.point.is_seen_by(command) && award.points < award.point.most()).collect();
        missed.sort_by_key(|award| std::cmp::Reverse(award.point.most() - award.points));
        missed
    }
}

/// Whether a cap holds for what was seen.
fn holds(cap: Cap, facts: &ScoreFacts) -> bool {
    let basis = &facts.basis;
    let seen = facts.rehearsal.as_ref();
    match cap {
        Cap::Failed => facts.failed.is_some(),
        Cap::NotFromBackup => !basis.is_from_backup(),
        Cap::Stale => basis.max_age.zip(basis.age).is_some_and(|(allowed, age)| age > allowed.saturating_mul(2)),
        Cap::Repaired => basis.rewritten && basis.history.as_ref().is_some_and(History::is_smaller),
        Cap::LostData => basis.history.as_ref().is_some_and(History::has_lost_data),
        Cap::NotBooted => !seen.is_some_and(|seen| seen.stayed_up),
        Cap::NoDataCheck => !seen.is_some_and(|seen| seen.has_asked_data()),
        Cap::NoControl => !seen.is_some_and(|seen| seen.control == ControlFact::Noticed),
    }
}

impl Ceiling {
    /// The ceiling of a run of this command with these settings.
    pub fn of(basis: &ScoreBasis, command: ScoredBy) -> Ceiling {
        let holds = |cap: &Cap| match cap {
            Cap::NotFromBackup => !basis.is_from_backup(),
            Cap::NotBooted => command == ScoredBy::Score,
            Cap::NoDataCheck => !basis.has_data_check,
            Cap::NoControl => !basis.control,
            Cap::Failed | Cap::Stale | Cap::LostData | Cap::Repaired => false,
        };
        let mut caps = Cap::ALL.iter().copied().filter(holds).filter(|cap| cap.at() <= most_of(command));
        let cap = caps.next();
        // To lift the lowest cap of a look at a backup takes a rehearsal, which sees other things.
        let most = match cap {
            Some(Cap::NotBooted) => most_of(ScoredBy::Test),
            Some(_) => most_of(command),
            None => 100,
        };
        let others = Cap::ALL.iter().copied().filter(holds).filter(|other| Some(*other) != cap);
        let next = others.map(Cap::at).min().unwrap_or(100).min(most);
        Ceiling { points: cap.map_or(most_of(command), Cap::at), cap, next }
    }
}

/// The lowest score of these cases, with its case; `None`: no case has a score, or the score of one is unknown.
pub fn lowest<'a>(cases: impl Iterator<Item = &'a CaseRecord>) -> Option<(&'a CaseRecord, Score)> {
    let mut lowest: Option<(&CaseRecord, Score)> = None;
    for case in cases {
        match Score::of_case(case) {
            Ok(score) if lowest.as_ref().is_none_or(|(_, least)| score.points < least.points) => {
                lowest = Some((case, score));
            }
            Err(NoScore::Unknown | NoScore::OldRecord) => return None,
            Ok(_) | Err(NoScore::Skipped | NoScore::NoData) => {}
        }
    }
    lowest
}

/// The stacks of a run with their cases, in the order of the run.
pub fn stacks(cases: &[CaseRecord]) -> Vec<(&str, Vec<&CaseRecord>)> {
    let mut stacks: Vec<(&str, Vec<&CaseRecord>)> = Vec::new();
    for case in cases {
        let name = case.info.name.stack_name();
        let of_stack = |(known, cases): &(&str, Vec<&CaseRecord>)| {
            *known == name
                && cases.iter().any(|other| other.info.name.stack.is_some() == case.info.name.stack.is_some())
        };
        match stacks.iter_mut().find(|stack| of_stack(stack)) {
            Some((_, cases)) => cases.push(case),
            None => stacks.push((name, vec![case])),
        }
    }
    stacks
}

/// The diagnosis of a case that passed with a lower score than its settings require; `None`: its score is enough. A
/// service that keeps no data has no score and needs none.
pub fn below_required(case: &CaseRecord) -> Option<Diagnosis> {
    let required = case.info.score_basis.as_ref()?.min_score?;
    let score = Score::of_case(case).ok().filter(|score| score.points < required)?;
    Some(diagnosis(&case.info.name.to_string(), required, &score, ScoredBy::Test))
}

/// The diagnosis of a score below the required one.
pub fn diagnosis(name: &str, required: u8, score: &Score, command: ScoredBy) -> Diagnosis {
    let message = format!("the score of {name} is {}, and min_score requires {required}", score.words());
    let missed = score.missed(command);
    let raised = missed.first().map(|award| format!("Most points are missing for this: {}.", award.point.raised_by()));
    let capped = score.cap().map(|cap| format!("The score is capped at {}: {}", cap.at(), cap.when()));
    let remedy = capped.or(raised);
    Diagnosis { remedy, ..Diagnosis::new(Code::ScoreBelowRequired, message) }
}
