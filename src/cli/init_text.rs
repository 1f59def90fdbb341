//! The plan file that `rehearsa init` writes: known settings are set, possible ones are comments.

use std::fmt::Write as _;

use crate::config::declared::SERVICE_VALUES;
use crate::model::mount::{MountOrigin, Strategy};
use crate::model::plan::{MountPlan, Plan, ServicePlan};
use crate::model::service::ServiceName;
use crate::model::source::{Keys, SecretPlace};

/// The name of the source in the plan file.
pub const SOURCE: &str = "backup";

/// Part of a backup that belongs to a mount, as it was found there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPart {
    /// The service.
    pub service: ServiceName,
    /// The target of its mount.
    pub mount: String,
    /// Path within the backup; empty for all of it.
    pub path: String,
}

/// The backups as the plan file names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenSource {
    /// As after `--from`.
    pub from: String,
    /// What opens them.
    pub keys: Keys,
}

/// The plan file for the selected services of a plan. `source` is the place of their backups, if it is known; `found`
/// are the parts found in it.
pub fn render(plan: &Plan, source: Option<&WrittenSource>, found: &[FoundPart]) -> String {
    let mut text = head(source);
    for case in plan.cases() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n[services.{}]\n", quoted(&case.service.name.to_string()));
        if let Some(reason) = &case.ignored {
            let _ = writeln!(text, "# It is not rehearsed: {}", comment(reason));
        }
        text.push_str(&mounts(case, found));
    }
    text
}

fn head(source: Option<&WrittenSource>) -> String {
    let (name, backup) = match source {
        Some(source) => (SOURCE, format!("[sources.{SOURCE}]\nfrom = {}\n", quoted(&source.from))),
        None => {
            let example = "# [sources.backup]\n\
                # from = \"tar:backups/app-*.tar.gz\"  # or dir:FOLDER, daemon:FOLDER (on the engine's host)\n";
            ("live", example.to_owned())
        }
    };
    let values = values();
    let keys = keys(source.map(|source| &source.keys));
    format!(
        "\
# The plan file of rehearsa: how the services of this host are rehearsed, and where their backups are.
# `rehearsa plan --check` checks it; `rehearsa schema plan` prints its JSON Schema, for an editor.

# Where the data comes from: a name below [sources], or \"live\" for a copy of what the live service has.
source = \"{name}\"
{values}
{backup}{keys}
# What stands below a service holds for it alone: all keys from above, and these.
# skip = \"reason\"                                # listed, not rehearsed
# mounts.\"/data\".path = \"backup/data\"            # the part of the backup that belongs to a mount; `.` is all of it
# mounts.\"/data\".strategy = \"copy\"               # or readonly, overlay, empty, omit
# checks = [{{ exec = [\"test\", \"-s\", \"/data/note\"] }}] # or file, sql, sqlite, http, tcp, log
# mounts.\"/data\".allow_empty = true              # its part of the backup may be empty
"
    )
}

/// What opens the backups, or how that is written. A passphrase in a variable stays there.
fn keys(keys: Option<&Keys>) -> String {
    let passphrase = match keys.and_then(|keys| keys.passphrase.as_ref()) {
        Some(SecretPlace::File(path)) => format!("passphrase = {{ file = {} }}", quoted(&path.to_string_lossy())),
        _ => "# passphrase = { file = \"/run/secrets/backup\" } # or { env = \"NAME\" } \
            or { command = \"pass show backup\" }"
            .to_owned(),
    };
    let identity = match keys.and_then(|keys| keys.identity.as_ref()) {
        Some(path) => format!("identity = {}", quoted(&path.to_string_lossy())),
        None => "# identity = \"~/.config/age/key.txt\"".to_owned(),
    };
    format!("{passphrase}\n{identity}\n")
}

fn mounts(case: &ServicePlan, found: &[FoundPart]) -> String {
    let mut lines = String::new();
    for MountPlan { mount, strategy, .. } in &case.mounts {
        if *strategy == Strategy::Omit
            || matches!(mount.origin, MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. })
        {
            continue;
        }
        let part = found.iter().find(|part| part.service == case.service.name && part.mount == mount.target);
        let key = format!("mounts.{}.path", quoted(&mount.target));
        let title = comment(&mount.title());
        let _ = match part {
            Some(part) => {
                let path = if part.path.is_empty() { "." } else { &part.path };
                writeln!(lines, "{key} = {} # {title}", quoted(path))
            }
            None => writeln!(lines, "# {key} = \"…\" # {title}"),
        };
    }
    lines
}

/// A comment for each setting of a service that is one value, to be taken into use.
fn values() -> String {
    let lines: Vec<(String, &str)> = SERVICE_VALUES
        .iter()
        .flat_map(|setting| {
            setting.keys.iter().map(move |key| (format!("# {key} = {}", setting.example), setting.about))
        })
        .collect();
    let width = lines.iter().map(|(line, _)| line.len()).max().unwrap_or(0);
    lines.iter().map(|(line, about)| format!("{line:width$} #{about}\n")).collect()
}

/// A text as a TOML key or value. JSON's strings are also TOML's, except for one character.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text serializes").replace('\u{7f}', "\\u007F")
}

/// A text without line breaks, for a comment.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
#[path = "init_text_tests.rs"]
mod tests;
