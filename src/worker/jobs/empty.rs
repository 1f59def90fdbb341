//! Prepares an empty volume that its service can write to: the root gets the owner, mode and attributes of the live
//! one's, and a file stays a file.

use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use crate::worker::fs::meta;
use crate::worker::fs::open::{unreadable, unwritable};
use crate::worker::fs::root::{SINGLE_FILE, open_root, open_volume, stat_root};
use crate::worker::job::JobStop;
use crate::worker::protocol::{Failure, RootKind};

/// Gives `to` the metadata of the root of `from`, whose content is not read. For a file, makes an empty one under the
/// name `file`.
pub fn prepare(from: &str, to: &str) -> Result<RootKind, JobStop> {
    let (root, _) = stat_root(from)?;
    if !matches!(root, RootKind::Folder | RootKind::File) {
        return Err(Failure::WrongKind { root }.into());
    }
    let source = open_root(from, root)?;
    let stat = fstat(&source).map_err(|error| unreadable(b"", error))?;
    let xattrs = meta::xattrs_of(&source).map_err(|error| unreadable(b"", error))?;
    let target = open_volume(to)?;
    let unwritable = |name: &str, error: Errno| unwritable(&target, name.as_bytes(), error);
    meta::forget_inherited(&target);
    if root == RootKind::Folder {
        meta::apply(&target, &(&stat).into(), &xattrs).map_err(|error| unwritable("", error))?;
    } else {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&target, SINGLE_FILE, flags, Mode::RUSR).map_err(|error| unwritable("file", error))?;
        meta::apply(&file, &(&stat).into(), &xattrs).map_err(|error| unwritable("file", error))?;
    }
    Ok(root)
}
