//! Settings of a service's rehearsal, merged from all layers.

use std::time::Duration;

use super::check::EvidenceLevel;
use super::diagnosis::Diagnosis;
use super::dump::LoadOptions;
use super::mount::Strategy;
use super::profile::losses::Tolerance;
use super::pull::PullPolicy;
use super::question::Check;
use super::source::{MapRule, SourceSpec};
use super::witness::DEFAULT_SLACK;

/// The settings of one service's rehearsal.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceSettings {
    /// Why the labels of the service cannot be used: it is not rehearsed, and errors.
    pub unusable: Option<Diagnosis>,
    /// Warnings about the labels of the service.
    pub warnings: Vec<Diagnosis>,
    /// The service's label hides it: Rehearsa does not even list it.
    pub ignore: bool,
    /// Why the service is not rehearsed, and which setting says so; `None`: it is rehearsed.
    pub skip: Option<String>,
    /// Time from the start of the container until the service must be ready; `None`: 2 minutes, or the healthcheck's
    /// own time if that is longer.
    pub timeout: Option<Duration>,
    /// Time for which the service must stay well after it is ready.
    pub settle: Duration,
    /// Most bytes that a mount may copy; 0: no limit.
    pub max_copy: u64,
    /// Bytes of memory the service may use when it has no limit of its own; `None`: half of the host's memory.
    pub memory: Option<u64>,
    /// Number of processes the service may have when it has no limit of its own.
    pub pids: u64,
    /// Source of the data; `None`: the live service.
    pub source: Option<SourceSpec>,
    /// Source of the data when the service is not selected and only boots as a dependency.
    pub as_dependency: DependencySource,
    /// Strategies for mounts; the last match wins.
    pub strategies: Vec<StrategyRule>,
    /// Parts of the source that belong to mounts; the last match wins.
    pub maps: Vec<MapRule>,
    /// Targets of the mounts whose part of the source may be empty.
    pub allow_empty: Vec<String>,
    /// Most entries that an archive may have; 0: no limit.
    pub max_entries: u64,
    /// Longest window of a compressed archive in bytes; 0: no limit.
    pub max_window: u64,
    /// Greatest age of the snapshot; `None`: no limit.
    pub max_age: Option<Duration>,
    /// Longest time from the beginning of the restore until the service is ready; `None`: no limit.
    pub max_rto: Option<Duration>,
    /// The service is booted once more without the data, to see whether its checks notice.
    pub control: bool,
    /// The evidence that the rehearsal must give; `None`: whatever it gives is enough.
    pub require_proof: Option<EvidenceLevel>,
    /// The least score that the backup must have; `None`: any is enough.
    pub min_score: Option<u8>,
    /// A warning about its files or its configuration fails the service.
    pub strict: bool,
    /// How a database dump is loaded.
    pub load: LoadOptions,
    /// The tools that check data stores read all of the data.
    pub deep: bool,
    /// The content of every restored file is compared with the source's.
    pub verify_content: bool,
    /// Paths that the backup leaves out on purpose, as patterns relative to a mount.
    pub exclude: Vec<String>,
    /// How long a backup took at most, of which only the end is known.
    pub witness_slack: Duration,
    /// When the image is pulled.
    pub pull: PullPolicy,
    /// Time for which the pull of the image may stand still.
    pub pull_timeout: Duration,
    /// How much less the data may be than in the last green run.
    pub tolerance: Tolerance,
    /// The user's checks of the ready service, in order.
    pub checks: Vec<Check>,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            unusable: None,
            warnings: Vec::new(),
            ignore: false,
            skip: None,
            timeout: None,
            settle: Duration::from_secs(3),
            max_copy: 20 * 1024 * 1024 * 1024,
            memory: None,
            pids: 4096,
            source: None,
            as_dependency: DependencySource::Same,
            strategies: Vec::new(),
            maps: Vec::new(),
            allow_empty: Vec::new(),
            max_entries: 20_000_000,
            max_window: 128 * 1024 * 1024,
            max_age: None,
            max_rto: None,
            control: false,
            require_proof: None,
            min_score: None,
            strict: false,
            load: LoadOptions::default(),
            deep: false,
            verify_content: false,
            exclude: Vec::new(),
            witness_slack: DEFAULT_SLACK,
            pull: PullPolicy::default(),
            pull_timeout: Duration::from_secs(120),
            tolerance: Tolerance::default(),
            checks: Vec::new(),
        }
    }
}

/// The source of a service that only boots as a dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DependencySource {
    /// The same as when it is selected.
    Same,
    /// This one; `None`: the live service.
    Other(Option<SourceSpec>),
    /// The same, if that has the service's data; else the live service. The source was given for the selected services.
    SameIfFound,
}

/// A strategy that the user asked for a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrategyRule {
    /// Name of the service that the rule is for; `None`: any service.
    pub service: Option<String>,
    /// The mount: its target, its volume's name or its host path.
    pub mount: String,
    pub strategy: Strategy,
}
