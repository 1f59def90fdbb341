//! `rehearsa merge`: the records of parallel jobs become one result.

use std::path::PathBuf;

use super::args::MergeArgs;
use super::console;
use super::exit::Failure;
use super::replay::{self, RecordInFolder, Recorded, Shown};
use crate::config::Environment;
use crate::model::outcome::ExitCode;
use crate::report::merge::{MergedRun, merge};

/// The command.
pub fn run(args: &MergeArgs, env: &Environment) -> Result<ExitCode, Failure> {
    let files: Vec<PathBuf> = args.records.iter().map(|path| replay::record_file(path)).collect();
    let targets = replay::targets(&args.reports, &files, RecordInFolder::Refuse, env)?;
    // All records are read before anything is written.
    let mut records = Vec::with_capacity(files.len());
    for file in &files {
        records.push((replay::called(file), replay::read_record(file)?));
    }
    let MergedRun { events, notes } = merge(records).map_err(|error| Failure::usage(error.to_string()))?;
    for note in &notes {
        console::note(&format!("Note: {note}"));
    }
    let outcome = replay::replay(Recorded { events, shown: Shown::Results }, &targets, args.color, env)?;
    Ok(outcome.exit_code())
}
