//! The trials of every push: `ci/test` runs these, and `ci/nightly` runs the whole table.
//!
//! Each row of the table is here on one service at least, and each service with its undamaged twin and the faults that
//! tell most about it. The other trials ask the same of one more service, of one more kind of source or of one more way
//! to damage the same thing. `check` says what is missing here.

use std::collections::BTreeSet;

use crate::fault::Fault;
use crate::kind::KINDS;
use crate::rows::ROWS;
use crate::twin::Twin;

const TRIALS: &[&str] = &[
    "twin beanstalkd from tar: undamaged",
    "twin broken from restic: undamaged",
    "twin broken from tar: undamaged",
    "twin git from tar: undamaged",
    "twin mariadb from tar: undamaged",
    "twin mosquitto from tar: undamaged",
    "twin nginx from tar: undamaged",
    "twin notes from tar: undamaged, made while it ran",
    "twin postgres from sql: undamaged",
    "twin postgres from tar: undamaged",
    "twin prometheus from tar: undamaged",
    "twin radicale from tar: undamaged",
    "twin redis from tar: undamaged",
    "twin slapd from tar: undamaged",
    "01 broken from dir: something else is in it",
    "02 notes from tar: its folder is empty",
    "03 broken from tar.gz: it empties its folder at its start",
    "03 notes from tar: the application makes its database anew",
    "04 broken from tar.xz: cut off in the middle",
    "05 broken from restic: a flipped byte in a pack of contents",
    "05 broken from tar.gz.gpg: a bit flipped",
    "06 broken from tar.gz.age: another key",
    "07 broken from tar: the archive is gone",
    "07 broken from dir: the folder is the live volume itself",
    "08 broken from tar: the newest is too old by its name",
    "09 nginx from dir: the pages are zeros",
    "09 postgres from tar: the file of a table is missing",
    "09 mariadb from daemon: the file of a table is missing",
    "10 postgres from dir: its folder itself belongs to root",
    "10 git from tar: nobody but another user may read it, and nobody has asked yet",
    "11 broken from dir: a link came back as what it led to, and is needed",
    "12 nginx from tar: a file through a symlink",
    "13 redis from daemon: more than may be brought",
    "14 notes from dir: noise for a page",
    "15 notes from tar: the log is not in the backup",
    "16 postgres from tar: pg_wal is empty",
    "17 postgres from tar: of an older major version",
    "18 mariadb from tar: of a later release",
    "19 postgres from tar: the data is another server's",
    "20 mariadb from tar: the redo log is full of noise",
    "21 redis from tar: only the dump came back",
    "21 redis from tar: the log is empty, and only the dump has keys",
    "22 postgres from tar: postmaster.pid of the live server, which it takes for its own",
    "23 broken from live: a key file is not on the host any more",
    "24 broken from tar: the backup has a folder for a file",
    "25 postgres from tar: another password, which the healthcheck uses",
    "29 broken from tar: exits at its start",
    "30 broken from tar: never healthy",
    "31 broken from tar: healthy, and exits within the time to settle",
    "32 broken from daemon: healthy without a file",
    "33 broken from tar.gz: of another host name, begun beside it",
    "34 broken from live: a file is written to all the time",
    "35 postgres from sql: cut off in the middle of its rows",
    "36 notes from tar: the application's database is on no mount",
    "37 broken from borg: repaired after a cut: names and sizes are right, the contents zeros",
    "39 broken from restic: snapshots of the same path by two hosts",
    "40 postgres from sql: a command of psql in a line of its own",
    "41 broken from tar: a zip file",
    "42 broken from tar.gz: the last part is missing",
    "45 broken from live: a neighbour on its network is not there",
    "47 git from tar: a bit of a pack is another",
    "47 postgres from tar: a page in the middle of a table is noise",
    "47 prometheus from tar: a bit of a chunk is another",
    "47 radicale from tar: an event is cut off",
    "47 slapd from tar: the directory is cut off",
    "48 beanstalkd from tar: the log of jobs is cut off",
    "48 mosquitto from tar: its file of messages is empty",
    "51 broken from dir: an export lacks rows that live still has",
    "51 broken from tar: a file has other content",
    "51 broken from tar: all of it is as live",
    "51 broken from tar: files are missing",
    "53 broken from dir: a folder lost most of its files",
    "53 broken from dir: logs were rotated, a cache was cleared, sessions have ended",
    "53 broken from dir: rows of an SQLite database are gone",
];

/// Whether the trial of this name runs at every push.
pub fn has(name: &str) -> bool {
    TRIALS.contains(&name)
}

/// Finds a row without a trial here, a service without its twin or without a fault, and a name that the table lacks.
pub fn check(twins: &BTreeSet<Twin>, faults: &[Fault]) -> Result<(), String> {
    let mut wrong = Vec::new();
    for (row, title) in ROWS {
        if !faults.iter().any(|fault| fault.row == *row && has(&fault.name())) {
            wrong.push(format!("no trial of row {row}: {title}"));
        }
    }
    for kind in KINDS {
        if !twins.iter().any(|twin| twin.kind == kind && has(&twin.name())) {
            wrong.push(format!("no undamaged twin of {}", kind.word()));
        }
        if !faults.iter().any(|fault| fault.kind == kind && has(&fault.name())) {
            wrong.push(format!("no fault of {}", kind.word()));
        }
    }
    let names: BTreeSet<String> = twins.iter().map(|twin| twin.name()).chain(faults.iter().map(Fault::name)).collect();
    let unknown = TRIALS.iter().filter(|name| !names.contains(**name));
    wrong.extend(unknown.map(|name| format!("the table has no trial `{name}`")));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}
