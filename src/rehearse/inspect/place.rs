//! A place whose data is inspected: its plan, and where the worker sees what is of interest.

use crate::model::plan::RestorePlan;
use crate::rehearse::stack_context::StackContext;
use crate::worker::client::Worker;

/// A place whose data was just restored.
pub(in crate::rehearse) struct PlaceInspection<'a> {
    pub cx: &'a StackContext,
    pub worker: &'a Worker,
    /// As it is in the plan.
    pub plan: &'a RestorePlan,
    /// Its index there.
    pub index: usize,
    /// Where the worker sees the data: a folder or a file.
    pub path: String,
    /// Where the worker sees what it was copied from, if it was.
    pub from: Option<String>,
    /// Where the worker sees the new volume, which it can write to.
    pub to: String,
    /// The new volume, where the worker sees it; `None` when the data is shown from where it lies.
    pub filled: Option<String>,
    /// Where the worker sees the live mount, when the data came from elsewhere.
    pub live: Option<String>,
}
