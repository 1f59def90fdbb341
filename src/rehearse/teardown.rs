//! Removing a sandbox, and seeing that nothing of it is left.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;

use crate::docker::{DockerError, DockerErrorKind, Objects};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::{Fact, Step};
use crate::model::service::ServiceName;

use super::sandbox::ledger::LedgerEntry;
use super::stack::StackRehearsal;

/// A network or volume may be in use for a moment after its last container went.
const TRIES: u32 = 5;

impl StackRehearsal {
    /// Removes all that the ledger knows, newest first, goes on after failures, then looks by label. With `keep`, only the
    /// workers go.
    pub async fn remove_all(self: &Arc<Self>, cases: Vec<ServiceName>, keep: bool) {
        if !self.has_begun() {
            return;
        }
        let step = self.common.notify.begin(cases, Step::Teardown);
        if keep {
            // It stands there still when something was not restored, or there was nothing to restore.
            if let Some(Some(Ok(sandbox))) = self.sandbox.started().map(FutureExt::now_or_never) {
                self.dismiss_worker(&sandbox).await;
            }
            self.ledger.settled().await;
            self.common.notify.send(Fact::SandboxKept { stack: self.plan.name.clone(), hints: self.hints() });
            step.done_with(None, Some("kept".to_owned()));
            return;
        }
        let common = &self.common;
        let work = self.remove_and_look();
        let left = tokio::select! {
            left = work => left,
            () = common.stop.grace_over() => Err("there was no time to remove everything".to_owned()),
        };
        match left {
            Ok(()) => step.done(),
            Err(message) => {
                step.done_with(None, Some("not all could be removed".to_owned()));
                let message = format!("the sandbox of {}: {message}", self.plan.name);
                common.notify.send(Fact::LeftBehind { diagnosis: Diagnosis::new(Code::SandboxLeftBehind, message) });
            }
        }
    }

    /// Whether anything was asked of the engine for this stack.
    fn has_begun(&self) -> bool {
        self.grounds.started().is_some() || self.services.values().any(|service| service.started.started().is_some())
    }

    async fn remove_and_look(&self) -> Result<(), String> {
        self.ledger.settled().await;
        let mut errors = self.remove(self.ledger.take()).await;
        let left = match self.left().await {
            Ok(left) => left,
            Err(error) => {
                errors.push(format!("looking for what is left: {error}"));
                return Err(errors.join("; "));
            }
        };
        if left.is_empty() {
            // What could not be removed but is not there any more is no concern.
            return Ok(());
        }
        let errors = self.remove(left).await;
        let left = self.left().await.map_err(|error| format!("looking for what is left: {error}"))?;
        if left.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = left.iter().map(describe).collect();
        Err(format!("{} left; {}", names.join(", "), errors.join("; ")))
    }

    /// Containers first, all at once; then what they held.
    async fn remove(&self, entries: Vec<LedgerEntry>) -> Vec<String> {
        let (containers, rest): (Vec<LedgerEntry>, Vec<LedgerEntry>) =
            entries.into_iter().partition(|entry| matches!(entry, LedgerEntry::Container(_)));
        let first = join_all(containers.iter().map(|entry| self.remove_one(entry))).await;
        // An overlay holds the volume below it: newest first, one kind at a time.
        let (networks, volumes): (Vec<LedgerEntry>, Vec<LedgerEntry>) =
            rest.into_iter().partition(|entry| matches!(entry, LedgerEntry::Network(_)));
        let second = join_all(networks.iter().chain(&volumes).map(|entry| self.remove_one(entry))).await;
        let results = containers.iter().zip(first).chain(networks.iter().chain(&volumes).zip(second));
        results
            .filter_map(|(entry, result)| result.err().map(|error| format!("{}: {error}", describe(entry))))
            .collect()
    }

    async fn remove_one(&self, entry: &LedgerEntry) -> Result<(), DockerError> {
        let daemon = &self.common.daemon;
        let mut tries = 0;
        loop {
            let result = match entry {
                LedgerEntry::Container(name) => daemon.remove_container(name).await,
                LedgerEntry::Network(name) => daemon.remove_network(name).await,
                LedgerEntry::Volume(name) => daemon.remove_volume(name).await,
            };
            tries += 1;
            match result {
                Err(error) if matches!(error.kind, DockerErrorKind::Conflict(_)) && tries < TRIES => {
                    tokio::time::sleep(Duration::from_millis(50 << tries)).await;
                }
                other => return other,
            }
        }
    }

    /// What carries this stack's labels now.
    async fn left(&self) -> Result<Vec<LedgerEntry>, DockerError> {
        let Objects { containers, networks, volumes } =
            self.common.daemon.objects_left(Some(&self.common.session.id)).await?;
        let mine = |stack: &str| stack == self.plan.name;
        let containers =
            containers.into_iter().filter(|o| mine(&o.marks.stack)).map(|o| LedgerEntry::Container(o.name));
        let networks = networks.into_iter().filter(|o| mine(&o.marks.stack)).map(|o| LedgerEntry::Network(o.name));
        let volumes = volumes.into_iter().filter(|o| mine(&o.marks.stack)).map(|o| LedgerEntry::Volume(o.name));
        Ok(containers.chain(networks).chain(volumes).collect())
    }

    fn hints(&self) -> Vec<(String, String)> {
        let session = &self.common.session;
        let begun: BTreeSet<&ServiceName> =
            self.services.iter().filter(|(_, run)| run.started.started().is_some()).map(|(name, _)| name).collect();
        let mut hints = Vec::new();
        for name in begun {
            let container = session.name(&self.plan.name, &format!("s-{}", name.service));
            hints.push((format!("docker logs {container}"), format!("the log of {name}")));
            hints.push((format!("docker exec -it {container} sh"), format!("a shell in {name}, if it still runs")));
            hints.push((format!("docker start {container}"), format!("start {name} again, if it exited")));
        }
        hints.push((format!("rehearsa clean --session {}", session.id), "remove all of it".to_owned()));
        hints
    }
}

fn describe(entry: &LedgerEntry) -> String {
    match entry {
        LedgerEntry::Container(name) => format!("container {name}"),
        LedgerEntry::Network(name) => format!("network {name}"),
        LedgerEntry::Volume(name) => format!("volume {name}"),
    }
}
