//! Removes what is in volumes that nobody uses any more. An engine that removes a volume with a million files or pieces
//! answers no other question about volumes meanwhile; a volume that is empty is removed at once.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawDir, RenameFlags, fstat, ftruncate, openat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use crate::worker::fs::content::next_data;
use crate::worker::fs::observe::{SeenEntry, TreeObserver, observe};
use crate::worker::fs::open::{is_gone, open_quietly, unwritable};
use crate::worker::fs::root::open_volume;
use crate::worker::fs::stat::{allocated, file_type, link_count, size};
use crate::worker::job::{JobControl, JobStop};

/// Pieces of a file that are given back at a time. To give back a million at once takes minutes, in which nothing can
/// be stopped.
const PIECES: u64 = 4096;
/// A `getdents` buffer.
const LIST_BYTES: usize = 32 * 1024;

/// Which volumes hold at least `least` entries and pieces of files with holes.
pub fn weigh(paths: &[String], least: u64, control: &JobControl) -> Result<Vec<bool>, JobStop> {
    let is_heavy = |path: &String| {
        let scale = Scale { least, weight: AtomicU64::new(0), control };
        observe(open_volume(path)?, &[&scale], 0, control)?;
        Ok(scale.weight.into_inner() >= least)
    };
    paths.iter().map(is_heavy).collect()
}

/// Adds up what a tree holds until that is enough.
struct Scale<'a> {
    least: u64,
    weight: AtomicU64,
    control: &'a JobControl,
}

impl TreeObserver for Scale<'_> {
    fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
        let mut weight = 1;
        if entry.kind == FileType::RegularFile
            && let Some(stat) = entry.stat()?
            && allocated(stat) < size(stat)
            && let Ok(file) = open_quietly(entry.folder, entry.name, OFlags::empty())
        {
            let mut at = 0;
            while let Ok(Some((_, hole))) = next_data(&file, at, size(stat))
                && weight < self.least
            {
                (weight, at) = (weight + 1, hole);
                self.control.beat()?;
            }
        }
        let before = self.weight.fetch_add(weight, Ordering::Relaxed);
        if before + weight >= self.least { Err(JobStop::Enough) } else { Ok(()) }
    }
}

/// Removes everything in these volumes, and nothing of what is mounted in them.
pub fn clear(paths: &[String], control: &JobControl) -> Result<(), JobStop> {
    paths.iter().try_for_each(|path| Clearing { root: open_volume(path)?, control, moved: 0 }.all())
}

struct Clearing<'a> {
    root: OwnedFd,
    control: &'a JobControl,
    /// Folders that were moved to the root.
    moved: u64,
}

/// The names in a folder, as far as one listing goes.
type Names = Vec<(CString, FileType)>;

impl Clearing<'_> {
    /// Empties the root. A folder below a folder is moved to the root first, so that no depth of folders is too deep.
    fn all(&mut self) -> Result<(), JobStop> {
        loop {
            let names = self.names(None)?;
            let mut removed = false;
            for (name, kind) in names {
                removed |= if kind == FileType::Directory { self.folder(&name)? } else { self.file(None, &name)? };
            }
            if !removed {
                return Ok(());
            }
        }
    }

    /// Empties and removes a folder of the root; false when it cannot be removed.
    fn folder(&mut self, name: &CStr) -> Result<bool, JobStop> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = match openat(&self.root, name, flags, Mode::empty()) {
            Ok(folder) => folder,
            Err(error) if is_gone(error) => return Ok(true),
            Err(error) => return Err(self.failed(name, error)),
        };
        let device = |fd: &OwnedFd| fstat(fd).map(|stat| stat.st_dev);
        // Something is mounted there, which is not this volume's.
        if device(&folder).ok() != device(&self.root).ok() {
            return Ok(false);
        }
        loop {
            let names = self.names(Some(&folder))?;
            let mut removed = false;
            for (name, kind) in names {
                removed |= match kind {
                    FileType::Directory => self.move_up(&folder, &name)?,
                    _ => self.file(Some(&folder), &name)?,
                };
            }
            if !removed {
                break;
            }
        }
        Ok(unlinkat(&self.root, name, AtFlags::REMOVEDIR).is_ok())
    }

    /// Moves a folder to the root under a name that is free there; false when it cannot be moved.
    fn move_up(&mut self, from: &OwnedFd, name: &CStr) -> Result<bool, JobStop> {
        loop {
            self.control.beat()?;
            self.moved += 1;
            let free = format!(".rehearsa-clear-{}", self.moved);
            match renameat_with(from, name, &self.root, free.as_str(), RenameFlags::NOREPLACE) {
                Ok(()) => return Ok(true),
                Err(Errno::EXIST) => {}
                Err(_) => return Ok(false),
            }
        }
    }

    /// Removes an entry that is no folder; false when it cannot be removed.
    fn file(&self, folder: Option<&OwnedFd>, name: &CStr) -> Result<bool, JobStop> {
        self.control.beat()?;
        let folder = folder.unwrap_or(&self.root);
        if let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
            && file_type(&stat) == FileType::RegularFile
            && link_count(&stat) == 1
            && allocated(&stat) < size(&stat)
        {
            self.shrink(folder, name, size(&stat))?;
        }
        Ok(unlinkat(folder, name, AtFlags::empty()).is_ok())
    }

    /// Gives back the pieces of a file with holes, some at a time from its end.
    fn shrink(&self, folder: &OwnedFd, name: &CStr, size: u64) -> Result<(), JobStop> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = openat(folder, name, flags, Mode::empty()) else { return Ok(()) };
        let (mut at, mut pieces, mut cuts) = (0, 0_u64, Vec::new());
        while let Ok(Some((data, hole))) = next_data(&file, at, size) {
            if pieces > 0 && pieces.is_multiple_of(PIECES) {
                cuts.push(data);
            }
            (pieces, at) = (pieces + 1, hole);
            self.control.beat()?;
        }
        for cut in cuts.into_iter().rev() {
            self.control.beat()?;
            if ftruncate(&file, cut).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn names(&self, folder: Option<&OwnedFd>) -> Result<Names, JobStop> {
        let folder = folder.unwrap_or(&self.root);
        // A descriptor of its own lists from the beginning.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let listed = openat(folder, c".", flags, Mode::empty()).map_err(|error| self.failed(c".", error))?;
        let mut names = Names::new();
        let mut space = [MaybeUninit::uninit(); LIST_BYTES];
        let mut list = RawDir::new(&listed, &mut space);
        while let Some(entry) = list.next() {
            let entry = entry.map_err(|error| self.failed(c".", error))?;
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                let kind = match entry.file_type() {
                    FileType::Unknown => statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
                        .map_or(FileType::Unknown, |stat| file_type(&stat)),
                    kind => kind,
                };
                names.push((name.to_owned(), kind));
            }
            // What is listed is removed before the listing goes on.
            if list.is_buffer_empty() && !names.is_empty() {
                break;
            }
        }
        Ok(names)
    }

    fn failed(&self, name: &CStr, error: Errno) -> JobStop {
        unwritable(&self.root, name.to_bytes(), error).into()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileExt as _, symlink};
    use std::path::Path;

    use super::*;

    fn text(path: &Path) -> String {
        path.to_str().unwrap().to_owned()
    }

    fn left(path: &Path) -> usize {
        fs::read_dir(path).unwrap().count()
    }

    #[test]
    fn everything_in_a_volume_goes_and_nothing_that_it_points_to() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let (volume, beside) = (dir.path().join("volume"), dir.path().join("beside"));
        fs::create_dir_all(volume.join("a/b/.rehearsa-clear-1/c")).unwrap();
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("kept"), "x").unwrap();
        symlink(&beside, volume.join("a/link")).unwrap();
        symlink(beside.join("kept"), volume.join("link")).unwrap();
        fs::hard_link(beside.join("kept"), volume.join("a/name")).unwrap();
        for number in 0..3000 {
            fs::write(volume.join(format!("a/b/{number}")), "").unwrap();
        }
        clear(&[text(&volume)], &JobControl::default()).unwrap();
        assert_eq!(left(&volume), 0);
        assert_eq!(fs::read_to_string(beside.join("kept")).unwrap(), "x");
    }

    #[test]
    fn folders_deeper_than_descriptors_reach_go_too() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let mut folder = OwnedFd::from(fs::File::open(dir.path()).unwrap());
        for _ in 0..3000 {
            rustix::fs::mkdirat(&folder, "d", Mode::RWXU).unwrap();
            folder = openat(&folder, "d", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        drop(folder);
        clear(&[text(dir.path())], &JobControl::default()).unwrap();
        assert_eq!(left(dir.path()), 0);
    }

    #[test]
    fn a_volume_is_heavy_by_its_entries_or_by_the_pieces_of_a_file() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let (light, many, pieces) = (dir.path().join("light"), dir.path().join("many"), dir.path().join("pieces"));
        for folder in [&light, &many, &pieces] {
            fs::create_dir(folder).unwrap();
        }
        for number in 0..100 {
            fs::write(many.join(number.to_string()), "x").unwrap();
        }
        fs::write(light.join("one"), vec![1; 1 << 20]).unwrap();
        let file = fs::File::create(pieces.join("sparse")).unwrap();
        for piece in 0..9000 {
            file.write_all_at(b"x", piece * 8192).unwrap();
        }
        let paths = [text(&light), text(&many), text(&pieces)];
        let weighed = |least| weigh(&paths, least, &JobControl::default()).unwrap();
        assert_eq!(weighed(101), [false, false, true]);
        assert_eq!(weighed(100), [false, true, true]);
        assert_eq!(weighed(9002), [false, false, false]);
        clear(&paths, &JobControl::default()).unwrap();
        assert_eq!((left(&many), left(&pieces)), (0, 0));
    }
}
