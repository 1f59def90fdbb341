//! Finds known secrets in text, in every form that [`super::canonical`] and the encodings of [`Spellings`] cover. The
//! time is linear in the length of the text, however many secrets there are.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use super::canonical::Canonical;
use super::spellings::{Known, Pattern, Spellings};

/// Replacement for a secret.
pub const HIDDEN: &str = "•••";

/// Characters of base64 around a secret that are hidden with it.
const LONGEST_LOGIN: usize = 1024;

/// Bytes of patterns up to which secrets are looked for in all their spellings. An automaton takes some 40 bytes of
/// memory for each, and a single image can bring thousands of long variables.
const MOST_SPELLED: usize = 2 * 1024 * 1024;

/// Finds the secrets that it was made of.
#[derive(Default)]
pub(super) struct Matcher {
    exact: Option<Automaton>,
    canonical: Option<Automaton>,
}

struct Automaton {
    patterns: AhoCorasick,
    /// For each pattern: it is base64, whose neighbours belong to the same word.
    base64: Vec<bool>,
}

impl Automaton {
    fn of(mut patterns: Vec<Pattern>) -> Option<Self> {
        patterns.sort_unstable();
        patterns.dedup();
        if patterns.is_empty() {
            return None;
        }
        let base64 = patterns.iter().map(|pattern| pattern.base64).collect();
        let built = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(patterns.iter().map(|pattern| pattern.bytes.as_slice()));
        Some(Self { patterns: built.expect("the secrets of a few services fit into an automaton"), base64 })
    }

    fn find(&self, text: &str, form: &Canonical, found: &mut Vec<Range<usize>>) {
        for hit in self.patterns.find_overlapping_iter(&form.bytes) {
            let part = form.origin(hit.start()..hit.end());
            found.push(if self.base64[hit.pattern().as_usize()] { whole_word(text, part) } else { part });
        }
    }
}

impl Matcher {
    pub fn of(secrets: &[Known]) -> Self {
        let spellings = Spellings::of(secrets, MOST_SPELLED);
        Self { exact: Automaton::of(spellings.exact), canonical: Automaton::of(spellings.canonical) }
    }

    /// Adds the parts of `text` that hold a secret to `found`.
    pub fn find(&self, text: &str, found: &mut Vec<Range<usize>>) {
        if let Some(exact) = &self.exact {
            exact.find(text, &Canonical::visible(text), found);
        }
        if let Some(canonical) = &self.canonical {
            canonical.find(text, &Canonical::of(text), found);
        }
    }
}

/// The part with the characters of base64 around it: a login (`user:secret`) is encoded as one word.
fn whole_word(text: &str, part: Range<usize>) -> Range<usize> {
    let is_base64 = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_');
    let before = text[..part.start].chars().rev().take(LONGEST_LOGIN).take_while(is_base64).count();
    let after = text[part.end..].chars().take(LONGEST_LOGIN).take_while(is_base64).count();
    part.start - before..part.end + after
}

/// `text` with these parts hidden. Line ends inside of a part stay.
pub(super) fn hide(text: &str, mut parts: Vec<Range<usize>>) -> String {
    parts.sort_unstable_by_key(|part| (part.start, std::cmp::Reverse(part.end)));
    let mut hidden = String::with_capacity(text.len());
    let mut done = 0;
    let mut parts = parts.into_iter().peekable();
    while let Some(mut part) = parts.next() {
        while let Some(next) = parts.next_if(|next| next.start < part.end) {
            part.end = part.end.max(next.end);
        }
        hidden.push_str(&text[done..part.start]);
        hidden.push_str(HIDDEN);
        for _ in text[part.clone()].matches('\n') {
            hidden.push('\n');
            hidden.push_str(HIDDEN);
        }
        done = part.end;
    }
    hidden.push_str(&text[done..]);
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_overlap_are_hidden_as_one_and_lines_stay() {
        assert_eq!(hide("abcdef", vec![3..5, 1..4]), "a•••f");
        assert_eq!(hide("abcdef", vec![1..2, 2..3]), "a••••••def");
        assert_eq!(hide("ab\ncd\n", vec![1..4, 2..3]), "a•••\n•••d\n");
        assert_eq!(hide("abc", Vec::new()), "abc");
    }

    #[test]
    fn time_grows_with_the_text_and_not_with_the_secrets() {
        let secrets: Vec<Known> = (0..200)
            .map(|nth| Known { text: format!("secret-number-{nth:04}-of-many"), named: true, word: false })
            .collect();
        let matcher = Matcher::of(&secrets);
        let line = "2026-01-01 12:00:00 secret-number-0199-of-many is in this line of a log\n";
        let mut found = Vec::new();
        let log = line.repeat(2_000);
        matcher.find(&log, &mut found);
        let shown = hide(&log, found);
        assert_eq!(shown.matches(HIDDEN).count(), 2_000);
        assert!(!shown.contains("0199"));
    }
}
