//! Whom to notify of a run, as flags and environment say it, and as one layer of settings.

use std::time::Duration;

use super::error::{ConfigError, SettingOrigin};
use super::text_layer::RawValue;
use super::values::duration;
use super::values::notify::{self, NotifyTarget, NotifyWhen};
use crate::model::environment::Environment;

/// The flags, as they were typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotifyFlags {
    /// `--notify`.
    pub targets: Vec<String>,
    /// `--notify-when`.
    pub when: Option<String>,
    /// `--notify-timeout`.
    pub timeout: Option<String>,
}

/// Whom one layer notifies of a run, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotifySettings {
    /// Who is notified.
    pub targets: Vec<NotifyTarget>,
    /// Of which runs.
    pub when: Option<NotifyWhen>,
    /// Time for all notifications together.
    pub limit: Option<Duration>,
}

/// The flag, else its variable.
pub type Given<'a> = fn(&'static str, Option<&'a str>, &'a Environment) -> Option<RawValue<'a>>;

impl NotifySettings {
    /// Reads flags and environment. The variable may name several targets, with blanks between.
    pub(super) fn read<'a>(
        flags: &'a NotifyFlags,
        env: &'a Environment,
        given: Given<'a>,
    ) -> Result<Self, ConfigError> {
        let typed = flags.targets.iter().map(|text| notify::parse(&SettingOrigin::Flag("--notify"), text));
        let mut targets = typed.collect::<Result<Vec<_>, _>>()?;
        if let Some(raw) = given("--notify", None, env).filter(|_| targets.is_empty()) {
            let named = raw.text.split_whitespace().map(|text| notify::parse(&raw.origin, text));
            targets = named.collect::<Result<_, _>>()?;
        }
        let when = given("--notify-when", flags.when.as_deref(), env).map(|raw| {
            NotifyWhen::read(raw.text).map_err(|expected| ConfigError::value(&raw.origin, raw.text, expected))
        });
        let limit = given("--notify-timeout", flags.timeout.as_deref(), env);
        let limit = limit.map(|raw| duration::parse_positive(&raw.origin, raw.text));
        Ok(Self { targets, when: when.transpose()?, limit: limit.transpose()? })
    }

    /// This layer where it says something, else the one below.
    #[must_use]
    pub fn or(self, below: &Self) -> Self {
        Self {
            targets: if self.targets.is_empty() { below.targets.clone() } else { self.targets },
            when: self.when.or(below.when),
            limit: self.limit.or(below.limit),
        }
    }
}
