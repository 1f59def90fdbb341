//! The command line of `rehearsa init`.

use std::path::PathBuf;

use clap::Args;

/// `rehearsa init`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rehearsa init                                   writes rehearsa.toml for every running service
  rehearsa init media --output -                  prints the plan file of a stack
  rehearsa init --from 'tar:backups/app-*.tar.gz' writes where the backups are, and which part belongs to which mount
  rehearsa init --from restic:/srv/repo --passphrase-file pw
                                                  the same for what a repository holds")]
pub struct InitArgs {
    /// Take only services with any of these in their name (`stack::service`) [default: all that run]
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Look for the backups here: `tar:FILE`, `dir:FOLDER`, `restic:REPOSITORY`, `borg:REPOSITORY`, `dump:FILE`, on the
    /// engine's host `daemon:FOLDER`, `zfs:DATASET` or `btrfs:FOLDER`; `live` is no backup
    #[arg(long, value_name = "SOURCE")]
    pub from: Option<String>,
    /// Open an encrypted backup with the first line of this file; REHEARSA_PASSPHRASE holds the passphrase itself
    /// [env: REHEARSA_PASSPHRASE_FILE]
    #[arg(long, alias = "password-file", value_name = "PATH")]
    pub passphrase_file: Option<PathBuf>,
    /// Open an encrypted backup with the age identities in this file [env: REHEARSA_IDENTITY]
    #[arg(long, value_name = "PATH")]
    pub identity: Option<PathBuf>,
    /// Write this file; `-` is standard output [default: rehearsa.toml]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long)]
    pub force: bool,
}
