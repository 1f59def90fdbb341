//! The ledger: every object is noted before the engine is asked for it, so that teardown knows of it even when the
//! engine's answer never came.

use std::future::Future;
use std::sync::Mutex;

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::docker::{DockerError, DockerErrorKind};
use crate::model::lock::lock;

/// A kind of object and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerEntry {
    /// A container.
    Container(String),
    /// A network.
    Network(String),
    /// A volume.
    Volume(String),
}

/// The objects of a sandbox that the engine was asked for, and the requests under way.
#[derive(Default)]
pub struct Ledger {
    entries: Mutex<Vec<LedgerEntry>>,
    creating: TaskTracker,
}

impl Ledger {
    /// Notes `entry`, then asks for it. The request goes on if the asker goes away, and [`Ledger::settled`] waits for
    /// it: else an object could appear after everything was removed. An object that was there already is not ours: it
    /// is forgotten again.
    pub async fn create<T, F>(&self, entry: LedgerEntry, request: F) -> Result<T, DockerError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DockerError>> + Send + 'static,
    {
        self.note(entry.clone());
        let created = self.run(request).await;
        if created.as_ref().is_err_and(|error| matches!(error.kind, DockerErrorKind::Conflict(_))) {
            self.forget(&entry);
        }
        created
    }

    /// Takes an object out that somebody else made: nothing of ours was created.
    pub fn forget(&self, entry: &LedgerEntry) {
        lock(&self.entries).retain(|noted| noted != entry);
    }

    /// Runs a request that may create an object which was noted before; see [`Ledger::create`]. After
    /// [`Ledger::settled`] no request is made any more, and the caller waits forever: nobody needs its result.
    pub async fn run<T, F>(&self, request: F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let Some(task) = self.begin(request) else { return std::future::pending().await };
        match task.await {
            Ok(result) => result,
            Err(broken) => std::panic::resume_unwind(broken.into_panic()),
        }
    }

    /// Starts a request, unless it is too late for it.
    fn begin<T, F>(&self, request: F) -> Option<JoinHandle<T>>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let _not_closing = lock(&self.entries);
        (!self.creating.is_closed()).then(|| self.creating.spawn(request))
    }

    /// Runs work in the background that teardown must wait for.
    pub fn in_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.creating.spawn(work);
    }

    /// Notes an object before [`Ledger::run`] asks for it. A network that is asked for again, on another device, is
    /// noted as the newest object, and once: it is removed once.
    pub fn note(&self, entry: LedgerEntry) {
        let mut entries = lock(&self.entries);
        entries.retain(|noted| *noted != entry);
        entries.push(entry);
    }

    /// Waits until no request is under way. No further one is made.
    pub async fn settled(&self) {
        {
            let _not_beginning = lock(&self.entries);
            self.creating.close();
        }
        self.creating.wait().await;
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> Vec<LedgerEntry> {
        lock(&self.entries).clone()
    }

    /// Takes all entries out, newest first.
    pub fn take(&self) -> Vec<LedgerEntry> {
        let mut entries = std::mem::take(&mut *lock(&self.entries));
        entries.reverse();
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_there_before_is_not_removed() {
        let ledger = Ledger::default();
        let refused = |kind| async {
            Err::<(), _>(DockerError { operation: "create volume", subject: "v".to_owned(), kind, source: None })
        };
        let taken = DockerErrorKind::Conflict("it is there already".to_owned());
        assert!(ledger.create(LedgerEntry::Volume("taken".into()), refused(taken)).await.is_err());
        let broken = DockerErrorKind::Unreachable;
        assert!(ledger.create(LedgerEntry::Volume("perhaps".into()), refused(broken)).await.is_err());
        assert_eq!(ledger.take(), [LedgerEntry::Volume("perhaps".into())]);
    }

    #[test]
    fn what_is_asked_for_twice_is_removed_once() {
        let ledger = Ledger::default();
        let (network, volume) = (LedgerEntry::Network("net".into()), LedgerEntry::Volume("net".into()));
        for entry in [&network, &volume, &network] {
            ledger.note(entry.clone());
        }
        assert_eq!(ledger.take(), [network, volume]);
    }

    #[tokio::test]
    async fn a_request_under_way_is_waited_for_and_none_begins_after_that() {
        let ledger = std::sync::Arc::new(Ledger::default());
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let first = ledger.begin(async move { gone.await.is_ok() }).expect("nothing is settled yet");
        let mut settled = std::pin::pin!(ledger.settled());
        assert!(futures_util::poll!(settled.as_mut()).is_pending(), "it waits for the first");
        assert!(ledger.begin(async {}).is_none(), "too late");
        go.send(()).expect("it is awaited");
        settled.await;
        assert!(first.await.expect("no panic"));
    }
}
