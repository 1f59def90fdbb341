//! How a service is rehearsed: the settings that hold for it, whoever set them.

use std::time::Duration;

use super::dump::LoadOptions;
use super::mount::Strategy;
use super::question::Check;
use super::source::{MapRule, SourceSpec};

/// The settings that hold for a service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceSettings {
    /// The service's label hides it: Rehearsa does not even list it.
    pub ignore: bool,
    /// Why the service is not rehearsed, and who says so.
    pub skip: Option<String>,
    /// Time from the start of the service's container until it must be ready; `None`: 2 minutes, or the healthcheck's own budget
    /// when that is longer.
    pub timeout: Option<Duration>,
    /// Time the service must stay well after it is ready.
    pub settle: Duration,
    /// Bytes a mount may copy; 0 for no bound.
    pub max_copy: u64,
    /// Bytes of memory the service may use when it has no limit of its own; `None`: no limit.
    pub memory: Option<u64>,
    /// Where the data comes from; `None`: from the live service.
    pub source: Option<SourceSpec>,
    /// Strategies for mounts; the last match wins.
    pub strategies: Vec<StrategyRule>,
    /// Which part of the source belongs to which mount; the last match wins.
    pub maps: Vec<MapRule>,
    /// Mounts whose part of the source may be empty, by their targets.
    pub allow_empty: Vec<String>,
    /// Entries that an archive may have; 0 for no bound.
    pub max_entries: u64,
    /// The snapshot may be no older than this.
    pub max_age: Option<Duration>,
    /// The time from the beginning of the restore until the service is ready may be no longer than this.
    pub max_rto: Option<Duration>,
    /// The service is booted once more without the data, to see whether its checks notice.
    pub control: bool,
    /// How a database dump is loaded.
    pub load: LoadOptions,
    /// The content of every restored file is compared with the source's.
    pub verify_content: bool,
    /// The owner's checks of the ready service, in order.
    pub checks: Vec<Check>,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            ignore: false,
            skip: None,
            timeout: None,
            settle: Duration::from_secs(3),
            max_copy: 20 * 1024 * 1024 * 1024,
            memory: None,
            source: None,
            strategies: Vec::new(),
            maps: Vec::new(),
            allow_empty: Vec::new(),
            max_entries: 20_000_000,
            max_age: None,
            max_rto: None,
            control: false,
            load: LoadOptions::default(),
            verify_content: false,
            checks: Vec::new(),
        }
    }
}

/// A strategy asked for a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrategyRule {
    /// Only for the service of this name; `None`: for any.
    pub service: Option<String>,
    /// The mount: its target, its volume's name or its host path.
    pub mount: String,
    /// The strategy.
    pub strategy: Strategy,
}
