//! Makes foreign text plain: no terminal codes and no control characters.

/// Replaces a character that cannot be shown.
const UNSHOWABLE: char = '\u{FFFD}';

/// Removes terminal codes and control characters; line feeds stay, tabs become blanks, and other characters that
/// cannot be shown become `U+FFFD`. The result may go into XML 1.0.
pub fn clean(text: &str) -> String {
    // Most text needs no change, and a report cleans a lot of text.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) {
        return text.to_owned();
    }
    let text = strip_ansi(text);
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // Progress displays return to the start of their line: each state becomes a line.
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\n' => clean.push('\n'),
            '\t' => clean.push_str("    "),
            c if c.is_control() || is_unshowable(c) => clean.push(UNSHOWABLE),
            c => clean.push(c),
        }
    }
    clean
}

/// Whether a character is not allowed in XML 1.0, or turns the direction of the text around it, which would make a
/// log look like something else.
fn is_unshowable(c: char) -> bool {
    matches!(c, '\u{FFFE}' | '\u{FFFF}' | '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether a reader does not see the character: control characters, marks without a width, and what [`clean`] puts in
/// the place of a character. Line feeds count as visible.
pub fn is_invisible(c: char) -> bool {
    (c.is_control() && c != '\n')
        || is_unshowable(c)
        || matches!(
            c,
            UNSHOWABLE
                | '\u{AD}'
                | '\u{34F}'
                | '\u{61C}'
                | '\u{115F}'
                | '\u{1160}'
                | '\u{17B4}'
                | '\u{17B5}'
                | '\u{180B}'..='\u{180F}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2060}'..='\u{206F}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{FE00}'..='\u{FE0F}'
                | '\u{FEFF}'
                | '\u{FFA0}'
                | '\u{FFF9}'..='\u{FFFB}'
                | '\u{E0000}'..='\u{E0FFF}'
        )
}

/// `text` without ANSI escape sequences.
fn strip_ansi(text: &str) -> String {
    WithoutCodes::of(text).map_or_else(|| text.to_owned(), |plain| plain.text)
}

/// A text without its ANSI escape sequences, and where each part of it came from.
#[derive(Debug)]
pub struct WithoutCodes {
    pub text: String,
    /// Where pieces begin: in this text, and in the text with the sequences.
    pieces: Vec<(usize, usize)>,
}

impl WithoutCodes {
    /// Removes the sequences; `None`: there are none.
    pub fn of(text: &str) -> Option<Self> {
        let is_code = ['\u{1B}', '\u{9B}'];
        let mut at = text.find(is_code)?;
        let mut plain = Self { text: text[..at].to_owned(), pieces: vec![(0, 0)] };
        loop {
            let begin = at + escape_length(&text[at..]);
            let end = text[begin..].find(is_code).map_or(text.len(), |end| begin + end);
            plain.pieces.push((plain.text.len(), begin));
            plain.text.push_str(&text[begin..end]);
            if end == text.len() {
                return Some(plain);
            }
            at = end;
        }
    }

    /// The part of the text with the sequences that a part of this text came from, with the sequences inside of it.
    pub fn origin(&self, part: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let origin = |at: usize| {
            let nth = self.pieces.partition_point(|(begin, _)| *begin <= at).saturating_sub(1);
            at - self.pieces[nth].0 + self.pieces[nth].1
        };
        origin(part.start)..part.end.checked_sub(1).map_or(0, |last| origin(last) + 1)
    }
}

/// Length in bytes of the escape sequence at the start of `text`. If the sequence does not end in its line, only the
/// escape character counts: the words after it are evidence.
fn escape_length(text: &str) -> usize {
    let mut chars = text.char_indices();
    let first = chars.next().map_or('\u{1B}', |(_, c)| c);
    let first_length = first.len_utf8();
    let body = &text[first_length..];
    let kind = if first == '\u{9B}' { Some('[') } else { chars.next().map(|(_, c)| c) };
    let skipped = if first == '\u{9B}' { 0 } else { 1 };
    match kind {
        Some('[') => body[skipped..]
            .char_indices()
            .take_while(|(_, c)| c.is_ascii() && !c.is_ascii_control())
            .find(|(_, c)| ('@'..='~').contains(c))
            .map_or(first_length, |(at, _)| first_length + skipped + at + 1),
        Some(']' | 'P' | 'X' | '^' | '_') => {
            let line = &body[..body.find('\n').unwrap_or(body.len())];
            let bell = line.find('\u{7}').map(|at| at + 1);
            let terminator = line.find("\u{1B}\\").map(|at| at + 2);
            let end = [bell, terminator].into_iter().flatten().min();
            end.map_or(first_length, |end| first_length + end)
        }
        // `ESC ( B` and its like: intermediate characters, then one more.
        Some(' '..='/') => body
            .char_indices()
            .take_while(|(_, c)| c.is_ascii() && !c.is_ascii_control())
            .find(|(_, c)| ('0'..='~').contains(c))
            .map_or(first_length, |(at, _)| first_length + at + 1),
        Some('0'..='~') => first_length + 1,
        _ => first_length,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_codes_go_and_words_stay() {
        assert_eq!(clean("\u{1b}[31;1mred\u{1b}[0m and \u{1b}]0;title\u{7}plain\u{1b}(B!"), "red and plain!");
        assert_eq!(clean("\u{1b}[0Ksection_start:1:x\r\u{1b}[0Kbody"), "section_start:1:x\nbody");
        assert_eq!(clean("\u{9b}2Jc1 \u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\"), "c1 link");
    }

    #[test]
    fn an_escape_sequence_that_never_ends_hides_nothing() {
        assert_eq!(clean("\u{1b}]0;evidence\nmore"), "]0;evidence\nmore");
        assert_eq!(clean("\u{1b}[12é"), "[12é");
        assert_eq!(clean("end\u{1b}"), "end");
    }

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(clean("a\0b\u{7}c\td\r\ne\rf\u{ffff}g\u{202e}h\u{85}"), "a�b�c    d\ne\nf�g�h�");
        assert_eq!(clean("emoji 🦀 ]]> <&\"'"), "emoji 🦀 ]]> <&\"'");
    }

    #[test]
    fn a_part_leads_back_to_the_text_with_codes() {
        let text = "a\u{1b}[1mbc\u{1b}[0m\u{1b}[2md";
        let plain = WithoutCodes::of(text).expect("it has codes");
        assert_eq!(plain.text, "abcd");
        assert_eq!(&text[plain.origin(1..3)], "bc");
        assert_eq!(&text[plain.origin(2..4)], "c\u{1b}[0m\u{1b}[2md");
        assert_eq!(&text[plain.origin(0..2)], "a\u{1b}[1mb");
        assert!(WithoutCodes::of("abcd").is_none());
    }

    #[test]
    fn what_nobody_sees_is_known() {
        for c in ['\0', '\u{1b}', '\u{85}', '\u{200b}', '\u{200d}', '\u{202e}', '\u{feff}', '\u{ad}', '\u{fffd}'] {
            assert!(is_invisible(c), "{c:?}");
        }
        assert!("a \né🦀•".chars().all(|c| !is_invisible(c)));
    }
}
