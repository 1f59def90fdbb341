//! Asks a database server whether the restored data holds the database that the service's environment names, and
//! whether the files of its tables have their length. A server starts without the one, and reads a table that was cut
//! off as a shorter one.
//!
//! The environment may name a database that the live data does not have either: the name counts when the data is made
//! and never again. So the live data is looked at, too. A server that lets nobody in, or has no client, is not asked.

use std::time::Duration;

use super::script::Script;
use super::tables::{program_of, server_user};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::dump::DumpProgram;
use crate::model::fingerprint::{Store, StoreKind};
use crate::model::sampled::Sampled;
use crate::plan::dependents;
use crate::rehearse::client_scripts;
use crate::rehearse::running::RunningService;
use crate::rehearse::shared_task::Diagnosed;
use crate::worker::client::Worker;
use crate::worker::protocol::{FindBytesJob, LookJob};

/// Longest time for the questions.
const PATIENCE: Duration = Duration::from_secs(60);
const UNANSWERED: &str = "its databases cannot be asked for";
/// Most names that a message lists.
const NAMED: usize = 5;
/// The file of a cluster with the names of its databases: the catalog `pg_database`.
const CATALOG: &str = "1262";

/// A restored data store of a database server, and where the worker sees its live one.
#[derive(Clone, Copy)]
pub(in crate::rehearse) struct ServedStore<'a> {
    pub store: &'a Store,
    /// The live mount in the worker; `None`: it cannot be seen.
    pub live: Option<&'a str>,
}

/// Checks the databases of the first store of a database server.
pub(in crate::rehearse) async fn are_there(
    running: RunningService<'_>,
    stores: &[ServedStore<'_>],
    worker: &Worker,
) -> Diagnosed<()> {
    let program = |one: &ServedStore<'_>| program_of(one.store.kind);
    let Some((program, served)) = stores.iter().find_map(|one| Some((program(one)?, one))) else { return Ok(()) };
    let Some(said) = ask(running, program).await else { return Ok(()) };
    let said = Answer::read(&said);
    if said.short.count > 0 {
        return Err(cut_off(running, &said.short));
    }
    let Some(wanted) = said.missing() else { return Ok(()) };
    let is_live = match served.live {
        Some(live) => has_live(worker, live, served.store, wanted).await,
        None => None,
    };
    let name = running.name();
    let others = said.others();
    let has = if others.is_empty() { "none of its own".to_owned() } else { others.join(", ") };
    let message = running.cx.mask.apply(&format!(
        "{name} is up, but the restored data lacks the database {wanted}, which the environment of the service names \
         (it has {has})"
    ));
    match is_live {
        Some(true) => Err(Diagnosis::new(Code::RestoreIncomplete, format!("{message}; the live data has it"))),
        // It was never made, or has another name since.
        Some(false) => Ok(()),
        None => {
            let warning = Diagnosis::new(Code::DataUnlikeLive, format!("{message}; whether live has it is not known"));
            running.cx.warn(dependents(&running.cx.plan, name), warning);
            Ok(())
        }
    }
}

/// What the server says; `None`: it cannot be asked.
async fn ask(running: RunningService<'_>, program: DumpProgram) -> Option<String> {
    let user = server_user(running, program, UNANSWERED).await?;
    Script::new(client_scripts::databases(program), &[], PATIENCE, UNANSWERED).run_by(&user).output(running).await
}

/// What the server said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    /// The database that the environment names; empty: none.
    wanted: String,
    /// The databases that it has.
    found: Vec<String>,
    /// Tables and indexes whose file is too short.
    short: Sampled<String>,
}

impl Answer {
    fn read(said: &str) -> Self {
        let mut answer = Self::default();
        for line in said.lines() {
            match line.split_once(' ') {
                Some(("wanted", name)) => name.clone_into(&mut answer.wanted),
                Some(("found", name)) => answer.found.push(name.to_owned()),
                Some(("short", words)) => answer.short.add(|| words.to_owned()),
                _ => {}
            }
        }
        answer
    }

    /// The database that is wanted and not there. Some servers know names in lower case only.
    fn missing(&self) -> Option<&str> {
        let is_it = |name: &String| name.eq_ignore_ascii_case(&self.wanted);
        (!self.wanted.is_empty() && !self.found.is_empty() && !self.found.iter().any(is_it)).then_some(&self.wanted)
    }

    /// The first databases that are not the server's own.
    fn others(&self) -> Vec<&str> {
        const OWN: [&str; 7] =
            ["postgres", "template0", "template1", "mysql", "sys", "performance_schema", "information_schema"];
        let others = self.found.iter().map(String::as_str).filter(|name| !OWN.contains(name));
        others.take(NAMED).collect()
    }
}

/// Whether the live data has a database of this name; `None`: nobody can tell.
async fn has_live(worker: &Worker, live: &str, store: &Store, name: &str) -> Option<bool> {
    let folder = store.file.rsplit_once('/').map_or("", |(folder, _)| folder);
    if store.kind == StoreKind::Postgres {
        // A name has a fixed length in the catalog, and zeros behind it.
        let bytes = [name.as_bytes(), b"\0"].concat();
        let job = FindBytesJob { folder: live.to_owned(), file: format!("{folder}/{CATALOG}"), bytes };
        return worker.run(job).await.ok();
    }
    // Other signs are written as numbers in the name of a folder.
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    let path = [live, folder, name].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("/");
    let seen = worker.run(LookJob { mounts: None, list: None, folders: vec![path] }).await.ok()?;
    seen.folders.first().copied()
}

fn cut_off(running: RunningService<'_>, short: &Sampled<String>) -> Diagnosis {
    let named = short.first.len().min(NAMED);
    let more = short.count - named as u64;
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    let message = format!(
        "{} is up, but the files of tables or indexes were cut off, and what was behind the cut is gone: {}{more}",
        running.name(),
        running.cx.mask.apply(&short.first[..named].join("; "))
    );
    Diagnosis::new(Code::RestoreIncomplete, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_the_environment_must_be_among_those_of_the_server() {
        let missing = |said: &str| Answer::read(said).missing().map(str::to_owned);
        assert_eq!(missing("wanted shop\nfound postgres\nfound shop\n"), None);
        assert_eq!(missing("wanted Shop\nfound shop\n"), None, "a server on a disk that knows no capitals");
        assert_eq!(missing("wanted \nfound postgres\n"), None, "none is named");
        assert_eq!(missing("wanted shop\n"), None, "the server said nothing");
        assert_eq!(missing("wanted shop\nfound postgres\nfound a shop\n").as_deref(), Some("shop"));
        let said = Answer::read("wanted shop\nfound postgres\nfound other\nfound mysql\n");
        assert_eq!(said.others(), ["other"]);
    }

    #[test]
    fn files_that_were_cut_off_are_told() {
        let said = Answer::read("wanted a\nfound a\nshort notes of database a: its file has 1 pages, and had 2\n");
        assert_eq!(said.short.first, ["notes of database a: its file has 1 pages, and had 2"]);
    }
}
