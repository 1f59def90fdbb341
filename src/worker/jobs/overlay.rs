//! The folders of an overlay over data that does not change.

use rustix::fs::{Mode, OFlags, fstat, mkdirat, openat};
use rustix::io::Errno;

use crate::worker::fs::meta;
use crate::worker::fs::open::{unreadable, unwritable};
use crate::worker::fs::root::{open_root, open_volume, stat_root};
use crate::worker::job::JobStop;
use crate::worker::protocol::{Failure, RootKind};

/// Makes `upper`, with the metadata of the root of `from`, and `work` in `to`.
pub fn prepare(from: &str, to: &str) -> Result<(), JobStop> {
    let (root, _) = stat_root(from)?;
    if root != RootKind::Folder {
        return Err(Failure::WrongKind { root }.into());
    }
    let lower = open_root(from, root)?;
    let stat = fstat(&lower).map_err(|error| unreadable(b"", error))?;
    let xattrs = meta::xattrs_of(&lower).map_err(|error| unreadable(b"", error))?;
    let target = open_volume(to)?;
    meta::forget_inherited(&target);
    let unwritable = |name: &str, error: Errno| unwritable(&target, name.as_bytes(), error);

    for name in ["work", "upper"] {
        mkdirat(&target, name, Mode::RWXU).map_err(|error| unwritable(name, error))?;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let upper = openat(&target, "upper", flags, Mode::empty()).map_err(|error| unwritable("upper", error))?;
    // Attributes of the root that the target refuses do not stop the job: the answer has no place for them.
    meta::apply(&upper, &(&stat).into(), &xattrs).map_err(|error| unwritable("upper", error))?;
    Ok(())
}
