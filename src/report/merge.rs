//! Joins the JSON reports of jobs that shared the work into the events of one run.
//!
//! Nothing is taken for granted: a part of which there is no report, and what a killed job did not end, could not be found out; a
//! part or a case that is there twice is a mistake of whoever gave the reports.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::json::read::{ReadError, Told, in_time, told};
use super::json::schema::Report;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::{CaseInfo, Event, Fact, NoTests};
use crate::model::partition::{Partition, Sharing};
use crate::model::service::ServiceName;

/// Missing parts that are named one by one.
const NAMED_PARTS: usize = 10;

/// The run that the reports tell of together.
#[derive(Debug)]
pub struct Joined {
    /// Its events.
    pub events: Vec<Event>,
    /// What the person who joins them should know.
    pub notes: Vec<String>,
}

/// Reports that cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// One cannot be used by itself.
    #[error("{file}: {source}")]
    Unusable {
        /// Its file.
        file: String,
        /// Why.
        source: ReadError,
    },
    /// A part that is there twice.
    #[error("{first} and {second} are both of part {part}; give each part once")]
    PartTwice {
        /// A file.
        first: String,
        /// Another.
        second: String,
        /// The part.
        part: Partition,
    },
    /// Parts of different runs.
    #[error("{first} is of part {one} and {second} of part {other}: they are not parts of one run")]
    OtherParts {
        /// A file.
        first: String,
        /// Its part.
        one: Partition,
        /// Another.
        second: String,
        /// Its part.
        other: Partition,
    },
    /// A case that is there twice.
    #[error("{first} and {second} both tell of {case}; give reports of different services, each once")]
    CaseTwice {
        /// A file.
        first: String,
        /// Another; or the same.
        second: String,
        /// The case.
        case: ServiceName,
    },
}

/// A report with its file and what it tells.
struct Part<'a> {
    file: &'a str,
    report: &'a Report,
    told: Told,
}

/// Joins `reports`, each with what people call its file. The order in which they are given does not matter when they are parts.
///
/// # Errors
///
/// When one cannot be used, or two do not belong together.
pub fn join(reports: &[(String, Report)]) -> Result<Joined, MergeError> {
    let mut ids = 0;
    let mut parts = Vec::new();
    let mut reports: Vec<&(String, Report)> = reports.iter().collect();
    reports.sort_by_key(|(_, report)| report.partition.as_ref().map(|partition| partition.part));
    for (file, report) in reports {
        let told = told(report, &mut ids).map_err(|source| MergeError::Unusable { file: file.clone(), source })?;
        parts.push(Part { file, report, told });
    }
    refuse_strangers(&parts)?;
    refuse_doubles(&parts)?;
    let missing = missing(&parts);
    let mut notes = versions(&parts);
    let started = parts.iter().map(|part| part.told.started).min().unwrap_or(Timestamp::UNIX_EPOCH);
    let mut events = vec![Event { at: started, fact: begin(&parts) }];
    events.extend(in_time(parts.iter().flat_map(tracks)));
    let ends = parts.iter().filter_map(|part| part.told.finished);
    let end = ends.chain(events.iter().map(|event| event.at)).max().unwrap_or(started);
    let mut run: Vec<Fact> = Vec::new();
    for part in parts.iter().filter(|part| part.told.finished.is_none()) {
        notes.push(format!("{} has no end: the job that wrote it was killed", part.file));
        run.push(killed(part.file));
    }
    run.extend(together(&parts));
    run.extend(missing.map(|diagnosis| Fact::LeftBehind { diagnosis }));
    run.push(Fact::RunFinished);
    events.extend(run.into_iter().map(|fact| Event { at: end, fact }));
    Ok(Joined { events, notes })
}

fn begin(parts: &[Part<'_>]) -> Fact {
    let strings = |of: fn(&Report) -> &str| {
        let mut distinct: Vec<&str> = Vec::new();
        for part in parts {
            let value = of(part.report);
            if !distinct.contains(&value) {
                distinct.push(value);
            }
        }
        distinct.join(", ")
    };
    // Every part sees the same host, and leaves out the same services.
    let filtered_out = |shared: bool| {
        parts.iter().filter(move |part| part.told.partition.is_some() == shared).map(|part| part.report.filtered_out)
    };
    let strictest = [NoTests::Fail, NoTests::Warn, NoTests::Pass];
    let no_tests = strictest.into_iter().find(|meaning| parts.iter().any(|part| part.told.no_tests == *meaning));
    Fact::RunStarted {
        session: strings(|report| &report.session),
        version: strings(|report| &report.tool.version),
        engine: strings(|report| &report.engine),
        cases: cases(parts),
        filtered_out: filtered_out(true).max().unwrap_or(0) + filtered_out(false).sum::<usize>(),
        threads: parts.iter().map(|part| part.report.threads).sum(),
        partition: None,
        no_tests: no_tests.unwrap_or_default(),
    }
}

/// All cases, in the plan's order where it is known: slices were dealt out in turn.
fn cases(parts: &[Part<'_>]) -> Vec<CaseInfo> {
    let dealt = parts.iter().all(|part| part.told.partition.is_some_and(|part| part.sharing == Sharing::Slice));
    let mut placed: Vec<((usize, usize), &CaseInfo)> = Vec::new();
    for (nth, part) in parts.iter().enumerate() {
        for (position, case) in part.told.cases.iter().enumerate() {
            placed.push((if dealt { (position, nth) } else { (nth, position) }, &case.info));
        }
    }
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, info)| info.clone()).collect()
}

/// What is told of each case. What a killed job left open ended with the last that is known of the job.
fn tracks(part: &Part<'_>) -> Vec<Vec<Event>> {
    let known = part.told.cases.iter().flat_map(|case| &case.events).map(|event| event.at);
    let last = known.max().unwrap_or(part.told.started);
    let cases = part.told.cases.iter().map(|case| {
        let mut events = case.events.clone();
        if !case.ended {
            let words = format!("{} ends before this rehearsal did: its job was killed", part.file);
            let (case, diagnosis) = (case.info.name.clone(), Diagnosis::new(Code::RunCancelled, words));
            events.push(Event { at: last, fact: Fact::CaseAborted { case: case.clone(), diagnosis } });
            events.push(Event { at: last, fact: Fact::CaseFinished { case } });
        }
        events
    });
    cases.collect()
}

/// That a job was killed.
fn killed(file: &str) -> Fact {
    let words = format!("{file} has no end: its job was killed, and may have left something behind");
    let remedy = "Run that job again; `rehearsa clean` removes what it may have left.".to_owned();
    let diagnosis = Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RunPartMissing, words) };
    Fact::LeftBehind { diagnosis }
}

/// What concerns the runs and no case: each once, so that of two signals the first is told.
fn together(parts: &[Part<'_>]) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Vec::new();
    for fact in parts.iter().flat_map(|part| &part.told.run) {
        let told = facts.iter().any(|earlier| match (earlier, fact) {
            (Fact::Interrupted { .. }, Fact::Interrupted { .. }) => true,
            (Fact::TimedOut { .. }, Fact::TimedOut { .. }) => true,
            (earlier, fact) => earlier == fact,
        });
        if !told {
            facts.push(fact.clone());
        }
    }
    facts
}

fn refuse_strangers(parts: &[Part<'_>]) -> Result<(), MergeError> {
    let shared: Vec<(&str, Partition)> =
        parts.iter().filter_map(|part| Some((part.file, part.told.partition?))).collect();
    for pair in shared.windows(2) {
        let [(first, one), (second, other)] = pair else { continue };
        let (first, second) = ((*first).to_owned(), (*second).to_owned());
        if one == other {
            return Err(MergeError::PartTwice { first, second, part: *one });
        }
        if (one.sharing, one.total) != (other.sharing, other.total) {
            return Err(MergeError::OtherParts { first, one: *one, second, other: *other });
        }
    }
    Ok(())
}

fn refuse_doubles(parts: &[Part<'_>]) -> Result<(), MergeError> {
    let mut told: BTreeMap<&ServiceName, &str> = BTreeMap::new();
    for part in parts {
        for case in &part.told.cases {
            if let Some(first) = told.insert(&case.info.name, part.file) {
                let (first, second) = (first.to_owned(), part.file.to_owned());
                return Err(MergeError::CaseTwice { first, second, case: case.info.name.clone() });
            }
        }
    }
    Ok(())
}

/// The parts of which no report was given.
fn missing(parts: &[Part<'_>]) -> Option<Diagnosis> {
    let there: Vec<Partition> = parts.iter().filter_map(|part| part.told.partition).collect();
    let any = *there.first()?;
    let lost = any.total.saturating_sub(there.len() as u64);
    if lost == 0 {
        return None;
    }
    let absent = (1..=any.total).filter(|index| there.iter().all(|part| part.index != *index));
    let named = absent.take(NAMED_PARTS).map(|index| Partition { index, ..any }.to_string());
    let mut names = named.collect::<Vec<_>>().join(", ");
    if lost > NAMED_PARTS as u64 {
        names.push_str(&format!(" and {} more", lost - NAMED_PARTS as u64));
    }
    let words = if lost == 1 {
        format!("there is no report of part {names}")
    } else {
        format!("there are no reports of the parts {names}")
    };
    Some(Diagnosis::new(Code::RunPartMissing, words))
}

fn versions(parts: &[Part<'_>]) -> Vec<String> {
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for part in parts {
        files.entry(&part.report.tool.version).or_default().push(part.file);
    }
    if files.len() < 2 {
        return Vec::new();
    }
    let told: Vec<String> = files.iter().map(|(version, files)| format!("{version} ({})", files.join(", "))).collect();
    vec![format!("the reports are of different versions of rehearsa: {}", told.join(", "))]
}

#[cfg(test)]
mod tests;
