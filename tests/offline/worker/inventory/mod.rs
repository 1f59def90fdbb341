//! Volumes that are filled and then changed by the test: each change is found, and nothing is reported for an
//! unchanged volume. These tests change owners, so they need root.

mod contents;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::Cursor;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustix::fs::{XattrFlags, lremovexattr, lsetxattr};

use rehearsa::model::sampled::Sampled;
use rehearsa::worker::expected::manifest::Manifest;
use rehearsa::worker::expected::{CopySource, Expected, FilledVolumes};
use rehearsa::worker::job::JobControl;
use rehearsa::worker::jobs::copy::copy;
use rehearsa::worker::jobs::inspect::manifest::copied::{SKEW, UnchangedSince, compare_since};
use rehearsa::worker::jobs::inspect::tree::inspect;
use rehearsa::worker::protocol::{CopyJob, InspectJob, InspectWants, Inventory, ManifestWant, Route};

use super::unpack::faithful::{ACL, odd};
use crate::support::archives::{self, Archive, Made, file, folder, hard_link, pack};
use crate::support::trees;
use rehearsa::worker::jobs::unpack::{UnpackBounds, unpack_and_note};

/// A volume and a folder beside it, on the disk that the tests are built on: `/tmp` may be a tmpfs, which stores
/// other metadata.
struct Field {
    folder: tempfile::TempDir,
}

impl Field {
    fn new() -> Field {
        assert!(rustix::process::geteuid().is_root(), "these tests need root: they change owners");
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        for name in ["to", "from"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Field { folder }
    }

    fn to(&self, path: &str) -> PathBuf {
        self.folder.path().join("to").join(path)
    }

    fn from(&self, path: &str) -> PathBuf {
        self.folder.path().join("from").join(path)
    }

    fn unpack_bytes(&self, prefix: &str, archive: &[u8]) -> Manifest {
        let route = Route { prefix: prefix.into(), to: text(&self.to("")), contents: true };
        let unpacked = unpack_and_note(&[route], UnpackBounds::default(), Cursor::new(archive), &JobControl::default());
        unpacked.unwrap().remove(0).1
    }

    fn unpack(&self, entries: impl IntoIterator<Item = Made>) -> Manifest {
        self.unpack_bytes("", &Archive::of(entries).finish())
    }

    /// Copies; the clock says that nobody has touched the source since.
    fn copy(&self) -> CopySource {
        let (from, to) = (text(&self.from("")), text(&self.to("")));
        let source = copy_source(&from, &to, true);
        CopySource { began: source.began + 3 * SKEW, ..source }
    }

    fn inventory(&self, known: Expected) -> Inventory {
        self.inventory_of(known, true, &Arc::default())
    }

    fn inventory_of(&self, known: Expected, contents: bool, control: &Arc<JobControl>) -> Inventory {
        let (filled, volume) = (FilledVolumes::default(), text(&self.to("")));
        filled.note(volume.clone(), known);
        let manifest = Some(ManifestWant { volume: volume.clone(), contents });
        let job = self.job(InspectWants { manifest, ..InspectWants::default() });
        let inspected = inspect(&job, &filled, control).unwrap();
        assert!(filled.take(&volume).is_none(), "it is asked for once");
        inspected.inventory.expect("it was asked for")
    }

    /// An inspection of the volume or, if it holds nothing else, of the single file in it.
    fn job(&self, wants: InspectWants) -> InspectJob {
        let only_file = self.to("file").is_file() && fs::read_dir(self.to("")).unwrap().count() == 1;
        let path = if only_file { self.to("file") } else { self.to("") };
        InspectJob { path: text(&path), max_entries: 0, wants }
    }

    /// What is found after an archive was unpacked.
    fn after(&self, manifest: Manifest) -> Inventory {
        self.inventory(Expected::Unpacked(manifest))
    }
}

/// Copies; returns what the copy is compared with.
fn copy_source(from: &str, to: &str, contents: bool) -> CopySource {
    let job = CopyJob { from: from.to_owned(), to: to.to_owned(), max_bytes: 0, keep_free: 0, contents };
    copy(&job, &JobControl::default(), &()).unwrap().1
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Each kind of difference and what it names.
fn found(inventory: &Inventory) -> Vec<(&'static str, Vec<String>)> {
    let Inventory { content, owners, modes, metadata, .. } = inventory;
    let kinds = [("content", content), ("owners", owners), ("modes", modes), ("metadata", metadata)];
    let some = kinds.into_iter().filter(|(_, few)| few.count > 0);
    let sorted = |few: &Sampled<String>| {
        let mut names = few.first.clone();
        names.sort();
        names
    };
    some.map(|(kind, few)| (kind, sorted(few))).collect()
}

#[track_caller]
fn nothing(inventory: &Inventory) {
    assert_eq!(found(inventory), []);
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_tree_of_odd_things_that_nobody_touched_has_no_difference() {
    let original = Field::new();
    odd(&original.from(""));
    for order in 0..4 {
        let field = Field::new();
        let mut entries = pack(&original.from(""), "");
        match order {
            0 => {}
            1 => {
                entries.reverse();
                entries.sort_by_key(Made::is_hard_link);
            }
            seed => entries.sort_by_cached_key(|entry| (entry.is_hard_link(), entry.shuffled(seed))),
        }
        let inventory = field.after(field.unpack(entries));
        nothing(&inventory);
        assert_eq!(inventory.entries, 20);
        assert_eq!(inventory.belongs.root, (70, 71));
    }
}

/// As GNU tar writes them, holes and attributes with it.
#[test]
fn an_archive_of_a_real_tool_has_no_difference() {
    for (odd, format) in [(trees::ALL, "posix"), (trees::FEW, "gnu")] {
        let field = Field::new();
        trees::make(&field.from(""), trees::Oddities { special: false, ..odd });
        let (xattrs, format) = (if odd.xattrs { "--xattrs" } else { "--no-xattrs" }, format!("--format={format}"));
        let from = text(&field.from(""));
        let tar = trees::run(Command::new("tar").args(["-cS", xattrs, &format, "-C", &from, "."]), b"");
        nothing(&field.after(field.unpack_bytes("", &tar)));
    }
}

/// What is done to the volume, and what is to be found.
type Tampering = (fn(&Field), &'static str, &'static str);

const TAMPERINGS: [Tampering; 13] = [
    (|f| fs::remove_file(f.to("d/a")).unwrap(), "content", "d/a: is missing"),
    (
        |f| fs::File::options().write(true).open(f.to("d/a")).unwrap().set_len(1).unwrap(),
        "content",
        "d/a: has 1 B instead of 3 B",
    ),
    (
        |f| {
            fs::remove_file(f.to("d/a")).unwrap();
            symlink("b", f.to("d/a")).unwrap();
        },
        "content",
        "d/a: is a symlink instead of a file",
    ),
    (
        |f| {
            fs::remove_file(f.to("link")).unwrap();
            symlink("d/b", f.to("link")).unwrap();
        },
        "content",
        "link: leads elsewhere, to d/b",
    ),
    (|f| fs::write(f.to("d/new"), "").unwrap(), "content", "d/new: is a file that the backup does not hold"),
    (|f| fs::remove_dir(f.to("empty")).unwrap(), "content", "empty: is missing"),
    (|f| chown(f.to("d/a"), Some(0), None).unwrap(), "owners", "d/a: belongs to 0:50 instead of 40:50"),
    (|f| chown(f.to(""), None, Some(9)).unwrap(), "owners", ".: belongs to 30:9 instead of 30:31"),
    (|f| mode(&f.to("d/a"), 0o755), "modes", "d/a: has the mode 0755 instead of 0644"),
    (|f| mode(&f.to("setuid"), 0o755), "modes", "setuid: has the mode 0755 instead of 4755"),
    (|f| mode(&f.to(""), 0o777), "modes", ".: has the mode 0777 instead of 0750"),
    (|f| lremovexattr(f.to("d"), "user.note").unwrap(), "metadata", "d: lacks 1 of 2 attributes"),
    (
        |f| lsetxattr(f.to("d"), "user.note", b"other", XattrFlags::empty()).unwrap(),
        "metadata",
        "d: lacks 1 of 2 attributes",
    ),
];

fn tampered_with() -> Vec<Made> {
    vec![
        folder("./").mode(0o750).owner(30, 31),
        folder("d").xattr("user.note", b"words").xattr("user.other", b""),
        file("d/a", "abc").owner(40, 50),
        file("d/b", "b"),
        folder("empty"),
        file("setuid", "x").mode(0o4755),
        archives::symlink("link", "d/a"),
    ]
}

#[test]
fn whatever_is_done_to_a_volume_is_found() {
    for (tamper, kind, what) in TAMPERINGS {
        let field = Field::new();
        let manifest = field.unpack(tampered_with());
        tamper(&field);
        assert_eq!(found(&field.after(manifest)), [(kind, vec![what.to_owned()])]);
    }
    let field = Field::new();
    nothing(&field.after(field.unpack(tampered_with())));
}

#[test]
fn names_of_one_file_that_came_apart_are_found() {
    let field = Field::new();
    let manifest = field.unpack([file("a", "x"), hard_link("d/b", "a"), file("alone", "x")]);
    fs::remove_file(field.to("d/b")).unwrap();
    fs::write(field.to("d/b"), "x").unwrap();
    let names = ["a", "d/b"].map(|name| format!("{name}: its file has 1 name instead of 2")).to_vec();
    assert_eq!(found(&field.after(manifest)), [("metadata", names)]);
}

#[test]
fn a_file_that_lost_its_holes_is_found() {
    let field = Field::new();
    let manifest = field.unpack([file("holes", "").sparse(1 << 20, &[(4096, b"data")])]);
    let content = fs::read(field.to("holes")).unwrap();
    fs::remove_file(field.to("holes")).unwrap();
    fs::write(field.to("holes"), content).unwrap();
    fs::File::open(field.to("holes")).unwrap().sync_all().unwrap();
    assert_eq!(found(&field.after(manifest)), [("metadata", vec!["holes: has no holes any more".to_owned()])]);
}

/// A later entry of a path takes the place of the one before it; another name of that keeps the file.
#[test]
fn the_last_entry_of_a_path_counts() {
    let field = Field::new();
    let inventory = field.after(field.unpack([
        file("a", "first").owner(1, 1).mode(0o600),
        hard_link("b", "a"),
        file("a", "the second").owner(2, 2),
        hard_link("a2", "a"),
        hard_link("a2", "a"),
        folder("d").mode(0o700).xattr("user.note", b"1").xattr("system.posix_acl_default", ACL),
        folder("d").mode(0o750).owner(3, 3),
        folder("e"),
        file("e", "a file now"),
        archives::symlink("f", "e"),
        folder("f"),
        file("f/g", ""),
    ]));
    nothing(&inventory);
    assert_eq!(inventory.entries, 7);
}

#[test]
fn folders_without_an_entry_are_no_difference() {
    let field = Field::new();
    nothing(&field.after(field.unpack([file("a/b/c", "x"), file("d", "")])));
}

#[test]
fn a_part_of_an_archive_that_is_a_file_is_compared_as_one() {
    let entries = || [folder("conf"), file("conf/app.ini", "x = 1").owner(7, 8), file("other", "")];
    let field = Field::new();
    let manifest = field.unpack_bytes("conf/app.ini", &Archive::of(entries()).finish());
    fs::write(field.to("file"), "y").unwrap();
    let inventory = field.after(manifest);
    assert_eq!(found(&inventory), [("content", vec!["file: has 1 B instead of 5 B".to_owned()])]);
    assert_eq!((inventory.entries, inventory.belongs.root), (1, (7, 8)));
}

/// It was told when it was unpacked.
#[test]
fn what_the_file_system_refused_is_no_difference() {
    let field = Field::new();
    let refused = |entry: Made| {
        entry.xattr("nonsense.name", b"1").xattr("security.selinux", b"label").xattr("user.note", b"kept")
    };
    let manifest = field.unpack([refused(file("a", "x")), refused(folder("d")), file("d/b", "")]);
    nothing(&field.after(manifest));
}

/// The kernel keeps lists of rights in its own way.
#[test]
fn a_list_of_rights_is_compared_by_what_it_says() {
    let field = Field::new();
    // No more than the mode says: dropped.
    let minimal = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x04\0\x04\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";
    let manifest = field.unpack([
        // The mode wins over what the list says of the owner and of all others.
        file("a", "").xattr("system.posix_acl_access", ACL).mode(0o640),
        file("b", "").xattr("system.posix_acl_access", minimal),
    ]);
    nothing(&field.after(manifest));

    let field = Field::new();
    let manifest = field.unpack([file("a", "").xattr("system.posix_acl_access", ACL).mode(0o660)]);
    lremovexattr(field.to("a"), "system.posix_acl_access").unwrap();
    mode(&field.to("a"), 0o660);
    assert_eq!(found(&field.after(manifest)), [("metadata", vec!["a: lacks 1 of 1 attribute".to_owned()])]);
}

#[test]
fn only_the_first_differences_are_named() {
    let field = Field::new();
    let manifest = field.unpack((0..50).map(|index| file(format!("{index}"), "x")));
    for index in 0..50 {
        fs::remove_file(field.to(&index.to_string())).unwrap();
    }
    let inventory = field.after(manifest);
    assert_eq!((inventory.content.first.len(), inventory.content.count), (20, 50));
}

#[test]
fn a_copy_of_odd_things_has_no_difference() {
    let field = Field::new();
    odd(&field.from(""));
    let inventory = field.inventory(Expected::Copied(field.copy()));
    nothing(&inventory);
    assert_eq!((inventory.entries, inventory.changed_since), (20, 0));
    assert_eq!(inventory.belongs.root, (70, 71));
}

/// What may be done to a copy, on a source that [`tampered_with`] makes.
#[test]
fn whatever_is_done_to_a_copy_is_found() {
    for (tamper, kind, what) in TAMPERINGS {
        let (made, field) = (Field::new(), Field::new());
        made.unpack(tampered_with());
        fs::remove_dir(field.from("")).unwrap();
        fs::rename(made.to(""), field.from("")).unwrap();
        let source = field.copy();
        tamper(&field);
        // Other words for what a copy cannot tell so exactly.
        let what = match what {
            "link: leads elsewhere, to d/b" => "link: leads to d/b instead of d/a",
            "d/new: is a file that the backup does not hold" => "d: holds 1 that its source does not",
            "empty: is missing" => "empty: is missing, with all that is in it",
            "d: lacks 1 of 2 attributes" => "d: lacks user.note, or has another",
            what => what,
        };
        assert_eq!(found(&field.inventory(Expected::Copied(source))), [(kind, vec![what.to_owned()])]);
    }
}

/// Nobody can say what a copy should have found where its source was changed since.
#[test]
fn what_changed_in_a_live_source_is_no_difference() {
    let field = Field::new();
    for path in ["changed", "gone", "stays", "moved/inside", "d/stays"] {
        fs::create_dir_all(field.from(path).parent().unwrap()).unwrap();
        fs::write(field.from(path), "x").unwrap();
    }
    let (from, to) = (text(&field.from("")), text(&field.to("")));
    let source = copy_source(&from, &to, true);
    fs::write(field.from("changed"), "more than it was").unwrap();
    chown(field.from("changed"), Some(8), None).unwrap();
    fs::remove_file(field.from("gone")).unwrap();
    fs::write(field.from("new"), "").unwrap();
    fs::rename(field.from("moved"), field.from("moved away")).unwrap();
    let inventory = field.inventory(Expected::Copied(source));
    nothing(&inventory);
    assert!(inventory.changed_since >= 5, "{inventory:?}");
}

/// A change is recognised by its time. A file that did not change during the copy is compared; a file in a folder
/// that was moved there is compared, too.
#[test]
fn what_rested_while_the_rest_changed_is_compared() {
    let field = Field::new();
    for (path, content) in
        [("rests", "x"), ("changes", ""), ("moved/inside", "x"), ("other/inside", "xy"), ("d/rests", "x")]
    {
        fs::create_dir_all(field.from(path).parent().unwrap()).unwrap();
        fs::write(field.from(path), content).unwrap();
    }
    let source = field.copy();
    let changed = |path: &str| fs::metadata(field.from(path)).unwrap().ctime();
    // The next second must have come before a change can be told by it.
    while changed("changes") <= changed("d/rests") {
        fs::write(field.from("changes"), "more").unwrap();
    }
    fs::rename(field.from("moved"), field.from("moved away")).unwrap();
    fs::rename(field.from("other"), field.from("moved")).unwrap();
    fs::remove_file(field.to("changes")).unwrap();
    chown(field.to("rests"), Some(1), Some(1)).unwrap();
    fs::remove_file(field.to("d/rests")).unwrap();
    let to = text(&field.to(""));
    let rested = UnchangedSince { entry: changed("changes"), content: None };
    let inventory = compare_since(&to, &source, rested, &JobControl::default()).unwrap();
    let expected = [
        ("content", vec!["d/rests: is missing".to_owned()]),
        ("owners", vec!["rests: belongs to 1:1 instead of 0:0".to_owned()]),
    ];
    assert_eq!(found(&inventory), expected);
}

#[test]
fn what_the_volume_refused_anywhere_is_asked_for_nowhere() {
    let field = Field::new();
    fs::write(field.from("a"), "x").unwrap();
    let source = field.copy();
    chown(field.to("a"), Some(1), Some(1)).unwrap();
    let other = field.inventory(Expected::Copied(source.clone()));
    assert_eq!(found(&other), [("owners", vec!["a: belongs to 1:1 instead of 0:0".to_owned()])]);
    let refused = BTreeSet::from(["owner".to_owned()]);
    nothing(&field.inventory(Expected::Copied(CopySource { refused, ..source })));
}

#[test]
fn a_copy_of_a_single_file_is_compared_as_one() {
    let field = Field::new();
    fs::write(field.from("app.ini"), "x = 1").unwrap();
    chown(field.from("app.ini"), Some(7), Some(8)).unwrap();
    let (from, to) = (text(&field.from("app.ini")), text(&field.to("")));
    let source = copy_source(&from, &to, true);
    let source = CopySource { began: source.began + 3 * SKEW, ..source };
    let inventory = field.inventory(Expected::Copied(source.clone()));
    nothing(&inventory);
    assert_eq!((inventory.entries, inventory.belongs.root), (1, (7, 8)));
    mode(&field.to("file"), 0o600);
    let expected = [("modes", vec![".: has the mode 0600 instead of 0644".to_owned()])];
    assert_eq!(found(&field.inventory(Expected::Copied(source))), expected);
}

#[test]
fn owners_are_counted_the_one_with_most_first() {
    let field = Field::new();
    for (name, uid) in [("a", 5), ("b", 5), ("c", 6), ("d/e", 5)] {
        fs::create_dir_all(field.from(name).parent().unwrap()).unwrap();
        fs::write(field.from(name), "").unwrap();
        chown(field.from(name), Some(uid), None).unwrap();
    }
    chown(field.from(""), Some(6), Some(7)).unwrap();
    let counted = |max_entries| {
        let wants = InspectWants { owners: true, ..InspectWants::default() };
        let job = InspectJob { path: text(&field.from("")), max_entries, wants };
        inspect(&job, &FilledVolumes::default(), &Arc::default()).unwrap().owners.unwrap()
    };
    let all = counted(0);
    assert_eq!((all.root, all.users, all.complete), ((6, 7), vec![(5, 3), (6, 2), (0, 1)], true));
    assert!(!counted(2).complete);
}
