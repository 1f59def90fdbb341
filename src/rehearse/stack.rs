//! One stack's rehearsal: the work that its services share, each part done once for the first caller, and the
//! teardown after the last.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::future::{join_all, try_join_all};

use crate::model::diagnosis::{Code, Diagnosis, Severity};
use crate::model::lock::lock;
use crate::model::mount::Strategy;
use crate::model::plan::{DataSource, Need, ServicePlan, StackPlan};
use crate::model::service::{Condition, NetworkMode, ServiceName};
use crate::plan::dependents;
use crate::plan::isolate::find_container;
use crate::worker::client::Worker;

use super::boot::{self, ServiceContainer, load};
use super::context::RunContext;
use super::diagnose::{container_diagnosis, stopped};
use super::images;
use super::inspect;
use super::inspect::version_files;
use super::restore::backup::{self, StreamedPlaces};
use super::restore::{self, place::PlaceRestore};
use super::running::RunningService;
use super::sandbox::canary;
use super::sandbox::network::{SandboxNetwork, create_network};
use super::sandbox::space::{self, Shortage, SpaceWatch};
use super::sandbox::worker::{self as sandbox, Sandbox};
use super::shared_task::{Diagnosed, SharedFuture, SharedTask};
use super::stack_context::StackContext;
use super::state::{Booted, LoadedDump, MountedPlace, PreparedPlaces, ReadyService, RestoredPlace};
use super::teardown;
use super::validate::ready::{WaitGoal, pass_checks, reach};

/// One stack's rehearsal.
pub(super) struct StackRehearsal {
    pub cx: Arc<StackContext>,
    network: SharedTask<SandboxNetwork>,
    prepared_places: SharedTask<Arc<PreparedPlaces>>,
    sandbox: SharedTask<Arc<Sandbox>>,
    isolated: SharedTask<()>,
    /// The room on the engine's disk for the data is reserved.
    room: SharedTask<()>,
    /// The watch over the engine's disk, and what it found.
    space: SharedTask<Arc<SpaceWatch>>,
    shortage: Arc<Shortage>,
    /// For each of `StackPlan::restores`, in its order.
    places: Vec<SharedTask<Arc<RestoredPlace>>>,
    /// For each source of the plan, in its order: what an archive brought to the places that are restored from it.
    archives: Vec<SharedTask<Arc<StreamedPlaces>>>,
    /// Every image that is needed is there, or cannot be had.
    images: SharedTask<()>,
    services: BTreeMap<ServiceName, ServiceTasks>,
    /// The cases that still need the sandbox.
    waiting: Mutex<Vec<ServiceName>>,
    not_green: AtomicBool,
    torn_down: AtomicBool,
}

/// The work that is done once for a service, whichever caller needs it.
#[derive(Default)]
struct ServiceTasks {
    image: SharedTask<String>,
    started: SharedTask<Arc<Booted>>,
    /// `None`: it has no dump.
    loaded: SharedTask<Option<LoadedDump>>,
    ready: SharedTask<ReadyService>,
    completed: SharedTask<()>,
}

impl StackRehearsal {
    pub fn new(run: Arc<RunContext>, plan: StackPlan) -> Self {
        let names = plan.services.iter().map(|plan| plan.service.name.clone());
        let services = names.map(|name| (name, ServiceTasks::default())).collect();
        let places = plan.restores.iter().map(|_| SharedTask::default()).collect();
        let archives = run.sources.iter().map(|_| SharedTask::default()).collect();
        let cx = StackContext::new(run, plan);
        Self {
            waiting: Mutex::new(cx.cases()),
            cx: Arc::new(cx),
            network: SharedTask::default(),
            prepared_places: SharedTask::default(),
            sandbox: SharedTask::default(),
            isolated: SharedTask::default(),
            room: SharedTask::default(),
            space: SharedTask::default(),
            shortage: Arc::default(),
            places,
            archives,
            images: SharedTask::default(),
            services,
            not_green: AtomicBool::new(false),
            torn_down: AtomicBool::new(false),
        }
    }

    fn network(&self) -> SharedFuture<SandboxNetwork> {
        self.network.get(|| create_network(&self.cx))
    }

    /// The places with their empty volumes.
    fn prepared_places(&self) -> SharedFuture<Arc<PreparedPlaces>> {
        let cx = Arc::clone(&self.cx);
        self.prepared_places.get(|| async move { sandbox::prepare_places(&cx).await.map(Arc::new) })
    }

    /// The sandbox with a worker in it.
    fn sandbox(&self) -> SharedFuture<Arc<Sandbox>> {
        let (cx, network, places) = (Arc::clone(&self.cx), self.network(), self.prepared_places());
        self.sandbox.get(|| async move { sandbox::build(&cx, network, places).await.map(Arc::new) })
    }

    /// Proves the sandbox's isolation. Nothing is started in it before that.
    fn isolated(&self) -> SharedFuture<()> {
        let (cx, sandbox) = (Arc::clone(&self.cx), self.sandbox());
        self.isolated.get(|| async move {
            let sandbox = sandbox.await?;
            canary::prove_isolation(&cx, &sandbox).await
        })
    }

    /// Reserves room on the engine's disk. Nothing is restored before that.
    fn room(&self) -> SharedFuture<()> {
        let (cx, sandbox) = (Arc::clone(&self.cx), self.sandbox());
        self.room.get(|| async move {
            let sandbox = sandbox.await?;
            tokio::select! {
                reserved = space::reserve(&cx, &sandbox) => reserved,
                () = cx.run.stop.cancelled() => Err(stopped(&cx.run.stop, "before its data had room")),
            }
        })
    }

    /// The watch over the engine's disk, from the first start of a service until the teardown.
    fn space(&self) -> SharedFuture<Arc<SpaceWatch>> {
        let (cx, sandbox, shortage) = (Arc::clone(&self.cx), self.sandbox(), Arc::clone(&self.shortage));
        let containers =
            self.services.keys().map(|name| cx.client.name(&boot::container_role(&self.cx, name))).collect();
        self.space.get(|| async move {
            let sandbox = sandbox.await?;
            SpaceWatch::begin(&cx, &sandbox, &shortage, containers).await.map(Arc::new)
        })
    }

    /// Does `work`, which depends on running services, unless the engine's disk fills up meanwhile. A failure and a
    /// success count only when there is still room afterwards.
    pub async fn with_room<T>(&self, work: impl Future<Output = Diagnosed<T>>) -> Diagnosed<T> {
        let result = tokio::select! {
            biased;
            diagnosis = self.shortage.heard() => return Err(diagnosis),
            result = work => result,
        };
        let Some(Ok(watch)) = self.space.finished() else { return result };
        match (result, watch.look().await) {
            // What could not be found out has its own reason.
            (Err(diagnosis), looked) if diagnosis.severity() == Severity::Errored => {
                Err(self.shortage.known().filter(|_| looked.is_err()).unwrap_or(diagnosis))
            }
            (result, Ok(())) => result,
            (Err(diagnosis), Err(_)) if self.shortage.known().is_none() => Err(diagnosis),
            (_, Err(short)) => Err(short),
        }
    }

    /// The place of this index in the plan, restored and inspected.
    fn place(self: &Arc<Self>, index: usize) -> SharedFuture<Arc<RestoredPlace>> {
        let stack = Arc::clone(self);
        self.places[index].get(|| async move { stack.restore(index).await.map(Arc::new) })
    }

    async fn restore(self: &Arc<Self>, index: usize) -> Diagnosed<RestoredPlace> {
        let cx = &*self.cx;
        let sandbox = self.sandbox().await?;
        let prepared = sandbox.places[index].clone()?;
        let worker = sandbox.worker("its last copy").await?;
        self.room().await?;
        let began = Instant::now();
        let place = PlaceRestore { cx, index, plan: &cx.plan.restores[index], prepared: &prepared, worker: &worker };
        restore::live_itself::refuse(&place).await?;
        let brought = match (place.plan.strategy, &place.plan.supply) {
            (Strategy::Omit | Strategy::Empty, _) => restore::bring(&place).await?,
            (_, DataSource::Live) if !place.plan.has_live => {
                let message = format!("no backup is named for {}", place.plan.mount.place());
                return Err(Diagnosis::new(Code::RestoreMountMissing, message));
            }
            (_, DataSource::Archive { source, .. }) => self.archive(*source).await?.of(index)?,
            _ => restore::bring(&place).await?,
        };
        cx.run.room().restored(&cx.plan.name, space::restored_bytes(place.plan));
        let inspected = inspect::inspect(&place, &brought.data).await?;
        Ok(RestoredPlace { began, brought, inspected, path: prepared.to, live: prepared.live })
    }

    /// The result of unpacking this source's archive; one pass fills all places of the stack.
    fn archive(&self, source: usize) -> SharedFuture<Arc<StreamedPlaces>> {
        let (cx, sandbox) = (Arc::clone(&self.cx), self.sandbox());
        self.archives[source].get(|| async move {
            let sandbox = sandbox.await?;
            backup::stream(&cx, &sandbox, source).await.map(Arc::new)
        })
    }

    /// The id of the image that a service is to run on.
    fn image(self: &Arc<Self>, name: &ServiceName) -> SharedFuture<String> {
        let (stack, service) = (Arc::clone(self), name.clone());
        self.services[name].image.get(|| async move {
            let cx = &stack.cx;
            let (plan, cases) = (cx.service(&service)?, dependents(&cx.plan, &service));
            let id = cx.run.service_image(plan, cases.clone()).await?;
            if let Some(drift) = images::drift(&plan.service, &id) {
                cx.warn(cases, drift);
            }
            Ok(id)
        })
    }

    /// Waits until every image that is needed is there or cannot be had. Nothing is restored before that.
    fn images(self: &Arc<Self>) -> SharedFuture<()> {
        let stack = Arc::clone(self);
        self.images.get(|| async move {
            let runs = |name: &ServiceName| stack.cx.service(name).is_ok_and(|plan| plan.blocked.is_none());
            let needed = stack.services.keys().filter(|name| dependents(&stack.cx.plan, name).iter().any(runs));
            // Each service tells of its own image.
            join_all(needed.map(|name| stack.image(name))).await;
            Ok(())
        })
    }

    /// The service's container, started.
    pub fn started(self: &Arc<Self>, name: &ServiceName) -> SharedFuture<Arc<Booted>> {
        let (stack, service) = (Arc::clone(self), name.clone());
        self.services[name].started.get(|| async move { stack.boot(stack.cx.service(&service)?).await })
    }

    async fn boot(self: &Arc<Self>, plan: &ServicePlan) -> Diagnosed<Arc<Booted>> {
        let cx = &*self.cx;
        if let Some(diagnosis) = &plan.blocked {
            return Err(diagnosis.clone());
        }
        let image = self.image(&plan.service.name).await?;
        self.images().await?;
        // While dependencies boot, the sandbox is built, its isolation is proven and its data is restored.
        let (needs, data, isolated) =
            tokio::join!(self.await_needs(plan), self.restore_mounts(plan, &image), self.isolated());
        needs?;
        let (created, mounts) = data?;
        isolated?;
        if plan.source.is_none() && plan.service.is_live() {
            boot::still_live(cx, plan).await?;
        }
        version_files::fits_image(cx, plan, &image, &mounts).await?;
        self.space().await?;
        let step = boot::begin_step(cx, &plan.service.name);
        let container = match created {
            Some(container) => container,
            None => {
                let (network, network_owner) = (self.network().await?, self.network_owner(plan).await);
                let of = ServiceContainer { cx, plan, image: &image, network: &network.info, network_owner };
                match of.create(&mounts).await {
                    Ok(container) => container,
                    Err(error) => {
                        return Err(step.broke(container_diagnosis(&error, &plan.service, &cx.mask, "creating")));
                    }
                }
            }
        };
        if let Some(diagnosis) = self.shortage.known() {
            return Err(step.broke(diagnosis));
        }
        match boot::start(cx, plan, container, mounts).await {
            Ok(booted) => {
                step.done();
                Ok(booted)
            }
            Err(diagnosis) => Err(step.broke(diagnosis)),
        }
    }

    /// Waits for the service's data. If all its mounts are known beforehand, the container is created meanwhile and
    /// returned.
    async fn restore_mounts(
        self: &Arc<Self>,
        plan: &ServicePlan,
        image: &str,
    ) -> Diagnosed<(Option<String>, Vec<MountedPlace>)> {
        let cx = &*self.cx;
        let restores = async {
            self.sandbox().await?;
            let mounts = plan.mounts.iter().filter_map(|mount| Some((mount, mount.restore?)));
            let mounted = mounts.map(|(mount, index)| async move {
                self.place(index).await.map(|place| MountedPlace { mount: mount.clone(), place })
            });
            join_all(mounted).await.into_iter().collect::<Diagnosed<Vec<MountedPlace>>>()
        };
        if !boot::can_create_early(plan) {
            return Ok((None, restores.await?));
        }
        let had_ipv6 = cx.run.daemon.ipv6.is_there();
        let create = async {
            let (network, places) = tokio::join!(self.network(), self.prepared_places());
            let container = ServiceContainer { cx, plan, image, network: &network?.info, network_owner: None };
            Ok::<_, Diagnosis>(container.create_early(&*places?).await)
        };
        let (mounts, created) = tokio::join!(restores, create);
        let mounts = mounts?;
        match created? {
            Ok(container) if cx.run.daemon.ipv6.is_there() == had_ipv6 => Ok((Some(container), mounts)),
            // Meanwhile the worker has found out that the engine's kernel has no IPv6: this container cannot start.
            Ok(container) => {
                let removed = cx.run.daemon.remove_container(&container).await;
                removed.map_err(|error| container_diagnosis(&error, &plan.service, &cx.mask, "removing"))?;
                Ok((None, mounts))
            }
            Err(error) => {
                let step = boot::begin_step(cx, &plan.service.name);
                Err(step.broke(container_diagnosis(&error, &plan.service, &cx.mask, "creating")))
            }
        }
    }

    async fn await_needs(self: &Arc<Self>, plan: &ServicePlan) -> Diagnosed<()> {
        try_join_all(plan.needs.iter().map(|need| self.await_need(plan, need))).await.map(drop)
    }

    async fn await_need(self: &Arc<Self>, plan: &ServicePlan, need: &Need) -> Diagnosed<()> {
        let result = match need.condition {
            Condition::ServiceStarted => match self.started(&need.service).await {
                // A dependent needs this service's data, too.
                Ok(_) => self.loaded(&need.service).await.map(drop),
                Err(diagnosis) => Err(diagnosis),
            },
            Condition::ServiceHealthy => self.ready(&need.service).await.map(drop),
            Condition::ServiceCompletedSuccessfully => self.completed(&need.service).await,
        };
        result.map_err(|cause| {
            let on_live = plan.source.is_some() && self.cx.service(&need.service).is_ok_and(|of| of.source.is_none());
            boot::need_diagnosis(plan, need, on_live, cause)
        })
    }

    /// The sandbox's container in place of the live one whose network the service shares.
    async fn network_owner(self: &Arc<Self>, plan: &ServicePlan) -> Option<String> {
        let NetworkMode::Container { container } = &plan.service.network_mode else { return None };
        let services: Vec<_> = self.cx.plan.services.iter().map(|plan| &plan.service).collect();
        let owner = find_container(&services, container)?.name.clone();
        // The owner of the network is a dependency, so it has started; otherwise its failure was reported before.
        self.started(&owner).await.ok().map(|booted| booted.container.clone())
    }

    /// The dump of a service is loaded, if it has one.
    pub fn loaded(self: &Arc<Self>, name: &ServiceName) -> SharedFuture<Option<LoadedDump>> {
        let (stack, service) = (Arc::clone(self), name.clone());
        self.services[name].loaded.get(|| async move {
            let plan = stack.cx.service(&service)?;
            let Some(load) = &plan.load else { return Ok(None) };
            let booted = stack.started(&service).await?;
            load::load(RunningService { cx: &stack.cx, plan, booted: &booted }, load).await.map(Some)
        })
    }

    /// Waits until the service is ready.
    pub fn ready(self: &Arc<Self>, name: &ServiceName) -> SharedFuture<ReadyService> {
        let (stack, service) = (Arc::clone(self), name.clone());
        self.services[name].ready.get(|| async move {
            let plan = stack.cx.service(&service)?;
            let booted = stack.started(&service).await?;
            let running = RunningService { cx: &stack.cx, plan, booted: &booted };
            // A user-supplied load command may itself wait for readiness, so the checks run again after it.
            if plan.load.as_ref().is_some_and(|load| load.wish.command.is_some()) {
                pass_checks(running, booted.since).await?;
            }
            let loaded = stack.loaded(&service).await?;
            let clock = loaded.map_or(booted.since, |dump| dump.at);
            let proof = pass_checks(running, clock).await?;
            Ok(ReadyService { booted, clock, proof })
        })
    }

    /// Waits until the service has exited with 0.
    fn completed(self: &Arc<Self>, name: &ServiceName) -> SharedFuture<()> {
        let (stack, service) = (Arc::clone(self), name.clone());
        self.services[name].completed.get(|| async move {
            let plan = stack.cx.service(&service)?;
            let booted = stack.started(&service).await?;
            let running = RunningService { cx: &stack.cx, plan, booted: &booted };
            reach(running, booted.since, &WaitGoal::ExitZero).await.map(drop)
        })
    }

    /// The number of tables that a dump loaded into this place; 0: none was loaded.
    pub fn tables_loaded_into(&self, index: usize) -> u64 {
        let loaded = self.services.values().filter_map(|service| service.loaded.finished()?.ok()?);
        loaded.filter(|dump| dump.into == Some(index)).map(|dump| dump.tables).sum()
    }

    /// The worker that restored the data; it stays as long as the data may be inspected again.
    pub async fn worker(&self, purpose: &str) -> Diagnosed<Arc<Worker>> {
        self.sandbox().await?.worker(purpose).await
    }

    /// Records that a case of the stack is not green: with `--keep` the sandbox stays.
    pub fn mark_not_green(&self) {
        self.not_green.store(true, Ordering::Relaxed);
    }

    /// Records that `case` no longer needs the sandbox. The last case tears it down.
    pub async fn leave(&self, case: &ServiceName) {
        let last = {
            let mut waiting = lock(&self.waiting);
            waiting.retain(|name| name != case);
            waiting.is_empty()
        };
        if last {
            self.tear_down(vec![case.clone()]).await;
        }
    }

    /// Removes the sandbox, once.
    pub async fn tear_down(&self, cases: Vec<ServiceName>) {
        if self.torn_down.swap(true, Ordering::AcqRel) {
            return;
        }
        let started: Vec<&ServiceName> =
            self.services.iter().filter(|(_, tasks)| tasks.started.is_begun()).map(|(name, _)| name).collect();
        // Nothing was asked of the engine for this stack.
        if !self.network.is_begun() && started.is_empty() {
            return;
        }
        let run = &self.cx.run;
        let _released = Released { cx: &self.cx };
        if let Some(Ok(watch)) = self.space.finished() {
            watch.stop();
        }
        let worker = match self.sandbox.finished() {
            Some(Ok(sandbox)) => Some((sandbox.take_worker().await, sandbox)),
            _ => None,
        };
        // A sandbox that may not be isolated is never kept, and neither is one that fills the engine's disk.
        let open = run.breach().known(&self.cx.plan.name).or_else(|| self.shortage.known()).is_some();
        if run.keep && self.not_green.load(Ordering::Relaxed) && !open && !run.stop.is_cancelled() {
            teardown::keep(&self.cx, cases, &started).await;
        } else {
            let filled = worker.and_then(|(worker, sandbox)| Some(teardown::Filled::of(worker?, &sandbox.places)));
            teardown::remove(&self.cx, cases, filled).await;
        }
    }
}

/// Ends the reservation of a stack when it is dropped, whatever became of the teardown: others wait for that.
struct Released<'a> {
    cx: &'a StackContext,
}

impl Drop for Released<'_> {
    fn drop(&mut self) {
        self.cx.run.room().release(&self.cx.plan.name);
    }
}
