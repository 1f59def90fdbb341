//! Compares two trees by path-based calls only, so that it shares no code with the copy.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// All that a copy must keep of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    device: u64,
    link: Option<PathBuf>,
    xattrs: BTreeMap<OsString, Vec<u8>>,
    content: Option<(u64, blake3::Hash)>,
    /// The first name, in order, of the same file.
    same_as: PathBuf,
}

fn kind(meta: &Metadata) -> &'static str {
    let kind = meta.file_type();
    match () {
        () if kind.is_dir() => "folder",
        () if kind.is_file() => "file",
        () if kind.is_symlink() => "symlink",
        () if kind.is_fifo() => "fifo",
        () if kind.is_char_device() => "character device",
        () if kind.is_block_device() => "block device",
        () => "socket",
    }
}

fn xattrs(path: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let mut names = vec![0; 65536];
    let length = rustix::fs::llistxattr(path, &mut names[..]).expect("attribute names");
    let names = names[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let mut value = vec![0; 65536];
            let length = rustix::fs::lgetxattr(path, name, &mut value[..]).expect("an attribute");
            value.truncate(length);
            (OsStr::from_bytes(name).to_owned(), value)
        })
        .collect()
}

/// Everything of a tree, its root under the empty path, sockets left out.
pub(crate) fn tree(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut paths = vec![PathBuf::new()];
    let mut all = Vec::new();
    while let Some(path) = paths.pop() {
        let full = root.join(&path);
        let meta = std::fs::symlink_metadata(&full).expect("it is there");
        if meta.is_dir() {
            paths.extend(
                std::fs::read_dir(&full)
                    .expect("a folder")
                    .map(|entry| path.join(entry.expect("an entry").file_name())),
            );
        }
        if kind(&meta) != "socket" {
            all.push((path, meta));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let mut first = BTreeMap::new();
    let mut entries = BTreeMap::new();
    for (path, meta) in all {
        let full = root.join(&path);
        let same_as = first.entry((meta.dev(), meta.ino())).or_insert_with(|| path.clone()).clone();
        let entry = Entry {
            kind: kind(&meta),
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
            modified: (meta.mtime(), meta.mtime_nsec()),
            device: meta.rdev(),
            link: std::fs::read_link(&full).ok(),
            xattrs: xattrs(&full),
            content: meta.is_file().then(|| (meta.len(), blake3::hash(&std::fs::read(&full).expect("its content")))),
            same_as,
        };
        entries.insert(path, entry);
    }
    entries
}

/// Fails unless `copy` is the same as `original` in all that must be kept.
pub(crate) fn same(original: &Path, copy: &Path) {
    let (original, copy) = (tree(original), tree(copy));
    let names = |tree: &BTreeMap<PathBuf, Entry>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&original), names(&copy), "names");
    for (path, entry) in &original {
        assert_eq!(entry, &copy[path], "{}", path.display());
    }
}

/// Bytes a file takes on its disk.
pub(crate) fn allocated(path: &Path) -> u64 {
    std::fs::metadata(path).expect("it is there").blocks() * 512
}
