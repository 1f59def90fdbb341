//! Numbers of things as people write them: `20000000`, `20_000_000`.

use crate::config::error::{ConfigError, SettingOrigin};

/// Reads a number of 0 or more; `origin` is named in the error.
pub fn parse(origin: &SettingOrigin, text: &str) -> Result<u64, ConfigError> {
    let digits = text.trim().replace('_', "");
    digits.parse().map_err(|_| ConfigError::value(origin, text, "a number of 0 or more; 0 is for no bound"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let parse = |text| super::parse(&SettingOrigin::Flag("--max-entries"), text);
        assert_eq!(parse(" 20_000_000 ").expect("a number"), 20_000_000);
        assert_eq!(parse("0").expect("a number"), 0);
        for text in ["", "-1", "1k", "1.5", "99999999999999999999"] {
            let error = parse(text).expect_err(text).to_string();
            assert_eq!(error, format!("--max-entries: `{text}` is not a number of 0 or more; 0 is for no bound"));
        }
    }
}
