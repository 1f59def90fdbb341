//! A service that is well, but not on what was restored, fails; ordinary starts of real services on their data do not. Needs
//! root, a Docker engine on this machine and the fixture images.

#[allow(dead_code, reason = "each test program uses a part")]
#[path = "backups/making.rs"]
mod making;
mod support;

use making::{data_of, folder, stopped, tar};
use support::{Live, Rehearsal, Wanted, docker, rehearse, service};

/// From a backup of its volume, made while it is stopped, by this script: the data is in `$1`, the volume's name is `$2`.
#[track_caller]
fn from_backup(live: &Live, make: &str) -> Rehearsal {
    let dir = folder();
    stopped(live, dir.path(), make, &[&data_of(live.first_volume()), live.first_volume()]);
    rehearse(&[&live.name], &["--from", &tar(dir.path().join("x.tgz"))])
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
fn reinitialised(script: &str) -> Rehearsal {
    let live = with_files(script).start();
    let rehearsal = from_backup(&live, ALL);
    rehearsal.failed("data/reinitialised");
    rehearsal
}

#[track_caller]
fn retained(script: &str) {
    let live = with_files(script).start();
    from_backup(&live, ALL).is_green("healthy");
}

#[test]
fn a_service_that_empties_its_folder_at_its_start() {
    let rehearsal = reinitialised("rm -rf /mounted/*; echo fresh >/mounted/settings");
    assert!(rehearsal.message().contains("library"), "{rehearsal}");
    assert!(rehearsal.message().contains("3 files"), "{rehearsal}");
}

#[test]
fn a_service_that_writes_its_own_over_what_was_restored() {
    reinitialised("for f in library settings notes; do echo fresh >/mounted/x; mv /mounted/x /mounted/$f; done");
}

/// Writing on, writing anew by renaming, moving, cleaning up a lesser part.
#[test]
fn a_service_that_only_works_with_its_files() {
    retained(
        "echo more >>/mounted/library; sed s/dark/light/ /mounted/settings >/mounted/x; mv /mounted/x /mounted/settings; \
         mkdir /mounted/old; mv /mounted/library /mounted/old/; rm /mounted/notes; head -c 99999 /dev/zero >/mounted/new",
    );
}

fn redis() -> Wanted {
    service("redis").volume("/data")
}

/// Its append-only log is on, and only the dump was in the backup: it comes up empty.
#[test]
fn redis_that_ignores_its_dump() {
    let live = redis().start();
    live.until(&["redis-cli", "set", "note", "kept"]);
    live.exec(&["redis-cli", "save"]);
    let rehearsal = from_backup(&live, "tar -C \"$1\" -czf x.tgz ./dump.rdb");
    rehearsal.failed("data/reinitialised");
    assert!(rehearsal.message().contains("dump.rdb"), "{rehearsal}");
    let remedy = rehearsal.diagnosis()["remedy"].as_str().unwrap_or_default();
    assert!(remedy.contains("appendonly"), "{rehearsal}");
}

#[test]
fn redis_on_its_log_and_on_a_dump_alone_when_it_has_no_log() {
    let live = redis().healthy_when("[ \"$(redis-cli get note)\" = kept ]").start();
    live.until(&["redis-cli", "set", "note", "kept"]);
    live.exec(&["redis-cli", "save"]);
    from_backup(&live, ALL).is_green("healthy");
    let live = redis()
        .healthy_when("[ \"$(redis-cli get note)\" = kept ]")
        .command(&["redis-server", "--appendonly", "no", "--dir", "/data", "--protected-mode", "no"])
        .start();
    live.until(&["redis-cli", "set", "note", "kept"]);
    live.exec(&["redis-cli", "save"]);
    from_backup(&live, ALL).is_green("healthy");
}

fn postgres() -> Wanted {
    service("postgres")
        .options(&["--env", "POSTGRES_PASSWORD=fixture-postgres-secret", "--health-start-period", "60s"])
        .volume("/var/lib/postgresql/data")
        .healthy_when("pg_isready -q -h 127.0.0.1")
}

const PG_READY: [&str; 4] = ["pg_isready", "-q", "-h", "127.0.0.1"];

/// It finds no cluster where it looks, and makes one beside what was restored, as after a mistake in the paths.
#[test]
fn postgres_that_begins_beside_its_cluster() {
    let live = postgres().options(&["--env", "PGDATA=/var/lib/postgresql/data/pg"]).start();
    live.until(&PG_READY);
    // Something by which the backup is known to be of this mount.
    live.exec(&["touch", "/var/lib/postgresql/data/mark"]);
    let rehearsal = from_backup(&live, "cp -a \"$1\" copy; mv copy/pg copy/db; tar -C copy -czf x.tgz .");
    rehearsal.failed("data/reinitialised");
    assert!(rehearsal.message().contains("beside db/global/pg_control"), "{rehearsal}");
}

/// From a copy of the running server: it recovers from its log.
#[test]
fn postgres_after_a_crash() {
    let live = postgres().start();
    live.until(&PG_READY);
    live.exec(&["psql", "-U", "postgres", "-c", "CREATE TABLE notes AS SELECT generate_series(1, 9999) AS n"]);
    docker(&["kill", &live.name]);
    from_backup(&live, ALL).is_green("healthy");
}

#[test]
fn mariadb_on_its_tables() {
    let client = "MYSQL_PWD=fixture-mariadb-secret mariadb -h 127.0.0.1 -u root -e 'SELECT 1'";
    let live = service("mariadb")
        .options(&["--env", "MARIADB_ROOT_PASSWORD=fixture-mariadb-secret", "--health-start-period", "60s"])
        .volume("/var/lib/mysql")
        .healthy_when(client)
        .start();
    live.until(&["sh", "-c", client]);
    from_backup(&live, ALL).is_green("healthy");
}

#[test]
fn an_app_on_its_sqlite_database_and_one_that_makes_it_anew() {
    let write = "import urllib.request as u; [u.urlopen('http://127.0.0.1:8080/notes', b'x' * 900) for _ in range(99)]";
    let live = service("notes").volume("/data").healthy_when("true").start();
    live.until(&["python3", "-c", write]);
    from_backup(&live, ALL).is_green("healthy");
    let anew = "import os, glob; [os.remove(f) for f in glob.glob('/data/*')]";
    let script = format!("[ -e /only-live ] || python3 -c \"{anew}\"; exec python3 -S -u /opt/notes/notes.py");
    let live = service("notes").volume("/data").healthy_when("true").script(&script).file("/only-live", "").start();
    live.until(&["python3", "-c", write]);
    from_backup(&live, ALL).failed("data/reinitialised");
}
