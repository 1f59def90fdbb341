//! Backups whose program saw the data below another folder, and what must not be taken for that.

use super::*;

const BIND: &str = "/opt/stacks/app/data";

#[test]
fn a_host_path_is_found_by_its_end_below_the_folder_of_the_backup_program() {
    for (paths, part) in [
        // backrest in a container that sees /opt/stacks at /userdata; borgmatic that sees / at /mnt/source.
        (&["userdata/app/data/a", "userdata/other/b"][..], "userdata/app/data"),
        (&["mnt/source/opt/stacks/app/data/a", "mnt/source/etc/passwd"], "mnt/source/opt/stacks/app/data"),
        // The whole host path says enough, also below a path that a host has itself.
        (&["var/restored/opt/stacks/app/data/a", "etc/passwd"], "var/restored/opt/stacks/app/data"),
    ] {
        takes(bind(BIND, "/srv/x"), paths, part);
    }
}

#[test]
fn a_host_path_is_not_found_by_its_end_where_that_says_little() {
    for (paths, code) in [
        // Two places fit.
        (&["one/app/data/a", "two/app/data/b"][..], Code::RestoreAmbiguous),
        (&["one/stacks/app/data/a", "two/app/data/b"], Code::RestoreAmbiguous),
        // The path in the container fits another place.
        (&["userdata/app/data/a", "srv/x/b", "userdata/c/d"], Code::RestoreAmbiguous),
        // Another path of the host is another folder, and so is a folder in a volume with a random name (zerobyte).
        (&["srv/app/data/a", "etc/passwd"], Code::RestoreMountMissing),
        (&["var/lib/zerobyte/volumes/x1b2/_data/app/data/a"], Code::RestoreMountMissing),
        // Only the last name fits.
        (&["userdata/other/data/a", "y/b"], Code::RestoreMountMissing),
    ] {
        refuses(bind(BIND, "/srv/x"), paths, code);
    }
}

#[test]
fn a_part_that_ends_more_like_another_services_host_path_is_not_taken() {
    let parts_of = |other: &str, paths: &[&str]| {
        let services = vec![
            (service("one::app", vec![bind(BIND, "/x")]), settings()),
            (service("two::app", vec![bind(other, "/x")]), settings()),
        ];
        let selection = Selection { filters: vec!["one::app".to_owned()], exact: true, ..Selection::default() };
        parts(&supplied_as(draft(services, &selection), paths, None), "one::app")
    };
    let paths = ["userdata/two/app/data/a", "userdata/b"];
    assert_eq!(parts_of("/srv/two/app/data", &paths), Err(Code::RestoreMountMissing));
    assert_eq!(parts_of("/srv/three/app/data", &paths), Err(Code::RestoreAmbiguous));
    assert_eq!(parts_of("/srv/two/db", &paths), Ok(vec!["userdata/two/app/data".to_owned()]));
}

#[test]
fn a_volume_is_found_by_its_full_name_below_any_folder() {
    let data = || volume("stack_data", "/srv/app");
    for (paths, part) in [
        (&["data/stack_data/a", "data/other/b"][..], "data/stack_data"),
        (&["mnt/volumes-copy/stack_data/_data/a", "mnt/b"], "mnt/volumes-copy/stack_data/_data"),
    ] {
        takes(data(), paths, part);
    }
    refuses(data(), &["x/stack_data/a", "y/stack_data/b"], Code::RestoreAmbiguous);
    refuses(data(), &["x/data/a", "y/b"], Code::RestoreMountMissing);
    // The short name and a common one say nothing there.
    refuses(volume("data", "/data"), &["x/data/a", "y/b"], Code::RestoreMountMissing);
    // `RANDOM/_data` of zerobyte is no volume of the host.
    refuses(data(), &["var/lib/zerobyte/volumes/x1b2/_data/a"], Code::RestoreMountMissing);
    takes(
        volume("app_db", "/x"),
        &["var/lib/docker/volumes/app_db/_data/a", "etc/b"],
        "var/lib/docker/volumes/app_db/_data",
    );
}

#[test]
fn the_only_folder_of_a_backup_container_is_the_mount() {
    // autorestic and `docker run -v app_db:/data … restic backup /data`: one snapshot for each volume.
    takes(volume("app_db", "/var/lib/app"), &["data/", "data/a", "data/sub/b"], "data");
    takes(volume("app_db", "/var/lib/app"), &["source/", "source/a"], "source");
}

#[test]
fn restic_compose_backup_has_a_folder_for_each_service_or_each_stack_and_service() {
    let mount = || volume("stack_files", "/var/lib/files");
    let others = ["volumes/db/var/lib/mysql/b", "volumes/x/c"];
    for part in ["volumes/app/var/lib/files", "volumes/stack/app/var/lib/files"] {
        let file = format!("{part}/a");
        takes(mount(), &[&[file.as_str()], &others[..]].concat(), part);
    }
    refuses(mount(), &["volumes/other/app/var/lib/files/a", "volumes/b/c"], Code::RestoreMountMissing);
    // Two stacks have a service of this name with this mount: the name alone may be the other's.
    let services = ["one::app", "two::app"]
        .map(|name| (service(name, vec![volume(&format!("{}_files", &name[..3]), "/var/lib/files")]), settings()));
    let plan = supplied(services.into(), &["volumes/app/var/lib/files/a", "volumes/b/c"]);
    assert_eq!(parts(&plan, "one::app"), Err(Code::RestoreAmbiguous));
}

#[test]
fn a_backup_of_a_mount_with_others_below_it_needs_no_map() {
    let mounts = |inner: &str| vec![volume("stack_files", "/data"), volume("stack_more", inner)];
    let taken = |parts: [&str; 2]| Ok(parts.map(str::to_owned).to_vec());
    assert_eq!(app(mounts("/data/sub"), &["./", "a", "b", "sub/", "sub/x"]), taken([".", "sub"]));
    assert_eq!(app(mounts("/data/x/y"), &["./", "a", "x/", "x/y/", "x/y/b"]), taken([".", "x/y"]));
    // Nothing of the inner one, folders of several services, and a mount beside both.
    assert!(app(mounts("/data/sub"), &["./", "a", "b"]).is_err());
    assert!(app(mounts("/data/sub"), &["a/x", "b/y", "sub/x"]).is_err());
    let beside = [mounts("/data/sub"), vec![volume("stack_other", "/other")]].concat();
    assert!(app(beside, &["./", "a", "b", "sub/", "sub/x"]).is_err());
    // The inner mount is of another service, which does not cover the folder of the first one.
    let [outer, inner] =
        [("/data", "stack_files"), ("/data/sub", "stack_more")].map(|(target, name)| vec![volume(name, target)]);
    let services = vec![(service("stack::app", outer), settings()), (service("stack::db", inner), settings())];
    let plan = supplied(services, &["./", "a", "b", "sub/", "sub/x"]);
    assert!(parts(&plan, "stack::app").is_err());
}
