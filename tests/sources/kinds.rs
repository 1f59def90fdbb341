//! The table of sources. A new source needs a row in [`kinds`]: how it backs up a tree, how its backups are opened, and
//! what it may lose. Dumps hold rows and no tree, and have a table of their own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::borg;
use crate::support::encrypted::encrypted_by_age;
use crate::support::restic;
use crate::support::trees;
use rehearsa::archive::write::{PackOptions, pack};
use rehearsa::model::source::{Keys, SecretPlace, SourceLocation, SourcePlace, SourceSpec};
use rehearsa::model::source_kind::SourceKind;

/// One kind of source.
pub struct Kind {
    pub name: &'static str,
    /// Backs the tree up as a snapshot of this name.
    pub keep: fn(tree: &Path, backups: &Path, name: &str),
    /// All that were kept.
    pub spec: fn(backups: &Path) -> SourceSpec,
    /// Takes away what is needed to read the snapshot to its end.
    pub spoil: fn(backups: &Path, name: &str),
    /// The source's own name for the snapshot of this name.
    pub id: fn(backups: &Path, name: &str) -> String,
    /// What is gone when the snapshot is.
    pub path: fn(backups: &Path, name: &str) -> PathBuf,
    /// What the source may lose: limits of its program, and not of the backup.
    pub loses: Losses,
}

/// What a source's stream or listing does not have, although the backup has it.
#[derive(Clone, Copy)]
pub struct Losses {
    /// Extended attributes.
    pub xattrs: bool,
    /// Fractions of a second.
    pub nanoseconds: bool,
    /// Times before 1970 and after January 2038: they come as the first or last ones between.
    pub wide_times: bool,
    /// Holes: they come as zeros.
    pub holes: bool,
    /// The listing has question marks in names that are not UTF-8.
    pub odd_names: bool,
    /// Further names of a file: they come as files of their own.
    pub hard_links: bool,
    /// Pipes and devices, the targets of links in the listing, and the root; times are rounded to whole seconds.
    pub specials: bool,
}

const NOTHING: Losses = Losses {
    xattrs: false,
    nanoseconds: false,
    wide_times: false,
    holes: false,
    odd_names: false,
    hard_links: false,
    specials: false,
};

fn same_id(_backups: &Path, name: &str) -> String {
    name.to_owned()
}

/// Takes away an attribute whose name restic's dump cannot write.
const NO_EQUALS: &str =
    "for path in plain folder; do [ ! -e \"$1/$path\" ] || setfattr -x user.a=b%3D \"$1/$path\" || true; done";

fn of_its_name(backups: &Path, name: &str) -> PathBuf {
    backups.join(name)
}

pub fn kinds() -> [Kind; 8] {
    let tars = |backups: &Path| spec(SourcePlace::at_path(SourceKind::Tar, backups.join("app-*")), Keys::default());
    [
        Kind {
            name: "folder",
            keep: |tree, backups, name| {
                trees::run(Command::new("cp").arg("-a").arg(tree).arg(backups.join(name)), b"");
            },
            spec: |backups| spec(SourcePlace::at_path(SourceKind::Dir, backups.join("app-*")), Keys::default()),
            spoil: |backups, name| fs::remove_dir_all(backups.join(name).join("vanishing")).expect("removed"),
            id: same_id,
            path: of_its_name,
            loses: NOTHING,
        },
        Kind {
            name: "tar",
            keep: |tree, backups, name| store(backups, name, &packed(tree)),
            spec: tars,
            spoil: cut,
            id: same_id,
            path: of_its_name,
            loses: NOTHING,
        },
        Kind {
            name: "tar.gz",
            keep: |tree, backups, name| store(backups, name, &through("gzip", tree)),
            spec: tars,
            spoil: cut,
            id: same_id,
            path: of_its_name,
            loses: NOTHING,
        },
        Kind {
            name: "tar.zst",
            keep: |tree, backups, name| store(backups, name, &through("zstd", tree)),
            spec: tars,
            spoil: cut,
            id: same_id,
            path: of_its_name,
            loses: NOTHING,
        },
        Kind {
            name: "tar.gz by rclone",
            keep: |tree, backups, name| store(backups, name, &through("gzip", tree)),
            spec: |backups| {
                let location = SourceLocation::Address(format!("rclone::local:{}/app-*", backups.display()));
                spec(SourcePlace { kind: SourceKind::Tar, location }, Keys::default())
            },
            spoil: cut,
            id: same_id,
            path: of_its_name,
            loses: NOTHING,
        },
        Kind {
            name: "tar.age",
            keep: |tree, backups, name| {
                fs::write(backups.join("passphrase"), "fixture-conformance\n").expect("written");
                store(backups, name, &encrypted_by_age("fixture-conformance", &packed(tree), false));
            },
            spec: |backups| {
                let passphrase = Some(SecretPlace::File(backups.join("passphrase")));
                spec(SourcePlace::at_path(SourceKind::Tar, backups.join("app-*")), Keys { passphrase, identity: None })
            },
            spoil: cut,
            id: same_id,
            path: of_its_name,
            loses: NOTHING,
        },
        Kind {
            name: "borg",
            keep: |tree, backups, name| {
                fs::write(backups.join("passphrase"), format!("{}\n", borg::PASSPHRASE)).expect("written");
                let time = name.replace("app-", "") + "T03:00:00";
                borg::keep(backups, "repository", tree, name, &time);
            },
            spec: |backups| {
                let passphrase = Some(SecretPlace::File(backups.join("passphrase")));
                let place = SourcePlace::at_path(SourceKind::Borg, backups.join("repository"));
                spec(place, Keys { passphrase, identity: None })
            },
            spoil: |backups, _| halve(&borg::largest_segment(&backups.join("repository"))),
            id: same_id,
            path: |backups, _| backups.join("repository"),
            loses: Losses {
                xattrs: true,
                nanoseconds: true,
                wide_times: true,
                holes: true,
                odd_names: true,
                ..NOTHING
            },
        },
        Kind {
            name: "restic",
            keep: |tree, backups, name| {
                fs::write(backups.join("passphrase"), format!("{}\n", restic::PASSWORD)).expect("written");
                let time = name.replace("app-", "") + " 03:00:00";
                // Go's library for tar refuses a name of an attribute with this character, and the dump fails.
                trees::run(Command::new("sh").args(["-c", NO_EQUALS, "sh"]).arg(tree), b"");
                restic::keep(backups, "repository", tree, &["--time", &time]);
                fs::write(backups.join(format!("{name}.id")), restic::newest_id(backups, "repository"))
                    .expect("written");
            },
            spec: |backups| {
                let passphrase = Some(SecretPlace::File(backups.join("passphrase")));
                let place = SourcePlace::at_path(SourceKind::Restic, backups.join("repository"));
                spec(place, Keys { passphrase, identity: None })
            },
            spoil: |backups, _| restic::packs(&backups.join("repository")).iter().for_each(|pack| halve(pack)),
            id: |backups, name| fs::read_to_string(backups.join(format!("{name}.id"))).expect("it was kept"),
            path: |backups, _| backups.join("repository"),
            loses: Losses { holes: true, odd_names: true, hard_links: true, specials: true, ..NOTHING },
        },
    ]
}

pub fn dumps() -> [Kind; 3] {
    let dumps = |backups: &Path| spec(SourcePlace::at_path(SourceKind::Dump, backups.join("app-*")), Keys::default());
    [
        Kind {
            name: "dump",
            keep: |tree, backups, name| store(backups, name, &dumped(tree)),
            spec: dumps,
            spoil: cut,
            id: same_id,
            path: of_its_name,
            loses: NOTHING,
        },
        Kind {
            name: "dump.gz",
            keep: |tree, backups, name| {
                store(backups, name, &trees::run(Command::new("gzip").arg("-c"), &dumped(tree)));
            },
            spec: dumps,
            spoil: cut,
            id: same_id,
            path: of_its_name,
            loses: NOTHING,
        },
        Kind {
            name: "dump.age",
            keep: |tree, backups, name| {
                fs::write(backups.join("passphrase"), "fixture-conformance\n").expect("written");
                store(backups, name, &encrypted_by_age("fixture-conformance", &dumped(tree), false));
            },
            spec: |backups| {
                let passphrase = Some(SecretPlace::File(backups.join("passphrase")));
                let place = SourcePlace::at_path(SourceKind::Dump, backups.join("app-*"));
                spec(place, Keys { passphrase, identity: None })
            },
            spoil: cut,
            id: same_id,
            path: of_its_name,
            loses: NOTHING,
        },
    ]
}

/// A dump of pg_dump with a row for each file of a tree, of which it has the first bytes.
pub fn dumped(tree: &Path) -> Vec<u8> {
    fn rows(folder: &Path, dump: &mut String) {
        let mut paths: Vec<_> =
            fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("one").path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                rows(&path, dump);
                continue;
            }
            let bytes = fs::read(&path).expect("read");
            match std::str::from_utf8(&bytes) {
                Ok(text) => dump.push_str(&format!("INSERT INTO t VALUES ('{text}');\n")),
                Err(_) => bytes[..100_000].chunks(2000).for_each(|piece| {
                    let hex: String = piece.iter().map(|byte| format!("{byte:02x}")).collect();
                    dump.push_str(&format!("INSERT INTO t VALUES ('{hex}');\n"));
                }),
            }
        }
    }
    let mut dump = "--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE t (a text);\n".to_owned();
    rows(tree, &mut dump);
    dump.push_str("--\n-- PostgreSQL database dump complete\n--\n\n");
    dump.into_bytes()
}

pub fn spec(place: SourcePlace, keys: Keys) -> SourceSpec {
    SourceSpec { place, snapshot: None, keys }
}

fn packed(tree: &Path) -> Vec<u8> {
    let mut archive = Vec::new();
    pack(tree, &PackOptions::default(), &mut archive).expect("packed");
    archive
}

fn through(program: &str, tree: &Path) -> Vec<u8> {
    trees::run(Command::new(program).arg("-c"), &packed(tree))
}

fn store(backups: &Path, name: &str, bytes: &[u8]) {
    fs::write(backups.join(name), bytes).expect("stored");
}

fn cut(backups: &Path, name: &str) {
    halve(&backups.join(name));
}

fn halve(path: &Path) {
    let file = File::options().write(true).open(path).expect("it is there");
    file.set_len(file.metadata().expect("its length").len() / 2).expect("cut");
}
