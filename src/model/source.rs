//! Sources: where restored data comes from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the data of a rehearsal comes from, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceSpec {
    /// What kind, and where.
    pub place: SourcePlace,
    /// The snapshot that is wanted, by the source's name for it; `None`: the newest.
    pub snapshot: Option<String>,
    /// What opens it when it is encrypted.
    pub keys: Keys,
}

/// What kind of source, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourcePlace {
    /// A folder on the client's side.
    Dir(PathBuf),
    /// A folder on the side of the engine's host.
    DaemonDir(String),
    /// A tar archive: a file, or a folder with a pattern in the last component (`backups/app-*.tar.gz`).
    Tar(PathBuf),
    /// A tar archive on standard input.
    TarStdin,
}

/// What opens an encrypted source. None of the secrets is in it, only where each is found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Keys {
    /// A passphrase.
    pub passphrase: Option<SecretPlace>,
    /// A file with private keys (age identities); GPG has a keyring of its own.
    pub identity: Option<PathBuf>,
}

/// Where a secret is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretPlace {
    /// The first line of this file.
    File(PathBuf),
    /// This environment variable.
    Env(String),
    /// The first line that this command prints; it is run by the shell.
    Command(String),
}

impl SourcePlace {
    /// The word for the kind, as it stands before test names: `[tar] media::jellyfin`.
    pub fn kind(&self) -> &'static str {
        match self {
            SourcePlace::Dir(_) | SourcePlace::DaemonDir(_) => "dir",
            SourcePlace::Tar(_) | SourcePlace::TarStdin => "tar",
        }
    }
}

impl std::fmt::Display for SourcePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SourcePlace::Dir(path) => write!(f, "dir:{}", path.display()),
            SourcePlace::DaemonDir(path) => write!(f, "daemon:{path}"),
            SourcePlace::Tar(path) => write!(f, "tar:{}", path.display()),
            SourcePlace::TarStdin => f.write_str("tar:-"),
        }
    }
}

/// Says which part of a backup belongs to a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapRule {
    /// Only for the service of this name.
    pub service: Option<String>,
    /// The mount: its target, its volume's name or its host path.
    pub mount: String,
    /// Path within the backup, without a leading slash; empty for all of it.
    pub path: String,
}
