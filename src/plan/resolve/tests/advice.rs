//! Layouts with a folder for each service, and the advice where no part of a backup can be taken.

use super::*;

#[test]
fn a_folder_for_each_service_has_its_mounts_at_their_paths() {
    let data = || volume("stack_files", "/var/lib/files");
    takes(data(), &["volumes/app/var/lib/files/a", "volumes/db/var/lib/mysql/b"], "volumes/app/var/lib/files");
    takes(data(), &["app/var/lib/files/a"], "app/var/lib/files");
    refuses(data(), &["volumes/other/var/lib/files/a", "volumes/db/b"], Code::RestoreMountMissing);
}

#[test]
fn a_map_to_a_path_that_is_not_there_names_the_nearest() {
    let app = || service("stack::app", vec![volume("stack_data", "/data")]);
    let remedy = |path: &str| {
        let plan = supplied(vec![(app(), mapped(&[("/data", path)]))], &["backup/data/a", "backup/other/b"]);
        of(&plan, "stack::app").blocked.as_ref().expect("it is blocked").remedy().to_owned()
    };
    for path in ["data", "backup/dtaa"] {
        let remedy = remedy(path);
        assert!(remedy.starts_with("Correct the path") && remedy.contains("`backup/data`"), "{remedy}");
    }
}

#[test]
fn dumps_in_a_backup_are_loaded_and_never_mapped() {
    let data = |target: &str| service("stack::db", vec![volume("stack_data", target)]);
    for paths in [&["backup/a.sql.gz", "backup/b.sql.gz"][..], &["etc/hosts", "srv/db/app.dump", "x.sql"]] {
        for (target, words) in [("/var/lib/mysql", "load = { from = \""), ("/srv/x", "--from 'dump:app.tar#")] {
            let plan = supplied(vec![(data(target), settings())], paths);
            let remedy = of(&plan, "stack::db").blocked.as_ref().expect("it is blocked").remedy().to_owned();
            assert!(remedy.contains(words) && !remedy.contains("--map"), "{paths:?}: {remedy}");
        }
    }
}
