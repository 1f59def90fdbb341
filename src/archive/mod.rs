//! Tar archives as streams. The reader does not trust the archive's author; the writer loses nothing of a file. Neither
//! keeps an archive in memory, and neither touches a file system except to read the files that are packed.
//!
//! The reader knows V7, ustar, GNU (long names, sparse files) and pax (with `SCHILY.xattr`, `SCHILY.acl`,
//! `LIBARCHIVE.xattr` and GNU's sparse files 0.0, 0.1 and 1.0), as GNU tar, BusyBox, bsdtar, Go, Python, restic and
//! Borg write them.

pub mod acl;
pub mod compression;
pub mod error;
mod header;
pub mod open;
pub mod other_format;
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
    /// Path as bytes, without a leading `/` or `./`, without `.` components and without doubled or trailing slashes;
    /// empty for the root. A `..` stays: see [`Entry::escapes`].
    pub path: Vec<u8>,
    /// Type of the entry.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Time of the last change of the content: seconds since the epoch, and nanoseconds.
    pub mtime: (i64, u32),
    /// Extended attributes by name; ACLs and capabilities are among them. An ACL that is no list in numbers is there as
    /// text, by the name of its record: see [`acl::record`].
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Size of a file in bytes, holes included. For a hard link the size of the file, where it is known; otherwise 0.
    pub size: u64,
    /// Bytes of the content that the archive holds; less than `size` for a file with holes.
    pub stored: u64,
}

/// The type of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// Another name of an earlier file, whose path is in the form of [`Entry::path`].
    HardLink(Vec<u8>),
    /// A symbolic link with its target, as written.
    Symlink(Vec<u8>),
    /// A folder.
    Folder,
    /// A named pipe.
    Fifo,
    /// A character or block device.
    Device,
}

impl Entry {
    /// Whether a component of the path is `..`: the entry would be unpacked outside of its folder.
    pub fn escapes(&self) -> bool {
        escapes(&self.path)
    }
}

/// Whether a component of `path` is `..`.
pub fn escapes(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|component| component == b"..")
}

/// The rest of `path` below `prefix`; `None`: `path` is not below it. Both have the form of [`Entry::path`].
pub fn below<'a>(path: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    if prefix.is_empty() || path == prefix {
        return Some(&path[prefix.len()..]);
    }
    path.strip_prefix(prefix)?.strip_prefix(b"/")
}

/// The first block of a file, if it is the header of a tar archive.
pub fn header_of_tar(start: &[u8]) -> Option<&[u8; header::BLOCK]> {
    start.first_chunk().filter(|block| header::is_header(block))
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
