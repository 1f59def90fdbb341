//! Queries an SQLite database of the running service with a worker that sees the service's volumes read-only, at the
//! same paths. The image needs no client, and the service notices nothing.

use crate::model::plan::{MountPlan, ServicePlan};
use crate::rehearse::diagnose::job_diagnosis;
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::stack_context::KEEP_FREE;
use crate::rehearse::state::RestoredData;
use crate::worker::client::JobError;
use crate::worker::protocol::{Queried, QueryJob};

use super::access::{ROOT, SCRATCH, ServiceAccess};
use super::result::{self, CheckResult};

/// A query and its expected answer.
pub(super) struct Query<'a> {
    pub path: &'a str,
    pub query: &'a str,
    pub value: Option<&'a str>,
    pub min_rows: u64,
}

/// The restored mount that a path of the container is in. Error: the path is in no restored mount, so its data comes
/// from the image.
pub(super) fn restored_mount<'a>(plan: &'a ServicePlan, path: &str) -> Result<&'a MountPlan, CheckResult> {
    let holding = plan.mounts.iter().filter(|mount| mount.mount.holds(path));
    let nearest = holding.max_by_key(|mount| mount.mount.target.len());
    nearest.filter(|mount| mount.restore.is_some()).ok_or_else(|| {
        CheckResult::Invalid(format!("{path} is in no mount that is restored: what is there comes from the image"))
    })
}

/// Runs the query once.
pub(super) async fn query(access: &mut ServiceAccess<'_>, asked: &Query<'_>) -> Diagnosed<CheckResult> {
    let mount = match restored_mount(access.running.plan, asked.path) {
        Ok(mount) => mount,
        Err(result) => return Ok(result),
    };
    let mounted = access.running.booted.mounts.iter().find(|mounted| mounted.mount.restore == mount.restore);
    let alone = mounted.is_some_and(|mounted| matches!(mounted.place.brought.data, RestoredData::HostPath(_)));
    let worker = access.reader().await?;
    let job = QueryJob {
        root: ROOT.to_owned(),
        path: asked.path.to_owned(),
        alone,
        scratch: SCRATCH.to_owned(),
        query: asked.query.to_owned(),
        rows: asked.min_rows,
        keep_free: KEEP_FREE,
    };
    let limit = access.patience();
    let doing = || format!("asking the database {} of {}", asked.path, access.running.name());
    match tokio::time::timeout(limit, worker.run(job)).await {
        Err(_) => Ok(CheckResult::Retry("the query did not end within the time".to_owned())),
        Ok(Ok(queried)) => {
            // A symlink may lead to a path outside of all restored mounts.
            if let Queried::Missing { path } = &queried
                && let Err(result) = restored_mount(access.running.plan, path)
            {
                return Ok(result);
            }
            Ok(result::to_sqlite(&queried, asked.value, asked.min_rows, &access.running.cx.mask))
        }
        Ok(Err(JobError::Failed(failure))) => Ok(CheckResult::Invalid(format!("it cannot be read: {failure}"))),
        Ok(Err(error)) => Err(job_diagnosis(&error, &doing())),
    }
}
