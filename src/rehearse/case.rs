//! The rehearsal of one selected service, from its first step to its verdict, with the negative control if it is
//! asked for.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::model::check::{CheckSummary, Proof};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::{Fact, Step};
use crate::model::lock::lock;
use crate::model::plan::ServicePlan;
use crate::model::service::ServiceName;

use super::diagnose::stopped;
use super::inspect::retention;
use super::profile;
use super::restore::restored_files;
use super::running::RunningService;
use super::shared_task::Diagnosed;
use super::stack::StackRehearsal;
use super::state::{Booted, ReadyService};
use super::usage::{self, LookedAt, UseWarnings};
use super::validate::checks::ask_owner_checks;
use super::validate::control::{ControlResult, Recorded, control_result, without_data};
use super::validate::databases::{self, ServedStore};
use super::validate::settle::settle;
use super::validate::tables;
use super::validate::{keys, losses, readable, stores};

/// Log lines and bytes that a green rehearsal keeps.
const PROOF_LOG: (usize, usize) = (20, 16 * 1024);

/// A service that passed, and its proof.
struct ValidatedService {
    ready: ReadyService,
    proof: Proof,
    log_tail: Vec<String>,
    warnings: UseWarnings,
}

/// Rehearses a service, and tears the sandbox down if it was the last.
pub(super) async fn rehearse(stack: &Arc<StackRehearsal>, case: &ServiceName) {
    let run = &stack.cx.run;
    let result = tokio::select! {
        biased; // what breaks while everything is being removed is no finding
        () = run.stop.cancelled() => Err(stopped(&run.stop, "during this rehearsal")),
        diagnosis = run.breach().heard(&stack.cx.plan.name) => Err(diagnosis),
        result = stack.with_room(validate(stack, case)) => result,
    };
    let verdict = match result {
        Ok(validated) => conclude(stack, case, validated).await,
        Err(diagnosis) => Err(diagnosis),
    };
    match verdict {
        Ok((proof, log_tail)) => {
            run.notify.send(Fact::CaseProven { case: case.clone(), proof, log_tail });
            // It may have shown less than its settings require.
            if run.keep && !run.notify.is_green(case).await {
                stack.mark_not_green();
            }
        }
        Err(diagnosis) => {
            stack.mark_not_green();
            run.notify.send(Fact::CaseAborted { case: case.clone(), diagnosis });
        }
    }
    stack.leave(case).await;
}

/// Boots a service, runs its checks, and watches that it stays well and keeps the restored data.
async fn validate(stack: &Arc<StackRehearsal>, case: &ServiceName) -> Diagnosed<ValidatedService> {
    let plan = stack.cx.service(case)?;
    let ready = stack.ready(case).await?;
    // Where nothing else tells that a service is ready, its owner's checks do.
    let told_by_owner = plan.settings.checks.iter().any(|check| check.ask.asks_the_service());
    let told_by_owner = told_by_owner && plan.checks == [CheckSummary::Running];
    if let Some(diagnosis) = too_slow(plan, &ready.booted).filter(|_| !told_by_owner) {
        return Err(diagnosis);
    }
    let running = RunningService { cx: &stack.cx, plan, booted: &ready.booted };
    let proof = ready.proof.max(ask_owner_checks(running, ready.clock).await?);
    if let Some(diagnosis) = too_slow(plan, &ready.booted).filter(|_| told_by_owner) {
        return Err(diagnosis);
    }
    settle(running).await?;
    let mut warnings = check_data(stack, running).await?;
    for dependency in dependencies_of(stack, case) {
        let begun_anew = check_dependency(stack, case, &dependency).await?;
        warnings.begun_anew = warnings.begun_anew.or(begun_anew);
    }
    let log_tail = running.log_tail(PROOF_LOG).await;
    Ok(ValidatedService { proof, log_tail, warnings, ready })
}

/// Checks that the restored data of a service is still there, and that the service uses it.
async fn check_data(stack: &StackRehearsal, running: RunningService<'_>) -> Diagnosed<UseWarnings> {
    let booted = running.booted;
    let mut worker = None;
    if usage::has_emptied_mount(booted) || retention::places_to_look_at(booted).next().is_some() {
        worker = Some(stack.worker("a second look at what it restored").await?);
    }
    let mut looked_at = Vec::new();
    if let Some(worker) = &worker {
        for (mounted, held) in retention::places_to_look_at(booted) {
            let kept = retention::is_still_there(running.name(), (mounted, held), worker).await?;
            looked_at.push(LookedAt { mounted, held, kept });
        }
    }
    if !booted.begins_anew {
        let stores = looked_at.iter().flat_map(|looked| &looked.held.stores).map(|store| store.kind);
        tables::are_readable(running, stores).await?;
        if let Some(worker) = &worker {
            let mut served = Vec::new();
            for LookedAt { mounted, held, .. } in &looked_at {
                let live = mounted.place.live.as_deref();
                served.extend(held.stores.iter().map(|store| ServedStore { store, live }));
            }
            databases::are_there(running, &served, worker).await?;
        }
    }
    let warnings = usage::judge_use(running, &looked_at, worker.as_deref()).await?;
    if !booted.begins_anew {
        keys::are_loaded(running, looked_at.iter().flat_map(|looked| &looked.held.stores)).await?;
        let folders: Vec<&str> = looked_at.iter().map(|seen| seen.mounted.mount.mount.target.as_str()).collect();
        if !folders.is_empty() {
            // Two looks into the container, which do not disturb each other.
            let (readable, found) =
                tokio::join!(readable::may_be_read(running, &folders), stores::find(running, &folders));
            readable?;
            stores::are_sound(running, &found).await?;
            losses::are_not_told(running).await?;
        }
    }
    Ok(warnings)
}

/// The services that a case needs, directly or through others, and that are no cases themselves.
fn dependencies_of(stack: &StackRehearsal, case: &ServiceName) -> Vec<ServiceName> {
    let (mut open, mut found) = (vec![case.clone()], Vec::new());
    while let Some(plan) = open.pop().and_then(|name| stack.cx.service(&name).ok()) {
        for need in &plan.needs {
            if !found.contains(&need.service) {
                found.push(need.service.clone());
                open.push(need.service.clone());
            }
        }
    }
    found.retain(|name| stack.cx.service(name).is_ok_and(|plan| !plan.selected));
    found
}

/// Checks the data of a service that `case` depends on: a case is green only on the data of its database. Returns the
/// warning if a data store was begun where nothing was restored.
async fn check_dependency(
    stack: &Arc<StackRehearsal>,
    case: &ServiceName,
    dependency: &ServiceName,
) -> Diagnosed<Option<Diagnosis>> {
    let plan = stack.cx.service(dependency)?;
    let booted = stack.started(dependency).await?;
    let running = RunningService { cx: &stack.cx, plan, booted: &booted };
    match check_data(stack, running).await {
        Ok(warnings) => Ok(warnings.begun_anew),
        Err(diagnosis) => {
            let message = format!("{case} is well, but depends on {dependency}: {}", diagnosis.message);
            Err(Diagnosis { message, ..diagnosis })
        }
    }
}

/// Adds the warnings about what a green service does not show, and runs the control.
async fn conclude(
    stack: &Arc<StackRehearsal>,
    case: &ServiceName,
    validated: ValidatedService,
) -> Diagnosed<(Proof, Vec<String>)> {
    let ValidatedService { ready, proof, log_tail, warnings } = validated;
    let plan = stack.cx.service(case)?;
    let running = RunningService { cx: &stack.cx, plan, booted: &ready.booted };
    let warned = restored_files::warn_nothing_restored(running, |index| stack.tables_loaded_into(index));
    let UseWarnings { not_used, begun_anew } = warnings;
    let warn = |diagnosis| stack.cx.warn(vec![case.clone()], diagnosis);
    begun_anew.filter(|_| !warned).into_iter().for_each(warn);
    running.warn_of_suspicions();
    tokio::select! {
        biased;
        () = stack.cx.run.stop.cancelled() => return Err(stopped(&stack.cx.run.stop, "during this rehearsal")),
        compared = profile::take_and_compare(running) => compared?,
    }
    let proof = if plan.settings.control { control(stack, running, &ready, proof).await } else { proof };
    not_used.into_iter().for_each(warn);
    Ok((proof, log_tail))
}

/// The time when the first restore of a service began; `None` if it has no place to restore.
fn restore_began(booted: &Booted) -> Option<Instant> {
    booted.mounts.iter().map(|mount| mount.place.began).min()
}

/// The diagnosis of a service that became ready later than `max_rto` allows; `None`: in time, or no bound.
fn too_slow(plan: &ServicePlan, booted: &Booted) -> Option<Diagnosis> {
    let max_rto = plan.settings.max_rto?;
    let took = restore_began(booted)?.elapsed();
    let words = |time: Duration| humantime::format_duration(Duration::from_millis(time.as_millis() as u64)).to_string();
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

/// Boots a green service once more without its data. Returns the proof that remains.
async fn control(
    stack: &Arc<StackRehearsal>,
    running: RunningService<'_>,
    ready: &ReadyService,
    proof: Proof,
) -> Proof {
    let (run, case) = (&stack.cx.run, running.name());
    let step = stack.cx.begin(vec![case.clone()], Step::Control { service: case.clone() });
    let took = restore_began(&ready.booted).map_or(Duration::ZERO, |began| began.elapsed());
    let Some(empty) = without_data(&stack.cx.plan, case, took) else {
        step.done_with(None, Some("the service writes to no mount, so no data can be left out".to_owned()));
        return proof;
    };
    let recorded = Arc::new(Mutex::new(Recorded::default()));
    let (record, of) = (Arc::clone(&recorded), case.clone());
    let silenced = run.silenced(move |fact| lock(&record).record(&of, fact));
    let again = Arc::new(StackRehearsal::new(Arc::new(silenced), empty));
    // When the run is stopped, this second boot ends without a result; its sandbox is removed below in any case.
    let result = tokio::select! {
        biased;
        () = run.stop.cancelled() => None,
        result = again.with_room(validate(&again, case)) => Some(result.map(drop)),
    };
    again.tear_down(Vec::new()).await;
    let Some(result) = result else { return proof };
    let Recorded { passed, own, .. } = std::mem::take(&mut *lock(&recorded));
    if !own.is_empty() && !matches!(control_result(&result), ControlResult::Unknown(_)) {
        run.notify.send(Fact::PassedWithoutData { case: case.clone(), checks: own });
    }
    match control_result(&result) {
        ControlResult::Passed => {
            step.done_with(None, Some("its checks pass without the data, too".to_owned()));
            let passed = if passed.is_empty() { "that it runs".to_owned() } else { passed.join(", ") };
            let message = format!(
                "{case} was booted once more with every mount that it writes to empty, and passed there, too: \
                 {passed} says nothing about the data"
            );
            stack.cx.warn(vec![case.clone()], Diagnosis::new(Code::CheckNotDataSensitive, message));
            // Checks that pass without the data prove nothing about it: only readiness counts.
            ready.proof.min(proof)
        }
        ControlResult::Failed(diagnosis) => {
            let but = match passed.as_slice() {
                [] => String::new(),
                passed => format!("; {} passed nevertheless", passed.join(", ")),
            };
            step.done_with(None, Some(format!("the missing data is noticed: {}{but}", diagnosis.code.title())));
            run.notify.send(Fact::MissingDataNoticed { case: case.clone() });
            proof
        }
        ControlResult::Unknown(diagnosis) => {
            step.done_with(None, Some(format!("no result: {diagnosis}")));
            proof
        }
    }
}
