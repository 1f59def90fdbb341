//! `--rerun-failed REPORT.json`: which services an earlier run did not see come back.

use std::path::Path;

use super::exit::Failure;
use crate::report::json::read;

/// The names of all that was not green in the JSON report at `path`: failed, errored, or not done when it was written.
pub fn not_green(path: &Path) -> Result<Vec<String>, Failure> {
    let unreadable = |why: String| {
        Failure::usage(format!("--rerun-failed: cannot use the report {}: {why}", path.display()))
            .hint("give the file that an earlier run wrote with --json")
    };
    let text = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let report = read::parse(&text).map_err(|error| unreadable(error.to_string()))?;
    Ok(read::not_green(&report))
}
