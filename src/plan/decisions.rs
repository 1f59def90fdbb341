//! The decisions about a drafted stack, collected source by source before its plan is made.

use crate::model::diagnosis::Diagnosis;
use crate::model::dump::Load;
use crate::model::event::Snapshot;
use crate::model::plan::{BackupPart, DataSource};
use crate::model::source::{MatchRule, SnapshotTraits};

use super::draft::{ServiceDraft, StackDraft};
use super::loading::{Dumped, Filling};

/// The decisions about one stack.
#[derive(Debug)]
pub(super) struct StackDecisions {
    /// In the order of [`StackDraft::services`].
    pub services: Vec<ServiceDecision>,
    /// In the order of [`StackDraft::places`].
    pub places: Vec<PlaceDecision>,
    /// Dumps that services are loaded from: further places to restore, after the places of the draft.
    pub dumps: Vec<DumpDecision>,
}

/// The decisions about one service.
#[derive(Debug, Default)]
pub(super) struct ServiceDecision {
    /// Why it cannot be rehearsed; the first reason that was found.
    pub blocked: Option<Diagnosis>,
    /// Why a dependency uses its live data and not the source; the first reason that was found.
    pub live: Option<String>,
    pub warnings: Vec<Diagnosis>,
    pub snapshot: Option<Snapshot>,
    /// What its score needs to know of the snapshot.
    pub backup: Option<BackupFacts>,
    pub load: Option<LoadDecision>,
}

/// What the score of a service needs to know of its snapshot.
#[derive(Debug, Clone)]
pub(super) struct BackupFacts {
    /// Age in seconds; `None`: unknown.
    pub age: Option<u64>,
    pub traits: SnapshotTraits,
    /// SQLite databases of the whole snapshot that lack their write-ahead log.
    pub lost_logs: Vec<Vec<u8>>,
}

/// How a service is loaded from a dump.
#[derive(Debug)]
pub(super) struct LoadDecision {
    pub load: Load,
    /// Index into [`StackDecisions::dumps`].
    pub dump: usize,
}

/// The decisions about one place.
#[derive(Debug)]
pub(super) struct PlaceDecision {
    /// The place starts empty; a dump fills it once its service runs.
    pub emptied: bool,
    /// The place shows the live data, because its services do.
    pub live: bool,
    pub part: Option<BackupPart>,
    pub supply: DataSource,
}

/// A dump that is mounted into services.
#[derive(Debug)]
pub(super) struct DumpDecision {
    pub title: String,
    pub supply: DataSource,
}

impl StackDecisions {
    /// The decisions so far: which services can never be booted, or have labels that cannot be used.
    pub fn of(draft: &StackDraft) -> Self {
        let service = |draft: &ServiceDraft| ServiceDecision {
            blocked: draft.settings.unusable.clone().or_else(|| draft.unbootable.clone()),
            warnings: draft.settings.warnings.clone(),
            ..Default::default()
        };
        Self {
            services: draft.services.iter().map(service).collect(),
            places: draft.places.iter().map(|_| PlaceDecision::of_live()).collect(),
            dumps: Vec::new(),
        }
    }

    /// The decisions about the services that mount a place.
    pub fn showing<'a>(
        &'a mut self,
        draft: &'a StackDraft,
        place: usize,
    ) -> impl Iterator<Item = &'a mut ServiceDecision> {
        let services = draft.services.iter().zip(&mut self.services);
        services.filter(move |(draft, _)| draft.shows(place)).map(|(_, decision)| decision)
    }

    /// The decisions about the services whose data comes from a source.
    pub fn fed_by<'a>(
        &'a mut self,
        draft: &'a StackDraft,
        source: usize,
    ) -> impl Iterator<Item = &'a mut ServiceDecision> {
        let services = draft.services.iter().zip(&mut self.services);
        services.filter(move |(draft, _)| draft.source == Some(source)).map(|(_, decision)| decision)
    }
}

impl StackDecisions {
    /// Records how the service of this index is filled from a dump.
    pub fn fill(&mut self, index: usize, filling: Filling, dumped: &Dumped<'_>) {
        let Filling { warnings, blocked, place, load } = filling;
        if let Some(place) = place {
            let holds = dumped.holds.clone();
            let part = BackupPart { path: Vec::new(), rule: MatchRule::Explicit, sidecars: 0, holds };
            self.places[place].part = Some(part);
            self.places[place].supply = dumped.stream(true);
        }
        if let Some(into) = load.as_ref().and_then(|load| load.into) {
            self.places[into].emptied = true;
        }
        let load = load.map(|load| LoadDecision { load, dump: self.dump(dumped) });
        let service = &mut self.services[index];
        service.load = load;
        service.warnings.extend(warnings);
        blocked.into_iter().for_each(|diagnosis| service.block(diagnosis));
    }

    /// The index of a dump. Services that load the same dump see the same copy of it.
    fn dump(&mut self, dumped: &Dumped<'_>) -> usize {
        let supply = dumped.stream(false);
        self.dumps.iter().position(|known| known.supply == supply).unwrap_or_else(|| {
            self.dumps.push(DumpDecision { title: dumped.title.to_owned(), supply });
            self.dumps.len() - 1
        })
    }
}

impl PlaceDecision {
    /// The place shows the live data, unless something else is decided.
    pub fn of_live() -> Self {
        Self { emptied: false, live: false, part: None, supply: DataSource::Live }
    }
}

impl ServiceDecision {
    /// Records why the service cannot be booted, unless a reason is recorded already.
    pub fn block(&mut self, diagnosis: Diagnosis) {
        self.blocked.get_or_insert(diagnosis);
    }
}
