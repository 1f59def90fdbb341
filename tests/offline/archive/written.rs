//! Archives of this writer, read by real tools; and entries that only root can make.

use std::fs;
use std::path::Path;
use std::process::Command;

use rehearsa::archive::Entry;
use rehearsa::archive::write::{PackOptions, pack};
use rustix::fs::{CWD, FileType, Mode};

use crate::support::trees::{ALL, archived, assert_same, is_root, listing, make, read, run, set_mtime};

/// Packs all of a folder.
fn packed(root: &Path) -> Vec<u8> {
    let mut archive = Vec::new();
    pack(root, &PackOptions::default(), &mut archive).expect("it can be packed");
    archive
}

fn find(archive: &[u8], path: &[u8]) -> Entry {
    let entries = read(archive).expect("the archive is whole");
    entries.into_iter().find(|(entry, _)| entry.path == path).expect("it is there").0
}

#[test]
fn gnu_tar_and_bsdtar_get_the_same_out_of_it() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), ALL);
    // They take fractions before 1970 for something else.
    for path in ["all", "empty"] {
        set_mtime(&dir.path().join(path), 0, 500_000_000);
    }
    // Not every one of them sets the time of a folder that was there before.
    let inside = |root: &Path| {
        let mut listing = listing(root);
        listing.remove(&b""[..]);
        listing
    };
    for tool in [&["tar", "--xattrs", "--xattrs-include=*", "--numeric-owner"][..], &["bsdtar", "--numeric-owner"]] {
        if tool[0] == "bsdtar" {
            // It does not undo what GNU tar does to such a name.
            for path in ["plain", "folder"] {
                rustix::fs::removexattr(dir.path().join(path), "user.a=b%3D").unwrap();
            }
        }
        let archive = packed(dir.path());
        let to = tempfile::tempdir().unwrap();
        let mut command = Command::new(tool[0]);
        command.env("LC_ALL", "C.UTF-8").args(["-x", "-p", "-f", "-", "-C"]).arg(to.path()).args(&tool[1..]);
        run(&mut command, &archive);
        assert_same(&inside(to.path()), &inside(dir.path()));
    }
}

#[test]
fn access_lists_capabilities_and_device_numbers_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "x").unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    run(Command::new("setfacl").args(["-m", "u:1234:rw"]).arg(&path), b"");
    run(Command::new("setfacl").args(["-d", "-m", "u:1234:rw"]).arg(dir.path().join("folder")), b"");
    let mut expected = vec!["system.posix_acl_access"];
    if is_root() {
        run(Command::new("setcap").arg("cap_net_raw+ep").arg(&path), b"");
        expected.insert(0, "security.capability");
        let device = rustix::fs::makedev(259, 300_000);
        let made = rustix::fs::mknodat(CWD, dir.path().join("disk"), FileType::BlockDevice, Mode::RUSR, device);
        // Not every sandbox lets one make it.
        if made.is_ok() {
            let archive = packed(dir.path());
            let list = String::from_utf8(run(Command::new("tar").args(["-tvf", "-"]), &archive)).unwrap();
            assert!(list.contains("259,300000"), "{list}");
        }
    }
    let archive = packed(dir.path());
    let of = |path: &[u8]| find(&archive, path).xattrs.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(of(b"file"), expected.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>());
    assert_eq!(of(b"folder"), [b"system.posix_acl_default".to_vec()]);
    assert_same(&archived(read(archive.as_slice()).unwrap()), &listing(dir.path()));
}
