//! Judges a Compose file of a stranger: which files it would make Compose read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::compose_places::yaml::{self, Node, Value};

/// Keys whose values are files that Compose reads, or folders from which it takes them.
const FILE_KEYS: [&str; 5] = ["env_file", "file", "label_file", "path", "project_directory"];
/// The key whose mappings are merged into the one that it stands in.
const MERGE: &str = "<<";
/// Most values of a file whose aliases are written out. Compose writes them out.
const MOST_VALUES: u64 = 1_000_000;

/// Why a file is refused, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub line: usize,
    pub why: String,
}

/// Judges a file. Returns the names, without folders, of the Compose files that it names.
pub(super) fn judge(text: &str) -> Result<Vec<String>, Refused> {
    refuse_line_breaks(text)?;
    let documents = yaml::parse(text).map_err(|error| Refused {
        line: error.at.line as usize,
        why: format!("it cannot be judged: {}", error.what),
    })?;
    let mut judge = Judge::default();
    for document in &documents {
        if judge.size(document) > MOST_VALUES {
            let why = format!("with its aliases written out it has more than {MOST_VALUES} values");
            return Err(Refused { line: document.at.line as usize, why });
        }
        judge.walk(document, Meaning::Other)?;
    }
    Ok(judge.named)
}

/// Refuses characters that are line breaks for one reader of YAML and none for another, and other control characters.
fn refuse_line_breaks(text: &str) -> Result<(), Refused> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let is_doubtful = |c: char| c.is_control() && c != '\t' || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
        if let Some(c) = line.chars().find(|c| is_doubtful(*c)) {
            return Err(Refused { line: index + 1, why: format!("it has the character U+{:04X}", u32::from(c)) });
        }
    }
    Ok(())
}

/// What a value stands for, by the keys above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Meaning {
    /// No file.
    Other,
    /// The value of `extends`: a service, or a mapping with a Compose file.
    Extends,
    /// The value of `include`: Compose files, or mappings with them.
    Include,
    /// Files that Compose reads.
    Files,
    /// Compose files.
    ComposeFiles,
}

impl Meaning {
    /// The meaning of an entry of a mapping that has this one.
    fn below(self, key: &str) -> Meaning {
        match (self, key) {
            (_, MERGE) => self,
            (Meaning::Extends, "file") | (Meaning::Include, "path") => Meaning::ComposeFiles,
            (Meaning::Other, "extends") => Meaning::Extends,
            (Meaning::Other, "include") => Meaning::Include,
            (Meaning::Files | Meaning::ComposeFiles, _) => self,
            _ if FILE_KEYS.contains(&key) => Meaning::Files,
            _ => Meaning::Other,
        }
    }
}

#[derive(Default)]
struct Judge {
    /// Names of Compose files.
    named: Vec<String>,
    /// What was walked already, and what it meant there.
    walked: HashSet<(*const Node, Meaning)>,
    sizes: HashMap<*const Node, u64>,
}

impl Judge {
    /// The number of values in a node whose aliases are written out.
    fn size(&mut self, node: &Arc<Node>) -> u64 {
        if let Some(known) = self.sizes.get(&Arc::as_ptr(node)) {
            return *known;
        }
        let parts: Vec<&Arc<Node>> = match &node.value {
            Value::Scalar(_) => Vec::new(),
            Value::Sequence(items) => items.iter().collect(),
            Value::Mapping(entries) => entries.iter().map(|(_, node)| node).collect(),
        };
        let size = parts.into_iter().fold(1_u64, |size, part| size.saturating_add(self.size(part)));
        self.sizes.insert(Arc::as_ptr(node), size);
        size
    }

    /// Looks for keys that name files, and judges the texts below them.
    fn walk(&mut self, node: &Arc<Node>, meaning: Meaning) -> Result<(), Refused> {
        if !self.walked.insert((Arc::as_ptr(node), meaning)) {
            return Ok(());
        }
        match &node.value {
            Value::Scalar(scalar) => {
                if matches!(meaning, Meaning::Other | Meaning::Extends) {
                    return Ok(());
                }
                if let Some(why) = wrong_path(&scalar.text) {
                    return Err(Refused { line: node.at.line as usize, why });
                }
                if matches!(meaning, Meaning::Include | Meaning::ComposeFiles) {
                    self.named.extend(scalar.text.rsplit('/').find(|name| !name.is_empty()).map(str::to_owned));
                }
                Ok(())
            }
            Value::Sequence(items) => items.iter().try_for_each(|item| self.walk(item, meaning)),
            Value::Mapping(entries) => {
                entries.iter().try_for_each(|(key, value)| self.walk(value, meaning.below(&key.text)))
            }
        }
    }
}

/// What is wrong with a text that names a file; `None`: it is a plain path within the folder.
fn wrong_path(path: &str) -> Option<String> {
    let mut depth = 0_i32;
    let leaves = path.split('/').any(|name| {
        depth += match name {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
        depth < 0
    });
    if path.starts_with(['/', '~']) || leaves {
        return Some(format!("it names the file {path}, which is outside of the folder"));
    }
    let is_remote = path.contains(':') || path.contains(".git") && path.contains('/') || path.starts_with("github.com");
    if is_remote {
        return Some(format!("it names the file {path}, which Compose may fetch from somewhere else"));
    }
    if path.contains(['$', '\\', '\n', '\r']) || path.trim() != path {
        return Some(format!("it names the file {path:?}, and where that leads cannot be judged"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> Option<String> {
        judge(text).err().map(|refused| format!("{}: {}", refused.line, refused.why))
    }

    #[test]
    fn what_leads_out_of_the_folder_is_refused_in_every_form() {
        for text in [
            "services:\n  a:\n    env_file: /etc/shadow",
            "services:\n  a:\n    env_file:\n      - ok.env\n      - ../../x.env",
            "services:\n  a:\n    env_file:\n    - path: /etc/shadow\n      required: false",
            "services: {a: {env_file: [/etc/shadow]}}",
            "services: {a: {\"env_file\": \"/etc/shadow\"}}",
            "services:\n  a:\n    extends:\n      file: ../other/compose.yaml",
            "secrets:\n  s:\n    file: /root/.ssh/id_rsa",
            "secrets:\n  s:\n    file: ~/.ssh/id_rsa",
            "secrets:\n  s:\n    file: ${HOME}/.ssh/id_rsa",
            "include:\n  - oci://registry.example/x",
            "include:\n- https://example.org/x.git",
            "include: git@example.org:x",
            "include: x@192.0.2.1:r",
            "include: github.com/a/b",
            "include: [a, {path: [b, /etc/shadow]}]",
            "include: {path: a, env_file: /etc/shadow}",
            "x: &x {file: ../b}\nservices: {a: {extends: {<<: *x, service: b}}}",
            "include:\n  - path: a.yaml\n    project_directory: /",
            "x: &x /etc/shadow\nservices:\n  a:\n    env_file: *x",
            "x: &x {env_file: /etc/shadow}\nservices:\n  a:\n    <<: *x",
            "services:\n  a:\n    ? env_file\n    : /etc/shadow",
            "services: {a: {\"env\\u005ffile\": /x}}",
            "services:\n  a:\n    env_file:\n      [\n      /etc/shadow ]",
            "services:\n  a:\n    env_file: \"\\x2fetc/shadow\"",
            "services:\n  a:\n    env_file: \"\\u002fetc/shadow\"",
            "services:\n  a:\n    env_file: \"\\\n      /etc/shadow\"",
            "services:\n  a:\n    env_file: |-\n      /etc/shadow",
            "services: {a: {\n  env_file: [\n/etc/shadow\n]}}",
            "services: {}\n---\nsecrets: {s: {file: /etc/shadow}}",
            "services:\n  a: {image: x}\u{2028}  env_file: x",
            "services:\n  a: {image: x}\rsecrets: {}",
            "services: [",
        ] {
            assert!(why(text).is_some(), "{text}");
        }
    }

    #[test]
    fn an_ordinary_file_is_not_refused() {
        let text = "\
# include: https://example.org
x-common: &common
  restart: always
services:
  app:
    <<: *common
    image: ghcr.io/x/y:1
    env_file:
      - .env
      - path: ./conf/app.env
        required: false
    environment:
      URL: https://app.example.org
      PATH: /bin
    extends:
      file: common.yaml
      service: base
    volumes:
      - /srv/media:/media:ro
      - ../files/x:/x
secrets:
  token:
    file: ./secrets/token.txt
";
        assert_eq!(why(text), None);
        assert_eq!(judge(text), Ok(vec!["common.yaml".to_owned()]));
        let text = "include: [{path: [a/b.txt], project_directory: c, env_file: .env}, d]\r\n";
        assert_eq!(judge(text), Ok(vec!["b.txt".to_owned(), "d".to_owned()]));
    }

    #[test]
    fn aliases_that_grow_without_bound_are_refused() {
        let mut text = "a0: &a0 [x, x]\n".to_owned();
        for n in 1..64 {
            text += &format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1);
        }
        assert!(why(&text).is_some_and(|why| why.contains("aliases written out")), "{:?}", why(&text));
    }
}
