//! Counts of small trees.

use std::os::unix::net::UnixListener;
use std::path::Path;

use super::{ScanBounds, scan};
use crate::worker::job::{JobControl, JobStop};
use crate::worker::protocol::{Failure, RootKind};

fn count(path: &Path, entries: u64) -> super::Scan {
    scan(path.to_str().unwrap(), ScanBounds { entries, bytes: 0 }, &JobControl::default(), true).unwrap()
}

#[test]
fn counts_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(path("a/b")).unwrap();
    std::fs::write(path("a/file"), vec![1; 10_000]).unwrap();
    std::fs::hard_link(path("a/file"), path("a/b/again")).unwrap();
    std::os::unix::fs::symlink("x", path("link")).unwrap();
    let _socket = UnixListener::bind(path("a/s.sock")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, path("a/pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    std::fs::File::create(path("sparse")).unwrap().set_len(1 << 40).unwrap();

    let scan = count(folder.path(), 0);
    assert_eq!((scan.root, scan.complete, scan.folders), (RootKind::Folder, true, 2));
    assert_eq!(
        (
            scan.special_files.first.iter().map(String::as_str).collect::<std::collections::BTreeSet<_>>(),
            scan.special_files.count
        ),
        (std::collections::BTreeSet::from(["a/pipe", "a/s.sock"]), 2)
    );
    assert_eq!(scan.amount.files, 5, "two names, a link, a pipe and a sparse file");
    assert_eq!(scan.amount.bytes, 10_000, "links count once, holes not at all");
    assert!((10_001..30_000).contains(&scan.allocated), "a disk gives room by the block: {}", scan.allocated);
    assert!(scan.free_bytes > 0);
}

#[test]
fn stops_at_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    for index in 0..500 {
        std::fs::write(folder.path().join(index.to_string()), "").unwrap();
    }
    assert!(count(folder.path(), 501).complete);
    let scan = count(folder.path(), 100);
    assert!(!scan.complete && (100..500).contains(&scan.amount.files), "{scan:?}");
}

#[test]
fn roots_of_every_kind_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("file"), "x").unwrap();
    let _socket = UnixListener::bind(path("socket")).unwrap();
    let file = count(&path("file"), 0);
    assert_eq!((file.root, file.amount.files, file.folders), (RootKind::File, 1, 0));
    assert_eq!(count(&path("socket"), 0).root, RootKind::Socket);
    assert_eq!(count(Path::new("/dev/null"), 0).root, RootKind::Other);
    let missing = scan(path("missing").to_str().unwrap(), ScanBounds::default(), &JobControl::default(), true);
    assert!(matches!(missing, Err(JobStop::Failed(Failure::Unreadable { .. }))), "{missing:?}");
}
