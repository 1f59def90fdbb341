//! Removes a sandbox, and checks that nothing of it is left.

use std::time::Duration;

use futures_util::future::join_all;

use crate::docker::{DockerError, DockerErrorKind, Objects, own_objects_left};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::{Fact, Step};
use crate::model::service::ServiceName;

use super::boot::container_role;
use super::sandbox::ledger::LedgerEntry;
use super::stack_context::StackContext;

/// Attempts to remove an object: a network or volume may be in use for a moment after its last container was removed.
const TRIES: u32 = 5;

/// Keeps the sandbox for its owner to look at, and tells how. These services were started.
pub(super) async fn keep(cx: &StackContext, cases: Vec<ServiceName>, started: &[&ServiceName]) {
    let step = cx.begin(cases, Step::Teardown);
    cx.client.ledger().settled().await;
    cx.run.notify.send(Fact::SandboxKept { stack: cx.plan.name.clone(), hints: hints(cx, started) });
    step.done_with(None, Some("kept".to_owned()));
}

/// Removes all objects of the ledger, goes on after failures, then looks for more by label.
pub(super) async fn remove(cx: &StackContext, cases: Vec<ServiceName>) {
    let step = cx.begin(cases, Step::Teardown);
    let left = tokio::select! {
        left = remove_and_look(cx) => left,
        () = cx.run.stop.grace_over() => Err("there was no time to remove everything".to_owned()),
    };
    match left {
        Ok(()) => step.done(),
        Err(message) => {
            step.done_with(None, Some("not all could be removed".to_owned()));
            let message = format!("the sandbox of {}: {message}", cx.plan.name);
            cx.run.notify.send(Fact::LeftBehind { diagnosis: Diagnosis::new(Code::SandboxLeftBehind, message) });
        }
    }
}

async fn remove_and_look(cx: &StackContext) -> Result<(), String> {
    let ledger = cx.client.ledger();
    ledger.settled().await;
    let mut errors = remove_all(cx, ledger.take()).await;
    let left = match objects_left(cx).await {
        Ok(left) => left,
        Err(error) => {
            errors.push(format!("looking for what is left: {error}"));
            return Err(errors.join("; "));
        }
    };
    if left.is_empty() {
        // An object that could not be removed, but is not there any more, is no problem.
        return Ok(());
    }
    let errors = remove_all(cx, left).await;
    let left = objects_left(cx).await.map_err(|error| format!("looking for what is left: {error}"))?;
    if left.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = left.iter().map(describe).collect();
    Err(format!("{} left; {}", names.join(", "), errors.join("; ")))
}

/// Removes all containers at once, then all other objects at once. Returns the failures.
async fn remove_all(cx: &StackContext, entries: Vec<LedgerEntry>) -> Vec<String> {
    let (containers, held): (Vec<LedgerEntry>, Vec<LedgerEntry>) =
        entries.into_iter().partition(|entry| matches!(entry, LedgerEntry::Container(_)));
    let mut errors = Vec::new();
    for entries in [containers, held] {
        let removed = join_all(entries.iter().map(|entry| remove_one(cx, entry))).await;
        let failed = entries.iter().zip(removed).filter_map(|(entry, result)| Some((entry, result.err()?)));
        errors.extend(failed.map(|(entry, error)| format!("{}: {error}", describe(entry))));
    }
    errors
}

async fn remove_one(cx: &StackContext, entry: &LedgerEntry) -> Result<(), DockerError> {
    let daemon = &cx.run.daemon;
    let mut tries = 0;
    loop {
        let result = match entry {
            LedgerEntry::Container(name) => daemon.remove_container(name).await,
            LedgerEntry::Network(name) => daemon.remove_network(name).await,
            LedgerEntry::Volume(name) => daemon.remove_volume(name).await,
        };
        tries += 1;
        match result {
            // An overlay volume uses the volume below it until the overlay is removed.
            Err(error) if matches!(error.kind, DockerErrorKind::Conflict(_)) && tries < TRIES => {
                tokio::time::sleep(Duration::from_millis(50 << tries)).await;
            }
            other => return other,
        }
    }
}

/// The objects that carry this stack's labels now.
async fn objects_left(cx: &StackContext) -> Result<Vec<LedgerEntry>, DockerError> {
    let Objects { containers, networks, volumes, foreign: _ } =
        own_objects_left(&cx.run.daemon, &cx.run.session.id).await?;
    let mine = |stack: &str| stack == cx.plan.name;
    let containers = containers.into_iter().filter(|o| mine(&o.marks.stack)).map(|o| LedgerEntry::Container(o.name));
    let networks = networks.into_iter().filter(|o| mine(&o.marks.stack)).map(|o| LedgerEntry::Network(o.name));
    let volumes = volumes.into_iter().filter(|o| mine(&o.marks.stack)).map(|o| LedgerEntry::Volume(o.name));
    Ok(containers.chain(networks).chain(volumes).collect())
}

/// Commands for a kept sandbox, each with its purpose.
fn hints(cx: &StackContext, started: &[&ServiceName]) -> Vec<(String, String)> {
    let mut hints = Vec::new();
    for name in started {
        let container = cx.client.name(&container_role(name));
        hints.push((format!("docker logs {container}"), format!("the log of {name}")));
        hints.push((format!("docker exec -it {container} sh"), format!("a shell in {name}, if it still runs")));
        hints.push((format!("docker start {container}"), format!("start {name} again, if it exited")));
    }
    hints.push((format!("rehearsa clean --session {}", cx.run.session.id), "remove all of it".to_owned()));
    hints
}

fn describe(entry: &LedgerEntry) -> String {
    match entry {
        LedgerEntry::Container(name) => format!("container {name}"),
        LedgerEntry::Network(name) => format!("network {name}"),
        LedgerEntry::Volume(name) => format!("volume {name}"),
    }
}
