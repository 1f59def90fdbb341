//! Which exposed ports the live service listens on. Images expose ports that many of their services never use, so only
//! the live service tells which of them its copy must listen on.
//!
//! The live container is not entered: a worker reads the kernel's table of its sockets, which procfs shows for its
//! process. Where that is not to be had, nothing is known.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::sandbox::{MountSource, MountSpec, NetworkSpec};
use crate::rehearse::running::RunningService;
use crate::worker::protocol::ListeningJob;

/// Where the worker sees the tables.
const TABLES: &str = "/live-net";
/// A live service that is up for less than this may yet begin to listen.
const YOUNG: Duration = Duration::from_secs(120);

/// The ports, of these, that the live service listens on now; `None`: not known.
pub(super) async fn listened_on_live(running: RunningService<'_>, ports: &[u16]) -> Option<Vec<u16>> {
    let (cx, service) = (running.cx, &running.plan.service);
    if !service.is_live() {
        return None;
    }
    let state = cx.run.daemon.state(&service.container_id).await.ok()?;
    if !state.running || state.restarting || state.pid <= 0 {
        return None;
    }
    let image = cx.run.image().await.ok()?;
    let source = MountSource::HostPath(format!("/proc/{}/net", state.pid));
    let tables = MountSpec { target: TABLES.to_owned(), source, read_only: true };
    let role = format!("live-ports-{}", cx.short_name(running.name()));
    let worker = match cx.client.start_worker(&image, &role, vec![tables], NetworkSpec::None).await {
        Ok(worker) => worker,
        Err(error) => {
            tracing::debug!(%error, service = %running.name(), "the ports of the live service cannot be seen");
            return None;
        }
    };
    let found = worker.run(ListeningJob { tables: TABLES.to_owned(), ports: ports.to_vec() }).await;
    cx.client.dismiss(worker);
    // Another process may have the number meanwhile.
    let same = cx.run.daemon.state(&service.container_id).await.is_ok_and(|now| now.pid == state.pid);
    match found {
        Ok(open) => {
            let began = running.cx.run.session.began;
            let tells = same && tells_all(&open, up_for(&state.started_at, began), running.timeout());
            tells.then_some(open)
        }
        Err(error) => {
            tracing::debug!(%error, service = %running.name(), "the ports of the live service cannot be seen");
            None
        }
    }
}

/// How long a container was up when the run began; zero if it does not say.
fn up_for(started_at: &str, began: i64) -> Duration {
    let since = started_at.parse::<Timestamp>().map_or(0, |started| began.saturating_sub(started.as_second()));
    Duration::from_secs(u64::try_from(since).unwrap_or(0))
}

/// Whether the live service listens on all that it ever will. One that listens on nothing may yet begin to, unless it
/// is up for longer than its time to become ready.
fn tells_all(open: &[u16], up_for: Duration, timeout: Duration) -> bool {
    !open.is_empty() || up_for >= YOUNG.max(timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_service_that_is_young_may_yet_begin_to_listen() {
        let seconds = Duration::from_secs;
        assert!(tells_all(&[80], seconds(0), seconds(60)));
        assert!(!tells_all(&[], seconds(60), seconds(1)));
        assert!(!tells_all(&[], seconds(200), seconds(300)));
        assert!(tells_all(&[], seconds(300), seconds(300)));
    }

    #[test]
    fn the_time_that_a_container_was_up_is_read_from_its_state() {
        let began = "2026-11-30T12:00:00Z".parse::<Timestamp>().expect("a time").as_second();
        assert_eq!(up_for("2026-11-30T11:59:00.123456789Z", began), Duration::from_secs(60));
        assert_eq!(up_for("2026-11-30T12:00:09Z", began), Duration::ZERO, "it was started since");
        assert_eq!(up_for("0001-01-01T00:00:00", began), Duration::ZERO);
    }
}
