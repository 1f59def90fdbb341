//! `rehearsa report`: the reports of a run again, from its recorded events.

use super::args::RecordArgs;
use super::console;
use super::exit::Failure;
use super::replay::{self, Recorded};
use crate::config::Environment;
use crate::model::outcome::ExitCode;
use crate::report::events::read::{Log, read};

/// The command.
pub fn run(args: &RecordArgs, env: &Environment) -> Result<ExitCode, Failure> {
    let targets = replay::targets(&args.reports, std::slice::from_ref(&args.from), env)?;
    let file = replay::called(&args.from);
    // All of it is read before anything is written.
    let log = read(&file, &replay::read(&args.from)?);
    let Log { events, ended } =
        log.map_err(|error| Failure { exit: ExitCode::Usage, error: Box::new(error), hint: None })?;
    let outcome = replay::replay(Recorded { events, steps: true }, &targets, args.color, env)?;
    if !ended {
        console::note(&format!(
            "{file} has no end: the run was killed, or still goes on. What it would have come to is not known."
        ));
        return Ok(ExitCode::Errored);
    }
    Ok(outcome.exit_code())
}
