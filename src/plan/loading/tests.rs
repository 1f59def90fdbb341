//! Tests of how services are filled from dumps.

use super::*;
use crate::config::settings::Selection;
use crate::model::dump::ClientCommand;
use crate::model::event::{Amount, Snapshot};
use crate::model::mount::MountOrigin;
use crate::model::plan::{Plan, ServicePlan, StackPlan};
use crate::model::sample;
use crate::model::secret::Secret;
use crate::model::service::{EnvVar, ServiceName};
use crate::model::settings::ServiceSettings;
use crate::model::source::{BackupContents, Keys, MapRule, SnapshotTraits, SourcePlace, SourceSpec};
use crate::model::source_kind::SourceKind;
use crate::plan::{Survey, draft, resolve};

fn volume(name: &str, target: &str, read_only: bool) -> Mount {
    let origin = MountOrigin::Volume { name: name.to_owned(), driver: "local".to_owned() };
    Mount { target: target.to_owned(), origin, read_only }
}

fn service(mounts: Vec<Mount>, env: &[(&str, &str)]) -> Service {
    let var = |(name, value): &(&str, &str)| EnvVar { name: (*name).to_owned(), value: Some(Secret::new(*value)) };
    Service { mounts, env: env.iter().map(var).collect(), ..sample::service(ServiceName::of_stack("shop", "db")) }
}

fn dump(format: DumpFormat) -> Dump {
    Dump { bytes: 100, tables: 1, rows: Some(2), ..Dump::new(format) }
}

fn loaded_by(service: Service, rehearsal: ServiceSettings, dump: Dump) -> Plan {
    let place = SourcePlace::at_path(SourceKind::Dump, "/b/app.sql");
    let source = Some(SourceSpec { place, snapshot: None, keys: Keys::default() });
    let selection = Selection::default();
    let draft = draft(vec![(service, ServiceSettings { source, ..rehearsal })], &selection);
    let snapshot = Snapshot { id: "app.sql".to_owned(), time: Some("2026-11-22T00:00:00Z".parse().expect("a time")) };
    let whole = ContentTally { amount: Amount { files: 1, bytes: 100 }, ..ContentTally::default() };
    let survey = Survey {
        snapshot,
        found: BackupContents { whole, ..BackupContents::default() },
        tree: None,
        dump: Some(dump),
        inside: Vec::new(),
        traits: SnapshotTraits::default(),
        groups: Default::default(),
    };
    resolve(draft, vec![Ok(survey)], "2026-11-25T00:00:00Z".parse().expect("a time"))
}

fn loaded(service: Service, dump: Dump) -> Plan {
    loaded_by(service, ServiceSettings::default(), dump)
}

fn of(plan: &Plan) -> &ServicePlan {
    &plan.stacks[0].services[0]
}

#[track_caller]
fn blocked(plan: &Plan, code: Code, words: &str) {
    let diagnosis = of(plan).blocked.as_ref().expect("it is blocked");
    assert_eq!(diagnosis.code, code, "{diagnosis}");
    assert!(diagnosis.message.contains(words), "{diagnosis}");
}

#[test]
fn the_only_mount_is_left_empty_and_the_dump_is_shown_beside_it() {
    let plan = loaded(
        service(vec![volume("data", "/var/lib/postgresql/data", false)], &[("POSTGRES_DB", "app")]),
        dump(DumpFormat::PostgresSql),
    );
    assert_eq!(of(&plan).blocked, None);
    let load = of(&plan).load.as_ref().expect("it is loaded");
    assert_eq!((load.into, load.file.as_str()), (Some(0), "/rehearsa-load/dump.sql"));
    let StackPlan { restores, services, .. } = &plan.stacks[0];
    assert_eq!((restores[0].strategy, services[0].mounts[0].strategy), (Strategy::Empty, Strategy::Empty));
    assert_eq!(services[0].mounts[1].mount.target, LOAD_FOLDER);
    assert!(services[0].mounts[1].mount.read_only);
    assert!(matches!(&restores[1].supply, DataSource::Archive { root_of_live: false, .. }), "{:?}", restores[1]);
    assert_eq!(restores[1].cases, [ServiceName::of_stack("shop", "db")]);
}

#[test]
fn a_dump_of_another_database_is_not_loaded() {
    let db = |env: &[(&str, &str)]| service(vec![volume("data", "/var/lib/mysql", false)], env);
    let of_database = |name: &str| Dump { databases: vec![name.to_owned()], ..dump(DumpFormat::MySql) };
    blocked(
        &loaded(db(&[("MARIADB_DATABASE", "app")]), of_database("other")),
        Code::RestoreIncomplete,
        "dump of other",
    );
    assert_eq!(of(&loaded(db(&[("MARIADB_DATABASE", "app")]), of_database("app"))).blocked, None);
    assert_eq!(of(&loaded(db(&[]), of_database("other"))).blocked, None);
    assert_eq!(of(&loaded(db(&[("MARIADB_DATABASE", "app")]), dump(DumpFormat::MySql))).blocked, None);
    // Who says where it goes is believed.
    let wish = LoadOptions { database: Some("other".to_owned()), ..LoadOptions::default() };
    let rehearsal = ServiceSettings { load: wish, ..ServiceSettings::default() };
    let plan = loaded_by(db(&[("MARIADB_DATABASE", "app")]), rehearsal, of_database("other"));
    assert_eq!(of(&plan).blocked, None);
}

#[test]
fn a_dump_with_a_command_for_its_client_is_loaded_only_by_its_owners_command() {
    let found = || Some(ClientCommand { line: 7, text: "\\! touch x".to_owned() });
    let data = || service(vec![volume("data", "/var/lib/postgresql/data", false)], &[]);
    let dump = || Dump { of_psql: found(), ..dump(DumpFormat::PostgresSql) };
    blocked(&loaded(data(), dump()), Code::DumpClientCommand, "in line 7 a command for the client of PostgreSQL");
    let wish = LoadOptions { command: Some("psql -f $DUMP".to_owned()), ..LoadOptions::default() };
    let own = ServiceSettings { load: wish, ..ServiceSettings::default() };
    assert_eq!(of(&loaded_by(data(), own, dump())).blocked, None);
    // The client of another program does not read it.
    let other = Dump { of_mysql: found(), of_psql: None, ..dump() };
    assert_eq!(of(&loaded(data(), other)).blocked, None);
}

#[test]
fn a_dump_without_a_row_is_none_unless_that_may_be() {
    let data = || service(vec![volume("data", "/var/lib/mysql", false)], &[]);
    let bare = |tables| Dump { rows: Some(0), tables, ..dump(DumpFormat::MySql) };
    blocked(&loaded(data(), bare(3)), Code::RestoreIncomplete, "schema of 3 tables");
    blocked(&loaded(data(), bare(0)), Code::RestoreIncomplete, "neither a table nor a row");
    let rehearsal = ServiceSettings { allow_empty: vec!["/var/lib/mysql".to_owned()], ..ServiceSettings::default() };
    assert_eq!(of(&loaded_by(data(), rehearsal, bare(3))).blocked, None);
}

#[test]
fn of_several_mounts_the_programs_home_is_filled_and_the_rest_is_missing() {
    let mounts = || vec![volume("conf", "/etc/mysql", true), volume("data", "/var/lib/mysql", false)];
    let plan = loaded(service(mounts(), &[]), dump(DumpFormat::MySql));
    assert_eq!(of(&plan).load.as_ref().and_then(|load| load.into), Some(1));
    assert_eq!(of(&plan).warnings.iter().map(|w| w.code).collect::<Vec<_>>(), [Code::RestoreNotInBackup]);

    let more = [mounts(), vec![volume("files", "/files", false)]].concat();
    blocked(&loaded(service(more, &[]), dump(DumpFormat::MySql)), Code::RestoreMountMissing, "volume files");

    let strange = || vec![volume("a", "/a", false), volume("b", "/b", false)];
    blocked(
        &loaded(service(strange(), &[]), dump(DumpFormat::MySql)),
        Code::RestoreAmbiguous,
        "volume a at /a, volume b",
    );
    let map = MapRule { service: None, mount: "/b".to_owned(), path: String::new(), of_lock: false };
    let plan = loaded_by(
        service(strange(), &[]),
        ServiceSettings { maps: vec![map], ..ServiceSettings::default() },
        dump(DumpFormat::MySql),
    );
    blocked(&plan, Code::RestoreMountMissing, "volume a");
}

#[test]
fn a_dump_of_redis_is_put_into_its_place_before_the_boot() {
    let redis = |command: &[&str]| Service {
        command: Some(command.iter().map(|&word| word.to_owned()).collect()),
        ..service(vec![volume("data", "/data", false)], &[])
    };
    let rdb = || Dump { rows: None, ..dump(DumpFormat::Redis) };
    let plan = loaded(redis(&["redis-server"]), rdb());
    assert_eq!((&of(&plan).blocked, &of(&plan).load), (&None, &None));
    assert!(matches!(&plan.stacks[0].restores[0].supply, DataSource::Archive { root_of_live: true, .. }));
    blocked(&loaded(redis(&["redis-server", "--dbfilename", "other.rdb"]), rdb()), Code::RestoreFailed, "other.rdb");
    blocked(&loaded(service(Vec::new(), &[]), rdb()), Code::RestoreMountMissing, "no mount");
}
