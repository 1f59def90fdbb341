//! Which part of a backup is taken for which mount, told by backups as people make them; and those that must not be
//! guessed at.

mod advice;
mod asides;
mod dependencies;
mod inside;
mod layouts;
mod snapshots;

use super::*;
use crate::config::settings::Selection;
use crate::model::event::{Amount, Snapshot};
use crate::model::host_tree::HostTree;
use crate::model::mount::{Mount, Strategy};
use crate::model::plan::{DataSource, MountPlan, ServicePlan};
use crate::model::sample;
use crate::model::service::{Service, ServiceName};
use crate::model::settings::ServiceSettings;
use crate::model::source::{Candidate, Keys, MapRule, MountQuery, Pattern, SourcePlace, SourceSpec, is_sidecar};
use crate::model::source_kind::SourceKind;
use crate::plan::decide::shown;
use crate::plan::draft;

fn volume(name: &str, target: &str) -> Mount {
    let origin = MountOrigin::Volume { name: name.to_owned(), driver: "local".to_owned() };
    Mount { target: target.to_owned(), origin, read_only: false }
}

fn bind(source: &str, target: &str) -> Mount {
    Mount { target: target.to_owned(), origin: MountOrigin::Bind { source: source.to_owned() }, read_only: false }
}

fn read_only(mount: Mount) -> Mount {
    Mount { read_only: true, ..mount }
}

fn named(name: &str) -> ServiceName {
    match name.split_once("::") {
        Some((stack, service)) => ServiceName::of_stack(stack, service),
        None => ServiceName { stack: None, service: name.to_owned() },
    }
}

fn service(name: &str, mounts: Vec<Mount>) -> Service {
    Service { mounts, ..sample::service(named(name)) }
}

fn settings() -> ServiceSettings {
    let place = SourcePlace::at_path(SourceKind::Tar, "app.tar");
    ServiceSettings {
        source: Some(SourceSpec { place, snapshot: None, keys: Keys::default() }),
        ..ServiceSettings::default()
    }
}

fn mapped(rules: &[(&str, &str)]) -> ServiceSettings {
    let rule = |(mount, path): &(&str, &str)| MapRule {
        service: None,
        mount: (*mount).into(),
        path: (*path).into(),
        of_lock: false,
    };
    ServiceSettings { maps: rules.iter().map(rule).collect(), ..settings() }
}

fn drafted(services: Vec<(Service, ServiceSettings)>) -> Draft {
    draft(services, &Selection::default())
}

fn queries(draft: &Draft) -> Vec<MountQuery> {
    draft.requests.first().map(|request| request.queries.clone()).unwrap_or_default()
}

fn resolved(draft: Draft, snapshot: Snapshot, found: BackupContents) -> Plan {
    resolve(draft, vec![Ok(surveyed(snapshot, found, None))], now())
}

fn surveyed(snapshot: Snapshot, found: BackupContents, tree: Option<&str>) -> Survey {
    Survey {
        snapshot,
        found,
        tree: tree.map(HostTree::at),
        dump: None,
        inside: Vec::new(),
        traits: Default::default(),
        groups: Default::default(),
    }
}

/// What a look through a backup finds: `x/` is a folder, `./` its root, anything else a file of 10 bytes.
fn found(wants: &[MountQuery], paths: &[&str]) -> BackupContents {
    let tally = |part: &str| {
        let mut tally = ContentTally::default();
        for path in paths {
            let is_folder = path.ends_with('/');
            let path = path.trim_end_matches('/');
            let path = if path == "." { "" } else { path };
            let itself = path == part;
            if !(itself || part.is_empty() || path.strip_prefix(part).is_some_and(|rest| rest.starts_with('/'))) {
                continue;
            }
            if itself {
                tally.root = Some(if is_folder { Shape::Folder } else { Shape::File });
            }
            if !is_folder {
                tally.sidecars += u64::from(is_sidecar(path.as_bytes()));
                tally.amount = Amount { files: tally.amount.files + 1, bytes: tally.amount.bytes + 10 };
            } else if !itself {
                tally.folders += 1;
            }
        }
        tally
    };
    let mut all: Vec<String> = vec![String::new()];
    for path in paths.iter().map(|path| path.trim_end_matches('/')).filter(|path| *path != ".") {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        all.extend(ends.map(|end| path[..end].to_owned()));
    }
    all.sort();
    all.dedup();
    let fits = |pattern: &Pattern, part: &str| match pattern {
        Pattern::Top(path) => path == part.as_bytes(),
        Pattern::VolumeData(name) => {
            let end = format!("volumes/{}/_data", String::from_utf8_lossy(name));
            part == end || part.ends_with(&format!("/{end}"))
        }
        Pattern::Suffix(end) => Pattern::is_suffix_of(end, part.as_bytes()),
    };
    let of_want = |want: &MountQuery| {
        let candidate = |part: &String| {
            let rules = want.patterns.iter().filter(|(_, pattern)| fits(pattern, part)).map(|(rule, _)| *rule);
            Some(Candidate { rule: rules.min()?, path: part.clone().into_bytes(), tally: tally(part) })
        };
        let mut candidates: Vec<Candidate> = all.iter().filter_map(candidate).collect();
        candidates.sort_by(|a, b| (a.rule, &a.path).cmp(&(b.rule, &b.path)));
        candidates
    };
    let depth = |part: &str| part.matches('/').count();
    let is_part = |part: &&String| !part.is_empty() && (depth(part) <= 2 || part.ends_with("/_data"));
    BackupContents {
        candidates: wants.iter().map(of_want).collect(),
        parts: all.iter().filter(is_part).map(|part| (part.clone().into_bytes(), tally(part))).collect(),
        whole: tally(""),
        dumps: inside::dumps(paths),
        ..BackupContents::default()
    }
}

fn now() -> Timestamp {
    "2026-11-25T00:00:00Z".parse().expect("a time")
}

fn snapshot() -> Snapshot {
    Snapshot { id: "app.tar".to_owned(), time: Some("2026-11-22T00:00:00Z".parse().expect("a time")) }
}

fn supplied_as(draft: Draft, paths: &[&str], tree: Option<&str>) -> Plan {
    let found = found(&queries(&draft), paths);
    resolve(draft, vec![Ok(surveyed(snapshot(), found, tree))], now())
}

fn supplied(services: Vec<(Service, ServiceSettings)>, paths: &[&str]) -> Plan {
    supplied_as(drafted(services), paths, None)
}

fn of<'a>(plan: &'a Plan, name: &str) -> &'a ServicePlan {
    let services = plan.stacks.iter().flat_map(|stack| &stack.services);
    services.into_iter().find(|plan| plan.service.name == named(name)).expect("it is planned")
}

/// The parts that a service gets, a mount each; or the code that keeps it from being booted.
fn parts(plan: &Plan, name: &str) -> Result<Vec<String>, Code> {
    let of = of(plan, name);
    if let Some(blocked) = &of.blocked {
        return Err(blocked.code);
    }
    let stack = plan.stacks.iter().find(|stack| stack.services.iter().any(|plan| std::ptr::eq(plan, of)));
    let restores = &stack.expect("it is in a stack").restores;
    let shown = |mount: &MountPlan| match &restores[mount.restore?].supply {
        DataSource::Live => Some("live".to_owned()),
        DataSource::HostTree(tree) => Some(tree.path.clone()),
        DataSource::Archive { path, .. } => Some(shown(path)),
    };
    Ok(of.mounts.iter().filter_map(shown).collect())
}

/// What the one service `stack::app` with these mounts gets out of this backup.
fn app(mounts: Vec<Mount>, paths: &[&str]) -> Result<Vec<String>, Code> {
    parts(&supplied(vec![(service("stack::app", mounts), settings())], paths), "stack::app")
}

fn takes(mount: Mount, paths: &[&str], part: &str) {
    assert_eq!(app(vec![mount.clone()], paths), Ok(vec![part.to_owned()]), "{mount:?} out of {paths:?}");
}

fn refuses(mount: Mount, paths: &[&str], code: Code) {
    assert_eq!(app(vec![mount.clone()], paths), Err(code), "{mount:?} out of {paths:?}");
}

#[test]
fn a_volume_is_found_where_backups_keep_volumes() {
    let data = || volume("stack_data", "/srv/app");
    for (paths, part) in [
        // By its name, and beside others.
        (&["stack_data/a", "other/b"][..], "stack_data"),
        (&["backup/stack_data/a", "backup/other/b"], "backup/stack_data"),
        (&["backup/data/a", "backup/other/b"], "backup/data"),
        (&["volumes/stack_data/a", "volumes/other/b"], "volumes/stack_data"),
        // By the name it has in its compose file, when nothing else is there.
        (&["data/a"], "data"),
        (&["./", "data/a", "docker-compose.yml", ".env"], "data"),
        // As the engine keeps it.
        (&["var/lib/docker/volumes/stack_data/_data/a", "etc/passwd"], "var/lib/docker/volumes/stack_data/_data"),
        (&["volumes/stack_data/_data/a", "volumes/stack_data/opts.json"], "volumes/stack_data/_data"),
        (&["stack_data/_data/a", "other/_data/b"], "stack_data/_data"),
        (&["backup/stack_data/_data/a"], "backup/stack_data/_data"),
        (&["./", "_data/", "_data/a"], "_data"),
    ] {
        takes(data(), paths, part);
    }
}

#[test]
fn a_bind_mount_is_found_by_its_host_path() {
    let data = || bind("/opt/app/data", "/data");
    for (paths, part) in [
        (&["opt/app/data/a", "opt/app/other/b", "etc/passwd"][..], "opt/app/data"),
        (&["backup/opt/app/data/a", "backup/etc/passwd"], "backup/opt/app/data"),
        (&["backup/data/a"], "backup/data"),
        (&["data/a"], "data"),
    ] {
        takes(data(), paths, part);
    }
    // Of a folder on the way to it, with what lies beside it.
    takes(data(), &["app/compose.yml", "app/data/a", "app/other/b"], "app/data");
    // The whole path says more than its end.
    takes(data(), &["opt/app/data/a", "app/data/b"], "opt/app/data");
    // A single file.
    let file = || bind("/opt/app/app.toml", "/etc/app.toml");
    takes(file(), &["opt/app/app.toml", "opt/app/app.toml.old"], "opt/app/app.toml");
    takes(file(), &["app.toml"], "app.toml");
}

#[test]
fn the_path_in_the_container_counts_when_all_of_the_backup_is_of_mounts() {
    let mounts = || vec![volume("x1", "/var/lib/app"), volume("x2", "/etc/app")];
    let paths = ["var/lib/app/a", "etc/app/b"];
    let expected = vec!["var/lib/app".to_owned(), "etc/app".to_owned()];
    assert_eq!(app(mounts(), &paths), Ok(expected.clone()));
    // What is not restored is known by its target too.
    let rule =
        crate::model::settings::StrategyRule { service: None, mount: "/cache".to_owned(), strategy: Strategy::Empty };
    let with_cache = ServiceSettings { strategies: vec![rule], ..settings() };
    let all = [mounts(), vec![volume("x3", "/cache")]].concat();
    let plan = supplied(vec![(service("app", all), with_cache)], &["var/lib/app/a", "etc/app/b", "cache/c"]);
    assert_eq!(parts(&plan, "app"), Ok([expected, vec!["live".to_owned()]].concat()));
    // What `docker cp` leaves.
    takes(volume("x1", "/var/lib/app"), &["app/a"], "app");
}

#[test]
fn a_host_keeps_its_own_things_at_the_same_paths() {
    // The volume was forgotten in the backup of the host, which has a database of its own.
    let host = ["etc/passwd", "var/lib/mysql/ibdata1", "var/log/syslog", "data/photo", "home/me/a"];
    refuses(volume("app_db", "/var/lib/mysql"), &host, Code::RestoreAmbiguous);
    refuses(volume("x", "/data"), &host, Code::RestoreAmbiguous);
    refuses(bind("/data", "/x"), &host, Code::RestoreAmbiguous);
    // A name that every system has at its top is no sign at all.
    for mount in [volume("home", "/x"), volume("stack_etc", "/x"), volume("x", "/app/home"), bind("/opt/app/etc", "/x")]
    {
        refuses(mount, &host, Code::RestoreMountMissing);
    }
    for mount in [volume("backup", "/x"), volume("stack_backup", "/x"), volume("x", "/app/backup")] {
        refuses(mount, &["backup/one/a", "backup/two/b"], Code::RestoreMountMissing);
    }
}

#[test]
fn a_folder_of_the_data_may_be_called_as_the_mount() {
    // The data of a mount at /config that has a folder called config.
    let inner = ["config/system.xml", "data/library.db", "log/a"];
    let inner_and_root = ["./", "config/system.xml", "data/library.db", "log/a"];
    for mount in [volume("stack_config", "/config"), volume("config", "/config"), bind("/config", "/config")] {
        refuses(mount.clone(), &inner, Code::RestoreAmbiguous);
        refuses(mount, &inner_and_root, Code::RestoreAmbiguous);
    }
    let plan = supplied(vec![(service("app", vec![volume("x", "/config")]), settings())], &inner_and_root);
    let blocked = of(&plan, "app").blocked.clone().expect("it is not guessed");
    assert!(
        blocked.message.contains("may be config (1 file, 10 B) or . (3 files, 30 B) of tar:app.tar"),
        "{blocked:?}"
    );
    assert!(blocked.remedy.expect("what to do").contains("--map 'app:/config=config'"));
    let plan = supplied(vec![(service("app", vec![volume("x", "/config")]), mapped(&[("/config", "")]))], &inner);
    assert_eq!(parts(&plan, "app"), Ok(vec![".".to_owned()]));
}

#[test]
fn a_backup_of_one_mount_needs_no_name() {
    let data = || volume("stack_data", "/srv/x");
    for (paths, part) in [
        (&["./", "a", "sub/", "sub/b"][..], "."),
        (&["whatever/", "whatever/a", "whatever/b"], "whatever"),
        (&["app.ini", "db/a", "log/b"], "."),
    ] {
        takes(data(), paths, part);
    }
}

#[test]
fn the_folder_of_another_services_volume_is_not_taken_for_being_alone() {
    let plan_of = |names: &[&str], paths: &[&str]| {
        let mount = |name: &&str| volume(&format!("{}_data", name.replace("::", "_")), "/srv/x");
        let services = names.iter().map(|name| (service(name, vec![mount(name)]), settings())).collect();
        let selection = Selection { filters: vec![names[0].to_owned()], exact: true, ..Selection::default() };
        supplied_as(draft(services, &selection), paths, None)
    };
    // Alone, and among others, by its full name, by its short one, and where backups and engines keep it.
    for paths in [
        &["two_app_data/a"][..],
        &["./", "two_app_data/", "two_app_data/a"],
        &["two_app_data/a", "three_app_data/b"],
        &["backup/two_app_data/a"],
        &["two_app_data/_data/a"],
        &["volumes/two_app_data/_data/a"],
    ] {
        let plan = plan_of(&["one::app", "two::app"], paths);
        assert_eq!(parts(&plan, "one::app"), Err(Code::RestoreMountMissing), "{paths:?}");
    }
    // A folder that is nobody's volume may be anything's.
    assert_eq!(parts(&plan_of(&["one::app", "two::app"], &["old/a"]), "one::app"), Ok(vec!["old".to_owned()]));
}

#[test]
fn what_is_no_folder_is_no_volume() {
    let mount = || volume("stack_data", "/data");
    let draft = drafted(vec![(service("stack::app", vec![mount()]), settings())]);
    let mut found = found(&queries(&draft), &["stack_data", "other/a"]);
    let symlinked =
        |(path, tally): &mut (Vec<u8>, ContentTally)| tally.root = (path == b"stack_data").then_some(Shape::Other);
    found.parts.iter_mut().for_each(symlinked);
    found.candidates[0].iter_mut().for_each(|candidate| candidate.tally.root = Some(Shape::Other));
    assert_eq!(parts(&resolved(draft, snapshot(), found), "stack::app"), Err(Code::RestoreMountMissing));
}

#[test]
fn each_is_held_to_its_own_bound_of_entries() {
    let bounded = |max_entries| ServiceSettings { max_entries, ..settings() };
    let services = vec![
        (service("one", vec![volume("x", "/data")]), bounded(2)),
        (service("two", vec![volume("y", "/data")]), bounded(0)),
    ];
    let draft = drafted(services);
    assert_eq!(draft.requests[0].max_entries, 0);
    let plan = supplied_as(draft, &["x/a", "y/b", "y/c"], None);
    assert_eq!(parts(&plan, "one"), Err(Code::RestoreTooLarge));
    assert_eq!(parts(&plan, "two"), Ok(vec!["y".to_owned()]));
}

#[test]
fn a_backup_of_more_is_not_taken_for_one_mount() {
    let data = || volume("stack_data", "/srv/x");
    for paths in [
        &["etc/passwd", "usr/bin/a"][..],
        &["./", "etc/passwd", "app.ini"],
        &["backup/one/a"],
        &["backup/one/a", "backup/two/b"],
        &["volumes/one/_data/a"],
        &["./", "one/_data/a", "metadata.db"],
        &["./", "_data/a", "other"],
        // Folders of several services, as likely as not.
        &["one/a", "two/b"],
        &[],
    ] {
        refuses(data(), paths, Code::RestoreMountMissing);
    }
    // Two mounts that something must be found for: it is neither's.
    assert_eq!(app(vec![data(), volume("stack_more", "/srv/y")], &["./", "a"]), Err(Code::RestoreMountMissing));
    // The folder of another mount is in it: it was not made of this one alone.
    let config = read_only(volume("stack_config", "/config"));
    assert_eq!(app(vec![data(), config], &["./", "config/a", "lib/b"]), Err(Code::RestoreMountMissing));
}

#[test]
fn a_volume_is_not_filled_with_a_file() {
    // It is a file among the data.
    takes(volume("stack_data", "/data"), &["data", "other/a"], ".");
    refuses(volume("stack_data", "/data"), &["backup/stack_data", "other/a"], Code::RestoreMountMissing);
}

#[test]
fn two_parts_that_fit_are_told_and_none_is_taken() {
    let paths = ["stack_data/a", "backup/stack_data/b"];
    let plan = supplied(vec![(service("stack::app", vec![volume("stack_data", "/data")]), settings())], &paths);
    let blocked = of(&plan, "stack::app").blocked.clone().expect("it is not guessed");
    assert_eq!(blocked.code, Code::RestoreAmbiguous);
    assert!(blocked.message.contains("backup/stack_data (1 file, 10 B); stack_data (1 file, 10 B)"), "{blocked:?}");
    let remedy = blocked.remedy.expect("what to do");
    assert_eq!(remedy, "Choose the part: --map 'stack::app:/data=backup/stack_data'");
    // An empty one is a rival, too: it may be what was to be backed up, and the full one is old.
    let old = ["volumes/stack_data/_data/", "srv/old/volumes/stack_data/_data/b"];
    refuses(volume("stack_data", "/data"), &old, Code::RestoreAmbiguous);
    // A weaker rule is not asked when a stronger one found something.
    takes(volume("stack_data", "/data"), &["data/a", "backup/stack_data/b"], "backup/stack_data");
    refuses(volume("stack_data", "/data"), &["data/a", "backup/stack_data/"], Code::RestoreEmpty);
}

#[test]
fn one_part_for_two_mounts_is_a_guess() {
    let two = || vec![volume("x1", "/one/data"), volume("x2", "/two/data")];
    assert_eq!(app(two(), &["data/a"]), Err(Code::RestoreAmbiguous));
    // Also when the user gave it to the other one.
    let said = mapped(&[("x1", "data")]);
    let plan = supplied(vec![(service("app", two()), said)], &["data/a"]);
    assert_eq!(parts(&plan, "app"), Err(Code::RestoreAmbiguous));
}

#[test]
fn the_same_volume_in_two_stacks_is_filled_in_both() {
    let users = ["one::app", "two::app"].map(|name| (service(name, vec![volume("shared", "/data")]), settings()));
    let plan = supplied(users.into(), &["shared/a", "other/b"]);
    assert_eq!(parts(&plan, "one::app"), Ok(vec!["shared".to_owned()]));
    assert_eq!(parts(&plan, "two::app"), Ok(vec!["shared".to_owned()]));
}

#[test]
fn two_services_that_share_a_volume_share_what_is_found() {
    let writer = service("stack::writer", vec![volume("stack_data", "/srv/w")]);
    let reader = service("stack::reader", vec![read_only(volume("stack_data", "/r"))]);
    let plan = supplied(vec![(reader.clone(), settings()), (writer.clone(), settings())], &["stack_data/a"]);
    assert_eq!(plan.stacks[0].restores.len(), 1);
    for name in ["stack::writer", "stack::reader"] {
        assert_eq!(parts(&plan, name), Ok(vec!["stack_data".to_owned()]));
    }
    // One of them writes: without it both are not booted.
    let plan = supplied(vec![(reader.clone(), settings()), (writer.clone(), settings())], &["etc/a"]);
    for name in ["stack::writer", "stack::reader"] {
        assert_eq!(parts(&plan, name), Err(Code::RestoreMountMissing));
    }
    // Two rules for one volume that do not agree.
    let (one, two) = (mapped(&[("stack_data", "one")]), mapped(&[("stack_data", "two")]));
    let plan = supplied(vec![(reader, one), (writer, two)], &["one/a", "two/b"]);
    assert_eq!(parts(&plan, "stack::writer"), Err(Code::RestoreAmbiguous));
}

#[test]
fn what_the_user_says_is_all_that_counts() {
    let data = || service("stack::app", vec![volume("stack_data", "/data")]);
    let paths = ["./", "stack_data/a", "old/b"];
    for (path, part) in [("old", "old"), ("", ".")] {
        let plan = supplied(vec![(data(), mapped(&[("/data", "stack_data"), ("stack_data", path)]))], &paths);
        assert_eq!(parts(&plan, "stack::app"), Ok(vec![part.to_owned()]));
    }
    // A volume is not filled with a file, whoever says so; a file is.
    let plan = supplied(vec![(data(), mapped(&[("/data", "old/b")]))], &paths);
    let blocked = of(&plan, "stack::app").blocked.clone().expect("it is no folder");
    assert_eq!(blocked.code, Code::RestoreMountMissing);
    assert!(blocked.message.contains("old/b of tar:app.tar, which is mapped to volume stack_data"), "{blocked:?}");
    assert!(blocked.message.contains("is a file; it holds "), "{blocked:?}");
    let of_file = service("app", vec![bind("/opt/app.ini", "/etc/app.ini")]);
    let plan = supplied(vec![(of_file, mapped(&[("/etc/app.ini", "old/b")]))], &paths);
    assert_eq!(parts(&plan, "app"), Ok(vec!["old/b".to_owned()]));
    // A rule that names nothing is not helped along by a guess.
    let plan = supplied(vec![(data(), mapped(&[("/data", "odl")]))], &paths);
    let blocked = of(&plan, "stack::app").blocked.clone().expect("it is not guessed");
    assert_eq!(blocked.code, Code::RestoreMountMissing);
    assert!(blocked.message.contains("has no odl, which is mapped to volume stack_data"), "{blocked:?}");
    assert!(blocked.message.contains("old (1 file, 10 B); stack_data (1 file, 10 B)"), "{blocked:?}");
    // Nor for a mount that something may be missing for.
    let reader = service("app", vec![read_only(volume("x", "/data"))]);
    let plan = supplied(vec![(reader, mapped(&[("/data", "odl")]))], &paths);
    assert_eq!(parts(&plan, "app"), Err(Code::RestoreMountMissing));
}

#[test]
fn an_empty_part_is_a_failure_unless_it_may_be_empty() {
    let data = || service("stack::app", vec![volume("stack_data", "/data")]);
    let paths = ["stack_data/", "stack_data/sub/", "other/a"];
    let plan = supplied(vec![(data(), settings())], &paths);
    assert_eq!(parts(&plan, "stack::app"), Err(Code::RestoreEmpty));
    let plan = supplied(vec![(data(), mapped(&[("/data", "stack_data")]))], &paths);
    assert_eq!(parts(&plan, "stack::app"), Err(Code::RestoreEmpty));
    let allowed = ServiceSettings { allow_empty: vec!["/data".to_owned()], ..settings() };
    let plan = supplied(vec![(data(), allowed)], &paths);
    assert_eq!(parts(&plan, "stack::app"), Ok(vec!["stack_data".to_owned()]));
}

#[test]
fn a_read_only_mount_may_be_missing() {
    let mounts = vec![volume("stack_data", "/data"), read_only(bind("/opt/app/media", "/media"))];
    let plan = supplied(vec![(service("stack::app", mounts), settings())], &["stack_data/a", "other/b"]);
    assert_eq!(parts(&plan, "stack::app"), Ok(vec!["stack_data".to_owned(), "live".to_owned()]));
    let [warning] = of(&plan, "stack::app").warnings.as_slice() else { panic!("one warning") };
    assert_eq!(warning.code, Code::RestoreNotInBackup);
    assert!(warning.message.contains("bind mount /opt/app/media (mounted read-only at /media)"), "{warning:?}");
}

#[test]
fn a_missing_mount_is_told_with_what_is_there_and_what_to_say() {
    let mounts = vec![volume("stack_data", "/srv/x"), volume("stack_more", "/srv/y")];
    let plan = supplied(vec![(service("stack::app", mounts), settings())], &["stack_data/a", "one/b", "two/c"]);
    let blocked = of(&plan, "stack::app").blocked.clone().expect("it is missing");
    assert_eq!(blocked.code, Code::RestoreMountMissing);
    let words = "tar:app.tar holds nothing for volume stack_more (mounted at /srv/y)";
    assert!(blocked.message.starts_with(words), "{blocked:?}");
    assert!(
        blocked.message.contains("one (1 file, 10 B); stack_data (1 file, 10 B); two (1 file, 10 B)"),
        "{blocked:?}"
    );
    let remedy = blocked.remedy.expect("what to do");
    assert!(remedy.contains("--map 'stack::app:/srv/y=PATH/IN/THE/BACKUP'"), "{remedy}");
}

#[test]
fn a_mount_that_is_left_empty_asks_for_nothing() {
    let rule = |strategy| crate::model::settings::StrategyRule { service: None, mount: "/data".to_owned(), strategy };
    for strategy in [Strategy::Empty, Strategy::Omit] {
        let rehearsal = ServiceSettings { strategies: vec![rule(strategy)], ..settings() };
        let plan = supplied(vec![(service("app", vec![volume("data", "/data")]), rehearsal)], &["data/a"]);
        assert!(plan.stacks[0].restores.iter().all(|restore| restore.ask.is_none()));
        assert!(of(&plan, "app").blocked.is_none());
    }
}

#[test]
fn a_snapshot_that_is_too_old_or_of_no_known_time_is_stale() {
    let aged = |max_age, time: Option<Timestamp>| {
        let rehearsal = ServiceSettings { max_age, ..settings() };
        let draft = drafted(vec![(service("app", vec![volume("x", "/data")]), rehearsal)]);
        let found = found(&queries(&draft), &["data/a"]);
        let snapshot = Snapshot { id: "s".to_owned(), time };
        of(&resolved(draft, snapshot, found), "app").blocked.clone().map(|blocked| (blocked.code, blocked.message))
    };
    let day = Duration::from_secs(86_400);
    let time = snapshot().time;
    assert_eq!(aged(None, None), None);
    assert_eq!(aged(Some(3 * day), time), None);
    let (code, message) = aged(Some(3 * day - Duration::from_secs(1)), time).expect("it is too old");
    assert_eq!(code, Code::SourceStale);
    assert!(message.contains("is 3days old"), "{message}");
    let (code, message) = aged(Some(3 * day), None).expect("nobody knows its age");
    assert_eq!(code, Code::SourceStale);
    assert!(message.contains("does not say when the snapshot s was made"), "{message}");
    // A clock that is behind the one that named it, or one of another time zone; but not one that nobody has.
    assert_eq!(aged(Some(day), Some("2026-11-26T00:00:00Z".parse().expect("a time"))), None);
    let (code, message) =
        aged(Some(day), Some("2027-11-26T00:00:00Z".parse().expect("a time"))).expect("it is not made yet");
    assert_eq!(code, Code::SourceStale);
    assert!(message.contains("made in the future"), "{message}");
}

#[test]
fn a_folder_of_the_engines_host_is_used_where_it_lies() {
    let tree = |mounts, paths: &[&str]| {
        let draft = drafted(vec![(service("stack::app", mounts), settings())]);
        parts(&supplied_as(draft, paths, Some("/backups/app")), "stack::app")
    };
    let data = || volume("stack_data", "/srv/x");
    assert_eq!(tree(vec![data()], &["./", "a"]), Ok(vec!["/backups/app".to_owned()]));
    assert_eq!(tree(vec![data()], &["./", "stack_data/a", "b"]), Ok(vec!["/backups/app/stack_data".to_owned()]));
    // What lies there can be shown twice.
    let two = vec![bind("/opt/app", "/one"), bind("/opt/app/sub", "/two")];
    let expected = vec!["/backups/app/opt/app".to_owned(), "/backups/app/opt/app/sub".to_owned()];
    assert_eq!(tree(two, &["./", "opt/app/a", "opt/app/sub/b"]), Ok(expected));
}

#[test]
fn a_mount_within_another_takes_its_part_of_the_stream() {
    let paths = ["opt/app/", "opt/app/a", "opt/app/sub/", "opt/app/sub/b", "opt/app/sub/in/", "opt/app/sub/in/c"];
    let mounts =
        |inner: &str| vec![bind("/opt/app", "/x"), bind("/opt/app/sub", inner), bind("/opt/app/sub/in", "/x/sub/in")];
    let plan = supplied(vec![(service("app", mounts("/x/sub")), settings())], &paths);
    assert_eq!(parts(&plan, "app").map(|parts| parts.len()), Ok(3));
    for restore in &plan.stacks[0].restores {
        let DataSource::Archive { holds, path, .. } = &restore.supply else { panic!("{restore:?}") };
        assert_eq!((holds.amount.files, holds.amount.bytes, holds.folders), (1, 10, 0), "{}", shown(path));
    }
    // Elsewhere the outer one would lack it.
    let plan = supplied(vec![(service("app", mounts("/elsewhere")), settings())], &paths);
    let blocked = of(&plan, "app").blocked.clone().expect("it would lack a part");
    assert_eq!(blocked.code, Code::RestoreAmbiguous);
    assert!(blocked.message.contains("bind mount /opt/app/sub"), "{blocked:?}");
    // Said so, one part for two.
    let said = mapped(&[("/one", "x"), ("/two", "x")]);
    let two = service("app", vec![volume("x1", "/one"), volume("x2", "/two")]);
    assert_eq!(parts(&supplied(vec![(two, said)], &["x/a"]), "app"), Err(Code::RestoreAmbiguous));
}

#[test]
fn a_source_that_cannot_be_read_stops_only_those_that_need_it() {
    let live = ServiceSettings { source: None, ..settings() };
    let draft = drafted(vec![
        (service("one", vec![volume("x", "/data")]), settings()),
        (service("two", vec![volume("y", "/data")]), live),
    ]);
    let plan = resolve(draft, vec![Err(Diagnosis::new(Code::SourceCorrupt, "cut off"))], now());
    assert_eq!(parts(&plan, "one"), Err(Code::SourceCorrupt));
    assert_eq!(parts(&plan, "two"), Ok(vec!["live".to_owned()]));
}
