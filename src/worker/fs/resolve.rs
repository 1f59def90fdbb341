//! Follows a path as a service does, in a folder where the service's mounts lie as in its container: a symlink leads
//! where it leads in the container, and never out of it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{Error, ErrorKind};
use std::path::{Component, Path, PathBuf};

/// Most symlinks that are followed, as in the kernel.
const LINKS: usize = 40;

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub enum Resolved {
    /// To an entry that is no symlink.
    There(PathBuf),
    /// To nothing. The path is as the service would write it.
    Missing(PathBuf),
}

/// Follows a path as a process does whose root `root` is.
pub fn resolve(root: &Path, path: &Path) -> Result<Resolved, Error> {
    let mut left: VecDeque<OsString> = steps(path).collect();
    let mut at = PathBuf::new();
    let mut links = 0;
    while let Some(step) = left.pop_front() {
        if step == ".." {
            at.pop();
            continue;
        }
        let next = root.join(&at).join(&step);
        match next.symlink_metadata() {
            Ok(meta) if meta.is_symlink() => {
                links += 1;
                if links > LINKS {
                    return Err(Error::other("its symlinks lead round and round"));
                }
                let target = next.read_link()?;
                if target.is_absolute() {
                    at.clear();
                }
                for step in steps(&target).rev() {
                    left.push_front(step);
                }
            }
            Ok(_) => at.push(step),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                let rest = left.iter().fold(Path::new("/").join(&at).join(step), |path, step| path.join(step));
                return Ok(Resolved::Missing(rest));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Resolved::There(root.join(at)))
}

/// The steps of a path that lead anywhere.
fn steps(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsStr::new("..").to_owned()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn symlinks_lead_where_they_lead_in_the_container_and_never_out_of_it() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        fs::create_dir_all(root.join("data/real")).unwrap();
        fs::write(root.join("data/real/app.db"), "x").unwrap();
        for (target, link) in [
            ("/data/real", "data/absolute"),
            ("real/../real/app.db", "data/relative"),
            ("../../../../data/real/app.db", "data/upwards"),
            ("/etc/passwd", "data/outside"),
            ("round", "data/round"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        let of = |path: &str| resolve(root, Path::new(path));
        let there = || Resolved::There(root.join("data/real/app.db"));
        for path in ["/data/real/app.db", "/data/absolute/app.db", "/data/relative", "/data/upwards"] {
            assert_eq!(of(path).unwrap(), there(), "{path}");
        }
        assert_eq!(of("/data/outside").unwrap(), Resolved::Missing("/etc/passwd".into()));
        assert_eq!(of("/data/absolute/no/app.db").unwrap(), Resolved::Missing("/data/real/no/app.db".into()));
        assert_eq!(of("/data/real/app.db/x").unwrap(), Resolved::Missing("/data/real/app.db/x".into()));
        assert!(of("/data/round").is_err());
    }
}
