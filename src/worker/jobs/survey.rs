//! Finding in a folder what a backup that lies there holds for the mounts that are asked for.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use rustix::fs::{AtFlags, FileType, statat};

use crate::archive::survey::Survey;
use crate::archive::{Entry, Kind};
use crate::model::lock::{into_inner, lock};
use crate::model::source::MountQuery;
use crate::worker::fs::open::{is_gone, unreadable};
use crate::worker::fs::scan::{content, look, open_root};
use crate::worker::fs::walk::{Branch, VisitedFolder, Visitor, threads, walk};
use crate::worker::job::{JobControl, JobStop};
use crate::worker::protocol::{RootKind, Surveyed};

/// Looks through all of `path`.
pub fn survey(path: &str, wants: &[MountQuery], ticket: &JobControl) -> Result<Surveyed, JobStop> {
    let (root, stat) = look(path)?;
    let looker = Looker { survey: Mutex::new(Survey::new(wants)), ticket };
    match root {
        RootKind::Folder => {
            looker.see(Vec::new(), Kind::Folder, 0);
            walk(&looker, threads(), open_root(path, root)?, (), ())?;
        }
        RootKind::File => looker.see(Vec::new(), Kind::File, content(&stat)),
        RootKind::Socket | RootKind::Other => {}
    }
    let found = into_inner(looker.survey).finish();
    Ok(Surveyed { found, modified: stat.st_mtime })
}

struct Looker<'a> {
    survey: Mutex<Survey>,
    ticket: &'a JobControl,
}

impl Looker<'_> {
    fn see(&self, path: Vec<u8>, kind: Kind, stored: u64) {
        let entry =
            Entry { path, kind, mode: 0, uid: 0, gid: 0, mtime: (0, 0), xattrs: Vec::new(), size: stored, stored };
        lock(&self.survey).see(&entry);
    }
}

impl Visitor for Looker<'_> {
    type Target = ();
    type Note = ();

    fn enter(&self, parent: &VisitedFolder<'_, Self>, name: &CStr, _source: &OwnedFd) -> Result<((), ()), JobStop> {
        self.ticket.beat()?;
        self.see(parent.branch.path_of(name), Kind::Folder, 0);
        Ok(((), ()))
    }

    fn reopen(&self, _parent: &(), _name: &CStr) -> Result<(), JobStop> {
        Ok(())
    }

    fn entry(&self, place: &VisitedFolder<'_, Self>, name: &CStr, kind: FileType) -> Result<(), JobStop> {
        self.ticket.beat()?;
        let path = place.branch.path_of(name);
        let (kind, stored) = match kind {
            FileType::RegularFile => match statat(&place.open.source, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => (Kind::File, content(&stat)),
                Err(error) if is_gone(error) => return Ok(()),
                Err(error) => return Err(unreadable(&path, error)),
            },
            // It holds no data and is not copied.
            FileType::Socket => return Ok(()),
            FileType::Symlink => (Kind::Symlink(Vec::new()), 0),
            FileType::Fifo => (Kind::Fifo, 0),
            _ => (Kind::Device, 0),
        };
        self.ticket.add(1, stored);
        self.see(path, kind, stored);
        Ok(())
    }

    fn gone(&self, _path: &[u8]) {}

    fn leave(&self, _branch: &Branch<Self>, _target: &()) -> Result<(), JobStop> {
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
        let Surveyed { found, modified } =
            survey(dir.path().to_str().unwrap(), &wants, &JobControl::default()).unwrap();
        assert!(modified > 0);
        let [candidate] = found.candidates[0].as_slice() else { panic!("{found:?}") };
        assert_eq!(candidate.path, b"volumes/app_data/_data");
        assert_eq!((candidate.tally.amount, candidate.tally.folders), (Amount { files: 2, bytes: 5 }, 1));
    }
}
