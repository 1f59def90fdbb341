//! The checks of a plan file, as serde reads them: `checks = ["health", { exec = ["test", "-s", "/data/app.db"] }]`.
//!
//! A check is a table with one key that says how it is asked, and keys that say more of it.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::secret::{Secret, Words};
use crate::config::values::check::{command, file, method, path, pattern, pointer, port, sha256, shell};
use crate::config::values::text::{Bytes, TextValue, Timeout, text_values};

/// An element of the list of checks.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Check", untagged))]
#[serde(
    rename_all = "lowercase",
    expecting = "\"health\", or a table with one of the keys exec, file, log, http, tcp, sql and sqlite, \
                 as { exec = [\"test\", \"-s\", \"/data/app.db\"] }"
)]
pub enum CheckTable {
    /// The healthcheck passes; without one the service listens, or stays up. Rehearsa checks that anyway.
    #[cfg_attr(test, schemars(with = "String", extend("const" = "health")))]
    Health,
    /// A command.
    Exec(ExecCheck),
    /// A file.
    File(FileCheck),
    /// The log.
    Log(LogCheck),
    /// A request.
    Http(Box<HttpCheck>),
    /// Ports.
    Tcp(TcpCheck),
    /// A query by the client of the service's image.
    Sql(SqlCheck),
    /// A query of an SQLite database.
    Sqlite(SqliteCheck),
}

/// A command that is run in the service's container.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "{ exec = [\"test\", \"-s\", \"/data/app.db\"] }")]
pub struct ExecCheck {
    /// What the check is called.
    pub name: Option<Words>,
    /// The program and its arguments; or a text that the shell runs.
    pub exec: Command,
    /// The exit code that is right; the default is 0.
    pub exit: Option<ExitCode>,
    /// A regular expression that the output matches.
    pub stdout: Option<RegularExpression>,
}

/// A file or folder in a mount of the service.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "{ file = \"/data/app.db\" }")]
pub struct FileCheck {
    /// What the check is called.
    pub name: Option<Words>,
    /// The path in the container.
    pub file: ContainerPath,
    /// The least size: `1KiB`.
    pub min_size: Option<Bytes>,
    /// The SHA-256 of the file.
    pub sha256: Option<Sha256>,
    /// The file was changed no longer ago than this: `26h`.
    pub newer_than: Option<Timeout>,
}

/// What is in the service's log.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "{ log = \"ready\" }")]
pub struct LogCheck {
    /// What the check is called.
    pub name: Option<Words>,
    /// A regular expression that a line matches; or what matches and what does not.
    pub log: LogPatterns,
}

/// A request from inside the sandbox.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "{ http = \"/notes\", port = 8080 }")]
pub struct HttpTable {
    /// What the check is called.
    pub name: Option<Words>,
    /// The path: `/notes`.
    pub http: RequestPath,
    /// The port inside the container.
    pub port: Port,
    /// The method; the default is `GET`.
    pub method: Option<Method>,
    /// The service speaks TLS; certificates are not checked.
    pub tls: Option<bool>,
    /// Headers, each a text, or where its secret is found.
    #[serde(default)]
    pub headers: BTreeMap<HeaderName, Header>,
    /// The user of the basic scheme.
    pub user: Option<Words>,
    /// Where the user's password is found; never the password itself.
    pub password: Option<Secret>,
    /// The status that is right; the default is 200.
    pub status: Option<Status>,
    /// A text that is in the body.
    pub contains: Option<Words>,
    /// A regular expression that the body matches.
    pub matches: Option<RegularExpression>,
    /// Values in a body of JSON by their JSON pointers: `"/0/text" = "remembered"`.
    #[serde(default)]
    pub json: BTreeMap<JsonPointer, JsonValue>,
    /// A JSON pointer at which there is something.
    pub json_exists: Option<JsonPointer>,
}

/// A request whose user has a password.
#[derive(Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct HttpCheck(pub HttpTable);

impl<'de> Deserialize<'de> for HttpCheck {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = HttpTable::deserialize(deserializer)?;
        match (&table.user, &table.password) {
            (Some(_), None) => {
                let what = "`user` has no `password`; write password = { env = \"NAME\" } beside it";
                Err(D::Error::custom(what))
            }
            (None, Some(_)) => Err(D::Error::custom("`password` has no `user`; write user = \"admin\" beside it")),
            _ => Ok(Self(table)),
        }
    }
}

/// Ports that are listened on.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "{ tcp = 5432 }")]
pub struct TcpCheck {
    /// What the check is called.
    pub name: Option<Words>,
    /// A port, or several.
    pub tcp: Ports,
}

/// A query by the client of the service's image: `psql`, `mariadb` or `mysql`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "{ sql = \"SELECT count(*) FROM notes\" }")]
pub struct SqlCheck {
    /// What the check is called.
    pub name: Option<Words>,
    /// The query.
    pub sql: Query,
    /// The database; the default is the one that the image's variables name.
    pub database: Option<Words>,
    /// The first row that is right, its columns joined by `|`.
    pub value: Option<Row>,
    /// The fewest rows that are right; the default is 1.
    pub min_rows: Option<RowCount>,
}

/// A query of an SQLite database in a mount of the service; the image needs no client.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "{ sqlite = \"/data/app.db\", query = \"SELECT count(*) FROM notes\" }")]
pub struct SqliteCheck {
    /// What the check is called.
    pub name: Option<Words>,
    /// The database's path in the container.
    pub sqlite: ContainerPath,
    /// The query, which only reads.
    pub query: Query,
    /// The first row that is right, its columns joined by `|`.
    pub value: Option<Row>,
    /// The fewest rows that are right; the default is 1.
    pub min_rows: Option<RowCount>,
}

text_values! {
    /// A command that the shell runs.
    ShellText(String) = shell_text, text { "minLength": 1 }, "a command";
    /// A regular expression.
    RegularExpression(String) = pattern, text_or_number {}, "\"^1$\"";
    /// The path of a file in a container.
    ContainerPath(String) = file, text { "pattern": "^/" }, "\"/data/app.db\"";
    /// A SHA-256 in lower case.
    Sha256(String) = sha256, text { "pattern": "^[0-9a-fA-F]{64}$" }, "the SHA-256 of the file";
    /// A path of a request.
    RequestPath(String) = path, text { "pattern": "^/" }, "\"/notes\"";
    /// A port.
    Port(u16) = port, text_or_number { "minimum": 0 }, "8080";
    /// A method of HTTP.
    Method(String) = method, text {}, "\"GET\"";
    /// The name of a header.
    HeaderName(String) = header_name, text {}, "accept";
    /// A pointer into JSON.
    JsonPointer(String) = pointer, text {}, "\"/0/text\"";
    /// A query of a database.
    Query(String) = query, text { "minLength": 1 }, "\"SELECT count(*) FROM notes\"";
    /// A row of a result, its columns joined by `|`.
    Row(String) = |text| Ok(text.to_owned()), text_or_number {}, "\"2\"";
    /// An exit code.
    ExitCode(i64) = exit_code, text_or_number { "minimum": 0, "maximum": 255 }, "0";
    /// A status of HTTP.
    Status(u16) = number, text_or_number { "minimum": 0 }, "200";
    /// A number of rows.
    RowCount(u64) = number, text_or_number { "minimum": 0 }, "1";
}

fn query(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("this is empty; write \"SELECT count(*) FROM notes\"".to_owned());
    }
    Ok(text.to_owned())
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.replace('_', "").parse().map_err(|_| format!("`{text}` is not a whole number that fits here"))
}

fn shell_text(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("this is empty; write a command".to_owned());
    }
    command(text).map(str::to_owned)
}

fn exit_code(text: &str) -> Result<i64, String> {
    let code: u8 = number(text).map_err(|_| format!("`{text}` is no exit code; there are 0 to 255"))?;
    Ok(code.into())
}

fn header_name(text: &str) -> Result<String, String> {
    let is_clean = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if is_clean && !text.is_empty() { Ok(text.to_owned()) } else { Err(format!("`{text}` is no name of a header")) }
}

/// A command as a list of its words, or as a text for the shell.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "this is no command; write a list like [\"test\", \"-s\", \"/data/app.db\"], or a text for the shell"
)]
pub enum Command {
    /// Run by the shell.
    Shell(ShellText),
    /// The program and its arguments.
    Program(Program),
}

impl Command {
    /// The program and its arguments.
    pub fn words(self) -> Vec<String> {
        match self {
            Command::Shell(command) => shell(&command.0),
            Command::Program(program) => program.0,
        }
    }
}

/// A program and its arguments.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline, extend("minItems" = 1)))]
#[serde(try_from = "Vec<String>")]
pub struct Program(Vec<String>);

impl TryFrom<Vec<String>> for Program {
    type Error = &'static str;

    fn try_from(words: Vec<String>) -> Result<Self, &'static str> {
        let has_name = words.first().is_some_and(|name| !name.is_empty());
        let is_possible = words.iter().all(|word| command(word).is_ok());
        if has_name && is_possible { Ok(Self(words)) } else { Err("this names no program, or has a NUL in it") }
    }
}

/// One port or more.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "this is no port; write a number from 1 to 65535, or a list of them")]
pub enum Ports {
    /// One port.
    One(Port),
    /// Several ports.
    Several(PortList),
}

impl Ports {
    /// All ports.
    pub fn numbers(self) -> Vec<u16> {
        match self {
            Ports::One(port) => vec![port.0],
            Ports::Several(list) => list.0.into_iter().map(|port| port.0).collect(),
        }
    }
}

/// A list of ports that is not empty.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline, extend("minItems" = 1)))]
#[serde(try_from = "Vec<Port>")]
pub struct PortList(Vec<Port>);

impl TryFrom<Vec<Port>> for PortList {
    type Error = &'static str;

    fn try_from(ports: Vec<Port>) -> Result<Self, &'static str> {
        if ports.is_empty() { Err("this names no port") } else { Ok(Self(ports)) }
    }
}

/// The patterns of a log, of which at least one is there.
#[derive(Debug)]
pub struct LogPatterns {
    /// A regular expression that a line matches.
    pub contains: Option<RegularExpression>,
    /// A regular expression that no line matches.
    pub not_contains: Option<RegularExpression>,
}

/// The patterns of a log as a table.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LogTable {
    /// A regular expression that a line matches.
    contains: Option<RegularExpression>,
    /// A regular expression that no line matches.
    not_contains: Option<RegularExpression>,
}

impl<'de> Deserialize<'de> for LogPatterns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXAMPLE: &str = "log = \"ready\", or log = { not_contains = \"panic\" }";
        let of_text = |text: &str| {
            let contains = RegularExpression::read(&Words::read(text)?.0)?;
            Ok(LogPatterns { contains: Some(contains), not_contains: None })
        };
        let of_table = |LogTable { contains, not_contains }| LogPatterns { contains, not_contains };
        match text_or_table(deserializer, EXAMPLE, of_text, of_table)? {
            LogPatterns { contains: None, not_contains: None } => {
                Err(D::Error::custom(format!("this checks nothing; write {EXAMPLE}")))
            }
            patterns => Ok(patterns),
        }
    }
}

/// The value of a header.
#[derive(Debug)]
pub enum Header {
    /// A text.
    Text(String),
    /// Where the secret is found.
    Secret(Secret),
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXAMPLE: &str = "a text of one line, or { env = \"NAME\" } for a secret";
        // The text is not repeated: it may be a secret.
        let of_text = |text: &str| match text.chars().all(|c| c == '\t' || !c.is_control()) {
            true => Ok(Header::Text(text.to_owned())),
            false => Err(format!("this is no header; write {EXAMPLE}")),
        };
        text_or_table(deserializer, EXAMPLE, of_text, Header::Secret)
    }
}

/// A value of JSON that can be compared: a text, a number, true or false.
#[derive(Debug)]
pub struct JsonValue(pub serde_json::Value);

impl<'de> Deserialize<'de> for JsonValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor).map(JsonValue)
    }
}

struct JsonVisitor;

impl Visitor<'_> for JsonVisitor {
    type Value = serde_json::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that can be compared: a text, a number, true or false")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<serde_json::Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<serde_json::Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<serde_json::Value, E> {
        let number = serde_json::Number::from_f64(number).ok_or_else(|| E::custom("this number cannot be compared"))?;
        Ok(number.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<serde_json::Value, E> {
        Ok(text.into())
    }
}

/// Reads a text, or a table.
fn text_or_table<'de, T, Table: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
    example: &'static str,
    of_text: impl FnOnce(&str) -> Result<T, String>,
    of_table: impl FnOnce(Table) -> T,
) -> Result<T, D::Error> {
    deserializer.deserialize_any(TextOrTableVisitor { example, of_text, of_table, table: PhantomData })
}

struct TextOrTableVisitor<Table, F, G> {
    example: &'static str,
    of_text: F,
    of_table: G,
    table: PhantomData<Table>,
}

impl<'de, T, Table, F, G> Visitor<'de> for TextOrTableVisitor<Table, F, G>
where
    Table: Deserialize<'de>,
    F: FnOnce(&str) -> Result<T, String>,
    G: FnOnce(Table) -> T,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.example)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.of_text)(text).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        Table::deserialize(MapAccessDeserializer::new(map)).map(self.of_table)
    }
}
