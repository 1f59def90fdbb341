//! Trees with everything that a file system can hold, and their expected entries in an archive.

#![allow(dead_code, reason = "unit tests use a part, and the programs in tests/ another")]

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, lgetxattr, llistxattr, lsetxattr, mknodat,
    utimensat,
};

use rehearsa::archive::compression::open;
use rehearsa::archive::error::ArchiveError;
use rehearsa::archive::read::{ReadLimits, Reader};
use rehearsa::archive::{Entry, Kind};

/// What a tree is to have, beside what every format can hold.
#[derive(Debug, Clone, Copy)]
pub struct Oddities {
    /// Names and paths longer than a header has room for.
    pub long: bool,
    /// FIFOs and, where that is allowed, devices.
    pub special: bool,
    /// Owners and times that do not fit into octal digits.
    pub wide: bool,
    /// Extended attributes.
    pub xattrs: bool,
}

/// All of them.
pub const ALL: Oddities = Oddities { long: true, special: true, wide: true, xattrs: true };
/// None of them.
pub const FEW: Oddities = Oddities { long: false, special: false, wide: false, xattrs: false };

/// An entry as it was found, in a file system or in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub kind: Kind,
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime: (i64, u32),
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub content: Vec<u8>,
}

/// Entries by path.
pub type Listing = BTreeMap<Vec<u8>, Found>;

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn set_mtime(path: &Path, seconds: i64, nanos: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanos as _ };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("a time is set");
}

/// Makes a tree.
pub fn make(root: &Path, odd: Oddities) {
    let name = |bytes: &[u8]| root.join(OsStr::from_bytes(bytes));
    fs::write(name(b"plain"), "plain words").unwrap();
    fs::hard_link(name(b"plain"), name(b"twin")).unwrap();
    fs::write(name(b"empty"), "").unwrap();
    fs::write(name(b"block"), vec![b'x'; 1024]).unwrap();
    fs::create_dir_all(name(b"folder/deeper")).unwrap();
    fs::create_dir(name(b"empty folder")).unwrap();
    fs::write(name(b"folder/deeper/file"), vec![b'y'; 70_000]).unwrap();
    fs::hard_link(name(b"folder/deeper/file"), name(b"folder/deeper/other name")).unwrap();
    symlink("folder/deeper", name(b"link")).unwrap();
    symlink("/nowhere//else/./", name(b"dangling")).unwrap();
    for odd in [&b"new\nline"[..], b"\xff\xfe not UTF-8", b"-dash", b"back\\slash", b" blanks ", b"%3D=", b"\xc3\xa4"] {
        fs::write(name(odd), odd).unwrap();
    }
    for (path, mode) in [("setuid", 0o4755), ("none", 0o600), ("all", 0o777)] {
        fs::write(name(path.as_bytes()), path).unwrap();
        fs::set_permissions(name(path.as_bytes()), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(name(b"empty folder"), fs::Permissions::from_mode(0o3777)).unwrap();
    let holes = File::create(name(b"holes")).unwrap();
    holes.set_len(3_000_001).unwrap();
    for at in [0, 65_536, 1_048_576, 2_999_000] {
        holes.write_all_at(&[b'd'; 1000], at).unwrap();
    }
    File::create(name(b"nothing but a hole")).unwrap().set_len(1 << 20).unwrap();
    if odd.long {
        fs::write(name(&[b'n'; 255]), "long name").unwrap();
        let mut deep = name(b"deep");
        for _ in 0..12 {
            deep = deep.join("0123456789".repeat(6));
        }
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("end"), "deep").unwrap();
        symlink("t".repeat(300), name(b"long link")).unwrap();
        fs::hard_link(deep.join("end"), deep.join("twin of end")).unwrap();
        // Exactly what a header has room for, and one more.
        for length in [99, 100, 101] {
            fs::write(name(&vec![b'e'; length]), "edge").unwrap();
        }
    }
    if odd.special {
        mknodat(CWD, name(b"pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        // Not everybody may make one.
        let _ = mknodat(CWD, name(b"null"), FileType::CharacterDevice, Mode::RUSR, rustix::fs::makedev(1, 3));
    }
    if odd.xattrs {
        for path in [&b"plain"[..], b"folder"] {
            for (key, value) in
                [("user.note", &b"words"[..]), ("user.raw", b"\0\n=\xff"), ("user.a=b%3D", b"odd"), ("user.none", b"")]
            {
                lsetxattr(name(path), key, value, XattrFlags::empty()).expect("an attribute is set");
            }
        }
        lsetxattr(name(b"empty"), "user.big", &[7; 2000], XattrFlags::empty()).expect("an attribute is set");
    }
    if is_root() {
        lchown(name(b"plain"), Some(12_345), Some(54_321)).unwrap();
        lchown(name(b"link"), Some(7), Some(8)).unwrap();
        fs::set_permissions(name(b"none"), fs::Permissions::from_mode(0o000)).unwrap();
        if odd.wide {
            lchown(name(b"all"), Some(3_000_000_000), Some(4_000_000_000)).unwrap();
        }
    }
    set_mtime(&name(b"plain"), 1_234_567_890, 123_456_789);
    set_mtime(&name(b"link"), 1_000_000_000, 1);
    if odd.wide {
        // Tools do not agree on what a fraction before 1970 means.
        set_mtime(&name(b"all"), -2, 0);
        set_mtime(&name(b"none"), 1 << 33, 250_000_000);
    }
    set_mtime(&name(b"folder"), 1_111_111_111, 0);
}

/// What is in a tree, its root included. Sockets are left out.
pub fn listing(root: &Path) -> Listing {
    let mut listing = Listing::new();
    look(root, Vec::new(), &mut listing);
    listing
}

fn look(root: &Path, path: Vec<u8>, listing: &mut Listing) {
    let full: PathBuf = root.join(OsStr::from_bytes(&path));
    let meta = fs::symlink_metadata(&full).unwrap();
    let kind = if meta.is_dir() {
        for entry in fs::read_dir(&full).unwrap() {
            let name = entry.unwrap().file_name().into_vec();
            let inner = if path.is_empty() { name } else { [path.as_slice(), b"/", &name].concat() };
            look(root, inner, listing);
        }
        Kind::Folder
    } else if meta.is_symlink() {
        Kind::Symlink(fs::read_link(&full).unwrap().into_os_string().into_vec())
    } else if meta.file_type().is_fifo() {
        Kind::Fifo
    } else if meta.file_type().is_socket() {
        return;
    } else if meta.is_file() {
        Kind::File
    } else {
        Kind::Device
    };
    let content = if meta.is_file() { fs::read(&full).unwrap() } else { Vec::new() };
    let found = Found {
        mode: meta.mode() & 0o7777,
        owner: (meta.uid(), meta.gid()),
        mtime: (meta.mtime(), u32::try_from(meta.mtime_nsec()).unwrap()),
        xattrs: xattrs(&full),
        kind,
        content,
    };
    listing.insert(path, found);
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 65_536];
    let length = llistxattr(path, &mut names[..]).unwrap();
    let names = names[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0; 65_536];
        let length = lgetxattr(path, CString::new(name).unwrap(), &mut value[..]).unwrap();
        value.truncate(length);
        value
    };
    names.filter(|name| *name != b"security.selinux").map(|name| (name.to_vec(), value(name))).collect()
}

/// Reads an archive to its end, contents included.
pub fn read(archive: impl Read + Send) -> Result<Vec<(Entry, Vec<u8>)>, ArchiveError> {
    let input = open(archive).expect("its beginning is readable");
    read_all(Reader::new(input, ReadLimits::NONE))
}

/// Reads all that a reader gives.
pub fn read_all<R: Read>(mut reader: Reader<R>) -> Result<Vec<(Entry, Vec<u8>)>, ArchiveError> {
    let mut entries = Vec::new();
    let mut buf = vec![0; 10_000];
    while let Some(entry) = reader.next()? {
        let mut content = vec![0; usize::try_from(entry.size).unwrap()];
        let mut stored = 0;
        while let Some((offset, length)) = reader.read_piece(&mut buf)? {
            let offset = usize::try_from(offset).unwrap();
            content[offset..offset + length].copy_from_slice(&buf[..length]);
            stored += length as u64;
        }
        assert_eq!(stored, entry.stored, "{:?}", entry.path);
        entries.push((entry, content));
    }
    Ok(entries)
}

/// What an archive holds. A hard link is what it is the same as, as it is in a file system.
pub fn archived(entries: Vec<(Entry, Vec<u8>)>) -> Listing {
    let mut listing = Listing::new();
    for (entry, content) in entries {
        let found = match &entry.kind {
            Kind::HardLink(to) => listing.get(to).expect("a hard link comes after what it is the same as").clone(),
            kind => Found {
                kind: kind.clone(),
                mode: entry.mode,
                owner: (entry.uid, entry.gid),
                mtime: entry.mtime,
                xattrs: entry.xattrs.into_iter().collect(),
                content,
            },
        };
        assert!(listing.insert(entry.path, found).is_none(), "everything comes once");
    }
    listing
}

/// Compares two listings, so that a difference can be read.
pub fn assert_same(found: &Listing, expected: &Listing) {
    let names = |listing: &Listing| listing.keys().map(|path| path.escape_ascii().to_string()).collect::<Vec<_>>();
    assert_eq!(names(found), names(expected));
    for (path, expected) in expected {
        let found = &found[path];
        let path = path.escape_ascii();
        assert!(found.content == expected.content, "{path} differs in its content");
        let bare = |found: &Found| Found { content: Vec::new(), ..found.clone() };
        assert_eq!(bare(found), bare(expected), "{path}");
    }
}

/// Runs a tool with `input` and returns what it writes.
pub fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let program = command.get_program().to_string_lossy().into_owned();
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{program} (ci/setup installs it): {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &input));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    // It may not have wanted to read it all.
    let _ = writer.join().unwrap();
    output.stdout
}
