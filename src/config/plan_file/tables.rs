//! What the keys of a plan file mean.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::document::{Document, TomlField, fields};
use super::{PlanFile, ServiceEntry, SourceEntry};
use crate::config::error::{ConfigError, ConfigErrors, SettingOrigin};
use crate::config::overrides::{EmptyRule, Overrides, Skip, SnapshotSelector, SourceRef};
use crate::config::values::suggest::suggestion;
use crate::config::values::text::TextValue;
use crate::config::values::{map, place, source, strategy};
use crate::model::dump::LoadOptions;
use crate::model::settings::StrategyRule;
use crate::model::source::{Keys, MapRule, SecretPlace, SourceSpec};

/// Keys of the file as a whole that hold for every service.
pub const OF_ALL: [&str; 10] = [
    "source",
    "timeout",
    "settle",
    "max_copy",
    "max_entries",
    "memory",
    "max_age",
    "max_rto",
    "control",
    "verify_content",
];
/// The tables of the file.
pub const TABLES: [&str; 3] = ["sources", "stacks", "services"];
/// Keys that only a service or a stack has, beside [`OF_ALL`].
pub const OF_SERVICE: [&str; 5] = ["skip", "egress", "checks", "load", "mounts"];
/// Keys of how a database dump is loaded.
pub const OF_LOAD: [&str; 2] = ["database", "command"];
/// Keys of a mount.
pub const OF_MOUNT: [&str; 3] = ["path", "strategy", "allow_empty"];
/// Keys of a source.
pub const OF_SOURCE: [&str; 4] = ["from", "snapshot", "passphrase", "identity"];
/// Keys of what says where a secret is found.
pub const OF_SECRET: [&str; 3] = ["file", "env", "command"];

/// Where a secret is found, as it is written.
const SECRETS: &str = "{ file = \"/run/secrets/backup\" }, { env = \"NAME\" } or { command = \"pass show backup\" }";

/// Reads a whole file.
pub fn read(path: &Path, text: &str, home: Option<&Path>) -> Result<PlanFile, ConfigErrors> {
    let (document, table) = Document::parse(path, text);
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut reader = Reader { document, folder, home, sources: BTreeMap::new(), written_out: Vec::new() };
    let mut file = PlanFile { path: Some(path.to_path_buf()), ..PlanFile::default() };
    if let Some(table) = &table {
        reader.file(table, &mut file);
    }
    reader.document.finish(file)
}

pub(super) struct Reader<'a> {
    pub(super) document: Document<'a>,
    /// What relative paths are relative to.
    folder: PathBuf,
    home: Option<&'a Path>,
    /// `None` for one that is there but wrong: it is known all the same.
    sources: BTreeMap<String, Option<SourceEntry>>,
    written_out: Vec<SourceEntry>,
}

impl Reader<'_> {
    fn file(&mut self, table: &DeTable<'_>, file: &mut PlanFile) {
        let known: Vec<&str> = OF_ALL.iter().chain(&TABLES).copied().collect();
        // Sources first: the others name them.
        for field in fields(table).filter(|field| field.key == "sources") {
            self.sources(&field);
        }
        for field in fields(table) {
            match field.key {
                "sources" => {}
                "stacks" => file.stacks = self.entries(&field, "a stack", "[stacks.media]"),
                "services" => file.services = self.entries(&field, "a service", "[services.\"media::jellyfin\"]"),
                key if OF_ALL.contains(&key) => self.value(&field, &mut file.all),
                key => {
                    let elsewhere = if OF_SERVICE.contains(&key) {
                        Some("below a service or a stack, as in [services.\"media::jellyfin\"]")
                    } else if OF_SOURCE.contains(&key) {
                        Some("below a source, as in [sources.nightly]")
                    } else {
                        None
                    };
                    self.document.unknown(&field, "the plan file", &known, elsewhere);
                }
            }
        }
        let sources = std::mem::take(&mut self.sources);
        file.written_out = std::mem::take(&mut self.written_out);
        file.sources = sources.into_iter().filter_map(|(name, source)| Some((name, source?))).collect();
    }

    fn sources(&mut self, field: &TomlField<'_>) {
        let Some(table) = self.document.table(field, "[sources.nightly]") else { return };
        for field in fields(table) {
            let name = field.key;
            if name == "live" {
                self.document.error(field.key_at, "`live` is the live service itself; give this source another name");
            } else if source::is_written_out(name) || name.contains(char::is_whitespace) {
                let what = format!("`{name}` is no name for a source; take a word like `nightly`");
                self.document.error(field.key_at, what);
            }
            let source = self.source(&field);
            self.sources.insert(name.to_owned(), source);
        }
    }

    fn source(&mut self, source: &TomlField<'_>) -> Option<SourceEntry> {
        let example = "[sources.nightly] and below it from = \"tar:backups/app-*.tar.gz\"";
        let table = self.document.table(source, example)?;
        let (mut from, mut snapshot, mut keys) = (None, None, Keys::default());
        let (mut passphrase, mut identity) = (None, None);
        let mut named = false;
        for field in fields(table) {
            match field.key {
                "from" => {
                    named = true;
                    if let Some(text) = self.document.text(&field, "\"tar:backups/app-*.tar.gz\"") {
                        let text = self.at_home(text);
                        let origin = self.document.origin_of(&field);
                        let place = self.document.keep(source::parse(&origin, &text, &self.folder));
                        from = place.map(|place| (origin, place));
                    }
                }
                "snapshot" => match self.document.text(&field, "a snapshot's name, or \"latest\"") {
                    Some("") => self.document.wrong(&field, "this names no snapshot; write its name, or \"latest\""),
                    Some(text) => snapshot = SnapshotSelector::read(text).name(),
                    None => {}
                },
                "passphrase" => {
                    keys.passphrase = self.secret(&field);
                    passphrase = Some(self.document.origin_of(&field));
                }
                "identity" => {
                    keys.identity = self.identity(&field);
                    identity = Some(self.document.origin_of(&field));
                }
                key => {
                    let of_service = OF_ALL.contains(&key) || OF_SERVICE.contains(&key);
                    let elsewhere = of_service.then_some("below a service or a stack, or at the top of the file");
                    self.document.unknown(&field, "a source", &OF_SOURCE, elsewhere);
                }
            }
        }
        if !named {
            let what = format!(
                "the source `{}` has no `from`; write from = \"tar:FILE\" or from = \"dir:FOLDER\"",
                source.key
            );
            self.document.error(source.key_at, what);
        }
        let (origin, place) = from?;
        Some(SourceEntry { origin, passphrase, identity, spec: SourceSpec { place, snapshot, keys } })
    }

    /// Whatever is wrong, what is written is not repeated: it may be the secret.
    pub(super) fn secret(&mut self, field: &TomlField<'_>) -> Option<SecretPlace> {
        let Some(table) = field.value.as_table() else {
            let what = format!("a secret is never written into the plan file; say where it is found: {SECRETS}");
            self.document.wrong(field, what);
            return None;
        };
        let mut found = Vec::new();
        for inner in fields(table) {
            if !OF_SECRET.contains(&inner.key) {
                self.document.unknown(&inner, "what says where a secret is found", &OF_SECRET, None);
                continue;
            }
            let place = match (inner.key, inner.value.as_str().filter(|text| !text.trim().is_empty())) {
                (_, None) => {
                    self.document
                        .wrong(&inner, format!("this says nothing of where the secret is found; write {SECRETS}"));
                    continue;
                }
                ("file", Some(path)) => self.path(&inner, path).map(SecretPlace::File),
                ("env", Some(name)) if is_variable(name) => Some(SecretPlace::Env(name.to_owned())),
                ("env", Some(_)) => {
                    let what = "this is no name of an environment variable; the secret itself is never written into the plan file";
                    self.document.wrong(&inner, what);
                    None
                }
                (_, Some(command)) => Some(SecretPlace::Command(command.to_owned())),
            };
            found.push(place);
        }
        match found.len() {
            1 => found.pop().flatten(),
            0 if table.is_empty() => {
                self.document.wrong(field, format!("this says nothing of where the secret is found; write {SECRETS}"));
                None
            }
            0 => None,
            _ => {
                self.document.wrong(field, "only one place can be where the secret is found; keep one of the keys");
                None
            }
        }
    }

    fn identity(&mut self, field: &TomlField<'_>) -> Option<PathBuf> {
        let example = "the path of a file with keys, as \"~/.config/age/key.txt\"";
        let text = self.document.text(field, example)?;
        if text.trim().is_empty() || text.to_uppercase().contains("SECRET-KEY") || text.contains("PRIVATE KEY") {
            self.document.wrong(field, format!("a key is never written into the plan file; write {example}"));
            return None;
        }
        self.path(field, text)
    }

    fn entries(&mut self, field: &TomlField<'_>, what: &str, example: &str) -> BTreeMap<String, ServiceEntry> {
        let Some(table) = self.document.table(field, example) else { return BTreeMap::new() };
        let entries =
            fields(table).filter_map(|field| Some((field.key.to_owned(), self.entry(&field, what, example)?)));
        entries.collect()
    }

    fn entry(&mut self, entry: &TomlField<'_>, what: &str, example: &str) -> Option<ServiceEntry> {
        let table = self.document.table(entry, example)?;
        let mut read = ServiceEntry {
            origin: self.document.origin(entry.key_at, None),
            overrides: Overrides::default(),
            mounts: Vec::new(),
        };
        for field in fields(table) {
            match field.key {
                "skip" => read.overrides.skip = self.skip(&field),
                "egress" => self.egress(&field),
                "checks" => read.overrides.checks = self.checks(&field),
                "load" => read.overrides.load = self.load(&field),
                "mounts" => self.mounts(&field, &mut read),
                key if OF_ALL.contains(&key) => self.value(&field, &mut read.overrides),
                key => {
                    let known: Vec<&str> = OF_ALL.iter().chain(&OF_SERVICE).copied().collect();
                    let elsewhere = if OF_MOUNT.contains(&key) {
                        Some("below a mount, as in [services.\"media::jellyfin\".mounts.\"/config\"]")
                    } else if OF_SOURCE.contains(&key) {
                        Some("below a source, as in [sources.nightly]")
                    } else {
                        None
                    };
                    self.document.unknown(&field, what, &known, elsewhere);
                }
            }
        }
        Some(read)
    }

    /// One of [`OF_ALL`].
    fn value(&mut self, field: &TomlField<'_>, overrides: &mut Overrides) {
        let values = &mut overrides.values;
        match field.key {
            "source" => overrides.source = self.source_wish(field),
            "timeout" => values.timeout = self.of_text(field),
            "settle" => values.settle = self.of_text(field),
            "max_age" => values.max_age = self.of_text(field),
            "max_rto" => values.max_rto = self.of_text(field),
            "max_copy" => values.max_copy = self.of_text(field),
            "control" => values.control = self.document.flag(field),
            "verify_content" => values.verify_content = self.document.flag(field),
            "memory" => values.memory = self.of_text(field),
            "max_entries" => values.max_entries = self.of_text(field),
            key => unreachable!("{key} is one of OF_ALL"),
        }
    }

    pub(super) fn of_text<T: TextValue>(&mut self, field: &TomlField<'_>) -> Option<T> {
        let text = self.document.text_or_number(field, T::EXAMPLE)?;
        T::read(&text).map_err(|what| self.document.wrong(field, what)).ok()
    }

    fn source_wish(&mut self, field: &TomlField<'_>) -> Option<SourceRef> {
        let text = self.document.text(field, "the name of a source, or \"live\"")?;
        let text = self.at_home(text);
        let read = SourceRef::read(&self.document.origin_of(field), &text, &self.folder);
        let (origin, name) = match self.document.keep(read)? {
            SourceRef::Named { origin, name } => (origin, name),
            SourceRef::Backup(spec) => {
                let origin = self.document.origin_of(field);
                self.written_out.push(SourceEntry { origin, passphrase: None, identity: None, spec: spec.clone() });
                return Some(SourceRef::Backup(spec));
            }
            SourceRef::Live => return Some(SourceRef::Live),
        };
        match self.sources.get(&name) {
            Some(source) => source.as_ref().map(|source| SourceRef::Backup(source.spec.clone())),
            None => {
                let error = unknown_source(&origin, &name, self.sources.keys().map(String::as_str));
                self.document.keep(Err(error))
            }
        }
    }

    fn skip(&mut self, field: &TomlField<'_>) -> Option<Skip> {
        match field.value {
            DeValue::Boolean(false) => Some(Skip::No),
            DeValue::String(reason) if !reason.trim().is_empty() => Some(Skip::because("the plan file", reason)),
            _ => {
                self.document.wrong(
                    field,
                    "this gives no reason; write skip = \"too large for now\", or `false` to take a skip back",
                );
                None
            }
        }
    }

    fn load(&mut self, field: &TomlField<'_>) -> LoadOptions {
        let mut wish = LoadOptions::default();
        let Some(table) = self.document.table(field, "load = { database = \"app\" }") else { return wish };
        for field in fields(table) {
            let (place, example) = match field.key {
                "database" => (&mut wish.database, "\"app\""),
                "command" => (&mut wish.command, "\"psql -v ON_ERROR_STOP=1 -f $DUMP\""),
                _ => {
                    self.document.unknown(&field, "how a dump is loaded", &OF_LOAD, None);
                    continue;
                }
            };
            match self.document.text(&field, example) {
                Some(text) if text.trim().is_empty() => {
                    self.document.wrong(&field, format!("this is empty; write {example}"));
                }
                Some(text) => *place = Some(text.to_owned()),
                None => {}
            }
        }
        wish
    }

    fn egress(&mut self, field: &TomlField<'_>) {
        if self.document.flag(field) == Some(true) {
            self.document
                .wrong(field, "a way out of the sandbox is not supported yet; nothing in it reaches the outside");
        }
    }

    fn mounts(&mut self, field: &TomlField<'_>, entry: &mut ServiceEntry) {
        let Some(table) = self.document.table(field, "[services.\"media::jellyfin\".mounts.\"/config\"]") else {
            return;
        };
        for field in fields(table) {
            let mount = place::bare(field.key).to_owned();
            if mount.is_empty() {
                self.document.error(field.key_at, "a mount has a name: its target, its volume's name or its host path");
            }
            if let Some(table) = self.document.table(&field, "{ path = \"backup/config\" }") {
                self.mount(table, &mount, &mut entry.overrides);
            }
            entry.mounts.push((mount, self.document.origin(field.key_at, None)));
        }
    }

    fn mount(&mut self, table: &DeTable<'_>, mount: &str, overrides: &mut Overrides) {
        for field in fields(table) {
            match field.key {
                "path" => {
                    let Some(text) = self.document.text(&field, "a path within the backup") else { continue };
                    match map::within(text.trim()) {
                        Ok(path) => overrides.maps.push(MapRule { service: None, mount: mount.to_owned(), path }),
                        Err(expected) => self.document.wrong(&field, format!("this is not a path {expected}")),
                    }
                }
                "strategy" => {
                    let Some(text) = self.document.text(&field, "\"copy\"") else { continue };
                    match strategy::named(text) {
                        Ok(strategy) => {
                            overrides.strategies.push(StrategyRule {
                                service: None,
                                mount: mount.to_owned(),
                                strategy,
                            });
                        }
                        Err(hint) => self.document.wrong(&field, format!("`{text}` is not a known strategy; {hint}")),
                    }
                }
                "allow_empty" => {
                    if let Some(allowed) = self.document.flag(&field) {
                        overrides.allow_empty.push(EmptyRule { service: None, mount: mount.to_owned(), allowed });
                    }
                }
                _ => self.document.unknown(&field, "a mount", &OF_MOUNT, None),
            }
        }
    }

    /// A source whose path begins with `~/`.
    fn at_home(&self, text: &str) -> String {
        match (text.trim().split_once(":~/"), self.home) {
            (Some((kind, rest)), Some(home)) => format!("{kind}:{}/{rest}", home.display()),
            _ => text.to_owned(),
        }
    }

    /// A path of the client, relative to the file's folder.
    fn path(&mut self, field: &TomlField<'_>, text: &str) -> Option<PathBuf> {
        match (text.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => Some(home.join(rest)),
            (Some(_), None) => {
                self.document.wrong(field, "`~` is not known here, for HOME is not set; write the path in full");
                None
            }
            (None, _) => Some(self.folder.join(text)),
        }
    }
}

/// A source that nobody knows.
pub fn unknown_source<'a>(origin: &SettingOrigin, name: &str, known: impl Iterator<Item = &'a str>) -> ConfigError {
    let known: BTreeSet<&str> = known.chain(["live"]).collect();
    let hint = suggestion(name, known.iter().copied())
        .unwrap_or_else(|| format!("there are {}", known.iter().copied().collect::<Vec<_>>().join(", ")));
    ConfigError::value(origin, name, format!("a source of the plan file; {hint}"))
}

fn is_variable(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit())
}
