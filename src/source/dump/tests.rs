//! Tests of dumps as a source.

use std::fs;
use std::process::Command;

use super::*;
use crate::model::diagnosis::Code;
use crate::model::environment::Environment;
use crate::model::source::{BackupAccess, MountQuery, SourcePlace};
use crate::model::source_kind::SourceKind;
use crate::source::{Backup, DecodeBounds, EngineHost, HostFolder};
use dumps::{SQL, dump_spec, streamed_entries};

#[path = "../../../tests/support/dumps.rs"]
mod dumps;

/// An engine's host without folders.
struct NoHost;

impl EngineHost for NoHost {
    fn survey(&self, path: &str, _queries: &[MountQuery]) -> Result<HostFolder, SourceError> {
        panic!("{path} is not asked for")
    }
}

fn open_backup(path: &Path) -> Result<Backup, SourceError> {
    let context = SourceContext {
        environment: Environment::default(),
        decoding: DecodeBounds::default(),
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
    refused(&at("app.db", b"SQLite format 3\0\x10\0"), Code::SourceOtherFormat, "SQLite database");
    refused(&at("lite.sql", b"PRAGMA foreign_keys=OFF;\nCOMMIT;\n"), Code::SourceOtherFormat, "SQLite");
    refused(&at("noise.sql", b"\x01\0\x02"), Code::SourceOtherFormat, "binary");
    refused(&at("cut.rdb", b"REDIS0011\xfa\x09"), Code::RestoreIncomplete, "mark of its end");
    let rdb = open_backup(&at("good.rdb", b"REDIS0011\xff\0\0\0\0\0\0\0\0")).expect("it opens");
    assert_eq!(dump_of(&rdb).expect("whole").format, DumpFormat::Redis);
    let toc = archive::tests::sample(1, &[("TABLE", "o"), ("TABLE DATA", "o")]);
    refused(&at("cut.dump", &toc[..toc.len() - 3]), Code::RestoreIncomplete, "table of contents");
    refused(&at("rowless.dump", &toc), Code::RestoreIncomplete, "has no rows");
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
