//! Faults of snapshots of file systems on the engine's host: what they leave out, and what the host does not show.

use std::path::Path;

use super::special::with_bind;
use crate::fault::{Fault, fault};
use crate::form::Form::Snapshot;
use crate::kind::Kind::{Postgres, Small};
use crate::support::backup::sh;
use crate::support::loops::LoopMount;
use crate::support::{Rehearsal, rehearse, shown};

pub fn faults() -> Vec<Fault> {
    vec![
        fault(2, "its folder is empty", Small, Snapshot)
            .data("find \"$1\" -mindepth 1 -delete")
            .failed("restore/empty", &["does not hold a single byte"]),
        fault(7, "the host does not show the snapshot", Postgres, Snapshot)
            .backup("rm -r tank/.zfs/snapshot/*/*")
            .errored("source/unreachable", &["did not mount the snapshot"]),
        fault(8, "no snapshot fits the pattern", Small, Snapshot)
            .backup("rm -r tank/.zfs/snapshot/*")
            .failed("source/no-snapshot", &["no folder of the engine's host fits"]),
        fault(8, "the newest is too old by its name", Small, Snapshot)
            .backup("cd tank/.zfs/snapshot; mv * autosnap_2020-01-01_00:00:01_daily; touch -d 2020-01-01 *")
            .with(&["--max-age", "26h"])
            .failed("source/stale", &["2020-01-01"]),
        fault(9, "the dataset of a mount has no snapshot", Small, Snapshot)
            .own(dataset_left_out)
            .failed("restore/incomplete", &["has nothing of app", "its own snapshot"]),
        fault(9, "a subvolume of btrfs was left out", Small, Snapshot)
            .own(subvolume_left_out)
            .failed("restore/incomplete", &["a subvolume of btrfs was there"]),
    ]
}

fn dataset_left_out(folder: &Path) -> Rehearsal {
    let _parent = LoopMount::new("mkfs.ext4 -q", &folder.join("tank"));
    let _child = LoopMount::new("mkfs.ext4 -q", &folder.join("tank/app"));
    let live = with_bind(&folder.join("tank/app"), "/app").start();
    let volume = live.first_volume();
    let script = "mkdir -p tank/.zfs/snapshot/a/app tank/app/.zfs/snapshot; echo kept >tank/app/note; \
        mkdir tank/.zfs/snapshot/a/$1; echo kept >tank/.zfs/snapshot/a/$1/note";
    sh(folder, script, &[volume]);
    rehearse(&[&live.name], &["--from", &format!("daemon:{}", shown(&folder.join("tank/.zfs/snapshot/*")))])
}

fn subvolume_left_out(folder: &Path) -> Rehearsal {
    let _disk = LoopMount::new("mkfs.btrfs -q", &folder.join("disk"));
    let script = "cd disk; mkdir snapshots; btrfs -q subvolume create app; btrfs -q subvolume create app/library; \
        echo kept >app/note; echo much >app/library/book; btrfs -q subvolume snapshot -r app snapshots/app.20261101";
    sh(folder, script, &[]);
    let live = with_bind(&folder.join("disk/app"), "/app").start();
    rehearse(
        &[&live.name],
        &["--from", &format!("btrfs:{}", shown(&folder.join("disk/snapshots"))), "--strategy", "/mounted=empty"],
    )
}
