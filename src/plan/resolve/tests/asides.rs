//! What lies beside the data in a backup, and how long a window its decoder may need.

use super::*;

#[test]
fn what_macos_writes_beside_the_data_makes_no_backup_ambiguous() {
    let app = || vec![(service("app", vec![volume("app_data", "/data")]), settings())];
    let part = |paths: &[&str]| {
        let plan = supplied(app(), paths);
        (parts(&plan, "app"), plan.stacks[0].restores[0].part.as_ref().map(|part| part.sidecars))
    };
    let data = Ok(vec!["data".to_owned()]);
    assert_eq!(part(&["._data", "data/a", "data/._a", ".DS_Store"]), (data.clone(), Some(2)));
    assert_eq!(part(&["data/a", "__MACOSX/data/._a", "__MACOSX/._data"]), (data, Some(2)));
    // Not by its name, but because it is the only one.
    assert_eq!(part(&["._x", "x/a"]).0, Ok(vec!["x".to_owned()]));
    assert_eq!(part(&["other/b", "data/a", "data/._a"]).0, Err(Code::RestoreAmbiguous), "this is no sidecar");
}

#[test]
fn a_source_is_read_with_the_longest_window_that_a_service_allows() {
    let bounded = |max_window| ServiceSettings { max_window, ..settings() };
    let of = |one, two| {
        let services = vec![
            (service("one", vec![volume("x", "/data")]), bounded(one)),
            (service("two", vec![volume("y", "/data")]), bounded(two)),
        ];
        drafted(services).requests[0].max_window
    };
    assert_eq!((of(1 << 27, 1 << 31), of(1 << 27, 0)), (1 << 31, 0));
}

#[test]
fn an_archive_that_bears_another_volumes_name_is_not_taken_for_being_alone() {
    let of = |archive: &str| {
        let services = ["one::app", "two::app"].map(|name| {
            (service(name, vec![volume(&format!("{}_data", name.replace("::", "_")), "/srv/x")]), settings())
        });
        let selection = Selection { filters: vec!["one::app".to_owned()], exact: true, ..Selection::default() };
        let draft = draft(services.into(), &selection);
        let found = found(&queries(&draft), &["./", "a"]);
        let snapshot = Snapshot { id: archive.to_owned(), ..snapshot() };
        parts(&resolved(draft, snapshot, found), "one::app")
    };
    assert_eq!(of("two_app_data-2026-11-25.tar.gz"), Err(Code::RestoreMountMissing));
    for archive in ["one_app_data-2026-11-25.tar.gz", "nightly.tar", "attwo_app_database.tar"] {
        assert_eq!(of(archive), Ok(vec![".".to_owned()]), "{archive}");
    }
}
