//! Faults of repositories of restic: damaged packs, a lost index, a snapshot that cannot be loaded, lost keys, locks,
//! and a host that does not answer. All damage is done to a repository that restic has made.

use Form::Restic;
use Kind::{Notes, Postgres, Small};

use crate::fault::{Fault, fault};
use crate::form::Form;
use crate::kind::Kind;

pub fn faults() -> Vec<Fault> {
    [damaged(), of_access(), of_choice(), harmless()].into_iter().flatten().collect()
}

/// Leaves an exclusive lock, as a killed `restic prune` does.
macro_rules! locked {
    ($then:literal) => {
        concat!(
            "head -c 60000000 /dev/urandom >big; restic -r \"$1\" backup --host other-host $PWD/big; rm big; ",
            "command restic --no-cache -r \"$1\" check --read-data >/dev/null 2>&1 & pid=$!; ",
            "until ls \"$1/locks\" | grep -qE '^[0-9a-f]{64}$'; do kill -0 $pid 2>/dev/null || break; done; ",
            "kill -KILL $pid; wait $pid || true; test -n \"$(ls \"$1/locks\")\"; ",
            $then
        )
    };
}

fn damaged() -> Vec<Fault> {
    let damaged =
        |what, kind, script, words| fault(5, what, kind, Restic).backup(script).failed("source/corrupt", words);
    let unreadable: &[&str] = &["ciphertext verification failed"];
    let gone: &[&str] = &["no such file or directory", "x.restic/data/"];
    vec![
        damaged(
            "a flipped byte in a pack of contents",
            Small,
            "for f in $(datas \"$1\"); do flip $f; done",
            unreadable,
        ),
        damaged(
            "a flipped byte in a pack of contents",
            Notes,
            "for f in $(datas \"$1\"); do flip $f; done",
            unreadable,
        ),
        damaged(
            "bytes changed in a pack of folders",
            Small,
            "for f in $(trees \"$1\"); do printf '\\377\\376' | dd of=$f bs=1 seek=80 conv=notrunc status=none; done",
            unreadable,
        ),
        damaged("a missing pack", Small, "rm -f $(datas \"$1\")", gone),
        damaged("a missing pack of folders", Notes, "rm -f $(trees \"$1\")", gone),
        damaged("a pack that is cut off", Postgres, "for f in $(datas \"$1\"); do cut_to $f 50; done", &["x.restic"]),
        damaged("its index is lost", Small, "rm -f \"$1\"/index/*", &["not found in repository"]),
        damaged("its config is lost", Small, "rm -f \"$1/config\"", &["has lost its file config"]),
        damaged(
            "the newest snapshot cannot be loaded, and restic leaves it out",
            Small,
            "(cd data; restic -r \"../$1\" backup --host fixture-host .); f=\"$1/snapshots/$(newest \"$1\")\"; \
             chmod u+w $f; : >$f",
            &["one of them may be the newest"],
        ),
    ]
}

fn of_access() -> Vec<Fault> {
    vec![
        fault(6, "another password", Small, Restic)
            .with(&["--passphrase-file", "@other-key"])
            .failed("source/locked-out", &["wrong password or no key found"]),
        fault(6, "the repository has lost its keys", Small, Restic)
            .backup("rm -f \"$1\"/keys/*")
            .failed("source/locked-out", &["no key found"]),
        fault(7, "the repository is gone", Small, Restic)
            .backup("rm -rf \"$1\"")
            .errored("source/unreachable", &["x.restic"]),
        fault(7, "its host refuses connections", Small, Restic)
            .with(&["--from", "restic:rest:http://127.0.0.1:9/"])
            .errored("source/unreachable", &["connection refused"]),
        fault(7, "restic is not installed", Small, Restic)
            .without_programs()
            .errored("source/tool-missing", &["the program restic is needed"]),
        fault(7, "a job removes data at this moment", Small, Restic)
            .backup(locked!("rm -f $(trees \"$1\")"))
            .with(&["--snapshot", "host=fixture-host"])
            .errored("source/unreachable", &["exclusive lock"]),
    ]
}

fn of_choice() -> Vec<Fault> {
    vec![
        fault(8, "the snapshot that is asked for is not there", Small, Restic)
            .backup("printf '[sources.pinned]\nfrom = \"restic:%s\"\nsnapshot = \"ffffffff\"\n' \"$1\" >pinned.toml")
            .with(&["--plan", "@pinned.toml", "--from", "pinned"])
            .failed("source/no-snapshot", &["none of its snapshots is ffffffff"]),
        fault(8, "the newest snapshot is too old", Small, Restic)
            .with(&["--max-age", "26h"])
            .failed("source/stale", &["2026-11-01T03:00:00Z"]),
        fault(8, "the repository has no snapshot", Small, Restic)
            .backup("rm -f \"$1\"/snapshots/*")
            .failed("source/no-snapshot", &["no snapshots"]),
        fault(39, "snapshots of the same path by two hosts", Small, Restic)
            .backup("(cd data; restic -r \"../$1\" backup --host other-host .)")
            .errored("source/several", &["fixture-host", "other-host"]),
    ]
}

fn harmless() -> Vec<Fault> {
    vec![
        fault(7, "a killed job has left its lock", Small, Restic)
            .backup(locked!("true"))
            .with(&["--snapshot", "host=fixture-host"])
            .asked()
            .harmless(),
        fault(39, "the newest snapshot is of something else", Small, Restic)
            .backup("mkdir web; echo x >web/x; restic -r \"$1\" backup --host fixture-host $PWD/web")
            .with(&["--snapshot", "before=2026-11-02"])
            .asked()
            .harmless(),
        fault(5, "a snapshot that nobody wants cannot be loaded", Notes, Restic)
            .backup(
                "id=$(newest \"$1\"); restic -r \"$1\" backup --host fixture-host $PWD/key; \
                 f=\"$1/snapshots/$(newest \"$1\")\"; chmod u+w $f; : >$f; \
                 printf '[sources.one]\nfrom = \"restic:%s\"\nsnapshot = \"%s\"\n' \"$1\" $id >one.toml",
            )
            .with(&["--plan", "@one.toml", "--from", "one"])
            .harmless(),
    ]
}
