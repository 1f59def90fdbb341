//! The flags about backups.

use std::path::PathBuf;

use clap::Args;

use crate::config::resolve::Flags;
use crate::model::program::Program;

/// From which backup.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Backup")]
pub struct BackupArgs {
    /// Restore from a backup instead of the live data: `tar:FILE` (a pattern, a folder, or `-` for standard input),
    /// `dir:FOLDER`, on the engine's host `daemon:FOLDER`, `zfs:DATASET` or `btrfs:FOLDER`, `dump:FILE` for a dump of a
    /// database, `restic:REPOSITORY`, `borg:REPOSITORY`, or a source of the plan file. It holds for the selected
    /// services; what they depend on uses it too if it has their data, else the live data. `shop::db=dump:FILE` is for
    /// one service; may be repeated [env: REHEARSA_FROM]
    #[arg(long, value_name = "[SERVICE=]SOURCE")]
    pub from: Vec<String>,
    /// Let labels name backups by their paths; else a label names `live` or a source of the plan file
    /// [env: REHEARSA_ALLOW_LABEL_PATHS]
    #[arg(long)]
    pub allow_label_paths: bool,
    /// Restore this snapshot, by the name that `rehearsa plan` shows, or the newest that a pattern fits (`web-*`); of
    /// restic also `host=NAME`, `tag=TAG`, `path=/PATH`, `before=TIME`, `random` [default: the newest]
    /// [env: REHEARSA_SNAPSHOT]
    #[arg(long, value_name = "NAME")]
    pub snapshot: Option<String>,
    /// Restore this part of the backup into a mount: `/config=backup/jellyfin_config`; `.` is all of it
    #[arg(long, value_name = "[SERVICE:]MOUNT=PATH")]
    pub map: Vec<String>,
    /// Permit an empty part of the backup for this mount
    #[arg(long, value_name = "[SERVICE:]MOUNT")]
    pub allow_empty: Vec<String>,
    /// Open an encrypted backup with the first line of this file; REHEARSA_PASSPHRASE holds the passphrase itself
    /// [env: REHEARSA_PASSPHRASE_FILE]
    #[arg(long, alias = "password-file", value_name = "PATH")]
    pub passphrase_file: Option<PathBuf>,
    /// Open an encrypted backup with the age identities in this file [env: REHEARSA_IDENTITY]
    #[arg(long, value_name = "PATH")]
    pub identity: Option<PathBuf>,
    /// Read repositories of restic with this program [default: `restic` in PATH] [env: REHEARSA_RESTIC_PATH]
    #[arg(long, value_name = "FILE")]
    pub restic_path: Option<PathBuf>,
    /// Read archives and dumps in a store with this program [default: `rclone` in PATH] [env: REHEARSA_RCLONE_PATH]
    #[arg(long, value_name = "FILE")]
    pub rclone_path: Option<PathBuf>,
    /// Read repositories of Borg with this program [default: `borg` in PATH] [env: REHEARSA_BORG_PATH]
    #[arg(long, value_name = "FILE")]
    pub borg_path: Option<PathBuf>,
    /// Fail when a backup has more entries; 0 is no limit [default: 20000000] [env: REHEARSA_MAX_ENTRIES]
    #[arg(long, value_name = "N")]
    pub max_entries: Option<String>,
    /// Read an archive whose decoder needs a window of up to this size in memory (`zstd --long=31`: `2GiB`); 0 is no
    /// limit [default: 128MiB] [env: REHEARSA_MAX_WINDOW]
    #[arg(long, value_name = "SIZE")]
    pub max_window: Option<String>,
    /// Fail when the snapshot is older: `26h`; 0 is no limit [env: REHEARSA_MAX_AGE]
    #[arg(long, value_name = "DURATION")]
    pub max_age: Option<String>,
    /// Fail when more time passes from the start of the restore until the service is ready: `10m`; 0 is no limit
    /// [env: REHEARSA_MAX_RTO]
    #[arg(long, value_name = "DURATION")]
    pub max_rto: Option<String>,
    /// Do not miss these paths, relative to a mount, when the restored data is compared with live: `cache/**`, `*.iso`;
    /// may be repeated [env: REHEARSA_EXCLUDE]
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Where only the end of a backup is known, take it to have begun this much earlier [default: 1h]
    /// [env: REHEARSA_WITNESS_SLACK]
    #[arg(long, value_name = "DURATION")]
    pub witness_slack: Option<String>,
}

impl BackupArgs {
    /// Fills in where the backup is and what opens it.
    pub fn fill(&self, flags: &mut Flags) {
        let BackupArgs {
            from,
            snapshot,
            map,
            allow_empty,
            passphrase_file,
            identity,
            restic_path,
            rclone_path,
            borg_path,
            ..
        } = self.clone();
        flags.from = from;
        flags.allow_label_paths = self.allow_label_paths;
        flags.snapshot = snapshot;
        flags.maps = map;
        flags.allow_empty = allow_empty;
        flags.passphrase_file = passphrase_file;
        flags.identity = identity;
        let programs = [(Program::Restic, restic_path), (Program::Rclone, rclone_path), (Program::Borg, borg_path)];
        flags.programs = programs.into_iter().filter_map(|(program, path)| Some((program, path?))).collect();
    }

    /// The flags that were given and are about backups alone, by their names.
    pub fn given(&self) -> Vec<&'static str> {
        let BackupArgs {
            snapshot,
            map,
            allow_empty,
            passphrase_file,
            identity,
            restic_path,
            rclone_path,
            borg_path,
            max_entries,
            max_window,
            max_age,
            exclude,
            witness_slack,
            ..
        } = self;
        let given = [
            ("--snapshot", snapshot.is_some()),
            ("--map", !map.is_empty()),
            ("--allow-empty", !allow_empty.is_empty()),
            ("--passphrase-file", passphrase_file.is_some()),
            ("--identity", identity.is_some()),
            (Program::Restic.flag(), restic_path.is_some()),
            (Program::Rclone.flag(), rclone_path.is_some()),
            (Program::Borg.flag(), borg_path.is_some()),
            ("--max-entries", max_entries.is_some()),
            ("--max-window", max_window.is_some()),
            ("--max-age", max_age.is_some()),
            ("--exclude", !exclude.is_empty()),
            ("--witness-slack", witness_slack.is_some()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect()
    }
}
