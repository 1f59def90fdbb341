//! File contents that differ although size, time and attributes are the same.

use std::collections::HashMap;
use std::os::unix::fs::FileExt;

use super::*;
use rehearsa::worker::fs::digest::{Digest, Digester};

/// Longer than what is read at a time, and no multiple of a block.
const LONG: usize = 600_001;

/// Content that repeats nowhere.
fn long() -> Vec<u8> {
    (0..).flat_map(|n: u32| n.to_le_bytes()).take(LONG).collect()
}

/// Changes a file in place, so that neither its size nor its time tells.
fn write(path: &Path, at: u64, bytes: &[u8]) {
    let file = fs::File::options().write(true).open(path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(bytes, at).unwrap();
    file.set_modified(modified).unwrap();
}

fn other(names: &[&str], than: &str) -> Vec<(&'static str, Vec<String>)> {
    vec![("content", names.iter().map(|name| format!("{name}: has other content than {than}")).collect())]
}

#[track_caller]
fn compared(inventory: &Inventory, files: u64, bytes: u64) {
    let compared = inventory.compared.expect("contents were asked for");
    assert_eq!((compared.files, compared.bytes), (files, bytes));
}

#[test]
fn a_byte_that_was_changed_in_place_is_found() {
    for at in [0, 4095, 4096, 300_000, LONG as u64 - 1] {
        let field = Field::new();
        let manifest = field.unpack([file("d/long", long()), file("d/same", long()), file("short", "x")]);
        write(&field.to("d/long"), at, b"?");
        let inventory = field.after(manifest);
        assert_eq!(found(&inventory), other(&["d/long"], "the backup"), "at {at}");
        compared(&inventory, 3, 2 * LONG as u64 + 1);

        let field = Field::new();
        fs::write(field.from("long"), long()).unwrap();
        let source = field.copy();
        write(&field.to("long"), at, b"?");
        assert_eq!(found(&field.inventory(Expected::Copied(source))), other(&["long"], "its source"), "at {at}");
    }
}

#[test]
fn files_of_one_size_and_time_that_were_swapped_are_found() {
    let field = Field::new();
    let manifest = field.unpack([file("a", "one"), file("b", "two")]);
    fs::rename(field.to("a"), field.to("c")).unwrap();
    fs::rename(field.to("b"), field.to("a")).unwrap();
    fs::rename(field.to("c"), field.to("b")).unwrap();
    assert_eq!(found(&field.after(manifest)), other(&["a", "b"], "the backup"));
}

#[test]
fn holes_hold_zeros() {
    let pieces: [(u64, &[u8]); 2] = [(8192, b"data"), (1 << 19, &[7; 5000])];
    let sparse = || file("sparse", "").sparse(1 << 20, &pieces);
    let mut full = vec![0; 1 << 20];
    for (at, piece) in pieces {
        full[at as usize..][..piece.len()].copy_from_slice(piece);
    }
    let field = Field::new();
    let manifest = field.unpack([sparse(), file("full", &full)]);
    nothing(&field.after(manifest));

    // What has a hole in the one and zeros in the other holds the same.
    let field = Field::new();
    let manifest = field.unpack([sparse(), file("full", &full)]);
    fs::rename(field.to("full"), field.to("other")).unwrap();
    fs::rename(field.to("sparse"), field.to("full")).unwrap();
    fs::rename(field.to("other"), field.to("sparse")).unwrap();
    fs::File::open(field.to("sparse")).unwrap().sync_all().unwrap();
    assert_eq!(found(&field.after(manifest)), [("metadata", vec!["sparse: has no holes any more".to_owned()])]);

    let field = Field::new();
    let manifest = field.unpack([sparse()]);
    write(&field.to("sparse"), 200_000, b"x");
    assert_eq!(found(&field.after(manifest)), other(&["sparse"], "the backup"));

    for (from, to) in [("holes", "zeros"), ("zeros", "holes")] {
        let field = Field::new();
        fs::write(field.from("zeros"), &full).unwrap();
        let holes = fs::File::create(field.from("holes")).unwrap();
        holes.set_len(1 << 20).unwrap();
        pieces.iter().for_each(|(at, piece)| holes.write_all_at(piece, *at).unwrap());
        fs::copy(field.from(from), field.from("a")).unwrap();
        let source = field.copy();
        // In place of its copy, what holds the same in another way.
        fs::rename(field.to(to), field.to("a")).unwrap();
        fs::hard_link(field.to("a"), field.to(to)).unwrap();
        let inventory = field.inventory(Expected::Copied(source));
        assert_eq!(inventory.content, Sampled::default(), "{from} as {to}");
        assert_eq!(inventory.compared.map(|compared| compared.files), Some(3));
    }
}

/// A file that is nearly all hole costs what it holds.
#[test]
fn holes_are_not_read() {
    let field = Field::new();
    let size = 1 << 40;
    let inventory = field.after(field.unpack([file("sparse", "").sparse(size, &[(size - 4096, &[1; 4096])])]));
    nothing(&inventory);
    compared(&inventory, 1, 4096);
    fs::rename(field.to("sparse"), field.from("sparse")).unwrap();
    let inventory = field.inventory(Expected::Copied(field.copy()));
    nothing(&inventory);
    compared(&inventory, 1, 4096);
}

#[test]
fn names_of_one_file_are_read_once() {
    let entries = || [file("a", "content"), hard_link("b", "a"), hard_link("c", "a"), file("empty", "")];
    let field = Field::new();
    let inventory = field.after(field.unpack(entries()));
    nothing(&inventory);
    compared(&inventory, 2, 7);

    let field = Field::new();
    let manifest = field.unpack(entries());
    write(&field.to("c"), 0, b"C");
    let inventory = field.after(manifest);
    assert_eq!(inventory.content.count, 1, "{inventory:?}");
    assert!(inventory.content.first[0].ends_with(": has other content than the backup"), "{inventory:?}");

    let field = Field::new();
    fs::write(field.from("a"), "content").unwrap();
    fs::hard_link(field.from("a"), field.from("b")).unwrap();
    let source = field.copy();
    let inventory = field.inventory(Expected::Copied(source.clone()));
    nothing(&inventory);
    compared(&inventory, 1, 7);
    // One of them came apart: it is a file of its own, and looked at as one.
    fs::remove_file(field.to("b")).unwrap();
    fs::write(field.to("b"), "CONTENT").unwrap();
    let inventory = field.inventory(Expected::Copied(source));
    assert_eq!((inventory.content.count, inventory.metadata.count), (1, 1), "{inventory:?}");
}

/// Two files that the volume has as one, of which only one can be right.
#[test]
fn a_name_that_leads_to_another_file_of_the_same_size_is_found() {
    let field = Field::new();
    let manifest = field.unpack([file("a", "one"), file("b", "two")]);
    fs::remove_file(field.to("b")).unwrap();
    fs::hard_link(field.to("a"), field.to("b")).unwrap();
    let inventory = field.after(manifest);
    assert_eq!(inventory.content.first, ["b: has other content than the backup"], "{inventory:?}");
}

#[test]
fn the_last_content_of_a_path_counts() {
    let field = Field::new();
    let inventory = field.after(field.unpack([file("a", "first"), hard_link("b", "a"), file("a", "later")]));
    nothing(&inventory);
    compared(&inventory, 2, 10);
}

#[test]
fn a_mount_that_is_one_file_is_compared_by_its_content_too() {
    let field = Field::new();
    let archive = Archive::of([folder("conf"), file("conf/app.ini", "x = 1")]).finish();
    let manifest = field.unpack_bytes("conf/app.ini", &archive);
    write(&field.to("file"), 4, b"2");
    assert_eq!(found(&field.after(manifest)), other(&["file"], "the backup"));

    let field = Field::new();
    fs::write(field.from("app.ini"), "x = 1").unwrap();
    let (from, to) = (text(&field.from("app.ini")), text(&field.to("")));
    let source = copy_source(&from, &to, true);
    let source = CopySource { began: source.began + 3 * SKEW, ..source };
    write(&field.to("file"), 4, b"2");
    assert_eq!(found(&field.inventory(Expected::Copied(source))), other(&["."], "its source"));
}

/// A program that writes through mapped memory leaves no trace of it for a while.
#[test]
fn other_content_of_what_did_not_rest_for_long_is_no_difference() {
    let field = Field::new();
    fs::write(field.from("a"), "mapped").unwrap();
    // The kernel copied it: nobody knows what it read.
    let source = CopySource { contents: HashMap::new(), ..field.copy() };
    write(&field.to("a"), 0, b"M");
    let (to, changed) = (text(&field.to("")), fs::metadata(field.from("a")).unwrap().ctime());
    let since = |content| {
        compare_since(&to, &source, UnchangedSince { entry: i64::MAX, content: Some(content) }, &JobControl::default())
    };
    let inventory = since(changed).unwrap();
    nothing(&inventory);
    assert_eq!(inventory.changed_since, 1);
    compared(&inventory, 0, 6);
    assert_eq!(found(&since(changed + 1).unwrap()), other(&["a"], "its source"));
}

/// What was read when it was copied is known, whatever became of the source.
#[test]
fn what_a_live_source_was_read_as_counts() {
    let field = Field::new();
    for name in ["changed", "grown", "same", "replaced"] {
        fs::write(field.from(name), name).unwrap();
    }
    let (from, to) = (text(&field.from("")), text(&field.to("")));
    let source = copy_source(&from, &to, true);
    assert_eq!(source.contents.len(), 4);
    write(&field.from("changed"), 0, b"C");
    fs::write(field.from("grown"), "longer than it was").unwrap();
    fs::remove_file(field.from("replaced")).unwrap();
    symlink("grown", field.from("replaced")).unwrap();
    nothing(&field.inventory(Expected::Copied(source.clone())));
    write(&field.to("grown"), 0, b"G");
    write(&field.to("replaced"), 0, b"R");
    assert_eq!(found(&field.inventory(Expected::Copied(source))), other(&["grown", "replaced"], "its source"));
}

/// What is longer than a buffer is copied by the kernel, which tells nobody what it read.
#[test]
fn what_the_kernel_copied_is_compared_side_by_side() {
    let field = Field::new();
    fs::write(field.from("long"), long()).unwrap();
    let source = field.copy();
    let noted = source.contents.len();
    write(&field.from("long"), 0, b"?");
    let inventory = field.inventory(Expected::Copied(CopySource { contents: HashMap::new(), ..source }));
    assert_eq!(found(&inventory), other(&["long"], "its source"), "noted: {noted}");
}

/// Who does not ask for it does not pay for it.
#[test]
fn contents_that_nobody_asks_for_are_neither_noted_nor_read() {
    let field = Field::new();
    let (to, control) = (text(&field.to("")), Arc::<JobControl>::default());
    let archive = Archive::of([file("a", "content")]).finish();
    let route = Route { prefix: Vec::new(), to, contents: false };
    let unpacked = unpack_and_note(&[route], UnpackBounds::default(), Cursor::new(archive), &JobControl::default());
    let manifest = unpacked.unwrap().remove(0).1;
    assert_eq!(manifest.content(0), None);
    write(&field.to("a"), 0, b"C");
    let inventory = field.inventory_of(Expected::Unpacked(manifest), false, &control);
    nothing(&inventory);
    assert_eq!((inventory.compared, control.amount().bytes), (None, 0));

    let field = Field::new();
    fs::write(field.from("a"), "content").unwrap();
    let (from, to) = (text(&field.from("")), text(&field.to("")));
    let source = copy_source(&from, &to, false);
    assert_eq!(source.contents.len(), 0);
    write(&field.to("a"), 0, b"C");
    let inventory = field.inventory_of(Expected::Copied(source), false, &control);
    nothing(&inventory);
    assert_eq!((inventory.compared, control.amount().bytes), (None, 0));
}

fn digest(pieces: &[(u64, &[u8])]) -> Digest {
    let mut digester = Digester::default();
    pieces.iter().for_each(|(at, piece)| digester.add(*at, piece));
    digester.finish()
}

#[test]
fn how_content_comes_in_pieces_makes_no_difference() {
    let mut all = long();
    all[10_000..200_000].fill(0);
    all[400_000..400_010].fill(0);
    let whole = digest(&[(0, &all)]);
    for step in [1000, 4096, 4097, 250_000] {
        let pieces = all.chunks(step).enumerate().map(|(nth, piece)| ((nth * step) as u64, piece)).collect::<Vec<_>>();
        assert_eq!(digest(&pieces), whole, "in pieces of {step}");
    }
    // A hole for the zeros, cut where no block ends.
    assert_eq!(digest(&[(0, &all[..9_999]), (9_999, &all[9_999..11_000]), (199_990, &all[199_990..])]), whole);
}

#[test]
fn where_content_is_makes_a_difference() {
    let (block, other) = ([1; 4096], [2; 4096]);
    let all = [
        digest(&[]),
        digest(&[(0, &block)]),
        digest(&[(4096, &block)]),
        digest(&[(4097, &block)]),
        digest(&[(0, &block), (4096, &block)]),
        digest(&[(0, &block), (8192, &block)]),
        digest(&[(0, &block), (4096, &other)]),
        digest(&[(0, &other), (4096, &block)]),
        digest(&[(0, &block[..4095])]),
    ];
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    assert_eq!(digest(&[(0, &[0; 5000])]), digest(&[]));
}
