//! A view of a repository of this machine: a folder of links to what is in the repository.
//!
//! Borg writes into a repository that it only reads when it finds the index missing, damaged or outdated: it replaces
//! the index, deletes segments that have no end yet, and adds a segment. Beside a running backup job that would be a
//! second writer. In the view it deletes and replaces links. Only Borg's locks are left out, and Borg takes none in
//! the view.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::local_file::{self, Accept};
use crate::model::source_kind::SourceKind;
use crate::source::error::SourceError;
use crate::source::other_kind;

/// Largest file `config`, in bytes, that is read.
const LARGEST_CONFIG: u64 = 1024 * 1024;

/// A view of a repository.
#[derive(Debug)]
pub struct View {
    /// The folder of links.
    path: PathBuf,
    /// The repository as the user names it.
    repository: PathBuf,
    /// The state of the repository when the view was made.
    state: State,
}

/// What changes in a repository whenever Borg writes to it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    /// The files beside the segments, without locks.
    files: Vec<String>,
    /// Path and length of the newest segment.
    newest: Option<(u64, u64, u64)>,
}

/// Checks that there is a repository of Borg at `repository`.
pub fn check(repository: &Path) -> Result<(), SourceError> {
    let shown = repository.display();
    let unreachable = |error| SourceError::Unreachable { path: repository.to_owned(), error };
    let metadata = fs::metadata(repository).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => SourceError::NotThere(format!("there is no folder {shown}")),
        _ => unreachable(error),
    })?;
    if !metadata.is_dir() {
        return Err(SourceError::NotThere(format!("{shown} is no folder, and so no repository of Borg")));
    }
    other_kind::refuse(repository, SourceKind::Borg)?;
    let read = |name: &str| match local_file::read_from(&repository.join(name), Accept::Regular, LARGEST_CONFIG) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreachable(error)),
    };
    let is_borgs = || Ok(read("README")?.is_some_and(|text| text.contains("Borg Backup repository")));
    match read("config")? {
        Some(config) if config.contains("[repository]") => Ok(()),
        Some(_) if is_borgs()? => Err(SourceError::Broken(format!(
            "the file config of the repository {shown} is damaged: it does not say anything about the repository"
        ))),
        None if is_borgs()? => Err(SourceError::Broken(format!("the repository {shown} has lost its file config"))),
        _ => Err(SourceError::NotThere(format!("{shown} is no repository of Borg"))),
    }
}

impl View {
    /// Makes a view of `repository` at `path`, where nothing is yet.
    pub fn make(repository: &Path, path: PathBuf) -> Result<View, SourceError> {
        check(repository)?;
        let state = State::of(repository)?;
        let cannot = |error: io::Error| {
            SourceError::ToolFailed(format!("making links to the repository in {}: {error}", path.display()))
        };
        let unreachable = |error| SourceError::Unreachable { path: repository.to_owned(), error };
        let target = fs::canonicalize(repository).map_err(unreachable)?;
        // Segments lie in folders within `data`, and nothing lies deeper. Folders are made, and files are linked.
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            fs::create_dir(path.join(&folder)).map_err(cannot)?;
            for entry in fs::read_dir(target.join(&folder)).map_err(unreachable)? {
                let name = entry.map_err(unreachable)?.file_name();
                let within = folder.join(&name);
                if is_lock(&name.to_string_lossy()) {
                    continue;
                }
                if within.components().count() <= 2 && target.join(&within).is_dir() {
                    folders.push(within);
                } else {
                    // Borg would wait for the writer of a pipe.
                    if fs::metadata(target.join(&within)).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
                        let shown = repository.join(&within);
                        let words = format!("{} is neither a file nor a folder", shown.display());
                        return Err(SourceError::Broken(words));
                    }
                    symlink(target.join(&within), path.join(&within)).map_err(cannot)?;
                }
            }
        }
        Ok(View { path, repository: repository.to_owned(), state })
    }

    /// The folder that Borg reads.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that the repository is still there.
    pub fn still_there(&self) -> Result<(), SourceError> {
        match fs::metadata(self.repository.join("config")) {
            Ok(_) => Ok(()),
            Err(error) => Err(SourceError::Unreachable { path: self.repository.clone(), error }),
        }
    }

    /// Checks, after Borg has read the repository, that Borg has found it in the state that its index is of. If the
    /// last segments are missing or cut off, Borg goes back to an older state without a word, and the newest archives
    /// seem never to have been.
    pub fn is_complete(&self) -> Result<(), SourceError> {
        let (Some(before), Some(now)) = (last_transaction(&self.state.files), State::of(&self.path)?.transaction())
        else {
            return Ok(());
        };
        if now >= before {
            return Ok(());
        }
        Err(SourceError::Broken(format!(
            "the last segments of the repository are missing or cut off: its index is of transaction {before}, and the \
             segments end with transaction {now}. Archives that were made since then are lost"
        )))
    }

    /// An error about the content of a repository that somebody has written to since the view was made says nothing
    /// about the repository.
    pub fn unless_changed(&self, error: SourceError) -> SourceError {
        match (&error, State::of(&self.repository)) {
            (SourceError::Broken(words), Ok(now)) if now != self.state => SourceError::Changing(format!(
                "the repository was written to while it was read, so this may be no damage: {words}"
            )),
            _ => error,
        }
    }

    /// Names the repository where Borg names the view.
    pub fn translated(&self, words: &str) -> String {
        words.replace(&*self.path.to_string_lossy(), &self.repository.to_string_lossy())
    }
}

impl State {
    fn of(repository: &Path) -> Result<State, SourceError> {
        let unreachable = |error| SourceError::Unreachable { path: repository.to_owned(), error };
        let mut files = Vec::new();
        for entry in fs::read_dir(repository).map_err(unreachable)? {
            let name = entry.map_err(unreachable)?.file_name().to_string_lossy().into_owned();
            if !is_lock(&name) {
                files.push(name);
            }
        }
        files.sort();
        // A repository without segments is judged by Borg.
        Ok(State { files, newest: newest_segment(&repository.join("data")) })
    }

    fn transaction(&self) -> Option<u64> {
        last_transaction(&self.files)
    }
}

/// The transaction that the repository's index is of, by the names of its files; `None`: it has no index.
fn last_transaction(files: &[String]) -> Option<u64> {
    let number = |name: &String| ["index.", "hints."].iter().find_map(|start| name.strip_prefix(start)?.parse().ok());
    files.iter().filter_map(number).max()
}

/// Folder, number and length of the segment with the highest number.
fn newest_segment(data: &Path) -> Option<(u64, u64, u64)> {
    let highest = |folder: &Path| -> Option<u64> {
        let names = fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        names.max()
    };
    let folder = highest(data)?;
    let within = data.join(folder.to_string());
    let segment = highest(&within)?;
    let length = fs::metadata(within.join(segment.to_string())).ok()?.len();
    Some((folder, segment, length))
}

fn is_lock(name: &str) -> bool {
    name.starts_with("lock.")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like a repository.
    fn repository() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(dir.path().join("data/0")).expect("made");
        for (name, text) in [
            ("README", "This is a Borg Backup repository.\n"),
            ("config", "[repository]\nversion = 1\n"),
            ("index.5", "index"),
            ("hints.5", "hints"),
            ("lock.roster", "{}"),
            ("data/0/4", "data"),
            ("data/0/5", "end"),
        ] {
            fs::write(dir.path().join(name), text).expect("written");
        }
        dir
    }

    #[test]
    fn a_view_has_links_to_all_but_locks_and_is_replaced_alone() {
        let (repository, place) = (repository(), tempfile::tempdir().expect("a folder"));
        let view = View::make(repository.path(), place.path().join("view")).expect("made");
        let names = State::of(view.path()).expect("read").files;
        assert_eq!(names, ["README", "config", "data", "hints.5", "index.5"]);
        assert!(!view.path().join("lock.roster").exists());
        // A segment that is deleted or added there is none of the repository's.
        fs::remove_file(view.path().join("data/0/4")).expect("removed");
        fs::write(view.path().join("data/0/6"), "more").expect("written");
        assert!(repository.path().join("data/0/4").exists() && !repository.path().join("data/0/6").exists());
        assert!(view.is_complete().is_ok());
        // Borg has found an older state.
        fs::remove_file(view.path().join("index.5")).expect("removed");
        fs::remove_file(view.path().join("hints.5")).expect("removed");
        fs::write(view.path().join("index.3"), "rebuilt").expect("written");
        let error = view.is_complete().expect_err("two transactions are lost");
        assert!(matches!(&error, SourceError::Broken(words) if words.contains("of transaction 5")), "{error}");
        assert!(repository.path().join("index.5").exists());
        assert!(
            view.translated(&format!("No such file: '{}/data'", view.path().display()))
                .contains(&format!("'{}/data'", repository.path().display()))
        );
        // A newer state than the index is of has been finished by a job that broke off.
        fs::write(view.path().join("index.7"), "rebuilt").expect("written");
        assert!(view.is_complete().is_ok());
    }

    #[test]
    fn a_pipe_in_a_repository_is_damage_and_nobody_waits_for_it() {
        let (repository, place) = (repository(), tempfile::tempdir().expect("a folder"));
        let pipe = repository.path().join("data/0/6");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is installed");
        assert!(made.success());
        let error = View::make(repository.path(), place.path().join("view")).expect_err("refused");
        assert!(matches!(&error, SourceError::Broken(words) if words.contains("data/0/6 is neither")), "{error}");
    }

    #[test]
    fn damage_that_a_writer_may_have_made_is_no_damage() {
        let (repository, place) = (repository(), tempfile::tempdir().expect("a folder"));
        let view = View::make(repository.path(), place.path().join("view")).expect("made");
        let damage = || SourceError::Broken("a segment is missing".to_owned());
        // Another reader locks the repository.
        fs::write(repository.path().join("lock.exclusive"), "").expect("written");
        assert!(matches!(view.unless_changed(damage()), SourceError::Broken(_)));
        fs::write(repository.path().join("data/0/5"), "end and more").expect("written");
        assert!(matches!(view.unless_changed(damage()), SourceError::Changing(_)));
        fs::write(repository.path().join("data/0/5"), "end").expect("written");
        fs::rename(repository.path().join("index.5"), repository.path().join("index.7")).expect("renamed");
        assert!(matches!(view.unless_changed(damage()), SourceError::Changing(_)));
        let locked_out = SourceError::LockedOut("wrong".to_owned());
        assert!(matches!(view.unless_changed(locked_out), SourceError::LockedOut(_)));
    }

    #[test]
    fn what_is_no_repository_is_told_from_a_damaged_one() {
        let dir = repository();
        let told = || check(dir.path()).expect_err("wrong");
        fs::write(dir.path().join("config"), "junk").expect("written");
        assert!(matches!(told(), SourceError::Broken(_)));
        fs::remove_file(dir.path().join("config")).expect("removed");
        assert!(matches!(told(), SourceError::Broken(_)));
        fs::remove_file(dir.path().join("README")).expect("removed");
        assert!(matches!(told(), SourceError::NotThere(_)));
        for (path, words) in [("none", "there is no folder"), ("index.5", "is no folder")] {
            let error = check(&dir.path().join(path)).expect_err("wrong");
            assert!(matches!(&error, SourceError::NotThere(told) if told.contains(words)), "{error}");
        }
    }
}
