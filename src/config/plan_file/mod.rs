//! The plan file, `rehearsa.toml`: what holds for all services, for a stack, for a service, and where backups are.
//!
//! `document` knows TOML and where in the file a thing stands, `tables` what the keys mean, `remarks` what of it does not fit
//! the host, `schema` tells editors the same. Whose word counts is not decided here but in [`super::resolve`].

mod checks;
mod document;
mod remarks;
#[cfg(test)]
mod schema;
mod tables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use tables::{OF_ALL, OF_SERVICE, unknown_source};

use super::error::{ConfigError, ConfigErrors, SettingOrigin};
use super::overrides::Overrides;
use crate::model::environment::Environment;
use crate::model::service::ServiceName;
use crate::model::source::SourceSpec;

/// The plan file's JSON Schema, for editors and checkers.
pub const SCHEMA: &str = include_str!("rehearsa.schema.json");

/// The file that is read when nobody names one.
pub const NAME: &str = "rehearsa.toml";

/// A plan file, understood; the default is one that says nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanFile {
    /// Where it is; `None` when there is none.
    pub path: Option<PathBuf>,
    /// Sources by their names.
    pub sources: BTreeMap<String, SourceEntry>,
    /// Sources that are written out where a name could stand.
    pub written_out: Vec<SourceEntry>,
    /// What holds for every service.
    pub all: Overrides,
    /// What holds for the services of a stack.
    pub stacks: BTreeMap<String, ServiceEntry>,
    /// What holds for a service, by its full name.
    pub services: BTreeMap<String, ServiceEntry>,
}

/// A source and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceEntry {
    /// The line with its place.
    pub origin: SettingOrigin,
    /// The line that says where its passphrase is found.
    pub passphrase: Option<SettingOrigin>,
    /// The line with its file of private keys.
    pub identity: Option<SettingOrigin>,
    /// The source.
    pub spec: SourceSpec,
}

/// What is said of a service or a stack.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceEntry {
    /// Its heading.
    pub origin: SettingOrigin,
    /// The settings.
    pub overrides: Overrides,
    /// The mounts that are named, and where.
    pub mounts: Vec<(String, SettingOrigin)>,
}

impl PlanFile {
    /// The file that was named by a flag or by REHEARSA_PLAN, else [`NAME`] in the working directory when there is one.
    pub fn find(flag: Option<&Path>, env: &Environment) -> Result<PlanFile, ConfigErrors> {
        let named = match (flag, env.get("REHEARSA_PLAN")) {
            (Some(path), _) => Some((SettingOrigin::Flag("--plan"), path.to_path_buf())),
            (None, Some(path)) => Some((SettingOrigin::Variable("REHEARSA_PLAN"), PathBuf::from(path))),
            (None, None) => None,
        };
        match named {
            Some((origin, path)) if !path.exists() => {
                let file = path.display();
                let what = format!("there is no file {file}; `rehearsa init --output {file}` would write one");
                Err(ConfigError::Entry { origin, what }.into())
            }
            Some((_, path)) => Self::load(&path, env),
            None if Path::new(NAME).exists() => Self::load(Path::new(NAME), env),
            None => Ok(Self::default()),
        }
    }

    /// Reads a file. Relative paths in it are relative to its folder, and `~` is the HOME of the environment.
    pub fn load(path: &Path, env: &Environment) -> Result<PlanFile, ConfigErrors> {
        let unreadable = |why: String| ConfigError::Conflict { what: format!("cannot read {}: {why}", path.display()) };
        let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text".to_owned()))?;
        Self::parse(path, &text, env.get("HOME").map(Path::new))
    }

    /// Reads the text of a file.
    pub fn parse(path: &Path, text: &str, home: Option<&Path>) -> Result<PlanFile, ConfigErrors> {
        tables::read(path, text, home)
    }

    /// The settings for a service: its own, its stack's, and those at the top of the file.
    pub fn overrides(&self, service: &ServiceName) -> impl Iterator<Item = &Overrides> {
        let own = self.services.get(&service.to_string());
        let stack = service.stack.as_ref().and_then(|stack| self.stacks.get(stack));
        [own, stack].into_iter().flatten().map(|entry| &entry.overrides).chain([&self.all])
    }
}

#[cfg(test)]
mod tests;
