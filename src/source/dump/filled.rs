//! The tables that a dump of SQL fills with rows.

use std::collections::BTreeSet;

use crate::model::dump::FilledTable;

/// Most tables that are kept.
const MOST: usize = 5000;

/// Collects the tables that a dump fills.
#[derive(Debug, Default)]
pub struct FilledTables {
    /// The database that the dump has entered.
    entered: Option<String>,
    found: BTreeSet<FilledTable>,
}

impl FilledTables {
    /// The dump enters a database.
    pub fn enter(&mut self, database: &str) {
        self.entered = Some(database.to_owned());
    }

    /// The dump has a row for the table whose name begins the text: `"schema"."table" (…`, or `` `table` VALUES``.
    pub fn note(&mut self, text: &str, is_mysql: bool) {
        let Some(mut parts) = name_parts(text) else { return };
        let is_plain = parts.iter().all(|part| !part.is_empty() && !part.contains(|c: char| c.is_control()));
        let (Some(name), before) = (parts.pop(), parts.pop()) else { return };
        if !is_plain || !parts.is_empty() || self.found.len() >= MOST {
            return;
        }
        let table = match (is_mysql, before) {
            (true, Some(database)) => FilledTable { database: Some(database), schema: None, name },
            (_, schema) => FilledTable { database: self.entered.clone(), schema, name },
        };
        self.found.insert(table);
    }

    /// The tables, each once.
    pub fn finish(self) -> Vec<FilledTable> {
        self.found.into_iter().collect()
    }
}

/// The parts of a name with dots, without their quotes; `None`: a quote does not end.
fn name_parts(text: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let part = parts.last_mut()?;
        match c {
            '"' | '`' => loop {
                let inner = chars.next()?;
                if inner == c && chars.next_if_eq(&c).is_none() {
                    break;
                }
                part.push(inner);
            },
            '.' => parts.push(String::new()),
            _ if c.is_whitespace() || matches!(c, '(' | ';' | ',') => break,
            _ => part.push(c),
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_parts_and_quotes() {
        let parts = |text| name_parts(text).expect("a name");
        assert_eq!(parts("public.notes (text) FROM stdin;"), ["public", "notes"]);
        assert_eq!(parts("\"my \"\"schema\".\"a.b\" (x)"), ["my \"schema", "a.b"]);
        assert_eq!(parts("`it``s` VALUES (1);"), ["it`s"]);
        assert_eq!(name_parts("\"cut"), None);
    }
}
