//! Numbers of things as people write them: `20000000`, `20_000_000`.

/// Reads a number of 0 or more. The error says what the text should be and goes on after "is not".
pub fn read(text: &str) -> Result<u64, String> {
    let digits = text.trim().replace('_', "");
    digits.parse().map_err(|_| "a number of 0 or more; 0 is for no bound".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!(read(" 20_000_000 "), Ok(20_000_000));
        assert_eq!(read("0"), Ok(0));
        for text in ["", "-1", "1k", "1.5", "99999999999999999999"] {
            assert_eq!(read(text).expect_err(text), "a number of 0 or more; 0 is for no bound");
        }
    }
}
