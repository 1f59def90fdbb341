//! Finding in a folder what a backup that lies there holds for the mounts that are asked for.

use std::path::Path;
use std::sync::Mutex;

use rustix::fs::FileType;

use super::identify::folder_id;
use crate::archive::survey::Survey;
use crate::archive::{Entry, Kind};
use crate::model::host_tree::{FolderId, Hole, HoleCause};
use crate::model::lock::{into_inner, lock};
use crate::model::source::MountQuery;
use crate::worker::fs::mounts::mounts_below;
use crate::worker::fs::observe::{SeenEntry, TreeObserver, observe};
use crate::worker::fs::root::{open_root, stat_root};
use crate::worker::fs::stat::content_bytes;
use crate::worker::job::{JobControl, JobStop};
use crate::worker::protocol::{Failure, RootKind, Surveyed};

/// Inode of the empty folder that stands in a snapshot of btrfs where a subvolume was.
const LEFT_OUT: u64 = 2;
/// Most subvolumes that are named.
const MAX_HOLES: usize = 1000;

/// Looks through all of `path`.
pub fn survey(path: &str, wants: &[MountQuery], control: &JobControl) -> Result<Surveyed, JobStop> {
    let (root, stat) = stat_root(path)?;
    let mounts = mounts_below(path).map_err(|error| Failure::Unreadable {
        path: String::new(),
        error: format!("what is mounted there cannot be found out: {error}"),
    })?;
    let is_btrfs = mounts.iter().any(|mount| mount.point.is_empty() && mount.file_system == "btrfs");
    let surveyor = Surveyor { survey: Mutex::new(Survey::new(wants)), is_btrfs, holes: Mutex::default(), control };
    match root {
        RootKind::Folder => {
            surveyor.add(Vec::new(), Kind::Folder, 0);
            observe(open_root(path, root)?, &[&surveyor], 0, control)?;
        }
        RootKind::File => surveyor.add(Vec::new(), Kind::File, content_bytes(&stat)),
        RootKind::Socket | RootKind::Other => {}
    }
    let mut found = into_inner(surveyor.survey).finish();
    found.holes = into_inner(surveyor.holes);
    let candidates = found.candidates.iter().flatten().map(|candidate| &*candidate.path);
    let mut paths: Vec<&[u8]> = std::iter::once(&b""[..]).chain(candidates).collect();
    paths.sort_unstable();
    paths.dedup();
    let known = paths.into_iter().filter_map(|at| known_at(Path::new(path), at)).collect();
    Ok(Surveyed { found, modified: stat.st_mtime, inode: stat.st_ino, mounts, known })
}

/// What is at a path of the folder, which is its name as well.
fn known_at(folder: &Path, at: &[u8]) -> Option<(String, FolderId)> {
    let name = String::from_utf8(at.to_vec()).ok()?;
    // A slash at the end would lead through a link.
    let id = if at.is_empty() { folder_id(folder)? } else { folder_id(&folder.join(name.trim_start_matches('/')))? };
    Some((name, id))
}

/// Shows a folder's entries to a survey as an archive's would be.
struct Surveyor<'a> {
    survey: Mutex<Survey>,
    is_btrfs: bool,
    holes: Mutex<Vec<Hole>>,
    control: &'a JobControl,
}

impl Surveyor<'_> {
    fn add(&self, path: Vec<u8>, kind: Kind, stored: u64) {
        let entry =
            Entry { path, kind, mode: 0, uid: 0, gid: 0, mtime: (0, 0), xattrs: Vec::new(), size: stored, stored };
        lock(&self.survey).see(&entry);
    }

    /// Notes a folder that stands in a snapshot of btrfs where a subvolume was.
    fn note_hole(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
        if self.is_btrfs && entry.stat()?.is_some_and(|stat| stat.st_ino == LEFT_OUT) {
            let mut holes = lock(&self.holes);
            if holes.len() < MAX_HOLES {
                let path = entry.path().to_vec();
                holes.push(Hole { path, cause: HoleCause::Subvolume, wanted_by: Vec::new() });
            }
        }
        Ok(())
    }
}

impl TreeObserver for Surveyor<'_> {
    fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
        let (kind, stored) = match entry.kind {
            FileType::Directory => {
                self.add(entry.path().to_vec(), Kind::Folder, 0);
                self.note_hole(entry)?;
                return Ok(());
            }
            FileType::RegularFile => match entry.stat()? {
                Some(stat) => (Kind::File, content_bytes(stat)),
                None => return Ok(()),
            },
            // A socket holds no data and is not copied.
            FileType::Socket => return Ok(()),
            FileType::Symlink => (Kind::Symlink(Vec::new()), 0),
            FileType::Fifo => (Kind::Fifo, 0),
            _ => (Kind::Device, 0),
        };
        self.control.add(1, stored);
        self.add(entry.path().to_vec(), kind, stored);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Amount;
    use crate::model::source::{MatchRule, Pattern};

    #[test]
    fn a_folder_is_looked_through_as_an_archive_is() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("volumes/app_data/_data");
        std::fs::create_dir_all(data.join("sub")).unwrap();
        std::fs::write(data.join("sub/a"), "12345").unwrap();
        std::os::unix::fs::symlink("a", data.join("sub/b")).unwrap();
        let wants = [MountQuery { patterns: vec![(MatchRule::Name, Pattern::VolumeData(b"app_data".to_vec()))] }];
        let Surveyed { found, modified, .. } =
            survey(dir.path().to_str().unwrap(), &wants, &JobControl::default()).unwrap();
        assert!(modified > 0);
        let [candidate] = found.candidates[0].as_slice() else { panic!("{found:?}") };
        assert_eq!(candidate.path, b"volumes/app_data/_data");
        assert_eq!((candidate.tally.amount, candidate.tally.folders), (Amount { files: 2, bytes: 5 }, 1));
    }
}
