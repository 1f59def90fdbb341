//! Backups that are not what they seem: split archives, archives that somebody still writes to, and repositories of
//! backup programs.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use rehearsa::model::diagnosis::Code;
use rehearsa::model::repository::Repository;
use rehearsa::model::source::{Keys, MatchRule, MountQuery, Pattern, SourcePlace, SourceSpec};
use rehearsa::model::source_kind::SourceKind;
use rehearsa::source::{Access, Backup, SourceError, open};

use crate::local_host::context;
use crate::support::backup::sh;

fn spec(kind: SourceKind, path: &Path) -> SourceSpec {
    SourceSpec { place: SourcePlace::at_path(kind, path), snapshot: None, keys: Keys::default() }
}

fn surveyed(kind: SourceKind, path: &Path, queries: &[MountQuery]) -> Result<u64, SourceError> {
    Backup::open(&spec(kind, path), &context())?.survey(queries, 0).map(|survey| survey.contents.whole.amount.files)
}

/// Two files that no compression makes smaller.
const TREE: &str = "mkdir data; head -c 50000 /dev/urandom >data/a; head -c 50000 /dev/urandom >data/b";

#[test]
fn a_split_archive_is_one_and_a_missing_part_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    sh(
        dir.path(),
        &format!(
            "{TREE}; tar -cf plain.tar data; tar -cz data | split -b 20k - x.tar.gz.part; \
             split -b 30k plain.tar y.tar.; \
             tar -cz data | age -r \"$(age-keygen 2>/dev/null | tee key | age-keygen -y)\" | \
             split -d -a 3 -b 40k - z.tgz.age."
        ),
        &[],
    );
    let amounts = |path: &Path| surveyed(SourceKind::Tar, path, &[]);
    for name in ["x.tar.gz.part*", "x.tar.gz.partaa", "y.tar.*", "y.tar.aa"] {
        assert_eq!(amounts(&at(name)).expect(name), 2, "{name}");
    }
    let backup = Backup::open(&spec(SourceKind::Tar, &at("y.tar.*")), &context()).expect("it opens");
    assert_eq!(backup.snapshot.id, "y.tar");
    let mut streamed = Vec::new();
    backup.stream(&[Vec::new()], &mut streamed).expect("it is streamed");
    assert_eq!(streamed, fs::read(at("plain.tar")).expect("read"));
    // The encryption goes over the whole, too.
    let keys = Keys { passphrase: None, identity: Some(at("key")) };
    let encrypted = SourceSpec { keys, ..spec(SourceKind::Tar, &at("z.tgz.age.*")) };
    let backup = Backup::open(&encrypted, &context()).expect("it opens");
    assert_eq!(backup.survey(&[], 0).expect("it is whole").contents.whole.amount.files, 2);
    fs::remove_file(at("x.tar.gz.partac")).expect("removed");
    let error = amounts(&at("x.tar.gz.part*")).expect_err("one is missing");
    let diagnosis = error.diagnosis(&SourcePlace::at_path(SourceKind::Tar, at("x.tar.gz.part*")));
    assert_eq!(diagnosis.code, Code::RestoreIncomplete, "{diagnosis}");
    assert!(diagnosis.message.contains("the part x.tar.gz.partac of x.tar.gz is missing"), "{diagnosis}");
    fs::remove_file(at("y.tar.ad")).expect("removed");
    let error = amounts(&at("y.tar.*")).expect_err("the last one is missing");
    assert!(matches!(error, SourceError::Corrupt(_)), "{error}");
}

#[test]
fn an_archive_that_grows_while_it_is_read_is_not_judged() {
    let dir = tempfile::tempdir().expect("a folder");
    sh(dir.path(), &format!("{TREE}; tar -cf x.tar data; head -c 70000 x.tar >half.tar"), &[]);
    for (name, grows) in [("x.tar", true), ("half.tar", true), ("half.tar", false)] {
        let path = dir.path().join(name);
        let source = open(&spec(SourceKind::Tar, &path), &context()).expect("it opens");
        let snapshot = source.snapshots().expect("one").remove(0);
        let Access::Stream(reader) = source.open(&snapshot).expect("it opens") else { panic!("an archive") };
        let error = reader
            .list(0, &mut |_| {
                if grows {
                    let mut file = OpenOptions::new().append(true).open(&path).expect("opened");
                    file.write_all(&[0; 512]).expect("it grows");
                }
            })
            .expect_err("it is not whole");
        match error {
            SourceError::Changing(words) => assert!(grows && words.contains("grew while it was read"), "{words}"),
            other => assert!(!grows && matches!(other, SourceError::Corrupt(_)), "{other}"),
        }
    }
}

#[test]
fn a_repository_is_named_and_is_data_only_where_its_owner_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let home = dir.path().display().to_string();
    let backups = "export RESTIC_PASSWORD=fixture BORG_BASE_DIR=\"$1/base\" HOME=\"$1\"; \
        restic -q init -r restic >/dev/null; restic -q -r restic backup data; \
        borg init -e none borg; borg create borg::one data; \
        tar -cf restic.tar -C restic .; tar -czf named.tgz restic; \
        mkdir -p many/volumes; cp -a restic many/volumes/app_data; \
        mkdir many/volumes/other; echo a >many/volumes/other/a";
    sh(dir.path(), &format!("{TREE}; {backups}"), &[&home]);
    let query =
        |rule: MatchRule, path: &str| MountQuery { patterns: vec![(rule, Pattern::Top(path.as_bytes().to_vec()))] };
    let refused = |kind: SourceKind, name: &str, queries: &[MountQuery], of: Repository| match surveyed(
        kind,
        &dir.path().join(name),
        queries,
    ) {
        Err(SourceError::Layout(layout)) => assert_eq!(layout.of, of, "{name}"),
        other => panic!("{name} is named: {other:?}"),
    };
    for (name, kind) in [("restic", SourceKind::Dir), ("restic.tar", SourceKind::Tar), ("named.tgz", SourceKind::Tar)] {
        refused(kind, name, &[], Repository::Restic);
        refused(
            kind,
            name,
            &[query(MatchRule::Explicit, "data"), query(MatchRule::Target, "restic")],
            Repository::Restic,
        );
    }
    refused(SourceKind::Dir, "borg", &[query(MatchRule::Target, "data")], Repository::Borg);
    // A service may keep a repository: its owner maps it, or its volume has the name.
    let taken = |name: &str, kind: SourceKind, queries: &[MountQuery]| {
        assert!(surveyed(kind, &dir.path().join(name), queries).expect(name) > 3, "{name}");
    };
    taken("restic", SourceKind::Dir, &[query(MatchRule::Explicit, "")]);
    taken("named.tgz", SourceKind::Tar, &[query(MatchRule::Name, "restic")]);
    taken("many", SourceKind::Dir, &[query(MatchRule::Name, "volumes/other")]);
}

#[test]
fn encrypted_and_other_files_are_named_and_never_damaged_archives() {
    let dir = tempfile::tempdir().expect("a folder");
    let make = "tar -cz data | openssl enc -aes-256-cbc -pbkdf2 -pass pass:x >openssl.tar.gz; \
        tar -cz data | openssl enc -aes-256-cbc -pbkdf2 -a -pass pass:x >text.tar.gz; \
        python3 -m zipfile -c x.zip data; gzip -k x.zip; \
        truncate -s 8M disk.img; mkfs.ext4 -q disk.img; \
        (cd data; find . | busybox cpio -o -H newc 2>/dev/null >../x.cpio)";
    sh(dir.path(), &format!("{TREE}; {make}"), &[]);
    for (name, words) in [
        ("openssl.tar.gz", "encrypted by openssl"),
        ("text.tar.gz", "encrypted by openssl, as text"),
        ("x.zip", "a zip file"),
        ("x.zip.gz", "a zip file"),
        ("disk.img", "a file system image (ext4)"),
        ("x.cpio", "a cpio archive"),
    ] {
        let path = dir.path().join(name);
        let error = surveyed(SourceKind::Tar, &path, &[]).expect_err("no archive");
        let diagnosis = error.diagnosis(&SourcePlace::at_path(SourceKind::Tar, &path));
        assert_eq!(diagnosis.code, Code::SourceOtherFormat, "{diagnosis}");
        assert!(diagnosis.message.contains(words) && diagnosis.remedy.is_some(), "{diagnosis:?}");
    }
}
