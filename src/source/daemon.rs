//! Folders of the engine's host: one folder, or the snapshots in a folder. Only a worker there can read them; their
//! content does not come to this machine.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::access::{Access, EngineHost, Presence, Source, SourceContext};
use super::choose::choose_related;
use super::error::SourceError;
use super::host_snapshot::{self, SnapshotPlace, ZFS_SNAPSHOTS};
use super::snapshots::{self, Kinship};
use super::timestamp_from_name::timestamp_in_name;
use crate::model::event::Snapshot;
use crate::model::host_tree::{FolderId, HostList, HostLook, HostMount, HostSeen, joined, mount_of};
use crate::model::source::{SnapshotTraits, SourceLocation, SourceSpec};

/// Where programs keep the data within a snapshot: snapper, timeshift, and all others.
const LAYOUTS: [&str; 3] = ["snapshot", "@", ""];
/// Most names of datasets that an error lists.
const NAMED: usize = 10;

/// The folders of a source; each is a snapshot.
struct HostFolders {
    host: Arc<dyn EngineHost>,
    /// Snapshots and their paths, oldest first.
    folders: Vec<(Snapshot, String)>,
    /// What was at these paths when they were listed.
    ids: Vec<(String, FolderId)>,
    /// The mounts of the host; `None`: nobody has looked yet.
    mounts: Option<Vec<HostMount>>,
    /// The folders were found in a folder of snapshots.
    is_listed: bool,
    kinship: Kinship,
}

/// A path with a pattern in one component.
#[derive(Debug, PartialEq, Eq)]
struct HostPattern<'a> {
    /// What is before the component.
    folder: &'a str,
    component: &'a str,
    /// What is behind the component, without slashes at its ends.
    inside: &'a str,
}

/// Opens a folder of the engine's host, or the folders that match a pattern in one component. Only a worker can check
/// whether a folder exists.
pub fn open(spec: &SourceSpec, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    let path = host_path(spec)?;
    let Some(HostPattern { folder, component, inside }) = HostPattern::of(path) else {
        let (id, time) = match SnapshotPlace::of(path) {
            Some(place) => (place.name.clone(), timestamp_in_name(&place.name)),
            None => (path.trim_end_matches('/').rsplit('/').next().unwrap_or(path).to_owned(), None),
        };
        return Ok(Box::new(HostFolders {
            host: Arc::clone(&context.host),
            folders: vec![(Snapshot { id, time }, path.to_owned())],
            ids: Vec::new(),
            mounts: None,
            is_listed: false,
            kinship: Kinship::ByName,
        }));
    };
    let list = HostList { path: folder.to_owned(), inside: vec![inside.to_owned()] };
    // Any name will do: the path around it says whether snapshots lie there.
    let is_of_snapshots = SnapshotPlace::of(&joined(&joined(folder, "1"), inside)).is_some();
    Ok(Box::new(HostFolders::list(path, list, component, is_of_snapshots, &context.host)?))
}

/// Opens the snapshots of btrfs in a folder: those of snapper, timeshift or btrbk, or those that match a pattern.
pub fn open_btrfs(spec: &SourceSpec, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    let path = host_path(spec)?;
    let (folder, component, inside) = match HostPattern::of(path) {
        Some(HostPattern { folder, component, inside }) => (folder, component, inside),
        None => (path, "*", ""),
    };
    let inside = if inside.is_empty() { LAYOUTS.map(str::to_owned).to_vec() } else { vec![inside.to_owned()] };
    let list = HostList { path: folder.to_owned(), inside };
    let folders = HostFolders::list(path, list, component, true, &context.host)?;
    let lies_on = folders.mounts.as_deref().and_then(|mounts| mount_of(mounts, folder));
    match lies_on.map(|mount| mount.file_system.as_str()) {
        Some("btrfs") => Ok(Box::new(folders)),
        other => {
            let other = other.unwrap_or("a file system that the host does not name");
            Err(SourceError::NotThere(format!("{folder} lies on {other} and not on btrfs; write `daemon:{folder}/*`")))
        }
    }
}

/// Opens the snapshots of a dataset of ZFS, or one of them.
pub fn open_zfs(spec: &SourceSpec, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    let SourceLocation::Dataset(text) = &spec.place.location else { return Err(no_host_path()) };
    let (dataset, wanted) = match text.split_once('@') {
        Some((dataset, snapshot)) => (dataset, Some(snapshot)),
        None => (text.as_str(), None),
    };
    let seen = context.host.look(&HostLook { mounts: true, ..HostLook::default() })?;
    let point = mount_point(dataset, &seen.mounts)?;
    let snapshots = joined(&point, ZFS_SNAPSHOTS);
    let list = HostList { path: snapshots.clone(), inside: vec![String::new()] };
    let mut folders = HostFolders::list(&joined(&snapshots, "*"), list, "*", true, &context.host).map_err(|error| {
        let SourceError::NotThere(why) = error else { return error };
        SourceError::NotThere(format!(
            "{why}. The snapshots of {dataset} are looked for in {snapshots}. If the host has no such folder, clone a \
             snapshot (`zfs clone {dataset}@SNAPSHOT {dataset}-rehearsal`), name the clone (--from daemon:FOLDER), and \
             destroy the clone afterwards"
        ))
    })?;
    if let Some(wanted) = wanted {
        let newest = folders.folders.last().map(|(snapshot, _)| snapshot.id.clone()).unwrap_or_default();
        folders.folders.retain(|(snapshot, _)| snapshot.id == wanted);
        if folders.folders.is_empty() {
            let words = format!("{dataset} has no snapshot {wanted}; its newest is {newest}");
            return Err(SourceError::UnknownSnapshot(words));
        }
    }
    Ok(Box::new(folders))
}

/// Only a worker can look for the folder.
pub fn probe(_spec: &SourceSpec) -> Result<Presence, SourceError> {
    Ok(Presence::NotLooked("it is on the engine's host"))
}

fn host_path(spec: &SourceSpec) -> Result<&str, SourceError> {
    match &spec.place.location {
        SourceLocation::HostPath(path) => Ok(path),
        SourceLocation::Path(_) | SourceLocation::Stdin | SourceLocation::Address(_) | SourceLocation::Dataset(_) => {
            Err(no_host_path())
        }
    }
}

fn no_host_path() -> SourceError {
    SourceError::NotThere("a folder of the engine's host has a path that begins with a slash".to_owned())
}

/// The folder where the host has mounted all of a dataset.
fn mount_point(dataset: &str, mounts: &[HostMount]) -> Result<String, SourceError> {
    let whole = || mounts.iter().filter(|mount| mount.file_system == "zfs" && mount.root == "/");
    if let Some(mount) = whole().find(|mount| mount.source == dataset) {
        return Ok(mount.point.clone());
    }
    let mut names: Vec<&str> = whole().map(|mount| mount.source.as_str()).collect();
    // Snapshots that the kernel has mounted, and the layers of an engine that keeps them on ZFS.
    names.retain(|name| !name.contains('@'));
    names.sort_unstable();
    names.dedup();
    let mounted = match names.as_slice() {
        [] => "no dataset of ZFS is mounted there".to_owned(),
        names if names.len() > NAMED => format!("{} and {} more are", names[..NAMED].join(", "), names.len() - NAMED),
        names => format!("mounted are {}", names.join(", ")),
    };
    Err(SourceError::NotThere(format!(
        "the engine's host has not mounted a dataset {dataset} ({mounted}); mount it (`zfs mount {dataset}`), or name \
         a folder of the host: --from daemon:FOLDER"
    )))
}

impl HostPattern<'_> {
    /// Splits a path at the component with `*` or `?`; `None`: it has none.
    fn of(path: &str) -> Option<HostPattern<'_>> {
        let wild = path.find(['*', '?'])?;
        let begin = path[..wild].rfind('/').map_or(0, |slash| slash + 1);
        let end = path[wild..].find('/').map_or(path.len(), |slash| wild + slash);
        let folder = match path[..begin].trim_end_matches('/') {
            "" => "/",
            folder => folder,
        };
        Some(HostPattern { folder, component: &path[begin..end], inside: path[end..].trim_matches('/') })
    }
}

impl HostFolders {
    /// Lists the snapshots of a folder whose names match `component`; `shown` is the whole pattern. `is_of_snapshots`:
    /// the mounts of the host are needed, too, to tell what a snapshot leaves out.
    fn list(
        shown: &str,
        list: HostList,
        component: &str,
        is_of_snapshots: bool,
        host: &Arc<dyn EngineHost>,
    ) -> Result<HostFolders, SourceError> {
        let pattern = glob::Pattern::new(component)
            .map_err(|error| SourceError::NotThere(format!("{component} is no pattern: {error}")))?;
        let is_zfs = list.path.ends_with(&format!("/{ZFS_SNAPSHOTS}"));
        let look = HostLook { mounts: is_of_snapshots, list: Some(list.clone()), folders: Vec::new() };
        let HostSeen { mounts, mut entries, others, folders: _ } = host.look(&look)?;
        let seen = entries.len() as u64 + others;
        entries.retain(|entry| pattern.matches(&entry.name));
        // A folder of snapper's or timeshift's may have other folders beside the snapshots.
        if let Some(layout) = list.inside.iter().find(|inside| entries.iter().any(|entry| entry.inside == **inside)) {
            entries.retain(|entry| entry.inside == *layout);
        }
        let is_snapper = !entries.is_empty() && entries.iter().all(|entry| entry.dated.is_some());
        let mut folders: Vec<(Snapshot, String)> = Vec::new();
        let mut ids: Vec<(String, FolderId)> = Vec::new();
        for entry in entries {
            let path = joined(&joined(&list.path, &entry.name), &entry.inside);
            let modified = Timestamp::from_second(entry.modified).ok();
            let time = match entry.dated.as_deref().and_then(date_of_snapper) {
                Some(dated) => Some(dated),
                // ZFS shows the time of the snapshot there. Elsewhere the time is that of the data.
                None if is_zfs => snapshots::closest_time(&entry.name, modified),
                None => timestamp_in_name(&entry.name).or(modified),
            };
            // The kernel has this folder of ZFS, and mounts a snapshot there only when it is used.
            if !is_zfs {
                ids.push((path.clone(), entry.id));
            }
            folders.push((Snapshot { id: entry.name, time }, path));
        }
        if folders.is_empty() {
            let others = if seen == 1 { "one other thing is".to_owned() } else { format!("{seen} other things are") };
            return Err(SourceError::NoSnapshot(format!(
                "no folder of the engine's host fits {shown} ({others} there)"
            )));
        }
        snapshots::leave_out_companions(&mut folders);
        snapshots::sort(&mut folders);
        let kinship = if is_zfs || is_snapper { Kinship::OneThing } else { Kinship::ByNameWithoutPolicy };
        Ok(HostFolders {
            host: Arc::clone(host),
            folders,
            ids,
            mounts: is_of_snapshots.then_some(mounts),
            is_listed: true,
            kinship,
        })
    }
}

/// Reads the date in snapper's description of a snapshot.
fn date_of_snapper(text: &str) -> Option<Timestamp> {
    let time: DateTime = text.replacen(' ', "T", 1).parse().ok()?;
    Offset::UTC.to_timestamp(time).ok()
}

impl Source for HostFolders {
    fn snapshots(&self) -> Result<Vec<Snapshot>, SourceError> {
        Ok(self.folders.iter().map(|(snapshot, _)| snapshot.clone()).collect())
    }

    fn open(&self, snapshot: &Snapshot) -> Result<Access<'_>, SourceError> {
        let found = self.folders.iter().find(|(known, _)| known.id == snapshot.id);
        let (_, path) = found.ok_or_else(|| SourceError::no_such_snapshot(snapshot))?;
        let mut found = host_snapshot::find(path, &*self.host, self.mounts.as_deref())?;
        found.is_listed = self.is_listed || found.is_listed;
        let listed = self.ids.iter().filter(|(listed, _)| listed == path);
        found.tree.known = listed.map(|(_, id)| (String::new(), *id)).collect();
        Ok(Access::HostTree(found))
    }

    fn traits(&self, snapshot: &Snapshot) -> SnapshotTraits {
        snapshots::traits_among(snapshot, self.kinship)
    }

    fn choose(&self, wanted: Option<&str>) -> Result<Snapshot, SourceError> {
        choose_related(self.snapshots()?, wanted, self.kinship)
    }
}

impl std::fmt::Debug for HostFolders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostFolders").field("folders", &self.folders).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_in_one_component() {
        let of = |path| HostPattern::of(path).map(|p| (p.folder, p.component, p.inside));
        assert_eq!(of("/tank/x/.zfs/snapshot/*"), Some(("/tank/x/.zfs/snapshot", "*", "")));
        assert_eq!(of("/.snapshots/*/snapshot"), Some(("/.snapshots", "*", "snapshot")));
        assert_eq!(of("/srv/.snapshots/app.*"), Some(("/srv/.snapshots", "app.*", "")));
        assert_eq!(of("/*/a/b/"), Some(("/", "*", "a/b")));
        assert_eq!(of("/srv/a[1]"), None);
    }

    #[test]
    fn a_dataset_is_where_all_of_it_is_mounted() {
        let mount = |point: &str, root: &str, source: &str| HostMount {
            point: point.to_owned(),
            root: root.to_owned(),
            file_system: "zfs".to_owned(),
            source: source.to_owned(),
        };
        let mounts = [mount("/srv/part", "/part", "tank/app"), mount("/tank/app", "/", "tank/app")];
        assert_eq!(mount_point("tank/app", &mounts).expect("it is mounted"), "/tank/app");
        let error = mount_point("tank/other", &mounts).expect_err("it is not mounted").to_string();
        assert!(error.contains("mounted are tank/app") && error.contains("zfs mount tank/other"), "{error}");
    }

    #[test]
    fn snapper_tells_the_time_in_utc() {
        let time = date_of_snapper("2026-11-01 20:11:05").expect("a date");
        assert_eq!(time.to_string(), "2026-11-01T20:11:05Z");
        assert_eq!(date_of_snapper("yesterday"), None);
    }
}
