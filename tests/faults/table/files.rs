//! Restored files that differ from the original ones: contents, owners, modes, links; entries that would be written
//! outside the volume; a full disk; changes during the copy.

use Form::{Daemon, Dir, Live, Tar, TarGz};
use Kind::{MariaDb, Nginx, Notes, Postgres, Redis, Small};

use super::special;
use crate::fault::{Fault, fault};
use crate::form::Form;
use crate::kind::Kind;

pub fn faults() -> Vec<Fault> {
    [incomplete(), owners(), metadata(), unsafe_entries(), room(), torn()].into_iter().flatten().collect()
}

fn incomplete() -> Vec<Fault> {
    vec![
        fault(9, "an incremental archive, which leaves out what did not change", Small, Tar)
            .backup(
                "tar -C data --listed-incremental=state -cf full.tar .; date >data/\"$(ls data)\"/new; \
                 tar -C data --listed-incremental=state -cf \"$1\" .",
            )
            .failed("restore/incomplete", &["incremental"]),
        fault(9, "a file vanishes from the folder while it is restored", Small, Dir)
            .own(special::vanishing)
            .failed("restore/incomplete", &["did the backup change meanwhile?"]),
        fault(9, "the pages are zeros", Nginx, Dir)
            .data(
                "for f in \"$1\"/*.html; do head -c \"$(stat -c %s \"$f\")\" /dev/zero >zeros; cat zeros >\"$f\"; done",
            )
            .warned("data/unlike-live", &["came back empty or as zeros", "note.html"]),
        fault(9, "a page of several is empty", Nginx, Daemon).data(": >\"$1/note.html\"").harmless(),
        fault(9, "a page is missing", Nginx, Tar)
            .data("rm \"$1/note.html\"")
            .failed("restore/incomplete", &[])
            .but_today(("passed", ""), "no manifest tells of it; a check of the owner's own does"),
        fault(9, "a page is missing, and is asked for", Nginx, TarGz)
            .data("rm \"$1/note.html\"")
            .asked()
            .with(&["--timeout", "12s"])
            .failed("check/failed", &["expected status 200, found 404"]),
        fault(9, "the last notes are missing, and are asked for", Notes, Daemon)
            .data(
                "python3 -c \"import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); \
                 db.execute('DELETE FROM notes WHERE id > 30'); db.commit(); db.close()\" \"$1/notes.db\"",
            )
            .data("chown 1500:1500 \"$1\"/*")
            .asked()
            .with(&["--timeout", "12s"])
            .failed("check/failed", &["the note"]),
    ]
}

fn owners() -> Vec<Fault> {
    let owner = |fault: Fault, words: &'static [&'static str]| fault.failed("data/ownership", words);
    let mode = |fault: Fault, words: &'static [&'static str]| fault.failed("data/permissions", words);
    vec![
        owner(
            fault(10, "all of it belongs to root", Postgres, Tar).data("chown -R 0:0 \"$1\""),
            &["the user 0", "the user 999", "exited"],
        ),
        owner(
            fault(10, "its folder itself belongs to root", Postgres, Dir).data("chown 0:0 \"$1\""),
            &["its folder itself came back as 0:0", "999:999"],
        ),
        owner(
            fault(10, "owners are those of a user namespace", Postgres, TarGz).data("chown -R 100999:100999 \"$1\""),
            &["the user 100999", "the user 999"],
        ),
        owner(
            fault(10, "all of it belongs to root", MariaDb, TarGz).data("chown -R 0:0 \"$1\""),
            &["the user 0", "the user 999"],
        ),
        owner(
            fault(10, "all of it belongs to root", Notes, Tar).data("chown -R 0:0 \"$1\""),
            &["the user 0", "the user 1500"],
        ),
        owner(
            fault(10, "all of it belongs to root", Notes, Daemon).data("chown -R 0:0 \"$1\""),
            &["the user 0", "the user 1500"],
        ),
        mode(
            fault(10, "its folder is open to all", Postgres, Tar).data("chmod 777 \"$1\""),
            &["0777", "0700", "invalid permissions"],
        ),
        mode(fault(10, "nobody may enter its folder", Notes, Dir).data("chmod 000 \"$1\""), &["0000", "0750"]),
        fault(10, "one file belongs to root", Postgres, TarGz)
            .data("chown 0:0 \"$1/global/pg_control\"")
            .failed("boot/exited", &["Permission denied", "owner or mode"]),
        fault(10, "one file may not be read", MariaDb, Dir)
            .data("chown 0:0 \"$1/ibdata1\"; chmod 600 \"$1/ibdata1\"")
            .failed("boot/exited", &["may not write to a file", "ibdata1"]),
        fault(10, "pages may not be read", Nginx, Tar)
            .data("chmod 600 \"$1/index.html\"; chown 0:0 \"$1/index.html\"")
            .failed("health/unhealthy", &["Permission denied"]),
        fault(10, "all of it belongs to root, which its entrypoint mends", Redis, Tar)
            .data("chown -R 0:0 \"$1\"")
            .warned("data/metadata-lost", &["the user 0", "came up nevertheless"]),
    ]
}

fn metadata() -> Vec<Fault> {
    let not_in_it = "what is not in the archive is not missed, as nothing says that it was";
    vec![
        fault(11, "an attribute that the engine's disk does not take", Small, Tar)
            .backup(
                "python3 -c \"
import io, sys, tarfile
with tarfile.open(sys.argv[1], 'w', format=tarfile.PAX_FORMAT) as out:
    entry = tarfile.TarInfo('./note'); entry.size = 5
    entry.pax_headers = {'SCHILY.xattr.security.nobody': 'x'}
    out.addfile(entry, io.BytesIO(b'kept\\n'))\" \"$1\"",
            )
            .warned("data/metadata-lost", &["security.nobody", "note"]),
        fault(11, "attributes are not in the archive", Small, TarGz)
            .data("setfattr -n user.note -v kept \"$1/note\"; setfacl -m u:1234:rw \"$1/library\"")
            .asked()
            .warned("data/metadata-lost", &[])
            .but_today(("passed", ""), not_in_it),
        fault(11, "names of one file came back as files of their own", Nginx, TarGz)
            .data("cp \"$1/note.html\" \"$1/same.html\"")
            .warned("data/metadata-lost", &[])
            .but_today(("passed", ""), not_in_it),
        fault(11, "a link came back as what it led to, and is needed", Small, Dir)
            .data("mkdir \"$1/v1\"; mv \"$1/note\" \"$1/v1/\"; cp -rL \"$1/v1\" \"$1/current\"")
            .instead(|small| {
                small.instead(
                    "[ -L /mounted/current ] || { echo 'current is no link' >&2; exit 4; }; exec behave healthy",
                )
            })
            .failed("boot/exited", &["exited with code 4"]),
    ]
}

/// Entries that would be written outside the volume, or that no backup of data holds.
fn unsafe_entries() -> Vec<Fault> {
    let hostile = |what, kind, form, script| {
        fault(12, what, kind, form).backup(script).failed("restore/unsafe-entry", &["the entry"])
    };
    vec![
        hostile("a path that leads up", Small, Tar, special::UP),
        hostile("a path that leads up and down again", Redis, Tar, special::INSIDE),
        hostile("a file through a symlink", Nginx, Tar, special::THROUGH_LINK),
        hostile("another name of a file outside", Notes, Tar, special::HARD_LINK),
        hostile("a device", Postgres, Tar, special::DEVICE),
        fault(12, "a symlink stands for its folder", Small, Daemon)
            .data("mv \"$1\" real; ln -s ../real \"$1\"; mkdir data/other; echo a >data/other/a")
            .failed("restore/mount-missing", &["holds nothing for volume"]),
    ]
}

fn room() -> Vec<Fault> {
    vec![
        fault(13, "it does not fit on the engine's disk", Small, Tar)
            .own(special::too_large_for_the_disk)
            .errored("restore/no-space", &["needs", "are free"]),
        fault(13, "more than may be brought", Postgres, TarGz)
            .with(&["--max-copy", "1MiB"])
            .errored("restore/too-large", &["--max-copy allows"]),
        fault(13, "more than may be brought", Redis, Daemon)
            .with(&["--max-copy", "10B"])
            .errored("restore/too-large", &["--max-copy allows"]),
        fault(13, "more than may be brought", Nginx, Live)
            .with(&["--max-copy", "3B"])
            .errored("restore/too-large", &["--max-copy allows"]),
        fault(13, "more entries than may be looked at", MariaDb, Tar)
            .with(&["--max-entries", "20"])
            .errored("restore/too-large", &["--max-entries allows"]),
    ]
}

fn torn() -> Vec<Fault> {
    vec![
        fault(34, "a file is written to all the time", Small, Live)
            .own(special::torn_live)
            .warned("data/torn-copy", &["1 file changed", "busy"]),
        fault(34, "a file is written to all the time", Small, Daemon)
            .own(special::torn_folder)
            .warned("data/torn-copy", &["1 file changed", "busy"]),
    ]
}
