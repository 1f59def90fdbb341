//! Archives of all sorts, unpacked beside a tree that must not change. These tests change owners: they need root.

mod damage;
pub mod faithful;
mod hostile;
mod routes;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rehearsa::worker::job::{JobControl, JobStop};
use rehearsa::worker::jobs::unpack::{UnpackBounds, unpack};
use rehearsa::worker::protocol::{Failure, Route, Unpacked};

use crate::support::archives::{self, Archive};
use crate::support::compare;

/// Two empty volumes and, beside them, a tree that must not change. They lie on the disk that the tests are built on:
/// `/tmp` may be a tmpfs, which stores other metadata.
struct Field {
    folder: tempfile::TempDir,
    canary: BTreeMap<PathBuf, compare::Entry>,
}

impl Field {
    fn new() -> Field {
        assert!(rustix::process::geteuid().is_root(), "these tests need root: they change owners");
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        for name in ["to", "to2", "canary", "canary/empty"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("canary/secret"), "unchanged").unwrap();
        symlink("secret", folder.path().join("canary/link")).unwrap();
        let canary = compare::tree(&folder.path().join("canary"));
        Field { folder, canary }
    }

    fn to(&self, path: &str) -> PathBuf {
        self.folder.path().join("to").join(path)
    }

    fn canary(&self) -> PathBuf {
        self.folder.path().join("canary")
    }

    fn route(&self, prefix: &str, to: &str) -> Route {
        let to = self.folder.path().join(to).to_str().unwrap().to_owned();
        Route { prefix: prefix.into(), to, contents: false }
    }

    /// Unpacks to these routes; whatever comes of it, the canary is as it was, and nothing lies beside it.
    fn unpack_to(&self, routes: &[Route], bounds: UnpackBounds, archive: &[u8]) -> Result<Vec<Unpacked>, JobStop> {
        let result = unpack(routes, bounds, Cursor::new(archive), &JobControl::default());
        assert_eq!(compare::tree(&self.canary()), self.canary, "the canary has changed: {result:?}");
        let mut beside = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect::<Vec<_>>();
        beside.sort();
        assert_eq!(beside, ["canary", "to", "to2"]);
        result
    }

    /// Unpacks all of an archive to one volume.
    fn unpack(&self, archive: Archive) -> Result<Unpacked, JobStop> {
        let result = self.unpack_to(&[self.route("", "to")], UnpackBounds::default(), &archive.finish());
        result.map(|mut places| places.remove(0))
    }

    /// Unpacks what must be unpacked.
    fn done(&self, archive: Archive) -> Unpacked {
        let unpacked = self.unpack(archive).unwrap();
        assert_eq!(unpacked.lost_metadata.first, Vec::<String>::new());
        unpacked
    }

    /// Unpacks what must be refused, and tells why it was.
    fn refused(&self, archive: Archive) -> Failure {
        failure(self.unpack(archive))
    }

    /// Unpacks what must be refused as dangerous: the entry and what it would do.
    fn dangerous(&self, archive: Archive) -> (String, String) {
        match self.refused(archive) {
            Failure::Unsafe { path, error } => (path, error),
            other => panic!("not dangerous: {other:?}"),
        }
    }
}

fn failure<T: std::fmt::Debug>(result: Result<T, JobStop>) -> Failure {
    match result {
        Err(JobStop::Failed(failure)) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

fn content(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
