//! Data of PostgreSQL, MariaDB and Redis that the server cannot start from, that has another version, or that the
//! server ignores and replaces by new data.

use std::path::Path;

use Form::{Daemon, Dir, Tar, TarGz};
use Kind::{MariaDb, Nginx, Notes, Postgres, Redis, Small};

use crate::fault::{Fault, fault, rehearse_here};
use crate::form::Form;
use crate::kind::Kind;
use crate::subject::Subject;
use crate::support::Rehearsal;
use crate::support::backup::{data_of, stopped};

/// Makes another cluster, in the folder `other`.
const OTHER_CLUSTER: &str = "mkdir other; chown 999:999 other; docker run --rm --network none --user 999:999 \
     --volume \"$PWD/other:/other\" --entrypoint sh rehearsa-fixture/postgres \
     -c 'initdb -N -U postgres -D /other/db' >/dev/null; ";

pub fn faults() -> Vec<Fault> {
    [postgres(), mariadb(), redis(), keys(), of_another_version(), begun_anew()].into_iter().flatten().collect()
}

fn postgres() -> Vec<Fault> {
    let exits = |fault: Fault, words: &'static [&'static str]| fault.failed("boot/exited", words);
    let no_log: &[&str] = &["exited with code", "pg_wal"];
    vec![
        exits(fault(16, "pg_wal is empty", Postgres, Tar).data("rm -r \"$1\"/pg_wal/*"), no_log),
        exits(fault(16, "pg_wal is not there", Postgres, Daemon).data("rm -r \"$1/pg_wal\""), &["pg_wal"]),
        exits(
            fault(16, "the last log is full of noise", Postgres, TarGz)
                .data("for f in \"$1\"/pg_wal/0*; do noise \"$f\" 0 4096; done"),
            no_log,
        ),
        exits(
            fault(16, "its control file is damaged", Postgres, TarGz).data("noise \"$1/global/pg_control\" 0 1"),
            &["control file (global/pg_control) is damaged"],
        ),
        exits(
            fault(16, "its control file is missing", Postgres, Daemon).data("rm \"$1/global/pg_control\""),
            &["could not open file", "(global/pg_control) is missing"],
        ),
        fault(9, "the folder of a database is missing", Postgres, TarGz)
            .data("rm -r \"$1/base/1\"")
            .failed("restore/incomplete", &["base/1", "is missing"]),
        fault(9, "the files of a database have nothing in them", Postgres, Dir)
            .data("for f in \"$1\"/base/5/[0-9]*; do : > \"$f\"; done")
            .failed("restore/incomplete", &["cannot read all tables"]),
        fault(16, "its control file is empty", Postgres, Dir)
            .data(": >\"$1/global/pg_control\"")
            .failed("restore/incomplete", &["global/pg_control", "a PostgreSQL cluster", "it is empty"]),
        fault(9, "the file of a table is missing", Postgres, Tar)
            .data("rm \"$1\"/base/5/1[6-9]*")
            .failed("restore/incomplete", &["notes of database postgres", "is missing"]),
        fault(9, "the file of a table is cut off behind its first page", Postgres, Daemon)
            .data("truncate -s 8192 \"$(ls -S \"$1\"/base/5/1[6-9]* | head -n 1)\"")
            .failed("restore/incomplete", &["numbers of database postgres", "its file has 1 pages", "cut off"]),
        fault(9, "the data is another server's, which lacks the database", Postgres, Tar)
            .own(|folder| of_another(folder, Postgres, "POSTGRES_DB"))
            .failed("restore/incomplete", &["lacks the database shop", "the live data has it"]),
        fault(9, "the environment names a database that was never made", Postgres, Dir)
            .instead(|postgres| {
                postgres.instead("exec docker-entrypoint.sh postgres").options(&["--env", "POSTGRES_DB=shop"])
            })
            .harmless(),
        fault(19, "the data is another server's", Postgres, Tar)
            .data(OTHER_CLUSTER)
            .data("rm -r \"$1\"; cp -a other/db \"$1\"")
            .warned("data/unlike-live", &["is not the live one", "global/pg_control"]),
        fault(9, "the file of a table is missing, and is asked for", Postgres, Dir)
            .data("rm \"$1\"/base/5/1[6-9]*")
            .asked()
            .failed("data/corrupt", &["could not open file"]),
        exits(
            fault(19, "the shared catalogue is of another cluster", Postgres, Tar)
                .data(OTHER_CLUSTER)
                .data("rm -r \"$1/global\"; cp -a other/db/global \"$1/\""),
            &["mixed of two PostgreSQL clusters"],
        ),
        exits(
            fault(19, "the log is of another cluster", Postgres, Dir)
                .data(OTHER_CLUSTER)
                .data("rm -r \"$1/pg_wal\"; cp -a other/db/pg_wal \"$1/\""),
            &["mixed of two PostgreSQL clusters"],
        ),
        fault(22, "postmaster.pid of the live server, which it takes for its own", Postgres, Tar).hot().harmless(),
        fault(22, "postmaster.pid names a process of the same user", Postgres, Daemon)
            .data("printf '1\\n/var/lib/postgresql/data\\n1\\n5432\\n/run/postgresql\\n*\\n' >\"$1/postmaster.pid\"")
            .data("chown 999:999 \"$1/postmaster.pid\"")
            .instead(|postgres| {
                // Neither itself nor its parent is number 1.
                let below = "(docker-entrypoint.sh postgres; exit $?) & wait $!";
                postgres.instead(below).options(&["--user", "999:999"])
            })
            .failed("boot/exited", &["lock file", "postmaster.pid"]),
    ]
}

fn mariadb() -> Vec<Fault> {
    let exits = |fault: Fault, words: &'static [&'static str]| fault.failed("boot/exited", words);
    vec![
        exits(
            fault(20, "the redo log is full of noise", MariaDb, Tar).data("noise \"$1/ib_logfile0\" 0 2048"),
            &["redo log"],
        ),
        exits(
            fault(20, "the redo log of a running server is cut off", MariaDb, Dir)
                .hot()
                .data("truncate -s 12288 \"$1/ib_logfile0\""),
            &["redo log"],
        ),
        fault(20, "the redo log is cut off, of a server at rest that does not need it", MariaDb, Daemon)
            .data("cut_to \"$1/ib_logfile0\" 50")
            .harmless(),
        exits(fault(20, "the redo log is not there", MariaDb, Daemon).data("rm \"$1/ib_logfile0\""), &["redo log"]),
        exits(
            fault(20, "the redo log is empty", MariaDb, TarGz).data("truncate -s 0 \"$1/ib_logfile0\""),
            &["redo log"],
        ),
        exits(
            fault(20, "the shared tablespace is damaged", MariaDb, TarGz).data("noise \"$1/ibdata1\" 0 64"),
            &["exited with code"],
        ),
        exits(
            fault(20, "the Aria log's control file is damaged", MariaDb, Dir).data("noise \"$1/aria_log_control\" 0 1"),
            &["exited with code"],
        ),
        fault(9, "the file of a table is missing", MariaDb, Daemon)
            .data("rm \"$1/app/notes.ibd\"")
            .failed("restore/incomplete", &["cannot read all tables", "`app`.`notes`"]),
        fault(9, "the file of a table has nothing in it", MariaDb, TarGz)
            .data(": > \"$1/app/notes.ibd\"")
            .failed("restore/incomplete", &["cannot read all tables", "`app`.`notes`"]),
        fault(9, "the description of a table has nothing in it", MariaDb, Tar)
            .data(": > \"$1/app/notes.frm\"")
            .failed("restore/incomplete", &["cannot read all tables", "`app`.`notes`"]),
        fault(9, "the folder of a database is missing", MariaDb, Tar)
            .data("rm -r \"$1/app\"")
            .failed("restore/incomplete", &["database app"]),
        fault(9, "the data is another server's, which lacks the database", MariaDb, Dir)
            .own(|folder| of_another(folder, MariaDb, "MARIADB_DATABASE"))
            .failed("restore/incomplete", &["lacks the database shop", "the live data has it"]),
        fault(9, "the folder of a database is missing, and is asked for", MariaDb, TarGz)
            .data("rm -r \"$1/app\"")
            .asked()
            .errored("check/cannot-ask", &["app"]),
    ]
}

fn redis() -> Vec<Fault> {
    vec![
        fault(21, "only the dump came back", Redis, Tar)
            .data("rm -r \"$1/appendonlydir\"")
            .failed("data/reinitialised", &["dump.rdb", "append-only"]),
        fault(21, "only the dump came back", Redis, Daemon)
            .data("rm -r \"$1/appendonlydir\"")
            .failed("data/reinitialised", &["dump.rdb", "append-only"]),
        fault(21, "the log's base is damaged", Redis, TarGz)
            .data("flip \"$1\"/appendonlydir/*.base.rdb")
            .failed("boot/exited", &["Redis's dump, or the base of its append-only log, is damaged"]),
        fault(21, "the log's base is missing", Redis, TarGz)
            .data("rm \"$1\"/appendonlydir/*.base.rdb")
            .failed("boot/exited", &["(appendonlydir) are not all there"]),
        fault(21, "the log's list of files is damaged", Redis, Dir)
            .data("noise \"$1\"/appendonlydir/*.manifest 0 1")
            .failed("boot/exited", &["its list of them is damaged"]),
        fault(21, "the log has noise in its middle", Redis, Daemon)
            .data(
                "for f in \"$1\"/appendonlydir/*.incr.aof; do \
                 printf 'no command at all\\r\\n*1\\r\\n$4\\r\\nPING\\r\\n' >>\"$f\"; done",
            )
            .failed("boot/exited", &["append"]),
    ]
}

/// Puts a dump without a key in the place of the log's base, as in a log whose writes are all in its newest part.
const EMPTY_BASE: &str = r#"
printf 'REDIS0010\377\0\0\0\0\0\0\0\0' >"$(echo "$1"/appendonlydir/*.base.rdb)"
"#;
/// Takes the list of the log's files away, and makes the parts the first ones, which Redis begins without a list.
const FIRST_PART: &str = r#"
rm "$1"/appendonlydir/*.manifest
for f in "$1"/appendonlydir/*; do mv "$f" "$(echo "$f" | sed 's/aof[.][0-9]*/aof.1/')"; done
"#;
/// Makes a dump with one key, which has expired.
const EXPIRED: &str = r#"
rm -r "$1/appendonlydir"
printf 'REDIS0010\376\0\373\1\1\374\1\0\0\0\0\0\0\0\0\4note\4kept\377\0\0\0\0\0\0\0\0' >"$1/dump.rdb"
"#;

/// The server comes up without the keys.
fn keys() -> Vec<Fault> {
    let torn = "for f in \"$1\"/appendonlydir/*.incr.aof; do \
                printf '*2\\r\\n$6\\r\\nSELECT\\r\\n$1\\r\\n0\\r\\n*3\\r\\n$3\\r\\nSET\\r\\n$4\\r\\nno' >\"$f\"; done";
    let without_log =
        |redis: &Subject| redis.instead("exec redis-server --appendonly no --save '' --dir /data --protected-mode no");
    let locked = |redis: &Subject| {
        let script = "exec docker-entrypoint.sh redis-server --appendonly yes --dir /data \
                      --requirepass fixture-redis-secret";
        redis.instead(script).healthy_within(15, "redis-cli ping | grep -q NOAUTH")
    };
    vec![
        fault(21, "the list of the log's files is missing", Redis, Tar)
            .data("rm \"$1\"/appendonlydir/*.manifest")
            .failed("data/unused", &["a Redis dump or log", "redis-server runs"]),
        fault(21, "the list of the log's files is missing, and the log is at its first part", Redis, Dir)
            .data(FIRST_PART)
            .failed("data/reinitialised", &["append-only log", ".1.base.rdb"]),
        fault(21, "the list of the log's files is missing, and all keys are in the newest part", Redis, Daemon)
            .data(EMPTY_BASE)
            .data(FIRST_PART)
            .data(
                "printf '*3\\r\\n$3\\r\\nSET\\r\\n$4\\r\\nnote\\r\\n$4\\r\\nkept\\r\\n' \
                 >\"$(echo \"$1\"/appendonlydir/*.incr.aof)\"",
            )
            .failed("data/reinitialised", &["append-only log", ".1.base.rdb"]),
        fault(21, "the log is empty, and only the dump has keys", Redis, Tar)
            .data(EMPTY_BASE)
            .failed("data/unused", &["without a single key", "dump.rdb"]),
        fault(21, "the log is empty, only the dump has keys, and the server asks for a password", Redis, Dir)
            .data(EMPTY_BASE)
            .instead(locked)
            .failed("data/unused", &["without a single key", "dump.rdb"]),
        fault(21, "the log is cut off in its first command", Redis, Daemon)
            .data(EMPTY_BASE)
            .data(torn)
            .failed("data/unused", &["cut off the torn end", "dump.rdb"]),
        fault(21, "the log is cut off, and its base has the keys", Redis, TarGz)
            .data(torn)
            .warned("data/torn-copy", &["append-only log", "short read"]),
        fault(21, "the log is off, and only the log came back", Redis, Tar)
            .data("rm \"$1/dump.rdb\"")
            .instead(without_log)
            .failed("data/unused", &["a Redis dump or log", "redis-server runs"]),
        fault(21, "all keys of the dump have expired", Redis, Tar).data(EXPIRED).instead(without_log).harmless(),
        fault(21, "all keys were removed after the dump", Redis, Dir)
            .data(EMPTY_BASE)
            .data(
                "for f in \"$1\"/appendonlydir/*.incr.aof; do \
                 printf '*2\\r\\n$6\\r\\nSELECT\\r\\n$1\\r\\n0\\r\\n*1\\r\\n$8\\r\\nFLUSHALL\\r\\n' >\"$f\"; done",
            )
            .harmless(),
    ]
}

fn of_another_version() -> Vec<Fault> {
    let mismatch = |fault: Fault, words: &'static [&'static str]| fault.failed("data/version-mismatch", words);
    vec![
        mismatch(
            fault(17, "of an older major version", Postgres, Tar).data("echo 14 >\"$1/PG_VERSION\""),
            &["PostgreSQL 14", "PG_VERSION", "PostgreSQL 15.", "rehearsa-fixture/postgres"],
        ),
        mismatch(
            fault(18, "of a newer major version", Postgres, Daemon).data("echo 17 >\"$1/PG_VERSION\""),
            &["PostgreSQL 17", "PG_VERSION"],
        ),
        mismatch(
            fault(18, "of a later release", MariaDb, Tar).data("printf 99.1.0-MariaDB >\"$1/mysql_upgrade_info\""),
            &["MariaDB 99.1", "mysql_upgrade_info", "MariaDB 10."],
        ),
        mismatch(
            fault(17, "of MySQL", MariaDb, Dir).data("printf 8.0.36 >\"$1/mysql_upgrade_info\""),
            &["MySQL 8.0", "mysql_upgrade_info"],
        ),
        mismatch(
            fault(18, "the dump is of a later release", Redis, TarGz)
                .data("printf REDIS0099 | dd of=\"$1/dump.rdb\" conv=notrunc status=none"),
            &["version 99", "dump.rdb", "Redis 7.0"],
        ),
        mismatch(
            fault(18, "the log's base is of a later release", Redis, Dir)
                .data("printf REDIS0012 | dd of=\"$(echo \"$1\"/appendonlydir/*.base.rdb)\" conv=notrunc status=none"),
            &["version 12", "Redis 7.0"],
        ),
        // A service that only has the folder in its keeping does not read what is in it.
        fault(18, "a newer dump among the pages of a site", Nginx, Tar)
            .data("printf REDIS0099 >\"$1/dump.rdb\"")
            .harmless(),
    ]
}

fn begun_anew() -> Vec<Fault> {
    let anew = |fault: Fault, words: &'static [&'static str]| fault.failed("data/reinitialised", words);
    vec![
        anew(
            fault(3, "another folder is looked in for the cluster", Postgres, Tar)
                .data(
                    "mkdir \"$1/db\"; mv \"$1\"/[!d]* \"$1/db/\"; chown 999:999 \"$1/db\"; \
                     chmod 700 \"$1/db\"; touch \"$1/base\"",
                )
                .instead(|postgres| {
                    let elsewhere = &["--env", "PGDATA=/var/lib/postgresql/data/pg", "--health-start-period", "60s"];
                    postgres.instead("exec docker-entrypoint.sh postgres").options(elsewhere)
                }),
            &["beside db/global/pg_control"],
        ),
        fault(3, "its mark is missing, and it will not begin over the rest", Postgres, Dir)
            .data("rm \"$1/PG_VERSION\"")
            .failed("boot/exited", &["lacks its PG_VERSION"]),
        fault(3, "its system tables are missing, and it makes them anew", MariaDb, Tar)
            .data("rm -r \"$1/mysql\"")
            .failed("boot/exited", &[]),
        anew(
            fault(3, "the application makes its database anew", Notes, Tar).instead(|notes| {
                notes.instead(
                    "python3 -c \"import glob, os; [os.remove(f) for f in glob.glob('/data/*')]\"; \
                         exec python3 -S -u /opt/notes/notes.py",
                )
            }),
            &["notes.db"],
        ),
        anew(
            fault(3, "it empties its folder at its start", Small, TarGz).instead(|small| {
                small.instead("rm -rf /mounted/*; echo fresh >/mounted/settings; exec behave healthy")
            }),
            &["library"],
        ),
        anew(
            fault(3, "it writes its own over what came back", Small, Daemon).instead(|small| {
                small.instead(
                    "for f in library settings note; do echo fresh >/mounted/x; mv /mounted/x /mounted/$f; done; \
                     exec behave healthy",
                )
            }),
            &["library"],
        ),
        anew(
            fault(3, "it puts aside what came back and begins anew", Small, Tar).instead(|small| {
                small.instead(
                    "for f in library settings; do mv /mounted/$f /mounted/$f.corrupt; echo fresh >/mounted/$f; done; \
                     exec behave healthy",
                )
            }),
            &["library"],
        ),
        anew(
            fault(3, "it rewrites what came back in place, to a small part", Small, Dir).instead(|small| {
                small.instead("for f in library settings; do echo >/mounted/$f; done; exec behave healthy")
            }),
            &["library"],
        ),
        fault(3, "it keeps a copy of what came back, and rewrites a part of it in place", Small, Tar)
            .instead(|small| {
                small.instead(
                    "cd /mounted; for f in library settings; do mv $f $f.bak; cp $f.bak $f; done; \
                     head -c 7000 library.bak >library; exec behave healthy",
                )
            })
            .harmless(),
        fault(3, "another folder is looked in, and nothing known is in it", Small, Dir)
            .instead(|small| small.instead("mkdir /mounted/new; echo fresh >/mounted/new/note; exec behave healthy"))
            // New files beside the old may be an addition, so the warning leaves the verdict to the owner.
            .warned("data/not-used", &["restored files of volume", "has made new/note"]),
    ]
}

/// A server whose environment names the database `shop` in this variable, from the data of one with another database.
fn of_another(folder: &Path, kind: Kind, variable: &str) -> Rehearsal {
    let server = |database: &str| {
        let env = format!("{variable}={database}");
        let live = kind.wanted().options(&["--env", &env]).volume(kind.target()).start();
        live.until_healthy();
        live
    };
    let (live, other) = (server("shop"), server("other"));
    let volumes = [&data_of(other.first_volume()), live.first_volume()];
    stopped(&other, folder, "mkdir data; cp -a \"$1\" \"data/$2\"", &volumes);
    let args = Form::Dir.make(folder);
    rehearse_here(folder, &live.name, None, &args, true)
}
