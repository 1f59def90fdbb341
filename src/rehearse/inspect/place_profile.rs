//! The profile of a restored place: what it held before a service started on it.

use crate::model::fingerprint::{Store, StoreKind};
use crate::model::mount::MountOrigin;
use crate::model::plan::{DataSource, RestorePlan};
use crate::model::profile::{FolderProfile, MOST_STORES, MountProfile, StoreProfile, TableProfile};
use crate::worker::protocol::{DatabaseTables, FileTally, Inspected, TreeTally};

/// The profile of a place by what the worker found; `None` for live data, for a dump, which a server turns into
/// something else, and for what could not be counted.
pub(super) fn place_profile(plan: &RestorePlan, found: &Inspected) -> Option<MountProfile> {
    if plan.supply == DataSource::Live || matches!(plan.mount.origin, MountOrigin::Dump { .. }) {
        return None;
    }
    let databases = found.databases.iter().flat_map(|databases| &databases.tables);
    let mut stores: Vec<StoreProfile> = databases.map(of_database).collect();
    let others = found.fingerprint.iter().flat_map(|fingerprint| &fingerprint.stores);
    stores.extend(others.filter_map(of_store));
    stores.truncate(MOST_STORES);
    let exclude = plan.witness.exclude.clone();
    let mut profile = MountProfile { stores, zeros_known: true, exclude, ..MountProfile::default() };
    match &found.tally {
        Some(TreeTally { all, folders, zeros_known }) => {
            let FileTally { files, bytes, empty, zeros } = *all;
            let folder = |(folder, tally): &(String, FileTally)| {
                let FileTally { files, bytes, empty, zeros } = *tally;
                FolderProfile { folder: folder.clone(), files, bytes, empty, zeros }
            };
            let folders = folders.iter().map(folder).collect();
            profile = MountProfile { files, bytes, empty, zeros, zeros_known: *zeros_known, folders, ..profile };
        }
        // A mount that is a single file has no folders.
        None if profile.stores.is_empty() => return None,
        None => {}
    }
    Some(profile)
}

fn of_database(database: &DatabaseTables) -> StoreProfile {
    let table = |(table, rows): &(String, Option<u64>)| TableProfile { table: table.clone(), rows: *rows };
    StoreProfile {
        kind: "sqlite".to_owned(),
        file: database.path.clone(),
        identity: None,
        tables: database.tables.iter().flatten().map(table).collect(),
        tables_known: database.tables.is_some(),
    }
}

/// A store of a server. The files of the others are known by their inodes alone, which are new in each restore.
fn of_store(store: &Store) -> Option<StoreProfile> {
    let (kind, identity) = match store.kind {
        StoreKind::Postgres => ("postgres", Some(store.identity.to_string())),
        StoreKind::MySql => ("mysql", None),
        StoreKind::RedisDump | StoreKind::RedisLog => ("redis", None),
        StoreKind::Mongo => ("mongo", None),
        StoreKind::Sqlite => return None,
    };
    Some(StoreProfile {
        kind: kind.to_owned(),
        file: store.file.clone(),
        identity,
        tables: Vec::new(),
        tables_known: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fingerprint::{AccessMark, Fingerprint};
    use crate::model::host_tree::HostTree;
    use crate::model::sample;
    use crate::model::witness::WitnessPlan;
    use crate::worker::protocol::{Databases, RootKind};

    fn plan(supply: DataSource) -> RestorePlan {
        let witness = WitnessPlan { exclude: vec!["cache/**".to_owned()], ..WitnessPlan::default() };
        RestorePlan { witness, ..sample::restore(supply) }
    }

    fn found() -> Inspected {
        let store = |kind, file: &str| Store {
            kind,
            file: file.to_owned(),
            identity: 71,
            size: 1,
            full: true,
            log: false,
            version: String::new(),
        };
        let stores = vec![store(StoreKind::Postgres, "global/pg_control"), store(StoreKind::Sqlite, "a.db")];
        let (sample, names, mark) = (Vec::new(), Vec::new(), AccessMark::default());
        let tables = Some(vec![("notes".to_owned(), Some(3))]);
        let tables = vec![DatabaseTables { path: "a.db".to_owned(), tables, sequences: Vec::new() }];
        let tally = FileTally { files: 2, bytes: 9, empty: 1, zeros: 0 };
        Inspected {
            fingerprint: Some(Fingerprint { amount: Default::default(), sample, names, stores, mark }),
            databases: Some(Databases { tables, ..Databases::default() }),
            tally: Some(TreeTally { all: tally, folders: vec![("a".to_owned(), tally)], zeros_known: true }),
            ..Inspected::of(RootKind::Folder)
        }
    }

    #[test]
    fn a_place_of_a_backup_has_its_folders_and_stores() {
        let profile = place_profile(&plan(DataSource::HostTree(HostTree::at("/backup"))), &found()).expect("a profile");
        assert_eq!((profile.files, profile.bytes, profile.empty), (2, 9, 1));
        assert_eq!((profile.folders[0].folder.as_str(), profile.exclude), ("a", vec!["cache/**".to_owned()]));
        let stores: Vec<_> = profile.stores.iter().map(|one| (one.kind.as_str(), one.identity.as_deref())).collect();
        assert_eq!(stores, [("sqlite", None), ("postgres", Some("71"))], "each store once");
        assert_eq!(profile.stores[0].tables, [TableProfile { table: "notes".to_owned(), rows: Some(3) }]);
    }

    #[test]
    fn live_data_and_what_was_not_counted_has_none() {
        assert_eq!(place_profile(&plan(DataSource::Live), &found()), None);
        let nothing = Inspected::of(RootKind::File);
        assert_eq!(place_profile(&plan(DataSource::HostTree(HostTree::at("/backup"))), &nothing), None);
    }
}
