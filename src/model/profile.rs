//! The profile of a service: what its data held in a rehearsal, so that the next one can tell what has become less.
//!
//! It is a part of the record, of the JSON report and of the files of `--history`. Fields may be added; none is taken
//! away or changes its meaning. Names of folders and tables are masked as everything else in reports.

pub mod losses;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Most folders of a mount that are counted one by one.
pub const MOST_FOLDERS: usize = 300;
/// Most tables that are counted: of the databases of a mount together, and of a server.
pub const MOST_TABLES: usize = 1000;
/// Most data stores of a mount that are listed.
pub const MOST_STORES: usize = 1000;
/// The folder of the files that lie at the top of a mount.
pub const TOP: &str = ".";

/// What a service held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Profile {
    /// The mounts with data of a backup, before the service started.
    pub mounts: Vec<MountProfile>,
    /// The databases of the service's own server, as its client tells once the service is well.
    pub databases: Vec<DatabaseProfile>,
    /// The server was asked for its databases; false where there is none, or where it could not be asked.
    pub server_asked: bool,
    /// The keys of a Redis or Valkey server; null: it was not asked.
    pub keys: Option<u64>,
}

/// What a mount held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct MountProfile {
    /// The path in the container.
    pub mount: String,
    /// Files that are meant to last, and their bytes, in all folders. Data stores count by their tables, and logs,
    /// caches and what a program compacts by itself do not count.
    pub files: u64,
    /// See `files`.
    pub bytes: u64,
    /// Those of the files that are empty.
    pub empty: u64,
    /// Those of the files that hold nothing but zeros, as far as their beginning, middle and end tell.
    pub zeros: u64,
    /// Every file was looked at for zeros; false where there were too many.
    pub zeros_known: bool,
    /// The same by the folders at the top; empty where there are more than 300. `.` has the files at the top.
    pub folders: Vec<FolderProfile>,
    /// The data stores that were found by their files, 1000 at most.
    pub stores: Vec<StoreProfile>,
    /// What the settings and the backup's own record said that the backup leaves out on purpose.
    pub exclude: Vec<String>,
}

/// What a folder at the top of a mount held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct FolderProfile {
    /// Its name.
    pub folder: String,
    /// Files that are meant to last.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of the files that are empty.
    pub empty: u64,
    /// Those of the files that hold nothing but zeros.
    pub zeros: u64,
}

/// A data store among the files of a mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct StoreProfile {
    /// `postgres`, `mysql`, `redis`, `sqlite` or `mongo`.
    pub kind: String,
    /// Path of the file that it is known by, relative to the mount.
    pub file: String,
    /// What tells it from another instance: the system identifier of PostgreSQL; null where it has none.
    pub identity: Option<String>,
    /// The tables of an SQLite database. Those of a server are below `databases`.
    pub tables: Vec<TableProfile>,
    /// The tables were asked for, and there is no other one.
    pub tables_known: bool,
}

/// A database of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct DatabaseProfile {
    /// Its name.
    pub database: String,
    /// Its tables.
    pub tables: Vec<TableProfile>,
    /// The tables were asked for, and there is no other one.
    pub tables_known: bool,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TableProfile {
    /// Its name.
    pub table: String,
    /// Its rows; null: they were not counted, since the database is large.
    pub rows: Option<u64>,
}

impl Profile {
    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.mounts.is_empty() && !self.server_asked && self.keys.is_none()
    }

    /// Puts everything into an order that does not depend on who found it first.
    pub fn sort(&mut self) {
        for mount in &mut self.mounts {
            mount.folders.sort_by(|one, other| one.folder.cmp(&other.folder));
            mount.stores.sort_by(|one, other| one.file.cmp(&other.file));
            for store in &mut mount.stores {
                store.tables.sort_by(|one, other| one.table.cmp(&other.table));
            }
        }
        self.mounts.sort_by(|one, other| one.mount.cmp(&other.mount));
        for database in &mut self.databases {
            database.tables.sort_by(|one, other| one.table.cmp(&other.table));
        }
        self.databases.sort_by(|one, other| one.database.cmp(&other.database));
    }
}

/// The green run that a profile is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EarlierRun {
    /// Its end.
    pub at: Timestamp,
    /// The name of the snapshot that it restored.
    pub snapshot: Option<String>,
    /// The time of the snapshot, if the source knows.
    pub snapshot_time: Option<Timestamp>,
}

/// The profile of a green run, and what it was a run of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierProfile {
    pub run: EarlierRun,
    /// Id of the service's image.
    pub image: String,
    pub profile: Profile,
}

impl EarlierRun {
    /// The order in which runs are compared with: by the time of the snapshot, or by the run's own time where the
    /// source knows none, and then by the run's.
    pub fn order(&self) -> (Timestamp, Timestamp) {
        (self.snapshot_time.unwrap_or(self.at), self.at)
    }

    /// Whether a rehearsal of a snapshot of this time is compared with the run. `None`: its time is not known. An older
    /// snapshot rightly holds less than a later one.
    pub fn is_before(&self, snapshot: Option<Timestamp>) -> bool {
        snapshot.is_none_or(|snapshot| self.order().0 <= snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(at: &str, snapshot: Option<&str>) -> EarlierRun {
        let time = |text: &str| text.parse().expect("a time");
        EarlierRun { at: time(at), snapshot: None, snapshot_time: snapshot.map(time) }
    }

    #[test]
    fn an_older_snapshot_is_compared_with_one_that_is_not_younger() {
        let (monday, tuesday) = ("2026-11-02T04:00:00Z", "2026-11-03T04:00:00Z");
        let runs = [run("2026-11-09T04:00:00Z", Some(monday)), run("2026-11-09T04:00:00Z", Some(tuesday))];
        let chosen = |snapshot: Option<&str>| {
            let snapshot = snapshot.map(|text| text.parse().expect("a time"));
            runs.iter()
                .filter(|run| run.is_before(snapshot))
                .max_by_key(|run| run.order())
                .and_then(|run| run.snapshot_time)
        };
        assert_eq!(chosen(Some("2026-11-04T04:00:00Z")), tuesday.parse().ok());
        assert_eq!(chosen(Some(tuesday)), tuesday.parse().ok(), "the same once more");
        assert_eq!(chosen(Some("2026-11-02T12:00:00Z")), monday.parse().ok());
        assert_eq!(chosen(Some("2026-11-01T04:00:00Z")), None);
        assert_eq!(chosen(None), tuesday.parse().ok(), "the source knows no time");
    }

    #[test]
    fn a_run_of_a_snapshot_without_a_time_is_as_old_as_the_run() {
        let (old, new) = (run("2026-11-02T04:00:00Z", Some("2026-11-01T04:00:00Z")), run("2026-11-03T04:00:00Z", None));
        assert!(new.order() > old.order(), "what was accepted last is compared with");
        assert!(
            !new.is_before("2026-11-01T04:00:00Z".parse().ok()) && new.is_before("2026-11-04T04:00:00Z".parse().ok())
        );
    }
}
