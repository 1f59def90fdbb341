//! The plan file, `rehearsa.toml`: settings of all services, of a stack, of a service, and where backups are.
//!
//! `document` knows the text, `reader` reads serde types from it and finds every mistake, `tables` and `checks` are
//! those types (the JSON Schema is derived from them), `interpret` makes a [`PlanFile`] of them, and `remarks` compares
//! it with the host. `trust` decides whether a file that nobody named may be used.

mod checks;
pub(super) mod document;
mod entries;
mod interpret;
mod reader;
mod remarks;
#[cfg(test)]
mod schema;
mod secret;
mod tables;
mod trust;

use std::path::{Path, PathBuf};

pub use entries::{PlanFile, ProgramEntry, ServiceEntry, SourceEntry, StackFiles};
pub use interpret::unknown_source;
pub use trust::CurrentUser;

use document::Document;
use interpret::Interpreter;

use super::error::{ConfigError, ConfigErrors, SettingOrigin};
use super::overrides::Overrides;
use crate::local_file::{self, Accept};
use crate::model::environment::Environment;
use crate::model::service::ServiceName;

/// The plan file's JSON Schema, for editors and checkers.
pub const SCHEMA: &str = include_str!("rehearsa.schema.json");

/// The largest plan file, in bytes.
const LARGEST: u64 = 4 * 1024 * 1024;

/// The name of the plan file in the working directory.
pub const NAME: &str = "rehearsa.toml";

impl PlanFile {
    /// Reads the file that a flag or REHEARSA_PLAN names, else [`NAME`] in the working directory if it exists. A file
    /// that nobody named must be one that nobody but `user` and root can have written.
    pub fn find(flag: Option<&Path>, env: &Environment, user: CurrentUser) -> Result<PlanFile, ConfigErrors> {
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
            None if Path::new(NAME).exists() => Self::open(Path::new(NAME), env, Some(user)),
            None => Ok(Self::default()),
        }
    }

    /// Reads a file. Relative paths in it are relative to its folder, and `~` is the HOME of the environment.
    pub fn load(path: &Path, env: &Environment) -> Result<PlanFile, ConfigErrors> {
        Self::open(path, env, None)
    }

    /// As [`load`](Self::load); with a `user`, only if that user can trust the file.
    fn open(path: &Path, env: &Environment, user: Option<CurrentUser>) -> Result<PlanFile, ConfigErrors> {
        let unreadable = |why: String| ConfigError::Conflict { what: format!("cannot read {}: {why}", path.display()) };
        let accept = if user.is_some() { Accept::Regular } else { Accept::Piped };
        let mut file = local_file::open_as(path, accept).map_err(|error| unreadable(error.to_string()))?;
        if let Some(user) = user {
            let metadata = file.metadata().map_err(|error| unreadable(error.to_string()))?;
            trust::ask(path, &metadata, user)?;
        }
        let bytes = local_file::read(&mut file, LARGEST).map_err(|error| unreadable(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text".to_owned()))?;
        Self::parse(path, &text, env.get("HOME").map(Path::new))
    }

    /// Reads the text of a file.
    pub fn parse(path: &Path, text: &str, home: Option<&Path>) -> Result<PlanFile, ConfigErrors> {
        let document = Document::new(path, text);
        let (tree, mut errors) = document.parse();
        let mut file = PlanFile::default();
        if let Some(tree) = tree {
            let (tables, mistakes) = reader::read(&tree);
            errors.extend(mistakes.iter().map(|mistake| document.error(mistake, tables::place_of)));
            let names = Document::names(&tree, "sources");
            let (read, wrong) = Interpreter::new(&document, path, home, names).run(tables, mistakes.is_empty());
            file = read;
            errors.extend(wrong);
        }
        ConfigErrors::of(errors).map_or(Ok(file), Err)
    }

    /// The settings for a service: its own, its stack's, and those at the top of the file.
    pub fn overrides(&self, service: &ServiceName) -> impl Iterator<Item = &Overrides> {
        let own = self.services.get(&service.to_string());
        let stack = service.stack.as_ref().and_then(|stack| self.stacks.get(stack));
        [own, stack].into_iter().flatten().map(|entry| &entry.overrides).chain([&self.all])
    }
}

/// The keys of a service.
#[cfg(test)]
pub fn service_keys() -> Vec<&'static str> {
    [reader::keys_of::<tables::Service>(), reader::keys_of::<super::declared::ServiceValues>()].concat()
}

#[cfg(test)]
mod tests;
