//! Tells which file or folder a path leads to.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::statfs;

use crate::model::file_id::FileId;
use crate::model::host_tree::FolderId;
use crate::worker::protocol::{IdentifyJob, RecogniseJob};

/// The magic number of ZFS, which `statfs` gives. A snapshot of it is mounted again after a while, as another device.
const ZFS: u32 = 0x2fc1_2fc1;

/// The ids of what is at the paths. Nothing is opened, and a link is not followed.
pub fn identify(job: &IdentifyJob) -> Vec<Option<FileId>> {
    let id = |path: &String| FileId::of(&fs::symlink_metadata(path).ok()?);
    job.paths.iter().map(id).collect()
}

/// What is at a path, by which it is recognised; `None`: nothing is there. A link is not followed.
pub fn folder_id(path: &Path) -> Option<FolderId> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let is_zfs = metadata.is_dir() && statfs(path).is_ok_and(|of| of.f_type as u32 == ZFS);
    Some(FolderId { device: (!is_zfs).then(|| metadata.dev()), inode: metadata.ino() })
}

/// As [`folder_id`], for the paths of a job.
pub fn recognise(job: &RecogniseJob) -> Vec<Option<FolderId>> {
    job.paths.iter().map(|path| folder_id(Path::new(path))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_the_place_of_a_folder_is_another_thing() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        fs::create_dir(path("snapshot")).unwrap();
        let seen = || recognise(&RecogniseJob { paths: vec![path("snapshot"), path("none")] });
        let before = seen();
        assert!(before[0].is_some() && before[1].is_none(), "{before:?}");
        assert_eq!(seen(), before);
        fs::rename(path("snapshot"), path("moved")).unwrap();
        std::os::unix::fs::symlink("moved", path("snapshot")).unwrap();
        assert_ne!(seen()[0], before[0]);
    }

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
