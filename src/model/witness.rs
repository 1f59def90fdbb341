//! The live witness: what the live service has not touched since the backup began must be in the backup.
//!
//! The kernel notes the time of each change of an entry, and nobody can set that time back. So a live file whose last
//! change is older than the backup was there when the backup was made, as it is now.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::profile::losses::Tolerance;

/// What is known of the time at which a backup began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupClock {
    /// Not before this time (Unix seconds): the tool says when it began, or the name of the backup bears a time.
    Began(i64),
    /// The backup was last written to at this time (Unix seconds): its end, or a copy of it that was made later.
    Written(i64),
    /// Nothing but the times of the files in it.
    #[default]
    Unknown,
}

/// How the restored data of a place is compared with the live mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessPlan {
    /// When the backup began.
    pub clock: BackupClock,
    /// How long the backup took at most; for a backup of which only the end is known.
    pub slack: Duration,
    /// Paths that the backup leaves out on purpose: patterns relative to the mount.
    pub exclude: Vec<String>,
    /// How much the tables of a database may lack of what they must hold.
    pub tolerance: Tolerance,
}

/// Default of [`WitnessPlan::slack`].
pub const DEFAULT_SLACK: Duration = Duration::from_secs(60 * 60);

impl Default for WitnessPlan {
    fn default() -> Self {
        let (clock, tolerance) = (BackupClock::default(), Tolerance::default());
        Self { clock, slack: DEFAULT_SLACK, exclude: Vec::new(), tolerance }
    }
}
