//! Where each thing of a Compose file stands: services, keys, mounts and variables, each with line and column.
//!
//! What a file means is said by Compose alone. Here it is only found where the owner wrote it, so that a finding names
//! the line to mend. A stranger's file is judged by the same tree before Compose reads it.

pub mod variables;
pub mod yaml;

use std::collections::HashSet;
use std::sync::Arc;

use self::variables::UseForm;
use self::yaml::{Node, Position, SyntaxError, Value};

/// A Compose file with the places of its parts.
#[derive(Debug)]
pub struct ComposeFile {
    /// The file as it is shown.
    pub path: String,
    text: String,
    /// Several documents in one file are merged like several files: a later one has the last word.
    documents: Vec<Arc<Node>>,
}

/// A use of a variable, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedUse {
    pub name: String,
    pub at: Position,
    pub form: UseForm,
    /// The use stands in the default of another one.
    pub nested: bool,
    /// The keys on the way to it: `services`, `web`, `image`. Items of a list are `#0`, `#1`.
    pub path: Vec<String>,
}

/// A `${` that Compose stops at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedBadUse {
    pub at: Position,
    pub why: &'static str,
}

/// A mount as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenMount {
    pub at: Position,
    /// The volume or the path of the host; `None`: an anonymous volume.
    pub source: Option<String>,
    /// The path in the container.
    pub target: String,
}

impl ComposeFile {
    /// Reads a file.
    pub fn parse(path: &str, text: &str) -> Result<Self, SyntaxError> {
        let documents = yaml::parse(text)?;
        Ok(Self { path: path.to_owned(), text: text.to_owned(), documents })
    }

    /// The values at a path, of the last document first. Each with the place of its key, or of the item of a list.
    pub fn all(&self, path: &[&str]) -> Vec<(Position, &Arc<Node>)> {
        self.documents.iter().rev().filter_map(|document| follow(document, path)).collect()
    }

    /// The value at a path that has the last word.
    pub fn find(&self, path: &[&str]) -> Option<(Position, &Arc<Node>)> {
        self.all(path).into_iter().next()
    }

    /// The place of a key or of an item.
    pub fn place(&self, path: &[&str]) -> Option<Position> {
        self.find(path).map(|(at, _)| at)
    }

    /// The names in a section (`services`, `volumes`), each with its place.
    pub fn names(&self, section: &str) -> Vec<(&str, Position)> {
        let mut names: Vec<(&str, Position)> = Vec::new();
        for (_, node) in self.all(&[section]) {
            for (key, _) in node.entries() {
                if !names.iter().any(|(known, _)| *known == key.text) {
                    names.push((&key.text, key.at));
                }
            }
        }
        names
    }

    /// The mounts of a service, in the short and in the long form.
    pub fn mounts(&self, service: &str) -> Vec<WrittenMount> {
        let lists = self.all(&["services", service, "volumes"]);
        lists.into_iter().flat_map(|(_, list)| list.items()).filter_map(|item| written_mount(item)).collect()
    }

    /// Every use of a variable in the file, in the order of the file. Keys are not interpolated.
    pub fn uses(&self) -> (Vec<PlacedUse>, Vec<PlacedBadUse>) {
        let mut walk = Walk { file: self, seen: HashSet::new(), uses: Vec::new(), bad: Vec::new() };
        for document in &self.documents {
            walk.visit(document, &mut Vec::new());
        }
        walk.uses.sort_by_key(|of| of.at);
        (walk.uses, walk.bad)
    }

    /// The place of the `$` with this number in a scalar.
    fn dollar(&self, node: &Node, number: usize, cooked: &str) -> Position {
        let Value::Scalar(scalar) = &node.value else { return node.at };
        let raw = self.text.get(scalar.raw.clone()).unwrap_or_default();
        let mut dollars = raw.char_indices().filter(|(_, letter)| *letter == '$');
        let count = raw.matches('$').count();
        // An escaped one in double quotes is not seen in the text: then the scalar's own place must do.
        match dollars.nth(number).filter(|_| count == cooked.matches('$').count()) {
            Some((offset, _)) => self.position(scalar.raw.start + offset),
            None => node.at,
        }
    }

    fn position(&self, byte: usize) -> Position {
        let before = &self.text[..byte];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Position { line: number(line), column: number(column) }
    }
}

/// The value at a path below a node, with the place of its key or item.
fn follow<'a>(document: &'a Arc<Node>, path: &[&str]) -> Option<(Position, &'a Arc<Node>)> {
    let mut found = (document.at, document);
    for step in path {
        found = match step.strip_prefix('#').and_then(|number| number.parse::<usize>().ok()) {
            Some(number) => {
                let item = found.1.items().get(number)?;
                (item.at, item)
            }
            None => {
                let (key, node) = found.1.entry(step)?;
                (key.at, node)
            }
        };
    }
    Some(found)
}

/// A mount of a list. The options after the target (`ro`, `z`) are left away.
fn written_mount(item: &Node) -> Option<WrittenMount> {
    let field = |name: &str| item.get(name).and_then(|node| node.text()).map(str::to_owned);
    let Some(text) = item.text() else {
        return Some(WrittenMount { at: item.at, source: field("source").or(field("src")), target: field("target")? });
    };
    let parts = split_outside_braces(text);
    Some(match parts.as_slice() {
        [target] => WrittenMount { at: item.at, source: None, target: (*target).to_owned() },
        [source, target, ..] => {
            WrittenMount { at: item.at, source: Some((*source).to_owned()), target: (*target).to_owned() }
        }
        [] => return None,
    })
}

/// The parts between colons: `${DATA:-/srv}/db:/data:ro` has three.
fn split_outside_braces(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0usize, 0);
    for (index, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => {
                parts.push(&text[from..index]);
                from = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

struct Walk<'a> {
    file: &'a ComposeFile,
    /// What an alias stands for is visited once: it is written once.
    seen: HashSet<*const Node>,
    uses: Vec<PlacedUse>,
    bad: Vec<PlacedBadUse>,
}

impl Walk<'_> {
    fn visit(&mut self, node: &Arc<Node>, path: &mut Vec<String>) {
        if !self.seen.insert(Arc::as_ptr(node)) {
            return;
        }
        match &node.value {
            Value::Scalar(scalar) => match variables::uses(&scalar.text) {
                Ok(uses) => self.uses.extend(uses.into_iter().map(|of| PlacedUse {
                    at: self.file.dollar(node, of.dollar, &scalar.text),
                    name: of.name,
                    form: of.form,
                    nested: of.nested,
                    path: path.clone(),
                })),
                Err(bad) => {
                    let at = self.file.dollar(node, bad.dollar, &scalar.text);
                    self.bad.push(PlacedBadUse { at, why: bad.why });
                }
            },
            Value::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(format!("#{index}"));
                    self.visit(item, path);
                    path.pop();
                }
            }
            Value::Mapping(entries) => {
                for (key, value) in entries {
                    path.push(key.text.clone());
                    self.visit(value, path);
                    path.pop();
                }
            }
        }
    }
}

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;
