//! The one judge: folds the events into the outcome of the run, and the outcome into the exit code.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

pub use super::case_record::{Attempt, CaseRecord, ProfileRecord, StepRecord, Verdict};

use super::baseline::Baseline;
use super::case_record::seconds_between;
use super::check::DataOrigin;
use super::diagnosis::{Code, Diagnosis};
use super::event::{Event, Fact, NoTests, StepResult};
use super::evidence;
use super::partition::Partition;
use super::score;
use super::service::ServiceName;

/// The record of the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Session id.
    pub session: String,
    /// rehearsa's version.
    pub version: String,
    /// The engine, for people: `Docker 20.10.24 on nas`.
    pub engine: String,
    /// Start of the run; `None` before it.
    pub started: Option<Timestamp>,
    /// End of the run; `None` before it.
    pub finished: Option<Timestamp>,
    /// The selected cases, in the plan's order.
    pub cases: Vec<CaseRecord>,
    /// Number of services that the filters left out.
    pub filtered_out: usize,
    /// Number of rehearsals that run at the same time.
    pub threads: usize,
    /// Problems after the cases had finished: objects left behind, and whatever else broke then.
    pub left_behind: Vec<Diagnosis>,
    /// Warnings about the run, which belong to no case and change no verdict.
    pub warnings: Vec<Diagnosis>,
    /// The earlier run that this one is compared with.
    pub baseline: Option<Baseline>,
    /// The signal that ended the run.
    pub interrupted: Option<i32>,
    /// The run's time limit in seconds, when it passed before the run ended.
    pub timed_out: Option<u64>,
    /// The part of the selected services that this run took.
    pub partition: Option<Partition>,
    /// What a run without cases means.
    pub no_tests: NoTests,
    /// Reports that could not be written, each with its name and the error; filled by the dispatcher of the events.
    pub lost_reports: Vec<String>,
    /// Index into `cases` of each case.
    #[serde(skip)]
    places: BTreeMap<ServiceName, usize>,
    /// Indexes into `cases`, by the number of each step that has not ended.
    #[serde(skip)]
    open_steps: BTreeMap<u64, Vec<usize>>,
}

/// Number of cases by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub errored: usize,
    pub skipped: usize,
    /// Passed cases that were not green at an earlier attempt.
    pub flaky: usize,
    /// Passed cases whose data came from no backup.
    pub without_backup: usize,
}

impl Counts {
    /// Number of all cases.
    pub fn total(&self) -> usize {
        self.passed + self.failed + self.errored + self.skipped
    }
}

impl Default for Outcome {
    fn default() -> Self {
        Self::new()
    }
}

impl Outcome {
    /// An empty outcome, before the first event.
    pub fn new() -> Self {
        Self {
            session: String::new(),
            version: String::new(),
            engine: String::new(),
            started: None,
            finished: None,
            cases: Vec::new(),
            filtered_out: 0,
            threads: 0,
            left_behind: Vec::new(),
            warnings: Vec::new(),
            baseline: None,
            interrupted: None,
            timed_out: None,
            partition: None,
            no_tests: NoTests::default(),
            lost_reports: Vec::new(),
            places: BTreeMap::new(),
            open_steps: BTreeMap::new(),
        }
    }

    /// Folds one more event into the outcome.
    pub fn apply(&mut self, event: &Event) {
        let at = event.at;
        match &event.fact {
            Fact::RunStarted { session, version, engine, cases, filtered_out, threads, partition, no_tests } => {
                self.session.clone_from(session);
                self.version.clone_from(version);
                self.engine.clone_from(engine);
                self.started = Some(at);
                self.filtered_out = *filtered_out;
                self.threads = *threads;
                self.partition = *partition;
                self.no_tests = *no_tests;
                self.cases = cases.iter().cloned().map(CaseRecord::new).collect();
                self.places = cases.iter().enumerate().map(|(place, info)| (info.name.clone(), place)).collect();
            }
            Fact::CaseStarted { case } => {
                if let Some(record) = self.case_mut(case) {
                    record.started = Some(at);
                    record.attempt_started = Some(at);
                }
            }
            Fact::StepStarted { id, cases, step } => {
                let record = StepRecord { id: *id, step: step.clone(), started: at, finished: None, result: None };
                let places: Vec<usize> = cases.iter().filter_map(|case| self.places.get(case).copied()).collect();
                for place in &places {
                    self.cases[*place].steps.push(record.clone());
                }
                self.open_steps.insert(*id, places);
            }
            Fact::StepProgress { .. } => {}
            Fact::StepFinished { id, result } => self.finish_step(*id, result, at),
            Fact::BaselineRead { baseline } => self.baseline = Some((**baseline).clone()),
            Fact::Warned { cases, diagnosis } if cases.is_empty() => self.warnings.push(diagnosis.clone()),
            Fact::Warned { cases, diagnosis } => {
                for case in cases {
                    if let Some(record) = self.case_mut(case) {
                        record.warnings.push(diagnosis.clone());
                    }
                }
            }
            Fact::CaseAborted { case, diagnosis } => {
                if let Some(record) = self.case_mut(case) {
                    record.diagnoses.push(diagnosis.clone());
                }
            }
            Fact::CaseSkipped { case, reason } => {
                if let Some(record) = self.case_mut(case) {
                    record.skipped = Some(reason.clone());
                }
            }
            Fact::CaseProven { case, proof, log_tail } => {
                if let Some(record) = self.case_mut(case) {
                    record.proof = Some(record.bear_out(*proof));
                    record.log_tail.clone_from(log_tail);
                    record.diagnoses.extend(evidence::below_required(record));
                    record.diagnoses.extend(score::below_required(record));
                }
            }
            Fact::PassedWithoutData { case, checks } => {
                if let Some(record) = self.case_mut(case) {
                    record.without_data.clone_from(checks);
                }
            }
            Fact::MissingDataNoticed { case } => {
                if let Some(record) = self.case_mut(case) {
                    record.notices_missing_data = true;
                }
            }
            Fact::CaseProfiled { case, profile, earlier, not_compared, has_history } => {
                if let Some(record) = self.case_mut(case) {
                    record.profile = Some(ProfileRecord {
                        profile: (**profile).clone(),
                        earlier: earlier.clone(),
                        not_compared: not_compared.clone(),
                        has_history: *has_history,
                    });
                }
            }
            Fact::CaseFinished { case } => {
                if let Some(record) = self.case_mut(case) {
                    record.finished = Some(at);
                }
            }
            Fact::CaseRetried { case } => {
                if let Some(record) = self.case_mut(case) {
                    record.begin_again(at);
                }
            }
            Fact::SandboxKept { .. } | Fact::CaseSlow { .. } => {}
            Fact::TimedOut { seconds } => self.timed_out = Some(*seconds),
            Fact::Interrupted { signal } => self.interrupted = Some(*signal),
            Fact::LeftBehind { diagnosis } => self.note_left_behind(diagnosis),
            Fact::RunFinished => self.finished = Some(at),
        }
    }

    fn note_left_behind(&mut self, diagnosis: &Diagnosis) {
        if !self.left_behind.contains(diagnosis) {
            self.left_behind.push(diagnosis.clone());
        }
    }

    fn finish_step(&mut self, id: u64, result: &StepResult, at: Timestamp) {
        let mut late = None;
        for place in self.open_steps.remove(&id).unwrap_or_default() {
            let case = &mut self.cases[place];
            // Newest first: a step usually ends soon after its start.
            let (record, is_earlier) = match case.steps.iter_mut().rev().find(|record| record.id == id) {
                Some(record) => (Some(record), false),
                None => (case.earlier.iter_mut().flat_map(|e| &mut e.steps).find(|record| record.id == id), true),
            };
            let Some(record) = record else { continue };
            record.finished = Some(at);
            record.result = Some(result.clone());
            if let StepResult::Broke { diagnosis } = result {
                // The error belongs to the dependency's own case; this case says which dependency failed.
                if record.step.owner().is_some_and(|owner| *owner != case.info.name) {
                    continue;
                }
                // The verdict of a finished case or attempt was already reported. A later problem (in the teardown of
                // the stack) is the run's error, so that the reported verdict stays and the problem is not lost.
                if case.finished.is_some() || is_earlier {
                    late = Some(diagnosis);
                    continue;
                }
                if case.log_tail.is_empty() {
                    case.log_tail.clone_from(&diagnosis.log_tail);
                }
                if !case.diagnoses.contains(diagnosis) {
                    case.diagnoses.push(diagnosis.clone());
                }
            }
        }
        if let Some(diagnosis) = late {
            self.note_left_behind(diagnosis);
        }
    }

    /// Finds the record of a case; `None`: the run has no such case.
    pub fn case(&self, name: &ServiceName) -> Option<&CaseRecord> {
        self.places.get(name).map(|place| &self.cases[*place])
    }

    fn case_mut(&mut self, name: &ServiceName) -> Option<&mut CaseRecord> {
        self.places.get(name).map(|place| &mut self.cases[*place])
    }

    /// Counts the cases by verdict.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for case in &self.cases {
            match case.verdict() {
                Verdict::Passed => {
                    counts.passed += 1;
                    counts.flaky += usize::from(case.is_flaky());
                    counts.without_backup += usize::from(case.data_origin() != DataOrigin::Backup);
                }
                Verdict::Failed => counts.failed += 1,
                Verdict::Errored => counts.errored += 1,
                Verdict::Skipped => counts.skipped += 1,
            }
        }
        counts
    }

    /// Seconds that the run took; 0 until its end.
    pub fn seconds(&self) -> f64 {
        match (self.started, self.finished) {
            (Some(start), Some(end)) => seconds_between(start, end),
            _ => 0.0,
        }
    }

    /// Whether the run has a problem that belongs to no case.
    fn has_trouble(&self) -> bool {
        !self.left_behind.is_empty() || !self.lost_reports.is_empty() || self.timed_out.is_some()
    }

    /// The exit code that this outcome means.
    pub fn exit_code(&self) -> ExitCode {
        let counts = self.counts();
        match self.interrupted {
            Some(2) => ExitCode::Interrupted,
            Some(_) => ExitCode::Terminated,
            None if counts.failed > 0 => ExitCode::Failed,
            None if counts.errored > 0 || self.has_trouble() => ExitCode::Errored,
            None if counts.total() == 0 && self.no_tests == NoTests::Fail => ExitCode::NothingSelected,
            None => ExitCode::Passed,
        }
    }
}

/// Whether the end of the run stopped the case, and not the case's own result.
pub fn is_cancelled(case: &CaseRecord) -> bool {
    case.diagnosis().is_some_and(|d| d.code == Code::RunCancelled)
}

/// Exit codes of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// All passed, or were skipped with a reason.
    Passed = 0,
    /// Wrong usage or configuration. Nothing was done.
    Usage = 2,
    /// The filters selected nothing.
    NothingSelected = 4,
    /// At least one service failed, as with `cargo test`.
    Failed = 101,
    /// None failed, but a case errored, something was left behind, or a report could not be written.
    Errored = 102,
    /// Ended by SIGINT.
    Interrupted = 130,
    /// Ended by SIGTERM.
    Terminated = 143,
}

impl ExitCode {
    pub fn number(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests;
