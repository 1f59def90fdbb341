//! Compares a snapshot with earlier snapshots of the same group: a backup job that quietly loses files still ends well.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Most earlier snapshots that a snapshot is compared with.
pub const MOST_EARLIER: usize = 10;

/// The content of a service's mounts in one snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotTally {
    /// The mounts, in the order of the service's.
    pub mounts: Vec<MountTally>,
}

/// The content of one mount in a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MountTally {
    /// The mount, for people.
    pub mount: String,
    pub files: u64,
    pub bytes: u64,
    /// Number of files without content.
    pub empty_files: u64,
}

/// A snapshot beside the snapshots before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct History {
    /// Number of earlier snapshots that it was compared with.
    pub earlier: usize,
    pub files: u64,
    /// Median of the earlier snapshots.
    pub usual_files: u64,
    pub bytes: u64,
    /// Median of the earlier snapshots.
    pub usual_bytes: u64,
    /// Files without content, in percent of all files.
    pub empty_percent: u64,
    /// Median of the earlier snapshots.
    pub usual_empty_percent: u64,
    /// Mounts without a file that had files in most earlier snapshots.
    pub emptied: Vec<String>,
}

impl SnapshotTally {
    fn files(&self) -> u64 {
        self.mounts.iter().map(|mount| mount.files).sum()
    }

    fn bytes(&self) -> u64 {
        self.mounts.iter().map(|mount| mount.bytes).fold(0, u64::saturating_add)
    }

    fn empty_percent(&self) -> u64 {
        let empty: u64 = self.mounts.iter().map(|mount| mount.empty_files).sum();
        (empty * 100).checked_div(self.files()).unwrap_or(0)
    }

    fn files_in(&self, mount: &str) -> u64 {
        self.mounts.iter().filter(|of| of.mount == mount).map(|of| of.files).sum()
    }
}

impl History {
    /// Compares a snapshot with the earlier ones; `None`: there are none.
    pub fn of(snapshot: &SnapshotTally, earlier: &[SnapshotTally]) -> Option<History> {
        let usual = |of: fn(&SnapshotTally) -> u64| median(earlier.iter().map(of).collect());
        let names: BTreeSet<&String> =
            earlier.iter().chain([snapshot]).flat_map(|of| &of.mounts).map(|of| &of.mount).collect();
        let had_files = |mount: &str| median(earlier.iter().map(|of| of.files_in(mount)).collect()) > Some(0);
        let emptied = names.into_iter().filter(|mount| snapshot.files_in(mount) == 0 && had_files(mount));
        Some(History {
            earlier: earlier.len(),
            files: snapshot.files(),
            usual_files: usual(SnapshotTally::files)?,
            bytes: snapshot.bytes(),
            usual_bytes: usual(SnapshotTally::bytes)?,
            empty_percent: snapshot.empty_percent(),
            usual_empty_percent: usual(SnapshotTally::empty_percent)?,
            emptied: emptied.cloned().collect(),
        })
    }

    /// Whether the number of files is within half of the usual.
    pub fn has_usual_files(&self) -> bool {
        is_near(self.files, self.usual_files)
    }

    /// Whether the number of bytes is within half of the usual.
    pub fn has_usual_bytes(&self) -> bool {
        is_near(self.bytes, self.usual_bytes)
    }

    /// Whether more files than usual have no content.
    pub fn has_more_empty_files(&self) -> bool {
        self.empty_percent > self.usual_empty_percent + 10
    }

    /// Whether a mount was emptied, or more files than usual have no content.
    pub fn is_hollow(&self) -> bool {
        !self.emptied.is_empty() || self.has_more_empty_files()
    }
}

fn is_near(found: u64, usual: u64) -> bool {
    found.abs_diff(usual) <= usual / 2
}

/// The middle value, the lower one of two; `None` without values.
fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    let middle = values.len().checked_sub(1)? / 2;
    values.get(middle).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(mounts: &[(&str, u64, u64, u64)]) -> SnapshotTally {
        let mounts = mounts.iter().map(|&(mount, files, bytes, empty_files)| MountTally {
            mount: mount.to_owned(),
            files,
            bytes,
            empty_files,
        });
        SnapshotTally { mounts: mounts.collect() }
    }

    fn compared(snapshot: SnapshotTally) -> History {
        let usual = tally(&[("volume data", 80, 1000, 4), ("volume media", 20, 1000, 0)]);
        let odd = tally(&[("volume data", 1, 1, 0)]);
        History::of(&snapshot, &[usual.clone(), odd, usual]).expect("there are earlier snapshots")
    }

    #[test]
    fn the_first_snapshot_is_compared_with_nothing() {
        assert_eq!(History::of(&tally(&[("volume data", 1, 1, 0)]), &[]), None);
    }

    #[test]
    fn a_snapshot_like_the_ones_before_is_plausible() {
        let history = compared(tally(&[("volume data", 90, 1100, 5), ("volume media", 30, 900, 0)]));
        assert!(history.has_usual_files() && history.has_usual_bytes() && !history.is_hollow(), "{history:?}");
        assert_eq!((history.usual_files, history.usual_bytes, history.earlier), (100, 2000, 3));
    }

    #[test]
    fn a_sudden_drop_or_rise_is_not() {
        let less = compared(tally(&[("volume data", 29, 400, 0), ("volume media", 20, 500, 0)]));
        assert!(!less.has_usual_files() && !less.has_usual_bytes());
        let more = compared(tally(&[("volume data", 131, 2001, 0), ("volume media", 20, 1000, 0)]));
        assert!(!more.has_usual_files() && !more.has_usual_bytes());
    }

    #[test]
    fn an_emptied_mount_and_files_without_content_are_noticed() {
        let emptied = compared(tally(&[("volume data", 95, 2000, 4)]));
        assert_eq!(emptied.emptied, ["volume media"]);
        assert!(emptied.has_usual_files() && emptied.is_hollow());
        let hollow = compared(tally(&[("volume data", 80, 2000, 15), ("volume media", 20, 100, 0)]));
        assert!(hollow.has_more_empty_files() && hollow.emptied.is_empty());
        let near = compared(tally(&[("volume data", 80, 2000, 14), ("volume media", 20, 100, 0)]));
        assert!(!near.has_more_empty_files(), "{near:?}");
    }
}
