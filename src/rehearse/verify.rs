//! What came back is looked through before a service boots on it: once it has, nobody can tell what the backup brought from what
//! the service made of it.

use std::sync::Arc;

use crate::model::event::Step;
use crate::model::mount::Strategy;
use crate::model::plan::{RestorePlan, Supply};

use super::once::Outcome;
use super::restore::Restored;
use super::stack::Stack;

/// A place whose data is looked through.
pub(super) struct Place<'a> {
    /// As it is in the plan.
    pub plan: &'a RestorePlan,
    /// Where the worker sees the data: a folder or a file.
    pub path: String,
}

impl Stack {
    /// Looks through the place of this index, which was just restored.
    pub(super) async fn verify(self: &Arc<Self>, index: usize, restored: &Restored) -> Outcome<()> {
        let plan = &self.plan.restores[index];
        let sandbox = self.sandbox().await?;
        let prepared = sandbox.places[index].clone()?;
        let Some(worker) = sandbox.worker.lock().await.clone() else { return Ok(()) };
        let streamed = matches!(plan.supply, Supply::Stream { .. });
        let copied = streamed || plan.strategy == Strategy::Copy;
        let path = match (plan.strategy, restored) {
            (Strategy::Omit | Strategy::Empty, _) | (_, Restored::Nothing) => return Ok(()),
            (_, Restored::HostPath(_)) if copied => format!("{}/file", prepared.to),
            (_, Restored::Volume(name)) if copied || *name == prepared.volume.name => prepared.to.clone(),
            // Shown from where it lies.
            _ => match prepared.from.clone() {
                Some(from) => from,
                None => return Ok(()),
            },
        };
        let Some(live) = prepared.live.clone() else { return Ok(()) };
        let step = self.common.notify.begin(plan.cases.clone(), Step::Verify { mount: plan.mount.title() });
        match self.unlike_live(&Place { plan, path }, &live, &worker).await {
            None => {
                step.done();
                Ok(())
            }
            Some(diagnosis) => Err(step.broke(diagnosis)),
        }
    }
}
