//! Compares the folders of a mount in two profiles.

use super::{Comparison, is_exceeded, percent_gone};
use crate::model::fingerprint::{INTAKE_FOLDERS, REMADE_FOLDERS};
use crate::model::profile::{FolderProfile, MountProfile, TOP};
use crate::model::units;

/// Files of a folder that have to be gone, at least.
const LEAST_FILES: u64 = 5;
/// Files of a folder that has none any more.
const LEAST_EMPTIED: u64 = 2;
/// Bytes of a folder that have to be gone, at least.
const LEAST_BYTES: u64 = 1024 * 1024;

/// Files with content, and bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    files: u64,
    bytes: u64,
}

/// What a folder has lost.
struct Loss {
    files: u64,
    bytes: u64,
    percent: u8,
    words: String,
}

impl Comparison<'_> {
    /// Compares the files of a mount, by the folders at its top where both runs have counted them.
    pub fn folders(&mut self, then: &MountProfile, now: &MountProfile) {
        // Where files were not looked at for zeros in one of the runs, zeros are content in both.
        let zeros = then.zeros_known && now.zeros_known;
        let mut lost = Vec::new();
        if then.folders.is_empty() || now.folders.is_empty() {
            lost.extend(self.less(&then.mount, of_mount(then, zeros), of_mount(now, zeros)));
        } else {
            let is_new = |folder: &&FolderProfile| then.folders.iter().all(|other| other.folder != folder.folder);
            let mut new: Vec<Held> = now.folders.iter().filter(is_new).map(|folder| held(folder, zeros)).collect();
            for folder in then.folders.iter().filter(|folder| !is_passing_folder(&folder.folder)) {
                let was = held(folder, zeros);
                let found = now.folders.iter().find(|other| other.folder == folder.folder);
                let is = found.map_or(Held::default(), |folder| held(folder, zeros));
                let Some(loss) = self.less(&place(folder, then), was, is) else { continue };
                // A new folder that holds as much was this one, or its content was written anew. It stands for one.
                let took_its_place = |new: &Held| new.files >= was.files.max(1) || new.bytes >= was.bytes.max(1);
                match new.iter().position(took_its_place).filter(|_| found.is_none()) {
                    Some(index) => drop(new.swap_remove(index)),
                    None => lost.push(loss),
                }
            }
        }
        lost.sort_by(|one, other| {
            (other.files, other.bytes).cmp(&(one.files, one.bytes)).then_with(|| one.words.cmp(&other.words))
        });
        lost.into_iter().for_each(|loss| self.lose_files(loss.percent, loss.words));
    }

    /// What of a place is gone; `None`: no more than may be.
    fn less(&self, place: &str, then: Held, now: Held) -> Option<Loss> {
        let (files, bytes) = (then.files.saturating_sub(now.files), then.bytes.saturating_sub(now.bytes));
        let least = if now.files == 0 { LEAST_EMPTIED } else { LEAST_FILES };
        let most = self.terms.tolerance.files;
        let fewer = files >= least && is_exceeded(most, then.files, now.files);
        let smaller = bytes >= LEAST_BYTES && is_exceeded(most, then.bytes, now.bytes);
        let words = if fewer {
            format!("{place} has {} with content instead of {}", units::files(now.files), then.files)
        } else {
            format!("{place} has {} instead of {}", units::bytes(now.bytes), units::bytes(then.bytes))
        };
        let by_files = if fewer { percent_gone(then.files, now.files) } else { 0 };
        let by_bytes = if smaller { percent_gone(then.bytes, now.bytes) } else { 0 };
        (fewer || smaller).then_some(Loss { files, bytes, percent: by_files.max(by_bytes), words })
    }
}

fn place(folder: &FolderProfile, mount: &MountProfile) -> String {
    match folder.folder.as_str() {
        TOP => format!("the top of {}", mount.mount),
        name => format!("{name} of {}", mount.mount),
    }
}

fn held(folder: &FolderProfile, zeros: bool) -> Held {
    let blank = folder.empty + if zeros { folder.zeros } else { 0 };
    Held { files: folder.files.saturating_sub(blank), bytes: folder.bytes }
}

fn of_mount(mount: &MountProfile, zeros: bool) -> Held {
    let &MountProfile { files, bytes, empty, zeros: of_zeros, .. } = mount;
    held(&FolderProfile { folder: String::new(), files, bytes, empty, zeros: of_zeros }, zeros)
}

fn is_passing_folder(name: &str) -> bool {
    REMADE_FOLDERS.iter().chain(&INTAKE_FOLDERS).any(|folder| folder.eq_ignore_ascii_case(name))
}
