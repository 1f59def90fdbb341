//! Checks: the questions put to a booted service, and the proof they give.

use serde::{Deserialize, Serialize};

/// A question put to a booted service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "Check"))]
pub enum CheckSummary {
    /// The image's or container's own healthcheck must turn healthy.
    Health,
    /// One of these TCP ports must be listened on inside the sandbox.
    Tcp {
        /// Port numbers, ascending.
        ports: Vec<u16>,
    },
    /// The container must keep running.
    Running,
    /// A check that the user wrote.
    Own {
        /// Name of the check: the user's, else made from the question.
        name: String,
        /// Kind of the check.
        how: CheckKind,
        /// The question in words, for people; free of secrets.
        asks: String,
        /// Whether only the restored data can give the right answer; false in older records, which do not say.
        #[serde(default)]
        of_data: bool,
    },
}

/// Ports in words: `80, 443`.
pub fn port_list(ports: &[u16]) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

/// The ports of [`CheckSummary::Tcp`] in words: `8080`, or `one of 80, 443`.
pub fn one_of_ports(ports: &[u16]) -> String {
    let one_of = if ports.len() > 1 { "one of " } else { "" };
    format!("{one_of}{}", port_list(ports))
}

/// Kind of a check that the user wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, schemars(rename = "Manner"))]
pub enum CheckKind {
    /// A command in the service's container.
    Exec,
    /// A file in a mount.
    File,
    /// The service's log.
    Log,
    /// A request from inside the sandbox.
    Http,
    /// TCP ports that must be listened on.
    Tcp,
    /// A query by the client of the service's own image.
    Sql,
    /// A query of an SQLite database in a mount.
    Sqlite,
}

impl CheckKind {
    pub const ALL: [CheckKind; 7] = [
        CheckKind::Exec,
        CheckKind::File,
        CheckKind::Log,
        CheckKind::Http,
        CheckKind::Tcp,
        CheckKind::Sql,
        CheckKind::Sqlite,
    ];

    /// The name in plan files, labels and reports.
    pub fn name(self) -> &'static str {
        match self {
            CheckKind::Exec => "exec",
            CheckKind::File => "file",
            CheckKind::Log => "log",
            CheckKind::Http => "http",
            CheckKind::Tcp => "tcp",
            CheckKind::Sql => "sql",
            CheckKind::Sqlite => "sqlite",
        }
    }
}

/// What a passed rehearsal has shown, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// The container started and kept running. Nothing was checked in it.
    Running,
    /// The service listened on a port that its image exposes.
    Listening,
    /// The service's own healthcheck passed and went on passing.
    Healthy,
    /// A check of the user's asked the data, and the answer was right.
    DataProven,
}

impl Proof {
    /// All proofs, weakest first.
    pub const ALL: [Proof; 4] = [Proof::Running, Proof::Listening, Proof::Healthy, Proof::DataProven];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Proof::Running => "running",
            Proof::Listening => "listening",
            Proof::Healthy => "healthy",
            Proof::DataProven => "data-proven",
        }
    }

    /// What is needed to prove more, for people; `None` for the strongest proof.
    pub fn raised_by(self) -> Option<&'static str> {
        match self {
            Proof::Running => Some("a healthcheck, or an exposed port that it listens on"),
            Proof::Listening => Some("a healthcheck of the image or of its compose file"),
            Proof::Healthy => Some("a check of yours that only the data can pass: exec, sql, sqlite, http or file"),
            Proof::DataProven => None,
        }
    }
}

/// A level of evidence. Each level includes the ones before it; a service without a healthcheck reaches data-proven
/// without being healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceLevel {
    /// Data of a backup was restored into the sandbox.
    Restored,
    /// The restored data was compared with the backup, and nothing differs.
    Complete,
    /// What live has not touched since the backup began came back as it is live. The levels after it do not include it.
    MatchesLive,
    /// The service started on the restored data.
    Booted,
    /// The service's own healthcheck passed and went on passing.
    Healthy,
    /// A check of the user's asked the data, and the answer was right.
    DataProven,
}

impl EvidenceLevel {
    /// All levels, in order.
    pub const ALL: [EvidenceLevel; 6] = [
        EvidenceLevel::Restored,
        EvidenceLevel::Complete,
        EvidenceLevel::MatchesLive,
        EvidenceLevel::Booted,
        EvidenceLevel::Healthy,
        EvidenceLevel::DataProven,
    ];

    /// The levels that a user can require.
    pub const REQUIRABLE: [EvidenceLevel; 5] = [
        EvidenceLevel::Restored,
        EvidenceLevel::Complete,
        EvidenceLevel::MatchesLive,
        EvidenceLevel::Healthy,
        EvidenceLevel::DataProven,
    ];

    /// The name in reports and settings.
    pub fn name(self) -> &'static str {
        match self {
            EvidenceLevel::Restored => "restored",
            EvidenceLevel::Complete => "complete",
            EvidenceLevel::MatchesLive => "matches-live",
            EvidenceLevel::Booted => "booted",
            EvidenceLevel::Healthy => "healthy",
            EvidenceLevel::DataProven => "data-proven",
        }
    }
}

/// Where the data of a rehearsal came from, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DataOrigin {
    /// No data came into the sandbox.
    Nothing,
    /// From the live service alone: no backup was read.
    Live,
    /// From a backup.
    Backup,
}

impl DataOrigin {
    pub const ALL: [DataOrigin; 3] = [DataOrigin::Nothing, DataOrigin::Live, DataOrigin::Backup];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            DataOrigin::Nothing => "nothing",
            DataOrigin::Live => "live",
            DataOrigin::Backup => "backup",
        }
    }

    /// What a rehearsal without a backup has done, for people; `None`: it read a backup.
    pub fn caveat(self) -> Option<&'static str> {
        match self {
            DataOrigin::Nothing => Some("started without data; nothing of a backup came into it"),
            DataOrigin::Live => Some("started again from a live copy; no backup was read"),
            DataOrigin::Backup => None,
        }
    }
}
