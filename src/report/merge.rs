//! Joins the records of jobs that shared the work into the events of one run.
//!
//! Nothing is assumed: a part without a record, and a rehearsal that a killed job did not finish, count as errored. A
//! part or a case that two records tell of is refused.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::events::read::RunRecord;
use super::wording::Progress;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::{CaseInfo, Event, Fact, NoTests};
use crate::model::outcome::Outcome;
use crate::model::partition::{Partition, Sharing};
use crate::model::service::ServiceName;

/// Number of missing parts that are listed.
const NAMED_PARTS: usize = 10;

/// The run that several records make up.
#[derive(Debug)]
pub struct MergedRun {
    /// Its events, from its begin to its end.
    pub events: Vec<Event>,
    /// Notes for the user: killed jobs, differing versions.
    pub notes: Vec<String>,
}

/// Records that cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Two records of one part.
    #[error("{first} and {second} are both of part {part}; give each part once")]
    PartTwice {
        /// One record.
        first: String,
        /// The other record.
        second: String,
        /// The part of both.
        part: Partition,
    },
    /// Parts of different runs.
    #[error(
        "{first} is of part {first_part} and {second} of part {second_part}: they are not parts of one run; give the \
         records of one run"
    )]
    DifferentRuns {
        /// One record.
        first: String,
        /// Its part.
        first_part: Partition,
        /// The other record.
        second: String,
        /// Its part.
        second_part: Partition,
    },
    /// A case in two records, or twice in one.
    #[error("{first} and {second} both contain {case}; give records of different services, each once")]
    CaseTwice {
        /// One record.
        first: String,
        /// The other record, or the same.
        second: String,
        /// The case.
        case: ServiceName,
    },
}

/// One job that shared the work.
struct Job {
    /// Its record's name for messages.
    file: String,
    events: Vec<Event>,
    /// Its own outcome: its plan, and the progress of each of its cases.
    outcome: Outcome,
}

impl Job {
    fn new((file, record): (String, RunRecord)) -> Self {
        Self { file, outcome: record.outcome(), events: record.events }
    }

    fn was_killed(&self) -> bool {
        self.outcome.finished.is_none()
    }

    /// The events of its cases. Cases that a killed job left open end as errored, at the job's last event.
    fn into_case_events(self, numbers: &mut StepNumbers) -> Vec<Event> {
        let last = self.events.iter().map(|event| event.at).max().unwrap_or(Timestamp::UNIX_EPOCH);
        let mut events: Vec<Event> = self.events.into_iter().filter(|event| is_of_cases(&event.fact)).collect();
        numbers.renumber(&mut events);
        let is_open = |case: &&_| !matches!(Progress::of(case, &self.outcome), Progress::Ended(_));
        for record in self.outcome.cases.iter().filter(is_open) {
            let case = &record.info.name;
            let words = format!("{} ends before this rehearsal did: its job was killed", self.file);
            let diagnosis = Diagnosis::new(Code::RunCancelled, words);
            events.push(Event { at: last, fact: Fact::CaseAborted { case: case.clone(), diagnosis } });
            events.push(Event { at: last, fact: Fact::CaseFinished { case: case.clone() } });
        }
        events
    }
}

/// Step numbers that are unique in the merged run: each job counts its own steps from 1.
#[derive(Default)]
struct StepNumbers {
    last: u64,
}

impl StepNumbers {
    /// Numbers the steps of one job's events anew.
    fn renumber(&mut self, events: &mut [Event]) {
        let mut numbers: BTreeMap<u64, u64> = BTreeMap::new();
        for event in events {
            let (Fact::StepStarted { id, .. } | Fact::StepProgress { id, .. } | Fact::StepFinished { id, .. }) =
                &mut event.fact
            else {
                continue;
            };
            *id = *numbers.entry(*id).or_insert_with(|| {
                self.last += 1;
                self.last
            });
        }
    }
}

/// Merges `records`, each with its file's name for messages. Parts may be given in any order.
///
/// # Errors
///
/// When two records do not belong together.
pub fn merge(records: Vec<(String, RunRecord)>) -> Result<MergedRun, MergeError> {
    let mut jobs: Vec<Job> = records.into_iter().map(Job::new).collect();
    jobs.sort_by_key(|job| job.outcome.partition.map(|partition| partition.index));
    refuse_foreign_parts(&jobs)?;
    refuse_repeated_cases(&jobs)?;
    let started = jobs.iter().filter_map(|job| job.outcome.started).min().unwrap_or(Timestamp::UNIX_EPOCH);
    let mut events = vec![Event { at: started, fact: run_started(&jobs) }];
    // All jobs of a run are compared with the same earlier one.
    let baseline = jobs.iter().find_map(|job| job.outcome.baseline.clone());
    events.extend(baseline.map(|read| Event { at: started, fact: Fact::BaselineRead { baseline: Box::new(read) } }));
    let mut notes = note_versions(&jobs);
    let killed = jobs.iter().filter(|job| job.was_killed());
    notes.extend(killed.map(|job| format!("{} has no end: the job that wrote it was killed", job.file)));
    let closing = closing_facts(&jobs);
    let ends: Vec<Timestamp> = jobs.iter().filter_map(|job| job.outcome.finished).collect();
    let mut numbers = StepNumbers::default();
    events.extend(in_time(jobs.into_iter().map(|job| job.into_case_events(&mut numbers))));
    let end = ends.into_iter().chain(events.iter().map(|event| event.at)).max().unwrap_or(started);
    events.extend(closing.into_iter().map(|fact| Event { at: end, fact }));
    Ok(MergedRun { events, notes })
}

/// The begin of the merged run.
fn run_started(jobs: &[Job]) -> Fact {
    // A part counts the services of the other parts among those that it filters out: all parts of a run see the same
    // services. Independent jobs each filter out their own.
    let (parts, others): (Vec<&Job>, Vec<&Job>) = jobs.iter().partition(|job| job.outcome.partition.is_some());
    let seen = parts.iter().map(|job| job.outcome.filtered_out + job.outcome.cases.len()).max().unwrap_or(0);
    let selected: usize = parts.iter().map(|job| job.outcome.cases.len()).sum();
    let filtered_out = seen.saturating_sub(selected) + others.iter().map(|job| job.outcome.filtered_out).sum::<usize>();
    let strictest = [NoTests::Fail, NoTests::Warn, NoTests::Pass];
    let no_tests = strictest.into_iter().find(|meaning| jobs.iter().any(|job| job.outcome.no_tests == *meaning));
    Fact::RunStarted {
        session: list_distinct(jobs.iter().map(|job| &*job.outcome.session)),
        version: list_distinct(jobs.iter().map(|job| &*job.outcome.version)),
        engine: list_distinct(jobs.iter().map(|job| &*job.outcome.engine)),
        cases: order_cases(jobs),
        filtered_out,
        threads: jobs.iter().map(|job| job.outcome.threads).sum(),
        partition: None,
        no_tests: no_tests.unwrap_or_default(),
    }
}

/// The distinct ones of `values`, in order, separated by commas.
fn list_distinct<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let mut distinct: Vec<&str> = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct.join(", ")
}

/// All cases, in the plan's order if that is known: the partition `slice` deals the cases out in turn.
fn order_cases(jobs: &[Job]) -> Vec<CaseInfo> {
    let are_slices = jobs.iter().all(|job| job.outcome.partition.is_some_and(|part| part.sharing == Sharing::Slice));
    let mut placed: Vec<((usize, usize), &CaseInfo)> = Vec::new();
    for (nth, job) in jobs.iter().enumerate() {
        for (position, case) in job.outcome.cases.iter().enumerate() {
            placed.push((if are_slices { (position, nth) } else { (nth, position) }, &case.info));
        }
    }
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, info)| info.clone()).collect()
}

/// The last facts of the merged run: facts about whole jobs, missing parts, and the end. They come last because a
/// signal that ended one job did not end the others.
fn closing_facts(jobs: &[Job]) -> Vec<Fact> {
    let killed = jobs.iter().filter(|job| job.was_killed());
    let mut facts: Vec<Fact> = killed.map(|job| job_was_killed(&job.file)).collect();
    for event in jobs.iter().flat_map(|job| &job.events).filter(|event| is_of_run(&event.fact)) {
        // The fold keeps the last signal it gets; of two jobs the first one counts.
        let is_known = facts.iter().any(|earlier| match (earlier, &event.fact) {
            (Fact::Interrupted { .. }, Fact::Interrupted { .. }) => true,
            (Fact::TimedOut { .. }, Fact::TimedOut { .. }) => true,
            (earlier, fact) => earlier == fact,
        });
        if !is_known {
            facts.push(event.fact.clone());
        }
    }
    facts.extend(find_missing_parts(jobs).map(|diagnosis| Fact::LeftBehind { diagnosis }));
    facts.push(Fact::RunFinished);
    facts
}

/// Whether a fact concerns the whole run of a job.
fn is_of_run(fact: &Fact) -> bool {
    matches!(fact, Fact::Interrupted { .. } | Fact::TimedOut { .. } | Fact::LeftBehind { .. })
}

/// Whether a fact concerns cases, and not the whole run or its begin and end.
fn is_of_cases(fact: &Fact) -> bool {
    !is_of_run(fact) && !matches!(fact, Fact::RunStarted { .. } | Fact::BaselineRead { .. } | Fact::RunFinished)
}

fn job_was_killed(file: &str) -> Fact {
    let words = format!("{file} has no end: its job was killed, and may have left something behind");
    let remedy = "Run that job again; `rehearsa clean` removes what it may have left.".to_owned();
    let diagnosis = Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RunPartMissing, words) };
    Fact::LeftBehind { diagnosis }
}

/// Merges several sequences by time. Each keeps its own order, even if its clock went back.
fn in_time(tracks: impl Iterator<Item = Vec<Event>>) -> Vec<Event> {
    let mut timed: Vec<(Timestamp, Event)> = Vec::new();
    for track in tracks {
        let mut latest = Timestamp::MIN;
        for event in track {
            latest = latest.max(event.at);
            timed.push((latest, event));
        }
    }
    timed.sort_by_key(|(at, _)| *at);
    timed.into_iter().map(|(_, event)| event).collect()
}

/// Refuses parts that are given twice or belong to different runs.
fn refuse_foreign_parts(jobs: &[Job]) -> Result<(), MergeError> {
    let parts: Vec<(&str, Partition)> =
        jobs.iter().filter_map(|job| Some((job.file.as_str(), job.outcome.partition?))).collect();
    for pair in parts.windows(2) {
        let [(first, first_part), (second, second_part)] = pair else { continue };
        let (first, second) = ((*first).to_owned(), (*second).to_owned());
        let (first_part, second_part) = (*first_part, *second_part);
        if first_part == second_part {
            return Err(MergeError::PartTwice { first, second, part: first_part });
        }
        if (first_part.sharing, first_part.total) != (second_part.sharing, second_part.total) {
            return Err(MergeError::DifferentRuns { first, first_part, second, second_part });
        }
    }
    Ok(())
}

fn refuse_repeated_cases(jobs: &[Job]) -> Result<(), MergeError> {
    let mut files: BTreeMap<&ServiceName, &str> = BTreeMap::new();
    for job in jobs {
        for case in &job.outcome.cases {
            if let Some(first) = files.insert(&case.info.name, &job.file) {
                let (first, second) = (first.to_owned(), job.file.clone());
                return Err(MergeError::CaseTwice { first, second, case: case.info.name.clone() });
            }
        }
    }
    Ok(())
}

/// The parts without a record; `None` when all are there, and when the jobs are no parts.
fn find_missing_parts(jobs: &[Job]) -> Option<Diagnosis> {
    let present: Vec<Partition> = jobs.iter().filter_map(|job| job.outcome.partition).collect();
    let any = *present.first()?;
    let count = any.total.saturating_sub(present.len() as u64);
    if count == 0 {
        return None;
    }
    let absent = (1..=any.total).filter(|index| present.iter().all(|part| part.index != *index));
    let named = absent.take(NAMED_PARTS).map(|index| Partition { index, ..any }.to_string());
    let mut names = named.collect::<Vec<_>>().join(", ");
    if count > NAMED_PARTS as u64 {
        names.push_str(&format!(" and {} more", count - NAMED_PARTS as u64));
    }
    let words = if count == 1 {
        format!("there is no record of part {names}")
    } else {
        format!("there are no records of the parts {names}")
    };
    Some(Diagnosis::new(Code::RunPartMissing, words))
}

/// A note when different versions of Rehearsa wrote the records.
fn note_versions(jobs: &[Job]) -> Vec<String> {
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for job in jobs {
        files.entry(&job.outcome.version).or_default().push(&job.file);
    }
    if files.len() < 2 {
        return Vec::new();
    }
    let list: Vec<String> = files.iter().map(|(version, files)| format!("{version} ({})", files.join(", "))).collect();
    vec![format!("the records are of different versions of rehearsa: {}", list.join(", "))]
}

#[cfg(test)]
mod tests;
