//! SQLite databases that come back damaged, inconsistent or without their log. The application is healthy on most of
//! them.

use Form::{Daemon, Dir, Tar};
use Kind::Notes;

use super::usage::YOUNG;
use crate::fault::{Fault, fault};
use crate::form::Form;
use crate::kind::Kind;
use crate::subject::Subject;
use crate::support::Wanted;

pub fn faults() -> Vec<Fault> {
    let corrupt = |fault: Fault| fault.failed("data/sqlite-corrupt", &["notes.db"]);
    let lacking = |fault: Fault| fault.hot().failed("data/sqlite-wal-missing", &["notes.db", "without the -wal file"]);
    vec![
        corrupt(fault(14, "noise for a page", Notes, Tar).data("noise \"$1/notes.db\" 1 1")),
        corrupt(fault(14, "noise for a page", Notes, Dir).data("noise \"$1/notes.db\" 1 1")),
        corrupt(fault(14, "noise for a page", Notes, Daemon).data("noise \"$1/notes.db\" 1 1")),
        // The files no longer begin like a database, so only the live one tells that they should be one.
        corrupt(
            fault(14, "its header is zeroed", Notes, Tar)
                .data("dd if=/dev/zero of=\"$1/notes.db\" bs=100 count=1 conv=notrunc status=none"),
        ),
        corrupt(
            fault(14, "it is empty, beside another file", Notes, Tar)
                .data(": >\"$1/notes.db\"; echo x >\"$1/readme\"; chown 1500:1500 \"$1\"/*"),
        ),
        corrupt(
            fault(14, "it is zeros, and the application begins anew", Notes, Dir)
                .data("head -c 600000 /dev/zero >\"$1/notes.db\"")
                .instead(begins_anew),
        ),
        corrupt(
            fault(14, "it is noise, beside larger files, and the application begins anew", Notes, Daemon)
                .data("head -c 600000 /dev/urandom >\"$1/notes.db\"; head -c 900000 /dev/urandom >\"$1/film\"")
                .data("chown 1500:1500 \"$1/film\"")
                .instead(begins_anew),
        ),
        fault(14, "it is of another application", Notes, Tar)
            .data(
                "rm \"$1/notes.db\"; python3 -c \"import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); \
                 c.execute('CREATE TABLE t (a)'); c.commit()\" \"$1/notes.db\"; chown 1500:1500 \"$1/notes.db\"",
            )
            .warned("data/unlike-live", &["notes.db", "it has t, and the live one has notes"]),
        fault(14, "files with the name of a database that are none and are not live", Notes, Tar)
            .data(": >\"$1/empty.db\"; echo x >\"$1/text.db\"; chown 1500:1500 \"$1\"/*.db")
            .harmless(),
        fault(14, "it is young: all of its tables are in its log", Notes, Tar).data(YOUNG).harmless(),
        corrupt(fault(14, "half of it", Notes, Tar).data("cut_to \"$1/notes.db\" 50")),
        corrupt(fault(14, "the tree of a table led astray", Notes, Tar).data("flip \"$1/notes.db\" 4099")),
        corrupt(fault(14, "torn: pages of two moments", Notes, Daemon).data(
            r#"python3 -c "
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute('PRAGMA journal_mode = DELETE')
begin = open(sys.argv[1], 'rb').read(4096)
db.executemany('INSERT INTO notes (text) VALUES (?)', [('later ' * 300,)] * 400)
db.execute('CREATE INDEX by_text ON notes (text)')
db.commit()
db.close()
with open(sys.argv[1], 'r+b') as file: file.write(begin)
" "$1/notes.db"; chown 1500:1500 "$1"/*"#,
        )),
        lacking(fault(15, "the log is not in the backup", Notes, Tar).data("rm \"$1/notes.db-wal\"")),
        lacking(fault(15, "neither log nor its index is in the backup", Notes, Daemon).data("rm \"$1\"/notes.db-*")),
        lacking(fault(15, "the log came back empty", Notes, Tar).data("truncate -s 0 \"$1/notes.db-wal\"")),
        corrupt(fault(15, "the log begins with noise", Notes, Tar).hot().data("noise \"$1/notes.db-wal\" 0 1")),
        corrupt(
            fault(14, "cut to less than the smallest database", Notes, Dir).data("truncate -s 300 \"$1/notes.db\""),
        ),
        fault(15, "the log came back without its database", Notes, Tar)
            .hot()
            .data("rm \"$1/notes.db\"")
            .failed("data/sqlite-missing", &["notes.db"]),
        fault(15, "made at rest, and the live one has a log", Notes, Tar)
            .warned("data/sqlite-wal-absent", &["notes.db"]),
    ]
}

/// The application puts a database aside that it cannot read, and begins a new one.
fn begins_anew(notes: &Subject) -> Wanted {
    notes.instead(
        "head -c 15 /data/notes.db | grep -q '^SQLite format 3' || mv /data/notes.db /data/notes.db.corrupt; \
         exec python3 -S -u /opt/notes/notes.py",
    )
}
