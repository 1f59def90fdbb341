//! Faults of repositories of Borg: damaged segments, a repair that left zeros, lost keys, locks, and a host that does
//! not answer. All damage is done to a repository that Borg has made.

use Form::Borg;
use Kind::{Notes, Postgres, Small};

use crate::fault::{Fault, fault};
use crate::form::Form;
use crate::kind::Kind;

pub fn faults() -> Vec<Fault> {
    [damaged(), of_access(), harmless()].into_iter().flatten().collect()
}

fn damaged() -> Vec<Fault> {
    let damaged =
        |row, what, kind, script, words| fault(row, what, kind, Borg).backup(script).failed("source/corrupt", words);
    vec![
        damaged(4, "a segment is cut off", Postgres, "cut_to \"$(largest \"$1\")\" 50", &["x.borg", "segment"]),
        damaged(5, "a flipped byte in a segment", Small, "flip \"$(largest \"$1\")\"", &["checksum mismatch"]),
        damaged(5, "a flipped byte in a segment", Notes, "flip \"$(largest \"$1\")\"", &["checksum mismatch"]),
        damaged(5, "a missing segment", Small, "rm \"$(largest \"$1\")\"", &["No such file", "x.borg/data/0/"]),
        damaged(
            5,
            "the last segments are missing, and with them the newest archive",
            Small,
            "(cd data; borg create \"../$1::app-2\" .); all \"$1\" | tail -3 | xargs rm",
            &["the last segments of the repository are missing or cut off"],
        ),
        fault(37, "repaired after a cut: names and sizes are right, the contents zeros", Small, Borg)
            .backup(concat!(
                "(cd data; head -c 300000 /dev/urandom >\"$(ls)/much\"; borg create \"../$1::app-1.5\" .; ",
                "echo x >\"$(ls)/other\"; borg create \"../$1::app-2\" .); ",
                "cut_to \"$(largest \"$1\")\" 50; borg check --repair \"$1\" >/dev/null 2>&1; ",
                "borg export-tar \"$1::app-2\" /dev/null"
            ))
            .failed("source/corrupt", &["borg check --repair", "much"]),
        damaged(5, "its config is lost", Small, "rm \"$1/config\"", &["has lost its file config"]),
    ]
}

fn of_access() -> Vec<Fault> {
    vec![
        fault(6, "another passphrase", Small, Borg)
            .with(&["--passphrase-file", "@other-key"])
            .failed("source/locked-out", &["is incorrect"]),
        fault(6, "the repository has lost its key", Small, Borg)
            .backup("sed -i '/^key = /,$d' \"$1/config\"")
            .failed("source/locked-out", &["No key entry found"]),
        fault(7, "the repository is gone", Small, Borg)
            .backup("rm -r \"$1\"")
            .errored("source/unreachable", &["there is no folder", "x.borg"]),
        fault(7, "something else is at its place", Small, Borg)
            .backup("rm -r \"$1\"; cp -a data \"$1\"")
            .errored("source/unreachable", &["is no repository of Borg"]),
        fault(7, "its host refuses connections", Small, Borg)
            .with(&["--from", "borg:ssh://127.0.0.1:9/./x.borg"])
            .errored("source/unreachable", &["Connection closed by remote host"]),
        fault(7, "Borg is not installed", Small, Borg)
            .without_programs()
            .errored("source/tool-missing", &["the program borg is needed"]),
        fault(8, "the archive that is asked for is not there", Small, Borg)
            .backup("printf '[sources.pinned]\nfrom = \"borg:%s\"\nsnapshot = \"app-none\"\n' \"$1\" >pinned.toml")
            .with(&["--plan", "@pinned.toml", "--from", "pinned"])
            .failed("source/no-snapshot", &["app-none"]),
        fault(8, "the newest archive is too old", Small, Borg)
            .with(&["--max-age", "26h"])
            .failed("source/stale", &["app-1"]),
        fault(8, "the repository has no archive", Small, Borg)
            .backup("borg delete \"$1\" app-1 2>/dev/null")
            .failed("source/no-snapshot", &["no snapshots"]),
        fault(39, "archives of several hosts", Small, Borg)
            .backup("(cd data; borg create --timestamp 2026-11-02T03:00:00 \"../$1::web-1\" .)")
            .errored("source/several", &["app-1", "web-1"]),
    ]
}

fn harmless() -> Vec<Fault> {
    vec![
        fault(5, "the index is lost, and Borg makes a new one", Small, Borg)
            .backup("rm \"$1\"/index.* \"$1\"/hints.*")
            .asked()
            .harmless(),
        fault(7, "a job of the owner's has locked it", Small, Borg)
            .backup("mkdir -p \"$1/lock.exclusive/other@1.2-3\"")
            .asked()
            .harmless(),
        fault(39, "archives of several hosts, of which one is chosen", Small, Borg)
            .backup("(cd data; find . -name note -delete; borg create \"../$1::web-1\" .)")
            .with(&["--snapshot", "app-*"])
            .asked()
            .harmless(),
    ]
}
