//! Snapshots that are folders of the engine's host: which are found, which is the newest, and what belongs to it.

use std::fs;
use std::path::Path;

use crate::local_host::{LocalHost, context_of};
use rehearsa::model::host_tree::{HostMount, HostTree};
use rehearsa::model::source::{
    BackupAccess, BackupSurvey, Keys, MatchRule, MountQuery, Pattern, SourceLocation, SourcePlace, SourceSpec,
};
use rehearsa::model::source_kind::SourceKind;
use rehearsa::source::{Backup, SourceError};

fn mount(point: &Path, file_system: &str, source: &str) -> HostMount {
    HostMount {
        point: point.to_str().expect("text").to_owned(),
        root: "/".to_owned(),
        file_system: file_system.to_owned(),
        source: source.to_owned(),
    }
}

fn on_host(kind: SourceKind, path: &Path) -> SourcePlace {
    SourcePlace { kind, ..SourcePlace::on_host(path.to_str().expect("text")) }
}

fn open(place: SourcePlace, snapshot: Option<&str>, mounts: &[HostMount]) -> Result<Backup, SourceError> {
    let spec = SourceSpec { place, snapshot: snapshot.map(str::to_owned), keys: Keys::default() };
    Backup::open(&spec, &context_of(LocalHost { mounts: mounts.to_vec() }))
}

/// The id of the newest snapshot and its time.
fn newest(place: SourcePlace, mounts: &[HostMount]) -> (String, String) {
    let snapshot = open(place, None, mounts).expect("it opens").snapshot;
    (snapshot.id, snapshot.time.map(|time| time.to_string()).unwrap_or_default())
}

fn make(folder: &Path, paths: &[&str]) {
    for path in paths {
        fs::create_dir_all(folder.join(path)).expect("made");
        fs::write(folder.join(path).join("note"), "kept").expect("written");
    }
}

fn survey(backup: &Backup, path: &str) -> Result<BackupSurvey, SourceError> {
    let pattern = Pattern::Top(path.trim_matches('/').as_bytes().to_vec());
    backup.survey(&[MountQuery { patterns: vec![(MatchRule::Name, pattern)] }], 0)
}

#[test]
fn the_snapshots_of_one_dataset_are_one_thing_whoever_makes_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let tank = dir.path().join("tank");
    let names = [
        "autosnap_2026-11-02_00:00:01_daily",
        "autosnap_2026-11-01_00:00:01_monthly",
        "zrepl_20261031_201105_000",
        "zfs-auto-snap_hourly-2026-10-30-1900",
        "auto-2026-10-29_00-00",
    ];
    make(&tank.join(".zfs/snapshot"), &names);
    let mounts = [mount(dir.path(), "ext4", "/dev/sda"), mount(&tank, "zfs", "tank/app")];
    let all = on_host(SourceKind::Daemon, &tank.join(".zfs/snapshot/*"));
    let zfs = |name: &str| SourcePlace { kind: SourceKind::Zfs, location: SourceLocation::Dataset(name.to_owned()) };
    for place in [all.clone(), zfs("tank/app")] {
        assert_eq!(newest(place, &mounts), (names[0].to_owned(), "2026-11-02T00:00:01Z".to_owned()));
    }
    for name in names {
        assert_eq!(open(all.clone(), Some(name), &mounts).expect("it is there").snapshot.id, name);
        let of_dataset = open(zfs(&format!("tank/app@{name}")), None, &mounts).expect("it is there");
        assert_eq!(of_dataset.snapshot.id, name);
    }
    let unknown = open(zfs("tank/app@none"), None, &mounts).expect_err("there is none of this name");
    assert!(matches!(unknown, SourceError::UnknownSnapshot(_)), "{unknown}");
    let other = open(zfs("tank/other"), None, &mounts).expect_err("it is not mounted").to_string();
    assert!(other.contains("mounted are tank/app"), "{other}");
    fs::remove_dir_all(tank.join(".zfs")).expect("removed");
    let hidden = open(zfs("tank/app"), None, &mounts).expect_err("nothing is shown").to_string();
    assert!(hidden.contains("zfs clone tank/app@SNAPSHOT"), "{hidden}");
}

#[test]
fn snapshots_of_btrfs_are_found_in_every_layout() {
    let dir = tempfile::tempdir().expect("a folder");
    let mounts = [mount(dir.path(), "btrfs", "/dev/sda")];
    let at = |name: &str| dir.path().join(name);
    make(&at("snapper"), &["9/snapshot", "10/snapshot"]);
    make(&at("timeshift"), &["2026-10-09_15-11-23/@", "2026-10-10_15-11-23/@", "2026-10-11_15-11-23"]);
    make(&at("btrbk"), &["app.20261101T201105+0100", "app.20261031T201105+0100"]);
    let newest = |name: &str| newest(on_host(SourceKind::Btrfs, &at(name)), &mounts);
    assert_eq!(newest("timeshift"), ("2026-10-10_15-11-23".to_owned(), "2026-10-10T15:11:23Z".to_owned()));
    assert_eq!(newest("btrbk"), ("app.20261101T201105+0100".to_owned(), "2026-11-01T19:11:05Z".to_owned()));
    let snapper = open(on_host(SourceKind::Btrfs, &at("snapper")), Some("9"), &mounts).expect("it opens");
    let found = survey(&snapper, "note").expect("it can be looked through");
    let BackupAccess::HostTree(tree) = found.access else { panic!("{:?}", found.access) };
    assert_eq!(tree.path, at("snapper/9/snapshot").to_str().expect("text"));
    make(&at("btrbk"), &["db.20261101T201105+0100"]);
    let several = open(on_host(SourceKind::Btrfs, &at("btrbk")), None, &mounts).expect_err("they are of two things");
    assert!(matches!(several, SourceError::Several(_)), "{several}");
    assert_eq!(newest("btrbk/app.*").0, "app.20261101T201105+0100");
    let elsewhere = [mount(dir.path(), "xfs", "/dev/sda")];
    let error =
        open(on_host(SourceKind::Btrfs, &at("btrbk")), None, &elsewhere).expect_err("it is no btrfs").to_string();
    assert!(error.contains("lies on xfs"), "{error}");
}

#[test]
fn a_pattern_that_fits_nothing_says_where_it_looked() {
    let dir = tempfile::tempdir().expect("a folder");
    make(dir.path(), &["app.1"]);
    let none = open(on_host(SourceKind::Daemon, &dir.path().join("db.*")), None, &[]).expect_err("nothing fits");
    assert!(matches!(none, SourceError::NoSnapshot(_)) && none.to_string().contains("one other thing"), "{none}");
    let gone = open(on_host(SourceKind::Daemon, &dir.path().join("none/*")), None, &[]).expect_err("no folder");
    assert!(matches!(gone, SourceError::NotThere(_)), "{gone}");
}

#[test]
fn a_snapshot_that_is_exchanged_after_it_was_listed_is_not_read() {
    let dir = tempfile::tempdir().expect("a folder");
    make(dir.path(), &["app.1", "secret"]);
    let listed = || open(on_host(SourceKind::Daemon, &dir.path().join("app.*")), None, &[]).expect("it opens");
    let (honest, backup) = (listed(), listed());
    survey(&honest, "note").expect("nobody exchanged it");
    fs::rename(dir.path().join("app.1"), dir.path().join("moved")).expect("moved");
    std::os::unix::fs::symlink("secret", dir.path().join("app.1")).expect("linked");
    let error = survey(&backup, "note").expect_err("it is another folder now");
    assert!(matches!(error, SourceError::Exchanged { .. }), "{error}");
    let diagnosis = error.diagnosis(&backup.place);
    assert_eq!(diagnosis.code.as_str(), "source/exchanged");
    assert!(diagnosis.message.contains("app.1 on the engine's host is another file or folder now"), "{diagnosis}");
}

#[test]
fn a_child_dataset_is_read_from_its_own_snapshot() {
    let dir = tempfile::tempdir().expect("a folder");
    let tank = dir.path().join("tank");
    make(&tank, &[".zfs/snapshot/a", "app/.zfs/snapshot/a/data", "cache"]);
    for empty in ["app", "cache"] {
        fs::create_dir(tank.join(".zfs/snapshot/a").join(empty)).expect("made");
    }
    let child = |name: &str| mount(&tank.join(name), "zfs", &format!("tank/{name}"));
    let mounts = [mount(&tank, "zfs", "tank"), child("app"), child("cache")];
    let backup = open(on_host(SourceKind::Daemon, &tank.join(".zfs/snapshot/*")), None, &mounts).expect("it opens");
    let live = |name: &str| tank.join(name).to_str().expect("text").to_owned();
    let found = survey(&backup, &live("app/data")).expect("it can be looked through");
    let [candidate] = found.contents.candidates[0].as_slice() else { panic!("{:?}", found.contents) };
    assert_eq!((candidate.path.as_slice(), candidate.tally.amount.bytes), (&b"app/data"[..], 4));
    let BackupAccess::HostTree(tree) = found.access else { panic!("{:?}", found.access) };
    let own = HostTree { is_snapshot: true, ..HostTree::at(live("app/.zfs/snapshot/a/data")) };
    assert_eq!(HostTree { known: Vec::new(), ..tree.part("app/data") }, own);
    let [hole] = found.contents.holes.as_slice() else { panic!("{:?}", found.contents.holes) };
    assert_eq!((hole.path.as_slice(), hole.wanted_by.as_slice()), (&b"cache"[..], &[][..]));
    let found = survey(&backup, &live("cache/x")).expect("it can be looked through");
    assert_eq!(found.contents.holes[0].wanted_by, [0]);
}

#[test]
fn an_empty_folder_of_a_snapshot_of_zfs_is_not_taken_for_its_content() {
    let dir = tempfile::tempdir().expect("a folder");
    let tank = dir.path().join("tank");
    fs::create_dir_all(tank.join(".zfs/snapshot/a")).expect("made");
    let mounts = [mount(&tank, "zfs", "tank")];
    let backup = open(on_host(SourceKind::Daemon, &tank.join(".zfs/snapshot/a")), None, &mounts).expect("it opens");
    let error = survey(&backup, "note").expect_err("nothing is shown");
    assert!(matches!(error, SourceError::NotShown { .. }), "{error}");
    // An ordinary folder is empty if it is empty.
    let folder = tank.join("plain");
    fs::create_dir(&folder).expect("made");
    assert!(survey(&open(on_host(SourceKind::Daemon, &folder), None, &mounts).expect("it opens"), "note").is_ok());
}
