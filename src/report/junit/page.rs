//! The report at one moment, from which its suites and test cases are made.

use jiff::Timestamp;

use crate::config::values::report_spec::JunitFlavor;
use crate::model::outcome::{CaseRecord, Outcome};
use crate::report::text;

/// Bytes of logs in a whole file, as far as each case still has [`SHORTEST_LOG`]: GitLab refuses files of more than
/// 30 MB, and each character may become six when it is escaped.
const LOGS_CAP: usize = 4_000_000;
/// Bytes of its log that a case has at least.
const SHORTEST_LOG: usize = 1024;

/// A report at one moment.
pub(super) struct Page<'a> {
    pub(super) outcome: &'a Outcome,
    pub(super) now: Timestamp,
    pub(super) flavor: JunitFlavor,
    /// Bytes of its log that a case has.
    pub(super) log_cap: usize,
}

impl<'a> Page<'a> {
    /// The report of `outcome` at the time `now`.
    pub(super) fn new(outcome: &'a Outcome, now: Timestamp, flavor: JunitFlavor) -> Self {
        let log_cap = (LOGS_CAP / outcome.cases.len().max(1)).clamp(SHORTEST_LOG, text::LOG_CAP);
        Self { outcome, now, flavor, log_cap }
    }

    /// The end of a case; now, if it is still running.
    pub(super) fn end_of(&self, case: &CaseRecord) -> Timestamp {
        case.finished.unwrap_or(if case.started.is_some() { self.now } else { Timestamp::MIN })
    }
}
