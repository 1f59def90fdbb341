//! Asks a database server whether it can read the tables of the restored data. A server starts, and answers its
//! healthcheck, when the file of a table is missing; only whoever asks for that table learns of it.
//!
//! A database that is not large is read whole, and the tables of MariaDB and MySQL are checked: a row of each table
//! tells nothing of the pages behind it. With `deep` this is done whatever the size.
//!
//! The question is an addition to the comparison with the backup: an archive from which a file was left out is whole,
//! and no list tells of the file. A server that lets nobody in, or has no client, is not asked.

use std::time::Duration;

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::dump::DumpProgram;
use crate::model::fingerprint::StoreKind;
use crate::model::sampled::Sampled;

use super::script::Script;
use crate::rehearse::client_scripts;
use crate::rehearse::running::RunningService;
use crate::rehearse::shared_task::Diagnosed;

/// Longest time for the questions, and with `deep`. A server with more tables than it can read meanwhile is not judged.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(900));
/// Bytes of a database that is read whole in any case. It costs less than the start.
const SMALL: u64 = 256 * 1024 * 1024;
const UNANSWERED: &str = "its tables cannot be asked for";
/// Most tables that a message names.
const NAMED: usize = 5;

/// Errors of MariaDB and MySQL that say that a table's files are missing or damaged, and not that a right or a server
/// is missing. From the lists of error codes of both.
const UNREADABLE: [u32; 19] =
    [29, 126, 127, 144, 145, 1016, 1017, 1030, 1033, 1034, 1035, 1049, 1194, 1195, 1712, 1812, 1815, 1877, 1932];

/// Words of PostgreSQL when it refuses a connection to a database because of the database's files. A refusal for
/// another reason (rights, too many connections) says nothing about them.
const NO_DATABASE: [&str; 6] = [
    "database subdirectory",
    "could not open file",
    "could not read",
    "invalid page",
    "pg_filenode.map",
    "could not open relation",
];

/// Checks that the service can read the tables of the data stores that were restored into it.
pub(in crate::rehearse) async fn are_readable(
    running: RunningService<'_>,
    stores: impl Iterator<Item = StoreKind>,
) -> Diagnosed<()> {
    let mut programs: Vec<DumpProgram> = stores.filter_map(program_of).collect();
    programs.dedup();
    for program in programs {
        let found = unreadable(running, program).await;
        if found.tables.count > 0 {
            return Err(diagnosis(running, program, &found));
        }
    }
    Ok(())
}

/// The program whose server keeps a store and can be asked for its tables; `None`: there is none.
pub(super) fn program_of(store: StoreKind) -> Option<DumpProgram> {
    match store {
        StoreKind::Postgres => Some(DumpProgram::Postgres),
        StoreKind::MySql => Some(DumpProgram::MySql),
        StoreKind::RedisDump | StoreKind::RedisLog | StoreKind::Sqlite | StoreKind::Mongo => None,
    }
}

/// Names of the server's process.
fn servers_of(program: DumpProgram) -> &'static str {
    match program {
        DumpProgram::Postgres => "postgres postmaster",
        DumpProgram::MySql | DumpProgram::Redis => "mariadbd mysqld",
    }
}

/// Tables that a server cannot read, in its words.
#[derive(Debug, Default)]
struct Unreadable {
    tables: Sampled<String>,
    /// A row of each can be read, and the damage is behind it.
    inside: bool,
}

/// The tables that the server cannot read; none if it cannot be asked.
async fn unreadable(running: RunningService<'_>, program: DumpProgram) -> Unreadable {
    let Some(user) = server_user(running, program, UNANSWERED).await else { return Unreadable::default() };
    let (most, limit) = reading_bounds(running);
    let most = most.to_string();
    let words = [most.as_str(), if running.plan.settings.deep { "deep" } else { "" }];
    let script = Script::new(client_scripts::read(program), &words, limit, UNANSWERED).run_by(&user);
    script.run(running).await.map(|end| read(program, &end.stderr)).unwrap_or_default()
}

/// The user of the service's own server; `None`: another process than the container's own is the server, or none is.
pub(super) async fn server_user(
    running: RunningService<'_>,
    program: DumpProgram,
    unanswered: &'static str,
) -> Option<String> {
    let words = [servers_of(program), ""];
    let user = Script::new(client_scripts::SERVER, &words, PATIENCE.0, unanswered).output(running).await?;
    Some(user.trim().to_owned()).filter(|user| !user.is_empty())
}

/// Bytes of a database that is read whole, and the longest time for it.
pub(super) fn reading_bounds(running: RunningService<'_>) -> (u64, Duration) {
    if running.plan.settings.deep { (i64::MAX as u64, PATIENCE.1) } else { (SMALL, PATIENCE.0) }
}

/// Reads what the client said.
fn read(program: DumpProgram, said: &str) -> Unreadable {
    let (mut tables, mut inside) = (Sampled::default(), true);
    for line in said.lines() {
        if let Some(words) = line.strip_prefix("WARNING:  damaged: ").or_else(|| line.strip_prefix("DAMAGED ")) {
            tables.add(|| words.to_owned());
            continue;
        }
        let words = match program {
            DumpProgram::Postgres => of_postgres(line),
            DumpProgram::MySql | DumpProgram::Redis => of_mysql(line),
        };
        if let Some(words) = words {
            inside = false;
            tables.add(|| words);
        }
    }
    Unreadable { tables, inside }
}

/// A warning of the script, or the refusal of a connection.
fn of_postgres(line: &str) -> Option<String> {
    if let Some(words) = line.strip_prefix("WARNING:  unreadable: ") {
        return Some(words.to_owned());
    }
    // A process of the server that panics could not read what every process needs.
    if let Some((_, words)) = line.split_once("PANIC:  ") {
        return Some(words.to_owned());
    }
    let (_, words) = line.split_once("FATAL:  ").or_else(|| line.split_once("DETAIL:  "))?;
    NO_DATABASE.iter().any(|known| words.contains(known)).then(|| words.to_owned())
}

/// `ERROR 1932 (42S02) at line 3: Table 'app.notes' doesn't exist in engine`, if the code tells of damage.
fn of_mysql(line: &str) -> Option<String> {
    let (code, rest) = line.strip_prefix("ERROR ")?.split_once(' ')?;
    let is_damage = code.parse().is_ok_and(|code| UNREADABLE.contains(&code));
    is_damage.then(|| rest.split_once(": ").map_or(rest, |(_, words)| words).to_owned())
}

fn diagnosis(running: RunningService<'_>, program: DumpProgram, found: &Unreadable) -> Diagnosis {
    let Unreadable { tables: found, inside } = found;
    let code = if *inside { Code::DataCorrupt } else { Code::RestoreIncomplete };
    let named = found.first.len().min(NAMED);
    let more = found.count - named as u64;
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    let message = format!(
        "{} is up, but {} cannot read all tables of the restored data: {}{more}",
        running.name(),
        program.title(),
        running.cx.mask.apply(&found.first[..named].join("; "))
    );
    Diagnosis::new(code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_behind_the_first_row_is_told_apart_from_a_table_that_is_not_there() {
        let said = "WARNING:  damaged: numbers of database app: invalid page in block 4 of relation base/5/16385\n";
        let found = read(DumpProgram::Postgres, said);
        assert!(found.inside && found.tables.first[0].starts_with("numbers of database app: invalid page"));
        let found = read(DumpProgram::MySql, "DAMAGED app.notes: Corrupt\n");
        assert_eq!((found.inside, found.tables.first), (true, vec!["app.notes: Corrupt".to_owned()]));
    }

    #[test]
    fn only_damage_counts() {
        let said = "ERROR 1932 (42S02) at line 1: Table 'app.notes' doesn't exist in engine\n\
                    ERROR 1142 (42000) at line 2: SELECT command denied to user 'app'@'localhost' for table 'x'\n\
                    ERROR 1194 (HY000) at line 3: Table 'old' is marked as crashed and should be repaired\n";
        let Unreadable { tables: found, inside } = read(DumpProgram::MySql, said);
        assert_eq!((found.count, inside), (2, false));
        assert_eq!(found.first[0], "Table 'app.notes' doesn't exist in engine");
        let said = "WARNING:  unreadable: notes of database app: its file base/5/16385 is missing\n\
                    CONTEXT:  PL/pgSQL function inline_code_block line 9 at RAISE\n\
                    ERROR:  language \"plpgsql\" does not exist\n";
        let found = read(DumpProgram::Postgres, said).tables;
        let refused = "psql: error: connection to server on socket \"/run/.s.PGSQL.5432\" failed: \
                       FATAL:  database \"app\" does not exist\n\
                       DETAIL:  The database subdirectory \"base/16384\" is missing.\n\
                       psql: error: FATAL:  permission denied for database \"other\"\n";
        let refused = read(DumpProgram::Postgres, refused).tables;
        assert_eq!(refused.first, ["The database subdirectory \"base/16384\" is missing."]);
        assert_eq!(
            (found.count, found.first[0].as_str()),
            (1, "notes of database app: its file base/5/16385 is missing")
        );
    }
}
