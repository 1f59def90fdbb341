//! The `rehearsa.*` labels of a live container.

use std::path::Path;

use super::declared::{
    ALLOW_EMPTY, CHECK, DEPENDS_ON, IGNORE, LOAD_COMMAND, LOAD_DATABASE, LOAD_FROM, MAP, MOUNTS, SERVICE_VALUES, SKIP,
    SOURCE, labels,
};
use super::error::{ConfigError, SettingOrigin, cut};
use super::overrides::{EmptyRule, Overrides, Skip, SourceRef};
use super::text_layer::{self, RawValue};
use super::values::suggest::{nearest, suggestion};
use super::values::{check, flag, map, place, strategy};
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
    /// What is wrong with the labels, in the order of their keys. Wrong labels set nothing.
    pub mistakes: Vec<ConfigError>,
}

impl Labels {
    /// Reads the labels of a service's live container, and looks for the mounts that they name.
    pub fn of(service: &Service) -> Labels {
        let labels = service.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let mut read = Self::read(&service.container_name, labels);
        let missing = read.missing_mounts(service);
        read.mistakes.extend(missing);
        read
    }

    /// Reads the labels of the container of this name. Labels of other programs are passed over.
    pub fn read<'a>(container: &str, labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Labels {
        let mut read = Labels::default();
        let mut values = Vec::new();
        let mut ours: Vec<_> = labels.into_iter().filter(|(key, _)| key.starts_with(PREFIX)).collect();
        // Labels have no order of their own.
        ours.sort_unstable();
        for (key, text) in ours {
            let origin = origin(container, key);
            if text.trim().is_empty() && key != DEPENDS_ON {
                read.mistakes.push(ConfigError::empty(&origin));
            } else if let Some(setting) = SERVICE_VALUES.iter().find(|setting| setting.label == key) {
                let raw = |key| (key, RawValue { origin: origin.clone(), text });
                match text_layer::read(setting.keys.iter().map(|&key| raw(key))) {
                    Ok(_) => values.extend(setting.keys.iter().map(|&key| raw(key))),
                    Err(error) => read.mistakes.push(shortened(error, text)),
                }
            } else {
                match read.set(key, &origin, text) {
                    Ok(true) => {}
                    Ok(false) => read.unknown.push(unknown(container, key)),
                    Err(error) => read.mistakes.push(shortened(error, text)),
                }
            }
        }
        match text_layer::read(values) {
            Ok(values) => read.overrides.values = values,
            Err(error) => read.mistakes.push(error),
        }
        if read.unknown.len() > MOST_UNKNOWN {
            let more = read.unknown.len() - MOST_UNKNOWN;
            read.unknown.truncate(MOST_UNKNOWN);
            read.unknown.push(format!("container {container} has {more} more unknown labels"));
        }
        read
    }

    /// Sets what is not one of the service's values. `false`: the key is unknown.
    fn set(&mut self, key: &str, origin: &SettingOrigin, text: &str) -> Result<bool, ConfigError> {
        let set = &mut self.overrides;
        match key {
            IGNORE => self.ignore = flag::parse(origin, text)?,
            SKIP => set.skip = Some(skip(text)),
            MOUNTS => set.strategies = some(origin, strategy::parse_list(origin, text)?)?,
            SOURCE => set.source = Some(source(origin, text)?),
            MAP => set.maps = some(origin, map::parse_list(origin, text)?)?,
            ALLOW_EMPTY => set.allow_empty = some(origin, EmptyRule::parse_list(origin, text)?)?,
            LOAD_DATABASE => set.load.database = Some(text.trim().to_owned()),
            LOAD_FROM => {
                let path = map::within(text.trim());
                let path = path.map_err(|expected| ConfigError::value(origin, text, format!("a path {expected}")))?;
                set.load.from = Some(path);
            }
            LOAD_COMMAND => set.load.command = Some(text.trim().to_owned()),
            DEPENDS_ON => {}
            _ => match key.strip_prefix(CHECK) {
                Some(name) => set.checks.push(check::of_label(origin, name, text)?),
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    /// A mistake for each rule that fits no mount of the service: it would change nothing, and nobody would notice.
    fn missing_mounts(&self, service: &Service) -> Vec<ConfigError> {
        let Overrides { strategies, maps, allow_empty, .. } = &self.overrides;
        let (name, mounts) = (&service.name, &service.mounts);
        let strategies = strategies
            .iter()
            .map(|rule| (MOUNTS, &rule.service, &rule.mount, mounts.iter().any(|mount| rule.applies(name, mount))));
        let maps = maps
            .iter()
            .map(|rule| (MAP, &rule.service, &rule.mount, mounts.iter().any(|mount| rule.applies(name, mount))));
        let empty = allow_empty.iter().map(|rule| {
            (ALLOW_EMPTY, &rule.service, &rule.mount, mounts.iter().any(|mount| rule.applies(name, mount)))
        });
        let missed = empty.chain(maps).chain(strategies).filter(|(_, _, _, fits)| !fits);
        missed.map(|(key, of, mount, _)| missing_mount(service, key, of.as_deref(), mount)).collect()
    }
}

/// Most unknown labels of a container that are named.
const MOST_UNKNOWN: usize = 5;

/// Most characters of a label's key and of an error that are shown.
const LONGEST_KEY: usize = 80;
const LONGEST_ERROR: usize = 500;

fn origin(container: &str, key: &str) -> SettingOrigin {
    SettingOrigin::Label { container: container.to_owned(), key: cut(key, LONGEST_KEY) }
}

fn missing_mount(service: &Service, key: &str, named: Option<&str>, mount: &str) -> ConfigError {
    let name = &service.name;
    let what = if place::is_service(named, name) {
        let names = place::names(&service.mounts);
        let hint = suggestion(mount, names.iter().map(String::as_str)).unwrap_or_else(|| match names.as_slice() {
            [] => "it has no mounts".to_owned(),
            names => format!("there are {}", cut(&names.join(", "), LONGEST_ERROR)),
        });
        format!("{name} has no mount `{}`; {hint}", cut(mount, LONGEST_KEY))
    } else {
        let named = cut(named.unwrap_or_default(), LONGEST_KEY);
        format!("this names the service `{named}`, and a label is about its own service, {name}, only")
    };
    ConfigError::Entry { origin: origin(&service.container_name, key), what }
}

/// An error that repeats less of a long label.
fn shortened(error: ConfigError, text: &str) -> ConfigError {
    match error {
        ConfigError::Entry { origin, what } => {
            let what = what.replace(text.trim(), &cut(text.trim(), LONGEST_KEY));
            ConfigError::Entry { origin, what: cut(&what, LONGEST_ERROR) }
        }
        error => error,
    }
}

/// A list that says something.
fn some<T>(origin: &SettingOrigin, list: Vec<T>) -> Result<Vec<T>, ConfigError> {
    if list.is_empty() { Err(ConfigError::empty(origin)) } else { Ok(list) }
}

/// Reads a skip. A no takes a skip back: an override file of Compose cannot delete a label.
fn skip(value: &str) -> Skip {
    let reason = match flag::read(value) {
        Ok(false) => return Skip::No,
        Ok(true) => "",
        Err(_) => value,
    };
    Skip::because(&format!("the label {SKIP}"), reason)
}

/// Reads a source. Labels cannot name relative paths or standard input: the folder they would be relative to is not
/// known. Nor can they name an address of a repository, also where they may name paths.
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
            SourceLocation::Address(_) => {
                let expected = "a source that a label can name: an address takes the passwords of the environment to \
                    another host, and some addresses name programs; write it below [sources.NAME] in the plan file";
                return Err(ConfigError::value(origin, value, expected));
            }
            SourceLocation::Path(_) | SourceLocation::HostPath(_) | SourceLocation::Dataset(_) => {}
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
    let key = cut(key, LONGEST_KEY);
    format!("container {container} has the unknown label {key}, which was passed over; {hint}")
}

#[cfg(test)]
#[path = "labels_tests.rs"]
mod tests;
