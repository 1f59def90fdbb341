//! Makes foreign text (logs, messages, names) fit for display: no terminal codes, no control characters, no commands
//! to CI systems, and a bounded length.
//!
//! Only the look of a text changes, never its words. Each format escapes its own characters (`<`, `#`, quotes)
//! itself.

pub use crate::model::plain_text::clean;

/// Bytes of a log that a report holds for one case. The end is kept, since services say last what is wrong.
pub const LOG_CAP: usize = 64 * 1024;

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
