//! A snapshot of a file system that is a folder of the engine's host: of which folder it is a snapshot, and the file
//! systems inside that folder, which the snapshot leaves out.

use std::io;

use super::access::{EngineHost, HostFolder, HostSnapshot};
use super::error::SourceError;
use crate::model::host_tree::{Hole, HoleCause, HostLook, HostMount, HostTree, below, joined, mount_of};
use crate::model::source::{BackupContents, MatchRule, MountQuery, Pattern};

/// The folder of its snapshots in every file system of ZFS.
pub const ZFS_SNAPSHOTS: &str = ".zfs/snapshot";
/// Most file systems inside a snapshot that are looked for.
const MOST_INSIDE: usize = 200;

/// The file systems that belong inside a snapshot and lie elsewhere, as in [`HostTree::inside`].
type Inside = Vec<(String, String)>;

/// What a path says of the snapshot that it is in.
#[derive(Debug, PartialEq, Eq)]
pub struct SnapshotPlace {
    /// The folder of the host of which the path is a snapshot.
    pub live_path: String,
    /// Name of the snapshot.
    pub name: String,
    /// Whether it is a snapshot of ZFS; else of snapper.
    pub is_zfs: bool,
    /// Whether the path is the snapshot itself, and not a folder in it.
    pub is_whole: bool,
}

impl SnapshotPlace {
    /// Reads `FOLDER/.zfs/snapshot/NAME/REST` and `FOLDER/.snapshots/NUMBER/snapshot/REST`; `None`: another path.
    pub fn of(path: &str) -> Option<SnapshotPlace> {
        let path = path.trim_end_matches('/');
        let place = |live: &str, name: &str, rest: &str, is_zfs| SnapshotPlace {
            live_path: joined(live, rest),
            name: name.to_owned(),
            is_zfs,
            is_whole: rest.is_empty(),
        };
        if let Some((live, rest)) = path.split_once(&format!("/{ZFS_SNAPSHOTS}/")) {
            let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
            return Some(place(live, name, rest, true));
        }
        let (live, rest) = path.split_once("/.snapshots/")?;
        let (number, rest) = rest.split_once('/')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Some(place(live, number, below(rest, "snapshot")?, false)))?
    }
}

/// Finds what belongs to the snapshot at `path`. `mounts` are the host's; `None`: they are asked for if need be.
pub fn find(path: &str, host: &dyn EngineHost, mounts: Option<&[HostMount]>) -> Result<HostSnapshot, SourceError> {
    let tree = HostTree::at(path.trim_end_matches('/'));
    let tree = if tree.path.is_empty() { HostTree::at("/") } else { tree };
    let Some(place) = SnapshotPlace::of(path) else {
        return Ok(HostSnapshot { tree, live_path: None, holes: Vec::new(), is_listed: false });
    };
    let asked;
    let mounts = match mounts {
        Some(mounts) => mounts,
        None => {
            asked = host.look(&HostLook { mounts: true, ..HostLook::default() })?.mounts;
            &asked
        }
    };
    let children = children(&place.live_path, mounts);
    let (inside, holes) = if place.is_zfs {
        snapshots_of_children(&tree.path, &place, &children, mounts, host)?
    } else {
        let holes = children.iter().map(|(at, mount)| hole(at, mount, None));
        (Vec::new(), holes.collect())
    };
    let tree = HostTree { inside, is_snapshot: place.is_zfs, ..tree };
    Ok(HostSnapshot { tree, live_path: Some(place.live_path), holes, is_listed: !place.is_zfs })
}

/// The file systems that are mounted inside a folder and are of its own type: other datasets, other subvolumes.
fn children<'m>(live_path: &str, mounts: &'m [HostMount]) -> Vec<(&'m str, &'m HostMount)> {
    let own = mount_of(mounts, live_path).map(|mount| mount.file_system.as_str());
    let inside = mounts.iter().filter_map(|mount| Some((below(&mount.point, live_path)?, mount)));
    let mut inside: Vec<(&str, &HostMount)> = inside
        .filter(|(at, mount)| !at.is_empty() && Some(mount.file_system.as_str()) == own)
        // Snapshots that are mounted, and the layers of an engine that keeps them on ZFS.
        .filter(|(at, _)| !at.split('/').any(|name| name == ".zfs" || name == ".snapshots"))
        .filter(|(at, _)| !format!("/{at}").contains("/zfs/graph/"))
        .collect();
    // Of several at one mount point, the last is seen.
    inside.reverse();
    inside.sort_by_key(|(at, _)| *at);
    inside.dedup_by_key(|(at, _)| *at);
    inside
}

fn hole(at: &str, mount: &HostMount, looked_for: Option<String>) -> Hole {
    let cause = HoleCause::OtherFileSystem { name: mount.source.clone(), looked_for };
    Hole { path: at.as_bytes().to_vec(), cause, wanted_by: Vec::new() }
}

/// Looks for each child's own snapshot of the same name. Children without one are holes.
fn snapshots_of_children(
    path: &str,
    place: &SnapshotPlace,
    children: &[(&str, &HostMount)],
    mounts: &[HostMount],
    host: &dyn EngineHost,
) -> Result<(Inside, Vec<Hole>), SourceError> {
    if children.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    if children.len() > MOST_INSIDE {
        return Err(SourceError::Unreachable {
            path: path.into(),
            error: io::Error::other(format!(
                "{} file systems are mounted inside {}, and at most {MOST_INSIDE} are looked for; name a folder \
                 further inside",
                children.len(),
                place.live_path
            )),
        });
    }
    let own = format!("{ZFS_SNAPSHOTS}/{}", place.name);
    let data: Vec<(String, String)> = children.iter().map(|(_, mount)| own_snapshot(mount, &own, mounts)).collect();
    let is_there = host.look(&HostLook { folders: data.clone(), ..HostLook::default() })?.folders;
    let (mut inside, mut holes): (Inside, Vec<Hole>) = (Vec::new(), Vec::new());
    // A child comes after the one that it lies in. The folder where it is mounted must be in the snapshot around it.
    let mut around = Vec::new();
    for (((at, mount), (base, rest)), is_there) in children.iter().zip(&data).zip(is_there) {
        if is_there {
            let tree = HostTree { inside: inside.clone(), is_snapshot: true, ..HostTree::at(path) };
            around.push(split_at_file_system(&tree, at));
            inside.push(((*at).to_owned(), joined(base, rest)));
        } else {
            holes.push(hole(at, mount, Some(joined(base, rest))));
        }
    }
    if !around.is_empty() {
        let has_place = host.look(&HostLook { folders: around, ..HostLook::default() })?.folders;
        let lacks_place: Vec<(String, String)> = inside
            .iter()
            .zip(&has_place)
            .filter(|(_, has_place)| !**has_place)
            .map(|(child, _)| child.clone())
            .collect();
        inside.retain(|child| !lacks_place.contains(child));
        for (at, _) in lacks_place {
            let mount = children.iter().find(|(child, _)| *child == at).map(|(_, mount)| *mount);
            holes.extend(mount.map(|mount| hole(&at, mount, None)));
        }
    }
    Ok((inside, holes))
}

/// The snapshot of what is mounted: the folder with all of its file system, and the path below that folder.
fn own_snapshot(mount: &HostMount, own: &str, mounts: &[HostMount]) -> (String, String) {
    let is_whole = |other: &&HostMount| other.root == "/" && other.source == mount.source;
    match mounts.iter().find(is_whole) {
        Some(whole) if mount.root != "/" => (whole.point.clone(), joined(own, &mount.root)),
        _ => (mount.point.clone(), own.to_owned()),
    }
}

/// The path of a part, as the file system that it lies in and the rest.
fn split_at_file_system(tree: &HostTree, at: &str) -> (String, String) {
    let holder = tree.inside.iter().filter_map(|(of, data)| Some((of.len(), data, below(at, of)?)));
    match holder.max_by_key(|(length, ..)| *length) {
        Some((_, data, rest)) => (data.clone(), rest.to_owned()),
        None => (tree.path.clone(), at.to_owned()),
    }
}

/// The queries about a snapshot of which the live folder is known: a mount whose own path is known lies in one place of
/// the snapshot, and nowhere else.
pub fn queries_at(live_path: &str, queries: &[MountQuery]) -> Vec<MountQuery> {
    let located = |query: &MountQuery| {
        if let Some(path) = bind_path(query).and_then(|path| below(&path, live_path).map(str::to_owned)) {
            return MountQuery { patterns: vec![(MatchRule::Name, Pattern::Top(path.into_bytes()))] };
        }
        let mut query = query.clone();
        for name in volumes(&query.patterns).map(<[u8]>::to_vec).collect::<Vec<_>>() {
            let name = String::from_utf8_lossy(&name).into_owned();
            let folder = format!("/volumes/{name}");
            let rest = match () {
                () if live_path.ends_with(&folder) => "_data",
                () if live_path.ends_with(&format!("{folder}/_data")) => "",
                () => continue,
            };
            query.patterns = vec![(MatchRule::Name, Pattern::Top(rest.into()))];
        }
        query
    };
    queries.iter().map(located).collect()
}

/// The path of a bind mount on the host; `None`: the query is for another mount, or the user named the part.
fn bind_path(query: &MountQuery) -> Option<String> {
    if volumes(&query.patterns).next().is_some() {
        return None;
    }
    match query.patterns.first()? {
        (MatchRule::Name | MatchRule::Target, Pattern::Top(path)) => {
            Some(format!("/{}", String::from_utf8_lossy(path)))
        }
        _ => None,
    }
}

fn volumes(patterns: &[(MatchRule, Pattern)]) -> impl Iterator<Item = &[u8]> {
    patterns.iter().filter_map(|(_, pattern)| match pattern {
        Pattern::VolumeData(name) => Some(name.as_slice()),
        Pattern::Top(_) | Pattern::Suffix(_) => None,
    })
}

/// Whether a hole in the snapshot at `tree_path` is a snapshot itself, which is no data: those of snapper lie in
/// `.snapshots` within the data, and others may lie in a folder of the same name as the one around this snapshot.
pub fn is_snapshot_itself(hole: &Hole, tree_path: &str) -> bool {
    let path = String::from_utf8_lossy(&hole.path);
    let around = |path: &str| path.rsplit('/').nth(1).map(str::to_owned);
    path.split('/').any(|name| name == ".snapshots")
        || around(&path).is_some_and(|name| Some(name) == around(tree_path))
}

/// Notes for each hole which queries ask for data that would lie in the hole.
pub fn note_wants(holes: &mut [Hole], live_path: Option<&str>, queries: &[MountQuery]) {
    for hole in holes {
        let path = String::from_utf8_lossy(&hole.path).into_owned();
        let is_in = |query: &MountQuery| {
            let is_explicit = query.patterns.iter().any(|(rule, pattern)| {
                let Pattern::Top(part) = pattern else { return false };
                *rule == MatchRule::Explicit && below(&String::from_utf8_lossy(part), &path).is_some()
            });
            let Some(live_path) = live_path else { return is_explicit };
            let on_host = joined(live_path, &path);
            let is_bind = bind_path(query).is_some_and(|path| below(&path, &on_host).is_some());
            let is_volume = volumes(&query.patterns).any(|name| {
                let folder = format!("/volumes/{}", String::from_utf8_lossy(name));
                on_host.ends_with(&folder) || on_host.ends_with(&format!("{folder}/_data"))
            });
            is_explicit
                || is_bind
                || is_volume
                || on_host.ends_with("/volumes") && volumes(&query.patterns).next().is_some()
        };
        hole.wanted_by = (0..queries.len()).filter(|index| is_in(&queries[*index])).collect();
    }
}

/// Refuses a snapshot of ZFS that its host does not show. Below `.zfs/snapshot`, the kernel mounts a snapshot when
/// somebody enters its folder; where that fails, the folder is empty, and says nothing about the snapshot.
pub fn is_shown(tree: &HostTree, seen: &HostFolder) -> Result<(), SourceError> {
    let places = std::iter::once(("", &tree.path)).chain(tree.inside.iter().map(|(at, data)| (at.as_str(), data)));
    for (at, path) in places {
        let Some(place) = SnapshotPlace::of(path).filter(|place| place.is_zfs && place.is_whole) else { continue };
        let is_mounted = seen.mounts.iter().any(|mount| {
            mount.point == at && mount.file_system == "zfs" && mount.source.ends_with(&format!("@{}", place.name))
        });
        if !is_mounted && is_empty(&seen.contents, at) {
            return Err(SourceError::NotShown { path: path.clone() });
        }
    }
    Ok(())
}

fn is_empty(contents: &BackupContents, at: &str) -> bool {
    let tally = match at {
        "" => Some(&contents.whole),
        at => contents.candidates.iter().flatten().find(|c| c.path == at.as_bytes()).map(|c| &c.tally),
    };
    tally.is_none_or(|tally| tally.amount.files == 0 && tally.folders == 0)
}

#[cfg(test)]
#[path = "host_snapshot_tests.rs"]
mod tests;
