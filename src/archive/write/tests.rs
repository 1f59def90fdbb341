//! Tests of the writer: what the reader and real tools get back, and changes of the source meanwhile.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::process::Command;

use super::*;
use crate::archive::read::{ReadLimits, Reader};
use crate::archive::trees::{ALL, archived, assert_same, is_root, listing, make, read, run, set_mtime};
use crate::archive::{Entry, Kind};

mod changing;

/// Packs all of a folder.
fn packed(root: &Path) -> (PackSummary, Vec<u8>) {
    packed_as(root, &PackOptions::default())
}

fn packed_as(root: &Path, options: &PackOptions) -> (PackSummary, Vec<u8>) {
    let mut archive = Vec::new();
    let packed = pack(root, options, &mut archive).expect("it can be packed");
    assert_eq!(archive.len() % 512, 0);
    (packed, archive)
}

fn names(archive: &[u8]) -> Vec<String> {
    let mut names: Vec<_> = read(archive)
        .expect("the archive is whole")
        .into_iter()
        .map(|(entry, _)| String::from_utf8_lossy(&entry.path).into_owned())
        .collect();
    names.sort();
    names
}

fn find(archive: &[u8], path: &[u8]) -> (Entry, Vec<u8>) {
    let entries = read(archive).expect("the archive is whole");
    entries.into_iter().find(|(entry, _)| entry.path == path).expect("it is there")
}

/// A folder with entries of all kinds.
fn odd_tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), ALL);
    set_mtime(&dir.path().join("all"), -2, 500_000_001);
    set_mtime(&dir.path().join("empty"), -1, 999_999_999);
    dir
}

#[test]
fn everything_comes_back() {
    let dir = odd_tree();
    let (packed, archive) = packed(dir.path());
    let entries = read(archive.as_slice()).expect("the archive is whole");
    let holes = entries.iter().find(|(entry, _)| entry.path == b"holes").expect("it is there");
    assert!(holes.0.stored < holes.0.size / 2, "holes stay holes");
    let folders = entries.iter().filter(|(entry, _)| entry.kind == Kind::Folder).count() as u64;
    assert_eq!((packed.folders, packed.files), (folders, entries.len() as u64 - folders));
    assert_eq!(packed.bytes, entries.iter().map(|(entry, _)| entry.stored).sum::<u64>());
    assert_eq!((packed.torn.count, packed.sockets), (0, 0));
    let expected = listing(dir.path());
    assert_same(&archived(entries), &expected);
    // The output's speed makes no difference.
    let mut slow = Vec::new();
    pack(dir.path(), &PackOptions::default(), &mut Trickle(&mut slow)).expect("it can be packed");
    assert!(slow == archive);
}

/// Takes a few bytes at a time.
struct Trickle<'a>(&'a mut Vec<u8>);

impl Write for Trickle<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len().min(12_345);
        self.0.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn sockets_are_left_out_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    let (packed, archive) = packed(dir.path());
    assert_eq!((packed.sockets, packed.files), (1, 0));
    assert_eq!(names(&archive), [""]);
}

#[test]
fn a_prefix_stands_before_every_path() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "x").unwrap();
    fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
    let (_, archive) = packed_as(dir.path(), &PackOptions { prefix: b"volumes/data".to_vec(), wanted: Vec::new() });
    assert_eq!(names(&archive), ["volumes/data", "volumes/data/a", "volumes/data/b"]);
    let links: Vec<_> = read(archive.as_slice()).unwrap().into_iter().map(|(entry, _)| entry.kind).collect();
    let is_link = |kind: &Kind| matches!(kind, Kind::HardLink(to) if to.starts_with(b"volumes/data/"));
    assert_eq!(links.iter().filter(|kind| is_link(kind)).count(), 1);
}

#[test]
fn only_what_is_wanted_is_packed_with_the_way_to_it() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["a/b/c", "a/b2/c", "a/x/y", "z"] {
        fs::create_dir_all(dir.path().join(path)).unwrap();
        fs::write(dir.path().join(path).join("file"), "x").unwrap();
    }
    let wanted = vec![b"a/b".to_vec(), b"a/x/y/file".to_vec(), b"nowhere".to_vec()];
    let (_, archive) = packed_as(dir.path(), &PackOptions { prefix: b"p".to_vec(), wanted });
    assert_eq!(names(&archive), ["p", "p/a", "p/a/b", "p/a/b/c", "p/a/b/c/file", "p/a/x", "p/a/x/y", "p/a/x/y/file"]);
}

#[test]
fn a_single_file_is_an_archive_of_one() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("dump.sql"), "words").unwrap();
    symlink("dump.sql", dir.path().join("latest")).unwrap();
    let (one, archive) = packed(&dir.path().join("dump.sql"));
    assert_eq!((one.files, one.folders, one.bytes), (1, 0, 5));
    assert_eq!(find(&archive, b"dump.sql").1, b"words");
    let options = PackOptions { prefix: b"a/b".to_vec(), wanted: Vec::new() };
    assert_eq!(names(&packed_as(&dir.path().join("latest"), &options).1), ["a/b"]);
    for wrong in [dir.path().join("none"), "/dev/null".into()] {
        let error = pack(&wrong, &PackOptions::default(), io::sink()).expect_err("there is nothing to pack");
        assert!(error.to_string().contains(&wrong.display().to_string()), "{error}");
    }
}

/// The header of a file with this size.
fn about(size: u64, xattrs: &Xattrs) -> HeaderValues<'_> {
    HeaderValues {
        path: b"large",
        flag: b'0',
        target: b"",
        size,
        real_size: None,
        mode: 0o644,
        owner: (0, 0),
        mtime: (0, 0),
        device: None,
        xattrs,
    }
}

#[test]
fn files_too_large_for_octal_digits() {
    let none = Vec::new();
    let about = |size| about(size, &none);
    for size in [(1 << 33) - 1, 1 << 33, 1 << 50] {
        let blocks = about(size).to_blocks().expect("there is room");
        let entry = Reader::new(blocks.as_slice(), ReadLimits::NONE).next().unwrap().expect("an entry");
        assert_eq!((entry.size, entry.stored), (size, size));
    }
    let dir = tempfile::tempdir().unwrap();
    let file = File::create(dir.path().join("disk")).unwrap();
    file.set_len(20 << 30).unwrap();
    file.write_all_at(b"far", 15 << 30).unwrap();
    let (_, archive) = packed(dir.path());
    assert!(archive.len() < 100_000);
    let mut reader = Reader::new(archive.as_slice(), ReadLimits::NONE);
    reader.next().unwrap().expect("the folder");
    let entry = reader.next().unwrap().expect("the file");
    assert_eq!(entry.size, 20 << 30);
    let mut buf = vec![0; 100_000];
    let (offset, length) = reader.read_piece(&mut buf).unwrap().expect("its data");
    assert_eq!((offset, length as u64, &buf[..3]), (15 << 30, entry.stored, &b"far"[..]));
}

#[test]
fn long_names_that_are_no_text_are_said_to_be_none() {
    for (path, is_text) in [([0xc3, 0xa4].repeat(100), true), (vec![0xff; 200], false)] {
        let blocks = HeaderValues { path: &path, ..about(0, &Vec::new()) }.to_blocks().expect("there is room");
        let declared = blocks[512..].starts_with(b"21 hdrcharset=BINARY\n");
        assert_eq!(declared, !is_text);
        let entry = Reader::new(blocks.as_slice(), ReadLimits::NONE).next().unwrap().expect("an entry");
        assert_eq!(entry.path, path);
    }
}

#[test]
fn attributes_beyond_what_a_reader_takes_are_said_to_be_so() {
    let xattrs: Xattrs = (0..20).map(|at| (CString::new(format!("user.{at}")).unwrap(), vec![0; 60_000])).collect();
    assert_eq!(about(0, &xattrs).to_blocks(), Err(HeaderTooLarge));
}

#[test]
fn a_tree_deeper_than_paths_and_descriptors_go() {
    const DEPTH: usize = 1500;
    let dir = tempfile::tempdir().unwrap();
    let open = |parent: &OwnedFd, name: &str| openat(parent, name, OFlags::DIRECTORY, Mode::empty()).unwrap();
    let mut at = openat(CWD, dir.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..DEPTH {
        for name in ["side", "level"] {
            rustix::fs::mkdirat(&at, name, Mode::RWXU).unwrap();
        }
        openat(&at, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
        at = open(&at, "level");
    }
    let (mut most, mut seen) = (0, 0);
    let mut archive = Vec::new();
    let result = pack_watched(dir.path(), &PackOptions::default(), &mut archive, &mut |_, _| {
        seen += 1;
        if seen % 50 != 0 {
            return;
        }
        // Some paths are too long for readlink; those are this test's own.
        let ours = |fd: &fs::DirEntry| fs::read_link(fd.path()).is_ok_and(|to| to.starts_with(dir.path()));
        let too_long = |fd: &fs::DirEntry| {
            fs::read_link(fd.path()).is_err_and(|error| error.raw_os_error() == Some(Errno::NAMETOOLONG.raw_os_error()))
        };
        let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
        most = most.max(open.filter(|fd| ours(fd) || too_long(fd)).count());
    });
    run(Command::new("rm").arg("-rf").arg(dir.path()), b"");
    let packed = result.expect("it can be packed");
    assert_eq!((packed.files, packed.folders, packed.torn.count), (DEPTH as u64, 2 * DEPTH as u64 + 1, 0));
    assert!(most > MAX_OPEN / 2 && most < 2 * MAX_OPEN, "{most} open at once");
    let mut reader = Reader::new(archive.as_slice(), ReadLimits::NONE);
    let mut longest = 0;
    while let Some(entry) = reader.next().expect("the archive is whole") {
        longest = longest.max(entry.path.len());
    }
    assert_eq!(longest, DEPTH * "level/".len() - 1);
}
