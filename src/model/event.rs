//! Events: the facts of a run, in order. Reports, the verdict and the exit code are made from events and nothing else.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::check::{CheckSummary, EvidenceLevel, Proof};
use super::diagnosis::Diagnosis;
use super::location::Location;
use super::mount::Strategy;
use super::partition::Partition;
use super::profile::{EarlierRun, Profile};
use super::score::basis::ScoreBasis;
use super::service::{Image, ServiceName};

/// A fact and when it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Event {
    /// Time at which the fact happened.
    pub at: Timestamp,
    /// The fact itself, flattened into the line.
    #[serde(flatten)]
    pub fact: Fact,
}

/// A fact about the run, a rehearsal or a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Fact {
    /// The plan stands and the run begins. Sent once, first.
    RunStarted {
        /// Session id, as in the labels of everything that is created.
        session: String,
        /// rehearsa's version.
        version: String,
        /// The engine, for people: `Docker 20.10.24 on nas`.
        engine: String,
        /// Every selected case, in order, the ignored ones included.
        cases: Vec<CaseInfo>,
        /// Number of services that the filters left out.
        filtered_out: usize,
        /// Number of rehearsals that run at the same time.
        threads: usize,
        /// The part of the selected services that this run takes when several runs share the work.
        #[serde(default)]
        partition: Option<Partition>,
        /// What a run without cases means.
        #[serde(default)]
        no_tests: NoTests,
    },
    /// A rehearsal begins.
    CaseStarted {
        /// The case that begins.
        case: ServiceName,
    },
    /// A step begins.
    StepStarted {
        /// Number of the step, unique in the run.
        id: u64,
        /// The cases that the step belongs to: a step of a whole stack counts for all its selected services.
        cases: Vec<ServiceName>,
        /// What the step does.
        step: Step,
    },
    /// A step goes on; sent a few times a second at most.
    StepProgress {
        /// Number of the step.
        id: u64,
        /// Files and bytes that are done.
        amount: Amount,
        /// Files and bytes in all, when known.
        total: Option<Amount>,
    },
    /// A step ended.
    StepFinished {
        /// Number of the step.
        id: u64,
        /// How the step ended.
        result: StepResult,
    },
    /// The run is compared with an earlier one, which changes no verdict.
    BaselineRead {
        /// The result of the earlier run.
        baseline: Box<Baseline>,
    },
    /// A warning, which does not change a verdict.
    Warned {
        /// The cases that the warning is about; none: it is about the run.
        cases: Vec<ServiceName>,
        /// The warning.
        diagnosis: Diagnosis,
    },
    /// A rehearsal ended before its steps could decide: it never ran, or the engine broke.
    CaseAborted {
        /// The case that was aborted.
        case: ServiceName,
        /// Why the case was aborted.
        diagnosis: Diagnosis,
    },
    /// A rehearsal was not asked for or not possible.
    CaseSkipped {
        /// The case that was skipped.
        case: ServiceName,
        /// Why the case was skipped, for people.
        reason: String,
    },
    /// Checks of the user's passed in the second boot without the data, too (`--control`), so they are no proof.
    PassedWithoutData {
        /// The case that was booted once more.
        case: ServiceName,
        /// Names of the checks.
        checks: Vec<String>,
    },
    /// In the second boot without the data (`--control`) the service or one of its checks failed, as it should.
    MissingDataNoticed {
        /// The case that was booted once more.
        case: ServiceName,
    },
    /// The service passed all its checks.
    CaseProven {
        /// The case that passed.
        case: ServiceName,
        /// What the rehearsal has proven.
        proof: Proof,
        /// The service's last log lines, masked.
        log_tail: Vec<String>,
    },
    /// What the data of a green service held, and the run that it is compared with.
    CaseProfiled {
        /// The case.
        case: ServiceName,
        /// What its data held.
        profile: Box<Profile>,
        /// The last green run that its history knows; null: none.
        #[serde(default)]
        earlier: Option<EarlierRun>,
        /// What could not be compared with that run, and why.
        #[serde(default)]
        not_compared: Vec<String>,
        /// A history was kept (`--history`).
        #[serde(default)]
        has_history: bool,
    },
    /// The events of this rehearsal so far were one attempt. Another attempt begins, in a new sandbox.
    CaseRetried {
        /// The case that is tried again.
        case: ServiceName,
    },
    /// A rehearsal has been running for longer than `--slow-after`; sent again after each such time.
    CaseSlow {
        /// The case that is slow.
        case: ServiceName,
        /// Seconds since the start of the case.
        seconds: u64,
    },
    /// No more events of this rehearsal follow.
    CaseFinished {
        /// The case that has ended.
        case: ServiceName,
    },
    /// A failed sandbox was kept because the user asked for that.
    SandboxKept {
        /// Name of the stack.
        stack: String,
        /// Commands that look into the sandbox and remove it, each with an explanation.
        hints: Vec<(String, String)>,
    },
    /// A signal asked the run to stop.
    Interrupted {
        /// The signal's number: 2 for SIGINT, 15 for SIGTERM.
        signal: i32,
    },
    /// The run's time limit passed before the run ended.
    TimedOut {
        /// The time limit in seconds.
        seconds: u64,
    },
    /// The run could not remove some of its objects.
    LeftBehind {
        /// The objects that are left, and why.
        diagnosis: Diagnosis,
    },
    /// The run is over. Sent once, last.
    RunFinished,
}

/// What a run without a selected case means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NoTests {
    /// The run passes without a message.
    Pass,
    /// The run passes with a warning.
    Warn,
    /// The run is a mistake and has an exit code of its own.
    #[default]
    Fail,
}

/// One restorable point of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Snapshot {
    /// The source's own name for the snapshot.
    pub id: String,
    /// Time at which the snapshot was made, if the source knows.
    pub time: Option<Timestamp>,
}

/// A case before its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CaseInfo {
    /// Name of the service.
    pub name: ServiceName,
    /// Kind of the source that the data comes from: `live`, `tar`, …
    pub source: String,
    /// The snapshot that is restored; none for a live service.
    #[serde(default)]
    pub snapshot: Option<Snapshot>,
    /// Image of the live container.
    pub image: Image,
    /// What the sandbox changes or leaves out.
    pub changes: Vec<Change>,
    /// Why the case is skipped, if it is.
    pub ignored: Option<String>,
    /// The line of a file that declares the service, if known.
    pub declared: Option<Location>,
    /// The evidence that the rehearsal must give; `None`: whatever it gives is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<EvidenceLevel>,
    /// What is known of the backup and the settings, for the score; absent in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_basis: Option<Box<ScoreBasis>>,
}

/// A setting of the service that differs in the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Change {
    /// Name of the setting: `ports`, `network_mode`, `mount /var/run/docker.sock`.
    pub field: String,
    /// The live value; free of secrets.
    pub live: String,
    /// The value in the sandbox (`left out`, `the sandbox network`).
    pub sandbox: String,
    /// The change may affect what the service can do, so every report shows it.
    pub notable: bool,
}

/// A step of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// The sandbox's network is created.
    Network,
    /// The worker starts.
    Worker,
    /// A canary in the sandbox checks that nothing outside answers.
    Canary,
    /// The registry is asked for an image, and the engine pulls it.
    Pull {
        /// The image's reference: `postgres:15`.
        image: String,
    },
    /// Data is restored into the sandbox.
    Restore {
        /// The mount, for people: `volume jellyfin_config`.
        mount: String,
        /// The way in which the mount gets its data.
        strategy: Strategy,
        /// Where the data comes from: `live`, or the source as the user writes it (`tar:FILE`).
        source: String,
    },
    /// The restored data is inspected before anything boots on it.
    Verify {
        /// The mount, for people: `volume jellyfin_config`.
        mount: String,
    },
    /// A container is created and started.
    Boot {
        /// The service that boots. In a step of another case it is a dependency of that case.
        service: ServiceName,
    },
    /// A new service loads a database dump.
    Load {
        /// The service that loads the dump.
        service: ServiceName,
        /// Name of the dump's snapshot.
        dump: String,
    },
    /// A check asks the booted service.
    Check {
        /// The service that is checked.
        service: ServiceName,
        /// The check.
        check: CheckSummary,
    },
    /// The service must stay well for a while.
    Settle {
        /// The service that must stay well.
        service: ServiceName,
    },
    /// The service boots once more on empty mounts, to see whether its checks notice.
    Control {
        /// The service that boots without its data.
        service: ServiceName,
    },
    /// All objects of the sandbox are removed, and a search by label shows whether any is left.
    Teardown,
}

impl Step {
    /// The one service that the step decides about; in other cases the step is only shown.
    pub fn owner(&self) -> Option<&ServiceName> {
        match self {
            Step::Boot { service }
            | Step::Load { service, .. }
            | Step::Check { service, .. }
            | Step::Settle { service }
            | Step::Control { service } => Some(service),
            Step::Network
            | Step::Worker
            | Step::Canary
            | Step::Pull { .. }
            | Step::Restore { .. }
            | Step::Verify { .. }
            | Step::Teardown => None,
        }
    }
}

/// Files and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Amount {
    /// Number of files and other entries that are no folders.
    pub files: u64,
    /// Bytes of content. A file counts once however many names it has; the holes of a sparse file do not count.
    pub bytes: u64,
}

/// A comparison of the restored data with the expected data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Compared {
    /// Number of entries that were expected, folders included. All were there as expected.
    pub entries: u64,
    /// The expected data.
    pub against: Against,
    /// The contents of the files were compared too; false in older records, which do not say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contents: bool,
}

/// The comparison of a restored place with its live mount. What spoke was all there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "LiveWitness"))]
pub struct WitnessSummary {
    /// Why live data could not be compared; null: it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<String>,
    /// Live files and their bytes, without those that are exempt.
    pub live: Amount,
    /// What is not as it is live and is no failure: other owners or modes, or a difference where the times of the live
    /// files are in doubt; null: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs: Option<String>,
    /// Live files that have not been touched since the backup began, and their bytes. All of them came back as they are
    /// live, apart from what `differs` tells.
    pub unchanged: Amount,
    /// Files whose content was compared, and bytes that were read of each.
    pub read: Amount,
    /// Live entries that nobody expects in a backup: caches, logs, and what the settings exclude.
    pub exempt: u64,
}

impl WitnessSummary {
    /// A comparison that could not be made.
    pub fn silent(why: impl Into<String>) -> Self {
        Self { silent: Some(why.into()), ..Self::default() }
    }
}

/// The data that a restore is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// The entries of an archive.
    Archive,
    /// The files of a backup that is a folder.
    Backup,
    /// The live mount.
    Live,
}

impl Against {
    pub const ALL: [Against; 3] = [Against::Archive, Against::Backup, Against::Live];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Against::Archive => "archive",
            Against::Backup => "backup",
            Against::Live => "live",
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum StepResult {
    /// The step succeeded.
    Done {
        /// Files and bytes that were restored, for a step that restores.
        amount: Option<Amount>,
        /// A note for people (`healthy after 3 probes`).
        note: Option<String>,
        /// The comparison with the expected data, for a step that inspects restored data.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compared: Option<Compared>,
        /// The comparison with the live mount, for a step that inspects data of a backup; absent in older records.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        witness: Option<Box<WitnessSummary>>,
    },
    /// The step failed. The severity of the code says whether the backup or the rehearsal is to blame.
    Broke {
        /// What went wrong.
        diagnosis: Diagnosis,
    },
    /// The step was stopped because something else decided the rehearsal.
    Stopped,
}

impl StepResult {
    /// A success without anything to add.
    pub fn done() -> Self {
        StepResult::Done { amount: None, note: None, compared: None, witness: None }
    }
}
