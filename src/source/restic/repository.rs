//! A repository of restic: the calls of the program, and the meaning of their ends.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::listing::{self, Listed};
use super::meaning;
use super::snapshots::{self, ResticSnapshot, ambiguous, differ, rootless};
use crate::model::event::Snapshot;
use crate::model::program::Program;
use crate::model::secret::Secret;
use crate::model::source::{SourceLocation, SourceSpec, password_of};
use crate::model::source_kind::SourceKind;
use crate::source::access::SourceContext;
use crate::source::archive_files::not_of_this_machine;
use crate::source::error::SourceError;
use crate::source::other_kind;
use crate::source::secrets;
use crate::source::tool::{Patience, RunFolder, Tool, ToolCall, ToolEnd, ToolKind, Version};

/// Variables of restic and of the places where repositories are.
const OWN: &[&str] = &["RESTIC_*"];
const KEPT: &[&str] = &[
    "RESTIC_PASSWORD",
    "RESTIC_PASSWORD_FILE",
    "RESTIC_PASSWORD_COMMAND",
    "RESTIC_KEY_HINT",
    "RESTIC_CACERT",
    "RESTIC_TLS_CLIENT_CERT",
    "RESTIC_REST_*",
    "AWS_*",
    "B2_*",
    "AZURE_*",
    "GOOGLE_*",
    "OS_*",
    "ST_*",
    "RCLONE_*",
];

/// Restic with a repository of this machine. It tries again to read a file that is not there, for minutes.
static LOCAL: ToolKind = ToolKind {
    name: Program::Restic.name(),
    own: OWN,
    kept: KEPT,
    patience: Patience { silence: Duration::from_secs(900), retries: Duration::from_secs(5) },
    is_retry,
};

/// Restic with a repository elsewhere. It tries again for up to 15 minutes when nobody answers.
static FAR: ToolKind = ToolKind {
    name: Program::Restic.name(),
    own: OWN,
    kept: KEPT,
    patience: Patience { silence: Duration::from_secs(900), retries: Duration::from_secs(60) },
    is_retry,
};

fn is_retry(line: &str) -> bool {
    line.contains("returned error, retrying after") || line.contains("operation failed, retrying")
}

/// The oldest version that is read.
pub const OLDEST: Version = Version(0, 14, 0);
/// The first version that tells of every damaged folder.
const TELLING: Version = Version(0, 19, 0);

/// Longest list of snapshots, in bytes.
const LONGEST_LIST: u64 = 256 * 1024 * 1024;
/// Restic renews a lock every five minutes, and takes an older one than this for one of a dead process.
const LOCK_LIVES: i64 = 30 * 60;
/// A lock that is older is not that of a long job.
const LOCK_IS_FORGOTTEN: i64 = 24 * 3600;

/// A repository.
#[derive(Debug)]
pub struct Repository {
    tool: Tool,
    version: Version,
    repository: RepositoryPlace,
    /// The password that the user named; without it restic uses its own variables.
    password: Option<Secret>,
    engine: Option<String>,
    /// Restic's cache.
    folder: RunFolder,
    /// All snapshots, oldest first.
    all: Vec<ResticSnapshot>,
    /// The user has named the chosen snapshots by their ids.
    is_named: AtomicBool,
    /// When the run began.
    now: Timestamp,
    /// Ids of snapshots that cannot be loaded, and restic's words.
    damaged: Option<String>,
}

/// Where a repository is.
#[derive(Debug)]
pub enum RepositoryPlace {
    /// A folder of this machine.
    Here(PathBuf),
    /// A place that restic knows by this address.
    Far(String),
}

/// Finds the program, checks the version, fetches the password and lists the snapshots.
pub fn open(spec: &SourceSpec, context: &SourceContext) -> Result<Repository, SourceError> {
    let (repository, kind) = match &spec.place.location {
        SourceLocation::Path(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            (RepositoryPlace::Here(path), &LOCAL)
        }
        SourceLocation::Address(address) => (RepositoryPlace::Far(address.clone()), &FAR),
        SourceLocation::Stdin | SourceLocation::HostPath(_) | SourceLocation::Dataset(_) => {
            return Err(not_of_this_machine(&spec.place));
        }
    };
    repository.is_there()?;
    let tool = Tool::find(kind, context.programs.of(Program::Restic), context)?;
    let version = version_of(&tool)?;
    let password = spec.keys.passphrase.as_ref().map(|place| {
        let secret = secrets::fetch(place, |name| context.environment.get_or_empty(name).map(str::to_owned));
        secret.map_err(|words| SourceError::NoKey(format!("the password cannot be fetched: {words}")))
    });
    let password = password.transpose()?;
    let has_own = KEPT.iter().any(|name| name.starts_with("RESTIC_PASSWORD") && tool.variable(name).is_some());
    if password.is_none() && !has_own {
        let words = "restic needs the repository's password, and none was given (--passphrase-file, or RESTIC_PASSWORD \
                     and the like)";
        return Err(SourceError::NoKey(words.to_owned()));
    }
    let folder = RunFolder::make(context)?;
    let engine = context.host_name.clone();
    let mut source = Repository {
        tool,
        version,
        repository,
        password,
        engine,
        folder,
        all: Vec::new(),
        is_named: AtomicBool::new(false),
        now: context.now,
        damaged: None,
    };
    source.load_snapshots()?;
    source.warn_of_forgotten_lock();
    Ok(source)
}

fn version_of(tool: &Tool) -> Result<Version, SourceError> {
    let (output, end) = ToolCall::new(tool).args(["version"]).output(4096)?;
    let text = String::from_utf8_lossy(&output);
    let shown = tool.program.display();
    match Version::find(&text) {
        Some(version) if version >= OLDEST => Ok(version),
        Some(version) => {
            Err(SourceError::ToolTooOld(format!("{shown} is restic {version}; version 0.14 or newer is needed")))
        }
        None => Err(SourceError::ToolFailed(format!("{shown} does not tell its version: {}", end.told()))),
    }
}

impl RepositoryPlace {
    /// Checks that a repository of this machine is there, and has its configuration.
    pub fn is_there(&self) -> Result<(), SourceError> {
        let RepositoryPlace::Here(path) = self else { return Ok(()) };
        let shown = path.display();
        let unreachable = |error| SourceError::Unreachable { path: path.clone(), error };
        let metadata = fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => unreachable(io::Error::new(error.kind(), "there is no repository")),
            _ => unreachable(error),
        })?;
        if !metadata.is_dir() {
            return Err(SourceError::NotThere(format!("{shown} is no folder, and so no repository of restic")));
        }
        other_kind::refuse(path, SourceKind::Restic)?;
        match fs::metadata(path.join("config")) {
            // Restic would wait for the writer of a pipe.
            Ok(config) if !config.is_file() => {
                Err(SourceError::Broken(format!("the file config of the repository {shown} is no file")))
            }
            Ok(_) => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unreachable(error)),
            Err(_) if path.join("snapshots").is_dir() && path.join("data").is_dir() => {
                Err(SourceError::Broken(format!("the repository {shown} has lost its file config")))
            }
            Err(_) => Err(SourceError::NotThere(format!("{shown} is no repository of restic"))),
        }
    }
}

/// Why the entries are counted twice; `None`: this version tells of all damage itself.
fn note_of_version(version: Version) -> Option<String> {
    (version < TELLING).then(|| {
        format!(
            "restic {version} leaves out what is in a damaged folder and ends well (restic {TELLING} does not), so all \
             entries were listed first, and as many had to come"
        )
    })
}

/// A lock in the repository.
#[derive(Deserialize)]
struct Lock {
    time: Timestamp,
    #[serde(default)]
    exclusive: bool,
    #[serde(default)]
    hostname: String,
}

impl Lock {
    /// Age in seconds; negative if the lock is from the future.
    fn age(&self, now: Timestamp) -> i64 {
        now.duration_since(self.time).as_secs()
    }
}

impl Repository {
    /// A call of restic with the options and variables that all calls have.
    pub fn call(&self) -> Result<ToolCall<'_>, SourceError> {
        self.repository.is_there()?;
        let mut call = ToolCall::new(&self.tool)
            .args(["--no-lock"])
            .variable("RESTIC_CACHE_DIR", self.folder.path().join("cache"))
            .variable("RCLONE_ASK_PASSWORD", "false");
        call = match &self.repository {
            RepositoryPlace::Here(path) => call.variable("RESTIC_REPOSITORY", path),
            RepositoryPlace::Far(address) => {
                let call = call.variable("RESTIC_REPOSITORY", address);
                match password_of(address) {
                    Some(password) => call.hide(&Secret::new(password)),
                    None => call,
                }
            }
        };
        if let Some(password) = &self.password {
            call = call.without("RESTIC_PASSWORD_FILE").without("RESTIC_PASSWORD_COMMAND");
            call = call.secret("RESTIC_PASSWORD", password);
        }
        Ok(call)
    }

    /// The folder of the run, for the mount of a far repository; `None`: the repository is near.
    pub fn far_folder(&self) -> Option<&RunFolder> {
        matches!(self.repository, RepositoryPlace::Far(_)).then_some(&self.folder)
    }

    /// The kind of place of a far repository, as restic's options name it.
    pub fn backend(&self) -> Option<&str> {
        let RepositoryPlace::Far(address) = &self.repository else { return None };
        address.split_once(':').map(|(backend, _)| backend)
    }

    /// Why the entries are counted twice; `None`: restic tells of all damage itself.
    pub fn note_of_version(&self) -> Option<String> {
        note_of_version(self.version)
    }

    /// All snapshots, oldest first.
    pub fn all(&self) -> &[ResticSnapshot] {
        &self.all
    }

    /// Name of the host whose services are rehearsed, if it is known.
    pub fn engine_name(&self) -> Option<&str> {
        self.engine.as_deref()
    }

    /// Notes whether the user has named the chosen snapshots by their ids.
    pub fn note_named(&self, is_named: bool) {
        self.is_named.store(is_named, Ordering::Relaxed);
    }

    /// What is known about snapshots that cannot be loaded; `None`: all can.
    pub fn damaged_snapshots(&self) -> Option<&str> {
        self.damaged.as_deref()
    }

    /// Whether the user has named the chosen snapshots by their ids.
    pub fn is_named_by_user(&self) -> bool {
        self.is_named.load(Ordering::Relaxed)
    }

    /// The output of a call that must be a success.
    fn output(&self, args: &[&str], action: &str) -> Result<(Vec<u8>, ToolEnd), SourceError> {
        let (output, end) = self.call()?.args(args).output(LONGEST_LIST).map_err(|error| self.overdue(error))?;
        if end.success() { Ok((output, end)) } else { Err(self.failed(&end, action)) }
    }

    /// Lists the snapshots. Restic leaves those out that it cannot load, so their ids are listed as well.
    fn load_snapshots(&mut self) -> Result<(), SourceError> {
        const ACTION: &str = "listing the snapshots of the repository";
        let ids = || -> Result<BTreeSet<String>, SourceError> {
            let (output, _) = self.output(&["list", "snapshots"], ACTION)?;
            Ok(String::from_utf8_lossy(&output).split_whitespace().map(str::to_owned).collect())
        };
        let before = ids()?;
        let (output, end) = self.output(&["snapshots", "--json"], ACTION)?;
        let all = snapshots::read(&output)
            .map_err(|error| SourceError::ToolFailed(format!("{ACTION}: restic printed what is no list: {error}")))?;
        let is_missing = |id: &&String| all.iter().all(|snapshot| snapshot.id != **id);
        let mut missing: BTreeSet<String> = before.iter().filter(is_missing).cloned().collect();
        if !missing.is_empty() {
            // A snapshot may have been forgotten between the two calls.
            let after = ids()?;
            missing.retain(|id| after.contains(id));
        }
        if !missing.is_empty() {
            let short: Vec<&str> = missing.iter().map(|id| id.get(..8).unwrap_or(id)).collect();
            self.damaged = Some(format!("{} (restic: {})", short.join(", "), end.told()));
        }
        self.all = all;
        Ok(())
    }

    /// The locks of the repository. What cannot be read is left out.
    fn locks(&self) -> Vec<Lock> {
        let is_empty = |path: &PathBuf| fs::read_dir(path.join("locks")).is_ok_and(|mut locks| locks.next().is_none());
        if matches!(&self.repository, RepositoryPlace::Here(path) if is_empty(path)) {
            return Vec::new();
        }
        let run = |args: &[&str]| {
            let (output, end) = self.call().ok()?.args(args).output(LONGEST_LIST).ok()?;
            end.success().then_some(output)
        };
        let Some(ids) = run(&["list", "locks"]) else { return Vec::new() };
        let ids = String::from_utf8_lossy(&ids).into_owned();
        ids.split_whitespace().filter_map(|id| serde_json::from_slice(&run(&["cat", "lock", id])?).ok()).collect()
    }

    fn warn_of_forgotten_lock(&self) {
        if let Some(lock) = self.locks().iter().find(|lock| lock.age(self.now) > LOCK_IS_FORGOTTEN) {
            tracing::warn!(
                "the repository has a lock of {} that is {} hours old; a killed job has left it, and it may keep other \
                 jobs from running: `restic unlock` removes it",
                if lock.hostname.is_empty() { "an unknown host" } else { &lock.hostname },
                lock.age(self.now) / 3600
            );
        }
    }

    /// The error of a call that was no success.
    pub fn failed(&self, end: &ToolEnd, action: &str) -> SourceError {
        self.unless_busy(meaning::error(end, action))
    }

    /// The error of a call that did not end by itself.
    pub fn overdue(&self, error: SourceError) -> SourceError {
        self.unless_busy(meaning::of_overdue(error))
    }

    /// The error of damage that no exit code tells.
    pub fn damaged(&self, words: String) -> SourceError {
        self.unless_busy(SourceError::Broken(words))
    }

    /// An error about the content of a repository in which a job removes data at this moment says nothing about the
    /// repository.
    fn unless_busy(&self, error: SourceError) -> SourceError {
        let SourceError::Broken(words) = error else { return error };
        match self.locks().iter().find(|lock| lock.exclusive && lock.age(self.now) < LOCK_LIVES) {
            Some(lock) => SourceError::Busy(format!(
                "a job on {} works on the repository with an exclusive lock, so this may be no damage: {words}",
                lock.hostname
            )),
            None => SourceError::Broken(words),
        }
    }

    /// The paths that a snapshot of several claims. `None`: its tree has no folder that says which paths it is of.
    pub fn roots(&self, snapshot: &ResticSnapshot) -> Result<Option<Vec<Vec<u8>>>, SourceError> {
        let action = format!("looking for the paths of the snapshot {}", &snapshot.id[..snapshot.id.len().min(8)]);
        let mut call = self.call()?.args(["ls", "--json", &snapshot.id, "/"]);
        call = call.args(snapshot.paths.iter().filter(|path| path.starts_with('/')));
        let (output, end) = call.output(LONGEST_LIST).map_err(|error| self.overdue(error))?;
        if !end.success() {
            return Err(self.failed(&end, &action));
        }
        let entries = output.split(|byte| *byte == b'\n').filter_map(|line| listing::read(line).ok());
        let there: BTreeSet<Vec<u8>> = entries
            .filter_map(|listed| match listed {
                Listed::Entry(entry) => Some(entry.path),
                Listed::Special(path) => Some(path),
                Listed::Snapshot(_) | Listed::Other => None,
            })
            .collect();
        let paths = || snapshot.paths.iter().map(|path| path.trim_matches('/').as_bytes().to_vec());
        if paths().all(|path| path.is_empty() || there.contains(&path)) {
            return Ok(Some(paths().collect()));
        }
        // The backup was made of relative paths: the tree begins with their last components.
        let last = |path: Vec<u8>| path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
        let top: Vec<Vec<u8>> = there.into_iter().filter(|path| !path.contains(&b'/')).collect();
        Ok(paths().map(last).all(|name| top.contains(&name)).then_some(top))
    }

    /// The error of a snapshot without folders among others of a set.
    pub fn not_joined(&self, snapshot: &ResticSnapshot, set: &[ResticSnapshot]) -> SourceError {
        let same = set.iter().filter(|other| other.id != snapshot.id && other.paths == snapshot.paths);
        let different = same.filter_map(|other| Some((other, differ(snapshot, other, self.engine_name())?))).next();
        match different {
            Some((other, condition)) => {
                let path = snapshot.paths.first().map_or("", String::as_str);
                ambiguous(path.trim_matches('/').as_bytes(), snapshot, other, &condition)
            }
            None => rootless(snapshot),
        }
    }

    /// The snapshots with these ids, as [`snapshots::as_one`] has joined them.
    pub fn members(&self, set: &Snapshot) -> Result<Vec<ResticSnapshot>, SourceError> {
        let member = |id: &str| self.all.iter().find(|snapshot| snapshot.id.starts_with(id)).cloned();
        let members: Option<Vec<ResticSnapshot>> = set.id.split('+').map(member).collect();
        members.ok_or_else(|| SourceError::no_such_snapshot(set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Restic opens the file first of all, and would wait for the writer of a pipe for ever.
    #[test]
    fn what_is_no_file_in_the_place_of_the_configuration_is_damage() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("config");
        let there = || RepositoryPlace::Here(folder.path().to_owned()).is_there();
        assert!(matches!(there(), Err(SourceError::NotThere(_))));
        mknodat(CWD, &config, FileType::Fifo, Mode::RUSR, 0).expect("a pipe");
        assert!(
            matches!(there(), Err(SourceError::Broken(words)) if words.contains("config") && words.contains("no file"))
        );
        fs::remove_file(&config).expect("removed");
        fs::create_dir(&config).expect("made");
        assert!(matches!(there(), Err(SourceError::Broken(_))));
        fs::remove_dir(&config).expect("removed");
        for lost in ["snapshots", "data"] {
            fs::create_dir(folder.path().join(lost)).expect("made");
        }
        assert!(matches!(there(), Err(SourceError::Broken(words)) if words.contains("has lost its file config")));
        fs::write(&config, "").expect("written");
        assert!(there().is_ok());
    }

    #[test]
    fn the_report_says_why_entries_are_counted_twice() {
        let told = note_of_version(Version(0, 14, 0)).expect("this one keeps silent");
        assert!(told.starts_with("restic 0.14.0 leaves out") && told.contains("(restic 0.19.0 does not)"), "{told}");
        assert!(note_of_version(Version(0, 18, 1)).is_some());
        assert_eq!(note_of_version(Version(0, 19, 0)), None);
    }
}
