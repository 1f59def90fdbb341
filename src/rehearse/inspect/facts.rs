//! The facts that the worker finds out about a restored place: all I/O of an inspection is here.

use crate::model::diagnosis::Diagnosis;
use crate::model::mount::{MountOrigin, Strategy};
use crate::model::plan::{DataSource, MountPlan, RestorePlan};
use crate::model::witness::WitnessPlan;
use crate::rehearse::restore::failure::mount_diagnosis;
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::stack_context::KEEP_FREE;
use crate::rehearse::steps::OpenStep;
use crate::worker::client::JobError;
use crate::worker::protocol::{
    CountLiveJob, Failure, InspectJob, InspectWants, Inspected, LiveDatabase, LiveQuestion, ManifestWant, RootKind,
    SqliteWant, WitnessJob, Witnessed,
};

use super::place::{InspectedPaths, PlaceInspection, is_in_volume};
use super::retention::is_kept;

/// Most entries of a live mount that are read: enough to tell which user owns most of it.
const LIVE_ENTRIES: u64 = 20_000;
/// Bytes of the names of databases and tables that live is asked for: a request has a bound.
const LIVE_NAMES: usize = 256 * 1024;
/// Most entries of a tree that is walked for its version files alone: it may be a library of a million files.
const VERSION_ENTRIES: u64 = 100_000;

/// What the worker found out about a place; a part is `None` where it was not asked for or could not be read.
#[derive(Debug, Default)]
pub(super) struct InspectionFacts {
    /// The restored data.
    pub restored: Option<Inspected>,
    /// The live mount that it stands for, as far as its first entries tell.
    pub live: Option<Inspected>,
    /// The comparison of the restored data with what the live mount has not touched since the backup began; an error:
    /// why there is none.
    pub witness: Option<Result<Witnessed, String>>,
    /// What live databases say of the rows of the restored ones.
    pub live_rows: Vec<LiveDatabase>,
}

/// Asks the worker. Only what the verdict depends on is an error.
pub(super) async fn gather(place: &PlaceInspection<'_>, step: &OpenStep) -> Diagnosed<InspectionFacts> {
    let (restored, live, witness) = tokio::join!(inspect_restored(place, step), inspect_live(place), testify(place));
    let restored = restored?;
    // After the comparison of the files: it may need room in the restored volume for a moment.
    let live_rows = match &restored {
        Some(restored) => count_live(place, restored, witness.as_ref()).await?,
        None => Vec::new(),
    };
    Ok(InspectionFacts { restored, live, witness, live_rows })
}

/// Counts rows of the live databases that the restored ones stand for.
async fn count_live(
    place: &PlaceInspection<'_>,
    restored: &Inspected,
    witness: Option<&Result<Witnessed, String>>,
) -> Diagnosed<Vec<LiveDatabase>> {
    let PlaceInspection { plan, paths, worker, .. } = place;
    let (Some(live), Some(witness)) = (paths.live.clone(), witness) else { return Ok(Vec::new()) };
    let tables = restored.databases.iter().flat_map(|databases| &databases.tables);
    let mut left = LIVE_NAMES;
    let databases: Vec<LiveQuestion> = tables
        .filter(|database| database.tables.is_some())
        .map(|database| LiveQuestion { path: database.path.clone(), sequences: database.sequences.clone() })
        .take_while(|database| {
            let names = database.sequences.iter().map(|(table, _)| table.len() + 32).sum::<usize>();
            left = left.saturating_sub(database.path.len() + names);
            left > 0
        })
        .collect();
    if restored.root != RootKind::Folder || databases.is_empty() {
        return Ok(Vec::new());
    }
    let job = CountLiveJob {
        live,
        restored: paths.data.clone(),
        scratch: paths.volume.clone(),
        keep_free: KEEP_FREE,
        exclude: plan.witness.exclude.clone(),
        start: witness.as_ref().ok().and_then(|witnessed| witnessed.start),
        databases,
    };
    match worker.run(job).await {
        Ok(counted) => Ok(counted),
        // A copy may be left in the restored volume, and a service would boot on it.
        Err(error @ JobError::Failed(Failure::Unwritable { .. } | Failure::Full { .. })) => {
            Err(job_failure(&error, plan))
        }
        Err(error) => {
            tracing::debug!(%error, place = plan.mount.title(), "the live databases cannot be counted");
            Ok(Vec::new())
        }
    }
}

async fn inspect_restored(place: &PlaceInspection<'_>, step: &OpenStep) -> Diagnosed<Option<Inspected>> {
    let PlaceInspection { plan, mounts, paths, worker, .. } = place;
    let wants = restored_wants(plan, mounts, paths);
    if wants == InspectWants::default() {
        return Ok(None);
    }
    let (max_entries, needed) = (walk_bound(&wants), is_needed(&wants));
    let job = InspectJob { path: paths.data.clone(), max_entries, wants };
    match worker.run_with_progress(job, |amount, total| step.progress(amount, total)).await {
        Ok(inspected) => Ok(Some(inspected)),
        Err(JobError::Failed(failure)) if !needed => {
            tracing::debug!(%failure, place = plan.mount.title(), "the data cannot be looked at");
            Ok(None)
        }
        Err(error) => Err(job_failure(&error, plan)),
    }
}

fn job_failure(error: &JobError, plan: &RestorePlan) -> Diagnosis {
    mount_diagnosis(error, &plan.mount, &format!("inspecting what came back to {}", plan.mount.title()))
}

async fn inspect_live(place: &PlaceInspection<'_>) -> Option<Inspected> {
    let path = place.paths.live.clone()?;
    let lost_in = Some(place.paths.data.clone());
    let wants = InspectWants { names: true, owners: place.paths.filled, lost_in, ..InspectWants::default() };
    match place.worker.run(InspectJob { path, max_entries: LIVE_ENTRIES, wants }).await {
        Ok(inspected) => Some(inspected),
        Err(error) => {
            tracing::debug!(%error, place = place.plan.mount.title(), "the live mount cannot be looked at");
            None
        }
    }
}

/// Compares what came back with what live has not touched since; `None` for data that is from no backup.
async fn testify(place: &PlaceInspection<'_>) -> Option<Result<Witnessed, String>> {
    let PlaceInspection { plan, paths, .. } = place;
    if plan.supply == DataSource::Live {
        return None;
    }
    let Some(live) = paths.live.clone() else {
        return Some(Err("the live mount cannot be seen beside it".to_owned()));
    };
    let WitnessPlan { clock, slack, exclude, .. } = plan.witness.clone();
    let job = WitnessJob {
        live,
        restored: paths.data.clone(),
        clock,
        slack: slack.as_secs(),
        exclude,
        contents: plan.verify_content,
        // What is shown in place costs no reading of all of it.
        max_entries: if paths.filled { 0 } else { VERSION_ENTRIES },
    };
    let witnessed = place.worker.run(job).await;
    Some(witnessed.map_err(|error| format!("the live mount cannot be compared: {error}")))
}

/// What is wanted of the restored data; nothing for data that is the live mount's own and that no service writes to.
fn restored_wants(plan: &RestorePlan, mounts: &[&MountPlan], paths: &InspectedPaths) -> InspectWants {
    let is_live_itself =
        plan.supply == DataSource::Live && plan.strategy == Strategy::Readonly && paths.source.is_none();
    let is_of_backup = plan.supply != DataSource::Live;
    InspectWants {
        // Compared with the live mount's; and a bind mount may be an empty folder in place of a file.
        names: paths.live.is_some() || matches!(plan.mount.origin, MountOrigin::Bind { .. }),
        owners: false,
        // A program does not keep its data in a mount that it cannot write to.
        version_files: mounts.iter().any(|mount| !mount.mount.read_only),
        fingerprint: is_in_volume(plan) && mounts.iter().any(|mount| is_kept(mount)),
        manifest: paths.filled.then(|| ManifestWant { volume: paths.volume.clone(), contents: plan.verify_content }),
        // Nothing was restored where the live data itself is shown, and its disk must not be kept busy.
        sqlite: (!is_live_itself).then(|| SqliteWant {
            scratch: paths.volume.clone(),
            source: paths.source.clone(),
            live: paths.live.clone(),
            keep_free: KEEP_FREE,
            rows: is_of_backup,
        }),
        lost_in: None,
        tally: is_of_backup,
    }
}

/// Whether the verdict depends on a part of the answer.
fn is_needed(wants: &InspectWants) -> bool {
    wants.manifest.is_some() || wants.fingerprint || wants.sqlite.is_some()
}

/// The bound of a walk: what the verdict depends on has none.
fn walk_bound(wants: &InspectWants) -> u64 {
    if is_needed(wants) { 0 } else { VERSION_ENTRIES }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::host_tree::HostTree;
    use crate::model::mount::Mount;

    fn plan(origin: MountOrigin, strategy: Strategy, supply: DataSource) -> RestorePlan {
        RestorePlan {
            mount: Mount { target: "/data".to_owned(), origin, read_only: false },
            strategy,
            cases: Vec::new(),
            max_copy: 0,
            witness: Default::default(),
            verify_content: true,
            ask: None,
            part: None,
            supply,
            has_live: true,
        }
    }

    fn volume() -> MountOrigin {
        MountOrigin::Volume { name: "data".to_owned(), driver: "local".to_owned() }
    }

    fn mount_of(plan: &RestorePlan, read_only: bool) -> MountPlan {
        let mount = Mount { read_only, ..plan.mount.clone() };
        MountPlan { mount, strategy: plan.strategy, restore: Some(0) }
    }

    fn paths(filled: bool, source: bool, live: bool) -> InspectedPaths {
        InspectedPaths {
            data: if filled { "/to/0" } else { "/from/0" }.to_owned(),
            source: source.then(|| "/from/0".to_owned()),
            volume: "/to/0".to_owned(),
            filled,
            live: live.then(|| "/live/0".to_owned()),
        }
    }

    #[test]
    fn live_data_that_no_service_writes_to_is_left_alone() {
        let plan = plan(volume(), Strategy::Readonly, DataSource::Live);
        let (reads, writes) = (mount_of(&plan, true), mount_of(&plan, false));
        assert_eq!(restored_wants(&plan, &[&reads], &paths(false, false, false)), InspectWants::default());
        let wants = restored_wants(&plan, &[&reads, &writes], &paths(false, false, false));
        assert_eq!(wants, InspectWants { version_files: true, ..InspectWants::default() });
        assert!(!is_needed(&wants) && walk_bound(&wants) == VERSION_ENTRIES, "not worth a walk through a library");
    }

    #[test]
    fn a_bind_mount_is_looked_at_for_its_kind() {
        let plan = plan(MountOrigin::Bind { source: "/srv/app.conf".to_owned() }, Strategy::Readonly, DataSource::Live);
        let wants = restored_wants(&plan, &[&mount_of(&plan, true)], &paths(false, false, false));
        assert_eq!(wants, InspectWants { names: true, ..InspectWants::default() });
    }

    #[test]
    fn a_copied_volume_is_asked_for_everything() {
        let plan = plan(volume(), Strategy::Copy, DataSource::Live);
        let wants = restored_wants(&plan, &[&mount_of(&plan, false)], &paths(true, true, false));
        let expected = InspectWants {
            names: false,
            owners: false,
            version_files: true,
            fingerprint: true,
            manifest: Some(ManifestWant { volume: "/to/0".to_owned(), contents: true }),
            sqlite: Some(SqliteWant {
                scratch: "/to/0".to_owned(),
                source: Some("/from/0".to_owned()),
                live: None,
                keep_free: KEEP_FREE,
                rows: false,
            }),
            lost_in: None,
            tally: false,
        };
        assert_eq!(wants, expected);
        assert!(is_needed(&wants) && walk_bound(&wants) == 0);
    }

    #[test]
    fn a_backup_that_is_shown_from_where_it_lies_is_compared_with_the_live_mount() {
        let plan = plan(volume(), Strategy::Readonly, DataSource::HostTree(HostTree::at("/backup")));
        let wants = restored_wants(&plan, &[&mount_of(&plan, true)], &paths(false, false, true));
        assert!(wants.names && wants.tally && wants.sqlite.as_ref().is_some_and(|want| want.rows), "{wants:?}");
        assert!(wants.manifest.is_none() && !wants.fingerprint && !wants.version_files, "{wants:?}");
    }

    #[test]
    fn a_place_whose_files_may_vanish_has_no_fingerprint() {
        let plan = plan(volume(), Strategy::Copy, DataSource::Live);
        let cache = MountPlan {
            mount: Mount { target: "/var/cache".to_owned(), ..plan.mount.clone() },
            ..mount_of(&plan, false)
        };
        assert!(!restored_wants(&plan, &[&cache], &paths(true, true, false)).fingerprint);
    }
}
