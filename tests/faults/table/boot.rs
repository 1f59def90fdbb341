//! Services that do not start on good data, or only seem to; configuration that lies beside the data.

use Form::{Daemon, Dir, Live, Tar, TarGz};
use Kind::{MariaDb, Nginx, Notes, Postgres, Redis, Small};

use super::special;
use crate::fault::{Fault, fault};
use crate::form::Form;
use crate::kind::Kind;

pub fn faults() -> Vec<Fault> {
    [configuration(), credentials(), exits(), health(), control(), names()].into_iter().flatten().collect()
}

/// A variable that was not backed up cannot be tried: the environment comes from the live container, which has it.
fn configuration() -> Vec<Fault> {
    vec![
        fault(23, "a key file is not on the host any more", Small, Live)
            .own(special::key_gone)
            .failed("config/missing-file", &["key", "is not on the host any more"]),
        fault(23, "a folder of secrets is not on the host any more", Small, Live)
            .own(special::secrets_gone)
            .failed("config/missing-file", &["secrets", "is not on the host any more"]),
        fault(23, "a key file is not in the backup", Small, Tar)
            .own(special::key_not_backed_up)
            .warned("restore/not-in-backup", &["key", "the live data is used"]),
        fault(23, "a key file is neither in the backup nor on the host", Small, Tar)
            .own(special::key_nowhere)
            .failed("config/missing-file", &["key"]),
        fault(23, "a writable key file is not in the backup", Small, Daemon)
            .own(special::written_key_not_backed_up)
            .failed("restore/mount-missing", &["key"]),
        fault(24, "a folder stands where its file was", Small, Live)
            .own(special::folder_for_file_live)
            .failed("config/mount-type", &["app.conf"]),
        fault(24, "a folder for a file of the image", Nginx, Live)
            .own(special::folder_for_file_of_image)
            .failed("config/mount-type", &["default.conf"]),
        fault(24, "the backup has a folder for a file", Small, Tar)
            .own(special::folder_for_file_in_backup)
            .failed("config/mount-type", &["app.conf"]),
        fault(24, "the backup has a file for a folder", Small, Dir)
            .own(special::file_for_folder_in_backup)
            .failed("config/mount-type", &["conf"]),
    ]
}

fn credentials() -> Vec<Fault> {
    vec![
        fault(25, "another password, which the healthcheck uses", Postgres, Tar)
            .instead(|postgres| {
                let login = "PGPASSWORD=$POSTGRES_PASSWORD psql -h $(hostname) -U postgres -c 'SELECT 1'";
                postgres
                    .instead("exec docker-entrypoint.sh postgres")
                    .options(&["--env", "POSTGRES_PASSWORD=fixture-changed-secret"])
                    .healthy_within(15, login)
            })
            .failed("health/unhealthy", &["password authentication failed", "do not match"]),
        fault(25, "another password, which a check uses", Postgres, Dir)
            .instead(|postgres| {
                let login = "rehearsa.check.login=exec sh -c 'PGPASSWORD=$POSTGRES_PASSWORD \
                    psql -h $(hostname) -U postgres -c \"SELECT 1\"'";
                postgres.instead("exec docker-entrypoint.sh postgres").options(&[
                    "--env",
                    "POSTGRES_PASSWORD=fixture-changed-secret",
                    "--label",
                    login,
                ])
            })
            .with(&["--timeout", "15s"])
            .failed("check/failed", &["login", "password authentication failed"]),
        fault(25, "another password, which the healthcheck uses", MariaDb, TarGz)
            .instead(|mariadb| {
                let login = "MYSQL_PWD=$MARIADB_ROOT_PASSWORD mariadb -h 127.0.0.1 -u root -e 'SELECT 1'";
                mariadb
                    .instead("exec docker-entrypoint.sh mariadbd")
                    .options(&["--env", "MARIADB_ROOT_PASSWORD=fixture-changed-secret"])
                    .healthy_within(20, login)
            })
            .failed("health/unhealthy", &["Access denied for user"]),
    ]
}

fn exits() -> Vec<Fault> {
    vec![
        fault(29, "exits at its start", Small, Tar)
            .instead(|small| small.instead("exec behave exits-with 37"))
            .failed("boot/exited", &["exited with code 37"]),
        fault(29, "ends well, and should stay", Small, Dir)
            .instead(|small| small.instead("exec behave exits"))
            .failed("boot/exited", &["exited with code 0"]),
        fault(29, "exits at every start", Small, Daemon)
            .instead(|small| small.instead("exec behave exits-with 38").options(&["--restart", "always"]))
            .failed("boot/crash-loop", &["exit code 38"]),
        fault(29, "exits at every start on its damaged log", Redis, Tar)
            .data("noise \"$1\"/appendonlydir/*.manifest 0 1")
            .instead(|redis| redis.instead(&format!("exec {}", Kind::Redis.itself())).options(&["--restart", "always"]))
            .failed("boot/crash-loop", &["exited 4 times"]),
        fault(29, "killed for memory", Small, TarGz)
            .instead(|small| small.instead("exec behave oom").options(&["--memory", "48m"]))
            .failed("boot/oom-killed", &["48 MiB"]),
        fault(29, "a folder that it works in is missing", Nginx, Dir)
            .instead(|nginx| {
                nginx.instead("exec nginx -g 'daemon off; error_log /usr/share/nginx/html/logs/error.log;'")
            })
            .failed("boot/exited", &["exited with code 1"]),
    ]
}

fn health() -> Vec<Fault> {
    vec![
        fault(30, "never healthy", Small, Tar)
            .instead(|small| small.instead("exec behave never-healthy"))
            .failed("health/unhealthy", &["no /run/healthy"]),
        fault(30, "not healthy in time", Small, Dir)
            .instead(|small| small.instead("exec behave never-healthy").options(&["--health-retries", "600"]))
            .with(&["--timeout", "2s"])
            .failed("health/timeout", &["within 2s"]),
        fault(30, "its first page is missing", Nginx, TarGz)
            .data("mv \"$1/index.html\" \"$1/start.html\"")
            .failed("health/unhealthy", &["exited with 22"]),
        fault(30, "turns unhealthy after it was healthy", Small, Daemon)
            .instead(|small| small.instead("exec behave healthy-then-unhealthy 1"))
            .with(&["--settle", "20s"])
            .failed("health/unhealthy", &["the healthcheck of"]),
        fault(31, "healthy, and exits within the time to settle", Small, Tar)
            .instead(|small| small.instead("exec behave healthy-then-exits 1 5"))
            .with(&["--settle", "20s"])
            .failed("boot/exited", &["exited with code 5"]),
    ]
}

fn control() -> Vec<Fault> {
    let names = |fault: Fault| fault.with(&["--control"]).warned("check/not-data-sensitive", &["its healthcheck"]);
    vec![
        names(fault(32, "healthy without a note", Notes, Tar)),
        names(fault(32, "healthy without a key", Redis, Dir)),
        names(fault(32, "healthy without a file", Small, Daemon)),
        fault(32, "a check that asks for the data notices", Small, Tar)
            .asked()
            .with(&["--timeout", "10s", "--control"])
            .harmless(),
    ]
}

/// Keeps its data in a folder named after the host, as RabbitMQ does.
const BY_HOST: &str =
    "at=/mounted/$(hostname); [ -e $at ] || { mkdir $at; echo fresh >$at/note; }; exec behave healthy";

fn names() -> Vec<Fault> {
    vec![
        fault(33, "of the same host name", Small, Tar)
            .data("mkdir \"$1/host-one\"; mv \"$1\"/[ls]* \"$1/host-one/\"; cp -a \"$1/note\" \"$1/host-one/\"")
            .instead(|small| {
                small
                    .instead("cd /mounted/$(hostname) && grep -qx kept note && exec behave healthy; exit 6")
                    .options(&["--hostname", "host-one"])
            })
            .harmless(),
        fault(33, "of another host name, begun beside it", Small, TarGz)
            .data("mkdir \"$1/host-one\"; mv \"$1\"/[lns]* \"$1/host-one/\"; touch \"$1/note\"")
            .instead(|small| small.instead(BY_HOST).options(&["--hostname", "host-two"]))
            .failed("data/reinitialised", &["host-two/note beside host-one/note"]),
        fault(33, "of another host name, thrown away", Small, Dir)
            .data("echo host-one >\"$1/host\"")
            .instead(|small| {
                small
                    .instead(
                        "[ \"$(cat /mounted/host)\" = \"$(hostname)\" ] || rm -rf /mounted/*; \
                         hostname >/mounted/host; exec behave healthy",
                    )
                    .options(&["--hostname", "host-two"])
            })
            .failed("data/reinitialised", &["library"]),
    ]
}
