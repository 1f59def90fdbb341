//! Yes or no, as people write it.

use crate::config::error::{ConfigError, SettingOrigin};

/// Reads it; `origin` is named in the error.
pub fn parse(origin: &SettingOrigin, value: &str) -> Result<bool, ConfigError> {
    match value.trim().to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" | "" => Ok(false),
        _ => Err(ConfigError::value(origin, value, "`true` or `false`")),
    }
}
