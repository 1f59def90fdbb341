//! The spellings of a secret that are looked for: as it is, its canonical form, and the encodings that no canonical
//! form covers (base64, hexadecimal digits).

use super::canonical::Canonical;

/// Canonical forms are compared from this length (in bytes) on; shorter ones would be found everywhere.
pub(super) const SHORTEST_FOLDED: usize = 8;

/// Most of a secret is hidden as well if the secret has no more bytes than this.
const LONGEST_CUT: usize = 256;

/// A longer secret is looked for in pieces of this many bytes.
const PIECE: usize = 1024;

/// Shortest encoded form that is looked for.
const SHORTEST_ENCODED: usize = 6;

/// A secret that is to be hidden.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Known {
    /// The secret.
    pub text: String,
    /// The secret stands where only secrets stand. So most of it, cut off at an end, is hidden as well.
    pub named: bool,
    /// The secret is an everyday word (`postgres`): the word in another case is no secret.
    pub word: bool,
}

/// A text that is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern {
    pub bytes: Vec<u8>,
    /// The pattern is a piece of base64.
    pub base64: bool,
}

/// The patterns of many secrets.
#[derive(Debug, Default)]
pub(super) struct Spellings {
    /// Looked for in the text as a reader sees it.
    pub exact: Vec<Pattern>,
    /// Looked for in the canonical form of the text.
    pub canonical: Vec<Pattern>,
    /// Bytes of all patterns.
    pub bytes: usize,
}

impl Spellings {
    /// The spellings of these secrets. From so many bytes of patterns on, secrets are looked for only as they are; the
    /// shortest ones come first, so that long texts do not take the room of passwords.
    pub fn of(secrets: &[Known], most: usize) -> Self {
        let mut spellings = Self::default();
        let mut by_length: Vec<&Known> = secrets.iter().collect();
        by_length.sort_by_key(|secret| secret.text.len());
        for secret in by_length {
            if spellings.bytes < most { spellings.add(secret) } else { spellings.add_as_it_is(secret) }
        }
        spellings
    }

    /// Adds a secret as it is, also in another case and escaped if it is long enough for that.
    fn add_as_it_is(&mut self, secret: &Known) {
        for text in [&secret.text, secret.text.trim()] {
            self.add_exact(Canonical::visible(text).bytes, false);
        }
        let form = Canonical::of(&secret.text).bytes;
        if form.len() >= SHORTEST_FOLDED && !secret.word {
            self.add_canonical(form, false);
        }
    }

    /// Adds all spellings of a secret.
    fn add(&mut self, secret: &Known) {
        let form = Canonical::of(&secret.text).bytes;
        let trimmed = secret.text.trim();
        let mut texts = vec![secret.text.as_str(), trimmed];
        texts.dedup();
        for text in &texts {
            self.add_exact(Canonical::visible(text).bytes, false);
        }
        if form.len() < SHORTEST_FOLDED || secret.word {
            for text in written_escaped(trimmed) {
                self.add_exact(text.into_bytes(), false);
            }
            encoded(trimmed.as_bytes()).for_each(|(text, base64)| self.add_exact(text.into_bytes(), base64));
            return;
        }
        for text in &texts {
            for (text, base64) in encoded(text.as_bytes()) {
                self.add_canonical(Canonical::of(&text).bytes, base64);
            }
        }
        if secret.named {
            most_of(&form).for_each(|part| self.add_canonical(part.to_vec(), false));
        }
        let reversed: String = secret.text.chars().rev().collect();
        self.add_canonical(Canonical::of(&reversed).bytes, false);
        if !secret.text.is_ascii() {
            // UTF-8 that a program has taken for Latin-1.
            let mistaken: String = secret.text.bytes().map(char::from).collect();
            self.add_canonical(Canonical::of(&mistaken).bytes, false);
        }
        // A token or a file in base64 often holds JSON. As for all of base64, a secret must not be very long.
        let escaped = if trimmed.len() <= PIECE { written_escaped(trimmed) } else { Vec::new() };
        for json in escaped.into_iter().take(2).filter(|json| json != trimmed) {
            for (text, base64) in in_base64(json.as_bytes()) {
                self.add_canonical(Canonical::of(&text).bytes, base64);
            }
        }
        // Bytes that are no UTF-8 (a log in Latin-1) cannot be shown, and are left out of the text.
        let ascii: String = secret.text.chars().filter(char::is_ascii).collect();
        let ascii = Canonical::of(&ascii).bytes;
        if ascii.len() >= SHORTEST_FOLDED {
            self.add_canonical(ascii, false);
        }
        self.add_canonical(form, false);
    }

    fn add_exact(&mut self, bytes: Vec<u8>, base64: bool) {
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.exact.extend(pieces(&bytes).map(|bytes| Pattern { bytes: bytes.to_vec(), base64 }));
        }
    }

    fn add_canonical(&mut self, bytes: Vec<u8>, base64: bool) {
        if bytes.len() >= SHORTEST_FOLDED {
            self.bytes += bytes.len();
            self.canonical.extend(pieces(&bytes).map(|bytes| Pattern { bytes: bytes.to_vec(), base64 }));
        }
    }
}

/// The whole, or pieces of the whole if it is very long. The last piece may overlap the one before it.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let last = bytes.len().saturating_sub(PIECE);
    let starts = (0..last).step_by(PIECE).chain([last]);
    starts.map(move |start| &bytes[start..bytes.len().min(start + PIECE)])
}

/// Every part of five eighths of a canonical form, cut at characters: the form has lost quotes and blanks, so this is
/// at most three quarters of the secret as its owner counts.
fn most_of(form: &[u8]) -> impl Iterator<Item = &[u8]> {
    let most = (form.len() - form.len() * 3 / 8).max(SHORTEST_FOLDED);
    let is_start = |at: usize| form.get(at).is_none_or(|byte| byte & 0xC0 != 0x80);
    let starts = (0..=form.len().saturating_sub(most)).filter(move |_| form.len() <= LONGEST_CUT);
    starts.filter(move |start| is_start(*start)).map(move |start| {
        let end = (start + most..=form.len()).find(|end| is_start(*end)).unwrap_or(form.len());
        &form[start..end]
    })
}

/// A short secret as JSON, URLs and HTML escape it; for a longer one the canonical form covers all this.
fn written_escaped(text: &str) -> Vec<String> {
    let json = serde_json::Value::from(text).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let ascii: String = json
        .chars()
        .map(|c| match c {
            ' '..='~' => c.to_string(),
            c => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
        })
        .collect();
    let percent = |kept: &str| -> String {
        let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || kept.contains(char::from(byte));
        text.bytes()
            .map(|byte| if is_kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    };
    let html = |quote: &str| -> String {
        let escape = |c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => quote.to_owned(),
            c => c.to_string(),
        };
        text.chars().map(escape).collect()
    };
    let (whole, path) = (percent("-_.~"), percent("-_.~/"));
    let form = whole.replace("%20", "+");
    let lower = whole.to_lowercase();
    let lower = if lower.len() == text.len() { whole.clone() } else { lower };
    vec![json, ascii, whole, path, form, lower, html("&#39;"), html("&#x27;"), html("'")]
}

/// A secret in base64, once and twice, in base32, as hexadecimal digits and as numbers. Each with whether it is base64
/// or base32.
fn encoded(secret: &[u8]) -> impl Iterator<Item = (String, bool)> {
    let mut all: Vec<(String, bool)> = Vec::new();
    if secret.len() <= PIECE {
        all.extend(in_base64(secret));
        // As a value that is encoded already, and as programs of Windows encode text.
        all.extend(in_base64(base64_within(secret, 0).as_bytes()));
        let utf16 = String::from_utf8_lossy(secret).encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        all.extend(in_base64(&utf16));
        all.extend((0..5).map(|before| (base32_within(secret, before), true)));
        // Lists of bytes.
        let numbers: Vec<String> = secret.iter().map(u8::to_string).collect();
        all.extend([" ", ",", ", "].map(|separator| (numbers.join(separator), false)));
        let lower: Vec<String> = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let upper: Vec<String> = secret.iter().map(|byte| format!("{byte:02X}")).collect();
        for separator in ["", ":", "-", " ", " 0x", ",0x", ", 0x"] {
            all.push((lower.join(separator), false));
            all.push((upper.join(separator), false));
        }
    }
    all.into_iter().filter(|(text, _)| text.len() >= SHORTEST_ENCODED)
}

/// A secret as base64 at the three places where it can begin in a group, in both alphabets.
fn in_base64(secret: &[u8]) -> Vec<(String, bool)> {
    let at = |before| {
        let standard = base64_within(secret, before);
        [(standard.replace('+', "-").replace('/', "_"), true), (standard, true)]
    };
    (0..3).flat_map(at).collect()
}

/// The digits of base32 that depend on `secret` alone if `before` other bytes come before it in its group of five.
fn base32_within(secret: &[u8], before: usize) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bit = |at: usize| {
        let byte = (at / 8).checked_sub(before).and_then(|nth| secret.get(nth)).copied().unwrap_or(0);
        usize::from(byte >> (7 - at % 8) & 1)
    };
    let (first, end) = ((before * 8).div_ceil(5), (before + secret.len()) * 8 / 5);
    let digit = |nth: usize| (nth * 5..nth * 5 + 5).fold(0, |value, at| value << 1 | bit(at));
    (first..end).map(|nth| char::from(DIGITS[digit(nth)])).collect()
}

/// The digits of base64 that depend on `secret` alone if `before` other bytes come before it in its group of three.
fn base64_within(secret: &[u8], before: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| {
        let byte = (at / 8).checked_sub(before).and_then(|nth| secret.get(nth)).copied().unwrap_or(0);
        usize::from(byte >> (7 - at % 8) & 1)
    };
    let (first, end) = ((before * 8).div_ceil(6), (before + secret.len()) * 8 / 6);
    let digit = |nth: usize| (nth * 6..nth * 6 + 6).fold(0, |value, at| value << 1 | bit(at));
    (first..end).map(|nth| char::from(DIGITS[digit(nth)])).collect()
}

/// The whole of `bytes` in base64.
#[cfg(test)]
pub(super) fn base64(bytes: &[u8]) -> String {
    let whole: Vec<u8> = bytes.iter().copied().chain(std::iter::repeat_n(0, (3 - bytes.len() % 3) % 3)).collect();
    let digits = base64_within(&whole, 0);
    let padding = whole.len() - bytes.len();
    format!("{}{}", &digits[..digits.len() - padding], "=".repeat(padding))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image can bring thousands of long variables. A secret as it is counts once, not forty times.
    #[test]
    fn a_flood_of_long_secrets_takes_neither_the_memory_nor_the_room_of_a_password() {
        let known = |text: String| Known { text, named: true, word: false };
        let mut secrets: Vec<Known> = (0..200).map(|nth| known(format!("{nth:04}-{}", "long ".repeat(48)))).collect();
        secrets.push(known("S3cr/t+P@ss".to_owned()));
        let plain: usize = secrets.iter().map(|secret| secret.text.len()).sum();
        let most = 64 * 1024;
        let spellings = Spellings::of(&secrets, most);
        assert!(spellings.bytes < most + 4 * plain, "{}", spellings.bytes);
        let has = |text: &str| {
            let form = Canonical::of(text).bytes;
            spellings.canonical.iter().any(|pattern| pattern.bytes == form)
        };
        assert!(has(&base64_within(b"S3cr/t+P@ss", 0)), "the password in all its spellings");
        assert!(secrets.iter().all(|secret| has(&secret.text)), "each of the others as it is");
        let of_one = Spellings::of(&secrets[..1], usize::MAX).bytes;
        assert!(200 * of_one > 10 * spellings.bytes, "without a bound each would take {of_one}");
    }

    #[test]
    fn base64_is_known_at_every_place() {
        assert_eq!((base64(b"foo"), base64(b"foob")), ("Zm9v".to_owned(), "Zm9vYg==".to_owned()));
        assert_eq!(base64_within(b"secret!", 0), "c2VjcmV0I");
        // "x:secret!" and "ab:secret!" and "u:secret!u".
        assert!("eDpzZWNyZXQh".contains(&base64_within(b"secret!", 2)), "{}", base64_within(b"secret!", 2));
        assert!("YWI6c2VjcmV0IQ==".contains(&base64_within(b"secret!", 0)));
        assert!("OnNlY3JldCE=".contains(&base64_within(b"secret!", 1)), "{}", base64_within(b"secret!", 1));
        assert_eq!(base64_within(b"", 0), "");
    }

    #[test]
    fn a_very_long_secret_is_looked_for_in_pieces() {
        let long = vec![b'x'; 2 * PIECE + 10];
        let lengths: Vec<usize> = pieces(&long).map(<[u8]>::len).collect();
        assert_eq!(lengths, [PIECE, PIECE, PIECE]);
        assert_eq!(pieces(b"short").collect::<Vec<_>>(), [b"short"]);
    }

    #[test]
    fn most_of_a_secret_is_five_eighths_of_its_form() {
        let parts: Vec<&[u8]> = most_of(b"0123456789ab").collect();
        assert_eq!(parts, [b"01234567", b"12345678", b"23456789", b"3456789a", b"456789ab"]);
        assert_eq!(most_of(b"01234567").collect::<Vec<_>>(), [b"01234567"]);
        assert!(most_of("ééééééé".as_bytes()).all(|part| std::str::from_utf8(part).is_ok()));
        assert_eq!(most_of(&[b'x'; LONGEST_CUT + 1]).count(), 0);
    }
}
