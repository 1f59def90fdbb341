//! Archives that are streamed through a worker into volumes, with the capabilities that it has and no more.

use std::io::{Error, Result as IoResult, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use futures_util::stream::{iter, repeat_with};
use futures_util::{Stream, StreamExt};
use tokio_util::bytes::Bytes;

use rehearsa::model::sandbox::{MountSource, NetworkSpec};
use rehearsa::worker::client::{JobError, Worker, WorkerError};
use rehearsa::worker::protocol::{
    Failure, InspectJob, InspectWants, ManifestWant, RootKind, Route, ScanJob, UnpackJob, Unpacked,
};

use super::copies::odd_things;
use super::{at, compare, run, volume, worker};
use crate::support::bench::{Bench, mount, with_session};

/// Things as odd as an honest archive has them.
fn honest_things(root: &Path) {
    odd_things(root);
    for device in ["null", "loop"] {
        std::fs::remove_file(root.join(device)).expect("a device");
    }
    // GNU tar writes ACLs as text, which is not taken over.
    let status = Command::new("setfacl").args(["-R", "-P", "-b"]).arg(root).status().expect("the tool is installed");
    assert!(status.success());
}

/// What GNU tar makes of a tree.
fn packed(root: &Path, name: &str) -> Vec<u8> {
    let output = Command::new("tar")
        .args(["--create", "--format=posix", "--xattrs", "--xattrs-include=*", "--sparse", "--numeric-owner"])
        .arg(format!("--transform=flags=rh;s,^\\.,{name},"))
        .arg("--directory")
        .arg(root)
        .arg(".")
        .output()
        .expect("tar is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn stream(bytes: Vec<u8>) -> impl Stream<Item = IoResult<Bytes>> + Send {
    let pieces = bytes.chunks(100_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect::<Vec<_>>();
    iter(pieces)
}

fn job(routes: &[(&str, &str)]) -> UnpackJob {
    let route = |(prefix, to): &(&str, &str)| Route { prefix: (*prefix).into(), to: (*to).into(), contents: true };
    let routes = routes.iter().map(route).collect();
    UnpackJob { routes, max_bytes: 0, max_entries: 0, keep_free: 0, max_window: 0 }
}

async fn unpack(worker: &Worker, routes: &[(&str, &str)], bytes: Vec<u8>) -> Vec<Unpacked> {
    worker.unpack(job(routes), stream(bytes), |_, _| {}).await.expect("unpacked")
}

/// A worker with two empty volumes, and where they lie.
async fn pair(bench: &Bench) -> (Worker, std::path::PathBuf, std::path::PathBuf) {
    let (first, at_first) = volume(bench, "one").await;
    let (second, at_second) = volume(bench, "two").await;
    let mounts = vec![at("/one", &first, false), at("/two", &second, false)];
    (worker(bench, "unpacker", mounts, NetworkSpec::None).await, at_first, at_second)
}

#[tokio::test]
async fn an_archive_comes_back_as_it_was_however_it_is_packed() {
    with_session(async |bench| {
        let (_, original) = volume(bench, "original").await;
        honest_things(&original);
        let plain = packed(&original, "data");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).expect("memory");
        let gzip = gzip.finish().expect("memory");
        let zstd = zstd::encode_all(&plain[..], 1).expect("memory");
        for (what, bytes) in [("plain", plain), ("gzip", gzip), ("zstd", zstd)] {
            let (to, at_to) = volume(bench, what).await;
            let worker = worker(bench, &format!("w-{what}"), vec![at("/to", &to, false)], NetworkSpec::None).await;
            let places = unpack(&worker, &[("data", "/to")], bytes).await;
            assert_eq!(places[0].lost_metadata.first, Vec::<String>::new());
            assert_eq!((places[0].root, places[0].amount.files, places[0].folders), (Some(RootKind::Folder), 8, 2));
            compare::same(&original, &at_to);
            assert!(compare::allocated(&at_to.join("sparse")) < 1 << 20);
        }
    })
    .await;
}

/// With the capabilities that the worker has: a file that only its owner may read is read.
#[tokio::test]
async fn a_byte_that_was_changed_after_it_was_unpacked_is_found() {
    with_session(async |bench| {
        let (_, original) = volume(bench, "original").await;
        honest_things(&original);
        let archive = packed(&original, "data");
        let (worker, first, second) = pair(bench).await;
        unpack(&worker, &[("data", "/one")], archive.clone()).await;
        unpack(&worker, &[("data", "/two")], archive).await;
        let changed = std::fs::File::options().write(true).open(second.join("secret")).expect("a file");
        let modified = changed.metadata().and_then(|file| file.modified()).expect("a time");
        changed.write_all_at(b"S", 4242).expect("written");
        changed.set_modified(modified).expect("a time");
        compare::same(&original, &first);
        for (path, differences) in [("/one", 0), ("/two", 1)] {
            let manifest = Some(ManifestWant { volume: path.into(), contents: true });
            let wants = InspectWants { manifest, ..InspectWants::default() };
            let inspected = run(&worker, InspectJob { path: path.into(), max_entries: 0, wants }).await;
            let inventory = inspected.inventory.expect("the volume was compared");
            let names = &inventory.content.first;
            assert_eq!(names.len(), differences, "{inventory:?}");
            assert!(names.iter().all(|name| name.ends_with("has other content than the backup")), "{names:?}");
            // Four of some 6 kB, one of 1 GiB that is a hole, and the names of one of them once.
            let compared = inventory.compared.expect("they were compared");
            assert_eq!((compared.files, compared.bytes), (5, 22_000), "{inventory:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn one_stream_goes_to_two_volumes() {
    with_session(async |bench| {
        let (_, original) = volume(bench, "original").await;
        honest_things(&original);
        let (worker, first, second) = pair(bench).await;
        let places = unpack(&worker, &[("deep", "/two"), ("setuid", "/one")], {
            // A hard link leads from one to the other: it may not.
            std::fs::remove_file(original.join("deep/er/secret too")).expect("a file");
            std::fs::write(original.join("deep/er/x"), "x").expect("file");
            packed(&original, ".")
        })
        .await;
        assert_eq!(places[0].root, Some(RootKind::Folder));
        assert_eq!(places[1].root, Some(RootKind::File));
        compare::same(&original.join("deep"), &second);
        let content = |path: &Path| std::fs::read(path).expect("a file");
        assert_eq!(content(&first.join("file")), content(&original.join("setuid")));
        assert_eq!(std::fs::read_dir(&first).expect("a folder").count(), 1);
    })
    .await;
}

/// What does not end would be waited for, if anybody waited.
#[tokio::test]
async fn an_early_failure_ends_the_stream() {
    with_session(async |bench| {
        let (worker, first, _) = pair(bench).await;
        let endless = || repeat_with(|| Ok(Bytes::from_static(&[7; 100_000])));
        let answer = worker.unpack(job(&[("", "/one")]), endless(), |_, _| {}).await;
        assert!(matches!(answer, Err(JobError::Failed(Failure::Corrupt { at: 0, .. }))), "{answer:?}");

        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..6].copy_from_slice(b"../out");
        header.set_size(0);
        header.set_mode(0o644);
        header.set_cksum();
        let begin = iter([Ok(Bytes::copy_from_slice(header.as_bytes()))]);
        let answer = worker.unpack(job(&[("", "/one")]), begin.chain(endless()), |_, _| {}).await;
        let Err(JobError::Failed(Failure::Unsafe { path, .. })) = answer else { panic!("{answer:?}") };
        assert_eq!(path, "../out");
        assert_eq!(std::fs::read_dir(&first).expect("a folder").count(), 0);

        // The worker has thrown away what came too late, and goes on.
        run(&worker, ScanJob { path: "/one".into(), max_entries: 0 }).await;
    })
    .await;
}

#[tokio::test]
async fn a_source_that_breaks_is_told_and_cancels() {
    with_session(async |bench| {
        let (_, original) = volume(bench, "original").await;
        honest_things(&original);
        let archive = packed(&original, "data");
        let (worker, _, second) = pair(bench).await;
        // At the very end: all of the archive came, and it is none all the same.
        let broken = stream(archive.clone()).chain(iter([Err(Error::other("exit code 1"))]));
        let result = worker.unpack(job(&[("data", "/one")]), broken, |_, _| {}).await;
        let Err(JobError::Worker(WorkerError::Source(error))) = result else { panic!("{result:?}") };
        assert_eq!(error.to_string(), "exit code 1");
        unpack(&worker, &[("data", "/two")], archive).await;
        compare::same(&original, &second);
    })
    .await;
}

#[tokio::test]
async fn other_jobs_go_on_while_a_stream_comes() {
    with_session(async |bench| {
        let (_, original) = volume(bench, "original").await;
        honest_things(&original);
        let archive = packed(&original, "data");
        let (worker, first, _) = pair(bench).await;
        let half = archive.len() / 2;
        let (begin, rest) = (archive[..half].to_vec(), archive[half..].to_vec());
        // The second half comes when the worker was heard of the first, and the scan has ended.
        let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
        let late = futures_util::stream::once(async {
            hears.recv().await;
            run(&worker, ScanJob { path: "/two".into(), max_entries: 0 }).await;
            Ok(Bytes::from(rest))
        });
        let progress = move |_, _| {
            // Once the second half has come nobody waits for it any more.
            let _ = heard.send(());
        };
        let answer = worker.unpack(job(&[("data", "/one")]), stream(begin).chain(late), progress).await;
        answer.expect("unpacked");
        compare::same(&original, &first);
    })
    .await;
}

/// What does not fit shows on the way only: nothing says beforehand how much there is.
#[tokio::test]
async fn a_disk_that_has_no_room_is_told_as_that() {
    with_session(async |bench| {
        let (_, original) = volume(bench, "original").await;
        for index in 0..400 {
            std::fs::write(original.join(index.to_string()), [7; 10_000]).expect("file");
        }
        let archive = packed(&original, ".");
        let small = |options: &str| MountSource::Tmpfs(options.into());
        let mounts = vec![
            mount("/bytes", small("size=2m"), false),
            mount("/files", small("size=64m,nr_inodes=200"), false),
            mount("/kept", small("size=8m"), false),
        ];
        let worker = worker(bench, "w", mounts, NetworkSpec::None).await;
        let unpack = async |to: &str, keep_free| {
            let routes = vec![Route { prefix: Vec::new(), to: to.into(), contents: false }];
            let job = UnpackJob { routes, max_bytes: 0, max_entries: 0, keep_free, max_window: 0 };
            match worker.unpack(job, stream(archive.clone()), |_, _| {}).await {
                Err(JobError::Failed(failure)) => failure,
                other => panic!("there was room: {other:?}"),
            }
        };
        let files = async |path: &str| run(&worker, ScanJob { path: path.into(), max_entries: 0 }).await.amount.files;
        let failure = unpack("/bytes", 0).await;
        assert!(matches!(failure, Failure::NoSpace { bytes, free } if free < bytes && bytes < 1 << 20), "{failure:?}");
        assert!(files("/bytes").await > 100, "it was begun");
        let failure = unpack("/files", 0).await;
        assert!(matches!(failure, Failure::NoFiles { free: 0, .. }), "{failure:?}");
        let failure = unpack("/kept", 6 << 20).await;
        assert!(matches!(failure, Failure::NoSpace { .. }), "{failure:?}");
        assert!((50..250).contains(&files("/kept").await), "a quarter of the room may be taken, and is");
    })
    .await;
}
