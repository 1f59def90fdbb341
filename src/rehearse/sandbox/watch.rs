//! Watching the session's containers by the engine's event stream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::docker::{ContainerEvent, ContainerEventKind, Daemon, EventStream, HealthStatus, Result};
use crate::model::lock::lock;

/// The events of a container so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerHistory {
    /// How often it started.
    pub starts: u32,
    /// How often it ended.
    pub deaths: u32,
    /// The exit code of its last end.
    pub exit_code: Option<i64>,
    /// The kernel killed something in it for memory.
    pub out_of_memory: bool,
    /// Its health, once it was told.
    pub health: Option<HealthStatus>,
    /// Probes that failed since the last that passed.
    pub failed_probes: u32,
}

/// The watch over all containers of a session.
pub struct Watch {
    seen: Arc<Mutex<HashMap<String, watch::Sender<ContainerHistory>>>>,
    stop: CancellationToken,
}

/// A broken stream is asked for again after this time. Waiting code looks at the container itself now and then, so that
/// nothing hangs on a lost event.
const RESUBSCRIBE_AFTER: Duration = Duration::from_millis(500);

impl Watch {
    /// Subscribes; every event from now on counts.
    pub async fn start(daemon: &Daemon, session: &str) -> Result<Self> {
        let watch = Self { seen: Arc::default(), stop: CancellationToken::new() };
        let stream = daemon.events(session).await?;
        tokio::spawn(pump(daemon.clone(), session.to_owned(), stream, Arc::clone(&watch.seen), watch.stop.clone()));
        Ok(watch)
    }

    /// What is seen of a container, now and from now on.
    pub fn of(&self, id: &str) -> watch::Receiver<ContainerHistory> {
        sender(&self.seen, id, |sender| sender.subscribe())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn sender<T>(
    seen: &Mutex<HashMap<String, watch::Sender<ContainerHistory>>>,
    id: &str,
    with: impl FnOnce(&watch::Sender<ContainerHistory>) -> T,
) -> T {
    let mut seen = lock(seen);
    with(seen.entry(id.to_owned()).or_insert_with(|| watch::channel(ContainerHistory::default()).0))
}

async fn pump(
    daemon: Daemon,
    session: String,
    mut stream: EventStream,
    seen: Arc<Mutex<HashMap<String, watch::Sender<ContainerHistory>>>>,
    stop: CancellationToken,
) {
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = stream.next() => next,
        };
        match next {
            Some(Ok(event)) => note(&seen, &event),
            Some(Err(error)) => tracing::debug!(%error, "event stream"),
            None => {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(RESUBSCRIBE_AFTER) => {}
                }
                match daemon.events(&session).await {
                    Ok(again) => stream = again,
                    Err(error) => tracing::debug!(%error, "event stream not there again"),
                }
            }
        }
    }
}

fn note(seen: &Mutex<HashMap<String, watch::Sender<ContainerHistory>>>, event: &ContainerEvent) {
    tracing::trace!(?event, "container event");
    sender(seen, &event.id, |sender| {
        sender.send_modify(|seen| match &event.what {
            ContainerEventKind::Started => {
                seen.starts += 1;
                seen.health = None;
                seen.failed_probes = 0;
            }
            ContainerEventKind::Died(code) => {
                seen.deaths += 1;
                seen.exit_code = Some(*code);
            }
            ContainerEventKind::OutOfMemory => seen.out_of_memory = true,
            ContainerEventKind::Health(status) => seen.health = Some(*status),
            ContainerEventKind::ExecDied(0) => seen.failed_probes = 0,
            ContainerEventKind::ExecDied(_) => seen.failed_probes += 1,
            ContainerEventKind::Removed => {}
        });
    });
}
