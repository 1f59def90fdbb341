//! The `rehearsa.*` labels of a live container.

use std::path::Path;

use super::declared::{
    ALLOW_EMPTY, CHECK, DEPENDS_ON, IGNORE, LOAD_COMMAND, LOAD_DATABASE, MAP, MOUNTS, SERVICE_VALUES, SKIP, SOURCE,
    labels,
};
use super::error::{ConfigError, SettingOrigin};
use super::overrides::{EmptyRule, Overrides, Skip, SourceRef};
use super::text_layer::{self, RawValue};
use super::values::suggest::nearest;
use super::values::{check, flag, map, strategy};
use crate::model::service::Service;
use crate::model::source::SourceLocation;

/// All keys start with this.
pub const PREFIX: &str = "rehearsa.";

/// The `rehearsa.*` labels of one container.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    /// The container is hidden from Rehearsa.
    pub ignore: bool,
    /// The settings that the labels set.
    pub overrides: Overrides,
    /// A warning for each unknown key.
    pub unknown: Vec<String>,
}

impl Labels {
    /// Reads the labels of a service's live container.
    pub fn of(service: &Service) -> Result<Labels, ConfigError> {
        Self::read(&service.container_name, service.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// Reads the labels of the container of this name. Labels of other programs are passed over.
    pub fn read<'a>(
        container: &str,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Labels, ConfigError> {
        let mut read = Labels::default();
        let mut values = Vec::new();
        for (key, text) in labels.into_iter().filter(|(key, _)| key.starts_with(PREFIX)) {
            let origin = SettingOrigin::Label { container: container.to_owned(), key: key.to_owned() };
            if let Some(setting) = SERVICE_VALUES.iter().find(|setting| setting.label == key) {
                values.extend(setting.keys.iter().map(|&key| (key, RawValue { origin: origin.clone(), text })));
            } else if !read.set(key, &origin, text)? {
                read.unknown.push(unknown(container, key));
            }
        }
        read.overrides.values = text_layer::read(values)?;
        read.unknown.sort();
        // Labels have no order of their own.
        read.overrides.checks.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(read)
    }

    /// Sets what is not one of the service's values. `false`: the key is unknown.
    fn set(&mut self, key: &str, origin: &SettingOrigin, text: &str) -> Result<bool, ConfigError> {
        let set = &mut self.overrides;
        match key {
            IGNORE => self.ignore = flag::parse(origin, text)?,
            SKIP => set.skip = Some(skip(text)),
            MOUNTS => set.strategies = strategy::parse_list(origin, text)?,
            SOURCE => set.source = Some(source(origin, text)?),
            MAP => set.maps = map::parse_list(origin, text)?,
            ALLOW_EMPTY => set.allow_empty = EmptyRule::parse_list(origin, text)?,
            LOAD_DATABASE => set.load.database = Some(not_blank(origin, text, "the name of a database")?),
            LOAD_COMMAND => set.load.command = Some(not_blank(origin, text, "a command that loads $DUMP")?),
            DEPENDS_ON => {}
            _ => match key.strip_prefix(CHECK) {
                Some(name) => set.checks.push(check::of_label(origin, name, text)?),
                None => return Ok(false),
            },
        }
        Ok(true)
    }
}

/// Reads a text that is not blank.
fn not_blank(origin: &SettingOrigin, value: &str, expected: &str) -> Result<String, ConfigError> {
    match value.trim() {
        "" => Err(ConfigError::value(origin, value, expected)),
        value => Ok(value.to_owned()),
    }
}

/// Reads a skip. `false` takes a skip back: an override file of Compose cannot delete a label.
fn skip(value: &str) -> Skip {
    let reason = match value.trim().to_lowercase().as_str() {
        "false" | "no" => return Skip::No,
        "true" | "yes" => "",
        _ => value,
    };
    Skip::because(&format!("the label {SKIP}"), reason)
}

/// Reads a source. Labels cannot name relative paths or standard input: the folder they would be relative to is not
/// known.
fn source(origin: &SettingOrigin, value: &str) -> Result<SourceRef, ConfigError> {
    let source = SourceRef::read(origin, value, Path::new(""))?;
    if let SourceRef::Backup(spec) = &source {
        match &spec.place.location {
            SourceLocation::Path(path) if path.is_relative() => {
                let expected = "a source that a label can name: its path must begin with a slash, for nobody knows the \
                    folder it would be relative to";
                return Err(ConfigError::value(origin, value, expected));
            }
            SourceLocation::Stdin => {
                let expected = "a source that a label can name: standard input belongs to a command line";
                return Err(ConfigError::value(origin, value, expected));
            }
            SourceLocation::Path(_) | SourceLocation::HostPath(_) => {}
        }
    }
    Ok(source)
}

/// The warning about an unknown key. Keys are compared without their prefix, which all of them share.
fn unknown(container: &str, key: &str) -> String {
    let near = nearest(key.strip_prefix(PREFIX).unwrap_or(key), labels().filter_map(|key| key.strip_prefix(PREFIX)));
    let hint = match near.first() {
        Some(known) => format!("did you mean `{PREFIX}{known}`?"),
        None => format!("there are {}", labels().collect::<Vec<_>>().join(", ")),
    };
    format!("container {container} has the unknown label {key}, which was passed over; {hint}")
}

#[cfg(test)]
#[path = "labels_tests.rs"]
mod tests;
