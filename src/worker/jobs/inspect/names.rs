//! The names at the top of a folder.

use std::sync::Mutex;

use crate::model::lock::{into_inner, lock};
use crate::worker::fs::observe::{SeenEntry, TreeObserver};
use crate::worker::job::JobStop;
use crate::worker::protocol::{MAX_NAME_BYTES, MAX_NAMES};

/// Notes what the root of a tree lists, as far as an answer has room for it.
#[derive(Default)]
pub struct TopNames(Mutex<FoundNames>);

#[derive(Default)]
struct FoundNames {
    names: Vec<Vec<u8>>,
    bytes: usize,
}

impl TopNames {
    /// The names, in no order.
    pub fn finish(self) -> Vec<Vec<u8>> {
        into_inner(self.0).names
    }
}

impl TreeObserver for TopNames {
    fn depth(&self) -> usize {
        0
    }

    fn see(&self, entry: &SeenEntry<'_>) -> Result<(), JobStop> {
        let mut found = lock(&self.0);
        let name = entry.name.to_bytes();
        if found.names.len() < MAX_NAMES && found.bytes + name.len() <= MAX_NAME_BYTES {
            found.bytes += name.len();
            found.names.push(name.to_vec());
        }
        Ok(())
    }
}
