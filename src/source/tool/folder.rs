//! A temporary folder for one run of an owner's program: its cache, and files with secrets.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::launch;
use crate::source::access::SourceContext;
use crate::source::error::SourceError;

/// A temporary folder that is removed when this value is dropped. A process of ours waits for the end of this one, and
/// removes the folder then, so the folder does not outlive a `kill -9` or an exit that drops nothing.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    keeper: Child,
}

impl RunFolder {
    /// Makes a folder, which only this user can read, in the folder for temporary files.
    pub fn make(context: &SourceContext) -> Result<RunFolder, SourceError> {
        RunFolder::make_in(context.environment.temp_dir(), &context.executable)
    }

    /// As [`RunFolder::make`], in this folder. `executable` is the one of Rehearsa, whose hidden command removes the
    /// temporary folder.
    pub fn make_in(parent: PathBuf, executable: &Path) -> Result<RunFolder, SourceError> {
        let cannot = |error: io::Error| {
            SourceError::ToolFailed(format!(
                "no temporary folder can be made in {} (TMPDIR names another one): {error}",
                parent.display()
            ))
        };
        let folder = tempfile::Builder::new()
            .prefix(launch::FOLDER_PREFIX)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .map_err(cannot)?;
        let keeper = Command::new(executable)
            .args([launch::VERB, launch::KEEP])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // An interrupt from the terminal is for the run, from the first moment on: this process ends after it.
            .process_group(0)
            .spawn()
            .map_err(cannot)?;
        Ok(RunFolder { path: folder.keep(), keeper })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder on which a program may mount something. It is unmounted before the folder is removed.
    pub fn mount_point(&self) -> io::Result<PathBuf> {
        let point = self.path.join(launch::MOUNT_POINT);
        match fs::create_dir(&point) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(point),
        }
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        launch::unmount(&self.path);
        if let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("the temporary folder {} cannot be removed: {error}", self.path.display());
        }
        // The keeper ends at the end of its standard input.
        drop(self.keeper.stdin.take());
        // A process that cannot be waited for has ended.
        let _ = self.keeper.wait();
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Pid, getpgid};

    use super::*;

    #[test]
    fn no_interrupt_of_the_terminal_reaches_the_process_that_removes_the_folder() {
        let parent = tempfile::tempdir().expect("a folder");
        // Any program will do: it is asked at once, before it has done anything.
        let folder = RunFolder::make_in(parent.path().to_owned(), Path::new("/bin/true")).expect("made");
        let keeper = Pid::from_child(&folder.keeper);
        assert_eq!(getpgid(Some(keeper)).expect("it was not waited for"), keeper, "it is in the group of the run");
    }
}
