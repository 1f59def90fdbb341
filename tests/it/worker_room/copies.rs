//! Copies between volumes, with the capabilities and the seccomp profile that a worker has and no more.

use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use std::process::Command;

use rehearsa::model::sandbox::NetworkSpec;
use rehearsa::worker::protocol::{CopyJob, Failure, PrepareOverlayJob, RootKind, ScanJob};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, makedev, mknodat, utimensat};

use super::{at, compare, failure, run, volume, worker};
use crate::support::bench::{Bench, with_session};

fn tool(program: &str, args: &[&str], path: &Path) {
    let status = Command::new(program).args(args).arg(path).status().expect("the tool is installed");
    assert!(status.success(), "{program} {args:?}");
}

pub(crate) fn odd_things(root: &Path) {
    std::fs::create_dir_all(root.join("deep/er")).expect("folder");
    for (name, mode) in [("setuid", 0o4711), ("secret", 0o000), ("capable", 0o755), ("acl", 0o640)] {
        let path = root.join(name);
        std::fs::write(&path, name.repeat(1000)).expect("file");
        chown(&path, Some(999), Some(998)).expect("owner");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
    }
    tool("setcap", &["cap_net_raw=ep"], &root.join("capable"));
    tool("setfacl", &["-m", "u:1234:rw"], &root.join("acl"));
    tool("setfacl", &["-m", "d:u:99:rwx"], &root.join("deep"));
    rustix::fs::setxattr(root.join("acl"), "user.note", b"kept", XattrFlags::empty()).expect("xattr");
    std::fs::hard_link(root.join("secret"), root.join("deep/er/secret too")).expect("hard link");
    symlink("/etc/passwd", root.join("link")).expect("symlink");
    lchown(root.join("link"), Some(5), Some(6)).expect("owner");
    mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RUSR, 0).expect("fifo");
    mknodat(CWD, root.join("null"), FileType::CharacterDevice, Mode::RUSR, makedev(1, 3)).expect("device");
    mknodat(CWD, root.join("loop"), FileType::BlockDevice, Mode::RUSR, makedev(7, 4242)).expect("device");
    std::fs::File::create(root.join("sparse")).expect("file").set_len(1 << 30).expect("size");
    chown(root, Some(70), Some(71)).expect("owner");
    std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o1700)).expect("mode");
    let time = Timespec { tv_sec: 1_500_000_000, tv_nsec: 123_456_789 };
    for name in ["deep/er", "deep", "link", "secret", ""] {
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, root.join(name), &times, AtFlags::SYMLINK_NOFOLLOW).expect("times");
    }
}

fn copy() -> CopyJob {
    CopyJob { from: "/from".into(), to: "/to".into(), max_bytes: 0, keep_free: 0, contents: true }
}

async fn pair(bench: &Bench) -> (super::Worker, std::path::PathBuf, std::path::PathBuf) {
    let (from, original) = volume(bench, "from").await;
    let (to, target) = volume(bench, "to").await;
    let mounts = vec![at("/from", &from, true), at("/to", &to, false)];
    (worker(bench, "copier", mounts, NetworkSpec::None).await, original, target)
}

#[tokio::test]
async fn a_volume_is_copied_exactly() {
    with_session(async |bench| {
        let (worker, original, target) = pair(bench).await;
        odd_things(&original);
        let copied = run(&worker, copy()).await;
        assert_eq!(copied.lost_metadata.first, Vec::<String>::new());
        assert_eq!((copied.root, copied.amount.files, copied.folders), (RootKind::Folder, 10, 2));
        assert!(copied.amount.bytes < 1 << 20, "holes are not content");
        compare::same(&original, &target);
        assert!(compare::allocated(&target.join("sparse")) < 1 << 20);

        let scan = run(&worker, ScanJob { path: "/to".into(), max_entries: 0 }).await;
        assert_eq!((scan.amount, scan.folders), (copied.amount, copied.folders));
    })
    .await;
}

#[tokio::test]
async fn the_source_cannot_be_written() {
    with_session(async |bench| {
        let (worker, _, _) = pair(bench).await;
        let backwards = PrepareOverlayJob { from: "/to".into(), to: "/from".into() };
        let failure = failure(&worker, backwards).await;
        assert!(matches!(failure, Failure::Unwritable { .. }), "{failure:?}");
    })
    .await;
}

#[tokio::test]
async fn an_overlay_is_prepared() {
    with_session(async |bench| {
        let (worker, original, target) = pair(bench).await;
        odd_things(&original);
        run(&worker, PrepareOverlayJob { from: "/from".into(), to: "/to".into() }).await;
        let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o7777;
        assert_eq!(mode(&target.join("upper")), 0o1700);
        assert!(target.join("work").is_dir());
    })
    .await;
}

#[tokio::test]
async fn too_much_for_the_disk_is_refused() {
    with_session(async |bench| {
        let (worker, original, target) = pair(bench).await;
        std::fs::write(original.join("a"), "x").expect("file");
        let job = CopyJob { from: "/from".into(), to: "/to".into(), max_bytes: 0, keep_free: 1 << 60, contents: false };
        let failure = failure(&worker, job).await;
        assert!(matches!(failure, Failure::NoSpace { .. }), "{failure:?}");
        assert_eq!(std::fs::read_dir(target).expect("a folder").count(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_disk_that_fills_up_is_told_as_that() {
    with_session(async |bench| {
        let (from, original) = volume(bench, "from").await;
        for index in 0..400 {
            std::fs::write(original.join(index.to_string()), "x").expect("file");
        }
        let small = rehearsa::model::sandbox::MountSource::Tmpfs("size=64m,nr_inodes=200".into());
        let mounts = vec![at("/from", &from, true), crate::support::bench::mount("/to", small, false)];
        let worker = worker(bench, "copier", mounts, NetworkSpec::None).await;
        let failure = failure(&worker, copy()).await;
        assert!(matches!(failure, Failure::NoFiles { files: 400, free, .. } if free < 200), "{failure:?}");
    })
    .await;
}
