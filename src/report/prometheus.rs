//! Metrics for Prometheus' node exporter, whose textfile collector reads `*.prom` files.
//!
//! The file holds what is known of each service from all runs so far, so that an alert can ask how long ago a
//! rehearsal last passed, and fire when there was none:
//!
//! - The last success stays when a later rehearsal fails; a service that never passed has 0.
//! - A service that this run did not rehearse (filtered out, in another part, skipped after a signal, or gone from
//!   the host) keeps its series: they grow old, which is what an alert should see. After 90 days without a rehearsal
//!   they are dropped. To drop a service sooner, remove its lines or the file.
//! - The file is written once, at the end: a killed run leaves the earlier file.
//! - A run that is older than the file's last run of a service (a report made again from a record) changes nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use self::book::{Key, MetricFile, ServiceMetrics};
use super::target::AtomicFile;
use super::wording::Progress;
use super::{Reporter, text, units};
use crate::model::check::DataOrigin;
use crate::model::event::{Event, Fact};
use crate::model::outcome::{CaseRecord, Outcome, Verdict};
use crate::model::pluralize::pluralize;
use crate::model::score::Score;

pub mod backups;
mod book;

/// Seconds after which a service that is not rehearsed any more is dropped.
const MEMORY: f64 = 90.0 * 24.0 * 3600.0;

/// The largest earlier file that is read, in bytes: Rehearsa writes no larger one.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The longest label, in characters.
const LABEL: usize = 200;

/// Writes the metrics.
pub struct PrometheusReporter {
    name: String,
    target: AtomicFile,
    earlier: Option<PathBuf>,
}

impl PrometheusReporter {
    /// A report that is called `name` and goes to `target`. The metrics of earlier runs are read from `earlier` at
    /// the end; it may be the same file.
    pub fn new(name: String, target: AtomicFile, earlier: Option<PathBuf>) -> Self {
        Self { name, target, earlier }
    }
}

impl Reporter for PrometheusReporter {
    fn name(&self) -> &str {
        &self.name
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        if !matches!(event.fact, Fact::RunFinished) {
            return Ok(());
        }
        // Read only now: another run may have written the file meanwhile.
        let mut book = self.earlier.as_deref().map(read).unwrap_or_default();
        take(&mut book, outcome, event.at);
        self.target.update(true, true, |out| out.write_all(book.text().as_bytes()))
    }
}

/// The metrics of earlier runs. A file that cannot be read gives a warning and empty metrics.
fn read(path: &Path) -> MetricFile {
    let lost = |why: &str| {
        tracing::warn!("the earlier metrics in {} are lost: {why}", path.display());
        MetricFile::default()
    };
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return MetricFile::default(),
        Err(error) => return lost(&error.to_string()),
    };
    if !found.is_file() {
        // Reading from a pipe would wait for its writer, which is this process.
        return MetricFile::default();
    }
    if found.len() > LARGEST {
        return lost("the file is too large to be one of ours");
    }
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return lost(&error.to_string()),
    };
    let (book, strange) = MetricFile::read(&String::from_utf8_lossy(&bytes));
    if strange > 0 {
        tracing::warn!(
            "of the earlier metrics in {}, {} not kept: damaged or not ours",
            path.display(),
            pluralize(strange, "line")
        );
    }
    book
}

/// Adds the results of a run that ended at `now`.
fn take(book: &mut MetricFile, outcome: &Outcome, now: Timestamp) {
    let end = seconds(now);
    for case in &outcome.cases {
        let entry = book.entries.entry(key(case)).or_default();
        let ended = seconds(case.finished.unwrap_or(now));
        if entry.values.get(book::LAST_RUN).is_none_or(|earlier| *earlier <= ended) {
            note(entry, case, outcome, ended);
        }
    }
    if book.run.get(book::RUN_END).is_none_or(|earlier| *earlier <= end) {
        book.version = text::one_line(&outcome.version);
        book.run = [
            (book::RUN_END, end),
            (book::RUN_DURATION, units::thousandths(outcome.seconds())),
            (book::RUN_EXIT, f64::from(outcome.exit_code().number())),
        ]
        .into();
    }
    let selected: Vec<Key> = outcome.cases.iter().map(key).collect();
    book.entries.retain(|key, entry| {
        let last = entry.values.get(book::LAST_RUN).or(entry.values.get(book::LAST_SUCCESS));
        selected.contains(key) || last.is_some_and(|last| end - last <= MEMORY)
    });
}

/// Adds the result of a case that ended at `ended` (Unix seconds).
fn note(entry: &mut ServiceMetrics, case: &CaseRecord, outcome: &Outcome, ended: f64) {
    let Progress::Ended(verdict) = Progress::of(case, outcome) else { return };
    entry.verdict = match verdict {
        // This run found out nothing about the service, except that it is not skipped by its settings: an alert that
        // excludes skipped services must not exclude this one.
        Verdict::Skipped if case.not_started() => entry.verdict.filter(|earlier| *earlier != Verdict::Skipped),
        verdict => Some(verdict),
    };
    if case.started.is_some() {
        let restored = case.restored();
        entry.values.insert(book::LAST_RUN, ended);
        entry.values.insert(book::DURATION, units::thousandths(case.seconds()));
        entry.values.insert(book::BYTES, restored.bytes as f64);
        entry.values.insert(book::FILES, restored.files as f64);
        let is_backup = case.data_origin() == DataOrigin::Backup;
        entry.values.insert(book::BACKUP_READ, f64::from(u8::from(is_backup)));
        match case.info.snapshot.as_ref().and_then(|snapshot| snapshot.time) {
            Some(time) => entry.values.insert(book::SNAPSHOT, seconds(time)),
            None => entry.values.remove(book::SNAPSHOT),
        };
    }
    if case.started.is_some() || case.finished.is_some() {
        // A score that is not known is no score of 0, nor that of an earlier run.
        let score = Score::of_case(case).ok();
        let values = score.map(|score| (score.points, score.ceiling.points));
        for (metric, value) in [(book::SCORE, values.map(|of| of.0)), (book::SCORE_CEILING, values.map(|of| of.1))] {
            match value {
                Some(value) => entry.values.insert(metric, f64::from(value)),
                None => entry.values.remove(metric),
            };
        }
    }
    if verdict == Verdict::Passed {
        entry.values.insert(book::LAST_SUCCESS, ended);
    } else if case.info.ignored.is_none() {
        entry.values.entry(book::LAST_SUCCESS).or_insert(0.0);
    }
}

/// The value of a label.
fn label(value: &str) -> String {
    text::shortened(&text::one_line(value), LABEL)
}

fn key(case: &CaseRecord) -> Key {
    let name = &case.info.name;
    Key {
        stack: label(name.stack.as_deref().unwrap_or_default()),
        service: label(&name.service),
        source: label(&case.info.source),
    }
}

/// Unix time, to the millisecond.
fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

#[cfg(test)]
mod tests;
