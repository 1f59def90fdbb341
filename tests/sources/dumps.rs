//! Dumps that real programs packed.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::local_host::context;
use rehearsa::archive::read::{Limits, Reader};
use rehearsa::model::dump::DumpFormat;
use rehearsa::model::source::{BackupAccess, Keys, SourcePlace, SourceSpec};
use rehearsa::model::source_kind::SourceKind;
use rehearsa::source::Backup;

const SQL: &str = "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n";

fn spec(path: &Path) -> SourceSpec {
    SourceSpec { place: SourcePlace::at_path(SourceKind::Dump, path), snapshot: None, keys: Keys::default() }
}

/// The entries of the archive that a source pours out, with their contents.
fn streamed(backup: &Backup) -> Vec<(String, Vec<u8>)> {
    let mut archive = Vec::new();
    backup.stream(&[Vec::new()], &mut archive).expect("it can be read");
    let mut reader = Reader::new(archive.as_slice(), Limits::NONE);
    let mut found = Vec::new();
    while let Some(entry) = reader.next().expect("an archive") {
        let mut content = vec![0; entry.size as usize];
        let mut buffer = vec![0; 1 << 20];
        while let Some((at, length)) = reader.read_piece(&mut buffer).expect("its content") {
            content[at as usize..at as usize + length].copy_from_slice(&buffer[..length]);
        }
        found.push((String::from_utf8(entry.path).expect("text"), content));
    }
    found
}

#[test]
fn a_packed_dump_is_poured_out_as_a_plain_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let plain = dir.path().join("app.sql");
    fs::write(&plain, SQL).expect("written");
    for (program, name) in [("gzip", "app.sql.gz"), ("zstd", "app.sql.zst"), ("xz", "app.sql.xz")] {
        let packed = Command::new(program).args(["-c"]).arg(&plain).output().expect("it runs").stdout;
        fs::write(dir.path().join(name), packed).expect("written");
    }
    for name in ["app.sql", "app.sql.gz", "app.sql.zst", "app.sql.xz"] {
        let backup = Backup::open(&spec(&dir.path().join(name)), &context()).expect("it opens");
        let survey = backup.survey(&[], 0).expect("it is looked through");
        let BackupAccess::Dump(dump) = survey.access else { panic!("it is a dump: {:?}", survey.access) };
        assert_eq!((dump.format, dump.rows, dump.bytes), (DumpFormat::Sql, Some(1), SQL.len() as u64), "{name}");
        let found = survey.contents;
        assert_eq!((found.whole.amount.files, found.whole.amount.bytes), (1, SQL.len() as u64), "{name}");
        assert_eq!(streamed(&backup), [("dump.sql".to_owned(), SQL.as_bytes().to_vec())], "{name}");
    }
}
