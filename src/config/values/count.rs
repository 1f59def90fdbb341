//! Numbers of things as people write them: `20000000`, `20_000_000`.

/// Reads a number of 0 or more. The error says what the text should be and goes on after "is not".
pub fn read(text: &str) -> Result<u64, String> {
    let digits = text.trim().replace('_', "");
    digits.parse().map_err(|_| "a whole number of 0 or more".to_owned())
}

/// The most processes that Linux can have: `PID_MAX_LIMIT` of a 64-bit kernel (`include/linux/threads.h`).
pub const MAX_PROCESSES: u64 = 4 * 1024 * 1024;

/// As [`read`], for a number of processes.
pub fn read_processes(text: &str) -> Result<u64, String> {
    let within = |count: u64| (count <= MAX_PROCESSES).then_some(count);
    read(text).ok().and_then(within).ok_or_else(|| format!("a whole number from 0 to {MAX_PROCESSES}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!(read(" 20_000_000 "), Ok(20_000_000));
        assert_eq!(read("0"), Ok(0));
        for text in ["", "-1", "1k", "1.5", "99999999999999999999"] {
            assert_eq!(read(text).expect_err(text), "a whole number of 0 or more");
        }
        assert_eq!(read_processes("4_194_304"), Ok(MAX_PROCESSES));
        for text in ["4194305", "9223372036854775807", "many"] {
            assert_eq!(read_processes(text).expect_err(text), "a whole number from 0 to 4194304");
        }
    }
}
