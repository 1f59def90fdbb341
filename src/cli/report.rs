//! `rehearsa report`: the reports of a run again, from its record.

use super::args::RecordArgs;
use super::console;
use super::exit::Failure;
use super::replay::{self, RecordInFolder, Recorded};
use crate::config::Environment;
use crate::model::outcome::ExitCode;
use crate::report::events::read::RunRecord;

/// The command.
pub fn run(args: &RecordArgs, env: &Environment) -> Result<ExitCode, Failure> {
    let file = replay::record_file(&args.from);
    let targets = replay::targets(&args.reports, std::slice::from_ref(&file), RecordInFolder::Keep, env)?;
    // The whole record is read before anything is written.
    let RunRecord { events, ended } = replay::read_record(&file)?;
    let outcome = replay::replay(Recorded { events, steps: true }, &targets, args.color, env)?;
    if !ended {
        console::note(&format!(
            "{} has no end: the run was killed or is still running, so its result is not known.",
            replay::called(&file)
        ));
        return Ok(ExitCode::Errored);
    }
    Ok(outcome.exit_code())
}
