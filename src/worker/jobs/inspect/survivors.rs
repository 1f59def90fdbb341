//! Which files of a fingerprint's sample are still in a tree after a service has run on it.
//!
//! A file that was moved is still there. So is a file that was written anew by renaming another over it, unless the
//! new one is something else.

use std::collections::HashMap;
use std::sync::Mutex;

use rustix::fs::{FileType, Statx};

use super::datastores::{MAX_STORES, find_store};
use super::sample::{hash, identity, is_disposable, sample_file, stat_file};
use crate::model::event::Amount;
use crate::model::fingerprint::{Sample, Store, Survivors};
use crate::model::lock::{into_inner, lock};
use crate::worker::fs::observe::{SeenEntry, TreeObserver, observe};
use crate::worker::fs::root::{open_root, stat_root};
use crate::worker::job::{JobControl, JobStop};
use crate::worker::protocol::{CompareJob, RootKind};

/// Missing files that are told, by their place in the sample.
const MISSING: usize = 20;

/// Compares a tree with a sample that was taken of it before.
pub fn find_survivors(CompareJob { path, sample }: &CompareJob, control: &JobControl) -> Result<Survivors, JobStop> {
    let (root, _) = stat_root(path)?;
    let finder = SurvivorFinder::new(sample);
    if root == RootKind::Folder {
        observe(open_root(path, root)?, &[&finder], 0, control)?;
    }
    Ok(finder.finish())
}

/// Looks for the files of a sample.
struct SurvivorFinder<'a> {
    sample: &'a [Sample],
    by_path: HashMap<u64, usize>,
    /// Several, where a file has several names.
    by_identity: HashMap<u64, Vec<usize>>,
    found: Mutex<FoundSurvivors>,
}

struct FoundSurvivors {
    /// Which files of the sample are there.
    kept: Vec<bool>,
    stores: Vec<Store>,
}

impl<'a> SurvivorFinder<'a> {
    fn new(sample: &'a [Sample]) -> Self {
        let mut by_identity: HashMap<u64, Vec<usize>> = HashMap::new();
        for (at, sample) in sample.iter().enumerate() {
            by_identity.entry(sample.identity).or_default().push(at);
        }
        SurvivorFinder {
            sample,
            by_path: sample.iter().enumerate().map(|(at, sample)| (sample.path, at)).collect(),
            by_identity,
            found: Mutex::new(FoundSurvivors { kept: vec![false; sample.len()], stores: Vec::new() }),
        }
    }

    fn finish(self) -> Survivors {
        let FoundSurvivors { kept, mut stores } = into_inner(self.found);
        stores.sort_by(|a, b| a.file.cmp(&b.file));
        let gone = || self.sample.iter().enumerate().filter(|(at, _)| !kept[*at]);
        Survivors {
            gone: gone().fold(Amount::default(), |sum, (_, sample)| Amount {
                files: sum.files + 1,
                bytes: sum.bytes + sample.size,
            }),
            which: gone().take(MISSING).filter_map(|(at, _)| u32::try_from(at).ok()).collect(),
            stores,
        }
    }

    /// Which files of the sample this file is.
    fn find_in_sample(&self, entry: &SeenEntry<'_>, stat: &Statx) -> Vec<usize> {
        let there = |at: &usize| stat.stx_size > 0 || self.sample[*at].size == 0;
        match self.by_identity.get(&identity(stat)) {
            // Written to, or moved. Of a file that was emptied only its name is left.
            Some(same) => same.iter().copied().filter(there).collect(),
            None => self.find_replaced(entry).into_iter().collect(),
        }
    }

    /// Which file of the sample this file, which is another, has taken the place of without loss.
    fn find_replaced(&self, entry: &SeenEntry<'_>) -> Option<usize> {
        let at = *self.by_path.get(&hash(entry.path()))?;
        let before = &self.sample[at];
        // A file that cannot be read now is there at least.
        let Some(now) = sample_file(entry.folder, entry.name, entry.path()) else { return Some(at) };
        let same = now.size == before.size && now.content == before.content;
        // Programs write a file under another name and rename it: the new file begins as the old one and is about as
        // large.
        let anew = now.start == before.start && now.size.saturating_mul(2) >= before.size;
        (same || anew).then_some(at)
    }
}

impl TreeObserver for SurvivorFinder<'_> {
    fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
        if entry.kind != FileType::RegularFile {
            return Ok(());
        }
        let Some(stat) = stat_file(entry.folder, entry.name) else { return Ok(()) };
        let there = self.find_in_sample(entry, &stat);
        let path = entry.path();
        let store = if is_disposable(path) { None } else { find_store(entry.folder, entry.name, path, &stat) };
        let mut found = lock(&self.found);
        for at in there {
            found.kept[at] = true;
        }
        if let Some(store) = store.filter(|_| found.stores.len() < MAX_STORES) {
            found.stores.push(store);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::fingerprint::take_fingerprint;
    use super::*;
    use crate::model::fingerprint::Fingerprint;

    /// The names of what is gone.
    fn gone(root: &Path, before: &Fingerprint) -> Vec<String> {
        let after = {
            let job = CompareJob { path: root.to_str().unwrap().to_owned(), sample: before.sample.clone() };
            find_survivors(&job, &JobControl::default()).unwrap()
        };
        assert_eq!(after.gone.files as usize, after.which.len());
        let mut names: Vec<String> = after.which.iter().map(|at| before.names[*at as usize].clone()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_written_to_moved_or_written_anew_is_still_there() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["written", "moved", "anew", "same"] {
            fs::write(root.join(name), format!("{{\"of\": \"{name}\", \"count\": 1}}")).unwrap();
        }
        fs::write(root.join("empty"), "").unwrap();
        let held = take_fingerprint(root);
        assert_eq!((held.amount.files, held.sample.len()), (5, 5));
        fs::write(root.join("written"), "something else").unwrap();
        fs::create_dir(root.join("new")).unwrap();
        fs::rename(root.join("moved"), root.join("new/elsewhere")).unwrap();
        fs::write(root.join("x"), "{\"of\": \"anew\", \"count\": 22222}").unwrap();
        fs::rename(root.join("x"), root.join("anew")).unwrap();
        assert_eq!(gone(root, &held), Vec::<String>::new());
    }

    #[test]
    fn what_is_deleted_emptied_or_replaced_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let long = "a long and valued text\n".repeat(100);
        for name in ["deleted", "emptied", "other", "less", "kept"] {
            fs::write(root.join(name), &long).unwrap();
        }
        let held = take_fingerprint(root);
        fs::remove_file(root.join("deleted")).unwrap();
        fs::write(root.join("emptied"), "").unwrap();
        for (name, content) in [("other", long.replace("a long", "no more")), ("less", "a lo".to_owned())] {
            fs::write(root.join("x"), content).unwrap();
            fs::rename(root.join("x"), root.join(name)).unwrap();
        }
        assert_eq!(gone(root, &held), ["deleted", "emptied", "less", "other"]);
    }
}
