//! How a service is filled from a database dump, and which of its mounts the dump fills.
//!
//! An SQL dump is no data directory: its place is left empty, the service initialises itself on it, and then the dump
//! is loaded. A Redis dump is one of the service's own files and is put into place before the boot.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::dump::{Dump, DumpFormat, DumpProgram, LOAD_FOLDER, Load, LoadOptions};
use crate::model::mount::{Mount, Strategy};
use crate::model::plan::{DataSource, MountPlan};
use crate::model::pluralize::pluralize;
use crate::model::service::Service;
use crate::model::source::ContentTally;

use super::draft::{ServiceDraft, StackDraft};
use super::mounts::holds_data;
use super::patterns::is_explicit;

/// Databases that every PostgreSQL cluster has.
const OF_CLUSTER: [&str; 3] = ["postgres", "template0", "template1"];

/// A surveyed dump.
pub(super) struct Dumped<'a> {
    /// Index of its source.
    pub source: usize,
    /// The dump with its source, for people.
    pub name: String,
    /// Its name, for people.
    pub title: &'a str,
    /// What the dump says about itself.
    pub dump: &'a Dump,
    /// Its files.
    pub holds: &'a ContentTally,
    /// It is one of the files of a backup, which holds the other mounts of the service.
    pub is_beside_files: bool,
    /// The database, if the program that made the backup says it.
    pub of_database: Option<&'a str>,
}

/// How a service is filled from a dump.
#[derive(Default)]
pub(super) struct Filling {
    /// Warnings for read-only mounts that the dump does not fill; they use the live data.
    pub warnings: Vec<Diagnosis>,
    /// Why the service cannot be filled from it.
    pub blocked: Option<Diagnosis>,
    /// The index of the place that the dump is put into, as a file, before the boot.
    pub place: Option<usize>,
    /// A dump that is loaded once the service runs.
    pub load: Option<Load>,
}

impl Dumped<'_> {
    /// The stream of the dump's files, for a place. `root_of_live`: the place gets the owner and mode of the live
    /// mount.
    pub fn stream(&self, root_of_live: bool) -> DataSource {
        DataSource::Archive {
            source: self.source,
            path: Vec::new(),
            holds: self.holds.clone(),
            max_entries: 0,
            // A dump is streamed uncompressed.
            max_window: 1,
            root_of_live,
        }
    }
}

/// Decides for the service of this index. `is_emptied`: whether another service fills a place, given by its index,
/// from a dump.
pub(super) fn fill(
    stack: &StackDraft,
    index: usize,
    dumped: &Dumped<'_>,
    is_emptied: &dyn Fn(usize) -> bool,
) -> Filling {
    let loading = Loading { stack, draft: &stack.services[index], dumped, is_emptied };
    loading.decide().unwrap_or_else(|diagnosis| Filling { blocked: Some(*diagnosis), ..Filling::default() })
}

/// A service and the dump that it is to be filled from.
struct Loading<'a> {
    stack: &'a StackDraft,
    draft: &'a ServiceDraft,
    dumped: &'a Dumped<'a>,
    is_emptied: &'a dyn Fn(usize) -> bool,
}

impl Loading<'_> {
    fn decide(&self) -> Result<Filling, Box<Diagnosis>> {
        let Self { stack, draft, dumped, .. } = self;
        self.is_of_its_program()?;
        self.suits()?;
        if let Some(program) = dumped.dump.format.program() {
            has_no_foreign_command(dumped.dump, &dumped.name, program, &draft.settings.load)?;
        }
        let into = self.place()?;
        let request = into.and_then(|into| stack.places[into].request.as_ref());
        let allow_empty = request.is_some_and(|request| request.allow_empty);
        if dumped.dump.rows == Some(0) && !allow_empty {
            return Err(Box::new(without_rows(dumped)));
        }
        let mut filling = if dumped.is_beside_files { Filling::default() } else { self.other_mounts(into) };
        if dumped.dump.format == DumpFormat::Redis {
            match self.other_redis_name() {
                Some(diagnosis) => filling.blocked = filling.blocked.or(Some(diagnosis)),
                None => filling.place = into,
            }
            return Ok(filling);
        }
        filling.load = Some(Load {
            dump: dumped.dump.clone(),
            title: dumped.title.to_owned(),
            file: format!("{LOAD_FOLDER}/{}", dumped.dump.format.file()),
            into,
            allow_empty,
            wish: self.options(),
        });
        Ok(filling)
    }

    /// The user's options. A database that nothing but the place of the dump names is made for the dump.
    fn options(&self) -> LoadOptions {
        let Self { draft, dumped, .. } = self;
        let mut options = draft.settings.load.clone();
        let is_named = database(&draft.service, &options, dumped.dump.format.program()).is_some();
        if let Some(of_database) = dumped.of_database.filter(|_| !is_named && !dumped.dump.names_its_place) {
            options.database = Some(of_database.to_owned());
        }
        options
    }

    /// Refuses a dump among the files of a backup that another program wrote than the service's. A dump that was given
    /// as the source is tried.
    fn is_of_its_program(&self) -> Result<(), Box<Diagnosis>> {
        let Self { draft, dumped, .. } = self;
        let programs = programs_of(&draft.service);
        let Some(program) = dumped.dump.format.program() else { return Ok(()) };
        let is_told = dumped.is_beside_files && draft.settings.load.command.is_none();
        if !is_told || programs.is_empty() || programs.contains(&program) {
            return Ok(());
        }
        let titles: Vec<&str> = programs.iter().map(|program| program.title()).collect();
        let message = format!(
            "{} is a dump of {}, and {} runs {}: the service would come back without its data",
            dumped.name,
            program.title(),
            draft.service.name,
            titles.join(" or ")
        );
        let remedy = "Look at which server the dump job asks, and name the right dump: load = { from = \"PATH\" }.";
        Err(refusal(Code::RestoreIncomplete, message, remedy))
    }

    /// Refuses a dump of other databases than the service's own, if dump and service both name one.
    fn suits(&self) -> Result<(), Box<Diagnosis>> {
        let Dumped { dump, name, .. } = self.dumped;
        let (service, options) = (&self.draft.service, &self.draft.settings.load);
        if options.command.is_some() {
            return Ok(());
        }
        let Some((database, whence)) = database(service, options, dump.format.program()) else { return Ok(()) };
        let named: Vec<&String> = dump.databases.iter().filter(|name| !OF_CLUSTER.contains(&name.as_str())).collect();
        let is_there = dump.databases.contains(&database) || OF_CLUSTER.contains(&database.as_str());
        if named.is_empty() || is_there {
            return Ok(());
        }
        let names: Vec<&str> = named.iter().take(20).map(|name| name.as_str()).collect();
        let message = format!(
            "{name} is a dump of {}, and the database of {} is {database} ({whence}): the service \
             would come back without its data",
            names.join(", "),
            service.name
        );
        let remedy = "Use the dump of the right database. To load this dump into another database, name it in the plan \
            file: load = { database = \"NAME\" }.";
        Err(refusal(Code::RestoreIncomplete, message, remedy))
    }

    /// The place that the dump fills: the one that the user named, else the only one, else the one where the program
    /// keeps its data.
    fn place(&self) -> Result<Option<usize>, Box<Diagnosis>> {
        let Self { stack, draft, dumped, .. } = self;
        let mounts = draft.mounts.iter().filter(|mount| !mount.mount.read_only && holds_data(&mount.mount));
        let places: Vec<(usize, &Mount)> =
            mounts.filter_map(|mount| Some((self.filled(mount)?, &mount.mount))).collect();
        let is_said =
            |index: usize| stack.places[index].request.as_ref().is_some_and(|request| is_explicit(&request.want));
        let said: Vec<usize> = places.iter().map(|(index, _)| *index).filter(|index| is_said(*index)).collect();
        if let [only] = said.as_slice() {
            return Ok(Some(*only));
        }
        match places.as_slice() {
            [] if dumped.dump.format == DumpFormat::Redis => Err(Box::new(Diagnosis::new(
                Code::RestoreMountMissing,
                format!("{} is a file of Redis, and {} has no mount to put it into", dumped.name, draft.service.name),
            ))),
            [] => Ok(None),
            [(only, _)] => Ok(Some(*only)),
            several => self.home_of(several).map(Some),
        }
    }

    /// Among several places, the one where the program keeps its data.
    fn home_of(&self, places: &[(usize, &Mount)]) -> Result<usize, Box<Diagnosis>> {
        let Self { draft, dumped, .. } = self;
        let homes = homes(&draft.service, dumped.dump.format.program());
        let mut at_home = places.iter().filter(|(_, mount)| homes.iter().any(|home| mount.holds(home)));
        if let (Some((only, _)), None) = (at_home.next(), at_home.next()) {
            return Ok(*only);
        }
        let named: Vec<String> = places.iter().map(|(_, mount)| mount.place()).collect();
        let message = format!(
            "{} writes to several mounts, and it is not clear which of them {} fills: {}",
            draft.service.name,
            dumped.name,
            named.join(", ")
        );
        let remedy = format!("Choose the mount: --map '{}:{}=.'", draft.service.name, places[0].1.target);
        Err(refusal(Code::RestoreAmbiguous, message, &remedy))
    }

    /// The place of a mount, unless nothing is restored to it or a dump was loaded over it.
    fn filled(&self, mount: &MountPlan) -> Option<usize> {
        let is_left_out = matches!(mount.strategy, Strategy::Empty | Strategy::Omit);
        mount.restore.filter(|index| !is_left_out && !(self.is_emptied)(*index))
    }

    /// Judges the other mounts of the service, which the dump does not fill: a writable one is missing from the
    /// backup, a read-only one uses the live data.
    fn other_mounts(&self, into: Option<usize>) -> Filling {
        let Self { stack, draft, dumped, .. } = self;
        let mut filling = Filling::default();
        for mount in &draft.mounts {
            let Some(place) = self.filled(mount).filter(|place| Some(*place) != into) else { continue };
            if stack.places[place].request.is_none() {
                continue;
            }
            let (title, name) = (mount.mount.place(), &draft.service.name);
            if mount.mount.read_only {
                let message = format!("{title} is not in {}, which is a dump; the live data is used", dumped.name);
                filling.warnings.push(Diagnosis::new(Code::RestoreNotInBackup, message));
                continue;
            }
            let message =
                format!("{} is a dump and holds nothing for {title}, which {name} also writes to", dumped.name);
            let remedy = format!(
                "Restore the service from a backup of its files. If a restore needs nothing of the \
                 mount, as with a cache: --strategy '{name}:{}=empty'.",
                mount.mount.target
            );
            filling.blocked.get_or_insert_with(|| *refusal(Code::RestoreMountMissing, message, &remedy));
        }
        filling
    }

    /// Refuses a service that reads its dump under another name than the restored file would get.
    fn other_redis_name(&self) -> Option<Diagnosis> {
        let Self { draft, dumped, .. } = self;
        let (file, usual) = (redis_file(&draft.service), DumpFormat::Redis.file());
        if file == usual {
            return None;
        }
        let message = format!(
            "{} reads its dump from {file} (--dbfilename), and {} would be put there as {usual}",
            draft.service.name, dumped.name
        );
        let remedy =
            format!("Put the dump into a folder under the name {file}, and restore from that: --from dir:FOLDER.");
        Some(*refusal(Code::RestoreFailed, message, &remedy))
    }
}

/// Refuses a dump with a command that the client would run; the client of the service's `program` loads it. The owner's
/// own command may load such a dump.
pub fn has_no_foreign_command(
    dump: &Dump,
    name: &str,
    program: DumpProgram,
    options: &LoadOptions,
) -> Result<(), Box<Diagnosis>> {
    let Some(found) = dump.foreign_command(program).filter(|_| options.command.is_none()) else { return Ok(()) };
    let message = format!(
        "{name} has in line {} a command for the client of {}, which no dump program writes: `{}`; nothing was loaded",
        found.line,
        program.title(),
        found.text
    );
    Err(Box::new(Diagnosis::new(Code::DumpClientCommand, message)))
}

fn refusal(code: Code, message: String, remedy: &str) -> Box<Diagnosis> {
    Box::new(Diagnosis { remedy: Some(remedy.to_owned()), ..Diagnosis::new(code, message) })
}

/// The database that a service keeps its data in, and where that is set; `None` if it is set nowhere.
pub fn database(service: &Service, options: &LoadOptions, program: Option<DumpProgram>) -> Option<(String, String)> {
    if let Some(database) = &options.database {
        return Some((database.clone(), "set by `load`".to_owned()));
    }
    let variables: &[&str] = match program {
        Some(DumpProgram::Postgres) => &["POSTGRES_DB", "POSTGRESQL_DATABASE"],
        Some(DumpProgram::MySql) => &["MARIADB_DATABASE", "MYSQL_DATABASE"],
        Some(DumpProgram::Redis) | None => &[],
    };
    let value = |name: &str| service.env.iter().find(|var| var.name == name).and_then(|var| var.value.as_ref());
    variables.iter().find_map(|name| {
        let database = value(name).map(|value| value.reveal().to_owned()).filter(|value| !value.is_empty())?;
        Some((database, format!("set by its {name}")))
    })
}

/// Whether a service looks like the program that wrote a dump: its image has the program's name, or it has a mount
/// where that program alone keeps its data. Its environment tells nothing: applications have the same variables.
pub(super) fn suits_program(service: &Service, dump: &Dump) -> bool {
    is_server(service, dump.format.program())
}

fn is_server(service: &Service, program: Option<DumpProgram>) -> bool {
    let names: &[&str] = match program {
        Some(DumpProgram::Postgres) => &["postgres", "postgis", "timescale", "pgvector"],
        Some(DumpProgram::MySql) => &["mariadb", "mysql", "percona"],
        Some(DumpProgram::Redis) => &["redis", "valkey", "keydb"],
        None => &["postgres", "mariadb", "mysql"],
    };
    let homes = homes(service, program);
    let is_home = |target: &String| target != "/data" && homes.contains(target);
    names.iter().any(|name| service.image.reference.contains(name))
        || service.mounts.iter().any(|mount| is_home(&mount.target))
}

/// The database servers that a service may be.
pub(super) fn programs_of(service: &Service) -> Vec<DumpProgram> {
    let all = [DumpProgram::Postgres, DumpProgram::MySql, DumpProgram::Redis];
    all.into_iter().filter(|program| is_server(service, Some(*program))).collect()
}

/// The place where a service keeps its database: its only writable one, or the one where its program keeps data.
pub(super) fn home_place(draft: &ServiceDraft, programs: &[DumpProgram]) -> Option<usize> {
    let is_filled = |mount: &&MountPlan| {
        holds_data(&mount.mount)
            && !mount.mount.read_only
            && !matches!(mount.strategy, Strategy::Empty | Strategy::Omit)
    };
    let places: Vec<(usize, &Mount)> =
        draft.mounts.iter().filter(is_filled).filter_map(|mount| Some((mount.restore?, &mount.mount))).collect();
    if let [(only, _)] = places.as_slice() {
        return Some(*only);
    }
    let homes: Vec<String> = programs.iter().flat_map(|program| homes(&draft.service, Some(*program))).collect();
    let mut at_home = places.iter().filter(|(_, mount)| homes.iter().any(|home| mount.holds(home)));
    let first = at_home.next()?;
    at_home.all(|other| other.0 == first.0).then_some(first.0)
}

/// The folders where the program keeps its data, in its own image and in common other ones.
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

/// The file name of Redis' dump.
fn redis_file(service: &Service) -> &str {
    let words = service.command.as_deref().unwrap_or_default();
    let at = words.iter().position(|word| word == "--dbfilename");
    at.and_then(|at| words.get(at + 1)).map_or(DumpFormat::Redis.file(), |word| word)
}

fn without_rows(dumped: &Dumped<'_>) -> Diagnosis {
    let what = match dumped.dump.tables {
        0 => "neither a table nor a row".to_owned(),
        tables => format!("the schema of {} and no row", pluralize(tables, "table")),
    };
    let message = format!("{} has {what}: the service would come back without its data", dumped.name);
    let remedy = "Check the command that makes the dump: --schema-only (-s) and --no-data leave the rows out, and it \
        may name the wrong database. If a dump without rows is right: --allow-empty MOUNT.";
    *refusal(Code::RestoreIncomplete, message, remedy)
}

#[cfg(test)]
mod tests;
