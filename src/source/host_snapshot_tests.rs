//! The pool of these tests has datasets inside datasets; its host is a list of the folders that are there.

use std::sync::Mutex;

use super::*;
use crate::model::event::Amount;
use crate::model::host_tree::HostSeen;
use crate::model::lock::lock;
use crate::model::source::{Candidate, ContentTally};

/// A host with these folders, each as its base and the path below.
struct Folders(Vec<(&'static str, &'static str)>, Mutex<usize>);

impl EngineHost for Folders {
    fn survey(&self, _tree: &HostTree, _queries: &[MountQuery]) -> Result<HostFolder, SourceError> {
        unreachable!("only looked at")
    }

    fn look(&self, look: &HostLook) -> Result<HostSeen, SourceError> {
        *lock(&self.1) += 1;
        let is_there = |(base, path): &(String, String)| self.0.contains(&(base.as_str(), path.as_str()));
        Ok(HostSeen { folders: look.folders.iter().map(is_there).collect(), ..HostSeen::default() })
    }
}

fn mount(point: &str, file_system: &str, source: &str) -> HostMount {
    HostMount {
        point: point.to_owned(),
        root: "/".to_owned(),
        file_system: file_system.to_owned(),
        source: source.to_owned(),
    }
}

fn pool() -> Vec<HostMount> {
    vec![
        mount("/", "ext4", "/dev/sda"),
        mount("/tank", "zfs", "tank"),
        mount("/tank/app", "zfs", "tank/app"),
        mount("/tank/app/db", "zfs", "tank/app/db"),
        mount("/tank/cache", "zfs", "tank/cache"),
        mount("/tank/nfs", "nfs4", "nas:/x"),
        mount("/tank/.zfs/snapshot/a", "zfs", "tank@a"),
        mount("/tank/docker/zfs/graph/17", "zfs", "tank/17"),
    ]
}

#[test]
fn a_path_says_of_what_it_is_a_snapshot() {
    let of = |path| SnapshotPlace::of(path).map(|place| (place.live_path, place.name, place.is_zfs, place.is_whole));
    let found = |live: &str, name: &str, is_zfs, is_whole| Some((live.to_owned(), name.to_owned(), is_zfs, is_whole));
    assert_eq!(of("/tank/x/.zfs/snapshot/a_00:01/"), found("/tank/x", "a_00:01", true, true));
    assert_eq!(of("/tank/x/.zfs/snapshot/a/b/c"), found("/tank/x/b/c", "a", true, false));
    assert_eq!(of("/.snapshots/5/snapshot"), found("/", "5", false, true));
    assert_eq!(of("/home/.snapshots/5/snapshot/ada"), found("/home/ada", "5", false, false));
    for path in ["/srv/.snapshots/app.20261101", "/srv/.snapshots/5", "/srv/.snapshots/x/snapshot", "/tank/.zfs", "/"] {
        assert_eq!(of(path), None, "{path}");
    }
}

#[test]
fn each_child_is_looked_for_in_its_own_snapshots() {
    let host = Folders(
        vec![
            ("/tank/app", ".zfs/snapshot/a"),
            ("/tank/app/db", ".zfs/snapshot/a"),
            ("/tank/.zfs/snapshot/a", "app"),
            ("/tank/app/.zfs/snapshot/a", "db"),
        ],
        Mutex::default(),
    );
    let found = find("/tank/.zfs/snapshot/a", &host, Some(&pool())).expect("it is looked at");
    let own = |child: &str| (child.to_owned(), format!("/tank/{child}/.zfs/snapshot/a"));
    assert_eq!(found.tree.inside, [own("app"), own("app/db")]);
    assert!(found.tree.is_snapshot);
    assert_eq!(found.live_path.as_deref(), Some("/tank"));
    let [hole] = found.holes.as_slice() else { panic!("{:?}", found.holes) };
    assert_eq!(hole.path, b"cache");
    let looked_for = Some("/tank/cache/.zfs/snapshot/a".to_owned());
    assert_eq!(hole.cause, HoleCause::OtherFileSystem { name: "tank/cache".to_owned(), looked_for });
    assert_eq!(*lock(&host.1), 2, "a worker is started for each look");
}

#[test]
fn a_child_that_the_snapshot_around_it_has_no_folder_for_is_a_hole() {
    let host = Folders(vec![("/tank/app", ".zfs/snapshot/a")], Mutex::default());
    let found = find("/tank/.zfs/snapshot/a", &host, Some(&pool())).expect("it is looked at");
    assert_eq!(found.tree.inside, []);
    assert_eq!(found.holes.len(), 3, "{:?}", found.holes);
}

#[test]
fn subvolumes_that_are_mounted_are_holes_in_a_snapshot_of_snapper() {
    let host = Folders(Vec::new(), Mutex::default());
    let mounts = [
        mount("/", "btrfs", "/dev/sda"),
        mount("/.snapshots", "btrfs", "/dev/sda"),
        mount("/home", "btrfs", "/dev/sda"),
        mount("/boot", "ext4", "/dev/sdb"),
    ];
    let found = find("/.snapshots/5/snapshot", &host, Some(&mounts)).expect("nothing is looked at");
    let holes: Vec<&[u8]> = found.holes.iter().map(|hole| hole.path.as_slice()).collect();
    assert_eq!(holes, [b"home"]);
    assert!(found.is_listed && !found.tree.is_snapshot);
    assert_eq!(*lock(&host.1), 0);
}

fn bind(path: &str) -> MountQuery {
    let top = |rule, path: &str| (rule, Pattern::Top(path.as_bytes().to_vec()));
    MountQuery { patterns: vec![top(MatchRule::Name, path), top(MatchRule::Target, "config")] }
}

fn volume(name: &str) -> MountQuery {
    let top = (MatchRule::Target, Pattern::Top(name.as_bytes().to_vec()));
    MountQuery { patterns: vec![top, (MatchRule::Name, Pattern::VolumeData(name.as_bytes().to_vec()))] }
}

#[test]
fn a_mount_lies_in_one_place_of_a_snapshot_of_its_folder() {
    let exactly = |path: &str| MountQuery { patterns: vec![(MatchRule::Name, Pattern::Top(path.as_bytes().to_vec()))] };
    let explicit = MountQuery { patterns: vec![(MatchRule::Explicit, Pattern::Top(b"tank/docker/x".to_vec()))] };
    let asked = [bind("tank/docker/media/config"), bind("srv/other"), bind("tank/docker"), explicit.clone()];
    let expected = [exactly("media/config"), bind("srv/other"), exactly(""), explicit];
    assert_eq!(queries_at("/tank/docker", &asked), expected);
    // A volume is no bind mount, whatever its name.
    assert_eq!(queries_at("/media", &[volume("media")]), [volume("media")]);
    assert_eq!(queries_at("/var/lib/docker/volumes/media", &[volume("media")]), [exactly("_data")]);
    assert_eq!(queries_at("/var/lib/docker/volumes/media/_data", &[volume("media")]), [exactly("")]);
}

#[test]
fn holes_know_who_wants_them() {
    let hole = |path: &str| Hole { path: path.into(), cause: HoleCause::Subvolume, wanted_by: Vec::new() };
    let mut holes = [hole("docker/media"), hole("lib/volumes"), hole("lib/volumes/app"), hole("x")];
    let explicit = MountQuery { patterns: vec![(MatchRule::Explicit, Pattern::Top(b"x/y".to_vec()))] };
    let queries = [bind("tank/docker/media/config"), bind("tank/docker"), volume("app"), explicit];
    note_wants(&mut holes, Some("/tank"), &queries);
    assert_eq!(holes.each_ref().map(|hole| hole.wanted_by.as_slice()), [&[0][..], &[2], &[2], &[3]]);
}

#[test]
fn snapshots_in_a_snapshot_are_no_data() {
    let is_snapshot = |path: &str, tree: &str| {
        let hole = Hole { path: path.into(), cause: HoleCause::Subvolume, wanted_by: Vec::new() };
        is_snapshot_itself(&hole, tree)
    };
    assert!(is_snapshot(".snapshots", "/.snapshots/5/snapshot"));
    assert!(is_snapshot("app/.snapshots/10/snapshot", "/srv/btrbk/app.20261101"));
    assert!(is_snapshot("kept/app.20261031", "/srv/kept/app.20261101"));
    assert!(!is_snapshot("library", "/srv/kept/app.20261101"));
    assert!(!is_snapshot("app/library", "/srv/kept/app.20261101"));
}

fn folder(amount: Amount, mounts: Vec<HostMount>) -> HostFolder {
    let whole = ContentTally { amount, ..ContentTally::default() };
    HostFolder {
        contents: BackupContents { whole, ..BackupContents::default() },
        modified: None,
        inode: 34,
        mounts,
        known: Vec::new(),
    }
}

#[test]
fn an_empty_snapshot_of_zfs_counts_only_if_it_is_mounted() {
    let nothing = Amount::default();
    let tree = HostTree { is_snapshot: true, ..HostTree::at("/tank/.zfs/snapshot/a") };
    let shown = |tree: &HostTree, folder| is_shown(tree, &folder).is_ok();
    assert!(!shown(&tree, folder(nothing, vec![mount("", "zfs", "tank")])));
    assert!(!shown(&tree, folder(nothing, Vec::new())));
    assert!(shown(&tree, folder(nothing, vec![mount("", "zfs", "tank@a")])));
    assert!(shown(&tree, folder(Amount { files: 1, bytes: 0 }, Vec::new())));
    assert!(shown(&HostTree::at("/backups/a"), folder(nothing, Vec::new())));
    // What lies elsewhere is looked at by itself.
    let inside = vec![("app".to_owned(), "/tank/app/.zfs/snapshot/a".to_owned())];
    let tree = HostTree { inside, ..tree };
    let full = Amount { files: 3, bytes: 7 };
    assert!(!shown(&tree, folder(full, Vec::new())));
    let mut seen = folder(full, Vec::new());
    let tally = ContentTally { amount: full, ..ContentTally::default() };
    seen.contents.candidates = vec![vec![Candidate { rule: MatchRule::Name, path: b"app".to_vec(), tally }]];
    assert!(shown(&tree, seen));
}
