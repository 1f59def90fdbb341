//! What the checks of a plan file mean: `checks = ["health", { exec = ["test", "-s", "/data/app.db"] }]`.
//!
//! A check is a table with one key that says how it is asked, and keys that say more of it.

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::document::{TomlField, fields};
use super::tables::Reader;
use crate::config::values::check::{file, method, path, pattern, plain_request, pointer, port, sha256, shell};
use crate::config::values::suggest::suggestion;
use crate::config::values::text::{Bytes, Timeout};
use crate::model::check::CheckKind;
use crate::model::question::{Check, CheckSpec, HeaderValue, HttpCheck};
use crate::model::source::SecretPlace;

/// Keys that say how a check is asked, and those of each beside them.
pub const OF_MANNER: [(CheckKind, &[&str]); 7] = [
    (CheckKind::Exec, &["exit", "stdout"]),
    (CheckKind::File, &["min_size", "sha256", "newer_than"]),
    (CheckKind::Log, &[]),
    (
        CheckKind::Http,
        &[
            "port",
            "method",
            "tls",
            "headers",
            "user",
            "password",
            "status",
            "contains",
            "matches",
            "json",
            "json_exists",
        ],
    ),
    (CheckKind::Tcp, &[]),
    (CheckKind::Sql, &["database", "value", "min_rows"]),
    (CheckKind::Sqlite, &["query", "value", "min_rows"]),
];

/// Keys of what is asked of a log.
pub const OF_LOG: [&str; 2] = ["contains", "not_contains"];

const EXAMPLE: &str = "{ exec = [\"test\", \"-s\", \"/data/app.db\"] }";

impl Reader<'_> {
    /// The checks of a service or a stack.
    pub(super) fn checks(&mut self, field: &TomlField<'_>) -> Vec<Check> {
        let Some(list) = field.value.as_array() else {
            self.document.wrong(field, format!("this is no list; write checks = [{EXAMPLE}]"));
            return Vec::new();
        };
        let mut read: Vec<Check> = Vec::new();
        for item in list.iter() {
            let at = item.span().start;
            let question = match item.get_ref() {
                // It is asked anyway.
                DeValue::String(text) if text == "health" => continue,
                DeValue::Table(table) => self.check(table, at),
                other => {
                    let what = other
                        .as_str()
                        .map_or_else(|| "this is no check".to_owned(), |text| format!("`{text}` is no check"));
                    self.document.error(at, format!("{what}; write \"health\", or a table like {EXAMPLE}"));
                    None
                }
            };
            let Some(question) = question else { continue };
            if read.iter().any(|earlier| earlier.name == question.name) {
                let what = format!("a check `{}` is there already; give one of them another name", question.name);
                self.document.error(at, what);
            } else {
                read.push(question);
            }
        }
        read
    }

    fn check(&mut self, table: &DeTable<'_>, at: usize) -> Option<Check> {
        let is_manner = |key: &str| CheckKind::ALL.into_iter().find(|manner| manner.name() == key);
        let manners: Vec<CheckKind> = fields(table).filter_map(|field| is_manner(field.key)).collect();
        let [manner] = manners.as_slice() else {
            let kinds = CheckKind::ALL.map(CheckKind::name);
            let near = fields(table).find_map(|field| suggestion(field.key, kinds).map(|hint| (field, hint)));
            match near {
                _ if manners.len() > 1 => self.document.error(at, "a check asks one thing; make several of this one"),
                Some((field, hint)) => {
                    self.document.error(field.key_at, format!("`{}` is no kind of check; {hint}", field.key));
                }
                None => {
                    let what =
                        format!("this does not say what is asked; write one of {}, as in {EXAMPLE}", kinds.join(", "));
                    self.document.error(at, what);
                }
            }
            return None;
        };
        let own = OF_MANNER.iter().find(|(known, _)| known == manner).map_or(&[][..], |(_, keys)| keys);
        let known: Vec<&str> = [manner.name(), "name"].into_iter().chain(own.iter().copied()).collect();
        for field in fields(table).filter(|field| !known.contains(&field.key)) {
            self.document.unknown(&field, &format!("a check of the kind `{}`", manner.name()), &known, None);
        }
        let get = |key: &str| fields(table).find(|field| field.key == key);
        let name = get("name").and_then(|field| self.words(&field, "\"the note is there\""));
        let subject = get(manner.name())?;
        let ask = match manner {
            CheckKind::Exec => CheckSpec::Exec {
                command: self.command(&subject)?,
                exit: get("exit").and_then(|field| self.number(&field, "0")).unwrap_or(0),
                stdout: get("stdout").and_then(|field| self.valid(&field, "\"^1$\"", pattern)),
            },
            CheckKind::File => CheckSpec::File {
                path: self.valid(&subject, "\"/data/app.db\"", file)?,
                min_size: get("min_size").and_then(|field| self.of_text(&field).map(|Bytes(bytes)| bytes)),
                sha256: get("sha256").and_then(|field| self.valid(&field, "the SHA-256 of the file", sha256)),
                newer_than: get("newer_than").and_then(|field| self.of_text(&field).map(|Timeout(time)| time)),
            },
            CheckKind::Log => self.log(&subject)?,
            CheckKind::Tcp => CheckSpec::Tcp { ports: self.ports(&subject)? },
            CheckKind::Sql => CheckSpec::Sql {
                query: self.words(&subject, "\"SELECT count(*) FROM notes\"")?,
                database: get("database").and_then(|field| self.words(&field, "\"app\"")),
                value: get("value").and_then(|field| self.document.text_or_number(&field, "\"2\"")),
                min_rows: get("min_rows").and_then(|field| self.number(&field, "1")).unwrap_or(1),
            },
            CheckKind::Sqlite => {
                let path = self.valid(&subject, "\"/data/app.db\"", file)?;
                let Some(query) = get("query") else {
                    self.document.error(
                        at,
                        "the database is not asked anything; write query = \"SELECT count(*) FROM notes\" beside it",
                    );
                    return None;
                };
                CheckSpec::Sqlite {
                    path,
                    query: self.words(&query, "\"SELECT count(*) FROM notes\"")?,
                    value: get("value").and_then(|field| self.document.text_or_number(&field, "\"2\"")),
                    min_rows: get("min_rows").and_then(|field| self.number(&field, "1")).unwrap_or(1),
                }
            }
            CheckKind::Http => CheckSpec::Http(Box::new(self.http(table, &subject)?)),
        };
        Some(Check::new(name, ask))
    }

    /// A pattern that is in it, or a table that says what is in it and what is not.
    fn log(&mut self, subject: &TomlField<'_>) -> Option<CheckSpec> {
        const PATTERN: &str = "\"ready\"";
        let Some(table) = subject.value.as_table() else {
            let contains = self.words(subject, PATTERN)?;
            let contains = self.told(subject.at, pattern(&contains))?;
            return Some(CheckSpec::Log { contains: Some(contains), not_contains: None });
        };
        let (mut contains, mut not_contains) = (None, None);
        for field in fields(table) {
            match field.key {
                "contains" => contains = Some(self.valid(&field, PATTERN, pattern)?),
                "not_contains" => not_contains = Some(self.valid(&field, "\"panic\"", pattern)?),
                _ => {
                    self.document.unknown(&field, "what is asked of a log", &OF_LOG, None);
                    return None;
                }
            }
        }
        if contains.is_none() && not_contains.is_none() {
            self.document
                .wrong(subject, "this asks nothing; write log = \"ready\", or log = { not_contains = \"panic\" }");
            return None;
        }
        Some(CheckSpec::Log { contains, not_contains })
    }

    fn http(&mut self, table: &DeTable<'_>, subject: &TomlField<'_>) -> Option<HttpCheck> {
        let target = self.valid(subject, "\"/notes\"", path)?;
        let mut ask = plain_request(0, target);
        let (mut user, mut password) = (None, None);
        for field in fields(table) {
            match field.key {
                "port" => ask.port = self.valid(&field, "8080", port)?,
                "method" => ask.method = self.valid(&field, "\"GET\"", method)?,
                "tls" => ask.tls = self.document.flag(&field)?,
                "status" => ask.status = self.number(&field, "200")?,
                "contains" => ask.contains = Some(self.words(&field, "\"remembered\"")?),
                "matches" => ask.matches = Some(self.valid(&field, "\"note [0-9]+\"", pattern)?),
                "user" => user = Some((self.words(&field, "\"admin\"")?, field.key_at)),
                "password" => password = Some((self.secret(&field)?, field.key_at)),
                "headers" => {
                    let inner = self.document.table(&field, "{ accept = \"application/json\" }")?;
                    for header in fields(inner) {
                        let value = self.header(&header)?;
                        ask.headers.push((header.key.to_owned(), value));
                    }
                }
                "json" => {
                    let inner = self.document.table(&field, "{ \"/0/text\" = \"remembered\" }")?;
                    for entry in fields(inner) {
                        let at = self.told(entry.key_at, pointer(entry.key))?;
                        let value = self.value_of(&entry)?;
                        ask.json.push((at, Some(value)));
                    }
                }
                "json_exists" => {
                    let at = self.valid(&field, "\"/0/text\"", pointer)?;
                    ask.json.push((at, None));
                }
                _ => {}
            }
        }
        if ask.port == 0 {
            self.document.error(subject.at, "the request has no port; write port = 8080 beside it");
            return None;
        }
        ask.login = self.login(user, password)?;
        Some(ask)
    }

    /// Both, or none; outside `None` is what was told to be wrong.
    #[allow(clippy::option_option, reason = "the outer one ends the reading of the check")]
    fn login(
        &mut self,
        user: Option<(String, usize)>,
        password: Option<(SecretPlace, usize)>,
    ) -> Option<Option<(String, SecretPlace)>> {
        match (user, password) {
            (Some((user, _)), Some((password, _))) => Some(Some((user, password))),
            (None, None) => Some(None),
            (Some((_, at)), None) => {
                self.document.error(at, "`user` has no `password`; write password = { env = \"NAME\" } beside it");
                None
            }
            (None, Some((_, at))) => {
                self.document.error(at, "`password` has no `user`; write user = \"admin\" beside it");
                None
            }
        }
    }

    fn header(&mut self, field: &TomlField<'_>) -> Option<HeaderValue> {
        let name_is_clean = field.key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !name_is_clean || field.key.is_empty() {
            self.document.error(field.key_at, format!("`{}` is no name of a header", field.key));
            return None;
        }
        match field.value {
            DeValue::Table(_) => self.secret(field).map(HeaderValue::Secret),
            DeValue::String(text) if text.chars().all(|c| c == '\t' || !c.is_control()) => {
                Some(HeaderValue::Text(text.to_string()))
            }
            // What is written is not repeated: it may be a secret.
            _ => {
                self.document.wrong(field, "a header has a text of one line, or { env = \"NAME\" } for a secret");
                None
            }
        }
    }

    fn command(&mut self, field: &TomlField<'_>) -> Option<Vec<String>> {
        if field.value.as_str().is_some() {
            return self.words(field, EXAMPLE).map(|text| shell(&text));
        }
        let words: Option<Vec<String>> = field
            .value
            .as_array()
            .and_then(|list| list.iter().map(|word| word.get_ref().as_str().map(str::to_owned)).collect());
        match words {
            Some(words) if words.first().is_some_and(|program| !program.is_empty()) => Some(words),
            _ => {
                let what = "this is no command; write a list like [\"test\", \"-s\", \"/data/app.db\"], or a text for the shell";
                self.document.wrong(field, what);
                None
            }
        }
    }

    fn ports(&mut self, field: &TomlField<'_>) -> Option<Vec<u16>> {
        let Some(list) = field.value.as_array() else { return self.valid(field, "5432", port).map(|port| vec![port]) };
        let mut ports = Vec::new();
        for item in list.iter() {
            let at = item.span().start;
            let field = TomlField { key: field.key, key_at: field.key_at, value: item.get_ref(), at };
            ports.push(self.valid(&field, "5432", port)?);
        }
        if ports.is_empty() {
            self.document.wrong(field, "this names no port; write tcp = 5432");
            return None;
        }
        Some(ports)
    }

    /// A value of JSON, for which a text, a number and a flag are enough.
    fn value_of(&mut self, field: &TomlField<'_>) -> Option<Value> {
        let value = match field.value {
            DeValue::String(text) => Some(Value::from(text.as_ref())),
            DeValue::Boolean(flag) => Some(Value::from(*flag)),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse::<i64>().ok().map(Value::from),
            DeValue::Float(number) => number.as_str().parse::<f64>().ok().filter(|n| n.is_finite()).map(Value::from),
            _ => None,
        };
        if value.is_none() {
            self.document.wrong(field, "this is no value that can be compared; write a text, a number, true or false");
        }
        value
    }

    fn number<T: std::str::FromStr>(&mut self, field: &TomlField<'_>, example: &str) -> Option<T> {
        let text = self.document.text_or_number(field, example)?;
        let number = text.replace('_', "").parse().ok();
        if number.is_none() {
            self.document.wrong(field, format!("`{text}` is not a number that fits; write {example}"));
        }
        number
    }

    /// A text or a number that passes.
    fn valid<T>(
        &mut self,
        field: &TomlField<'_>,
        example: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.document.text_or_number(field, example)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.document.wrong(field, why);
                None
            }
        }
    }

    fn told<T>(&mut self, at: usize, read: Result<T, String>) -> Option<T> {
        read.map_err(|why| self.document.error(at, why)).ok()
    }

    fn text_of(&mut self, field: &TomlField<'_>, example: &str) -> Option<String> {
        self.document.text(field, example).map(str::to_owned)
    }

    /// A text that says something.
    fn words(&mut self, field: &TomlField<'_>, example: &str) -> Option<String> {
        let text = self.text_of(field, example)?;
        if text.trim().is_empty() {
            self.document.wrong(field, format!("this is empty; write {example}"));
            return None;
        }
        Some(text)
    }
}
