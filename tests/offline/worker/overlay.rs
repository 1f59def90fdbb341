//! The folders of an overlay.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use rehearsa::worker::job::JobStop;
use rehearsa::worker::jobs::overlay::prepare;
use rehearsa::worker::protocol::{Failure, RootKind};

#[test]
fn an_overlay_gets_the_roots_metadata() {
    assert!(rustix::process::geteuid().is_root(), "this test needs root: it changes owners");
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(from.path().join("data"), "x").unwrap();
    chown(from.path(), Some(999), Some(998)).unwrap();
    std::fs::set_permissions(from.path(), std::fs::Permissions::from_mode(0o2700)).unwrap();
    let (lower, volume) = (from.path().to_str().unwrap(), to.path().to_str().unwrap());
    prepare(lower, volume).unwrap();
    let meta = |path: &Path| {
        let meta = std::fs::metadata(path).unwrap();
        (meta.mode(), meta.uid(), meta.gid(), meta.mtime(), meta.mtime_nsec())
    };
    assert_eq!(meta(&to.path().join("upper")), meta(from.path()));
    assert_eq!(std::fs::read_dir(to.path().join("upper")).unwrap().count(), 0);
    assert!(to.path().join("work").is_dir());

    let file = from.path().join("data");
    let wrong = prepare(file.to_str().unwrap(), volume);
    assert!(matches!(wrong, Err(JobStop::Failed(Failure::WrongKind { root: RootKind::File }))), "{wrong:?}");
}
