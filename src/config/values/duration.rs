//! Durations as people write them: `90s`, `2m`, `1h30m`, and a bare `0`.

use std::time::Duration;

use crate::config::error::{ConfigError, SettingOrigin};

/// The error of a text that is no duration.
const EXPECTED: &str = "a duration; write it as `90s`, `2m`, `1h30m` or `500ms` (a bare `0` is none)";

/// Reads a duration. The error says what the text should be and goes on after "is not".
pub fn read(text: &str) -> Result<Duration, String> {
    let trimmed = text.trim();
    if trimmed == "0" {
        return Ok(Duration::ZERO);
    }
    if let Ok(duration) = humantime::parse_duration(trimmed) {
        return Ok(duration);
    }
    let has_no_unit = !trimmed.is_empty() && trimmed.bytes().all(|b| b.is_ascii_digit());
    Err(if has_no_unit {
        format!("a duration: it has no unit; write `{trimmed}s`, `{trimmed}m` or `{trimmed}h`")
    } else {
        EXPECTED.to_owned()
    })
}

/// As [`read`], for a duration that must not be zero.
pub fn read_positive(text: &str) -> Result<Duration, String> {
    match read(text)? {
        Duration::ZERO => Err("longer than nothing; write it as `90s`, `2m` or `1h30m`".to_owned()),
        duration => Ok(duration),
    }
}

/// As [`read`]; the error names `origin`.
pub fn parse(origin: &SettingOrigin, text: &str) -> Result<Duration, ConfigError> {
    read(text).map_err(|expected| ConfigError::value(origin, text, expected))
}

/// As [`read_positive`]; the error names `origin`.
pub fn parse_positive(origin: &SettingOrigin, text: &str) -> Result<Duration, ConfigError> {
    read_positive(text).map_err(|expected| ConfigError::value(origin, text, expected))
}

/// Shows a duration as people write it: `1m 30s`.
pub fn show(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAG: SettingOrigin = SettingOrigin::Flag("--timeout");

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("2m", 120), ("1h30m", 5400), ("1h 30m", 5400), ("0", 0), ("0s", 0)] {
            assert_eq!(parse(&FLAG, text).expect(text), Duration::from_secs(seconds), "{text}");
        }
        assert_eq!(parse(&FLAG, " 500ms ").expect("blanks around"), Duration::from_millis(500));
    }

    #[test]
    fn an_error_names_the_flag_and_shows_examples() {
        let error = parse(&FLAG, "soon").expect_err("not a duration").to_string();
        assert_eq!(
            error,
            "--timeout: `soon` is not a duration; write it as `90s`, `2m`, `1h30m` or `500ms` (a bare `0` is none)"
        );
    }

    #[test]
    fn a_bare_number_is_asked_for_its_unit() {
        let error = parse(&FLAG, "120").expect_err("no unit").to_string();
        assert!(error.contains("write `120s`, `120m` or `120h`"), "{error}");
    }

    #[test]
    fn no_time_at_all_is_no_timeout() {
        let error = parse_positive(&FLAG, "0").expect_err("too short").to_string();
        assert!(error.starts_with("--timeout: `0` is not longer than nothing"), "{error}");
    }

    #[test]
    fn nonsense_is_refused_without_a_panic() {
        for text in ["", " ", "-1s", "1e400s", "99999999999999999999h", "1h1h1h1", "∞"] {
            assert!(parse(&FLAG, text).is_err(), "{text:?}");
        }
    }
}
