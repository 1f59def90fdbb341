//! Standard input is read once, and a backup is read more than once: to find out what it holds, and to restore it, for every
//! stack and every attempt. So it is kept meanwhile in a file that has no name and goes with the process.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use super::SourceError;

/// All of `input` in a nameless file.
pub fn buffer_to_temp_file(mut input: impl Read) -> Result<File, SourceError> {
    let folder = std::env::temp_dir();
    let cannot = |error: io::Error| SourceError::Unreachable {
        path: PathBuf::from("standard input"),
        error: io::Error::new(
            error.kind(),
            format!("keeping it in a nameless file in {} (TMPDIR names another folder): {error}", folder.display()),
        ),
    };
    let mut file = tempfile::tempfile().map_err(cannot)?;
    let length = io::copy(&mut input, &mut file).map_err(cannot)?;
    if length == 0 {
        return Err(SourceError::NoSnapshot("standard input was empty".to_owned()));
    }
    Ok(file)
}
