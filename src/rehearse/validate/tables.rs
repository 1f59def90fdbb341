//! Asks a database server whether it can read the tables of the restored data. A server starts, and answers its
//! healthcheck, when the file of a table is missing; only whoever asks for that table learns of it.
//!
//! The question is an addition to the comparison with the backup: an archive from which a file was left out is whole,
//! and no list tells of the file. A server that lets nobody in, or has no client, is not asked.

use std::time::Duration;

use crate::docker::ExecOutput;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::dump::DumpProgram;
use crate::model::fingerprint::StoreKind;
use crate::model::sampled::Sampled;

use crate::rehearse::client_scripts;
use crate::rehearse::running::RunningService;
use crate::rehearse::shared_task::Diagnosed;

/// Longest time for the questions. A server with more tables than it can open meanwhile is not judged.
const PATIENCE: Duration = Duration::from_secs(120);
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
        if found.count > 0 {
            return Err(diagnosis(running, program, &found));
        }
    }
    Ok(())
}

fn program_of(store: StoreKind) -> Option<DumpProgram> {
    match store {
        StoreKind::Postgres => Some(DumpProgram::Postgres),
        StoreKind::MySql => Some(DumpProgram::MySql),
        StoreKind::RedisDump | StoreKind::RedisLog | StoreKind::Sqlite | StoreKind::Mongo => None,
    }
}

/// The tables that the server cannot read, in its words; none if it cannot be asked.
async fn unreadable(running: RunningService<'_>, program: DumpProgram) -> Sampled<String> {
    let servers = match program {
        DumpProgram::Postgres => "postgres postmaster",
        DumpProgram::MySql | DumpProgram::Redis => "mariadbd mysqld",
    };
    let user = match run(running, None, client_scripts::SERVER, &[servers, ""]).await {
        Some((0, stdout, _)) => stdout.trim().to_owned(),
        _ => String::new(),
    };
    // Another process than the container's own server is not asked, nor one that is not there.
    if user.is_empty() {
        return Sampled::default();
    }
    match run(running, Some(&user), client_scripts::read(program), &[]).await {
        Some((_, _, stderr)) => read(program, &stderr),
        None => Sampled::default(),
    }
}

/// Runs a script in the service's container. Returns its exit code and outputs; `None`: it did not run to its end.
async fn run(
    running: RunningService<'_>,
    user: Option<&str>,
    script: &str,
    words: &[&str],
) -> Option<(i64, String, String)> {
    let command: Vec<String> = ["sh", "-c", script, "sh"].iter().chain(words).map(|&word| word.to_owned()).collect();
    match running.cx.run.daemon.exec(&running.booted.container, user, &command, PATIENCE).await {
        Ok(ExecOutput::Ended { exit, stdout, stderr }) => {
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            Some((exit, text(stdout), text(stderr)))
        }
        Ok(ExecOutput::NotStarted(words)) => {
            tracing::debug!(service = %running.name(), %words, "its tables cannot be asked for");
            None
        }
        Err(error) => {
            tracing::debug!(service = %running.name(), %error, "its tables cannot be asked for");
            None
        }
    }
}

/// Reads what the client said.
fn read(program: DumpProgram, said: &str) -> Sampled<String> {
    let mut found = Sampled::default();
    for line in said.lines() {
        let words = match program {
            DumpProgram::Postgres => of_postgres(line),
            DumpProgram::MySql | DumpProgram::Redis => of_mysql(line),
        };
        if let Some(words) = words {
            found.add(|| words);
        }
    }
    found
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

fn diagnosis(running: RunningService<'_>, program: DumpProgram, found: &Sampled<String>) -> Diagnosis {
    let named = found.first.len().min(NAMED);
    let more = found.count - named as u64;
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    let message = format!(
        "{} is up, but {} cannot read all tables of the restored data: {}{more}",
        running.name(),
        program.title(),
        running.cx.mask.apply(&found.first[..named].join("; "))
    );
    Diagnosis::new(Code::RestoreIncomplete, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_damage_counts() {
        let said = "ERROR 1932 (42S02) at line 1: Table 'app.notes' doesn't exist in engine\n\
                    ERROR 1142 (42000) at line 2: SELECT command denied to user 'app'@'localhost' for table 'x'\n\
                    ERROR 1194 (HY000) at line 3: Table 'old' is marked as crashed and should be repaired\n";
        let found = read(DumpProgram::MySql, said);
        assert_eq!(found.count, 2);
        assert_eq!(found.first[0], "Table 'app.notes' doesn't exist in engine");
        let said = "WARNING:  unreadable: notes of database app: its file base/5/16385 is missing\n\
                    CONTEXT:  PL/pgSQL function inline_code_block line 9 at RAISE\n\
                    ERROR:  language \"plpgsql\" does not exist\n";
        let found = read(DumpProgram::Postgres, said);
        let refused = "psql: error: connection to server on socket \"/run/.s.PGSQL.5432\" failed: \
                       FATAL:  database \"app\" does not exist\n\
                       DETAIL:  The database subdirectory \"base/16384\" is missing.\n\
                       psql: error: FATAL:  permission denied for database \"other\"\n";
        let refused = read(DumpProgram::Postgres, refused);
        assert_eq!(refused.first, ["The database subdirectory \"base/16384\" is missing."]);
        assert_eq!(
            (found.count, found.first[0].as_str()),
            (1, "notes of database app: its file base/5/16385 is missing")
        );
    }
}
