//! What a report tells of one case, as the events that make it so.
//!
//! The order matters to the fold: a step that breaks after the end of its case, or after an attempt was given up, is the run's error
//! and not the case's; and the first diagnosis is the one that is shown.

use jiff::Timestamp;

use super::{Names, ReadError, diagnosis, proof, result, schema, step};
use crate::model::check::Proof;
use crate::model::diagnosis::Diagnosis;
use crate::model::event::{Event, Fact, Step, StepResult};
use crate::model::service::ServiceName;
use crate::report::json::schema::Case;

/// The events of `case`; `run` is the begin of its run.
pub fn of(case: &Case, names: &Names, run: Option<Timestamp>, ids: &mut u64) -> Result<Vec<Event>, ReadError> {
    let name = super::service_name(case);
    let mut track = Track { events: Vec::new(), now: case.started.or(run).unwrap_or(Timestamp::UNIX_EPOCH) };
    if let Some(at) = case.started {
        track.at(at, Fact::CaseStarted { case: name.clone() });
    }
    for earlier in &case.attempts {
        let against = diagnoses(&earlier.diagnoses)?;
        let block = Block::of(&earlier.steps, &against, None, case, names, ids)?;
        let log = block.log(&name);
        track.events.extend(block.events);
        if log != earlier.log_tail {
            // It had passed its checks before something else broke.
            let log_tail = earlier.log_tail.clone();
            track.now(Fact::CaseProven { case: name.clone(), proof: Proof::Running, log_tail });
        }
        track.at(earlier.finished, Fact::CaseRetried { case: name.clone() });
        track.events.extend(block.late);
    }
    let block = Block::of(&case.steps, &diagnoses(&case.diagnoses)?, case.finished, case, names, ids)?;
    track.events.extend(block.events);
    for warning in &case.warnings {
        track.now(Fact::Warned { cases: vec![name.clone()], diagnosis: diagnosis(warning)? });
    }
    if let Some(reason) = &case.skipped {
        track.now(Fact::CaseSkipped { case: name.clone(), reason: reason.clone() });
    }
    if let Some(word) = &case.proof {
        let log_tail = case.log_tail.clone();
        track.now(Fact::CaseProven { case: name.clone(), proof: proof(word)?, log_tail });
    }
    if let Some(at) = case.finished {
        track.at(at, Fact::CaseFinished { case: name });
    }
    track.events.extend(block.late);
    Ok(track.events)
}

fn diagnoses(read: &[schema::Diagnosis]) -> Result<Vec<Diagnosis>, ReadError> {
    read.iter().map(diagnosis).collect()
}

/// The events of a case so far.
struct Track {
    events: Vec<Event>,
    now: Timestamp,
}

impl Track {
    fn at(&mut self, at: Timestamp, fact: Fact) {
        self.now = at;
        self.events.push(Event { at, fact });
    }

    /// Something of which the report does not say when it was.
    fn now(&mut self, fact: Fact) {
        let at = self.events.last().map_or(self.now, |event| event.at.max(self.now));
        self.events.push(Event { at, fact });
    }
}

/// The steps of an attempt.
#[derive(Default)]
struct Block {
    /// Up to its end.
    events: Vec<Event>,
    /// After it: the teardown of its sandbox.
    late: Vec<Event>,
}

impl Block {
    /// `end` is the end of the case, after which steps may begin. One that began in an attempt is the attempt's.
    fn of(
        steps: &[schema::Step],
        against: &[Diagnosis],
        end: Option<Timestamp>,
        case: &Case,
        names: &Names,
        ids: &mut u64,
    ) -> Result<Self, ReadError> {
        let name = super::service_name(case);
        let cases = vec![name.clone()];
        let mut late = Vec::new();
        let mut timed: Vec<(Timestamp, Event)> = Vec::new();
        let mut begun = Timestamp::MIN;
        for read in steps {
            *ids += 1;
            let id = *ids;
            let step = step(read, case, names)?;
            let result = result(read)?;
            let is_own = step.owner().is_none_or(|owner| *owner == name);
            let is_late = match &result {
                Some((_, StepResult::Broke { diagnosis })) => is_own && !against.contains(diagnosis),
                _ => step == Step::Teardown && end.is_some_and(|end| read.started >= end),
            };
            let start = Event { at: read.started, fact: Fact::StepStarted { id, cases: cases.clone(), step } };
            let finish = result.map(|(at, result)| Event { at, fact: Fact::StepFinished { id, result } });
            // The order of the steps is that of the report, whatever the clock said.
            begun = begun.max(read.started);
            if is_late && end.is_some_and(|end| read.started >= end) {
                late.push(start);
                late.extend(finish);
            } else {
                timed.push((begun, start));
                match finish {
                    Some(finish) if is_late => late.push(finish),
                    Some(finish) => timed.push((finish.at.max(begun), finish)),
                    None => {}
                }
            }
        }
        timed.sort_by_key(|(key, _)| *key);
        let events = timed.into_iter().map(|(_, event)| event).collect();
        let mut block = Self { events, late };
        block.abort(against, &name, case.started);
        Ok(block)
    }

    /// Puts what no step says (the rehearsal was cancelled, the engine broke) where it keeps the order of the diagnoses.
    fn abort(&mut self, against: &[Diagnosis], name: &ServiceName, begin: Option<Timestamp>) {
        let mut place = self.events.len();
        for wanted in against.iter().rev() {
            let told = (0..place).find(|at| self.broke(*at, name).is_some_and(|diagnosis| diagnosis == wanted));
            match told {
                Some(at) => place = at,
                None => {
                    let before = self.events[..place].last().map(|event| event.at);
                    let at = before.or(begin).unwrap_or(Timestamp::UNIX_EPOCH);
                    let fact = Fact::CaseAborted { case: name.clone(), diagnosis: wanted.clone() };
                    self.events.insert(place, Event { at, fact });
                }
            }
        }
    }

    /// What broke in the step that ends in this event. A dependency's own step is in the timeline and decides nothing here.
    fn broke(&self, at: usize, name: &ServiceName) -> Option<&Diagnosis> {
        let Fact::StepFinished { id, result: StepResult::Broke { diagnosis } } = &self.events[at].fact else {
            return None;
        };
        let is_own = self.events[..at].iter().any(|event| match &event.fact {
            Fact::StepStarted { id: started, step, .. } => {
                started == id && step.owner().is_none_or(|owner| owner == name)
            }
            _ => false,
        });
        is_own.then_some(diagnosis)
    }

    /// The log that the fold takes from the steps that broke.
    fn log(&self, name: &ServiceName) -> Vec<String> {
        let broken = (0..self.events.len()).filter_map(|at| self.broke(at, name));
        broken.map(|diagnosis| &diagnosis.log_tail).find(|log| !log.is_empty()).cloned().unwrap_or_default()
    }
}
