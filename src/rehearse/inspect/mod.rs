//! What came back is looked through before a service boots on it: once it has, nobody can tell what the backup brought from what
//! the service made of it.

pub(super) mod completeness;
pub(super) mod mount_kind;
pub(super) mod retention;
pub(super) mod similarity;
pub(super) mod sqlite;
pub(super) mod version_files;
pub(super) mod versions;

use std::sync::Arc;

use crate::model::diagnosis::Diagnosis;
use crate::model::event::{Compared, Step};
use crate::model::mount::Strategy;
use crate::model::plan::{DataSource, RestorePlan};
use crate::worker::client::Worker;

use super::restore::Restored;
use super::shared_task::Diagnosed;
use super::stack::StackRehearsal;
use super::steps::OpenStep;

/// A place whose data is looked through.
pub(super) struct RestoredMount<'a> {
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

impl StackRehearsal {
    /// Looks through the place of this index, which was just restored.
    pub(super) async fn verify(self: &Arc<Self>, index: usize, restored: &Restored) -> Diagnosed<()> {
        let plan = &self.plan.restores[index];
        let sandbox = self.sandbox().await?;
        let prepared = sandbox.places[index].clone()?;
        let Some(worker) = sandbox.worker.lock().await.clone() else { return Ok(()) };
        let streamed = matches!(plan.supply, DataSource::Archive { .. });
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
        let from = prepared.from.clone().filter(|from| *from != path);
        let filled = path.starts_with(&prepared.to).then(|| prepared.to.clone());
        let place = RestoredMount { plan, index, path, from, to: prepared.to, filled, live: prepared.live };
        let step = self.common.notify.begin(plan.cases.clone(), Step::Verify { mount: plan.mount.title() });
        match self.look_through(&place, &worker, &step).await {
            Ok((compared, notes)) => {
                step.done_comparing(compared, (!notes.is_empty()).then(|| notes.join("; ")));
                Ok(())
            }
            Err(diagnosis) => Err(step.broke(diagnosis)),
        }
    }

    /// What was held against what should be, and what was found that is worth a word, when nothing is wrong.
    async fn look_through(
        self: &Arc<Self>,
        place: &RestoredMount<'_>,
        worker: &Worker,
        step: &OpenStep,
    ) -> Result<(Option<Compared>, Vec<String>), Diagnosis> {
        if let Some(diagnosis) = self.kind_mismatch(place, worker).await {
            return Err(diagnosis);
        }
        if let Some(diagnosis) = self.unlike_live(place, worker).await {
            return Err(diagnosis);
        }
        let (compared, contents) = self.compare_with_manifest(place, worker, step).await?;
        let mut notes = Vec::new();
        notes.extend(contents);
        self.note_version_files(place, worker).await?;
        self.note_fingerprint(place, worker).await?;
        notes.extend(self.sqlite_is_sound(place, worker).await?);
        Ok((compared, notes))
    }
}
