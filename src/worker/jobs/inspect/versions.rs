//! Finds the files by which data says which program wrote it.
//!
//! Data folders lie at the top of a volume or a few folders below; nothing deeper is looked at. In the data folder of
//! a PostgreSQL, MariaDB or MySQL server only the server's own version file counts.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use rustix::fs::{AtFlags, FileType, OFlags, fstat, statat};
use rustix::io::{Errno, read};

use crate::archive::below;
use crate::model::fingerprint::{VersionFile, VersionFileKind};
use crate::model::lock::{into_inner, lock};
use crate::worker::fs::observe::{SeenEntry, TreeObserver};
use crate::worker::fs::open::open_quietly;
use crate::worker::job::{JobStop, shown};

/// How many folders may lie between the root and a version file.
const DEPTH: usize = 4;
/// Version files in an answer; of more, those nearest to the root.
const MAX_FILES: usize = 100;
/// Data folders of servers that are remembered.
const MAX_DATA_FOLDERS: usize = 10_000;
/// Bytes of a version file that are read: a history of upgrades takes some hundred for each.
const MAX_BYTES: usize = 16 * 1024;

/// Looks for version files.
#[derive(Default)]
pub struct VersionFileFinder(Mutex<FoundVersionFiles>);

#[derive(Default)]
struct FoundVersionFiles {
    /// By depth and path.
    files: BTreeMap<(usize, Vec<u8>), VersionFile>,
    /// Data folders of servers that keep all their files to themselves.
    data_folders: Vec<Vec<u8>>,
}

impl FoundVersionFiles {
    /// Whether a file is one of those nearest to the root so far.
    fn has_room(&self, key: &(usize, Vec<u8>)) -> bool {
        self.files.len() < MAX_FILES || self.files.last_key_value().is_some_and(|(last, _)| key < last)
    }

    /// Whether a server's data folder is above the file, or holds it and is another program's.
    fn belongs_to_server(&self, path: &[u8], kind: VersionFileKind) -> bool {
        let folder = folder_of(path);
        self.data_folders.iter().any(|data| match below(folder, data) {
            Some(rest) => !rest.is_empty() || kind == VersionFileKind::Redis,
            None => false,
        })
    }
}

impl VersionFileFinder {
    /// The version files, those nearest to the root first.
    pub fn finish(self) -> Vec<VersionFile> {
        let mut found = into_inner(self.0);
        let files = std::mem::take(&mut found.files);
        let own = files.into_iter().filter(|((_, path), file)| !found.belongs_to_server(path, file.kind));
        own.map(|(_, file)| file).collect()
    }

    fn note_data_folder(&self, path: &[u8]) {
        let mut found = lock(&self.0);
        if found.data_folders.len() < MAX_DATA_FOLDERS {
            found.data_folders.push(folder_of(path).to_vec());
        }
    }

    /// Notes what the file `name` beside an entry says. A file that cannot be read, or says something else, is none.
    fn note_file(&self, entry: &SeenEntry<'_>, kind: VersionFileKind, name: &CStr, reader: Reader) {
        let mut path = folder_of(entry.path()).to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.to_bytes());
        let key = (entry.depth, path);
        if !lock(&self.0).has_room(&key) {
            return;
        }
        let Some(says) = read_beginning(entry.folder, name).and_then(|bytes| reader(&bytes)) else { return };
        let mut found = lock(&self.0);
        let file = VersionFile { kind, file: shown(&key.1), says };
        found.files.insert(key, file);
        if found.files.len() > MAX_FILES {
            found.files.pop_last();
        }
    }
}

impl TreeObserver for VersionFileFinder {
    fn depth(&self) -> usize {
        DEPTH
    }

    fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
        if entry.kind != FileType::RegularFile {
            return Ok(());
        }
        let has = |name: &CStr, kind: FileType| kind_of(entry.folder, name) == Some(kind);
        match entry.name.to_bytes() {
            b"PG_VERSION" if has(c"global", FileType::Directory) && has(c"base", FileType::Directory) => {
                self.note_data_folder(entry.path());
                self.note_file(entry, VersionFileKind::Postgres, entry.name, first_line);
            }
            b"ibdata1" => {
                self.note_data_folder(entry.path());
                // Each program writes one of these, and leaves those of the program that it took over from.
                let history: [(&CStr, Reader); 3] = [
                    (c"mariadb_upgrade_info", first_line),
                    (c"mysql_upgrade_history", newest_of_history),
                    (c"mysql_upgrade_info", first_line),
                ];
                if let Some((name, reader)) = history.iter().find(|(name, _)| has(name, FileType::RegularFile)) {
                    self.note_file(entry, VersionFileKind::MySql, name, *reader);
                }
            }
            name if may_be_dump(name) => self.note_file(entry, VersionFileKind::Redis, entry.name, magic),
            _ => {}
        }
        Ok(())
    }
}

/// The path of the folder that holds an entry; empty for the root.
fn folder_of(path: &[u8]) -> &[u8] {
    path.iter().rposition(|&byte| byte == b'/').map_or(b"", |end| &path[..end])
}

/// What is at a name of a folder; `None`: nothing that can be looked at.
fn kind_of(folder: &OwnedFd, name: &CStr) -> Option<FileType> {
    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}

/// What the first bytes of a file say.
type Reader = fn(&[u8]) -> Option<String>;

/// The first bytes of a regular file; `None` when it cannot be read.
fn read_beginning(folder: &OwnedFd, name: &CStr) -> Option<Vec<u8>> {
    let file = open_quietly(folder, name, OFlags::empty()).ok()?;
    let stat = fstat(&file).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut bytes = vec![0; MAX_BYTES];
    let mut filled = 0;
    while filled < bytes.len() {
        match read(&file, &mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    bytes.truncate(filled);
    Some(bytes)
}

/// A version is short; something else is in no such file of its program.
fn version(text: &str) -> Option<String> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let is_one = text.starts_with(|c: char| c.is_ascii_digit())
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_graphic());
    is_one.then(|| text.to_owned())
}

fn first_line(bytes: &[u8]) -> Option<String> {
    version(std::str::from_utf8(bytes).ok()?.lines().next()?)
}

/// MySQL since 8.4 keeps a list of its upgrades in JSON, the newest last.
fn newest_of_history(bytes: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    version(json.get("upgrade_history")?.as_array()?.last()?.get("version")?.as_str()?)
}

fn may_be_dump(name: &[u8]) -> bool {
    name == b"dump.rdb" || name.ends_with(b".base.rdb") || name.ends_with(b".aof")
}

/// `REDIS0011`, `VALKEY080`: nine bytes. An append-only file without a dump at its beginning has none.
fn magic(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..9)?;
    let digits = head.strip_prefix(b"REDIS").or_else(|| head.strip_prefix(b"VALKEY"))?;
    digits.iter().all(u8::is_ascii_digit).then(|| String::from_utf8_lossy(head).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::worker::fs::observe::observe;
    use crate::worker::fs::root::open_root;
    use crate::worker::job::JobControl;
    use crate::worker::protocol::RootKind;

    fn write(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn found(root: &Path) -> Vec<(VersionFileKind, String, String)> {
        let finder = VersionFileFinder::default();
        let root = open_root(root.to_str().unwrap(), RootKind::Folder).unwrap();
        observe(root, &[&finder], 0, &JobControl::default()).unwrap();
        let marks = finder.finish();
        let mut found: Vec<_> = marks.into_iter().map(|mark| (mark.kind, mark.file, mark.says)).collect();
        found.sort_by(|a, b| a.1.cmp(&b.1));
        found
    }

    fn mark(kind: VersionFileKind, file: &str, says: &str) -> (VersionFileKind, String, String) {
        (kind, file.to_owned(), says.to_owned())
    }

    #[test]
    fn each_program_is_known_by_what_lies_beside_its_mark() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(root, "db/pgdata/PG_VERSION", "9.6\n");
        write(root, "db/pgdata/base/1/PG_VERSION", "9.6\n");
        write(root, "db/pgdata/global/pg_control", "");
        // Alone it is only a file of that name.
        write(root, "notes/PG_VERSION", "12\n");
        write(root, "maria/ibdata1", "");
        write(root, "maria/mariadb_upgrade_info", "11.4.2-MariaDB");
        write(root, "maria/mysql_upgrade_info", "10.6.1-MariaDB\n");
        write(root, "old/ibdata1", "");
        write(root, "old/mysql_upgrade_info", "8.0.36\n\0");
        write(root, "new/ibdata1", "");
        write(root, "new/mysql_upgrade_info", "8.0.36\n");
        let history = r#"{"file_format":"1","upgrade_history":[{"version":"8.4.0"},{"version":"8.4.3"}]}"#;
        write(root, "new/mysql_upgrade_history", history);
        write(root, "info/mysql_upgrade_info", "8.0.36\n");
        write(root, "redis/dump.rdb", "REDIS0010\u{7f}");
        write(root, "redis/appendonlydir/appendonly.aof.1.base.rdb", "REDIS0011…");
        write(root, "redis/appendonlydir/appendonly.aof.1.incr.aof", "*2\r\n$6\r\nSELECT\r\n");
        write(root, "valkey/appendonly.aof", "VALKEY080…");
        write(root, "valkey/dump.rdb", "REDIS");
        assert_eq!(
            found(root),
            [
                mark(VersionFileKind::Postgres, "db/pgdata/PG_VERSION", "9.6"),
                mark(VersionFileKind::MySql, "maria/mariadb_upgrade_info", "11.4.2-MariaDB"),
                mark(VersionFileKind::MySql, "new/mysql_upgrade_history", "8.4.3"),
                mark(VersionFileKind::MySql, "old/mysql_upgrade_info", "8.0.36"),
                mark(VersionFileKind::Redis, "redis/appendonlydir/appendonly.aof.1.base.rdb", "REDIS0011"),
                mark(VersionFileKind::Redis, "redis/dump.rdb", "REDIS0010"),
                mark(VersionFileKind::Redis, "valkey/appendonly.aof", "VALKEY080"),
            ]
        );
    }

    #[test]
    fn what_lies_deep_or_behind_a_symlink_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "1/2/3/4/dump.rdb", "REDIS0010");
        write(dir.path(), "1/2/3/4/5/dump.rdb", "REDIS0010");
        std::os::unix::fs::symlink("1/2/3/4", dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink("1/2/3/4/dump.rdb", dir.path().join("dump.rdb")).unwrap();
        assert_eq!(found(dir.path()), [mark(VersionFileKind::Redis, "1/2/3/4/dump.rdb", "REDIS0010")]);
    }

    #[test]
    fn what_is_no_version_is_no_mark() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "ibdata1", "");
        write(dir.path(), "mysql_upgrade_info", "\u{1}\u{2}garbage");
        assert_eq!(found(dir.path()), []);
    }

    #[test]
    fn what_lies_in_the_data_folder_of_a_server_is_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in ["pg", "pg/old", "pg/base/backup"] {
            write(root, &format!("{folder}/PG_VERSION"), "15\n");
            write(root, &format!("{folder}/base/1/x"), "");
            write(root, &format!("{folder}/global/x"), "");
        }
        write(root, "pg/dump.rdb", "REDIS0010");
        write(root, "pg/sub/dump.rdb", "REDIS0010");
        write(root, "maria/ibdata1", "");
        write(root, "maria/x/dump.rdb", "REDIS0010");
        write(root, "pg2/dump.rdb", "REDIS0010");
        let expected = [
            mark(VersionFileKind::Postgres, "pg/PG_VERSION", "15"),
            mark(VersionFileKind::Redis, "pg2/dump.rdb", "REDIS0010"),
        ];
        assert_eq!(found(root), expected);
    }

    #[test]
    fn of_very_many_those_nearest_to_the_root_are_told() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..MAX_FILES {
            write(dir.path(), &format!("a/{number}/dump.rdb"), "REDIS0010");
        }
        write(dir.path(), "z/dump.rdb", "REDIS0011");
        let found = found(dir.path());
        assert_eq!(found.len(), MAX_FILES);
        assert!(found.iter().any(|(_, file, _)| file == "z/dump.rdb"));
    }
}
