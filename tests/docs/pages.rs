//! Finds the pages and the commands in them, and normalises output so that it is the same on every machine.

use std::path::Path;

/// What stands before a block that is a copy of a file of the project.
const COPY: &str = "<!-- file: ";

/// A page and its name.
pub struct Page {
    pub name: String,
    pub text: String,
}

/// README.md and all pages of docs/.
pub fn pages() -> Vec<Page> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = vec!["README.md".to_owned()];
    let docs = std::fs::read_dir(root.join("docs")).into_iter().flatten();
    let docs = docs.map(|entry| format!("docs/{}", entry.expect("an entry").file_name().to_string_lossy()));
    names.extend(docs.filter(|name| name.ends_with(".md")));
    names.sort();
    let read = |name: String| Page { text: std::fs::read_to_string(root.join(&name)).expect("a page is text"), name };
    names.into_iter().map(read).collect()
}

/// A command of a page and the lines that it is said to print.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Example {
    pub command: String,
    pub shown: Vec<String>,
    pub exit: i32,
}

/// A fenced block.
struct Block<'a> {
    language: String,
    lines: Vec<&'a str>,
    /// The file of which it is a copy.
    file: Option<String>,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut open: Option<Block<'_>> = None;
    let mut before = "";
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                let file = before.strip_prefix(COPY).and_then(|rest| rest.strip_suffix(" -->"));
                let file = file.map(str::to_owned);
                open = Some(Block { language: language.to_owned(), lines: Vec::new(), file });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => block.lines.push(line),
            (None, None) => {}
        }
        before = line;
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// The files that the page shows, with their contents as shown.
pub fn copies(page: &str) -> Vec<(String, String)> {
    let blocks = blocks(page).into_iter();
    blocks.filter_map(|block| Some((block.file?, block.lines.join("\n") + "\n"))).collect()
}

/// All commands, in order: each alone, or those of a `console` block together. A number after `$ echo $?` is the
/// expected exit code of the command before it; otherwise the expected code is 0.
pub fn examples(page: &str) -> Vec<Vec<Example>> {
    let mut all = Vec::new();
    let alone = |command: String| vec![Example { command, ..Example::default() }];
    for Block { language, lines, .. } in blocks(page).into_iter().filter(|block| block.file.is_none()) {
        match language.as_str() {
            "console" => {
                let mut found: Vec<Example> = Vec::new();
                let mut asks_for_exit = false;
                for line in lines {
                    if line == "$ echo $?" {
                        asks_for_exit = true;
                    } else if let Some(command) = line.strip_prefix("$ ") {
                        found.push(Example { command: command.to_owned(), ..Example::default() });
                    } else {
                        let last = found.last_mut().expect("a console block starts with a command");
                        if asks_for_exit {
                            last.exit = line.parse().expect("an exit code follows `echo $?`");
                            asks_for_exit = false;
                        } else if !line.trim().is_empty() {
                            last.shown.push(line.to_owned());
                        }
                    }
                }
                all.push(found);
            }
            "sh" => {
                for line in lines {
                    let command = line.split(" # ").next().unwrap_or(line).trim();
                    if !command.is_empty() && !command.starts_with('#') {
                        all.push(alone(command.to_owned()));
                    }
                }
            }
            "yaml" => {
                let is_script = |line: &&str| line.contains("run: ") || line.contains("script:");
                let script = lines.iter().find(|line| is_script(line));
                assert_eq!(script, None, "a CI snippet is a copy of a file that a test runs ({COPY}…)");
            }
            "text" | "toml" | "rust" | "json" | "xml" => {}
            other => panic!("nothing is known about blocks of `{other}`"),
        }
    }
    all
}

/// The arguments, if this is a command of ours that is run here.
pub fn arguments(command: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = command.strip_prefix("rehearsa ")?.split_whitespace().map(str::to_owned).collect();
    let ours = |word: &String| matches!(word.as_str(), "media" | "media::jellyfin" | "jellyfin" | "subtitles");
    let skips = |nth: usize| words[nth - 1] == "--skip";
    let bounded = (1..words.len()).any(|nth| ours(&words[nth]) && !skips(nth));
    if words[0] == "test" && !bounded && !words.contains(&"--list".to_owned()) {
        words.push("--list".to_owned());
    }
    // Without --dry-run it would also remove what other tests left on purpose; tests/it/demo.rs tests the removal.
    if words[0] == "clean" && !words.contains(&"--dry-run".to_owned()) {
        words.push("--dry-run".to_owned());
    }
    Some(words)
}

/// A line with what differs from run to run taken out: numbers, ids, the width of a table's columns.
pub fn alike(line: &str) -> String {
    // Other services may run on this host, or be started by another test.
    let line = match line.split_once(" (") {
        Some((before, after)) if after.ends_with(" filtered out)") => before,
        _ => line,
    };
    let words = line.split_whitespace().filter(|word| !word.chars().all(|c| c == '-'));
    let plain = |word: &str| {
        let short: String = word.split('-').map(varies).collect::<Vec<_>>().join("-");
        short.trim_matches(['(', ')']).to_owned()
    };
    words.map(plain).collect::<Vec<_>>().join(" ").replace(" # ", " ")
}

/// `#` for a number with or without a unit, or an id of hexadecimal digits.
fn varies(part: &str) -> String {
    let bare = part.trim_matches(['(', ')', ',']);
    let id = bare.len() >= 8 && bare.chars().all(|c| c.is_ascii_hexdigit());
    let number = bare.starts_with(|c: char| c.is_ascii_digit());
    let unit = matches!(bare, "B" | "kB" | "MB");
    if id || number || unit { "#".to_owned() } else { part.to_owned() }
}

/// A page with one block of each kind.
pub fn commands_are_found_in_every_kind_of_block() {
    let readme = "```console\n$ rehearsa test x\nline\n$ echo $?\n101\n```\n\
        ```sh\nrehearsa plan  # why\n# only words\n```\n\
        ```yaml\nlabels:\n  - a\n```\n<!-- file: ci/a.yml -->\n```yaml\n- run: rehearsa clean\n```\n";
    let found = examples(readme).into_iter().flatten().map(|example| (example.command, example.exit));
    let found: Vec<(String, i32)> = found.collect();
    let expected = [("rehearsa test x", 101), ("rehearsa plan", 0)];
    assert_eq!(found, expected.map(|(command, exit)| (command.to_owned(), exit)));
    assert_eq!(copies(readme), [("ci/a.yml".to_owned(), "- run: rehearsa clean\n".to_owned())]);
    assert_eq!(arguments("rehearsa test --skip media").expect("ours").last().expect("words"), "--list");
    assert_eq!(arguments("rehearsa test media").expect("ours").len(), 2);
    assert_eq!(alike("a-2ea039a5 took 4.9s  1.6 MB  -"), alike("a-00000000 took 12s 53 kB"));
}
