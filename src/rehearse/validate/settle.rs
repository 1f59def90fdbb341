//! Watches that a service stays well. Some servers report healthy before they restart into their final state.

use tokio::sync::watch;
use tokio::time::Instant;

use crate::docker::HealthStatus;
use crate::model::event::Step;
use crate::plan::isolate::own_retries;
use crate::rehearse::running::RunningService;
use crate::rehearse::sandbox::watch::ContainerHistory;
use crate::rehearse::shared_task::Diagnosed;

use super::ready::LOOK_EVERY;

/// Watches that a service stays well for as long as its plan says.
pub(in crate::rehearse) async fn settle(running: RunningService<'_>) -> Diagnosed<()> {
    if running.plan.settings.settle.is_zero() {
        return Ok(());
    }
    let name = running.name().clone();
    let step = running.cx.begin(vec![name.clone()], Step::Settle { service: name });
    match stays_well(running).await {
        Ok(()) => {
            step.done();
            Ok(())
        }
        Err(diagnosis) => Err(step.broke(diagnosis)),
    }
}

async fn stays_well(running: RunningService<'_>) -> Diagnosed<()> {
    let watch = running.cx.run.watch().await?;
    let (mut seen, mut breaks) = (watch.of(&running.booted.container), watch.breaks());
    let before = seen.borrow_and_update().clone();
    // It may have exited since it was ready.
    let state = running.state().await?;
    if !state.running {
        return Err(running.exited(&state).await);
    }
    let stopped = seen.wait_for(|now| now.deaths > before.deaths || now.health == Some(HealthStatus::Unhealthy));
    tokio::select! {
        _ = stopped => {}
        // The engine may be restarting, which ends the service without an event.
        _ = breaks.wait_for(|breaks| *breaks > running.booted.breaks) => {}
        () = tokio::time::sleep(running.plan.settings.settle) => {}
    }
    let state = running.state_when_back().await?;
    if !state.running {
        return Err(running.exited(&state).await);
    }
    still_healthy(running, &mut seen).await
}

/// After the settle window: a service whose last probes failed gets as many more as its own healthcheck allows.
async fn still_healthy(running: RunningService<'_>, seen: &mut watch::Receiver<ContainerHistory>) -> Diagnosed<()> {
    let Some(own) = &running.plan.service.healthcheck else { return Ok(()) };
    let deadline = Instant::now() + running.timeout();
    loop {
        let state = running.state().await?;
        if !state.running {
            return Err(running.exited(&state).await);
        }
        match &state.health {
            Some(health) if health.status == HealthStatus::Unhealthy || health.failing_streak >= own_retries(own) => {
                return Err(running.unhealthy().await);
            }
            Some(health) if health.failing_streak > 0 && Instant::now() < deadline => {}
            Some(health) if health.failing_streak > 0 => return Err(running.unhealthy().await),
            _ => return Ok(()),
        }
        tokio::select! {
            _ = seen.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}
