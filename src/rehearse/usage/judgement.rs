//! Judges whether a service uses what was restored, by the accesses that the kernel has noted since its start.
//!
//! - A restored data store that nobody has opened is a failure if its server runs, or if the service has made a store
//!   of the same kind elsewhere.
//! - Mounts of which no restored file was read or changed are a failure if the service has made the store of a server
//!   elsewhere, or the same files in a folder of another name beside the restored one, and else a warning: many
//!   services read their data only when they are asked.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::fingerprint::{Fingerprint, Store, StoreKind, Survivors};
use crate::model::mount::Mount;
use crate::model::pluralize::pluralize;
use crate::model::service::ServiceName;

/// The place of what a container writes beside its mounts.
pub(super) const OWN_LAYER: &str = "the container's own layer";
/// Names of files in a message.
const NAMED: usize = 3;
/// Most names of unopened databases that are looked for in memory.
const MOST_NAMES: usize = 10;

/// A mount whose restored data was looked at again after the service's start.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeenMount<'a> {
    pub mount: &'a Mount,
    /// The data before the start.
    pub held: &'a Fingerprint,
    /// The data after the start.
    pub kept: &'a Survivors,
}

/// Whether something was used since the service's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Used,
    Idle,
    /// The file system does not note every access.
    Unknown,
}

impl SeenMount<'_> {
    fn notes_all(&self) -> bool {
        self.held.mark.changes && self.held.mark.reads
    }

    /// The use of the restored files. New files beside them are no use of them.
    fn files(&self) -> Use {
        match self.kept.accessed.files + self.kept.gone.files {
            0 if self.notes_all() => Use::Idle,
            0 => Use::Unknown,
            _ => Use::Used,
        }
    }

    fn store(&self, store: &Store) -> Use {
        let is_it = |now: &Store| now.kind == store.kind && now.file == store.file;
        let accessed = match self.kept.stores.iter().position(is_it) {
            Some(at) => self.kept.accessed.stores.iter().any(|index| *index as usize == at),
            // Moved, or removed.
            None => true,
        };
        if accessed {
            Use::Used
        } else if self.notes_all() {
            Use::Idle
        } else {
            Use::Unknown
        }
    }
}

/// A restored data store that nobody is known to have used, and no other store of its kind either.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnopenedStore<'a> {
    mount: &'a Mount,
    store: &'a Store,
    usage: Use,
}

/// What looks unused of a service's restored data.
#[derive(Debug)]
pub(super) struct Suspicion<'a> {
    stores: Vec<UnopenedStore<'a>>,
    idle: Vec<SeenMount<'a>>,
    /// Every mount with restored data is among the idle ones.
    all_idle: bool,
    /// Data was restored, and no store of a server in it was used.
    lacks_server: bool,
}

/// What looks unused. `all`: these are all mounts with restored data that the service writes to.
pub(super) fn suspect<'a>(seen: &[SeenMount<'a>], all: bool) -> Suspicion<'a> {
    let stores: Vec<UnopenedStore<'a>> = seen
        .iter()
        .flat_map(|mount| {
            let of = move |store: &'a Store| UnopenedStore { mount: mount.mount, store, usage: mount.store(store) };
            mount.held.stores.iter().filter(|store| store.holds_data()).map(of)
        })
        .collect();
    let is_used = |kind: StoreKind| stores.iter().any(|one| one.store.kind.is_like(kind) && one.usage == Use::Used);
    let unopened = stores.iter().filter(|one| !is_used(one.store.kind)).copied().collect();
    let idle: Vec<SeenMount<'a>> = seen.iter().filter(|mount| mount.files() == Use::Idle).copied().collect();
    let serves = stores.iter().any(|one| one.store.kind.is_of_server() && one.usage == Use::Used);
    let lacks_server = !serves && !seen.is_empty();
    Suspicion { stores: unopened, lacks_server, all_idle: all && !seen.is_empty() && idle.len() == seen.len(), idle }
}

impl Suspicion<'_> {
    /// A store whose server reads it at every start was not read.
    pub fn asks_for_programs(&self) -> bool {
        self.stores.iter().any(|one| one.store.kind.is_of_server() && one.usage == Use::Idle)
    }

    /// The names of the SQLite databases that were not opened.
    pub fn unopened_databases(&self) -> Vec<&str> {
        let databases = self.stores.iter().filter(|one| one.store.kind == StoreKind::Sqlite);
        let mut names: Vec<&str> = databases.map(|one| one.store.file.rsplit('/').next().unwrap_or_default()).collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(MOST_NAMES);
        names
    }

    /// Another store would explain what looks unused; and a server that uses no restored store keeps one elsewhere.
    pub fn asks_for_stores(&self, may_be_server: bool) -> bool {
        !self.stores.is_empty() || may_be_server && self.lacks_server
    }
}

/// A data store that the service keeps where nothing was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ElsewhereStore {
    pub kind: StoreKind,
    /// Its path in the container.
    pub file: String,
    /// The place, for people: `the container's own layer`.
    pub place: String,
}

/// Facts about a service beside its restored data, as far as the suspicion asks for them.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServiceFacts<'a> {
    /// The programs that run.
    pub programs: &'a [String],
    /// Its stores where nothing was restored.
    pub elsewhere: &'a [ElsewhereStore],
}

/// The failure of a service that does not use its restored data; `None`: nothing shows that.
pub(super) fn failure(name: &ServiceName, suspicion: &Suspicion<'_>, facts: &ServiceFacts<'_>) -> Option<Diagnosis> {
    let unopened = suspicion.stores.iter().find_map(|one| unopened_store(name, one, facts));
    unopened.or_else(|| all_idle(name, suspicion, facts)).or_else(|| begun_beside(name, suspicion))
}

/// A mount of which no restored file was used, and where the service has made the same files in a folder of another
/// name: some programs name the folder of their data after their host.
fn begun_beside(name: &ServiceName, suspicion: &Suspicion<'_>) -> Option<Diagnosis> {
    suspicion.idle.iter().find_map(|seen| {
        let (new, old) = sibling(&seen.held.names, &seen.kept.accessed.beside.first)?;
        let message = format!(
            "{name} is well, but has begun anew: since its start nothing has read or changed what was restored into \
             {}, and the service has made {new} beside {old}",
            seen.mount.place()
        );
        let remedy = "Some programs name the folder of their data after their host or after a setting. Give the \
                      service the name that it had when the backup was made (hostname, or its own setting).";
        Some(Diagnosis { remedy: Some(remedy.to_owned()), ..Diagnosis::new(Code::DataReinitialised, message) })
    })
}

/// A new file, and the restored one of the same path in another top folder. Folders whose names differ only in digits
/// may be those of another day.
fn sibling<'a>(held: &'a [String], new: &'a [String]) -> Option<(&'a str, &'a str)> {
    let letters = |folder: &str| folder.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    let folder = |file: &'a String| file.split_once('/');
    new.iter().find_map(|made| {
        let (top, rest) = folder(made)?;
        if held.iter().filter_map(folder).any(|(known, _)| known == top) {
            return None;
        }
        let is_same = |(known, path): (&str, &str)| path == rest && letters(known) != letters(top);
        let old = held.iter().find(|file| folder(file).is_some_and(is_same))?;
        Some((made.as_str(), old.as_str()))
    })
}

fn unopened_store(name: &ServiceName, one: &UnopenedStore<'_>, facts: &ServiceFacts<'_>) -> Option<Diagnosis> {
    let kind = one.store.kind;
    let other = facts.elsewhere.iter().find(|other| other.kind.is_like(kind));
    let server = facts.programs.iter().find(|program| is_server_of(program, kind));
    let because = match (one.usage, other, server) {
        (Use::Idle, Some(other), _) => made_elsewhere(other),
        // A server writes to its store at every start, and the change would show if the file system noted it.
        (Use::Unknown, Some(other), _) if kind.is_of_server() => made_elsewhere(other),
        (Use::Idle, None, Some(program)) => {
            format!("{program} runs, which reads its data at every start, so it runs on other data")
        }
        _ => return None,
    };
    let message = format!(
        "{name} is well, but does not use {} that was restored into {} ({}): nothing has read or changed it since the \
         start, and {because}",
        kind.title(),
        one.mount.place(),
        one.store.file
    );
    Some(unused(message, one.mount, other))
}

fn all_idle(name: &ServiceName, suspicion: &Suspicion<'_>, facts: &ServiceFacts<'_>) -> Option<Diagnosis> {
    if !suspicion.all_idle {
        return None;
    }
    let other = facts.elsewhere.iter().find(|other| other.kind.is_of_server())?;
    let places: Vec<String> = suspicion.idle.iter().map(|seen| seen.mount.place()).collect();
    let message = format!(
        "{name} is well, but has not read or changed a single restored file of {} since its start, and {}",
        places.join(", "),
        made_elsewhere(other)
    );
    Some(unused(message, suspicion.idle.first()?.mount, Some(other)))
}

fn made_elsewhere(ElsewhereStore { kind, file, place }: &ElsewhereStore) -> String {
    format!("the service keeps {} in {place}: {file}", kind.title())
}

fn unused(message: String, mount: &Mount, other: Option<&ElsewhereStore>) -> Diagnosis {
    let remedy = other.map(|other| {
        format!(
            "Let the service keep its data at {}, or mount the volume where the service looks for its data ({}). Then \
             back it up and rehearse again.",
            mount.target,
            folder_of(&other.file)
        )
    });
    Diagnosis { remedy, ..Diagnosis::new(Code::DataUnused, message) }
}

fn folder_of(file: &str) -> &str {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    folder.strip_suffix("/global").unwrap_or(folder)
}

/// Whether a program is the server of a store. The kernel knows no more than 15 bytes of a program's name.
fn is_server_of(program: &str, kind: StoreKind) -> bool {
    let servers: &[&str] = match kind {
        StoreKind::Postgres => &["postgres", "postmaster"],
        StoreKind::MySql => &["mariadbd", "mysqld"],
        StoreKind::RedisDump | StoreKind::RedisLog => &["redis-server", "valkey-server", "keydb-server"],
        StoreKind::Mongo => &["mongod"],
        StoreKind::Sqlite => &[],
    };
    servers.contains(&program.trim())
}

/// The warning about mounts of which no restored file was read or changed; `None`: there are none.
pub(super) fn not_used(name: &ServiceName, suspicion: &Suspicion<'_>) -> Option<Diagnosis> {
    let places: Vec<String> = suspicion.idle.iter().map(idle_place).collect();
    (!places.is_empty()).then(|| {
        let message = format!("since the start of {name}, nothing has read or changed {}", places.join(", nor "));
        Diagnosis::new(Code::DataNotUsed, message)
    })
}

fn idle_place(seen: &SeenMount<'_>) -> String {
    let SeenMount { mount, held, kept } = seen;
    let files = pluralize(held.amount.files, "restored file");
    let beside = &kept.accessed.beside;
    let made = match beside.first.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>() {
        names if names.is_empty() => String::new(),
        names => {
            let more = beside.count - names.len() as u64;
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!(" (beside them, the service has made {}{more})", names.join(", "))
        }
    };
    format!("the {files} of {}{made}", mount.place())
}

/// The warning about a store that was begun where nothing was restored; `None`: there is none, or a restored store of
/// the same kind was used.
pub(super) fn begun_anew(
    name: &ServiceName,
    seen: &[SeenMount<'_>],
    elsewhere: &[ElsewhereStore],
) -> Option<Diagnosis> {
    let is_used = |kind: StoreKind| {
        let uses = |mount: &SeenMount<'_>| {
            mount.held.stores.iter().any(|held| held.kind.is_like(kind) && mount.store(held) == Use::Used)
        };
        seen.iter().any(uses)
    };
    // Many programs keep a small SQLite database of their own in their layer. An emptied volume is no such place.
    let counts = |one: &&ElsewhereStore| one.kind.is_of_server() || one.place != OWN_LAYER;
    let ElsewhereStore { kind, file, place } = elsewhere.iter().filter(counts).find(|one| !is_used(one.kind))?;
    let message = format!("{name} keeps {} in {place}: {file}; none of that data was restored", kind.title());
    Some(Diagnosis::new(Code::DataNothingRestored, message))
}

#[cfg(test)]
#[path = "judgement_tests.rs"]
mod tests;
