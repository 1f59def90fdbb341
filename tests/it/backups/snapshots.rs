//! Snapshots of file systems on the engine's host. A snapshot of ZFS is a plain folder here, where ZFS shows it; those
//! of btrfs are real ones.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::backup::{KEPT, data_of, folder, keeper, kept, sh};
use crate::support::loops::LoopMount;
use crate::support::proxy::{Proxy, Then};
use crate::support::{Live, Rehearsal, Wanted, rehearse, service, shown};

/// The name that sanoid gives a snapshot.
const NAME: &str = "autosnap_2026-11-02_00:00:01_daily";

/// Two snapshots of a volume, as ZFS shows them; the older one holds another note.
const TWO: &str = "mkdir -p tank/.zfs/snapshot; cd tank/.zfs/snapshot; \
    new=autosnap_2026-11-02_00:00:01_daily; old=autosnap_2026-11-01_00:00:01_monthly; mkdir $new $old; \
    cp -a \"$1\" \"$new/$2\"; cp -a \"$1\" \"$old/$2\"; echo older >\"$old/$2/note\"";

fn from(folder: &Path, pattern: &str) -> String {
    format!("daemon:{}", shown(&folder.join(pattern)))
}

/// The newest is used in place though its name has colons; another one, and a copy, when they are asked for.
#[test]
#[ignore = "nightly: takes many rehearsals"]
fn snapshots_of_zfs_are_used_in_place() {
    let (live, dir) = keeper(TWO);
    let from = from(dir.path(), "tank/.zfs/snapshot/*");
    let rehearsal = rehearse(&[&live.name], &["--from", &from]);
    rehearsal.is_green("healthy");
    assert_eq!(rehearsal.case()["snapshot"]["id"], NAME, "{rehearsal}");
    assert_eq!(rehearsal.restore()["strategy"], "overlay", "{rehearsal}");
    assert_eq!(rehearsal.bytes(), 0, "nothing is copied: {rehearsal}");
    let copied = rehearse(&[&live.name], &["--from", &from, "--strategy", "/mounted=copy"]);
    copied.is_green("healthy");
    assert_eq!(copied.restore()["strategy"], "copy", "{copied}");
    let older = ["--from", &from, "--snapshot", "autosnap_2026-11-01_00:00:01_monthly", "--timeout", "5s"];
    let older = rehearse(&[&live.name], &older);
    assert_eq!(older.case()["verdict"], "failed", "{older}");
    older.nothing_is_left();
}

/// What the kernel did not mount is empty, and says nothing about the snapshot.
#[test]
fn a_snapshot_that_the_host_does_not_show_is_errored() {
    let (live, dir) = keeper(TWO);
    sh(dir.path(), &format!("rm -r tank/.zfs/snapshot/{NAME}/*"), &[]);
    let rehearsal = rehearse(&[&live.name], &["--from", &from(dir.path(), "tank/.zfs/snapshot/*")]);
    rehearsal.errored("source/unreachable");
    assert!(rehearsal.message().contains("did not mount the snapshot"), "{rehearsal}");
}

/// Somebody who may write to the folder of the snapshots, but not read the other one, exchanges them before the data is
/// mounted.
#[test]
fn a_snapshot_that_is_exchanged_before_it_is_mounted_is_not_used() {
    let script = "mkdir -p snaps/2026-11-02 secret; cp -a \"$1\" \"snaps/2026-11-02/$2\"; cp -a \"$1\" \"secret/$2\"";
    let (live, dir) = keeper(script);
    let (snapshot, other) = (dir.path().join("snaps/2026-11-02"), dir.path().join("secret"));
    let aside = dir.path().join("aside");
    let exchanged = AtomicBool::new(false);
    let proxy = Proxy::start(move |line| {
        // The first volume is made when the backup was looked through.
        if line.contains("/volumes/create ") && !exchanged.swap(true, Ordering::SeqCst) {
            fs::rename(&snapshot, &aside).expect("moved aside");
            symlink(&other, &snapshot).expect("linked");
        }
        Then::Forward
    });
    let rehearsal = rehearse(&[&live.name], &["--host", &proxy.host(), "--from", &from(dir.path(), "snaps/*")]);
    rehearsal.errored("source/exchanged");
    assert!(rehearsal.message().contains("is another file or folder now"), "{rehearsal}");
    rehearsal.nothing_is_left();
}

/// A pool with a dataset inside another; both have a snapshot of this name, or only the outer one.
struct Pool {
    // Fields are dropped in this order: the folder is removed when nothing is mounted in it.
    _child: LoopMount,
    _parent: LoopMount,
    dir: tempfile::TempDir,
}

impl Pool {
    fn new(has_both: bool) -> Pool {
        let dir = folder();
        let tank = dir.path().join("tank");
        let parent = LoopMount::new("mkfs.ext4 -q", &tank);
        let child = LoopMount::new("mkfs.ext4 -q", &dir.path().join("tank/app"));
        let script = "cd tank; echo live >app/note; echo live >about; \
            mkdir -p \".zfs/snapshot/$1/app\" app/.zfs/snapshot; echo x >\".zfs/snapshot/$1/about\"; \
            if [ \"$2\" = true ]; then mkdir \"app/.zfs/snapshot/$1\"; echo kept >\"app/.zfs/snapshot/$1/note\"; fi";
        sh(dir.path(), script, &[NAME, &has_both.to_string()]);
        Pool { _child: child, _parent: parent, dir }
    }

    /// A service that has this folder of the pool.
    fn service(&self, path: &str, target: &str) -> Wanted {
        let bind = format!("{}:{target}", shown(&self.dir.path().join(path)));
        service("broken").options(&["--volume", &bind])
    }

    fn rehearse(&self, live: &Live) -> Rehearsal {
        rehearse(&[&live.name], &["--from", &from(self.dir.path(), "tank/.zfs/snapshot/*")])
    }
}

/// The snapshot of the pool has an empty folder where the dataset is mounted.
#[test]
#[ignore = "nightly: one more case of what a test beside it shows"]
fn the_dataset_that_is_mounted_at_a_path_decides() {
    let pool = Pool::new(true);
    let is_kept = format!("[ \"$(cat /mounted/note)\" = {KEPT} ]");
    let alone = pool.service("tank/app", "/mounted").healthy_when(&is_kept).command(&["runs"]).start();
    let rehearsal = pool.rehearse(&alone);
    rehearsal.is_green("healthy");
    assert_eq!(rehearsal.restore()["strategy"], "overlay", "{rehearsal}");
    // A mount of both is copied, for an overlay shows one file system.
    let is_kept = format!("[ \"$(cat /tank/app/note)\" = {KEPT} ] && [ \"$(cat /tank/about)\" = x ]");
    let both = pool.service("tank", "/tank").healthy_when(&is_kept).command(&["runs"]).start();
    let rehearsal = pool.rehearse(&both);
    rehearsal.is_green("healthy");
    assert_eq!(rehearsal.restore()["strategy"], "copy", "{rehearsal}");
}

#[test]
fn a_dataset_without_a_snapshot_of_its_own_is_missing_and_not_empty() {
    let pool = Pool::new(false);
    for (path, target) in [("tank/app", "/mounted"), ("tank", "/tank")] {
        let live = pool.service(path, target).command(&["healthy"]).start();
        let rehearsal = pool.rehearse(&live);
        rehearsal.failed("restore/incomplete");
        let message = rehearsal.message();
        assert!(message.contains("has nothing of app") && message.contains("its own snapshot"), "{rehearsal}");
        let accepted = ["--from", &from(pool.dir.path(), "tank/.zfs/snapshot/*"), "--allow-empty", target];
        if path == "tank" {
            rehearse(&[&live.name], &accepted).is_green("healthy");
        }
    }
}

/// A service whose bind mount is a subvolume, with snapshots of snapper and of btrbk.
#[test]
#[ignore = "nightly: takes many rehearsals"]
fn snapshots_of_btrfs_are_found_as_snapper_and_btrbk_keep_them() {
    let dir = folder();
    let _disk = LoopMount::new("mkfs.btrfs -q", &dir.path().join("disk"));
    let disk = dir.path().join("disk");
    let script = "btrfs -q subvolume create app; echo kept >app/note; \
        mkdir -p app/.snapshots/9 app/.snapshots/10 btrbk; \
        btrfs -q subvolume snapshot -r app app/.snapshots/10/snapshot; \
        btrfs -q subvolume snapshot -r app btrbk/app.20261101T201105+0100; echo older >app/note; \
        btrfs -q subvolume snapshot -r app app/.snapshots/9/snapshot; \
        btrfs -q subvolume snapshot -r app btrbk/app.20261031T201105+0100; echo live >app/note; \
        for n in 9 10; do echo \"<snapshot><date>2026-11-0$((n - 8)) 20:11:05</date></snapshot>\" \
            >app/.snapshots/$n/info.xml; done";
    sh(&disk, script, &[]);
    let bind = format!("{}:/mounted", shown(&disk.join("app")));
    let is_kept = format!("[ \"$(cat /mounted/note)\" = {KEPT} ]");
    let live = service("broken").options(&["--volume", &bind]).healthy_when(&is_kept).command(&["runs"]).start();
    for (kind, path, id) in [
        ("btrfs", "app/.snapshots", "10"),
        ("daemon", "app/.snapshots/*/snapshot", "10"),
        ("btrfs", "btrbk", "app.20261101T201105+0100"),
        ("daemon", "btrbk/app.*", "app.20261101T201105+0100"),
    ] {
        let rehearsal = rehearse(&[&live.name], &["--from", &format!("{kind}:{}", shown(&disk.join(path)))]);
        rehearsal.is_green("healthy");
        assert_eq!(rehearsal.case()["snapshot"]["id"], id, "{rehearsal}");
        assert_eq!(rehearsal.restore()["strategy"], "overlay", "{kind} {path}: {rehearsal}");
    }
    let elsewhere = rehearse(&[&live.name], &["--from", &format!("btrfs:{}", shown(dir.path()))]);
    elsewhere.errored("source/unreachable");
    assert!(elsewhere.message().contains("not on btrfs"), "{elsewhere}");
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn a_subvolume_inside_a_snapshot_of_btrfs_is_missing_and_not_empty() {
    let dir = folder();
    let _disk = LoopMount::new("mkfs.btrfs -q", &dir.path().join("disk"));
    let disk = dir.path().join("disk");
    let script = "mkdir snapshots; btrfs -q subvolume create app; btrfs -q subvolume create app/library; \
        echo kept >app/note; echo much >app/library/book; btrfs -q subvolume snapshot -r app snapshots/app.20261101";
    sh(&disk, script, &[]);
    let bind = format!("{}:/mounted", shown(&disk.join("app")));
    let live = service("broken").options(&["--volume", &bind]).command(&["runs"]).start();
    let rehearsal = rehearse(&[&live.name], &["--from", &format!("btrfs:{}", shown(&disk.join("snapshots")))]);
    rehearsal.failed("restore/incomplete");
    let message = rehearsal.message();
    assert!(message.contains("empty folder at library") && message.contains("subvolume"), "{rehearsal}");
}

/// Whatever characters a path has, the overlay is on that path and on no other.
#[test]
#[ignore = "nightly: takes many rehearsals"]
fn an_overlay_lies_on_a_path_with_any_characters() {
    let live = kept().start();
    for (name, strategy) in [("a:b", "overlay"), ("a\\b", "overlay"), ("a\\:b c", "overlay")] {
        let dir = folder();
        sh(
            dir.path(),
            "mkdir \"$1\"; cp -a \"$2\" \"$1/$3\"",
            &[name, &data_of(live.first_volume()), live.first_volume()],
        );
        let args = ["--from", &from(dir.path(), name), "--strategy", "/mounted=overlay"];
        let rehearsal = rehearse(&[&live.name], &args);
        rehearsal.is_green("healthy");
        assert_eq!(rehearsal.restore()["strategy"], strategy, "{name}: {rehearsal}");
    }
}
