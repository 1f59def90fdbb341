//! What a live container's `rehearsa.*` labels ask for.

use std::time::Duration;

use super::error::{ConfigError, Origin};
use super::nearest::nearest;
use super::settings::StrategyRule;
use super::{duration, size, strategy};
use crate::model::service::Service;

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
/// What the service depends on, for stacks whose compose does not say; read by discovery.
pub const DEPENDS_ON: &str = "rehearsa.depends_on";

/// Every key there is.
pub const KEYS: [&str; 8] = [IGNORE, SKIP, TIMEOUT, SETTLE, MAX_COPY, MEMORY, MOUNTS, DEPENDS_ON];

/// The `rehearsa.*` labels of one container, understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// It is not seen at all.
    pub ignore: bool,
    /// Why it is not rehearsed.
    pub skip: Option<String>,
    /// Time until it must be ready.
    pub timeout: Option<Duration>,
    /// Time it must stay well.
    pub settle: Option<Duration>,
    /// Bytes a mount may copy.
    pub max_copy: Option<u64>,
    /// Memory it may use when it has no limit of its own.
    pub memory: Option<u64>,
    /// Strategies for its mounts.
    pub mounts: Vec<StrategyRule>,
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
        for (key, value) in labels {
            if !key.starts_with(PREFIX) {
                continue;
            }
            let origin = Origin::Label { container: container.to_owned(), key: key.to_owned() };
            match key {
                IGNORE => found.ignore = flag(&origin, value)?,
                SKIP => found.skip = skip(value),
                TIMEOUT => found.timeout = Some(duration::parse_positive(&origin, value)?),
                SETTLE => found.settle = Some(duration::parse(&origin, value)?),
                MAX_COPY => found.max_copy = Some(size::parse(&origin, value)?),
                MEMORY => found.memory = size::parse_memory(&origin, value)?,
                MOUNTS => found.mounts = strategy::parse_list(&origin, value)?,
                DEPENDS_ON => {}
                _ => found.unknown.push(unknown(container, key)),
            }
        }
        found.unknown.sort();
        Ok(found)
    }
}

fn flag(origin: &Origin, value: &str) -> Result<bool, ConfigError> {
    match value.trim().to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" | "" => Ok(false),
        _ => Err(ConfigError::value(origin, value, "`true` or `false`")),
    }
}

/// `false` and an empty value take a skip back (an override file cannot delete a label).
fn skip(value: &str) -> Option<String> {
    match value.trim() {
        "" | "false" | "no" => None,
        "true" | "yes" | "1" => Some("its label rehearsa.skip says so".to_owned()),
        reason => Some(reason.to_owned()),
    }
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
    use super::*;
    use crate::model::mount::Strategy;

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
                ("rehearsa.depends_on", "db"),
            ],
        )
        .expect("all are right");
        assert!(labels.ignore);
        assert_eq!(labels.skip.as_deref(), Some("too large for now"));
        assert_eq!(labels.timeout, Some(Duration::from_secs(300)));
        assert_eq!(labels.settle, Some(Duration::ZERO));
        assert_eq!(labels.max_copy, Some(1 << 30));
        assert_eq!(labels.memory, Some(512 << 20));
        assert_eq!(labels.mounts.iter().map(|r| r.strategy).collect::<Vec<_>>(), [Strategy::Readonly, Strategy::Empty]);
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
    fn a_skip_can_be_taken_back() {
        for value in ["", "false"] {
            assert_eq!(Labels::read("c", [("rehearsa.skip", value)]).expect("fine").skip, None);
        }
    }
}
