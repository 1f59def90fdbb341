//! Repositories of restic, made by restic itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::backup::sh;
use super::shown;

/// The password of the repositories.
pub const PASSWORD: &str = "fixture-restic-password";

/// Shell functions: `restic` with the password and without a cache, `trees REPOSITORY` and `datas REPOSITORY` for the
/// packs of folders and of contents, and `newest REPOSITORY` for the id of the newest snapshot.
pub const TOOLS: &str = "export RESTIC_PASSWORD=fixture-restic-password TZ=UTC; \
    restic() { command restic --no-cache -q \"$@\"; }; \
    packs() { for i in $(restic --no-lock -r \"$2\" list index); do restic --no-lock -r \"$2\" cat index $i; done | \
      jq -r \".packs[]|select(.blobs[0].type==\\\"$1\\\")|.id\" | while read -r p; do \
      f=$(find \"$2/data\" -name $p); chmod u+w $f; echo $f; done; }; \
    trees() { packs tree \"$1\"; }; datas() { packs data \"$1\"; }; \
    newest() { restic -r \"$1\" snapshots --json | jq -r 'sort_by(.time)|last.id'; }; ";

/// Adds a snapshot with the content of `tree` to the repository `repository` in `folder`, which is made if it is not
/// there yet.
#[track_caller]
pub fn keep(folder: &Path, repository: &str, tree: &Path, options: &[&str]) {
    let script = format!(
        "{TOOLS}[ -d \"$1\" ] || restic init -r \"$1\"; to=$PWD/$1; cd \"$2\"; shift 2; \
         restic -r \"$to\" backup --host fixture-host \"$@\" ."
    );
    sh(folder, &script, &[&[repository, &shown(tree)], options].concat());
}

/// The id of the newest snapshot, as people see it.
pub fn newest_id(folder: &Path, repository: &str) -> String {
    let script = format!("{TOOLS}newest \"$1\" | cut -c-8 | tr -d '\\n'");
    let output = Command::new("sh").args(["-euc", &script, "sh", repository]).current_dir(folder).output();
    String::from_utf8(output.expect("sh runs").stdout).expect("an id")
}

/// All packs of a repository.
pub fn packs(repository: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(repository.join("data")).expect("there are packs");
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.expect("one").path()).expect("a folder"));
    files.map(|file| file.expect("one").path()).collect()
}
