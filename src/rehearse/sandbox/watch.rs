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
    /// Somebody had the engine send it a signal since it started last.
    pub signalled: bool,
    /// The kernel killed something in it for memory.
    pub out_of_memory: bool,
    /// Its health, once it was told.
    pub health: Option<HealthStatus>,
    /// Probes that failed since the last that passed.
    pub failed_probes: u32,
}

/// The watch over all containers of a session.
pub struct Watch {
    seen: Seen,
    /// How often the event stream has ended.
    breaks: watch::Sender<u32>,
    /// The engine's default network at the beginning; `None`: it has none.
    default_network: Option<String>,
    stop: CancellationToken,
}

/// The containers seen so far, by their ids.
type Seen = Arc<Mutex<HashMap<String, watch::Sender<ContainerHistory>>>>;

/// A broken stream is asked for again after this time. Waiting code looks at the container itself now and then, so that
/// nothing hangs on a lost event.
const RESUBSCRIBE_AFTER: Duration = Duration::from_millis(500);

impl Watch {
    /// Subscribes; every event from now on counts.
    pub async fn start(daemon: &Daemon, session: &str) -> Result<Self> {
        let (stream, default_network) = tokio::try_join!(daemon.events(session), default_network(daemon))?;
        let (breaks, seen) = (watch::Sender::new(0), Seen::default());
        let watch = Self { seen, breaks, default_network, stop: CancellationToken::new() };
        let pump = Pump {
            daemon: daemon.clone(),
            session: session.to_owned(),
            seen: Arc::clone(&watch.seen),
            breaks: watch.breaks.clone(),
            stop: watch.stop.clone(),
        };
        tokio::spawn(pump.run(stream));
        Ok(watch)
    }

    /// How often the event stream has ended, now and from now on.
    pub fn breaks(&self) -> watch::Receiver<u32> {
        self.breaks.subscribe()
    }

    /// Whether the engine was started again since `breaks` were counted. `None`: it does not answer.
    pub async fn engine_restarted(&self, daemon: &Daemon, breaks: u32) -> Option<bool> {
        match (&self.default_network, default_network(daemon).await.ok()?) {
            (Some(before), now) => Some(now.as_ref() != Some(before)),
            // The engine has no default network. A connection that broke is the only sign.
            (None, _) => Some(*self.breaks.borrow() > breaks),
        }
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

/// The id of the default network, which an engine makes anew each time it starts; `None`: the engine has none.
async fn default_network(daemon: &Daemon) -> Result<Option<String>> {
    let networks = daemon.networks().await?;
    Ok(networks.into_iter().find(|network| network.name == "bridge").map(|network| network.id))
}

fn sender<T>(
    seen: &Mutex<HashMap<String, watch::Sender<ContainerHistory>>>,
    id: &str,
    with: impl FnOnce(&watch::Sender<ContainerHistory>) -> T,
) -> T {
    let mut seen = lock(seen);
    with(seen.entry(id.to_owned()).or_insert_with(|| watch::channel(ContainerHistory::default()).0))
}

/// Notes the events of a session, and asks for them again when their stream ends.
struct Pump {
    daemon: Daemon,
    session: String,
    seen: Seen,
    breaks: watch::Sender<u32>,
    stop: CancellationToken,
}

impl Pump {
    async fn run(self, mut stream: EventStream) {
        loop {
            let next = tokio::select! {
                () = self.stop.cancelled() => return,
                next = stream.next() => next,
            };
            match next {
                Some(Ok(event)) => note(&self.seen, &event),
                Some(Err(error)) => tracing::debug!(%error, "event stream"),
                None => {
                    self.breaks.send_modify(|breaks| *breaks += 1);
                    let Some(again) = self.subscribe_again().await else { return };
                    stream = again;
                }
            }
        }
    }

    /// A new stream; `None`: nobody needs it any more.
    async fn subscribe_again(&self) -> Option<EventStream> {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(RESUBSCRIBE_AFTER) => {}
            }
            match self.daemon.events(&self.session).await {
                Ok(stream) => return Some(stream),
                Err(error) => tracing::debug!(%error, "event stream not there again"),
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
                seen.signalled = false;
                seen.health = None;
                seen.failed_probes = 0;
            }
            ContainerEventKind::Died(code) => {
                seen.deaths += 1;
                seen.exit_code = Some(*code);
            }
            ContainerEventKind::Signalled => seen.signalled = true,
            ContainerEventKind::OutOfMemory => seen.out_of_memory = true,
            ContainerEventKind::Health(status) => seen.health = Some(*status),
            ContainerEventKind::ExecDied(0) => seen.failed_probes = 0,
            ContainerEventKind::ExecDied(_) => seen.failed_probes += 1,
            ContainerEventKind::Removed => {}
        });
    });
}
