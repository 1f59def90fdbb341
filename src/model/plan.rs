//! The plan: everything decided before anything is created.

use super::check::CheckSummary;
use super::dump::Load;
use super::event::{Change, Snapshot};
use super::mount::{Mount, Strategy};
use super::sandbox::ContainerSpec;
use super::service::{Condition, Service, ServiceName};
use super::settings::ServiceSettings;
use super::source::{ContentTally, MatchRule, MountQuery, SourceSpec};

/// What a run will do.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The stacks, ordered by name.
    pub stacks: Vec<StackPlan>,
    /// How many services the filters left out.
    pub filtered_out: usize,
    /// The sources that data is restored from, the live services aside.
    pub sources: Vec<SourceSpec>,
}

/// What is done for one stack: one sandbox.
#[derive(Debug, Clone, PartialEq)]
pub struct StackPlan {
    /// The stack's name.
    pub name: String,
    /// The services to boot, dependencies first.
    pub services: Vec<ServicePlan>,
    /// The restored places that the services share, each restored once.
    pub restores: Vec<RestorePlan>,
}

/// What is done for one service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServicePlan {
    /// The service as it is live.
    pub service: Service,
    /// It was selected, and is a test case; else it is booted for another's sake.
    pub selected: bool,
    /// Why it is not rehearsed, if it is not.
    pub ignored: Option<String>,
    /// What the sandbox changes or takes away.
    pub changes: Vec<Change>,
    /// The mounts and how each gets its data.
    pub mounts: Vec<MountPlan>,
    /// What is asked of it, in order.
    pub checks: Vec<CheckSummary>,
    /// The settings that hold for the service.
    pub settings: ServiceSettings,
    /// The libtest kind of the test case: the kind of its source, or `live`.
    pub kind: &'static str,
    /// Where its data comes from, as an index into [`Plan::sources`]; `None`: from the live service.
    pub source: Option<usize>,
    /// The point in time of the source that is restored; `None`: not known, or from the live service.
    pub snapshot: Option<Snapshot>,
    /// How the service is filled from a database dump once it runs; `None`: it is not.
    pub load: Option<Load>,
    /// What must be up before it: services of the same plan.
    pub needs: Vec<Need>,
    /// Something that makes it impossible to rehearse it, known before it is tried.
    pub blocked: Option<super::diagnosis::Diagnosis>,
    /// Worth knowing before anything is done.
    pub warnings: Vec<super::diagnosis::Diagnosis>,
}

/// Something that must be up first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The service.
    pub service: ServiceName,
    /// What must hold of it.
    pub condition: Condition,
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

/// One place to restore, shared by every mount of the stack that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorePlan {
    /// The mount it was first seen as.
    pub mount: Mount,
    /// How it gets its data.
    pub strategy: Strategy,
    /// The selected services, or those for whose sake it is restored.
    pub cases: Vec<ServiceName>,
    /// Bytes it may copy; 0 for no bound.
    pub max_copy: u64,
    /// The content of every file that came back is compared, too.
    pub verify_content: bool,
    /// What is looked for in a backup, when its data is to come from one.
    pub ask: Option<BackupRequest>,
    /// The part of a backup that its data comes from, when it does.
    pub part: Option<BackupPart>,
    /// Where its data comes from.
    pub supply: DataSource,
}

/// The part of a backup that was found for a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupPart {
    /// Path within the backup; empty for all of it.
    pub path: Vec<u8>,
    /// By which rule.
    pub rule: MatchRule,
}

/// What is looked for in a backup for one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupRequest {
    /// In which, as an index into [`Plan::sources`].
    pub source: usize,
    /// Where it may be.
    pub want: MountQuery,
    /// A service writes to the place, so that a restore without it would lose something.
    pub required: bool,
    /// The part may be empty.
    pub allow_empty: bool,
    /// How the user would name it in a rule: `SERVICE:MOUNT`.
    pub rule_name: String,
    /// Entries that the backup may have; 0 for no bound.
    pub max_entries: u64,
}

/// Where the data of a place comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataSource {
    /// From what the live service has mounted there.
    Live,
    /// From this path of the engine's host, where a backup lies as it is.
    HostPath(String),
    /// Out of a stream of entries.
    Archive {
        /// Of which source, as an index into [`Plan::sources`].
        source: usize,
        /// The part of it.
        path: Vec<u8>,
        /// What the part holds.
        holds: ContentTally,
        /// Entries that the backup may have; 0 for no bound.
        max_entries: u64,
        /// The backup says nothing of the root of the place: it gets the owner and the mode that the live one has.
        root_of_live: bool,
    },
}

impl Plan {
    /// The selected services, in order.
    pub fn cases(&self) -> impl Iterator<Item = &ServicePlan> {
        self.stacks.iter().flat_map(|stack| &stack.services).filter(|service| service.selected)
    }
}

/// A service with the container that will be created for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Isolated {
    /// The container.
    pub spec: ContainerSpec,
    /// What differs from the live one.
    pub changes: Vec<Change>,
}
