//! Database dumps as sources, and what a source streams of them.

use std::path::Path;

use rehearsa::archive::read::{ReadLimits, Reader};
use rehearsa::model::source::{Keys, SourcePlace, SourceSpec};
use rehearsa::model::source_kind::SourceKind;
use rehearsa::source::Backup;

/// A dump with one row.
pub const SQL: &str = "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n";

/// The newest dump at `path`.
pub fn dump_spec(path: &Path) -> SourceSpec {
    SourceSpec { place: SourcePlace::at_path(SourceKind::Dump, path), snapshot: None, keys: Keys::default() }
}

/// The entries of the archive that a backup streams, with their contents.
pub fn streamed_entries(backup: &Backup) -> Vec<(String, Vec<u8>)> {
    let mut archive = Vec::new();
    backup.stream(&[Vec::new()], &mut archive).expect("it can be read");
    let mut reader = Reader::new(archive.as_slice(), ReadLimits::NONE);
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
