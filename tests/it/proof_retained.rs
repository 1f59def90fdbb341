//! Services that change the restored data in ordinary ways still run on it, and pass. Services that throw the data
//! away are in the fault table. Needs root, a Docker engine on this machine and the fixture images.

use crate::support::backup::{data_of, folder, stopped, tar};
use crate::support::{Live, Rehearsal, Wanted, rehearse, service};

/// Rehearses from a backup of the volume that this script makes while the service is stopped: the data is in `$1`,
/// the volume's name is `$2`.
#[track_caller]
fn from_backup(live: &Live, make: &str) -> Rehearsal {
    let dir = folder();
    stopped(live, dir.path(), make, &[&data_of(live.first_volume()), live.first_volume()]);
    rehearse(&[&live.name], &["--settle", "1s", "--from", &tar(dir.path().join("x.tgz"))])
}

const ALL: &str = "cp -a \"$1\" \"$2\"; tar -czf x.tgz \"$2\"";

/// A service with three files of data, which in the rehearsal runs this script and is then healthy.
fn with_files(script: &str) -> Wanted {
    service("broken")
        .volume("/mounted")
        .file("/mounted/library", &"what was collected over the years\n".repeat(400))
        .file("/mounted/settings", "{\"theme\": \"dark\", \"since\": 2019}")
        .file("/mounted/notes", &"a note\n".repeat(100))
        .healthy_when("true")
        .rehearsed_as(&format!("{script}; exec behave healthy"))
}

#[track_caller]
fn retained(script: &str) {
    let live = with_files(script).start();
    from_backup(&live, ALL).is_green("healthy");
}

/// Writing on, writing anew by renaming, moving, cleaning up a lesser part.
#[test]
fn a_service_that_only_works_with_its_files() {
    retained(
        "echo more >>/mounted/library; sed s/dark/light/ /mounted/settings >/mounted/x; \
         mv /mounted/x /mounted/settings; mkdir /mounted/old; mv /mounted/library /mounted/old/; \
         rm /mounted/notes; head -c 99999 /dev/zero >/mounted/new",
    );
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn redis_on_a_dump_alone_when_it_has_no_log() {
    let live = service("redis")
        .volume("/data")
        .healthy_when("[ \"$(redis-cli get note)\" = kept ]")
        .command(&["redis-server", "--appendonly", "no", "--dir", "/data", "--protected-mode", "no"])
        .start();
    live.until(&["redis-cli", "set", "note", "kept"]);
    live.exec(&["redis-cli", "save"]);
    from_backup(&live, ALL).is_green("healthy");
}
