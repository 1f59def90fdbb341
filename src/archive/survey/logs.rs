//! Finds SQLite databases that were backed up without their write-ahead log, by the names of files alone: `app.db-shm`
//! lies beside a database only while its `app.db-wal` does.

use std::collections::BTreeMap;

/// Most databases that are watched; of the others nothing is known.
const MOST_WATCHED: usize = 10_000;
/// Most databases that are named.
const MOST_NAMED: usize = 20;

/// File endings of SQLite databases. A database of another name is watched once a file of its log was seen.
const ENDINGS: [&[u8]; 5] = [b".db", b".sqlite", b".sqlite3", b".db3", b".s3db"];

/// Collects the names of databases and their logs, entry by entry.
#[derive(Debug, Default)]
pub struct LogScan {
    databases: BTreeMap<Vec<u8>, SeenFiles>,
}

/// The files of a database that were seen.
#[derive(Debug, Default)]
struct SeenFiles {
    /// Bytes of the database itself.
    size: Option<u64>,
    has_log: bool,
    has_index: bool,
}

impl LogScan {
    /// Looks at one file.
    pub fn see(&mut self, path: &[u8], size: u64) {
        if let Some(database) = path.strip_suffix(b"-wal") {
            self.note(database, |seen| seen.has_log = true);
        } else if let Some(database) = path.strip_suffix(b"-shm") {
            self.note(database, |seen| seen.has_index = true);
        } else if has_usual_ending(path) || self.databases.contains_key(path) {
            self.note(path, |seen| seen.size = Some(size));
        }
    }

    fn note(&mut self, database: &[u8], note: impl FnOnce(&mut SeenFiles)) {
        if let Some(seen) = self.databases.get_mut(database) {
            note(seen);
        } else if self.databases.len() < MOST_WATCHED {
            note(self.databases.entry(database.to_owned()).or_default());
        }
    }

    /// The databases that lack their log, or of which only the log is there.
    pub fn finish(self) -> Vec<Vec<u8>> {
        let is_torn = |(path, seen): &(Vec<u8>, SeenFiles)| {
            let lost_log = seen.has_index && !seen.has_log && seen.size.is_some();
            let lost_database = seen.has_log && (seen.size == Some(0) || seen.size.is_none() && has_usual_ending(path));
            lost_log || lost_database
        };
        self.databases.into_iter().filter(is_torn).map(|(path, _)| path).take(MOST_NAMED).collect()
    }
}

fn has_usual_ending(path: &[u8]) -> bool {
    ENDINGS.iter().any(|ending| path.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(files: &[(&str, u64)]) -> Vec<String> {
        let mut scan = LogScan::default();
        files.iter().for_each(|(path, size)| scan.see(path.as_bytes(), *size));
        scan.finish().into_iter().map(|path| String::from_utf8(path).expect("text")).collect()
    }

    #[test]
    fn a_database_without_its_log_is_found_and_a_whole_one_is_not() {
        assert_eq!(lost(&[("a/app.db", 9), ("a/app.db-shm", 9)]), ["a/app.db"]);
        assert_eq!(lost(&[("a/app.db-shm", 9), ("a/app.db", 9), ("a/app.db-wal", 0)]), [""; 0]);
        assert_eq!(lost(&[("a/app.db", 9), ("b/app.db-shm", 9)]), [""; 0]);
        assert_eq!(lost(&[("app.db", 9), ("notes.db", 0)]), [""; 0]);
    }

    #[test]
    fn a_log_without_its_database_is_found() {
        assert_eq!(lost(&[("app.sqlite3-wal", 9)]), ["app.sqlite3"]);
        assert_eq!(lost(&[("app.db-wal", 9), ("app.db", 0)]), ["app.db"]);
        // A database of another name may have come before its log, and was not watched then.
        assert_eq!(lost(&[("store", 9), ("store-wal", 9)]), [""; 0]);
    }

    #[test]
    fn what_is_kept_does_not_grow_with_the_entries() {
        let mut scan = LogScan::default();
        (0..MOST_WATCHED + 100).for_each(|at| scan.see(format!("{at}.db-shm").as_bytes(), 1));
        assert_eq!(scan.databases.len(), MOST_WATCHED);
    }
}
