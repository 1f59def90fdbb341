//! A value of the JSON that Compose prints, with its place in the project.
//!
//! Compose doubles every `$` that it prints; [`Node::text`] undoes that.

use serde_json::Value;

use super::error::ComposeError;

/// A value and its place (`services.web.ports[0]`).
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    value: &'a Value,
    place: String,
}

type Read<T> = Result<T, ComposeError>;

impl<'a> Node<'a> {
    pub fn root(value: &'a Value) -> Node<'a> {
        Node { value, place: String::new() }
    }

    pub fn is_null(&self) -> bool {
        self.value.is_null()
    }

    pub fn is_list(&self) -> bool {
        self.value.is_array()
    }

    pub fn place(&self) -> &str {
        &self.place
    }

    /// The error that the value is not what is expected here. The value itself may be a secret.
    pub fn unexpected(&self, expected: &str) -> ComposeError {
        let is = match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "another text",
            Value::Array(_) => "a list",
            Value::Object(_) => "a mapping",
        };
        ComposeError::Unknown(format!("Compose gives {is} for {}, and {expected} is expected", self.place))
    }

    /// A text, as written in the file. Numbers and booleans become text.
    pub fn text(&self) -> Read<String> {
        match self.value {
            Value::String(text) => Ok(text.replace("$$", "$")),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            _ => Err(self.unexpected("a text")),
        }
    }

    /// A whole number, which Compose prints as a number or as a text.
    pub fn number(&self) -> Read<i64> {
        self.text()?.parse().map_err(|_| self.unexpected("a whole number"))
    }

    pub fn decimal(&self) -> Read<f64> {
        self.text()?.parse().map_err(|_| self.unexpected("a number"))
    }

    pub fn flag(&self) -> Read<bool> {
        match self.value {
            Value::Bool(flag) => Ok(*flag),
            Value::String(text) => text.parse().map_err(|_| self.unexpected("a boolean")),
            _ => Err(self.unexpected("a boolean")),
        }
    }

    /// A length of time, in nanoseconds.
    pub fn time(&self) -> Read<i64> {
        nanoseconds(&self.text()?).ok_or_else(|| self.unexpected("a length of time"))
    }

    /// The members of a list; nothing for `null`.
    pub fn list(&self) -> Read<Vec<Node<'a>>> {
        match self.value {
            Value::Null => Ok(Vec::new()),
            Value::Array(members) => Ok(members
                .iter()
                .enumerate()
                .map(|(index, value)| Node { value, place: format!("{}[{index}]", self.place) })
                .collect()),
            _ => Err(self.unexpected("a list")),
        }
    }

    pub fn texts(&self) -> Read<Vec<String>> {
        self.list()?.iter().map(Node::text).collect()
    }

    /// The entries of a mapping, in the order of their keys; nothing for `null`.
    pub fn entries(&self) -> Read<Vec<(String, Node<'a>)>> {
        match self.value {
            Value::Null => Ok(Vec::new()),
            Value::Object(entries) => {
                Ok(entries.iter().map(|(key, value)| (key.clone(), self.below(key, value))).collect())
            }
            _ => Err(self.unexpected("a mapping")),
        }
    }

    /// The value of a key; `None`: the mapping has no such key, or `null`.
    pub fn get(&self, key: &str) -> Option<Node<'a>> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(self.below(key, value))
    }

    fn below(&self, key: &str, value: &'a Value) -> Node<'a> {
        let place = if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) };
        Node { value, place }
    }

    /// The value as a report may show it: of a list its texts, of a mapping its keys.
    pub fn shown(&self) -> String {
        match self.value {
            Value::Null => String::new(),
            Value::Array(members) if members.iter().all(|member| !member.is_object() && !member.is_array()) => {
                self.texts().unwrap_or_default().join(", ")
            }
            Value::Array(members) => format!("{} of them", members.len()),
            Value::Object(entries) => entries.keys().cloned().collect::<Vec<_>>().join(", "),
            _ => self.text().unwrap_or_default(),
        }
    }
}

/// Reads a length of time as Go prints it (`1h2m3.5s`, `100ms`).
fn nanoseconds(text: &str) -> Option<i64> {
    const UNITS: [(&str, f64); 7] =
        [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12)];
    if text == "0" {
        return Some(0);
    }
    let (mut rest, mut sum) = (text, 0.0);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let unit_end = rest[end..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| end + at);
        let (_, factor) = UNITS.into_iter().find(|(name, _)| *name == &rest[end..unit_end])?;
        sum += number * factor;
        rest = &rest[unit_end..];
    }
    (!text.is_empty()).then_some(sum as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_go_prints_them() {
        for (text, expected) in [
            ("10s", Some(10_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1h0m0s", Some(3_600_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            ("250ms", Some(250_000_000)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("10", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(nanoseconds(text), expected, "{text}");
        }
    }

    #[test]
    fn a_doubled_dollar_is_one() {
        let value = serde_json::json!({"a": "1$$2 $$$$x", "b": 7});
        let root = Node::root(&value);
        assert_eq!(root.get("a").and_then(|node| node.text().ok()).as_deref(), Some("1$2 $$x"));
        assert_eq!(root.get("b").and_then(|node| node.text().ok()).as_deref(), Some("7"));
    }

    #[test]
    fn an_error_names_the_place_and_no_value() {
        let value = serde_json::json!({"services": {"web": {"ports": ["hunter2"]}}});
        let ports = Node::root(&value).get("services").and_then(|n| n.get("web")).and_then(|n| n.get("ports"));
        let error = ports.expect("there").list().expect("a list")[0].number().expect_err("no number").to_string();
        assert!(error.contains("services.web.ports[0]") && !error.contains("hunter2"), "{error}");
    }
}
