//! Generated files: each is committed and has a test that compares it with what the program makes. Test code only.

use std::path::Path;

/// Compares the committed file at `path` (from the project's root) with `made`. With `REHEARSA_GENERATE` set, writes
/// the file instead: `ci/generate` does that.
#[track_caller]
pub fn check(path: &str, made: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("REHEARSA_GENERATE").is_some() {
        std::fs::write(&file, made).expect("the project's folder is writable");
    }
    let committed = std::fs::read_to_string(&file).expect("the file is committed");
    assert!(committed == made, "{path} is out of date: run ci/generate and commit the file");
}
