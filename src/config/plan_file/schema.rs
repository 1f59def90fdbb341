//! The plan file for editors: its JSON Schema, with what they show beside each key.
//!
//! A mirror of the reader of its tables, which says what is wrong in words for people; the tests hold the two side by side.

// The types are never made; they say what a file looks like.
#![allow(dead_code)]

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

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
    /// `daemon:FOLDER` for one on the engine's host. A relative path is relative to the folder of the plan file.
    #[schemars(regex(pattern = "^(tar|dir|daemon):."))]
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
    /// Why it is listed but not rehearsed; `false` takes back what the stack says.
    skip: Option<Skip>,
    /// A way out of the sandbox; only `false` for now.
    egress: Option<Never>,
    /// What is asked of it; only `["health"]` for now.
    checks: Option<Vec<Check>>,
    /// Its mounts, by target, volume name or host path.
    mounts: Option<BTreeMap<String, Mount>>,
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
#[schemars(rename_all = "lowercase")]
enum Check {
    /// Its healthcheck passes; without one it listens, or stays up.
    Health,
}

/// The schema, for editors and checkers.
pub fn document() -> String {
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
