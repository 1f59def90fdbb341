//! Keeps standard input in a file without a name, which vanishes with the process. A backup is read more than once (to
//! find its parts, and to restore them for every stack and attempt), and standard input can be read only once.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::SourceError;

/// Writes all of `input` to a nameless file in `folder`. Empty input is an error.
pub fn buffer_to_temp_file(mut input: impl Read, folder: &Path) -> Result<File, SourceError> {
    let cannot = |error: io::Error| SourceError::Unreachable {
        path: PathBuf::from("standard input"),
        error: io::Error::new(
            error.kind(),
            format!("keeping it in a nameless file in {} (TMPDIR names another folder): {error}", folder.display()),
        ),
    };
    let mut file = tempfile::tempfile_in(folder).map_err(cannot)?;
    let length = io::copy(&mut input, &mut file).map_err(cannot)?;
    if length == 0 {
        return Err(SourceError::NoSnapshot("standard input was empty".to_owned()));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_input_is_kept_whole_in_the_folder_that_is_named() {
        use std::io::Seek;
        let folder = tempfile::tempdir().expect("a folder");
        let mut file = buffer_to_temp_file(&b"an archive"[..], folder.path()).expect("kept");
        let mut text = String::new();
        file.rewind().expect("rewound");
        file.read_to_string(&mut text).expect("read");
        assert_eq!(text, "an archive");
        let error = buffer_to_temp_file(&b""[..], folder.path()).expect_err("there is nothing").to_string();
        assert_eq!(error, "standard input was empty");
        let gone = folder.path().join("gone");
        let error = buffer_to_temp_file(&b"an archive"[..], &gone).expect_err("no folder").to_string();
        assert!(error.contains(&format!("in {} (TMPDIR names another folder)", gone.display())), "{error}");
    }
}
