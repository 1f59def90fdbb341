//! One stack's rehearsal: which services share what, and when all is torn down.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Fact;
use crate::model::fingerprint::Fingerprint;
use crate::model::fingerprint::VersionFile;
use crate::model::mask::Mask;
use crate::model::plan::{ServicePlan, StackPlan};
use crate::model::service::ServiceName;
use crate::plan::isolate::withheld_for_good;

use super::boot::Booted;
use super::context::RunContext;
use super::restore::Restored;
use super::restore::backup::Streamed;
use super::sandbox::ledger::Ledger;
use super::sandbox::stop::StopSignal;
use super::sandbox::worker::{Sandbox, SandboxBase};
use super::shared_task::SharedTask;

/// One stack's rehearsal.
pub(super) struct StackRehearsal {
    pub common: Arc<RunContext>,
    pub plan: Arc<StackPlan>,
    pub ledger: Arc<Ledger>,
    pub grounds: SharedTask<Arc<SandboxBase>>,
    pub sandbox: SharedTask<Arc<Sandbox>>,
    pub restored: Vec<SharedTask<Restored>>,
    /// Files in each of these places, once it is restored.
    pub restored_files: Vec<AtomicU64>,
    /// What the data of each of these places says of itself, once it was looked through.
    pub version_files: Vec<OnceLock<Vec<VersionFile>>>,
    /// What each of these places held before its service's start, where that is looked at again.
    pub fingerprints: Vec<OnceLock<Fingerprint>>,
    /// What came out of the sources that are poured out, by their index: for each place.
    pub streamed: Vec<SharedTask<Arc<Streamed>>>,
    /// When the restore of each place began.
    pub restore_began: Vec<OnceLock<Instant>>,
    pub services: BTreeMap<ServiceName, ServiceRun>,
    /// The secrets of all its services: one's log may show another's.
    pub mask: Mask,
    /// What of a place, by its index, works live and is dead in the sandbox.
    withheld: Mutex<BTreeMap<usize, String>>,
    /// What may be wrong with a place, by its index, if its services do not come up.
    pub suspected: Mutex<BTreeMap<usize, Diagnosis>>,
    /// Places that are still to be restored.
    pub to_restore: AtomicUsize,
    waiting: Mutex<Vec<ServiceName>>,
    not_green: AtomicBool,
    torn_down: AtomicBool,
}

/// What is done once for a service, whoever needs it.
#[derive(Default)]
pub(super) struct ServiceRun {
    pub index: usize,
    pub started: SharedTask<Arc<Booted>>,
    /// Its dump is loaded, if it has one.
    pub loaded: SharedTask<()>,
    pub ready: SharedTask<crate::model::check::Proof>,
    pub completed: SharedTask<()>,
}

impl StackRehearsal {
    pub fn new(common: Arc<RunContext>, plan: StackPlan) -> Self {
        let waiting = plan.services.iter().filter(|s| s.selected && s.ignored.is_none());
        let waiting = waiting.map(|s| s.service.name.clone()).collect();
        let services = plan.services.iter().enumerate();
        let services =
            services.map(|(index, s)| (s.service.name.clone(), ServiceRun { index, ..ServiceRun::default() }));
        Self {
            ledger: Arc::default(),
            grounds: SharedTask::default(),
            sandbox: SharedTask::default(),
            mask: Mask::of_services(plan.services.iter().map(|plan| &plan.service)),
            withheld: Mutex::default(),
            suspected: Mutex::default(),
            to_restore: AtomicUsize::new(plan.restores.len()),
            restored_files: plan.restores.iter().map(|_| AtomicU64::default()).collect(),
            fingerprints: plan.restores.iter().map(|_| OnceLock::new()).collect(),
            version_files: plan.restores.iter().map(|_| OnceLock::new()).collect(),
            restored: plan.restores.iter().map(|_| SharedTask::default()).collect(),
            streamed: common.sources.iter().map(|_| SharedTask::default()).collect(),
            restore_began: plan.restores.iter().map(|_| OnceLock::new()).collect(),
            common,
            services: services.collect(),
            plan: Arc::new(plan),
            waiting: Mutex::new(waiting),
            not_green: AtomicBool::new(false),
            torn_down: AtomicBool::new(false),
        }
    }

    /// The plan of a service of this stack.
    pub fn plan_of(&self, name: &ServiceName) -> Option<&ServicePlan> {
        self.services.get(name).map(|run| &self.plan.services[run.index])
    }

    /// Notes that something in the place of this index works live and is dead in the sandbox.
    pub fn withhold(&self, index: usize, what: String) {
        self.withheld.lock().unwrap_or_else(PoisonError::into_inner).insert(index, what);
    }

    /// What a service works with live, and has not in the sandbox.
    pub fn withheld_from(&self, plan: &ServicePlan) -> Vec<String> {
        let known = self.withheld.lock().unwrap_or_else(PoisonError::into_inner);
        let places = plan.mounts.iter().filter_map(|mount| known.get(&mount.restore?).cloned());
        withheld_for_good(&plan.service).into_iter().chain(places).collect()
    }

    /// Rehearses a service, and tears the sandbox down if it was the last.
    pub async fn rehearse(self: &Arc<Self>, case: &ServiceName) {
        let result = tokio::select! {
            biased; // what breaks while everything is being removed is no finding
            () = self.common.stop.cancelled() => {
                Err(stopped(&self.common.stop, "during this rehearsal"))
            }
            diagnosis = self.common.breach().heard(&self.plan.name) => Err(diagnosis),
            result = self.validate(case) => result,
        };
        match result {
            Ok((proof, log_tail)) => {
                self.warn_nothing_selected(case);
                self.warn_of_suspicions(case);
                let proof = self.control(case, proof).await;
                self.common.notify.send(Fact::CaseProven { case: case.clone(), proof, log_tail });
            }
            Err(diagnosis) => {
                self.not_green.store(true, Ordering::Relaxed);
                self.common.notify.send(Fact::CaseAborted { case: case.clone(), diagnosis });
            }
        }
        self.leave(case).await;
    }

    /// `case` needs the sandbox no more.
    pub async fn leave(self: &Arc<Self>, case: &ServiceName) {
        let last = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.retain(|name| name != case);
            waiting.is_empty()
        };
        if last {
            self.tear_down(vec![case.clone()]).await;
        }
    }

    /// Removes the sandbox, once.
    pub async fn tear_down(self: &Arc<Self>, cases: Vec<ServiceName>) {
        if self.torn_down.swap(true, Ordering::AcqRel) {
            return;
        }
        // What runs in a sandbox that may be open is not kept running.
        let open = self.common.breach().known(&self.plan.name).is_some();
        let keep = self.common.keep && self.not_green.load(Ordering::Relaxed);
        let keep = keep && !open && !self.common.stop.is_cancelled();
        self.remove_all(cases, keep).await;
    }
}

/// Why nothing more is found out once somebody asked to stop.
pub(super) fn stopped(stop: &StopSignal, when: &str) -> Diagnosis {
    if stop.is_out_of_time() {
        Diagnosis::new(Code::RunTimedOut, format!("the time for the whole run was over {when}"))
    } else {
        Diagnosis::new(Code::RunCancelled, format!("the run was interrupted {when}"))
    }
}
