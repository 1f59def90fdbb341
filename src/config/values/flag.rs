//! Yes or no, as people write it.

use crate::config::error::{ConfigError, SettingOrigin};

/// Reads yes or no. The error says what the text should be and goes on after "is not".
pub fn read(text: &str) -> Result<bool, String> {
    match text.trim().to_lowercase().as_str() {
        "true" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err("`true` or `false`".to_owned()),
    }
}

/// As [`read`]; the error names `origin`.
pub fn parse(origin: &SettingOrigin, text: &str) -> Result<bool, ConfigError> {
    read(text).map_err(|expected| ConfigError::value(origin, text, expected))
}
