//! Files of a Compose project on this machine that its services mount, as one more source of data.
//!
//! They are kept with the Compose file and not in a backup, so they prove nothing about one.

use super::source::ContentTally;

/// The word for this source in steps and reports.
pub const PROJECT: &str = "project files";

/// The files of a project that can be sent to the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectFiles {
    /// Index of their reader among the opened sources.
    pub source: usize,
    pub parts: Vec<ProjectPart>,
}

/// What this machine has for a bind mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectPart {
    /// The source of the mount.
    pub mounted: String,
    /// Path within the source that [`ProjectFiles::source`] reads.
    pub path: Vec<u8>,
    pub holds: ContentTally,
    /// It is taken from here, whatever the backup has. Else only what the backup lacks is taken from here.
    pub is_first: bool,
}

impl ProjectFiles {
    /// The part for a bind mount of this source.
    pub fn of(&self, mounted: &str) -> Option<&ProjectPart> {
        self.parts.iter().find(|part| part.mounted == mounted)
    }
}
