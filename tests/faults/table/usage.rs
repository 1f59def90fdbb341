//! Services that are well and do not use what was restored, and services that use it less than it seems.

use std::path::Path;

use Form::{Daemon, Dir, Live, Tar, TarGz};
use Kind::{MariaDb, Nginx, Notes, Postgres, Redis, Small};

use crate::fault::{Fault, fault, rehearse_here};
use crate::form::Form;
use crate::kind::Kind;
use crate::subject::{Subject, subject};
use crate::support::{Rehearsal, Wanted, rehearse, service};

/// Makes the database anew, as one that has run for minutes: nothing of it is in its file yet.
pub const YOUNG: &str = r#"
rm -f "$1"/notes.db*
python3 -c "
import os, sqlite3, sys
notes = sqlite3.connect(sys.argv[1], isolation_level=None)
notes.execute('PRAGMA journal_mode = WAL')
notes.execute('CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)')
notes.execute('INSERT INTO notes VALUES (1, \'kept\')')
os._exit(0)" "$1/notes.db"
chown 1500:1500 "$1"/notes.db*
"#;

pub fn faults() -> Vec<Fault> {
    [elsewhere(), left_empty(), read_when_asked()].into_iter().flatten().collect()
}

/// A server that begins anew takes longer to become healthy.
const BEGINS: [&str; 2] = ["--health-start-period", "90s"];

fn elsewhere() -> Vec<Fault> {
    let unused =
        |fault: Fault, words: &'static [&'static str]| fault.with(&["--timeout", "150s"]).failed("data/unused", words);
    vec![
        unused(
            fault(36, "the cluster is made in a folder that is on no mount", Postgres, Tar).instead(|postgres| {
                let at = ["--env", "PGDATA=/var/lib/postgresql/18/docker"];
                postgres.instead("exec docker-entrypoint.sh postgres").options(&at).options(&BEGINS)
            }),
            &["a PostgreSQL cluster", "(global/pg_control)", "own layer", "/var/lib/postgresql/18/docker/global"],
        ),
        unused(
            fault(36, "the tables are made in a folder that is on no mount", MariaDb, TarGz).instead(|mariadb| {
                let script = "install -d -o mysql -g mysql /srv/db; \
                    mariadb-install-db --user=mysql --datadir=/srv/db --auth-root-authentication-method=normal \
                    >/dev/null; \
                    exec mariadbd --user=mysql --datadir=/srv/db";
                mariadb.instead(script).options(&BEGINS)
            }),
            &["a MariaDB or MySQL data folder", "(ibdata1)", "own layer", "/srv/db/ibdata1"],
        ),
        unused(
            fault(36, "the log is written to a folder that is on no mount", Redis, Tar)
                .instead(|redis| redis.instead("exec redis-server --appendonly yes --dir /tmp --protected-mode no")),
            &["a Redis dump or log", "own layer", "/tmp/appendonlydir"],
        ),
        unused(
            fault(36, "nothing is written, and the dump is looked for elsewhere", Redis, Dir).instead(|redis| {
                redis.instead("exec redis-server --appendonly no --save '' --dir /tmp --protected-mode no")
            }),
            &["a Redis dump or log", "redis-server runs"],
        ),
        unused(
            fault(36, "the application's database is on no mount", Notes, Tar).instead(|notes| {
                let at = ["--env", "NOTES_DATABASE=/tmp/notes.db"];
                notes.instead("exec python3 -S -u /opt/notes/notes.py").options(&at)
            }),
            &["an SQLite database", "(notes.db)", "own layer", "/tmp/notes.db"],
        ),
        unused(
            fault(36, "the application's database is on no mount, and the restored one is all in its log", Notes, Dir)
                .data(YOUNG)
                .instead(|notes| {
                    let at = ["--env", "NOTES_DATABASE=/tmp/notes.db"];
                    notes.instead("exec python3 -S -u /opt/notes/notes.py").options(&at)
                }),
            &["an SQLite database", "(notes.db)", "own layer", "/tmp/notes.db"],
        ),
        unused(
            fault(36, "the application's database is in the container's shared memory", Notes, Tar).instead(|notes| {
                let at = ["--env", "NOTES_DATABASE=/dev/shm/notes.db"];
                notes.instead("exec python3 -S -u /opt/notes/notes.py").options(&at)
            }),
            &["an SQLite database", "(notes.db)", "memory", "/dev/shm/notes.db"],
        ),
        unused(
            fault(36, "the application's database is in a folder that is in memory", Notes, Dir).instead(|notes| {
                let at = ["--env", "NOTES_DATABASE=/cache/app/notes.db", "--tmpfs", "/cache"];
                notes.instead("mkdir /cache/app; exec python3 -S -u /opt/notes/notes.py").options(&at)
            }),
            &["an SQLite database", "(notes.db)", "memory", "/cache/app/notes.db"],
        ),
        unused(
            fault(36, "the application reads its settings, and its database is on no mount", Notes, Daemon)
                .data("echo dark >\"$1/settings\"; chown 1500:1500 \"$1/settings\"")
                .instead(|notes| {
                    let at = ["--env", "NOTES_DATABASE=/tmp/notes.db"];
                    notes.instead("cat /data/settings; exec python3 -S -u /opt/notes/notes.py").options(&at)
                }),
            &["(notes.db)", "/tmp/notes.db"],
        ),
    ]
}

fn left_empty() -> Vec<Fault> {
    vec![
        fault(36, "the volume of the image is left empty, and the cluster is mounted elsewhere", Postgres, Daemon)
            .own(volume_of_the_image)
            .failed("data/unused", &["a PostgreSQL cluster", "which was left empty", "/var/lib/postgresql/data"]),
        fault(36, "the cluster's volume is left empty, and others are restored", Postgres, Live)
            .own(|_| beside_scripts(&[], "empty"))
            .warned("data/nothing-restored", &["a PostgreSQL cluster", "which was left empty"]),
        fault(36, "the cluster's volume is left out, and others are restored", Postgres, Live)
            .own(|_| beside_scripts(&[], "omit"))
            .warned("data/nothing-restored", &["a PostgreSQL cluster", "which was left out"]),
        fault(36, "the cluster is in the container's own layer, and others are restored", Postgres, Live)
            .own(|_| beside_scripts(&["--env", "PGDATA=/var/lib/postgresql/18/docker"], "copy"))
            .warned("data/nothing-restored", &["a PostgreSQL cluster", "own layer"]),
    ]
}

/// Green, with a warning where nothing was read.
fn read_when_asked() -> Vec<Fault> {
    let site = |nginx: &Subject| nginx.instead("exec nginx -g 'daemon off;'").healthy_within(10, "pidof nginx || true");
    vec![
        fault(36, "a site that nobody asks for a page", Nginx, Tar)
            .instead(site)
            .warned("data/not-used", &["restored files of volume", "at /usr/share/nginx/html"]),
        fault(36, "a site that is asked for a page", Nginx, Dir).instead(site).asked().harmless(),
        fault(36, "a program beside the database holds the volume read-only", Postgres, TarGz)
            .instead(|postgres| beside(postgres, ":ro"))
            .harmless(),
        fault(36, "a program beside the database holds the volume", Redis, Daemon)
            .instead(|redis| beside(redis, ""))
            .warned("data/not-used", &["at /held"]),
        fault(36, "the settings are read, the collection is not", Small, Live)
            .own(cold_collection)
            .warned("data/not-used", &["the 1 restored file of volume", "at /collection"]),
    ]
}

/// A service that only has the volume in its keeping.
fn beside(subject: &Subject, mode: &str) -> Wanted {
    service("broken").options(&["--volume", &format!("{}:/held{mode}", subject.volume)]).command(&["healthy"])
}

/// A container on the image's own, anonymous volume, with the restored cluster where the server does not look.
fn volume_of_the_image(folder: &Path) -> Rehearsal {
    let postgres = subject(Postgres);
    postgres.copy_to(folder, false);
    let mut args = Daemon.make(folder);
    let volume = format!("{}:/var/lib/postgresql/15", postgres.volume);
    let live = Postgres
        .wanted()
        .options(&["--volume", &volume])
        .options(&BEGINS)
        .script("[ -e /only-live ] && exec sleep 100000; exec docker-entrypoint.sh postgres")
        .file("/only-live", "")
        .start();
    args.extend(["--strategy", "/var/lib/postgresql/data=empty", "--timeout", "150s"].map(str::to_owned));
    rehearse_here(folder, &live.name, None, &args, true)
}

/// A server whose scripts are restored and whose cluster is not.
fn beside_scripts(options: &[&str], strategy: &str) -> Rehearsal {
    let live = Postgres
        .wanted()
        .volume("/docker-entrypoint-initdb.d")
        .file("/docker-entrypoint-initdb.d/first.sql", "CREATE TABLE notes (text text)")
        .options(options)
        .options(&BEGINS)
        .start();
    let strategy = format!("/var/lib/postgresql/data={strategy}");
    rehearse(&[&live.name], &["--strategy", &strategy, "--timeout", "150s"])
}

/// A service with two volumes that reads one of them.
fn cold_collection(_: &Path) -> Rehearsal {
    let live = service("broken")
        .volume("/config")
        .volume("/collection")
        .file("/config/settings", "dark")
        .file("/collection/film", "a film")
        .healthy_when("true")
        .script("cat /config/settings; exec behave healthy")
        .start();
    rehearse(&[&live.name], &["--settle", "1s"])
}
