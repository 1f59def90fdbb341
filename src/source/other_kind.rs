//! Repositories of this machine that are named as a source of another kind.

use std::path::Path;

use super::error::SourceError;
use crate::local_file::{self, Accept};
use crate::model::repository::Repository;
use crate::model::source_kind::SourceKind;

/// Largest file of a repository of Borg that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Whose repository is at `path`, by the names of its files and by what Borg writes into them; `None`: it is not known.
fn repository_at(path: &Path) -> Option<Repository> {
    let has_folder = |name: &&str| path.join(name).is_dir();
    if ["data", "index", "keys", "snapshots"].iter().all(has_folder) && path.join("config").is_file() {
        return Some(Repository::Restic);
    }
    let says = |name: &str, words: &str| {
        let text = local_file::read_from(&path.join(name), Accept::Regular, LARGEST).unwrap_or_default();
        String::from_utf8_lossy(&text).contains(words)
    };
    let is_borgs = has_folder(&"data")
        && !has_folder(&"snapshots")
        && (says("README", "Borg Backup repository") || says("config", "[repository]"));
    is_borgs.then_some(Repository::Borg)
}

/// Refuses a folder that is a repository of another kind than `wanted`.
pub fn refuse(path: &Path, wanted: SourceKind) -> Result<(), SourceError> {
    let Some(of) = repository_at(path) else { return Ok(()) };
    match of.kind() {
        Some(kind) if kind != wanted => Err(SourceError::OtherKind { path: path.display().to_string(), of, kind }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::probe;
    use super::*;
    use crate::model::diagnosis::Severity;
    use crate::model::source::{Keys, SourcePlace, SourceSpec};

    #[test]
    fn a_repository_is_told_by_every_other_kind() {
        let dir = tempfile::tempdir().expect("a folder");
        let (restic, borg) = (dir.path().join("one"), dir.path().join("other"));
        for folder in ["data", "index", "keys", "snapshots"] {
            fs::create_dir_all(restic.join(folder)).expect("made");
        }
        fs::create_dir_all(borg.join("data")).expect("made");
        fs::write(restic.join("config"), "junk").expect("written");
        fs::write(borg.join("README"), "This is a Borg Backup repository.\n").expect("written");
        fs::write(borg.join("config"), "[repository]\nversion = 1\n").expect("written");
        let told = |kind, path: &Path| {
            let place = SourcePlace::at_path(kind, path);
            probe::source(&SourceSpec { place, snapshot: None, keys: Keys::default() })
        };
        for (path, own, title) in
            [(&restic, SourceKind::Restic, "a repository of restic"), (&borg, SourceKind::Borg, "a repository of Borg")]
        {
            assert_eq!(told(own, path), Ok(probe::Presence::There));
            let kinds = [SourceKind::Tar, SourceKind::Dump, SourceKind::Restic, SourceKind::Borg];
            for kind in kinds.into_iter().filter(|kind| *kind != own) {
                let expected = format!("{0} is {title}; write `{1}:{0}`", path.display(), own.name());
                assert_eq!(told(kind, path), Err(expected), "{kind:?}");
                let error = refuse(path, kind).expect_err("it is another kind");
                let diagnosis = error.diagnosis(&SourcePlace::at_path(kind, path));
                assert_eq!(diagnosis.code.severity(), Severity::Errored, "nothing is known about the backup");
                assert!(diagnosis.remedy().contains(&format!("--from {}:{}", own.name(), path.display())));
            }
        }
        // A folder with an archive in it is a folder of archives, and one of a service's own settings is no repository.
        fs::write(borg.join("app.tar"), "").expect("written");
        assert_eq!(told(SourceKind::Tar, &borg), Ok(probe::Presence::There));
        fs::write(borg.join("config"), "[core]\n").expect("written");
        fs::remove_file(borg.join("README")).expect("removed");
        assert!(refuse(&borg, SourceKind::Restic).is_ok());
    }
}
