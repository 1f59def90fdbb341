//! The canonical form of a text: however a program wrote a secret, its canonical form is the same.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::escapes::{self, Unescaped};
use crate::model::plain_text::is_invisible;

/// A form of a text in which secrets are looked for, and where each byte of it came from.
#[derive(Debug, Default)]
pub(super) struct Canonical {
    /// The form, in UTF-8.
    pub bytes: Vec<u8>,
    /// Where each byte of the form came from.
    origins: Vec<Range<usize>>,
}

impl Canonical {
    /// The text without what nobody sees.
    pub fn visible(text: &str) -> Self {
        let mut form = Self::default();
        for (at, c) in text.char_indices().filter(|(_, c)| !is_invisible(*c)) {
            form.push(c, at..at + c.len_utf8());
        }
        form
    }

    /// The text in lower case, with all escapes read, and without accents, blanks, line ends, quotes, backslashes and
    /// plus signs (blanks in an encoded form). Letters that Unicode holds for the same (wide ones) are the same.
    pub fn of(text: &str) -> Self {
        let mut form = Self::default();
        let mut bytes: Vec<(u8, Range<usize>)> = Vec::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let (what, length) = escapes::read(&text[at..]).unwrap_or_else(|| (Unescaped::Char(c), c.len_utf8()));
            let origin = at..at + length;
            at += length;
            match what {
                Unescaped::Byte(byte) => bytes.push((byte, origin)),
                Unescaped::Nothing => form.push_bytes(&mut bytes),
                Unescaped::Char(c) => {
                    form.push_bytes(&mut bytes);
                    form.push_folded(c, &origin);
                }
            }
        }
        form.push_bytes(&mut bytes);
        form
    }

    /// The part of the text that a part of the form came from.
    pub fn origin(&self, part: Range<usize>) -> Range<usize> {
        match (self.origins.get(part.start), part.end.checked_sub(1).and_then(|last| self.origins.get(last))) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        }
    }

    /// Adds characters that were written as bytes: in UTF-8, and what is none as in Latin-1.
    fn push_bytes(&mut self, written: &mut Vec<(u8, Range<usize>)>) {
        if written.is_empty() {
            return;
        }
        let bytes: Vec<u8> = written.iter().map(|(byte, _)| *byte).collect();
        let mut nth = 0;
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                let last = nth + c.len_utf8() - 1;
                self.push_folded(c, &(written[nth].1.start..written[last].1.end));
                nth = last + 1;
            }
            for byte in chunk.invalid() {
                self.push_folded(char::from(*byte), &written[nth].1);
                nth += 1;
            }
        }
        written.clear();
    }

    fn push_folded(&mut self, c: char, origin: &Range<usize>) {
        if is_left_out(c) {
            return;
        }
        // A wide quote or plus sign is one as well.
        let letters = std::iter::once(c).nfkd().filter(|c| !is_combining_mark(*c) && !is_left_out(*c));
        // In upper case first: `ß` has two letters there.
        for c in letters.flat_map(char::to_uppercase).flat_map(char::to_lowercase) {
            self.push(c, origin.clone());
        }
    }

    fn push(&mut self, c: char, origin: Range<usize>) {
        let mut buffer = [0; 4];
        for byte in c.encode_utf8(&mut buffer).bytes() {
            self.bytes.push(byte);
            self.origins.push(origin.clone());
        }
    }
}

fn is_left_out(c: char) -> bool {
    c.is_whitespace() || is_invisible(c) || matches!(c, '"' | '\'' | '`' | '\\' | '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> String {
        String::from_utf8(Canonical::of(text).bytes).expect("it is UTF-8")
    }

    #[test]
    fn all_spellings_have_one_form() {
        let secret = form("S3cr/t+P@ss\"w&rd'<Zzz>é");
        assert_eq!(secret, "s3cr/tp@ssw&rd<zzz>e");
        for spelled in [
            "S3cr%2Ft%2BP%40ss%22w%26rd%27%3CZzz%3E%C3%A9",
            "S3cr%2ft%2bP%40ss%22w%26rd%27%3cZzz%3e%c3%a9",
            r#"S3cr\/t+P@ss\"w&rd'<Zzz>\u00e9"#,
            r#"S3cr/t+P@ss\\\"w&rd'<Zzz>\\u00e9"#,
            r#"S3cr/t+P@ss\"w\u0026rd'\u003cZzz\u003e\u00e9"#,
            r#"S3cr/t+P@ss"w&rd\'<Zzz>\xe9"#,
            r#"'S3cr/t+P@ss"w&rd'"'"'<Zzz>é'"#,
            r#"S3cr/t+P@ss\"w\&rd\'\<Zzz\>$'\303\251'"#,
            "S3cr/t+P@ss&quot;w&amp;rd&#39;&lt;Zzz&gt;é",
            "S3CR/T+P@SS\"W&RD'<ZZZ>É",
            "S3cr/t+P@s\ns\"w&rd'<Zz\u{200b}z>\0é",
            "S3cr/t+P@ss\"w&rd'<Zzz>e\u{301}",
            "Ｓ３ｃｒ/t+P@ß\"w&rd'<Zzz>é",
            "Ｓ３ｃｒ／ｔ＋Ｐ＠ｓｓ＂ｗ＆ｒｄ＇＜Ｚｚｚ＞é",
            "S3cr/t+P@ss\"w&rd'<Zzz>%u00e9",
        ] {
            let found = form(spelled).replace('$', "");
            assert_eq!(found, secret, "{spelled}");
        }
    }

    #[test]
    fn a_part_leads_back_to_the_text() {
        let text = "x %C3%A9\\u00e9 y";
        let form = Canonical::of(text);
        assert_eq!(form.bytes, b"xeey");
        assert_eq!(&text[form.origin(1..2)], "%C3%A9");
        assert_eq!(&text[form.origin(2..3)], "\\u00e9");
        assert_eq!(&text[form.origin(1..3)], "%C3%A9\\u00e9");
        let visible = Canonical::visible("a\u{200b}b\nc");
        assert_eq!(visible.bytes, b"ab\nc");
        assert_eq!(visible.origin(0..2), 0..5);
    }
}
