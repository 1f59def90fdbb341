//! Sources: where restored data comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::dump::Dump;
use super::dump_inside::DumpInside;
use super::event::{Amount, Snapshot};
use super::host_tree::{Hole, HostTree};
use super::remote_path;
use super::repository::Layout;
use super::source_kind::SourceKind;
use super::witness::BackupClock;

/// The source that the user asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceSpec {
    /// Kind and location of the source.
    pub place: SourcePlace,
    /// Id of the wanted snapshot; `None`: the newest.
    pub snapshot: Option<String>,
    /// Passphrase and identity of an encrypted source.
    pub keys: Keys,
}

/// Kind and location of a source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourcePlace {
    pub kind: SourceKind,
    pub location: SourceLocation,
}

/// The location of a source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceLocation {
    /// Standard input.
    Stdin,
    /// A path of this machine; the last component may be a pattern (`backups/app-*.tar.gz`).
    Path(PathBuf),
    /// An absolute path of the engine's host. For [`SourceKind::Daemon`], one component may be a pattern.
    HostPath(String),
    /// An address that the backup program itself understands (`ssh://nas/./repo`).
    Address(String),
    /// A dataset of ZFS on the engine's host, with or without a snapshot: `tank/app`, `tank/app@daily`.
    Dataset(String),
}

/// Where the secrets that open an encrypted source are found. The secrets themselves are not in here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Keys {
    /// Where the passphrase is found.
    pub passphrase: Option<SecretPlace>,
    /// File with private keys (age identities). GPG has a keyring of its own.
    pub identity: Option<PathBuf>,
}

/// Where a secret is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretPlace {
    /// The first line of this file.
    File(PathBuf),
    /// The value of this environment variable.
    Env(String),
    /// The first line that this command prints. The shell runs the command.
    Command(String),
}

/// The kind of a case whose data comes from the live service.
pub const LIVE: &str = "live";

impl SourcePlace {
    /// A source at a path of this machine.
    pub fn at_path(kind: SourceKind, path: impl Into<PathBuf>) -> SourcePlace {
        SourcePlace { kind, location: SourceLocation::Path(path.into()) }
    }

    /// A source on standard input.
    pub fn stdin(kind: SourceKind) -> SourcePlace {
        SourcePlace { kind, location: SourceLocation::Stdin }
    }

    /// A folder of the engine's host.
    pub fn on_host(path: impl Into<String>) -> SourcePlace {
        SourcePlace { kind: SourceKind::Daemon, location: SourceLocation::HostPath(path.into()) }
    }

    /// The word for the kind in front of test names: `[tar] media::jellyfin`.
    pub fn label(&self) -> &'static str {
        self.kind.row().label
    }

    /// Makes a relative path of this machine relative to `folder`; other sources stay as they are.
    pub fn below(self, folder: &Path) -> SourcePlace {
        match self.location {
            SourceLocation::Path(path) => SourcePlace::at_path(self.kind, folder.join(path)),
            SourceLocation::Stdin
            | SourceLocation::HostPath(_)
            | SourceLocation::Address(_)
            | SourceLocation::Dataset(_) => self,
        }
    }
}

impl fmt::Display for SourcePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind.name())?;
        match &self.location {
            SourceLocation::Stdin => f.write_str("-"),
            SourceLocation::Path(path) => write!(f, "{}", path.display()),
            SourceLocation::HostPath(path) | SourceLocation::Dataset(path) => f.write_str(path),
            SourceLocation::Address(address) => f.write_str(&without_password(address)),
        }
    }
}

/// The password in an address of the form `KIND://USER:PASSWORD@HOST`; `None`: there is none.
pub fn password_of(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    let authority = rest.split('/').next()?;
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // A slash in a password must be encoded. One that is not is a mistake, and the password is one all the same.
    let is_cut = !authority.contains('@')
        && !authority.starts_with('[')
        && authority.split_once(':').is_some_and(|(_, rest)| !is_port(rest));
    let (user, _) = if is_cut { rest } else { authority }.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

/// An address as it may be shown.
fn without_password(address: &str) -> String {
    match password_of(address).filter(|_| !address.starts_with(remote_path::PREFIX)) {
        Some(password) => address.replacen(&format!(":{password}@"), ":•••@", 1),
        None => remote_path::shown(address),
    }
}

/// A rule of the user's: which part of a backup belongs to a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapRule {
    /// Name of the service that the rule is for; `None`: any service.
    pub service: Option<String>,
    /// The mount: its target, its volume's name or its host path.
    pub mount: String,
    /// Path within the backup, without a leading slash; empty for all of it.
    pub path: String,
    /// It stands in the lock of a Compose project, where `rehearsa lock` wrote it.
    pub of_lock: bool,
}

/// A path in a backup that may belong to a mount.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// This path, from the top of the backup.
    Top(Vec<u8>),
    /// `volumes/NAME/_data` at any depth: the place where an engine keeps a volume.
    VolumeData(Vec<u8>),
    /// A path that ends with this one, at any depth below the top: the backup program saw the folder below another one.
    Suffix(Vec<u8>),
}

/// The rule by which a part of a backup was found, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatchRule {
    /// A rule of the user's names the part.
    #[serde(rename = "said")]
    Explicit,
    /// The name of the volume or the host path fits.
    Name,
    /// The end of the path fits, below folders that the backup program put around it; no other place fits.
    Suffix,
    /// The path inside the container fits, or a single name that other things may have too.
    Target,
    /// The only candidate: there is one mount, and one top folder or none.
    #[serde(rename = "only")]
    OnlyCandidate,
}

/// The search for the part of a backup that belongs to one mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountQuery {
    /// Paths at which the part may be, each with its rule.
    pub patterns: Vec<(MatchRule, Pattern)>,
}

/// The content of a part of a backup, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentTally {
    /// Entries that are no folders, and their bytes of content without holes.
    pub amount: Amount,
    /// Number of folders, without the root.
    pub folders: u64,
    /// Kind of the entry at the part's own path; `None`: the backup has no such entry.
    pub root: Option<Shape>,
    /// How many of the entries are sidecars: see [`is_sidecar`].
    #[serde(default)]
    pub sidecars: u64,
    /// Number of files without content.
    #[serde(default)]
    pub empty_files: u64,
}

impl Pattern {
    /// Whether `path` ends with the pattern of this kind, below at least one folder.
    pub fn is_suffix_of(suffix: &[u8], path: &[u8]) -> bool {
        path.strip_suffix(suffix).is_some_and(|rest| rest.len() > 1 && rest.ends_with(b"/"))
    }
}

impl ContentTally {
    /// How many entries are neither folders nor sidecars.
    pub fn own_files(&self) -> u64 {
        self.amount.files.saturating_sub(self.sidecars)
    }
}

/// Whether macOS writes an entry of this path beside the files of an archive: their attributes (`._NAME`, or all of
/// them in `__MACOSX`) and the look of a folder (`.DS_Store`). Such an entry says nothing about whose data a backup
/// holds.
pub fn is_sidecar(path: &[u8]) -> bool {
    let mut components = path.split(|byte| *byte == b'/');
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    last == b".DS_Store"
        || last.strip_prefix(b"._").is_some_and(|name| !name.is_empty())
        || components.any(|name| name == b"__MACOSX")
}

/// The kind of an entry, as far as mounts are concerned.
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
    /// The rule by which the part fits.
    pub rule: MatchRule,
    /// Path in the backup.
    pub path: Vec<u8>,
    /// Content of the part.
    pub tally: ContentTally,
}

/// The findings of one pass through a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupContents {
    /// For each query, in order, the parts that fit.
    pub candidates: Vec<Vec<Candidate>>,
    /// The parts of the backup by path, as people see them: the top level, the content of a single top folder or of
    /// `backup`, and volumes.
    pub parts: Vec<(Vec<u8>, ContentTally)>,
    /// There are more parts than `parts` has.
    pub more_parts: bool,
    /// Content of the whole backup.
    pub whole: ContentTally,
    /// The layout of another program, whose files are no data as they are; `None`: no known one.
    pub layout: Option<Layout>,
    /// Files and folders that look like database dumps, by path.
    #[serde(default)]
    pub dumps: Vec<DumpInside>,
    /// There are more of them than `dumps` has.
    #[serde(default)]
    pub more_dumps: bool,
    /// Paths of the files in which borgmatic says which container each of its dumps is from.
    #[serde(default)]
    pub dump_lists: Vec<Vec<u8>>,
    /// SQLite databases whose write-ahead log is missing, and those of which only the log is there; the first few.
    #[serde(default)]
    pub lost_logs: Vec<Vec<u8>>,
    /// Folders whose content a snapshot does not have.
    #[serde(default)]
    pub holes: Vec<Hole>,
}

/// The groups of snapshots that make up one snapshot, as in a repository that gets several snapshots each night. A
/// group has a name for people, which is the same in earlier snapshots of the same things.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotGroups {
    /// All groups; empty: the source has no such groups.
    pub all: Vec<String>,
    /// The groups that a part comes from, by the path of the part.
    pub of_path: BTreeMap<Vec<u8>, Vec<String>>,
}

/// The findings about a source, before the plan is made.
#[derive(Debug, Clone, PartialEq)]
pub struct BackupSurvey {
    /// The snapshot that will be restored.
    pub snapshot: Snapshot,
    /// What the snapshot holds.
    pub contents: BackupContents,
    pub access: BackupAccess,
    /// What the source knows of the snapshot, and how it was read.
    pub traits: SnapshotTraits,
    /// The groups of snapshots that its parts come from.
    pub groups: SnapshotGroups,
}

/// What a source knows of a snapshot beside its name and time, and how the snapshot was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotTraits {
    /// The time was told by the tool that made the snapshot or by its name; else it is that of a file.
    pub time_told: bool,
    /// When the snapshot began, as far as its tool, its name or its file tells.
    pub clock: BackupClock,
    /// The tool says that the snapshot was rewritten after it was made.
    pub rewritten: bool,
    /// Snapshots of one group are of the same things at different times.
    pub group: String,
    /// All of the content was read to list it.
    pub content_read: bool,
    /// The patterns by which the job left files out, where the tool notes them.
    pub excludes: Vec<String>,
}

/// The way to the data of a snapshot.
#[derive(Debug, Clone, PartialEq)]
pub enum BackupAccess {
    /// A stream of entries, which a worker unpacks.
    Stream,
    /// A folder of the engine's host, used as it is.
    HostTree(HostTree),
    /// A database dump, which a service loads.
    Dump(Dump),
}
