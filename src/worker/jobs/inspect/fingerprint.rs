//! The fingerprint of a restored tree, taken before a service starts on it: a sample of its files, and its data stores.
//!
//! Files that may vanish without loss (caches, logs, locks) do not count.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use rustix::fs::FileType;

use super::access::arm;
use super::datastores::{MAX_STORES, find_store};
use super::sample::{is_disposable, sample_file, stat_file};
use crate::model::event::Amount;
use crate::model::fingerprint::{AccessMark, Fingerprint, MOST_SAMPLES, Store};
use crate::model::lock::{into_inner, lock};
use crate::worker::fs::observe::{SeenEntry, TreeObserver};
use crate::worker::fs::open::open_folder;
use crate::worker::job::{JobControl, JobStop, shown};

/// Files of the sample that are named.
const NAMES: usize = 20;

/// Notes what a tree holds.
#[derive(Default)]
pub struct FingerprintTaker(Mutex<FoundFiles>);

#[derive(Default)]
struct FoundFiles {
    /// The largest so far, the smallest of them on top.
    largest: BinaryHeap<Reverse<(u64, Vec<u8>)>>,
    amount: Amount,
    stores: Vec<Store>,
}

impl FingerprintTaker {
    /// The fingerprint without its mark: reads the ends of the files of the sample, which lie below `root`.
    pub fn finish(self, root: &OwnedFd, control: &JobControl) -> Result<Fingerprint, JobStop> {
        let FoundFiles { largest, amount, mut stores } = into_inner(self.0);
        stores.sort_by(|a, b| a.file.cmp(&b.file));
        let mut taken =
            Fingerprint { amount, sample: Vec::new(), names: Vec::new(), stores, mark: AccessMark::default() };
        for Reverse((_, path)) in largest.into_sorted_vec() {
            control.beat()?;
            let Some((folder, name)) = open_parent(root, &path) else { continue };
            let Some(sample) = sample_file(&folder, &name, &path) else { continue };
            if taken.names.len() < NAMES {
                taken.names.push(shown(&path));
            }
            taken.sample.push(sample);
        }
        Ok(taken)
    }
}

impl TreeObserver for FingerprintTaker {
    fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
        if entry.kind != FileType::RegularFile {
            return Ok(());
        }
        let Some(stat) = stat_file(entry.folder, entry.name) else { return Ok(()) };
        let path = entry.path();
        if is_disposable(path) {
            return Ok(());
        }
        arm(entry.folder, entry.name, &stat);
        let store = find_store(entry.folder, entry.name, path, &stat);
        let mut found = lock(&self.0);
        found.amount.files += 1;
        found.amount.bytes += stat.stx_size;
        if let Some(store) = store.filter(|_| found.stores.len() < MAX_STORES) {
            found.stores.push(store);
        }
        found.largest.push(Reverse((stat.stx_size, path.to_vec())));
        if found.largest.len() > MOST_SAMPLES {
            found.largest.pop();
        }
        Ok(())
    }
}

/// Opens the folder that holds a file below `root`, never through a symlink. Returns it and the name of the file in it.
pub fn open_parent(root: &OwnedFd, path: &[u8]) -> Option<(OwnedFd, CString)> {
    let mut parts = path.split(|byte| *byte == b'/').map(|part| CString::new(part).ok());
    let name = parts.next_back()??;
    let mut folder = open_folder(root, c".").ok()?;
    for part in parts {
        folder = open_folder(&folder, &part?).ok()?;
    }
    Some((folder, name))
}

/// The fingerprint of a folder, taken in a walk of its own.
#[cfg(test)]
pub fn take_fingerprint(root: &std::path::Path) -> Fingerprint {
    use crate::worker::fs::observe::observe;
    use crate::worker::fs::root::open_root;
    use crate::worker::protocol::RootKind;

    let (taker, control) = (FingerprintTaker::default(), JobControl::default());
    let open = || open_root(root.to_str().expect("a path"), RootKind::Folder).expect("a folder");
    observe(open(), &[&taker], 0, &control).expect("a walk");
    taker.finish(&open(), &control).expect("a fingerprint")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_nobody_misses_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["Cache/page", "logs/today", "server.log", "server.pid", "a/tmp/b/c", "data"] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let held = take_fingerprint(root);
        assert_eq!(held.names, ["data"]);
        assert_eq!(held.amount, Amount { files: 1, bytes: 1 });
    }

    #[test]
    fn of_very_many_files_the_largest_are_the_sample_and_go_into_one_request() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..MOST_SAMPLES + 10 {
            fs::write(dir.path().join(number.to_string()), vec![b'x'; usize::from(number >= 10)]).unwrap();
        }
        let held = take_fingerprint(dir.path());
        assert_eq!(held.amount.files as usize, MOST_SAMPLES + 10);
        assert_eq!(held.sample.len(), MOST_SAMPLES);
        assert!(held.sample.iter().all(|sample| sample.size == 1));
        let line = serde_json::to_vec(&held.sample).unwrap();
        assert!(line.len() < 600 * 1024, "{}", line.len());
    }
}
