//! Owner, mode, times and extended attributes (ACLs and capabilities are such) of one entry.
//!
//! The order matters, because changing the owner clears set-uid bits and capabilities, and setting an ACL can clear
//! set-gid: owner, attributes, mode, times.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat, fchmod, fchown,
    fremovexattr, fsetxattr, futimens, lsetxattr, utimensat,
};
use rustix::io::Errno;

pub use crate::archive::xattrs::{Xattrs, belongs_to_the_place, through_proc, xattrs_at, xattrs_of};

/// Metadata that the target's file system refused.
#[derive(Debug)]
pub struct Lost {
    /// Its name: `user.foo`, `owner`.
    pub what: String,
    /// Why.
    pub error: Errno,
}

/// Owner, mode and times of an entry.
#[derive(Debug, Clone, Copy)]
pub struct Metadata {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits, with setuid, setgid and sticky. A symlink's mean nothing and cannot be set.
    pub mode: Option<u32>,
    /// Time of the last access; `UTIME_OMIT` leaves it alone.
    pub accessed: Timespec,
    /// Time of the last change of the content; likewise.
    pub modified: Timespec,
}

impl From<&Stat> for Metadata {
    #[allow(clippy::unnecessary_cast, reason = "the types of a stat's fields differ between architectures")]
    fn from(stat: &Stat) -> Metadata {
        let is_symlink = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        Metadata {
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: (!is_symlink).then_some(stat.st_mode & 0o7777),
            accessed: Timespec { tv_sec: stat.st_atime as i64, tv_nsec: stat.st_atime_nsec as _ },
            modified: Timespec { tv_sec: stat.st_mtime as i64, tv_nsec: stat.st_mtime_nsec as _ },
        }
    }
}

impl Metadata {
    fn owner(&self) -> (Option<Uid>, Option<Gid>) {
        (Some(Uid::from_raw_unchecked(self.uid)), Some(Gid::from_raw_unchecked(self.gid)))
    }

    fn times(&self) -> Timestamps {
        Timestamps { last_access: self.accessed, last_modification: self.modified }
    }
}

/// Whether a file system without owners, modes or the like refuses with this error, or the kernel for a missing
/// capability.
fn refused(error: Errno) -> bool {
    matches!(error, Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS | Errno::NOSYS | Errno::INVAL)
}

fn attribute_refused(error: Errno) -> bool {
    refused(error) || matches!(error, Errno::NOSPC | Errno::DQUOT | Errno::TOOBIG | Errno::RANGE)
}

/// So many attributes of an entry are refused before the others are not tried any more. An honest file has a few; one
/// of a stranger's archive has tens of thousands, and a full attribute block refuses each of them slowly.
const MOST_REFUSED: usize = 64;

/// Sets the attributes with `set`; what is refused is added to `lost`.
fn set_all(
    lost: &mut Vec<Lost>,
    xattrs: &Xattrs,
    set: impl Fn(&CStr, &[u8]) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let before = lost.len();
    for (name, value) in xattrs {
        let last = lost.last().map(|lost| lost.error).filter(|_| lost.len() - before >= MOST_REFUSED);
        let result = last.map_or_else(|| set(name, value), Err);
        note(lost, &name.to_string_lossy(), attribute_refused, result)?;
    }
    Ok(())
}

/// Collects metadata that was refused; passes on other errors.
fn note(lost: &mut Vec<Lost>, what: &str, refused: fn(Errno) -> bool, result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(error) if refused(error) => {
            lost.push(Lost { what: what.to_owned(), error });
            Ok(())
        }
        other => other,
    }
}

/// Gives an open file or folder its metadata; what the file system refuses is returned.
pub fn apply(target: &OwnedFd, metadata: &Metadata, xattrs: &Xattrs) -> Result<Vec<Lost>, Errno> {
    let mut lost = Vec::new();
    let (uid, gid) = metadata.owner();
    note(&mut lost, "owner", refused, fchown(target, uid, gid))?;
    set_all(&mut lost, xattrs, |name, value| fsetxattr(target, name, value, XattrFlags::empty()))?;
    if let Some(mode) = metadata.mode {
        note(&mut lost, "mode", refused, fchmod(target, Mode::from_raw_mode(mode)))?;
    }
    note(&mut lost, "times", refused, futimens(target, &metadata.times()))?;
    Ok(lost)
}

/// As [`apply`], for an entry that cannot be opened.
pub fn apply_at(folder: &OwnedFd, name: &CStr, metadata: &Metadata, xattrs: &Xattrs) -> Result<Vec<Lost>, Errno> {
    let mut lost = Vec::new();
    let (uid, gid) = metadata.owner();
    note(&mut lost, "owner", refused, chownat(folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW))?;
    if !xattrs.is_empty() {
        let path = through_proc(folder, name);
        set_all(&mut lost, xattrs, |name, value| lsetxattr(&path, name, value, XattrFlags::empty()))?;
    }
    if let Some(mode) = metadata.mode {
        note(&mut lost, "mode", refused, chmodat(folder, name, Mode::from_raw_mode(mode), AtFlags::empty()))?;
    }
    note(&mut lost, "times", refused, utimensat(folder, name, &metadata.times(), AtFlags::SYMLINK_NOFOLLOW))?;
    Ok(lost)
}

/// Removes from a new volume's root the ACLs that it inherited where the engine keeps its volumes: everything made in
/// it would inherit them.
pub fn forget_inherited(target: &OwnedFd) {
    for name in [c"system.posix_acl_default", c"system.posix_acl_access"] {
        // Usually there is none, or the file system knows none.
        let _ = fremovexattr(target, name);
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;

    #[test]
    fn attributes_are_not_tried_for_ever_when_the_file_system_refuses_them() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = dir.path().join("file");
        let file = OwnedFd::from(std::fs::File::create(&path).unwrap());
        let refused = |number| (CString::new(format!("nowhere.{number}")).unwrap(), b"x".to_vec());
        let few: Xattrs = (0..3).map(refused).chain([(c"user.few".to_owned(), b"x".to_vec())]).collect();
        let many: Xattrs = (0..1000).map(refused).chain([(c"user.many".to_owned(), b"x".to_vec())]).collect();
        let mut lost = Vec::new();
        let set = |name: &CStr, value: &[u8]| fsetxattr(&file, name, value, XattrFlags::empty());
        set_all(&mut lost, &few, set).unwrap();
        assert_eq!(lost.len(), 3);
        lost.clear();
        set_all(&mut lost, &many, set).unwrap();
        assert_eq!(lost.len(), 1001, "all that were not set are told");
        let names: Vec<CString> = xattrs_of(&file).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [c"user.few".to_owned()], "the last of many was not tried");
    }
}
