//! A folder of the engine's host. Only a worker there can read it; nothing of it comes to this machine.

use super::access::{Access, Presence, Source, SourceContext};
use super::error::SourceError;
use crate::model::event::Snapshot;
use crate::model::source::{SourceLocation, SourceSpec};

/// One folder, which is its only snapshot. When it was made is known after a worker has looked at it.
#[derive(Debug)]
struct HostFolderSource {
    path: String,
}

/// The folder of the engine's host. Whether it is there, only a worker can tell.
pub fn open(spec: &SourceSpec, _context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    match &spec.place.location {
        SourceLocation::HostPath(path) => Ok(Box::new(HostFolderSource { path: path.clone() })),
        SourceLocation::Path(_) | SourceLocation::Stdin => {
            Err(SourceError::NotThere("a folder of the engine's host has a path that begins with a slash".to_owned()))
        }
    }
}

/// Nobody here can look for the folder.
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
