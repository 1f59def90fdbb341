//! Scores for Prometheus' textfile collector.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::exit::Failure;
use super::scored::{ScoredService, verdict};
use crate::report::prometheus::backups::{self, BackupMetrics};
use crate::report::target::{Access, AtomicFile, Naming, try_place};

/// Where the metrics go.
pub struct Target {
    file: AtomicFile,
    path: PathBuf,
}

/// The file of the metrics, or why it cannot be written: known before any backup is read.
pub fn target(path: &Path) -> Result<Target, Failure> {
    if path == Path::new("-") {
        return Err(Failure::usage("--prometheus: the scores themselves go to standard output").hint("name a file"));
    }
    try_place(path, Naming::User).map_err(|error| unwritable(path, &error))?;
    let file = AtomicFile::keeping(path, Naming::User).map_err(|error| unwritable(path, &error))?;
    // The metrics hold names and numbers alone, and another program reads them.
    Ok(Target { file: file.readable_by(Access::Public), path: path.to_owned() })
}

/// Writes the metrics of the newest snapshots. Services without a backup have none.
pub fn write(mut target: Target, scored: &[ScoredService], now: Timestamp) -> Result<(), Failure> {
    let backups: Vec<BackupMetrics> = scored.iter().filter_map(metrics).collect();
    let text = backups::text(&backups, now);
    let written = target.file.update(true, true, |out| out.write_all(text.as_bytes()));
    written.map_err(|error| unwritable(&target.path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::errored(format!("cannot write the metrics to {}: {error}", path.display())).hint("name another file")
}

fn metrics(service: &ScoredService) -> Option<BackupMetrics> {
    let newest = service.snapshots.first()?;
    let mounts = &newest.tally.mounts;
    let content = || (mounts.iter().map(|of| of.files).sum(), mounts.iter().map(|of| of.bytes).sum());
    Some(BackupMetrics {
        stack: service.name.stack.clone().unwrap_or_default(),
        service: service.name.service.clone(),
        source: service.kind?.to_owned(),
        snapshot: newest.snapshot.as_ref().and_then(|of| of.time),
        score: newest.score.as_ref().map(|of| (of.points, of.ceiling.points)),
        content: (!mounts.is_empty()).then(content),
        verdict: verdict(newest.diagnosis.as_ref().map(|of| of.severity())),
    })
}
