//! Is the service well? Waiting until it answers, and seeing that it stays so. Events wake the wait; a look at the
//! container every few seconds makes sure that a lost event only costs time.

pub(super) mod checks;
pub(super) mod control;
pub(super) mod failure;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::docker::{ContainerState, DockerErrorKind, HealthStatus};
use crate::model::check::{CheckSummary, Proof};
use crate::model::diagnosis::{Code, Diagnosis, Severity};
use crate::model::event::Step;
use crate::model::plan::ServicePlan;
use crate::model::pluralize::pluralize;
use crate::model::sandbox::NetworkSpec;
use crate::model::service::{Healthcheck, Restart, ServiceName};
use crate::plan::dependents;
use crate::plan::isolate::{health_budget, own_retries};
use crate::worker::client::Worker;
use crate::worker::protocol::ListenJob;

use super::boot::Booted;

use super::engine::docker_diagnosis;
use super::sandbox::ledger::LedgerEntry;
use super::sandbox::watch::ContainerHistory;
use super::sandbox::worker::{job_diagnosis, worker_diagnosis};
use super::shared_task::{Diagnosed, SharedFuture};
use super::stack::StackRehearsal;

/// Time a service has to become ready when nobody said otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);
/// How often the container is looked at beside its events.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often a service is started again, as its restart policy would, before it is given up.
const RESTARTS: u32 = 3;
/// Log lines and bytes that a diagnosis quotes.
pub(super) const FAILURE_LOG: (usize, usize) = (50, 64 * 1024);
/// Log lines and bytes that a green rehearsal keeps.
const PROOF_LOG: (usize, usize) = (20, 16 * 1024);

/// What is waited for.
enum WaitGoal {
    Healthy,
    Listening(Vec<u16>),
    ExitZero,
}

impl StackRehearsal {
    /// Rehearses one selected service to its end: boots it, asks it, sees that it stays well.
    pub async fn validate(self: &Arc<Self>, case: &ServiceName) -> Diagnosed<(Proof, Vec<String>)> {
        let plan = &self.plan.services[self.services[case].index];
        let mut proof = self.ready(case).await?;
        let booted = self.started(case).await?;
        if let Some(diagnosis) = self.too_slow(plan) {
            return Err(diagnosis);
        }
        proof = proof.max(self.question(plan, &booted).await?);
        self.wait_until_stable(plan, &booted).await?;
        Ok((proof, self.log_tail(&booted, PROOF_LOG).await))
    }

    /// What is to be said when it was not ready within the time that its restore may take.
    fn too_slow(&self, plan: &ServicePlan) -> Option<Diagnosis> {
        let max_rto = plan.settings.max_rto?;
        let places = plan.mounts.iter().filter_map(|mount| mount.restore);
        let began = places.filter_map(|index| self.restore_began[index].get()).min()?;
        let took = began.elapsed();
        let words =
            |time: Duration| humantime::format_duration(Duration::from_millis(time.as_millis() as u64)).to_string();
        (took > max_rto).then(|| {
            let message = format!(
                "{} was ready {} after its restore began, and max_rto allows {}",
                plan.service.name,
                words(took),
                words(max_rto)
            );
            Diagnosis::new(Code::RestoreTooSlow, message)
        })
    }

    /// The service answers; found out by the first who needs it.
    pub fn ready(self: &Arc<Self>, name: &ServiceName) -> SharedFuture<Proof> {
        let (stack, service) = (Arc::clone(self), name.clone());
        self.services[name].ready.get(|| async move {
            let plan = &stack.plan.services[stack.services[&service].index];
            let booted = stack.started(&service).await?;
            // What its owner loads it with may need it to be ready first; then its checks are asked of it once more.
            let own_way = plan.load.as_ref().is_some_and(|load| load.wish.command.is_some());
            if own_way {
                stack.checked(plan, &booted).await?;
            }
            stack.loaded(&service).await?;
            stack.checked(plan, &booted).await
        })
    }

    /// All its checks pass; what that shows.
    async fn checked(self: &Arc<Self>, plan: &ServicePlan, booted: &Booted) -> Diagnosed<Proof> {
        let mut proof = Proof::Running;
        for check in &plan.checks {
            proof = proof.max(self.ask(plan, booted, check).await?);
        }
        Ok(proof)
    }

    /// The service ran to its end and exited with 0.
    pub fn completed(self: &Arc<Self>, name: &ServiceName) -> SharedFuture<()> {
        let (stack, service) = (Arc::clone(self), name.clone());
        self.services[name].completed.get(|| async move {
            let plan = &stack.plan.services[stack.services[&service].index];
            let booted = stack.started(&service).await?;
            stack.reach(plan, &booted, &WaitGoal::ExitZero).await
        })
    }

    async fn ask(self: &Arc<Self>, plan: &ServicePlan, booted: &Booted, check: &CheckSummary) -> Diagnosed<Proof> {
        let (goal, proof) = match check {
            // What its owner asks comes when it is ready.
            CheckSummary::Running | CheckSummary::Own { .. } => return Ok(Proof::Running),
            CheckSummary::Health => (WaitGoal::Healthy, Proof::Healthy),
            CheckSummary::Tcp { ports } => (WaitGoal::Listening(ports.clone()), Proof::Listening),
        };
        let name = plan.service.name.clone();
        let step = Step::Check { service: name.clone(), check: check.clone() };
        let step = self.common.notify.begin(dependents(&self.plan, &name), step);
        match self.reach(plan, booted, &goal).await {
            Ok(()) => {
                let restarts = booted.restarts.load(Ordering::Relaxed);
                let note = (restarts > 0)
                    .then(|| format!("after it exited and was started again {}", pluralize(restarts, "time")));
                step.done_with(None, note);
                Ok(proof)
            }
            Err(diagnosis) => Err(step.broke(diagnosis)),
        }
    }

    /// Waits until the goal is reached, the service is given up or the time is over.
    async fn reach(self: &Arc<Self>, plan: &ServicePlan, booted: &Booted, goal: &WaitGoal) -> Diagnosed<()> {
        let mut seen = self.common.watch().await?.of(&booted.container);
        let timeout = timeout(plan);
        let deadline = Instant::from_std(booted.clock()) + timeout;
        let mut handled_deaths = 0;
        loop {
            let listening = self.listening(plan, booted, goal);
            let death = tokio::select! {
                end = self.watch_for(&mut seen, booted, goal, handled_deaths) => end?,
                result = listening => { result?; return Ok(()) }
                () = tokio::time::sleep_until(deadline) => return Err(self.too_late(plan, booted, goal, timeout).await),
            };
            match death {
                WaitEnd::Reached => return Ok(()),
                WaitEnd::Unhealthy => return Err(self.unhealthy(plan, booted).await),
                WaitEnd::Died { deaths } => {
                    self.start_again_or_give_up(plan, booted, goal).await?;
                    handled_deaths = deaths;
                }
            }
        }
    }

    /// Follows the container's events until something decides.
    async fn watch_for(
        &self,
        seen: &mut watch::Receiver<ContainerHistory>,
        booted: &Booted,
        goal: &WaitGoal,
        handled_deaths: u32,
    ) -> Diagnosed<WaitEnd> {
        loop {
            let now = seen.borrow_and_update().clone();
            if now.deaths > handled_deaths {
                let clean = now.exit_code == Some(0) && matches!(goal, WaitGoal::ExitZero);
                return Ok(if clean { WaitEnd::Reached } else { WaitEnd::Died { deaths: now.deaths } });
            }
            match (goal, now.health) {
                (WaitGoal::Healthy, Some(HealthStatus::Healthy)) => return Ok(WaitEnd::Reached),
                // What fails on an empty place may be well again once that is filled.
                (WaitGoal::Healthy, Some(HealthStatus::Unhealthy)) if !booted.begins_anew => {
                    return Ok(WaitEnd::Unhealthy);
                }
                _ => {}
            }
            tokio::select! {
                changed = seen.changed() => if changed.is_err() {
                    return Err(Diagnosis::new(Code::HostUnreachable, "the engine's event stream ended"));
                },
                () = tokio::time::sleep(LOOK_EVERY) => {
                    let state = self.state(booted).await?;
                    if !state.running && !state.restarting && now == *seen.borrow() {
                        let clean = state.exit_code == 0 && matches!(goal, WaitGoal::ExitZero);
                        return Ok(if clean { WaitEnd::Reached } else { WaitEnd::Died { deaths: now.deaths + 1 } });
                    }
                    match (goal, state.health.map(|health| health.status)) {
                        (WaitGoal::Healthy, Some(HealthStatus::Healthy)) => return Ok(WaitEnd::Reached),
                        (WaitGoal::Healthy, Some(HealthStatus::Unhealthy)) if !booted.begins_anew => {
                            return Ok(WaitEnd::Unhealthy);
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// Resolves when the ports are listened on; never for another goal. A worker that cannot look because the service is
    /// just exiting leaves the decision to the events.
    async fn listening(self: &Arc<Self>, plan: &ServicePlan, booted: &Booted, goal: &WaitGoal) -> Diagnosed<()> {
        let WaitGoal::Listening(ports) = goal else { return std::future::pending().await };
        let attempt = booted.restarts.load(Ordering::Relaxed);
        let name = self.common.session.name(&self.plan.name, &format!("probe{attempt}-{}", plan.service.name.service));
        let marks = self.common.session.marks(&self.plan.name);
        let image = self.common.image().await?;
        self.ledger.note(LedgerEntry::Container(name.clone()));
        let daemon = self.common.daemon.clone();
        let network = NetworkSpec::Share(booted.container.clone());
        let started =
            self.ledger.run(async move { Worker::start(&daemon, &image, &name, Vec::new(), network, &marks).await });
        let worker = match started.await {
            Ok(worker) => Arc::new(worker),
            Err(error) => {
                return if self.state(booted).await?.running {
                    Err(worker_diagnosis(&error, "looking for the ports"))
                } else {
                    std::future::pending().await
                };
            }
        };
        let answer = worker.run(ListenJob { ports: ports.clone() }).await;
        self.dismiss(worker);
        answer.map_err(|error| job_diagnosis(&error, "looking for the ports"))
    }

    /// The service exited while it should have come up. Its restart policy may give it another try.
    async fn start_again_or_give_up(&self, plan: &ServicePlan, booted: &Booted, goal: &WaitGoal) -> Diagnosed<()> {
        let state = self.state(booted).await?;
        let again = match plan.service.restart {
            Restart::No => false,
            Restart::OnFailure => state.exit_code != 0,
            Restart::Always => !matches!(goal, WaitGoal::ExitZero),
        };
        if state.oom_killed {
            return Err(self.died(plan, booted, &state, Code::BootOomKilled).await);
        }
        if !again {
            return Err(self.died(plan, booted, &state, Code::BootExited).await);
        }
        let restarts = booted.restarts.load(Ordering::Relaxed);
        if restarts >= RESTARTS {
            return Err(self.died(plan, booted, &state, Code::BootCrashLoop).await);
        }
        booted.restarts.store(restarts + 1, Ordering::Relaxed);
        // As the engine does: twice as long each time, from a tenth of a second on.
        tokio::time::sleep(Duration::from_millis(100 << restarts)).await;
        let started = self.common.daemon.start_container(&booted.container).await;
        started.map_err(|error| self.refused(plan, &error, "starting again"))
    }

    /// The service must stay well for a while: some servers say yes before they restart into their real self.
    pub(super) async fn settle(self: &Arc<Self>, plan: &ServicePlan, booted: &Booted) -> Diagnosed<()> {
        if plan.settings.settle.is_zero() {
            return Ok(());
        }
        let step = Step::Settle { service: plan.service.name.clone() };
        let step = self.common.notify.begin(vec![plan.service.name.clone()], step);
        let mut seen = self.common.watch().await?.of(&booted.container);
        let before = seen.borrow_and_update().clone();
        let settled = async {
            // A look first: what happened since it was ready counts too.
            let state = self.state(booted).await?;
            if !state.running {
                return Ok(Some(state));
            }
            let stopped =
                seen.wait_for(|now| now.deaths > before.deaths || now.health == Some(HealthStatus::Unhealthy));
            tokio::select! {
                _ = stopped => {}
                () = tokio::time::sleep(plan.settings.settle) => {}
            }
            let state = self.state(booted).await?;
            Ok(if state.running { None } else { Some(state) })
        };
        match settled.await {
            Ok(None) => {}
            Ok(Some(state)) => {
                let code = if state.oom_killed { Code::BootOomKilled } else { Code::BootExited };
                return Err(step.broke(self.died(plan, booted, &state, code).await));
            }
            Err(diagnosis) => return Err(step.broke(diagnosis)),
        }
        match self.still_healthy(plan, booted, &mut seen).await {
            Ok(()) => {
                step.done();
                Ok(())
            }
            Err(diagnosis) => Err(step.broke(diagnosis)),
        }
    }

    /// After the settle window: a service whose last probes failed is given as many as its own healthcheck allows.
    async fn still_healthy(
        &self,
        plan: &ServicePlan,
        booted: &Booted,
        seen: &mut watch::Receiver<ContainerHistory>,
    ) -> Diagnosed<()> {
        let Some(own) = &plan.service.healthcheck else { return Ok(()) };
        let deadline = Instant::now() + timeout(plan);
        loop {
            let state = self.state(booted).await?;
            if !state.running {
                return Err(self.died(plan, booted, &state, Code::BootExited).await);
            }
            match &state.health {
                Some(health)
                    if health.status == HealthStatus::Unhealthy || health.failing_streak >= own_retries(own) =>
                {
                    return Err(self.unhealthy(plan, booted).await);
                }
                Some(health) if health.failing_streak > 0 && Instant::now() < deadline => {}
                Some(health) if health.failing_streak > 0 => return Err(self.unhealthy(plan, booted).await),
                _ => return Ok(()),
            }
            tokio::select! {
                _ = seen.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    pub(super) async fn state(&self, booted: &Booted) -> Diagnosed<ContainerState> {
        self.common.daemon.state(&booted.container).await.map_err(|error| match error.kind {
            DockerErrorKind::NotFound(_) => Diagnosis::new(
                Code::SandboxFailed,
                format!("the sandbox's container {} was removed by somebody else", booted.name),
            ),
            _ => docker_diagnosis(&error, Code::SandboxFailed, "looking at a container of the sandbox"),
        })
    }

    pub(super) async fn died(
        &self,
        plan: &ServicePlan,
        booted: &Booted,
        state: &ContainerState,
        code: Code,
    ) -> Diagnosis {
        let name = &plan.service.name;
        let seconds = booted.since.elapsed().as_secs_f64();
        let mut message = match code {
            Code::BootOomKilled => {
                let limit = plan
                    .service
                    .limits
                    .memory
                    .or_else(|| plan.settings.memory.and_then(|bytes| i64::try_from(bytes).ok()));
                let limit = limit.map_or_else(
                    || "the sandbox's limit".to_owned(),
                    |bytes| format!("its limit of {} MiB", bytes >> 20),
                );
                format!("{name} was killed after {seconds:.1} s because it used more memory than {limit}")
            }
            Code::BootCrashLoop => format!(
                "{name} exited {} times in {seconds:.1} s, the last time with exit code {}",
                booted.restarts.load(Ordering::Relaxed) + 1,
                state.exit_code
            ),
            _ => format!("{name} exited with code {} after {seconds:.1} s", state.exit_code),
        };
        if !state.error.is_empty() {
            message.push_str(": ");
            message.push_str(&self.mask.apply(&state.error));
        }
        self.failure(plan, booted, Diagnosis::new(code, message)).await
    }

    async fn unhealthy(&self, plan: &ServicePlan, booted: &Booted) -> Diagnosis {
        let mut message = format!("the healthcheck of {} fails", plan.service.name);
        message.push_str(&self.last_probe(booted).await);
        self.failure(plan, booted, Diagnosis::new(Code::HealthUnhealthy, message)).await
    }

    async fn too_late(&self, plan: &ServicePlan, booted: &Booted, goal: &WaitGoal, timeout: Duration) -> Diagnosis {
        let name = &plan.service.name;
        let allowed = humantime::format_duration(Duration::from_secs(timeout.as_secs()));
        let message = match goal {
            WaitGoal::Healthy => {
                format!("the healthcheck of {name} did not pass within {allowed}{}", self.last_probe(booted).await)
            }
            WaitGoal::Listening(ports) => {
                let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
                format!("{name} did not listen on all of its exposed TCP ports ({}) within {allowed}", ports.join(", "))
            }
            WaitGoal::ExitZero => format!("{name}, which must run to its end first, still ran after {allowed}"),
        };
        self.failure(plan, booted, Diagnosis::new(Code::HealthTimeout, message)).await
    }

    /// What the last probe said, as the end of a sentence.
    async fn last_probe(&self, booted: &Booted) -> String {
        let state = self.common.daemon.state(&booted.container).await.ok();
        let probe = state.and_then(|state| state.health).and_then(|health| health.last_probe);
        match probe {
            Some((code, output)) if output.trim().is_empty() => {
                format!("; the last probe exited with {code} and said nothing")
            }
            Some((code, output)) => {
                let output: String = self.mask.apply(output.trim()).chars().take(500).collect();
                format!("; the last probe exited with {code}: {output}")
            }
            None => "; no probe has ended yet".to_owned(),
        }
    }

    /// Adds the evidence: the log's end, its known cause, and what the sandbox withheld.
    async fn failure(&self, plan: &ServicePlan, booted: &Booted, diagnosis: Diagnosis) -> Diagnosis {
        let log_tail = self.log_tail(booted, FAILURE_LOG).await;
        let cause = failure::recognise(&log_tail);
        if let Some(diagnosis) = self.lacks_permission(plan, &diagnosis, cause.as_ref()) {
            return Diagnosis { cause, log_tail, ..diagnosis };
        }
        let withheld = self.withheld_from(plan);
        if cause.is_none() && !withheld.is_empty() && diagnosis.severity() == Severity::Failed {
            let message = format!(
                "{}; the sandbox withholds what it works with live: {}",
                diagnosis.message,
                withheld.join(", ")
            );
            return Diagnosis { log_tail, ..Diagnosis::new(Code::SandboxWithheld, message) };
        }
        Diagnosis { cause, log_tail, ..diagnosis }
    }

    pub(super) async fn log_tail(&self, booted: &Booted, (lines, bytes): (usize, usize)) -> Vec<String> {
        match self.common.daemon.log_tail(&booted.container, lines, bytes).await {
            Ok(lines) => lines.iter().map(|line| self.mask.apply(line)).collect(),
            Err(error) => vec![format!("(rehearsa could not read the log: {error})")],
        }
    }
}

/// What ended a wait.
enum WaitEnd {
    Reached,
    Unhealthy,
    Died { deaths: u32 },
}

/// Time from the service's start until it must be ready.
pub(super) fn timeout(plan: &ServicePlan) -> Duration {
    plan.settings.timeout.unwrap_or_else(|| {
        let own = plan.service.healthcheck.as_ref().map_or(0, |own: &Healthcheck| health_budget(own));
        DEFAULT_TIMEOUT.max(Duration::from_nanos(u64::try_from(own).unwrap_or(0)))
    })
}
