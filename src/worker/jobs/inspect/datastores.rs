//! Data stores that are known by their files, and what tells one of them from another that took its place.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, OFlags, Statx, statat};

use super::sample::{identity, read_at};
use crate::archive::below;
use crate::model::fingerprint::{Store, StoreKind};
use crate::worker::fs::open::open_quietly;
use crate::worker::job::shown;

/// Stores in an answer.
pub const MAX_STORES: usize = 200;
/// Bytes of a dump that are read: what comes before its first key is no longer than this.
const DUMP_HEAD: usize = 4096;
/// Bytes of an SQLite database that are read, the smallest page: the first page holds the header and the root of the
/// schema.
pub const SQLITE_HEAD: usize = 512;
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

/// The store that a file is; `None` if it is none.
pub fn find_store(folder: &OwnedFd, name: &CStr, path: &[u8], stat: &Statx) -> Option<Store> {
    let read = |name: &CStr, bytes: usize| {
        let file = open_quietly(folder, name, OFlags::empty()).ok()?;
        read_at(&file, bytes, 0)
    };
    let make = |kind, identity, full, version| {
        Some(Store { kind, file: shown(path), identity, size: stat.stx_size, full, log: false, version })
    };
    let own = identity(stat);
    let word = name.to_bytes();
    match word {
        b"pg_control" if path.ends_with(b"global/pg_control") => {
            // The file begins with the identifier that initdb gave to the cluster.
            let system: [u8; 8] = read(name, 8)?.try_into().ok()?;
            let version = read(c"../PG_VERSION", 16).unwrap_or_default();
            let version = String::from_utf8_lossy(&version).trim().to_owned();
            make(StoreKind::Postgres, u64::from_le_bytes(system), true, version)
        }
        b"WiredTiger" => make(StoreKind::Mongo, own, true, String::new()),
        b"ibdata1" => make(StoreKind::MySql, own, true, String::new()),
        b"dump.rdb" => make(StoreKind::RedisDump, own, has_keys(&read(name, DUMP_HEAD)?)?, String::new()),
        _ if word.ends_with(b".base.rdb") || word.ends_with(b".aof") => {
            let head = read(name, DUMP_HEAD)?;
            // A log without a dump at its beginning is a list of commands.
            let full = has_keys(&head).unwrap_or(!head.is_empty());
            make(StoreKind::RedisLog, own, full, String::new())
        }
        _ if stat.stx_size >= SQLITE_HEAD as u64 && may_be_sqlite(word) => {
            let head = read(name, SQLITE_HEAD)?;
            if !is_sqlite(&head) {
                return None;
            }
            let store = make(StoreKind::Sqlite, own, has_tables(&head), String::new())?;
            Some(Store { log: has_log(folder, word), ..store })
        }
        _ => None,
    }
}

/// Whether a file is a part of the store whose own file is at `store`. Both paths are relative to the same place.
pub fn belongs_to_store(file: &[u8], kind: StoreKind, store: &[u8]) -> bool {
    let folder = store.iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |end| &store[..end]);
    let in_folder = |folder: &[u8]| below(file, folder).is_some();
    match kind {
        // `global/pg_control`: the cluster is the folder above.
        StoreKind::Postgres => {
            in_folder(folder.strip_suffix(b"global").map_or(folder, |top| top.strip_suffix(b"/").unwrap_or(top)))
        }
        StoreKind::MySql | StoreKind::Mongo => in_folder(folder),
        StoreKind::RedisDump | StoreKind::RedisLog => in_folder(folder) && is_part_of_redis(file),
        StoreKind::Sqlite => {
            file.strip_prefix(store).is_some_and(|rest| [&b""[..], b"-wal", b"-shm", b"-journal"].contains(&rest))
        }
    }
}

/// Whether a file is one in which Redis or Valkey keeps keys. The list of a log's files is none: a server whose log is
/// off reads that, too.
pub fn is_part_of_redis(file: &[u8]) -> bool {
    file.ends_with(b".rdb") || file.ends_with(b".aof")
}

/// Whether a file with this beginning is an SQLite database.
pub fn is_sqlite(head: &[u8]) -> bool {
    head.starts_with(SQLITE_MAGIC)
}

/// Whether a file with this beginning is an SQLite database with tables or anything else.
pub fn is_filled_sqlite(head: &[u8]) -> bool {
    is_sqlite(head) && has_tables(head)
}

/// Judged by the name: a place may have a million files, and each would have to be opened.
pub fn may_be_sqlite(name: &[u8]) -> bool {
    let ending = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default().to_ascii_lowercase();
    [&b"db"[..], b"db3", b"sqlite", b"sqlite3", b"sqlitedb", b"s3db"].contains(&&ending[..])
}

/// Whether the write-ahead log of an SQLite database of this name has more in it than its own header.
fn has_log(folder: &OwnedFd, database: &[u8]) -> bool {
    const HEADER: i64 = 32;
    let log = CString::new([database, b"-wal"].concat());
    let stat = log.ok().and_then(|log| statat(folder, &log, AtFlags::SYMLINK_NOFOLLOW).ok());
    stat.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file() && stat.st_size > HEADER)
}

/// Whether an SQLite database has tables or anything else: its first page is the root of the list of them.
fn has_tables(head: &[u8]) -> bool {
    // The page's header follows the file's: its type and, at offset 3, the number of its entries. An inner page has
    // pages below it.
    match (head.get(100), head.get(103..105)) {
        (Some(0x0d), Some(cells)) => cells != [0, 0],
        _ => true,
    }
}

/// Whether a dump of Redis or Valkey has keys or functions; `None` for anything but a dump. A dump that is not
/// understood counts as one with keys.
fn has_keys(head: &[u8]) -> Option<bool> {
    const AUXILIARY: u8 = 0xfa;
    const END: u8 = 0xff;
    let mut rest = head.strip_prefix(b"REDIS").and_then(|rest| rest.get(4..));
    if rest.is_none() {
        rest = head.strip_prefix(b"VALKEY").and_then(|rest| rest.get(3..));
    }
    let mut rest = rest?;
    loop {
        match rest.split_first() {
            Some((&AUXILIARY, fields)) => match skip_string(fields).and_then(skip_string) {
                Some(after) => rest = after,
                None => return Some(true),
            },
            Some((&END, _)) => return Some(false),
            _ => return Some(true),
        }
    }
}

/// The bytes after a string of a dump; `None` when it is encoded in another way than the strings at the beginning
/// are.
fn skip_string(bytes: &[u8]) -> Option<&[u8]> {
    let (first, rest) = bytes.split_first()?;
    let low = usize::from(first & 0x3f);
    match first >> 6 {
        0 => rest.get(low..),
        1 => rest.get(1..)?.get((low << 8) + usize::from(*rest.first()?)..),
        // A number in one, two or four bytes.
        3 if low < 3 => rest.get(1 << low..),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{StatxFlags, statx};

    use super::*;

    const AUX: &[u8] = b"REDIS0010\xfa\x09redis-ver\x067.0.15\xfa\x0aredis-bits\xc0\x40\xfa\x05ctime\xc2abcd";

    #[test]
    fn a_dump_without_keys_ends_where_the_first_would_be() {
        let with = |end: &[u8]| has_keys(&[AUX, end].concat());
        assert_eq!(with(b"\xff12345678"), Some(false));
        assert_eq!(with(b"\xfe\x00\xfb\x01\x00\x00\x04note\x04kept"), Some(true));
        assert_eq!(with(b"\xf5\x04code"), Some(true), "functions are data, too");
        assert_eq!(with(b"\xfa\x08aof-base\xc0\x01\xff"), Some(false));
        assert_eq!(has_keys(b"VALKEY080\xff"), Some(false));
        assert_eq!(has_keys(b"*2\r\n$6\r\nSELECT\r\n"), None);
        assert_eq!(has_keys(b"REDIS0010\xfa\xc3"), Some(true), "what is not understood is taken for data");
    }

    #[test]
    fn a_store_has_more_files_than_the_one_that_tells_it() {
        let of = |file: &str, kind, store: &str| belongs_to_store(file.as_bytes(), kind, store.as_bytes());
        assert!(of("15/base/5/1249", StoreKind::Postgres, "15/global/pg_control"));
        assert!(of("base/5/1249", StoreKind::Postgres, "global/pg_control"));
        assert!(!of("16/base/5/1249", StoreKind::Postgres, "15/global/pg_control"));
        assert!(!of("150/base", StoreKind::Postgres, "15/global/pg_control"));
        assert!(of("app/notes.ibd", StoreKind::MySql, "ibdata1"));
        assert!(!of("other/notes.ibd", StoreKind::MySql, "mysql/ibdata1"));
        assert!(of("appendonlydir/a.1.incr.aof", StoreKind::RedisLog, "appendonlydir/a.1.base.rdb"));
        assert!(of("prod.rdb", StoreKind::RedisDump, "dump.rdb"), "dbfilename is another name");
        assert!(!of("redis.conf", StoreKind::RedisDump, "dump.rdb"));
        assert!(!of("appendonlydir/a.manifest", StoreKind::RedisLog, "appendonlydir/a.1.base.rdb"));
        assert!(of("app.db", StoreKind::Sqlite, "app.db") && of("app.db-wal", StoreKind::Sqlite, "app.db"));
        assert!(!of("app.db.bak", StoreKind::Sqlite, "app.db") && !of("config.yml", StoreKind::Sqlite, "app.db"));
    }

    #[test]
    fn an_sqlite_database_has_tables_when_its_first_page_lists_some() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let base = rusqlite::Connection::open(&path).unwrap();
        let head = || std::fs::read(&path).unwrap()[..SQLITE_HEAD].to_vec();
        base.execute_batch("PRAGMA user_version = 1").unwrap();
        assert!(!has_tables(&head()));
        base.execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
        assert!(has_tables(&head()));
    }

    #[test]
    fn a_young_database_holds_its_data_in_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let base = rusqlite::Connection::open(dir.path().join("x.db")).unwrap();
        let folder = OwnedFd::from(std::fs::File::open(dir.path()).unwrap());
        let found = || {
            let stat = statx(&folder, c"x.db", AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS).unwrap();
            find_store(&folder, c"x.db", b"x.db", &stat).unwrap()
        };
        base.execute_batch("PRAGMA journal_mode = WAL").unwrap();
        assert!(!found().holds_data(), "an empty database");
        base.execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
        let store = found();
        assert!(!store.full && store.log && store.holds_data(), "{store:?}");
    }
}
