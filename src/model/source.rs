//! Sources: where restored data comes from.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::dump::Dump;
use super::event::{Amount, Snapshot};
use super::source_kind::SourceKind;

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
pub struct SourcePlace {
    /// What kind.
    pub kind: SourceKind,
    /// Where.
    pub location: SourceLocation,
}

/// Where a source is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceLocation {
    /// On standard input.
    Stdin,
    /// At a path of this machine; a pattern may stand in the last part (`backups/app-*.tar.gz`).
    Path(PathBuf),
    /// At an absolute path of the engine's host.
    HostPath(String),
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

/// The kind of a service whose data is a clone of the live service's.
pub const LIVE: &str = "live";

impl SourcePlace {
    /// A source of this machine.
    pub fn at_path(kind: SourceKind, path: impl Into<PathBuf>) -> SourcePlace {
        SourcePlace { kind, location: SourceLocation::Path(path.into()) }
    }

    /// A source that comes on standard input.
    pub fn stdin(kind: SourceKind) -> SourcePlace {
        SourcePlace { kind, location: SourceLocation::Stdin }
    }

    /// A folder of the engine's host.
    pub fn on_host(path: impl Into<String>) -> SourcePlace {
        SourcePlace { kind: SourceKind::Daemon, location: SourceLocation::HostPath(path.into()) }
    }

    /// The word for the kind, as it stands before test names: `[tar] media::jellyfin`.
    pub fn label(&self) -> &'static str {
        self.kind.row().label
    }

    /// The source with a relative path below `folder`; any other source as it is.
    pub fn below(self, folder: &Path) -> SourcePlace {
        match self.location {
            SourceLocation::Path(path) => SourcePlace::at_path(self.kind, folder.join(path)),
            SourceLocation::Stdin | SourceLocation::HostPath(_) => self,
        }
    }
}

impl fmt::Display for SourcePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind.name())?;
        match &self.location {
            SourceLocation::Stdin => f.write_str("-"),
            SourceLocation::Path(path) => write!(f, "{}", path.display()),
            SourceLocation::HostPath(path) => f.write_str(path),
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

/// A place in a backup that may belong to a mount.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// This very path, from the top of the backup.
    Top(Vec<u8>),
    /// `volumes/NAME/_data` at any depth: where an engine keeps a volume.
    VolumeData(Vec<u8>),
}

/// Whose the patterns are that found something, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatchRule {
    /// The user said it.
    #[serde(rename = "said")]
    Explicit,
    /// By the name of the volume or the host path.
    Name,
    /// By the path inside the container, or by a single name that other things may have too.
    Target,
    /// There is one mount, and one top folder or none.
    #[serde(rename = "only")]
    OnlyCandidate,
}

/// What is looked for in a backup for one mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountQuery {
    /// Where it may be, and by which rule.
    pub patterns: Vec<(MatchRule, Pattern)>,
}

/// What a part of a backup holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentTally {
    /// Entries that are no folders, and bytes of content; holes are none.
    pub amount: Amount,
    /// Folders, its root not counted.
    pub folders: u64,
    /// What is at its very path; `None` when it has no entry of its own.
    pub root: Option<Shape>,
}

/// What an entry of a backup is, as far as a mount can be filled with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A symlink, a pipe, a device: no mount can be filled with it.
    Other,
}

/// A part of a backup that fits a mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// By which rule.
    pub rule: MatchRule,
    /// Its path in the backup.
    pub path: Vec<u8>,
    /// What it holds.
    pub tally: ContentTally,
}

/// What was found in a backup in one pass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupContents {
    /// For each want, in order, the parts that fit.
    pub candidates: Vec<Vec<Candidate>>,
    /// The parts of the backup as people see them: its top, what a single top folder or `backup` holds, and volumes; by path.
    pub parts: Vec<(Vec<u8>, ContentTally)>,
    /// There are more parts than are listed.
    pub more_parts: bool,
    /// All of it.
    pub whole: ContentTally,
}

/// What was found out about a source before the plan is made.
#[derive(Debug, Clone, PartialEq)]
pub struct BackupSurvey {
    /// The snapshot that will be restored.
    pub snapshot: Snapshot,
    /// What the snapshot holds.
    pub contents: BackupContents,
    /// How its data is had.
    pub access: BackupAccess,
}

/// How the data of a snapshot is had.
#[derive(Debug, Clone, PartialEq)]
pub enum BackupAccess {
    /// As a stream of entries, which a worker unpacks.
    Stream,
    /// As a folder at this path of the engine's host. The folder is used as it is.
    HostPath(String),
    /// As a database dump, which a service loads.
    Dump(Dump),
}
