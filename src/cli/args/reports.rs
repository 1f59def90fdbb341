//! The flags about reports.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::config::resolve::Flags;
use crate::config::values::report_spec::{BadgeSubject, CiChoice, Form, JunitFlavor, TapVersion};

/// Report files.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Reports")]
pub struct ReportArgs {
    /// Write a JUnit XML report; `-` is standard output
    #[arg(long, value_name = "PATH")]
    pub junit: Option<PathBuf>,
    /// Write a JSON report; `-` is standard output
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
    /// Write a TAP report; `-` is standard output
    #[arg(long, value_name = "PATH")]
    pub tap: Option<PathBuf>,
    /// Write an HTML report: one file that loads nothing from elsewhere
    #[arg(long, value_name = "PATH")]
    pub html: Option<PathBuf>,
    /// Write a summary in Markdown
    #[arg(long, value_name = "PATH")]
    pub markdown: Option<PathBuf>,
    /// Write the record of the run as it happens, one JSON object a line; `rehearsa report` makes other reports of the
    /// record
    #[arg(long, value_name = "PATH")]
    pub events: Option<PathBuf>,
    /// Write a report in the Common Test Report Format
    #[arg(long, value_name = "PATH")]
    pub ctrf: Option<PathBuf>,
    /// Write metrics for Prometheus' textfile collector
    #[arg(long, value_name = "PATH")]
    pub prometheus: Option<PathBuf>,
    /// Write a status badge as SVG
    #[arg(long, value_name = "PATH")]
    pub badge: Option<PathBuf>,
    /// Show this on the badge: how many services passed, or the lowest score
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = BadgeShowsArg::Result)]
    pub badge_shows: BadgeShowsArg,
    /// Write all reports into a folder, which is created if needed; a report with a file of its own is not written
    /// again [env: REHEARSA_REPORT_DIR]
    #[arg(long, value_name = "DIR")]
    pub report_dir: Option<PathBuf>,
    /// Give the report files these permissions, as in 0644 [default: only you read the reports that quote logs]
    /// [env: REHEARSA_REPORT_MODE]
    #[arg(long, value_name = "MODE")]
    pub report_mode: Option<String>,
    /// Write this dialect of JUnit XML
    #[arg(long, value_enum, value_name = "FLAVOR", default_value_t = JunitFlavorArg::Default)]
    pub junit_flavor: JunitFlavorArg,
    /// Write this version into the head of the TAP report; `prove` accepts 13 only
    #[arg(long, value_enum, value_name = "VERSION", default_value_t = TapVersionArg::V13)]
    pub tap_version: TapVersionArg,
    /// Print what this CI system understands: annotations, sections, a summary of the step
    #[arg(long, value_enum, value_name = "SYSTEM", default_value_t = CiArg::Auto)]
    pub ci: CiArg,
}

/// `--junit-flavor`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum JunitFlavorArg {
    /// With everything that common readers take.
    #[default]
    Default,
    /// With nothing that Jenkins' strict schema refuses.
    Jenkins,
}

/// `--badge-shows`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum BadgeShowsArg {
    /// How many services passed.
    #[default]
    Result,
    /// The lowest score.
    Score,
}

/// `--tap-version`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TapVersionArg {
    /// 13.
    #[default]
    #[value(name = "13")]
    V13,
    /// 14.
    #[value(name = "14")]
    V14,
}

/// `--ci`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum CiArg {
    /// The one that the environment shows.
    #[default]
    Auto,
    /// GitHub Actions.
    Github,
    /// GitLab CI.
    Gitlab,
    /// Gitea or Forgejo Actions.
    Gitea,
    /// None.
    None,
}

impl ReportArgs {
    /// Adds the reports to the flags.
    pub fn add_to(&self, flags: &mut Flags) {
        let asked = |form| match form {
            Form::Junit => &self.junit,
            Form::Json => &self.json,
            Form::Tap => &self.tap,
            Form::Html => &self.html,
            Form::Markdown => &self.markdown,
            Form::Events => &self.events,
            Form::Ctrf => &self.ctrf,
            Form::Prometheus => &self.prometheus,
            Form::Badge => &self.badge,
        };
        flags.reports = Form::ALL.into_iter().filter_map(|form| Some((form, asked(form).clone()?))).collect();
        flags.report_dir.clone_from(&self.report_dir);
        flags.report_mode.clone_from(&self.report_mode);
        flags.junit_flavor = match self.junit_flavor {
            JunitFlavorArg::Default => JunitFlavor::Default,
            JunitFlavorArg::Jenkins => JunitFlavor::Jenkins,
        };
        flags.badge_shows = match self.badge_shows {
            BadgeShowsArg::Result => BadgeSubject::Result,
            BadgeShowsArg::Score => BadgeSubject::Score,
        };
        flags.tap_version = match self.tap_version {
            TapVersionArg::V13 => TapVersion::V13,
            TapVersionArg::V14 => TapVersion::V14,
        };
        flags.ci = match self.ci {
            CiArg::Auto => CiChoice::Auto,
            CiArg::Github => CiChoice::GitHub,
            CiArg::Gitlab => CiChoice::GitLab,
            CiArg::Gitea => CiChoice::Gitea,
            CiArg::None => CiChoice::None,
        };
    }
}
