//! Database dumps: what one says of itself, and how a service is filled from it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::pluralize::pluralize;
use super::units;

/// Where a service sees the dump that is loaded into it.
pub const LOAD_FOLDER: &str = "/rehearsa-load";

/// How a dump is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DumpFormat {
    /// Statements of `pg_dump`, for one database.
    PostgresSql,
    /// Statements of `pg_dumpall`, for all databases and roles; of `pg_dump --create`, too, which makes its database itself.
    PostgresCluster,
    /// A file of `pg_dump -Fc` or `-Ft`.
    PostgresArchive,
    /// A folder of `pg_dump -Fd`.
    PostgresFolder,
    /// Statements of `mysqldump` or `mariadb-dump`.
    MySql,
    /// Statements of a program that did not leave its name.
    Sql,
    /// A dump of Redis or Valkey, which is one of its files.
    Redis,
}

/// What programs a dump belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DumpProgram {
    /// PostgreSQL.
    Postgres,
    /// MariaDB or MySQL.
    MySql,
    /// Redis or Valkey.
    Redis,
}

impl DumpProgram {
    /// As people call it.
    pub fn title(self) -> &'static str {
        match self {
            DumpProgram::Postgres => "PostgreSQL",
            DumpProgram::MySql => "MariaDB or MySQL",
            DumpProgram::Redis => "Redis",
        }
    }
}

impl DumpFormat {
    /// Whose it is; `None` when it does not say.
    pub fn program(self) -> Option<DumpProgram> {
        match self {
            DumpFormat::PostgresSql
            | DumpFormat::PostgresCluster
            | DumpFormat::PostgresArchive
            | DumpFormat::PostgresFolder => Some(DumpProgram::Postgres),
            DumpFormat::MySql => Some(DumpProgram::MySql),
            DumpFormat::Redis => Some(DumpProgram::Redis),
            DumpFormat::Sql => None,
        }
    }

    /// The name of the file or folder as the service sees it.
    pub fn file(self) -> &'static str {
        match self {
            DumpFormat::PostgresSql | DumpFormat::PostgresCluster | DumpFormat::MySql | DumpFormat::Sql => "dump.sql",
            DumpFormat::PostgresArchive => "dump.pgdump",
            DumpFormat::PostgresFolder => "dump",
            DumpFormat::Redis => "dump.rdb",
        }
    }

    fn words(self) -> &'static str {
        match self {
            DumpFormat::PostgresSql => "a dump of PostgreSQL",
            DumpFormat::PostgresCluster => "a dump of PostgreSQL with its databases",
            DumpFormat::PostgresArchive => "an archive of pg_dump",
            DumpFormat::PostgresFolder => "a folder of pg_dump",
            DumpFormat::MySql => "a dump of MariaDB or MySQL",
            DumpFormat::Sql => "SQL statements",
            DumpFormat::Redis => "a dump of Redis",
        }
    }
}

/// What a dump says of itself. Nothing of its content is in here but names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dump {
    /// How it is written.
    pub format: DumpFormat,
    /// What wrote it, by its own word (`15.4`).
    pub version: Option<String>,
    /// Bytes, unpacked.
    pub bytes: u64,
    /// The databases that it names, in its order. A dump of one database need not name it.
    pub databases: Vec<String>,
    /// It says itself where it goes: it makes or enters its databases.
    pub names_its_place: bool,
    /// Tables that it makes.
    pub tables: u64,
    /// Rows that it brings; for MariaDB and MySQL statements that bring rows; `None` where that is not known before it is loaded.
    pub rows: Option<u64>,
    /// Lines of a dump of statements that remove something before it is made: of an empty server nothing can be removed.
    pub removals: Vec<u64>,
    /// Roles that its objects belong to or are granted to, and that it does not make itself; by name.
    pub roles: Vec<String>,
}

impl Dump {
    /// One of this format of which nothing else is known.
    pub fn new(format: DumpFormat) -> Dump {
        Dump {
            format,
            version: None,
            bytes: 0,
            databases: Vec::new(),
            names_its_place: false,
            tables: 0,
            rows: None,
            removals: Vec::new(),
            roles: Vec::new(),
        }
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.format.words())?;
        if let Some(version) = &self.version {
            write!(f, " {version}")?;
        }
        if self.tables > 0 {
            write!(f, ", {}", pluralize(self.tables, "table"))?;
        }
        if let Some(rows) = self.rows.filter(|_| self.format.program() == Some(DumpProgram::Postgres)) {
            write!(f, ", {}", pluralize(rows, "row"))?;
        }
        write!(f, ", {}", units::bytes(self.bytes))
    }
}

/// How a service is filled from a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// The dump.
    pub dump: Dump,
    /// What people call it: the snapshot's name.
    pub title: String,
    /// The file or folder, as the service sees it.
    pub file: String,
    /// The place that it fills, as an index into the stack's restores; `None` when the service has none.
    pub into: Option<usize>,
    /// A dump without a row is a right one.
    pub allow_empty: bool,
    /// What its owner says of it.
    pub wish: LoadOptions,
}

/// What the owner of a service says of how a dump is loaded into it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// The database that it goes into; `None`: the one that the service's environment names.
    pub database: Option<String>,
    /// The command that loads it, by the shell of the service's container, with the dump's path in `$DUMP`; `None`: the one that is
    /// usual for the dump.
    pub command: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_told_in_one_line() {
        let dump = Dump {
            version: Some("15.4".to_owned()),
            bytes: 4096,
            tables: 2,
            rows: Some(1),
            ..Dump::new(DumpFormat::PostgresSql)
        };
        assert_eq!(dump.to_string(), "a dump of PostgreSQL 15.4, 2 tables, 1 row, 4.1 kB");
        assert_eq!(Dump::new(DumpFormat::Redis).to_string(), "a dump of Redis, 0 B");
    }
}
