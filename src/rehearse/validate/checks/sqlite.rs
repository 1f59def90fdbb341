//! Asking an SQLite database of the running service: by a worker that sees the service's volumes where the service does, and can write
//! to none of them. The image needs no client, and the service notices nothing.

use std::sync::Arc;

use tokio::time::Instant;

use crate::model::diagnosis::Code;
use crate::model::plan::{MountPlan, ServicePlan};
use crate::model::sandbox::{MountSource, MountSpec, NetworkSpec, VolumeSpec};
use crate::rehearse::engine::docker_diagnosis;
use crate::rehearse::restore::KEEP_FREE;
use crate::rehearse::sandbox::ledger::LedgerEntry;
use crate::rehearse::sandbox::worker::{job_diagnosis, worker_diagnosis};
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::stack::StackRehearsal;
use crate::worker::client::{JobError, Worker};
use crate::worker::protocol::{Queried, QueryJob};

use super::result::{self, CheckResult};
use super::{Asking, LEAST};

/// Where the worker sees the service's mounts, each below it where it is in the service's container.
const ROOT: &str = "/service";
/// Where the worker has a place of its own. A volume and not memory, which a copy of a large database would not fit into.
const SCRATCH: &str = "/scratch";

/// A query and what is to be answered.
pub(super) struct Query<'a> {
    pub path: &'a str,
    pub query: &'a str,
    pub value: Option<&'a str>,
    pub min_rows: u64,
}

/// The mount that a path of the container is in, when something was restored there; else why nobody can say where what is there
/// comes from.
pub(super) fn restored_mount<'a>(plan: &'a ServicePlan, path: &str) -> Result<&'a MountPlan, CheckResult> {
    let holding = plan.mounts.iter().filter(|mount| mount.mount.holds(path));
    let nearest = holding.max_by_key(|mount| mount.mount.target.len());
    nearest.filter(|mount| mount.restore.is_some()).ok_or_else(|| {
        CheckResult::Invalid(format!("{path} is in no mount that is restored: what is there comes from the image"))
    })
}

impl StackRehearsal {
    /// Asks once.
    pub(super) async fn query(self: &Arc<Self>, asking: &mut Asking<'_>, asked: &Query<'_>) -> Diagnosed<CheckResult> {
        let mount = match restored_mount(asking.plan, asked.path) {
            Ok(mount) => mount,
            Err(heard) => return Ok(heard),
        };
        let alone = match mount.restore {
            Some(index) => matches!(self.restored(index).await?.source(), Some(MountSource::HostPath(_))),
            None => false,
        };
        let worker = self.reader(asking).await?;
        let job = QueryJob {
            root: ROOT.to_owned(),
            path: asked.path.to_owned(),
            alone,
            scratch: SCRATCH.to_owned(),
            query: asked.query.to_owned(),
            rows: asked.min_rows,
            keep_free: KEEP_FREE,
        };
        let limit = asking.deadline.saturating_duration_since(Instant::now()).max(LEAST);
        let doing = || format!("asking the database {} of {}", asked.path, asking.plan.service.name);
        match tokio::time::timeout(limit, worker.run(job)).await {
            Err(_) => Ok(CheckResult::Retry("the query had not ended when the time was over".to_owned())),
            Ok(Ok(queried)) => {
                // A symlink may lead to where nobody but the image has put anything.
                if let Queried::Missing { path } = &queried
                    && let Err(heard) = restored_mount(asking.plan, path)
                {
                    return Ok(heard);
                }
                Ok(result::to_sqlite(&queried, asked.value, asked.min_rows, &self.mask))
            }
            Ok(Err(JobError::Failed(failure))) => Ok(CheckResult::Invalid(format!("it cannot be read: {failure}"))),
            Ok(Err(error)) => Err(job_diagnosis(&error, &doing())),
        }
    }

    /// The worker that sees what the service sees.
    async fn reader(self: &Arc<Self>, asking: &mut Asking<'_>) -> Diagnosed<Arc<Worker>> {
        if let Some(worker) = &asking.reader {
            return Ok(Arc::clone(worker));
        }
        let plan = asking.plan;
        let of =
            |what: &str| self.common.session.name(&self.plan.name, &format!("{what}-{}", plan.service.name.service));
        let (name, scratch, marks) = (of("read"), of("scratch"), self.common.session.marks(&self.plan.name));
        let image = self.common.image().await?;
        let daemon = self.common.daemon.clone();
        let request = {
            let (daemon, scratch, marks) = (daemon.clone(), scratch.clone(), marks.clone());
            async move { daemon.create_volume(&scratch, &VolumeSpec::Plain, &marks).await }
        };
        let volume =
            self.ledger.create(LedgerEntry::Volume(scratch), request).await.map_err(|error| {
                docker_diagnosis(&error, Code::SandboxFailed, "creating a volume to ask a database in")
            })?;
        let scratch = MountSource::Volume(volume.name);
        let mut mounts = vec![MountSpec { target: SCRATCH.to_owned(), source: scratch, read_only: false }];
        for mount in &plan.mounts {
            let Some(index) = mount.restore else { continue };
            let Some(source) = self.restored(index).await?.source() else { continue };
            let target = format!("{ROOT}{}", mount.mount.target);
            mounts.push(MountSpec { target, source, read_only: true });
        }
        self.ledger.note(LedgerEntry::Container(name.clone()));
        let started = self
            .ledger
            .run(async move { Worker::start(&daemon, &image, &name, mounts, NetworkSpec::None, &marks).await });
        let doing = || format!("looking at the databases of {}", plan.service.name);
        let worker = Arc::new(started.await.map_err(|error| worker_diagnosis(&error, &doing()))?);
        asking.reader = Some(Arc::clone(&worker));
        Ok(worker)
    }
}
