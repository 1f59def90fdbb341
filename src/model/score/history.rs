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
    /// The groups of snapshots that it is made of; empty: the source has no such groups.
    pub groups: Vec<String>,
}

/// The content of one mount in a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MountTally {
    /// The mount, for people.
    pub mount: String,
    /// The groups of snapshots that it comes from.
    pub groups: Vec<String>,
    pub files: u64,
    pub bytes: u64,
    /// Number of files without content.
    pub empty_files: u64,
}

/// A snapshot beside the snapshots before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct History {
    /// The comparison of each group of snapshots that earlier ones are known of; never empty.
    pub groups: Vec<GroupHistory>,
    /// The groups that have no earlier snapshot.
    #[serde(default)]
    pub first: Vec<String>,
}

/// The mounts of one group of snapshots beside those in the earlier snapshots of this group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GroupHistory {
    /// The group, for people; empty: the source has no groups.
    pub group: String,
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
    fn of(&self, mount: &str) -> Option<&MountTally> {
        self.mounts.iter().find(|of| of.mount == mount)
    }

    /// Whether it is made of all groups that the mounts of another one come from.
    pub fn has_groups_of(&self, other: &SnapshotTally) -> bool {
        other.mounts.iter().all(|mount| self.has(&mount.groups))
    }

    /// Whether the snapshot is made of these groups, among others.
    fn has(&self, groups: &[String]) -> bool {
        groups.iter().all(|group| self.groups.contains(group))
    }
}

/// The sums over some mounts of a snapshot.
#[derive(Default)]
struct Sums {
    files: u64,
    bytes: u64,
    empty_files: u64,
}

impl Sums {
    fn of(snapshot: &SnapshotTally, mounts: &BTreeSet<&str>) -> Sums {
        let counted = snapshot.mounts.iter().filter(|of| mounts.contains(of.mount.as_str()));
        counted.fold(Sums::default(), |sums, of| Sums {
            files: sums.files + of.files,
            bytes: sums.bytes.saturating_add(of.bytes),
            empty_files: sums.empty_files + of.empty_files,
        })
    }

    fn empty_percent(&self) -> u64 {
        (self.empty_files * 100).checked_div(self.files).unwrap_or(0)
    }
}

impl History {
    /// Compares a snapshot with the earlier ones, each group with its own; `None`: there are none.
    pub fn of(snapshot: &SnapshotTally, earlier: &[SnapshotTally]) -> Option<History> {
        let mut history = History::default();
        let keys: BTreeSet<&Vec<String>> =
            earlier.iter().chain([snapshot]).flat_map(|of| &of.mounts).map(|of| &of.groups).collect();
        for groups in keys {
            // A mount that the snapshot lacks is that of the group that it was in.
            let in_group = |of: &&MountTally| of.groups == *groups;
            let lost = earlier.iter().flat_map(|of| &of.mounts).filter(|of| snapshot.of(&of.mount).is_none());
            let mounts: BTreeSet<&str> =
                snapshot.mounts.iter().chain(lost).filter(in_group).map(|of| of.mount.as_str()).collect();
            if mounts.is_empty() {
                continue;
            }
            let earlier: Vec<&SnapshotTally> = earlier.iter().filter(|of| of.has(groups)).collect();
            let name = groups.join(" and ");
            match GroupHistory::of(&name, &mounts, snapshot, &earlier) {
                Some(of_group) => history.groups.push(of_group),
                None => history.first.push(name),
            }
        }
        (!history.groups.is_empty()).then_some(history)
    }

    /// Whether a group has lost files, bytes, or the content of files.
    pub fn has_lost_data(&self) -> bool {
        self.groups.iter().any(GroupHistory::has_lost_data)
    }

    /// Whether a group is smaller than usual.
    pub fn is_smaller(&self) -> bool {
        self.groups.iter().any(|of| of.bytes < of.usual_bytes)
    }
}

impl GroupHistory {
    fn of(
        group: &str,
        mounts: &BTreeSet<&str>,
        snapshot: &SnapshotTally,
        earlier: &[&SnapshotTally],
    ) -> Option<GroupHistory> {
        let now = Sums::of(snapshot, mounts);
        let before: Vec<Sums> = earlier.iter().map(|of| Sums::of(of, mounts)).collect();
        let usual = |of: fn(&Sums) -> u64| median(before.iter().map(of).collect(), Middle::Higher);
        let files_in = |of: &SnapshotTally, mount: &str| of.of(mount).map_or(0, |of| of.files);
        let had_files =
            |mount: &str| median(earlier.iter().map(|of| files_in(of, mount)).collect(), Middle::Higher) > Some(0);
        let emptied = mounts.iter().filter(|mount| files_in(snapshot, mount) == 0 && had_files(mount));
        Some(GroupHistory {
            group: group.to_owned(),
            earlier: earlier.len(),
            files: now.files,
            usual_files: usual(|of| of.files)?,
            bytes: now.bytes,
            usual_bytes: usual(|of| of.bytes)?,
            empty_percent: now.empty_percent(),
            usual_empty_percent: median(before.iter().map(Sums::empty_percent).collect(), Middle::Lower)?,
            emptied: emptied.map(|mount| (*mount).to_owned()).collect(),
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

    /// Whether more than half of the files or bytes are gone, or the content of many files. A mount that was emptied is
    /// not meant: unless the user allows it, that is a failure.
    pub fn has_lost_data(&self) -> bool {
        let has_fewer = |now: u64, usual: u64| now < usual && !is_near(now, usual);
        has_fewer(self.files, self.usual_files)
            || has_fewer(self.bytes, self.usual_bytes)
            || self.has_more_empty_files()
    }
}

fn is_near(found: u64, usual: u64) -> bool {
    found.abs_diff(usual) <= usual / 2
}

/// Which of two values in the middle counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Middle {
    Lower,
    Higher,
}

/// The middle value; `None` without values. Of two in the middle that counts by which a loss is seen.
fn median(mut values: Vec<u64>, middle: Middle) -> Option<u64> {
    values.sort_unstable();
    let index = match middle {
        Middle::Lower => values.len().checked_sub(1)? / 2,
        Middle::Higher => values.len() / 2,
    };
    values.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(mounts: &[(&str, u64, u64, u64)]) -> SnapshotTally {
        let mounts = mounts.iter().map(|&(mount, files, bytes, empty_files)| MountTally {
            mount: mount.to_owned(),
            groups: Vec::new(),
            files,
            bytes,
            empty_files,
        });
        SnapshotTally { mounts: mounts.collect(), groups: Vec::new() }
    }

    fn compared(snapshot: SnapshotTally) -> GroupHistory {
        let usual = tally(&[("volume data", 80, 1000, 4), ("volume media", 20, 1000, 0)]);
        let odd = tally(&[("volume data", 1, 1, 0)]);
        let history = History::of(&snapshot, &[usual.clone(), odd, usual]).expect("there are earlier snapshots");
        let [all] = history.groups.try_into().expect("a source without groups");
        all
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

    /// A snapshot of `/volumes` with a mount of so many files, and of a dump with so many bytes, where there is one.
    fn night(files: u64, dump: Option<u64>) -> SnapshotTally {
        let mount = |mount: &str, group: &str, files, bytes| MountTally {
            mount: mount.to_owned(),
            groups: vec![group.to_owned()],
            files,
            bytes,
            empty_files: 0,
        };
        let volume = mount("volume data", "/volumes", files, files * 1000);
        let dump = dump.map(|bytes| mount("dump", "/databases/db", 1, bytes));
        let groups = ["/volumes", "/databases/db"].map(str::to_owned);
        let groups = groups.into_iter().take(1 + usize::from(dump.is_some())).collect();
        SnapshotTally { mounts: std::iter::once(volume).chain(dump).collect(), groups }
    }

    #[test]
    fn each_group_is_compared_with_its_own_earlier_snapshots() {
        let usual = [night(1000, Some(500)), night(1000, Some(500)), night(1000, None), night(1000, None)];
        let history = History::of(&night(1000, Some(20)), &usual).expect("there are earlier ones");
        let [dump, volumes] = history.groups.as_slice() else { panic!("{history:?}") };
        assert_eq!((dump.group.as_str(), dump.earlier, dump.bytes, dump.usual_bytes), ("/databases/db", 2, 20, 500));
        assert!(dump.has_lost_data(), "the whole is as large as before, and the dump is not");
        assert_eq!((volumes.group.as_str(), volumes.earlier, volumes.has_lost_data()), ("/volumes", 4, false));
        let new = History::of(&night(1000, Some(20)), &usual[2..]).expect("there are earlier ones");
        assert_eq!((new.groups.len(), new.first), (1, vec!["/databases/db".to_owned()]));
    }

    #[test]
    fn a_mount_that_a_group_has_lost_is_missed_in_this_group() {
        let mut emptied = night(1000, None);
        emptied.groups.push("/databases/db".to_owned());
        let history = History::of(&emptied, &[night(1000, Some(500))]).expect("there are earlier ones");
        assert_eq!(history.groups[0].emptied, ["dump"], "{history:?}");
    }

    #[test]
    fn one_more_snapshot_after_a_loss_is_no_proof_of_the_contrary() {
        let small = || night(10, None);
        let history = History::of(&small(), &[small(), night(1000, None)]).expect("there are earlier ones");
        assert!(history.has_lost_data(), "{history:?}");
    }
}
