//! A place whose data was just restored: its plan, the worker that restored it, and where the worker sees what.

use crate::model::mount::Strategy;
use crate::model::plan::{DataSource, MountPlan, RestorePlan};
use crate::rehearse::restore::place::PlaceRestore;
use crate::rehearse::stack_context::StackContext;
use crate::rehearse::state::RestoredData;
use crate::worker::client::Worker;

/// A place to inspect.
pub(in crate::rehearse) struct PlaceInspection<'a> {
    pub cx: &'a StackContext,
    pub worker: &'a Worker,
    pub plan: &'a RestorePlan,
    /// The mounts that show the place, of all services of the stack.
    pub mounts: Vec<&'a MountPlan>,
    pub paths: InspectedPaths,
}

/// Where the worker sees a place, and what it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rehearse) struct InspectedPaths {
    /// The data: a folder or a file.
    pub data: String,
    /// What the data was copied from; `None` if it was not copied.
    pub source: Option<String>,
    /// The new volume, which the worker can write to.
    pub volume: String,
    /// The data lies in the new volume; else it is shown from where it lies.
    pub filled: bool,
    /// The live mount; `None` when the data is the live mount's, or when the live mount cannot be seen.
    pub live: Option<String>,
}

impl<'a> PlaceInspection<'a> {
    /// `None` when nothing was brought to the place.
    pub fn new(restored: &PlaceRestore<'a>, data: &RestoredData) -> Option<Self> {
        let PlaceRestore { cx, index, plan, prepared, worker } = *restored;
        let in_volume = is_in_volume(plan);
        let path = match (plan.strategy, data) {
            (Strategy::Omit | Strategy::Empty, _) | (_, RestoredData::Nothing) => return None,
            (_, RestoredData::HostPath(_)) if in_volume => format!("{}/file", prepared.to),
            (_, RestoredData::Volume(name)) if in_volume || *name == prepared.volume.name => prepared.to.clone(),
            // Shown from where it lies.
            _ => prepared.from.clone()?,
        };
        let mounts = cx.plan.services.iter().flat_map(|plan| &plan.mounts);
        Some(Self {
            cx,
            worker,
            plan,
            mounts: mounts.filter(|mount| mount.restore == Some(index)).collect(),
            paths: InspectedPaths {
                source: prepared.from.clone().filter(|from| *from != path),
                filled: path.starts_with(&prepared.to),
                volume: prepared.to.clone(),
                live: prepared.live.clone(),
                data: path,
            },
        })
    }
}

/// Whether the data of a place is in a volume that the worker filled.
pub(super) fn is_in_volume(plan: &RestorePlan) -> bool {
    plan.strategy == Strategy::Copy || matches!(plan.supply, DataSource::Archive { .. })
}
