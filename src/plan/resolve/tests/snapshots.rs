//! Snapshots on the engine's host: shown in place where that is as good as a copy, and never green without what they
//! leave out.

use super::*;
use crate::model::check::EvidenceLevel;
use crate::model::host_tree::{Hole, HoleCause};
use crate::model::settings::StrategyRule;

/// What one service gets from a snapshot of `/tank` with these holes.
fn planned(mount: Mount, settings: ServiceSettings, tree: HostTree, holes: Vec<Hole>, paths: &[&str]) -> Plan {
    let draft = drafted(vec![(service("app", vec![mount]), settings)]);
    let found = BackupContents { holes, ..found(&queries(&draft), paths) };
    resolve(draft, vec![Ok(Survey { tree: Some(tree), ..surveyed(snapshot(), found, None) })], now())
}

fn snapshot_of_tank() -> HostTree {
    HostTree { is_snapshot: true, ..HostTree::at("/tank/.zfs/snapshot/a") }
}

fn hole(path: &str, cause: HoleCause, wanted_by: &[usize]) -> Hole {
    Hole { path: path.into(), cause, wanted_by: wanted_by.to_vec() }
}

fn blocked(plan: &Plan) -> Diagnosis {
    of(plan, "app").blocked.clone().expect("a part is missing")
}

#[test]
fn a_snapshot_is_shown_in_place_unless_more_is_wanted() {
    let strategy = |settings, tree| {
        let plan = planned(volume("app_data", "/data"), settings, tree, Vec::new(), &["app_data/a"]);
        let (restore, mount) = (&plan.stacks[0].restores[0], &of(&plan, "app").mounts[0]);
        assert_eq!(restore.strategy, mount.strategy);
        restore.strategy
    };
    assert_eq!(strategy(settings(), snapshot_of_tank()), Strategy::Overlay);
    assert_eq!(strategy(settings(), HostTree::at("/backups/app")), Strategy::Copy);
    let inside = vec![("app_data/library".to_owned(), "/tank/app_data/library/.zfs/snapshot/a".to_owned())];
    assert_eq!(strategy(settings(), HostTree { inside, ..snapshot_of_tank() }), Strategy::Copy);
    let rule = StrategyRule { service: None, mount: "/data".to_owned(), strategy: Strategy::Copy };
    for more in [
        ServiceSettings { strategies: vec![rule], ..settings() },
        ServiceSettings { verify_content: true, ..settings() },
        ServiceSettings { require_proof: Some(EvidenceLevel::Complete), ..settings() },
    ] {
        assert_eq!(strategy(more, snapshot_of_tank()), Strategy::Copy);
    }
}

#[test]
fn a_part_with_a_hole_is_not_whole() {
    let looked_for = Some("/tank/app/library/.zfs/snapshot/a".to_owned());
    let dataset = || HoleCause::OtherFileSystem { name: "tank/app/library".to_owned(), looked_for: looked_for.clone() };
    let app = || bind("/tank/app", "/data");
    let paths = ["tank/app/", "tank/app/a", "tank/app/library/", "other/"];
    let plan =
        |path: &str, settings| planned(app(), settings, snapshot_of_tank(), vec![hole(path, dataset(), &[])], &paths);
    let told = blocked(&plan("tank/app/library", settings()));
    assert_eq!(told.code, Code::RestoreIncomplete);
    assert!(told.message.contains("tank/app/library is mounted there"), "{told:?}");
    assert!(told.message.contains("/tank/app/library/.zfs/snapshot/a is not there"), "{told:?}");
    assert!(told.remedy.expect("advice").contains("--allow-empty '/data'"));
    // Elsewhere it concerns nobody.
    for elsewhere in ["other", "tank/apple"] {
        assert_eq!(of(&plan(elsewhere, settings()), "app").blocked, None, "{elsewhere}");
    }
    let accepted = ServiceSettings { allow_empty: vec!["/data".to_owned()], ..settings() };
    assert_eq!(of(&plan("tank/app/library", accepted), "app").blocked, None);
}

#[test]
fn data_in_a_hole_is_not_said_to_be_missing_without_a_reason() {
    let plan = |mount, wanted_by: &[usize]| {
        let holes = vec![hole("app", HoleCause::Subvolume, wanted_by)];
        planned(mount, settings(), snapshot_of_tank(), holes, &["app/", "x/b", "y/c"])
    };
    let told = blocked(&plan(bind("/tank/app/config", "/data"), &[0]));
    assert_eq!(told.code, Code::RestoreIncomplete);
    assert!(told.message.contains("a subvolume of btrfs was there"), "{told:?}");
    assert_eq!(blocked(&plan(bind("/srv/app/config", "/data"), &[])).code, Code::RestoreMountMissing);
    // What the service only reads may be the live data.
    assert_eq!(of(&plan(read_only(bind("/tank/app/config", "/data")), &[0]), "app").blocked, None);
}
