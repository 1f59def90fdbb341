//! The command line of `rehearsa init`.

use std::path::PathBuf;

use clap::Args;

/// `rehearsa init`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rehearsa init                                   every running service
  rehearsa init media --output -                  a stack, to look at
  rehearsa init --from 'tar:backups/app-*.tar.gz' with where the backups are, and what of them is for which mount")]
pub struct InitArgs {
    /// Only services with any of these in their name (`stack::service`) [default: all that run]
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Where the backups are: tar:FILE, dir:FOLDER, daemon:FOLDER; `live` for none
    #[arg(long, value_name = "SOURCE")]
    pub from: Option<String>,
    /// The file to write; `-` is standard output [default: rehearsa.toml]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
}
