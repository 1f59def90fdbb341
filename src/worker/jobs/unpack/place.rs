//! The volume of a route, and how entries are put into it.

use std::ffi::CString;
use std::io::Read;
use std::ops::Range;
use std::os::fd::OwnedFd;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, Timespec, ftruncate, linkat, mkdirat, mknodat, openat, readlinkat, statat,
    symlinkat, unlinkat,
};
use rustix::io::{Errno, pwrite};

use super::archive_stream::ArchiveStream;
use super::chain::{Blocked, Chain, OMIT};
use super::room::{Room, UnpackBounds};
use crate::archive::{Entry, Kind, acl, escapes};
use crate::model::event::Amount;
use crate::model::sampled::Sampled;
use crate::worker::expected::manifest::Manifest;
use crate::worker::fs::digest::Digester;
use crate::worker::fs::meta::{self, Lost, Metadata, Xattrs};
use crate::worker::fs::open::{error_text, unwritable};
use crate::worker::fs::root::{SINGLE_FILE, open_volume};
use crate::worker::fs::stat::{content_bytes, file_type, link_count};
use crate::worker::job::{JobControl, JobStop, short, short_path};
use crate::worker::protocol::{Failure, RootKind, Route, Unpacked};

/// Longest path in bytes: the most that the kernel takes at once, and with it every program that is to find the file
/// again.
const MAX_PATH: usize = 4096;
/// Longest part of a path in a message, in bytes.
const SHOWN: usize = 1024;
/// Holes of a volume that stay holes. More are filled with zeros, but for the first one of each file: a file is removed
/// piece by piece, and a disk that is told of each piece (`discard`) takes a millisecond for it.
const MOST_HOLES: u64 = 16_384;
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// The volume of a route.
pub struct RouteVolume<'a> {
    prefix: &'a [u8],
    chain: Chain,
    room: Room,
    root: Option<RootKind>,
    files: u64,
    folders: u64,
    replaced: Amount,
    lost: Sampled<String>,
    manifest: Manifest,
    /// Digests of the files are noted.
    contents: bool,
    /// Holes between the pieces of files.
    holes: u64,
    control: &'a JobControl,
}

impl<'a> RouteVolume<'a> {
    /// Opens the volume of a route; `among` is how many routes there are.
    pub fn open(
        route: &'a Route,
        among: usize,
        bounds: UnpackBounds,
        control: &'a JobControl,
    ) -> Result<RouteVolume<'a>, JobStop> {
        let root = open_volume(&route.to)?;
        meta::forget_inherited(&root);
        let mut room = Room::new(bounds);
        room.expect_any(&root)?;
        Ok(RouteVolume {
            prefix: &route.prefix,
            chain: Chain::new(root),
            room,
            root: None,
            files: 0,
            folders: 0,
            replaced: Amount::default(),
            lost: Sampled::default(),
            manifest: Manifest::one_of(among),
            contents: route.contents,
            holes: 0,
            control,
        })
    }

    /// Puts an entry into the volume at `path`; an empty path is the root. `first`: for a hard link, the path of the
    /// file that it is another name of.
    pub fn put(
        &mut self,
        entry: &Entry,
        path: &[u8],
        first: Option<&[u8]>,
        archive: &mut ArchiveStream<'_, impl Read>,
    ) -> Result<(), JobStop> {
        if escapes(path) {
            return Err(dangerous(
                &entry.path,
                "has .. in its path, which leads out of the folder above it".to_owned(),
            ));
        }
        if path.is_empty() {
            return self.put_root(entry, first, archive);
        }
        if path.len() > MAX_PATH {
            return Err(self.unwritable(path, Errno::NAMETOOLONG));
        }
        if self.root == Some(RootKind::File) {
            return Err(dangerous(
                &entry.path,
                format!("would be written through {}, which is a file", self.shown_root()),
            ));
        }
        self.root = Some(RootKind::Folder);
        let parts = path.split(|&byte| byte == b'/').collect::<Vec<_>>();
        let (name, folders) = parts.split_last().expect("a path has a component");
        self.go_to(folders, entry)?;
        self.make(entry, path, name, first, archive)
    }

    /// Puts the entry that is the root itself.
    fn put_root(
        &mut self,
        entry: &Entry,
        first: Option<&[u8]>,
        archive: &mut ArchiveStream<'_, impl Read>,
    ) -> Result<(), JobStop> {
        match (&entry.kind, self.root) {
            (Kind::Folder, None | Some(RootKind::Folder)) => {
                self.root = Some(RootKind::Folder);
                let (metadata, xattrs) = self.metadata(entry, b"");
                self.manifest.note(entry, b"", None, &xattrs, &[]);
                self.chain.describe_root(metadata, xattrs);
                Ok(())
            }
            (Kind::File, None | Some(RootKind::File)) => {
                self.root = Some(RootKind::File);
                self.manifest.root_is_file = true;
                self.make(entry, SINGLE_FILE.to_bytes(), SINGLE_FILE.to_bytes(), first, archive)
            }
            (Kind::Folder, _) => Err(dangerous(&entry.path, "is a folder here and was a file before".to_owned())),
            (Kind::File, _) => Err(dangerous(&entry.path, "is a file here and was a folder before".to_owned())),
            (Kind::HardLink(_), _) => {
                Err(dangerous(&entry.path, "is another name of itself or of a folder".to_owned()))
            }
            (Kind::Symlink(_) | Kind::Fifo | Kind::Device, _) => {
                Err(Failure::WrongKind { root: RootKind::Other }.into())
            }
        }
    }

    /// Leaves the folders that are still open, after the last entry. Returns what came and what the volume should
    /// hold.
    pub fn finish(mut self) -> Result<(Unpacked, Manifest), JobStop> {
        let top = self
            .chain
            .root()
            .try_clone()
            .map_err(|error| Failure::Unwritable { path: short_path(b""), error: error.to_string() })?;
        let (lost, manifest) = (&mut self.lost, &mut self.manifest);
        let left = self.chain.finish(&mut |path, refused| {
            manifest.mark_unsupported(path, &refused);
            note(lost, path, refused);
        });
        left.map_err(|Blocked { path, error }| unwritable(&top, cut(&path), error))?;
        let unpacked = Unpacked {
            root: self.root,
            amount: Amount {
                files: self.files.saturating_sub(self.replaced.files),
                bytes: self.room.written().saturating_sub(self.replaced.bytes),
            },
            replaced: self.replaced,
            folders: self.folders,
            lost_metadata: self.lost,
        };
        Ok((unpacked, self.manifest))
    }

    fn go_to(&mut self, folders: &[&[u8]], entry: &Entry) -> Result<(), JobStop> {
        let (lost, manifest) = (&mut self.lost, &mut self.manifest);
        let gone = self.chain.go_to(folders, &mut |path, refused| {
            manifest.mark_unsupported(path, &refused);
            note(lost, path, refused);
        });
        let made = self.chain.take_made();
        self.folders += made;
        gone.map_err(|blocked| self.blocked(blocked, entry))?;
        if made > 0 { self.room.take_folders(self.chain.root(), made) } else { Ok(()) }
    }

    /// The failure when a folder above an entry cannot be entered.
    fn blocked(&self, Blocked { path, error }: Blocked, entry: &Entry) -> JobStop {
        match error {
            Errno::LOOP | Errno::NOTDIR => dangerous(
                &entry.path,
                format!("would be written through {}, which is no folder but {}", short_path(&path), self.found(&path)),
            ),
            error => self.unwritable(&path, error),
        }
    }

    /// What is at a path whose last component could not be entered, for messages.
    fn found(&self, path: &[u8]) -> String {
        let parts = path.split(|&byte| byte == b'/').collect::<Vec<_>>();
        let Some((name, folders)) = parts.split_last() else { return "the root".to_owned() };
        let Ok(parent) = self.chain.reach(folders) else { return "something else".to_owned() };
        match readlinkat(parent.folder(), *name, Vec::new()) {
            Ok(to) => format!("a symlink to {}", short_path(to.as_bytes())),
            Err(_) => "a file".to_owned(),
        }
    }

    /// Makes an entry in the current folder.
    fn make(
        &mut self,
        entry: &Entry,
        path: &[u8],
        name: &[u8],
        first: Option<&[u8]>,
        archive: &mut ArchiveStream<'_, impl Read>,
    ) -> Result<(), JobStop> {
        self.room.expect(self.chain.root(), entry)?;
        match &entry.kind {
            Kind::Folder => return self.folder(entry, path, name),
            Kind::File => self.file(entry, path, name, archive)?,
            Kind::HardLink(_) => {
                self.link(entry, path, name, first.unwrap_or_default(), archive.position())?;
                self.manifest.note(entry, path, first, &Xattrs::new(), &[]);
            }
            Kind::Symlink(to) => {
                self.fresh(entry, path, name, |folder| symlinkat(&to[..], folder, name))?;
                self.describe(entry, path, name)?;
            }
            Kind::Fifo => {
                let mode = Mode::RUSR | Mode::WUSR;
                self.fresh(entry, path, name, |folder| mknodat(folder, name, FileType::Fifo, mode, 0))?;
                self.describe(entry, path, name)?;
            }
            Kind::Device => return Err(dangerous(&entry.path, "is a device".to_owned())),
        }
        self.files += 1;
        self.control.add(1, 0);
        Ok(())
    }

    fn folder(&mut self, entry: &Entry, path: &[u8], name: &[u8]) -> Result<(), JobStop> {
        let mkdir = |folder: &OwnedFd| mkdirat(folder, name, Mode::RWXU);
        match mkdir(self.chain.here()) {
            Ok(()) => self.folders += 1,
            Err(Errno::EXIST) if self.look(path, name)?.is_some_and(|stat| file_type(&stat) == FileType::Directory) => {
            }
            Err(Errno::EXIST) => {
                self.fresh(entry, path, name, mkdir)?;
                self.folders += 1;
            }
            Err(error) => return Err(self.unwritable(path, error)),
        }
        let (metadata, xattrs) = self.metadata(entry, path);
        self.manifest.note(entry, path, None, &xattrs, &[]);
        self.chain.enter(name, metadata, xattrs).map_err(|error| self.unwritable(path, error))
    }

    fn file(
        &mut self,
        entry: &Entry,
        path: &[u8],
        name: &[u8],
        archive: &mut ArchiveStream<'_, impl Read>,
    ) -> Result<(), JobStop> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = self.fresh(entry, path, name, |folder| openat(folder, name, flags, Mode::RUSR | Mode::WUSR))?;
        let (mut end, mut has_hole) = (0, false);
        let mut digester = self.contents.then(Digester::default);
        while let Some((offset, piece)) = archive.next_piece()? {
            let length = piece.len() as u64;
            if offset > end {
                self.holes += 1;
                if has_hole && self.holes > MOST_HOLES {
                    self.fill(&file, path, end..offset)?;
                }
                has_hole = true;
            }
            self.room.take(self.chain.root(), offset, length)?;
            if let Some(digester) = &mut digester {
                digester.add(offset, piece);
            }
            write(&file, piece, offset).map_err(|error| self.unwritable(path, error))?;
            end = offset + length;
            self.control.add(0, length);
        }
        if end < entry.size {
            ftruncate(&file, entry.size).map_err(|error| self.unwritable(path, error))?;
        }
        let (metadata, xattrs) = self.metadata(entry, path);
        let lost = meta::apply(&file, &metadata, &xattrs).map_err(|error| self.unwritable(path, error))?;
        self.manifest.note(entry, path, None, &xattrs, &lost);
        if let Some(digester) = digester {
            self.manifest.note_content(path, digester.finish());
        }
        note(&mut self.lost, path, lost);
        Ok(())
    }

    /// Writes zeros into a hole.
    fn fill(&mut self, file: &OwnedFd, path: &[u8], hole: Range<u64>) -> Result<(), JobStop> {
        let mut at = hole.start;
        while at < hole.end {
            let zeros = &ZEROS[..usize::try_from(hole.end - at).map_or(ZEROS.len(), |left| left.min(ZEROS.len()))];
            self.room.fill(self.chain.root(), at, zeros.len() as u64)?;
            write(file, zeros, at).map_err(|error| self.unwritable(path, error))?;
            at += zeros.len() as u64;
            self.control.beat()?;
        }
        Ok(())
    }

    /// Makes another name of the file at `first`.
    fn link(&mut self, entry: &Entry, path: &[u8], name: &[u8], first: &[u8], at: u64) -> Result<(), JobStop> {
        let Kind::HardLink(target) = &entry.kind else { return Ok(()) };
        let another =
            |what: String| dangerous(&entry.path, format!("is another name of {}, {what}", short_path(target)));
        let missing = || Failure::Corrupt {
            entry: short_path(&entry.path),
            at,
            error: format!("it is another name of {}, which the archive does not hold before it", short_path(target)),
        };
        let parts = first.split(|&byte| byte == b'/').collect::<Vec<_>>();
        let (last, folders) = parts.split_last().expect("a path has a component");
        let reached = match self.chain.reach(folders) {
            Ok(reached) => reached,
            Err(Blocked { path: through, error: Errno::LOOP | Errno::NOTDIR }) => {
                let what = self.found(&through);
                return Err(another(format!("which leads through {}, no folder but {what}", short_path(&through))));
            }
            Err(Blocked { error: Errno::NOENT, .. }) => return Err(missing().into()),
            Err(Blocked { path, error }) => return Err(self.unwritable(&path, error)),
        };
        let stat = match statat(reached.folder(), *last, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Err(missing().into()),
            Err(error) => return Err(self.unwritable(first, error)),
        };
        // The volume was empty: what is there was written by this job.
        if !matches!(file_type(&stat), FileType::RegularFile | FileType::Symlink) {
            return Err(another("which is neither a file nor a symlink".to_owned()));
        }
        // The entry has this name already: to remove the name would remove the file.
        if self.look(path, name)?.is_some_and(|there| (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino)) {
            self.replaced.files += 1;
            return Ok(());
        }
        let held = reached.folder().try_clone().map_err(|_| self.unwritable(first, Errno::MFILE))?;
        self.fresh(entry, path, name, |folder| linkat(&held, *last, folder, name, AtFlags::empty()))
    }

    /// Makes an entry; removes first what an earlier entry of the same path left there.
    fn fresh<T>(
        &mut self,
        entry: &Entry,
        path: &[u8],
        name: &[u8],
        make: impl Fn(&OwnedFd) -> Result<T, Errno>,
    ) -> Result<T, JobStop> {
        match make(self.chain.here()) {
            Err(Errno::EXIST) => {}
            other => return other.map_err(|error| self.unwritable(path, error)),
        }
        if let Some(there) = self.look(path, name)? {
            let is_folder = file_type(&there) == FileType::Directory;
            let flags = if is_folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
            match unlinkat(self.chain.here(), name, flags) {
                Ok(()) if is_folder => self.folders = self.folders.saturating_sub(1),
                Ok(()) => {
                    self.replaced.files += 1;
                    // The content of a file with another name stays.
                    let is_last = file_type(&there) == FileType::RegularFile && link_count(&there) == 1;
                    self.replaced.bytes += if is_last { content_bytes(&there) } else { 0 };
                }
                Err(Errno::NOTEMPTY | Errno::EXIST) => {
                    let what = "would take the place of a folder that is not empty".to_owned();
                    return Err(dangerous(&entry.path, what));
                }
                Err(error) => return Err(self.unwritable(path, error)),
            }
        }
        make(self.chain.here()).map_err(|error| self.unwritable(path, error))
    }

    /// The metadata of a name in the current folder; `None`: there is nothing.
    fn look(&self, path: &[u8], name: &[u8]) -> Result<Option<Stat>, JobStop> {
        match statat(self.chain.here(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.unwritable(path, error)),
        }
    }

    /// Gives an entry that cannot be opened its metadata.
    fn describe(&mut self, entry: &Entry, path: &[u8], name: &[u8]) -> Result<(), JobStop> {
        let (metadata, xattrs) = self.metadata(entry, path);
        let c_name = CString::new(name).map_err(|_| self.unwritable(path, Errno::INVAL))?;
        let lost = meta::apply_at(self.chain.here(), &c_name, &metadata, &xattrs)
            .map_err(|error| self.unwritable(path, error))?;
        self.manifest.note(entry, path, None, &xattrs, &lost);
        note(&mut self.lost, path, lost);
        Ok(())
    }

    fn metadata(&mut self, entry: &Entry, path: &[u8]) -> (Metadata, Xattrs) {
        let (seconds, nanoseconds) = entry.mtime;
        // Higher numbers have meanings of their own for the kernel.
        let modified = Timespec { tv_sec: seconds, tv_nsec: nanoseconds.min(999_999_999).into() };
        let mode = (!matches!(entry.kind, Kind::Symlink(_))).then_some(entry.mode & 0o7777);
        let metadata = Metadata { uid: entry.uid, gid: entry.gid, mode, accessed: OMIT, modified };
        let mut xattrs = Xattrs::new();
        for (name, value) in &entry.xattrs {
            if acl::record(name).is_some() {
                let text = String::from_utf8_lossy(value).trim().replace('\n', ",");
                let (path, why) = (short_path(path), "it is no access list with numbers of users and groups");
                self.lost.add(|| short(format!("the ACL on {path}: {why}: {text}")));
                continue;
            }
            match CString::new(&name[..]) {
                Ok(name) if meta::belongs_to_the_place(&name) => {}
                Ok(name) => xattrs.push((name, value.clone())),
                Err(_) => {
                    let what = String::from_utf8_lossy(name).into_owned();
                    note(&mut self.lost, path, vec![Lost { what, error: Errno::INVAL }]);
                }
            }
        }
        (metadata, xattrs)
    }

    fn shown_root(&self) -> String {
        short_path(self.prefix)
    }

    fn unwritable(&self, path: &[u8], error: Errno) -> JobStop {
        unwritable(self.chain.root(), cut(path), error).into()
    }
}

/// The failure of an entry that would do harm; `what` says what it is or would do, beginning with a verb.
pub fn dangerous(path: &[u8], what: String) -> JobStop {
    Failure::Unsafe { path: short_path(path), error: what }.into()
}

/// The part of a path that messages show.
fn cut(path: &[u8]) -> &[u8] {
    &path[..path.len().min(SHOWN)]
}

fn write(file: &OwnedFd, piece: &[u8], offset: u64) -> Result<(), Errno> {
    let mut written = 0;
    while written < piece.len() {
        match pwrite(file, &piece[written..], offset + written as u64) {
            Ok(count) => written += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Notes metadata that the file system refused.
fn note(lost: &mut Sampled<String>, path: &[u8], refused: Vec<Lost>) {
    for Lost { what, error } in refused {
        lost.add(|| short(format!("{what} on {}: {}", short_path(path), error_text(error))));
    }
}
