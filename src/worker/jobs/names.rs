//! The names at the top of a folder.

use rustix::fs::{Dir, OFlags};

use crate::worker::fs::open::{open_quietly, unreadable};
use crate::worker::fs::scan::look;
use crate::worker::job::JobStop;
use crate::worker::protocol::{MAX_NAMES, RootKind};

/// Of what is at `path`; none of what is no folder.
pub fn names(path: &str) -> Result<Vec<Vec<u8>>, JobStop> {
    if look(path)?.0 != RootKind::Folder {
        return Ok(Vec::new());
    }
    let folder = open_quietly(rustix::fs::CWD, path, OFlags::DIRECTORY).map_err(|error| unreadable(b"", error))?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&folder).map_err(|error| unreadable(b"", error))? {
        let entry = entry.map_err(|error| unreadable(b"", error))?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
        if names.len() == MAX_NAMES {
            break;
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_of_a_folder_is_named_and_nothing_below() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("sub")).expect("made");
        std::fs::write(dir.path().join("sub/deeper"), "").expect("written");
        std::fs::write(dir.path().join("a file"), "").expect("written");
        let mut found = names(dir.path().to_str().expect("a path")).unwrap_or_default();
        found.sort();
        assert_eq!(found, [b"a file".to_vec(), b"sub".to_vec()]);
        let file = dir.path().join("a file");
        assert!(names(file.to_str().expect("a path")).is_ok_and(|names| names.is_empty()));
    }
}
