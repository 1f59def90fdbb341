//! Sizes as people write them: `20GiB`, `500MB`, `1.5G`, and `0` where that means no bound.
//!
//! `KB`, `MB`, … are decimal and `KiB`, `MiB`, … binary; a letter alone (`20G`) is binary, as Docker reads it.

use parse_size::{ByteSuffix, Config};

/// The least memory that Docker gives a container.
const LEAST_MEMORY: u64 = 6 * 1024 * 1024;

/// Reads a limit of memory in bytes; 0 is the default. A container with less than Docker's least would not start, which
/// would look like a fault of its data. The error says what the text should be and goes on after "is not".
pub fn read_memory(text: &str) -> Result<u64, String> {
    match read(text)? {
        bytes if bytes > 0 && bytes < LEAST_MEMORY => {
            Err("enough for a container: Docker gives none less than 6 MiB (0 is the default)".to_owned())
        }
        bytes => Ok(bytes),
    }
}

/// Reads a size in bytes. The error says what the text should be and goes on after "is not".
pub fn read(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let letter_alone = trimmed.ends_with(['k', 'K', 'm', 'M', 'g', 'G', 't', 'T', 'p', 'P', 'e', 'E']);
    let config = Config::new().with_byte_suffix(ByteSuffix::Allow);
    let config = if letter_alone { config.with_binary() } else { config.with_decimal() };
    config.parse_size(trimmed).map_err(|error| match error {
        parse_size::Error::PosOverflow => "a size that this machine can count (at most 16 EiB)".to_owned(),
        _ => "a size; write it as `20GiB`, `500MB` or `1.5G`".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(read(text).expect(text), bytes, "{text}");
        }
    }

    #[test]
    fn an_error_shows_examples() {
        assert_eq!(read("lots").expect_err("not a size"), "a size; write it as `20GiB`, `500MB` or `1.5G`");
    }

    #[test]
    fn memory_is_none_or_as_much_as_a_container_needs() {
        assert_eq!(read_memory("0"), Ok(0));
        assert_eq!(read_memory("6MiB"), Ok(6 << 20));
        for text in ["1", "4m", "6MB", "6291455"] {
            let error = read_memory(text).expect_err(text);
            assert_eq!(error, "enough for a container: Docker gives none less than 6 MiB (0 is the default)");
        }
        assert!(read_memory("lots").expect_err("no size").starts_with("a size"));
    }

    #[test]
    fn nonsense_is_refused_without_a_panic() {
        for text in ["", "-1", "-1GiB", "1e99", "999999999EiB", "GiB", "1..5G", "∞"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
