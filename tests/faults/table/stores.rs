//! Stores of programs that have nothing of a database server's own checks: damage where nobody reads until somebody
//! asks, and services that go on without what they cannot read.

use Form::{Dir, Tar, TarGz};
use Kind::{Beanstalkd, Git, Mosquitto, Postgres, Prometheus, Radicale, Slapd};

use crate::fault::{Fault, fault};
use crate::form::Form;
use crate::kind::Kind;

pub fn faults() -> Vec<Fault> {
    [directory(), repositories(), series(), logs(), calendars(), tables()].into_iter().flatten().collect()
}

fn directory() -> Vec<Fault> {
    vec![
        fault(47, "pages of the directory are noise", Slapd, Tar)
            .data("noise \"$1/data.mdb\" 4 8")
            .failed("boot/exited", &[]),
        fault(47, "the directory is cut off", Slapd, Tar)
            .data("cut_to \"$1/data.mdb\" 50")
            .failed("data/corrupt", &["slapcat", "the signal 7"]),
        fault(47, "the first page of the directory is noise", Slapd, Tar)
            .data("noise \"$1/data.mdb\" 0 1")
            .failed("boot/exited", &["MDB_INVALID", "LMDB"]),
    ]
}

fn repositories() -> Vec<Fault> {
    let damaged = |fault: Fault, words: &'static [&'static str]| fault.failed("data/corrupt", words);
    vec![
        damaged(
            fault(47, "a bit of a pack is another", Git, Tar).data("flip \"$1\"/notes.git/objects/pack/*.pack"),
            &["git fsck", "checksum mismatch"],
        ),
        damaged(
            fault(47, "a pack is missing", Git, Dir).data("rm \"$1\"/notes.git/objects/pack/*.pack"),
            &["git fsck"],
        ),
        damaged(
            fault(47, "an object beside the pack is empty", Git, Tar)
                .data("find \"$1/notes.git/objects\" -path '*/??/*' -type f -exec truncate -s 0 {} +"),
            &["git fsck", "is empty"],
        ),
        damaged(
            fault(47, "HEAD is zeros", Git, Tar).data("head -c 21 /dev/zero >\"$1/notes.git/HEAD\""),
            &["git fsck", "not a git repository"],
        ),
        damaged(
            fault(47, "its configuration is cut off", Git, Tar)
                .data("printf '[core]\\n\\tfilemode = tr' >\"$1/notes.git/config\""),
            &["git fsck", "bad boolean config value"],
        ),
        fault(10, "nobody but another user may read it, and nobody has asked yet", Git, Tar)
            .data("chown -R 1234:1234 \"$1\"; chmod -R o= \"$1\"")
            .failed("data/ownership", &["may not read", "notes.git"]),
        fault(47, "its empty folders are missing", Git, Tar)
            .data("rmdir \"$1/notes.git/refs/tags\" \"$1/notes.git/branches\"")
            .asked()
            .harmless(),
    ]
}

fn series() -> Vec<Fault> {
    vec![
        fault(47, "a bit of a chunk is another", Prometheus, Tar)
            .data("flip \"$(ls \"$1\"/*/chunks/000001 | head -n 1)\"")
            .failed("data/corrupt", &["promtool", "0 can be read"]),
        fault(47, "the chunks of a block are missing", Prometheus, Dir)
            .data("rm \"$(ls \"$1\"/*/chunks/000001 | head -n 1)\"")
            .failed("data/corrupt", &["promtool", "0 can be read"]),
        fault(48, "the description of a block is empty", Prometheus, Tar)
            .data("truncate -s 0 \"$(ls \"$1\"/*/meta.json | head -n 1)\"")
            .failed("data/corrupt", &["meta.json"]),
        fault(47, "the index of a block is cut off", Prometheus, Tar)
            .data("cut_to \"$(ls \"$1\"/*/index | head -n 1)\" 50")
            .failed("boot/exited", &["corrupted block"]),
    ]
}

fn logs() -> Vec<Fault> {
    let told = |fault: Fault, words: &'static [&'static str]| fault.failed("data/corrupt", words);
    vec![
        told(
            fault(48, "its file of messages is empty", Mosquitto, Tar)
                .data("truncate -s 0 \"$1/mosquitto.db\"; echo x >\"$1/other\""),
            &["its log tells", "Persistence file is empty"],
        ),
        fault(48, "its file of messages is cut off", Mosquitto, Tar)
            .data("cut_to \"$1/mosquitto.db\" 50")
            .failed("boot/exited", &["Mosquitto's database"]),
        fault(48, "its file of messages is noise", Mosquitto, Dir)
            .data("noise \"$1/mosquitto.db\" 0 1")
            .failed("boot/exited", &["Unable to restore persistent database"]),
        told(
            fault(48, "the log of jobs is cut off", Beanstalkd, Tar).data("cut_to \"$1/binlog.1\" 1"),
            &["its log tells", "WAL files"],
        ),
        told(
            fault(48, "the log of jobs is noise", Beanstalkd, Dir).data("noise \"$1/binlog.1\" 0 1"),
            &["its log tells", "WAL files"],
        ),
        told(
            fault(48, "the log of jobs is zeros", Beanstalkd, TarGz)
                .data("dd if=/dev/zero of=\"$1/binlog.1\" bs=65536 count=1 conv=notrunc status=none"),
            &["its log tells", "WAL files"],
        ),
    ]
}

fn calendars() -> Vec<Fault> {
    const CALENDAR: &str = "ask GET /home/cal/";
    vec![
        fault(47, "an event is cut off", Radicale, Tar)
            .data("cut_to \"$1/collection-root/home/cal/e1.ics\" 50")
            .failed("data/corrupt", &["--verify-storage", "e1.ics"]),
        fault(47, "the properties of a calendar are empty", Radicale, Dir)
            .data("truncate -s 0 \"$1/collection-root/home/cal/.Radicale.props\"")
            .failed("data/corrupt", &["--verify-storage", "Invalid collection"]),
        fault(30, "its healthcheck meets an error of the application's own", Radicale, Tar)
            .data("noise \"$1/collection-root/home/cal/e1.ics\" 0 1")
            .instead(|radicale| radicale.instead("exec radicale").healthy_within(10, CALENDAR))
            .failed("health/unhealthy", &["HTTP Error 500", "(HTTP 5xx)", "Failed to load item 'e1.ics'"]),
    ]
}

fn tables() -> Vec<Fault> {
    vec![
        fault(47, "a page in the middle of a table is noise", Postgres, Tar)
            .data("noise \"$(ls -S \"$1\"/base/5/1638? | head -n 1)\" 8 2")
            .failed("data/corrupt", &["invalid page in block 4"]),
    ]
}
