//! Folders of the engine's host. Only a worker there can read them; their content does not come to this machine.

use super::access::{Access, Presence, Source, SourceContext};
use super::error::SourceError;
use crate::model::event::Snapshot;
use crate::model::source::{SourceLocation, SourceSpec};

/// One folder, which is the only snapshot. Its time is not known before a worker has looked at it.
#[derive(Debug)]
struct HostFolderSource {
    path: String,
}

/// Opens a folder of the engine's host. Only a worker can check whether the folder exists.
pub fn open(spec: &SourceSpec, _context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    match &spec.place.location {
        SourceLocation::HostPath(path) => Ok(Box::new(HostFolderSource { path: path.clone() })),
        SourceLocation::Path(_) | SourceLocation::Stdin | SourceLocation::Address(_) => {
            Err(SourceError::NotThere("a folder of the engine's host has a path that begins with a slash".to_owned()))
        }
    }
}

/// Only a worker can look for the folder.
pub fn probe(_spec: &SourceSpec) -> Result<Presence, SourceError> {
    Ok(Presence::NotLooked("it is on the engine's host"))
}

impl Source for HostFolderSource {
    fn snapshots(&self) -> Result<Vec<Snapshot>, SourceError> {
        let id = self.path.trim_end_matches('/').rsplit('/').next().unwrap_or(&self.path).to_owned();
        Ok(vec![Snapshot { id, time: None }])
    }

    fn open(&self, _snapshot: &Snapshot) -> Result<Access<'_>, SourceError> {
        Ok(Access::HostPath(self.path.clone()))
    }
}
