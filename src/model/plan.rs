//! The plan: everything decided before anything is created.

use super::check::CheckSummary;
use super::dump::Load;
use super::event::{Change, Snapshot};
use super::host_tree::HostTree;
use super::mount::{Mount, Strategy};
use super::sandbox::ContainerSpec;
use super::score::basis::ScoreBasis;
use super::service::{Condition, Service, ServiceName};
use super::settings::ServiceSettings;
use super::source::{ContentTally, MatchRule, MountQuery, SourceSpec};
use super::witness::WitnessPlan;

/// The plan of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The stacks, ordered by name.
    pub stacks: Vec<StackPlan>,
    /// Number of services that the filters left out.
    pub filtered_out: usize,
    /// Sources of the restored data, without the live services.
    pub sources: Vec<SourceSpec>,
}

/// The plan of one stack, which gets one sandbox.
#[derive(Debug, Clone, PartialEq)]
pub struct StackPlan {
    pub name: String,
    /// The services to boot, dependencies first.
    pub services: Vec<ServicePlan>,
    /// The places that the services use; each place is restored once.
    pub restores: Vec<RestorePlan>,
}

/// The plan of one service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServicePlan {
    /// The service as it is live.
    pub service: Service,
    /// The service is a selected case. False: it only boots as a dependency.
    pub selected: bool,
    /// Why the service is not rehearsed; `None`: it is.
    pub ignored: Option<String>,
    /// Settings that the sandbox changes or leaves out.
    pub changes: Vec<Change>,
    /// The mounts and how each gets its data.
    pub mounts: Vec<MountPlan>,
    /// The checks of the booted service, in order.
    pub checks: Vec<CheckSummary>,
    /// The settings that hold for the service.
    pub settings: ServiceSettings,
    /// The libtest kind of the test case: the kind of its source, or `live`.
    pub kind: &'static str,
    /// Index into [`Plan::sources`]; `None`: the data comes from the live service.
    pub source: Option<usize>,
    /// The snapshot that is restored; `None`: not known, or the data comes from the live service.
    pub snapshot: Option<Snapshot>,
    /// How the service loads a database dump once it runs; `None`: it loads none.
    pub load: Option<Load>,
    /// Services of the same plan that must be up first.
    pub needs: Vec<Need>,
    /// Running services that it can reach live and that are not booted with it.
    pub neighbours: Vec<Neighbour>,
    /// Why the service cannot be rehearsed, when that is known before the run.
    pub blocked: Option<super::diagnosis::Diagnosis>,
    /// Warnings that are known before the run.
    pub warnings: Vec<super::diagnosis::Diagnosis>,
    /// What its score is based on.
    pub score_basis: ScoreBasis,
}

/// A service that must be up first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    pub service: ServiceName,
    /// The state that it must have reached.
    pub condition: Condition,
}

/// A service that another one can reach live by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    pub service: ServiceName,
    /// What both share, for people: a network, or a link.
    pub met_by: String,
    /// The names by which it is found.
    pub known_as: Vec<String>,
}

/// One mount of a service in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPlan {
    /// The mount as it is live.
    pub mount: Mount,
    /// How it gets its data.
    pub strategy: Strategy,
    /// Index into [`StackPlan::restores`]; `None` where nothing is restored (tmpfs, omitted).
    pub restore: Option<usize>,
}

/// One place to restore, shared by all mounts of the stack that show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorePlan {
    /// The first mount of the place.
    pub mount: Mount,
    /// How it gets its data.
    pub strategy: Strategy,
    /// The selected services that use the place, directly or through a dependency.
    pub cases: Vec<ServiceName>,
    /// Most bytes to copy; 0: no limit.
    pub max_copy: u64,
    /// The content of every restored file is compared, too.
    pub verify_content: bool,
    /// What to look for in a backup; `None`: the data comes from the live service.
    pub ask: Option<BackupRequest>,
    /// The part of the backup that the data comes from; `None`: not from a backup, or no part was found.
    pub part: Option<BackupPart>,
    /// Where its data comes from.
    pub supply: DataSource,
    /// How the restored data is compared with the live mount.
    pub witness: WitnessPlan,
    /// A live mount stands behind the place. False: its services come from a file, and nothing of the engine's host
    /// that has the same name or path is looked at.
    pub has_live: bool,
}

/// The part of a backup that belongs to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupPart {
    /// Path within the backup; empty for all of it.
    pub path: Vec<u8>,
    /// The rule by which the part was found.
    pub rule: MatchRule,
    /// How many entries of macOS's lie outside of the part. They were ignored when it was looked for.
    pub sidecars: u64,
    /// What the part holds.
    pub holds: ContentTally,
}

/// A request to find the part of a backup that belongs to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupRequest {
    /// Index into [`Plan::sources`].
    pub source: usize,
    /// The paths at which the part may be.
    pub want: MountQuery,
    /// A service writes to the place, so a restore without the part would lose data.
    pub required: bool,
    /// An empty part is no failure.
    pub allow_empty: bool,
    /// The mount in the words of a `--map` rule: `SERVICE:MOUNT`.
    pub rule_name: String,
    /// Most entries that the backup may have; 0: no limit.
    pub max_entries: u64,
    /// Longest window of a compressed backup in bytes; 0: no limit.
    pub max_window: u64,
}

/// Where the data of a place comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataSource {
    /// The mount of the live service.
    Live,
    /// A folder of the engine's host that holds a backup as plain files.
    HostTree(HostTree),
    /// A stream of archive entries.
    Archive {
        /// Index into [`Plan::sources`].
        source: usize,
        /// Path of the part within the backup; empty for all of it.
        path: Vec<u8>,
        /// Content of the part.
        holds: ContentTally,
        /// Most entries that the backup may have; 0: no limit.
        max_entries: u64,
        /// Longest window of a compressed backup in bytes; 0: no limit.
        max_window: u64,
        /// The backup has no entry for the root of the place, so the root gets the live one's owner and mode.
        root_of_live: bool,
    },
}

impl RestorePlan {
    /// Whether the place is as a new host has it: nothing is restored, and no live mount gives it an owner.
    pub fn is_new(&self) -> bool {
        self.strategy == Strategy::Empty && !self.has_live
    }
}

impl Plan {
    /// The selected services, in the plan's order.
    pub fn cases(&self) -> impl Iterator<Item = &ServicePlan> {
        self.stacks.iter().flat_map(|stack| &stack.services).filter(|service| service.selected)
    }
}

/// A service's container in the sandbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Isolated {
    /// The container to create.
    pub spec: ContainerSpec,
    /// Settings that differ from the live container.
    pub changes: Vec<Change>,
}
