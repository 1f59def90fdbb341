//! Reads one escape of a text as programs write them: JSON, shells, Python, URLs, HTML.

/// What one escape stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unescaped {
    /// A character.
    Char(char),
    /// A byte, which may be a part of a character in UTF-8.
    Byte(u8),
    /// Nothing that can be seen: a line feed, a tab, a lone backslash.
    Nothing,
}

/// The longest name of a character in HTML.
const LONGEST_ENTITY: usize = 10;

/// The escape at the start of `text` and its length in bytes; `None`: there is none.
pub(super) fn read(text: &str) -> Option<(Unescaped, usize)> {
    match text.as_bytes().first()? {
        b'\\' => Some(backslash(text)),
        b'%' => percent(text),
        b'&' => entity(text),
        _ => None,
    }
}

/// `\"`, `\u00e9`, `\xe9`, `\303`, `\n`. Text that is escaped several times (JSON in JSON) has several backslashes.
fn backslash(text: &str) -> (Unescaped, usize) {
    let slashes = text.bytes().take_while(|byte| *byte == b'\\').count();
    let rest = &text[slashes..];
    let (what, length) = match rest.as_bytes().first() {
        Some(b'u') => unicode(rest).unwrap_or((Unescaped::Nothing, 0)),
        Some(b'U') => {
            hex(rest, 1, 8).and_then(char::from_u32).map_or((Unescaped::Nothing, 0), |c| (Unescaped::Char(c), 9))
        }
        Some(b'x') => match hex(rest, 1, 2).and_then(|value| u8::try_from(value).ok()) {
            Some(byte) => (Unescaped::Byte(byte), 3),
            None => (Unescaped::Nothing, 0),
        },
        Some(b'0'..=b'3') => match rest.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => (Unescaped::Byte(byte), 3),
            None => (Unescaped::Nothing, usize::from(rest.starts_with('0'))),
        },
        Some(b'n' | b'r' | b't' | b'b' | b'f' | b'v' | b'a' | b'e') => (Unescaped::Nothing, 1),
        _ => (Unescaped::Nothing, 0),
    };
    (what, slashes + length)
}

/// `u00e9`, `u{e9}`, and the two halves of a character beyond the first plane: `ud83e\udd80`.
fn unicode(rest: &str) -> Option<(Unescaped, usize)> {
    if let Some(braced) = rest.strip_prefix("u{") {
        let end = braced.find('}').filter(|end| *end <= 6)?;
        let c = char::from_u32(u32::from_str_radix(&braced[..end], 16).ok()?)?;
        return Some((Unescaped::Char(c), end + 3));
    }
    let first = hex(rest, 1, 4)?;
    if !(0xD800..0xDC00).contains(&first) {
        return Some((char::from_u32(first).map_or(Unescaped::Nothing, Unescaped::Char), 5));
    }
    let second = &rest[5..];
    let slashes = second.bytes().take_while(|byte| *byte == b'\\').count();
    let low = Some(&second[slashes..]).filter(|low| slashes > 0 && low.starts_with('u')).and_then(|low| hex(low, 1, 4));
    match low.filter(|low| (0xDC00..0xE000).contains(low)) {
        Some(low) => {
            let c = char::from_u32(0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00));
            Some((c.map_or(Unescaped::Nothing, Unescaped::Char), 5 + slashes + 5))
        }
        None => Some((Unescaped::Nothing, 5)),
    }
}

/// The number that `digits` hexadecimal digits after the first `skipped` bytes write.
fn hex(text: &str, skipped: usize, digits: usize) -> Option<u32> {
    let digits = text.get(skipped..skipped + digits)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

/// `%2F`, also when the percent sign was encoded again: `%252F`; and `%u002F` of old scripts.
fn percent(text: &str) -> Option<(Unescaped, usize)> {
    if text.starts_with("%u") {
        return hex(text, 2, 4).and_then(char::from_u32).map(|c| (Unescaped::Char(c), 6));
    }
    let mut at = 1;
    while text[at..].starts_with("25") && hex(text, at + 2, 2).is_some() {
        at += 2;
    }
    let byte = u8::try_from(hex(text, at, 2)?).ok()?;
    Some((Unescaped::Byte(byte), at + 2))
}

/// `&quot;`, `&#39;`, `&#x27;`, also when the ampersand was encoded again: `&amp;quot;`. A name that is not known
/// stands for a character that cannot be shown.
fn entity(text: &str) -> Option<(Unescaped, usize)> {
    let mut at = 1;
    let name = |at: usize| {
        let rest = &text.as_bytes()[at..];
        let end = rest.iter().take(LONGEST_ENTITY + 1).position(|byte| *byte == b';').filter(|end| *end > 0)?;
        let is_name = rest[..end].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'#');
        is_name.then(|| &text[at..at + end])
    };
    while text[at..].starts_with("amp;") && name(at + 4).is_some() {
        at += 4;
    }
    let found = name(at)?;
    let number = found.strip_prefix('#').map(|number| match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => number.parse().ok(),
    });
    let c = match (number, found) {
        (Some(number), _) => char::from_u32(number?)?,
        (None, "quot") => '"',
        (None, "apos") => '\'',
        (None, "amp") => '&',
        (None, "lt") => '<',
        (None, "gt") => '>',
        (None, "nbsp") => ' ',
        (None, _) => char::REPLACEMENT_CHARACTER,
    };
    Some((Unescaped::Char(c), at + found.len() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_is_read_with_its_length() {
        for (text, what) in [
            (r"\u00e9", Unescaped::Char('é')),
            (r"\\u00E9", Unescaped::Char('é')),
            (r"\u{e9}", Unescaped::Char('é')),
            (r"\U000000e9", Unescaped::Char('é')),
            (r"\ud83e\udd80", Unescaped::Char('🦀')),
            (r"\\ud83e\\udd80", Unescaped::Char('🦀')),
            (r"\xe9", Unescaped::Byte(0xe9)),
            (r"\303", Unescaped::Byte(0xc3)),
            (r"\n", Unescaped::Nothing),
            (r"\\\", Unescaped::Nothing),
            (r"\0", Unescaped::Nothing),
            ("%2F", Unescaped::Byte(b'/')),
            ("%2f", Unescaped::Byte(b'/')),
            ("%25252f", Unescaped::Byte(b'/')),
            ("&quot;", Unescaped::Char('"')),
            ("&#39;", Unescaped::Char('\'')),
            ("&#x27;", Unescaped::Char('\'')),
            ("&amp;amp;#34;", Unescaped::Char('"')),
            ("&amp;", Unescaped::Char('&')),
            ("&eacute;", Unescaped::Char(char::REPLACEMENT_CHARACTER)),
        ] {
            assert_eq!(read(text), Some((what, text.len())), "{text}");
            assert_eq!(read(&format!("{text}!z")).map(|(what, _)| what), Some(what), "{text}");
        }
    }

    #[test]
    fn what_is_no_escape_is_left_alone() {
        for text in ["", "a", "%", "%2", "%zz", "%é1", "&", "& b;", "&;", "&é;", "&toolongforaname;", "&#xzz;"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(r"\"), Some((Unescaped::Nothing, 1)));
        assert_eq!(read(r"\ué"), Some((Unescaped::Nothing, 1)));
        assert_eq!(read(r"\ud83e-"), Some((Unescaped::Nothing, 6)));
        assert_eq!(read(r"\x"), Some((Unescaped::Nothing, 1)));
        assert_eq!(read(r"\3é"), Some((Unescaped::Nothing, 1)));
    }
}
