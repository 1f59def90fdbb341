//! Whom the entries of a tree belong to.

use std::collections::BTreeMap;
use std::sync::Mutex;

use rustix::fs::Stat;

use crate::model::lock::{into_inner, lock};
use crate::worker::fs::observe::{SeenEntry, TreeObserver};
use crate::worker::fs::stat::{mode, owner};
use crate::worker::job::JobStop;
use crate::worker::protocol::Owners;

/// Users that are told apart; more than these are not named.
const MAX_USERS: usize = 64;

/// How many entries belong to whom.
#[derive(Debug, Default)]
pub struct OwnerTally {
    users: BTreeMap<u32, u64>,
    too_many: bool,
}

impl OwnerTally {
    /// Counts an entry.
    pub fn add(&mut self, stat: &Stat) {
        let known = self.users.len();
        match self.users.get_mut(&stat.st_uid) {
            Some(count) => *count += 1,
            None if known < MAX_USERS => {
                self.users.insert(stat.st_uid, 1);
            }
            None => self.too_many = true,
        }
    }

    /// The result; `complete`: every entry was counted.
    pub fn into_owners(self, root: &Stat, complete: bool) -> Owners {
        let mut users = self.users.into_iter().collect::<Vec<_>>();
        users.sort_by_key(|&(uid, count)| (std::cmp::Reverse(count), uid));
        Owners { root: owner(root), root_mode: mode(root), users, complete: complete && !self.too_many }
    }
}

/// Counts whom the entries of a tree belong to, which a service may be changing.
pub struct OwnerCounter {
    root: Stat,
    tally: Mutex<OwnerTally>,
}

impl OwnerCounter {
    /// The root is counted already.
    pub fn new(root: Stat) -> Self {
        let mut tally = OwnerTally::default();
        tally.add(&root);
        Self { root, tally: Mutex::new(tally) }
    }

    /// The result; `complete`: the walk was not ended before its end.
    pub fn finish(self, complete: bool) -> Owners {
        into_inner(self.tally).into_owners(&self.root, complete)
    }
}

impl TreeObserver for OwnerCounter {
    fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
        if let Some(stat) = entry.stat()? {
            lock(&self.tally).add(stat);
        }
        Ok(())
    }
}
