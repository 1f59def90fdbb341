//! Where a secret is found, and the texts of a plan file that checks and secrets share.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::reader::Located;
use crate::config::values::text::text_values;

/// Where a secret is found.
#[derive(Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename_all = "lowercase"))]
pub enum Secret {
    /// The first line of this file.
    File(Located<Words>),
    /// This environment variable.
    Env(VariableName),
    /// The first line that this command prints; the shell runs it.
    Command(Words),
}

/// The keys of a secret, of which one is there.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "where the secret is found, never the secret itself: { file = \"/run/secrets/backup\" }, \
                 { env = \"NAME\" } or { command = \"pass show backup\" }"
)]
pub struct SecretKeys {
    file: Option<Located<Words>>,
    env: Option<VariableName>,
    command: Option<Words>,
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match SecretKeys::deserialize(deserializer)? {
            SecretKeys { file: Some(path), env: None, command: None } => Ok(Secret::File(path)),
            SecretKeys { file: None, env: Some(name), command: None } => Ok(Secret::Env(name)),
            SecretKeys { file: None, env: None, command: Some(command) } => Ok(Secret::Command(command)),
            SecretKeys { file: None, env: None, command: None } => Err(D::Error::custom(
                "this does not say where the secret is found; write { file = \"/run/secrets/backup\" }, \
                 { env = \"NAME\" } or { command = \"pass show backup\" }",
            )),
            _ => Err(D::Error::custom("only one place can be where the secret is found; keep one of the keys")),
        }
    }
}

text_values! {
    /// The name of an environment variable.
    VariableName(String) = variable, text {}, "the name of an environment variable";
    /// A text that is not blank.
    Words(String) = |text| not_empty(text, "this is empty; write a text"), text { "minLength": 1 }, "a text";
}

/// A text that is not blank; `otherwise` is the error.
pub fn not_empty(text: &str, otherwise: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err(otherwise.to_owned()) } else { Ok(text.to_owned()) }
}

/// The text is not repeated: it may be the secret.
fn variable(text: &str) -> Result<String, String> {
    let is_name = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if text.is_empty() || !is_name || text.starts_with(|c: char| c.is_ascii_digit()) {
        let what = "this is no name of an environment variable; the secret itself is never written into the plan file";
        return Err(what.to_owned());
    }
    Ok(text.to_owned())
}
