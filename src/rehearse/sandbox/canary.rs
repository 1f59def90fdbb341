//! The canary: the proof, made inside each sandbox before anything is booted there, that nothing outside answers.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Step;
use crate::rehearse::diagnose::job_diagnosis;
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::stack_context::StackContext;
use crate::worker::protocol::CanaryJob;

use super::worker::Sandbox;

/// A name that only a resolver outside knows.
const OUTSIDE_NAME: &str = "example.com";
/// How long the canary waits for an answer. Neighbours on a bridge answer within a millisecond; where no route leads,
/// the kernel says so at once; a resolver on the host or beside it knows a name as common as the canary's within some
/// ten.
const CANARY_PATIENCE_MS: u64 = 75;

/// Asks from inside the sandbox whether anything outside answers. If so, the whole run is stopped.
pub(in crate::rehearse) async fn prove_isolation(cx: &StackContext, sandbox: &Sandbox) -> Diagnosed<()> {
    let worker = sandbox.worker("the canary").await?;
    let network = &sandbox.network;
    let step = cx.begin(cx.cases(), Step::Canary);
    let mut addresses = match cx.run.addresses().await {
        Ok(addresses) => addresses.to_vec(),
        Err(diagnosis) => return Err(step.broke(diagnosis)),
    };
    addresses.extend(network.gateways.iter().cloned());
    let job = CanaryJob { addresses, name: OUTSIDE_NAME.to_owned(), patience_ms: CANARY_PATIENCE_MS };
    match worker.run(job).await {
        Ok(answered) if answered.is_empty() => {
            step.done();
            Ok(())
        }
        Ok(answered) => {
            let message = format!(
                "from inside the sandbox network {}, which must lead nowhere: {}; no service was booted in it",
                network.name,
                answered.join("; ")
            );
            let diagnosis = step.broke(Diagnosis::new(Code::SandboxNotIsolated, message));
            cx.run.notify.halt();
            cx.run.breach().tell(&cx.plan.name, &diagnosis);
            Err(diagnosis)
        }
        Err(error) => Err(step.broke(job_diagnosis(&error, "the canary"))),
    }
}
