//! The resolved settings of a run. Values have their own modules; who is heard first is resolved in `resolve`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::overrides::Overrides;
use super::plan_file::PlanFile;
use super::values::place;
use super::values::report_spec::{Ci, Form, JunitFlavor, TapVersion};
use crate::model::dump::LoadOptions;
use crate::model::event::NoTests;
use crate::model::mount::{Mount, Strategy};
use crate::model::partition::Partition;
use crate::model::question::Check;
use crate::model::service::ServiceName;
use crate::model::source::{MapRule, SourceSpec};

/// What a run of `rehearsa test` or `rehearsa plan` is to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Which services.
    pub selection: Selection,
    /// What the command line and the environment say of every rehearsal.
    pub said: Overrides,
    /// What the plan file says of some of them.
    pub file: PlanFile,
    /// Keep the sandbox of a failed rehearsal.
    pub keep: bool,
    /// Rehearsals at a time.
    pub threads: usize,
    /// Stop starting rehearsals after so many that are not green.
    pub max_fail: Option<usize>,
    /// How often a rehearsal is tried again.
    pub retries: Retries,
    /// What it means when nothing is selected.
    pub no_tests: NoTests,
    /// The time for the whole run.
    pub global_timeout: Option<Duration>,
    /// A rehearsal that runs longer than this is worth a line.
    pub slow_after: Duration,
    /// Report files.
    pub reports: ReportTargets,
}

/// Rehearsals at a time, when nobody said.
pub const DEFAULT_THREADS: usize = 2;

/// A rehearsal is slow after this time, when nobody said.
pub const DEFAULT_SLOW: Duration = Duration::from_secs(60);

/// How often a rehearsal that is not green is tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retries {
    /// Attempts after the first.
    pub count: u32,
    /// Failures too, and not only errors: a backup that failed is bad, but a service may be flaky.
    pub failures: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            said: Overrides::default(),
            file: PlanFile::default(),
            keep: false,
            threads: DEFAULT_THREADS,
            max_fail: None,
            retries: Retries::default(),
            no_tests: NoTests::default(),
            global_timeout: None,
            slow_after: DEFAULT_SLOW,
            reports: ReportTargets::default(),
        }
    }
}

/// Which services are selected, as libtest selects tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// A service is selected when any of these is in its name; all are when there is none.
    pub filters: Vec<String>,
    /// A service is left out when any of these is in its name.
    pub skip: Vec<String>,
    /// Filters must equal the name instead of being in it.
    pub exact: bool,
    /// What becomes of the services that are not rehearsable.
    pub ignored: IgnoredMode,
    /// Only services of exactly these names, whatever else is asked for.
    pub only: Option<Vec<String>>,
    /// Of all that are selected, only this part.
    pub partition: Option<Partition>,
}

/// What becomes of the services that are marked as ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IgnoredMode {
    /// They are listed as ignored (the default).
    #[default]
    Skip,
    /// Only they are run.
    Only,
    /// They are run like the others.
    Include,
}

/// How a service is rehearsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Rehearsal {
    /// Its label says that rehearsa shall not list it.
    pub ignore: bool,
    /// Why it is not rehearsed, and who says so.
    pub skip: Option<String>,
    /// Time from the start of a service's container until it must be ready; `None`: 2 minutes, or the healthcheck's own
    /// budget when that is longer.
    pub timeout: Option<Duration>,
    /// Time a service must stay well after it is ready.
    pub settle: Duration,
    /// Bytes a mount may copy; 0 for no bound.
    pub max_copy: u64,
    /// Keep the sandbox of a failed rehearsal.
    pub keep: bool,
    /// Strategies for mounts, last match wins.
    pub strategies: Vec<StrategyRule>,
    /// Memory a service may use when it has no limit of its own, in bytes; `None`: no limit.
    pub memory: Option<u64>,
    /// Where its data comes from; `None`: from the live service.
    pub source: Option<SourceSpec>,
    /// Which part of the source belongs to which mount, last match wins.
    pub maps: Vec<MapRule>,
    /// Mounts whose part of the source may be empty, by their targets.
    pub allow_empty: Vec<String>,
    /// Entries that an archive may have; 0 for no bound.
    pub max_entries: u64,
    /// The snapshot may be no older than this.
    pub max_age: Option<Duration>,
    /// From the beginning of the restore until the service is ready it may take no longer than this.
    pub max_rto: Option<Duration>,
    /// What its owner asks of it once it is ready.
    pub questions: Vec<Check>,
    /// It is booted once more without the data, to see whether its checks notice.
    pub control: bool,
    /// How a database dump is loaded into it.
    pub load: LoadOptions,
    /// The content of every file that came back is compared, too.
    pub verify_content: bool,
}

impl Default for Rehearsal {
    fn default() -> Self {
        Self {
            ignore: false,
            skip: None,
            timeout: None,
            settle: Duration::from_secs(3),
            max_copy: 20 * 1024 * 1024 * 1024,
            keep: false,
            strategies: Vec::new(),
            memory: None,
            source: None,
            maps: Vec::new(),
            allow_empty: Vec::new(),
            max_entries: 20_000_000,
            max_age: None,
            max_rto: None,
            questions: Vec::new(),
            control: false,
            load: LoadOptions::default(),
            verify_content: false,
        }
    }
}

/// A strategy asked for a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrategyRule {
    /// Only for the service of this name.
    pub service: Option<String>,
    /// The mount: its target, its volume's name or its host path.
    pub mount: String,
    /// What is asked for.
    pub strategy: Strategy,
}

impl StrategyRule {
    /// Whether the rule is about this mount of this service.
    pub fn applies(&self, service: &ServiceName, mount: &Mount) -> bool {
        self.names_service(service) && place::is_mount(&self.mount, service, mount)
    }

    /// Whether the rule may be about this service.
    pub fn names_service(&self, service: &ServiceName) -> bool {
        place::is_service(self.service.as_deref(), service)
    }
}

/// Where reports go, and how some of them look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportTargets {
    /// Each report that is wanted and its file, in the order of [`Form::ALL`]; `-` is standard output, and a form may go there beside
    /// its file in the folder.
    pub files: Vec<(Form, PathBuf)>,
    /// The folder that was asked for as a whole: it is made when it is not there.
    pub dir: Option<PathBuf>,
    /// Whose dialect of JUnit XML.
    pub junit_flavor: JunitFlavor,
    /// Which TAP.
    pub tap_version: TapVersion,
    /// The CI system that is told in its own way.
    pub ci: Option<Ci>,
}

impl ReportTargets {
    /// A report takes standard output, so nothing else may write there.
    pub fn take_stdout(&self) -> bool {
        self.files.iter().any(|(_, path)| path == Path::new("-"))
    }
}
