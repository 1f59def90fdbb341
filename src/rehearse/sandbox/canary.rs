//! The canary: the proof, made inside each sandbox before anything is booted there, that nothing outside answers.

use futures_util::future::try_join_all;

use crate::model::diagnosis::Diagnosis;
use crate::model::event::Step;
use crate::model::sandbox::NetworkSpec;
use crate::plan::isolate::network_sysctls;
use crate::rehearse::diagnose::{job_diagnosis, worker_diagnosis};
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::stack_context::StackContext;
use crate::worker::client::JobError;
use crate::worker::protocol::CanaryJob;

use super::network::{NETWORK, not_isolated};
use super::worker::Sandbox;

/// A name that only a resolver outside knows.
const OUTSIDE_NAME: &str = "example.com";
/// How long the canary waits for an answer. Neighbours on a bridge answer within a millisecond; where no route leads,
/// the kernel says so at once; a resolver on the host or beside it knows a name as common as the canary's within some
/// ten.
const CANARY_PATIENCE_MS: u64 = 75;

/// Asks from inside the sandbox whether anything outside answers. If so, the whole run is stopped.
///
/// The worker is an ordinary container of the sandbox: no container has a capability over networks, and IPv6 is off in
/// all of them (`docker/namespaces.rs`). So the worker sees the network as the services do, but for services with
/// network settings of their own. For each such set of settings a worker is started that has them, too.
pub(in crate::rehearse) async fn prove_isolation(cx: &StackContext, sandbox: &Sandbox) -> Diagnosed<()> {
    let worker = sandbox.worker("the canary").await?;
    let network = &sandbox.network;
    let step = cx.begin(cx.cases(), Step::Canary);
    let mut addresses = match cx.run.addresses().await {
        Ok(addresses) => addresses.to_vec(),
        Err(diagnosis) => return Err(step.broke(diagnosis)),
    };
    addresses.extend(network.info.gateways.iter().cloned());
    let job = CanaryJob { addresses, name: OUTSIDE_NAME.to_owned(), patience_ms: CANARY_PATIENCE_MS };
    let of_worker = async { worker.run(job.clone()).await.map_err(|error| failed(&error)) };
    let (of_worker, of_settings) = tokio::join!(of_worker, ask_with_settings(cx, &job));
    let answered: Vec<String> = match (of_worker, of_settings) {
        (Ok(answered), Ok(more)) => answered.into_iter().chain(more).collect(),
        (Err(diagnosis), _) | (_, Err(diagnosis)) => return Err(step.broke(diagnosis)),
    };
    if answered.is_empty() {
        step.done();
        return Ok(());
    }
    let diagnosis = step.broke(not_isolated(network, &answered));
    cx.run.notify.halt();
    cx.run.breach().tell(&cx.plan.name, &diagnosis);
    Err(diagnosis)
}

/// Asks with the network settings of each service that has some.
async fn ask_with_settings(cx: &StackContext, job: &CanaryJob) -> Diagnosed<Vec<String>> {
    let sets = network_sysctls(cx.plan.services.iter().map(|plan| &plan.service));
    let asked = sets.into_iter().enumerate().map(|(index, sysctls)| async move {
        let image = cx.run.image().await?;
        let role = format!("canary{index}");
        let on = NetworkSpec::Sandbox { network: cx.client.name(NETWORK), aliases: Vec::new() };
        let started = cx.client.start_probe(&image, &role, Vec::new(), on, sysctls).await;
        let worker = started.map_err(|error| worker_diagnosis(&error, "the canary"))?;
        let answered = worker.run(job.clone()).await;
        cx.client.dismiss(worker);
        answered.map_err(|error| failed(&error))
    });
    try_join_all(asked).await.map(|answered| answered.concat())
}

fn failed(error: &JobError) -> Diagnosis {
    job_diagnosis(error, "the canary")
}
