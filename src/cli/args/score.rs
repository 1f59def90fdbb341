//! The flags of `rehearsa score`.

use std::path::PathBuf;

use clap::Args;

use super::backup::BackupArgs;
use super::selection::SelectionArgs;
use crate::cli::choices::TextOrJson;
use crate::config::resolve::Flags;

/// `rehearsa score`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "\
Examples:
  rehearsa score --from 'tar:backups/app-*.tar.gz' app       scores the newest archive, beside up to ten earlier ones
  rehearsa score --from dir:/mnt/backup --snapshots 5        scores the five newest snapshots
  rehearsa score --min-score 40 --format json                every night: exit code 101 if a backup has less

Nothing boots and nothing is restored, so at most 50 points can be had; `rehearsa test` gives the others. Exit codes: \
0 all can be read, 101 a backup is bad or has too few points, 102 one could not be judged.")]
pub struct ScoreArgs {
    /// Which services.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Score this many snapshots, the newest first
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Score")]
    pub snapshots: String,
    /// Read the content of the scored snapshots too, not only the list of it
    #[arg(long, help_heading = "Score")]
    pub read_data: bool,
    /// Fail a backup with a lower score; 0 requires nothing [env: REHEARSA_MIN_SCORE]
    #[arg(long, value_name = "N", help_heading = "Score")]
    pub min_score: Option<String>,
    /// Leave out mounts that need no backup: `/cache=empty`, as for `test` [env: REHEARSA_STRATEGY]
    #[arg(long, value_name = "[SERVICE:]MOUNT=STRATEGY", help_heading = "Score")]
    pub strategy: Vec<String>,
    /// Read this plan file [default: rehearsa.toml in the working directory, if it exists] [env: REHEARSA_PLAN]
    #[arg(long, value_name = "FILE", help_heading = "Score")]
    pub plan: Option<PathBuf>,
    /// From which backup.
    #[command(flatten)]
    pub backup: BackupArgs,
    /// Print in this format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = TextOrJson::Text, help_heading = "Output")]
    pub format: TextOrJson,
    /// Write metrics of the newest snapshots for Prometheus' textfile collector
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    pub prometheus: Option<PathBuf>,
}

impl ScoreArgs {
    /// The flags that settings are read from.
    pub fn flags(&self) -> Flags {
        let SelectionArgs { filters, exact, skip, ignored, include_ignored } = self.selection.clone();
        let typed = [
            ("max_entries", &self.backup.max_entries),
            ("max_window", &self.backup.max_window),
            ("max_age", &self.backup.max_age),
            ("max_rto", &self.backup.max_rto),
            ("min_score", &self.min_score),
        ];
        let values = typed.into_iter().filter_map(|(key, text)| Some((key, text.clone()?))).collect();
        let strategies = self.strategy.clone();
        let mut flags =
            Flags { filters, exact, skip, ignored, include_ignored, values, strategies, ..Flags::default() };
        self.backup.fill(&mut flags);
        flags
    }
}
