//! What a place holds before its service starts, and what of it is still there afterwards.
//!
//! Files that nobody misses (caches, logs, locks) do not count. A file that was moved is still there, one that was written
//! anew by renaming another over it too, unless that is something else.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use rustix::fs::{AtFlags, FileType, OFlags, Statx, StatxFlags, statx};
use rustix::io::{Errno, pread};

use super::datastores::store;
use crate::model::event::Amount;
use crate::model::fingerprint::{DISPOSABLE_FOLDERS, Fingerprint, MOST_SAMPLES, Sample, Store, Survivors};
use crate::model::lock::{into_inner, lock};
use crate::worker::fs::open::{open_folder, open_quietly};
use crate::worker::fs::scan::{look, open_root};
use crate::worker::fs::walk::{Branch, VisitedFolder, Visitor, threads, walk};
use crate::worker::job::{JobControl, JobStop, shown};
use crate::worker::protocol::RootKind;

/// Bytes at either end of a file that are compared.
const END: usize = 4096;
/// Names that are told.
const NAMES: usize = 20;
/// Stores that are told.
const MOST_STORES: usize = 200;

/// What `path` holds.
pub fn held(path: &str, ticket: &JobControl) -> Result<Fingerprint, JobStop> {
    let mut held = Fingerprint { amount: Amount::default(), sample: Vec::new(), names: Vec::new(), stores: Vec::new() };
    let (root, _) = look(path)?;
    if root != RootKind::Folder {
        return Ok(held);
    }
    let sampler = Sampler { ticket, found: Mutex::default() };
    walk(&sampler, threads(), open_root(path, root)?, (), ())?;
    let Sampled { largest, amount, stores } = into_inner(sampler.found);
    let top = open_root(path, root)?;
    for Reverse((_, path)) in largest.into_sorted_vec() {
        ticket.beat()?;
        let Some((folder, name)) = reach(&top, &path) else { continue };
        let Some(sample) = sample(&folder, &name, &path) else { continue };
        if held.names.len() < NAMES {
            held.names.push(shown(&path));
        }
        held.sample.push(sample);
    }
    held.amount = amount;
    held.stores = stores;
    held.stores.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(held)
}

/// What of a sample is still in `path`.
pub fn kept(path: &str, sample: &[Sample], ticket: &JobControl) -> Result<Survivors, JobStop> {
    let (root, _) = look(path)?;
    let mut by_identity: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, sample) in sample.iter().enumerate() {
        by_identity.entry(sample.identity).or_default().push(at);
    }
    let seeker = Seeker {
        ticket,
        sample,
        by_path: sample.iter().enumerate().map(|(at, sample)| (sample.path, at)).collect(),
        by_identity,
        found: Mutex::new(SurvivorsSeen { kept: vec![false; sample.len()], stores: Vec::new() }),
    };
    if root == RootKind::Folder {
        walk(&seeker, threads(), open_root(path, root)?, (), ())?;
    }
    let SurvivorsSeen { kept, mut stores } = into_inner(seeker.found);
    stores.sort_by(|a, b| a.file.cmp(&b.file));
    let gone = || sample.iter().enumerate().filter(|(at, _)| !kept[*at]);
    Ok(Survivors {
        gone: gone().fold(Amount::default(), |sum, (_, sample)| Amount {
            files: sum.files + 1,
            bytes: sum.bytes + sample.size,
        }),
        which: gone().take(NAMES).filter_map(|(at, _)| u32::try_from(at).ok()).collect(),
        stores,
    })
}

/// Whether a file may vanish without anybody missing it.
fn is_passing(path: &[u8]) -> bool {
    let lower = path.to_ascii_lowercase();
    let mut parts = lower.rsplit(|byte| *byte == b'/');
    let name = parts.next().unwrap_or_default();
    let endings: [&[u8]; 6] = [b".log", b".tmp", b".pid", b".lock", b".lck", b".sock"];
    endings.iter().any(|ending| name.ends_with(ending))
        || parts.any(|part| DISPOSABLE_FOLDERS.iter().any(|folder| folder.as_bytes() == part))
}

fn hash(bytes: &[u8]) -> u64 {
    let hash = blake3::hash(bytes);
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap_or_default())
}

/// The inode and, where the file system knows it, the time of birth: an inode's number is given again at once.
pub fn identity(stat: &Statx) -> u64 {
    let has_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    let birth = if has_birth { (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec) } else { (0, 0) };
    hash(format!("{} {} {}", stat.stx_ino, birth.0, birth.1).as_bytes())
}

/// What is known of a file without opening it; `None` for anything that is no file, or is not there.
pub fn stat(folder: &OwnedFd, name: &CStr) -> Option<Statx> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let stat = statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, wanted).ok()?;
    (FileType::from_raw_mode(stat.stx_mode.into()) == FileType::RegularFile).then_some(stat)
}

/// Reads at a place of a file until the buffer is full or the file ends.
pub fn read_at(file: &OwnedFd, bytes: usize, from: u64) -> Option<Vec<u8>> {
    let mut buffer = vec![0; bytes];
    let mut filled = 0;
    while filled < bytes {
        match pread(file, &mut buffer[filled..], from + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    buffer.truncate(filled);
    Some(buffer)
}

fn sample(folder: &OwnedFd, name: &CStr, path: &[u8]) -> Option<Sample> {
    let stat = stat(folder, name)?;
    let file = open_quietly(folder, name, OFlags::empty()).ok()?;
    let mut ends = read_at(&file, END, 0)?;
    let mut start = [0; 4];
    let known = ends.len().min(start.len());
    start[..known].copy_from_slice(&ends[..known]);
    if stat.stx_size > END as u64 {
        ends.extend(read_at(&file, END, stat.stx_size.saturating_sub(END as u64))?);
    }
    Some(Sample {
        path: hash(path),
        size: stat.stx_size,
        start: u32::from_le_bytes(start),
        content: hash(&ends),
        identity: identity(&stat),
    })
}

/// The folder of a path below `top`, open, and the name in it.
fn reach(top: &OwnedFd, path: &[u8]) -> Option<(OwnedFd, CString)> {
    let mut parts = path.split(|byte| *byte == b'/').map(|part| CString::new(part).ok());
    let name = parts.next_back()??;
    let mut folder = open_folder(top, c".").ok()?;
    for part in parts {
        folder = open_folder(&folder, &part?).ok()?;
    }
    Some((folder, name))
}

#[derive(Default)]
struct Sampled {
    /// The largest so far, the smallest of them on top.
    largest: BinaryHeap<Reverse<(u64, Vec<u8>)>>,
    amount: Amount,
    stores: Vec<Store>,
}

struct Sampler<'a> {
    ticket: &'a JobControl,
    found: Mutex<Sampled>,
}

impl Visitor for Sampler<'_> {
    type Target = ();
    type Note = ();

    fn enter(&self, _: &VisitedFolder<'_, Self>, _: &CStr, _: &OwnedFd) -> Result<((), ()), JobStop> {
        self.ticket.beat()?;
        Ok(((), ()))
    }

    fn reopen(&self, _parent: &(), _name: &CStr) -> Result<(), JobStop> {
        Ok(())
    }

    fn entry(&self, place: &VisitedFolder<'_, Self>, name: &CStr, kind: FileType) -> Result<(), JobStop> {
        self.ticket.beat()?;
        if kind != FileType::RegularFile {
            return Ok(());
        }
        let folder = &place.open.source;
        let path = place.branch.path_of(name);
        let Some(stat) = stat(folder, name) else { return Ok(()) };
        if is_passing(&path) {
            return Ok(());
        }
        let store = store(folder, name, &path, &stat);
        let mut found = lock(&self.found);
        found.amount.files += 1;
        found.amount.bytes += stat.stx_size;
        if let Some(store) = store.filter(|_| found.stores.len() < MOST_STORES) {
            found.stores.push(store);
        }
        found.largest.push(Reverse((stat.stx_size, path)));
        if found.largest.len() > MOST_SAMPLES {
            found.largest.pop();
        }
        Ok(())
    }

    fn gone(&self, _path: &[u8]) {}

    fn leave(&self, _branch: &Branch<Self>, _target: &()) -> Result<(), JobStop> {
        Ok(())
    }
}

struct SurvivorsSeen {
    kept: Vec<bool>,
    stores: Vec<Store>,
}

struct Seeker<'a> {
    ticket: &'a JobControl,
    sample: &'a [Sample],
    by_path: HashMap<u64, usize>,
    /// Several, where a file has several names.
    by_identity: HashMap<u64, Vec<usize>>,
    found: Mutex<SurvivorsSeen>,
}

impl Seeker<'_> {
    /// Which files of the sample are still there in this one.
    fn still_there(&self, folder: &OwnedFd, name: &CStr, path: &[u8], stat: &Statx) -> Vec<usize> {
        let there = |at: &usize| stat.stx_size > 0 || self.sample[*at].size == 0;
        match self.by_identity.get(&identity(stat)) {
            // Written to, or moved. Of one that was emptied only its name is left.
            Some(same) => same.iter().copied().filter(there).collect(),
            None => self.in_its_place(folder, name, path).into_iter().collect(),
        }
    }

    /// Which file of the sample this one, which is another, stands for.
    fn in_its_place(&self, folder: &OwnedFd, name: &CStr, path: &[u8]) -> Option<usize> {
        let at = *self.by_path.get(&hash(path))?;
        let before = &self.sample[at];
        // What cannot be read now is there at least.
        let Some(now) = sample(folder, name, path) else { return Some(at) };
        let same = now.size == before.size && now.content == before.content;
        // Programs write a file anew under another name and rename it: it then begins as before, and holds about as much.
        let anew = now.start == before.start && now.size.saturating_mul(2) >= before.size;
        (same || anew).then_some(at)
    }
}

impl Visitor for Seeker<'_> {
    type Target = ();
    type Note = ();

    fn enter(&self, _: &VisitedFolder<'_, Self>, _: &CStr, _: &OwnedFd) -> Result<((), ()), JobStop> {
        self.ticket.beat()?;
        Ok(((), ()))
    }

    fn reopen(&self, _parent: &(), _name: &CStr) -> Result<(), JobStop> {
        Ok(())
    }

    fn entry(&self, place: &VisitedFolder<'_, Self>, name: &CStr, kind: FileType) -> Result<(), JobStop> {
        self.ticket.beat()?;
        if kind != FileType::RegularFile {
            return Ok(());
        }
        let folder = &place.open.source;
        let path = place.branch.path_of(name);
        let Some(stat) = stat(folder, name) else { return Ok(()) };
        let there = self.still_there(folder, name, &path, &stat);
        let store = if is_passing(&path) { None } else { store(folder, name, &path, &stat) };
        let mut found = lock(&self.found);
        for at in there {
            found.kept[at] = true;
        }
        if let Some(store) = store.filter(|_| found.stores.len() < MOST_STORES) {
            found.stores.push(store);
        }
        Ok(())
    }

    fn gone(&self, _path: &[u8]) {}

    fn leave(&self, _branch: &Branch<Self>, _target: &()) -> Result<(), JobStop> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn before(root: &Path) -> Fingerprint {
        held(root.to_str().unwrap(), &JobControl::default()).unwrap()
    }

    /// The names of what is gone.
    fn gone(root: &Path, before: &Fingerprint) -> Vec<String> {
        let after = kept(root.to_str().unwrap(), &before.sample, &JobControl::default()).unwrap();
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
        let held = before(root);
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
        let held = before(root);
        fs::remove_file(root.join("deleted")).unwrap();
        fs::write(root.join("emptied"), "").unwrap();
        for (name, content) in [("other", long.replace("a long", "no more")), ("less", "a lo".to_owned())] {
            fs::write(root.join("x"), content).unwrap();
            fs::rename(root.join("x"), root.join(name)).unwrap();
        }
        assert_eq!(gone(root, &held), ["deleted", "emptied", "less", "other"]);
    }

    #[test]
    fn what_nobody_misses_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["Cache/page", "logs/today", "server.log", "server.pid", "a/tmp/b/c", "data"] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let held = before(root);
        assert_eq!(held.names, ["data"]);
        assert_eq!(held.amount, Amount { files: 1, bytes: 1 });
    }

    #[test]
    fn of_very_many_files_the_largest_are_the_sample_and_go_into_one_request() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..MOST_SAMPLES + 10 {
            fs::write(dir.path().join(number.to_string()), vec![b'x'; usize::from(number >= 10)]).unwrap();
        }
        let held = before(dir.path());
        assert_eq!(held.amount.files as usize, MOST_SAMPLES + 10);
        assert_eq!(held.sample.len(), MOST_SAMPLES);
        assert!(held.sample.iter().all(|sample| sample.size == 1));
        let line = serde_json::to_vec(&held.sample).unwrap();
        assert!(line.len() < 600 * 1024, "{}", line.len());
    }
}
