//! `rehearsa merge`: the JSON reports of parallel jobs become one result.

use super::args::MergeArgs;
use super::console;
use super::exit::Failure;
use super::replay::{self, Recorded};
use crate::config::Environment;
use crate::model::outcome::ExitCode;
use crate::report::json::read;
use crate::report::json::schema::Report;
use crate::report::merge::{Joined, join};

/// The command.
pub fn run(args: &MergeArgs, env: &Environment) -> Result<ExitCode, Failure> {
    let targets = replay::targets(&args.reports, &args.files, env)?;
    let mut reports: Vec<(String, Report)> = Vec::with_capacity(args.files.len());
    for path in &args.files {
        let file = replay::called(path);
        let report = read::parse(&replay::read(path)?);
        let report = report.map_err(|error| Failure::usage(format!("{file}: {error}")))?;
        reports.push((file, report));
    }
    let Joined { events, notes } = join(&reports).map_err(|error| Failure::usage(error.to_string()))?;
    for note in &notes {
        console::note(&format!("Note: {note}"));
    }
    let outcome = replay::replay(Recorded { events, steps: false }, &targets, args.color, env)?;
    Ok(outcome.exit_code())
}
