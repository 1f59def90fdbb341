//! Which service is loaded from which dump among the files of a backup.

use super::*;
use crate::model::dump::{Dump, DumpFormat, DumpProgram, LoadOptions};
use crate::model::dump_inside::{DumpInside, DumpLabel};
use crate::model::secret::Secret;
use crate::model::service::EnvVar;
use crate::plan::survey::{DumpSummary, ReadDump};

const DATA: &str = "/var/lib/postgresql/data";

fn database(name: &str, env: &[(&str, &str)]) -> Service {
    let volume_name = format!("{}_pg", name.replace("::", "_"));
    let var = |(name, value): &(&str, &str)| EnvVar { name: (*name).to_owned(), value: Some(Secret::new(*value)) };
    Service { env: env.iter().map(var).collect(), ..service(name, vec![volume(&volume_name, DATA)]) }
}

fn loaded_from(path: &str) -> ServiceSettings {
    let load = LoadOptions { from: Some(path.to_owned()), ..LoadOptions::default() };
    ServiceSettings { load, ..settings() }
}

fn postgres() -> Dump {
    Dump { bytes: 100, tables: 1, rows: Some(2), ..Dump::new(DumpFormat::PostgresSql) }
}

/// The dumps among these paths, as the look through a backup finds them.
pub fn dumps(paths: &[&str]) -> Vec<DumpInside> {
    let label = |server: &str, stack: Option<&str>, database: &str, hook: &str| DumpLabel {
        servers: vec![server.split(':').next().unwrap_or_default().to_owned()],
        stack: stack.map(str::to_owned),
        database: Some(database.trim_end_matches(".sql").to_owned()).filter(|name| name != "all_databases"),
        program: match hook {
            "postgresql_databases" => Some(DumpProgram::Postgres),
            "mysql_databases" => Some(DumpProgram::MySql),
            _ => None,
        },
        unsupported: (hook == "mongodb_databases").then(|| "MongoDB".to_owned()),
    };
    let found = paths.iter().filter_map(|path| {
        let label = match path.split('/').collect::<Vec<_>>().as_slice() {
            ["borgmatic", hook, server, database] => Some(label(server, None, database, hook)),
            ["databases", server, file] => Some(label(server, None, file, "")),
            ["databases", stack, server, file] => Some(label(server, Some(stack), file, "")),
            _ => None,
        };
        let is_dump = label.is_some() || [".sql", ".sql.gz", ".dump"].iter().any(|end| path.ends_with(end));
        is_dump.then(|| DumpInside { path: path.as_bytes().to_vec(), is_folder: false, label })
    });
    found.collect()
}

/// The plan of these services, with a backup of these paths in which every dump that is read is this one.
fn planned_with(services: Vec<(Service, ServiceSettings)>, paths: &[&str], dump: &Result<Dump, Code>) -> Plan {
    planned_for(services, &Selection::default(), paths, dump)
}

fn planned_for(
    services: Vec<(Service, ServiceSettings)>,
    selection: &Selection,
    paths: &[&str],
    dump: &Result<Dump, Code>,
) -> Plan {
    let draft = draft(services, selection);
    let found = found(&queries(&draft), paths);
    let reads = draft.requests[0].dumps_to_read(&found).into_iter().enumerate();
    let inside = reads.map(|(at, read)| ReadDump {
        source: 1 + at,
        result: match dump {
            Ok(dump) => Ok(DumpSummary { title: read.shown(), dump: dump.clone(), holds: ContentTally::default() }),
            Err(code) => Err(Diagnosis::new(*code, "it cannot be loaded")),
        },
        path: read.path,
    });
    let survey = Survey {
        snapshot: snapshot(),
        inside: inside.collect(),
        found,
        tree: None,
        dump: None,
        traits: Default::default(),
        groups: Default::default(),
    };
    resolve(draft, vec![Ok(survey)], now())
}

fn planned(services: Vec<(Service, ServiceSettings)>, paths: &[&str]) -> Plan {
    planned_with(services, paths, &Ok(postgres()))
}

/// The dump that a service is loaded from, or the code that keeps it from being booted.
fn load(plan: &Plan, name: &str) -> Result<Option<String>, Code> {
    let service = of(plan, name);
    match &service.blocked {
        Some(diagnosis) => Err(diagnosis.code),
        None => Ok(service.load.as_ref().map(|load| load.title.clone())),
    }
}

fn dump_of(path: &str) -> Result<Option<String>, Code> {
    Ok(Some(path.to_owned()))
}

fn words(plan: &Plan, name: &str) -> String {
    let diagnosis = of(plan, name).blocked.as_ref().expect("it is blocked");
    format!("{}\n{}", diagnosis.message, diagnosis.remedy())
}

#[test]
fn the_dump_that_the_user_names_is_loaded_and_the_other_services_get_their_files() {
    let web = || (service("shop::web", vec![volume("shop_files", "/files")]), settings());
    let db = || (database("shop::db", &[]), loaded_from("dumps/app.sql"));
    // Also when the files of the database are there.
    for paths in [&["shop_files/a", "dumps/app.sql"][..], &["shop_files/a", "shop_db_pg/PG_VERSION", "dumps/app.sql"]] {
        let plan = planned(vec![web(), db()], paths);
        assert_eq!(load(&plan, "shop::db"), dump_of("dumps/app.sql"));
        assert_eq!(parts(&plan, "shop::web"), Ok(vec!["shop_files".to_owned()]));
        let restores = &plan.stacks[0].restores;
        let data = restores.iter().find(|restore| restore.mount.target == DATA).expect("it is restored");
        assert_eq!((data.strategy, data.ask.is_none()), (Strategy::Empty, true));
        assert!(of(&plan, "shop::db").warnings.is_empty());
    }
    // Nor does it make the rest of the backup the only candidate for the other mount.
    let web = (service("shop::web", vec![volume("shop_files", "/files")]), settings());
    let plan = planned(vec![web, db()], &["a", "b", "dumps/app.sql"]);
    assert_eq!(parts(&plan, "shop::web"), Err(Code::RestoreMountMissing));
}

#[test]
fn a_path_that_is_not_there_fails_with_the_nearest_name() {
    let db = (database("shop::db", &[]), loaded_from("dump/app.sql"));
    let plan = planned(vec![db], &["dumps/app.sql", "shop_db_pg/PG_VERSION"]);
    assert_eq!(load(&plan, "shop::db"), Err(Code::RestoreMountMissing));
    let words = words(&plan, "shop::db");
    assert!(words.contains("has no dump/app.sql") && words.contains("Did you mean `dumps/app.sql`?"), "{words}");
}

#[test]
fn a_dump_below_the_name_of_the_service_or_its_container_is_loaded_by_itself() {
    for server in ["db", "shop-db-1", "db:5432"] {
        let path = format!("borgmatic/postgresql_databases/{server}/app");
        let plan = planned(vec![(database("shop::db", &[]), settings())], &[&path, "volumes/x/a"]);
        assert_eq!(load(&plan, "shop::db"), dump_of(&path));
        // A database that nothing else names is made for it.
        let wish = &of(&plan, "shop::db").load.as_ref().expect("it is loaded").wish;
        assert_eq!(wish.database.as_deref(), Some("app"));
    }
    let plan = planned(vec![(database("shop::db", &[]), settings())], &["databases/db/all_databases.sql"]);
    assert_eq!(load(&plan, "shop::db"), dump_of("databases/db/all_databases.sql"));
    // Of another stack, program, server.
    for path in [
        "databases/other/db/app.sql",
        "borgmatic/mysql_databases/db/app",
        "borgmatic/postgresql_databases/elsewhere/app",
    ] {
        let services = ["shop::db", "other::db"].map(|name| (database(name, &[]), settings()));
        let selection = Selection { filters: vec!["shop::db".to_owned()], exact: true, ..Selection::default() };
        let plan = planned_for(services.into(), &selection, &[path, "x/a"], &Ok(postgres()));
        assert!(load(&plan, "shop::db").is_err(), "{path}");
    }
}

#[test]
fn a_name_that_two_servers_of_the_host_have_is_no_name() {
    let services = || ["shop::db", "other::db"].map(|name| (database(name, &[]), settings()));
    let selection = Selection { filters: vec!["shop::db".to_owned()], exact: true, ..Selection::default() };
    let plan_of = |path: &str| planned_for(services().into(), &selection, &[path, "x/a"], &Ok(postgres()));
    let plan = plan_of("borgmatic/postgresql_databases/db/app");
    assert_eq!(load(&plan, "shop::db"), Err(Code::RestoreAmbiguous));
    let words = words(&plan, "shop::db");
    assert!(
        words.contains("[services.\"shop::db\"]: load = { from = \"borgmatic/postgresql_databases/db/app\" }"),
        "{words}"
    );
    let own = "borgmatic/postgresql_databases/shop-db-1/app";
    assert_eq!(load(&plan_of(own), "shop::db"), dump_of(own));
    assert_eq!(load(&plan_of("databases/shop/db/app.sql"), "shop::db"), dump_of("databases/shop/db/app.sql"));
    // Nobody's that is known; and the whole backup is not taken for the mount then.
    let paths = ["./", "files/a", "borgmatic/postgresql_databases/elsewhere/app"];
    let plan = planned_for(services().into(), &selection, &paths, &Ok(postgres()));
    assert_eq!(load(&plan, "shop::db"), Err(Code::RestoreAmbiguous));
    assert_eq!(of(&plan, "shop::db").blocked.as_ref().expect("it is").message.matches("elsewhere").count(), 1);
    // The other one's, without doubt.
    let plan = plan_of("borgmatic/postgresql_databases/other-db-1/app");
    assert_eq!(load(&plan, "shop::db"), Err(Code::RestoreMountMissing));
}

#[test]
fn the_only_dump_belongs_to_the_only_database_server_of_its_program() {
    let db = || (database("shop::db", &[]), settings());
    let web = || (service("shop::web", vec![volume("shop_files", "/files")]), settings());
    let plan = planned(vec![db(), web()], &["shop_files/a", "dump.sql"]);
    assert_eq!(load(&plan, "shop::db"), dump_of("dump.sql"));
    assert_eq!(load(&planned(vec![db()], &["dump.sql"]), "shop::db"), dump_of("dump.sql"));
    // The data of the database may have a file that is called like a dump.
    let plan = planned(vec![db()], &["./", "PG_VERSION", "base/1", "x.sql"]);
    assert_eq!((load(&plan, "shop::db"), parts(&plan, "shop::db")), (Ok(None), Ok(vec![".".to_owned()])));
    // So may the files of an application, and the host's own database may be there.
    let plan = planned(vec![db(), web()], &["shop_files/install.sql", "shop_files/a"]);
    assert_eq!(load(&plan, "shop::db"), Err(Code::RestoreMountMissing));
    let plan = planned(vec![db()], &["etc/passwd", "var/lib/postgresql/data/PG_VERSION", "home/me/x.sql"]);
    assert_eq!(load(&plan, "shop::db"), Err(Code::RestoreAmbiguous));
    // Statements that no dump program wrote.
    let unknown = Dump { rows: Some(1), ..Dump::new(DumpFormat::Sql) };
    let plan = planned_with(vec![db(), web()], &["shop_files/a", "dump.sql"], &Ok(unknown));
    assert_eq!(load(&plan, "shop::db"), Err(Code::RestoreAmbiguous));
    // Two dumps, two servers, a dump of a program that is not the service's.
    let two = planned(vec![db(), web()], &["shop_files/a", "dump.sql", "other.sql"]);
    assert_eq!(load(&two, "shop::db"), Err(Code::RestoreAmbiguous));
    let more = vec![db(), web(), (database("other::pg", &[]), settings())];
    let selection = Selection { filters: vec!["shop".to_owned()], ..Selection::default() };
    let plan = planned_for(more, &selection, &["shop_files/a", "dump.sql"], &Ok(postgres()));
    assert_eq!(load(&plan, "shop::db"), Err(Code::RestoreAmbiguous));
    let mysql = Dump { rows: Some(1), ..Dump::new(DumpFormat::MySql) };
    let plan = planned_with(vec![db(), web()], &["shop_files/a", "dump.sql"], &Ok(mysql));
    assert_eq!(load(&plan, "shop::db"), Err(Code::RestoreIncomplete));
    assert!(words(&plan, "shop::db").contains("is a dump of MariaDB or MySQL, and shop::db runs PostgreSQL"));
    // A file of an application is no dump of the service: its database was forgotten.
    let plan = planned(vec![db(), web()], &["shop_files/plugins/install.sql", "shop_files/plugins/update.sql"]);
    assert_eq!(load(&plan, "shop::db"), Err(Code::RestoreMountMissing));
}

#[test]
fn of_several_dumps_of_a_server_the_one_of_its_database_is_loaded_with_a_warning() {
    let paths = ["app", "other"].map(|name| format!("borgmatic/postgresql_databases/db/{name}"));
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let plan = planned(vec![(database("shop::db", &[("POSTGRES_DB", "app")]), settings())], &paths);
    assert_eq!(load(&plan, "shop::db"), dump_of(paths[0]));
    let warning = &of(&plan, "shop::db").warnings[0];
    assert!(warning.code == Code::RestoreDumpUnused && warning.message.contains("db/other"), "{warning}");
    let plan = planned(vec![(database("shop::db", &[]), settings())], &paths);
    assert_eq!(load(&plan, "shop::db"), Err(Code::RestoreAmbiguous));
    // The place says which database the dump is of.
    let plan = planned(vec![(database("shop::db", &[("POSTGRES_DB", "shop")]), settings())], &paths[..1]);
    assert_eq!(load(&plan, "shop::db"), Err(Code::RestoreIncomplete));
}

#[test]
fn where_files_and_dump_are_there_the_files_are_restored_and_the_dump_is_told() {
    let dump = "borgmatic/postgresql_databases/db/app";
    let plan = planned(vec![(database("shop::db", &[]), settings())], &[dump, "shop_db_pg/PG_VERSION"]);
    assert_eq!(load(&plan, "shop::db"), Ok(None));
    assert_eq!(parts(&plan, "shop::db"), Ok(vec!["shop_db_pg".to_owned()]));
    let warning = &of(&plan, "shop::db").warnings[0];
    assert!(
        warning.code == Code::RestoreDumpUnused && warning.remedy().contains(&format!("from = \"{dump}\"")),
        "{warning}"
    );
    // Nothing is told of a dump that may be anything's.
    let plan = planned(vec![(database("shop::db", &[]), settings())], &["x.sql", "shop_db_pg/PG_VERSION"]);
    assert!(of(&plan, "shop::db").warnings.is_empty());
}

#[test]
fn a_dump_that_cannot_be_loaded_says_why() {
    let dump = "borgmatic/postgresql_databases/db/app";
    let empty = Err(Code::RestoreIncomplete);
    let plan = planned_with(vec![(database("shop::db", &[]), settings())], &[dump, "x/a"], &empty);
    assert_eq!(load(&plan, "shop::db"), Err(Code::RestoreIncomplete));
    let mongo = service("shop::mongo", vec![volume("shop_mongo", "/data/db")]);
    let plan = planned(vec![(mongo, settings())], &["borgmatic/mongodb_databases/mongo/app", "x/a"]);
    assert_eq!(load(&plan, "shop::mongo"), Err(Code::SourceOtherFormat));
}

#[test]
fn a_dependency_is_loaded_from_its_dump_or_runs_on_its_live_data() {
    let services = || {
        let need = crate::model::service::Dependency {
            service: "db".to_owned(),
            condition: crate::model::service::Condition::ServiceStarted,
            required: true,
        };
        let web = service("shop::web", vec![volume("shop_files", "/files")]);
        let if_found =
            ServiceSettings { as_dependency: crate::model::settings::DependencySource::SameIfFound, ..settings() };
        vec![(Service { depends_on: vec![need], ..web }, settings()), (database("shop::db", &[]), if_found)]
    };
    let selection = Selection { filters: vec!["shop::web".to_owned()], exact: true, ..Selection::default() };
    let dump = "borgmatic/postgresql_databases/db/app";
    let plan = planned_for(services(), &selection, &["shop_files/a", dump], &Ok(postgres()));
    assert_eq!(load(&plan, "shop::db"), dump_of(dump));
    let plan = planned_for(services(), &selection, &["shop_files/a", dump], &Err(Code::RestoreIncomplete));
    assert_eq!((load(&plan, "shop::db"), load(&plan, "shop::web")), (Ok(None), Ok(None)));
    assert_eq!(of(&plan, "shop::web").warnings[0].code, Code::RestoreDependencyLive);
}
