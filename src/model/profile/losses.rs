//! Compares two profiles of a service: what has become less, beyond what is normal. Growth says nothing.
//!
//! Normal life makes data less, too: sessions end, queues empty, logs rotate, stores compact. So small numbers, and
//! tables whose name says that their rows pass, are no loss; and with another image a table may have another name.

mod folders;
mod tables;

use super::{MOST_STORES, MountProfile, Profile, StoreProfile, TableProfile};
use crate::model::pluralize::pluralize;
use crate::model::units;

/// Rows or keys that have to be gone, at least.
const LEAST_ROWS: u64 = 5;

/// How much may be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tolerance {
    /// Percent of the files or bytes of a folder, and of the keys.
    pub files: u8,
    /// Percent of the rows of a table.
    pub rows: u8,
    /// Tables, data stores and mounts.
    pub gone: bool,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { files: 50, rows: 10, gone: false }
    }
}

impl Tolerance {
    /// Nothing may be gone.
    pub const NOTHING: Self = Self { files: 0, rows: 0, gone: false };

    /// Everything may be gone.
    pub const ALL: Self = Self { files: 100, rows: 100, gone: true };

    /// Allows what one of both allows.
    pub fn or(self, other: Self) -> Self {
        Self { files: self.files.max(other.files), rows: self.rows.max(other.rows), gone: self.gone || other.gone }
    }

    /// As users write it: `files=80%, gone`. What has its default is left out; the default itself has both percents.
    pub fn text(self) -> String {
        let Self { files, rows, gone } = Self::default();
        if self == Self::ALL {
            return "100%".to_owned();
        }
        let is_default = self == Self::default();
        let mut rules = Vec::new();
        if self.files != files || is_default {
            rules.push(format!("files={}%", self.files));
        }
        if self.rows != rows || is_default {
            rules.push(format!("rows={}%", self.rows));
        }
        if self.gone != gone {
            rules.push("gone".to_owned());
        }
        rules.join(", ")
    }
}

/// Whether `now` is less than is left of `then` when all that may be gone is gone.
fn is_exceeded(percent: u8, then: u64, now: u64) -> bool {
    u128::from(now) * 100 < u128::from(then) * u128::from(100 - percent.min(100))
}

/// The least percent that allows `now` in place of `then`.
fn percent_gone(then: u64, now: u64) -> u8 {
    let left = (u128::from(now) * 100).checked_div(u128::from(then)).unwrap_or(100).min(100);
    100 - u8::try_from(left).unwrap_or(100)
}

/// What is known of the two runs beside their profiles.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// How much may be gone.
    pub tolerance: Tolerance,
    /// The service has the image that it had then.
    pub same_image: bool,
    /// The data is loaded from a dump now: mounts that were filled from files then are compared by their tables.
    pub from_dump: bool,
    /// The mounts that the settings leave empty, or allow to be empty, now.
    pub left_empty: &'a [String],
}

/// What a rehearsal found to be less than the last green one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    /// In words: mounts and stores, tables, folders, keys; of each the largest first.
    pub lost: Vec<String>,
    /// The least tolerance that allows all of them; `None`: nothing is lost.
    pub needed: Option<Tolerance>,
    /// What is of another kind than then, and may be right so.
    pub unlike: Vec<String>,
    /// What could not be compared, and why.
    pub not_compared: Vec<String>,
}

/// Compares the profile of a run with an earlier one.
pub fn losses(then: &Profile, now: &Profile, terms: Terms<'_>) -> Losses {
    let mut comparison = Comparison { terms, losses: Losses::default() };
    for mount in &then.mounts {
        let is_left_empty = terms.left_empty.contains(&mount.mount);
        match now.mounts.iter().find(|other| other.mount == mount.mount) {
            _ if is_left_empty => comparison.skip(format!("{}, which the settings leave empty", mount.mount)),
            Some(other) => comparison.mount(mount, other),
            None if terms.from_dump => {}
            None => comparison.mount_is_gone(mount, then, now),
        }
    }
    comparison.databases(then, now);
    match (then.keys, now.keys) {
        (Some(then), Some(now)) => {
            let gone = then.saturating_sub(now);
            if gone >= LEAST_ROWS && is_exceeded(terms.tolerance.files, then, now) {
                comparison.lose_files(percent_gone(then, now), format!("{} instead of {then}", pluralize(now, "key")));
            }
        }
        (Some(_), None) => comparison.skip("the keys, since the server could not be asked".to_owned()),
        (None, _) => {}
    }
    comparison.losses
}

/// Compares the tables of one database with those that it must hold.
pub fn table_losses(title: &str, must: &[TableProfile], has: &[TableProfile], tolerance: Tolerance) -> Losses {
    let terms = Terms { tolerance, same_image: true, from_dump: false, left_empty: &[] };
    let mut comparison = Comparison { terms, losses: Losses::default() };
    comparison.tables(title, must, has, true);
    comparison.losses
}

struct Comparison<'a> {
    terms: Terms<'a>,
    losses: Losses,
}

impl Comparison<'_> {
    fn skip(&mut self, words: String) {
        self.losses.not_compared.push(words);
    }

    fn needed(&mut self) -> &mut Tolerance {
        self.losses.needed.get_or_insert(self.terms.tolerance)
    }

    /// Notes a loss that this percent of the files, bytes or keys would allow.
    fn lose_files(&mut self, percent: u8, words: String) {
        let needed = self.needed();
        needed.files = needed.files.max(percent);
        self.losses.lost.push(words);
    }

    /// Notes a loss that this percent of the rows would allow.
    fn lose_rows(&mut self, percent: u8, words: String) {
        let needed = self.needed();
        needed.rows = needed.rows.max(percent);
        self.losses.lost.push(words);
    }

    /// Notes that a table or a store is not there. Another version of a program may have another name for it.
    fn lose_whole(&mut self, words: String) {
        if self.terms.tolerance.gone {
            return;
        }
        if self.terms.same_image {
            self.needed().gone = true;
            self.losses.lost.push(words);
        } else {
            self.losses.unlike.push(words);
        }
    }

    /// A mount that is not there at all, which no image explains.
    fn mount_is_gone(&mut self, mount: &MountProfile, then: &Profile, now: &Profile) {
        let is_new = |other: &&MountProfile| then.mounts.iter().all(|mount| mount.mount != other.mount);
        let holds_as_much = |other: &MountProfile| {
            other.files >= mount.files && other.bytes >= mount.bytes && other.stores.len() >= mount.stores.len()
        };
        let held_nothing = mount.files == 0 && mount.stores.is_empty();
        // A mount with a new path that holds as much was moved.
        if self.terms.tolerance.gone || held_nothing || now.mounts.iter().filter(is_new).any(holds_as_much) {
            return;
        }
        let held = if mount.files > 0 { units::files(mount.files) } else { "a data store".to_owned() };
        self.needed().gone = true;
        self.losses.lost.push(format!("nothing was restored into {}, which had {held}", mount.mount));
    }

    fn mount(&mut self, then: &MountProfile, now: &MountProfile) {
        let leaves_more_out = now.exclude.iter().any(|pattern| !then.exclude.contains(pattern));
        for store in &then.stores {
            let title = format!("{} of {}", store.file, then.mount);
            match now.stores.iter().find(|other| other.file == store.file) {
                Some(other) => self.store(&title, store, other),
                None if leaves_more_out || now.stores.len() >= MOST_STORES || took_its_place(store, now) => {}
                None => self.lose_whole(format!("the data store {title} is gone")),
            }
        }
        if leaves_more_out {
            let why = "since the backup leaves out more on purpose than then";
            self.skip(format!("the files of {}, {why}", then.mount));
        } else {
            self.folders(then, now);
        }
    }

    fn store(&mut self, title: &str, then: &StoreProfile, now: &StoreProfile) {
        if let (Some(was), Some(is)) = (&then.identity, &now.identity)
            && was != is
        {
            self.losses.unlike.push(format!("{title} is another instance ({is} instead of {was})"));
        }
        if then.kind == "sqlite" {
            self.tables(title, &then.tables, &now.tables, now.tables_known);
        }
    }
}

/// Whether another store of its kind took the place of one that is gone: Redis names the parts of its log anew, and
/// programs keep dated copies of their databases. An SQLite database without a row is no loss.
fn took_its_place(store: &StoreProfile, now: &MountProfile) -> bool {
    let folder = |file: &str| file.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let is_like = |other: &StoreProfile| other.kind == store.kind && folder(&other.file) == folder(&store.file);
    let has_rows = store.tables.iter().any(|table| table.rows != Some(0));
    match store.kind.as_str() {
        "redis" => now.stores.iter().any(|other| other.kind == store.kind),
        "sqlite" if store.tables_known && !has_rows => true,
        "sqlite" => is_dated(&store.file) && now.stores.iter().any(|other| is_like(other) && is_dated(&other.file)),
        _ => false,
    }
}

fn is_dated(file: &str) -> bool {
    file.rsplit('/').next().unwrap_or_default().chars().filter(char::is_ascii_digit).count() >= 6
}

#[cfg(test)]
#[path = "losses_tests.rs"]
mod tests;
