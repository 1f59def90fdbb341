//! The draft of a plan: a plan that lacks only what the sources hold.

use std::collections::BTreeSet;

use crate::model::diagnosis::Diagnosis;
use crate::model::dump::DumpProgram;
use crate::model::event::Change;
use crate::model::mount::{Mount, Strategy};
use crate::model::plan::{BackupRequest, MountPlan, Need, Neighbour};
use crate::model::project_files::ProjectFiles;
use crate::model::service::Service;
use crate::model::settings::ServiceSettings;
use crate::model::source::{MountQuery, SourceSpec};

use super::select::ServiceSelection;

/// A plan that lacks only what the sources hold.
#[derive(Debug)]
pub struct Draft {
    /// Every service of the host, ordered by name, selected or left out.
    pub selection: Vec<ServiceSelection>,
    /// The requests to each source that data comes from.
    pub requests: Vec<SourceRequest>,
    /// Files of this machine that services from a Compose file mount.
    pub project_files: ProjectFiles,
    /// The stacks with a selected service, ordered by name.
    pub(super) stacks: Vec<StackDraft>,
    /// The named volumes of all services of the host.
    pub(super) volumes: Vec<KnownVolume>,
    /// The host paths that all services of the host mount, without slashes at their ends.
    pub(super) binds: BTreeSet<String>,
}

/// The request to one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRequest {
    /// The source.
    pub spec: SourceSpec,
    /// One query for each place that its data may fill, then one for each dump that a user names by its path.
    pub queries: Vec<MountQuery>,
    /// The most entries that the source may have: the largest bound among its services; 0 means no bound.
    pub max_entries: u64,
    /// The longest window of a compressed source in bytes: the largest bound among its services; 0 means no bound.
    pub max_window: u64,
    /// The services that may be loaded from a dump among its files.
    pub dumps: Vec<DumpRequest>,
}

/// A service that may be loaded from a dump among the files of its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpRequest {
    /// Index of the stack in the draft, and of the service in the stack.
    pub(super) at: (usize, usize),
    /// The path that the user names, and the index of the query for it.
    pub(super) named: Option<(String, usize)>,
    /// The place where the service keeps its database, an index into the stack's places.
    pub(super) home: Option<usize>,
    /// The index of the query for that place.
    pub(super) home_query: Option<usize>,
    /// The database servers that the service may be; empty: it is none.
    pub(super) programs: Vec<DumpProgram>,
    /// The database that its environment names.
    pub(super) database: Option<String>,
    /// Its stack.
    pub(super) stack: Option<String>,
    /// Names that are its own among the database servers of the host.
    pub(super) own_names: Vec<String>,
    /// Its name, which other servers have, too, in other stacks.
    pub(super) shared_name: Option<String>,
    /// Names of the other database servers of the host that may be of the same program.
    pub(super) others: Vec<String>,
}

/// A volume of some service of the host.
#[derive(Debug)]
pub(super) struct KnownVolume {
    pub name: String,
    /// The name in the Compose file, without the project.
    pub short_name: Option<String>,
    /// The stack of the service.
    pub stack: String,
}

/// One stack of a [`Draft`].
#[derive(Debug)]
pub(super) struct StackDraft {
    pub name: String,
    /// The services to boot, dependencies first.
    pub services: Vec<ServiceDraft>,
    /// The places to restore, each once, however many services mount it.
    pub places: Vec<PlaceDraft>,
}

/// One service of a [`Draft`].
#[derive(Debug)]
pub(super) struct ServiceDraft {
    pub service: Service,
    pub settings: ServiceSettings,
    pub selected: bool,
    pub ignored: Option<String>,
    /// What the sandbox changes or takes away.
    pub changes: Vec<Change>,
    /// `MountPlan::restore` is an index into [`StackDraft::places`].
    pub mounts: Vec<MountPlan>,
    pub needs: Vec<Need>,
    /// Running services that it can reach live and that are not booted with it.
    pub neighbours: Vec<Neighbour>,
    /// Why its dependencies can never be up: a circle, or a container that is not on this host.
    pub unbootable: Option<Diagnosis>,
    /// Index into [`Draft::requests`]; `None`: its data comes from the live service.
    pub source: Option<usize>,
    /// Its data comes from the source only if the source has all of it, else from the live service.
    pub if_found: bool,
}

/// A place to restore.
#[derive(Debug)]
pub(super) struct PlaceDraft {
    /// The first mount that shows it.
    pub mount: Mount,
    pub strategy: Strategy,
    /// Whether the user chose the strategy.
    pub is_strategy_chosen: bool,
    /// `None`: its data does not come from a backup.
    pub request: Option<BackupRequest>,
}

impl Draft {
    /// The number of services that filters, `--skip` and the like leave out.
    pub fn filtered_out(&self) -> usize {
        self.selection.iter().filter(|service| service.is_filtered_out()).count()
    }
}

impl StackDraft {
    /// The requests to the source of this index, each with the index of its place in `places`.
    pub fn requests_to(&self, source: usize) -> impl Iterator<Item = (usize, &BackupRequest)> + Clone {
        let places = self.places.iter().enumerate();
        places.filter_map(move |(index, place)| {
            let request = place.request.as_ref().filter(|request| request.source == source)?;
            Some((index, request))
        })
    }
}

impl ServiceDraft {
    /// Whether one of its mounts shows the place of this index.
    pub fn shows(&self, place: usize) -> bool {
        self.mounts.iter().any(|mount| mount.restore == Some(place))
    }
}
