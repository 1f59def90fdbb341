//! The folder that is being filled and the folders above it, all open.
//!
//! Every folder is opened from its parent and never through a symlink, so a path leads where it says; nobody else
//! writes to the volume. A folder gets its metadata when it is left, because filling it changes its times and needs
//! rights. A folder that is entered again later is left as it was found.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{
    Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags, fgetxattr, fremovexattr, fsetxattr, fstat, futimens,
    mkdirat, openat,
};
use rustix::io::Errno;

use crate::worker::fs::meta::{self, Lost, Metadata, Xattrs};

/// The access list that new entries inherit from their folder.
const INHERITED: &CStr = c"system.posix_acl_default";
/// Longest access list, in bytes.
const INHERITED_MAX: usize = 64 * 1024;

/// What is done with a folder when it is left.
#[derive(Debug)]
enum Leaving {
    /// The folder is new and gets this metadata.
    New(Metadata, Xattrs),
    /// The folder was there before: it gets back the time that filling it changed, and the access list that was in
    /// the way.
    Again { modified: Timespec, inherited: Option<Vec<u8>> },
    /// The root stays as it is.
    Root,
}

#[derive(Debug)]
struct Level {
    name: Vec<u8>,
    folder: OwnedFd,
    leaving: Leaving,
}

/// A folder that cannot be opened, made or left.
#[derive(Debug)]
pub struct Blocked {
    /// Its path.
    pub path: Vec<u8>,
    /// The system's answer.
    pub error: Errno,
}

/// The open folders, the root first.
#[derive(Debug)]
pub struct Chain {
    levels: Vec<Level>,
    /// Folders that were made without an entry of their own, or before it.
    made: u64,
}

fn flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

impl Chain {
    /// A chain of the root alone.
    pub fn new(root: OwnedFd) -> Chain {
        Chain { levels: vec![Level { name: Vec::new(), folder: root, leaving: Leaving::Root }], made: 0 }
    }

    /// The root.
    pub fn root(&self) -> &OwnedFd {
        &self.levels[0].folder
    }

    /// The folder that is being filled.
    pub fn here(&self) -> &OwnedFd {
        &self.levels[self.levels.len() - 1].folder
    }

    /// How many folders were made on the way to others since the last call.
    pub fn take_made(&mut self) -> u64 {
        std::mem::take(&mut self.made)
    }

    /// The path of the folder that is being filled.
    fn path(&self) -> Vec<u8> {
        self.levels[1..].iter().map(|level| &level.name[..]).collect::<Vec<_>>().join(&b'/')
    }

    /// How many folders of `path` are open already.
    fn shared(&self, path: &[&[u8]]) -> usize {
        self.levels[1..].iter().zip(path).take_while(|(level, name)| level.name == **name).count()
    }

    /// Goes to the folder at `path` and makes it if it is missing. `lose` hears of refused metadata of the folders
    /// that are left.
    pub fn go_to(&mut self, path: &[&[u8]], lose: &mut dyn FnMut(&[u8], Vec<Lost>)) -> Result<(), Blocked> {
        let shared = self.shared(path);
        self.leave_to(shared, lose)?;
        for (index, name) in path.iter().enumerate().skip(shared) {
            let blocked = |error| Blocked { path: path[..=index].join(&b'/'), error };
            match openat(self.here(), *name, flags(), Mode::empty()) {
                Ok(folder) => self.enter_again(name, folder).map_err(blocked)?,
                Err(Errno::NOENT) => {
                    mkdirat(self.here(), *name, Mode::RWXU).map_err(blocked)?;
                    self.made += 1;
                    let metadata = Metadata { uid: 0, gid: 0, mode: Some(0o755), accessed: OMIT, modified: OMIT };
                    self.enter(name, metadata, Vec::new()).map_err(blocked)?;
                }
                Err(error) => return Err(blocked(error)),
            }
        }
        Ok(())
    }

    /// Enters an existing folder of the current one, which gets this metadata when it is left.
    pub fn enter(&mut self, name: &[u8], metadata: Metadata, xattrs: Xattrs) -> Result<(), Errno> {
        let folder = openat(self.here(), name, flags(), Mode::empty())?;
        // It may have one from an earlier entry of this path, or from the folder above.
        meta::forget_inherited(&folder);
        self.levels.push(Level { name: name.to_vec(), folder, leaving: Leaving::New(metadata, xattrs) });
        Ok(())
    }

    /// Gives the root this metadata at the end, instead of leaving it as it is.
    pub fn describe_root(&mut self, metadata: Metadata, xattrs: Xattrs) {
        self.levels[0].leaving = Leaving::New(metadata, xattrs);
    }

    fn enter_again(&mut self, name: &[u8], folder: OwnedFd) -> Result<(), Errno> {
        let modified = Metadata::from(&fstat(&folder)?).modified;
        let mut value = [0; 1024];
        let inherited = match fgetxattr(&folder, INHERITED, &mut value) {
            Ok(length) => Some(value[..length].to_vec()),
            Err(Errno::RANGE) => {
                let mut value = vec![0; INHERITED_MAX];
                let length = fgetxattr(&folder, INHERITED, &mut value[..])?;
                value.truncate(length);
                Some(value)
            }
            Err(_) => None,
        };
        if inherited.is_some() {
            fremovexattr(&folder, INHERITED)?;
        }
        self.levels.push(Level { name: name.to_vec(), folder, leaving: Leaving::Again { modified, inherited } });
        Ok(())
    }

    /// Leaves all folders deeper than `depth`.
    fn leave_to(&mut self, depth: usize, lose: &mut dyn FnMut(&[u8], Vec<Lost>)) -> Result<(), Blocked> {
        while self.levels.len() > depth + 1 {
            self.leave(lose)?;
        }
        Ok(())
    }

    fn leave(&mut self, lose: &mut dyn FnMut(&[u8], Vec<Lost>)) -> Result<(), Blocked> {
        let path = self.path();
        let Some(Level { folder, leaving, .. }) = self.levels.pop() else { return Ok(()) };
        match leave_as(&folder, leaving) {
            Ok(lost) => lose(&path, lost),
            Err(error) => return Err(Blocked { path, error }),
        }
        Ok(())
    }

    /// Leaves all folders, the root last.
    pub fn finish(mut self, lose: &mut dyn FnMut(&[u8], Vec<Lost>)) -> Result<(), Blocked> {
        while !self.levels.is_empty() {
            self.leave(lose)?;
        }
        Ok(())
    }

    /// Opens the folder at `path`, which must be there, without going to it.
    pub fn reach(&self, path: &[&[u8]]) -> Result<Reached<'_>, Blocked> {
        let shared = self.shared(path);
        let mut reached = Reached::Open(&self.levels[shared].folder);
        for (index, name) in path.iter().enumerate().skip(shared) {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let folder = openat(reached.folder(), *name, flags, Mode::empty());
            reached = Reached::Anew(folder.map_err(|error| Blocked { path: path[..=index].join(&b'/'), error })?);
        }
        Ok(reached)
    }
}

/// Does what is due when a folder is left; returns the metadata that was refused.
fn leave_as(folder: &OwnedFd, leaving: Leaving) -> Result<Vec<Lost>, Errno> {
    match leaving {
        Leaving::New(metadata, xattrs) => return meta::apply(folder, &metadata, &xattrs),
        Leaving::Again { modified, inherited } => {
            if let Some(value) = inherited {
                fsetxattr(folder, INHERITED, &value, XattrFlags::empty())?;
            }
            futimens(folder, &Timestamps { last_access: OMIT, last_modification: modified })?;
        }
        Leaving::Root => {}
    }
    Ok(Vec::new())
}

/// A folder that was reached.
#[derive(Debug)]
pub enum Reached<'a> {
    /// The folder was open already.
    Open(&'a OwnedFd),
    /// The folder was opened for this.
    Anew(OwnedFd),
}

impl Reached<'_> {
    /// The folder.
    pub fn folder(&self) -> &OwnedFd {
        match self {
            Reached::Open(folder) => folder,
            Reached::Anew(folder) => folder,
        }
    }
}

/// A time that the kernel leaves as it is.
pub const OMIT: Timespec = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
