//! Sources: where restored data comes from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::event::Amount;

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
    /// A database dump: a file, a folder of `pg_dump -Fd`, or a folder with a pattern in the last component.
    Dump(PathBuf),
    /// A database dump on standard input.
    DumpStdin,
}

/// Whether a file's name is that of an archive, encrypted or not.
pub fn is_archive_name(name: &str) -> bool {
    const ENCRYPTED: [&str; 4] = [".age", ".gpg", ".pgp", ".asc"];
    const PACKED: [&str; 11] =
        [".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tzst", ".tar.gz", ".tar.zst", ".tar.xz", ".tar.bz2", ".tar.zstd"];
    let name = name.to_lowercase();
    ENCRYPTED.iter().chain(&PACKED).any(|end| name.ends_with(end))
}

/// Whether a file's name is that of a database dump, packed and encrypted or not.
pub fn is_dump_name(name: &str) -> bool {
    const DUMPS: [&str; 6] = ["sql", "dump", "pgdump", "dmp", "rdb", "mysqldump"];
    const AROUND: [&str; 10] = ["gz", "zst", "zstd", "xz", "bz2", "age", "gpg", "pgp", "asc", "custom"];
    let name = name.to_lowercase();
    let mut ends = name.rsplit('.').skip_while(|end| AROUND.contains(end));
    ends.next().is_some_and(|end| DUMPS.contains(&end) && end.len() < name.len())
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
    /// Every kind there is.
    pub const KINDS: [&str; 3] = ["dir", "tar", "dump"];

    /// The word for the kind, as it stands before test names: `[tar] media::jellyfin`.
    pub fn kind(&self) -> &'static str {
        match self {
            SourcePlace::Dir(_) | SourcePlace::DaemonDir(_) => "dir",
            SourcePlace::Tar(_) | SourcePlace::TarStdin => "tar",
            SourcePlace::Dump(_) | SourcePlace::DumpStdin => "dump",
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
            SourcePlace::Dump(path) => write!(f, "dump:{}", path.display()),
            SourcePlace::DumpStdin => f.write_str("dump:-"),
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
