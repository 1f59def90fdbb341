//! Finds the data stores that a service keeps where nothing was restored: in its container's own layer, in memory, and
//! in volumes that were left empty or left out.

use std::time::Duration;

use crate::docker::ExecOutput;
use crate::model::fingerprint::{AccessMark, StoreKind};
use crate::model::mount::{MountOrigin, Strategy};
use crate::model::plan::MountPlan;
use crate::rehearse::inspect::retention::is_kept;
use crate::rehearse::restore::failure::mount_diagnosis;
use crate::rehearse::running::RunningService;
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::state::{Booted, MountedPlace};
use crate::worker::client::Worker;
use crate::worker::protocol::CompareJob;

use super::judgement::{ElsewhereStore, OWN_LAYER};

/// Endings of the names of SQLite databases.
const SQLITE_ENDINGS: [&str; 6] = [".db", ".db3", ".sqlite", ".sqlite3", ".sqlitedb", ".s3db"];
/// The first bytes of an SQLite database.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";
/// Most files that are opened to see whether they are SQLite databases.
const MOST_OPENED: usize = 20;
/// The files by which the store of a server is known at the top of a volume.
const MARKS: [(StoreKind, &str); 5] = [
    (StoreKind::Postgres, "global/pg_control"),
    (StoreKind::MySql, "ibdata1"),
    (StoreKind::RedisDump, "dump.rdb"),
    (StoreKind::RedisLog, "appendonlydir/appendonly.aof.manifest"),
    (StoreKind::Mongo, "WiredTiger"),
];
/// The folder of every container that is in memory.
const SHARED_MEMORY: &str = "/dev/shm";
/// Longest time for the search in memory.
const PATIENCE: Duration = Duration::from_secs(20);
/// `NAME FOLDER…`: prints the SQLite databases of this name in these folders.
const FIND_DATABASES: &str = r#"
name=$1; shift
find "$@" -type f -name "$name" 2>/dev/null | head -n 20 | while IFS= read -r file; do
  case $(head -c 15 "$file" 2>/dev/null) in "SQLite format 3") printf '%s\n' "$file" ;; esac
done
"#;
/// Databases of SQLite that programs keep about themselves: certificates of NSS.
const NO_DATA: [&str; 2] = ["cert9.db", "key4.db"];

/// The stores in the container's own layer. An engine that cannot list them leaves the question open.
pub(super) async fn in_own_layer(running: RunningService<'_>) -> Vec<ElsewhereStore> {
    let insides = running.insides();
    let changes = match insides.layer_changes(|path| store_kind(path).is_some()).await {
        Ok(changes) => changes,
        Err(error) => {
            tracing::debug!(%error, service = %running.name(), "its own layer cannot be looked at");
            return Vec::new();
        }
    };
    if let Some(looked_at) = changes.cut_after {
        tracing::warn!(
            service = %running.name(),
            "more than {looked_at} files changed in the container's own layer; whether a data store is among the rest \
             was not looked at"
        );
    }
    let (mut found, mut opened) = (Vec::new(), 0);
    for path in changes.paths {
        let Some(kind) = store_kind(&path) else { continue };
        if kind == StoreKind::Sqlite {
            opened += 1;
            let is_one = opened <= MOST_OPENED
                && matches!(insides.file_head(&path, SQLITE_MAGIC.len()).await, Ok(head) if head == SQLITE_MAGIC);
            if !is_one {
                continue;
            }
        }
        found.push(ElsewhereStore { kind, file: path, place: OWN_LAYER.to_owned() });
    }
    found
}

/// The SQLite databases in memory (tmpfs mounts, and the container's shared memory) with the name of a restored one.
/// Many programs keep databases of other names there that hold no data. A container without a shell is not looked into.
pub(super) async fn in_memory(running: RunningService<'_>, names: &[&str]) -> Vec<ElsewhereStore> {
    let mounts = running.plan.mounts.iter().filter(|plan| matches!(plan.mount.origin, MountOrigin::Tmpfs { .. }));
    let folders: Vec<&str> = mounts.map(|plan| plan.mount.target.as_str()).chain([SHARED_MEMORY]).collect();
    let mut stores = Vec::new();
    for name in names {
        let words = ["sh", "-c", FIND_DATABASES, "sh", name].into_iter().chain(folders.iter().copied());
        let command: Vec<String> = words.map(str::to_owned).collect();
        let found = match running.insides().exec(None, &[], &command, PATIENCE).await {
            Ok(ExecOutput::Ended { stdout, .. }) => String::from_utf8_lossy(&stdout).into_owned(),
            Ok(ExecOutput::NotStarted(_)) => return stores,
            Err(error) => {
                tracing::debug!(%error, service = %running.name(), "its memory cannot be looked at");
                return stores;
            }
        };
        let of = |file: &str| ElsewhereStore {
            kind: StoreKind::Sqlite,
            file: file.to_owned(),
            place: "memory, which no backup holds".to_owned(),
        };
        stores.extend(found.lines().map(of));
    }
    stores
}

/// The kind of store that a file of the container is the mark of, by its path; `None`: of none.
fn store_kind(path: &str) -> Option<StoreKind> {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name {
        "pg_control" if path.ends_with("/global/pg_control") => Some(StoreKind::Postgres),
        "ibdata1" => Some(StoreKind::MySql),
        "WiredTiger" => Some(StoreKind::Mongo),
        "dump.rdb" => Some(StoreKind::RedisDump),
        _ if name.ends_with(".aof") || name.ends_with(".base.rdb") => Some(StoreKind::RedisLog),
        _ if NO_DATA.contains(&name) || path.contains("/.cache/") || path.starts_with("/var/cache/") => None,
        _ => {
            let name = name.to_ascii_lowercase();
            SQLITE_ENDINGS.iter().any(|ending| name.ends_with(ending)).then_some(StoreKind::Sqlite)
        }
    }
}

/// The mounts of a service that were left empty, as somebody asked, and that are meant to keep data. One that is filled
/// from a dump is not among them.
pub(super) fn emptied_mounts(booted: &Booted) -> impl Iterator<Item = &MountedPlace> {
    booted.mounts.iter().filter(|mounted| {
        mounted.mount.strategy == Strategy::Empty
            && !booted.begins_anew
            && !matches!(mounted.mount.mount.origin, MountOrigin::Dump { .. })
            && is_kept(&mounted.mount)
    })
}

/// The stores at the targets of volumes that were left out. For a folder that the image declares as a volume the engine
/// has made an empty one, which no worker sees and which is not in the container's own layer.
pub(super) async fn omitted_stores(running: RunningService<'_>) -> Vec<ElsewhereStore> {
    let mut stores = Vec::new();
    let is_omitted = |plan: &&MountPlan| {
        plan.strategy == Strategy::Omit && matches!(plan.mount.origin, MountOrigin::Volume { .. }) && is_kept(plan)
    };
    for MountPlan { mount, .. } in running.plan.mounts.iter().filter(is_omitted) {
        for (kind, mark) in MARKS {
            let file = format!("{}/{mark}", mount.target.trim_end_matches('/'));
            if running.insides().file_head(&file, 1).await.is_ok_and(|head| !head.is_empty()) {
                stores.push(ElsewhereStore { kind, file, place: format!("{}, which was left out", mount.place()) });
            }
        }
    }
    stores
}

/// The stores that were made in an emptied mount.
pub(super) async fn in_emptied(mounted: &MountedPlace, worker: &Worker) -> Diagnosed<Vec<ElsewhereStore>> {
    let mount = &mounted.mount.mount;
    let doing = || format!("looking at {}, which was left empty", mount.title());
    let job = CompareJob { path: mounted.place.path.clone(), sample: Vec::new(), since: AccessMark::default() };
    let now = worker.run(job).await.map_err(|error| mount_diagnosis(&error, mount, &doing()))?;
    let in_container = |file: &str| format!("{}/{file}", mount.target.trim_end_matches('/'));
    let of = |kind, file: &str| ElsewhereStore {
        kind,
        file: in_container(file),
        place: format!("{}, which was left empty", mount.place()),
    };
    Ok(now.stores.iter().filter(|store| store.holds_data()).map(|store| of(store.kind, &store.file)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_known_by_the_path_of_its_mark() {
        for (path, kind) in [
            ("/var/lib/postgresql/18/docker/global/pg_control", Some(StoreKind::Postgres)),
            ("/srv/pg_control", None),
            ("/srv/db/ibdata1", Some(StoreKind::MySql)),
            ("/tmp/dump.rdb", Some(StoreKind::RedisDump)),
            ("/tmp/appendonlydir/appendonly.aof.1.base.rdb", Some(StoreKind::RedisLog)),
            ("/tmp/appendonlydir/appendonly.aof.1.incr.aof", Some(StoreKind::RedisLog)),
            ("/data/db/WiredTiger", Some(StoreKind::Mongo)),
            ("/tmp/notes.db", Some(StoreKind::Sqlite)),
            ("/app/App.SQLite", Some(StoreKind::Sqlite)),
            ("/tmp/notes.db-wal", None),
            ("/root/.cache/pip/index.db", None),
            ("/var/cache/man/index.db", None),
            ("/home/app/.pki/nssdb/cert9.db", None),
        ] {
            assert_eq!(store_kind(path), kind, "{path}");
        }
    }
}
