//! Bringing one place's data into the sandbox.

pub(super) mod backup;
pub(super) mod overlay;
pub(super) mod restored_files;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::{Fact, Step};
use crate::model::mount::{Mount, Strategy};
use crate::model::plan::{DataSource, RestorePlan};
use crate::model::pluralize::pluralize;
use crate::model::sandbox::MountSource;
use crate::model::units;
use crate::worker::client::{JobError, Worker};
use crate::worker::protocol::{Copied, CopyJob, Failure, PrepareEmptyJob, RootKind};

use super::sandbox::worker::{PreparedVolume, job_diagnosis};
use super::shared_task::{Diagnosed, SharedFuture};
use super::stack::StackRehearsal;
use super::steps::OpenStep;

/// What a place has become.
#[derive(Debug, Clone)]
pub(super) enum Restored {
    /// A folder: this volume.
    Volume(String),
    /// A single file: this path of the engine's host.
    HostPath(String),
    /// Nothing that could be mounted: a socket, a device.
    Nothing,
}

/// Bytes that stay free where the engine keeps its volumes: live services write there.
pub(super) const KEEP_FREE: u64 = 512 * 1024 * 1024;

impl Restored {
    /// What a container mounts.
    pub fn source(&self) -> Option<MountSource> {
        match self {
            Restored::Volume(name) => Some(MountSource::Volume(name.clone())),
            Restored::HostPath(path) => Some(MountSource::HostPath(path.clone())),
            Restored::Nothing => None,
        }
    }
}

impl StackRehearsal {
    /// The place of this index, restored by the first who needs it.
    pub fn restored(self: &Arc<Self>, index: usize) -> SharedFuture<Restored> {
        let stack = Arc::clone(self);
        self.restored[index].get(|| async move {
            let restored = match stack.restore(index).await {
                Ok(restored) => stack.verify(index, &restored).await.map(|()| restored),
                Err(diagnosis) => Err(diagnosis),
            };
            stack.to_restore.fetch_sub(1, Ordering::AcqRel);
            restored
        })
    }

    async fn restore(self: &Arc<Self>, index: usize) -> Diagnosed<Restored> {
        let sandbox = self.sandbox().await?;
        let prepared = sandbox.places[index].clone()?;
        let plan = &self.plan.restores[index];
        let worker = sandbox.worker.lock().await.clone();
        let Some(worker) = worker else {
            return Err(Diagnosis::new(Code::WorkerFailed, "the worker was gone before its last copy"));
        };
        let _ = self.restore_began[index].set(Instant::now());
        match plan.strategy {
            Strategy::Omit => Ok(Restored::Nothing),
            Strategy::Empty => self.leave_empty(plan, &prepared, &worker).await,
            _ if let DataSource::Archive { source, .. } = plan.supply => self.out_of_stream(index, source).await,
            Strategy::Copy => self.copy(plan, &prepared, &worker).await,
            Strategy::Overlay => self.overlay(index, plan, &prepared, &worker).await,
            Strategy::Readonly => self.shown_read_only(index, plan, &prepared, &worker).await,
        }
    }

    pub(super) fn restore_step(&self, plan: &RestorePlan) -> OpenStep {
        let source = match (&plan.supply, &plan.ask) {
            (DataSource::Archive { source, .. }, _) => self.common.sources[*source].place.to_string(),
            (DataSource::HostPath(_), Some(ask)) => self.common.sources[ask.source].place.to_string(),
            (DataSource::Live, _) | (DataSource::HostPath(_), None) => "live".to_owned(),
        };
        let step = Step::Restore { mount: plan.mount.title(), strategy: plan.strategy, source };
        self.common.notify.begin(plan.cases.clone(), step)
    }

    /// A new volume with the owner and mode of the live one's root: a service that does not run as root must be able to
    /// write to it, as it can to a volume that the engine fills from its image.
    async fn leave_empty(&self, plan: &RestorePlan, prepared: &PreparedVolume, worker: &Worker) -> Diagnosed<Restored> {
        let step = self.restore_step(plan);
        let Some(from) = prepared.from.clone() else {
            step.done_with(None, Some("the live one cannot be looked at, so its owner is root".to_owned()));
            return Ok(Restored::Volume(prepared.volume.name.clone()));
        };
        match worker.run(PrepareEmptyJob { from, to: prepared.to.clone() }).await {
            Ok(RootKind::File) => {
                step.done();
                Ok(Restored::HostPath(format!("{}/file", prepared.volume.mountpoint)))
            }
            Ok(_) => {
                step.done();
                Ok(Restored::Volume(prepared.volume.name.clone()))
            }
            Err(JobError::Failed(Failure::WrongKind { root })) => {
                step.done_with(None, Some(format!("left out: it is {}", kind_word(root))));
                Ok(Restored::Nothing)
            }
            Err(error) => {
                let doing = format!("leaving {} empty", plan.mount.title());
                Err(step.broke(mount_diagnosis(&error, &plan.mount, &doing)))
            }
        }
    }

    pub(super) async fn copy(
        self: &Arc<Self>,
        plan: &RestorePlan,
        prepared: &PreparedVolume,
        worker: &Worker,
    ) -> Diagnosed<Restored> {
        let step = self.restore_step(plan);
        let Some(from) = prepared.from.clone() else { return Ok(Restored::Volume(prepared.volume.name.clone())) };
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
                self.warn_of(plan, &copied);
                self.note_restored_files(plan, copied.amount.files);
                let restored = match copied.root {
                    RootKind::Folder => Restored::Volume(prepared.volume.name.clone()),
                    RootKind::File => Restored::HostPath(format!("{}/file", prepared.volume.mountpoint)),
                    RootKind::Socket | RootKind::Other => Restored::Nothing,
                };
                step.done_with(Some(copied.amount), None);
                Ok(restored)
            }
            // A socket or a device holds no data: it is left out, and the report says so.
            Err(JobError::Failed(Failure::WrongKind { root })) => {
                step.done_with(None, Some(format!("left out: it is {}", kind_word(root))));
                Ok(Restored::Nothing)
            }
            Err(error) => {
                let doing = format!("copying {}", plan.mount.title());
                Err(step.broke(mount_diagnosis(&error, &plan.mount, &doing)))
            }
        }
    }

    fn warn_of(&self, plan: &RestorePlan, copied: &Copied) {
        if copied.torn_count > 0 {
            let message = format!(
                "{}: {} changed or vanished while being copied: {}",
                plan.mount.title(),
                pluralize(copied.torn_count, "file"),
                named(&copied.torn, copied.torn_count),
            );
            self.warn(plan, Diagnosis::new(Code::DataTornCopy, message));
        }
        self.warn_of_lost(plan, &copied.lost_metadata, copied.lost_metadata_count);
    }

    pub(super) fn warn_of_lost(&self, plan: &RestorePlan, lost: &[String], count: u64) {
        if count > 0 {
            let message = format!(
                "{}: {} could not be kept: {}",
                plan.mount.title(),
                pluralize(count, "attribute"),
                named(lost, count)
            );
            self.warn(plan, Diagnosis::new(Code::DataMetadataLost, message));
        }
    }

    fn warn(&self, plan: &RestorePlan, diagnosis: Diagnosis) {
        self.common.notify.send(Fact::Warned { cases: plan.cases.clone(), diagnosis });
    }
}

/// Why a job about a mount has no answer.
pub(super) fn mount_diagnosis(error: &JobError, mount: &Mount, during: &str) -> Diagnosis {
    match error {
        JobError::Failed(failure) => failure_diagnosis(failure, mount),
        other => job_diagnosis(other, during),
    }
}

/// Why the worker could not restore a mount, or look at what came back.
pub(super) fn failure_diagnosis(failure: &Failure, mount: &Mount) -> Diagnosis {
    let title = mount.title();
    match failure {
        Failure::TooLarge { bytes, max_bytes } => Diagnosis {
            remedy: Some(format!(
                "Raise --max-copy, or give the mount another strategy: --strategy '{0}=readonly', '{0}=overlay', '{0}=empty' or '{0}=omit'.",
                mount.target
            )),
            ..Diagnosis::new(
                Code::RestoreTooLarge,
                format!(
                    "{title} (mounted at {}) holds at least {}, --max-copy allows {}; nothing was brought in",
                    mount.target,
                    units::bytes(*bytes),
                    units::bytes(*max_bytes)
                ),
            )
        },
        Failure::NoSpace { bytes, free } => Diagnosis {
            remedy: Some(no_space_remedy(mount)),
            ..Diagnosis::new(
                Code::RestoreNoSpace,
                format!(
                    "{title} (mounted at {}) needs {}, and {} are free where the engine keeps its volumes ({} stay free for live services)",
                    mount.target,
                    units::bytes(*bytes),
                    units::bytes(*free),
                    units::bytes(KEEP_FREE)
                ),
            )
        },
        Failure::Full { path, error, free, free_files } => {
            let left = match free_files {
                Some(0) => "it has no room for one more file, however small (no inode is free)".to_owned(),
                _ => format!("{} are free there now", units::bytes(*free)),
            };
            Diagnosis {
                remedy: Some(no_space_remedy(mount)),
                ..Diagnosis::new(
                    Code::RestoreNoSpace,
                    format!(
                        "the disk where the engine keeps its volumes filled up while {title} (mounted at {}) was restored: writing {}: {error}; {left}",
                        mount.target,
                        shown(path)
                    ),
                )
            }
        }
        Failure::Unreadable { path, error } => {
            Diagnosis::new(Code::RestoreUnreadable, format!("reading {} of {title}: {error}", shown(path)))
        }
        Failure::Unwritable { path, error } => Diagnosis::new(
            Code::RestoreFailed,
            format!("writing {} of what is restored for {title}: {error}", shown(path)),
        ),
        Failure::Corrupt { entry, at, error } => {
            let after = if entry.is_empty() { String::new() } else { format!(", after the entry {entry}") };
            Diagnosis::new(
                Code::SourceCorrupt,
                format!("the archive that {title} is restored from is damaged at byte {at}{after}: {error}"),
            )
        }
        Failure::Unsafe { path, error } => {
            Diagnosis::new(Code::RestoreUnsafeEntry, format!("restoring {title}: the entry {path} {error}"))
        }
        Failure::TooMany { max_entries } => Diagnosis::new(
            Code::RestoreTooLarge,
            format!(
                "restoring {title}: the archive has more than {max_entries} entries, the bound that --max-entries sets"
            ),
        ),
        Failure::WrongKind { root } => Diagnosis::new(Code::RestoreFailed, format!("{title} is {}", kind_word(*root))),
        Failure::BadRequest { error } => Diagnosis::new(Code::WorkerFailed, format!("restoring {title}: {error}")),
    }
}

fn no_space_remedy(mount: &Mount) -> String {
    format!(
        "Free some space where the engine keeps its volumes, or give the mount another strategy: --strategy '{0}=readonly', '{0}=overlay', '{0}=empty' or '{0}=omit'.",
        mount.target
    )
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "the root" } else { path }
}

pub(super) fn kind_word(root: RootKind) -> &'static str {
    match root {
        RootKind::Folder => "a folder",
        RootKind::File => "a file",
        RootKind::Socket => "a socket",
        RootKind::Other => "a device or pipe",
    }
}

pub(super) fn named(names: &[String], count: u64) -> String {
    let listed = names.join(", ");
    let more = count.saturating_sub(names.len() as u64);
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}
