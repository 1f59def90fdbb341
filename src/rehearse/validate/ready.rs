//! Waits until a service is ready. Events end the wait; a look at the container every few seconds makes sure that a
//! lost event only costs time.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant as StdInstant};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::docker::HealthStatus;
use crate::model::check::{CheckSummary, Proof, port_list};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Step;
use crate::model::pluralize::pluralize;
use crate::model::sandbox::NetworkSpec;
use crate::model::service::Restart;
use crate::plan::dependents;
use crate::rehearse::diagnose::{container_diagnosis, job_diagnosis, worker_diagnosis};
use crate::rehearse::running::RunningService;
use crate::rehearse::sandbox::watch::ContainerHistory;
use crate::rehearse::shared_task::Diagnosed;
use crate::worker::protocol::ListenJob;

use super::live_ports::listened_on_live;

/// Interval at which the container's state is read besides its events.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long the other exposed ports are waited for once one of them is listened on. Images expose ports that most of
/// their services never use.
const OTHER_PORTS: Duration = Duration::from_secs(3);
/// How often a service is restarted, under its restart policy, before the rehearsal gives up.
const RESTARTS: u32 = 3;

/// Exit code of a process that was killed by SIGKILL.
const KILLED: i64 = 137;

/// The goal of a wait.
pub(in crate::rehearse) enum WaitGoal {
    Healthy,
    Listening(Vec<u16>),
    ExitZero,
}

/// The end of a wait.
enum WaitEnd {
    Reached,
    Unhealthy,
    Died { deaths: u32 },
}

/// Waits until a service passes all its checks; `clock` is the beginning of its time. Returns the proof.
pub(in crate::rehearse) async fn pass_checks(running: RunningService<'_>, clock: StdInstant) -> Diagnosed<Proof> {
    let mut proof = Proof::Running;
    for check in &running.plan.checks {
        proof = proof.max(pass_check(running, clock, check).await?);
    }
    Ok(proof)
}

async fn pass_check(running: RunningService<'_>, clock: StdInstant, check: &CheckSummary) -> Diagnosed<Proof> {
    let mut check = check.clone();
    let mut is_known = false;
    if let CheckSummary::Tcp { ports } = &mut check
        && let Some(of_live) = listened_on_live(running, ports).await
    {
        if of_live.is_empty() {
            return Ok(nothing_to_listen_on(running, ports));
        }
        (*ports, is_known) = (of_live, true);
    }
    let (goal, proof) = match &check {
        // Configured checks run once the service is ready.
        CheckSummary::Running | CheckSummary::Own { .. } => return Ok(Proof::Running),
        CheckSummary::Health => (WaitGoal::Healthy, Proof::Healthy),
        CheckSummary::Tcp { ports } => (WaitGoal::Listening(ports.clone()), Proof::Listening),
    };
    let name = running.name().clone();
    let cases = dependents(&running.cx.plan, &name);
    let step = running.cx.begin(cases, Step::Check { service: name, check: check.clone() });
    match reach(running, clock, &goal).await {
        Ok(reached) => {
            let restarts = running.booted.restarts.load(Ordering::Relaxed);
            let again = || format!("after it exited and was started again {}", pluralize(restarts, "time"));
            let silent = silent_ports(running, &check, &reached, is_known);
            let notes: Vec<String> = (restarts > 0).then(again).into_iter().chain(silent).collect();
            step.done_with(None, (!notes.is_empty()).then(|| notes.join("; ")));
            Ok(proof)
        }
        Err(diagnosis) => Err(step.broke(diagnosis)),
    }
}

/// A service none of whose exposed ports is listened on live: its copy has to keep running, and no more.
fn nothing_to_listen_on(running: RunningService<'_>, ports: &[u16]) -> Proof {
    let name = running.name().clone();
    let cases = dependents(&running.cx.plan, &name);
    let step = running.cx.begin(cases, Step::Check { service: name, check: CheckSummary::Running });
    let note = format!("the live service listens on none of its exposed TCP ports ({})", port_list(ports));
    step.done_with(None, Some(note));
    Proof::Running
}

/// A note on the ports that nothing listens on. If the live service is known to listen on one of them, or publishes it,
/// a warning is sent, too.
fn silent_ports(
    running: RunningService<'_>,
    check: &CheckSummary,
    reached: &Reached,
    is_known: bool,
) -> Option<String> {
    let (CheckSummary::Tcp { ports }, Reached::Listening(open)) = (check, reached) else { return None };
    let silent: Vec<u16> = ports.iter().copied().filter(|port| !open.contains(port)).collect();
    if silent.is_empty() {
        return None;
    }
    let is_published = |port: &u16| {
        let end = format!("->{port}/tcp");
        running.plan.service.published.iter().any(|published| published.ends_with(&end))
    };
    let missed: Vec<u16> = silent.iter().copied().filter(|port| is_known || is_published(port)).collect();
    if !missed.is_empty() {
        let message = format!(
            "{} listens on {} and not on {}, which the live service {}",
            running.name(),
            port_list(open),
            port_list(&missed),
            if is_known { "listens on" } else { "publishes" }
        );
        running.cx.warn(vec![running.name().clone()], Diagnosis::new(Code::HealthPortSilent, message));
    }
    Some(format!("nothing listens on {}", port_list(&silent)))
}

/// The result of a wait.
pub(in crate::rehearse) enum Reached {
    /// Something listens on these ports.
    Listening(Vec<u16>),
    /// Another goal.
    Goal,
}

/// Waits until the goal is reached, the service has failed for good, or its time, which began at `clock`, is over.
pub(in crate::rehearse) async fn reach(
    running: RunningService<'_>,
    clock: StdInstant,
    goal: &WaitGoal,
) -> Diagnosed<Reached> {
    let mut seen = running.cx.run.watch().await?.of(&running.booted.container);
    let timeout = running.timeout();
    let deadline = Instant::from_std(clock) + timeout;
    let mut handled_deaths = 0;
    loop {
        let mut end = tokio::select! {
            end = watch_for(running, &mut seen, goal, handled_deaths) => end?,
            open = listening(running, goal) => return Ok(Reached::Listening(open?)),
            () = tokio::time::sleep_until(deadline) => return Err(too_late(running, goal, timeout).await),
        };
        if let (WaitEnd::Unhealthy, Some(deaths)) = (&end, death_behind(running, &mut seen, handled_deaths).await?) {
            end = WaitEnd::Died { deaths };
        }
        match end {
            WaitEnd::Reached => return Ok(Reached::Goal),
            WaitEnd::Unhealthy => return Err(running.unhealthy().await),
            WaitEnd::Died { deaths } => {
                start_again_or_give_up(running, goal).await?;
                handled_deaths = deaths;
            }
        }
    }
}

/// Whether an unhealthy service has exited or is just exiting: a probe that is killed together with its container
/// fails, too, and the engine may report the probe first. Returns the number of deaths then.
async fn death_behind(
    running: RunningService<'_>,
    seen: &mut watch::Receiver<ContainerHistory>,
    handled_deaths: u32,
) -> Diagnosed<Option<u32>> {
    let state = running.state().await?;
    if !state.running && !state.restarting {
        return Ok(Some(seen.borrow().deaths.max(handled_deaths + 1)));
    }
    let was_killed = state.health.and_then(|health| health.last_probe).is_some_and(|(code, _)| code == KILLED);
    if !was_killed {
        return Ok(None);
    }
    let died = seen.wait_for(|history| history.deaths > handled_deaths);
    match tokio::time::timeout(LOOK_EVERY, died).await {
        Ok(Ok(history)) => Ok(Some(history.deaths)),
        // The container goes on, or the event stream ended: the next look at the container shows which.
        Ok(Err(_)) | Err(_) => Ok(None),
    }
}

/// Follows the container's events until one decides.
async fn watch_for(
    running: RunningService<'_>,
    seen: &mut watch::Receiver<ContainerHistory>,
    goal: &WaitGoal,
    handled_deaths: u32,
) -> Diagnosed<WaitEnd> {
    loop {
        let now = seen.borrow_and_update().clone();
        if now.deaths > handled_deaths {
            return Ok(end_of_process(goal, now.exit_code == Some(0), now.deaths));
        }
        if let Some(end) = end_by_health(running, goal, now.health) {
            return Ok(end);
        }
        tokio::select! {
            changed = seen.changed() => if changed.is_err() {
                return Err(Diagnosis::new(Code::HostUnreachable, "the engine's event stream ended"));
            },
            () = tokio::time::sleep(LOOK_EVERY) => {
                let state = running.state().await?;
                if !state.running && !state.restarting && now == *seen.borrow() {
                    return Ok(end_of_process(goal, state.exit_code == 0, now.deaths + 1));
                }
                if let Some(end) = end_by_health(running, goal, state.health.map(|health| health.status)) {
                    return Ok(end);
                }
            }
        }
    }
}

fn end_of_process(goal: &WaitGoal, exited_with_zero: bool, deaths: u32) -> WaitEnd {
    if exited_with_zero && matches!(goal, WaitGoal::ExitZero) { WaitEnd::Reached } else { WaitEnd::Died { deaths } }
}

fn end_by_health(running: RunningService<'_>, goal: &WaitGoal, health: Option<HealthStatus>) -> Option<WaitEnd> {
    match (goal, health) {
        (WaitGoal::Healthy, Some(HealthStatus::Healthy)) => Some(WaitEnd::Reached),
        // A healthcheck that fails on an empty mount may pass once the dump is loaded.
        (WaitGoal::Healthy, Some(HealthStatus::Unhealthy)) if !running.booted.begins_anew => Some(WaitEnd::Unhealthy),
        _ => None,
    }
}

/// Resolves when something listens on one of the ports, with those that it listens on; never for another goal. If the
/// worker cannot look because the service is just exiting, the events decide.
async fn listening(running: RunningService<'_>, goal: &WaitGoal) -> Diagnosed<Vec<u16>> {
    let WaitGoal::Listening(ports) = goal else { return std::future::pending().await };
    let client = &running.cx.client;
    let image = running.cx.run.image().await?;
    let attempt = running.booted.restarts.load(Ordering::Relaxed);
    let role = format!("probe{attempt}-{}", running.cx.short_name(running.name()));
    let network = NetworkSpec::Share(running.booted.container.clone());
    let worker = match client.start_worker(&image, &role, Vec::new(), network).await {
        Ok(worker) => worker,
        Err(error) => {
            return if running.state().await?.running {
                Err(worker_diagnosis(&error, "looking for the ports"))
            } else {
                std::future::pending().await
            };
        }
    };
    let answer = worker.run(ListenJob { ports: ports.clone(), others_ms: Some(OTHER_PORTS.as_millis() as u64) }).await;
    client.dismiss(worker);
    answer.map_err(|error| job_diagnosis(&error, "looking for the ports"))
}

/// Handles an exit before readiness. The restart policy may give the service another try.
async fn start_again_or_give_up(running: RunningService<'_>, goal: &WaitGoal) -> Diagnosed<()> {
    let RunningService { cx, plan, booted } = running;
    let state = running.state().await?;
    let again = match plan.service.restart {
        Restart::No => false,
        Restart::OnFailure => state.exit_code != 0,
        Restart::Always => !matches!(goal, WaitGoal::ExitZero),
    };
    if !again || running.was_out_of_memory(&state).await {
        return Err(running.exited(&state).await);
    }
    let restarts = booted.restarts.load(Ordering::Relaxed);
    if restarts >= RESTARTS {
        return Err(running.crash_looped(&state).await);
    }
    booted.restarts.store(restarts + 1, Ordering::Relaxed);
    // As the engine does: the pause doubles each time, starting at 0.1 s.
    tokio::time::sleep(Duration::from_millis(100 << restarts)).await;
    let started = cx.run.daemon.start_container(&booted.container).await;
    started.map_err(|error| container_diagnosis(&error, &plan.service, &cx.mask, "starting again"))
}

async fn too_late(running: RunningService<'_>, goal: &WaitGoal, timeout: Duration) -> Diagnosis {
    let name = running.name();
    let allowed = humantime::format_duration(Duration::from_secs(timeout.as_secs()));
    let message = match goal {
        WaitGoal::Healthy => {
            format!("the healthcheck of {name} did not pass within {allowed}{}", running.last_probe().await)
        }
        WaitGoal::Listening(ports) => {
            format!("{name} did not listen on any of its exposed TCP ports ({}) within {allowed}", port_list(ports))
        }
        WaitGoal::ExitZero => format!("{name}, which must run to its end first, still ran after {allowed}"),
    };
    running.failure(Diagnosis::new(Code::HealthTimeout, message)).await
}
