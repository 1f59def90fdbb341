//! The settings of a run, as [`super::resolve`] makes them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::notify_layer::NotifySettings;
use super::overrides::Overrides;
use super::plan_file::PlanFile;
use super::values::report_spec::{BadgeSubject, Ci, Form, JunitFlavor, TapVersion};
use crate::model::event::NoTests;
use crate::model::partition::Partition;
use crate::model::program::ProgramPaths;

/// What a run of `rehearsa test` or `rehearsa plan` is to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The choice of services.
    pub selection: Selection,
    /// The settings that flags and environment set for every service.
    pub overrides: Overrides,
    /// Labels may name sources by their paths.
    pub allow_label_paths: bool,
    /// The paths of programs that flags and environment name.
    pub programs: ProgramPaths,
    /// The plan file.
    pub file: PlanFile,
    /// Services that are booted with every service that shares a network with them.
    pub with: Vec<String>,
    /// Keep the sandbox of a failed rehearsal.
    pub keep: bool,
    /// The folder of the profiles of green runs, as flags and environment name it.
    pub history: Option<PathBuf>,
    /// Number of rehearsals at a time.
    pub threads: usize,
    /// Start no more rehearsals after this many that are not green.
    pub max_fail: Option<usize>,
    /// How often a rehearsal is tried again.
    pub retries: Retries,
    /// The result when no service is selected.
    pub no_tests: NoTests,
    /// The time limit of the whole run.
    pub global_timeout: Option<Duration>,
    /// A rehearsal that takes longer than this is reported as slow.
    pub slow_after: Duration,
    /// Report files.
    pub reports: ReportTargets,
    /// Whom flags and environment notify of the run.
    pub notify: NotifySettings,
    /// The record, the report or the folder of reports of the run that this one is compared with.
    pub baseline: Option<PathBuf>,
}

impl Settings {
    /// The folder of the profiles of green runs; `None`: none are kept.
    pub fn history(&self) -> Option<&Path> {
        self.history.as_deref().or(self.file.history.as_deref())
    }

    /// Whom to notify, and when.
    pub fn notify(&self) -> NotifySettings {
        self.notify.clone().or(&self.file.notify)
    }

    /// The paths of programs that the user names.
    pub fn programs(&self) -> ProgramPaths {
        let of_file = self.file.programs.iter().map(|(program, entry)| (*program, entry.path.clone()));
        self.programs.clone().or(of_file.collect())
    }
}

/// Default of [`Settings::threads`].
pub const DEFAULT_THREADS: usize = 2;

/// Default of [`Settings::slow_after`].
pub const DEFAULT_SLOW: Duration = Duration::from_secs(60);

/// How often a rehearsal that is not green is tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retries {
    /// Number of attempts after the first.
    pub count: u32,
    /// Failed rehearsals are tried again too, not only errored ones: a service may be flaky.
    pub failures: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            overrides: Overrides::default(),
            allow_label_paths: false,
            programs: ProgramPaths::default(),
            file: PlanFile::default(),
            with: Vec::new(),
            keep: false,
            history: None,
            threads: DEFAULT_THREADS,
            max_fail: None,
            retries: Retries::default(),
            no_tests: NoTests::default(),
            global_timeout: None,
            slow_after: DEFAULT_SLOW,
            reports: ReportTargets::default(),
            notify: NotifySettings::default(),
            baseline: None,
        }
    }
}

/// Which services are selected, as libtest selects tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// A service is selected when any of these is in its name. Empty: every service is selected.
    pub filters: Vec<String>,
    /// A service is left out when any of these is in its name.
    pub skip: Vec<String>,
    /// Filters must equal the whole name.
    pub exact: bool,
    /// What happens to ignored services.
    pub ignored: IgnoredMode,
    /// Only services of exactly these names; `None`: no such limit.
    pub only: Option<Vec<String>>,
    /// Only this part of the selected services.
    pub partition: Option<Partition>,
}

/// What happens to ignored services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IgnoredMode {
    /// They are listed as ignored.
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
    /// The reports to write and their files, in the order of [`Form::ALL`]. `-` is standard output, where a report may
    /// go beside its file in the folder.
    pub files: Vec<(Form, PathBuf)>,
    /// The folder for all reports, created if it does not exist.
    pub dir: Option<PathBuf>,
    /// The permissions of the files; `None`: only the user reads what quotes logs.
    pub mode: Option<u32>,
    /// The dialect of JUnit XML.
    pub junit_flavor: JunitFlavor,
    /// What the badge shows.
    pub badge_shows: BadgeSubject,
    /// The version of TAP.
    pub tap_version: TapVersion,
    /// The CI system to write output for.
    pub ci: Option<Ci>,
    /// The user named the CI system; else the environment shows it.
    pub ci_asked: bool,
}

impl ReportTargets {
    /// Whether a report goes to standard output, where nothing else may write then.
    pub fn take_stdout(&self) -> bool {
        self.files.iter().any(|(_, path)| path == Path::new("-"))
    }
}
