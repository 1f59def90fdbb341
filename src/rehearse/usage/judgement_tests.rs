//! Tests of the judgement: which facts are a failure, which a warning, and which nothing.

use super::*;
use crate::model::event::Amount;
use crate::model::fingerprint::{AccessMark, Accessed, Moment, Sample};
use crate::model::mount::MountOrigin;
use crate::model::sampled::Sampled;

const NOTES_ALL: AccessMark = AccessMark { at: MOMENT, uptime: MOMENT, changes: true, reads: true };
const MOMENT: Moment = Moment { seconds: 5, nanoseconds: 0 };

fn mount(target: &str) -> Mount {
    let origin = MountOrigin::Volume { name: "app".to_owned(), driver: "local".to_owned() };
    Mount { target: target.to_owned(), origin, read_only: false }
}

fn store(kind: StoreKind, file: &str) -> Store {
    Store { kind, file: file.to_owned(), identity: 1, size: 1000, full: true, log: false, version: String::new() }
}

fn held(stores: &[Store], mark: AccessMark) -> Fingerprint {
    Fingerprint {
        amount: Amount { files: 3, bytes: 30 },
        sample: vec![Sample { path: 1, size: 10, start: 0, content: 0, identity: 1 }],
        names: vec!["file".to_owned()],
        stores: stores.to_vec(),
        mark,
    }
}

fn kept(stores: &[Store], files: u64, accessed: &[u32]) -> Survivors {
    Survivors {
        gone: Amount::default(),
        which: Vec::new(),
        stores: stores.to_vec(),
        accessed: Accessed { files, beside: Sampled::default(), stores: accessed.to_vec() },
    }
}

fn elsewhere(kind: StoreKind, file: &str) -> ElsewhereStore {
    ElsewhereStore { kind, file: file.to_owned(), place: OWN_LAYER.to_owned() }
}

#[test]
fn the_same_files_in_a_folder_of_another_name_are_a_new_beginning() {
    let of = |held: &[&str], new: &[&str]| {
        let [held, new] = [held, new].map(|names| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        sibling(&held, &new).is_some()
    };
    assert!(of(&["rabbit@old/db/x", "cookie"], &["rabbit@new/db/x"]));
    assert!(!of(&["rabbit@old/db/x"], &["rabbit@new/db/y"]), "another file");
    assert!(!of(&["rabbit@old/db/x", "rabbit@new/db/y"], &["rabbit@new/db/x"]), "the folder was restored");
    assert!(!of(&["2026-11-29/x"], &["2026-11-30/x"]), "another day");
    assert!(!of(&["note"], &["new/note"]) && !of(&[], &["new/note"]));
    let fingerprint = Fingerprint { names: vec!["one/note".to_owned()], ..held(&[], NOTES_ALL) };
    let mut beside = Sampled::default();
    beside.add(|| "two/note".to_owned());
    let survivors = Survivors { accessed: Accessed { beside, ..Accessed::default() }, ..kept(&[], 0, &[]) };
    let mount = mount("/data");
    let seen = [SeenMount { mount: &mount, held: &fingerprint, kept: &survivors }];
    let none = ServiceFacts { programs: &[], elsewhere: &[] };
    let told = failure(&ServiceName::lone("app"), &suspect(&seen, true), &none).expect("it is told");
    assert_eq!(told.code, Code::DataReinitialised);
    assert!(told.message.contains("two/note beside one/note"), "{told}");
    let used = Survivors { accessed: Accessed { files: 1, ..survivors.accessed.clone() }, ..survivors.clone() };
    let seen = [SeenMount { kept: &used, ..seen[0] }];
    assert!(failure(&ServiceName::lone("app"), &suspect(&seen, true), &none).is_none());
}

/// Programs that run, and stores where nothing was restored.
struct Facts(Vec<String>, Vec<ElsewhereStore>);

fn facts(programs: &[&str], elsewhere: &[ElsewhereStore]) -> Facts {
    Facts(programs.iter().map(|&name| name.to_owned()).collect(), elsewhere.to_vec())
}

/// How a service with this one mount is judged: the failure's message, or the warning's.
fn judged(held: &Fingerprint, kept: &Survivors, facts: &Facts) -> (Option<String>, Option<String>) {
    let mount = mount("/data");
    let seen = [SeenMount { mount: &mount, held, kept }];
    let suspicion = suspect(&seen, true);
    let name = ServiceName::lone("app");
    let failure = failure_of(&suspicion, facts);
    assert!(failure.iter().all(|failure| failure.code == Code::DataUnused), "{failure:?}");
    (failure.map(|failure| failure.message), not_used(&name, &suspicion).map(|warning| warning.message))
}

#[test]
fn a_server_that_has_not_read_its_restored_store_fails() {
    for (kind, file, server) in [
        (StoreKind::Postgres, "global/pg_control", "postgres"),
        (StoreKind::MySql, "ibdata1", "mariadbd"),
        (StoreKind::RedisDump, "dump.rdb", "redis-server"),
        (StoreKind::Mongo, "WiredTiger", "mongod"),
    ] {
        let stores = [store(kind, file)];
        let held = held(&stores, NOTES_ALL);
        let (failure, _) = judged(&held, &kept(&stores, 0, &[]), &facts(&["sh", server], &[]));
        assert!(failure.as_ref().is_some_and(|words| words.contains(server) && words.contains(file)), "{failure:?}");
        let (failure, _) = judged(&held, &kept(&stores, 9, &[0]), &facts(&["sh", server], &[]));
        assert_eq!(failure, None, "it was read");
        let (failure, warning) = judged(&held, &kept(&stores, 0, &[]), &facts(&["sh", "sleep"], &[]));
        assert!(failure.is_none() && warning.is_some(), "a program that only holds the volume");
        // Another file of the mount was read: a configuration, for example.
        let (failure, _) = judged(&held, &kept(&stores, 1, &[]), &facts(&[server], &[]));
        assert!(failure.is_some(), "{kind:?}");
    }
}

/// The cluster before an upgrade, a dump beside the log: one store of a kind is what a server reads.
#[test]
fn an_old_store_beside_the_one_that_is_used_is_no_failure() {
    for (used, old, server) in [
        (
            store(StoreKind::Postgres, "15/global/pg_control"),
            store(StoreKind::Postgres, "14/global/pg_control"),
            "postgres",
        ),
        (
            store(StoreKind::RedisLog, "appendonlydir/a.1.base.rdb"),
            store(StoreKind::RedisDump, "dump.rdb"),
            "redis-server",
        ),
    ] {
        let stores = [used, old];
        let (failure, _) = judged(&held(&stores, NOTES_ALL), &kept(&stores, 1, &[0]), &facts(&[server], &[]));
        assert_eq!(failure, None);
        let (failure, _) = judged(&held(&stores, NOTES_ALL), &kept(&stores, 1, &[]), &facts(&[server], &[]));
        assert!(failure.is_some(), "neither is read");
    }
}

#[test]
fn a_store_of_the_same_kind_elsewhere_is_what_the_service_uses() {
    let stores = [store(StoreKind::Sqlite, "notes.db")];
    let other = [elsewhere(StoreKind::Sqlite, "/tmp/notes.db")];
    let noted = held(&stores, NOTES_ALL);
    let (failure, _) = judged(&noted, &kept(&stores, 1, &[]), &facts(&[], &other));
    assert!(failure.is_some_and(|words| words.contains("/tmp/notes.db") && words.contains("(notes.db)")));
    let (failure, _) = judged(&noted, &kept(&stores, 1, &[0]), &facts(&[], &other));
    assert_eq!(failure, None, "the restored one is used, too");
    let (failure, warning) = judged(&noted, &kept(&stores, 0, &[]), &facts(&[], &[]));
    assert!(failure.is_none() && warning.is_some(), "it may be opened when it is asked for");
    let other_kind = [elsewhere(StoreKind::Postgres, "/var/lib/postgresql/data/global/pg_control")];
    assert_eq!(judged(&noted, &kept(&stores, 1, &[]), &facts(&[], &other_kind)).0, None);
}

#[test]
fn where_the_file_system_notes_nothing_only_another_store_of_a_server_tells() {
    let blind = |stores: &[Store]| held(stores, AccessMark::default());
    let cluster = [store(StoreKind::Postgres, "global/pg_control")];
    let anew = [elsewhere(StoreKind::Postgres, "/var/lib/postgresql/18/docker/global/pg_control")];
    let idle = kept(&cluster, 0, &[]);
    assert_eq!(judged(&blind(&cluster), &idle, &facts(&["postgres"], &[])), (None, None));
    let (failure, warning) = judged(&blind(&cluster), &idle, &facts(&["postgres"], &anew));
    assert!(failure.is_some() && warning.is_none());
    let database = [store(StoreKind::Sqlite, "app.db")];
    let cache = [elsewhere(StoreKind::Sqlite, "/app/cache.db")];
    assert_eq!(judged(&blind(&database), &kept(&database, 0, &[]), &facts(&[], &cache)), (None, None));
}

#[test]
fn a_service_that_reads_nothing_and_begins_a_server_elsewhere_fails() {
    let held = held(&[], NOTES_ALL);
    let anew = [elsewhere(StoreKind::MySql, "/srv/db/ibdata1")];
    let (failure, _) = judged(&held, &kept(&[], 0, &[]), &facts(&[], &anew));
    assert!(failure.is_some_and(|words| words.contains("/srv/db/ibdata1") && words.contains("at /data")));
    assert_eq!(judged(&held, &kept(&[], 1, &[]), &facts(&[], &anew)).0, None, "it has read its configuration");
    let cache = [elsewhere(StoreKind::Sqlite, "/app/cache.db")];
    assert_eq!(judged(&held, &kept(&[], 0, &[]), &facts(&[], &cache)).0, None, "many programs have such a file");
    // A mount that could not be looked at may hold what the server uses.
    let (at, kept) = (mount("/data"), kept(&[], 0, &[]));
    let seen = [SeenMount { mount: &at, held: &held, kept: &kept }];
    assert!(failure_of(&suspect(&seen, false), &facts(&[], &anew)).is_none());
}

fn failure_of(suspicion: &Suspicion<'_>, Facts(programs, elsewhere): &Facts) -> Option<Diagnosis> {
    failure(&ServiceName::lone("app"), suspicion, &ServiceFacts { programs, elsewhere })
}

#[test]
fn the_warning_names_the_mount_and_what_was_made_beside_its_files() {
    let held = held(&[], NOTES_ALL);
    let mut untouched = kept(&[], 0, &[]);
    for number in 0..5 {
        untouched.accessed.beside.add(|| format!("new/{number}"));
    }
    let (_, warning) = judged(&held, &untouched, &facts(&[], &[]));
    assert_eq!(
        warning.as_deref(),
        Some(
            "since the start of app, nothing has read or changed the 3 restored files of volume app at /data (beside \
             them, the service has made new/0, new/1, new/2 and 2 more)"
        )
    );
    assert_eq!(judged(&held, &kept(&[], 1, &[]), &facts(&[], &[])), (None, None));
    let gone = Survivors { gone: Amount { files: 1, bytes: 0 }, ..kept(&[], 0, &[]) };
    assert_eq!(judged(&held, &gone, &facts(&[], &[])), (None, None), "it has removed one");
}

#[test]
fn a_store_that_was_begun_where_nothing_was_restored_is_told_unless_a_restored_one_is_used() {
    let name = ServiceName::lone("app");
    let mount = mount("/config");
    let emptied = |kind, file: &str| ElsewhereStore {
        place: "volume db at /var/lib/mysql, which was left empty".to_owned(),
        ..elsewhere(kind, file)
    };
    let told = |held: &Fingerprint, kept: &Survivors, anew: ElsewhereStore| {
        begun_anew(&name, &[SeenMount { mount: &mount, held, kept }], &[anew])
    };
    let read = kept(&[], 1, &[]);
    for anew in [
        emptied(StoreKind::MySql, "/var/lib/mysql/ibdata1"),
        emptied(StoreKind::Sqlite, "/var/lib/mysql/app.db"),
        elsewhere(StoreKind::MySql, "/srv/ibdata1"),
    ] {
        let file = anew.file.clone();
        let warning = told(&held(&[], NOTES_ALL), &read, anew).expect("a warning");
        assert_eq!(warning.code, Code::DataNothingRestored);
        assert!(warning.message.contains(&file), "{warning}");
    }
    let own = elsewhere(StoreKind::Sqlite, "/app/sessions.db");
    assert_eq!(told(&held(&[], NOTES_ALL), &read, own), None, "many programs have such a file");
    let stores = [store(StoreKind::MySql, "ibdata1")];
    let anew = emptied(StoreKind::MySql, "/var/lib/mysql/ibdata1");
    assert_eq!(told(&held(&stores, NOTES_ALL), &kept(&stores, 1, &[0]), anew), None);
    assert!(begun_anew(&name, &[], &[]).is_none());
}

#[test]
fn only_a_suspicion_costs_a_question() {
    let mount = mount("/data");
    let stores = [store(StoreKind::Postgres, "global/pg_control")];
    let asks = |stores: &[Store], accessed: &[u32], may_be_server| {
        let (held, kept) = (held(stores, NOTES_ALL), kept(stores, accessed.len() as u64, accessed));
        let seen = [SeenMount { mount: &mount, held: &held, kept: &kept }];
        let suspicion = suspect(&seen, true);
        (suspicion.asks_for_programs(), suspicion.asks_for_stores(may_be_server))
    };
    assert_eq!(asks(&stores, &[0], true), (false, false), "a server on its restored store");
    assert_eq!(asks(&[], &[], false), (false, false), "an application that reads its data when it is asked");
    assert_eq!(asks(&stores, &[], false), (true, true));
    assert_eq!(asks(&[], &[], true), (false, true));
}
