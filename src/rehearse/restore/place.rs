//! A place that is being restored: its plan, its new volume, the worker, and helpers for all ways of restoring it.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Step;
use crate::model::plan::{DataSource, RestorePlan};
use crate::model::pluralize::pluralize;
use crate::model::sampled::Sampled;
use crate::rehearse::stack_context::StackContext;
use crate::rehearse::state::PreparedPlace;
use crate::rehearse::steps::OpenStep;
use crate::worker::client::Worker;
use crate::worker::protocol::RootKind;

/// A place that is being restored, and its worker.
#[derive(Clone, Copy)]
pub(in crate::rehearse) struct PlaceRestore<'a> {
    pub cx: &'a StackContext,
    /// Its index in `StackPlan::restores`.
    pub index: usize,
    /// Its plan.
    pub plan: &'a RestorePlan,
    /// Its new volume and paths.
    pub prepared: &'a PreparedPlace,
    pub worker: &'a Worker,
}

/// Begins the step that restores a place.
pub(in crate::rehearse) fn begin_step(cx: &StackContext, plan: &RestorePlan) -> OpenStep {
    let source = match (&plan.supply, &plan.ask) {
        (DataSource::Archive { source, .. }, _) => cx.run.sources[*source].title(),
        (DataSource::HostTree(_), Some(ask)) => cx.run.sources[ask.source].place.to_string(),
        (DataSource::Live, _) | (DataSource::HostTree(_), None) => "live".to_owned(),
    };
    let step = Step::Restore { mount: plan.mount.title(), strategy: plan.strategy, source };
    cx.begin(plan.cases.clone(), step)
}

/// Warns of attributes that could not be kept.
pub(in crate::rehearse) fn warn_of_lost(cx: &StackContext, plan: &RestorePlan, lost: &Sampled<String>) {
    if !lost.is_empty() {
        let (title, attributes) = (plan.mount.title(), pluralize(lost.count, "attribute"));
        let message = format!("{title}: {attributes} could not be kept: {lost}");
        cx.warn(plan.cases.clone(), Diagnosis::new(Code::DataMetadataLost, message));
    }
}

pub(in crate::rehearse) fn kind_word(root: RootKind) -> &'static str {
    match root {
        RootKind::Folder => "a folder",
        RootKind::File => "a file",
        RootKind::Socket => "a socket",
        RootKind::Other => "a device or pipe",
    }
}
