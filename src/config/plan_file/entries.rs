//! A plan file that has been read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::error::SettingOrigin;
use crate::config::notify_layer::NotifySettings;
use crate::config::overrides::Overrides;
use crate::model::program::Program;
use crate::model::source::SourceSpec;

/// A plan file. The default sets nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanFile {
    /// The file; `None`: there is none.
    pub path: Option<PathBuf>,
    /// Labels may name sources by their paths.
    pub allow_label_paths: bool,
    /// The folder of the profiles of green runs.
    pub history: Option<PathBuf>,
    /// Whom to notify of a run.
    pub notify: NotifySettings,
    /// The paths of programs.
    pub programs: BTreeMap<Program, ProgramEntry>,
    /// Sources by their names.
    pub sources: BTreeMap<String, SourceEntry>,
    /// Sources written out where a name could stand.
    pub written_out: Vec<SourceEntry>,
    /// Settings of every service.
    pub all: Overrides,
    /// Settings of the services of a stack.
    pub stacks: BTreeMap<String, ServiceEntry>,
    /// Stacks that are read from Compose files, in the order of the file.
    pub stack_files: Vec<StackFiles>,
    /// Settings of a service, by its full name.
    pub services: BTreeMap<String, ServiceEntry>,
}

/// The path of a program and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramEntry {
    /// Where it is written.
    pub origin: SettingOrigin,
    /// The path.
    pub path: PathBuf,
}

/// A source and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceEntry {
    /// Where its place is written.
    pub origin: SettingOrigin,
    /// Where the place of its passphrase is written.
    pub passphrase: Option<SettingOrigin>,
    /// Where its file of private keys is written.
    pub identity: Option<SettingOrigin>,
    /// The source.
    pub spec: SourceSpec,
}

/// The table of a service or a stack.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceEntry {
    /// The heading.
    pub origin: SettingOrigin,
    /// The settings.
    pub overrides: Overrides,
    /// The named mounts, and where each stands.
    pub mounts: Vec<(String, SettingOrigin)>,
}

/// Stacks that are read from Compose files: an element of `[[stacks]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct StackFiles {
    /// The heading.
    pub origin: SettingOrigin,
    /// Compose files, folders with one, and patterns of both; they mean what they mean to `-f`.
    pub files: Vec<PathBuf>,
    /// Folders in the backup, and patterns of them.
    pub backup_folders: Vec<String>,
    /// The files with variables that are read instead of `.env`.
    pub env_files: Vec<PathBuf>,
    /// The profiles that are on.
    pub profiles: Vec<String>,
    /// The settings of their services.
    pub settings: ServiceEntry,
}
