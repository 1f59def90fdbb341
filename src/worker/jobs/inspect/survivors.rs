//! Which files of a fingerprint's sample are still in a tree after a service has run on it, and which files the service
//! has read, changed or made.
//!
//! A file that was moved is still there, unless another file that is something else has taken its name: then the
//! service has put it aside. A file that was written anew by renaming another over it is still there, too, unless the
//! new one is something else. A file that was rewritten in place is gone when a small part of its size is left.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use rustix::fs::{FileType, Statx};

use super::access::{Access, time_of};
use super::datastores::{MAX_STORES, belongs_to_store, find_store, is_part_of_redis};
use super::sample::{hash, identity, is_disposable, sample_file, stat_file};
use crate::model::event::Amount;
use crate::model::fingerprint::{Accessed, Moment, Sample, Store, Survivors};
use crate::model::lock::{into_inner, lock};
use crate::worker::fs::observe::{SeenEntry, TreeObserver, observe};
use crate::worker::fs::root::{open_root, stat_root};
use crate::worker::job::{JobControl, JobStop, short_path};
use crate::worker::protocol::{CompareJob, RootKind};

/// Missing files that are told, by their place in the sample.
const MISSING: usize = 20;
/// Accessed files that are remembered. If there are more, each store counts as accessed.
const MAX_ACCESSED: usize = 20_000;
/// A file that is rewritten in place to less than this part of its size has lost its content.
const SMALL_PART: u64 = 10;
/// Endings of the files beside an SQLite database, which it empties once their content is in the database.
const BESIDE_SQLITE: [&[u8]; 3] = [b"-wal", b"-shm", b"-journal"];
/// The first bytes of an SQLite database, which becomes smaller when it is compacted.
const SQLITE_START: u32 = u32::from_le_bytes(*b"SQLi");

/// Compares a tree with a sample that was taken of it before.
pub fn find_survivors(
    CompareJob { path, sample, since }: &CompareJob,
    control: &JobControl,
) -> Result<Survivors, JobStop> {
    let (root, _) = stat_root(path)?;
    let finder = SurvivorFinder::new(sample, time_of(*since));
    if root == RootKind::Folder {
        observe(open_root(path, root)?, &[&finder], 0, control)?;
    }
    Ok(finder.finish())
}

/// Looks for the files of a sample.
struct SurvivorFinder<'a> {
    sample: &'a [Sample],
    since: Moment,
    by_path: HashMap<u64, usize>,
    /// Several, where a file has several names.
    by_identity: HashMap<u64, Vec<usize>>,
    found: Mutex<FoundSurvivors>,
}

struct FoundSurvivors {
    /// Which files of the sample are there.
    kept: Vec<bool>,
    /// Of which files of the sample another file has the name.
    taken_over: Vec<bool>,
    /// The stores, each with its path.
    stores: Vec<(Vec<u8>, Store)>,
    accessed: Accessed,
    /// Paths of the files that were read, changed or made.
    touched: HashSet<Vec<u8>>,
}

impl<'a> SurvivorFinder<'a> {
    fn new(sample: &'a [Sample], since: Moment) -> Self {
        let mut by_identity: HashMap<u64, Vec<usize>> = HashMap::new();
        for (at, sample) in sample.iter().enumerate() {
            by_identity.entry(sample.identity).or_default().push(at);
        }
        SurvivorFinder {
            sample,
            since,
            by_path: sample.iter().enumerate().map(|(at, sample)| (sample.path, at)).collect(),
            by_identity,
            found: Mutex::new(FoundSurvivors {
                kept: vec![false; sample.len()],
                taken_over: vec![false; sample.len()],
                stores: Vec::new(),
                accessed: Accessed::default(),
                touched: HashSet::new(),
            }),
        }
    }

    fn finish(self) -> Survivors {
        let FoundSurvivors { kept, taken_over, mut stores, mut accessed, touched } = into_inner(self.found);
        stores.sort_by(|(a, _), (b, _)| a.cmp(b));
        let is_accessed = |(path, store): &(Vec<u8>, Store)| {
            touched.len() >= MAX_ACCESSED || touched.iter().any(|file| belongs_to_store(file, store.kind, path))
        };
        let indexes = stores.iter().enumerate().filter(|(_, store)| is_accessed(store));
        accessed.stores = indexes.filter_map(|(at, _)| u32::try_from(at).ok()).collect();
        let gone = || self.sample.iter().enumerate().filter(|(at, _)| !kept[*at] || taken_over[*at]);
        Survivors {
            gone: gone().fold(Amount::default(), |sum, (_, sample)| Amount {
                files: sum.files + 1,
                bytes: sum.bytes + sample.size,
            }),
            which: gone().take(MISSING).filter_map(|(at, _)| u32::try_from(at).ok()).collect(),
            stores: stores.into_iter().map(|(_, store)| store).collect(),
            accessed,
        }
    }

    /// Which files of the sample this file is; an error is the file of the sample whose name this other one has taken.
    fn find_in_sample(&self, entry: &SeenEntry<'_>, stat: &Statx) -> Result<Vec<usize>, usize> {
        let there = |at: &usize| !is_emptied(&self.sample[*at], stat.stx_size, entry.path());
        match self.by_identity.get(&identity(stat)) {
            // Written to, or moved.
            Some(same) => Ok(same.iter().copied().filter(there).collect()),
            None => match self.by_path.get(&hash(entry.path())) {
                Some(&at) if self.is_replaced(at, entry) => Ok(vec![at]),
                Some(&at) => Err(at),
                None => Ok(Vec::new()),
            },
        }
    }

    /// Whether a file, which is another, has taken the place of this one of the sample without loss.
    fn is_replaced(&self, at: usize, entry: &SeenEntry<'_>) -> bool {
        let before = &self.sample[at];
        // A file that cannot be read now is there at least.
        let Some(now) = sample_file(entry.folder, entry.name, entry.path()) else { return true };
        let same = now.size == before.size && now.content == before.content;
        // Programs write a file under another name and rename it: the new file begins as the old one and is about as
        // large.
        let anew = now.start == before.start && now.size.saturating_mul(2) >= before.size;
        same || anew
    }
}

/// Whether a file of the sample has lost its content in place: only its name, or a small part of its size, is left.
fn is_emptied(before: &Sample, size: u64, path: &[u8]) -> bool {
    let may_shrink = || before.start == SQLITE_START || BESIDE_SQLITE.iter().any(|ending| path.ends_with(ending));
    before.size > 0 && (size == 0 || size.saturating_mul(SMALL_PART) < before.size && !may_shrink())
}

impl TreeObserver for SurvivorFinder<'_> {
    fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
        if entry.kind != FileType::RegularFile {
            return Ok(());
        }
        let Some(stat) = stat_file(entry.folder, entry.name) else { return Ok(()) };
        let there = self.find_in_sample(entry, &stat);
        let path = entry.path();
        // A new file that stands for a restored one has replaced that one.
        let is_beside = matches!(&there, Ok(none) if none.is_empty()) && !self.by_path.contains_key(&hash(path));
        let lasts = !is_disposable(path);
        let store = if lasts { find_store(entry.folder, entry.name, path, &stat) } else { None };
        let mut found = lock(&self.found);
        match Access::since(self.since, &stat) {
            Access::None => {}
            _ if !lasts => {}
            access => {
                let is_beside = access == Access::New && is_beside;
                if is_beside {
                    found.accessed.beside.add(|| short_path(path));
                } else {
                    found.accessed.files += 1;
                }
                // Redis begins new files beside those that it does not know.
                if found.touched.len() < MAX_ACCESSED && !(is_beside && is_part_of_redis(path)) {
                    found.touched.insert(path.to_vec());
                }
            }
        }
        match there {
            Ok(there) => there.into_iter().for_each(|at| found.kept[at] = true),
            Err(at) => found.taken_over[at] = true,
        }
        if let Some(store) = store.filter(|_| found.stores.len() < MAX_STORES) {
            found.stores.push((path.to_vec(), store));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use std::sync::Arc;

    use super::super::access::wait_until_past;
    use super::super::fingerprint::take_fingerprint;
    use super::super::tree::inspect;
    use super::*;
    use crate::model::fingerprint::Fingerprint;
    use crate::worker::expected::FilledVolumes;
    use crate::worker::protocol::{InspectJob, InspectWants, SqliteWant};

    /// The names of what is gone.
    fn gone(root: &Path, before: &Fingerprint) -> Vec<String> {
        let after = {
            let path = root.to_str().unwrap().to_owned();
            let job = CompareJob { path, sample: before.sample.clone(), since: before.mark };
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

    #[test]
    fn a_file_that_was_put_aside_for_another_is_gone_and_one_that_was_copied_aside_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let long = "a long and valued text\n".repeat(100);
        for name in ["aside", "backed up", "turned 1", "turned 2"] {
            fs::write(root.join(name), format!("{name}: {long}")).unwrap();
        }
        let held = take_fingerprint(root);
        fs::rename(root.join("aside"), root.join("aside.corrupt")).unwrap();
        fs::write(root.join("aside"), "a new one").unwrap();
        fs::rename(root.join("backed up"), root.join("backed up.bak")).unwrap();
        fs::copy(root.join("backed up.bak"), root.join("backed up")).unwrap();
        // A restored file that takes the name of another is no new one.
        fs::rename(root.join("turned 1"), root.join("turned 0")).unwrap();
        fs::rename(root.join("turned 2"), root.join("turned 1")).unwrap();
        assert_eq!(gone(root, &held), ["aside"]);
    }

    #[test]
    fn a_file_that_is_rewritten_to_a_small_part_is_gone_and_one_that_may_shrink_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let long = "a long and valued text\n".repeat(100);
        for name in ["small", "half", "x.db-wal"] {
            fs::write(root.join(name), &long).unwrap();
        }
        fs::write(root.join("x.db"), format!("SQLite format 3\0{long}")).unwrap();
        let held = take_fingerprint(root);
        for name in ["small", "x.db-wal", "x.db"] {
            fs::write(root.join(name), "{}").unwrap();
        }
        fs::write(root.join("half"), &long[..long.len() / 2]).unwrap();
        assert_eq!(gone(root, &held), ["small"]);
    }

    /// What the inspection before a start notes, and what is found accessed after `start`.
    fn accessed(root: &Path, start: impl FnOnce()) -> (Survivors, Vec<String>) {
        let path = root.to_str().unwrap().to_owned();
        let sqlite = SqliteWant { scratch: path.clone(), source: None, live: None, keep_free: 0, rows: false };
        let wants = InspectWants { fingerprint: true, sqlite: Some(sqlite), ..InspectWants::default() };
        let job = InspectJob { path: path.clone(), max_entries: 0, wants };
        let held = inspect(&job, &FilledVolumes::default(), &Arc::default()).unwrap().fingerprint.unwrap();
        assert!(held.mark.changes && held.mark.reads, "this test needs a file system that notes reads");
        wait_until_past(held.mark.at);
        start();
        let job = CompareJob { path, sample: held.sample, since: held.mark };
        let found = find_survivors(&job, &JobControl::default()).unwrap();
        let opened = found.accessed.stores.iter().map(|at| found.stores[*at as usize].file.clone()).collect();
        (found, opened)
    }

    /// SQLite's own check reads the databases before the start, and the kernel notes the next read all the same.
    #[test]
    fn a_store_that_is_opened_is_told_from_one_that_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["opened.db", "left.db"] {
            let database = rusqlite::Connection::open(root.join(name)).unwrap();
            database.execute_batch("CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('kept')").unwrap();
        }
        fs::write(root.join("settings"), "dark").unwrap();
        let (found, opened) = accessed(root, || {
            let database = rusqlite::Connection::open(root.join("opened.db")).unwrap();
            let text: String = database.query_row("SELECT text FROM notes", [], |row| row.get(0)).unwrap();
            assert_eq!(text, "kept");
        });
        assert_eq!(opened, ["opened.db"]);
        assert_eq!((found.accessed.files, found.accessed.beside.count), (1, 0));
    }

    /// A backup brings access times along, and with `relatime` the kernel notes only the first read after a change.
    #[test]
    fn a_file_that_was_read_before_the_inspection_is_seen_to_be_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["settings", "library"] {
            fs::write(root.join(name), name).unwrap();
            fs::read(root.join(name)).unwrap();
        }
        let (found, _) = accessed(root, || assert_eq!(fs::read(root.join("settings")).unwrap(), b"settings"));
        assert_eq!(found.accessed.files, 1);
    }

    #[test]
    fn new_files_are_no_use_of_the_restored_ones_but_one_that_takes_the_place_of_another_is() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["settings", "library"] {
            fs::write(root.join(name), format!("{{\"of\": \"{name}\", \"count\": 1}}")).unwrap();
        }
        let beside = |found: &Survivors| found.accessed.beside.first.clone();
        let (found, _) = accessed(root, || fs::write(root.join("new"), "x").unwrap());
        assert_eq!((found.accessed.files, beside(&found)), (0, vec!["new".to_owned()]));
        let (found, opened) = accessed(root, || {
            fs::create_dir(root.join("appendonlydir")).unwrap();
            fs::write(root.join("appendonlydir/a.1.base.rdb"), "REDIS0011\u{fe}").unwrap();
        });
        assert_eq!((found.accessed.beside.count, opened), (1, Vec::new()), "a log of Redis's begun beside all else");
        fs::remove_dir_all(root.join("appendonlydir")).unwrap();
        let (found, _) = accessed(root, || fs::write(root.join("server.log"), "what nobody misses").unwrap());
        assert_eq!(found.accessed, Accessed::default());
        let (found, _) = accessed(root, || {
            fs::write(root.join("x"), "{\"of\": \"settings\", \"count\": 2}").unwrap();
            fs::rename(root.join("x"), root.join("settings")).unwrap();
        });
        assert_eq!((found.accessed.files, beside(&found)), (1, Vec::new()));
    }
}
