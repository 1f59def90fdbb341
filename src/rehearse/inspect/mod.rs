//! Inspects restored data before a service boots on it: afterwards nobody can tell what the backup brought from what
//! the service wrote.
//!
//! The worker finds out the facts ([`facts`]). Pure functions judge them: each check is a file.

pub(super) mod completeness;
mod facts;
mod judgement;
mod live_rows;
mod lost_content;
mod mount_kind;
mod place;
mod place_profile;
pub(super) mod retention;
mod similarity;
mod sqlite;
pub(super) mod version_files;
mod versions;
mod witness;

use crate::model::event::Step;

use super::restore::place::PlaceRestore;
use super::shared_task::Diagnosed;
use super::state::{InspectedData, RestoredData};
use super::steps::OpenStep;
use facts::gather;
use judgement::{Judgement, Passed, judge};
use place::PlaceInspection;

/// Inspects a place that was just restored.
pub(super) async fn inspect(restored: &PlaceRestore<'_>, data: &RestoredData) -> Diagnosed<InspectedData> {
    let Some(place) = PlaceInspection::new(restored, data) else { return Ok(InspectedData::default()) };
    let step = place.cx.begin(place.plan.cases.clone(), Step::Verify { mount: place.plan.mount.title() });
    match judged(&place, &step).await {
        Ok(Passed { data, compared, notes, witness }) => {
            step.done_comparing(compared, witness, (!notes.is_empty()).then(|| notes.join("; ")));
            Ok(data)
        }
        Err(diagnosis) => Err(step.broke(diagnosis)),
    }
}

async fn judged(place: &PlaceInspection<'_>, step: &OpenStep) -> Diagnosed<Passed> {
    let facts = gather(place, step).await?;
    let source = place.plan.ask.as_ref().map(|ask| place.cx.run.sources[ask.source].place.to_string());
    let Judgement { warnings, verdict } = judge(place.plan, source.as_deref(), facts);
    for warning in warnings {
        place.cx.warn(place.plan.cases.clone(), warning);
    }
    verdict
}
