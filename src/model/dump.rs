//! Database dumps: what is known of a dump, and how a service loads it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::pluralize::pluralize;
use super::units;

/// The folder in which a service sees the dump that it loads.
pub const LOAD_FOLDER: &str = "/rehearsa-load";

/// The format of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DumpFormat {
    /// Statements of `pg_dump`, for one database.
    PostgresSql,
    /// Statements of `pg_dumpall`, for all databases and roles. Also of `pg_dump --create`, whose dump makes its
    /// database itself.
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

/// The database server that a dump belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DumpProgram {
    /// PostgreSQL.
    Postgres,
    /// MariaDB or MySQL.
    MySql,
    /// Redis or Valkey.
    Redis,
}

impl DumpProgram {
    /// The name for people.
    pub fn title(self) -> &'static str {
        match self {
            DumpProgram::Postgres => "PostgreSQL",
            DumpProgram::MySql => "MariaDB or MySQL",
            DumpProgram::Redis => "Redis",
        }
    }
}

impl DumpFormat {
    /// The server that the dump belongs to; `None` when the format does not say.
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

/// What is known of a dump. Of the content only names are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dump {
    pub format: DumpFormat,
    /// Version of the program that wrote the dump, as the dump gives it (`15.4`).
    pub version: Option<String>,
    /// Size of the unpacked dump, in bytes.
    pub bytes: u64,
    /// Databases that the dump names, in its order. A dump of one database need not name it.
    pub databases: Vec<String>,
    /// The dump makes or enters its databases itself.
    pub names_its_place: bool,
    /// Number of tables that the dump makes.
    pub tables: u64,
    /// Number of rows; for MariaDB and MySQL number of statements that insert rows. `None`: only known after the load.
    pub rows: Option<u64>,
    /// Lines (from 1) of statements that remove an object before the dump makes it: an empty server has nothing to
    /// remove.
    pub removals: Vec<u64>,
    /// Roles that own objects or have grants in the dump and that it does not make; sorted by name.
    pub roles: Vec<String>,
    /// Nothing in the dump tells that its end is the one that it was written with.
    #[serde(default)]
    pub lacks_end: bool,
    /// Tables that the dump fills with rows, sorted; the first of very many. Empty when the dump does not tell.
    #[serde(default)]
    pub filled: Vec<FilledTable>,
    /// The first command that psql would run and that pg_dump does not write.
    pub of_psql: Option<ClientCommand>,
    /// The first command that MariaDB's or MySQL's client would run and that their dump programs do not write.
    pub of_mysql: Option<ClientCommand>,
}

/// A table that a dump fills with rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FilledTable {
    /// Its database; `None`: the one that the dump is loaded into.
    pub database: Option<String>,
    /// Its schema, in PostgreSQL.
    pub schema: Option<String>,
    pub name: String,
}

/// A command of a database client between the statements of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCommand {
    /// Number of its line, from 1.
    pub line: u64,
    /// Its beginning, for people.
    pub text: String,
}

impl Dump {
    /// The first foreign command for the client of this program.
    pub fn foreign_command(&self, program: DumpProgram) -> Option<&ClientCommand> {
        match program {
            DumpProgram::Postgres => self.of_psql.as_ref(),
            DumpProgram::MySql => self.of_mysql.as_ref(),
            DumpProgram::Redis => None,
        }
    }

    /// A dump of which only the format is known.
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
            lacks_end: false,
            filled: Vec::new(),
            of_psql: None,
            of_mysql: None,
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

/// How a service loads a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    pub dump: Dump,
    /// The dump's name for people: the name of the snapshot.
    pub title: String,
    /// The file or folder, as the service sees it.
    pub file: String,
    /// Index of the restored place that the load fills, in the stack's restores; `None`: the service has none.
    pub into: Option<usize>,
    /// A dump without rows is no failure.
    pub allow_empty: bool,
    /// Options that the user set.
    pub wish: LoadOptions,
}

/// Options that the user set for the load of a dump.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// The database to load into; `None`: the one in the service's environment.
    pub database: Option<String>,
    /// The load command, run by the shell of the service's container with the dump's path in `$DUMP`; `None`: the usual
    /// command for the dump's format.
    pub command: Option<String>,
    /// Path of the dump among the files of the snapshot; `None`: not set.
    pub from: Option<String>,
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
