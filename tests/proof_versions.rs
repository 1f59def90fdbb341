//! Data of another version than the image is told before the service is started on it; the same backup as it was made is
//! green. Needs root, a Docker engine on this machine and the fixture images.

#[allow(dead_code, reason = "each test program uses a part")]
#[path = "backups/making.rs"]
mod making;
mod support;

use making::{data_of, folder, sh, stopped, tar};
use support::{Live, Rehearsal, Wanted, rehearse, service};

/// The backup as it was made is green; after `spoil`, which runs in the folder of the data, the service is not booted.
#[track_caller]
fn told_before_the_boot(live: &Live, spoil: &str) -> Rehearsal {
    let dir = folder();
    let volume = live.first_volume();
    stopped(live, dir.path(), "cp -a \"$1\" \"$2\"; tar -czf good.tgz \"$2\"", &[&data_of(volume), volume]);
    let from = |file: &str| rehearse(&[&live.name], &["--from", &tar(dir.path().join(file))]);
    from("good.tgz").is_green("healthy");
    sh(dir.path(), &format!("cd \"$1\"; {spoil}; cd ..; tar -czf bad.tgz \"$1\""), &[volume]);
    let bad = from("bad.tgz");
    bad.failed("data/version-mismatch");
    assert_eq!(bad.steps("boot"), Vec::<&serde_json::Value>::new(), "{bad}");
    assert!(!bad.steps("verify").is_empty(), "{bad}");
    bad
}

#[track_caller]
fn says(rehearsal: &Rehearsal, words: &[&str]) {
    for word in words {
        assert!(rehearsal.message().contains(word), "no {word}: {rehearsal}");
    }
    assert!(rehearsal.diagnosis()["remedy"].as_str().is_some_and(|remedy| remedy.len() > 40), "{rehearsal}");
}

fn postgres() -> Wanted {
    service("postgres")
        .options(&["--env", "POSTGRES_PASSWORD=fixture-postgres-secret", "--health-start-period", "60s"])
        .volume("/var/lib/postgresql/data")
        .healthy_when("pg_isready -q -h 127.0.0.1")
}

#[test]
fn postgres_of_another_major_version() {
    let live = postgres().start();
    live.until(&["pg_isready", "-q", "-h", "127.0.0.1"]);
    let bad = told_before_the_boot(&live, "echo 14 >PG_VERSION");
    says(&bad, &["PostgreSQL 14", "PG_VERSION", "PostgreSQL 15.", "rehearsa-fixture/postgres"]);
}

/// Its image says nothing of its version, so the program is asked.
#[test]
fn mariadb_of_a_later_version() {
    let client = "MYSQL_PWD=fixture-mariadb-secret mariadb -h 127.0.0.1 -u root -e 'SELECT 1'";
    let live = service("mariadb")
        .options(&["--env", "MARIADB_ROOT_PASSWORD=fixture-mariadb-secret", "--health-start-period", "60s"])
        .volume("/var/lib/mysql")
        .healthy_when(client)
        .start();
    live.until(&["sh", "-c", client]);
    let bad = told_before_the_boot(&live, "printf 99.1.0-MariaDB >mysql_upgrade_info");
    says(&bad, &["MariaDB 99.1", "mysql_upgrade_info", "MariaDB 10."]);
}

#[test]
fn redis_with_a_dump_of_a_later_version() {
    let live = service("redis").volume("/data").healthy_when("[ \"$(redis-cli get note)\" = kept ]").start();
    live.until(&["redis-cli", "set", "note", "kept"]);
    live.exec(&["redis-cli", "save"]);
    let bad = told_before_the_boot(&live, "printf REDIS0099 | dd of=dump.rdb conv=notrunc status=none");
    says(&bad, &["version 99", "dump.rdb", "Redis 7.0"]);
}

/// A service that only has the folder in its keeping does not read what is in it.
#[test]
fn data_that_the_image_has_no_program_for_is_no_concern() {
    let live = service("broken").volume("/data").file("/data/dump.rdb", "REDIS0099").command(&["healthy"]).start();
    let dir = folder();
    sh(dir.path(), "tar -C \"$1\" -czf x.tgz .", &[&data_of(live.first_volume())]);
    rehearse(&[&live.name], &["--from", &tar(dir.path().join("x.tgz"))]).is_green("healthy");
}
