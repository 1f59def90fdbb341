//! Repositories of restic, read by the owner's own program `restic`, as in the disaster.
//!
//! Restic lists snapshots and their entries (`restic snapshots`, `restic ls`), and writes the data as a tar archive
//! (`restic dump`). Before version 0.19 a damaged folder makes `dump` leave entries out without an error, so the
//! entries are listed before and counted. The cache is new for each run: with an old one restic would not notice what
//! the repository has lost, and in the disaster there is no cache. No lock is taken (`--no-lock`).

mod claims;
mod listing;
mod meaning;
mod mount;
mod reader;
mod repository;
mod snapshots;

use std::hash::{BuildHasher, Hasher, RandomState};

use super::access::{Access, Presence, Source, SourceContext};
use super::archive_files::not_of_this_machine;
use super::error::SourceError;
use crate::model::event::Snapshot;
use crate::model::source::{SnapshotTraits, SourceLocation, SourceSpec};
use claims::Claims;
use reader::SetReader;
pub use repository::OLDEST;
use repository::{Repository, RepositoryPlace};
use snapshots::{NotChosen, Selector};

/// A repository as a source.
#[derive(Debug)]
struct ResticSource(Repository);

/// Finds the program, fetches the password and lists the snapshots.
pub fn open(spec: &SourceSpec, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    Ok(Box::new(ResticSource(repository::open(spec, context)?)))
}

/// Checks whether there is a repository. Only a rehearsal asks another machine.
pub fn probe(spec: &SourceSpec) -> Result<Presence, SourceError> {
    match &spec.place.location {
        SourceLocation::Path(path) => RepositoryPlace::Here(path.clone()).is_there().map(|()| Presence::There),
        SourceLocation::Address(_) => Ok(Presence::NotLooked("it is on another machine")),
        SourceLocation::Stdin | SourceLocation::HostPath(_) | SourceLocation::Dataset(_) => {
            Err(not_of_this_machine(&spec.place))
        }
    }
}

impl Source for ResticSource {
    fn snapshots(&self) -> Result<Vec<Snapshot>, SourceError> {
        let ids = snapshots::short_ids(self.0.all());
        let times = self.0.all().iter().map(|snapshot| Some(snapshot.time));
        Ok(ids.into_iter().zip(times).map(|(id, time)| Snapshot { id, time }).collect())
    }

    fn traits(&self, snapshot: &Snapshot) -> SnapshotTraits {
        snapshots::traits_of(&self.0.members(snapshot).unwrap_or_default())
    }

    /// One night's backup is often several snapshots, one a group, so the earlier ones of each group are taken
    /// together.
    fn earlier(&self, chosen: &Snapshot, most: usize) -> Result<Vec<Snapshot>, SourceError> {
        let sets = snapshots::earlier(self.0.all(), &self.0.members(chosen)?, most);
        Ok(sets.into_iter().map(|set| snapshots::as_one(self.0.all(), set.into_iter())).collect())
    }

    fn notes(&self) -> Vec<String> {
        let far = self.0.far_folder().map(|_| {
            "the repository is on another machine, so it was read through `restic mount`, or by `restic dump` where \
             nothing can be mounted; the time of the restore is not that of `restic restore`"
                .to_owned()
        });
        self.0.note_of_version().into_iter().chain(far).collect()
    }

    fn choose(&self, wanted: Option<&str>) -> Result<Snapshot, SourceError> {
        let selector = wanted.map_or(Ok(Selector::default()), Selector::read);
        let selector = selector.map_err(|words| {
            SourceError::UnknownSnapshot(format!("{words}; {}", snapshots::first_described(self.0.all())))
        })?;
        self.0.note_named(!selector.ids.is_empty());
        if let Some(damaged) = self.0.damaged_snapshots().filter(|_| selector.ids.is_empty()) {
            return Err(self.0.damaged(format!(
                "snapshots of the repository cannot be loaded, and one of them may be the newest: {damaged}"
            )));
        }
        let seed = selector.random.map(|seed| seed.unwrap_or_else(|| RandomState::new().build_hasher().finish()));
        let chosen = snapshots::choose(self.0.all(), &selector, self.0.engine_name(), seed.unwrap_or_default());
        let chosen = chosen.map_err(|error| match error {
            NotChosen::None => SourceError::NoSnapshot("the repository has no snapshots".to_owned()),
            NotChosen::Unknown(words) => SourceError::UnknownSnapshot(format!(
                "none of its snapshots is {}; {words}",
                wanted.unwrap_or_default()
            )),
            NotChosen::Several(ids) => SourceError::UnknownSnapshot(format!(
                "{} is the beginning of several ids: {}",
                wanted.unwrap_or_default(),
                ids.join(", ")
            )),
        })?;
        let set = snapshots::as_one(self.0.all(), chosen.iter().copied());
        if let Some(seed) = seed {
            tracing::warn!("the snapshot {} was chosen at random; --snapshot random={seed} chooses it again", set.id);
        }
        Ok(set)
    }

    fn open(&self, snapshot: &Snapshot) -> Result<Access<'_>, SourceError> {
        let set = self.0.members(snapshot)?;
        let mut roots = Vec::new();
        if let [_] = set.as_slice() {
            roots.push(vec![Vec::new()]);
        } else {
            for snapshot in &set {
                roots.push(self.0.roots(snapshot)?.ok_or_else(|| self.0.not_joined(snapshot, &set))?);
            }
        }
        Ok(Access::Stream(Box::new(SetReader { source: &self.0, set, claims: Claims::new(roots) })))
    }
}
