//! The tables of a plan file, as serde reads them. Their JSON Schema is derived from these types.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

use super::checks::CheckTable;
use super::reader::{Located, Pair, keys_of};
use super::secret::{Secret, Words, not_empty};
use crate::config::declared::ServiceValues;
use crate::config::overrides::Skip;
use crate::config::values::notify::{self, NotifyWhen};
use crate::config::values::text::{TextValue, text_values};
use crate::config::values::{map, strategy, text};
use crate::model::moment;
use crate::model::mount::Strategy;

/// A whole plan file: the settings of every service stand beside the tables.
pub type PlanTables = Pair<Top, ServiceValues>;

/// A service, or a stack: all settings of a service.
pub type ServiceTable = Pair<Service, ServiceValues>;

/// A plan file of rehearsa: settings of all services, of a stack and of a service, and where backups are.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "rehearsa.toml"))]
#[serde(deny_unknown_fields)]
pub struct Top {
    /// Where the data comes from: a name below `[sources]`, a source written out (`tar:FILE`, `dir:FOLDER`), or `live`
    /// for the live service itself.
    pub source: Option<Located<SourceName>>,
    /// Lets labels name sources by their paths; else a label names `live` or a source below `[sources]`.
    pub allow_label_paths: Option<bool>,
    /// The folder where the profiles of green runs are kept, for the next run to compare with. A relative path is
    /// relative to the folder of the plan file.
    pub history: Option<Located<HistoryFolder>>,
    /// Whom to notify of a run: `ntfys://HOST/TOPIC`, `https://HOST/HOOK`, `ping:https://HOST/UUID` or
    /// `mailto:ADDRESS`. An address may be a secret; the variable `REHEARSA_NOTIFY` keeps it out of this file.
    #[serde(default)]
    pub notify: Vec<NotifyAddress>,
    /// Of which runs to notify: `always`, `failure` or `change`.
    pub notify_when: Option<NotifyOf>,
    /// The time for all notifications together.
    pub notify_timeout: Option<text::Timeout>,
    /// The program that reads repositories of Borg; without it `borg` in PATH.
    pub borg_path: Option<Located<ProgramPath>>,
    /// The program that reads archives and dumps in a store (`tar:rclone:REMOTE:PATH`); without it `rclone` in PATH.
    pub rclone_path: Option<Located<ProgramPath>>,
    /// The program that reads repositories of restic; without it `restic` in PATH.
    pub restic_path: Option<Located<ProgramPath>>,
    /// Backups, by names of your own.
    #[serde(default)]
    pub sources: BTreeMap<String, Located<Source>>,
    /// Settings of the services of a stack (a Compose project), as `[stacks.NAME]`; or stacks that are read from their
    /// Compose files instead of the running services, as `[[stacks]]`.
    #[serde(default)]
    pub stacks: Stacks,
    /// Settings of one service: `"media::jellyfin"`, or the plain name of a lone container.
    #[serde(default)]
    pub services: BTreeMap<String, Located<ServiceTable>>,
}

/// A backup.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "[sources.nightly] and below it from = \"tar:backups/app-*.tar.gz\"")]
pub struct Source {
    /// What kind, and where: `tar:FILE` (a pattern in its last part takes the newest), `tar:-` for standard input,
    /// `dir:FOLDER`, `daemon:FOLDER` for one on the engine's host, `dump:FILE` for a dump of a database. A relative
    /// path is relative to the folder of the plan file.
    pub from: Located<SourceText>,
    /// A snapshot by the source's name for it, or `latest`.
    pub snapshot: Option<SnapshotName>,
    /// Where the passphrase is found; never the passphrase itself.
    pub passphrase: Option<Located<Secret>>,
    /// A file with private keys (age identities).
    pub identity: Option<Located<KeyFile>>,
}

/// The tables of running stacks by their names, or the stacks that are read from Compose files.
#[derive(Debug)]
pub enum Stacks {
    Named(BTreeMap<String, Located<ServiceTable>>),
    Files(Vec<Located<StackTable>>),
}

/// Stacks from Compose files, with all settings of their services.
pub type StackTable = Pair<StackFiles, ServiceTable>;

impl Default for Stacks {
    fn default() -> Self {
        Stacks::Named(BTreeMap::new())
    }
}

impl<'de> Deserialize<'de> for Stacks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StacksVisitor)
    }
}

struct StacksVisitor;

impl<'de> Visitor<'de> for StacksVisitor {
    type Value = Stacks;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tables of stacks, as [stacks.media], or stacks from their files, as [[stacks]] with files")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Stacks, A::Error> {
        let mut named = BTreeMap::new();
        while let Some((name, table)) = map.next_entry()? {
            named.insert(name, table);
        }
        Ok(Stacks::Named(named))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Stacks, A::Error> {
        let mut files = Vec::new();
        while let Some(table) = list.next_element()? {
            files.push(table);
        }
        Ok(Stacks::Files(files))
    }
}

/// Stacks that are read from Compose files.
#[derive(Debug, Deserialize)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(extend("anyOf" = [{ "required": ["files"] }, { "required": ["backup_folders"] }]))
)]
#[serde(deny_unknown_fields, expecting = "[[stacks]] and below it files = \"stacks/*/compose.yaml\"")]
pub struct StackFiles {
    /// Compose files, folders with one, or patterns of them (`"stacks/*"`), as for `-f`: several files are one
    /// project; with a pattern each is a project of its own. Relative paths are relative to the folder of the plan
    /// file.
    pub files: Option<Located<Texts>>,
    /// Folders in the backup whose stacks come out of it altogether, or patterns of them (`"/opt/stacks/*"`), as for
    /// `--stack`.
    pub backup_folders: Option<Located<Texts>>,
    /// Files with variables that are read instead of `.env`.
    pub env_files: Option<Located<Texts>>,
    /// Profiles whose services are taken too.
    pub profiles: Option<Located<Texts>>,
}

/// A text, or a list of texts; none of them empty.
#[derive(Debug)]
pub struct Texts(pub Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

#[derive(Clone, Copy)]
struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a list of texts: [\"stacks/*\"]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Texts, E> {
        not_empty(text, "this is empty; write a text, as \"stacks/*\"").map(|text| Texts(vec![text])).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element::<String>()? {
            texts.extend(self.visit_str::<A::Error>(&text)?.0);
        }
        match texts.is_empty() {
            true => Err(A::Error::custom("this list is empty; write texts into it, or leave it out")),
            false => Ok(Texts(texts)),
        }
    }
}

/// A service, or the services of a stack.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table, as [services.\"media::jellyfin\"] or [stacks.media]")]
pub struct Service {
    /// Where the data comes from: a name below `[sources]`, a source written out (`tar:FILE`, `dir:FOLDER`), or `live`
    /// for the live service itself.
    pub source: Option<Located<SourceName>>,
    /// Why the service is listed but not rehearsed; `false` takes back what the stack says.
    pub skip: Option<SkipReason>,
    /// A way out of the sandbox; only `false` is accepted.
    pub egress: Option<NoEgress>,
    /// Checks of the ready service, beside those that Rehearsa makes anyway (`"health"`).
    #[serde(default)]
    pub checks: Vec<Located<CheckTable>>,
    /// How a dump of a database is loaded, where `dump:FILE` is the source or `from` names a dump in the backup.
    pub load: Option<Load>,
    /// The mounts of the service, by target, volume name or host path.
    #[serde(default)]
    pub mounts: BTreeMap<String, Located<Mount>>,
}

/// How a dump of a database is loaded.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "{ database = \"app\" }")]
pub struct Load {
    /// The database that the dump goes into; the default is the one that the service's environment names.
    pub database: Option<Words>,
    /// The command that loads the dump, run by the shell of the service's container with the dump's path in `$DUMP`;
    /// the default is the usual one for the dump.
    pub command: Option<Words>,
    /// The path of the service's dump among the files of the backup. The mount that holds the database is then not
    /// restored from the backup's files.
    pub from: Option<BackupPath>,
}

/// A mount.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "{ path = \"backup/config\" }")]
pub struct Mount {
    /// The part of the backup that belongs here; `.` for all of it.
    pub path: Option<BackupPath>,
    /// How the mount gets its data.
    pub strategy: Option<MountStrategy>,
    /// The mount's part of the backup may be empty.
    pub allow_empty: Option<bool>,
}

text_values! {
    /// `live`, the name of a source, or a source written out.
    SourceName(String) = |text| Ok(text.to_owned()), text {}, "the name of a source, or \"live\"";
    /// A source written out.
    SourceText(String) = |text| Ok(text.to_owned()),
        text { "pattern": crate::model::source_kind::SourceKind::written_out_pattern() },
        "\"tar:backups/app-*.tar.gz\"";
    /// A snapshot by the source's name for it, or `latest`.
    SnapshotName(String) = snapshot_name,
        text { "minLength": 1 }, "a snapshot's name, or \"latest\"";
    /// A file with keys.
    KeyFile(String) = key_file, text {}, KEY_FILE;
    /// The path of a program.
    ProgramPath(String) = |text| not_empty(text, "this names no program; write its path, as \"/opt/restic/restic\""),
        text { "minLength": 1 }, "the path of a program, as \"/opt/restic/restic\"";
    /// A folder for the profiles of green runs.
    HistoryFolder(String) = |text| not_empty(text, "this names no folder; write its path, as \"history\""),
        text { "minLength": 1 }, "the path of a folder, as \"history\"";
    /// Whom to notify of a run.
    NotifyAddress(String) = |text| notify::read(text).map(|_| text.to_owned()),
        text { "pattern": "^(ntfys?|https?|ping:https?)://|^mailto:" }, "\"ntfys://ntfy.example.org/drills\"";
    /// Of which runs to notify.
    NotifyOf(NotifyWhen) = |text| text::sentence(text, NotifyWhen::read(text)),
        text { "enum": ["always", "failure", "change"] }, "\"failure\"";
    /// A path within a backup.
    BackupPath(String) = |text| map::within(text.trim()).map_err(|expected| format!("this is not a path {expected}")),
        text { "minLength": 1 }, "a path within the backup";
}

/// A strategy for a mount.
#[derive(Debug)]
pub struct MountStrategy(pub Strategy);

impl TextValue for MountStrategy {
    const EXAMPLE: &'static str = "\"copy\"";
    const TAKES_NUMBERS: bool = false;

    fn read(text: &str) -> Result<Self, String> {
        strategy::named(text).map(Self).map_err(|hint| format!("`{text}` is not a known strategy; {hint}"))
    }
}

impl<'de> Deserialize<'de> for MountStrategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer)
    }
}

const KEY_FILE: &str = "the path of a file with keys, as \"~/.config/age/key.txt\"";

fn snapshot_name(text: &str) -> Result<String, String> {
    match moment::mistake(text) {
        Some(mistake) => Err(format!("this chooses no snapshot: {mistake}")),
        None => not_empty(text, "this names no snapshot; write its name, or \"latest\""),
    }
}

fn key_file(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.to_uppercase().contains("SECRET-KEY") || text.contains("PRIVATE KEY") {
        return Err(format!("a key is never written into the plan file; write {KEY_FILE}"));
    }
    Ok(text.to_owned())
}

/// Why a service is skipped, or that it is not.
#[derive(Debug)]
pub struct SkipReason(pub Skip);

impl<'de> Deserialize<'de> for SkipReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SkipVisitor)
    }
}

struct SkipVisitor;

impl Visitor<'_> for SkipVisitor {
    type Value = SkipReason;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reason, as skip = \"too large for now\", or `false` to take a skip back")
    }

    fn visit_bool<E: Error>(self, is_skipped: bool) -> Result<SkipReason, E> {
        if is_skipped { Err(E::invalid_type(Unexpected::Bool(true), &self)) } else { Ok(SkipReason(Skip::No)) }
    }

    fn visit_str<E: Error>(self, reason: &str) -> Result<SkipReason, E> {
        if reason.trim().is_empty() {
            return Err(E::custom(
                "this gives no reason; write skip = \"too large for now\", or `false` to take a skip back",
            ));
        }
        Ok(SkipReason(Skip::because("the plan file", reason)))
    }
}

/// That there is no way out of the sandbox.
#[derive(Debug)]
pub struct NoEgress;

impl<'de> Deserialize<'de> for NoEgress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if bool::deserialize(deserializer)? {
            return Err(D::Error::custom("a way out of the sandbox is not supported; write `false`"));
        }
        Ok(NoEgress)
    }
}

/// Where a key belongs that is unknown in its table.
pub fn place_of(key: &str) -> Option<&'static str> {
    if keys_of::<Mount>().contains(&key) {
        Some("below a mount, as in [services.\"media::jellyfin\".mounts.\"/config\"]")
    } else if keys_of::<Source>().contains(&key) {
        Some("below a source, as in [sources.nightly]")
    } else if keys_of::<StackFiles>().contains(&key) {
        Some("below stacks from their files, as in [[stacks]]")
    } else if keys_of::<ServiceValues>().contains(&key) {
        Some("below a service or a stack, or at the top of the file")
    } else if keys_of::<Service>().contains(&key) {
        Some("below a service or a stack, as in [services.\"media::jellyfin\"]")
    } else {
        None
    }
}
