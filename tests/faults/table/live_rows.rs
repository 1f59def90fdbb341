//! SQLite databases that were exported, as programs do that back up a database while it runs. The file is another one
//! then, so only its rows can be compared with those of the live database.

use std::path::Path;

use Form::{Dir, Tar};
use Kind::Small;

use crate::fault::{Fault, Own, fault, rehearse_here};
use crate::form::Form;
use crate::kind::Kind;
use crate::support::backup::{data_of, sh};
use crate::support::{Rehearsal, service, shown};

pub fn faults() -> Vec<Fault> {
    let differs =
        |what, form, own: Own, words| fault(51, what, Small, form).own(own).failed("data/differs-from-live", words);
    let harmless = |what, own: Own| fault(51, what, Small, Tar).own(own).harmless();
    vec![
        differs(
            "an export lacks rows that live still has",
            Dir,
            |dir| trial(dir, "sql data/app.db 'DELETE FROM notes WHERE id > 50'", "", GROWN, &[]),
            &["table notes of app.db has 50 rows instead of 100", "whose ids were given before the backup"],
        ),
        differs(
            "an export of a database that rests lacks rows",
            Tar,
            |dir| trial(dir, "sql data/app.db 'DELETE FROM tags WHERE rowid > 5'", TAR, "", &["--witness-slack", "0"]),
            &["table tags of app.db has 5 rows instead of 20", "live has not touched since"],
        ),
        differs(
            "an export of a database that rests lacks a table",
            Tar,
            |dir| trial(dir, "sql data/app.db 'DROP TABLE tags'", TAR, "", &["--witness-slack", "0"]),
            &["table tags of app.db is gone, which had 20 rows"],
        ),
        harmless("an export is whole, and live rests", |dir| trial(dir, ":", TAR, "", &["--witness-slack", "0"])),
        harmless("live has grown a lot since an export", |dir| trial(dir, ":", TAR, GROWN, &["--witness-slack", "0"])),
        harmless("live was vacuumed, has lost rows and a table, and got another since", |dir| {
            let upgraded = "sql \"$1/app.db\" 'DELETE FROM notes WHERE id < 40; DROP TABLE tags; \
                CREATE TABLE labels (text TEXT); INSERT INTO labels SELECT text FROM notes; VACUUM'";
            trial(dir, ":", TAR, upgraded, &["--witness-slack", "0"])
        }),
        harmless("an export leaves sessions out, and a few rows were deleted", |dir| {
            let less = "sql data/app.db 'DROP TABLE sessions; DELETE FROM notes WHERE id > 95'";
            trial(dir, less, TAR, "", &["--witness-slack", "0"])
        }),
        harmless("an export lacks a table on purpose", |dir| {
            let args = ["--witness-slack", "0", "--tolerance", "gone"];
            trial(dir, "sql data/app.db 'DROP TABLE tags'", TAR, "", &args)
        }),
    ]
}

/// The live database gets many more rows.
const GROWN: &str = "sql \"$1/app.db\" 'INSERT INTO notes (text) WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
    LIMIT 9000) SELECT i FROM n; INSERT INTO tags SELECT text FROM notes'";
const TAR: &str = "tar -C data -cf x.tar .";
/// Changes a database.
const SQL: &str = r#"
sql() { python3 -c "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)
for one in sys.argv[2].split(';'): c.execute(one)" "$1" "$2"; }
"#;
const FIRST: &str = r#"
sql "$1/app.db" "CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT); CREATE TABLE tags (text TEXT);
  CREATE TABLE sessions (text TEXT);
  INSERT INTO notes (text) WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100) SELECT 'note' FROM n;
  INSERT INTO tags SELECT 'tag' FROM notes LIMIT 20; INSERT INTO sessions SELECT 'session' FROM notes"
"#;
/// The clock of the files is past the last write when the backup begins.
const RESTED: &str = "last=$(date +%s); until [ \"$(date +%s)\" -gt $((last + 3)) ]; do sleep 0.2; done\n";
const EXPORT: &str = "mkdir data; sql \"$1/app.db\" \"VACUUM INTO 'data/app.db'\"\n";

/// Rehearses from an export of the live database that this script damaged, and that `make` packed. Then live goes on.
fn trial(dir: &Path, damage: &str, make: &str, since: &str, args: &[&str]) -> Rehearsal {
    let content = "find /mounted -type f -exec cat {} + >/dev/null; exec behave healthy";
    let live = service("broken").volume("/mounted").rehearsed_as(content).start();
    let rested = if make.is_empty() { "" } else { RESTED };
    let script = format!("{SQL}{FIRST}{rested}{EXPORT}{damage}\n{make}\n{since}");
    sh(dir, &script, &[&data_of(live.first_volume())]);
    let from = match make {
        "" => format!("dir:{}", shown(&dir.join("data"))),
        _ => format!("tar:{}", shown(&dir.join("x.tar"))),
    };
    let mut all = ["--from", &from].map(str::to_owned).to_vec();
    all.extend(args.iter().map(|&arg| arg.to_owned()));
    rehearse_here(dir, &live.name, None, &all, true)
}
