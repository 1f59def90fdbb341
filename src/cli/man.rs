//! `rehearsa man`: the manual pages, one for each command.

use clap::CommandFactory;

use super::args::{Cli, ManArgs};
use super::console;
use super::exit::Failure;

/// Writes the pages into a folder.
pub fn run(args: &ManArgs) -> Result<(), Failure> {
    let folder = &args.folder;
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written
        .map_err(|error| Failure::errored(format!("cannot write manual pages into {}: {error}", folder.display())))?;
    console::note(&format!("Wrote the manual pages into {}; `man -l` shows one", folder.display()));
    Ok(())
}
