//! Repositories of Borg, read by the owner's own program `borg`, as in the disaster.
//!
//! Borg lists the archives and their entries (`borg list`), and writes the data as a tar archive (`borg export-tar`).
//! It gets a folder of its own for what it remembers (`BORG_BASE_DIR`): else a rehearsal from a copy would make Borg
//! refuse the original in the owner's next backup. A repository of this machine is read through a [`view::View`].

mod listing;
mod meaning;
mod reader;
mod repository;
mod view;

use super::access::{Access, Presence, Source, SourceContext};
use super::archive_files::not_of_this_machine;
use super::error::SourceError;
use super::snapshots;
use crate::model::event::Snapshot;
use crate::model::source::{SnapshotTraits, SourceLocation, SourceSpec};
use crate::model::witness::BackupClock;
use reader::ArchiveReader;
use repository::Repository;

/// The archives of a repository.
#[derive(Debug)]
struct BorgSource {
    repository: Repository,
}

/// Looks for the program and for the repository, if that is on this machine.
pub fn open(spec: &SourceSpec, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    Ok(Box::new(BorgSource { repository: Repository::open(spec, context)? }))
}

/// Checks whether there is a repository. Only a rehearsal asks another machine.
pub fn probe(spec: &SourceSpec) -> Result<Presence, SourceError> {
    match &spec.place.location {
        SourceLocation::Path(path) => view::check(path).map(|()| Presence::There),
        SourceLocation::Address(_) => Ok(Presence::NotLooked("it is on another machine")),
        SourceLocation::Stdin | SourceLocation::HostPath(_) | SourceLocation::Dataset(_) => {
            Err(not_of_this_machine(&spec.place))
        }
    }
}

impl Source for BorgSource {
    fn snapshots(&self) -> Result<Vec<Snapshot>, SourceError> {
        self.repository.archives()
    }

    /// Borg itself tells when an archive was made.
    fn traits(&self, snapshot: &Snapshot) -> SnapshotTraits {
        let traits = snapshots::traits_of_name(snapshot);
        let clock = snapshot.time.map_or(traits.clock, |time| BackupClock::Began(time.as_second()));
        SnapshotTraits { time_told: snapshot.time.is_some(), clock, ..traits }
    }

    fn open(&self, snapshot: &Snapshot) -> Result<Access<'_>, SourceError> {
        Ok(Access::Stream(Box::new(ArchiveReader { repository: &self.repository, name: snapshot.id.clone() })))
    }
}
