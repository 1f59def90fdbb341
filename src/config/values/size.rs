//! Sizes as people write them: `20GiB`, `500MB`, `1.5G`, and `0` where that means no bound.
//!
//! `KB`, `MB`, … are decimal and `KiB`, `MiB`, … binary; a letter alone (`20G`) is binary, as Docker reads it.

use parse_size::{ByteSuffix, Config};

use crate::config::error::{ConfigError, SettingOrigin};

/// What is said of a value that is no size.
const EXPECTED: &str = "a size; write it as `20GiB`, `500MB` or `1.5G`";

/// The least memory that Docker gives a container.
const LEAST_MEMORY: u64 = 6 * 1024 * 1024;

/// Reads a limit on memory; 0 is none. Less than a container can have would end as a service that does not start, which would say
/// something of its data.
pub fn parse_memory(origin: &SettingOrigin, text: &str) -> Result<Option<u64>, ConfigError> {
    match parse(origin, text)? {
        0 => Ok(None),
        bytes if bytes < LEAST_MEMORY => Err(ConfigError::value(
            origin,
            text,
            "enough for a container: Docker gives none less than 6 MiB (0 is no limit)",
        )),
        bytes => Ok(Some(bytes)),
    }
}

/// Reads a size in bytes; `origin` is named in the error.
pub fn parse(origin: &SettingOrigin, text: &str) -> Result<u64, ConfigError> {
    let trimmed = text.trim();
    let letter_alone = trimmed.ends_with(['k', 'K', 'm', 'M', 'g', 'G', 't', 'T', 'p', 'P', 'e', 'E']);
    let config = Config::new().with_byte_suffix(ByteSuffix::Allow);
    let config = if letter_alone { config.with_binary() } else { config.with_decimal() };
    config.parse_size(trimmed).map_err(|error| {
        let expected = match error {
            parse_size::Error::PosOverflow => "a size that this machine can count (at most 16 EiB)",
            _ => EXPECTED,
        };
        ConfigError::value(origin, text, expected)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAG: SettingOrigin = SettingOrigin::Flag("--max-copy");

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let cases = [
            ("0", 0),
            ("512", 512),
            ("20GiB", 20 << 30),
            ("20 GiB", 20 << 30),
            ("20gib", 20 << 30),
            ("500MB", 500_000_000),
            ("1.5G", 3 << 29),
            ("64m", 64 << 20),
            ("1TB", 1_000_000_000_000),
            ("10B", 10),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse(&FLAG, text).expect(text), bytes, "{text}");
        }
    }

    #[test]
    fn an_error_names_the_flag_and_shows_examples() {
        let error = parse(&FLAG, "lots").expect_err("not a size").to_string();
        assert_eq!(error, "--max-copy: `lots` is not a size; write it as `20GiB`, `500MB` or `1.5G`");
    }

    #[test]
    fn memory_is_none_or_as_much_as_a_container_needs() {
        let memory = |text: &str| parse_memory(&SettingOrigin::Flag("--memory"), text);
        assert_eq!(memory("0").expect("no limit"), None);
        assert_eq!(memory("6MiB").expect("the least"), Some(6 << 20));
        for text in ["1", "4m", "6MB", "6291455"] {
            let error = memory(text).expect_err(text).to_string();
            assert_eq!(
                error,
                format!(
                    "--memory: `{text}` is not enough for a container: Docker gives none less than 6 MiB (0 is no limit)"
                )
            );
        }
        assert!(memory("lots").expect_err("no size").to_string().contains("is not a size"));
    }

    #[test]
    fn nonsense_is_refused_without_a_panic() {
        for text in ["", "-1", "-1GiB", "1e99", "999999999EiB", "GiB", "1..5G", "∞"] {
            assert!(parse(&FLAG, text).is_err(), "{text:?}");
        }
    }
}
