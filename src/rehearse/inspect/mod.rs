//! Inspects restored data before a service boots on it: afterwards nobody can tell what the backup brought from what
//! the service wrote.

pub(super) mod completeness;
mod mount_kind;
mod place;
pub(super) mod retention;
mod similarity;
mod sqlite;
pub(super) mod version_files;
mod versions;

use crate::model::event::{Compared, Step};
use crate::model::mount::Strategy;
use crate::model::plan::DataSource;

use super::restore::place::PlaceRestore;
use super::shared_task::Diagnosed;
use super::state::{InspectedData, RestoredData};
use super::steps::OpenStep;
use place::PlaceInspection;

/// What an inspection found when nothing is wrong.
struct Findings {
    data: InspectedData,
    /// What was compared with what should be; `None` where nothing was brought to be compared.
    compared: Option<Compared>,
    /// What is worth a word in the report.
    notes: Vec<String>,
}

/// Inspects a place that was just restored.
pub(super) async fn inspect(restored: &PlaceRestore<'_>, data: &RestoredData) -> Diagnosed<InspectedData> {
    let Some(place) = place_to_inspect(restored, data) else { return Ok(InspectedData::default()) };
    let step = place.cx.begin(place.plan.cases.clone(), Step::Verify { mount: place.plan.mount.title() });
    match look_through(&place, &step).await {
        Ok(Findings { data, compared, notes }) => {
            step.done_comparing(compared, (!notes.is_empty()).then(|| notes.join("; ")));
            Ok(data)
        }
        Err(diagnosis) => Err(step.broke(diagnosis)),
    }
}

/// Where the data of a restored place is seen; `None` when nothing was brought.
fn place_to_inspect<'a>(restored: &PlaceRestore<'a>, data: &RestoredData) -> Option<PlaceInspection<'a>> {
    let PlaceRestore { cx, index, plan, prepared, worker } = *restored;
    let copied = matches!(plan.supply, DataSource::Archive { .. }) || plan.strategy == Strategy::Copy;
    let path = match (plan.strategy, data) {
        (Strategy::Omit | Strategy::Empty, _) | (_, RestoredData::Nothing) => return None,
        (_, RestoredData::HostPath(_)) if copied => format!("{}/file", prepared.to),
        (_, RestoredData::Volume(name)) if copied || *name == prepared.volume.name => prepared.to.clone(),
        // Shown from where it lies.
        _ => prepared.from.clone()?,
    };
    Some(PlaceInspection {
        cx,
        worker,
        plan,
        index,
        from: prepared.from.clone().filter(|from| *from != path),
        filled: path.starts_with(&prepared.to).then(|| prepared.to.clone()),
        to: prepared.to.clone(),
        live: prepared.live.clone(),
        path,
    })
}

async fn look_through(place: &PlaceInspection<'_>, step: &OpenStep) -> Diagnosed<Findings> {
    if let Some(diagnosis) = mount_kind::kind_mismatch(place).await {
        return Err(diagnosis);
    }
    if let Some(diagnosis) = similarity::unlike_live(place).await {
        return Err(diagnosis);
    }
    let completeness = completeness::compare_with_manifest(place, step).await?;
    let version_files = version_files::find(place).await?;
    let fingerprint = retention::take_fingerprint(place).await?;
    let databases = sqlite::check_databases(place).await?;
    Ok(Findings {
        compared: completeness.compared,
        notes: completeness.contents.into_iter().chain(databases).collect(),
        data: InspectedData { version_files, fingerprint, suspicion: completeness.suspicion },
    })
}
