//! Looks for a reason outside of the sandbox why a service ended: a restart of the engine, or somebody who stopped the
//! container. Then nothing is known about the data.

use std::time::Duration;

use crate::model::diagnosis::{Code, Diagnosis};

use super::stack_context::StackContext;
use super::state::Booted;

/// An engine that shuts down stops the containers first, and its connections break when all of them have ended. This
/// is the wait for that; it decides only about the words.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// The diagnosis of what was done to a booted service from outside; `None`: nothing was.
pub(super) async fn interference(cx: &StackContext, booted: &Booted) -> Option<Diagnosis> {
    let (run, name) = (&cx.run, &booted.name);
    let watch = run.watch().await.ok()?;
    let signalled = watch.of(&booted.container).borrow().signalled;
    if signalled {
        let mut breaks = watch.breaks();
        let broke = breaks.wait_for(|breaks| *breaks > booted.breaks);
        if !matches!(tokio::time::timeout(SHUTDOWN, broke).await, Ok(Ok(_))) {
            let message = format!("the sandbox's container {name} was stopped by somebody else (docker stop or kill)");
            return Some(Diagnosis::new(Code::SandboxFailed, message));
        }
        return Some(restarted(name, "was stopped or restarted"));
    }
    match watch.engine_restarted(&run.daemon, booted.breaks).await {
        Some(false) => None,
        Some(true) => Some(restarted(name, "was restarted")),
        None => Some(restarted(name, "stopped answering")),
    }
}

fn restarted(container: &str, did: &str) -> Diagnosis {
    let message = format!("the Docker engine {did} while {container} ran, which ends containers");
    Diagnosis::new(Code::HostEngineRestarted, message)
}
