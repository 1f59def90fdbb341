//! Foreign text in Markdown, shown literally: it can be no Markdown, HTML, mention, link or border of a table.
//!
//! Foreign text is shown as code: every reader of Markdown takes its content literally, and no `@name`, `#1` or
//! address in it becomes a link. Escaping single characters is not enough, because readers look for links after
//! resolving escapes.

use crate::report::text;

/// Characters of a text that is shown in a line.
const LINE: usize = 500;

/// As code within a line, also in a cell of a table.
pub fn code(value: &str) -> String {
    let value = text::without_commands(&text::shortened(&text::one_line(value), LINE));
    // Readers split tables at every bar before they look for code, and differ on how to escape a bar. Another bar
    // character looks the same to people.
    let value = value.replace('|', "│");
    if value.is_empty() {
        return "-".to_owned();
    }
    let marks = "`".repeat(longest_run(&value) + 1);
    let blank = if value.starts_with('`') || value.ends_with('`') { " " } else { "" };
    format!("{marks}{blank}{value}{blank}{marks}")
}

/// As code in a block of HTML, where no Markdown is read.
pub fn html_code(value: &str) -> String {
    let value = text::without_commands(&text::shortened(&text::one_line(value), LINE));
    let mut html = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    format!("<code>{html}</code>")
}

/// `lines` as a block between fences that none of them can close.
pub fn block<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let lines: Vec<String> = lines
        .into_iter()
        .flat_map(|entry| text::clean(entry).lines().map(text::without_commands).collect::<Vec<_>>())
        .collect();
    let run = lines.iter().map(|line| longest_run(line)).max().unwrap_or(0);
    let fence = "`".repeat((run + 1).max(3));
    let body: String = lines.iter().map(|line| format!("{}\n", line.trim_end())).collect();
    format!("{fence}text\n{body}{fence}\n")
}

/// Backticks in a row, at most.
fn longest_run(value: &str) -> usize {
    value.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_in_a_line_cannot_end_early_or_split_a_cell() {
        assert_eq!(code("a|b"), "`a│b`");
        assert_eq!(code("a\\|b\nc"), "`a\\│b c`");
        assert_eq!(code("`x` ``y``"), "``` `x` ``y`` ```");
        assert_eq!(code("<b>@you</b>"), "`<b>@you</b>`");
        assert_eq!(code(" \n"), "-");
        assert!(code(&"x".repeat(10_000)).len() < 600);
    }

    #[test]
    fn code_in_html_is_no_html() {
        assert_eq!(
            html_code("</code><img src='x'> & \"y\"\n\n# z"),
            "<code>&lt;/code&gt;&lt;img src=&#39;x&#39;&gt; &amp; &quot;y&quot; # z</code>"
        );
    }

    #[test]
    fn no_line_closes_a_block() {
        assert_eq!(block(["a", "````", "::error::x"]), "`````text\na\n````\n: :error::x\n`````\n");
        assert_eq!(block(["a\nb"]), "```text\na\nb\n```\n");
        assert_eq!(block([]), "```text\n```\n");
    }
}
