//! The facts that a score is made of: what is known before a rehearsal, and what the steps of its record show.

use super::basis::ScoreBasis;
use crate::model::case_record::{CaseRecord, StepRecord, seconds_between};
use crate::model::check::{CheckKind, CheckSummary, Proof};
use crate::model::diagnosis::{Code, Severity};
use crate::model::event::{Against, Amount, Compared, Step, StepResult};
use crate::model::project_files::PROJECT;
use crate::model::source::LIVE;

/// Everything that a run has seen of a service and its backup.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScoreFacts {
    /// What was known before anything was restored.
    pub basis: ScoreBasis,
    /// The finding that speaks against the backup; `None`: there is none.
    pub failed: Option<Code>,
    /// What the rehearsal showed; `None`: there was none, as in `rehearsa score`.
    pub rehearsal: Option<RehearsalFacts>,
}

/// What a rehearsal showed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RehearsalFacts {
    /// Number of mounts that were restored from a backup.
    pub restored: usize,
    /// How many of them were copied, so that their content was read.
    pub copied: usize,
    /// How many of them were compared with the backup, entry by entry.
    pub compared: usize,
    /// How many of them were compared with their contents.
    pub contents: usize,
    /// Number of entries that were compared.
    pub entries: u64,
    /// A database took the whole of this dump.
    pub loaded: Option<String>,
    /// Attributes were lost.
    pub lost_metadata: bool,
    /// The warning about an SQLite database; `None`: there was none.
    pub sqlite_warning: Option<Code>,
    /// Number of restored mounts that were inspected.
    pub inspected: usize,
    /// The service started and stayed up.
    pub stayed_up: bool,
    /// Its own healthcheck passed.
    pub healthy: bool,
    /// It answered on a port.
    pub listened: bool,
    /// Names of the checks that asked the data, got the right answer, and do not pass without the data.
    pub data_checks: Vec<String>,
    /// A check that asked the data passed in a record that does not name its checks.
    pub data_proven: bool,
    pub control: ControlFact,
    /// Seconds from the start of the restore until the service was ready; `None`: the service was never ready.
    pub ready_after: Option<f64>,
}

/// The end of the negative control.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ControlFact {
    /// There was none.
    #[default]
    NotAsked,
    /// The missing data was noticed.
    Noticed,
    /// The service passed without its data, too.
    Unnoticed,
    /// It ended without a result.
    Unknown,
}

impl ScoreFacts {
    /// The facts of a rehearsed case; `basis` is that of its record.
    pub fn of_case(case: &CaseRecord, basis: &ScoreBasis) -> ScoreFacts {
        ScoreFacts { basis: basis.clone(), failed: finding(case), rehearsal: Some(RehearsalFacts::of_case(case)) }
    }
}

/// The first finding against the backup. That the user requires more than was shown is no finding: the score itself
/// says what was shown.
fn finding(case: &CaseRecord) -> Option<Code> {
    let is_finding = |code: &Code| !matches!(code, Code::ProofBelowRequired | Code::ScoreBelowRequired);
    let failed = case.diagnoses.iter().filter(|diagnosis| diagnosis.severity() == Severity::Failed);
    failed.map(|diagnosis| diagnosis.code).find(is_finding)
}

impl RehearsalFacts {
    fn of_case(case: &CaseRecord) -> RehearsalFacts {
        let mut facts = RehearsalFacts::default();
        for done in done_steps(case) {
            facts.add_step(case, &done);
        }
        let warned = |code| case.warnings.iter().any(|warning| warning.code == code);
        facts.lost_metadata = warned(Code::DataMetadataLost);
        let of_sqlite =
            [Code::DataSqliteBlank, Code::DataSqliteWalAbsent, Code::DataSqliteUnchecked, Code::DataTornCopy];
        facts.sqlite_warning = of_sqlite.into_iter().find(|code| warned(*code));
        facts.data_proven = case.proof == Some(Proof::DataProven) && !warned(Code::CheckNotDataSensitive);
        facts.control = control(case, warned(Code::CheckNotDataSensitive));
        facts.ready_after = ready_after(case);
        // Without a time to settle, the checks at the end show that the service stayed up.
        facts.stayed_up |= case.proof.is_some();
        facts
    }

    fn add_step(&mut self, case: &CaseRecord, done: &DoneStep<'_>) {
        let own = done.record.step.owner() == Some(&case.info.name);
        match &done.record.step {
            Step::Restore { source, .. } if source != LIVE && source != PROJECT => {
                self.restored += 1;
                self.copied += usize::from(done.amount.is_some());
            }
            Step::Verify { .. } => {
                self.inspected += 1;
                if let Some(compared) = done.compared.filter(|compared| compared.against != Against::Live) {
                    self.compared += 1;
                    self.contents += usize::from(compared.contents);
                    self.entries += compared.entries;
                }
            }
            Step::Load { dump, .. } if own => self.loaded = Some(dump.clone()),
            Step::Settle { .. } if own => self.stayed_up = true,
            Step::Check { check, .. } if own => match check {
                CheckSummary::Health => self.healthy = true,
                CheckSummary::Tcp { .. } => self.listened = true,
                CheckSummary::Own { name, of_data: true, .. } => {
                    if !case.without_data.contains(name) {
                        self.data_checks.push(name.clone());
                    }
                }
                CheckSummary::Own { how: CheckKind::Tcp | CheckKind::Http, .. } => self.listened = true,
                CheckSummary::Own { .. } | CheckSummary::Running => {}
            },
            _ => {}
        }
    }

    /// Whether a check that looks at the data passed.
    pub fn has_asked_data(&self) -> bool {
        self.data_proven && (!self.data_checks.is_empty() || self.control != ControlFact::Unnoticed)
    }
}

/// A step that succeeded.
struct DoneStep<'a> {
    record: &'a StepRecord,
    amount: Option<Amount>,
    compared: Option<Compared>,
}

fn done_steps(case: &CaseRecord) -> impl Iterator<Item = DoneStep<'_>> {
    case.steps.iter().filter_map(|record| match &record.result {
        Some(StepResult::Done { amount, compared, .. }) => {
            Some(DoneStep { record, amount: *amount, compared: *compared })
        }
        _ => None,
    })
}

fn control(case: &CaseRecord, passed_without_data: bool) -> ControlFact {
    let was_booted_again = done_steps(case).any(|done| matches!(done.record.step, Step::Control { .. }));
    match was_booted_again {
        _ if case.notices_missing_data => ControlFact::Noticed,
        true if passed_without_data => ControlFact::Unnoticed,
        true => ControlFact::Unknown,
        false => ControlFact::NotAsked,
    }
}

/// Seconds from the start of the first restore until the last check of readiness passed.
pub fn ready_after(case: &CaseRecord) -> Option<f64> {
    let began = case.steps.iter().find(|record| matches!(record.step, Step::Restore { .. }))?.started;
    let ready = done_steps(case).filter(|done| match &done.record.step {
        Step::Check { service, check } => *service == case.info.name && !matches!(check, CheckSummary::Own { .. }),
        _ => false,
    });
    ready.filter_map(|done| done.record.finished).max().map(|at| seconds_between(began, at))
}
