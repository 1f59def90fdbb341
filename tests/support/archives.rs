//! Archives made byte by byte, so that they can say anything.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

const BLOCK: usize = 512;

/// An archive in the making.
#[derive(Default, Clone)]
pub struct Archive(Vec<u8>);

/// An entry in the making.
#[derive(Clone)]
pub struct Made {
    kind: u8,
    path: Vec<u8>,
    link: Vec<u8>,
    mode: u32,
    owner: (u32, u32),
    modified: (i64, u32),
    records: Vec<(Vec<u8>, Vec<u8>)>,
    content: Vec<u8>,
}

fn made(kind: u8, path: &[u8], link: &[u8]) -> Made {
    let (path, link, content) = (path.to_vec(), link.to_vec(), Vec::new());
    let modified = (1_500_000_000, 0);
    Made { kind, path, link, mode: 0o644, owner: (0, 0), modified, records: Vec::new(), content }
}

pub fn file(path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Made {
    Made { content: content.as_ref().to_vec(), ..made(b'0', path.as_ref(), b"") }
}

pub fn folder(path: impl AsRef<[u8]>) -> Made {
    made(b'5', path.as_ref(), b"").mode(0o755)
}

pub fn symlink(path: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Made {
    made(b'2', path.as_ref(), to.as_ref())
}

pub fn hard_link(path: impl AsRef<[u8]>, first: impl AsRef<[u8]>) -> Made {
    made(b'1', path.as_ref(), first.as_ref())
}

pub fn fifo(path: impl AsRef<[u8]>) -> Made {
    made(b'6', path.as_ref(), b"")
}

pub fn device(path: impl AsRef<[u8]>) -> Made {
    made(b'3', path.as_ref(), b"")
}

impl Made {
    pub fn is_hard_link(&self) -> bool {
        self.kind == b'1'
    }

    /// A number by which entries come in another order for each seed.
    pub fn shuffled(&self, seed: u8) -> [u8; 32] {
        *blake3::hash(&[&[seed], &self.path[..]].concat()).as_bytes()
    }

    pub fn mode(self, mode: u32) -> Made {
        Made { mode, ..self }
    }

    pub fn owner(self, uid: u32, gid: u32) -> Made {
        Made { owner: (uid, gid), ..self }
    }

    pub fn modified(self, seconds: i64, nanoseconds: u32) -> Made {
        Made { modified: (seconds, nanoseconds), ..self }
    }

    pub fn xattr(self, name: impl AsRef<[u8]>, value: &[u8]) -> Made {
        self.record([b"SCHILY.xattr.", name.as_ref()].concat(), value)
    }

    pub fn record(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Made {
        self.records.push((key.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// A file of this size, whose content is only these pieces.
    pub fn sparse(self, size: u64, pieces: &[(u64, &[u8])]) -> Made {
        let map = pieces.iter().map(|(at, piece)| format!("{at},{}", piece.len())).collect::<Vec<_>>().join(",");
        let content = pieces.iter().flat_map(|(_, piece)| piece.iter().copied()).collect();
        Made { content, ..self }
            .record("GNU.sparse.size", size.to_string())
            .record("GNU.sparse.numblocks", pieces.len().to_string())
            .record("GNU.sparse.map", map)
    }
}

impl Archive {
    pub fn of(entries: impl IntoIterator<Item = Made>) -> Archive {
        entries.into_iter().fold(Archive::default(), Archive::with)
    }

    pub fn with(mut self, entry: Made) -> Archive {
        let Made { kind, path, link, mode, owner, modified: (seconds, nanoseconds), mut records, content } = entry;
        if path.len() > 100 {
            records.push((b"path".to_vec(), path.clone()));
        }
        if link.len() > 100 {
            records.push((b"linkpath".to_vec(), link.clone()));
        }
        if nanoseconds > 0 || seconds < 0 {
            // What is before 1970 counts backwards.
            let text = if seconds < 0 && nanoseconds > 0 {
                format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanoseconds)
            } else {
                format!("{seconds}.{nanoseconds:09}")
            };
            records.push((b"mtime".to_vec(), text.into_bytes()));
        }
        if !records.is_empty() {
            let records = records.iter().flat_map(|(key, value)| record(key, value)).collect::<Vec<u8>>();
            self.block(b'x', b"extended", b"", 0o644, (0, 0), 0, &records);
        }
        let seconds = u64::try_from(seconds).unwrap_or(0);
        self.block(kind, &path, &link, mode, owner, seconds, &content);
        self
    }

    #[expect(clippy::too_many_arguments, reason = "a header has as many fields")]
    fn block(
        &mut self,
        kind: u8,
        path: &[u8],
        link: &[u8],
        mode: u32,
        owner: (u32, u32),
        seconds: u64,
        content: &[u8],
    ) {
        let mut block = [0; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &path[..path.len().min(100)]);
        put(100, format!("{mode:07o}\0{:07o}\0{:07o}\0", owner.0, owner.1).as_bytes());
        put(124, format!("{:011o}\0{seconds:011o}\0", content.len()).as_bytes());
        put(148, b"        ");
        put(156, &[kind]);
        put(157, &link[..link.len().min(100)]);
        put(257, b"ustar\x0000");
        let sum = block.iter().map(|&byte| u32::from(byte)).sum::<u32>();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&block);
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * BLOCK, 0);
        self.0
    }
}

/// An extended header's record: its length, which counts itself, a key and a value.
fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (1..).map(|digits| rest + digits).find(|length| rest + length.to_string().len() == *length).unwrap();
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// The entries of a real tree, folders before what is in them. Names are given in `prefix`.
pub fn pack(root: &Path, prefix: &str) -> Vec<Made> {
    let mut entries = Vec::new();
    let mut first = std::collections::HashMap::new();
    let mut paths = vec![root.to_owned()];
    while let Some(path) = paths.pop() {
        let meta = std::fs::symlink_metadata(&path).unwrap();
        let name = Path::new(prefix).join(path.strip_prefix(root).unwrap()).into_os_string().into_vec();
        let name = if name.is_empty() { b"./".to_vec() } else { name };
        if meta.is_dir() {
            paths.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let again = (meta.nlink() > 1 && !meta.is_dir())
            .then(|| first.entry((meta.dev(), meta.ino())).or_insert_with(|| name.clone()).clone())
            .filter(|first| *first != name);
        let kind = meta.file_type();
        let entry = match () {
            () if again.is_some() => hard_link(&name, again.unwrap()),
            () if kind.is_dir() => folder(&name),
            () if kind.is_symlink() => symlink(&name, std::fs::read_link(&path).unwrap().into_os_string().as_bytes()),
            () if kind.is_fifo() => fifo(&name),
            () => file(&name, std::fs::read(&path).unwrap()),
        };
        let entry = xattrs(&path).into_iter().fold(entry, |entry, (name, value)| entry.xattr(name, &value));
        let nanoseconds = u32::try_from(meta.mtime_nsec()).unwrap();
        entries
            .push(entry.mode(meta.mode() & 0o7777).owner(meta.uid(), meta.gid()).modified(meta.mtime(), nanoseconds));
    }
    entries
}

fn xattrs(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = vec![0; 65536];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    let names = names[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0; 65536];
        let length = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value[..]).unwrap();
        value.truncate(length);
        value
    };
    names.map(|name| (name.to_vec(), value(name))).collect()
}
