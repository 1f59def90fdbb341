//! A repository and the program that reads it: the options and the environment of every call, and what its errors mean.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use super::view::View;
use super::{listing, meaning};
use crate::model::environment::Environment;
use crate::model::event::Snapshot;
use crate::model::program::Program;
use crate::model::secret::Secret;
use crate::model::source::{SourceLocation, SourceSpec};
use crate::model::source_kind::SourceKind;
use crate::source::access::SourceContext;
use crate::source::archive_files::not_of_this_machine;
use crate::source::error::SourceError;
use crate::source::other_kind;
use crate::source::secrets;
use crate::source::tool::{Patience, RunFolder, Tool, ToolCall, ToolEnd, ToolKind, Version};

/// The program.
static BORG: ToolKind = ToolKind {
    name: Program::Borg.name(),
    own: &["BORG_*"],
    kept: &["BORG_PASSPHRASE", "BORG_PASSCOMMAND", "BORG_KEY_FILE", "BORG_RSH", "BORG_REMOTE_PATH", "BORG_WORKAROUNDS"],
    // Borg says nothing while it rebuilds the index of a large repository.
    patience: Patience { silence: Duration::from_secs(1800), retries: Duration::from_secs(300) },
    is_retry: |_| false,
};

/// The oldest version that is read, and the first one that is another program.
const OLDEST: Version = Version(1, 2, 0);
const OTHER: Version = Version(2, 0, 0);

/// Longest list of archives, in bytes.
const LONGEST_LIST: u64 = 256 * 1024 * 1024;

/// A repository that is read.
#[derive(Debug)]
pub struct Repository {
    tool: Tool,
    place: RepositoryPlace,
    /// The passphrase that the user named; without it Borg uses its own variables.
    passphrase: Option<Secret>,
    /// The folder of the owner's key files, if there is one.
    keys: Option<PathBuf>,
    /// Where Borg keeps what it remembers, and the view.
    folder: RunFolder,
    /// The archives when they were listed first, as Borg printed them.
    first_list: OnceLock<Vec<u8>>,
}

/// Where a repository is.
#[derive(Debug)]
enum RepositoryPlace {
    /// On this machine.
    Here(View),
    /// At an address.
    Far(String),
}

/// The folder in which Borg looks for key files, in the owner's environment.
fn keys_folder(environment: &Environment) -> Option<PathBuf> {
    let path = |name: &str| environment.get(name).map(PathBuf::from);
    let below = |folder: PathBuf| folder.join(".config/borg/keys");
    path("BORG_KEYS_DIR")
        .or_else(|| path("BORG_CONFIG_DIR").map(|folder| folder.join("keys")))
        .or_else(|| path("BORG_BASE_DIR").map(below))
        .or_else(|| path("XDG_CONFIG_HOME").map(|folder| folder.join("borg/keys")))
        .or_else(|| path("HOME").map(below))
}

/// What ssh is told: to ask nobody for anything, and not to wait for a host that has died. Borg itself may say nothing
/// for long.
const SSH_OPTIONS: &str = "-oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=15 -oServerAliveCountMax=4";

/// The command that reaches other machines.
fn remote_shell(wanted: Option<&str>) -> String {
    let wanted = wanted.unwrap_or("ssh");
    let (program, args) = wanted.split_once(' ').unwrap_or((wanted, ""));
    match Path::new(program).file_name() {
        Some(name) if name == "ssh" => format!("{program} {SSH_OPTIONS} {args}").trim_end().to_owned(),
        _ => wanted.to_owned(),
    }
}

/// A text in which Borg replaces no placeholders such as `{hostname}`.
fn without_placeholders(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

impl Repository {
    /// Looks for the program and for the repository, if that is on this machine.
    pub fn open(spec: &SourceSpec, context: &SourceContext) -> Result<Repository, SourceError> {
        if let SourceLocation::Path(path) = &spec.place.location {
            // Nobody has to install Borg for a repository of another program.
            other_kind::refuse(path, SourceKind::Borg)?;
        }
        let tool = Tool::find(&BORG, context.programs.of(Program::Borg), context)?;
        let passphrase = spec.keys.passphrase.as_ref().map(|place| {
            let secret = secrets::fetch(place, |name| context.environment.get_or_empty(name).map(str::to_owned));
            secret.map_err(|words| SourceError::NoKey(format!("the passphrase cannot be fetched: {words}")))
        });
        let passphrase = passphrase.transpose()?;
        let folder = RunFolder::make(context)?;
        let place = match &spec.place.location {
            SourceLocation::Path(path) => RepositoryPlace::Here(View::make(path, folder.path().join("repository"))?),
            SourceLocation::Address(address) => RepositoryPlace::Far(address.clone()),
            SourceLocation::Stdin | SourceLocation::HostPath(_) | SourceLocation::Dataset(_) => {
                return Err(not_of_this_machine(&spec.place));
            }
        };
        let keys = keys_folder(&context.environment).filter(|folder| folder.is_dir());
        let repository = Repository { tool, place, passphrase, keys, folder, first_list: OnceLock::new() };
        repository.check_version()?;
        Ok(repository)
    }

    /// A call of Borg with the options and variables that all calls have.
    pub fn call(&self) -> ToolCall<'_> {
        let mut call = ToolCall::new(&self.tool)
            .args(["--log-json", "--bypass-lock"])
            // Names that are not ASCII are read as they are.
            .variable("LC_ALL", "C.UTF-8")
            .variable("TZ", "UTC")
            .variable("BORG_BASE_DIR", self.folder.path())
            .variable("BORG_EXIT_CODES", "modern")
            .variable("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes")
            .variable("BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes")
            .variable("BORG_DISPLAY_PASSPHRASE", "no")
            .variable("BORG_RSH", remote_shell(self.tool.variable("BORG_RSH")));
        if let Some(keys) = &self.keys {
            call = call.variable("BORG_KEYS_DIR", keys);
        }
        if let Some(passphrase) = &self.passphrase {
            // The owner's variables would count before it. What Borg starts, as ssh, does not get it.
            call = call.without("BORG_PASSPHRASE").without("BORG_PASSCOMMAND");
            call = call.variable("BORG_PASSPHRASE_FD", "0").secret_input(passphrase);
        }
        call
    }

    /// The repository as Borg's argument.
    pub fn argument(&self) -> String {
        match &self.place {
            RepositoryPlace::Here(view) => without_placeholders(&view.path().to_string_lossy()),
            RepositoryPlace::Far(address) => address.clone(),
        }
    }

    /// An archive as Borg's argument.
    pub fn archive(&self, name: &str) -> String {
        format!("{}::{}", self.argument(), without_placeholders(name))
    }

    fn check_version(&self) -> Result<(), SourceError> {
        let (output, end) = ToolCall::new(&self.tool).args(["--version"]).output(4096)?;
        let text = String::from_utf8_lossy(&output);
        let shown = self.tool.program.display();
        match Version::find(&text) {
            Some(version) if version >= OTHER => Err(SourceError::ToolTooOld(format!(
                "{shown} is {}, and repositories of Borg 2 are not read yet; Borg 1.2 or 1.4 is needed",
                text.trim()
            ))),
            Some(version) if version >= OLDEST => Ok(()),
            Some(version) => {
                Err(SourceError::ToolTooOld(format!("{shown} is Borg {version}; version 1.2 or newer is needed")))
            }
            None => Err(SourceError::ToolFailed(format!("{shown} does not tell its version: {}", end.told()))),
        }
    }

    /// Checks that a repository of this machine is still there.
    pub fn still_there(&self) -> Result<(), SourceError> {
        match &self.place {
            RepositoryPlace::Here(view) => view.still_there(),
            RepositoryPlace::Far(_) => Ok(()),
        }
    }

    /// The error of a call that was no success.
    pub fn failed(&self, end: &ToolEnd, action: &str) -> SourceError {
        let error = match &self.place {
            RepositoryPlace::Here(view) => {
                let words = end.words.iter().map(|words| view.translated(words)).collect();
                meaning::error(&ToolEnd { status: end.status, words }, action)
            }
            RepositoryPlace::Far(_) => meaning::error(end, action),
        };
        self.unless_changed(error)
    }

    /// An error about the content of a repository that somebody has written to meanwhile says nothing about the
    /// repository.
    fn unless_changed(&self, error: SourceError) -> SourceError {
        match (&self.place, error) {
            (RepositoryPlace::Here(view), error) => view.unless_changed(error),
            (RepositoryPlace::Far(_), SourceError::Broken(words)) if self.has_other_archives() => {
                SourceError::Changing(format!(
                    "archives were made or deleted while the repository was read, so this may be no damage: {words}"
                ))
            }
            (RepositoryPlace::Far(_), error) => error,
        }
    }

    /// Whether the repository has other archives now than when they were listed first.
    fn has_other_archives(&self) -> bool {
        let now = self.list().ok().filter(|(_, end)| end.success());
        self.first_list.get().zip(now).is_some_and(|(first, (now, _))| *first != now)
    }

    fn list(&self) -> Result<(Vec<u8>, ToolEnd), SourceError> {
        self.call().args(["list".to_owned(), "--json".to_owned(), self.argument()]).output(LONGEST_LIST)
    }

    /// Lists the archives, and checks that none of a repository on this machine is lost; see [`View::is_complete`].
    pub fn archives(&self) -> Result<Vec<Snapshot>, SourceError> {
        const ACTION: &str = "listing the archives of the repository";
        self.still_there()?;
        let (output, end) = self.list()?;
        if !end.success() {
            return Err(self.failed(&end, ACTION));
        }
        if let RepositoryPlace::Here(view) = &self.place {
            view.is_complete().map_err(|error| view.unless_changed(error))?;
        }
        let archives = listing::archives(&output)
            .map_err(|error| SourceError::ToolFailed(format!("{ACTION}: borg printed what is no list: {error}")))?;
        self.first_list.get_or_init(|| output);
        Ok(archives)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_files_are_looked_for_where_borg_does() {
        let home = [("HOME", "/home/me")];
        let of = |variables: &[(&str, &str)]| {
            keys_folder(&variables.iter().chain(&home).copied().collect()).expect("HOME is set").display().to_string()
        };
        assert_eq!(of(&[]), "/home/me/.config/borg/keys");
        assert_eq!(of(&[("XDG_CONFIG_HOME", "/x")]), "/x/borg/keys");
        assert_eq!(of(&[("XDG_CONFIG_HOME", "/x"), ("BORG_BASE_DIR", "/b")]), "/b/.config/borg/keys");
        assert_eq!(of(&[("BORG_BASE_DIR", "/b"), ("BORG_CONFIG_DIR", "/c")]), "/c/keys");
        assert_eq!(of(&[("BORG_CONFIG_DIR", "/c"), ("BORG_KEYS_DIR", "/k")]), "/k");
        assert_eq!(keys_folder(&Environment::default()), None);
    }

    #[test]
    fn ssh_asks_nobody() {
        assert_eq!(remote_shell(None), format!("ssh {SSH_OPTIONS}"));
        assert!(SSH_OPTIONS.contains("BatchMode=yes"));
        assert_eq!(remote_shell(Some("/usr/bin/ssh -i key -p 22")), format!("/usr/bin/ssh {SSH_OPTIONS} -i key -p 22"));
        assert_eq!(remote_shell(Some("my-wrapper --fast")), "my-wrapper --fast");
    }

    #[test]
    fn names_of_archives_are_taken_as_they_are() {
        assert_eq!(without_placeholders("app-{now}"), "app-{{now}}");
    }
}
