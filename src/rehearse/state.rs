//! What the phases of a stack's rehearsal return: the prepared sandbox, each restored place, each booted service. None
//! of it changes once it is returned; whoever needs it is handed it.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use crate::docker::{NetworkInfo, VolumeInfo};
use crate::model::check::Proof;
use crate::model::diagnosis::Diagnosis;
use crate::model::fingerprint::{Fingerprint, VersionFile};
use crate::model::plan::MountPlan;
use crate::model::sandbox::MountSource;

use super::shared_task::Diagnosed;

/// The sandbox's network and empty volumes; created before the worker starts.
pub(super) struct SandboxBase {
    /// The network.
    pub network: NetworkInfo,
    /// The prepared places, in the order of `StackPlan::restores`; an error where one cannot be restored.
    pub places: Vec<Diagnosed<PreparedPlace>>,
}

/// A place to restore, ready to be filled.
#[derive(Debug, Clone)]
pub(super) struct PreparedPlace {
    /// Where the worker sees the source; `None` when nothing is read.
    pub from: Option<String>,
    /// Where the worker sees the new volume.
    pub to: String,
    /// The new volume.
    pub volume: VolumeInfo,
    /// Path of the source on the engine's host.
    pub source_path: Option<String>,
    /// Where the worker sees what the live service has there, when the data comes from elsewhere.
    pub live: Option<String>,
    /// The engine has the source mounted there only while a container uses it: its volume has another driver, or
    /// options.
    pub mounted_on_use: bool,
}

impl PreparedPlace {
    /// The new volume, once it holds a folder.
    pub fn as_folder(&self) -> RestoredData {
        RestoredData::Volume(self.volume.name.clone())
    }

    /// The single file in the new volume.
    pub fn as_file(&self) -> RestoredData {
        RestoredData::HostPath(format!("{}/file", self.volume.mountpoint))
    }
}

/// What the data of a place has become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RestoredData {
    /// A folder: this volume.
    Volume(String),
    /// A single file: this path of the engine's host.
    HostPath(String),
    /// Nothing that could be mounted: a socket, a device.
    Nothing,
}

impl RestoredData {
    /// What a container mounts.
    pub fn source(&self) -> Option<MountSource> {
        match self {
            RestoredData::Volume(name) => Some(MountSource::Volume(name.clone())),
            RestoredData::HostPath(path) => Some(MountSource::HostPath(path.clone())),
            RestoredData::Nothing => None,
        }
    }
}

/// What a restore has brought to a place, not yet inspected.
#[derive(Debug, Clone)]
pub(super) struct BroughtData {
    /// The data.
    pub data: RestoredData,
    /// Number of files in it; 0 when nothing was brought.
    pub files: u64,
    /// What works live at this place and is dead in the sandbox.
    pub withheld: Option<String>,
}

impl BroughtData {
    /// So many files, all of which work in the sandbox.
    pub fn of(data: RestoredData, files: u64) -> Self {
        Self { data, files, withheld: None }
    }

    /// A place into which no file was brought.
    pub fn without_files(data: RestoredData) -> Self {
        Self::of(data, 0)
    }
}

/// What an inspection found in a restored place that later phases need.
#[derive(Debug, Default)]
pub(super) struct InspectedData {
    /// Version files (`PG_VERSION` and the like); empty where none were looked for.
    pub version_files: Vec<VersionFile>,
    /// What the place held before its service's start; `None` where that is not looked at again.
    pub fingerprint: Option<Fingerprint>,
    /// What may be wrong with the place if its services do not come up.
    pub suspicion: Option<Diagnosis>,
}

/// A place that was restored and inspected.
#[derive(Debug)]
pub(super) struct RestoredPlace {
    /// When its restore began.
    pub began: Instant,
    /// What was brought.
    pub brought: BroughtData,
    /// What was found in it.
    pub inspected: InspectedData,
    /// Where the worker sees the new volume.
    pub path: String,
}

/// A mount of a service and the restored place that it shows.
#[derive(Debug, Clone)]
pub(super) struct MountedPlace {
    /// The mount as it is in the plan.
    pub mount: MountPlan,
    /// Its place.
    pub place: Arc<RestoredPlace>,
}

/// A container that was started.
pub(super) struct Booted {
    /// Its id.
    pub container: String,
    /// Its name.
    pub name: String,
    /// When it was started first.
    pub since: Instant,
    /// How often it was started again, as its restart policy would have it.
    pub restarts: AtomicU32,
    /// It is filled from a dump: it began anew, which takes its time, and what asks for the data is only answered
    /// later.
    pub begins_anew: bool,
    /// Its mounts with restored data.
    pub mounts: Vec<MountedPlace>,
}

/// A dump that was loaded into a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoadedDump {
    /// When loading it ended: from then on the service has its time to become ready.
    pub at: Instant,
    /// The place it is kept in, as an index into `StackPlan::restores`, where one is known.
    pub into: Option<usize>,
    /// Its tables; at least 1.
    pub tables: u64,
}

/// A service that passed its readiness checks.
#[derive(Clone)]
pub(super) struct ReadyService {
    /// Its container.
    pub booted: Arc<Booted>,
    /// Since when it has its time to become ready.
    pub clock: Instant,
    /// What its readiness shows.
    pub proof: Proof,
}
