//! A least score, in points.

use super::text::{sentence, text_values};

/// The most points of a score.
pub const MOST: u64 = 100;

/// Reads a number of points. The error says what the text should be and goes on after "is not".
fn read(text: &str) -> Result<u8, String> {
    let points = text.trim().parse::<u8>().ok().filter(|points| u64::from(*points) <= MOST);
    points.ok_or_else(|| format!("a number of points from 0 to {MOST}"))
}

text_values! {
    /// The least score; 0 requires nothing.
    Points(u8) = |text| sentence(text, read(text)),
        text_or_number { "minimum": 0, "maximum": MOST, "pattern": "^[ 0-9]+$" }, "60";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_whole_and_at_most_a_hundred() {
        assert_eq!((read(" 60 "), read("0"), read("100")), (Ok(60), Ok(0), Ok(100)));
        for text in ["", "-1", "101", "300", "60%", "1.5"] {
            assert_eq!(read(text).expect_err(text), "a number of points from 0 to 100");
        }
    }
}
