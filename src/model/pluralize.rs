//! A count with its noun, in the singular or the plural.

use std::fmt::Display;

/// `1 file`, `2 files`.
pub fn pluralize(count: impl Display + PartialEq + From<u8>, one: &str) -> String {
    if count == 1.into() { format!("1 {one}") } else { format!("{count} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!(pluralize(1_u32, "label"), "1 label");
        assert_eq!([pluralize(0_usize, "label"), pluralize(2_i64, "label")], ["0 labels", "2 labels"]);
    }
}
