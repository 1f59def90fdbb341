//! Tests of dumps that real programs have compressed.

use std::fs;
use std::process::Command;

use rehearsa::model::dump::DumpFormat;
use rehearsa::model::source::BackupAccess;
use rehearsa::source::Backup;

use crate::local_host::context;
use crate::support::dumps::{SQL, dump_spec, streamed_entries};

#[test]
fn a_compressed_dump_is_streamed_as_a_plain_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let plain = dir.path().join("app.sql");
    fs::write(&plain, SQL).expect("written");
    for (program, name) in [("gzip", "app.sql.gz"), ("zstd", "app.sql.zst"), ("xz", "app.sql.xz")] {
        let packed = Command::new(program).args(["-c"]).arg(&plain).output().expect("it runs").stdout;
        fs::write(dir.path().join(name), packed).expect("written");
    }
    for name in ["app.sql", "app.sql.gz", "app.sql.zst", "app.sql.xz"] {
        let backup = Backup::open(&dump_spec(&dir.path().join(name)), &context()).expect("it opens");
        let survey = backup.survey(&[], 0).expect("it is looked through");
        let BackupAccess::Dump(dump) = survey.access else { panic!("it is a dump: {:?}", survey.access) };
        assert_eq!((dump.format, dump.rows, dump.bytes), (DumpFormat::Sql, Some(1), SQL.len() as u64), "{name}");
        let found = survey.contents;
        assert_eq!((found.whole.amount.files, found.whole.amount.bytes), (1, SQL.len() as u64), "{name}");
        assert_eq!(streamed_entries(&backup), [("dump.sql".to_owned(), SQL.as_bytes().to_vec())], "{name}");
    }
}
