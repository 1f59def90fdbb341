//! The hidden command of the processes around an owner's program: the one that becomes the program, and the one that
//! removes its temporary folder.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::mount::{UnmountFlags, unmount as unmount_point};
use rustix::process::{Signal, getppid, set_parent_process_death_signal, setsid};

use super::confine::confine;

/// The hidden command's first word.
pub const VERB: &str = "tool";
/// Becomes a program: `tool start PARENT PROGRAM ARGUMENT…`.
pub const START: &str = "start";
/// Becomes a program that opens nothing but these paths: `tool confined PARENT NUMBER PATH… PROGRAM ARGUMENT…`.
pub const CONFINED: &str = "confined";
/// Removes a folder after the end of standard input: `tool keep FOLDER`.
pub const KEEP: &str = "keep";

/// Beginning of the names of temporary folders. No other folder is removed.
pub const FOLDER_PREFIX: &str = "rehearsa-tool-";

/// The folder, in a temporary folder, on which a program may mount something.
pub const MOUNT_POINT: &str = "mount";

/// The exit code if the program cannot be started, as a shell gives it.
pub const NOT_STARTED: i32 = 127;

/// Tries to remove a folder into which a dying program may still write.
const TRIES: u32 = 50;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// Runs the hidden command with the arguments after [`VERB`].
pub fn main(args: &[OsString]) -> ExitCode {
    let done = match args {
        [verb, parent, program, rest @ ..] if verb == START => Err(start(parent, None, program, rest)),
        [verb, parent, number, rest @ ..] if verb == CONFINED => Err(start_confined(parent, number, rest)),
        [verb, folder] if verb == KEEP => keep(Path::new(folder)),
        _ => Err(io::Error::other("this command is for rehearsa itself")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is told if standard error is closed.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(u8::try_from(NOT_STARTED).unwrap_or(u8::MAX))
        }
    }
}

/// Takes the paths that the program may read apart from the program.
fn start_confined(parent: &OsStr, number: &OsStr, rest: &[OsString]) -> io::Error {
    let paths = number.to_str().and_then(|number| number.parse().ok()).and_then(|number| rest.split_at_checked(number));
    match paths {
        Some((readable, [program, args @ ..])) => {
            let readable: Vec<PathBuf> = readable.iter().map(PathBuf::from).collect();
            start(parent, Some(&readable), program, args)
        }
        _ => io::Error::other("this command is for rehearsa itself"),
    }
}

/// Becomes the program, in a session of its own; returns only if that fails. The kernel kills the program when the
/// thread ends that has started this process. With `readable`, the program opens nothing else.
fn start(parent: &OsStr, readable: Option<&[PathBuf]>, program: &OsStr, args: &[OsString]) -> io::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // The parent may have died before the line above.
    let is_orphan = getppid().map(|id| id.as_raw_nonzero().to_string()).as_deref() != parent.to_str();
    if is_orphan {
        return io::Error::other("the process that wanted the program has ended");
    }
    if let Err(error) = setsid() {
        return error.into();
    }
    if let Some(Err(error)) = readable.map(|readable| confine(Path::new(program), readable)) {
        return io::Error::other(format!("{} cannot be confined: {error}", Path::new(program).display()));
    }
    let error = Command::new(program).args(args).exec();
    io::Error::new(error.kind(), format!("{} cannot be started: {error}", Path::new(program).display()))
}

fn keep(folder: &Path) -> io::Result<()> {
    let is_ours = folder.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with(FOLDER_PREFIX));
    if !is_ours {
        return Err(io::Error::other("this is no temporary folder of rehearsa"));
    }
    // Who has started this process has given it a group of its own, which no interrupt from the terminal reaches.
    io::stdin().lock().read_to_end(&mut Vec::new())?;
    let mut result = Ok(());
    for _ in 0..TRIES {
        unmount(folder);
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => result = Err(error),
            _ => return Ok(()),
        }
        std::thread::sleep(BETWEEN_TRIES);
    }
    result
}

/// Unmounts what a program has mounted in a temporary folder and left behind when it was killed.
pub fn unmount(folder: &Path) {
    let point = folder.join(MOUNT_POINT);
    // A mount whose program has died answers nothing but an error.
    let is_there =
        std::fs::symlink_metadata(&point).map_or_else(|error| error.kind() != io::ErrorKind::NotFound, |_| true);
    if !is_there || unmount_point(&point, UnmountFlags::DETACH).is_ok() {
        return;
    }
    for program in ["fusermount3", "fusermount"] {
        let quiet = (Stdio::null(), Stdio::null(), Stdio::null());
        let mut command = Command::new(program);
        command.args(["-u", "-z"]).arg(&point).stdin(quiet.0).stdout(quiet.1).stderr(quiet.2);
        if command.status().is_ok_and(|status| status.success()) {
            return;
        }
    }
}
