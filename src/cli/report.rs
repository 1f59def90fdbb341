//! `rehearsa report`: the reports of a run again, from its record. Without a report that is asked for, people are shown
//! the run.

use super::args::RecordArgs;
use super::console;
use super::exit::Failure;
use super::replay::{self, RecordInFolder, Recorded, Shown};
use crate::config::Environment;
use crate::model::outcome::ExitCode;
use crate::report::events::read::RunRecord;

/// The command.
pub fn run(args: &RecordArgs, env: &Environment) -> Result<ExitCode, Failure> {
    let file = replay::record_file(&args.from);
    let mut targets = replay::targets(&args.reports, std::slice::from_ref(&file), RecordInFolder::Keep, env)?;
    if !targets.ci_asked {
        // The CI system was told of the run when it ran.
        targets.ci = None;
    }
    let asked = !targets.files.is_empty() || targets.dir.is_some() || targets.ci.is_some();
    let shown = if asked { Shown::Nothing } else { Shown::Steps };
    // The whole record is read before anything is written.
    let RunRecord { events, ended } = replay::read_record(&file)?;
    let outcome = replay::replay(Recorded { events, shown }, &targets, args.color, env)?;
    if !ended {
        console::note(&format!(
            "{} has no end: the run was killed or is still running, so its result is not known.",
            replay::called(&file)
        ));
        return Ok(ExitCode::Errored);
    }
    Ok(outcome.exit_code())
}
