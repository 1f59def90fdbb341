//! The form in which the demo keeps its backup: a restic repository where restic can be used, else a tar archive.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::geteuid;

use super::exit::Failure;
use super::identity;
use crate::config::Environment;
use crate::model::source::{Keys, SecretPlace, SourcePlace, SourceSpec};
use crate::model::source_kind::SourceKind;
use crate::source::OLDEST_RESTIC;
use crate::source::tool::{Patience, Tool, ToolCall, ToolKind, Version, program_in_path};

/// Restic without the credentials of the user: the demo makes a repository of its own.
static RESTIC: ToolKind = ToolKind {
    name: "restic",
    own: &["RESTIC_*"],
    kept: &[],
    patience: Patience { silence: Duration::from_secs(60), retries: Duration::ZERO },
    is_retry: |_| false,
};
/// Most bytes that restic prints about its work.
const MOST_OUTPUT: u64 = 1 << 20;
/// The password of the demo's repositories, which hold nothing that is secret.
const PASSWORD: &str = "rehearsa-demo";
/// The folder in the archives of the demo.
const TOP: &str = "backup";

/// The form of the demo's backup.
pub(super) enum BackupFormat {
    /// A restic repository.
    Restic(Tool),
    /// A tar archive, and why it is not a repository.
    Tar { why: String },
}

impl BackupFormat {
    /// The form that this machine can make.
    pub fn choose(env: &Environment) -> BackupFormat {
        match restic(env) {
            Ok(tool) => BackupFormat::Restic(tool),
            Err(why) => BackupFormat::Tar { why },
        }
    }

    /// Keeps the archive as it is, or puts its content into a new repository beside it and removes it. Returns the
    /// source to restore from.
    pub fn keep(&self, archive: &Path) -> Result<SourceSpec, Failure> {
        match self {
            BackupFormat::Tar { .. } => {
                let place = SourcePlace::at_path(SourceKind::Tar, archive);
                Ok(SourceSpec { place, snapshot: None, keys: Keys::default() })
            }
            BackupFormat::Restic(restic) => into_repository(restic, archive),
        }
    }
}

/// The program, if it can be used; else why it cannot.
fn restic(env: &Environment) -> Result<Tool, String> {
    let program = program_in_path(RESTIC.name, env).ok_or("restic is not installed")?;
    if !geteuid().is_root() {
        return Err("only root can hand restic the owners of files".to_owned());
    }
    let tool = Tool::at(&RESTIC, program, env, Path::new(identity::EXECUTABLE));
    let (output, _) = ToolCall::new(&tool).args(["version"]).output(MOST_OUTPUT).map_err(|error| error.to_string())?;
    match Version::find(&String::from_utf8_lossy(&output)) {
        Some(version) if version >= OLDEST_RESTIC => Ok(tool),
        Some(version) => Err(format!("restic {version} is older than {OLDEST_RESTIC}")),
        None => Err("restic does not tell its version".to_owned()),
    }
}

/// Makes a repository with the content of an archive, which it removes.
fn into_repository(restic: &Tool, archive: &Path) -> Result<SourceSpec, Failure> {
    let repository = archive.with_extension("restic");
    let password = archive.with_extension("restic-password");
    let cannot = |what: &Path, words: String| Failure::errored(format!("cannot write {}: {words}", what.display()));
    write_password(&password).map_err(|error| cannot(&password, error.to_string()))?;
    let folder = unpack(archive).map_err(|error| cannot(&repository, format!("{}: {error}", archive.display())))?;
    // Restic is started in another folder.
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (at, opened_by) = (absolute(&repository), absolute(&password));
    let call = |command: &str| {
        ToolCall::new(restic)
            .args(["--repo".as_ref(), at.as_os_str(), "--password-file".as_ref(), opened_by.as_os_str()])
            .args(["--no-cache", command])
    };
    for call in [call("init"), call("backup").args(["--quiet", TOP]).folder(folder.path())] {
        let (_, end) = call.output(MOST_OUTPUT).map_err(|error| cannot(&repository, error.to_string()))?;
        if !end.success() {
            return Err(cannot(&repository, format!("restic: {}", end.words.join("; "))));
        }
    }
    std::fs::remove_file(archive).map_err(|error| cannot(archive, error.to_string()))?;
    let place = SourcePlace::at_path(SourceKind::Restic, repository);
    let keys = Keys { passphrase: Some(SecretPlace::File(password)), ..Keys::default() };
    Ok(SourceSpec { place, snapshot: None, keys })
}

fn write_password(path: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{PASSWORD}")
}

/// Unpacks an archive beside it, with owners and modes, into a folder that removes itself.
fn unpack(archive: &Path) -> std::io::Result<tempfile::TempDir> {
    let beside: PathBuf = archive.parent().unwrap_or(Path::new(".")).to_owned();
    let folder = tempfile::Builder::new().prefix(".unpacked-").tempdir_in(beside)?;
    let mut archive = tar::Archive::new(File::open(archive)?);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(true);
    archive.unpack(folder.path())?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_restic_the_backup_is_an_archive() {
        let empty = tempfile::tempdir().expect("a folder");
        let env: Environment = [("PATH", empty.path().to_str().expect("plain"))].into_iter().collect();
        let BackupFormat::Tar { why } = BackupFormat::choose(&env) else { panic!("there is no restic") };
        assert_eq!(why, "restic is not installed");
    }

    #[test]
    fn an_archive_is_kept_where_it_is() {
        let format = BackupFormat::Tar { why: String::new() };
        let source = format.keep(Path::new("/r/notes.tar")).expect("nothing is done");
        assert_eq!(source.place.to_string(), "tar:/r/notes.tar");
    }
}
