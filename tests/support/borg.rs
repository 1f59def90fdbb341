//! Repositories of Borg, made by Borg itself.

use std::path::{Path, PathBuf};

use super::backup::sh;
use super::shown;

/// The passphrase of the repositories.
pub const PASSPHRASE: &str = "fixture-borg-passphrase";

/// Shell functions: `borg` with a memory of its own in this folder, `largest REPOSITORY` for the segment with the data,
/// and `all REPOSITORY` for all segments by number.
pub const TOOLS: &str = "export BORG_BASE_DIR=$PWD/base BORG_PASSPHRASE=fixture-borg-passphrase TZ=UTC \
    BORG_CHECK_I_KNOW_WHAT_I_AM_DOING=YES BORG_RELOCATED_REPO_ACCESS_IS_OK=yes; \
    largest() { ls -S \"$1\"/data/0/* | head -1; }; all() { ls -v \"$1\"/data/0/*; }; ";

/// Adds an archive with the content of `tree` to the repository `repository` in `folder`. A repository that is not
/// there yet is made, with its key in it.
pub fn keep(folder: &Path, repository: &str, tree: &Path, archive: &str, time: &str) {
    let script = format!(
        "{TOOLS}[ -d \"$1\" ] || borg init -e repokey \"$1\" 2>/dev/null; to=$PWD/$1; cd \"$2\"; \
         borg create --timestamp \"$4\" \"$to::$3\" ."
    );
    sh(folder, &script, &[repository, &shown(tree), archive, time]);
}

/// The file that a segment with most of the data is in.
pub fn largest_segment(repository: &Path) -> PathBuf {
    let segments = std::fs::read_dir(repository.join("data/0")).expect("there are segments");
    let length = |path: &PathBuf| path.metadata().expect("a segment").len();
    segments.map(|entry| entry.expect("one").path()).max_by_key(length).expect("there is one")
}
