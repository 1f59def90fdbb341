//! Scores for programs.

use jiff::Timestamp;
use serde::Serialize;

use super::scored::{ScoredService, ScoredSnapshot, StackLowest, stacks, verdict};
use crate::report::json::schema::{Score, StackScore};
use crate::report::json::score as json_score;

/// What `rehearsa score --format json` prints.
#[derive(Serialize)]
pub struct ScoreView {
    services: Vec<ServiceView>,
    stack_scores: Vec<StackScore>,
}

#[derive(Serialize)]
struct ServiceView {
    name: String,
    source: Option<String>,
    skipped: Option<String>,
    /// The newest first.
    snapshots: Vec<SnapshotView>,
}

#[derive(Serialize)]
struct SnapshotView {
    id: Option<String>,
    time: Option<Timestamp>,
    age_seconds: Option<u64>,
    /// `readable`, `failed` or `errored`.
    verdict: &'static str,
    mounts: Vec<MountView>,
    score: Option<Score>,
    /// What differs from the snapshots before, for people.
    warnings: Vec<String>,
    diagnosis: Option<DiagnosisView>,
}

#[derive(Serialize)]
struct MountView {
    mount: String,
    files: u64,
    bytes: u64,
    empty_files: u64,
}

#[derive(Serialize)]
struct DiagnosisView {
    code: &'static str,
    message: String,
    remedy: String,
}

/// The scores as programs read them.
pub fn view(scored: &[ScoredService]) -> ScoreView {
    let stack_score = |(stack, of): (String, StackLowest)| StackScore {
        stack,
        points: of.lowest.as_ref().map(|(points, _)| *points),
        lowest: of.lowest.map(|(_, service)| service),
    };
    ScoreView {
        services: scored.iter().map(service).collect(),
        stack_scores: stacks(scored).into_iter().map(stack_score).collect(),
    }
}

fn service(scored: &ScoredService) -> ServiceView {
    ServiceView {
        name: scored.name.to_string(),
        source: scored.source.clone(),
        skipped: scored.ignored.clone(),
        snapshots: scored.snapshots.iter().map(snapshot).collect(),
    }
}

fn snapshot(scored: &ScoredSnapshot) -> SnapshotView {
    let mounts = scored.tally.mounts.iter().map(|of| MountView {
        mount: of.mount.clone(),
        files: of.files,
        bytes: of.bytes,
        empty_files: of.empty_files,
    });
    SnapshotView {
        id: scored.snapshot.as_ref().map(|of| of.id.clone()),
        time: scored.snapshot.as_ref().and_then(|of| of.time),
        age_seconds: scored.age,
        verdict: verdict(scored.diagnosis.as_ref().map(|of| of.severity())),
        mounts: mounts.collect(),
        score: scored.score.as_ref().map(json_score::score),
        warnings: scored.warnings.clone(),
        diagnosis: scored.diagnosis.as_ref().map(|of| DiagnosisView {
            code: of.code.as_str(),
            message: of.message.clone(),
            remedy: of.remedy().to_owned(),
        }),
    }
}
