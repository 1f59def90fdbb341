//! Sizes as people write them: `20GiB`, `500MB`, `1.5G`, and `0` where that means no bound.
//!
//! `KB`, `MB`, … are decimal and `KiB`, `MiB`, … binary; a letter alone (`20G`) is binary, as Docker reads it.

use parse_size::{ByteSuffix, Config};

use super::error::{ConfigError, Origin};

/// What is said of a value that is no size.
const EXPECTED: &str = "a size; write it as `20GiB`, `500MB` or `1.5G`";

/// Reads a size in bytes; `origin` is named in the error.
pub fn parse(origin: &Origin, text: &str) -> Result<u64, ConfigError> {
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

    const FLAG: Origin = Origin::Flag("--max-copy");

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
    fn nonsense_is_refused_without_a_panic() {
        for text in ["", "-1", "-1GiB", "1e99", "999999999EiB", "GiB", "1..5G", "∞"] {
            assert!(parse(&FLAG, text).is_err(), "{text:?}");
        }
    }
}
