//! Events: the facts of a run, in order. Reports, the verdict and the exit code are made from these and nothing else.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::check::{CheckSummary, Proof};
use super::diagnosis::Diagnosis;
use super::location::Location;
use super::mount::Strategy;
use super::partition::Partition;
use super::service::{Image, ServiceName};

/// A fact and when it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub fact: Fact,
}

/// What happened.
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
        /// How many services the filters left out.
        filtered_out: usize,
        /// Rehearsals at a time.
        threads: usize,
        /// The part of the selected services that this run takes, when the work is shared with others.
        #[serde(default)]
        partition: Option<Partition>,
        /// What a run without cases means.
        #[serde(default)]
        no_tests: NoTests,
    },
    /// A rehearsal begins.
    CaseStarted {
        /// Which.
        case: ServiceName,
    },
    /// A step begins.
    StepStarted {
        /// Its number, unique in the run.
        id: u64,
        /// The cases it is for: a step of a whole stack counts for all its selected services.
        cases: Vec<ServiceName>,
        /// What is done.
        step: Step,
    },
    /// A step goes on; sent a few times a second at most.
    StepProgress {
        /// The step's number.
        id: u64,
        /// How far it is.
        amount: Amount,
        /// How far it will go, when that is known.
        total: Option<Amount>,
    },
    /// A step ended.
    StepFinished {
        /// The step's number.
        id: u64,
        /// How.
        result: StepResult,
    },
    /// Something worth knowing that decides nothing by itself.
    Warned {
        /// The cases it is about.
        cases: Vec<ServiceName>,
        /// What.
        diagnosis: Diagnosis,
    },
    /// A rehearsal ended otherwise than by its steps: it was never run, or the engine broke.
    CaseAborted {
        /// Which.
        case: ServiceName,
        /// Why.
        diagnosis: Diagnosis,
    },
    /// A rehearsal was not asked for or not possible, for this reason.
    CaseSkipped {
        /// Which.
        case: ServiceName,
        /// Why, for people.
        reason: String,
    },
    /// The service passed all its checks.
    CaseProven {
        /// Which.
        case: ServiceName,
        /// What was shown.
        proof: Proof,
        /// The service's last log lines, masked.
        log_tail: Vec<String>,
    },
    /// What was said of this rehearsal so far was one attempt; another begins, in a new sandbox.
    CaseRetried {
        /// Which.
        case: ServiceName,
    },
    /// A rehearsal has been running for longer than `--slow-after`; said again after each such time.
    CaseSlow {
        /// Which.
        case: ServiceName,
        /// Seconds since its start.
        seconds: u64,
    },
    /// Nothing more will be said of this rehearsal.
    CaseFinished {
        /// Which.
        case: ServiceName,
    },
    /// A failed sandbox was kept on request.
    SandboxKept {
        /// The stack.
        stack: String,
        /// Commands to look into it, and to remove it, each with a word on what it does.
        hints: Vec<(String, String)>,
    },
    /// A signal asked the run to stop.
    Interrupted {
        /// The signal's number: 2 for SIGINT, 15 for SIGTERM.
        signal: i32,
    },
    /// The time for the whole run was over before its end.
    TimedOut {
        /// Seconds that the run had.
        seconds: u64,
    },
    /// Objects that the run could not remove.
    LeftBehind {
        /// What is left and why.
        diagnosis: Diagnosis,
    },
    /// The run is over. Sent once, last.
    RunFinished,
}

/// What a run means in which no case is selected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NoTests {
    /// It is well, and nothing is said.
    Pass,
    /// It is well, but worth a warning.
    Warn,
    /// It is a mistake, with an exit code of its own.
    #[default]
    Fail,
}

/// The point in time of a source that is restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Snapshot {
    /// The source's own name for it.
    pub id: String,
    /// When it was made, if the source knows.
    pub time: Option<Timestamp>,
}

/// What is known of a case before it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CaseInfo {
    /// Its name.
    pub name: ServiceName,
    /// Where the data comes from: `live`, …
    pub source: String,
    /// The snapshot that is restored; a live service has none.
    #[serde(default)]
    pub snapshot: Option<Snapshot>,
    /// The image.
    pub image: Image,
    /// What the sandbox takes away from the service or changes.
    pub changes: Vec<Change>,
    /// Why it is skipped, if it is.
    pub ignored: Option<String>,
    /// Where the service is declared, when a file does.
    pub declared: Option<Location>,
}

/// Something that is not in the sandbox as it is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Change {
    /// The setting: `ports`, `network_mode`, `mount /var/run/docker.sock`.
    pub field: String,
    /// What it is live; free of secrets.
    pub live: String,
    /// What it is in the sandbox (`left out`, `the sandbox network`).
    pub sandbox: String,
    /// It may change what the service can do, so every report says it.
    pub notable: bool,
}

/// Something that is done in a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// The sandbox's network is made.
    Network,
    /// The worker is started.
    Worker,
    /// From inside, nothing outside may answer.
    Canary,
    /// Data comes into the sandbox.
    Restore {
        /// What is restored, for people: `volume jellyfin_config`.
        mount: String,
        /// How.
        strategy: Strategy,
        /// From where: `live`, …
        source: String,
    },
    /// What came back is looked through, before anything boots on it.
    Verify {
        /// What is looked through, for people: `volume jellyfin_config`.
        mount: String,
    },
    /// The container is created and started.
    Boot {
        /// Which service; in a step for another case it is a dependency.
        service: ServiceName,
    },
    /// A database dump is loaded into the service that was begun anew for it.
    Load {
        /// Which service.
        service: ServiceName,
        /// The dump, by its snapshot's name.
        dump: String,
    },
    /// A question to the booted service.
    Check {
        /// Which service.
        service: ServiceName,
        /// What is asked.
        check: CheckSummary,
    },
    /// It must stay well for a while.
    Settle {
        /// Which service.
        service: ServiceName,
    },
    /// It is booted once more on empty mounts, to see whether its checks notice.
    Control {
        /// Which service.
        service: ServiceName,
    },
    /// Everything is removed and looked for.
    Teardown,
}

impl Step {
    /// The one service whose own doing the step is; for other cases it is only in the timeline.
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
            | Step::Restore { .. }
            | Step::Verify { .. }
            | Step::Teardown => None,
        }
    }
}

/// How far a step is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Amount {
    /// Files and other entries.
    pub files: u64,
    /// Bytes of content: each file counts once, however many names it has, by its size; a sparse one by what it takes on its
    /// disk, for its holes are no content.
    pub bytes: u64,
}

/// What came back, held against what should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Compared {
    /// Entries that should be there, folders included; all of them were, and as they should be.
    pub entries: u64,
    /// Against what.
    pub against: Against,
}

/// What says what should have come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// The entries of an archive.
    Archive,
    /// A backup that lies there as files.
    Backup,
    /// The live mount.
    Live,
}

impl Against {
    /// All of them.
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
    /// Well.
    Done {
        /// What was restored, for a step that restores.
        amount: Option<Amount>,
        /// A word on it, for people (`healthy after 3 probes`).
        note: Option<String>,
        /// What was held against what should be, for a step that looks through what came back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compared: Option<Compared>,
    },
    /// Not well; the code's severity says whether the backup or the rehearsal is to blame.
    Broke {
        /// What went wrong.
        diagnosis: Diagnosis,
    },
    /// It was stopped before its end, because something else decided.
    Stopped,
}

impl StepResult {
    /// Well, with nothing to add.
    pub fn done() -> Self {
        StepResult::Done { amount: None, note: None, compared: None }
    }
}
