//! Faults of the backup itself: it lacks a mount, is cut off, damaged, encrypted with another key, absent or too old.

use Form::{Age, Daemon, Dir, Gpg, Tar, TarGz, TarXz, TarZst};
use Kind::{MariaDb, Nginx, Notes, Postgres, Redis, Small};

use super::special;
use crate::fault::{Fault, fault};
use crate::form::Form;
use crate::kind::Kind;

/// Each of these services from one kind of source or another.
const EACH: [(Kind, Form); 7] =
    [(Postgres, Tar), (Postgres, Daemon), (MariaDb, Dir), (Redis, TarGz), (Nginx, Daemon), (Notes, Tar), (Small, Dir)];

pub fn faults() -> Vec<Fault> {
    let mut all = Vec::new();
    for (kind, form) in EACH {
        all.push(
            fault(1, "something else is in it", kind, form)
                .data("mkdir data/srv; mv \"$1\" data/srv/photos; mkdir data/music; echo a >data/music/a")
                .failed("restore/mount-missing", &["holds nothing for volume", "srv"]),
        );
        all.push(
            fault(2, "its folder is empty", kind, form)
                .data("find \"$1\" -mindepth 1 -delete")
                .failed("restore/empty", &["does not hold a single byte"]),
        );
    }
    all.push(
        fault(2, "its files are all empty", Small, Tar)
            .data("find \"$1\" -type f -exec truncate -s 0 {} +")
            .failed("restore/empty", &["does not hold a single byte"]),
    );
    all.extend(damaged());
    all.extend(locked());
    all.extend(not_there());
    all.extend(of_other_programs());
    all.extend(in_parts());
    all
}

fn of_other_programs() -> Vec<Fault> {
    let other =
        |what, form, damage, words| fault(41, what, Small, form).backup(damage).errored("source/other-format", words);
    vec![
        other(
            "encrypted by openssl",
            TarGz,
            "openssl enc -aes-256-cbc -pbkdf2 -pass pass:x -in \"$1\" -out y; mv y \"$1\"",
            &["encrypted by openssl"],
        ),
        other("a zip file", Tar, "rm \"$1\"; python3 -m zipfile -c \"$1\" data/*", &["a zip file"]),
        other(
            "a disk image",
            Tar,
            "rm \"$1\"; truncate -s 8M \"$1\"; mkfs.ext4 -q \"$1\"",
            &["a file system image (ext4)"],
        ),
        other("an image", Tar, "docker save rehearsa-fixture/tiny >\"$1\"", &["docker save"]),
        other(
            "a container's own files",
            Tar,
            "id=$(docker create rehearsa-fixture/nginx); docker export $id >\"$1\"; docker rm $id >/dev/null",
            &["docker export"],
        ),
        other("a repository of restic", Dir, RESTIC, &["a repository of restic"]),
        other("a repository of Borg", Dir, BORG, &["a repository of Borg"]),
        fault(41, "a part of a repository, as a mount", Small, Dir)
            .backup(RESTIC)
            .with(&["--map", "/mounted=data"])
            .errored("source/other-format", &["a repository of restic"]),
    ]
}

const RESTIC: &str = "export RESTIC_PASSWORD=fixture HOME=$PWD; restic -q init -r y >/dev/null; \
    restic -q -r y backup data; rm -r data; mv y data";
const BORG: &str =
    "export BORG_BASE_DIR=$PWD/base; borg init -e none y; borg create y::one data; rm -r data; mv y data";

fn in_parts() -> Vec<Fault> {
    let parts = |what, damage| fault(42, what, Small, TarGz).backup(damage).with(&["--from", "tar:x.tar.gz.part*"]);
    vec![
        parts("in parts", "split -b 100 \"$1\" \"$1.part\"").asked().harmless(),
        parts("the last part is missing", "split -b 100 \"$1\" \"$1.part\"; rm \"$(ls -d $1.part* | tail -1)\"")
            .failed("source/corrupt", &["ends in the middle"]),
        parts("a part in the middle is missing", "split -b 100 \"$1\" \"$1.part\"; rm \"$1.partab\"")
            .failed("restore/incomplete", &["x.tar.gz.partab", "missing"]),
        fault(42, "checksums, a signature and an unfinished file beside it", Small, TarGz)
            .backup("md5sum \"$1\" >\"$1.md5\"; sha256sum \"$1\" >\"$1.sha256\"; touch \"$1.asc\" x.log y.tar.gz.part")
            .with(&["--from", "tar:?.*"])
            .asked()
            .harmless(),
    ]
}

fn damaged() -> Vec<Fault> {
    let corrupt = |fault: Fault| fault.failed("source/corrupt", &["x.tar"]);
    vec![
        corrupt(fault(4, "cut off in the middle", Postgres, Tar).backup("cut_to \"$1\" 50")),
        corrupt(fault(4, "cut off in the middle", MariaDb, TarGz).backup("cut_to \"$1\" 50")),
        corrupt(fault(4, "cut off near its end", Small, TarZst).backup("cut_to \"$1\" 95")),
        corrupt(fault(4, "cut off in the middle", Small, TarXz).backup("cut_to \"$1\" 50")),
        corrupt(fault(4, "cut off in its first header", Nginx, Tar).backup("truncate -s 300 \"$1\"")),
        corrupt(fault(4, "cut off after its first entry", Small, Tar).backup("truncate -s 512 \"$1\"")),
        corrupt(fault(4, "without a byte", Small, TarGz).backup("truncate -s 0 \"$1\"")),
        corrupt(
            fault(4, "zeros for a piece of it", Notes, Tar)
                .backup("dd if=/dev/zero of=\"$1\" bs=512 seek=1 count=4 conv=notrunc status=none"),
        ),
        corrupt(
            fault(4, "a dump, and no archive", Postgres, TarGz)
                .backup("yes 'INSERT INTO notes VALUES (1);' | head -n 500 | gzip >\"$1\""),
        ),
        corrupt(fault(5, "a bit flipped", Postgres, TarGz).backup("flip \"$1\"")),
        corrupt(fault(5, "a bit flipped", Small, TarZst).backup("flip \"$1\"")),
        corrupt(fault(5, "a bit flipped", Small, TarXz).backup("flip \"$1\"")),
        corrupt(fault(5, "a bit flipped", Small, Age).backup("flip \"$1\"")),
        corrupt(fault(5, "a bit flipped", Small, Gpg).backup("flip \"$1\"")),
        fault(5, "a bit flipped in a page", Nginx, Tar)
            .data("flip \"$1/index.html\"")
            .failed("source/corrupt", &[])
            .but_today(("passed", ""), "a plain tar archive has no checksums of what is in it"),
    ]
}

fn locked() -> Vec<Fault> {
    vec![
        fault(6, "another key", Small, Age)
            .with(&["--identity", "@other-key"])
            .failed("source/locked-out", &["x.tar.gz.age"]),
        fault(6, "another passphrase", Small, Gpg)
            .with(&["--passphrase-file", "@other-key"])
            .failed("source/locked-out", &["x.tar.gz.gpg"]),
        fault(6, "the key is lost", Small, Age).backup("rm key").errored("source/unreachable", &["key"]),
        fault(7, "the archive is gone", Small, Tar).backup("rm \"$1\"").errored("source/unreachable", &["x.tar"]),
        fault(7, "the folder is gone", Notes, Dir).backup("rm -r data").errored("source/unreachable", &["data"]),
        fault(7, "the folder is gone", Postgres, Daemon).backup("rm -r data").errored("source/unreachable", &["data"]),
        fault(7, "the folder is the live volume itself", Small, Dir)
            .own(special::live_as_dir)
            .errored("source/live", &["the live data itself", "at /mounted"]),
        fault(7, "a link to the live volume itself", Small, Daemon)
            .own(special::live_as_daemon)
            .errored("source/live", &["the live data itself", "at /mounted"]),
    ]
}

fn not_there() -> Vec<Fault> {
    vec![
        fault(8, "the snapshot that is asked for is not there", Notes, Tar)
            .backup(
                "printf '[sources.pinned]\nfrom = \"tar:%s\"\nsnapshot = \"x-2026-01-01.tar\"\n' \"$1\" >pinned.toml",
            )
            .with(&["--plan", "@pinned.toml", "--from", "pinned"])
            .failed("source/no-snapshot", &["x-2026-01-01.tar"]),
        fault(8, "no archive fits the pattern", Redis, Tar)
            .with(&["--from", "tar:none-*.tar"])
            .failed("source/no-snapshot", &["none-*.tar"]),
        fault(8, "too old by its file's time", Small, TarZst)
            .backup("touch -d '3 days ago' \"$1\"")
            .with(&["--max-age", "26h"])
            .failed("source/stale", &["3d"]),
        fault(8, "the newest is too old by its name", Small, Tar)
            .backup("mv \"$1\" app-2020-01-01.tar; cp -a app-2020-01-01.tar app-2019-01-01.tar")
            .with(&["--from", "tar:app-*.tar", "--max-age", "26h"])
            .failed("source/stale", &["2020-01-01"]),
    ]
}
