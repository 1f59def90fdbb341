//! Copies of odd trees, compared exhaustively. These tests make device nodes and change owners: they need root.

mod live;
mod trees;

use std::ffi::{CString, OsStr};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, makedev, mknodat, utimensat};

use rehearsa::model::event::Amount;
use rehearsa::worker::job::{JobControl, JobStop};
use rehearsa::worker::jobs::copy::CopyObserver;
use rehearsa::worker::protocol::{Copied, CopyJob, Failure, RootKind};

use crate::support::compare;

/// A source and an empty target on the disk that the tests are built on: `/tmp` may be a tmpfs, which stores other
/// metadata.
struct Pair {
    folder: tempfile::TempDir,
}

impl Pair {
    fn new() -> Pair {
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests need root: they change owners and make device nodes"
        );
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        for name in ["from", "to"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Pair { folder }
    }

    fn from(&self) -> PathBuf {
        self.folder.path().join("from")
    }

    fn to(&self) -> PathBuf {
        self.folder.path().join("to")
    }

    fn copy_bounded(&self, max_bytes: u64, keep_free: u64) -> Result<Copied, JobStop> {
        let (from, to) = (self.from(), self.to());
        copy(from.to_str().unwrap(), to.to_str().unwrap(), max_bytes, keep_free, &JobControl::default(), &())
    }

    /// Copies, and expects a quiet source and a target that takes everything.
    fn copy(&self) -> Copied {
        let copied = self.copy_bounded(0, 0).unwrap();
        assert_eq!(copied.torn.first, Vec::<String>::new());
        assert_eq!(copied.lost_metadata.first, Vec::<String>::new());
        copied
    }

    fn copy_is_same(&self) -> Copied {
        let copied = self.copy();
        compare::same(&self.from(), &self.to());
        copied
    }
}

fn copy(
    from: &str,
    to: &str,
    max_bytes: u64,
    keep_free: u64,
    control: &JobControl,
    observer: &dyn CopyObserver,
) -> Result<Copied, JobStop> {
    let job = CopyJob { from: from.to_owned(), to: to.to_owned(), max_bytes, keep_free, contents: false };
    rehearsa::worker::jobs::copy::copy(&job, control, observer).map(|(copied, _)| copied)
}

fn set_times(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

fn run(program: &str, args: &[&str], path: &Path) {
    let status =
        Command::new(program).args(args).arg(path).status().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(status.success(), "{program} {args:?}");
}

/// A name is kept as it is, whatever its bytes are.
#[test]
fn odd_names_are_kept() {
    let pair = Pair::new();
    let names: [&[u8]; 6] = [b"\xff\xfe not text", b"new\nline", b" ", b"-rf", "\u{1F980}".as_bytes(), &[b'x'; 255]];
    for name in names {
        let name = OsStr::from_bytes(name);
        std::fs::write(pair.from().join(name), name.as_bytes()).unwrap();
        std::fs::create_dir_all(pair.to().parent().unwrap().join("from/sub").join(name)).unwrap();
    }
    assert_eq!(pair.copy_is_same().amount.files, 6);
}

#[test]
fn the_root_of_the_mount_keeps_owner_mode_and_times() {
    let pair = Pair::new();
    chown(pair.from(), Some(999), Some(998)).unwrap();
    set_mode(&pair.from(), 0o3700);
    set_xattr(&pair.from(), "user.root", b"yes");
    set_times(&pair.from(), 1_000_000_000, 123_456_789);
    let copied = pair.copy_is_same();
    assert_eq!((copied.root, copied.amount.files, copied.folders), (RootKind::Folder, 0, 0));
}

#[test]
fn modes_with_special_bits_survive_foreign_owners() {
    let pair = Pair::new();
    for mode in [0o4755, 0o2755, 0o6711, 0o1777, 0o000, 0o444, 0o7777] {
        let file = pair.from().join(format!("file-{mode:o}"));
        std::fs::write(&file, "x").unwrap();
        chown(&file, Some(1000), Some(1001)).unwrap();
        set_mode(&file, mode);
        let folder = pair.from().join(format!("folder-{mode:o}"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("inside"), "x").unwrap();
        chown(&folder, Some(1002), Some(1003)).unwrap();
        set_mode(&folder, mode);
    }
    pair.copy_is_same();
}

#[test]
fn times_are_kept_to_the_nanosecond() {
    let pair = Pair::new();
    for (name, seconds, nanoseconds) in [("old", -86_400, 1), ("epoch", 0, 0), ("now", 1_700_000_000, 999_999_999)] {
        let folder = pair.from().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("file"), name).unwrap();
        symlink("file", folder.join("link")).unwrap();
        for path in [folder.join("file"), folder.join("link"), folder] {
            set_times(&path, seconds, nanoseconds);
        }
    }
    pair.copy();
    // Before the comparison, which reads.
    let copied = std::fs::metadata(pair.to().join("old/file")).unwrap();
    assert_eq!((copied.atime(), copied.atime_nsec()), (-86_400, 1), "the access time as well");
    compare::same(&pair.from(), &pair.to());
}

#[test]
fn the_access_times_of_the_source_stay() {
    let pair = Pair::new();
    let file = pair.from().join("file");
    std::fs::write(&file, "x").unwrap();
    for path in [&file, &pair.from()] {
        // An access time older than the change is what relatime would update.
        set_times(path, 1_000_000_000, 5);
    }
    pair.copy();
    for path in [&file, &pair.from()] {
        assert_eq!(std::fs::metadata(path).unwrap().atime(), 1_000_000_000);
    }
}

#[test]
fn hard_links_stay_links_within_the_copy() {
    let pair = Pair::new();
    let outside = pair.folder.path().join("outside");
    std::fs::write(&outside, "shared with the world").unwrap();
    std::fs::hard_link(&outside, pair.from().join("inside")).unwrap();
    for group in 0..40 {
        let first = pair.from().join(format!("group-{group}"));
        std::fs::write(&first, vec![b'x'; group * 1000]).unwrap();
        for copy in 0..group % 5 {
            let folder = pair.from().join(format!("links-{copy}"));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::hard_link(&first, folder.join(format!("of-{group}"))).unwrap();
        }
    }
    symlink("nowhere", pair.from().join("dangling")).unwrap();
    std::fs::hard_link(pair.from().join("dangling"), pair.from().join("dangling too")).unwrap();
    let copied = pair.copy_is_same();
    assert_eq!(copied.amount.files, 41 + 8 * (1 + 2 + 3 + 4) + 2);
    let alone = std::fs::metadata(pair.to().join("inside")).unwrap();
    assert_eq!(alone.nlink(), 1, "a name outside the mount is not of the copy");
}

#[test]
fn symlinks_are_copied_and_never_followed() {
    let pair = Pair::new();
    let long = "y".repeat(3000);
    for (name, to) in [("absolute", "/etc/passwd"), ("up", "../.."), ("self", "self"), ("long", long.as_str())] {
        let link = pair.from().join(name);
        symlink(to, &link).unwrap();
        lchown(&link, Some(33), Some(34)).unwrap();
        set_times(&link, 1_234_567_890, 987_654_321);
    }
    assert_eq!(pair.copy_is_same().amount.bytes, 0);
}

#[test]
fn fifos_and_devices_are_made_anew() {
    let pair = Pair::new();
    let make = |name: &str, kind, device| {
        let path = pair.from().join(name);
        mknodat(CWD, &path, kind, Mode::from_raw_mode(0o620), device).unwrap();
        lchown(&path, Some(7), Some(8)).unwrap();
        set_mode(&path, 0o4624);
        set_times(&path, 1_111_111_111, 1);
    };
    make("fifo", FileType::Fifo, 0);
    make("null", FileType::CharacterDevice, makedev(1, 3));
    make("whiteout", FileType::CharacterDevice, makedev(0, 0));
    make("block", FileType::BlockDevice, makedev(7, 4242));
    assert_eq!(pair.copy_is_same().amount.files, 4);
}

#[test]
fn sockets_are_left_out_and_counted() {
    let pair = Pair::new();
    let _socket = std::os::unix::net::UnixListener::bind(pair.from().join("s")).unwrap();
    std::fs::write(pair.from().join("file"), "x").unwrap();
    let copied = pair.copy();
    assert_eq!((copied.sockets, copied.amount.files), (1, 1));
    assert!(!pair.to().join("s").exists());
}

#[test]
fn attributes_acls_and_capabilities_are_kept() {
    let pair = Pair::new();
    let path = |name: &str| pair.from().join(name);
    for name in ["plain", "capable", "acl", "big"] {
        std::fs::write(path(name), "x").unwrap();
        chown(path(name), Some(1000), Some(1000)).unwrap();
    }
    std::fs::create_dir(path("folder")).unwrap();
    for index in 0..50 {
        set_xattr(&path("plain"), &format!("user.a-longish-name-{index}"), b"");
    }
    set_xattr(&path("plain"), "trusted.seen-by-root-only", b"\0binary\xff");
    set_xattr(&path("big"), "user.big", &[b'v'; 3500]);
    symlink("x", path("link")).unwrap();
    set_xattr(&path("link"), "trusted.on-a-link", b"1");
    mknodat(CWD, path("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    set_xattr(&path("fifo"), "trusted.on-a-fifo", b"2");
    run("setcap", &["cap_net_bind_service,cap_chown=ep"], &path("capable"));
    run("setfacl", &["-m", "u:1234:rwx,g:77:r,m::rw"], &path("acl"));
    run("setfacl", &["-m", "u:1234:rx"], &path("fifo"));
    run("setfacl", &["-m", "u:99:rwx,d:u:99:rwx,d:o::-"], &path("folder"));
    // Must not inherit the default ACL in the copy: it has none here.
    std::fs::write(path("folder/bare"), "x").unwrap();
    run("setfacl", &["-b"], &path("folder/bare"));
    std::fs::create_dir(path("folder/bare folder")).unwrap();
    run("setfacl", &["-b"], &path("folder/bare folder"));
    pair.copy_is_same();
}

#[test]
fn a_target_with_inherited_acls_does_not_hand_them_down() {
    let pair = Pair::new();
    run("setfacl", &["-m", "u:5:rwx,d:u:5:rwx"], &pair.to());
    std::fs::create_dir(pair.from().join("folder")).unwrap();
    std::fs::write(pair.from().join("folder/file"), "x").unwrap();
    pair.copy_is_same();
}

#[test]
fn holes_stay_holes() {
    let pair = Pair::new();
    let sparse = |name: &str, size: u64, data: &[(u64, usize)]| {
        let mut file = std::fs::File::create(pair.from().join(name)).unwrap();
        for &(at, length) in data {
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(&vec![b'd'; length]).unwrap();
        }
        file.set_len(size).unwrap();
        file.sync_all().unwrap();
    };
    sparse("only a hole", 1 << 30, &[]);
    sparse("data in the middle", 64 << 20, &[(32 << 20, 10_000)]);
    sparse("data at the end", (64 << 20) + 17, &[(64 << 20, 17)]);
    sparse("many", 32 << 20, &[(0, 5000), (1 << 20, 1), (3 << 20, 300_000), (31 << 20, 1 << 20)]);
    sparse("none", 3 << 20, &[(0, 3 << 20)]);
    let copied = pair.copy_is_same();
    assert!(copied.amount.bytes < 10 << 20, "holes are no content: {}", copied.amount.bytes);
    for name in ["only a hole", "data in the middle", "data at the end", "many", "none"] {
        let (original, copy) = (compare::allocated(&pair.from().join(name)), compare::allocated(&pair.to().join(name)));
        assert!(copy <= original + 64 * 1024, "{name}: {copy} allocated for {original}");
    }
}

#[test]
fn what_is_copied_is_counted_by_its_content() {
    let pair = Pair::new();
    for (name, size) in [("empty", 0), ("one", 1), ("small", 5_000), ("big", 300_001)] {
        std::fs::write(pair.from().join(name), vec![b'x'; size]).unwrap();
    }
    std::fs::hard_link(pair.from().join("big"), pair.from().join("again")).unwrap();
    let copied = pair.copy_is_same();
    assert_eq!(copied.amount, Amount { files: 5, bytes: 305_002 });

    // A sparse file by its blocks, in the count before and in the copy alike.
    let mut sparse = std::fs::File::create(pair.from().join("sparse")).unwrap();
    sparse.seek(SeekFrom::Start(64 << 20)).unwrap();
    sparse.write_all(&[b'x'; 10]).unwrap();
    sparse.sync_all().unwrap();
    let other = Pair::new();
    let control = JobControl::default();
    let (from, to) = (pair.from(), other.to());
    let copied = copy(from.to_str().unwrap(), to.to_str().unwrap(), 0, 0, &control, &()).unwrap();
    assert_eq!(Some(copied.amount), control.total());
    assert!((305_012..400_000).contains(&copied.amount.bytes), "{:?}", copied.amount);
}

#[test]
fn paths_longer_than_the_kernel_takes_are_copied() {
    let pair = Pair::new();
    // Deeper than the descriptors that are kept open, longer than PATH_MAX.
    let name = CString::new("d".repeat(40)).unwrap();
    let open = |parent: &std::os::fd::OwnedFd| {
        rustix::fs::mkdirat(parent, &name, Mode::RWXU).unwrap();
        rehearsa::archive::open::open_folder(parent, &name).unwrap()
    };
    let mut at =
        rehearsa::archive::open::open_folder(&std::fs::File::open(pair.folder.path()).unwrap().into(), c"from")
            .unwrap();
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    for level in 0..400 {
        drop(rustix::fs::openat(&at, format!("f{level}"), flags, Mode::RUSR).unwrap());
        rustix::fs::mkdirat(&at, "sibling", Mode::RWXU).unwrap();
        if level > 0 && level % 50 == 0 {
            rustix::fs::linkat(&at, format!("f{level}"), &at, "sibling/link", AtFlags::empty()).unwrap();
        }
        at = open(&at);
    }
    let copied = pair.copy();
    assert_eq!((copied.amount.files, copied.folders), (407, 800));
    let list = |path: PathBuf| {
        let find =
            Command::new("find").args([".", "-printf", "%m %y %n %s %T@ %p\n"]).current_dir(path).output().unwrap();
        let mut lines: Vec<_> = find.stdout.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        lines.sort();
        lines
    };
    let original = list(pair.from());
    assert_eq!(original.len(), 1209);
    assert!(original == list(pair.to()), "the trees differ");
}

#[test]
fn a_folder_of_many_files_is_shared_among_threads_without_loss() {
    let pair = Pair::new();
    for index in 0..3000 {
        std::fs::write(pair.from().join(format!("{index}")), index.to_string()).unwrap();
    }
    assert_eq!(pair.copy_is_same().amount.files, 3000);
}

#[test]
fn a_mount_that_is_a_file_lands_under_a_fixed_name() {
    let pair = Pair::new();
    let file = pair.from().join("config.yml");
    std::fs::write(&file, "x: 1\n").unwrap();
    chown(&file, Some(5), Some(6)).unwrap();
    set_mode(&file, 0o640);
    set_times(&file, 1, 2);
    let copied = copy(file.to_str().unwrap(), pair.to().to_str().unwrap(), 0, 0, &JobControl::default(), &()).unwrap();
    assert_eq!((copied.root, copied.amount.files), (RootKind::File, 1));
    std::fs::rename(&file, pair.from().join("file")).unwrap();
    // The folders around them are not of the mount.
    for folder in [pair.from(), pair.to()] {
        set_times(&folder, 0, 0);
    }
    compare::same(&pair.from(), &pair.to());
}

#[test]
fn other_roots_are_refused_unopened() {
    let pair = Pair::new();
    mknodat(CWD, pair.from().join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let from = pair.from().join("fifo");
    let result = copy(from.to_str().unwrap(), pair.to().to_str().unwrap(), 0, 0, &JobControl::default(), &());
    assert!(matches!(result, Err(JobStop::Failed(Failure::WrongKind { root: RootKind::Other }))), "{result:?}");
}

#[test]
fn too_much_is_refused_before_anything_is_written() {
    let pair = Pair::new();
    std::fs::write(pair.from().join("a"), vec![1; 100_000]).unwrap();
    let result = pair.copy_bounded(50_000, 0);
    assert!(
        matches!(result, Err(JobStop::Failed(Failure::TooLarge { bytes: 100_000, max_bytes: 50_000 }))),
        "{result:?}"
    );
    let result = pair.copy_bounded(0, u64::MAX / 2);
    assert!(matches!(result, Err(JobStop::Failed(Failure::NoSpace { .. }))), "{result:?}");
    assert_eq!(std::fs::read_dir(pair.to()).unwrap().count(), 0);
}

#[test]
fn a_target_that_is_not_empty_is_not_written_over() {
    let pair = Pair::new();
    std::fs::write(pair.from().join("a"), "new").unwrap();
    std::fs::write(pair.to().join("a"), "old").unwrap();
    let result = pair.copy_bounded(0, 0);
    assert!(matches!(&result, Err(JobStop::Failed(Failure::Unwritable { path, .. })) if path == "a"), "{result:?}");
    assert_eq!(std::fs::read(pair.to().join("a")).unwrap(), b"old");
}

#[test]
fn a_cancelled_copy_stops() {
    let pair = Pair::new();
    std::fs::write(pair.from().join("a"), "x").unwrap();
    let control = JobControl::default();
    control.cancel();
    let (from, to) = (pair.from(), pair.to());
    let result = copy(from.to_str().unwrap(), to.to_str().unwrap(), 0, 0, &control, &());
    assert!(matches!(result, Err(JobStop::Cancelled)), "{result:?}");
}
