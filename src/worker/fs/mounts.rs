//! What the kernel knows of the worker's own mounts.

use std::io;

use crate::model::host_tree::{HostMount, below};

/// File systems that hold no files of users: the kernel's own, and what an engine mounts for containers.
const WITHOUT_FILES: [&str; 22] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fuse.fuse-overlayfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "pstore",
    "securityfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

/// A mount and what is mounted below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mounted {
    /// The type of its file system (`ext4`, `cifs`).
    pub file_system: String,
    /// How many other mounts lie below it.
    pub below: u64,
}

/// What is mounted at `path`, which is a mount of the worker.
pub fn mounted_at(path: &str) -> io::Result<Mounted> {
    Ok(find(&std::fs::read_to_string("/proc/self/mountinfo")?, path))
}

/// What is mounted at `path` and below it. The mount points are relative to `path`, which itself is empty.
pub fn mounts_below(path: &str) -> io::Result<Vec<HostMount>> {
    let text = std::fs::read_to_string("/proc/self/mountinfo")?;
    let from_path = |mount: HostMount| Some(HostMount { point: below(&mount.point, path)?.to_owned(), ..mount });
    Ok(parse(&text).filter_map(from_path).collect())
}

/// The mounts of a table that have files of users.
pub fn with_files(mountinfo: &str) -> Vec<HostMount> {
    parse(mountinfo).filter(|mount| !WITHOUT_FILES.contains(&mount.file_system.as_str())).collect()
}

/// Reads a table of mounts. The fourth field is the folder of the file system that is mounted, and what is mounted
/// follows the type.
fn parse(mountinfo: &str) -> impl Iterator<Item = HostMount> {
    let mount = |line: &str| {
        let mut fields = line.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        fields.find(|field| *field == "-")?;
        let (file_system, source) = (fields.next()?, fields.next().unwrap_or_default());
        let [root, point, source] = [root, point, source].map(unescaped);
        Some(HostMount { point, root, file_system: file_system.to_owned(), source })
    };
    mountinfo.lines().filter_map(mount)
}

/// Puts back the characters that the kernel writes in octal: space, tab, line feed, backslash.
fn unescaped(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(field.to_owned(), |field, (escaped, character)| field.replace(escaped, character))
}

/// The fields are those of proc_pid_mountinfo(5): the mount point is the fifth, the type follows a lone hyphen.
fn find(mountinfo: &str, path: &str) -> Mounted {
    let mut found = Mounted::default();
    for line in mountinfo.lines() {
        let mut fields = line.split(' ').skip(4);
        let Some(point) = fields.next() else { continue };
        if point == path {
            fields.find(|field| *field == "-");
            found.file_system = fields.next().unwrap_or_default().to_owned();
        } else if point.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')) {
            found.below += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mounts_with_files_are_told() {
        let mountinfo = "\
            22 27 0:21 / /proc rw,relatime - proc proc rw\n\
            36 35 0:40 / /tank/my\\040app rw,noatime shared:1 - zfs tank/my\\040app rw,xattr\n\
            37 36 0:50 /@home /home rw - btrfs /dev/sdb rw\n\
            39 36 0:52 / /var/lib/docker/overlay2/a/merged rw - overlay overlay rw\n\
            garbage\n";
        let mount = |point: &str, root: &str, file_system: &str, source: &str| HostMount {
            point: point.to_owned(),
            root: root.to_owned(),
            file_system: file_system.to_owned(),
            source: source.to_owned(),
        };
        let expected =
            [mount("/tank/my app", "/", "zfs", "tank/my app"), mount("/home", "/@home", "btrfs", "/dev/sdb")];
        assert_eq!(with_files(mountinfo), expected);
    }

    #[test]
    fn a_mount_is_found_with_what_lies_below_it() {
        let mountinfo = "\
            36 35 98:0 / / rw,noatime master:1 - ext3 /dev/root rw\n\
            37 36 0:50 / /from/1 ro shared:2 master:3 - cifs //nas/media rw\n\
            38 37 0:51 / /from/1/a\\040b ro - ext4 /dev/sdb rw\n\
            39 36 0:52 / /from/10 ro - xfs /dev/sdc rw\n";
        assert_eq!(find(mountinfo, "/from/1"), Mounted { file_system: "cifs".to_owned(), below: 1 });
        assert_eq!(find(mountinfo, "/from/10"), Mounted { file_system: "xfs".to_owned(), below: 0 });
        assert_eq!(find(mountinfo, "/from"), Mounted { file_system: String::new(), below: 3 });
    }
}
