//! Metrics of backups that were looked at and not booted: what `rehearsa score` knows of the newest snapshot of each
//! service. The text is whole each time; services that were not scored have no series in it.

use jiff::Timestamp;

use super::book::{Key, Metric, escaped, family, labels};
use super::{label, seconds};

const SCORED: Metric = ("rehearsa_backup_scored_timestamp_seconds", "Unix time at which the backup was scored.");
const SNAPSHOT: Metric =
    ("rehearsa_backup_snapshot_timestamp_seconds", "Unix time of the newest snapshot, where its source knows.");
const POINTS: Metric =
    ("rehearsa_backup_score", "Score of the newest snapshot without a boot, 0 to 100; absent when it is not known.");
const CEILING: Metric = ("rehearsa_backup_score_ceiling", "The most points that a score without a boot could give.");
const FILES: Metric = ("rehearsa_backup_files", "Files of the service's mounts in the newest snapshot.");
const BYTES: Metric = ("rehearsa_backup_bytes", "Bytes of the service's mounts in the newest snapshot.");
const VERDICT: Metric =
    ("rehearsa_backup_verdict", "What was found out about the newest snapshot: 1 for its verdict, 0 for the others.");

const VERDICTS: [&str; 3] = ["readable", "failed", "errored"];

/// What is known of the newest snapshot of a service's backup.
#[derive(Debug, Clone, PartialEq)]
pub struct BackupMetrics {
    /// The stack; empty for a lone container.
    pub stack: String,
    /// The service.
    pub service: String,
    /// The kind of the source.
    pub source: String,
    /// When the snapshot was made, where its source knows.
    pub snapshot: Option<Timestamp>,
    /// Points and the most that they could be; `None`: not known.
    pub score: Option<(u8, u8)>,
    /// Files and bytes of the mounts; `None`: not known.
    pub content: Option<(u64, u64)>,
    /// `readable`, `failed` or `errored`.
    pub verdict: &'static str,
}

impl BackupMetrics {
    fn key(&self) -> Key {
        Key { stack: label(&self.stack), service: label(&self.service), source: label(&self.source) }
    }
}

/// The metrics of backups that were scored at `now`, in Prometheus' text format.
pub fn text(backups: &[BackupMetrics], now: Timestamp) -> String {
    type Value = fn(&BackupMetrics, Timestamp) -> Option<f64>;
    #[expect(clippy::cast_precision_loss, reason = "a metric is a floating-point number")]
    let values: [(Metric, Value); 6] = [
        (SCORED, |_, now| Some(seconds(now))),
        (SNAPSHOT, |of, _| of.snapshot.map(seconds)),
        (POINTS, |of, _| of.score.map(|(points, _)| f64::from(points))),
        (CEILING, |of, _| of.score.map(|(_, ceiling)| f64::from(ceiling))),
        (FILES, |of, _| of.content.map(|(files, _)| files as f64)),
        (BYTES, |of, _| of.content.map(|(_, bytes)| bytes as f64)),
    ];
    let mut text = String::new();
    for (metric, value) in values {
        let sample = |of: &BackupMetrics| {
            let value = value(of, now)?;
            Some(format!("{}{{{}}} {value}\n", metric.0, labels(&of.key(), None)))
        };
        family(&mut text, metric, backups.iter().filter_map(sample).collect());
    }
    let states = backups.iter().flat_map(|of| {
        VERDICTS.map(|verdict| {
            let value = u8::from(verdict == of.verdict);
            format!("{}{{{},verdict=\"{}\"}} {value}\n", VERDICT.0, labels(&of.key(), None), escaped(verdict))
        })
    });
    family(&mut text, VERDICT, states.collect());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_have_no_series() {
        let known = BackupMetrics {
            stack: "media".to_owned(),
            service: "db \"1\"".to_owned(),
            source: "restic".to_owned(),
            snapshot: Some(Timestamp::from_second(1_700_000_000).expect("a time")),
            score: Some((42, 50)),
            content: Some((3, 4096)),
            verdict: "readable",
        };
        let unknown = BackupMetrics {
            stack: String::new(),
            service: "lone".to_owned(),
            snapshot: None,
            score: None,
            content: None,
            verdict: "errored",
            ..known.clone()
        };
        let text = text(&[known, unknown], Timestamp::from_second(1_700_000_060).expect("a time"));
        let of_known = "stack=\"media\",service=\"db \\\"1\\\"\",source=\"restic\"";
        let of_unknown = "stack=\"\",service=\"lone\",source=\"restic\"";
        for line in [
            format!("rehearsa_backup_score{{{of_known}}} 42\n"),
            format!("rehearsa_backup_score_ceiling{{{of_known}}} 50\n"),
            format!("rehearsa_backup_snapshot_timestamp_seconds{{{of_known}}} 1700000000\n"),
            format!("rehearsa_backup_files{{{of_known}}} 3\n"),
            format!("rehearsa_backup_bytes{{{of_known}}} 4096\n"),
            format!("rehearsa_backup_scored_timestamp_seconds{{{of_unknown}}} 1700000060\n"),
            format!("rehearsa_backup_verdict{{{of_unknown},verdict=\"errored\"}} 1\n"),
            format!("rehearsa_backup_verdict{{{of_unknown},verdict=\"failed\"}} 0\n"),
        ] {
            assert!(text.contains(&line), "{line}{text}");
        }
        assert_eq!(text.matches("service=\"lone\"").count(), 4, "{text}");
    }
}
