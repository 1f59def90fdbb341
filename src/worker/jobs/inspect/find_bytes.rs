//! Looks for bytes in the beginning of a file.

use rustix::fs::OFlags;

use super::fingerprint::open_parent;
use super::sample::read_at;
use crate::worker::fs::open::open_quietly;
use crate::worker::fs::root::open_root;
use crate::worker::job::JobStop;
use crate::worker::protocol::{FindBytesJob, RootKind};

/// Bytes of a file that are read.
const MOST: usize = 1024 * 1024;

/// Whether the bytes are in the file.
pub fn find_bytes(job: &FindBytesJob) -> Result<bool, JobStop> {
    let root = open_root(&job.folder, RootKind::Folder)?;
    let Some((folder, name)) = open_parent(&root, job.file.as_bytes()) else { return Ok(false) };
    let content = open_quietly(&folder, &name, OFlags::empty()).ok().and_then(|file| read_at(&file, MOST, 0));
    let has =
        |content: Vec<u8>| !job.bytes.is_empty() && content.windows(job.bytes.len()).any(|part| part == job.bytes);
    Ok(content.is_some_and(has))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_in_a_file_that_is_there() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("global")).unwrap();
        std::fs::write(dir.path().join("global/1262"), b"..app\0..").unwrap();
        let has = |file: &str, bytes: &[u8]| {
            let folder = dir.path().to_str().unwrap().to_owned();
            find_bytes(&FindBytesJob { folder, file: file.to_owned(), bytes: bytes.to_vec() }).unwrap()
        };
        assert!(has("global/1262", b"app\0"));
        assert!(!has("global/1262", b"shop\0") && !has("global/1263", b"app\0") && !has("none/x", b"a"));
        assert!(!has("global/1262", b""));
    }
}
