//! SQLite databases that come back damaged, inconsistent or without their log. The application is healthy on most of
//! them.

use Form::{Daemon, Dir, Tar};
use Kind::Notes;

use crate::fault::{Fault, fault};
use crate::form::Form;
use crate::kind::Kind;

pub fn faults() -> Vec<Fault> {
    let corrupt = |fault: Fault| fault.failed("data/sqlite-corrupt", &["notes.db"]);
    let lacking = |fault: Fault| fault.hot().failed("data/sqlite-wal-missing", &["notes.db", "without the -wal file"]);
    vec![
        corrupt(fault(14, "noise for a page", Notes, Tar).data("noise \"$1/notes.db\" 1 1")),
        corrupt(fault(14, "noise for a page", Notes, Dir).data("noise \"$1/notes.db\" 1 1")),
        corrupt(fault(14, "noise for a page", Notes, Daemon).data("noise \"$1/notes.db\" 1 1")),
        // The file no longer begins like a database, so only the service knows that it should be one.
        fault(14, "its header is zeroed", Notes, Tar)
            .data("dd if=/dev/zero of=\"$1/notes.db\" bs=100 count=1 conv=notrunc status=none")
            .failed("boot/exited", &["file is not a database"]),
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
