//! Every property of an entry survives unpacking.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, mknodat, utimensat};

use super::*;
use crate::support::archives::{Archive, Made, file, folder, pack};

fn xattr(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

/// An ACL as the kernel takes it: one more user may read and write.
pub const ACL: &[u8] = b"\x02\0\0\0\
    \x01\0\x06\0\xff\xff\xff\xff\
    \x02\0\x06\0\xd2\x04\0\0\
    \x04\0\x04\0\xff\xff\xff\xff\
    \x10\0\x06\0\xff\xff\xff\xff\
    \x20\0\0\0\xff\xff\xff\xff";
/// `cap_net_raw=ep`.
const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// A tree of odd things.
pub fn odd(root: &Path) {
    std::fs::create_dir_all(root.join("deep/er/and deeper")).unwrap();
    std::fs::create_dir_all(root.join("empty")).unwrap();
    std::fs::create_dir_all(root.join("closed")).unwrap();
    std::fs::create_dir_all(root.join(format!("{0}/{0}", "long".repeat(50)))).unwrap();
    let names: [&[u8]; 7] =
        [b"setuid", b"secret", b"capable", b"acl", b"deep/er/x", b"closed/inside", b"not \xff utf\n8"];
    for (index, name) in names.into_iter().enumerate() {
        let path = root.join(std::ffi::OsStr::from_bytes(name));
        std::fs::write(&path, name.repeat(index * index * 3000)).unwrap();
        chown(&path, Some(1000 + u32::try_from(index).unwrap()), Some(77)).unwrap();
    }
    std::fs::hard_link(root.join("secret"), root.join("deep/er/secret too")).unwrap();
    std::fs::hard_link(root.join("secret"), root.join("a secret")).unwrap();
    symlink("/etc/passwd", root.join("link")).unwrap();
    symlink("x".repeat(300), root.join("deep/long link")).unwrap();
    lchown(root.join("link"), Some(5), Some(6)).unwrap();
    mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    xattr(&root.join("acl"), "system.posix_acl_access", ACL);
    xattr(&root.join("capable"), "security.capability", CAPABILITY);
    xattr(&root.join("secret"), "user.note", b"kept = \n\0 as it is");
    xattr(&root.join("deep"), "user.folder", b"");
    let modes = [
        ("setuid", 0o6711),
        ("secret", 0),
        ("closed", 0),
        ("deep", 0o3775),
        ("deep/er", 0o555),
        ("fifo", 0o622),
        ("", 0o1711),
    ];
    for (name, mode) in modes {
        std::fs::set_permissions(root.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    xattr(&root.join("deep"), "system.posix_acl_default", ACL);
    chown(root, Some(70), Some(71)).unwrap();
    let times = [
        ("deep/er/x", 1),
        ("deep/er", 2),
        ("deep", 3),
        ("closed/inside", -2),
        ("closed", 5),
        ("link", 6),
        ("fifo", 7),
        ("", 8),
    ];
    for (name, seconds) in times {
        let time = Timespec { tv_sec: seconds, tv_nsec: 123_456_789 };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, root.join(name), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

fn unpack_odd(order: impl Fn(&mut Vec<Made>)) {
    let (field, original) = (Field::new(), tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap());
    odd(original.path());
    let mut entries = pack(original.path(), "");
    order(&mut entries);
    let unpacked = field.done(Archive::of(entries));
    compare::same(original.path(), &field.to(""));
    assert_eq!((unpacked.amount.files, unpacked.folders), (12, 7));
}

#[test]
fn a_tree_comes_back_as_it_was() {
    unpack_odd(|_| {});
}

/// A folder may come after what is in it, and be come back to again and again.
#[test]
fn a_tree_comes_back_in_any_order() {
    unpack_odd(|entries| entries.sort_by_key(Made::is_hard_link));
    unpack_odd(|entries| {
        entries.reverse();
        entries.sort_by_key(Made::is_hard_link);
    });
    for seed in 1..6 {
        unpack_odd(|entries| {
            entries.sort_by_cached_key(|entry| (entry.is_hard_link(), entry.shuffled(seed)));
        });
    }
}

/// A file of a million pieces holds up everybody who uses the disk, for minutes, when it is removed.
#[test]
fn a_file_of_very_many_pieces_has_most_of_its_holes_filled() {
    let (field, pieces) = (Field::new(), 17_000_u64);
    let map: Vec<(u64, &[u8])> = (0..pieces).map(|nth| (nth * 8192, &b"x"[..])).collect();
    let after: [(u64, &[u8]); 2] = [(8192, b"y"), (32_768, b"z")];
    let unpacked = field
        .done(Archive::of([file("pieces", "").sparse(pieces * 8192, &map), file("after", "").sparse(1 << 20, &after)]));
    assert_eq!(unpacked.amount.bytes, pieces + 2, "zeros are no content");
    let (file, after) = (std::fs::File::open(field.to("pieces")).unwrap(), std::fs::read(field.to("after")).unwrap());
    let (mut at, mut found) = (0, 0);
    while let Ok(data) = rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(at)) {
        at = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(data)).unwrap();
        found += 1;
    }
    assert_eq!(found, 16_385, "one more piece than holes");
    let content = std::fs::read(field.to("pieces")).unwrap();
    assert!(content.iter().enumerate().all(|(at, byte)| *byte == if at % 8192 == 0 { b'x' } else { 0 }));
    assert_eq!((after[8192], after[32_768], after.iter().filter(|byte| **byte != 0).count()), (b'y', b'z', 2));
    assert!(compare::allocated(&field.to("after")) < 1 << 16, "each file keeps a hole");
}

#[test]
fn holes_stay_holes() {
    let field = Field::new();
    let pieces: [(u64, &[u8]); 2] = [(1 << 20, &[7; 5000]), (1 << 30, &[8; 4096])];
    field.done(Archive::of([
        file("sparse", "").sparse((1 << 30) + 9999, &pieces),
        file("hole", "").sparse(1 << 30, &[]),
    ]));
    let path = field.to("sparse");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), (1 << 30) + 9999);
    assert!(compare::allocated(&path) < 1 << 20);
    let mut piece = [0; 5002];
    std::os::unix::fs::FileExt::read_exact_at(&std::fs::File::open(&path).unwrap(), &mut piece, (1 << 20) - 1).unwrap();
    assert_eq!((piece[0], piece[5001]), (0, 0));
    assert!(piece[1..5001].iter().all(|&byte| byte == 7));
    assert_eq!(std::fs::metadata(field.to("hole")).unwrap().len(), 1 << 30);
}

#[test]
fn folders_without_an_entry_are_ordinary_ones() {
    let field = Field::new();
    let unpacked = field.done(Archive::of([folder("a").mode(0o2770).owner(1, 50), file("a/b/c/d", "x")]));
    for path in ["a/b", "a/b/c"] {
        let meta = std::fs::metadata(field.to(path)).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.uid(), meta.gid()), (0o755, 0, 0), "{path}");
    }
    assert_eq!(unpacked.folders, 3);
}

/// What a folder hands down to what is made in it is for its service, not for a restore.
#[test]
fn rights_are_not_handed_down() {
    let field = Field::new();
    let handing = || folder("d").mode(0o2755).owner(1, 50).xattr("system.posix_acl_default", ACL);
    field.done(Archive::of([
        handing(),
        file("d/a", ""),
        folder("e"),
        file("d/b", ""),
        folder("d/f"),
        file("e/x", ""),
        folder("d/g"),
    ]));
    for path in ["d/a", "d/b", "d/f", "d/g"] {
        let mut names = [0; 1000];
        assert_eq!(rustix::fs::llistxattr(field.to(path), &mut names[..]).unwrap(), 0, "{path}");
        assert_eq!(std::fs::metadata(field.to(path)).unwrap().mode() & 0o2000, 0, "{path}");
    }
    let mut value = [0; 1000];
    let length = rustix::fs::lgetxattr(field.to("d"), "system.posix_acl_default", &mut value[..]).unwrap();
    assert_eq!(&value[..length], ACL);
}

#[test]
fn what_the_file_system_refuses_is_told() {
    let field = Field::new();
    let unpacked = field.unpack(Archive::of([
        file("a", "x").xattr("security.selinux", b"label").xattr("nonsense.name", b"1"),
        super::archives::symlink("l", "a").xattr("user.no", b"2"),
    ]));
    let unpacked = unpacked.unwrap();
    assert_eq!(unpacked.lost_metadata.count, 2, "{:?}", unpacked.lost_metadata);
    assert!(unpacked.lost_metadata.first[0].starts_with("nonsense.name on a: "), "{:?}", unpacked.lost_metadata);
    assert!(unpacked.lost_metadata.first[1].starts_with("user.no on l: "), "{:?}", unpacked.lost_metadata);
    assert_eq!(content(&field.to("a")), "x");
    assert_eq!(rustix::fs::llistxattr(field.to("a"), &mut [0; 1000][..]).unwrap(), 0, "a label belongs to its place");
}

#[test]
fn an_access_list_with_names_is_told_and_the_file_comes_without_it() {
    let field = Field::new();
    let text = b"user::rw-\nuser:alice:rw-\ngroup::r--\nmask::rw-\nother::---\n";
    let unpacked = field.unpack(Archive::of([file("a", "x").xattr("SCHILY.acl.access", text)])).unwrap();
    let told = "the ACL on a: it is no access list with numbers of users and groups: user::rw-,user:alice:rw-";
    assert!(unpacked.lost_metadata.first[0].starts_with(told), "{:?}", unpacked.lost_metadata);
    assert_eq!((unpacked.lost_metadata.count, content(&field.to("a")).as_str()), (1, "x"));
}

#[test]
fn rights_of_an_earlier_entry_are_gone() {
    let field = Field::new();
    field.done(Archive::of([
        folder("d").xattr("system.posix_acl_default", ACL),
        file("e", ""),
        folder("d").mode(0o750),
        file("d/a", ""),
    ]));
    for path in ["d", "d/a"] {
        assert_eq!(rustix::fs::llistxattr(field.to(path), &mut [0; 1000][..]).unwrap(), 0, "{path}");
    }
}
