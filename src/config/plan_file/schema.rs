//! The plan file for editors: its JSON Schema, with what they show beside each key.
//!
//! A mirror of the reader of its tables, which says what is wrong in words for people; the tests hold the two side by side.

#![expect(dead_code, reason = "the types are never made: they describe the file")]

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::model::source_kind::SourceKind;

/// A plan file of rehearsa: what holds for all services, for a stack, for a service, and where backups are.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "rehearsa.toml")]
struct RehearsaToml {
    /// Where the data comes from: a name below `[sources]`, a source written out (`tar:FILE`, `dir:FOLDER`), or `live` for the
    /// live service itself.
    source: Option<String>,
    /// Time a service has to become ready: `2m`.
    timeout: Option<TextOrNumber>,
    /// Time it must then stay well: `10s`.
    settle: Option<TextOrNumber>,
    /// The most that is restored of a mount: `50GiB`; 0 for no bound.
    max_copy: Option<TextOrNumber>,
    /// The most entries an archive may have; 0 for no bound.
    max_entries: Option<TextOrNumber>,
    /// Memory for services that have no limit of their own: `2GiB`; 0 for no limit.
    memory: Option<TextOrNumber>,
    /// How old the snapshot may be: `26h`; 0 for no bound.
    max_age: Option<TextOrNumber>,
    /// From the beginning of the restore until the service is ready: `10m`; 0 for no bound.
    max_rto: Option<TextOrNumber>,
    /// Whether it is booted once more on empty mounts, to see whether its checks notice that the data is not there.
    control: Option<bool>,
    /// Whether the content of every file that came back is compared with what the backup holds, which reads all of it once more.
    verify_content: Option<bool>,
    /// Where backups are, by names of your own.
    sources: Option<BTreeMap<String, Source>>,
    /// What holds for the services of a stack (a Compose project).
    stacks: Option<BTreeMap<String, Service>>,
    /// What holds for one service: `"media::jellyfin"`, or the plain name of a lone container.
    services: Option<BTreeMap<String, Service>>,
}

/// A backup.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Source {
    /// What kind, and where: `tar:FILE` (a pattern in its last part takes the newest), `tar:-` for standard input, `dir:FOLDER`,
    /// `daemon:FOLDER` for one on the engine's host, `dump:FILE` for a dump of a database. A relative path is relative to the folder of the plan file.
    #[schemars(regex(pattern = SourceKind::written_out_pattern()))]
    from: String,
    /// A snapshot by the source's name for it, or `latest`.
    #[schemars(length(min = 1))]
    snapshot: Option<String>,
    /// Where the passphrase is found; never the passphrase itself.
    passphrase: Option<Secret>,
    /// A file with private keys (age identities).
    identity: Option<String>,
}

/// Where a secret is found.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Secret {
    /// The first line of this file.
    File(String),
    /// This environment variable.
    Env(String),
    /// The first line that this command prints; it is run by the shell.
    Command(String),
}

/// What holds for a service, or for those of a stack.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Service {
    /// Where the data comes from: a name below `[sources]`, a source written out (`tar:FILE`, `dir:FOLDER`), or `live` for the
    /// live service itself.
    source: Option<String>,
    /// Time to become ready: `2m`.
    timeout: Option<TextOrNumber>,
    /// Time it must then stay well: `10s`.
    settle: Option<TextOrNumber>,
    /// The most that is restored of a mount: `50GiB`; 0 for no bound.
    max_copy: Option<TextOrNumber>,
    /// The most entries an archive may have; 0 for no bound.
    max_entries: Option<TextOrNumber>,
    /// Memory, when it has no limit of its own: `2GiB`; 0 for no limit.
    memory: Option<TextOrNumber>,
    /// How old the snapshot may be: `26h`; 0 for no bound.
    max_age: Option<TextOrNumber>,
    /// From the beginning of the restore until it is ready: `10m`; 0 for no bound.
    max_rto: Option<TextOrNumber>,
    /// Whether it is booted once more on empty mounts, to see whether its checks notice that the data is not there.
    control: Option<bool>,
    /// Whether the content of every file that came back is compared with what the backup holds, which reads all of it once more.
    verify_content: Option<bool>,
    /// Why it is listed but not rehearsed; `false` takes back what the stack says.
    skip: Option<Skip>,
    /// A way out of the sandbox; only `false` for now.
    egress: Option<Never>,
    /// What is asked of it once it is ready, beside what Rehearsa asks anyway (`"health"`).
    checks: Option<Vec<Check>>,
    /// How a dump of a database is loaded into it, where `dump:FILE` is its source.
    load: Option<Load>,
    /// Its mounts, by target, volume name or host path.
    mounts: Option<BTreeMap<String, Mount>>,
}

/// How a dump of a database is loaded.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Load {
    /// The database that it goes into; else the one that the service's environment names.
    #[schemars(length(min = 1))]
    database: Option<String>,
    /// The command that loads it, run by the shell of the service's container with the dump's path in `$DUMP`; else the one that is
    /// usual for the dump.
    #[schemars(length(min = 1))]
    command: Option<String>,
}

/// A mount.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Mount {
    /// The part of the backup that belongs here; `.` for all of it.
    #[schemars(length(min = 1))]
    path: Option<String>,
    /// How it gets its data.
    strategy: Option<Strategy>,
    /// Its part of the backup may be empty.
    allow_empty: Option<bool>,
}

/// How a mount gets its data.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Strategy {
    /// Restored into a new volume.
    Copy,
    /// The original, seen read-only.
    Readonly,
    /// The original below a layer that is thrown away.
    Overlay,
    /// A new, empty volume.
    Empty,
    /// Nothing at all.
    Omit,
}

/// A text, or a number without a unit.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum TextOrNumber {
    Text(String),
    Number(u64),
}

/// A reason, or `false`.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Skip {
    Reason(#[schemars(length(min = 1))] String),
    No(Never),
}

/// What may only be `false`.
#[derive(JsonSchema)]
#[schemars(extend("const" = false))]
struct Never(bool);

/// What is asked of a service.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Check {
    Known(KnownCheck),
    Exec(Box<ExecCheck>),
    File(Box<FileCheck>),
    Log(Box<LogCheck>),
    Http(Box<HttpCheck>),
    Tcp(Box<TcpCheck>),
    Sql(Box<SqlCheck>),
    Sqlite(Box<SqliteCheck>),
}

/// What is asked anyway.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum KnownCheck {
    /// Its healthcheck passes; without one it listens, or stays up.
    Health,
}

/// A command that is run in the service's container.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ExecCheck {
    /// What the check is called.
    #[schemars(length(min = 1))]
    name: Option<String>,
    /// The program and its arguments; or a text that the shell runs.
    exec: TextOrList,
    /// The exit code that is right; 0 if nothing is said.
    exit: Option<TextOrNumber>,
    /// A regular expression that the output matches.
    stdout: Option<TextOrNumber>,
}

/// A file or folder in a mount of the service.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct FileCheck {
    /// What the check is called.
    #[schemars(length(min = 1))]
    name: Option<String>,
    /// Its path in the container.
    #[schemars(regex(pattern = "^/"))]
    file: String,
    /// The least that it holds: `1KiB`.
    min_size: Option<TextOrNumber>,
    /// Its SHA-256.
    #[schemars(regex(pattern = "^[0-9a-fA-F]{64}$"))]
    sha256: Option<String>,
    /// It was changed no longer ago than this: `26h`.
    newer_than: Option<TextOrNumber>,
}

/// What is in the service's log.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LogCheck {
    /// What the check is called.
    #[schemars(length(min = 1))]
    name: Option<String>,
    /// A regular expression that a line matches; or what matches and what does not.
    log: TextOrLog,
}

/// A request from inside the sandbox.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct HttpCheck {
    /// What the check is called.
    #[schemars(length(min = 1))]
    name: Option<String>,
    /// The path: `/notes`.
    #[schemars(regex(pattern = "^/"))]
    http: String,
    /// The port inside the container.
    port: TextOrNumber,
    /// `GET` if nothing is said.
    method: Option<String>,
    /// It speaks TLS; certificates are not checked.
    tls: Option<bool>,
    /// Headers, each a text, or where its secret is found.
    headers: Option<BTreeMap<String, Header>>,
    /// The user of the basic scheme.
    #[schemars(length(min = 1))]
    user: Option<String>,
    /// Where its password is found; never the password itself.
    password: Option<Secret>,
    /// The status that is right; 200 if nothing is said.
    status: Option<TextOrNumber>,
    /// A text that is in the body.
    #[schemars(length(min = 1))]
    contains: Option<String>,
    /// A regular expression that the body matches.
    matches: Option<TextOrNumber>,
    /// Values in a body of JSON by their JSON pointers: `"/0/text" = "remembered"`.
    json: Option<BTreeMap<String, JsonValue>>,
    /// A JSON pointer at which there is something.
    json_exists: Option<String>,
}

/// Ports that are listened on.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct TcpCheck {
    /// What the check is called.
    #[schemars(length(min = 1))]
    name: Option<String>,
    /// A port, or several.
    tcp: Ports,
}

/// A query by the client of the service's image: `psql`, `mariadb` or `mysql`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SqlCheck {
    /// What the check is called.
    #[schemars(length(min = 1))]
    name: Option<String>,
    /// The query.
    #[schemars(length(min = 1))]
    sql: String,
    /// The database; the one that the image's variables name if nothing is said.
    #[schemars(length(min = 1))]
    database: Option<String>,
    /// The first row that is right, its columns joined by `|`.
    value: Option<TextOrNumber>,
    /// The fewest rows that are right; 1 if nothing is said.
    min_rows: Option<TextOrNumber>,
}

/// A query of an SQLite database in a mount of the service; the image needs no client.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SqliteCheck {
    /// What the check is called.
    #[schemars(length(min = 1))]
    name: Option<String>,
    /// The database's path in the container.
    #[schemars(regex(pattern = "^/"))]
    sqlite: String,
    /// The query, which only reads.
    #[schemars(length(min = 1))]
    query: String,
    /// The first row that is right, its columns joined by `|`.
    value: Option<TextOrNumber>,
    /// The fewest rows that are right; 1 if nothing is said.
    min_rows: Option<TextOrNumber>,
}

/// A text, or a list of them.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum TextOrList {
    Text(#[schemars(length(min = 1))] String),
    List(#[schemars(length(min = 1))] Vec<String>),
}

/// A pattern, or a table of them.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum TextOrLog {
    Text(#[schemars(length(min = 1))] String),
    Table(LogPatterns),
}

/// What is asked of a log.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LogPatterns {
    /// A regular expression that a line matches.
    contains: Option<TextOrNumber>,
    /// A regular expression that no line matches.
    not_contains: Option<TextOrNumber>,
}

/// A text, or where a secret is found.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Header {
    Text(String),
    Found(Secret),
}

/// A text, a number, true or false.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum JsonValue {
    Text(String),
    Number(f64),
    Flag(bool),
}

/// A port, or a list of them.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Ports {
    One(TextOrNumber),
    Several(#[schemars(length(min = 1))] Vec<TextOrNumber>),
}

/// The schema as it follows from the types above.
pub fn generate() -> String {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(without_null));
    let schema = settings.into_generator().into_root_schema_for::<RehearsaToml>();
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema has string keys only, so it serializes");
    text.push('\n');
    text
}

/// TOML has no null: a key that may be left out is one that has no value then.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(one)] = choices.as_slice() {
            let one = one.clone();
            object.remove("anyOf");
            object.extend(one);
        }
    }
}
