//! Makes a [`PlanFile`] of the tables: finds paths, looks names of sources up, and makes rules and checks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::checks::{CheckTable, Header, HttpTable};
use super::document::Document;
use super::entries::{PlanFile, ProgramEntry, ServiceEntry, SourceEntry, StackFiles};
use super::reader::{Located, Pair};
use super::secret::Secret;
use super::tables::{
    self, Load, Mount, NoEgress, PlanTables, ProgramPath, Service, ServiceTable, Source, SourceName, StackTable,
    Stacks, Texts,
};
use crate::config::error::{ConfigError, SettingOrigin};
use crate::config::notify_layer::NotifySettings;
use crate::config::overrides::{EmptyRule, Overrides, SnapshotSelector, SourceRef};
use crate::config::values::notify;
use crate::config::values::suggest::suggestion;
use crate::config::values::{check, place, source};
use crate::model::dump::LoadOptions;
use crate::model::program::Program;
use crate::model::question::{Check, CheckSpec, HeaderValue, HttpCheck};
use crate::model::settings::StrategyRule;
use crate::model::source::{Keys, MapRule, SecretPlace, SourceSpec};

/// Makes a plan file of its tables.
pub struct Interpreter<'a> {
    document: &'a Document<'a>,
    /// What relative paths are relative to.
    folder: PathBuf,
    /// What `~` stands for.
    home: Option<&'a Path>,
    /// The names of the sources, and where each stands; wrong sources are among them.
    names: BTreeMap<String, usize>,
    file: PlanFile,
    errors: Vec<ConfigError>,
}

impl<'a> Interpreter<'a> {
    /// An interpreter of the file at `path`.
    pub fn new(
        document: &'a Document<'a>,
        path: &Path,
        home: Option<&'a Path>,
        names: BTreeMap<String, usize>,
    ) -> Self {
        let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let file = PlanFile { path: Some(path.to_path_buf()), ..PlanFile::default() };
        Self { document, folder, home, names, file, errors: Vec::new() }
    }

    /// The plan file, and what is wrong with it. `is_whole`: no wrong entry was left out of the tables.
    pub fn run(mut self, tables: Option<PlanTables>, is_whole: bool) -> (PlanFile, Vec<ConfigError>) {
        self.check_names();
        if let Some(Pair(top, values)) = tables {
            let sources = top.sources.into_iter();
            self.file.sources = sources.filter_map(|(name, source)| Some((name, self.source(source.value)?))).collect();
            self.file.allow_label_paths = top.allow_label_paths.unwrap_or_default();
            self.file.history = top.history.and_then(|named| self.path(named.at, "history", &named.value.0));
            self.file.notify = NotifySettings {
                // What is no address was refused when it was read.
                targets: top.notify.iter().filter_map(|address| notify::read(&address.0).ok()).collect(),
                when: top.notify_when.map(|when| when.0),
                limit: top.notify_timeout.map(|limit| limit.0),
            };
            let programs = [
                (Program::Borg, top.borg_path),
                (Program::Rclone, top.rclone_path),
                (Program::Restic, top.restic_path),
            ];
            self.file.programs = self.programs(programs);
            self.file.all = Overrides { values, source: self.source_ref(top.source), ..Overrides::default() };
            match top.stacks {
                Stacks::Named(tables) => self.file.stacks = self.entries(tables),
                Stacks::Files(tables) => {
                    let read = tables.into_iter().map(|table| self.stack_files(table, is_whole));
                    self.file.stack_files = read.collect();
                }
            }
            self.file.services = self.entries(top.services);
        }
        (self.file, self.errors)
    }

    fn check_names(&mut self) {
        for (name, at) in &self.names {
            let what = if name == "live" {
                "`live` is the live service itself; give this source another name".to_owned()
            } else if source::is_written_out(name) || name.contains(char::is_whitespace) {
                format!("`{name}` is no name for a source; take a word like `nightly`")
            } else {
                continue;
            };
            self.errors.push(ConfigError::Entry { origin: self.document.origin(*at, None), what });
        }
    }

    fn wrong(&mut self, at: usize, key: &str, what: impl Into<String>) {
        self.errors.push(ConfigError::Entry { origin: self.document.origin(at, Some(key)), what: what.into() });
    }

    fn keep<T>(&mut self, result: Result<T, ConfigError>) -> Option<T> {
        result.map_err(|error| self.errors.push(error)).ok()
    }

    fn source(&mut self, table: Source) -> Option<SourceEntry> {
        let Source { from, snapshot, passphrase, identity } = table;
        let keys = Keys {
            passphrase: passphrase.as_ref().and_then(|secret| self.secret(&secret.value)),
            identity: identity.as_ref().and_then(|file| self.path(file.at, "identity", &file.value.0)),
        };
        let origin = |at: usize, key: &str| self.document.origin(at, Some(key));
        let (passphrase, identity) = (
            passphrase.map(|secret| origin(secret.at, "passphrase")),
            identity.map(|file| origin(file.at, "identity")),
        );
        let origin = origin(from.at, "from");
        let place = self.keep(source::parse(&origin, &self.at_home(&from.value.0), &self.folder))?;
        let snapshot = snapshot.and_then(|name| SnapshotSelector::read(&name.0).name());
        Some(SourceEntry { origin, passphrase, identity, spec: SourceSpec { place, snapshot, keys } })
    }

    fn programs(
        &mut self,
        named: impl IntoIterator<Item = (Program, Option<Located<ProgramPath>>)>,
    ) -> BTreeMap<Program, ProgramEntry> {
        let mut entries = BTreeMap::new();
        for (program, named) in named {
            let Some(Located { at, value }) = named else { continue };
            if let Some(path) = self.path(at, program.key(), &value.0) {
                let origin = self.document.origin(at, Some(program.key()));
                entries.insert(program, ProgramEntry { origin, path });
            }
        }
        entries
    }

    fn secret(&mut self, secret: &Secret) -> Option<SecretPlace> {
        match secret {
            Secret::File(path) => self.path(path.at, "file", &path.value.0).map(SecretPlace::File),
            Secret::Env(name) => Some(SecretPlace::Env(name.0.clone())),
            Secret::Command(command) => Some(SecretPlace::Command(command.0.clone())),
        }
    }

    /// A source written out, with the home folder for `~/`.
    fn at_home(&self, text: &str) -> String {
        match (text.trim().split_once(":~/"), self.home) {
            (Some((kind, rest)), Some(home)) => format!("{kind}:{}/{rest}", home.display()),
            _ => text.to_owned(),
        }
    }

    /// A path of the client, relative to the file's folder.
    fn path(&mut self, at: usize, key: &str, text: &str) -> Option<PathBuf> {
        match (text.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => Some(home.join(rest)),
            (Some(_), None) => {
                self.wrong(at, key, "`~` is not known here, for HOME is not set; write the path in full");
                None
            }
            (None, _) => Some(self.folder.join(text)),
        }
    }

    /// The source that is meant; a name of the file is looked up.
    fn source_ref(&mut self, source: Option<Located<SourceName>>) -> Option<SourceRef> {
        let Located { at, value } = source?;
        let origin = self.document.origin(at, Some("source"));
        match self.keep(SourceRef::read(&origin, &self.at_home(&value.0), &self.folder))? {
            SourceRef::Live => Some(SourceRef::Live),
            SourceRef::Backup(spec) => {
                let entry = SourceEntry { origin, passphrase: None, identity: None, spec: spec.clone() };
                self.file.written_out.push(entry);
                Some(SourceRef::Backup(spec))
            }
            SourceRef::Named { origin, name } => {
                if !self.names.contains_key(&name) {
                    self.errors.push(unknown_source(&origin, &name, self.names.keys().map(String::as_str)));
                }
                self.file.sources.get(&name).map(|source| SourceRef::Backup(source.spec.clone()))
            }
        }
    }

    fn entries(&mut self, tables: BTreeMap<String, Located<ServiceTable>>) -> BTreeMap<String, ServiceEntry> {
        tables.into_iter().map(|(name, table)| (name, self.entry(table))).collect()
    }

    fn entry(&mut self, table: Located<ServiceTable>) -> ServiceEntry {
        let Pair(Service { source, skip, egress: None | Some(NoEgress), checks, load, mounts }, values) = table.value;
        let mut entry = ServiceEntry {
            origin: self.document.origin(table.at, None),
            overrides: Overrides {
                values,
                skip: skip.map(|reason| reason.0),
                source: self.source_ref(source),
                load: load.map(load_options).unwrap_or_default(),
                checks: self.checks(checks),
                ..Overrides::default()
            },
            mounts: Vec::new(),
        };
        for (name, mount) in mounts {
            let origin = self.document.origin(mount.at, None);
            if name.is_empty() {
                let what = "a mount has a name: its target, its volume's name or its host path".to_owned();
                self.errors.push(ConfigError::Entry { origin: origin.clone(), what });
            }
            let name = place::bare(&name).to_owned();
            add_rules(&mut entry.overrides, &name, mount.value);
            entry.mounts.push((name, origin));
        }
        entry
    }

    fn stack_files(&mut self, table: Located<StackTable>, is_whole: bool) -> StackFiles {
        let Located { at, value: Pair(table, settings) } = table;
        let tables::StackFiles { files, backup_folders, env_files, profiles } = table;
        if files.is_none() && backup_folders.is_none() && is_whole {
            let what = "[[stacks]] says which: write files = \"stacks/*\", or backup_folders = \"/opt/stacks/*\" for \
                        stacks that come out of the backup altogether";
            self.errors.push(ConfigError::Entry { origin: self.document.origin(at, None), what: what.to_owned() });
        }
        let texts = |texts: Option<Located<Texts>>| texts.map(|of| of.value.0).unwrap_or_default();
        StackFiles {
            files: self.paths("files", files),
            env_files: self.paths("env_files", env_files),
            backup_folders: texts(backup_folders),
            profiles: texts(profiles),
            origin: self.document.origin(at, None),
            settings: self.entry(Located { at, value: settings }),
        }
    }

    fn paths(&mut self, key: &str, texts: Option<Located<Texts>>) -> Vec<PathBuf> {
        let Some(Located { at, value }) = texts else { return Vec::new() };
        value.0.iter().filter_map(|text| self.path(at, key, text)).collect()
    }

    fn checks(&mut self, tables: Vec<Located<CheckTable>>) -> Vec<Check> {
        let mut checks: Vec<Check> = Vec::new();
        for Located { at, value } in tables {
            let Some(check) = self.check(value) else { continue };
            if checks.iter().any(|earlier| earlier.name == check.name) {
                let what = format!("a check `{}` is there already; give one of them another name", check.name);
                self.errors.push(ConfigError::Entry { origin: self.document.origin(at, None), what });
            } else {
                checks.push(check);
            }
        }
        checks
    }

    /// A check; `None` for the one that is made anyway.
    fn check(&mut self, table: CheckTable) -> Option<Check> {
        let (name, ask) = match table {
            CheckTable::Health => return None,
            CheckTable::Exec(of) => {
                let exit = of.exit.map_or(0, |code| code.0);
                let stdout = of.stdout.map(|pattern| pattern.0);
                (of.name, CheckSpec::Exec { command: of.exec.words(), exit, stdout })
            }
            CheckTable::File(of) => {
                let spec = CheckSpec::File {
                    path: of.file.0,
                    min_size: of.min_size.map(|size| size.0),
                    sha256: of.sha256.map(|sum| sum.0),
                    newer_than: of.newer_than.map(|time| time.0),
                };
                (of.name, spec)
            }
            CheckTable::Log(of) => {
                let contains = of.log.contains.map(|pattern| pattern.0);
                let not_contains = of.log.not_contains.map(|pattern| pattern.0);
                (of.name, CheckSpec::Log { contains, not_contains })
            }
            CheckTable::Http(mut of) => (of.0.name.take(), CheckSpec::Http(Box::new(self.request(of.0)?))),
            CheckTable::Tcp(of) => (of.name, CheckSpec::Tcp { ports: of.tcp.numbers() }),
            CheckTable::Sql(of) => {
                let database = of.database.map(|name| name.0);
                let value = of.value.map(|row| row.0);
                let min_rows = of.min_rows.map_or(1, |rows| rows.0);
                (of.name, CheckSpec::Sql { query: of.sql.0, database, value, min_rows })
            }
            CheckTable::Sqlite(of) => {
                let value = of.value.map(|row| row.0);
                let min_rows = of.min_rows.map_or(1, |rows| rows.0);
                (of.name, CheckSpec::Sqlite { path: of.sqlite.0, query: of.query.0, value, min_rows })
            }
        };
        Some(Check::new(name.map(|name| name.0), ask))
    }

    fn request(&mut self, table: HttpTable) -> Option<HttpCheck> {
        let plain = check::plain_request(table.port.0, table.http.0);
        let login = match table.user.zip(table.password) {
            Some((user, password)) => Some((user.0, self.secret(&password)?)),
            None => None,
        };
        let mut headers = Vec::new();
        for (name, value) in table.headers {
            let value = match value {
                Header::Text(text) => HeaderValue::Text(text),
                Header::Secret(secret) => HeaderValue::Secret(self.secret(&secret)?),
            };
            headers.push((name.0, value));
        }
        let equal = table.json.into_iter().map(|(pointer, value)| (pointer.0, Some(value.0)));
        let exists = table.json_exists.map(|pointer| (pointer.0, None));
        Some(HttpCheck {
            method: table.method.map_or(plain.method, |method| method.0),
            tls: table.tls.unwrap_or(plain.tls),
            headers,
            login,
            status: table.status.map_or(plain.status, |status| status.0),
            contains: table.contains.map(|text| text.0),
            matches: table.matches.map(|pattern| pattern.0),
            json: equal.chain(exists).collect(),
            path: plain.path,
            port: plain.port,
        })
    }
}

fn load_options(table: Load) -> LoadOptions {
    LoadOptions {
        database: table.database.map(|name| name.0),
        command: table.command.map(|command| command.0),
        from: table.from.map(|path| path.0),
    }
}

/// Adds the rules of a mount.
fn add_rules(overrides: &mut Overrides, mount: &str, table: Mount) {
    let Mount { path, strategy, allow_empty } = table;
    let (service, mount) = (None::<String>, || mount.to_owned());
    overrides.maps.extend(path.map(|path| MapRule {
        service: service.clone(),
        mount: mount(),
        path: path.0,
        of_lock: false,
    }));
    let strategy =
        strategy.map(|strategy| StrategyRule { service: service.clone(), mount: mount(), strategy: strategy.0 });
    overrides.strategies.extend(strategy);
    overrides.allow_empty.extend(allow_empty.map(|allowed| EmptyRule { service, mount: mount(), allowed }));
}

/// The error about a source that the plan file does not have.
pub fn unknown_source<'a>(origin: &SettingOrigin, name: &str, known: impl Iterator<Item = &'a str>) -> ConfigError {
    let known: BTreeSet<&str> = known.chain(["live"]).collect();
    let hint = suggestion(name, known.iter().copied())
        .unwrap_or_else(|| format!("there are {}", known.iter().copied().collect::<Vec<_>>().join(", ")));
    ConfigError::value(origin, name, format!("a source of the plan file; {hint}"))
}
