//! The settings of a service that one layer sets: the command line with the environment, the service's labels, or a
//! table of the plan file. [`super::resolve`] merges the layers.

use std::path::Path;

use super::declared::ServiceValues;
use super::error::{ConfigError, SettingOrigin};
use super::values::{place, source};
use crate::model::dump::LoadOptions;
use crate::model::moment;
use crate::model::mount::Mount;
use crate::model::question::Check;
use crate::model::service::ServiceName;
use crate::model::settings::StrategyRule;
use crate::model::source::{Keys, MapRule, SourceSpec};

/// The settings of a service in one layer. `None` and empty lists: not set in this layer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// The settings that are one value each.
    pub values: ServiceValues,
    /// Whether the service is rehearsed.
    pub skip: Option<Skip>,
    /// Where its data comes from.
    pub source: Option<SourceRef>,
    /// Where the data of single services comes from; the last match wins.
    pub sources: Vec<SourceRule>,
    /// The snapshot; takes precedence over that of the source.
    pub snapshot: Option<SnapshotSelector>,
    /// What opens the source; takes precedence over the keys of the source.
    pub keys: Keys,
    /// How a database dump is loaded.
    pub load: LoadOptions,
    /// Strategies for mounts; the last match wins.
    pub strategies: Vec<StrategyRule>,
    /// Parts of the backup for mounts; the last match wins.
    pub maps: Vec<MapRule>,
    /// Whether a mount's part of the backup may be empty; the last match wins.
    pub allow_empty: Vec<EmptyRule>,
    /// The owner's checks. Of two checks with one name, that of the layer with precedence counts.
    pub checks: Vec<Check>,
}

/// Whether a service is rehearsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skip {
    /// It is rehearsed, whatever the layers of lower precedence say.
    No,
    /// It is not rehearsed: who says so, and why.
    Because(String),
}

impl Skip {
    /// A skip by `who`; the reason may be blank.
    pub fn because(who: &str, reason: &str) -> Skip {
        let reason = if reason.trim().is_empty() { "no reason given" } else { reason.trim() };
        Skip::Because(format!("{who} says: {reason}"))
    }
}

/// Where the data of a service comes from, before names are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceRef {
    /// The live service.
    Live,
    /// A source written out.
    Backup(SourceSpec),
    /// A source of the plan file.
    Named {
        /// Who wrote it.
        origin: SettingOrigin,
        /// The name of the source.
        name: String,
    },
}

/// The choice of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotSelector {
    /// The newest.
    Newest,
    /// The one of this name.
    Named(String),
}

impl SnapshotSelector {
    /// `latest`, or a snapshot's name.
    pub fn read(text: &str) -> SnapshotSelector {
        if text == "latest" { SnapshotSelector::Newest } else { SnapshotSelector::Named(text.to_owned()) }
    }

    /// Reads what `origin` says.
    pub fn parse(origin: &SettingOrigin, text: &str) -> Result<SnapshotSelector, ConfigError> {
        match moment::mistake(text) {
            Some(mistake) => Err(ConfigError::value(origin, text, format!("a choice of snapshots: {mistake}"))),
            None => Ok(SnapshotSelector::read(text)),
        }
    }

    /// The name of the snapshot; `None`: the newest.
    pub fn name(self) -> Option<String> {
        match self {
            SnapshotSelector::Newest => None,
            SnapshotSelector::Named(name) => Some(name),
        }
    }
}

impl SourceRef {
    /// Reads `live`, a source written out, or a name of the plan file. Relative paths are relative to `relative_to`.
    pub fn read(origin: &SettingOrigin, text: &str, relative_to: &Path) -> Result<SourceRef, ConfigError> {
        let text = text.trim();
        if text == "live" {
            return Ok(SourceRef::Live);
        }
        if source::is_written_out(text) {
            let place = source::parse(origin, text, relative_to)?;
            return Ok(SourceRef::Backup(SourceSpec { place, snapshot: None, keys: Keys::default() }));
        }
        Ok(SourceRef::Named { origin: origin.clone(), name: text.to_owned() })
    }
}

/// A source for one service, as `--from SERVICE=SOURCE` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRule {
    /// The service, with or without its stack.
    pub service: String,
    /// Where its data comes from.
    pub source: SourceRef,
}

impl SourceRule {
    /// Splits `SERVICE=SOURCE`; `None`: the text is a source for all. A path before the equals sign is part of a
    /// source.
    pub fn split(text: &str) -> Option<(&str, &str)> {
        let (service, source) = text.trim().split_once('=')?;
        let is_name = !service.is_empty() && !service.replace("::", "").contains([':', '/']);
        is_name.then_some((service, source))
    }

    /// Whether the rule is about this service.
    pub fn applies(&self, service: &ServiceName) -> bool {
        place::is_service(Some(&self.service), service)
    }
}

/// Whether a mount's part of the backup may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmptyRule {
    /// Only for the service of this name.
    pub service: Option<String>,
    /// The mount: its target, its volume's name or its host path.
    pub mount: String,
    /// Whether the part may be empty.
    pub allowed: bool,
}

impl EmptyRule {
    /// Whether the rule is about this mount of this service.
    pub fn applies(&self, service: &ServiceName, mount: &Mount) -> bool {
        place::is_service(self.service.as_deref(), service) && place::is_mount(&self.mount, service, mount)
    }

    /// Reads `[SERVICE:]MOUNT`, a mount whose part may be empty.
    pub fn parse(origin: &SettingOrigin, text: &str) -> Result<EmptyRule, ConfigError> {
        let (service, mount) = place::parse(text).ok_or_else(|| {
            ConfigError::value(origin, text, "a mount; write it as `/cache` or `media::jellyfin:/cache`")
        })?;
        Ok(EmptyRule { service, mount, allowed: true })
    }

    /// Reads several mounts with commas between them, as a label has them.
    pub fn parse_list(origin: &SettingOrigin, text: &str) -> Result<Vec<EmptyRule>, ConfigError> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| Self::parse(origin, part)).collect()
    }
}
