//! The text of a plan file: its TOML tree, and the line and column of whatever stands in it.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::reader::Mistake;
use crate::config::error::{ConfigError, SettingOrigin};

/// The text of a plan file.
pub struct Document<'a> {
    file: String,
    text: &'a str,
}

impl<'a> Document<'a> {
    /// A file's text.
    pub fn new(path: &Path, text: &'a str) -> Self {
        Self { file: path.display().to_string(), text }
    }

    /// Parses the text. No tree: the text is no TOML, and what could be read of it means nothing.
    pub fn parse(&self) -> (Option<DeValue<'a>>, Vec<ConfigError>) {
        let (table, mistakes) = DeTable::parse_recoverable(self.text);
        let mut errors = Vec::new();
        let mut is_toml = true;
        for mistake in mistakes {
            let span = mistake.span().unwrap_or(self.text.len()..self.text.len());
            let at = self.text.floor_char_boundary(span.start);
            let what = if mistake.message() == "duplicate key" {
                let key = self.text.get(span).unwrap_or("this");
                format!("`{key}` is there twice; only one of the two can hold")
            } else {
                is_toml = false;
                self.syntax_error(at, mistake.message())
            };
            let error = ConfigError::Entry { origin: self.origin(at, None), what };
            // The parser names some mistakes once for each table that they stop.
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
        (is_toml.then(|| DeValue::Table(table.into_inner())), errors)
    }

    /// The parser's message, or a better one for what people often write.
    fn syntax_error(&self, at: usize, message: &str) -> String {
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[start..].lines().next().unwrap_or("").trim();
        if line.starts_with('[') && line.contains("::") && !line.contains(['"', '\'']) {
            return format!("{message}; a name with `::` is written in quotes, as in [services.\"media::jellyfin\"]");
        }
        if line.starts_with("[source.") || line == "[source]" {
            return format!("{message}; the tables of sources are called `sources`, as in [sources.nightly]");
        }
        let value = line.split_once('=').map(|(_, value)| value.trim_start());
        if value.is_some_and(|value| value.starts_with(|c: char| c.is_alphanumeric() || "~/.".contains(c))) {
            // The parser names what it took the text for: a number, a date, `nan`.
            return "a text is written in quotes, as in timeout = \"2m\"".to_owned();
        }
        message.to_owned()
    }

    /// The origin of what stands at an offset; `key` is named where the line may have several.
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

    /// The names of the entries of a table at the top of the tree, and the offset of each.
    pub fn names(tree: &DeValue<'_>, table: &str) -> BTreeMap<String, usize> {
        let tables = tree.as_table().into_iter().flat_map(|top| top.iter());
        let named =
            tables.filter(|(key, _)| key.get_ref() == table).filter_map(|(_, value)| value.get_ref().as_table());
        named.flat_map(|names| names.keys()).map(|key| (key.get_ref().to_string(), key.span().start)).collect()
    }

    /// A mistake with its line and column. `elsewhere` says where an unknown key would be right.
    pub fn error(&self, mistake: &Mistake, elsewhere: impl Fn(&str) -> Option<&'static str>) -> ConfigError {
        let (at, key) = mistake.place();
        ConfigError::Entry { origin: self.origin(at, key), what: mistake.sentence(elsewhere) }
    }
}
