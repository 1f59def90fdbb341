//! Tests of dumps as a source.

use std::fs;
use std::process::Command;

use super::*;
use crate::model::diagnosis::Code;
use crate::model::dump::DumpFormat;
use crate::model::environment::Environment;
use crate::model::host_tree::{HostLook, HostSeen, HostTree};
use crate::model::source::{BackupAccess, MountQuery, SourcePlace};
use crate::model::source_kind::SourceKind;
use crate::source::{Backup, DecodeBounds, EngineHost, HostFolder};
use dumps::{SQL, dump_spec, streamed_entries};

#[path = "../../../tests/support/dumps.rs"]
mod dumps;

/// An engine's host without folders.
struct NoHost;

impl EngineHost for NoHost {
    fn look(&self, _look: &HostLook) -> Result<HostSeen, SourceError> {
        Err(SourceError::NotThere("a dump has no host".to_owned()))
    }

    fn survey(&self, tree: &HostTree, _queries: &[MountQuery]) -> Result<HostFolder, SourceError> {
        panic!("{} is not asked for", tree.path)
    }
}

fn open_backup(path: &Path) -> Result<Backup, SourceError> {
    let context = SourceContext {
        environment: Environment::default(),
        programs: Default::default(),
        decoding: DecodeBounds::default(),
        executable: "/none".into(),
        host_name: None,
        now: jiff::Timestamp::UNIX_EPOCH,
        host: std::sync::Arc::new(NoHost),
    };
    Backup::open(&dump_spec(path), &context)
}

fn dump_of(backup: &Backup) -> Result<Dump, SourceError> {
    match backup.survey(&[], 0)?.access {
        BackupAccess::Dump(dump) => Ok(dump),
        other => panic!("it is a dump: {other:?}"),
    }
}

#[track_caller]
fn refused(path: &Path, code: Code, words: &str) {
    let error = open_backup(path).and_then(|backup| dump_of(&backup)).expect_err("refused");
    let diagnosis = error.diagnosis(&SourcePlace::at_path(SourceKind::Dump, path));
    assert_eq!(diagnosis.code, code, "{diagnosis}");
    assert!(diagnosis.message.contains(words), "{diagnosis}");
}

#[test]
fn the_newest_of_a_pattern_or_a_folder_is_taken() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["app-2026-11-01.sql", "app-2026-11-03.sql", "notes.txt"] {
        fs::write(dir.path().join(name), SQL).expect("written");
    }
    for path in [dir.path().to_owned(), dir.path().join("app-*.sql")] {
        assert_eq!(open_backup(&path).expect("it opens").snapshot.id, "app-2026-11-03.sql", "{path:?}");
    }
    refused(&dir.path().join("none.sql"), Code::SourceUnreachable, "there is no file");
    fs::create_dir(dir.path().join("empty")).expect("made");
    refused(&dir.path().join("empty"), Code::SourceNoSnapshot, "without a dump in it");
}

#[test]
fn what_is_not_whole_or_no_dump_is_told_apart() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, content).expect("written");
        path
    };
    refused(&at("empty.sql", b""), Code::RestoreIncomplete, "empty");
    let plain = at("plain.sql", "INSERT INTO t VALUES (1);\n".repeat(5000).as_bytes());
    let packed = Command::new("gzip").arg("-c").arg(&plain).output().expect("gzip runs").stdout;
    refused(&at("cut.sql.gz", &packed[..packed.len() / 2]), Code::RestoreIncomplete, "ends in the middle");
    let mut flipped = packed.clone();
    let end = flipped.len() - 8;
    flipped[end] ^= 0xff;
    refused(&at("flipped.sql.gz", &flipped), Code::SourceCorrupt, "damaged");
    refused(&at("app.db", b"SQLite format 3\0\x10\0"), Code::SourceOtherFormat, "a database of SQLite");
    refused(&at("lite.sql", b"PRAGMA foreign_keys=OFF;\nCOMMIT;\n"), Code::SourceOtherFormat, "SQLite");
    refused(&at("noise.sql", b"\x01\0\x02"), Code::SourceOtherFormat, "binary");
    refused(
        &at("hole.sql", b"-- MySQL dump 10.13\n\0\0\0\0\nINSERT"),
        Code::RestoreIncomplete,
        "NUL byte (at byte 20, in line 2)",
    );
    refused(
        &at("headless.sql", b"\0\0-- MySQL dump 10.13\n"),
        Code::RestoreIncomplete,
        "NUL byte (at byte 0, in line 1)",
    );
    refused(&at("cut.rdb", b"REDIS0011\xfa\x09"), Code::RestoreIncomplete, "mark of its end");
    let rdb = open_backup(&at("good.rdb", b"REDIS0011\xff\0\0\0\0\0\0\0\0")).expect("it opens");
    assert_eq!(dump_of(&rdb).expect("whole").format, DumpFormat::Redis);
    let toc = archive::tests::sample(1, &[("TABLE", "o"), ("TABLE DATA", "o")]);
    refused(&at("cut.dump", &toc[..toc.len() - 3]), Code::RestoreIncomplete, "table of contents");
    refused(&at("rowless.dump", &toc), Code::RestoreIncomplete, "has no rows");
}

/// An archive of `tar` with these files, which have these contents.
fn tar_of(folder: &Path, name: &str, files: &[(&str, &[u8])]) -> PathBuf {
    let inside = tempfile::tempdir().expect("a folder");
    for (file, content) in files {
        let path = inside.path().join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, content).expect("written");
    }
    let path = folder.join(name);
    let mut command = Command::new("tar");
    command.args(["--format=ustar", "-caf"]).arg(&path).arg("-C").arg(inside.path());
    let output = command.args(files.iter().map(|(file, _)| *file)).output().expect("tar runs");
    assert!(output.status.success(), "{output:?}");
    path
}

fn toc_of_folder() -> Vec<u8> {
    archive::tests::sample(3, &[("TABLE", "o"), ("TABLE DATA", "o")])
}

#[test]
fn an_archive_of_pg_dump_in_the_tar_format_is_a_dump() {
    let dir = tempfile::tempdir().expect("a folder");
    let (toc, rows) = (toc_of_folder(), &b"1\n\\.\n\n\n"[..]);
    let path = tar_of(dir.path(), "app.tar", &[("toc.dat", &toc), ("3350.dat", rows), ("restore.sql", b"--\n")]);
    let backup = open_backup(&path).expect("it opens");
    let dump = dump_of(&backup).expect("it is whole");
    let whole = fs::read(&path).expect("read");
    assert_eq!((dump.format, dump.tables, dump.bytes), (DumpFormat::PostgresArchive, 1, whole.len() as u64));
    assert_eq!(streamed_entries(&backup), [("dump.pgdump".to_owned(), whole.clone())]);
    refused(&tar_of(dir.path(), "less.tar", &[("toc.dat", &toc)]), Code::RestoreIncomplete, "3350.dat");
    fs::write(dir.path().join("cut.tar"), &whole[..toc.len() + 600]).expect("written");
    refused(&dir.path().join("cut.tar"), Code::RestoreIncomplete, "cut off");
}

#[test]
fn the_dump_in_an_archive_is_loaded_and_one_of_several_is_chosen() {
    let dir = tempfile::tempdir().expect("a folder");
    let packed = {
        fs::write(dir.path().join("plain"), SQL).expect("written");
        Command::new("gzip").arg("-c").arg(dir.path().join("plain")).output().expect("gzip runs").stdout
    };
    let readme = ("README", &b"how to load it\n"[..]);
    let loads = |path: &Path| {
        let backup = open_backup(path).expect("it opens");
        assert_eq!(dump_of(&backup).expect("whole").rows, Some(1), "{path:?}");
        assert_eq!(streamed_entries(&backup), [("dump.sql".to_owned(), SQL.as_bytes().to_vec())], "{path:?}");
    };
    loads(&tar_of(dir.path(), "one.tgz", &[readme, ("backup/app.sql.gz", &packed)]));
    let two = tar_of(dir.path(), "two.tgz", &[("backup/app.sql.gz", &packed), ("backup/other.sql", b"SELECT 1;\n")]);
    let error = open_backup(&two).and_then(|backup| dump_of(&backup)).expect_err("there are two");
    let diagnosis = error.diagnosis(&SourcePlace::at_path(SourceKind::Dump, &two));
    assert_eq!(diagnosis.code, Code::SourceSeveral, "{diagnosis}");
    assert!(diagnosis.message.contains("backup/app.sql.gz, backup/other.sql"), "{diagnosis}");
    let chosen = format!("dump:{}#backup/app.sql.gz", two.display());
    assert!(diagnosis.remedy().contains(&chosen), "{}", diagnosis.remedy());
    let of_two = |member: &str| PathBuf::from(format!("{}#{member}", two.display()));
    loads(&of_two("backup/app.sql.gz"));
    loads(&of_two("app.sql.gz"));
    // The newest of a pattern, too.
    loads(&PathBuf::from(format!("{}#app.sql.gz", dir.path().join("tw*.tgz").display())));
    refused(&of_two("none.sql"), Code::SourceNoSnapshot, "has no none.sql");
    refused(&dir.path().join("plain#app.sql"), Code::SourceNoSnapshot, "a dump itself");
    refused(&tar_of(dir.path(), "none.tgz", &[readme]), Code::SourceOtherFormat, "without a database dump");
    // A name with the sign.
    fs::rename(dir.path().join("plain"), dir.path().join("app#1.sql")).expect("moved");
    loads(&dir.path().join("app#1.sql"));
}

#[test]
fn a_folder_of_pg_dump_may_be_in_an_archive() {
    let dir = tempfile::tempdir().expect("a folder");
    let toc = toc_of_folder();
    let files: [(&str, &[u8]); 3] = [("README", b"text"), ("b/app/toc.dat", &toc), ("b/app/3350.dat.gz", b"rows")];
    let backup = open_backup(&tar_of(dir.path(), "app.tgz", &files)).expect("it opens");
    assert_eq!(dump_of(&backup).expect("whole").format, DumpFormat::PostgresFolder);
    let mut found = streamed_entries(&backup);
    found.sort();
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["dump", "dump/3350.dat.gz", "dump/toc.dat"]);
    assert_eq!((found[1].1.as_slice(), found[2].1.as_slice()), (&b"rows"[..], toc.as_slice()));
    let less = tar_of(dir.path(), "less.tgz", &files[..2]);
    refused(&less, Code::RestoreIncomplete, "3350.dat");
}

#[test]
fn what_is_no_dump_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, content).expect("written");
        path
    };
    let wide: Vec<u8> = SQL.encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused(&at("marked.sql", &[&b"\xff\xfe"[..], &wide].concat()), Code::SourceOtherFormat, "UTF-16");
    refused(&at("wide.sql", &wide), Code::SourceOtherFormat, "UTF-16");
    refused(&at("app.sql.enc", b"Salted__01234567890"), Code::SourceOtherFormat, "encrypted by openssl");
    refused(&at("app.sql.zip", b"PK\x03\x04\x14\0\0\0"), Code::SourceOtherFormat, "a zip file");
}

#[test]
fn a_folder_of_pg_dump_has_the_files_that_it_names() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("app.dump");
    fs::create_dir(&folder).expect("made");
    fs::write(folder.join("toc.dat"), archive::tests::sample(3, &[("TABLE", "o"), ("TABLE DATA", "o")]))
        .expect("written");
    refused(&folder, Code::RestoreIncomplete, "3350.dat");
    fs::write(folder.join("3350.dat.gz"), "rows").expect("written");
    let backup = open_backup(&folder).expect("it opens");
    let dump = dump_of(&backup).expect("it is whole");
    assert_eq!((dump.format, dump.databases.as_slice()), (DumpFormat::PostgresFolder, &["app".to_owned()][..]));
    let mut names: Vec<String> = streamed_entries(&backup).into_iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(names, ["dump", "dump/3350.dat.gz", "dump/toc.dat"]);
    let found = backup.survey(&[], 0).expect("it is looked through").contents;
    assert_eq!(found.whole.amount.files, 2);
}

/// A folder and an archive of it, each a backup in which dumps lie beside other files.
fn backups_of(folder: &Path) -> [Backup; 3] {
    let parent = folder.parent().expect("it has one");
    let (plain, packed) = (parent.join("x.tar"), parent.join("x.tar.gz"));
    for (mode, archive) in [("-cf", &plain), ("-czf", &packed)] {
        let status = Command::new("tar").arg("-C").arg(folder).arg(mode).arg(archive).arg(".").status();
        assert!(status.expect("tar runs").success());
    }
    let context = SourceContext {
        environment: Environment::default(),
        programs: Default::default(),
        decoding: DecodeBounds::default(),
        executable: "/none".into(),
        host_name: None,
        now: jiff::Timestamp::UNIX_EPOCH,
        host: std::sync::Arc::new(NoHost),
    };
    [(SourceKind::Dir, folder), (SourceKind::Tar, &plain), (SourceKind::Tar, &packed)].map(|(kind, path)| {
        let place = SourcePlace::at_path(kind, path);
        let spec = SourceSpec { place, snapshot: None, keys: crate::model::source::Keys::default() };
        Backup::open(&spec, &context).expect("it opens")
    })
}

#[test]
fn a_dump_among_the_files_of_a_backup_is_read_and_streamed_as_one_by_itself() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("data");
    fs::create_dir_all(folder.join("dumps/folder")).expect("made");
    fs::write(folder.join("before"), "x".repeat(100_000)).expect("written");
    fs::write(folder.join("dumps/app.sql"), SQL).expect("written");
    fs::write(
        folder.join("dumps/cut.sql"),
        "--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE t (a int);\nCOPY t (a) FROM stdin;\n1\n",
    )
    .expect("written");
    fs::write(folder.join("dumps/empty.sql"), "").expect("written");
    fs::write(folder.join("dumps/folder/toc.dat"), archive::tests::sample(3, &[("TABLE DATA", "o")])).expect("written");
    fs::write(folder.join("dumps/folder/3350.dat"), "rows").expect("written");
    // More than a pipe holds comes after the dump.
    fs::write(folder.join("later"), "x".repeat(3_000_000)).expect("written");
    for backup in backups_of(&folder) {
        let opened = backup.open_dump(b"dumps/app.sql", false).expect("it is one");
        assert_eq!(opened.dump.bytes, SQL.len() as u64, "{backup:?}");
        assert_eq!(opened.holds.amount.bytes, SQL.len() as u64);
        assert!(opened.backup.snapshot.id.starts_with("dumps/app.sql in "), "{opened:?}");
        assert_eq!(streamed_entries(&opened.backup), [("dump.sql".to_owned(), SQL.as_bytes().to_vec())]);
        let of_folder = backup.open_dump(b"dumps/folder", true).expect("it is one");
        assert_eq!(of_folder.holds.amount.files, 2);
        let names = streamed_entries(&of_folder.backup).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names.len(), 3, "{names:?}");
        for (path, words) in [("dumps/cut.sql", "dumps/cut.sql"), ("dumps/empty.sql", "it is empty")] {
            let error = backup.open_dump(path.as_bytes(), false).expect_err("it is not whole");
            let diagnosis = error.diagnosis(&backup.place);
            assert_eq!(diagnosis.code, Code::RestoreIncomplete, "{diagnosis}");
            assert!(diagnosis.message.contains(words), "{diagnosis}");
        }
        let error = backup.open_dump(b"dumps/none.sql", false).expect_err("it is not there");
        assert_eq!(error.diagnosis(&backup.place).code, Code::SourceNoSnapshot, "{error}");
        assert_eq!(backup.read_small_file(b"dumps/folder/3350.dat", 4).expect("it is small"), b"rows");
        assert!(backup.read_small_file(b"before", 4).is_err());
    }
}
