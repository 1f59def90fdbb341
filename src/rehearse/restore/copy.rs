//! Copies a folder of the engine's host into a new volume, or leaves the volume empty.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::plan::RestorePlan;
use crate::model::pluralize::pluralize;
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::stack_context::{KEEP_FREE, StackContext};
use crate::rehearse::state::{BroughtData, RestoredData};
use crate::rehearse::steps::OpenStep;
use crate::worker::client::JobError;
use crate::worker::protocol::{Copied, CopyJob, Failure, PrepareEmptyJob, RootKind};

use super::failure::mount_diagnosis;
use super::place::{PlaceRestore, begin_step, kind_word, warn_of_lost};

/// Leaves the new volume empty, with the owner and mode of the live one's root: a service that does not run as root
/// must be able to write to it, as to a volume that the engine fills from its image.
pub(super) async fn leave_empty(place: &PlaceRestore<'_>) -> Diagnosed<BroughtData> {
    let PlaceRestore { cx, plan, prepared, worker, .. } = place;
    let step = begin_step(cx, plan);
    let Some(from) = prepared.from.clone() else {
        if plan.is_new() {
            step.done_with(None, Some("as on a new host: what the image has at this path is in it".to_owned()));
            return Ok(BroughtData::without_files(prepared.as_new_volume()));
        }
        step.done_with(None, Some("the live mount cannot be read, so the new volume belongs to root".to_owned()));
        return Ok(BroughtData::without_files(prepared.as_folder()));
    };
    match worker.run(PrepareEmptyJob { from, to: prepared.to.clone() }).await {
        Ok(RootKind::File) => {
            step.done();
            Ok(BroughtData::without_files(prepared.as_file()))
        }
        Ok(_) => {
            step.done();
            Ok(BroughtData::without_files(prepared.as_folder()))
        }
        Err(JobError::Failed(Failure::WrongKind { root })) => {
            step.done_with(None, Some(format!("left out: it is {}", kind_word(root))));
            Ok(BroughtData::without_files(RestoredData::Nothing))
        }
        Err(error) => {
            let doing = format!("leaving {} empty", plan.mount.title());
            Err(step.broke(mount_diagnosis(&error, &plan.mount, &doing)))
        }
    }
}

/// Copies the data into the new volume.
pub(super) async fn copy(place: &PlaceRestore<'_>) -> Diagnosed<BroughtData> {
    let step = begin_step(place.cx, place.plan);
    copy_in(place, step, None).await
}

/// As [`copy`], in a step that has begun; the step ends with this note.
pub(super) async fn copy_in(place: &PlaceRestore<'_>, step: OpenStep, note: Option<String>) -> Diagnosed<BroughtData> {
    let PlaceRestore { cx, plan, prepared, worker, .. } = place;
    let Some(from) = prepared.from.clone() else { return Ok(BroughtData::without_files(prepared.as_folder())) };
    let job = CopyJob {
        from,
        to: prepared.to.clone(),
        max_bytes: plan.max_copy,
        keep_free: KEEP_FREE,
        contents: plan.verify_content,
    };
    let answer = worker.run_with_progress(job, |amount, total| step.progress(amount, total)).await;
    match answer {
        Ok(copied) => {
            warn_of_copy(cx, plan, &copied);
            let data = match copied.root {
                RootKind::Folder => prepared.as_folder(),
                RootKind::File => prepared.as_file(),
                RootKind::Socket | RootKind::Other => RestoredData::Nothing,
            };
            step.done_with(Some(copied.amount).filter(|_| note.is_none()), note);
            Ok(BroughtData::of(data, copied.amount.files))
        }
        // A socket or a device holds no data: it is left out, and the report says so.
        Err(JobError::Failed(Failure::WrongKind { root })) => {
            step.done_with(None, Some(format!("left out: it is {}", kind_word(root))));
            Ok(BroughtData::without_files(RestoredData::Nothing))
        }
        Err(error) => {
            let doing = format!("copying {}", plan.mount.title());
            Err(step.broke(mount_diagnosis(&error, &plan.mount, &doing)))
        }
    }
}

fn warn_of_copy(cx: &StackContext, plan: &RestorePlan, copied: &Copied) {
    if !copied.torn.is_empty() {
        let message = format!(
            "{}: {} changed or vanished while being copied: {}",
            plan.mount.title(),
            pluralize(copied.torn.count, "file"),
            copied.torn,
        );
        cx.warn(plan.cases.clone(), Diagnosis::new(Code::DataTornCopy, message));
    }
    warn_of_lost(cx, plan, &copied.lost_metadata);
}
