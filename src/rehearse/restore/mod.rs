//! Restores one place's data into the sandbox.

pub(super) mod backup;
mod copy;
pub(super) mod failure;
pub(super) mod live_itself;
mod overlay;
pub(super) mod place;
pub(super) mod restored_files;

use crate::model::mount::Strategy;

use super::shared_task::Diagnosed;
use super::state::{BroughtData, RestoredData};
use place::PlaceRestore;

/// Restores a place that is not filled from an archive.
pub(super) async fn bring(place: &PlaceRestore<'_>) -> Diagnosed<BroughtData> {
    match place.plan.strategy {
        Strategy::Omit => Ok(BroughtData::without_files(RestoredData::Nothing)),
        Strategy::Empty => copy::leave_empty(place).await,
        Strategy::Copy => copy::copy(place).await,
        Strategy::Overlay => overlay::overlay(place).await,
        Strategy::Readonly => overlay::show_read_only(place).await,
    }
}
