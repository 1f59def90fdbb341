//! The verdict on a rehearsal.

use serde::{Deserialize, Serialize};

/// The verdict on a rehearsal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The service ran on the restored data.
    Passed,
    /// The rehearsal was not asked for, or the service cannot be rehearsed; there is a reason.
    Skipped,
    /// The rehearsal could not find out whether the data is usable.
    Errored,
    /// The service does not come back from this data.
    Failed,
}

impl Verdict {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Skipped => "skipped",
            Verdict::Errored => "errored",
            Verdict::Failed => "failed",
        }
    }
}
