//! Results of the phases of a stack's rehearsal: the prepared sandbox, each restored place, each booted service. They
//! do not change; later phases get them as arguments.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use crate::docker::VolumeInfo;
use crate::model::check::Proof;
use crate::model::diagnosis::Diagnosis;
use crate::model::fingerprint::{Fingerprint, VersionFile};
use crate::model::plan::MountPlan;
use crate::model::profile::MountProfile;
use crate::model::sandbox::MountSource;

use super::shared_task::Diagnosed;

/// The places of a stack with their new, empty volumes, in the order of `StackPlan::restores`; an error where a place
/// cannot be restored.
pub(super) type PreparedPlaces = Vec<Diagnosed<PreparedPlace>>;

/// A place to restore, ready to be filled.
#[derive(Debug, Clone)]
pub(super) struct PreparedPlace {
    /// Path of the source in the worker; `None`: nothing is read.
    pub from: Option<String>,
    /// Where the worker sees the new volume.
    pub to: String,
    /// The new volume.
    pub volume: VolumeInfo,
    /// Path of the source on the engine's host.
    pub source_path: Option<String>,
    /// Path of the live data in the worker, if the restored data comes from elsewhere.
    pub live: Option<String>,
    /// Whether the engine mounts the source only while a container uses it, because its volume has another driver, or
    /// options.
    pub mounted_on_use: bool,
}

impl PreparedPlace {
    /// The restored data, if it is a folder: the new volume.
    pub fn as_folder(&self) -> RestoredData {
        RestoredData::Volume(self.volume.name.clone())
    }

    /// The volume as a new host has it: the engine fills it from the image.
    pub fn as_new_volume(&self) -> RestoredData {
        RestoredData::NewVolume(self.volume.name.clone())
    }

    /// The restored data, if it is a single file in the new volume.
    pub fn as_file(&self) -> RestoredData {
        RestoredData::HostPath(format!("{}/file", self.volume.mountpoint))
    }
}

/// The restored data of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RestoredData {
    /// A folder: this volume.
    Volume(String),
    /// Nothing was restored into this volume; the engine fills it from the image.
    NewVolume(String),
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
            RestoredData::NewVolume(name) => Some(MountSource::NewVolume(name.clone())),
            RestoredData::HostPath(path) => Some(MountSource::HostPath(path.clone())),
            RestoredData::Nothing => None,
        }
    }
}

/// The result of a restore, before its inspection.
#[derive(Debug, Clone)]
pub(super) struct BroughtData {
    /// The data.
    pub data: RestoredData,
    /// The number of files in the data; 0: nothing was restored.
    pub files: u64,
    /// Sockets and the like that work live at this place and are dead in the sandbox.
    pub withheld: Option<String>,
}

impl BroughtData {
    /// A result with so many files and nothing dead in the sandbox.
    pub fn of(data: RestoredData, files: u64) -> Self {
        Self { data, files, withheld: None }
    }

    /// A result without a file.
    pub fn without_files(data: RestoredData) -> Self {
        Self::of(data, 0)
    }
}

/// Findings of an inspection that later phases need.
#[derive(Debug, Default)]
pub(super) struct InspectedData {
    /// Version files (`PG_VERSION` and the like); empty if none were looked for.
    pub version_files: Vec<VersionFile>,
    /// The contents before the service's start; `None` if they are not compared later.
    pub fingerprint: Option<Fingerprint>,
    /// A possible fault of the place, in case its services do not come up.
    pub suspicion: Option<Diagnosis>,
    /// What the place held, without the path where a service sees it; `None` for data that is from no backup.
    pub profile: Option<MountProfile>,
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
    /// Where the worker sees the live data; as [`PreparedPlace::live`].
    pub live: Option<String>,
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
    /// How often the engine's event stream had broken at that time.
    pub breaks: u32,
    /// How often it was restarted under its restart policy.
    pub restarts: AtomicU32,
    /// Whether it is filled from a dump. Then it initialises itself first, which takes time, and checks of the data
    /// pass only later.
    pub begins_anew: bool,
    /// Its mounts with restored data.
    pub mounts: Vec<MountedPlace>,
}

/// A dump that was loaded into a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoadedDump {
    /// The end of the loading: from then on the service has its time to become ready.
    pub at: Instant,
    /// The place of the data, as an index into `StackPlan::restores`; `None`: not known.
    pub into: Option<usize>,
    /// Its tables; at least 1.
    pub tables: u64,
}

/// A service that passed its readiness checks.
#[derive(Clone)]
pub(super) struct ReadyService {
    /// Its container.
    pub booted: Arc<Booted>,
    /// The beginning of its time to become ready.
    pub clock: Instant,
    /// The proof of its readiness checks.
    pub proof: Proof,
}
