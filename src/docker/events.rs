//! The engine's events about our containers.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;

use bollard::Docker;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::client::Daemon;
use super::connection::LIMIT;
use super::containers::HealthStatus;
use super::errors::{DockerError, DockerErrorKind, Result};
use super::labels;

/// Something that happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerEvent {
    /// The container's id.
    pub id: String,
    /// What happened.
    pub what: ContainerEventKind,
}

/// What can happen to a container, as far as a rehearsal cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerEventKind {
    /// It started.
    Started,
    /// It ended with this exit code.
    Died(i64),
    /// Somebody asked the engine to send it a signal: a client, or the engine itself when it shuts down.
    Signalled,
    /// The kernel killed something in it for memory.
    OutOfMemory,
    /// Its health changed.
    Health(HealthStatus),
    /// A process started in it by the engine (a health probe, mostly) ended with this exit code.
    ExecDied(i64),
    /// It was removed.
    Removed,
}

/// The stream of container events.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<ContainerEvent>> + Send>>;

const LISTEN: &str = "listen to events";

impl Daemon {
    /// Events of the containers of this session, from now on.
    ///
    /// An engine answers before it has subscribed the listener, so events could be missed until then. But it keeps its
    /// last 256 events. So its own time is asked for first, and then the events since that time: they include what
    /// happened before the subscription. A task reads the events from now on, whether or not anybody polls the stream.
    pub async fn events(&self, session: &str) -> Result<EventStream> {
        let info = self.connection.call(LISTEN, "", Docker::info).await?;
        let since = info.system_time.as_deref().and_then(unix_time).ok_or_else(|| {
            DockerError::new(LISTEN, "", DockerErrorKind::Engine("the engine does not say what time it is".to_owned()))
        })?;
        let filters = HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            ("label".to_owned(), vec![format!("{}={session}", labels::SESSION)]),
        ]);
        let options = EventsOptionsBuilder::default().since(&since).filters(&filters).build();
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let docker = self.connection.stream_client();
        tokio::spawn(async move {
            let mut events = std::pin::pin!(docker.events(Some(options)));
            let mut seen = RecentEvents::default();
            loop {
                let item = tokio::select! {
                    item = events.next() => item,
                    () = sender.closed() => return,
                };
                let item = match item {
                    None => return,
                    Some(Err(error)) => Err(DockerError::from_bollard(LISTEN, "", LIMIT, &error)),
                    Some(Ok(message)) if seen.before(&message) => continue,
                    Some(Ok(message)) => match read(&message) {
                        Some(event) => Ok(event),
                        None => continue,
                    },
                };
                let is_last = item.is_err();
                if sender.send(item).is_err() || is_last {
                    return;
                }
            }
        });
        Ok(Box::pin(futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx))))
    }
}

/// The engine's time as its event filter takes it: `seconds.nanoseconds`.
fn unix_time(rfc3339: &str) -> Option<String> {
    let time: Timestamp = rfc3339.parse().ok()?;
    Some(format!("{}.{:09}", time.as_second(), time.subsec_nanosecond()))
}

/// The last events. One that happens during the subscription can come twice: from the engine's memory, and live.
#[derive(Default)]
struct RecentEvents(VecDeque<(Option<i64>, Option<String>, Option<String>)>);

impl RecentEvents {
    fn before(&mut self, message: &EventMessage) -> bool {
        let id = message.actor.as_ref().and_then(|actor| actor.id.clone());
        let this = (message.time_nano, id, message.action.clone());
        if this.0.is_some() && self.0.contains(&this) {
            return true;
        }
        self.0.push_back(this);
        if self.0.len() > 64 {
            self.0.pop_front();
        }
        false
    }
}

/// The event; `None` when it does not matter for a rehearsal.
fn read(message: &EventMessage) -> Option<ContainerEvent> {
    let actor = message.actor.as_ref()?;
    let exit_code = || {
        let attributes = actor.attributes.as_ref()?;
        attributes.get("exitCode")?.parse().ok()
    };
    let action = message.action.as_deref()?;
    // Some actions have more behind a colon: `exec_start: /bin/sh -c …`, `health_status: healthy`.
    let (action, more) = action.split_once(':').map_or((action, ""), |(action, more)| (action, more.trim()));
    let what = match action {
        "start" => ContainerEventKind::Started,
        // Without an exit code, the container is not known to have ended well.
        "die" => ContainerEventKind::Died(exit_code().unwrap_or(-1)),
        "kill" => ContainerEventKind::Signalled,
        "oom" => ContainerEventKind::OutOfMemory,
        "destroy" => ContainerEventKind::Removed,
        "exec_die" => ContainerEventKind::ExecDied(exit_code().unwrap_or(-1)),
        "health_status" => ContainerEventKind::Health(match more {
            "healthy" => HealthStatus::Healthy,
            "unhealthy" => HealthStatus::Unhealthy,
            "starting" => HealthStatus::Starting,
            _ => return None,
        }),
        _ => return None,
    };
    Some(ContainerEvent { id: actor.id.clone()?, what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::EventActor;

    fn message(action: &str, exit_code: Option<&str>) -> EventMessage {
        let attributes = exit_code.map(|code| HashMap::from([("exitCode".to_owned(), code.to_owned())]));
        EventMessage {
            typ: None,
            action: Some(action.into()),
            actor: Some(EventActor { id: Some("c".into()), attributes }),
            scope: None,
            time: Some(1),
            time_nano: Some(1_000_000_007),
        }
    }

    #[test]
    fn the_actions_that_matter_are_understood() {
        let what = |action: &str, code: Option<&str>| read(&message(action, code)).map(|event| event.what);
        assert_eq!(what("start", None), Some(ContainerEventKind::Started));
        assert_eq!(what("die", Some("137")), Some(ContainerEventKind::Died(137)));
        assert_eq!(what("die", None), Some(ContainerEventKind::Died(-1)));
        assert_eq!(what("kill", None), Some(ContainerEventKind::Signalled));
        assert_eq!(what("oom", None), Some(ContainerEventKind::OutOfMemory));
        assert_eq!(what("destroy", None), Some(ContainerEventKind::Removed));
        assert_eq!(what("exec_die", Some("1")), Some(ContainerEventKind::ExecDied(1)));
        assert_eq!(what("health_status: unhealthy", None), Some(ContainerEventKind::Health(HealthStatus::Unhealthy)));
        assert_eq!(what("health_status: healthy", None), Some(ContainerEventKind::Health(HealthStatus::Healthy)));
        for other in ["exec_start: /bin/sh -c curl", "attach", "create", "health_status: running"] {
            assert_eq!(what(other, None), None, "{other}");
        }
    }

    #[test]
    fn an_event_counts_once() {
        let mut seen = RecentEvents::default();
        assert!(!seen.before(&message("start", None)));
        assert!(seen.before(&message("start", None)));
        assert!(!seen.before(&message("die", None)));
    }

    #[test]
    fn the_engines_time_keeps_its_nanoseconds() {
        assert_eq!(unix_time("2026-11-23T03:17:31.000000007Z").as_deref(), Some("1795403851.000000007"));
        assert_eq!(unix_time("2026-11-23T05:17:31.5+02:00").as_deref(), Some("1795403851.500000000"));
        assert_eq!(unix_time("now"), None);
    }
}
