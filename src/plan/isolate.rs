//! Makes the sandbox's container of a service.
//!
//! [`isolate`] is pure. It takes the service apart exhaustively, so a new setting does not compile until somebody has
//! decided on it. Settings that are known to be harmless are kept; all others are dropped, and each drop is reported.

use crate::model::event::Change;
use crate::model::mount::{Mount, MountOrigin, Strategy};
use crate::model::plan::{Isolated, MountPlan};
use crate::model::pluralize::pluralize;
use crate::model::sandbox::{ContainerSpec, HealthcheckSpec, LoopbackIpv6, MountSource, MountSpec, NetworkSpec, Stdin};
use crate::model::service::{
    Attachment, EnvVar, Healthcheck, Limits, NetworkMode, Privileges, Restart, Service, Setting,
};

use super::mounts::is_of_the_host;

/// The sandbox that the container will be created in.
pub struct SandboxPlacement<'a> {
    /// The sandbox's network.
    pub network: String,
    /// The restored data of a place, by its index in `StackPlan::restores`; `None`: leave the mount out.
    pub sources: &'a (dyn Fn(usize, &Mount) -> Option<MountSource> + Sync),
    /// The sandbox's container in place of a live container; needed when the service shares that container's network.
    pub network_owner: Option<String>,
    /// Further network aliases: the names that links of other services use.
    pub extra_aliases: Vec<String>,
    /// Names that mean another service of the sandbox: those of the stack's own services, for one from outside.
    pub taken_aliases: Vec<String>,
    /// Bytes of memory for a service without a limit of its own; `None`: no limit.
    pub default_memory: Option<i64>,
    /// Number of processes for a service without a limit of its own.
    pub default_pids: i64,
}

impl SandboxPlacement<'static> {
    /// A sandbox that is never created; used to find out only the changes.
    pub fn preview(service: &Service, stack: &str, services: &[&Service]) -> Self {
        Self {
            network: format!("rehearsa-preview-{stack}"),
            sources: &|index, _| Some(MountSource::Volume(format!("rehearsa-preview-{index}"))),
            network_owner: match &service.network_mode {
                NetworkMode::Container { container } => find_container(services, container).map(|s| s.name.to_string()),
                _ => None,
            },
            extra_aliases: Vec::new(),
            taken_aliases: Vec::new(),
            default_memory: None,
            default_pids: i64::MAX,
        }
    }
}

/// Time between two probes in the sandbox, in nanoseconds. With the engine's default of 30 s a rehearsal would mostly
/// wait. Each probe is a process that costs the engine about 0.1 s of a processor: with more probes than this, they
/// would be most of the load.
pub const PROBE_INTERVAL: i64 = 400_000_000;
const SECOND: i64 = 1_000_000_000;

/// CPU weight of a rehearsed service. The default is 1024, so live services come first.
const CPU_SHARES: i64 = 256;
/// OOM score: the kernel kills a rehearsed service before a live one.
const OOM_SCORE_ADJ: i64 = 500;

/// Added capabilities that are kept, since they reach nothing outside the container's own namespaces: the engine's
/// default set without `NET_RAW`, and those that databases need to lock memory or set priorities.
const HARMLESS_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
    "IPC_LOCK",
    "SYS_NICE",
];

/// The capability that the engine gives by default, and no sandbox.
const RAW: &str = "NET_RAW";

/// Returns the container for a service, and its differences from the live one.
pub fn isolate(service: &Service, mounts: &[MountPlan], place: &SandboxPlacement<'_>) -> Isolated {
    let mut changes = Changes::default();
    let Service {
        // Identity and program: `container` keeps them.
        image: _,
        platform: _,
        entrypoint: _,
        command: _,
        user: _,
        group_add: _,
        workdir: _,
        tty: _,
        open_stdin: _,
        shell: _,
        stop_signal: _,
        stop_timeout: _,
        read_only_root: _,
        init: _,
        shm_size: _,
        // `container` decides about these without a note: nobody misses what it changes.
        hostname: _,
        domainname: _,
        healthcheck: _,
        limits: _,
        // Decides whether the address `::1` is there.
        ipv6: _,
        // Decided here, with a note.
        name: _,
        container_name: _,
        env,
        published,
        network_mode,
        networks,
        extra_hosts,
        restart,
        sysctls,
        privileges,
        other,
        // Labels are dropped because agents act on them (the docker room adds ours).
        labels,
        unheard,
        // The mounts and their strategies are in the plan.
        mounts: _,
        // A link's name becomes an alias of the linked service: `SandboxPlacement::extra_aliases`.
        links: _,
        // The plan uses them for order and checks.
        depends_on: _,
        exposed: _,
        // For reports and for finding the service.
        container_id: _,
        running: _,
        unhealthy: _,
        created: _,
        declared: _,
    } = service;

    let labels = labels.len() + unheard.len();
    if labels > 0 {
        changes.quiet("labels", &pluralize(labels, "label"), "none of them");
    }
    if !published.is_empty() {
        changes.quiet("ports", &published.join(", "), "not published");
    }
    if *restart != Restart::No {
        changes.quiet("restart", restart_word(*restart), "no: rehearsa itself starts it again");
    }
    let network = network(service, network_mode, networks, place, &mut changes);
    let cap_add = capabilities(privileges, &mut changes);
    let sysctls = kept_sysctls(sysctls, matches!(network, NetworkSpec::Share(_)), &mut changes);
    for Setting { field, value } in other {
        // A program may bind its fixed address, and a neighbour may dial it.
        if is_fixed_address(field) {
            changes.notable(field, value, "left out: the sandbox network has its own addresses");
        } else {
            changes.quiet(field, value, "left out");
        }
    }
    let extra_hosts = extra_hosts_without_gateway(extra_hosts, &mut changes);
    let env = env.iter().filter(|var| !changes.is_heard_by_agents(var)).cloned().collect();
    let mounts = mount_specs(mounts, place, &mut changes);
    let decided = Decided { env, network, extra_hosts, cap_add, sysctls, mounts };
    Isolated { spec: container(service, decided, place), changes: changes.0 }
}

/// The settings of the sandbox's container whose difference from the live one is reported.
struct Decided {
    env: Vec<EnvVar>,
    network: NetworkSpec,
    extra_hosts: Vec<String>,
    cap_add: Vec<String>,
    sysctls: Vec<(String, String)>,
    mounts: Vec<MountSpec>,
}

fn container(service: &Service, decided: Decided, place: &SandboxPlacement<'_>) -> ContainerSpec {
    let Decided { env, network, extra_hosts, cap_add, sysctls, mounts } = decided;
    let Limits {
        memory,
        memory_swap,
        memory_reservation: _,
        nano_cpus,
        cpu_shares,
        cpu_period,
        cpu_quota,
        cpuset_cpus,
        pids,
        ulimits,
    } = &service.limits;
    let shares_network = matches!(network, NetworkSpec::Share(_));
    let unless_shared = |name: &String| if shares_network { String::new() } else { name.clone() };
    let (memory, memory_swap) = match (memory, place.default_memory) {
        (Some(own), _) => (Some(*own), *memory_swap),
        (None, default) => (default, default),
    };
    let healthcheck = service.healthcheck.as_ref();
    ContainerSpec {
        image: service.image.id.clone(),
        entrypoint: service.entrypoint.clone(),
        command: service.command.clone(),
        env,
        user: service.user.clone(),
        group_add: service.group_add.clone(),
        workdir: service.workdir.clone(),
        hostname: unless_shared(&service.hostname),
        domainname: unless_shared(&service.domainname),
        tty: service.tty,
        stdin: if service.open_stdin { Stdin::Open } else { Stdin::Closed },
        shell: service.shell.clone(),
        stop_signal: service.stop_signal.clone(),
        stop_timeout: service.stop_timeout,
        healthcheck: healthcheck.map_or(HealthcheckSpec::Disabled, |own| HealthcheckSpec::Probe(faster(own))),
        mounts,
        network: with_aliases(network, service.name.service.as_str(), &service.container_name, place),
        extra_hosts: if shares_network { Vec::new() } else { extra_hosts },
        memory,
        memory_swap,
        nano_cpus: *nano_cpus,
        cpu_shares: Some(cpu_shares.filter(|own| *own > 0).map_or(CPU_SHARES, |own| own.min(CPU_SHARES))),
        cpu_period: *cpu_period,
        cpu_quota: *cpu_quota,
        cpuset_cpus: cpuset_cpus.clone(),
        pids: Some(pids.filter(|own| *own > 0).unwrap_or(place.default_pids)),
        oom_score_adj: OOM_SCORE_ADJ,
        ulimits: ulimits.clone(),
        sysctls,
        loopback_ipv6: loopback_ipv6(service),
        cap_add,
        cap_drop: service.privileges.cap_drop.clone(),
        no_new_privileges: service.privileges.security_opt.iter().any(|option| forbids_new_privileges(option)),
        read_only_root: service.read_only_root,
        init: service.init,
        shm_size: service.shm_size,
    }
}

fn forbids_new_privileges(option: &str) -> bool {
    option.starts_with("no-new-privileges") && !option.ends_with("false")
}

/// Keeps the kernel settings that the engine has per container. A container in another's network uses that one's
/// network settings.
fn kept_sysctls(sysctls: &[(String, String)], shares_network: bool, changes: &mut Changes) -> Vec<(String, String)> {
    let own = sysctls.iter().filter(|(key, _)| is_namespaced(key) && !(shares_network && key.starts_with("net.")));
    let (kept, left): (Vec<_>, Vec<_>) = own.cloned().partition(|(key, _)| !is_of_ipv6(key) && !is_of_interface(key));
    for (key, value) in left {
        let field = format!("sysctl {key}");
        match is_of_ipv6(&key) {
            // Off it is in the sandbox, too.
            true if key.ends_with(".disable_ipv6") && value.trim() == "1" => {}
            true => changes.notable(&field, &value, "left out: IPv6 is on loopback only"),
            false => changes.notable(&field, &value, "left out: the sandbox has other interfaces"),
        }
    }
    kept
}

fn is_of_ipv6(key: &str) -> bool {
    key.starts_with("net.ipv6.")
}

/// Whether a setting is one of a single interface (`net.ipv4.conf.eth1.rp_filter`).
fn is_of_interface(key: &str) -> bool {
    let interface = ["net.ipv4.conf.", "net.ipv4.neigh."].iter().find_map(|start| key.strip_prefix(start));
    interface.and_then(|rest| rest.split('.').next()).is_some_and(|name| !["all", "default", "lo"].contains(&name))
}

/// Whether the sandbox's container has the address `::1`, as the live one has. A program that finds it may use it
/// first, and one that listens there alone needs it.
fn loopback_ipv6(service: &Service) -> LoopbackIpv6 {
    let set = |of: &str| {
        let key = format!("net.ipv6.conf.{of}.disable_ipv6");
        service.sysctls.iter().find(|(name, _)| *name == key).map(|(_, value)| value.trim() != "0")
    };
    match set("lo").or(set("all")) {
        Some(true) => LoopbackIpv6::Off,
        Some(false) => LoopbackIpv6::On,
        None if service.ipv6 || service.network_mode == NetworkMode::Host => LoopbackIpv6::On,
        None => LoopbackIpv6::AsTheEngine,
    }
}

/// The network settings that sandbox containers of these services keep, each set once. Containers without any, and
/// those that use another's network or none, bring no set.
pub fn network_sysctls<'a>(services: impl Iterator<Item = &'a Service>) -> Vec<Vec<(String, String)>> {
    let mut sets = Vec::new();
    for service in services {
        if !matches!(service.network_mode, NetworkMode::Networks | NetworkMode::Host) {
            continue;
        }
        let mut set = kept_sysctls(&service.sysctls, false, &mut Changes::default());
        set.retain(|(key, _)| key.starts_with("net."));
        set.sort();
        if !set.is_empty() && !sets.contains(&set) {
            sets.push(set);
        }
    }
    sets
}

/// Keeps the names of all addresses except the host's.
fn extra_hosts_without_gateway(extra_hosts: &[String], changes: &mut Changes) -> Vec<String> {
    let (gateways, kept): (Vec<&String>, Vec<&String>) =
        extra_hosts.iter().partition(|entry| entry.ends_with(":host-gateway"));
    for entry in gateways {
        changes.notable("extra_hosts", entry, "left out: the host is not reachable");
    }
    kept.into_iter().cloned().collect()
}

/// The healthcheck in the sandbox: probes come more often, within the original total time (`start_period + interval ×
/// retries`).
fn faster(own: &Healthcheck) -> Healthcheck {
    let or = |value: i64, default: i64| if value > 0 { value } else { default };
    let interval = or(own.interval, 30 * SECOND);
    let retries = or(own.retries, 3);
    let probe = interval.min(PROBE_INTERVAL);
    Healthcheck {
        test: own.test.clone(),
        interval: probe,
        timeout: or(own.timeout, 30 * SECOND),
        retries: (interval.saturating_mul(retries) + probe - 1) / probe,
        start_period: own.start_period,
    }
}

/// The time that a service's own healthcheck allows until it is healthy, in nanoseconds.
pub fn health_budget(own: &Healthcheck) -> i64 {
    let or = |value: i64, default: i64| if value > 0 { value } else { default };
    let attempt = or(own.interval, 30 * SECOND).saturating_add(or(own.timeout, 30 * SECOND));
    own.start_period.saturating_add(attempt.saturating_mul(or(own.retries, 3)))
}

/// Failures in a row that the service's own healthcheck allows.
pub fn own_retries(own: &Healthcheck) -> i64 {
    if own.retries > 0 { own.retries } else { 3 }
}

fn network(
    service: &Service,
    mode: &NetworkMode,
    networks: &[Attachment],
    place: &SandboxPlacement<'_>,
    changes: &mut Changes,
) -> NetworkSpec {
    let aliases = networks.iter().flat_map(|attachment| attachment.aliases.iter().cloned()).collect();
    let sandbox = NetworkSpec::Sandbox { network: place.network.clone(), aliases };
    match mode {
        NetworkMode::Networks => {
            let names: Vec<&str> = networks.iter().map(|attachment| attachment.network.as_str()).collect();
            changes.quiet("networks", &names.join(", "), "the sandbox network, with the same names on it; no way out");
            sandbox
        }
        NetworkMode::Host => {
            changes.notable("network_mode", "host", "the sandbox network");
            sandbox
        }
        NetworkMode::None => NetworkSpec::None,
        NetworkMode::Container { container } => match &place.network_owner {
            Some(owner) => {
                changes.quiet(
                    "network_mode",
                    &format!("container {container}"),
                    "that service's container in the sandbox",
                );
                NetworkSpec::Share(owner.clone())
            }
            None => {
                tracing::debug!(service = %service.name, container, "network owner is not in the sandbox");
                sandbox
            }
        },
    }
}

fn with_aliases(
    network: NetworkSpec,
    service: &str,
    container_name: &str,
    place: &SandboxPlacement<'_>,
) -> NetworkSpec {
    match network {
        NetworkSpec::Sandbox { network, mut aliases } => {
            aliases.push(service.to_owned());
            aliases.push(container_name.to_owned());
            aliases.extend(place.extra_aliases.iter().cloned());
            aliases.retain(|alias| !alias.is_empty() && !place.taken_aliases.contains(alias));
            aliases.sort_unstable();
            aliases.dedup();
            NetworkSpec::Sandbox { network, aliases }
        }
        other @ (NetworkSpec::None | NetworkSpec::Share(_)) => other,
    }
}

fn capabilities(privileges: &Privileges, changes: &mut Changes) -> Vec<String> {
    let Privileges {
        privileged,
        cap_add,
        cap_drop,
        devices,
        pid_mode,
        ipc_mode,
        userns_mode,
        cgroupns_mode,
        uts_mode,
        security_opt,
    } = privileges;
    if *privileged {
        changes.notable("privileged", "true", "an ordinary container");
    }
    for device in devices {
        changes.notable("device", device, "left out");
    }
    for (field, value) in [("pid", pid_mode), ("userns_mode", userns_mode), ("uts", uts_mode)] {
        if !value.is_empty() {
            changes.notable(field, value, "its own");
        }
    }
    if !matches!(ipc_mode.as_str(), "" | "private" | "shareable" | "none") {
        changes.notable("ipc", ipc_mode, "its own");
    }
    if cgroupns_mode == "host" {
        changes.quiet("cgroup", cgroupns_mode, "its own");
    }
    for option in security_opt.iter().filter(|option| !option.starts_with("no-new-privileges")) {
        changes.notable("security_opt", option, "the engine's default");
    }
    let (keep, leave): (Vec<&String>, Vec<&String>) =
        cap_add.iter().partition(|cap| HARMLESS_CAPABILITIES.contains(&cap.as_str()));
    for cap in leave {
        changes.notable("cap_add", cap, "left out");
    }
    let had_by_default = !*privileged && !cap_drop.iter().chain(cap_add).any(|cap| cap == RAW || cap == "ALL");
    if had_by_default {
        changes.quiet("capability", RAW, "left out: raw frames obey no network; ping works without it");
    }
    keep.into_iter().cloned().collect()
}

fn mount_specs(mounts: &[MountPlan], place: &SandboxPlacement<'_>, changes: &mut Changes) -> Vec<MountSpec> {
    let mut specs = Vec::new();
    for MountPlan { mount, strategy, restore } in mounts {
        let field = format!("mount {}", mount.target);
        if let MountOrigin::Tmpfs { options } = &mount.origin {
            if *strategy != Strategy::Omit {
                let source = MountSource::Tmpfs(options.clone());
                specs.push(MountSpec { target: mount.target.clone(), source, read_only: mount.read_only });
            }
            continue;
        }
        let source = match (strategy, restore) {
            (Strategy::Omit, _) | (_, None) => None,
            (_, Some(index)) => (place.sources)(*index, mount),
        };
        let Some(source) = source else {
            changes.notable(&field, &mount.title(), "left out");
            continue;
        };
        match strategy {
            Strategy::Copy | Strategy::Omit => {}
            Strategy::Readonly if mount.read_only => {}
            Strategy::Readonly => changes.notable(&field, "read and write", "read-only"),
            Strategy::Overlay => changes.quiet(&field, &mount.title(), "a copy-on-write view of it"),
            Strategy::Empty if mount.origin.is_in_memory() => {
                changes.quiet(&field, &format!("{}, which is memory", mount.title()), "a new, empty volume");
            }
            Strategy::Empty => changes.notable(&field, &mount.title(), "a new, empty volume"),
        }
        specs.push(MountSpec {
            target: mount.target.clone(),
            source,
            read_only: mount.read_only || *strategy == Strategy::Readonly,
        });
    }
    specs
}

/// Whether a setting is a fixed address in a network.
pub fn is_fixed_address(field: &str) -> bool {
    field.starts_with("Networks[") && (field.ends_with("].IPv4Address") || field.ends_with("].IPv6Address"))
}

/// The fixed addresses that a service has live and not in the sandbox.
pub fn fixed_addresses(service: &Service) -> impl Iterator<Item = &str> {
    service.other.iter().filter(|setting| is_fixed_address(&setting.field)).map(|setting| setting.value.as_str())
}

/// What the service uses and no sandbox provides: sockets of the host, devices, privileged mode.
pub fn withheld_for_good(service: &Service) -> Vec<String> {
    let sockets = service.mounts.iter().filter_map(|mount| match &mount.origin {
        MountOrigin::Bind { source } if is_of_the_host(source) => Some(source.clone()),
        _ => None,
    });
    let devices = service.privileges.devices.iter().map(|device| format!("device {device}"));
    let privileged = service.privileges.privileged.then(|| "privileged".to_owned());
    sockets.chain(devices).chain(privileged).collect()
}

/// Finds a service of the stack by its container's name or id (or the start of the id).
pub fn find_container<'a>(services: &[&'a Service], container: &str) -> Option<&'a Service> {
    services.iter().copied().find(|service| {
        service.container_name == container || (container.len() >= 12 && service.container_id.starts_with(container))
    })
}

/// Whether the engine keeps a kernel setting per container. Others would change the host, and the engine refuses
/// them.
fn is_namespaced(key: &str) -> bool {
    key.starts_with("net.")
        || key.starts_with("fs.mqueue.")
        || key.starts_with("kernel.shm")
        || key.starts_with("kernel.msg")
        || key == "kernel.sem"
        || key == "kernel.domainname"
}

fn restart_word(restart: Restart) -> &'static str {
    match restart {
        Restart::No => "no",
        Restart::OnFailure => "on-failure",
        Restart::Always => "always or unless stopped",
    }
}

/// Variables by which agents on the host find containers, as others do by labels. nginx-proxy and its ACME companion
/// read them from every running container (<https://github.com/nginx-proxy/nginx-proxy>,
/// <https://github.com/nginx-proxy/acme-companion>).
const HEARD_BY_AGENTS: [&str; 8] = [
    "VIRTUAL_HOST",
    "VIRTUAL_HOST_MULTIPORTS",
    "VIRTUAL_PATH",
    "VIRTUAL_DEST",
    "VIRTUAL_PORT",
    "LETSENCRYPT_HOST",
    "LETSENCRYPT_EMAIL",
    "ACME_HOST",
];

#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    /// Whether agents act on a variable; if so, notes that the variable is dropped.
    fn is_heard_by_agents(&mut self, var: &EnvVar) -> bool {
        let heard = HEARD_BY_AGENTS.contains(&var.name.as_str());
        if heard {
            self.quiet(&format!("env {}", var.name), "set", "left out: agents on the host act on it");
        }
        heard
    }

    fn quiet(&mut self, field: &str, live: &str, sandbox: &str) {
        self.push(field, live, sandbox, false);
    }

    fn notable(&mut self, field: &str, live: &str, sandbox: &str) {
        self.push(field, live, sandbox, true);
    }

    fn push(&mut self, field: &str, live: &str, sandbox: &str, notable: bool) {
        self.0.push(Change { field: field.to_owned(), live: live.to_owned(), sandbox: sandbox.to_owned(), notable });
    }
}
