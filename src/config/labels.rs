//! What a live container's `rehearsa.*` labels ask for.

use std::path::Path;

use super::error::{ConfigError, SettingOrigin};
use super::overrides::{EmptyRule, Overrides, Skip, SourceRef};
use super::values::suggest::nearest;
use super::values::{check, count, duration, flag, map, size, strategy};
use crate::model::service::Service;
use crate::model::source::SourceLocation;

/// All keys start with this.
pub const PREFIX: &str = "rehearsa.";
/// `true`: rehearsa does not see the container at all.
pub const IGNORE: &str = "rehearsa.ignore";
/// Not rehearsed, for the reason given; listed as ignored.
pub const SKIP: &str = "rehearsa.skip";
/// As `--timeout`.
pub const TIMEOUT: &str = "rehearsa.timeout";
/// As `--settle`.
pub const SETTLE: &str = "rehearsa.settle";
/// As `--max-copy`.
pub const MAX_COPY: &str = "rehearsa.max-copy";
/// As `--memory`.
pub const MEMORY: &str = "rehearsa.memory";
/// As `--strategy`, several with commas between them.
pub const MOUNTS: &str = "rehearsa.mounts";
/// `live`, a source of the plan file, or one written out, as `tar:/srv/backups/app-*.tar.gz`.
pub const SOURCE: &str = "rehearsa.source";
/// As `--map`, several with commas between them.
pub const MAP: &str = "rehearsa.map";
/// Mounts whose part of the backup may be empty, with commas between them.
pub const ALLOW_EMPTY: &str = "rehearsa.allow-empty";
/// As `--max-entries`.
pub const MAX_ENTRIES: &str = "rehearsa.max-entries";
/// As `--max-age`.
pub const MAX_AGE: &str = "rehearsa.max-age";
/// As `--max-rto`.
pub const MAX_RTO: &str = "rehearsa.max-rto";
/// As `--control`: `true` or `false`.
pub const CONTROL: &str = "rehearsa.control";
/// The database that a dump is loaded into.
pub const LOAD_DATABASE: &str = "rehearsa.load.database";
/// The command that loads a dump, by the shell of the container.
pub const LOAD_COMMAND: &str = "rehearsa.load.command";
/// As `--verify-content`: `true` or `false`.
pub const VERIFY_CONTENT: &str = "rehearsa.verify-content";
/// What the service depends on, for stacks whose compose does not say; read by discovery.
pub const DEPENDS_ON: &str = "rehearsa.depends_on";

/// Every key there is.
pub const KEYS: [&str; 18] = [
    IGNORE,
    SKIP,
    TIMEOUT,
    SETTLE,
    MAX_COPY,
    MEMORY,
    MOUNTS,
    SOURCE,
    MAP,
    ALLOW_EMPTY,
    MAX_ENTRIES,
    MAX_AGE,
    MAX_RTO,
    CONTROL,
    LOAD_DATABASE,
    LOAD_COMMAND,
    VERIFY_CONTENT,
    DEPENDS_ON,
];

/// The `rehearsa.*` labels of one container, understood.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    /// It is not seen at all.
    pub ignore: bool,
    /// What they say of its rehearsal.
    pub wishes: Overrides,
    /// A sentence for each key that is not known, for a warning.
    pub unknown: Vec<String>,
}

impl Labels {
    /// The labels of a service's live container.
    pub fn of(service: &Service) -> Result<Labels, ConfigError> {
        Self::read(&service.container_name, service.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// The labels of the container of this name.
    pub fn read<'a>(
        container: &str,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Labels, ConfigError> {
        let mut found = Labels::default();
        let wishes = &mut found.wishes;
        for (key, value) in labels {
            if !key.starts_with(PREFIX) {
                continue;
            }
            let origin = SettingOrigin::Label { container: container.to_owned(), key: key.to_owned() };
            match key {
                IGNORE => found.ignore = flag::parse(&origin, value)?,
                SKIP => wishes.skip = Some(skip(value)),
                TIMEOUT => wishes.timeout = Some(duration::parse_positive(&origin, value)?),
                SETTLE => wishes.settle = Some(duration::parse(&origin, value)?),
                MAX_COPY => wishes.max_copy = Some(size::parse(&origin, value)?),
                MEMORY => wishes.memory = Some(size::parse_memory(&origin, value)?.unwrap_or(0)),
                MOUNTS => wishes.strategies = strategy::parse_list(&origin, value)?,
                SOURCE => wishes.source = Some(source(&origin, value)?),
                MAP => wishes.maps = map::parse_list(&origin, value)?,
                ALLOW_EMPTY => wishes.allow_empty = EmptyRule::parse_list(&origin, value)?,
                MAX_ENTRIES => wishes.max_entries = Some(count::parse(&origin, value)?),
                MAX_AGE => wishes.max_age = Some(duration::parse(&origin, value)?),
                MAX_RTO => wishes.max_rto = Some(duration::parse(&origin, value)?),
                CONTROL => wishes.control = Some(flag::parse(&origin, value)?),
                LOAD_DATABASE => wishes.load.database = Some(said(&origin, value, "the name of a database")?),
                LOAD_COMMAND => wishes.load.command = Some(said(&origin, value, "a command that loads $DUMP")?),
                VERIFY_CONTENT => wishes.verify_content = Some(flag::parse(&origin, value)?),
                DEPENDS_ON => {}
                key if let Some(name) = key.strip_prefix(check::PREFIX) => {
                    wishes.questions.push(check::of_label(&origin, name, value)?);
                }
                _ => found.unknown.push(unknown(container, key)),
            }
        }
        found.unknown.sort();
        // Labels have no order of their own.
        found.wishes.questions.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }
}

/// A text that says something.
fn said(origin: &SettingOrigin, value: &str, expected: &str) -> Result<String, ConfigError> {
    match value.trim() {
        "" => Err(ConfigError::value(origin, value, expected)),
        value => Ok(value.to_owned()),
    }
}

/// `false` takes a skip back (an override file cannot delete a label).
fn skip(value: &str) -> Skip {
    let reason = match value.trim().to_lowercase().as_str() {
        "false" | "no" => return Skip::No,
        "true" | "yes" => "",
        _ => value,
    };
    Skip::because(&format!("the label {SKIP}"), reason)
}

/// A label is read by whoever runs rehearsa, wherever: what is relative to a folder, or comes from a pipe, is not for it.
fn source(origin: &SettingOrigin, value: &str) -> Result<SourceRef, ConfigError> {
    let wish = SourceRef::read(origin, value, Path::new(""))?;
    if let SourceRef::Backup(spec) = &wish {
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
    Ok(wish)
}

/// Only what follows the prefix tells one key from another.
fn unknown(container: &str, key: &str) -> String {
    let rest = |key: &'static str| key.strip_prefix(PREFIX).unwrap_or(key);
    let near = nearest(key.strip_prefix(PREFIX).unwrap_or(key), KEYS.map(rest));
    let hint = match near.first() {
        Some(known) => format!("did you mean `{PREFIX}{known}`?"),
        None => format!("there are {}", KEYS.join(", ")),
    };
    format!("container {container} has the unknown label {key}, which was passed over; {hint}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::model::dump::LoadOptions;

    const FLAG: SettingOrigin = SettingOrigin::Flag("--flag");

    #[test]
    fn every_key_is_known_once() {
        let names: BTreeSet<&str> = KEYS.into_iter().collect();
        assert_eq!(names.len(), KEYS.len());
        for key in KEYS {
            let labels = Labels::read("c", [(key, "0")]);
            assert!(labels.is_err() || labels.is_ok_and(|labels| labels.unknown.is_empty()), "{key}");
        }
    }

    #[test]
    fn every_known_label_is_understood() {
        let labels = Labels::read(
            "web_1",
            [
                ("com.docker.compose.project", "web"),
                ("rehearsa.ignore", "true"),
                ("rehearsa.skip", "too large for now"),
                ("rehearsa.timeout", "5m"),
                ("rehearsa.settle", "0s"),
                ("rehearsa.max-copy", "1GiB"),
                ("rehearsa.memory", "512m"),
                ("rehearsa.mounts", "/media=readonly,/cache=empty"),
                ("rehearsa.source", "nightly"),
                ("rehearsa.map", "/data=backup/data,/config=config"),
                ("rehearsa.allow-empty", "/cache,logs"),
                ("rehearsa.max-entries", "1000"),
                ("rehearsa.max-age", "26h"),
                ("rehearsa.max-rto", "10m"),
                ("rehearsa.control", "true"),
                ("rehearsa.load.database", "app"),
                ("rehearsa.load.command", "psql -f \"$DUMP\""),
                ("rehearsa.verify-content", "yes"),
                ("rehearsa.depends_on", "db"),
            ],
        )
        .expect("all are right");
        assert!(labels.ignore);
        let wishes = Overrides {
            snapshot: None,
            keys: Default::default(),
            skip: Some(Skip::Because("the label rehearsa.skip says: too large for now".to_owned())),
            timeout: Some(Duration::from_secs(300)),
            settle: Some(Duration::ZERO),
            max_copy: Some(1 << 30),
            memory: Some(512 << 20),
            source: Some(SourceRef::Named {
                origin: SettingOrigin::Label { container: "web_1".to_owned(), key: SOURCE.to_owned() },
                name: "nightly".to_owned(),
            }),
            max_entries: Some(1000),
            max_age: Some(Duration::from_secs(26 * 3600)),
            max_rto: Some(Duration::from_secs(600)),
            control: Some(true),
            load: LoadOptions { database: Some("app".to_owned()), command: Some("psql -f \"$DUMP\"".to_owned()) },
            verify_content: Some(true),
            strategies: strategy::parse_list(&FLAG, "/media=readonly,/cache=empty").expect("rules"),
            maps: map::parse_list(&FLAG, "/data=backup/data,/config=config").expect("rules"),
            allow_empty: EmptyRule::parse_list(&FLAG, "/cache,logs").expect("mounts"),
            questions: Vec::new(),
        };
        assert_eq!(labels.wishes, wishes);
        assert!(labels.unknown.is_empty());
    }

    #[test]
    fn an_unknown_label_is_a_warning_with_the_nearest_key() {
        let labels = Labels::read("web_1", [("rehearsa.time-out", "5m")]).expect("no error");
        assert_eq!(labels.unknown.len(), 1);
        assert!(labels.unknown[0].starts_with("container web_1 has the unknown label rehearsa.time-out"), "{labels:?}");
        assert!(labels.unknown[0].contains("did you mean `rehearsa.timeout`"), "{labels:?}");
    }

    #[test]
    fn a_label_that_is_like_none_is_met_with_all_there_are() {
        let labels = Labels::read("web_1", [("rehearsa.zebra", "1")]).expect("no error");
        assert!(labels.unknown[0].contains("there are rehearsa.ignore, rehearsa.skip, "), "{labels:?}");
    }

    #[test]
    fn a_bad_value_is_an_error_that_names_container_label_and_value() {
        let error = Labels::read("web_1", [("rehearsa.settle", "abit")]).expect_err("no duration").to_string();
        assert!(error.starts_with("label rehearsa.settle of container web_1: `abit` is not a duration"), "{error}");
        let error = Labels::read("web_1", [("rehearsa.memory", "4m")]).expect_err("too little").to_string();
        assert!(error.starts_with("label rehearsa.memory of container web_1: `4m` is not enough"), "{error}");
        let error = Labels::read("web_1", [("rehearsa.ignore", "perhaps")]).expect_err("no flag").to_string();
        assert_eq!(error, "label rehearsa.ignore of container web_1: `perhaps` is not `true` or `false`");
    }

    #[test]
    fn a_skip_can_be_taken_back_and_needs_no_reason() {
        let skip = |value| Labels::read("c", [("rehearsa.skip", value)]).expect("fine").wishes.skip;
        assert_eq!(skip("false"), Some(Skip::No));
        for value in ["", "true"] {
            let told = "the label rehearsa.skip says: no reason given";
            assert_eq!(skip(value), Some(Skip::Because(told.to_owned())), "{value}");
        }
    }

    #[test]
    fn a_label_names_only_sources_that_everybody_finds() {
        let read = |value| Labels::read("c", [("rehearsa.source", value)]);
        assert_eq!(read("live").expect("live").wishes.source, Some(SourceRef::Live));
        assert!(matches!(read("tar:/b/*.tar").expect("a path").wishes.source, Some(SourceRef::Backup(_))));
        for (value, expected) in [
            ("tar:b/a.tar", "must begin with a slash"),
            ("dir:b", "must begin with a slash"),
            ("tar:-", "standard input"),
        ] {
            let error = read(value).expect_err(value).to_string();
            assert!(error.starts_with("label rehearsa.source of container c: ") && error.contains(expected), "{error}");
        }
    }
}
