//! The JSON report, field by field.
//!
//! Version 1. Within a version, fields may be added, which readers ignore; none is taken away or changes its meaning.
//! Times are RFC 3339 in UTC, durations seconds, sizes bytes. No type of the engine is used here, so that those can
//! change without the schema.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

// The profile has a form that other files keep as well, and that changes by the same rules.
use crate::model::profile::{EarlierRun, Profile};

/// The version that this page describes.
pub const SCHEMA_VERSION: u32 = 1;

/// The report of a run of rehearsa.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Report"))]
pub struct Report<Cases = Vec<Case>> {
    /// The version of this schema: 1.
    pub schema_version: u32,
    /// The program that wrote the report.
    pub tool: Tool,
    /// Session id, as in the labels of what was created.
    pub session: String,
    /// The engine, for people.
    pub engine: String,
    /// When the run began.
    pub started: Option<Timestamp>,
    /// When the run ended; null in the report of a run that was killed or still goes on.
    pub finished: Option<Timestamp>,
    /// Seconds the run took; 0 while it goes on.
    pub seconds: f64,
    /// The exit code; null while the run goes on. The process may exit with another code if a report could not be
    /// written.
    pub exit_code: Option<u8>,
    /// The number of cases by verdict.
    pub counts: Counts,
    /// How many services the filters left out.
    pub filtered_out: usize,
    /// Rehearsals that run at the same time.
    #[serde(default)]
    pub threads: usize,
    /// The part of the selected services that this run took; null when it took all.
    #[serde(default)]
    pub partition: Option<Partition>,
    /// The meaning of a run without cases: `pass`, `warn` or `fail`.
    #[serde(default = "fail")]
    pub no_tests: String,
    /// Every selected case, in the plan's order.
    pub cases: Cases,
    /// The score of each stack: that of its lowest service.
    #[serde(default)]
    pub stack_scores: Vec<StackScore>,
    /// What could not be removed.
    pub left_behind: Vec<Diagnosis>,
    /// Warnings about the run, which change no verdict: a notification that was not delivered.
    #[serde(default)]
    pub warnings: Vec<Diagnosis>,
    /// What is other than in the earlier run that this one is compared with; null: it is compared with none.
    #[serde(default)]
    pub comparison: Option<Comparison>,
    /// The signal that ended the run: 2 for SIGINT, 15 for SIGTERM.
    pub interrupted: Option<i32>,
    /// Seconds that the run had, when they were over before its end.
    #[serde(default)]
    pub timed_out: Option<u64>,
}

/// What is other than in an earlier run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Comparison {
    /// When the earlier run began.
    pub started: Option<Timestamp>,
    /// Its exit code; null: it had no end.
    pub exit_code: Option<u8>,
    /// The changes, the gravest first.
    pub changes: Vec<CaseChange>,
}

/// What is other about a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CaseChange {
    /// `stack::service`, or `service` for a lone container.
    pub name: String,
    /// `newly-failing`, `other-verdict`, `mended`, `no-longer-rehearsed`, `new`, `gone`, `slower` or `bytes`.
    pub change: String,
    /// Now and before, for people.
    pub detail: String,
}

/// The meaning of a run without cases in older reports.
fn fail() -> String {
    "fail".to_owned()
}

/// One part of the selected services, when several runs share the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Partition {
    /// How they are shared out: `slice` or `hash`.
    pub kind: String,
    /// Which part this is, from 1.
    pub part: u64,
    /// How many parts there are.
    pub parts: u64,
}

/// The program that wrote the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tool {
    /// `rehearsa`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The number of cases by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Counts {
    /// All.
    pub total: usize,
    /// The service ran on the restored data.
    pub passed: usize,
    /// It does not come back from this data.
    pub failed: usize,
    /// It could not be found out.
    pub errored: usize,
    /// Not asked for or not rehearsable.
    pub skipped: usize,
    /// Not ended when the report was written; 0 once the run is over.
    pub unfinished: usize,
    /// Those of the passed that were not green at an earlier attempt.
    #[serde(default)]
    pub flaky: usize,
    /// Those of the passed whose data came from no backup.
    #[serde(default)]
    pub without_backup: usize,
}

/// A rehearsal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Case {
    /// `stack::service`, or `service` for a lone container.
    pub name: String,
    /// The stack; a lone container has none.
    pub stack: Option<String>,
    /// The service's own name.
    pub service: String,
    /// `passed`, `failed`, `errored` or `skipped`; `waiting` or `running` when the report was written before its end.
    #[cfg_attr(test, schemars(extend("enum" = ["passed", "failed", "errored", "skipped", "waiting", "running"])))]
    pub verdict: String,
    /// It passed, and was not green at an earlier attempt.
    #[serde(default)]
    pub flaky: bool,
    /// Where the data came from: `live`, …
    pub source: String,
    /// The snapshot that was restored; a live service has none.
    #[serde(default)]
    pub snapshot: Option<Snapshot>,
    /// The image.
    pub image: Image,
    /// Where the service is declared, when a file does.
    pub declared: Option<Declared>,
    /// What was shown: `running`, `listening`, `healthy` or `data-proven`.
    pub proof: Option<String>,
    /// Where the data of a case that passed came from: `backup`; `live`: from a live copy, no backup was read;
    /// `nothing`: no data came into the sandbox. Null for any other case.
    #[serde(default)]
    pub data_from: Option<String>,
    /// The level of evidence that the settings require: `restored`, `complete`, `matches-live`, `healthy` or
    /// `data-proven`.
    #[serde(default)]
    pub required: Option<String>,
    /// The user's checks that passed in a second boot without the data, too, so that they are no proof.
    #[serde(default)]
    pub passed_without_data: Vec<String>,
    /// A check or a setting that would show more.
    #[serde(default)]
    pub raised_by: Option<String>,
    /// What a case that passed has shown, and by what: `restored`, `complete`, `booted`, `healthy` and `data-proven`,
    /// in this order. Empty for any other case.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// How much the run has seen of the service's backup; null for a case without a score.
    #[serde(default)]
    pub score: Option<Score>,
    /// Why there is no score; null where there is one, and for a case that has not ended.
    #[serde(default)]
    pub no_score: Option<String>,
    /// What the data of a service held that was well on a backup; null for any other case.
    #[serde(default)]
    pub profile: Option<CaseProfile>,
    /// When the rehearsal began.
    pub started: Option<Timestamp>,
    /// When the rehearsal ended.
    pub finished: Option<Timestamp>,
    /// Seconds the rehearsal took, all attempts together.
    pub seconds: f64,
    /// Seconds from the start of the restore until the service was ready; null: it never was, or nothing was restored.
    #[serde(default)]
    pub ready_after: Option<f64>,
    /// Files and bytes that were restored into the sandbox.
    pub restored: Amount,
    /// The steps in order; of a case with several attempts, those of the last one.
    pub steps: Vec<Step>,
    /// The attempts before the last, in order; none of them was green.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// What decided the verdict of a case that failed or errored.
    pub diagnosis: Option<Diagnosis>,
    /// All diagnoses that count against the case, in order.
    pub diagnoses: Vec<Diagnosis>,
    /// Findings that do not change the verdict.
    pub warnings: Vec<Diagnosis>,
    /// Settings that differ between the sandbox and the live service.
    pub changes: Vec<Change>,
    /// Why the service was skipped.
    pub skipped: Option<String>,
    /// The rehearsal was planned and never began, for the reason in `skipped`; the next run should do it. False for a
    /// service whose own settings skip it, or that cannot be rehearsed.
    #[serde(default)]
    pub put_off: bool,
    /// The service's last log lines.
    pub log_tail: Vec<String>,
}

/// What the data of a service held, and the run that this is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CaseProfile {
    /// What it held.
    pub held: Profile,
    /// The last green run that the history knows; null: none, so nothing was compared.
    pub earlier: Option<EarlierRun>,
    /// What could not be compared with that run, and why.
    #[serde(default)]
    pub not_compared: Vec<String>,
    /// Whether a history was kept (`--history`).
    pub has_history: bool,
}

/// Whether something was shown, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Evidence {
    /// `restored`, `complete`, `booted`, `healthy` or `data-proven`.
    pub level: String,
    /// Whether it was shown.
    pub shown: bool,
    /// What showed it, or why it was not shown; for people.
    pub by: String,
}

/// The score of a service's backup, by what this run has seen. The weights are in docs/score.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Score {
    /// The points, 0 to 100, within the lowest cap.
    pub points: u8,
    /// The most that this run could give.
    pub ceiling: u8,
    /// The cap that bounds the ceiling; null: the command itself cannot see more.
    #[serde(default)]
    pub ceiling_by: Option<String>,
    /// What would open more points, for people.
    #[serde(default)]
    pub opened_by: Option<String>,
    /// The caps that hold, lowest first: `failed`, `not-from-backup`, `stale`, `repaired`, `not-booted`,
    /// `no-data-check`, `no-control`.
    pub caps: Vec<String>,
    /// The points by group.
    pub parts: Vec<ScorePart>,
}

/// A group of points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ScorePart {
    /// `fresh`, `readable`, `covered`, `complete`, `plausible`, `boots`, `data-proven` or `in-time`.
    pub group: String,
    /// The points of the group.
    pub points: u8,
    /// The most points of the group.
    pub of: u8,
    /// What the points were given for.
    pub awards: Vec<ScoreAward>,
}

/// The points for a single thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ScoreAward {
    /// The thing: `age`, `listed`, …
    pub name: String,
    /// The points that were given.
    pub points: u8,
    /// The most points for it.
    pub of: u8,
    /// What was seen, for people.
    pub by: String,
    /// What would give the rest of the points, for people; null when all were given.
    pub raised_by: Option<String>,
}

/// The score of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StackScore {
    /// The stack; a lone container is one by itself.
    pub stack: String,
    /// The points of its lowest service; null: no service has a score, or that of one is unknown.
    pub points: Option<u8>,
    /// The lowest service.
    pub lowest: Option<String>,
}

/// An attempt that was not green and was followed by another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Attempt {
    /// `failed` or `errored`.
    #[cfg_attr(test, schemars(extend("enum" = ["failed", "errored"])))]
    pub verdict: String,
    /// When the attempt began.
    pub started: Option<Timestamp>,
    /// When the attempt ended.
    pub finished: Timestamp,
    /// Seconds the attempt took.
    pub seconds: f64,
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// What decided its verdict.
    pub diagnosis: Option<Diagnosis>,
    /// All diagnoses that count against the case, in order.
    pub diagnoses: Vec<Diagnosis>,
    /// The service's last log lines.
    pub log_tail: Vec<String>,
}

/// The point in time of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Snapshot {
    /// The source's own name for it.
    pub id: String,
    /// When it was made, if the source knows.
    pub time: Option<Timestamp>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Image {
    /// As written when the container was made.
    pub reference: String,
    /// The exact id.
    pub id: String,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Declared {
    /// Path, relative to the working directory where that is possible.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

/// Files and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Amount {
    /// Files and other entries.
    pub files: u64,
    /// Bytes of content.
    pub bytes: u64,
}

/// Entries that were compared with what should have come back; all of them agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Compared {
    /// The number of entries, folders included.
    pub entries: u64,
    /// What they were compared with: `archive`, `backup` or `live`.
    pub against: String,
    /// Whether the contents of the files were compared too.
    #[serde(default)]
    pub contents: bool,
}

/// Live files that have not been touched since the backup began. All of them came back as they are live, apart from
/// what `differs` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Witness {
    /// Why nothing could be compared; null: it was.
    pub silent: Option<String>,
    /// What is not as it is live and is no failure: other owners or modes, or a difference where the times of the live
    /// files are in doubt; null: nothing.
    #[serde(default)]
    pub differs: Option<String>,
    /// All live files, without those that are exempt.
    pub live: Amount,
    /// Those that have not been touched since the backup began.
    pub unchanged: Amount,
    /// Files whose content was compared, and the bytes that were read of each.
    pub read: Amount,
    /// Live entries that nobody expects in a backup: caches, logs, and what the settings exclude.
    pub exempt: u64,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Step {
    /// `network`, `worker`, `canary`, `restore`, `verify`, `boot`, `load`, `check`, `settle`, `control` or `teardown`.
    pub step: String,
    /// The mount or the service that the step was about.
    pub subject: Option<String>,
    /// How a mount was restored: `copy`, `readonly`, `overlay`, `empty` or `omit`.
    pub strategy: Option<String>,
    /// The source that a mount was restored from: `live`, …
    #[serde(default)]
    pub source: Option<String>,
    /// The check of a service: `health`, `tcp` or `running`; for a check of the user's own its kind: `exec`, `file`,
    /// `log`, `http`, `tcp`, `sql` or `sqlite`.
    pub check: Option<String>,
    /// The name of a check of the user's own; null for Rehearsa's checks.
    #[serde(default)]
    pub name: Option<String>,
    /// The question of a check of the user's own, for people.
    #[serde(default)]
    pub asks: Option<String>,
    /// Whether only the restored data can answer the check.
    #[serde(default)]
    pub of_data: bool,
    /// The ports that the service had to listen on.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// When the step began.
    pub started: Timestamp,
    /// When the step ended; null if it did not.
    #[serde(default)]
    pub finished: Option<Timestamp>,
    /// Seconds the step took; 0 if it did not end.
    pub seconds: f64,
    /// `done`, `broke` or `stopped`; null if the step did not end.
    pub result: Option<String>,
    /// A note on how the step went.
    pub note: Option<String>,
    /// What was restored.
    pub amount: Option<Amount>,
    /// The entries that were compared with what should have come back.
    #[serde(default)]
    pub compared: Option<Compared>,
    /// The comparison with the live mount, for data of a backup.
    #[serde(default)]
    pub witness: Option<Witness>,
    /// What went wrong.
    pub diagnosis: Option<Diagnosis>,
}

/// Something that went wrong or is worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Diagnosis {
    /// Stable code: `boot/exited`. `rehearsa explain` tells more.
    pub code: String,
    /// `failed`, `errored` or `warning`.
    #[cfg_attr(test, schemars(extend("enum" = ["failed", "errored", "warning"])))]
    pub severity: String,
    /// The code in one line.
    pub title: String,
    /// What happened to what.
    pub message: String,
    /// The known cause, when a log line was recognised.
    pub cause: Option<Cause>,
    /// What to do.
    pub remedy: String,
    /// The service's last log lines.
    pub log_tail: Vec<String>,
}

/// A log line that is known to mean something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Cause {
    /// What it means.
    pub meaning: String,
    /// The line.
    pub line: String,
}

/// A setting that differs between the sandbox and the live service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Change {
    /// The setting.
    pub field: String,
    /// Its value in the live service.
    pub live: String,
    /// Its value in the sandbox.
    pub sandbox: String,
    /// Whether the difference may change what the service can do.
    pub notable: bool,
}

/// This page as a JSON Schema (draft 2020-12), for programs that check or read reports. The schema demands the fields
/// above and allows others.
pub const DOCUMENT: &str = include_str!("report.schema.json");
