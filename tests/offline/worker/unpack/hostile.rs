//! Hostile archives. [`Field`] checks that nothing outside the volume changes.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;
use crate::support::archives::{Archive, device, fifo, file, folder, hard_link, symlink};

#[test]
fn an_absolute_name_lands_inside() {
    let field = Field::new();
    let secret = field.canary().join("secret");
    field.done(Archive::of([file(secret.to_str().unwrap(), "changed")]));
    assert_eq!(content(&field.to(&secret.to_str().unwrap()[1..])), "changed");
}

#[test]
fn two_dots_are_refused() {
    for path in ["../canary/secret", "a/../../canary/secret", "..", "a/..", "a/../b"] {
        let field = Field::new();
        let (entry, error) = field.dangerous(Archive::of([folder("a"), file(path, "changed")]));
        assert_eq!(entry, path);
        assert_eq!(error, "has .. in its path, which leads out of the folder above it");
    }
}

#[test]
fn nothing_is_written_through_a_symlink() {
    let there = |field: &Field| field.canary().to_str().unwrap().to_owned();
    for path in ["a/secret", "a/new", "a/empty/new", "a/link"] {
        for make in [|path: &str| file(path, "changed"), |path: &str| folder(path), |path: &str| symlink(path, "x")] {
            let field = Field::new();
            let (entry, error) = field.dangerous(Archive::of([symlink("a", there(&field)), make(path)]));
            assert_eq!(entry, path);
            assert_eq!(
                error,
                format!("would be written through a, which is no folder but a symlink to {}", there(&field))
            );
        }
    }
    // Deeper, relative, and through one that leads back inside.
    for (link, to, path) in [("a/b", "../../canary", "a/b/secret"), ("a/b", ".", "a/b/secret"), ("x", "a", "x/y/z")] {
        let field = Field::new();
        let (entry, error) =
            field.dangerous(Archive::of([folder("a"), symlink(link, to), file("a/c", ""), file(path, "changed")]));
        assert_eq!(entry, path);
        assert_eq!(error, format!("would be written through {link}, which is no folder but a symlink to {to}"));
    }
}

#[test]
fn a_folder_that_becomes_a_symlink_is_not_gone_into_again() {
    let field = Field::new();
    let there = field.canary();
    let archive = Archive::of([
        folder("d"),
        file("d/x", ""),
        folder("e"),
        folder("e/f"),
        symlink("e/f", there.to_str().unwrap()),
        file("e/f/secret", "changed"),
    ]);
    assert_eq!(field.dangerous(archive).0, "e/f/secret");
}

#[test]
fn what_is_there_is_replaced_and_never_followed() {
    let field = Field::new();
    let (secret, empty) = (field.canary().join("secret"), field.canary().join("empty"));
    let unpacked = field.done(Archive::of([
        symlink("file", secret.to_str().unwrap()),
        file("file", "inside").mode(0o4711).owner(7, 8),
        symlink("folder", empty.to_str().unwrap()),
        folder("folder").mode(0o700).owner(7, 8),
        file("folder/new", ""),
        symlink("link", secret.to_str().unwrap()),
        symlink("link", "elsewhere"),
        symlink("first", secret.to_str().unwrap()),
        hard_link("second", "first").mode(0o777).owner(9, 9),
        file("second", "inside"),
        fifo("first"),
    ]));
    assert_eq!(content(&field.to("file")), "inside");
    assert!(std::fs::symlink_metadata(field.to("folder")).unwrap().is_dir());
    assert_eq!(std::fs::read_link(field.to("link")).unwrap().to_str(), Some("elsewhere"));
    assert!(std::fs::symlink_metadata(field.to("second")).unwrap().is_file());
    assert_eq!((unpacked.amount.files, unpacked.replaced.files, unpacked.folders), (5, 5, 1));
}

#[test]
fn a_hard_link_to_what_is_outside_is_refused() {
    let passwd = || std::fs::metadata("/etc/passwd").unwrap().nlink();
    let names = passwd();
    let field = Field::new();
    let (_, error) = field.dangerous(Archive::of([hard_link("h", "../canary/secret")]));
    assert_eq!(error, "is another name of ../canary/secret, which leads out of the archive");
    let (_, error) = field.dangerous(Archive::of([folder("a"), hard_link("h", "a/../../canary/secret")]));
    assert_eq!(error, "is another name of a/../../canary/secret, which leads out of the archive");
    // Without its slash it is a path in the archive, and there is none such.
    let secret = field.canary().join("secret");
    for path in ["/etc/passwd", secret.to_str().unwrap()] {
        let refused = field.refused(Archive::of([hard_link("h", path)]));
        let Failure::Corrupt { entry, error, .. } = refused else { panic!("{refused:?}") };
        assert_eq!(entry, "h");
        assert_eq!(error, format!("it is another name of {}, which the archive does not hold before it", &path[1..]));
    }
    assert_eq!(passwd(), names);
    assert!(!field.to("h").exists());
}

#[test]
fn a_hard_link_through_a_symlink_is_refused() {
    let field = Field::new();
    let there = field.canary().to_str().unwrap().to_owned();
    let (entry, error) = field.dangerous(Archive::of([symlink("l", &there), hard_link("h", "l/secret")]));
    assert_eq!(entry, "h");
    assert_eq!(
        error,
        format!("is another name of l/secret, which leads through l, no folder but a symlink to {there}")
    );
    let (_, error) = field.dangerous(Archive::of([symlink("m", &there), hard_link("h", "m/empty/x")]));
    assert!(error.contains("leads through m"), "{error}");
}

#[test]
fn a_hard_link_to_a_folder_or_pipe_is_refused() {
    let field = Field::new();
    for first in [folder("a"), fifo("a")] {
        let (_, error) = field.dangerous(Archive::of([first, hard_link("h", "a")]));
        assert_eq!(error, "is another name of a, which is neither a file nor a symlink");
    }
}

#[test]
fn a_hard_link_to_itself_does_not_lose_the_file() {
    let field = Field::new();
    let unpacked =
        field.done(Archive::of([file("a", "kept"), hard_link("a", "a"), hard_link("b", "a"), hard_link("b", "a")]));
    assert_eq!(content(&field.to("a")), "kept");
    assert_eq!(std::fs::metadata(field.to("b")).unwrap().nlink(), 2);
    assert_eq!((unpacked.amount.files, unpacked.replaced.files), (2, 2));
}

#[test]
fn devices_are_refused() {
    let field = Field::new();
    assert_eq!(field.dangerous(Archive::of([device("null")])), ("null".to_owned(), "is a device".to_owned()));
    assert!(!field.to("null").exists());
}

#[test]
fn names_too_long_for_a_file_system_are_told() {
    for path in ["x".repeat(4096), format!("{}end", "deep/".repeat(900))] {
        let field = Field::new();
        let refused = field.refused(Archive::of([file(&path, "")]));
        let Failure::Unwritable { path: told, error } = refused else { panic!("{refused:?}") };
        assert!(path.starts_with(&told) && told.len() >= 1000 && told.len() < 2000, "{told}");
        assert!(error.contains("name too long"), "{error}");
    }
    let field = Field::new();
    let refused = field.refused(Archive::of([file("a/".repeat(30_000), "")]));
    assert!(matches!(refused, Failure::Unwritable { .. } | Failure::Corrupt { .. }), "{refused:?}");
}

#[test]
fn a_long_name_still_fits_into_a_reply() {
    let field = Field::new();
    let path = "../".repeat(20_000);
    let (told, _) = field.dangerous(Archive::of([file(path, "")]));
    assert!(told.len() < 2000);
    let (_, error) = field.dangerous(Archive::of([hard_link("h", "../".repeat(20_000))]));
    assert!(error.len() < 2000);
}

#[test]
fn a_file_in_the_place_of_a_folder() {
    let field = Field::new();
    let (entry, error) = field.dangerous(Archive::of([folder("a"), file("a/b", "kept"), file("a", "")]));
    assert_eq!((&entry[..], &error[..]), ("a", "would take the place of a folder that is not empty"));
    assert_eq!(content(&field.to("a/b")), "kept");
    // An empty one gives way, as with tar.
    let unpacked = field.done(Archive::of([folder("e"), file("e", "file")]));
    assert_eq!(content(&field.to("e")), "file");
    assert_eq!((unpacked.amount.files, unpacked.folders), (1, 0));
}

#[test]
fn a_file_in_the_way_of_what_is_below_it() {
    let field = Field::new();
    let (entry, error) = field.dangerous(Archive::of([file("a", "kept"), file("a/b", "")]));
    assert_eq!((&entry[..], &error[..]), ("a/b", "would be written through a, which is no folder but a file"));
    let (_, error) = field.dangerous(Archive::of([fifo("f"), file("f/b", "")]));
    assert!(error.contains("no folder"), "{error}");
}

#[test]
fn the_later_of_two_entries_counts() {
    let field = Field::new();
    let unpacked = field.done(Archive::of([
        file("a", "a long first one").mode(0o777),
        file("a", "second").mode(0o600),
        folder("d").mode(0o777),
        file("d/x", "x"),
        folder("d").mode(0o711).owner(3, 4),
    ]));
    assert_eq!(content(&field.to("a")), "second");
    let mode = |path: &str| std::fs::metadata(field.to(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("a"), mode("d")), (0o600, 0o711));
    assert_eq!(content(&field.to("d/x")), "x");
    assert_eq!((unpacked.amount.files, unpacked.replaced.files, unpacked.folders), (2, 1, 1));
    assert_eq!(unpacked.amount.bytes, "second".len() as u64 + 1, "the content of the first a is gone");
}

#[test]
fn an_earlier_name_is_not_changed_by_a_later_entry() {
    let field = Field::new();
    field.done(Archive::of([file("a", "first"), hard_link("b", "a"), file("b", "second")]));
    assert_eq!((content(&field.to("a")), content(&field.to("b"))), ("first".to_owned(), "second".to_owned()));
}

#[test]
fn more_than_is_allowed_is_refused() {
    let field = Field::new();
    let routes = [field.route("", "to")];
    let run = |bounds, archive: Archive| field.unpack_to(&routes, bounds, &archive.finish());
    let two = || Archive::of([file("a", [1; 600]), file("b", [2; 400])]);
    let bytes = |max_bytes| UnpackBounds { max_bytes, ..UnpackBounds::default() };
    assert_eq!(run(bytes(1000), two()).unwrap()[0].amount.bytes, 1000);
    assert_eq!(failure(run(bytes(999), two())), Failure::TooLarge { bytes: 1000, max_bytes: 999 });
    let holes = || Archive::of([file("s", "").sparse(1 << 40, &[(0, &[1; 512]), (1 << 39, &[2; 300])])]);
    let refused = failure(run(bytes(8191), holes()));
    assert_eq!(refused, Failure::TooLarge { bytes: 8192, max_bytes: 8191 }, "each piece takes a block");
    std::fs::remove_file(field.to("s")).unwrap();
    assert_eq!(run(bytes(8192), holes()).unwrap()[0].amount.bytes, 812, "holes are not content");
    assert_eq!(std::fs::metadata(field.to("s")).unwrap().len(), 1 << 40);

    let field = Field::new();
    let routes = [field.route("", "to")];
    let run = |bounds, archive: Archive| field.unpack_to(&routes, bounds, &archive.finish());
    let entries = |max_entries| UnpackBounds { max_entries, ..UnpackBounds::default() };
    assert_eq!(run(entries(2), two()).unwrap()[0].amount.files, 2);
    assert_eq!(failure(run(entries(1), two())), Failure::TooMany { max_entries: 1 });

    let full = failure(run(UnpackBounds { keep_free: 1 << 60, ..UnpackBounds::default() }, two()));
    assert!(matches!(full, Failure::NoSpace { bytes, .. } if bytes > 1 << 60), "{full:?}");
}

/// A header may say anything: nothing is set aside for it, and nothing is begun that cannot fit.
#[test]
fn a_file_that_claims_to_be_huge_is_not_begun() {
    let field = Field::new();
    let mut bytes = Archive::of([file("a", "x")]).finish();
    bytes[124..136].copy_from_slice(b"\x80\0\0\0\0\x40\0\0\0\0\0\0");
    bytes[148..156].copy_from_slice(b"        ");
    let sum = bytes[..512].iter().map(|&byte| u32::from(byte)).sum::<u32>();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let failure = failure(field.unpack_to(&[field.route("", "to")], UnpackBounds::default(), &bytes));
    assert!(matches!(failure, Failure::NoSpace { .. } | Failure::Corrupt { .. }), "{failure:?}");
    assert!(!field.to("a").exists());
}
