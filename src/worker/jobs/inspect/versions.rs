//! Finding the files by which data says which program wrote it.
//!
//! Data folders lie at the top of a volume or a few folders below; what lies deeper is not looked for, and a place of very
//! many files is not walked to its end for it.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, OFlags, RawDir, fstat};
use rustix::io::{Errno, read};

use crate::model::fingerprint::{VersionFile, VersionFileKind};
use crate::worker::fs::open::{open_folder, open_quietly};
use crate::worker::fs::scan::{look, open_root};
use crate::worker::job::{JobControl, JobStop, shown};
use crate::worker::protocol::RootKind;

/// How many folders below the root are entered.
const DEPTH: usize = 4;
/// Entries that are looked at.
const MAX_ENTRIES: usize = 100_000;
/// Marks that are told.
const MAX_MARKS: usize = 100;
/// Bytes of a mark that are read: a history of upgrades has some hundred for each.
const MAX_BYTES: usize = 16 * 1024;
/// A `getdents` buffer.
const LIST_BYTES: usize = 32 * 1024;

/// The marks in `path`, in the order of the depth at which they lie.
pub fn marks(path: &str, ticket: &JobControl) -> Result<Vec<VersionFile>, JobStop> {
    let (root, _) = look(path)?;
    if root != RootKind::Folder {
        // A single file is no data folder.
        return Ok(Vec::new());
    }
    let top = open_root(path, root)?;
    let mut finder = Finder { marks: Vec::new(), entries: 0, ticket };
    let mut waiting: VecDeque<Vec<CString>> = VecDeque::from([Vec::new()]);
    while let Some(names) = waiting.pop_front() {
        // What vanished, or cannot be opened, has nothing to say.
        let Ok(folder) = reach(&top, &names) else { continue };
        let below = finder.folder(&folder, &names)?;
        if names.len() < DEPTH {
            waiting.extend(below.into_iter().map(|name| [&names[..], &[name]].concat()));
        }
        if finder.entries >= MAX_ENTRIES || finder.marks.len() >= MAX_MARKS {
            break;
        }
    }
    Ok(finder.marks)
}

/// Opens a folder below `top`, never through a symlink.
fn reach(top: &OwnedFd, names: &[CString]) -> Result<OwnedFd, Errno> {
    let mut folder = open_folder(top, c".")?;
    for name in names {
        folder = open_folder(&folder, name)?;
    }
    Ok(folder)
}

struct Finder<'a> {
    marks: Vec<VersionFile>,
    entries: usize,
    ticket: &'a JobControl,
}

impl Finder<'_> {
    /// Notes the marks of one folder; gives the names of the folders in it that are worth entering.
    fn folder(&mut self, folder: &OwnedFd, path: &[CString]) -> Result<Vec<CString>, JobStop> {
        let listed = self.list(folder)?;
        let has =
            |wanted: &CStr, kind: FileType| listed.iter().any(|(name, k)| name.as_c_str() == wanted && *k == kind);
        if has(c"PG_VERSION", FileType::RegularFile)
            && has(c"global", FileType::Directory)
            && has(c"base", FileType::Directory)
        {
            self.note(VersionFileKind::Postgres, folder, path, c"PG_VERSION", first_line);
            return Ok(Vec::new());
        }
        if has(c"ibdata1", FileType::RegularFile) {
            // Each program writes one of these, and leaves alone those of the program that it took over from.
            let history: [(&CStr, Reader); 3] = [
                (c"mariadb_upgrade_info", first_line),
                (c"mysql_upgrade_history", newest_of_history),
                (c"mysql_upgrade_info", first_line),
            ];
            if let Some((name, reader)) = history.iter().find(|(name, _)| has(name, FileType::RegularFile)) {
                self.note(VersionFileKind::MySql, folder, path, name, *reader);
            }
            return Ok(Vec::new());
        }
        let files = listed.iter().filter(|(_, kind)| *kind == FileType::RegularFile);
        for (name, _) in files.filter(|(name, _)| may_be_dump(name.to_bytes())) {
            self.note(VersionFileKind::Redis, folder, path, name, magic);
        }
        let folders = listed.into_iter().filter(|(_, kind)| *kind == FileType::Directory);
        Ok(folders.map(|(name, _)| name).collect())
    }

    fn list(&mut self, folder: &OwnedFd) -> Result<Vec<(CString, FileType)>, JobStop> {
        let mut listed = Vec::new();
        let mut buffer = [const { MaybeUninit::uninit() }; LIST_BYTES];
        let mut entries = RawDir::new(folder, &mut buffer);
        while let Some(Ok(entry)) = entries.next() {
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.entries += 1;
            if self.entries % 1024 == 1 {
                self.ticket.beat()?;
            }
            if self.entries > MAX_ENTRIES {
                break;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => kind_of(folder, name),
                known => known,
            };
            listed.push((name.to_owned(), kind));
        }
        Ok(listed)
    }

    fn note(&mut self, kind: VersionFileKind, folder: &OwnedFd, path: &[CString], name: &CStr, reader: Reader) {
        if self.marks.len() >= MAX_MARKS {
            return;
        }
        let Some(says) = beginning(folder, name).and_then(|bytes| reader(&bytes)) else { return };
        let whole: Vec<&[u8]> = path.iter().map(|name| name.to_bytes()).chain([name.to_bytes()]).collect();
        self.marks.push(VersionFile { kind, file: shown(&whole.join(&b'/')), says });
    }
}

/// On file systems that do not tell in the listing.
fn kind_of(folder: &OwnedFd, name: &CStr) -> FileType {
    let stat = rustix::fs::statat(folder, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
    stat.map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
}

/// What the first bytes of a file say.
type Reader = fn(&[u8]) -> Option<String>;

fn beginning(folder: &OwnedFd, name: &CStr) -> Option<Vec<u8>> {
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

    fn write(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn found(root: &Path) -> Vec<(VersionFileKind, String, String)> {
        let marks = marks(root.to_str().unwrap(), &JobControl::default()).unwrap();
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
        let file = dir.path().join("ibdata1");
        assert_eq!(marks(file.to_str().unwrap(), &JobControl::default()).unwrap(), []);
    }
}
