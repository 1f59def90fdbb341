//! A YAML file as a tree that knows where each of its parts stands.
//!
//! Scalars stay the text that was written. Aliases are the nodes that they stand for, with the place of the anchor:
//! that is where a value is changed. A mapping is asked through its merge keys (`<<`).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// Most levels that a file may have.
const DEPTH: usize = 100;
/// Most nodes that a file may have.
const NODES: usize = 100_000;
/// The key whose mappings are merged into the one that it stands in.
const MERGE: &str = "<<";

/// A place in a file, both numbers from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub line: u32,
    /// In characters.
    pub column: u32,
}

/// A file that is no YAML, and where that shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    pub at: Position,
    pub what: String,
}

/// A part of a file.
#[derive(Debug)]
pub struct Node {
    pub at: Position,
    /// The end of the tag: `reset` of `!reset`.
    pub tag: Option<String>,
    pub value: Value,
}

#[derive(Debug)]
pub enum Value {
    Scalar(Scalar),
    Sequence(Vec<Arc<Node>>),
    /// In the order of the file, merge keys among the others.
    Mapping(Vec<(Key, Arc<Node>)>),
}

/// A scalar as it was written.
#[derive(Debug)]
pub struct Scalar {
    /// Without quotes and indentation.
    pub text: String,
    /// Neither quoted nor a block: YAML may read a number or a truth value.
    pub is_plain: bool,
    /// The bytes of the file that hold the scalar.
    pub raw: std::ops::Range<usize>,
}

#[derive(Debug)]
pub struct Key {
    pub text: String,
    pub at: Position,
}

/// Reads the documents of a file.
pub fn parse(text: &str) -> Result<Vec<Arc<Node>>, SyntaxError> {
    let mut builder = Builder { bytes: Bytes::new(text), ..Builder::default() };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| SyntaxError {
            at: position(error.marker().line(), error.marker().col()),
            what: error.info().to_owned(),
        })?;
        builder.take(event, span)?;
    }
    Ok(builder.documents)
}

fn position(line: usize, column: usize) -> Position {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Position { line: number(line), column: number(column.saturating_add(1)) }
}

#[derive(Default)]
struct Builder {
    documents: Vec<Arc<Node>>,
    open: Vec<Open>,
    anchors: HashMap<usize, Arc<Node>>,
    nodes: usize,
    bytes: Bytes,
}

/// A collection whose end has not come.
struct Open {
    at: Position,
    tag: Option<String>,
    anchor: usize,
    kind: OpenKind,
}

enum OpenKind {
    Sequence(Vec<Arc<Node>>),
    Mapping {
        entries: Vec<(Key, Arc<Node>)>,
        /// Whose value is next.
        key: Option<Key>,
    },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), SyntaxError> {
        let at = position(span.start.line(), span.start.col());
        let named = |tag: Option<std::borrow::Cow<'_, saphyr_parser::Tag>>| tag.map(|tag| tag.suffix.clone());
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = Scalar {
                    text: text.into_owned(),
                    is_plain: style == ScalarStyle::Plain,
                    raw: self.bytes.at(span.start.index())..self.bytes.at(span.end.index()),
                };
                self.add(Node { at, tag: named(tag), value: Value::Scalar(scalar) }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(Open { at, tag: named(tag), anchor, kind: OpenKind::Sequence(Vec::new()) })
            }
            Event::MappingStart(anchor, tag) => {
                let kind = OpenKind::Mapping { entries: Vec::new(), key: None };
                self.begin(Open { at, tag: named(tag), anchor, kind })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { at, tag, anchor, kind }) => {
                    let value = match kind {
                        OpenKind::Sequence(items) => Value::Sequence(items),
                        OpenKind::Mapping { entries, .. } => Value::Mapping(entries),
                    };
                    self.add(Node { at, tag, value }, anchor)
                }
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => self.put(Arc::clone(node), at),
                None => Err(SyntaxError { at, what: "an alias stands inside of what it stands for".to_owned() }),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn begin(&mut self, open: Open) -> Result<(), SyntaxError> {
        if self.open.len() >= DEPTH {
            return Err(SyntaxError { at: open.at, what: format!("it has more than {DEPTH} levels") });
        }
        self.open.push(open);
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), SyntaxError> {
        let (node, at) = (Arc::new(node), None);
        if anchor > 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        let at = at.unwrap_or(node.at);
        self.put(node, at)
    }

    /// Puts a node, which is written at this place, into the collection that is open.
    fn put(&mut self, node: Arc<Node>, at: Position) -> Result<(), SyntaxError> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err(SyntaxError { at, what: format!("it has more than {NODES} values") });
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.documents.push(node),
            Some(OpenKind::Sequence(items)) => items.push(node),
            Some(OpenKind::Mapping { entries, key }) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => {
                    let text = match &node.value {
                        Value::Scalar(scalar) => scalar.text.clone(),
                        Value::Sequence(_) | Value::Mapping(_) => {
                            return Err(SyntaxError { at, what: "a key is no text".to_owned() });
                        }
                    };
                    let first = entries.iter().find(|(other, _)| other.text == text && text != MERGE);
                    if let Some((first, _)) = first {
                        let what = format!("the key {text} stands here again; it is at line {} already", first.at.line);
                        return Err(SyntaxError { at, what });
                    }
                    *key = Some(Key { text, at });
                }
            },
        }
        Ok(())
    }
}

/// Turns numbers of characters into numbers of bytes.
#[derive(Default)]
struct Bytes {
    /// The byte that each character begins at; empty: all characters are single bytes.
    starts: Vec<usize>,
    length: usize,
}

impl Bytes {
    fn new(text: &str) -> Self {
        let starts = if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(byte, _)| byte).collect() };
        Self { starts, length: text.len() }
    }

    fn at(&self, character: usize) -> usize {
        match self.starts.is_empty() {
            true => character.min(self.length),
            false => self.starts.get(character).copied().unwrap_or(self.length),
        }
    }
}

impl Node {
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    /// The items of a sequence; none of anything else.
    pub fn items(&self) -> &[Arc<Node>] {
        match &self.value {
            Value::Sequence(items) => items,
            Value::Scalar(_) | Value::Mapping(_) => &[],
        }
    }

    /// The entries of a mapping, those that it merges included: its own first, and of several with one key the first.
    pub fn entries(&self) -> Vec<(&Key, &Arc<Node>)> {
        let mut found = Vec::new();
        self.collect(&mut found, &mut BTreeSet::new(), &mut Vec::new());
        found
    }

    fn collect<'a>(
        &'a self,
        found: &mut Vec<(&'a Key, &'a Arc<Node>)>,
        names: &mut BTreeSet<&'a str>,
        merged: &mut Vec<*const Node>,
    ) {
        let Value::Mapping(entries) = &self.value else { return };
        let own = entries.iter().filter(|(key, _)| key.text != MERGE);
        for (key, node) in own {
            if names.insert(&key.text) {
                found.push((key, node));
            }
        }
        for (_, node) in entries.iter().filter(|(key, _)| key.text == MERGE) {
            let several = node.items();
            for node in if several.is_empty() { std::slice::from_ref(node) } else { several } {
                if !merged.contains(&Arc::as_ptr(node)) {
                    merged.push(Arc::as_ptr(node));
                    node.collect(found, names, merged);
                }
            }
        }
    }

    /// The entry of a mapping.
    pub fn entry(&self, name: &str) -> Option<(&Key, &Arc<Node>)> {
        self.entries().into_iter().find(|(key, _)| key.text == name)
    }

    /// The value of an entry.
    pub fn get(&self, name: &str) -> Option<&Arc<Node>> {
        self.entry(name).map(|(_, node)| node)
    }
}
