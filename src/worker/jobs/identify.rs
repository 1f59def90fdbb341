//! Tells which file or folder a path leads to.

use std::fs;

use crate::model::file_id::FileId;
use crate::worker::protocol::IdentifyJob;

/// The ids of what is at the paths. Nothing is opened, and a link is not followed.
pub fn identify(job: &IdentifyJob) -> Vec<Option<FileId>> {
    let id = |path: &String| FileId::of(&fs::symlink_metadata(path).ok()?);
    job.paths.iter().map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_paths_to_one_folder_are_told_from_two_folders() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        fs::create_dir(path("one")).unwrap();
        fs::create_dir(path("other")).unwrap();
        let paths = vec![path("one"), path("other/../one"), path("other"), path("none")];
        let ids = identify(&IdentifyJob { paths });
        assert!(ids[0].is_some(), "this test needs a file system that tells when a file was made");
        assert_eq!(ids[0], ids[1]);
        assert!(ids[2].is_some() && ids[2] != ids[0]);
        assert_eq!(ids[3], None);
    }
}
