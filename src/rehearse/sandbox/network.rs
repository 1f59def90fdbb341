//! The network of a sandbox. Containers on it reach each other and nothing else: the host has no interface there.
//!
//! A bridge is an interface of the host, even without an address. On many hosts it takes in what a container sends to
//! everybody, and frames for the host's other addresses, and it has an address of IPv6. So the sandbox network is a
//! `macvlan`, whose packets never come up from the device below it.

use std::sync::Arc;

use crate::docker::{Device, DockerError, DockerErrorKind, NetworkInfo};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Step;
use crate::model::sandbox::{ContainerSpec, NetworkSpec};
use crate::rehearse::diagnose::docker_diagnosis;
use crate::rehearse::shared_task::{Diagnosed, SharedFuture};
use crate::rehearse::stack_context::StackContext;
use crate::worker::client::{WorkerError, WorkerImage, keeper};

use super::media::Medium;

/// The role of the sandbox's network.
pub(in crate::rehearse) const NETWORK: &str = "net";
/// The role of the bridge below the network, and of the container that keeps it up.
const WIRE: &str = "wire";
/// The role of the second container of that kind, where the first could not be started.
const WIRE_AGAIN: &str = "wire-again";
const CREATING: &str = "creating the sandbox network";

/// The network of a sandbox.
#[derive(Debug, Clone)]
pub(in crate::rehearse) struct SandboxNetwork {
    pub info: NetworkInfo,
    pub medium: Medium,
}

/// Creates the network. Its step begins at once, before the future is polled: it is the first of a sandbox.
pub(in crate::rehearse) fn create_network(
    cx: &Arc<StackContext>,
) -> impl Future<Output = Diagnosed<SandboxNetwork>> + Send + use<> {
    let cx = Arc::clone(cx);
    let begun = refuse_after_breach(&cx).map(|()| cx.begin(cx.cases(), Step::Network));
    async move {
        let step = begun?;
        match create(&cx).await {
            Ok(network) => {
                step.done();
                Ok(network)
            }
            Err(error) => Err(step.broke(docker_diagnosis(&error, Code::SandboxFailed, CREATING))),
        }
    }
}

/// Why nothing is created any more: a sandbox of this run was found open.
pub(in crate::rehearse) fn refuse_after_breach(cx: &StackContext) -> Diagnosed<()> {
    cx.run.breach().known(&cx.plan.name).map_or(Ok(()), Err)
}

/// Creates the network on the strictest medium that the engine takes.
async fn create(cx: &StackContext) -> Result<SandboxNetwork, DockerError> {
    let mut medium = cx.run.media().best();
    loop {
        let created = match medium {
            Medium::Dummy => cx.client.create_network(NETWORK, Device::Dummy).await,
            Medium::Wire => create_over_wire(cx).await,
            Medium::Bridge => cx.client.create_network(NETWORK, Device::Bridge).await,
        };
        match created {
            Ok(info) => return Ok(SandboxNetwork { info, medium }),
            Err(error) if medium != Medium::Bridge && matches!(error.kind, DockerErrorKind::Engine(_)) => {
                tracing::debug!(%error, ?medium, "the engine cannot make this network");
                medium = cx.run.media().rule_out(medium);
            }
            Err(error) => return Err(error),
        }
    }
}

async fn create_over_wire(cx: &StackContext) -> Result<NetworkInfo, DockerError> {
    let wire = cx.client.create_network(WIRE, Device::Wire).await?;
    cx.client.create_network(NETWORK, Device::Over(wire)).await
}

/// Keeps the bridge below the network up. A bridge has a carrier as long as a container is plugged into it; without a
/// carrier nothing is sent over it. This container does nothing else, and is the only one from which the host could
/// hear something.
pub(in crate::rehearse) async fn keep_up(
    cx: &StackContext,
    image: &WorkerImage,
    network: SharedFuture<SandboxNetwork>,
) -> Diagnosed<()> {
    if network.await?.medium != Medium::Wire {
        return Ok(());
    }
    let on = NetworkSpec::Sandbox { network: cx.client.name(WIRE), aliases: Vec::new() };
    let keeper = keeper(image, on);
    let plugged = match create_and_start(cx, WIRE, &keeper).await {
        Err(error) if cx.run.daemon.ipv6.learn(&error) => create_and_start(cx, WIRE_AGAIN, &keeper).await,
        done => done,
    };
    plugged.map_err(|error| docker_diagnosis(&error, Code::SandboxFailed, CREATING))
}

async fn create_and_start(cx: &StackContext, role: &str, spec: &ContainerSpec) -> Result<(), DockerError> {
    let container = cx.client.create_container(role, spec.clone()).await?;
    cx.run.daemon.start_container(&container).await
}

/// If a container could not be started because the kernel has no `macvlan`, puts a bridge in the place of the network.
/// The engine tells of it not before a container is started.
pub(in crate::rehearse) async fn replace_if_unsupported(
    cx: &StackContext,
    network: &SandboxNetwork,
    error: &WorkerError,
) -> Diagnosed<Option<SandboxNetwork>> {
    if network.medium == Medium::Bridge || !is_about_macvlan(error) {
        return Ok(None);
    }
    tracing::debug!(%error, medium = ?network.medium, "the engine's kernel has no macvlan");
    cx.run.media().rule_out(Medium::Wire);
    let replaced = async {
        cx.run.daemon.remove_network(&network.info.id).await?;
        cx.client.create_network(NETWORK, Device::Bridge).await
    };
    match replaced.await {
        Ok(info) => Ok(Some(SandboxNetwork { info, medium: Medium::Bridge })),
        Err(error) => Err(docker_diagnosis(&error, Code::SandboxFailed, CREATING)),
    }
}

/// The engine's words: `failed to create the macvlan port: operation not supported`.
fn is_about_macvlan(error: &WorkerError) -> bool {
    let WorkerError::Docker(DockerError { kind: DockerErrorKind::Engine(words), .. }) = error else { return false };
    words.contains("macvlan") && (words.contains("not supported") || words.contains("no such device"))
}

/// The diagnosis of a sandbox whose network answers from outside.
pub(in crate::rehearse) fn not_isolated(network: &SandboxNetwork, answered: &[String]) -> Diagnosis {
    let way_out = match network.medium {
        Medium::Dummy | Medium::Wire => "",
        Medium::Bridge => {
            "; the engine's kernel has no macvlan, so the network is a bridge of the host: load the module (modprobe \
             macvlan), or let the host drop packets from a wrong interface (sysctl net.ipv4.conf.all.rp_filter=1)"
        }
    };
    let message = format!(
        "from inside the sandbox network {}, which must lead nowhere: {}; no service was booted in it{way_out}",
        network.info.name,
        answered.join("; ")
    );
    Diagnosis::new(Code::SandboxNotIsolated, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(words: &str) -> WorkerError {
        let kind = DockerErrorKind::Engine(words.to_owned());
        WorkerError::Docker(DockerError { operation: "start container", subject: "w".to_owned(), kind, source: None })
    }

    #[test]
    fn a_kernel_without_macvlan_is_told_from_other_refusals() {
        assert!(is_about_macvlan(&error("failed to create the macvlan port: operation not supported")));
        assert!(!is_about_macvlan(&error("failed to set up macvlan: device or resource busy")));
        assert!(!is_about_macvlan(&error("OCI runtime create failed: operation not supported")));
    }
}
