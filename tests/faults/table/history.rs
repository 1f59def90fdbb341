//! Backups that are whole by their own list and hold less than the one before. Neither the live data nor a check
//! notices, only the profile of the last green run does.

use std::path::Path;

use Form::{Dir, Sql};
use Kind::{MariaDb, Postgres, Redis, Small};

use crate::fault::{Fault, fault, rehearse_here};
use crate::form::Form;
use crate::kind::Kind;
use crate::subject::subject;
use crate::support::backup::sh;
use crate::support::{Rehearsal, service, shown};

pub fn faults() -> Vec<Fault> {
    [files(), databases(), normal_life()].into_iter().flatten().collect()
}

fn shrunk(what: &'static str, own: crate::fault::Own, words: &'static [&'static str]) -> Fault {
    fault(53, what, Small, Dir).own(own).failed("data/shrunk", words)
}

fn files() -> Vec<Fault> {
    vec![
        shrunk(
            "a folder lost most of its files",
            |dir| trial(dir, "rm data/pictures/[1-3]?", &[]),
            &["pictures of /mounted has 10 files with content instead of 40", "the green run of", "snapshot"],
        ),
        shrunk(
            "a folder was emptied",
            |dir| trial(dir, "rm data/pictures/*", &[]),
            &["pictures of /mounted has 0 files"],
        ),
        shrunk(
            "a folder is gone",
            |dir| trial(dir, "rm -r data/letters", &[]),
            &["letters of /mounted has 0 files with content instead of 12"],
        ),
        shrunk(
            "most files are zeros",
            |dir| trial(dir, "for n in $(seq 10 39); do head -c 3000 /dev/zero >data/pictures/$n; done", &[]),
            &["pictures of /mounted has 10 files with content instead of 40"],
        ),
        shrunk(
            "most files are empty",
            |dir| trial(dir, "for n in $(seq 10 39); do : >data/pictures/$n; done", &[]),
            &["pictures of /mounted has 10 files with content instead of 40"],
        ),
        shrunk(
            "most bytes of a folder are gone",
            |dir| trial(dir, "truncate -s 1000 data/films/film", &[]),
            &["films of /mounted has 1.0 kB instead of 3.0 MB"],
        ),
    ]
}

fn databases() -> Vec<Fault> {
    let rows = |kind, own, words| fault(53, "rows are gone", kind, Sql).own(own).failed("data/shrunk", words);
    vec![
        shrunk(
            "rows of an SQLite database are gone",
            |dir| trial(dir, "sql 'DELETE FROM notes WHERE id > 50'", &[]),
            &["table notes of app.db of /mounted has 50 rows instead of 100"],
        ),
        shrunk(
            "a table of an SQLite database is gone",
            |dir| trial(dir, "sql 'DROP TABLE tags'", &[]),
            &["table tags of app.db of /mounted is gone, which had 20 rows"],
        ),
        shrunk(
            "a database is gone",
            |dir| trial(dir, "rm data/app.db", &[]),
            &["the data store app.db of /mounted is gone"],
        ),
        rows(
            Postgres,
            |dir| dump_trial(dir, Postgres, "sed -i '/^5[0-9]*$/d; /^6[0-9]*$/d' dumps/x.sql"),
            &["table numbers of database postgres has", "rows instead of 9999"],
        ),
        fault(53, "a table is gone", MariaDb, Sql)
            .own(|dir| {
                let more =
                    "sed -i 's/^CREATE TABLE `notes`/CREATE TABLE `more` (a int); INSERT INTO `more` VALUES (1);\\n&/'";
                two_dumps(dir, MariaDb, &format!("{more} dumps/x.sql"), "cp first.sql dumps/x.sql")
            })
            .failed("data/shrunk", &["table more of database app is gone, which had 1 row"]),
        fault(53, "keys are gone", Redis, Dir).own(keys).failed("data/shrunk", &["6 keys instead of 20"]),
    ]
}

/// What happens to data that nobody has lost.
fn normal_life() -> Vec<Fault> {
    let harmless = |what, own| fault(53, what, Small, Dir).own(own).harmless();
    vec![
        harmless("it has grown", |dir| {
            let more = "cp -r data/pictures data/more; cp data/pictures/1 data/pictures/x; \
                sql \"INSERT INTO notes (text) SELECT text FROM notes\"";
            trial(dir, more, &[])
        }),
        harmless("the database was vacuumed", |dir| {
            trial(dir, "sql 'DROP TABLE padding_cache; VACUUM'; [ $(stat -c %s data/app.db) -lt 100000 ]", &[])
        }),
        harmless("logs were rotated, a cache was cleared, sessions have ended", |dir| {
            let rotated = "rm data/x.log data/logs/*; rm -r data/cache; sql 'DELETE FROM sessions'; rm data/pictures/1";
            trial(dir, rotated, &[])
        }),
        harmless("a few files and rows were deleted", |dir| {
            trial(dir, "rm data/pictures/1? data/letters/3; sql 'DELETE FROM notes WHERE id > 91'", &[])
        }),
        harmless("the backup leaves a folder out from now on, and says so", |dir| {
            trial(dir, "rm -r data/pictures", &["--exclude", "pictures/**"])
        }),
        harmless("a folder has another name", |dir| trial(dir, "mv data/letters data/post", &[])),
        harmless("the loss is allowed", |dir| {
            trial(dir, "rm data/pictures/[1-3]?; sql 'DROP TABLE tags'", &["--tolerance", "files=80%, gone"])
        }),
    ]
}

/// Changes the database in `data/app.db`.
const SQL: &str = r#"
sql() { python3 -c "import sqlite3, sys; c = sqlite3.connect('data/app.db', isolation_level=None)
for one in sys.argv[1].split(';'): c.execute(one)" "$1"; }
"#;

/// Data of several kinds.
const FIRST: &str = r#"
mkdir -p data/pictures data/letters data/films data/logs data/cache
for n in $(seq 40); do head -c 3000 /dev/urandom >data/pictures/$n; done
mv data/pictures/40 data/pictures/0
for n in $(seq 12); do echo "letter $n" >data/letters/$n; echo "log $n" >data/logs/$n; echo x >data/cache/$n; done
head -c 3000000 /dev/urandom >data/films/film
echo log >data/x.log
sql "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); CREATE TABLE tags (text TEXT);
  CREATE TABLE sessions (text TEXT); CREATE TABLE padding_cache (text TEXT);
  INSERT INTO notes (text) WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100) SELECT 'note' FROM n;
  INSERT INTO tags SELECT 'tag' FROM notes LIMIT 20; INSERT INTO sessions SELECT 'session' FROM notes;
  INSERT INTO padding_cache SELECT hex(randomblob(5000)) FROM notes"
"#;

/// Rehearses twice with a history, from a folder before and after a change. Live has nothing that could be compared.
fn trial(dir: &Path, change: &str, args: &[&str]) -> Rehearsal {
    let content = "find /mounted -type f -exec cat {} + >/dev/null; exec behave healthy";
    let live = service("broken").volume("/mounted").rehearsed_as(content).start();
    sh(dir, &format!("{SQL}{FIRST}"), &[]);
    let from = format!("dir:{}", shown(&dir.join("data")));
    twice(dir, &live.name, &from, &format!("{SQL}{change}"), args)
}

/// The last of two rehearsals with a history, between which the backup is changed. The arguments are the last one's.
fn twice(dir: &Path, name: &str, from: &str, change: &str, args: &[&str]) -> Rehearsal {
    let history = shown(&dir.join("history"));
    let mut all = ["--from", from, "--history", &history].map(str::to_owned).to_vec();
    let first = rehearse_here(dir, name, None, &all, true);
    assert_eq!(first.code, Some(0), "{first}");
    sh(dir, change, &[]);
    all.extend(args.iter().map(|&arg| arg.to_owned()));
    rehearse_here(dir, name, None, &all, true)
}

fn dump_trial(dir: &Path, kind: Kind, change: &str) -> Rehearsal {
    two_dumps(dir, kind, "", change)
}

/// Rehearses from a dump that this script changed first, and from one that the other changed.
fn two_dumps(dir: &Path, kind: Kind, first: &str, change: &str) -> Rehearsal {
    let subject = subject(kind);
    subject.copy_dumps_to(dir);
    sh(dir, &format!("cp dumps/x.sql first.sql\n{first}"), &[]);
    twice(dir, &subject.name, &format!("dump:{}", shown(&dir.join("dumps/x.sql"))), change, &[])
}

/// A dump of Redis with twenty keys, and one with six.
fn keys(dir: &Path) -> Rehearsal {
    let live = service("redis")
        .volume("/data")
        .healthy_within(15, "[ \"$(redis-cli ping)\" = PONG ]")
        .command(&["redis-server", "--appendonly", "no", "--dir", "/data", "--protected-mode", "no"])
        .start();
    let save = |keys: u32| {
        live.until(&["redis-cli", "ping"]);
        live.exec(&["sh", "-ec", &format!("redis-cli flushall; for n in $(seq {keys}); do redis-cli set k$n v; done")]);
        live.exec(&["redis-cli", "save"]);
    };
    let data = crate::support::backup::data_of(live.first_volume());
    save(6);
    sh(dir, "cp -a \"$1\" later", &[&data]);
    save(20);
    sh(dir, "cp -a \"$1\" data", &[&data]);
    let from = format!("dir:{}", shown(&dir.join("data")));
    // Live has twenty keys, too: what it has not touched is not the subject here.
    twice(dir, &live.name, &from, "rm -r data; mv later data; touch data", &["--exclude", "**"])
}
