//! Yes or no, as people write it.

use super::error::{ConfigError, Origin};

/// Reads it; `origin` is named in the error.
pub fn parse(origin: &Origin, value: &str) -> Result<bool, ConfigError> {
    match value.trim().to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" | "" => Ok(false),
        _ => Err(ConfigError::value(origin, value, "`true` or `false`")),
    }
}
