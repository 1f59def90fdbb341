//! The flags of `rehearsa profile`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::choices::TextOrJson;
use crate::config::resolve::Flags;

/// `rehearsa profile`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "\
Examples:
  rehearsa profile --history profiles shop::db                  shows what it held in its last green run
  rehearsa profile --history profiles shop::db --format json    prints all runs that are kept, for a program

No Docker is needed.")]
pub struct ProfileArgs {
    /// The service: `stack::service`, or its own name if only one service has it
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// The folder that `rehearsa test --history` keeps [env: REHEARSA_HISTORY]
    #[arg(long, value_name = "FOLDER")]
    pub history: Option<PathBuf>,
    /// Read this plan file [default: rehearsa.toml in the working directory, if it exists] [env: REHEARSA_PLAN]
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Print in this format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = TextOrJson::Text, help_heading = "Output")]
    pub format: TextOrJson,
}

impl ProfileArgs {
    /// The flags that settings are read from.
    pub fn flags(&self) -> Flags {
        Flags { history: self.history.clone(), ..Flags::default() }
    }
}
