//! Makes foreign text (logs, messages, names) fit for display: no terminal codes, no control characters, no commands
//! to CI systems, and a bounded length.
//!
//! Only the look of a text changes, never its words. Each format escapes its own characters (`<`, `#`, quotes)
//! itself.

/// Bytes of a log that a report holds for one case. The end is kept, since services say last what is wrong.
pub const LOG_CAP: usize = 64 * 1024;

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

/// Like [`clean`], as one line.
pub fn one_line(text: &str) -> String {
    let text = clean(text);
    if !text.contains('\n') && text.trim().len() == text.len() {
        return text;
    }
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The first line of `text` that is not blank, after [`clean`].
pub fn first_line(text: &str) -> String {
    clean(text).lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

/// `text` without ANSI escape sequences.
fn strip_ansi(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\u{1B}', '\u{9B}']) {
        plain.push_str(&rest[..at]);
        let sequence = &rest[at..];
        rest = &sequence[escape_length(sequence)..];
    }
    plain.push_str(rest);
    plain
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

/// Changes `line` so that no CI system takes it for a command: `::error::` at its start, `##[add-mask]` or `##vso[…]`
/// anywhere.
pub fn without_commands(line: &str) -> String {
    let mut safe = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("##") {
        safe.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
        let word = rest[1..].trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        if word.starts_with('[') {
            safe.push(' ');
        }
    }
    safe.push_str(rest);
    // Leading blanks do not keep GitHub from taking a line for a command.
    let blanks = safe.len() - safe.trim_start().len();
    if safe[blanks..].starts_with("::") {
        safe.insert(blanks + 1, ' ');
    }
    safe
}

/// The last lines of a log, after [`clean`], within `cap` bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The lines, oldest first.
    pub lines: Vec<String>,
    /// Bytes that were cut off before them.
    pub cut: usize,
}

impl Tail {
    /// Takes the end of `lines`.
    pub fn of(lines: &[String], cap: usize) -> Self {
        let mut kept = Vec::new();
        let mut room = cap;
        let mut cut = 0;
        for line in lines.iter().rev().flat_map(|entry| {
            let clean = clean(entry);
            let mut lines: Vec<String> = clean.lines().map(str::to_owned).collect();
            if lines.is_empty() {
                lines.push(String::new());
            }
            lines.into_iter().rev()
        }) {
            let length = line.len() + 1;
            if length <= room {
                room -= length;
                kept.push(line);
                continue;
            }
            let end = if room > 1 { end_of(&line, room - 1) } else { "" };
            cut += length - end.len();
            if !end.is_empty() {
                kept.push(end.to_owned());
            }
            room = 0;
        }
        kept.reverse();
        Self { lines: kept, cut }
    }

    /// A notice of the cut; `None` if nothing was cut.
    pub fn notice(&self) -> Option<String> {
        (self.cut > 0).then(|| format!("[{} cut here, only the end is kept]", super::units::bytes(self.cut as u64)))
    }

    /// The lines, led by the notice.
    pub fn noticed(&self) -> Vec<String> {
        self.notice().into_iter().chain(self.lines.iter().cloned()).collect()
    }
}

/// The last whole characters of `text` that fit in `room` bytes.
fn end_of(text: &str, room: usize) -> &str {
    let mut start = text.len().saturating_sub(room);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// At most `most` characters of `text`, with `…` when it was cut.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
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
    fn one_line_is_one_line() {
        assert_eq!(one_line("a\n\n  b\r\nc"), "a b c");
        assert_eq!(first_line("\n  \n first\nsecond"), "first");
        assert_eq!(first_line(""), "");
    }

    #[test]
    fn no_line_is_a_command() {
        assert_eq!(without_commands("::error::boom"), ": :error::boom");
        assert_eq!(without_commands("   ::stop-commands::x"), "   : :stop-commands::x");
        assert_eq!(without_commands("a ##[error] b ##vso[task.x] c ###[y]"), "a # #[error] b # #vso[task.x] c ## #[y]");
        assert_eq!(without_commands("## heading, a::b"), "## heading, a::b");
    }

    #[test]
    fn the_tail_is_kept_and_the_cut_is_told() {
        let lines: Vec<String> = (0..10).map(|n| format!("line {n}")).collect();
        assert_eq!(Tail::of(&lines, 1000), Tail { lines: lines.clone(), cut: 0 });
        let tail = Tail::of(&lines, 14);
        assert_eq!(tail.lines, ["line 8", "line 9"]);
        assert_eq!(tail.cut, 8 * 7);
        assert_eq!(tail.noticed()[0], "[56 B cut here, only the end is kept]");
    }

    #[test]
    fn a_line_longer_than_the_room_keeps_its_end() {
        let tail = Tail::of(&["é".repeat(1_000_000), "last".to_owned()], 12);
        assert_eq!(tail.lines, ["ééé", "last"]);
        assert_eq!(tail.cut, 2_000_000 + 1 - 6);
    }
}
