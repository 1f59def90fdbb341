//! How much less a backup may hold than in the last green run: `files=80%, rows=20%, gone`.

use super::text::{sentence, text_values};
use crate::model::profile::losses::Tolerance;

/// Reads rules with commas between them; what no rule names keeps its default. The error says what the text should be
/// and goes on after "is not".
fn read(text: &str) -> Result<Tolerance, String> {
    let expected = || {
        "a tolerance: `files=80%`, `rows=20%` and `gone` with commas between them, or one percent for all".to_owned()
    };
    let percent = |text: &str| {
        let number = text.trim().strip_suffix('%').unwrap_or("").trim_end().parse::<u8>().ok();
        number.filter(|number| *number <= 100).ok_or_else(expected)
    };
    if text.trim().is_empty() {
        return Err(expected());
    }
    let mut tolerance = Tolerance::default();
    for rule in text.split(',').map(str::trim).filter(|rule| !rule.is_empty()) {
        match rule.split_once('=').map(|(name, value)| (name.trim(), value)) {
            Some(("files", value)) => tolerance.files = percent(value)?,
            Some(("rows", value)) => tolerance.rows = percent(value)?,
            None if rule == "gone" => tolerance.gone = true,
            None => {
                let all = percent(rule)?;
                tolerance = if all == 100 { Tolerance::ALL } else { Tolerance { files: all, rows: all, ..tolerance } };
            }
            Some(_) => return Err(expected()),
        }
    }
    Ok(tolerance)
}

text_values! {
    /// How much less the data may be than in the last green run.
    Tolerated(Tolerance) = |text| sentence(text, read(text)), text {}, "\"files=80%, rows=20%, gone\"";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_change_what_they_name() {
        let of = |files, rows, gone| Ok(Tolerance { files, rows, gone });
        assert_eq!(read("files=80%"), of(80, 10, false));
        assert_eq!(read(" rows = 20 % , gone,"), of(50, 20, true));
        assert_eq!(read("0%"), of(0, 0, false));
        assert_eq!(read("100%"), Ok(Tolerance::ALL));
        for wrong in ["", " ", "80", "files", "files=101%", "files=-1%", "tables=3%", "none", "files=80"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
