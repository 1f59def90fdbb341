//! The result of an earlier run, which a run is compared with. The comparison changes no verdict.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::verdict::Verdict;

/// An earlier run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Baseline {
    /// When it began.
    #[serde(default)]
    pub started: Option<Timestamp>,
    /// Its exit code; null: it had no end.
    #[serde(default)]
    pub exit_code: Option<u8>,
    /// Its cases, in their order.
    pub cases: Vec<EarlierCase>,
}

/// A case of an earlier run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EarlierCase {
    /// `stack::service`, or `service` for a lone container.
    pub name: String,
    /// Its verdict. One that had not ended counts as errored.
    pub verdict: Verdict,
    /// Seconds from the start of the restore until the service was ready.
    #[serde(default)]
    pub ready_after: Option<f64>,
    /// Bytes that were restored.
    #[serde(default)]
    pub bytes: u64,
}
