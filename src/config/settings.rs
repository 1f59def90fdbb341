//! The settings of a run, as [`super::resolve`] makes them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::overrides::Overrides;
use super::plan_file::PlanFile;
use super::values::report_spec::{Ci, Form, JunitFlavor, TapVersion};
use crate::model::event::NoTests;
use crate::model::partition::Partition;

/// What a run of `rehearsa test` or `rehearsa plan` is to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Which services.
    pub selection: Selection,
    /// The settings that flags and environment set for every service.
    pub overrides: Overrides,
    /// The plan file.
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
            overrides: Overrides::default(),
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

/// Where reports go, and how some of them look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportTargets {
    /// Each report that is wanted and its file, in the order of [`Form::ALL`]; `-` is standard output, and a form may
    /// go there beside its file in the folder.
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
