//! Which data a version of a program can read: a pure function of what the programs' documentation and sources say.
//!
//! Only a pair that is known not to work is a mismatch. A version that is newer than this table, or cannot be parsed,
//! may work: the boot will show.

use std::fmt;

use crate::model::fingerprint::{VersionFile, VersionFileKind};

/// A program that keeps data, and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rehearse) struct Program {
    /// The program.
    pub name: ProgramName,
    /// As the image tells it, for messages.
    pub version: String,
    major: u32,
    minor: u32,
}

/// Programs whose data has version files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rehearse) enum ProgramName {
    Postgres,
    MariaDb,
    MySql,
    Redis,
    Valkey,
}

impl ProgramName {
    /// Its name in messages.
    pub fn title(self) -> &'static str {
        match self {
            ProgramName::Postgres => "PostgreSQL",
            ProgramName::MariaDb => "MariaDB",
            ProgramName::MySql => "MySQL",
            ProgramName::Redis => "Redis",
            ProgramName::Valkey => "Valkey",
        }
    }

    /// The kind of version files in its data.
    pub fn marks(self) -> VersionFileKind {
        match self {
            ProgramName::Postgres => VersionFileKind::Postgres,
            ProgramName::MariaDb | ProgramName::MySql => VersionFileKind::MySql,
            ProgramName::Redis | ProgramName::Valkey => VersionFileKind::Redis,
        }
    }
}

impl Program {
    /// A program of this version: `15`, `9.6.24`, `1:11.4.2+maria~ubu2204`, `17beta1`.
    pub fn new(name: ProgramName, version: &str) -> Option<Self> {
        let version = version.trim();
        // Debian's epoch.
        let plain = version.split_once(':').map_or(version, |(_, rest)| rest);
        let (major, minor) = numbers(plain)?;
        Some(Self { name, version: plain.to_owned(), major, minor })
    }

    /// The part of the version that decides: PostgreSQL's series are `9.6` and `15`, the others' `11.4`.
    fn series(&self) -> String {
        match self.name {
            ProgramName::Postgres if self.major >= 10 => self.major.to_string(),
            _ => format!("{}.{}", self.major, self.minor),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name.title(), self.version)
    }
}

/// Major and minor of a version; a missing minor is 0.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let first = digits(version);
    let major = first.parse().ok()?;
    let minor = version[first.len()..].strip_prefix('.').map(digits).and_then(|minor| minor.parse().ok());
    Some((major, minor.unwrap_or(0)))
}

/// Data that a program cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rehearse) struct Mismatch {
    /// What wrote the data, for messages: `PostgreSQL 14`.
    pub data: String,
    /// Why it cannot be read, as the end of a sentence.
    pub why: String,
    /// What to do.
    pub remedy: String,
}

/// Why `image` cannot read the data with this version file; `None`: it can, or nobody knows.
pub(in crate::rehearse) fn mismatch(mark: &VersionFile, image: &Program) -> Option<Mismatch> {
    match (mark.kind, image.name) {
        (VersionFileKind::Postgres, ProgramName::Postgres) => postgres(mark, image),
        (VersionFileKind::MySql, ProgramName::MariaDb | ProgramName::MySql) => mysql(mark, image),
        (VersionFileKind::Redis, ProgramName::Redis | ProgramName::Valkey) => redis(mark, image),
        _ => None,
    }
}

/// PostgreSQL reads only data of its own major version.
fn postgres(mark: &VersionFile, image: &Program) -> Option<Mismatch> {
    let data = Program::new(ProgramName::Postgres, &mark.says)?;
    (data.series() != image.series()).then(|| {
        let (from, to) = (data.series(), image.series());
        Mismatch {
            data: format!("PostgreSQL {from}"),
            why: "a server of another major version refuses it".to_owned(),
            remedy: format!(
                "Run the service from an image of PostgreSQL {from}. To go on to {to}, bring the data over with \
                 pg_upgrade, or dump it with {from} (pg_dumpall) and load that into {to}; then back that up."
            ),
        }
    })
}

/// Both programs upgrade their own older data by themselves, and read none that is newer. MariaDB takes over from
/// MySQL up to 5.7; from then on the two go separate ways, and MySQL takes nothing from MariaDB 10 and later.
fn mysql(mark: &VersionFile, image: &Program) -> Option<Mismatch> {
    let name =
        if mark.says.to_ascii_lowercase().contains("mariadb") { ProgramName::MariaDb } else { ProgramName::MySql };
    let data = Program::new(name, &mark.says)?;
    let (wrote, has) = (format!("{} {}", name.title(), data.series()), image.series());
    let program = image.name.title();
    if name != image.name {
        let apart = match name {
            ProgramName::MySql => data.major >= 8,
            _ => data.major >= 10,
        };
        return apart.then(|| Mismatch {
            why: format!("{program} does not read the files of {}", name.title()),
            remedy: format!(
                "Run the service from an image of {wrote}. To go over to {program}, dump the databases there and load \
                 them into {program}; then back that up."
            ),
            data: wrote,
        });
    }
    ((data.major, data.minor) > (image.major, image.minor)).then(|| Mismatch {
        why: format!("{program} {has} does not read the files of a newer one"),
        remedy: format!(
            "Run the service from an image of {wrote} or later. To go back, dump the databases with {wrote} and load \
             them into {has}."
        ),
        data: wrote,
    })
}

/// The highest version of a dump that each release of Redis reads and writes: `RDB_VERSION` in `src/rdb.h` of that
/// release; the same table stands in Redis's own parser of dumps (`redis/librdb`, `redisToRdbVersion`). Older dumps are
/// always read.
const REDIS: [((u32, u32), u32); 9] = [
    ((2, 6), 6),
    ((3, 2), 7),
    ((4, 0), 8),
    ((5, 0), 9),
    ((7, 0), 10),
    ((7, 2), 11),
    ((7, 4), 12),
    ((8, 6), 13),
    ((8, 8), 14),
];
/// Releases from this one on are not in the table.
const REDIS_UNKNOWN: (u32, u32) = (8, 9);
/// Valkey (`src/rdb.h`, since it left Redis at 7.2): reads Redis's dumps up to 11; those of 12 to 79 are for it
/// another's (`RDB_FOREIGN_VERSION_MIN`) and refused. Its own begin with `VALKEY` from 9.0 on, which writes 80.
const VALKEY_READS: u32 = 11;
const VALKEY_OWN: ((u32, u32), u32) = ((9, 0), 80);
/// As [`REDIS_UNKNOWN`], for Valkey.
const VALKEY_UNKNOWN: (u32, u32) = (10, 0);

fn redis(mark: &VersionFile, image: &Program) -> Option<Mismatch> {
    let (own, number) = match mark.says.strip_prefix("VALKEY") {
        Some(number) => (true, number),
        None => (false, mark.says.strip_prefix("REDIS")?),
    };
    let dump: u32 = number.parse().ok()?;
    let release = (image.major, image.minor);
    let readable = match image.name {
        ProgramName::Redis if release >= REDIS_UNKNOWN => return None,
        ProgramName::Redis if own => false,
        ProgramName::Redis => dump <= REDIS.iter().rev().find(|(since, _)| release >= *since)?.1,
        _ if release >= VALKEY_UNKNOWN => return None,
        _ if own => release >= VALKEY_OWN.0 && dump <= VALKEY_OWN.1,
        _ => dump <= VALKEY_READS,
    };
    if readable {
        return None;
    }
    let readers = readers(own, dump);
    Some(Mismatch {
        data: format!("{} dumps of version {dump}", if own { "Valkey" } else { "Redis" }),
        why: match &readers {
            Some(readers) => format!("such a dump is read by {readers}"),
            None => "no release that is known writes such a dump: it is newer, or damaged".to_owned(),
        },
        remedy: match readers {
            Some(readers) => format!(
                "Run the service from an image of {readers}. To change to another, copy the keys from one running \
                 server to the other; a dump does not fit."
            ),
            None => "Run the service from the image that wrote the data; if that is this one, the file is damaged: \
                 restore from an older snapshot."
                .to_owned(),
        },
    })
}

/// The releases that read such a dump, for messages; `None`: none is known.
fn readers(own: bool, dump: u32) -> Option<String> {
    if own {
        let ((major, minor), writes) = VALKEY_OWN;
        return (dump <= writes).then(|| format!("Valkey {major}.{minor} or later"));
    }
    let ((major, minor), _) = REDIS.iter().find(|(_, reads)| dump <= *reads)?;
    Some(format!("Redis {major}.{minor} or later"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether this image (`postgres 15.4`) is known not to read what bears this mark.
    fn is_refused(kind: VersionFileKind, says: &str, (name, version): (ProgramName, &str)) -> bool {
        let mark = VersionFile { kind, file: "mark".to_owned(), says: says.to_owned() };
        let image = Program::new(name, version).unwrap_or_else(|| panic!("{version} is a version"));
        let found = mismatch(&mark, &image);
        if let Some(Mismatch { data, why, remedy }) = &found {
            assert!(!data.is_empty() && !why.is_empty() && remedy.ends_with('.'), "{found:?}");
        }
        found.is_some()
    }

    #[test]
    fn postgres_reads_its_own_major_version_only() {
        for (says, image, refused) in [
            ("15", "15", false),
            ("15", "15.4-1.pgdg110+1", false),
            ("14", "15.4", true),
            ("16", "15.4", true),
            ("17", "17beta1", false),
            ("9.6", "9.6.24", false),
            ("9.5", "9.6.24", true),
            ("9.6", "10.3", true),
            ("9", "9.6", true),
        ] {
            assert_eq!(
                is_refused(VersionFileKind::Postgres, says, (ProgramName::Postgres, image)),
                refused,
                "{says} by {image}"
            );
        }
    }

    #[test]
    fn mariadb_and_mysql_read_what_is_older_and_their_own() {
        use ProgramName::{MariaDb, MySql};
        for (says, image, refused) in [
            ("11.4.2-MariaDB", (MariaDb, "1:11.4.5+maria~ubu2204"), false),
            ("11.4.9-MariaDB", (MariaDb, "11.4.5"), false),
            ("10.3.39-MariaDB", (MariaDb, "11.4.5"), false),
            ("11.4.2-MariaDB", (MariaDb, "10.11.6"), true),
            ("10.11.2-MariaDB", (MariaDb, "10.6.1"), true),
            ("8.0.36", (MySql, "8.0.30"), false),
            ("5.7.44", (MySql, "8.0.30"), false),
            ("8.4.0", (MySql, "8.0.36"), true),
            ("9.1.0", (MySql, "8.4"), true),
            // From one to the other.
            ("5.7.44", (MariaDb, "10.11"), false),
            ("8.0.36", (MariaDb, "11.4"), true),
            ("10.11.2-MariaDB", (MySql, "8.0.36"), true),
            ("5.5.68-MariaDB", (MySql, "5.6"), false),
        ] {
            assert_eq!(is_refused(VersionFileKind::MySql, says, image), refused, "{says} by {image:?}");
        }
    }

    #[test]
    fn redis_and_valkey_read_dumps_up_to_their_own() {
        use ProgramName::{Redis, Valkey};
        for (says, image, refused) in [
            ("REDIS0006", (Redis, "2.8.4"), false),
            ("REDIS0009", (Redis, "5.0.14"), false),
            ("REDIS0009", (Redis, "6.2.7"), false),
            ("REDIS0010", (Redis, "6.2.7"), true),
            ("REDIS0010", (Redis, "7.0.15"), false),
            ("REDIS0011", (Redis, "7.0.15"), true),
            ("REDIS0011", (Redis, "7.2.4"), false),
            ("REDIS0012", (Redis, "7.2.4"), true),
            ("REDIS0012", (Redis, "7.4.0"), false),
            ("REDIS0012", (Redis, "8.4"), false),
            ("REDIS0013", (Redis, "8.4"), true),
            ("REDIS0099", (Redis, "7.0.15"), true),
            ("VALKEY080", (Redis, "7.4.0"), true),
            ("REDIS0011", (Valkey, "8.1"), false),
            ("REDIS0012", (Valkey, "8.1"), true),
            ("VALKEY080", (Valkey, "8.1"), true),
            ("VALKEY080", (Valkey, "9.0"), false),
            // Nobody knows yet.
            ("REDIS0099", (Redis, "12.0"), false),
            ("REDIS0012", (Valkey, "12.0"), false),
            ("REDIS0006", (Redis, "1.2"), false),
        ] {
            assert_eq!(is_refused(VersionFileKind::Redis, says, image), refused, "{says} by {image:?}");
        }
    }

    #[test]
    fn data_of_another_program_is_no_concern() {
        assert!(!is_refused(VersionFileKind::Postgres, "14", (ProgramName::Redis, "7.0")));
        assert!(!is_refused(VersionFileKind::MySql, "99.1-MariaDB", (ProgramName::Postgres, "15")));
        assert!(!is_refused(VersionFileKind::Redis, "REDIS0099", (ProgramName::MySql, "8.0")));
    }

    #[test]
    fn a_version_without_a_number_is_none() {
        for text in ["", "latest", "v15", "1:maria"] {
            assert_eq!(Program::new(ProgramName::Postgres, text), None, "{text}");
        }
    }
}
