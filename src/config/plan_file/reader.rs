//! Reads a serde type from a TOML tree and reports every mistake.
//!
//! Serde stops at the first mistake. [`read`] leaves the wrong entry out and reads again, until no mistake is left.
//! A mistake that is there only because an entry was left out is not told.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use toml::de::DeValue;

use crate::config::values::suggest::suggestion;

/// Reads a `T` without its wrong entries, and all mistakes. `None`: the tree as a whole is wrong.
pub fn read<T: DeserializeOwned>(tree: &DeValue<'_>) -> (Option<T>, Vec<Mistake>) {
    let mut left_out = BTreeSet::new();
    let mut mistakes = Vec::new();
    loop {
        let mistake = match T::deserialize(Node { value: tree, at: 0, left_out: &left_out, known: None }) {
            Ok(value) => return (Some(value), mistakes),
            Err(mistake) => mistake,
        };
        let entry = mistake.place.as_ref().map(|place| place.entry);
        let is_told = mistake.place.as_ref().is_none_or(|place| !place.follows_another);
        mistakes.extend(is_told.then_some(mistake));
        if !entry.is_some_and(|entry| left_out.insert(entry)) {
            return (None, mistakes);
        }
    }
}

/// The keys of a table type.
pub fn keys_of<T: DeserializeOwned>() -> Vec<&'static str> {
    // No table has an empty key, so serde answers with the keys that there are.
    match T::deserialize(MapDeserializer::new(std::iter::once(("", ())))) {
        Err(Mistake { what: What::UnknownKey { known, .. }, .. }) => known,
        _ => Vec::new(),
    }
}

/// A mistake in a TOML tree.
#[derive(Debug)]
pub struct Mistake {
    what: What,
    place: Option<Place>,
}

#[derive(Debug)]
enum What {
    Sentence(String),
    UnknownKey { key: String, known: Vec<&'static str>, has_table: bool },
}

#[derive(Debug)]
struct Place {
    /// Offset in the text.
    at: usize,
    /// The key whose value is wrong.
    key: Option<String>,
    /// The offset that stands for the entry, see [`Node::left_out`].
    entry: usize,
    /// The mistake may be there only because an entry of the table was left out.
    follows_another: bool,
}

impl Mistake {
    fn new(what: What) -> Self {
        Self { what, place: None }
    }

    /// The offset of the mistake in the text, and the key whose value is wrong.
    pub fn place(&self) -> (usize, Option<&str>) {
        self.place.as_ref().map_or((0, None), |place| (place.at, place.key.as_deref()))
    }

    /// What is wrong, and what would be right. `elsewhere` says where an unknown key would be right.
    pub fn sentence(&self, elsewhere: impl Fn(&str) -> Option<&'static str>) -> String {
        match &self.what {
            What::Sentence(sentence) => sentence.clone(),
            What::UnknownKey { key, known, has_table } => {
                let elsewhere = elsewhere(key).map(|place| format!("it belongs {place}"));
                let hint = elsewhere.or_else(|| suggestion(key, known.iter().copied())).unwrap_or_else(|| {
                    let dot = if *has_table { "a name with a dot in it is written in quotes; " } else { "" };
                    format!("{dot}there are {}", known.join(", "))
                });
                format!("unknown key `{key}`; {hint}")
            }
        }
    }

    /// Gives a mistake its place, unless it has one further inside.
    fn or_at(mut self, place: impl FnOnce() -> Place) -> Self {
        self.place.get_or_insert_with(place);
        self
    }

    fn at_key(mut self, entry: &Entry<'_>) -> Self {
        if let What::UnknownKey { has_table, .. } = &mut self.what {
            *has_table = entry.node.value.is_table();
        }
        self.or_at(|| Place { at: entry.key_at, key: None, entry: entry.key_at, follows_another: false })
    }

    fn at_value(self, entry: &Entry<'_>) -> Self {
        let key = Some(entry.key.to_owned());
        let follows_another = entry.node.lacks_an_entry();
        self.or_at(|| Place { at: entry.node.at, key, entry: entry.key_at, follows_another })
    }

    fn at_element(self, node: Node<'_>) -> Self {
        let follows_another = node.lacks_an_entry();
        self.or_at(|| Place { at: node.at, key: None, entry: node.at, follows_another })
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence(|_| None))
    }
}

impl std::error::Error for Mistake {}

impl Error for Mistake {
    fn custom<T: fmt::Display>(sentence: T) -> Self {
        Self::new(What::Sentence(sentence.to_string()))
    }

    /// The value is not repeated: it may be a secret.
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Bool(_) => "true or false",
            Unexpected::Signed(_) | Unexpected::Unsigned(_) => "a number",
            Unexpected::Float(_) => "a number with a point",
            Unexpected::Str(_) => "a text",
            Unexpected::Seq => "a list",
            Unexpected::Map => "a table",
            Unexpected::Other(kind) => kind,
            _ => "something else",
        };
        let expected = match expected.to_string().as_str() {
            "a boolean" => "`true` or `false`".to_owned(),
            "a string" => "a text".to_owned(),
            "a sequence" => "a list".to_owned(),
            "a map" => "a table".to_owned(),
            expected => expected.to_owned(),
        };
        Self::custom(format!("this is {found}; write {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format!("this does not fit; write {expected}"))
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownKey { key: key.to_owned(), known: known.to_vec(), has_table: false })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::custom(format!("the key `{key}` is missing"))
    }
}

/// A value and the offset where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located<T> {
    /// Offset in the text.
    pub at: usize,
    /// The value.
    pub value: T,
}

/// The name by which a [`Node`] knows that a [`Located`] is read.
const LOCATED: &str = "rehearsa::Located";

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Pair(at, value) = deserializer.deserialize_newtype_struct(LOCATED, PairVisitor(PhantomData))?;
        Ok(Located { at, value })
    }
}

/// Two things that a [`Node`] makes of one value: its offset and itself, or two parts of a table.
#[derive(Debug)]
pub struct Pair<A, B>(pub A, pub B);

impl<'de, A: Deserialize<'de>, B: Deserialize<'de>> Deserialize<'de> for Pair<A, B> {
    /// Reads a table of which `A` and `B` take their keys.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple_struct("Pair", 2, PairVisitor(PhantomData))
    }
}

struct PairVisitor<A, B>(PhantomData<(A, B)>);

impl<'de, A: Deserialize<'de>, B: Deserialize<'de>> Visitor<'de> for PairVisitor<A, B> {
    type Value = Pair<A, B>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pair")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Pair<A, B>, S::Error> {
        let mut missing = || S::Error::invalid_length(0, &"a pair");
        let a = seq.next_element()?.ok_or_else(&mut missing)?;
        Ok(Pair(a, seq.next_element()?.ok_or_else(&mut missing)?))
    }
}

/// A value of the tree.
#[derive(Clone, Copy)]
struct Node<'a> {
    value: &'a DeValue<'a>,
    /// Offset in the text.
    at: usize,
    /// The wrong entries, by the offsets of their keys; elements of lists by their own.
    left_out: &'a BTreeSet<usize>,
    /// In a table that is read in parts: the keys that a part knows.
    known: Option<&'a RefCell<Vec<&'static str>>>,
}

/// A key and its value.
struct Entry<'a> {
    key: &'a str,
    key_at: usize,
    node: Node<'a>,
}

impl<'a> Node<'a> {
    fn below(self, value: &'a DeValue<'a>, at: usize) -> Self {
        Node { value, at, known: None, ..self }
    }

    /// The entries of a table that are not left out; none for other values.
    fn entries(self) -> impl Iterator<Item = Entry<'a>> {
        let entries = self.value.as_table().into_iter().flat_map(|table| table.iter());
        entries.filter(move |(key, _)| !self.left_out.contains(&key.span().start)).map(move |(key, value)| {
            let key_at = key.span().start;
            // The span of a table with a heading begins before its name.
            Entry { key: key.get_ref(), key_at, node: self.below(value.get_ref(), value.span().start.max(key_at)) }
        })
    }

    /// The elements of a list that are not left out; none for other values.
    fn elements(self) -> impl Iterator<Item = Node<'a>> {
        let elements = self.value.as_array().into_iter().flat_map(|list| list.iter());
        let elements = elements.map(move |element| self.below(element.get_ref(), element.span().start));
        elements.filter(move |node| !self.left_out.contains(&node.at))
    }

    fn lacks_an_entry(self) -> bool {
        match self.value {
            DeValue::Table(table) => table.len() > self.entries().count(),
            DeValue::Array(list) => list.len() > self.elements().count(),
            _ => false,
        }
    }
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let other = |kind, visitor: &V| Err(Mistake::invalid_type(Unexpected::Other(kind), visitor));
        match self.value {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Boolean(flag) => visitor.visit_bool(*flag),
            DeValue::Integer(number) => match number.as_str().parse() {
                Ok(number_in_range) if number.radix() == 10 => visitor.visit_i64(number_in_range),
                _ => other("a number that does not fit", &visitor),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => other("a number that does not fit", &visitor),
            },
            DeValue::Datetime(_) => other("a date", &visitor),
            DeValue::Array(_) => visitor.visit_seq(Items(self.elements().map(Item::Element))),
            DeValue::Table(_) => visitor.visit_map(Entries { rest: self.entries(), value: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Mistake> {
        if name == LOCATED {
            visitor.visit_seq(Items([Item::Offset(self.at), Item::Part(self)].into_iter()))
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    /// Each part of the table takes the keys that it knows.
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        parts: usize,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        let own = RefCell::new(Vec::new());
        // A part may itself be read in parts.
        let known = self.known.unwrap_or(&own);
        let part = Node { known: Some(known), ..self };
        let value = visitor.visit_seq(Items((0..parts).map(|_| Item::Part(part))))?;
        if self.known.is_some() {
            return Ok(value);
        }
        let known = known.borrow();
        match self.entries().find(|entry| !known.contains(&entry.key)) {
            None => Ok(value),
            Some(entry) => {
                let what = What::UnknownKey { key: entry.key.to_owned(), known: known.clone(), has_table: false };
                Err(Mistake::new(what).at_key(&entry))
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match (self.value, self.known) {
            (DeValue::Table(_), Some(known)) => {
                known.borrow_mut().extend(keys);
                let own = self.entries().filter(|entry| keys.contains(&entry.key));
                visitor.visit_map(Entries { rest: own, value: None })
            }
            // Serde would take a list for the fields in their order.
            (DeValue::Array(_), _) => Err(Mistake::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    /// A text is the name of a variant. A table has the name of a variant among its keys; the variant is the whole
    /// table.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match self.value {
            DeValue::String(name) if variants.contains(&name.as_ref()) => {
                visitor.visit_enum(Variant { name, node: self })
            }
            DeValue::String(name) => {
                Err(Mistake::custom(format!("`{name}` is not known here; write {}", &visitor as &dyn Expected)))
            }
            DeValue::Table(_) => {
                let mut named = self.entries().filter(|entry| variants.contains(&entry.key));
                match (named.next(), named.next()) {
                    (Some(entry), None) => visitor.visit_enum(Variant { name: entry.key, node: self }),
                    (Some(one), Some(other)) => {
                        let what = format!("only one of `{}` and `{}` can stand here", one.key, other.key);
                        Err(Mistake::custom(what))
                    }
                    (None, _) => Err(self.without_variant(variants, &visitor)),
                }
            }
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        map identifier ignored_any
    }
}

impl Node<'_> {
    /// The mistake of a table that has none of these keys.
    fn without_variant(self, variants: &'static [&'static str], expected: &dyn Expected) -> Mistake {
        match self.entries().find(|entry| suggestion(entry.key, variants.iter().copied()).is_some()) {
            Some(entry) => Mistake::unknown_field(entry.key, variants).at_key(&entry),
            None => Mistake::invalid_type(Unexpected::Other("a table without a known key"), expected),
        }
    }
}

struct Entries<'a, I> {
    rest: I,
    value: Option<Entry<'a>>,
}

impl<'de, 'a, I: Iterator<Item = Entry<'a>>> MapAccess<'de> for Entries<'a, I> {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mistake> {
        let Some(entry) = self.rest.next() else { return Ok(None) };
        let key =
            seed.deserialize(StrDeserializer::new(entry.key)).map_err(|mistake: Mistake| mistake.at_key(&entry))?;
        self.value = Some(entry);
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mistake> {
        let entry = self.value.take().expect("serde asks for a value after its key");
        seed.deserialize(entry.node).map_err(|mistake| mistake.at_value(&entry))
    }
}

/// What a sequence is made of.
enum Item<'a> {
    /// An element of a list.
    Element(Node<'a>),
    /// The whole value, or a part of a table.
    Part(Node<'a>),
    /// The offset of the value.
    Offset(usize),
}

struct Items<I>(I);

impl<'de, 'a, I: Iterator<Item = Item<'a>>> SeqAccess<'de> for Items<I> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mistake> {
        let Some(item) = self.0.next() else { return Ok(None) };
        match item {
            Item::Element(node) => seed.deserialize(node).map_err(|mistake| mistake.at_element(node)),
            Item::Part(node) => seed.deserialize(node),
            Item::Offset(offset) => seed.deserialize(offset.into_deserializer()),
        }
        .map(Some)
    }
}

struct Variant<'a> {
    name: &'a str,
    node: Node<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Mistake;
    type Variant = Node<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Node<'a>), Mistake> {
        Ok((seed.deserialize(StrDeserializer::<Mistake>::new(self.name))?, self.node))
    }
}

impl<'de> VariantAccess<'de> for Node<'_> {
    type Error = Mistake;

    fn unit_variant(self) -> Result<(), Mistake> {
        match self.value {
            DeValue::String(_) => Ok(()),
            _ => Err(Mistake::invalid_type(Unexpected::Map, &"its name alone, as a text")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Mistake> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_any(visitor)
    }
}
