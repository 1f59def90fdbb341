//! `rehearsa completions`: a completion script on standard output.

use clap::CommandFactory;

use super::args::{Cli, CompletionsArgs};
use super::console;
use super::exit::Failure;

/// Prints the script for a shell.
pub fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "rehearsa", &mut script);
    console::print(&String::from_utf8_lossy(&script))
}
