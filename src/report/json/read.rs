//! Reads a JSON report back: as itself, and as the events that it was made of.
//!
//! The events are not those of the run, word for word: a report knows no progress, and not who was told when. But folded they give
//! the same outcome, with its verdicts, steps, diagnoses and attempts, and so all reports can be made of a report.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::schema::{Case, Report, SCHEMA_VERSION};
use super::{fill, schema};
use crate::model::check::{CheckKind, CheckSummary, Proof};
use crate::model::diagnosis::{Code, Diagnosis, KnownCause};
use crate::model::event::{
    Against, Amount, CaseInfo, Change, Compared, Event, Fact, Location, NoTests, Snapshot, Step, StepResult,
};
use crate::model::mount::Strategy;
use crate::model::outcome::Outcome;
use crate::model::partition::{Partition, Sharing};
use crate::model::service::{Image, ServiceName};

mod track;

/// A report that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or JSON of something else.
    #[error("this is no JSON report of rehearsa; `rehearsa test --json` writes one ({0})")]
    NoReport(serde_json::Error),
    /// Of a later version.
    #[error(
        "this report is of version {version}, and this rehearsa reads version {SCHEMA_VERSION} only; use the rehearsa that \
         wrote it, or a later one"
    )]
    Newer {
        /// Its version.
        version: u32,
    },
    /// It says something that is not known here.
    #[error("this rehearsa does not know the {what} `{word}`; use the rehearsa that wrote the report, or a later one")]
    NotUnderstood {
        /// What the word should name.
        what: &'static str,
        /// The word.
        word: String,
    },
    /// A report without a begin.
    #[error("the report tells of no run")]
    NoRun,
    /// What it says of a case does not hold together.
    #[error(
        "the report says that {case} was {said}, and what it tells of it means {meant}: another version wrote it, or it was \
         changed"
    )]
    Contradiction {
        /// The case.
        case: String,
        /// Its verdict in the report.
        said: String,
        /// The verdict by what is told of it.
        meant: String,
    },
}

/// Reads a report.
///
/// # Errors
///
/// When it is none, or of a later version.
pub fn parse(text: &[u8]) -> Result<Report, ReadError> {
    #[derive(Deserialize)]
    struct Version {
        schema_version: u32,
    }
    // The version first: what a later one holds may not fit.
    let Version { schema_version: version } = serde_json::from_slice(text).map_err(ReadError::NoReport)?;
    if version > SCHEMA_VERSION {
        return Err(ReadError::Newer { version });
    }
    serde_json::from_slice(text).map_err(ReadError::NoReport)
}

/// The names of the cases that failed, errored, did not end, or were to run and never did (the run was interrupted, or enough
/// had failed), in the report's order: what `--rerun-failed` takes.
pub fn not_green(report: &Report) -> Vec<String> {
    let settled = |case: &&Case| match case.verdict.as_str() {
        "passed" => true,
        "skipped" => !case.was_put_off(),
        _ => false,
    };
    report.cases.iter().filter(|case| !settled(case)).map(|case| case.name.clone()).collect()
}

/// What a report tells, as facts that other reports' facts can be put beside.
#[derive(Debug, Clone)]
pub struct Told {
    /// When the run began.
    pub started: Timestamp,
    /// When it ended; `None` in the report of a run that was killed.
    pub finished: Option<Timestamp>,
    /// Each case and what was said of it, in the plan's order.
    pub cases: Vec<ToldCase>,
    /// The part of the selected services that it took.
    pub partition: Option<Partition>,
    /// What it means when there is no case.
    pub no_tests: NoTests,
    /// What concerns the run and no case, in order.
    pub run: Vec<Fact>,
}

/// What is told of a case.
#[derive(Debug, Clone)]
pub struct ToldCase {
    /// What was known before.
    pub info: CaseInfo,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// It had ended when the report was written.
    pub ended: bool,
}

/// What `report` tells. Step numbers start after `ids`, which is counted on.
///
/// # Errors
///
/// When it says something that is not known here, or contradicts itself.
pub fn told(report: &Report, ids: &mut u64) -> Result<Told, ReadError> {
    let names = Names::of(report);
    let cases: Result<Vec<ToldCase>, ReadError> = report
        .cases
        .iter()
        .map(|case| {
            Ok(ToldCase {
                info: info(case),
                events: track::of(case, &names, report.started, ids)?,
                ended: !matches!(case.verdict.as_str(), "waiting" | "running"),
            })
        })
        .collect();
    let mut run = Vec::new();
    run.extend(report.timed_out.map(|seconds| Fact::TimedOut { seconds }));
    run.extend(report.interrupted.map(|signal| Fact::Interrupted { signal }));
    for found in &report.left_behind {
        run.push(Fact::LeftBehind { diagnosis: diagnosis(found)? });
    }
    let told = Told {
        started: report.started.ok_or(ReadError::NoRun)?,
        finished: report.finished,
        cases: cases?,
        partition: report.partition.as_ref().map(partition).transpose()?,
        no_tests: named(
            "meaning of no tests",
            &report.no_tests,
            [NoTests::Pass, NoTests::Warn, NoTests::Fail],
            |meaning| fill::no_tests(*meaning),
        )?,
        run,
    };
    agrees(report, &told)?;
    Ok(told)
}

/// The events that give the report again.
///
/// # Errors
///
/// As [`told`].
pub fn events(report: &Report) -> Result<Vec<Event>, ReadError> {
    let told = told(report, &mut 0)?;
    let mut events = vec![Event {
        at: told.started,
        fact: Fact::RunStarted {
            session: report.session.clone(),
            version: report.tool.version.clone(),
            engine: report.engine.clone(),
            cases: told.cases.iter().map(|case| case.info.clone()).collect(),
            filtered_out: report.filtered_out,
            threads: report.threads,
            partition: told.partition,
            no_tests: told.no_tests,
        },
    }];
    events.extend(in_time(told.cases.into_iter().map(|case| case.events)));
    let last = events.iter().map(|event| event.at).max().unwrap_or(told.started);
    events.extend(told.run.into_iter().map(|fact| Event { at: told.finished.unwrap_or(last), fact }));
    events.extend(told.finished.map(|at| Event { at, fact: Fact::RunFinished }));
    Ok(events)
}

/// One sequence of several, by time; each keeps its own order, even where its clock went back.
pub fn in_time(tracks: impl Iterator<Item = Vec<Event>>) -> Vec<Event> {
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

/// The facts mean what the report says they do: this version judges as the one that wrote it did.
fn agrees(report: &Report, told: &Told) -> Result<(), ReadError> {
    for (said, told) in report.cases.iter().zip(&told.cases).filter(|(_, told)| told.ended) {
        let mut outcome = Outcome::new();
        let begin = Fact::RunStarted {
            session: String::new(),
            version: String::new(),
            engine: String::new(),
            cases: vec![told.info.clone()],
            filtered_out: 0,
            threads: 1,
            partition: None,
            no_tests: NoTests::Fail,
        };
        outcome.apply(&Event { at: Timestamp::UNIX_EPOCH, fact: begin });
        told.events.iter().for_each(|event| outcome.apply(event));
        let meant = outcome.cases.first().map_or("", |case| case.verdict().name());
        if said.verdict != meant {
            let (case, said, meant) = (said.name.clone(), said.verdict.clone(), meant.to_owned());
            return Err(ReadError::Contradiction { case, said, meant });
        }
    }
    Ok(())
}

/// The cases by the names that steps call them by.
struct Names(BTreeMap<String, ServiceName>);

impl Names {
    fn of(report: &Report) -> Self {
        Self(report.cases.iter().map(|case| (case.name.clone(), service_name(case))).collect())
    }

    /// A service that is no case is a dependency: of its name only what is shown is known.
    fn find(&self, shown: &str) -> ServiceName {
        match self.0.get(shown) {
            Some(name) => name.clone(),
            None => match shown.split_once("::") {
                Some((stack, service)) => ServiceName::of_stack(stack, service),
                None => ServiceName::lone(shown),
            },
        }
    }
}

fn service_name(case: &Case) -> ServiceName {
    ServiceName { stack: case.stack.clone(), service: case.service.clone() }
}

fn info(case: &Case) -> CaseInfo {
    let ignored = case.skipped.clone().filter(|_| !case.was_put_off());
    let change = |change: &schema::Change| Change {
        field: change.field.clone(),
        live: change.live.clone(),
        sandbox: change.sandbox.clone(),
        notable: change.notable,
    };
    CaseInfo {
        name: service_name(case),
        source: case.source.clone(),
        snapshot: case.snapshot.as_ref().map(|at| Snapshot { id: at.id.clone(), time: at.time }),
        image: Image { reference: case.image.reference.clone(), id: case.image.id.clone() },
        changes: case.changes.iter().map(change).collect(),
        ignored,
        declared: case.declared.as_ref().map(|at| Location { file: at.file.clone(), line: at.line }),
    }
}

/// The value whose name is `word`.
fn named<T, const N: usize>(
    what: &'static str,
    word: &str,
    known: [T; N],
    name: impl Fn(&T) -> &'static str,
) -> Result<T, ReadError> {
    let found = known.into_iter().find(|value| name(value) == word);
    found.ok_or_else(|| ReadError::NotUnderstood { what, word: word.to_owned() })
}

fn partition(read: &schema::Partition) -> Result<Partition, ReadError> {
    let sharing = named("kind of partition", &read.kind, [Sharing::Slice, Sharing::Hash], |kind| fill::sharing(*kind))?;
    let partition = Partition { sharing, index: read.part, total: read.parts };
    if (1..=read.parts).contains(&read.part) {
        Ok(partition)
    } else {
        Err(ReadError::NotUnderstood { what: "partition", word: partition.to_string() })
    }
}

fn proof(word: &str) -> Result<Proof, ReadError> {
    named("proof", word, Proof::ALL, |proof| proof.name())
}

fn diagnosis(read: &schema::Diagnosis) -> Result<Diagnosis, ReadError> {
    let code = Code::parse(&read.code);
    let code = code.ok_or_else(|| ReadError::NotUnderstood { what: "code", word: read.code.clone() })?;
    Ok(Diagnosis {
        code,
        message: read.message.clone(),
        cause: read.cause.as_ref().map(|c| KnownCause { meaning: c.meaning.clone(), line: c.line.clone() }),
        remedy: (read.remedy != code.remedy()).then(|| read.remedy.clone()),
        log_tail: read.log_tail.clone(),
    })
}

fn step(read: &schema::Step, case: &Case, names: &Names) -> Result<Step, ReadError> {
    let subject = || read.subject.clone().unwrap_or_default();
    let service = || names.find(&subject());
    Ok(match read.step.as_str() {
        "network" => Step::Network,
        "worker" => Step::Worker,
        "canary" => Step::Canary,
        "restore" => {
            let word = read.strategy.as_deref().unwrap_or_default();
            let strategy = named("strategy", word, Strategy::NAMES.map(|(_, strategy)| strategy), |s| s.name())?;
            Step::Restore { mount: subject(), strategy, source: read.source.as_ref().unwrap_or(&case.source).clone() }
        }
        "verify" => Step::Verify { mount: subject() },
        "boot" => Step::Boot { service: service() },
        "load" => Step::Load { service: service(), dump: read.source.clone().unwrap_or_default() },
        "check" => {
            let check = match read.check.as_deref().unwrap_or_default() {
                word if let Some(name) = &read.name => CheckSummary::Own {
                    name: name.clone(),
                    how: named("check", word, CheckKind::ALL, |how| how.name())?,
                    asks: read.asks.clone().unwrap_or_default(),
                    of_data: read.of_data,
                },
                "health" => CheckSummary::Health,
                "tcp" => CheckSummary::Tcp { ports: read.ports.clone() },
                "running" => CheckSummary::Running,
                word => return Err(ReadError::NotUnderstood { what: "check", word: word.to_owned() }),
            };
            Step::Check { service: service(), check }
        }
        "control" => Step::Control { service: service() },
        "settle" => Step::Settle { service: service() },
        "teardown" => Step::Teardown,
        word => return Err(ReadError::NotUnderstood { what: "step", word: word.to_owned() }),
    })
}

/// How a step ended, and when; `None` when it did not.
fn result(read: &schema::Step) -> Result<Option<(Timestamp, StepResult)>, ReadError> {
    let amount = read.amount.map(|amount| Amount { files: amount.files, bytes: amount.bytes });
    let result = match read.result.as_deref() {
        None => return Ok(None),
        Some("done") => {
            let compared = read.compared.as_ref().map(|read| {
                let against = named("comparison", &read.against, Against::ALL, |against| against.name())?;
                Ok(Compared { entries: read.entries, against })
            });
            StepResult::Done { amount, note: read.note.clone(), compared: compared.transpose()? }
        }
        Some("stopped") => StepResult::Stopped,
        Some("broke") => match &read.diagnosis {
            Some(found) => StepResult::Broke { diagnosis: diagnosis(found)? },
            None => return Err(ReadError::NotUnderstood { what: "step", word: format!("{} that broke", read.step) }),
        },
        Some(word) => return Err(ReadError::NotUnderstood { what: "result", word: word.to_owned() }),
    };
    // Older reports say how long it took only.
    let taken = SignedDuration::try_from_secs_f64(read.seconds).unwrap_or_default();
    let end = read.finished.unwrap_or(read.started.checked_add(taken).unwrap_or(read.started));
    Ok(Some((end, result)))
}

#[cfg(test)]
mod tests;
