//! Backups as people make them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Live, Wanted, docker, service, shown};

/// What is in the backup of a [`keeper`]; in its live volume there is something else.
pub const KEPT: &str = "kept";

/// Runs a shell script in a folder; it has to succeed. The arguments are `$1` and so on.
#[track_caller]
pub fn sh(folder: &Path, script: &str, args: &[&str]) {
    let output =
        Command::new("sh").args(["-euc", script, "sh"]).args(args).current_dir(folder).output().expect("sh runs");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Where a volume's data lies on this machine.
pub fn data_of(volume: &str) -> String {
    docker(&["volume", "inspect", "--format", "{{.Mountpoint}}", volume])
}

/// A small service that is healthy with the backup's note only.
pub fn kept() -> Wanted {
    service("broken")
        .volume("/mounted")
        .file("/mounted/note", KEPT)
        .healthy_when(&format!("[ \"$(cat /mounted/note)\" = {KEPT} ]"))
        .command(&["runs"])
}

/// A [`kept`] service and a backup of its volume that this script makes (`$1`: the folder of the data, `$2`: the
/// volume's name). The live volume holds another note afterwards.
#[track_caller]
pub fn keeper(script: &str) -> (Live, tempfile::TempDir) {
    let (live, dir) = (kept().start(), folder());
    sh(dir.path(), script, &[&data_of(live.first_volume()), live.first_volume()]);
    live.write("/mounted/note", "changed since");
    (live, dir)
}

/// Stops the service while the backup is made, as one does where a copy must be consistent.
#[track_caller]
pub fn stopped(live: &Live, folder: &Path, script: &str, args: &[&str]) {
    docker(&["stop", "--time", "60", &live.name]);
    sh(folder, script, args);
    docker(&["start", &live.name]);
}

/// A folder for backups.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// `tar:PATH`.
pub fn tar(path: PathBuf) -> String {
    format!("tar:{}", shown(&path))
}
