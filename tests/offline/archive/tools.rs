//! Archives by real tools of a tree with every kind of entry.

use std::path::Path;
use std::process::Command;

use rehearsa::archive::error::ArchiveFault;
use rehearsa::archive::read::{ReadLimits, Reader};
use rehearsa::archive::{Entry, Kind};

use crate::support::trees::{ALL, FEW, Listing, Oddities, archived, assert_same, listing, make, read, read_all, run};

/// What a format keeps of an entry, beside what all of them do.
#[derive(Clone, Copy)]
struct Keeps {
    nanos: bool,
    xattrs: bool,
}

const LITTLE: Keeps = Keeps { nanos: false, xattrs: false };
const MUCH: Keeps = Keeps { nanos: true, xattrs: true };

fn reduced(mut listing: Listing, keeps: Keeps) -> Listing {
    for found in listing.values_mut() {
        if !keeps.nanos {
            found.mtime.1 = 0;
        }
        if !keeps.xattrs {
            found.xattrs.clear();
        }
    }
    listing
}

/// Packs a tree with a tool and reads what it made.
fn compare(odd: Oddities, keeps: Keeps, pack: impl FnOnce(&Path) -> Vec<u8>) -> Vec<(Entry, Vec<u8>)> {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), odd);
    let archive = pack(dir.path());
    let entries = read(archive.as_slice()).expect("the archive is whole");
    assert_same(&reduced(archived(entries.clone()), keeps), &reduced(listing(dir.path()), keeps));
    if !archive.starts_with(b"\x1f\x8b") {
        let seeking = Reader::seekable(std::io::Cursor::new(&archive), ReadLimits::NONE).unwrap();
        assert!(read_all(seeking).expect("the archive is whole") == entries, "seeking finds the same");
    }
    let links = entries.iter().filter(|(entry, _)| matches!(entry.kind, Kind::HardLink(_))).count();
    assert!(links >= 2, "the tree has hard links");
    entries
}

/// `tar -c` with these options.
fn gnu_tar(options: &[&str]) -> impl FnOnce(&Path) -> Vec<u8> {
    move |root| run(Command::new("tar").arg("-C").arg(root).args(["-cf", "-"]).args(options).arg("."), b"")
}

fn find<'a>(entries: &'a [(Entry, Vec<u8>)], path: &[u8]) -> &'a (Entry, Vec<u8>) {
    entries.iter().find(|(entry, _)| entry.path == path).expect("it is there")
}

#[test]
fn gnu_tar_v7() {
    let entries = compare(FEW, LITTLE, gnu_tar(&["--format=v7"]));
    assert_eq!(find(&entries, b"empty folder").0.kind, Kind::Folder);
}

#[test]
fn gnu_tar_ustar() {
    compare(Oddities { special: true, ..FEW }, LITTLE, gnu_tar(&["--format=ustar"]));
}

#[test]
fn gnu_tar_gnu_and_oldgnu() {
    compare(ALL, LITTLE, gnu_tar(&["--format=gnu"]));
    compare(ALL, LITTLE, gnu_tar(&["--format=oldgnu"]));
}

#[test]
fn gnu_tar_pax_with_attributes() {
    compare(ALL, MUCH, gnu_tar(&["--format=pax", "--xattrs", "--xattrs-include=*"]));
}

#[test]
fn gnu_tar_sparse_in_every_form() {
    for form in [
        &["--sparse", "--format=gnu"][..],
        &["--sparse", "--format=oldgnu"],
        &["--sparse", "--format=pax", "--sparse-version=0.0"],
        &["--sparse", "--format=pax", "--sparse-version=0.1"],
        &["--sparse", "--format=pax", "--sparse-version=1.0"],
    ] {
        let entries = compare(ALL, LITTLE, gnu_tar(form));
        let (holes, _) = find(&entries, b"holes");
        assert!(holes.stored < holes.size / 2, "{form:?}: holes are told from data");
        assert_eq!(find(&entries, b"nothing but a hole").0.stored, 0, "{form:?}");
    }
}

#[test]
fn a_file_of_very_many_pieces_in_every_form() {
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(dir.path().join("comb")).unwrap();
    for at in 0..300_u64 {
        std::os::unix::fs::FileExt::write_all_at(&file, b"tooth", at * 65_536).unwrap();
    }
    let expected = listing(dir.path());
    for form in ["gnu", "0.0", "0.1", "1.0"] {
        let version = format!("--sparse-version={form}");
        let options = if form == "gnu" { vec!["--format=gnu"] } else { vec!["--format=pax", &version] };
        let archive = gnu_tar(&[&["--sparse"], options.as_slice()].concat())(dir.path());
        let entries = read(archive.as_slice()).expect("it is whole");
        let (comb, content) = find(&entries, b"comb");
        assert!(comb.stored < comb.size / 2, "{form}");
        assert!(*content == expected[&b"comb"[..]].content, "{form}");
    }
}

#[test]
fn absolute_paths_and_climbing_ones() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("inner")).unwrap();
    std::fs::write(dir.path().join("file"), "x").unwrap();
    let archive = run(Command::new("tar").args(["-cPf", "-"]).arg(dir.path().join("file")), b"");
    let found = read(archive.as_slice()).expect("it is whole").remove(0).0;
    assert_eq!(found.path, dir.path().strip_prefix("/").unwrap().join("file").as_os_str().as_encoded_bytes());
    assert!(!found.escapes());
    let archive = run(Command::new("tar").current_dir(dir.path().join("inner")).args(["-cPf", "-", "../file"]), b"");
    let found = read(archive.as_slice()).expect("it is whole").remove(0).0;
    assert_eq!(found.path, b"../file");
    assert!(found.escapes());
}

#[test]
fn an_incremental_backup_keeps_its_folders() {
    for format in ["--format=gnu", "--format=pax"] {
        let state = tempfile::tempdir().unwrap();
        let incremental = format!("--listed-incremental={}", state.path().join("snapshot").display());
        let entries = compare(ALL, LITTLE, gnu_tar(&[format, &incremental]));
        assert_eq!(find(&entries, b"folder/deeper").0.kind, Kind::Folder);
    }
}

#[test]
fn an_archive_of_what_changed_since_another_is_not_all() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("old"), "old").unwrap();
    let incremental = format!("--listed-incremental={}", dir.path().join("snapshot").display());
    let archived = || {
        let mut tar = Command::new("tar");
        run(tar.arg("-C").arg(&tree).args(["-cf", "-", &incremental, "."]), b"")
    };
    assert!(read(archived().as_slice()).is_ok());
    std::fs::write(tree.join("new"), "new").unwrap();
    let error = read(archived().as_slice()).unwrap_err();
    assert_eq!(error.kind, ArchiveFault::Partial, "{error}");
    assert!(error.to_string().contains("old in the folder"), "{error}");
}

#[test]
fn labels_are_no_entries_and_single_volumes_of_several_are_refused() {
    let entries = compare(FEW, LITTLE, gnu_tar(&["--format=gnu", "--label=Backup of today"]));
    assert!(!entries.iter().any(|(entry, _)| entry.path.starts_with(b"Backup")));

    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("big"), vec![1; 30_000]).unwrap();
    for format in ["--format=gnu", "--format=pax"] {
        let [first, second] = ["first.tar", "second.tar"].map(|name| dir.path().join(name));
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(dir.path()).args([format, "-c", "-M", "-L", "20", "-f"]).arg(&first).arg("-f").arg(&second);
        run(tar.arg("big"), b"");
        let error = read(std::fs::read(first).unwrap().as_slice()).expect_err("it is half of one");
        assert_eq!(error.kind, ArchiveFault::Truncated, "{format}: {error}");
        let error = read(std::fs::read(second).unwrap().as_slice()).expect_err("it is half of one");
        assert!(error.detail.contains("another volume"), "{format}: {error}");
    }
}

#[test]
fn an_archive_in_several_gzip_members() {
    compare(ALL, LITTLE, |root| {
        let plain = gnu_tar(&["--format=gnu"])(root);
        plain.chunks(50_000).flat_map(|chunk| run(&mut Command::new("gzip"), chunk)).collect()
    });
}

#[test]
fn access_lists_of_gnu_tar_and_bsdtar_are_the_kernels() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    std::fs::write(dir.path().join("folder/file"), "x").unwrap();
    // Root has a name, which bsdtar writes beside the number.
    let lists = "setfacl -m u:1234:rw,g:77:r,u:0:x folder/file; setfacl -m d:u:99:rwx,d:o::- folder";
    run(Command::new("sh").args(["-ec", lists]).current_dir(dir.path()), b"");
    let expected = listing(dir.path());
    assert_eq!(expected[&b"folder/file"[..]].xattrs.len() + expected[&b"folder"[..]].xattrs.len(), 2);
    for tool in [
        &["tar", "--format=pax", "--acls", "--numeric-owner"][..],
        &["bsdtar", "--format", "pax", "--acls"],
        &["bsdtar", "--format", "pax", "--acls", "--numeric-owner"],
    ] {
        let mut command = Command::new(tool[0]);
        command.args(&tool[1..]).arg("-C").arg(dir.path()).args(["-cf", "-", "."]);
        let found = archived(read(run(&mut command, b"").as_slice()).unwrap());
        for path in [&b"folder"[..], b"folder/file"] {
            assert_eq!(found[path].xattrs, expected[path].xattrs, "{tool:?}: {}", path.escape_ascii());
        }
    }
}

#[test]
fn bsdtar() {
    let few = Oddities { special: true, ..FEW };
    for (format, odd, keeps) in
        [("pax", ALL, MUCH), ("gnutar", Oddities { wide: false, ..ALL }, LITTLE), ("ustar", few, LITTLE)]
    {
        compare(odd, keeps, |root| {
            let mut bsdtar = Command::new("bsdtar");
            bsdtar.env("LC_ALL", "C").arg("-C").arg(root).args(["--format", format, "-cf", "-", "."]);
            run(&mut bsdtar, b"")
        });
    }
}

#[test]
fn busybox_tar() {
    let odd = Oddities { wide: false, ..ALL };
    compare(odd, LITTLE, |root| {
        run(Command::new("busybox").args(["tar", "-C"]).arg(root).args(["-cf", "-", "."]), b"")
    });
}

#[test]
fn python_tarfile() {
    let script = "import sys, tarfile\n\
        with tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=getattr(tarfile, sys.argv[2])) as tar:\n\
        \x20tar.add(sys.argv[1], arcname='.')\n";
    for (format, odd) in [("USTAR_FORMAT", FEW), ("GNU_FORMAT", ALL), ("PAX_FORMAT", ALL)] {
        compare(odd, LITTLE, |root| run(Command::new("python3").args(["-c", script]).arg(root).arg(format), b""));
    }
}
