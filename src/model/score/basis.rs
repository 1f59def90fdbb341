//! What is known of a backup and of the settings before a rehearsal, as far as the score needs it. It goes into the
//! record of the run, so that a report made later gives the same score.

use serde::{Deserialize, Serialize};

use super::history::History;

/// The facts of a case that are known when the plan is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ScoreBasis {
    /// The list of the backup's content was read to its end.
    #[serde(default)]
    pub listed: bool,
    /// Reading the list has read all of the content too, as with a compressed archive.
    #[serde(default)]
    pub content_read: bool,
    /// Age of the snapshot in seconds; null: unknown.
    #[serde(default)]
    pub age: Option<u64>,
    /// The backup tells its own time, by its tool or in its name.
    #[serde(default)]
    pub time_told: bool,
    /// The tool says that the snapshot was rewritten after it was made.
    #[serde(default)]
    pub rewritten: bool,
    /// The greatest age that the settings allow, in seconds.
    #[serde(default)]
    pub max_age: Option<u64>,
    /// The longest restore that the settings allow, in seconds.
    #[serde(default)]
    pub max_rto: Option<u64>,
    /// The mounts that the service writes to.
    #[serde(default)]
    pub mounts: Vec<RequiredMount>,
    /// SQLite databases whose write-ahead log is missing in the list of the backup's content.
    #[serde(default)]
    pub lost_logs: Vec<String>,
    /// The comparison with earlier snapshots; null: there was none.
    #[serde(default)]
    pub history: Option<History>,
    /// The service has a check that only its data can pass.
    #[serde(default)]
    pub has_data_check: bool,
    /// The negative control was asked for.
    #[serde(default)]
    pub control: bool,
    /// The least score that the settings require.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_score: Option<u8>,
}

/// A mount that the service writes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RequiredMount {
    /// The mount, for people: `volume jellyfin_config`.
    pub mount: String,
    /// How its part of the backup was found; null: its data comes from no backup.
    pub found: Option<FoundBy>,
}

/// How a part of a backup was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FoundBy {
    /// The user named the part.
    Said,
    /// The name of the volume or the host path fits.
    Name,
    /// The path in the container fits.
    Target,
    /// It is the only candidate.
    Only,
    /// A database dump fills the mount.
    Dump,
}

impl FoundBy {
    /// How much a mount that was found so counts, in percent.
    pub fn percent(self) -> u64 {
        match self {
            FoundBy::Said | FoundBy::Name | FoundBy::Dump => 100,
            FoundBy::Target => 80,
            FoundBy::Only => 60,
        }
    }

    /// How it was found, for people.
    pub fn words(self) -> &'static str {
        match self {
            FoundBy::Said => "named by --map",
            FoundBy::Name => "found by its name",
            FoundBy::Target => "found by its path in the container",
            FoundBy::Only => "the only candidate",
            FoundBy::Dump => "loaded from a dump",
        }
    }
}

impl ScoreBasis {
    /// Whether all mounts that the service writes to come from a backup.
    pub fn is_from_backup(&self) -> bool {
        self.mounts.iter().all(|mount| mount.found.is_some())
    }
}
