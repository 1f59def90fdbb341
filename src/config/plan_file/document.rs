//! A TOML text whose every part knows where it stands, and all that is wrong with it.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::error::{ConfigError, ConfigErrors, SettingOrigin};
use crate::config::values::suggest::suggestion;

/// A key, its value, and the offset of each in the text.
pub struct TomlField<'a> {
    /// The key.
    pub key: &'a str,
    /// Where the key stands.
    pub key_at: usize,
    /// The value.
    pub value: &'a DeValue<'a>,
    /// Where the value stands.
    pub at: usize,
}

/// A text that is being read.
pub struct Document<'a> {
    file: String,
    text: &'a str,
    /// What is wrong.
    errors: Vec<ConfigError>,
}

impl<'a> Document<'a> {
    /// The text as a table. `None` when it is no TOML: then what could be read of it is not worth a word.
    pub fn parse(path: &Path, text: &'a str) -> (Self, Option<DeTable<'a>>) {
        let mut document = Self { file: path.display().to_string(), text, errors: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut readable = true;
        for error in errors {
            let span = error.span().unwrap_or(text.len()..text.len());
            let at = text.floor_char_boundary(span.start);
            if error.message() == "duplicate key" {
                let key = text.get(span).unwrap_or("this");
                document.error(at, format!("`{key}` is there twice; only one of the two can hold"));
            } else {
                readable = false;
                document.error(at, document.no_toml(at, error.message()));
            }
        }
        (document, readable.then(|| table.into_inner()))
    }

    /// What a parser says, with what people do who get that answer.
    fn no_toml(&self, at: usize, message: &str) -> String {
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[start..].lines().next().unwrap_or("").trim();
        if line.starts_with('[') && line.contains("::") && !line.contains(['"', '\'']) {
            return format!("{message}; a name with `::` is written in quotes, as in [services.\"media::jellyfin\"]");
        }
        let value = line.split_once('=').map(|(_, value)| value.trim_start());
        if value.is_some_and(|value| value.starts_with(|c: char| c.is_alphanumeric() || "~/.".contains(c))) {
            // The parser names what it took the text for: a number, a date, `nan`.
            return "a text is written in quotes, as in timeout = \"2m\"".to_owned();
        }
        message.to_owned()
    }

    /// Who wrote what stands at an offset.
    pub fn origin(&self, at: usize, key: Option<&str>) -> SettingOrigin {
        let before = &self.text[..at];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        SettingOrigin::File {
            file: self.file.clone(),
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
            key: key.map(str::to_owned),
        }
    }

    /// Who wrote a field's value.
    pub fn origin_of(&self, field: &TomlField<'_>) -> SettingOrigin {
        self.origin(field.at, Some(field.key))
    }

    /// Something is wrong at an offset.
    pub fn error(&mut self, at: usize, what: impl Into<String>) {
        let error = ConfigError::Entry { origin: self.origin(at, None), what: what.into() };
        self.errors.push(error);
    }

    /// A field's value is wrong.
    pub fn wrong(&mut self, field: &TomlField<'_>, what: impl Into<String>) {
        let error = ConfigError::Entry { origin: self.origin_of(field), what: what.into() };
        self.errors.push(error);
    }

    /// A value that was read; what is wrong with it is remembered.
    pub fn keep<T>(&mut self, read: Result<T, ConfigError>) -> Option<T> {
        read.map_err(|error| self.errors.push(error)).ok()
    }

    /// A field's table.
    pub fn table<'v>(&mut self, field: &TomlField<'v>, example: &str) -> Option<&'v DeTable<'v>> {
        let table = field.value.as_table();
        if table.is_none() {
            self.wrong(field, format!("this is {}, not a table; write {example}", kind(field.value)));
        }
        table
    }

    /// A field's text.
    pub fn text<'v>(&mut self, field: &TomlField<'v>, example: &str) -> Option<&'v str> {
        let text = field.value.as_str();
        if text.is_none() {
            self.wrong(field, format!("this is {}, not a text; write {example}", kind(field.value)));
        }
        text
    }

    /// A field's text, or its number as text: `0` is as good as `"0"`.
    pub fn text_or_number(&mut self, field: &TomlField<'_>, example: &str) -> Option<String> {
        match field.value {
            DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
            DeValue::String(text) => Some(text.to_string()),
            other => {
                self.wrong(field, format!("this is {}; write {example}", kind(other)));
                None
            }
        }
    }

    /// A field's `true` or `false`.
    pub fn flag(&mut self, field: &TomlField<'_>) -> Option<bool> {
        let flag = field.value.as_bool();
        if flag.is_none() {
            self.wrong(field, format!("this is {}; write `true` or `false`", kind(field.value)));
        }
        flag
    }

    /// A key that a table does not have. `elsewhere` is where it would be right.
    pub fn unknown(&mut self, field: &TomlField<'_>, table: &str, known: &[&str], elsewhere: Option<&str>) {
        let hint = match elsewhere {
            Some(place) => format!("it belongs {place}"),
            None if field.value.is_table() && (table == "a service" || table == "a stack") => {
                format!("a name with a dot in it is written in quotes; there are {}", known.join(", "))
            }
            None => suggestion(field.key, known.iter().copied())
                .unwrap_or_else(|| format!("there are {}", known.join(", "))),
        };
        self.error(field.key_at, format!("`{}` is no key of {table}; {hint}", field.key));
    }

    /// What was read, unless something is wrong.
    pub fn finish<T>(self, read: T) -> Result<T, ConfigErrors> {
        match ConfigErrors::of(self.errors) {
            None => Ok(read),
            Some(errors) => Err(errors),
        }
    }
}

/// The fields of a table.
pub fn fields<'v>(table: &'v DeTable<'v>) -> impl Iterator<Item = TomlField<'v>> {
    table.iter().map(|(key, value): (&Spanned<_>, &Spanned<_>)| TomlField {
        key: key.get_ref(),
        key_at: key.span().start,
        value: value.get_ref(),
        at: value.span().start,
    })
}

/// A value's kind, for people.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
