//! What an engine gives to every container, and the settings that a service has no field for.

use std::collections::BTreeMap;
use std::fmt;

use bollard::models::{HostConfigCgroupnsModeEnum, SystemInfo, SystemInfoCgroupVersionEnum as CgroupVersion};

use crate::model::mask::{HIDDEN, scrub, sounds_secret};
use crate::model::service::Setting;

/// The settings that this engine gives to a container that asks for none. They are not reported.
#[derive(Debug, Clone)]
pub(in crate::docker) struct Defaults {
    pub(in crate::docker) cgroupns: HostConfigCgroupnsModeEnum,
    pub(in crate::docker) log_driver: String,
    pub(in crate::docker) runtime: String,
}

impl Defaults {
    pub(in crate::docker) fn of(info: &SystemInfo) -> Self {
        Self {
            cgroupns: match info.cgroup_version {
                Some(CgroupVersion::_2) => HostConfigCgroupnsModeEnum::PRIVATE,
                _ => HostConfigCgroupnsModeEnum::HOST,
            },
            log_driver: info.logging_driver.clone().unwrap_or_else(|| "json-file".to_owned()),
            runtime: info.default_runtime.clone().unwrap_or_else(|| "runc".to_owned()),
        }
    }
}

/// Settings without a place of their own in the service, as far as they are set.
#[derive(Debug, Default)]
pub(in crate::docker) struct Others(pub(in crate::docker) Vec<Setting>);

impl Others {
    pub(in crate::docker) fn note(&mut self, field: impl Into<String>, value: impl fmt::Display) {
        self.0.push(Setting { field: field.into(), value: value.to_string() });
    }

    pub(in crate::docker) fn number(&mut self, field: &str, value: Option<i64>) {
        if let Some(value) = value.filter(|value| *value != 0) {
            self.note(field, value);
        }
    }

    pub(in crate::docker) fn text(&mut self, field: &str, value: Option<String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.note(field, value);
        }
    }

    pub(in crate::docker) fn flag(&mut self, field: &str, value: Option<bool>) {
        if value == Some(true) {
            self.note(field, true);
        }
    }

    pub(in crate::docker) fn list<T>(&mut self, field: &str, values: Option<Vec<T>>, show: impl Fn(T) -> String) {
        let values: Vec<String> = values.unwrap_or_default().into_iter().map(show).collect();
        if !values.is_empty() {
            self.note(field, values.join(", "));
        }
    }

    pub(in crate::docker) fn map(&mut self, field: &str, values: Option<impl IntoIterator<Item = (String, String)>>) {
        let values: BTreeMap<_, _> = values.into_iter().flatten().collect();
        self.list(field, Some(values.into_iter().collect()), |(key, value)| match sounds_secret(&key) {
            true => format!("{key}={HIDDEN}"),
            false => format!("{key}={}", scrub(&value)),
        });
    }
}
