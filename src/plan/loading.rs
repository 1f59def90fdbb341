//! Which mount of a service is filled from a database dump, and how.
//!
//! A dump of statements is no data yet: its place is left empty, the service begins anew on it, and then the dump is loaded. A dump of
//! Redis is one of the service's own files, and is put into its place before the boot.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::dump::{Dump, DumpFormat, DumpProgram, LOAD_FOLDER, Load, LoadOptions};
use crate::model::mount::{Mount, MountOrigin, Strategy};
use crate::model::plan::{BackupPart, DataSource, MountPlan, RestorePlan, ServicePlan, StackPlan};
use crate::model::service::Service;
use crate::model::settings::ServiceSettings;
use crate::model::source::{ContentTally, MatchRule, SourcePlace};

use super::holds_data;

/// Databases that are there in every cluster.
const OF_CLUSTER: [&str; 3] = ["postgres", "template0", "template1"];

/// A dump that was looked through.
pub struct Dumped<'a> {
    /// The source that it is.
    pub source: usize,
    /// As it was asked for.
    pub place: &'a SourcePlace,
    /// What people call it.
    pub title: &'a str,
    /// What it says of itself.
    pub dump: &'a Dump,
    /// Its files.
    pub holds: &'a ContentTally,
}

/// Decides how a service is filled from the dump. What it writes to beside the place that the dump fills is in no dump.
pub fn load(stack: &mut StackPlan, index: usize, dumped: &Dumped<'_>) {
    let plan = &stack.services[index];
    if let Err(diagnosis) = suits(plan, dumped) {
        stack.services[index].blocked.get_or_insert(*diagnosis);
        return;
    }
    let into = match place(plan, &stack.restores, dumped) {
        Ok(into) => into,
        Err(diagnosis) => {
            stack.services[index].blocked.get_or_insert(*diagnosis);
            return;
        }
    };
    let allow_empty = into.and_then(|into| stack.restores[into].ask.as_ref()).is_some_and(|ask| ask.allow_empty);
    if dumped.dump.rows == Some(0) && !allow_empty {
        stack.services[index].blocked.get_or_insert_with(|| without_rows(dumped));
        return;
    }
    rest_is_missing(stack, index, into, dumped);
    if dumped.dump.format == DumpFormat::Redis {
        let plan = &mut stack.services[index];
        let file = redis_file(&plan.service);
        if file != DumpFormat::Redis.file() {
            let message = format!(
                "{} reads its dump from {file} (--dbfilename), and {} would be put there as {}",
                plan.service.name,
                dumped.place,
                DumpFormat::Redis.file()
            );
            let remedy =
                format!("Put the dump into a folder under the name {file}, and restore from that: --from dir:FOLDER.");
            plan.blocked
                .get_or_insert(Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreFailed, message) });
        } else if let Some(into) = into {
            let restore = &mut stack.restores[into];
            restore.part = Some(BackupPart { path: Vec::new(), rule: MatchRule::Explicit });
            restore.supply = stream(dumped, true);
        }
        return;
    }
    if let Some(into) = into {
        stack.restores[into].strategy = Strategy::Empty;
        stack.restores[into].ask = None;
        let shown = stack.services.iter_mut().flat_map(|plan| &mut plan.mounts);
        shown.filter(|mount| mount.restore == Some(into)).for_each(|mount| mount.strategy = Strategy::Empty);
    }
    let origin = MountOrigin::Dump { title: dumped.title.to_owned() };
    let mount = Mount { target: LOAD_FOLDER.to_owned(), origin, read_only: true };
    // Services that load the same see it in the same place.
    let is_it = |restore: &RestorePlan| restore.mount == mount;
    let at = stack.restores.iter().position(is_it).unwrap_or(stack.restores.len());
    let plan = &mut stack.services[index];
    plan.mounts.push(MountPlan { mount: mount.clone(), strategy: Strategy::Copy, restore: Some(at) });
    plan.load = Some(Load {
        dump: dumped.dump.clone(),
        title: dumped.title.to_owned(),
        file: format!("{LOAD_FOLDER}/{}", dumped.dump.format.file()),
        into,
        allow_empty,
        wish: plan.settings.load.clone(),
    });
    let cases = super::dependents(stack, &stack.services[index].service.name);
    if let Some(known) = stack.restores.get_mut(at) {
        known.cases.extend(cases);
        known.cases.sort_unstable();
        known.cases.dedup();
        return;
    }
    let ServiceSettings { max_copy, verify_content, .. } = stack.services[index].settings;
    let (strategy, supply) = (Strategy::Copy, stream(dumped, false));
    stack.restores.push(RestorePlan {
        mount,
        strategy,
        cases,
        max_copy,
        verify_content,
        ask: None,
        part: None,
        supply,
    });
}

fn stream(dumped: &Dumped<'_>, root_of_live: bool) -> DataSource {
    DataSource::Archive {
        source: dumped.source,
        path: Vec::new(),
        holds: dumped.holds.clone(),
        max_entries: 0,
        root_of_live,
    }
}

/// The dump is one that this service could be loaded from, as far as both say.
fn suits(plan: &ServicePlan, dumped: &Dumped<'_>) -> Result<(), Box<Diagnosis>> {
    let Dumped { dump, place, .. } = dumped;
    if plan.settings.load.command.is_some() {
        return Ok(());
    }
    let Some((database, whence)) = database(&plan.service, &plan.settings.load, dump.format.program()) else {
        return Ok(());
    };
    let named: Vec<&String> = dump.databases.iter().filter(|name| !OF_CLUSTER.contains(&name.as_str())).collect();
    let is_there = dump.databases.contains(&database) || OF_CLUSTER.contains(&database.as_str());
    if named.is_empty() || is_there {
        return Ok(());
    }
    let names: Vec<&str> = named.iter().take(20).map(|name| name.as_str()).collect();
    let message = format!(
        "{place} is a dump of {}, and the database of {} is {database} ({whence}): it would come back without its data",
        names.join(", "),
        plan.service.name
    );
    let remedy = "Give the dump of the right database; if this one is to go into another, say into which: load = { database = \"NAME\" } in the plan file."
        .to_owned();
    Err(Box::new(Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreIncomplete, message) }))
}

/// The database that a service keeps its data in, and who says so; `None` where nobody does.
pub fn database(service: &Service, wish: &LoadOptions, program: Option<DumpProgram>) -> Option<(String, String)> {
    if let Some(database) = &wish.database {
        return Some((database.clone(), "as `load` says".to_owned()));
    }
    let variables: &[&str] = match program {
        Some(DumpProgram::Postgres) => &["POSTGRES_DB", "POSTGRESQL_DATABASE"],
        Some(DumpProgram::MySql) => &["MARIADB_DATABASE", "MYSQL_DATABASE"],
        Some(DumpProgram::Redis) | None => &[],
    };
    let value = |name: &str| service.env.iter().find(|var| var.name == name).and_then(|var| var.value.as_ref());
    variables.iter().find_map(|name| {
        let database = value(name).map(|value| value.reveal().to_owned()).filter(|value| !value.is_empty())?;
        Some((database, format!("as its {name} says")))
    })
}

/// The place that the dump fills: what the user said, the only one, or the one where the program keeps its data.
fn place(plan: &ServicePlan, restores: &[RestorePlan], dumped: &Dumped<'_>) -> Result<Option<usize>, Box<Diagnosis>> {
    let mounts = || {
        plan.mounts.iter().filter(|mount| !mount.mount.read_only && holds_data(&mount.mount)).filter_map(|mount| {
            let index = mount.restore.filter(|_| !matches!(mount.strategy, Strategy::Empty | Strategy::Omit))?;
            Some((index, &mount.mount))
        })
    };
    let is_said = |index: usize| restores[index].ask.as_ref().is_some_and(super::mapping::is_said);
    let said: Vec<usize> = mounts().map(|(index, _)| index).filter(|index| is_said(*index)).collect();
    if let [only] = said.as_slice() {
        return Ok(Some(*only));
    }
    let all: Vec<(usize, &Mount)> = mounts().collect();
    match all.as_slice() {
        [] if dumped.dump.format == DumpFormat::Redis => Err(Box::new(Diagnosis::new(
            Code::RestoreMountMissing,
            format!("{} is a file of Redis, and {} has no mount that it could lie in", dumped.place, plan.service.name),
        ))),
        [] => Ok(None),
        [(only, _)] => Ok(Some(*only)),
        several => {
            let homes = homes(&plan.service, dumped.dump.format.program());
            let at_home = several.iter().filter(|(_, mount)| homes.iter().any(|home| mount.holds(home)));
            let at_home: Vec<usize> = at_home.map(|(index, _)| *index).collect();
            if let [only] = at_home.as_slice() {
                return Ok(Some(*only));
            }
            let named: Vec<String> = several.iter().map(|(_, mount)| mount.place()).collect();
            let message = format!(
                "{} writes to several mounts, and it is not clear which of them {} fills: {}",
                plan.service.name,
                dumped.place,
                named.join(", ")
            );
            let remedy = format!("Say which it is: --map '{}:{}=.'", plan.service.name, several[0].1.target);
            Err(Box::new(Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreAmbiguous, message) }))
        }
    }
}

/// Where the program keeps its data, in its own image and in those that are usual.
fn homes(service: &Service, program: Option<DumpProgram>) -> Vec<String> {
    let data = service.env.iter().find(|var| var.name == "PGDATA").and_then(|var| var.value.as_ref());
    let homes: &[&str] = match program {
        Some(DumpProgram::Postgres) => &["/var/lib/postgresql/data", "/bitnami/postgresql", "/var/lib/postgresql"],
        Some(DumpProgram::MySql) => &["/var/lib/mysql", "/bitnami/mariadb", "/bitnami/mysql", "/config/databases"],
        Some(DumpProgram::Redis) => &["/data", "/bitnami/redis/data", "/var/lib/redis"],
        None => &["/var/lib/postgresql/data", "/var/lib/mysql"],
    };
    let data = data.filter(|_| program == Some(DumpProgram::Postgres)).map(|value| value.reveal().to_owned());
    data.into_iter().chain(homes.iter().map(|&home| home.to_owned())).collect()
}

/// The name that Redis gives its dump.
fn redis_file(service: &Service) -> &str {
    let words = service.command.as_deref().unwrap_or_default();
    let at = words.iter().position(|word| word == "--dbfilename");
    at.and_then(|at| words.get(at + 1)).map_or(DumpFormat::Redis.file(), |word| word)
}

/// A dump brings nothing to the other places that the service writes to.
fn rest_is_missing(stack: &mut StackPlan, index: usize, into: Option<usize>, dumped: &Dumped<'_>) {
    let StackPlan { services, restores, .. } = stack;
    let plan = &mut services[index];
    let mut others: Vec<(bool, String, String)> = Vec::new();
    for MountPlan { mount, strategy, restore } in &plan.mounts {
        let Some(restore) = restore.filter(|restore| Some(*restore) != into) else { continue };
        if matches!(strategy, Strategy::Empty | Strategy::Omit) || restores[restore].ask.is_none() {
            continue;
        }
        others.push((mount.read_only, mount.place(), format!("{}:{}", plan.service.name, mount.target)));
    }
    for (read_only, title, rule) in others {
        if read_only {
            let message = format!("{title} is not in {}, which is a dump; the live one is used", dumped.place);
            plan.warnings.push(Diagnosis::new(Code::RestoreNotInBackup, message));
            continue;
        }
        let message = format!(
            "{} is a dump and holds nothing for {title}, which {} writes to, too",
            dumped.place, plan.service.name
        );
        let remedy = format!(
            "Give the service a source that has its files; if the mount may come up empty: --strategy '{rule}=empty'."
        );
        plan.blocked
            .get_or_insert(Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreMountMissing, message) });
    }
}

fn without_rows(dumped: &Dumped<'_>) -> Diagnosis {
    let what = match dumped.dump.tables {
        0 => "neither a table nor a row".to_owned(),
        tables => format!("the schema of {} and not one row", crate::model::pluralize::pluralize(tables, "table")),
    };
    let message = format!("{} has {what}: the service would come back without its data", dumped.place);
    let remedy = "Look at how it is made: --schema-only (-s) and --no-data leave the rows out, and so does a wrong database. If it may have none, say --allow-empty MOUNT."
        .to_owned();
    Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreIncomplete, message) }
}

#[cfg(test)]
mod tests;
