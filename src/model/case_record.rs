//! The record of one case: its steps, its diagnoses, its proof, and the verdict that follows from them.

use jiff::Timestamp;
use serde::Serialize;

use super::check::{CheckSummary, DataOrigin, Proof};
use super::diagnosis::{Code, Diagnosis, Severity};
use super::event::{Amount, CaseInfo, Step, StepResult};
use super::mount::Strategy;
use super::profile::{EarlierRun, Profile};
use super::project_files::PROJECT;
pub use super::verdict::Verdict;

/// The record of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepRecord {
    /// Number of the step, unique in the run.
    pub id: u64,
    pub step: Step,
    /// Start of the step.
    pub started: Timestamp,
    /// End of the step; `None` while it runs.
    pub finished: Option<Timestamp>,
    /// Result of the step; `None` while it runs.
    pub result: Option<StepResult>,
}

impl StepRecord {
    /// Seconds that the step took; 0 while it runs.
    pub fn seconds(&self) -> f64 {
        self.finished.map_or(0.0, |end| seconds_between(self.started, end))
    }
}

/// The record of a case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseRecord {
    /// What is known of the case before it runs.
    pub info: CaseInfo,
    /// Start of the case; `None` before it.
    pub started: Option<Timestamp>,
    /// End of the case; `None` before it.
    pub finished: Option<Timestamp>,
    /// Steps in order of their start. A step of a whole stack is in each of its cases.
    pub steps: Vec<StepRecord>,
    /// Diagnoses that decided against the case, in order.
    pub diagnoses: Vec<Diagnosis>,
    /// Warnings, in order.
    pub warnings: Vec<Diagnosis>,
    /// Why the case was skipped; `None`: it was not.
    pub skipped: Option<String>,
    /// The proof; `None` until all checks have passed.
    pub proof: Option<Proof>,
    /// The service's last log lines, masked.
    pub log_tail: Vec<String>,
    /// Earlier attempts, in order; none of them was green.
    pub earlier: Vec<Attempt>,
    /// Start of this attempt; the start of the case when there was no earlier attempt.
    pub attempt_started: Option<Timestamp>,
    /// Names of the user's checks that passed in the second boot without the data, too (`--control`).
    pub without_data: Vec<String>,
    /// The second boot without the data failed, as it should (`--control`).
    pub notices_missing_data: bool,
    /// What its data held; `None`: it came from no backup, or the case did not get that far.
    pub profile: Option<ProfileRecord>,
}

/// What the data of a case held.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProfileRecord {
    pub profile: Profile,
    /// The run that it was compared with.
    pub earlier: Option<EarlierRun>,
    /// What could not be compared with that run, and why.
    pub not_compared: Vec<String>,
    /// A history was kept.
    pub has_history: bool,
}

/// An attempt that was not green and was followed by another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempt {
    /// Start of the attempt; `None`: it never started.
    pub started: Option<Timestamp>,
    /// End of the attempt.
    pub finished: Timestamp,
    pub steps: Vec<StepRecord>,
    /// Diagnoses that decided against the attempt, in order.
    pub diagnoses: Vec<Diagnosis>,
    /// The service's last log lines, masked.
    pub log_tail: Vec<String>,
}

impl Attempt {
    /// The verdict on the attempt: [`Verdict::Failed`] or [`Verdict::Errored`].
    pub fn verdict(&self) -> Verdict {
        judge(&self.diagnoses).unwrap_or(Verdict::Errored)
    }

    /// The diagnosis to show: the first that decided the verdict.
    pub fn diagnosis(&self) -> Option<&Diagnosis> {
        deciding(&self.diagnoses)
    }

    /// Seconds that the attempt took.
    pub fn seconds(&self) -> f64 {
        self.started.map_or(0.0, |start| seconds_between(start, self.finished))
    }
}

/// The verdict that follows from diagnoses; `None` when there are none. Failed wins over errored: known damage stays,
/// whatever else could not be found out.
fn judge(diagnoses: &[Diagnosis]) -> Option<Verdict> {
    let failed = deciding(diagnoses).is_some_and(|d| d.severity() == Severity::Failed);
    match diagnoses {
        [] => None,
        _ if failed => Some(Verdict::Failed),
        _ => Some(Verdict::Errored),
    }
}

/// The first diagnosis that decided the verdict. On a disk without room the failure of a running service shows nothing
/// about the backup: the shortage decides.
fn deciding(diagnoses: &[Diagnosis]) -> Option<&Diagnosis> {
    let shortage = diagnoses.iter().find(|d| d.code == Code::RestoreNoSpace);
    let counts = |d: &&Diagnosis| shortage.is_none() || !d.code.is_of_a_running_service();
    let failed = diagnoses.iter().filter(counts).find(|d| d.severity() == Severity::Failed);
    failed.or(shortage).or(diagnoses.first())
}

impl CaseRecord {
    pub(super) fn new(info: CaseInfo) -> Self {
        Self {
            skipped: info.ignored.clone(),
            info,
            started: None,
            finished: None,
            steps: Vec::new(),
            diagnoses: Vec::new(),
            warnings: Vec::new(),
            proof: None,
            log_tail: Vec::new(),
            earlier: Vec::new(),
            attempt_started: None,
            without_data: Vec::new(),
            notices_missing_data: false,
            profile: None,
        }
    }

    /// The verdict on the case. A case is green only with a proof and without a diagnosis; a case without any fact is
    /// an error, never a pass.
    pub fn verdict(&self) -> Verdict {
        if let Some(verdict) = judge(&self.diagnoses) {
            verdict
        } else if self.skipped.is_some() {
            Verdict::Skipped
        } else if self.proof.is_some() {
            Verdict::Passed
        } else {
            Verdict::Errored
        }
    }

    /// The case was to run and never started: the run was interrupted, or enough cases had failed. A service that is
    /// skipped by its own label or because it cannot be rehearsed does not count: it will be skipped the next time,
    /// too.
    pub fn not_started(&self) -> bool {
        self.skipped.is_some() && self.info.ignored.is_none()
    }

    /// The diagnosis to show: the first that decided the verdict.
    pub fn diagnosis(&self) -> Option<&Diagnosis> {
        deciding(&self.diagnoses)
    }

    /// The case is green now and was not green at an earlier attempt.
    pub fn is_flaky(&self) -> bool {
        !self.earlier.is_empty() && self.verdict() == Verdict::Passed
    }

    /// Closes the current attempt and opens the next one.
    pub(super) fn begin_again(&mut self, at: Timestamp) {
        self.earlier.push(Attempt {
            started: self.attempt_started.replace(at),
            finished: at,
            steps: std::mem::take(&mut self.steps),
            diagnoses: std::mem::take(&mut self.diagnoses),
            log_tail: std::mem::take(&mut self.log_tail),
        });
        self.proof = None;
        self.without_data.clear();
        self.notices_missing_data = false;
        self.profile = None;
    }

    /// Seconds from the start of the case to its end, all attempts together.
    pub fn seconds(&self) -> f64 {
        match (self.started, self.finished) {
            (Some(start), Some(end)) => seconds_between(start, end),
            _ => 0.0,
        }
    }

    /// Where the data came from that the service, and the services that it depends on, had in the sandbox.
    pub fn data_origin(&self) -> DataOrigin {
        let (mut origin, mut was_left_empty) = (DataOrigin::Nothing, false);
        for record in &self.steps {
            let Some(StepResult::Done { amount, .. }) = &record.result else { continue };
            let Step::Restore { strategy, source, .. } = &record.step else { continue };
            let came = amount.is_some_and(|amount| amount.files > 0);
            // What is used in place has no amount.
            let in_place = amount.is_none() && matches!(strategy, Strategy::Readonly | Strategy::Overlay);
            match (came || in_place, source.as_str()) {
                (false, _) => was_left_empty = true,
                (true, PROJECT) => {}
                (true, "live") => origin = origin.max(DataOrigin::Live),
                (true, _) => origin = origin.max(DataOrigin::Backup),
            }
        }
        // Its own places are empty, and what came is a file that it only reads.
        let nothing_of_its_own = self.warnings.iter().any(|warning| warning.code == Code::DataNothingRestored);
        if nothing_of_its_own && was_left_empty { DataOrigin::Nothing } else { origin }
    }

    /// The proof that its steps bear out, if the engine says that it has proven `told`. Checks prove nothing about
    /// data that did not come, and none that passes without the data proves anything about it.
    pub(super) fn bear_out(&self, told: Proof) -> Proof {
        if told != Proof::DataProven {
            return told;
        }
        let mut of_data: Vec<&str> = Vec::new();
        let mut ready = Proof::Running;
        for record in &self.steps {
            let (Step::Check { service, check }, Some(StepResult::Done { .. })) = (&record.step, &record.result) else {
                continue;
            };
            match check {
                _ if *service != self.info.name => {}
                CheckSummary::Own { name, of_data: true, .. } => of_data.push(name),
                CheckSummary::Health => ready = ready.max(Proof::Healthy),
                CheckSummary::Tcp { .. } => ready = ready.max(Proof::Listening),
                CheckSummary::Own { .. } | CheckSummary::Running => {}
            }
        }
        // Older records do not name the checks.
        let is_blind = |name: &&str| self.without_data.iter().any(|blind| blind == name);
        let all_blind = !of_data.is_empty() && of_data.iter().all(is_blind);
        if all_blind || self.data_origin() == DataOrigin::Nothing { ready } else { told }
    }

    /// Files and bytes that were restored into the sandbox; if some come from a backup, those alone: a dependency may
    /// run on a copy of its live data.
    pub fn restored(&self) -> Amount {
        let of_backup = self.data_origin() == DataOrigin::Backup;
        let counts = |record: &&StepRecord| {
            let Step::Restore { source, .. } = &record.step else { return true };
            source != PROJECT && (!of_backup || source != "live")
        };
        self.steps
            .iter()
            .filter(counts)
            .filter_map(|record| match &record.result {
                Some(StepResult::Done { amount, .. }) => *amount,
                _ => None,
            })
            .fold(Amount::default(), |sum, a| Amount { files: sum.files + a.files, bytes: sum.bytes + a.bytes })
    }
}

/// Seconds from `start` to `end`; 0 if the clock went back.
pub(super) fn seconds_between(start: Timestamp, end: Timestamp) -> f64 {
    end.duration_since(start).as_secs_f64().max(0.0)
}
