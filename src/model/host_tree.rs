//! Backups that are folders of the engine's host: their parts, their holes, and what a worker sees of the host.

use serde::{Deserialize, Serialize};

/// A folder of the engine's host that is a backup, used as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostTree {
    /// Path of the folder.
    pub path: String,
    /// File systems that belong inside the folder and lie elsewhere: the path within the folder, and the path of the
    /// data. The folder itself has an empty folder there.
    pub inside: Vec<(String, String)>,
    /// Whether the folder is a snapshot of a file system, which nobody changes.
    pub is_snapshot: bool,
    /// What was at these paths within the folder when it was looked through; the empty path is the folder itself.
    /// Whoever may write around it can exchange it before it is used.
    pub known: Vec<(String, FolderId)>,
}

/// What tells one file or folder of the engine's host from every other: whatever path leads to it, and in whatever
/// container, it has the same id. Only the host's administrator makes another folder with the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderId {
    /// The device of its file system; `None`: its kernel gives it another one each time it is mounted. All subvolumes
    /// of btrfs have the same inode, and each has a device of its own.
    pub device: Option<u64>,
    /// Its inode.
    pub inode: u64,
}

impl HostTree {
    /// A folder that may change, with nothing inside it that lies elsewhere.
    pub fn at(path: impl Into<String>) -> HostTree {
        HostTree { path: path.into(), ..HostTree::default() }
    }

    /// The part at `path`, which is relative to the folder; empty for all of it.
    pub fn part(&self, path: &str) -> HostTree {
        let holder = self.inside.iter().filter_map(|(at, data)| Some((at, data, below(path, at)?)));
        let (root, rest) = match holder.max_by_key(|(at, ..)| at.len()) {
            Some((_, data, rest)) => (data, rest),
            None => (&self.path, path),
        };
        let inside = self.inside.iter().filter_map(|(at, data)| {
            let within = below(at, path).filter(|within| !within.is_empty())?;
            Some((within.to_owned(), data.clone()))
        });
        let known = self.known.iter().filter_map(|(at, id)| Some((below(at, path)?.to_owned(), *id)));
        let known = known.collect();
        HostTree { path: joined(root, rest), inside: inside.collect(), is_snapshot: self.is_snapshot, known }
    }

    /// Which of the paths that are known is another file or folder in what is `found` there now.
    pub fn exchanged(&self, found: &[(String, FolderId)]) -> Option<String> {
        let of = |at: &str| found.iter().find(|(path, _)| path == at).map(|(_, id)| *id);
        let (at, _) = self.known.iter().find(|(at, id)| of(at) != Some(*id))?;
        Some(if at.is_empty() { self.path.clone() } else { joined(&self.path, at) })
    }
}

/// The rest of `path` below `folder`; empty for the folder itself, and `None` for a path outside of it. The empty
/// folder has every path. A slash at the end of the folder does not count.
pub fn below<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    let folder = folder.trim_end_matches('/');
    let rest = path.strip_prefix(folder)?;
    if rest.is_empty() || folder.is_empty() { Some(rest.trim_start_matches('/')) } else { rest.strip_prefix('/') }
}

/// `path` below `folder`.
pub fn joined(folder: &str, path: &str) -> String {
    let folder = folder.trim_end_matches('/');
    match path.trim_matches('/') {
        "" if folder.is_empty() => "/".to_owned(),
        "" => folder.to_owned(),
        path => format!("{folder}/{path}"),
    }
}

/// A folder of a backup whose content the backup does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// Path within the backup.
    pub path: Vec<u8>,
    /// Why its content is not there.
    pub cause: HoleCause,
    /// The queries, by their index, whose data lies in the hole or below it.
    #[serde(default)]
    pub wanted_by: Vec<usize>,
}

/// Why a snapshot does not have the content of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoleCause {
    /// Another file system is mounted there, and it has no snapshot of this name.
    OtherFileSystem {
        /// What is mounted there: `tank/app/media`.
        name: String,
        /// Where its snapshot was looked for; `None`: its snapshots have no known place.
        looked_for: Option<String>,
    },
    /// A btrfs subvolume was there, and a snapshot leaves subvolumes out.
    Subvolume,
}

/// A mount of the engine's host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostMount {
    /// Where it is mounted.
    pub point: String,
    /// The folder of the file system that is mounted; `/` for all of it.
    pub root: String,
    /// The type of the file system (`zfs`).
    pub file_system: String,
    /// What is mounted: a device, a dataset.
    pub source: String,
}

/// The mount that has `path`: the one with the longest mount point, and of several at one point the last.
pub fn mount_of<'m>(mounts: &'m [HostMount], path: &str) -> Option<&'m HostMount> {
    mounts.iter().filter(|mount| below(path, &mount.point).is_some()).max_by_key(|mount| mount.point.len())
}

/// What a worker is to look at on the engine's host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostLook {
    /// Whether to tell the mounts of the host.
    pub mounts: bool,
    /// The folder whose folders are listed, if one is.
    pub list: Option<HostList>,
    /// Folders of the host, and a path below each, which may be a folder.
    pub folders: Vec<(String, String)>,
}

/// A folder of the engine's host that holds snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostList {
    /// Path of the folder.
    pub path: String,
    /// Where the data may lie within a snapshot; the first that is a folder counts. Empty: the snapshot itself.
    pub inside: Vec<String>,
}

/// What a worker saw on the engine's host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSeen {
    /// The mounts, in the order in which they were made. File systems without files of their own are left out.
    pub mounts: Vec<HostMount>,
    /// The snapshots in the listed folder.
    pub entries: Vec<HostEntry>,
    /// How many other things are in the listed folder.
    pub others: u64,
    /// Whether each path of [`HostLook::folders`] is a folder.
    pub folders: Vec<bool>,
}

/// A folder that may be a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEntry {
    /// Its name.
    pub name: String,
    /// Which of [`HostList::inside`] has its data.
    pub inside: String,
    /// Last change of the folder, in seconds since the epoch.
    pub modified: i64,
    /// What the folder of its data is.
    pub id: FolderId,
    /// The date in the `info.xml` that snapper writes beside a snapshot: `2026-11-01 20:11:05`, in UTC.
    pub dated: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(inside: &[(&str, &str)]) -> HostTree {
        let inside = inside.iter().map(|(at, data)| ((*at).to_owned(), (*data).to_owned())).collect();
        HostTree { inside, is_snapshot: true, ..HostTree::at("/tank/.zfs/snapshot/a") }
    }

    #[test]
    fn a_part_lies_in_the_innermost_file_system() {
        let tree = tree(&[("app", "/tank/app/.zfs/snapshot/a"), ("app/db", "/tank/app/db/.zfs/snapshot/a")]);
        for (path, expected, inside) in [
            ("other", "/tank/.zfs/snapshot/a/other", vec![]),
            ("application", "/tank/.zfs/snapshot/a/application", vec![]),
            ("app/config", "/tank/app/.zfs/snapshot/a/config", vec![]),
            ("app", "/tank/app/.zfs/snapshot/a", vec!["db"]),
            ("app/db", "/tank/app/db/.zfs/snapshot/a", vec![]),
            ("app/db/x", "/tank/app/db/.zfs/snapshot/a/x", vec![]),
            ("", "/tank/.zfs/snapshot/a", vec!["app", "app/db"]),
        ] {
            let part = tree.part(path);
            assert_eq!(part.path, expected, "{path}");
            assert_eq!(part.inside.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>(), inside, "{path}");
        }
        assert_eq!(HostTree::at("/backups/app").part("").path, "/backups/app");
        assert_eq!(HostTree::at("/").part("").path, "/");
        assert_eq!(HostTree::at("/").part("srv").path, "/srv");
    }

    #[test]
    fn an_exchanged_folder_is_told_by_device_or_inode() {
        let id = |device, inode| FolderId { device: Some(device), inode };
        let known = [("", id(40, 256)), ("app", id(40, 300)), ("app/db", id(41, 256)), ("apple", id(40, 301))];
        let owned = |known: &[(&str, FolderId)]| known.iter().map(|(at, id)| ((*at).to_owned(), *id)).collect();
        let tree = HostTree { known: owned(&known), ..HostTree::at("/srv/snaps/a") };
        assert_eq!(tree.exchanged(&tree.known), None);
        let part = tree.part("app");
        assert_eq!(part.known, owned(&[("", id(40, 300)), ("db", id(41, 256))]));
        // A subvolume in its place has the same inode and another device.
        let other = owned(&[("", id(40, 300)), ("db", id(42, 256))]);
        assert_eq!(part.exchanged(&other).as_deref(), Some("/srv/snaps/a/app/db"));
        let gone = owned(&[("db", id(41, 256))]);
        assert_eq!(part.exchanged(&gone).as_deref(), Some("/srv/snaps/a/app"));
        assert_eq!(HostTree::at("/srv").exchanged(&gone), None, "nothing is known of it");
    }

    #[test]
    fn the_longest_mount_point_has_a_path() {
        let mount = |point: &str, source: &str| HostMount {
            point: point.to_owned(),
            root: "/".to_owned(),
            file_system: "zfs".to_owned(),
            source: source.to_owned(),
        };
        let mounts = [mount("/", "r"), mount("/tank", "tank"), mount("/tank/app", "tank/app"), mount("/tank", "over")];
        let of = |path: &str| mount_of(&mounts, path).map(|mount| mount.source.as_str());
        assert_eq!(of("/tank/app/x"), Some("tank/app"));
        assert_eq!(of("/tank/apple"), Some("over"));
        assert_eq!(of("/srv"), Some("r"));
        assert_eq!(mount_of(&mounts[1..], "/srv"), None);
    }
}
