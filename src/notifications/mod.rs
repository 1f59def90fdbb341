//! Notifies people and programs of a run: ntfy, a webhook, a ping in the manner of healthchecks.io, mail.
//!
//! A notification that fails changes no verdict. It is told to the caller, which tells it to people and puts it into
//! the reports. All are sent at once, within one time limit, so that a server that hangs holds up no other.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::config::values::notify::{NotifyTarget, NotifyWhen};

mod http;
mod mail;
mod message;

pub use mail::MailEnvironment;
pub use message::{Message, MessageKind};

/// Time for all notifications, unless the settings say otherwise.
pub const DEFAULT_LIMIT: Duration = Duration::from_secs(10);

/// Time for all notifications of a run that a signal ended: CI systems kill it a few seconds later.
const HURRIED: Duration = Duration::from_secs(2);

/// Whom to tell of which runs.
#[derive(Debug, Clone)]
pub struct Notifier {
    /// Who is notified.
    pub targets: Vec<NotifyTarget>,
    /// Of which runs.
    pub when: NotifyWhen,
    /// Time for all of them together.
    pub limit: Duration,
    /// What the program for mail is run with.
    pub mail: MailEnvironment,
}

impl Notifier {
    /// Tells those who want to know that a run begins; returns at once.
    pub fn begin(&self, message: Message) -> Beginning {
        Beginning { tasks: self.start(&message, self.limit) }
    }

    /// Tells of the end of a run, or of a run that never began. Returns why whom could not be told.
    pub fn tell(&self, message: &Message) -> Vec<String> {
        let limit = if message.is_hurried { self.limit.min(HURRIED) } else { self.limit };
        wait(self.start(message, limit))
    }

    /// Sends the message to each target that wants it, in a thread of its own.
    fn start(&self, message: &Message, limit: Duration) -> Vec<Task> {
        let wanted = self.targets.iter().filter(|target| self.wants(target, message));
        wanted.map(|target| Task::start(target.clone(), message.clone(), self.mail.clone(), limit)).collect()
    }

    fn wants(&self, target: &NotifyTarget, message: &Message) -> bool {
        let is_ping = matches!(target, NotifyTarget::Ping(_));
        match (message.kind, self.when) {
            (MessageKind::Begun, _) => is_ping,
            // Who waits for a ping is alarmed when none comes.
            (_, _) if is_ping => true,
            (_, NotifyWhen::Always) => true,
            (kind, NotifyWhen::Failure) => kind == MessageKind::NoSuccess,
            (_, NotifyWhen::Change) => message.is_change,
        }
    }
}

/// Notifications of the begin, which are on their way.
#[derive(Default)]
pub struct Beginning {
    tasks: Vec<Task>,
}

impl Beginning {
    /// Waits for them: the begin must not arrive after the end. Returns why whom could not be told.
    pub fn wait(self) -> Vec<String> {
        wait(self.tasks)
    }
}

struct Task {
    called: String,
    /// `None`: the system had no thread to give.
    thread: Option<JoinHandle<Result<(), String>>>,
}

impl Task {
    fn start(target: NotifyTarget, message: Message, env: MailEnvironment, limit: Duration) -> Self {
        let called = target.called();
        let send = move || match &target {
            NotifyTarget::Ntfy { server, topic } => {
                http::post(server, server.path.reveal(), "application/json", message.ntfy(topic.reveal()), limit)
            }
            NotifyTarget::Webhook(address) => {
                http::post(address, address.path.reveal(), "application/json", message.json(), limit)
            }
            NotifyTarget::Ping(address) => {
                let path = format!("{}{}", address.path.reveal().trim_end_matches('/'), message.ping_path());
                http::post(address, &path, "text/plain; charset=utf-8", message.text(), limit)
            }
            NotifyTarget::Mail(to) => mail::send(&message.mail(to), &env, limit),
        };
        Self { called, thread: thread::Builder::new().name("notification".to_owned()).spawn(send).ok() }
    }
}

fn wait(tasks: Vec<Task>) -> Vec<String> {
    let failed = |task: Task| {
        let sent = task.thread.map(JoinHandle::join);
        let why = match sent {
            Some(Ok(Ok(()))) => return None,
            Some(Ok(Err(why))) => why,
            Some(Err(_)) => "it panicked".to_owned(),
            None => "there is no thread for it".to_owned(),
        };
        Some(format!("{}: {why}", task.called))
    };
    tasks.into_iter().filter_map(failed).collect()
}

#[cfg(test)]
mod tests;
