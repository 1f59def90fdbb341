//! What the kernel knows of the worker's own mounts.

use std::io;

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
