//! The flags of `rehearsa lock`.

use std::path::PathBuf;

use clap::Args;

use super::backup::BackupArgs;
use super::compose::ComposeArgs;

/// `rehearsa lock`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "\
Examples:
  rehearsa lock -f compose.yaml                    locks the images of a stack
  rehearsa lock -f compose.yaml --from tar:b.tar   locks which part of the backup belongs to which mount, too

The file is called rehearsa.lock and lies beside the Compose file. `test -f` and `plan -f` warn of an image that is \
another one than in the lock (config/image-drift), and take the parts of the backup from it where no --map says \
otherwise. Lock after a green run.")]
pub struct LockArgs {
    /// Which stack, from which files.
    #[command(flatten)]
    pub compose: ComposeArgs,
    /// Pull images: `missing` (if the engine does not have them), `always` or `never` [default: missing] [env:
    /// REHEARSA_PULL]
    #[arg(long, value_name = "WHEN", help_heading = "Images")]
    pub pull: Option<String>,
    /// Give up a pull that stands still for this long [default: 2m] [env: REHEARSA_PULL_TIMEOUT]
    #[arg(long, value_name = "DURATION", help_heading = "Images")]
    pub pull_timeout: Option<String>,
    /// Read this plan file [default: rehearsa.toml in the working directory, if it exists] [env: REHEARSA_PLAN]
    #[arg(long, value_name = "FILE", help_heading = "Rehearsal")]
    pub plan: Option<PathBuf>,
    /// Leave out mounts that need no backup: `/cache=empty`, as for `test` [env: REHEARSA_STRATEGY]
    #[arg(long, value_name = "[SERVICE:]MOUNT=STRATEGY", help_heading = "Rehearsal")]
    pub strategy: Vec<String>,
    /// From which backup.
    #[command(flatten)]
    pub backup: BackupArgs,
}
