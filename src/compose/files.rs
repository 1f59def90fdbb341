//! Files of this machine that the services of a project mount: configuration, secrets, small folders that are only
//! read. They are kept with the Compose file, so a restore has them before any backup is read.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::ComposeError;
use crate::local_file;
use crate::model::mount::{Mount, MountOrigin};
use crate::model::secret::Secret;

/// Most bytes of a file that is sent to the engine, and of all files of a project.
const MOST_OF_FILE: u64 = 64 << 20;
const MOST_OF_PROJECT: u64 = 256 << 20;
/// Most entries of a folder that is sent.
const MOST_ENTRIES: usize = 10_000;

/// What this machine has for a mount.
#[derive(Debug, Clone)]
pub struct ProjectFile {
    /// The source of the bind mounts that show it.
    pub source: String,
    pub content: FileContent,
    /// It is taken from this machine, whatever the backup has. Else only what the backup lacks is taken from here.
    pub is_first: bool,
}

/// Where the content of a mount is.
#[derive(Debug, Clone)]
pub enum FileContent {
    /// A file or a folder of this machine.
    Path(PathBuf),
    /// The text itself, with the permissions of its file (`None`: anybody may read it), its user and its group.
    Text { text: Secret, mode: Option<u32>, owner: (u32, u32) },
}

/// Adds what this machine has for these mounts. A folder that a service writes to is data: it comes from the backup
/// and from nowhere else.
pub(super) fn find_project_files<'a>(
    mounts: impl Iterator<Item = &'a Mount>,
    folder: &Path,
    files: &mut Vec<ProjectFile>,
) {
    let mounts: Vec<&Mount> = mounts.collect();
    // `../x` is a file of the same checkout.
    let around = folder.parent().filter(|parent| parent.parent().is_some()).unwrap_or(folder);
    for mount in &mounts {
        let MountOrigin::Bind { source } = &mount.origin else { continue };
        let path = Path::new(source);
        if files.iter().any(|known| known.source == *source) || !path.starts_with(around) {
            continue;
        }
        let is_written = mounts.iter().any(|other| other.origin == mount.origin && !other.read_only);
        let Ok(metadata) = fs::metadata(path) else { continue };
        let is_first = match (metadata.is_file(), metadata.is_dir()) {
            (true, _) => !is_written,
            (_, true) if !is_written => false,
            _ => continue,
        };
        files.push(ProjectFile { source: source.clone(), content: FileContent::Path(path.to_owned()), is_first });
    }
}

/// Copies the files into a folder, each under the number of its place in the list, with owners and permissions.
/// Returns the numbers of those that were copied. What is not there is left out, and so is a folder that is too large
/// for a project's own.
pub fn stage(files: &[ProjectFile], folder: &Path) -> Result<Vec<usize>, ComposeError> {
    let (mut left, mut staged) = (MOST_OF_PROJECT, Vec::new());
    for (number, file) in files.iter().enumerate() {
        let to = folder.join(number.to_string());
        let copied = match &file.content {
            FileContent::Text { text, mode, owner } => {
                write_text(&to, text, mode.unwrap_or(0o444), *owner).map(|()| true)
            }
            FileContent::Path(from) => {
                let mut entries = MOST_ENTRIES;
                copy(from, &to, &mut left, &mut entries)
            }
        };
        match copied {
            Ok(true) => staged.push(number),
            Ok(false) if file.is_first => return Err(too_large(file)),
            Ok(false) => remove(&to),
            // The plan tells which service misses it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(ComposeError::File(format!("{} cannot be read: {error}", file.source))),
        }
    }
    Ok(staged)
}

fn too_large(file: &ProjectFile) -> ComposeError {
    ComposeError::File(format!(
        "{} is too large for a file of a project: {} MiB at most for one and {} MiB for all",
        file.source,
        MOST_OF_FILE >> 20,
        MOST_OF_PROJECT >> 20
    ))
}

/// Removes what was copied of a folder that is too large.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path) {
        tracing::debug!(%error, "removing a part of a folder");
    }
}

fn write_text(to: &Path, text: &Secret, mode: u32, (user, group): (u32, u32)) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(to)?;
    file.write_all(text.reveal().as_bytes())?;
    // A user who is not root cannot give files away; the file then belongs to the user.
    let _ = std::os::unix::fs::fchown(&file, Some(user), Some(group));
    file.set_permissions(fs::Permissions::from_mode(mode & 0o7777))
}

/// Copies a file or a folder; false: it is too large. Links, sockets and the like inside of a folder are left out.
fn copy(from: &Path, to: &Path, left: &mut u64, entries: &mut usize) -> io::Result<bool> {
    let metadata = fs::metadata(from)?;
    if *entries == 0 {
        return Ok(false);
    }
    *entries -= 1;
    if metadata.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if (kind.is_dir() || kind.is_file()) && !copy(&entry.path(), &to.join(entry.file_name()), left, entries)? {
                return Ok(false);
            }
        }
    } else {
        if metadata.len() > MOST_OF_FILE || metadata.len() > *left {
            return Ok(false);
        }
        let content = local_file::read_from(from, local_file::Accept::Regular, MOST_OF_FILE)?;
        *left = left.saturating_sub(content.len() as u64);
        fs::write(to, content)?;
        // A user who is not root cannot give files away; the file then belongs to the user.
        let _ = std::os::unix::fs::chown(to, Some(metadata.uid()), Some(metadata.gid()));
    }
    fs::set_permissions(to, fs::Permissions::from_mode(metadata.mode() & 0o7777))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(source: &Path, read_only: bool) -> Mount {
        let origin = MountOrigin::Bind { source: source.display().to_string() };
        Mount { target: format!("/t{}", source.display()), origin, read_only }
    }

    fn found(mounts: &[Mount], folder: &Path) -> Vec<(String, bool)> {
        let mut files = Vec::new();
        find_project_files(mounts.iter(), folder, &mut files);
        files.into_iter().map(|file| (file.source, file.is_first)).collect()
    }

    #[test]
    fn a_folder_that_a_service_writes_to_never_comes_from_this_machine() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("stacks/app");
        for name in ["data", "site"] {
            fs::create_dir_all(folder.join(name)).expect("made");
        }
        for name in ["app.conf", "app.db"] {
            fs::write(folder.join(name), "x").expect("written");
        }
        let name = |name: &str| folder.join(name).display().to_string();
        let mounts = [
            bind(&folder.join("data"), false),
            bind(&folder.join("site"), true),
            bind(&folder.join("app.conf"), true),
            bind(&folder.join("app.db"), false),
            bind(&folder.join("gone"), true),
            bind(Path::new("/etc/passwd"), true),
        ];
        let expected = [(name("site"), false), (name("app.conf"), true), (name("app.db"), false)];
        assert_eq!(found(&mounts, &folder), expected);
        let both = [bind(&folder.join("site"), true), bind(&folder.join("site"), false)];
        assert!(found(&both, &folder).is_empty(), "another service writes to it");
    }

    #[test]
    fn files_are_copied_with_their_permissions_and_large_folders_are_left_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("site/sub")).expect("made");
        fs::create_dir(&to).expect("made");
        fs::write(from.join("site/sub/index.html"), "hi").expect("written");
        fs::write(from.join("key"), "k").expect("written");
        fs::set_permissions(from.join("key"), fs::Permissions::from_mode(0o400)).expect("set");
        let file = |name: &str, is_first| ProjectFile {
            source: name.to_owned(),
            content: FileContent::Path(from.join(name)),
            is_first,
        };
        let text = FileContent::Text { text: Secret::new("inline"), mode: Some(0o440), owner: (0, 0) };
        let text = ProjectFile { source: "config".to_owned(), content: text, is_first: true };
        let staged = stage(&[file("site", false), file("key", true), text], &to).expect("copied");
        assert_eq!(staged, [0, 1, 2]);
        assert_eq!(fs::read_to_string(to.join("0/sub/index.html")).expect("there"), "hi");
        let mode = |name: &str| fs::metadata(to.join(name)).expect("there").mode() & 0o777;
        assert_eq!((mode("1"), mode("2")), (0o400, 0o440));
        assert_eq!(stage(&[file("gone", true)], &dir.path().join("from")), Ok(Vec::new()));
        let mut few = 1;
        assert!(!copy(&from.join("site"), &dir.path().join("part"), &mut 9, &mut few).expect("read"));
    }
}
