//! Files that are committed and made by a program: each has a test that holds it against its maker. Test code only.

use std::path::Path;

/// Compares the committed file at `path` (from the project's root) with `made`. With `REHEARSA_GENERATE` set the file is
/// written instead: `ci/generate` does that.
#[track_caller]
pub fn check(path: &str, made: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("REHEARSA_GENERATE").is_some() {
        std::fs::write(&file, made).expect("the project's folder is writable");
    }
    let committed = std::fs::read_to_string(&file).expect("the file is committed");
    assert!(committed == made, "{path} is out of date: run ci/generate and commit the file");
}
