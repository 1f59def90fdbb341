//! All reporters of a run, live or recorded: the reports that were asked for, the output for people, and the messages
//! for the CI system.

use std::io;

use super::console;
use super::exit::Failure;
use crate::config::settings::ReportTargets;
use crate::model::outcome::{ExitCode, Outcome};
use crate::report::human::{HumanReporter, HumanStyle};
use crate::report::{self, ReportError, Reporter};

/// The reporters in their order: the reports of `targets`, the output for people (`None`: there is none), then the CI
/// system's.
pub fn of(
    opened: Result<Vec<Box<dyn Reporter>>, ReportError>,
    targets: &ReportTargets,
    style: Option<HumanStyle>,
) -> Result<Vec<Box<dyn Reporter>>, Failure> {
    let mut reporters =
        opened.map_err(|error| Failure { exit: ExitCode::Usage, error: Box::new(error), hint: None })?;
    reporters.extend(style.map(|style| Box::new(HumanReporter::on_stderr(style)) as Box<dyn Reporter>));
    reporters.extend(report::ci::reporters(targets, Box::new(io::stderr())));
    Ok(reporters)
}

/// Prints at the end which reports were lost.
pub fn tell_of_lost(outcome: &Outcome) {
    for lost in &outcome.lost_reports {
        console::note(&format!("A report is lost: {lost}"));
    }
}
