//! What no container of a sandbox has, whatever its spec says: capabilities over networks, and IPv6 on an interface
//! that leads somewhere.
//!
//! A raw frame obeys no route and no firewall of the container, and an IPv6 address comes by itself: both reached the
//! host over a bridge on which it has no address.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::model::sandbox::{ContainerSpec, LoopbackIpv6, NetworkSpec};

use super::errors::{DockerError, DockerErrorKind};

/// Capabilities that no container gets. `NET_ADMIN` changes interfaces, addresses and routes, and `NET_RAW` sends
/// frames of any form.
const OVER_NETWORKS: [&str; 2] = ["NET_ADMIN", "NET_RAW"];
const ALL: &str = "ALL";
/// The first API version (Docker 26) in which `::1` is in every container, and in which interfaces come after the
/// settings.
const LOOPBACK_HAS_IPV6: (u16, u16) = (1, 45);

/// The engine that gets a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Engine {
    /// The API version that is spoken.
    pub api: (u16, u16),
    /// The newest API version that the engine has.
    pub newest: (u16, u16),
    /// Its kernel has settings of IPv6.
    pub has_ipv6: bool,
}

/// What is known of IPv6 in an engine's kernel. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct KernelIpv6 {
    is_missing: Arc<AtomicBool>,
}

impl KernelIpv6 {
    /// Whether the kernel has settings of IPv6. True until an engine says otherwise.
    pub fn is_there(&self) -> bool {
        !self.is_missing.load(Ordering::Relaxed)
    }

    /// Whether a container could not be started because the kernel has no IPv6 that could be switched off. If so,
    /// containers that are created from now on do without that setting: a container that is created again starts.
    pub fn learn(&self, error: &DockerError) -> bool {
        let missing = is_about_missing_ipv6(error);
        if missing {
            self.is_missing.store(true, Ordering::Relaxed);
        }
        missing
    }
}

/// The runtime's words: `open /proc/sys/net/ipv6/conf/default/disable_ipv6: no such file or directory`.
fn is_about_missing_ipv6(error: &DockerError) -> bool {
    let (DockerErrorKind::Engine(words) | DockerErrorKind::NotFound(words)) = &error.kind else { return false };
    words.contains("/proc/sys/net/ipv6/") && words.contains("no such file")
}

/// The capabilities to add and to drop. The engine adds one that stands in both lists.
pub(super) fn capabilities(spec: &ContainerSpec) -> (Vec<String>, Vec<String>) {
    let plain = |name: &String| {
        let name = name.to_ascii_uppercase();
        name.strip_prefix("CAP_").map(str::to_owned).unwrap_or(name)
    };
    let is_kept = |name: &&String| !OVER_NETWORKS.contains(&plain(name).as_str()) && plain(name) != ALL;
    let add = spec.cap_add.iter().filter(is_kept).cloned().collect();
    let own = spec.cap_drop.iter().filter(|name| !OVER_NETWORKS.contains(&plain(name).as_str())).cloned();
    let drop = own.chain(OVER_NETWORKS.map(str::to_owned)).collect();
    (add, drop)
}

/// The kernel settings of a container.
///
/// The runtime applies them in any order, and `all` writes to every interface that is there, loopback included. So
/// `all` stands only where loopback is to have no IPv6 either. `default` is for interfaces that come later; engines
/// that put the interface in before have switched IPv6 off in the whole namespace.
pub(super) fn sysctls(spec: &ContainerSpec, engine: Engine) -> HashMap<String, String> {
    // In the namespace of another container, the settings are that container's.
    let shares = matches!(spec.network, NetworkSpec::Share(_));
    let is_kept = |key: &str| !(key.starts_with("net.ipv6.") || shares && key.starts_with("net."));
    let mut sysctls: HashMap<String, String> = spec.sysctls.iter().filter(|(key, _)| is_kept(key)).cloned().collect();
    if !shares && engine.has_ipv6 {
        let mut ipv6 = |of: &str, off: &str| sysctls.insert(format!("net.ipv6.conf.{of}.disable_ipv6"), off.to_owned());
        ipv6("default", "1");
        match spec.loopback_ipv6 {
            LoopbackIpv6::On => ipv6("lo", "0"),
            LoopbackIpv6::AsTheEngine if engine.newest >= LOOPBACK_HAS_IPV6 => None,
            LoopbackIpv6::AsTheEngine | LoopbackIpv6::Off => ipv6("all", "1"),
        };
    }
    sysctls
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Engine = Engine { api: (1, 41), newest: (1, 41), has_ipv6: true };
    const NEW: Engine = Engine { api: (1, 48), newest: (1, 48), has_ipv6: true };

    fn spec() -> ContainerSpec {
        let network = NetworkSpec::Sandbox { network: "n".into(), aliases: Vec::new() };
        ContainerSpec { network, cap_drop: Vec::new(), ..ContainerSpec::locked_down("i", "p", &[]) }
    }

    #[test]
    fn capabilities_over_networks_are_dropped_however_they_are_asked_for() {
        for name in ["NET_RAW", "CAP_NET_RAW", "net_raw", "NET_ADMIN", "CAP_NET_ADMIN", "ALL", "CAP_ALL", "all"] {
            let spec = ContainerSpec { cap_add: vec![name.into(), "CHOWN".into()], ..spec() };
            let (add, drop) = capabilities(&spec);
            assert_eq!(add, ["CHOWN"], "{name}");
            assert_eq!(drop, ["NET_ADMIN", "NET_RAW"], "{name}");
        }
        let spec = ContainerSpec { cap_drop: vec!["ALL".into(), "CAP_NET_RAW".into()], ..spec() };
        assert_eq!(capabilities(&spec).1, ["ALL", "NET_ADMIN", "NET_RAW"]);
    }

    #[test]
    fn ipv6_is_off_whatever_the_spec_says() {
        let ours = |spec: &ContainerSpec, engine| {
            let mut found: Vec<(String, String)> = sysctls(spec, engine).into_iter().collect();
            found.sort();
            found.into_iter().map(|(key, value)| format!("{}={value}", key.replace("net.ipv6.conf.", ""))).collect()
        };
        let cases: [(LoopbackIpv6, Engine, &[&str]); 5] = [
            (LoopbackIpv6::AsTheEngine, OLD, &["all.disable_ipv6=1", "default.disable_ipv6=1"]),
            (LoopbackIpv6::AsTheEngine, NEW, &["default.disable_ipv6=1"]),
            (LoopbackIpv6::On, OLD, &["default.disable_ipv6=1", "lo.disable_ipv6=0"]),
            (LoopbackIpv6::On, NEW, &["default.disable_ipv6=1", "lo.disable_ipv6=0"]),
            (LoopbackIpv6::Off, NEW, &["all.disable_ipv6=1", "default.disable_ipv6=1"]),
        ];
        for (loopback_ipv6, engine, wanted) in cases {
            let asked =
                ["all", "default", "eth0"].map(|of| (format!("net.ipv6.conf.{of}.disable_ipv6"), "0".to_owned()));
            let spec = ContainerSpec { loopback_ipv6, sysctls: asked.into(), ..spec() };
            let found: Vec<String> = ours(&spec, engine);
            assert_eq!(found, wanted, "{loopback_ipv6:?} {engine:?}");
        }
    }

    #[test]
    fn a_kernel_without_ipv6_is_asked_to_switch_nothing_off() {
        assert!(sysctls(&spec(), Engine { has_ipv6: false, ..OLD }).is_empty());
        let words = "OCI runtime create failed: container_linux.go:380: starting container process caused: \
                     process_linux.go:545: container init caused: write sysctl key net.ipv6.conf.default.disable_ipv6: \
                     open /proc/sys/net/ipv6/conf/default/disable_ipv6: no such file or directory: unknown";
        let error = |words: &str| DockerError::new("start container", "c", DockerErrorKind::Engine(words.to_owned()));
        assert!(is_about_missing_ipv6(&error(words)));
        assert!(!is_about_missing_ipv6(&error("exec: \"x\": no such file or directory")));
    }
}
