//! The command line of `rehearsa timer`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `rehearsa timer`.
#[derive(Debug, Clone, Args)]
pub struct TimerArgs {
    /// What to do with the timer.
    #[command(subcommand)]
    pub action: TimerAction,
}

/// What to do with the timer.
#[derive(Debug, Clone, Subcommand)]
pub enum TimerAction {
    /// Write the service and the timer, and start the timer
    Install(TimerUnits),
    /// Print the service and the timer, and write nothing
    Show(TimerUnits),
    /// Stop the timer, and remove its files
    Remove(TimerName),
}

/// Which timer.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rehearsa timer remove                removes the timer `rehearsa` of the system
  rehearsa timer remove --name media   removes another one
  rehearsa timer remove --user         removes the timer of your own")]
pub struct TimerName {
    /// The name of the service and the timer
    #[arg(long, value_name = "NAME", default_value = "rehearsa")]
    pub name: String,
    /// Use the service manager of this user instead of that of the system
    #[arg(long)]
    pub user: bool,
    /// The folder of the files
    #[arg(long, value_name = "FOLDER", hide = true)]
    pub unit_dir: Option<PathBuf>,
}

/// What the timer starts, and when.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rehearsa timer install --at 04:00 -- test --max-age 26h --report-dir reports
  rehearsa timer show --at 'Sun 04:00' --name weekly -- test --verify-content
  rehearsa timer install --at 04:00 --credential RESTIC_PASSWORD_FILE=/etc/rehearsa/password \\
                         -- test --from restic:/srv/repo

The command runs in the working directory of this call, where a plan file may lie. A rehearsal that is not green makes \
the service fail: `systemctl --failed` lists it, and --on-failure starts another service.")]
pub struct TimerUnits {
    /// When to start: `04:00`, `Sun 04:00`, or any calendar event of systemd
    #[arg(long, value_name = "TIME")]
    pub at: String,
    /// Which.
    #[command(flatten)]
    pub which: TimerName,
    /// Give the command this secret file as a credential of systemd, which only the service can read; the variable then
    /// holds the path of the credential. May be repeated
    #[arg(long, value_name = "VARIABLE=FILE")]
    pub credential: Vec<String>,
    /// Start this service when a rehearsal is not green: `mail-to-root@%n.service`
    #[arg(long, value_name = "UNIT")]
    pub on_failure: Option<String>,
    /// End the command after this time, in words of systemd
    #[arg(long, value_name = "TIME", default_value = "2h")]
    pub time_limit: String,
    /// The command of Rehearsa and its arguments, after `--`: `test --max-age 26h`
    #[arg(value_name = "COMMAND", required = true, last = true)]
    pub command: Vec<String>,
}
