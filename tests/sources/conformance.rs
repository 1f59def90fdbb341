//! The requirements that every source meets. [`crate::kinds`] is the table of the sources.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Command;

use crate::kinds::{Kind, dumped, dumps, kinds, spec};
use crate::local_host::context;
use crate::support::trees::{self, ALL, archived, assert_same, listing, read};
use rehearsa::archive::{Entry, Kind as What, below};
use rehearsa::model::event::Snapshot;
use rehearsa::model::host_tree::{FolderId, HostTree};
use rehearsa::model::source::{
    BackupAccess, Candidate, ContentTally, Keys, MatchRule, MountQuery, Pattern, Shape, SourcePlace, SourceSpec,
};
use rehearsa::model::source_kind::SourceKind;
use rehearsa::source::{Access, Backup, Source, SourceError, open};

/// Backups of a kind, kept as long as this is.
struct Field {
    folder: tempfile::TempDir,
    kind: Kind,
}

const FIRST: &str = "app-2026-11-01";
const SECOND: &str = "app-2026-11-02";

impl Field {
    /// For each kind that holds a tree, with one snapshot of a tree that `make` makes.
    fn each(make: impl Fn(&Path)) -> impl Iterator<Item = Field> {
        Field::of(kinds().into_iter(), make)
    }

    /// For each kind, dumps included.
    fn all(make: impl Fn(&Path)) -> impl Iterator<Item = Field> {
        Field::of(kinds().into_iter().chain(dumps()), make)
    }

    fn of(kinds: impl Iterator<Item = Kind>, make: impl Fn(&Path)) -> impl Iterator<Item = Field> {
        kinds.map(move |kind| {
            let field = Field { folder: tempfile::tempdir().expect("a folder"), kind };
            fs::create_dir(field.tree()).expect("made");
            fs::create_dir(field.backups()).expect("made");
            make(&field.tree());
            field.keep(FIRST);
            field
        })
    }

    fn tree(&self) -> std::path::PathBuf {
        self.folder.path().join("tree")
    }

    fn backups(&self) -> std::path::PathBuf {
        self.folder.path().join("backups")
    }

    fn keep(&self, name: &str) {
        (self.kind.keep)(&self.tree(), &self.backups(), name);
    }

    fn open(&self) -> Opened {
        Opened(open(&(self.kind.spec)(&self.backups()), &context()).expect("it opens"))
    }

    fn newest(&self) -> (Opened, Snapshot) {
        let opened = self.open();
        let snapshot = opened.choose(None).expect("there is one");
        (opened, snapshot)
    }
}

/// A source that was opened.
struct Opened(Box<dyn Source>);

impl Opened {
    fn choose(&self, wanted: Option<&str>) -> Result<Snapshot, SourceError> {
        self.0.choose(wanted)
    }

    fn list(&self, snapshot: &Snapshot, max: u64, see: &mut dyn FnMut(&Entry)) -> Result<(), SourceError> {
        match self.0.open(snapshot)? {
            Access::Stream(reader) | Access::Dump(_, reader) => reader.list(max, see),
            Access::HostTree(found) => panic!("{found:?} is not read here"),
        }
    }

    fn stream(&self, snapshot: &Snapshot, wanted: &[Vec<u8>], out: &mut dyn Write) -> Result<(), SourceError> {
        match self.0.open(snapshot)? {
            Access::Stream(reader) | Access::Dump(_, reader) => reader.stream(wanted, out),
            Access::HostTree(found) => panic!("{found:?} is not read here"),
        }
    }
}

fn listed(opened: &Opened, snapshot: &Snapshot) -> Vec<Entry> {
    let mut entries = Vec::new();
    opened.list(snapshot, 0, &mut |entry| entries.push(entry.clone())).expect("it can be listed");
    entries
}

fn streamed(opened: &Opened, snapshot: &Snapshot, wanted: &[&str]) -> Vec<(Entry, Vec<u8>)> {
    let wanted: Vec<Vec<u8>> = wanted.iter().map(|path| path.as_bytes().to_vec()).collect();
    let mut archive = Vec::new();
    opened.stream(snapshot, &wanted, &mut archive).expect("it can be read");
    read(archive.as_slice()).expect("it is an archive")
}

fn wants(paths: &[&str]) -> Vec<MountQuery> {
    let want = |path: &&str| MountQuery { patterns: vec![(MatchRule::Name, Pattern::Top(path.as_bytes().to_vec()))] };
    paths.iter().map(want).collect()
}

/// All that a file system can hold, and then some.
fn odd_tree(root: &Path) {
    trees::make(root, ALL);
    fs::create_dir(root.join("nothing in it")).expect("made");
    let lists = "setfacl -m u:1234:rw,g:77:r,u:0:x plain; setfacl -m u:5:rwx,d:u:99:rwx,d:o::- 'folder/deeper'";
    trees::run(Command::new("sh").args(["-ec", lists]).current_dir(root), b"");
    // A path of nearly 4 KiB, which is made from below: no path may be that long at once with what stands before it.
    let mut script = String::from("set -e; cd \"$1\"; ");
    for _ in 0..16 {
        let name = "deep".repeat(60);
        script.push_str(&format!("mkdir {name}; cd {name}; "));
    }
    script.push_str("echo end > end");
    trees::run(Command::new("sh").args(["-c", &script, "sh"]).arg(root), b"");
    let sparse = File::create(root.join("sparse")).expect("made");
    sparse.set_len(64 << 20).expect("holes");
    sparse.write_all_at(&[b's'; 5000], 33 << 20).expect("written");
    let dense: Vec<u8> = (0..8_u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(root.join("dense"), dense).expect("written");
}

/// The dump of a tree with this text in its only file.
fn dump_of(text: &str) -> Vec<u8> {
    let tree = tempfile::tempdir().expect("a folder");
    fs::write(tree.path().join("a"), text).expect("written");
    dumped(tree.path())
}

#[test]
#[ignore = "nightly: starts restic or Borg many times"]
fn the_newest_of_two_snapshots_is_taken_or_the_one_that_is_named() {
    for field in Field::all(|tree| fs::write(tree.join("a"), "one").expect("written")) {
        fs::write(field.tree().join("a"), "two and more").expect("written");
        field.keep(SECOND);
        let (kind, opened) = (field.kind.name, field.open());
        let ids: Vec<String> = opened.0.snapshots().expect("told").into_iter().map(|snapshot| snapshot.id).collect();
        let id = |name: &str| (field.kind.id)(&field.backups(), name);
        let (first, second) = (id(FIRST), id(SECOND));
        assert_eq!(ids, [first.as_str(), second.as_str()], "{kind}");
        for (named, content) in [(None, "two and more"), (Some(&second), "two and more"), (Some(&first), "one")] {
            let snapshot = opened.choose(named.map(String::as_str)).expect("it is there");
            let entries = streamed(&opened, &snapshot, &[]);
            let is_dump = kind.starts_with("dump");
            let path: &[u8] = if is_dump { b"dump.sql" } else { b"a" };
            let (_, found) = entries.iter().find(|(entry, _)| entry.path == path).expect("it is in it");
            let expected =
                if is_dump { String::from_utf8(dump_of(content)).expect("text") } else { content.to_owned() };
            assert_eq!(String::from_utf8_lossy(found), expected, "{kind}");
            let size = listed(&opened, &snapshot).iter().find(|entry| entry.path == path).map(|entry| entry.size);
            assert_eq!(size, Some(expected.len() as u64), "{kind}");
        }
        let error = opened.choose(Some("app")).expect_err("there is none of this name");
        assert!(matches!(error, SourceError::UnknownSnapshot(_)), "{kind}: {error}");
        let words = error.to_string();
        let newest_first = words.find(&second).zip(words.find(&first)).is_some_and(|(second, first)| second < first);
        assert!(newest_first, "{kind}: {error}");
    }
}

#[test]
fn what_is_told_is_what_comes_and_what_was_backed_up() {
    for field in Field::each(odd_tree) {
        let kind = field.kind.name;
        let (opened, snapshot) = field.newest();
        let mut told = listed(&opened, &snapshot);
        let loses = field.kind.loses;
        let came = streamed(&opened, &snapshot, &[]);
        let mut bare: Vec<Entry> = came.iter().map(|(entry, _)| entry.clone()).collect();
        // Attributes are content: they need not be told.
        for entry in told.iter_mut().chain(&mut bare) {
            entry.xattrs.clear();
            if loses.odd_names {
                entry.path =
                    String::from_utf8_lossy(&entry.path).replace(char::REPLACEMENT_CHARACTER, "?").into_bytes();
            }
            if let (true, What::Symlink(target)) = (loses.specials, &mut entry.kind) {
                target.clear();
            }
            // A source that reads the file itself lists the size of a hard link too: the file's first name may not be
            // selected.
            if matches!(entry.kind, What::HardLink(_)) {
                entry.size = 0;
            }
        }
        assert_eq!(told.len(), bare.len(), "{kind}");
        for (told, came) in told.iter().zip(&bare) {
            assert_eq!(told, came, "{kind}");
        }
        let sparse = told.iter().find(|entry| entry.path == b"sparse").expect("it is told of");
        assert_eq!(sparse.size, 64 << 20, "{kind}");
        assert!(loses.holes || sparse.stored < 1 << 20, "{kind}: {} bytes", sparse.stored);
        let has_links = told.iter().any(|entry| matches!(entry.kind, What::HardLink(_)));
        assert_eq!(has_links, !loses.hard_links, "{kind}");
        assert!(told.iter().any(|entry| entry.path.len() > 3_800), "{kind}");
        // Of the very deep ones no listing can be made by their full paths.
        let mut found = archived(came);
        found.retain(|path, _| !path.starts_with(b"deepdeep"));
        fs::remove_dir_all(field.tree().join("deep".repeat(60))).expect("removed");
        let mut expected = listing(&field.tree());
        // Its time is that of the removal.
        match found.get(&b""[..]) {
            Some(root) => expected.insert(Vec::new(), root.clone()),
            None => expected.remove(&b""[..]).filter(|_| loses.specials),
        }
        .expect("it has a root");
        if loses.specials {
            expected.retain(|_, entry| !matches!(entry.kind, What::Fifo | What::Device));
        }
        for entry in expected.values_mut() {
            if loses.xattrs {
                entry.xattrs.clear();
            }
            if loses.specials {
                entry.mtime.0 += i64::from(entry.mtime.1 >= 500_000_000);
            }
            if loses.nanoseconds || loses.specials {
                entry.mtime.1 = 0;
            }
            if loses.wide_times {
                // Borg leaves two days below the greatest time of 32 bits.
                entry.mtime.0 = entry.mtime.0.clamp(0, i64::from(i32::MAX) - 2 * 24 * 60 * 60);
            }
        }
        assert_same(&found, &expected);
    }
}

#[test]
#[ignore = "nightly: starts restic or Borg many times"]
fn what_is_counted_is_what_comes() {
    let parts = ["folder", "folder/deeper", "empty folder", "sparse", "block", "plain", "twin", "missing", ""];
    for field in Field::each(odd_tree) {
        let kind = field.kind.name;
        let backup = Backup::open(&(field.kind.spec)(&field.backups()), &context()).expect("it opens");
        let found = backup.survey(&wants(&parts), 0).expect("it can be looked through").contents;
        for (part, candidates) in parts.iter().zip(&found.candidates) {
            let mut archive = Vec::new();
            backup.stream(&[part.as_bytes().to_vec()], &mut archive).expect("it can be read");
            let mut came = ContentTally::default();
            for (entry, _) in read(archive.as_slice()).expect("it is an archive") {
                let Some(rest) = below(&entry.path, part.as_bytes()) else { continue };
                match entry.kind {
                    What::Folder => came.folders += u64::from(!rest.is_empty()),
                    _ => {
                        came.amount.files += 1;
                        came.amount.bytes += entry.stored;
                        came.empty_files += u64::from(entry.kind == What::File && entry.size == 0);
                    }
                }
                if rest.is_empty() {
                    came.root = Some(match entry.kind {
                        What::Folder => Shape::Folder,
                        What::File | What::HardLink(_) => Shape::File,
                        What::Symlink(_) | What::Fifo | What::Device => Shape::Other,
                    });
                }
            }
            let expected = Candidate { rule: MatchRule::Name, path: part.as_bytes().to_vec(), tally: came };
            let expected = if *part == "missing" { vec![] } else { vec![expected] };
            assert_eq!(candidates, &expected, "{kind}: {part}");
        }
        let error = backup.survey(&[], 3).expect_err("there is more");
        assert!(matches!(error, SourceError::TooMany(3)), "{kind}: {error}");
    }
}

#[test]
fn all_of_what_is_wanted_comes() {
    for field in Field::each(|tree| trees::make(tree, ALL)) {
        let kind = field.kind.name;
        let (opened, snapshot) = field.newest();
        let all = archived(streamed(&opened, &snapshot, &[]));
        let some = archived(streamed(&opened, &snapshot, &["folder/deeper", "holes", "no such part"]));
        let mut count = 0;
        for (path, found) in &all {
            if below(path, b"folder/deeper").is_some() || path == b"holes" {
                assert_eq!(some.get(path), Some(found), "{kind}");
                count += 1;
            }
        }
        assert_eq!(count, 4, "{kind}");
    }
}

/// Takes so many bytes and is gone.
struct Leaving {
    room: usize,
    refused: usize,
}

impl Write for Leaving {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.room {
            self.refused += 1;
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.room -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
#[ignore = "nightly: starts restic or Borg many times"]
fn it_ends_when_nobody_listens() {
    for field in Field::all(noise) {
        let kind = field.kind.name;
        let (opened, snapshot) = field.newest();
        for room in [0, 600_000] {
            let mut out = Leaving { room, refused: 0 };
            let error = opened.stream(&snapshot, &[], &mut out).expect_err("nobody listens");
            assert!(matches!(error, SourceError::Unheard(_)), "{kind}: {error}");
            assert_eq!(out.refused, 1, "{kind}: it does not go on");
        }
    }
}

/// Calls once, when the first bytes have come.
struct Meanwhile<'a> {
    archive: Vec<u8>,
    then: Option<&'a dyn Fn()>,
}

impl Write for Meanwhile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.archive.extend_from_slice(bytes);
        if let Some(then) = self.then.take() {
            then();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// More than is read at a time, that no compression makes small, in folders of which one can be taken away.
fn noise(tree: &Path) {
    let mut state = 7_u64;
    for folder in ["a", "m", "vanishing"] {
        fs::create_dir(tree.join(folder)).expect("made");
        for n in 0..4 {
            let mut bytes = Vec::with_capacity(1 << 20);
            while bytes.len() < 1 << 20 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                bytes.extend_from_slice(&(state >> 13).to_le_bytes()[..5]);
            }
            fs::write(tree.join(folder).join(n.to_string()), bytes).expect("written");
        }
    }
}

#[test]
#[ignore = "nightly: starts restic or Borg many times"]
fn what_vanishes_meanwhile_never_makes_a_whole_archive() {
    for field in Field::all(noise) {
        let kind = field.kind.name;
        let (opened, snapshot) = field.newest();
        let (told, backups) = (listed(&opened, &snapshot).len(), field.backups());
        let spoil = || (field.kind.spoil)(&backups, FIRST);
        let mut out = Meanwhile { archive: Vec::new(), then: Some(&spoil) };
        let result = opened.stream(&snapshot, &[], &mut out);
        // A plain file that ends early is passed on as it is: who unpacks it knows its end.
        if result.is_ok() {
            let came = read(out.archive.as_slice());
            assert!(came.as_ref().map_or(true, |came| came.len() < told), "{kind}: {told} came");
            assert!(came.is_err(), "{kind}: it looks whole");
        }
        assert!(out.then.is_none(), "{kind}: something came");
    }
}

#[test]
fn what_is_cut_off_is_told_before_anything_is_restored() {
    for field in Field::all(noise) {
        let kind = field.kind.name;
        let (opened, snapshot) = field.newest();
        (field.kind.spoil)(&field.backups(), FIRST);
        let result = opened.list(&snapshot, 0, &mut |_| {});
        match kind {
            // What is not in a folder any more is not in the backup, as far as anybody can tell.
            "folder" => assert!(result.is_ok(), "{kind}"),
            _ => assert!(
                matches!(result, Err(SourceError::Corrupt(_) | SourceError::Broken(_) | SourceError::Incomplete(_))),
                "{kind}: {result:?}"
            ),
        }
    }
}

#[test]
fn what_is_gone_cannot_be_read() {
    for field in Field::all(|tree| fs::write(tree.join("a"), "one").expect("written")) {
        let kind = field.kind.name;
        let (opened, snapshot) = field.newest();
        let path = (field.kind.path)(&field.backups(), FIRST);
        fs::rename(&path, field.folder.path().join("elsewhere")).expect("moved");
        let told = opened.list(&snapshot, 0, &mut |_| {});
        assert!(matches!(told, Err(SourceError::Unreachable { .. })), "{kind}: {told:?}");
        let streamed = opened.stream(&snapshot, &[], &mut io::sink());
        assert!(matches!(streamed, Err(SourceError::Unreachable { .. })), "{kind}: {streamed:?}");
        // Something else is at its place.
        match kind {
            "folder" => fs::write(&path, "a file").expect("written"),
            _ => fs::create_dir(&path).expect("made"),
        }
        let told = opened.list(&snapshot, 0, &mut |_| {});
        assert!(kind == "folder" || told.is_err(), "{kind}");
    }
}

#[test]
fn what_is_told_of_a_dump_is_what_comes() {
    for field in Field::of(dumps().into_iter(), noise) {
        let kind = field.kind.name;
        let backup = Backup::open(&(field.kind.spec)(&field.backups()), &context()).expect("it opens");
        let survey = backup.survey(&[], 0).expect("it can be looked through");
        let BackupAccess::Dump(dump) = survey.access else { panic!("{kind}: {:?}", survey.access) };
        let (opened, snapshot) = field.newest();
        let came = streamed(&opened, &snapshot, &[]);
        let told = listed(&opened, &snapshot);
        assert_eq!(came.iter().map(|(entry, _)| entry).collect::<Vec<_>>(), told.iter().collect::<Vec<_>>(), "{kind}");
        let bytes = dumped(&field.tree()).len() as u64;
        assert_eq!((survey.contents.whole.amount.files, survey.contents.whole.amount.bytes), (1, bytes), "{kind}");
        assert_eq!((dump.bytes, dump.tables), (bytes, 1), "{kind}");
    }
}

#[test]
fn a_folder_of_the_engines_host_is_used_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app-2026-11-01");
    fs::create_dir(&path).expect("made");
    trees::make(&path, ALL);
    let place = SourcePlace::on_host(path.to_str().expect("text"));
    let open = |snapshot: Option<&str>| {
        let spec = spec(place.clone(), Keys::default());
        Backup::open(&SourceSpec { snapshot: snapshot.map(str::to_owned), ..spec }, &context())
    };
    let survey = open(None).expect("it opens").survey(&wants(&["folder"]), 0).expect("it can be looked through");
    let BackupAccess::HostTree(tree) = &survey.access else { panic!("{:?}", survey.access) };
    assert_eq!(HostTree { known: Vec::new(), ..tree.clone() }, HostTree::at(path.to_str().expect("text")));
    let metadata = fs::metadata(&path).expect("it is there");
    let id = FolderId { device: Some(metadata.dev()), inode: metadata.ino() };
    assert_eq!(tree.known, [(String::new(), id)], "an exchanged folder is told by it");
    let by_dir = spec(SourcePlace::at_path(SourceKind::Dir, &path), Keys::default());
    let by_dir = Backup::open(&by_dir, &context()).expect("it opens").survey(&wants(&["folder"]), 0).expect("looked");
    assert_eq!(survey.contents, by_dir.contents);
    assert_eq!(survey.snapshot.id, "app-2026-11-01");
    assert!(survey.snapshot.time.is_some(), "the worker tells when it was changed");
    assert!(open(Some("app-2026-11-01")).is_ok());
    let error = open(Some("other")).expect_err("there is none of this name");
    assert_eq!(error.to_string(), "its only snapshot is called app-2026-11-01, not other");
    let streamed = open(None).expect("it opens").stream(&[], &mut io::sink()).expect_err("it is not read here");
    assert!(matches!(streamed, SourceError::Unreachable { .. }), "{streamed}");
    fs::remove_dir_all(&path).expect("removed");
    let gone = open(None).expect("it opens").survey(&[], 0).expect_err("it is gone");
    assert!(matches!(gone, SourceError::NotThere(_)), "{gone}");
}
