//! More damage to the services of `stores`: files that are gone, empty, zeros, of another version or of another owner.

use Form::{Dir, Tar};
use Kind::{Beanstalkd, Git, Mosquitto, Prometheus, Radicale, Slapd};

use crate::fault::{Fault, fault};
use crate::form::Form;
use crate::kind::Kind;

/// Live files tell what they had when the backup was made. It is as old as its newest file: the times of its folders
/// are those of the damage.
const JUST_MADE: &[&str] = &["--witness-slack", "0"];
const OLD_FOLDERS: &str = "find \"$1\" -type d -exec touch -d 2026-01-01 {} +";

pub fn faults() -> Vec<Fault> {
    [directory(), messages(), repositories(), series(), jobs(), calendars(), left_out()].into_iter().flatten().collect()
}

fn directory() -> Vec<Fault> {
    vec![
        fault(3, "the file of the directory is missing", Slapd, Tar)
            .data("rm \"$1/data.mdb\"; echo x >\"$1/other\"")
            .data(OLD_FOLDERS)
            .with(JUST_MADE)
            .failed("data/differs-from-live", &["data.mdb"]),
        fault(3, "the file of the directory is empty", Slapd, Tar)
            .data("truncate -s 0 \"$1/data.mdb\"")
            .failed("restore/incomplete", &["data.mdb (of an LMDB database: it is empty"]),
        fault(47, "the directory is zeros", Slapd, Dir)
            .data("blank \"$1/data.mdb\"")
            .failed("restore/incomplete", &["data.mdb (of an LMDB database"]),
        fault(10, "the directory belongs to root, and nobody else may read it", Slapd, Tar)
            .data("chown 0:0 \"$1/data.mdb\"; chmod 600 \"$1/data.mdb\"")
            .failed("boot/exited", &["Permission denied"]),
        fault(47, "a page of its entries is noise", Slapd, Tar)
            .hot()
            .data(
                "at=$(grep -abo 'person 50' \"$1/data.mdb\" | head -n 1 | cut -d: -f1); \
                 noise \"$1/data.mdb\" $((at / 4096)) 1",
            )
            .failed("data/corrupt", &["slapcat"]),
        fault(24, "a folder stands for the file of the directory", Slapd, Tar)
            .data("rm \"$1/data.mdb\"; mkdir \"$1/data.mdb\"; echo x >\"$1/data.mdb/x\"")
            .failed("boot/exited", &[]),
    ]
}

fn messages() -> Vec<Fault> {
    vec![
        fault(3, "its file of messages is missing", Mosquitto, Tar)
            .data("rm \"$1/mosquitto.db\"; echo x >\"$1/other\"")
            .failed("data/differs-from-live", &[])
            .but_today(("passed", "data/unlike-live"), "the live file is replaced each time that it is saved"),
        fault(48, "its file of messages is zeros", Mosquitto, Tar)
            .data("blank \"$1/mosquitto.db\"")
            .failed("boot/exited", &["persistent database"]),
        fault(18, "its file of messages is of a later version", Mosquitto, Tar)
            .hot()
            .data("printf '\\143' | dd of=\"$1/mosquitto.db\" bs=1 seek=22 conv=notrunc status=none")
            .failed("boot/exited", &["Mosquitto's database"]),
        fault(48, "its file of messages is cut off in its header", Mosquitto, Dir)
            .data("truncate -s 20 \"$1/mosquitto.db\"")
            .failed("boot/exited", &["Mosquitto's database"]),
        fault(10, "its file of messages belongs to root, and nobody else may read it", Mosquitto, Tar)
            .data("chown 0:0 \"$1/mosquitto.db\"; chmod 600 \"$1/mosquitto.db\"")
            .failed("data/reinitialised", &["mosquitto.db"]),
    ]
}

fn repositories() -> Vec<Fault> {
    vec![
        fault(47, "the index of a pack is noise", Git, Tar)
            .hot()
            .data("noise \"$(ls \"$1\"/notes.git/objects/pack/*.idx)\" 0 1")
            .failed("data/corrupt", &["git fsck"]),
        fault(47, "its branch names a commit that is not there", Git, Tar)
            .data("echo 0123456789012345678901234567890123456789 >\"$1/notes.git/refs/heads/main\"")
            .failed("data/corrupt", &["git fsck"]),
        fault(47, "a bit of an object beside the pack is another", Git, Dir)
            .data("flip \"$(find \"$1/notes.git/objects\" -path '*/??/*' -type f | head -n 1)\"")
            .failed("data/corrupt", &["git fsck"]),
        fault(47, "the objects beside the pack are missing", Git, Tar)
            .data("find \"$1/notes.git/objects\" -path '*/??/*' -type f -delete")
            .failed("data/corrupt", &["git fsck"]),
    ]
}

fn series() -> Vec<Fault> {
    vec![
        fault(47, "the index of a block is missing", Prometheus, Tar)
            .data("rm \"$(ls \"$1\"/*/index | head -n 1)\"")
            .failed("boot/exited", &["index"]),
        fault(47, "the index of a block is noise", Prometheus, Tar)
            .hot()
            .data("noise \"$(ls \"$1\"/*/index | head -n 1)\" 0 1")
            .failed("boot/exited", &["corrupted block"]),
        fault(51, "a block is missing, and live still has it", Prometheus, Tar)
            .data("rm -r \"$(dirname \"$(ls \"$1\"/*/meta.json | head -n 1)\")\"")
            .data(OLD_FOLDERS)
            .with(JUST_MADE)
            .failed("data/differs-from-live", &["are missing", "chunks/000001"]),
        fault(47, "a chunk is zeros", Prometheus, Dir)
            .data("blank \"$(ls \"$1\"/*/chunks/000001 | head -n 1)\"")
            .failed("boot/exited", &["corrupted block"]),
        fault(47, "a chunk is cut off", Prometheus, Tar)
            .data("cut_to \"$(ls \"$1\"/*/chunks/000001 | head -n 1)\" 50")
            .failed("data/corrupt", &["promtool"]),
        fault(48, "the description of a block is cut off", Prometheus, Dir)
            .data("cut_to \"$(ls \"$1\"/*/meta.json | head -n 1)\" 50")
            .failed("data/corrupt", &["promtool", "0 can be read"]),
    ]
}

fn jobs() -> Vec<Fault> {
    vec![
        fault(3, "the log of jobs is missing", Beanstalkd, Tar)
            .data("rm \"$1/binlog.1\"; echo x >\"$1/other\"")
            .data(OLD_FOLDERS)
            .with(JUST_MADE)
            .failed("data/differs-from-live", &["binlog.1"]),
        fault(48, "the log of jobs is empty", Beanstalkd, Tar)
            .data("truncate -s 0 \"$1/binlog.1\"")
            .failed("restore/empty", &[]),
        fault(18, "the log of jobs is of a later version", Beanstalkd, Tar)
            .hot()
            .data("printf '\\143' | dd of=\"$1/binlog.1\" bs=1 conv=notrunc status=none")
            .failed("data/corrupt", &["its log tells"]),
        fault(10, "the log of jobs belongs to root, and nobody else may read it", Beanstalkd, Tar)
            .data("chown 0:0 \"$1/binlog.1\"; chmod 600 \"$1/binlog.1\"")
            .failed("data/permissions", &[])
            .but_today(("passed", "data/not-used"), "the service has made another log, which it may read"),
        fault(48, "the jobs in the log are noise", Beanstalkd, Dir)
            .data("head -c 2000 /dev/zero | tr '\\0' n | dd of=\"$1/binlog.1\" bs=1 seek=60 conv=notrunc status=none")
            .failed("data/corrupt", &[]),
        fault(24, "a folder stands for the log of jobs", Beanstalkd, Tar)
            .data("rm \"$1/binlog.1\"; mkdir \"$1/binlog.1\"; echo x >\"$1/binlog.1/x\"")
            .failed("data/corrupt", &["its log tells"]),
    ]
}

fn calendars() -> Vec<Fault> {
    vec![
        fault(47, "an event is empty", Radicale, Tar)
            .hot()
            .data("truncate -s 0 \"$1/collection-root/home/cal/e1.ics\"")
            .failed("data/corrupt", &["--verify-storage", "e1.ics"]),
        fault(47, "an event is zeros", Radicale, Dir)
            .data("blank \"$1/collection-root/home/cal/e1.ics\"")
            .failed("data/corrupt", &["--verify-storage", "e1.ics"]),
        fault(51, "events are missing, and live still has them", Radicale, Tar)
            .data("rm \"$1\"/collection-root/home/cal/e[123].ics")
            .data(OLD_FOLDERS)
            .with(JUST_MADE)
            .failed("data/differs-from-live", &["3 are missing", "e1.ics"]),
        fault(51, "a calendar has another name", Radicale, Tar)
            .data("mv \"$1/collection-root/home/cal\" \"$1/collection-root/home/Cal\"")
            .data(OLD_FOLDERS)
            .with(JUST_MADE)
            .failed("data/differs-from-live", &["are missing", "home/cal"]),
        fault(10, "the events belong to root, and nobody else may read them", Radicale, Tar)
            .data("chown -R 0:0 \"$1/collection-root/home/cal\"; chmod -R go= \"$1/collection-root/home/cal\"")
            .failed("data/permissions", &["may not read"]),
        fault(51, "the properties of a calendar are missing, and live still has them", Radicale, Tar)
            .data("rm \"$1/collection-root/home/cal/.Radicale.props\"")
            .data(OLD_FOLDERS)
            .with(JUST_MADE)
            .failed("data/differs-from-live", &["1 is missing", ".Radicale.props"]),
    ]
}

/// What the backup leaves out on purpose.
fn left_out() -> Vec<Fault> {
    let harmless = |kind, data, exclude| {
        let fault = fault(51, "what is missing is excluded", kind, Tar).data(data).data(OLD_FOLDERS).with(JUST_MADE);
        fault.with(exclude).asked().harmless()
    };
    vec![
        harmless(Slapd, "rm \"$1/lock.mdb\"", &["--exclude", "lock.mdb"]),
        harmless(Git, "rm -r \"$1/notes.git/hooks\"", &["--exclude", "notes.git/hooks/**"]),
        harmless(Beanstalkd, "rm -f \"$1/lock\"", &["--exclude", "lock"]),
        harmless(Radicale, "rm \"$1/collection-root/home/cal/e1.ics\"", &["--exclude", "e1.ics"]),
    ]
}
