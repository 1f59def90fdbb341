//! Checks that the restored data is still there once the service is well, and that the service uses it. A service
//! that deleted it, ignored it or initialised new data beside it looks just as healthy.
//!
//! What a service writes, moves, rotates and cleans up in an ordinary start is no loss. A loss is one of these:
//!
//! - more than half of the files *and* more than half of their bytes are gone: deleted, emptied, rewritten in place to
//!   less than a tenth, replaced by others, or put aside for others of the same name. Files that nobody misses (caches,
//!   logs, locks) are left out, and of very many the largest stand for all;
//! - a PostgreSQL cluster has another system identifier, or one of the same version with another identifier stands
//!   beside it;
//! - the shared tablespace of MariaDB or MySQL is another file, or another one stands beside it;
//! - Redis has begun an append-only log without a key beside a dump that has keys, and so ignores the dump;
//! - Redis has begun a part of its append-only log anew over the restored one;
//! - an SQLite database that is more than half of the place has no tables any more, or is another, smaller file.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Amount;
use crate::model::fingerprint::{Fingerprint, INTAKE_FOLDERS, REMADE_FOLDERS, Store, StoreKind, Survivors};
use crate::model::plan::MountPlan;
use crate::model::service::ServiceName;
use crate::model::units::amount;
use crate::worker::client::Worker;
use crate::worker::protocol::CompareJob;

use crate::rehearse::restore::failure::mount_diagnosis;
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::state::{Booted, MountedPlace};

/// The restored data of a service that must still be there once it is well.
pub(in crate::rehearse) fn places_to_look_at(booted: &Booted) -> impl Iterator<Item = (&MountedPlace, &Fingerprint)> {
    let kept = booted.mounts.iter().filter(|mounted| is_kept(&mounted.mount));
    kept.filter_map(|mounted| Some((mounted, mounted.place.inspected.fingerprint.as_ref()?)))
}

/// Checks that the restored data of a mount is still there, and returns what was found of it. The worker that restored
/// it looks again: to keep it costs less than another container.
pub(in crate::rehearse) async fn is_still_there(
    name: &ServiceName,
    (mounted, held): (&MountedPlace, &Fingerprint),
    worker: &Worker,
) -> Diagnosed<Survivors> {
    let mount = &mounted.mount.mount;
    let doing = || format!("looking whether {} is still there", mount.title());
    let job = CompareJob { path: mounted.place.path.clone(), sample: held.sample.clone(), since: held.mark };
    let kept = worker.run(job).await.map_err(|error| mount_diagnosis(&error, mount, &doing()))?;
    match loss(held, &kept) {
        None => Ok(kept),
        Some(Loss { what, remedy }) => {
            let message = format!(
                "{name} is well, but does not run on the data that was restored into {}: {what}",
                mount.place()
            );
            Err(Diagnosis { remedy, ..Diagnosis::new(Code::DataReinitialised, message) })
        }
    }
}

/// Whether the data of a mount must still be there after the service's start.
pub(in crate::rehearse) fn is_kept(mount: &MountPlan) -> bool {
    !mount.mount.read_only && !is_passing(&mount.mount.target)
}

/// Whether a mount has the name of a folder that services empty (cache, tmp and the like).
fn is_passing(target: &str) -> bool {
    let name = target.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    REMADE_FOLDERS.iter().chain(&INTAKE_FOLDERS).any(|folder| folder.eq_ignore_ascii_case(name))
}

/// What of a place was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Loss {
    /// What happened, as the end of a sentence.
    what: String,
    /// What to do, when more is known than the code's remedy.
    remedy: Option<String>,
}

fn loss(held: &Fingerprint, kept: &Survivors) -> Option<Loss> {
    store_loss(held, kept).or_else(|| {
        let bytes: u64 = held.sample.iter().map(|sample| sample.size).sum();
        let files = held.sample.len() as u64;
        // Empty files are markers, not data: at least one lost file must have had bytes.
        let mostly = kept.gone.files * 2 > files && kept.gone.bytes * 2 > bytes;
        mostly.then(|| {
            let names: Vec<&str> =
                kept.which.iter().filter_map(|at| held.names.get(*at as usize)).map(String::as_str).collect();
            let named = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
            Loss {
                what: format!(
                    "of {}, {} were deleted, emptied, replaced or put aside{named}",
                    amount(Amount { files, bytes }),
                    amount(kept.gone)
                ),
                remedy: None,
            }
        })
    })
}

fn store_loss(held: &Fingerprint, kept: &Survivors) -> Option<Loss> {
    held.stores.iter().find_map(|before| match before.kind {
        StoreKind::Postgres | StoreKind::MySql => cluster_loss(before, held, kept),
        StoreKind::RedisDump => dump_ignored(before, held, kept),
        StoreKind::Sqlite => sqlite_loss(before, held, kept),
        StoreKind::RedisLog => log_overwritten(before, held, kept),
        StoreKind::Mongo => None,
    })
}

/// Redis knows the parts of its log from a list. Without the list it begins the first part over what lies there. A
/// rewritten base has another name, so another file under the same one was begun anew.
fn log_overwritten(before: &Store, held: &Fingerprint, kept: &Survivors) -> Option<Loss> {
    let has_keys = held.stores.iter().any(|store| store.kind.is_like(StoreKind::RedisLog) && store.full);
    let is_base = [".base.aof", ".base.rdb"].iter().any(|ending| before.file.ends_with(ending));
    let is_part = is_base || before.file.ends_with(".incr.aof");
    let now = kept.stores.iter().find(|now| now.kind == StoreKind::RedisLog && now.file == before.file)?;
    let is_other = is_base && now.identity != before.identity;
    (has_keys && (is_other || is_part && before.full && !now.full)).then(|| Loss {
        what: format!(
            "a part of the append-only log was begun anew over the restored one: {} is another, and the restored keys \
             were not read",
            before.file
        ),
        remedy: Some(
            "Back up the whole folder of the log: without its list of files (appendonlydir/*.manifest), Redis begins \
             a new log."
                .to_owned(),
        ),
    })
}

fn cluster_loss(before: &Store, held: &Fingerprint, kept: &Survivors) -> Option<Loss> {
    let title = if before.kind == StoreKind::Postgres { "PostgreSQL cluster" } else { "MariaDB or MySQL tablespace" };
    // A cluster of another version is an upgrade of the old one, not a loss.
    let anew =
        |now: &&Store| now.kind == before.kind && now.identity != before.identity && now.version == before.version;
    if let Some(now) = kept.stores.iter().filter(anew).find(|now| now.file == before.file) {
        let what = format!("the {title} was made anew: {} is not the one that was restored", now.file);
        return Some(Loss { what, remedy: None });
    }
    let new = |now: &&Store| !held.stores.iter().any(|known| known.kind == now.kind && known.file == now.file);
    kept.stores.iter().filter(anew).find(new).map(|now| Loss {
        what: format!("a new {title} was made beside the restored one: {} beside {}", now.file, before.file),
        remedy: Some(
            "Check where the service looks for its data (PGDATA, datadir), and that the backup is restored to that \
             folder."
                .to_owned(),
        ),
    })
}

fn folder(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// With its append-only log on, Redis does not read a dump: where there is no log it begins an empty one.
fn dump_ignored(before: &Store, held: &Fingerprint, kept: &Survivors) -> Option<Loss> {
    let beside = |store: &&Store| {
        store.kind == StoreKind::RedisLog
            && (folder(&store.file) == folder(&before.file) || folder(folder(&store.file)) == folder(&before.file))
    };
    if !before.full || held.stores.iter().any(|store| beside(&store)) {
        return None;
    }
    let mut logs = kept.stores.iter().filter(beside).peekable();
    let log = logs.peek()?.file.clone();
    // The commands that came since go into files of their own beside the base.
    let is_base = |store: &&Store| !store.file.ends_with(".incr.aof");
    let mut bases = logs.filter(is_base).peekable();
    bases.peek()?;
    bases.all(|store| !store.full).then(|| Loss {
        what: format!(
            "{} has keys and was not read: the append-only log is on, and {log} was begun without a key",
            before.file
        ),
        remedy: Some(
            "Back the append-only log up with the dump (appendonlydir, or appendonly.aof). To restore from a dump \
             alone, start once with --appendonly no, then CONFIG SET appendonly yes."
                .to_owned(),
        ),
    })
}

fn sqlite_loss(before: &Store, held: &Fingerprint, kept: &Survivors) -> Option<Loss> {
    let bytes: u64 = held.sample.iter().map(|sample| sample.size).sum();
    if !before.full || before.size * 2 <= bytes {
        return None;
    }
    let now = kept.stores.iter().find(|now| now.kind == StoreKind::Sqlite && now.file == before.file)?;
    let smaller = now.identity != before.identity && now.size * 2 < before.size;
    (!now.full || smaller).then(|| Loss {
        what: format!(
            "the database {} was made anew: it had {} bytes, and has {} bytes{} now",
            before.file,
            before.size,
            now.size,
            if now.full { "" } else { " without a table" }
        ),
        remedy: None,
    })
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::model::fingerprint::{AccessMark, Accessed, Sample};

    fn store(kind: StoreKind, file: &str, identity: u64) -> Store {
        Store { kind, file: file.to_owned(), identity, size: 1000, full: true, log: false, version: String::new() }
    }

    fn held(sizes: &[u64], stores: &[Store]) -> Fingerprint {
        let sample = |(path, size): (usize, &u64)| Sample {
            path: path as u64,
            size: *size,
            start: 0,
            content: 0,
            identity: path as u64,
        };
        Fingerprint {
            amount: Amount { files: sizes.len() as u64, bytes: sizes.iter().sum() },
            sample: sizes.iter().enumerate().map(sample).collect(),
            names: (0..sizes.len()).map(|at| format!("file{at}")).collect(),
            stores: stores.to_vec(),
            mark: AccessMark::default(),
        }
    }

    fn kept(gone: (u64, u64), stores: &[Store]) -> Survivors {
        Survivors {
            gone: Amount { files: gone.0, bytes: gone.1 },
            which: (0..gone.0 as u32).collect(),
            stores: stores.to_vec(),
            accessed: Accessed::default(),
        }
    }

    #[test]
    fn more_than_half_of_the_files_and_of_their_bytes_must_be_gone() {
        for (sizes, gone, lost) in [
            (&[100, 10, 10][..], (0, 0), false),
            (&[100, 10, 10], (1, 100), false),
            (&[100, 10, 10], (2, 20), false),
            (&[100, 10, 10], (2, 110), true),
            (&[100, 10], (1, 100), false),
            (&[100], (1, 100), true),
            (&[0], (1, 0), false),
        ] {
            let found = loss(&held(sizes, &[]), &kept(gone, &[]));
            assert_eq!(found.is_some(), lost, "{gone:?} of {sizes:?}: {found:?}");
            assert!(found.is_none_or(|loss| loss.what.contains("file0")));
        }
    }

    #[test]
    fn a_cluster_that_is_another_was_made_anew_unless_it_was_upgraded() {
        let of = |file: &str, identity, version: &str| Store {
            version: version.to_owned(),
            ..store(StoreKind::Postgres, file, identity)
        };
        let old = of("15/global/pg_control", 1, "15");
        let lost = |now: &[Store]| loss(&held(&[9, 9, 9], from_ref(&old)), &kept((0, 0), now)).is_some();
        assert!(!lost(from_ref(&old)));
        assert!(lost(&[of("15/global/pg_control", 2, "15")]));
        assert!(!lost(&[of("15/global/pg_control", 2, "16")]), "upgraded where it is");
        assert!(!lost(&[old.clone(), of("16/global/pg_control", 2, "16")]), "upgraded beside");
        assert!(!lost(&[old.clone(), of("copy/global/pg_control", 1, "15")]), "its own copy");
        assert!(lost(&[old.clone(), of("data/global/pg_control", 2, "15")]), "begun beside");
        assert!(
            loss(
                &held(&[9], &[store(StoreKind::MySql, "ibdata1", 1)]),
                &kept((0, 0), &[store(StoreKind::MySql, "ibdata1", 2)])
            )
            .is_some()
        );
    }

    #[test]
    fn a_part_of_a_log_that_is_begun_over_the_restored_one_is_a_loss() {
        let empty = |file: &str| Store { full: false, ..store(StoreKind::RedisLog, file, 5) };
        let lost = |file: &str, now: &[Store]| {
            let held = held(&[9], &[store(StoreKind::RedisLog, file, 5)]);
            loss(&held, &kept((0, 0), now)).is_some_and(|loss| loss.what.contains(file))
        };
        let (base, incr) = ("appendonlydir/a.1.base.rdb", "appendonlydir/a.1.incr.aof");
        assert!(lost(base, &[empty(base)]) && lost(incr, &[empty(incr)]));
        assert!(!lost(incr, &[store(StoreKind::RedisLog, incr, 5)]), "read and kept");
        let anew = Store { identity: 6, ..empty(base) };
        let of_log = |parts: &[Store]| loss(&held(&[9], parts), &kept((0, 0), from_ref(&anew))).is_some();
        assert!(of_log(&[empty(base), store(StoreKind::RedisLog, incr, 5)]), "all keys are in the newest part");
        assert!(!of_log(&[empty(base)]), "there was no key");
        assert!(!lost(incr, &[empty("appendonlydir/a.2.incr.aof")]), "rewritten");
        assert!(!lost("appendonly.aof", &[empty("appendonly.aof")]), "one file that is rewritten in its place");
    }

    #[test]
    fn a_dump_is_ignored_when_a_log_begins_without_keys_beside_it() {
        let empty = |file: &str| Store { full: false, ..store(StoreKind::RedisLog, file, 5) };
        let full = |file: &str| store(StoreKind::RedisLog, file, 5);
        let dump = store(StoreKind::RedisDump, "dump.rdb", 1);
        let lost = |before: &[Store], now: &[Store]| loss(&held(&[9], before), &kept((0, 0), now)).is_some();
        let base = "appendonlydir/appendonly.aof.1.base.rdb";
        let incr = "appendonlydir/appendonly.aof.1.incr.aof";
        assert!(lost(from_ref(&dump), &[dump.clone(), empty(base), empty(incr)]));
        assert!(lost(from_ref(&dump), &[dump.clone(), empty(base), full(incr)]), "somebody has written since");
        assert!(lost(from_ref(&dump), &[dump.clone(), empty("appendonly.aof")]));
        assert!(!lost(from_ref(&dump), &[dump.clone(), full(base), empty(incr)]), "it was read after all");
        assert!(!lost(from_ref(&dump), from_ref(&dump)));
        let next = "appendonlydir/appendonly.aof.2.base.rdb";
        assert!(!lost(&[dump.clone(), full(base)], &[dump.clone(), empty(next)]), "the log was restored, too");
        assert!(!lost(&[Store { full: false, ..dump.clone() }], &[dump.clone(), empty(base)]));
        assert!(!lost(from_ref(&dump), &[dump.clone(), empty("other/place/appendonlydir/a.base.rdb")]));
    }

    #[test]
    fn the_main_database_must_have_its_tables() {
        let of = |identity, size, full| Store { size, full, ..store(StoreKind::Sqlite, "app.db", identity) };
        let lost =
            |sizes: &[u64], now: Store| loss(&held(sizes, &[of(1, 1000, true)]), &kept((0, 0), &[now])).is_some();
        assert!(!lost(&[1000, 9], of(1, 1200, true)));
        assert!(lost(&[1000, 9], of(1, 1000, false)));
        assert!(lost(&[1000, 9], of(2, 400, true)));
        assert!(!lost(&[1000, 9], of(2, 900, true)), "written anew, as a vacuum into another file does");
        assert!(!lost(&[1000, 1001], of(2, 400, true)), "it is not the main one");
    }
}
