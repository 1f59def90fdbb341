//! What `rehearsa score` found out about backups, before it is shown.

use crate::model::diagnosis::{Diagnosis, Severity};
use crate::model::event::Snapshot;
use crate::model::score::Score;
use crate::model::score::history::SnapshotTally;
use crate::model::service::ServiceName;

/// A service and its snapshots, the newest first.
pub struct ScoredService {
    pub name: ServiceName,
    /// Where its backup is, for people; `None`: no backup is named for it.
    pub source: Option<String>,
    /// The kind of its source, by its name in `--from`.
    pub kind: Option<&'static str>,
    /// Why it is not scored: its settings skip it.
    pub ignored: Option<String>,
    pub snapshots: Vec<ScoredSnapshot>,
}

/// One snapshot of a service's backup.
pub struct ScoredSnapshot {
    /// `None`: the source could not be opened, or has no snapshot.
    pub snapshot: Option<Snapshot>,
    /// Age in seconds; `None`: unknown.
    pub age: Option<u64>,
    /// The content of the service's mounts.
    pub tally: SnapshotTally,
    /// The score; `None` after an error.
    pub score: Option<Score>,
    /// What differs from the snapshots before, for people.
    pub warnings: Vec<String>,
    /// What speaks against the backup, or kept it from being judged.
    pub diagnosis: Option<Diagnosis>,
}

/// The verdict on a snapshot that was looked at and not booted.
pub fn verdict(severity: Option<Severity>) -> &'static str {
    match severity {
        Some(Severity::Failed) => "failed",
        Some(Severity::Errored) => "errored",
        Some(Severity::Warning) | None => "readable",
    }
}

/// The lowest service of a stack.
pub struct StackLowest {
    /// Number of its services.
    pub services: usize,
    /// The points and the service; `None`: the score of a service is not known, or none has a score.
    pub lowest: Option<(u8, String)>,
}

/// The stacks in the order of their services, each with its lowest by the newest snapshots.
pub fn stacks(scored: &[ScoredService]) -> Vec<(String, StackLowest)> {
    let mut names: Vec<&str> = scored.iter().map(|service| service.name.stack_name()).collect();
    names.dedup();
    let stack = |name: &str| {
        let services: Vec<&ScoredService> = scored.iter().filter(|of| of.name.stack_name() == name).collect();
        let newest = || services.iter().filter_map(|of| Some((of, of.snapshots.first()?)));
        let is_known = newest().all(|(_, of)| of.score.is_some() || of.diagnosis.is_none());
        let points = newest().filter_map(|(of, newest)| Some((newest.score.as_ref()?.points, of.name.to_string())));
        let lowest = points.min().filter(|_| is_known);
        (name.to_owned(), StackLowest { services: services.len(), lowest })
    };
    names.into_iter().map(stack).collect()
}
