//! Tar archives as streams: read with care for what a stranger may have written, and written so that nothing of a file is
//! lost. Neither side holds an archive in memory, and neither touches a file system but to read what it packs.
//!
//! Formats that are read: V7, ustar, GNU (long names, sparse files) and pax (with `SCHILY.xattr`, `LIBARCHIVE.xattr` and
//! GNU's sparse files 0.0, 0.1 and 1.0), as GNU tar, BusyBox, bsdtar, Go, Python, restic and Borg write them.

pub mod compression;
pub mod error;
mod header;
pub mod open;
mod other_format;
mod pax;
pub mod read;
mod sparse;
pub mod survey;
#[cfg(test)]
#[path = "../../tests/support/trees.rs"]
pub(crate) mod trees;
pub mod write;
pub mod xattrs;

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it belongs, as bytes: without a leading `/` or `./`, without `.` components and doubled or trailing slashes; empty
    /// for the root itself. A `..` is left in, see [`Entry::escapes`].
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last change of its content: seconds since the epoch and nanoseconds.
    pub mtime: (i64, u32),
    /// Extended attributes, ACLs and capabilities among them, by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Bytes of a file's content, holes included; of a hard link what the file holds, where that is known; else 0.
    pub size: u64,
    /// Bytes of its content that the archive holds; less than `size` where there are holes.
    pub stored: u64,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// Another name of a file that came before; its path is in the form of [`Entry::path`].
    HardLink(Vec<u8>),
    /// A symbolic link and what it says, untouched.
    Symlink(Vec<u8>),
    /// A folder.
    Folder,
    /// A named pipe.
    Fifo,
    /// A character or block device.
    Device,
}

impl Entry {
    /// A component of its path is `..`: it names something outside of where it is unpacked.
    pub fn escapes(&self) -> bool {
        escapes(&self.path)
    }
}

/// A component of this path is `..`.
pub fn escapes(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|component| component == b"..")
}

/// What is left of `path` below `prefix`; `None` when it is not below it. Both are in the form of [`Entry::path`].
pub fn below<'a>(path: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    if prefix.is_empty() || path == prefix {
        return Some(&path[prefix.len()..]);
    }
    path.strip_prefix(prefix)?.strip_prefix(b"/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_below_whole_components_only() {
        assert_eq!(below(b"backup/app/a", b"backup/app"), Some(&b"a"[..]));
        assert_eq!(below(b"backup/app", b"backup/app"), Some(&b""[..]));
        assert_eq!(below(b"backup/app2/a", b"backup/app"), None);
        assert_eq!(below(b"a/b", b""), Some(&b"a/b"[..]));
    }

    #[test]
    fn two_dots_escape_as_a_component_only() {
        assert!(escapes(b"a/../b"));
        assert!(escapes(b".."));
        assert!(!escapes(b"a/..b/c.."));
    }
}
