//! What is a loss, what is normal life, and what could not be compared.

use super::*;
use crate::model::profile::{DatabaseProfile, FolderProfile, TableProfile};

fn folder(name: &str, files: u64, bytes: u64) -> FolderProfile {
    FolderProfile { folder: name.to_owned(), files, bytes, empty: 0, zeros: 0 }
}

fn mount(folders: &[FolderProfile]) -> MountProfile {
    MountProfile {
        mount: "/data".to_owned(),
        files: folders.iter().map(|folder| folder.files).sum(),
        bytes: folders.iter().map(|folder| folder.bytes).sum(),
        empty: folders.iter().map(|folder| folder.empty).sum(),
        zeros: folders.iter().map(|folder| folder.zeros).sum(),
        zeros_known: true,
        folders: folders.to_vec(),
        stores: Vec::new(),
        exclude: Vec::new(),
    }
}

fn of(folders: &[FolderProfile]) -> Profile {
    Profile { mounts: vec![mount(folders)], ..Profile::default() }
}

fn table(name: &str, rows: u64) -> TableProfile {
    TableProfile { table: name.to_owned(), rows: Some(rows) }
}

fn sqlite(file: &str, tables: &[TableProfile]) -> StoreProfile {
    StoreProfile {
        kind: "sqlite".to_owned(),
        file: file.to_owned(),
        identity: None,
        tables: tables.to_vec(),
        tables_known: true,
    }
}

fn of_stores(stores: &[StoreProfile]) -> Profile {
    let stores = stores.to_vec();
    Profile { mounts: vec![MountProfile { stores, ..mount(&[]) }], ..Profile::default() }
}

fn of_server(tables: &[TableProfile]) -> Profile {
    let database = DatabaseProfile { database: "app".to_owned(), tables: tables.to_vec(), tables_known: true };
    Profile { databases: vec![database], server_asked: true, ..Profile::default() }
}

const TERMS: Terms<'_> = Terms {
    tolerance: Tolerance { files: 50, rows: 10, gone: false },
    same_image: true,
    from_dump: false,
    left_empty: &[],
};

fn lost(then: &Profile, now: &Profile) -> Vec<String> {
    losses(then, now, TERMS).lost
}

#[test]
fn a_folder_that_lost_more_than_half_is_told_with_both_counts() {
    let then = of(&[folder("pictures", 400, 9_000_000), folder("notes", 10, 1000)]);
    assert_eq!(lost(&then, &of(&[folder("pictures", 200, 4_500_000), folder("notes", 10, 1000)])), [""; 0], "half");
    let fewer = lost(&then, &of(&[folder("pictures", 199, 8_000_000), folder("notes", 10, 1000)]));
    assert_eq!(fewer, ["pictures of /data has 199 files with content instead of 400"]);
    let smaller = lost(&then, &of(&[folder("pictures", 400, 1_000_000), folder("notes", 10, 1000)]));
    assert_eq!(smaller, ["pictures of /data has 1.0 MB instead of 9.0 MB"]);
    let gone = lost(&then, &of(&[folder("pictures", 400, 9_000_000)]));
    assert_eq!(gone, ["notes of /data has 0 files with content instead of 10"]);
}

#[test]
fn files_of_nothing_are_no_files() {
    let then = of(&[folder("pictures", 40, 400_000)]);
    let zeros = FolderProfile { zeros: 30, ..folder("pictures", 40, 400_000) };
    assert_eq!(lost(&then, &of(std::slice::from_ref(&zeros))).len(), 1);
    let unknown = MountProfile { zeros_known: false, ..mount(&[zeros]) };
    assert_eq!(lost(&then, &Profile { mounts: vec![unknown], ..Profile::default() }), [""; 0]);
    let empty = FolderProfile { empty: 30, ..folder("pictures", 40, 400_000) };
    assert_eq!(lost(&then, &of(&[empty])).len(), 1);
}

#[test]
fn growth_small_numbers_caches_and_new_names_are_no_loss() {
    let then = of(&[folder("a", 40, 400_000), folder("cache", 900, 9_000_000), folder("queue", 90, 90)]);
    assert_eq!(lost(&then, &of(&[folder("a", 4000, 4_000_000)])), [""; 0]);
    assert_eq!(lost(&of(&[folder("a", 4, 400)]), &of(&[folder("a", 1, 40)])), [""; 0]);
    assert_eq!(lost(&of(&[folder("lock", 1, 4)]), &of(&[folder("a", 1, 40)])), [""; 0]);
    let (old, new) = (of(&[folder("v1", 400, 9_000_000)]), of(&[folder("v2", 20, 9_500_000)]));
    assert_eq!(lost(&old, &new), [""; 0], "it was compacted under another name");
}

#[test]
fn a_mount_with_too_many_folders_is_compared_as_a_whole() {
    let many = MountProfile { folders: Vec::new(), files: 4000, bytes: 1, ..mount(&[]) };
    let then = Profile { mounts: vec![many.clone()], ..Profile::default() };
    let fewer = Profile { mounts: vec![MountProfile { files: 100, ..many }], ..Profile::default() };
    assert_eq!(lost(&then, &fewer), ["/data has 100 files with content instead of 4000"]);
}

#[test]
fn rows_and_tables_that_are_gone_are_told_the_worst_first() {
    let then = of_server(&[table("notes", 1000), table("users", 50), table("tags", 20), table("old", 0)]);
    let now = of_server(&[table("notes", 899), table("users", 40)]);
    let expected = [
        "table tags of database app is gone, which had 20 rows",
        "table notes of database app has 899 rows instead of 1000",
        "table users of database app has 40 rows instead of 50",
    ];
    assert_eq!(lost(&then, &now), expected);
    let silent = losses(&then, &Profile::default(), TERMS);
    assert_eq!((silent.lost.len(), silent.not_compared.len()), (0, 1), "the server was not asked: {silent:?}");
    let emptied = Profile { server_asked: true, ..Profile::default() };
    assert_eq!(lost(&then, &emptied).len(), 3, "it was asked, and has no database");
    let grown = of_server(&[table("notes", 900), table("users", 5000), table("tags", 19)]);
    assert_eq!(lost(&then, &grown), [""; 0], "a tenth, growth, and a single row");
    let sessions = |rows| of_server(&[table("wp_sessions", rows), table("auth.token", rows), table("Job", rows)]);
    assert_eq!(lost(&sessions(1000), &sessions(0)), [""; 0]);
    assert_eq!(lost(&of_server(&[table("catalog", 1000)]), &of_server(&[table("catalog", 0)])).len(), 1);
}

#[test]
fn another_image_may_have_other_tables_and_no_fewer_rows() {
    let (then, now) = (of_server(&[table("notes", 1000), table("tags", 20)]), of_server(&[table("notes", 10)]));
    let told = losses(&then, &now, Terms { same_image: false, ..TERMS });
    assert_eq!(told.lost, ["table notes of database app has 10 rows instead of 1000"]);
    assert_eq!(told.unlike, ["table tags of database app is gone, which had 20 rows"], "told, and no failure");
}

#[test]
fn stores_and_mounts_that_are_gone_are_told_unless_others_took_their_place() {
    let rows = [table("notes", 10)];
    let then = of_stores(&[sqlite("app.db", &rows), sqlite("backups/20261129.db", &rows), sqlite("young.db", &[])]);
    let now = of_stores(&[sqlite("backups/20261130.db", &rows)]);
    assert_eq!(lost(&then, &now), ["the data store app.db of /data is gone"]);
    assert_eq!(lost(&then, &Profile::default()), ["nothing was restored into /data, which had a data store"]);
    let terms = Terms { from_dump: true, ..TERMS };
    assert_eq!(losses(&then, &Profile::default(), terms), Losses::default(), "a dump");
    let elsewhere = Profile {
        mounts: then.mounts.iter().map(|mount| MountProfile { mount: "/srv".to_owned(), ..mount.clone() }).collect(),
        ..Profile::default()
    };
    assert_eq!(lost(&then, &elsewhere), [""; 0], "the mount has another path now");
    let terms = Terms { left_empty: &["/data".to_owned()], ..TERMS };
    let meant = losses(&then, &Profile::default(), terms);
    assert_eq!((meant.lost.len(), meant.not_compared.len()), (0, 1), "{meant:?}");
    let emptied = of_stores(&[sqlite("app.db", &[]), sqlite("backups/20261130.db", &rows)]);
    assert_eq!(lost(&then, &emptied), ["table notes of app.db of /data is gone, which had 10 rows"]);
    let log = |file: &str| StoreProfile { kind: "redis".to_owned(), ..sqlite(file, &[]) };
    assert_eq!(lost(&of_stores(&[log("a.1.base.rdb")]), &of_stores(&[log("a.2.base.rdb")])), [""; 0]);
}

#[test]
fn another_instance_is_named() {
    let cluster = |id: &str| StoreProfile {
        kind: "postgres".to_owned(),
        identity: Some(id.to_owned()),
        ..sqlite("global/pg_control", &[])
    };
    let (then, now) = (of_stores(&[cluster("71")]), of_stores(&[cluster("72")]));
    let Losses { lost, unlike, .. } = losses(&then, &now, TERMS);
    assert_eq!(lost, [""; 0]);
    assert_eq!(unlike, ["global/pg_control of /data is another instance (72 instead of 71)"]);
}

#[test]
fn keys_and_what_is_tolerated() {
    let keys = |keys| Profile { keys: Some(keys), ..Profile::default() };
    assert_eq!(lost(&keys(100), &keys(49)), ["49 keys instead of 100"]);
    assert_eq!(lost(&keys(100), &keys(50)), [""; 0]);
    let silent = losses(&keys(100), &Profile::default(), TERMS);
    assert_eq!((silent.lost.len(), silent.not_compared.len()), (0, 1), "{silent:?}");
    let of_both = |tables: &[TableProfile], folders: &[FolderProfile]| Profile {
        mounts: of(folders).mounts,
        ..of_server(tables)
    };
    let then = of_both(&[table("notes", 9), table("tags", 9)], &[folder("a", 9, 9)]);
    let now = of_both(&[table("notes", 0)], &[folder("b", 0, 0)]);
    let found = losses(&then, &now, TERMS);
    assert_eq!((found.lost.len(), found.needed), (3, Some(Tolerance::ALL)));
    assert_eq!(losses(&then, &now, Terms { tolerance: Tolerance::ALL, ..TERMS }), Losses::default());
    let tolerance = Tolerance { files: 100, ..Tolerance::default() };
    assert_eq!(losses(&then, &now, Terms { tolerance, ..TERMS }).lost.len(), 2, "tables alone");
}

#[test]
fn the_least_tolerance_that_allows_a_loss_is_told_and_allows_it() {
    let then = Profile { mounts: of(&[folder("a", 300, 9)]).mounts, ..of_server(&[table("notes", 30)]) };
    let now = Profile { mounts: of(&[folder("a", 100, 9)]).mounts, ..of_server(&[table("notes", 20)]) };
    let needed = losses(&then, &now, TERMS).needed.expect("a loss");
    assert_eq!(needed.text(), "files=67%, rows=34%");
    assert_eq!(losses(&then, &now, Terms { tolerance: needed, ..TERMS }), Losses::default());
    for less in [Tolerance { files: needed.files - 1, ..needed }, Tolerance { rows: needed.rows - 1, ..needed }] {
        assert_eq!(losses(&then, &now, Terms { tolerance: less, ..TERMS }).lost.len(), 1);
    }
    let texts =
        [Tolerance::default(), Tolerance { gone: true, ..Tolerance::default() }, Tolerance::ALL].map(Tolerance::text);
    assert_eq!(texts, ["files=50%, rows=10%", "gone", "100%"]);
}

#[test]
fn what_the_backup_leaves_out_on_purpose_since_then_is_said_and_no_loss() {
    let then = of(&[folder("pictures", 400, 9_000_000), folder("notes", 10, 1000)]);
    let excluding = |exclude: &[&str]| {
        let exclude = exclude.iter().map(|&pattern| pattern.to_owned()).collect();
        let mount = MountProfile { exclude, ..mount(&[folder("notes", 10, 1000)]) };
        Profile { mounts: vec![mount], ..Profile::default() }
    };
    assert_eq!(lost(&then, &excluding(&[])).len(), 1);
    let found = losses(&then, &excluding(&["pictures/**"]), TERMS);
    assert_eq!((found.lost.len(), found.not_compared.len()), (0, 1), "{found:?}");
    let (then, now) = (MountProfile { exclude: vec!["x".to_owned()], ..then.mounts[0].clone() }, excluding(&["x"]));
    assert_eq!(lost(&Profile { mounts: vec![then], ..Profile::default() }, &now).len(), 1, "it was so then");
}

#[test]
fn what_was_not_counted_is_not_gone() {
    let then = of_stores(&[sqlite("a.db", &[table("notes", 10)]), sqlite("b.db", &[table("notes", 10)])]);
    let unknown = StoreProfile { tables_known: false, ..sqlite("a.db", &[]) };
    let found = losses(&then, &of_stores(&[unknown, sqlite("b.db", &[table("notes", 10)])]), TERMS);
    assert_eq!(
        (found.lost.len(), found.not_compared),
        (0, vec!["1 table of a.db of /data, which could not be counted".to_owned()])
    );
}

#[test]
fn a_new_folder_stands_for_one_that_is_gone_and_no_more() {
    let then = of(&[folder("a", 40, 400), folder("b", 40, 400)]);
    assert_eq!(lost(&then, &of(&[folder("c", 40, 400)])).len(), 1);
    assert_eq!(lost(&then, &of(&[folder("c", 40, 400), folder("d", 40, 400)])), [""; 0]);
}
