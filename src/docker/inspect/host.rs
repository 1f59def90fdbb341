//! The host's side of a live container: limits, privileges, networks, ports.

use std::collections::HashMap;

use bollard::models::{
    self, DeviceMapping, DeviceRequest, EndpointIpamConfig, EndpointSettings, HostConfig, HostConfigCgroupnsModeEnum,
    HostConfigIsolationEnum, NetworkSettings, PortMap, ResourcesUlimits, RestartPolicyNameEnum, ThrottleDevice,
};

use crate::model::service::{Attachment, Limits, NetworkMode, Privileges, Restart, Ulimit};

use super::defaults::{Defaults, Others};

/// What a container's `HostConfig` says.
pub(in crate::docker) struct Host {
    pub(in crate::docker) network_mode: NetworkMode,
    pub(in crate::docker) published: Vec<String>,
    pub(in crate::docker) extra_hosts: Vec<String>,
    pub(in crate::docker) links: Vec<String>,
    pub(in crate::docker) limits: Limits,
    pub(in crate::docker) sysctls: Vec<(String, String)>,
    pub(in crate::docker) read_only_root: bool,
    pub(in crate::docker) init: Option<bool>,
    pub(in crate::docker) shm_size: Option<i64>,
    pub(in crate::docker) restart: Restart,
    pub(in crate::docker) privileges: Privileges,
    pub(in crate::docker) group_add: Vec<String>,
    pub(in crate::docker) tmpfs: HashMap<String, String>,
    pub(in crate::docker) mounts: Vec<models::Mount>,
}

pub(in crate::docker) fn read(host: HostConfig, defaults: &Defaults, other: &mut Others) -> Host {
    let HostConfig {
        cpu_shares,
        memory,
        cgroup_parent,
        blkio_weight,
        blkio_weight_device,
        blkio_device_read_bps,
        blkio_device_write_bps,
        blkio_device_read_iops,
        blkio_device_write_iops,
        cpu_period,
        cpu_quota,
        cpu_realtime_period,
        cpu_realtime_runtime,
        cpuset_cpus,
        cpuset_mems,
        devices,
        device_cgroup_rules,
        device_requests,
        memory_reservation,
        memory_swap,
        memory_swappiness,
        nano_cpus,
        oom_kill_disable,
        init,
        pids_limit,
        ulimits,
        cpu_count,
        cpu_percent,
        io_maximum_iops,
        io_maximum_bandwidth,
        binds: _,             // what came of them stands among the mounts
        container_id_file: _, // a file the client wrote
        log_config,
        network_mode,
        port_bindings,
        restart_policy,
        auto_remove,
        volume_driver,
        volumes_from,
        mounts,
        console_size: _, // of the terminal it was started from
        annotations,
        cap_add,
        cap_drop,
        cgroupns_mode,
        dns,
        dns_options,
        dns_search,
        extra_hosts,
        group_add,
        ipc_mode,
        cgroup,
        links,
        oom_score_adj,
        pid_mode,
        privileged,
        publish_all_ports,
        readonly_rootfs,
        security_opt,
        storage_opt,
        tmpfs,
        uts_mode,
        userns_mode,
        shm_size,
        sysctls,
        runtime,
        isolation,
        masked_paths,
        readonly_paths,
    } = host;
    let as_is = |text: String| text;
    other.text("CgroupParent", cgroup_parent);
    other.number("BlkioWeight", blkio_weight.map(i64::from));
    other.list("BlkioWeightDevice", blkio_weight_device, |device| {
        format!("{}={}", device.path.unwrap_or_default(), device.weight.unwrap_or_default())
    });
    for (field, devices) in [
        ("BlkioDeviceReadBps", blkio_device_read_bps),
        ("BlkioDeviceWriteBps", blkio_device_write_bps),
        ("BlkioDeviceReadIOps", blkio_device_read_iops),
        ("BlkioDeviceWriteIOps", blkio_device_write_iops),
    ] {
        other.list(field, devices, |ThrottleDevice { path, rate }| {
            format!("{}={}", path.unwrap_or_default(), rate.unwrap_or_default())
        });
    }
    other.number("CpuRealtimePeriod", cpu_realtime_period);
    other.number("CpuRealtimeRuntime", cpu_realtime_runtime);
    other.text("CpusetMems", cpuset_mems);
    other.number("MemorySwappiness", memory_swappiness.filter(|value| *value != -1));
    other.flag("OomKillDisable", oom_kill_disable);
    other.number("CpuCount", cpu_count);
    other.number("CpuPercent", cpu_percent);
    other.number("IOMaximumIOps", io_maximum_iops);
    other.number("IOMaximumBandwidth", io_maximum_bandwidth);
    // A log driver's options hold tokens and addresses; its name is enough.
    let log_driver = log_config.and_then(|log| log.typ);
    other.text("LogConfig.Type", log_driver.filter(|driver| *driver != defaults.log_driver));
    other.flag("AutoRemove", auto_remove);
    other.text("VolumeDriver", volume_driver);
    other.list("VolumesFrom", volumes_from, as_is);
    other.map("Annotations", annotations);
    other.list("Dns", dns, as_is);
    other.list("DnsOptions", dns_options, as_is);
    other.list("DnsSearch", dns_search, as_is);
    other.text("Cgroup", cgroup);
    other.number("OomScoreAdj", oom_score_adj);
    other.flag("PublishAllPorts", publish_all_ports);
    other.map("StorageOpt", storage_opt);
    other.text("Runtime", runtime.filter(|runtime| *runtime != defaults.runtime));
    let ordinary = [HostConfigIsolationEnum::EMPTY, HostConfigIsolationEnum::DEFAULT];
    other.text("Isolation", isolation.filter(|value| !ordinary.contains(value)).map(|value| value.to_string()));
    if ipc_mode.as_deref() == Some("none") {
        other.note("IpcMode", "none");
    }

    let privileged = privileged.unwrap_or_default();
    let mut security_opt = security_opt.unwrap_or_default();
    // The client turns this option into empty lists. A privileged container has none at all.
    let emptied = |paths: Option<Vec<String>>| paths.is_some_and(|paths| paths.is_empty());
    if !privileged && emptied(masked_paths) | emptied(readonly_paths) {
        security_opt.push("systempaths=unconfined".to_owned());
    }
    let own_ipc = |mode: &String| matches!(mode.as_str(), "private" | "shareable" | "none");
    let cgroupns =
        cgroupns_mode.filter(|mode| *mode != defaults.cgroupns && *mode != HostConfigCgroupnsModeEnum::PRIVATE);
    let mut sysctls: Vec<_> = sysctls.unwrap_or_default().into_iter().collect();
    sysctls.sort();
    let set = |number: Option<i64>| number.filter(|number| *number != 0);
    Host {
        network_mode: read_network_mode(&network_mode.unwrap_or_default()),
        published: read_ports(port_bindings.unwrap_or_default()),
        extra_hosts: extra_hosts.unwrap_or_default(),
        links: links.unwrap_or_default(),
        limits: Limits {
            memory: set(memory),
            memory_swap: set(memory_swap),
            memory_reservation: set(memory_reservation),
            nano_cpus: set(nano_cpus),
            cpu_shares: set(cpu_shares),
            cpu_period: set(cpu_period),
            cpu_quota: set(cpu_quota),
            cpuset_cpus: cpuset_cpus.filter(|cpus| !cpus.is_empty()),
            pids: pids_limit.filter(|pids| *pids > 0),
            ulimits: ulimits.unwrap_or_default().into_iter().map(read_ulimit).collect(),
        },
        sysctls,
        read_only_root: readonly_rootfs.unwrap_or_default(),
        init,
        shm_size: set(shm_size),
        restart: match restart_policy.and_then(|policy| policy.name) {
            Some(RestartPolicyNameEnum::ON_FAILURE) => Restart::OnFailure,
            Some(RestartPolicyNameEnum::ALWAYS | RestartPolicyNameEnum::UNLESS_STOPPED) => Restart::Always,
            Some(RestartPolicyNameEnum::NO | RestartPolicyNameEnum::EMPTY) | None => Restart::No,
        },
        privileges: Privileges {
            privileged,
            cap_add: capabilities(cap_add),
            cap_drop: capabilities(cap_drop),
            devices: read_devices(devices, device_requests, device_cgroup_rules),
            pid_mode: pid_mode.unwrap_or_default(),
            ipc_mode: ipc_mode.filter(|mode| !own_ipc(mode)).unwrap_or_default(),
            userns_mode: userns_mode.unwrap_or_default(),
            cgroupns_mode: cgroupns.map(|mode| mode.to_string()).unwrap_or_default(),
            uts_mode: uts_mode.unwrap_or_default(),
            security_opt,
        },
        group_add: group_add.unwrap_or_default(),
        tmpfs: tmpfs.unwrap_or_default(),
        mounts: mounts.unwrap_or_default(),
    }
}

fn read_network_mode(mode: &str) -> NetworkMode {
    match mode {
        "host" => NetworkMode::Host,
        "none" => NetworkMode::None,
        // `default`, `bridge`, and names of networks.
        _ => match mode.strip_prefix("container:") {
            Some(container) => NetworkMode::Container { container: container.to_owned() },
            None => NetworkMode::Networks,
        },
    }
}

/// `127.0.0.1:8080->80/tcp`; a port that the engine picks is `any`.
fn read_ports(bindings: PortMap) -> Vec<String> {
    let mut published: Vec<_> = bindings
        .into_iter()
        .flat_map(|(inside, outside)| {
            outside.unwrap_or_default().into_iter().map(move |models::PortBinding { host_ip, host_port }| {
                let port = host_port.filter(|port| !port.is_empty() && port != "0").unwrap_or_else(|| "any".to_owned());
                match host_ip.filter(|ip| !ip.is_empty()) {
                    Some(ip) if ip.contains(':') => format!("[{ip}]:{port}->{inside}"),
                    Some(ip) => format!("{ip}:{port}->{inside}"),
                    None => format!("{port}->{inside}"),
                }
            })
        })
        .collect();
    published.sort();
    published
}

fn read_ulimit(ResourcesUlimits { name, soft, hard }: ResourcesUlimits) -> Ulimit {
    Ulimit { name: name.unwrap_or_default(), soft: soft.unwrap_or_default(), hard: hard.unwrap_or_default() }
}

/// Without `CAP_`, upper case, in order.
fn capabilities(names: Option<Vec<String>>) -> Vec<String> {
    let plain = |name: String| {
        let name = name.to_ascii_uppercase();
        name.strip_prefix("CAP_").map(str::to_owned).unwrap_or(name)
    };
    let mut names: Vec<_> = names.unwrap_or_default().into_iter().map(plain).collect();
    names.sort();
    names.dedup();
    names
}

fn read_devices(
    devices: Option<Vec<DeviceMapping>>,
    requests: Option<Vec<DeviceRequest>>,
    rules: Option<Vec<String>>,
) -> Vec<String> {
    let device =
        |DeviceMapping { path_on_host, path_in_container: _, cgroup_permissions: _ }| path_on_host.unwrap_or_default();
    let request = |DeviceRequest { driver, count: _, device_ids: _, capabilities, options: _ }: DeviceRequest| {
        let what: Vec<String> = capabilities.unwrap_or_default().into_iter().flatten().collect();
        if what.is_empty() { driver.unwrap_or_default() } else { what.join("+") }
    };
    let devices = devices.unwrap_or_default().into_iter().map(device);
    let requests = requests.unwrap_or_default().into_iter().map(request);
    let rules = rules.unwrap_or_default().into_iter().map(|rule| format!("rule {rule}"));
    devices.chain(requests).chain(rules).collect()
}

/// Whether one of the networks gives the container an IPv6 address.
pub(in crate::docker) fn has_ipv6(settings: &NetworkSettings) -> bool {
    let given = |address: &Option<String>| address.as_ref().is_some_and(|address| !address.is_empty());
    let has = |endpoint: &EndpointSettings| {
        let asked = endpoint.ipam_config.as_ref().is_some_and(|config| given(&config.ipv6_address));
        asked || given(&endpoint.global_ipv6_address)
    };
    settings.networks.iter().flatten().any(|(_, endpoint)| has(endpoint))
}

/// The networks, by name. Links that belong to a network join the others.
pub(in crate::docker) fn read_networks(
    settings: NetworkSettings,
    mode: &NetworkMode,
    container_id: &str,
    links: &mut Vec<String>,
    other: &mut Others,
) -> Vec<Attachment> {
    let NetworkSettings {
        sandbox_id: _, // the engine's handles of the namespace
        sandbox_key: _,
        ports: _, // what came of the bindings
        networks,
    } = settings;
    // The entries of the other modes (`host`, `none`) are no networks.
    if *mode != NetworkMode::Networks {
        return Vec::new();
    }
    let mut attachments: Vec<_> = networks
        .unwrap_or_default()
        .into_iter()
        .map(|(network, endpoint)| {
            let EndpointSettings {
                ipam_config,
                links: more_links,
                mac_address: _, // the engine reports one whether or not it was asked for
                aliases,
                driver_opts,
                gw_priority: _, // the sandbox has one network
                network_id: _,
                endpoint_id: _,
                gateway: _, // what came of it
                ip_address: _,
                ip_prefix_len: _,
                ipv6_gateway: _,
                global_ipv6_address: _,
                global_ipv6_prefix_len: _,
                dns_names: _, // aliases, name and id together
            } = endpoint;
            if let Some(EndpointIpamConfig { ipv4_address, ipv6_address, link_local_ips }) = ipam_config {
                other.text(&format!("Networks[{network}].IPv4Address"), ipv4_address);
                other.text(&format!("Networks[{network}].IPv6Address"), ipv6_address);
                other.list(&format!("Networks[{network}].LinkLocalIPs"), link_local_ips, |ip| ip);
            }
            other.map(&format!("Networks[{network}].DriverOpts"), driver_opts);
            links.extend(more_links.unwrap_or_default());
            // Engines before 25 count the short id among the aliases.
            let own_id = |alias: &String| alias.len() == 12 && container_id.starts_with(alias.as_str());
            let mut aliases: Vec<_> = aliases.unwrap_or_default().into_iter().filter(|alias| !own_id(alias)).collect();
            aliases.sort();
            aliases.dedup();
            Attachment { network, aliases }
        })
        .collect();
    attachments.sort_by(|a, b| a.network.cmp(&b.network));
    links.sort();
    links.dedup();
    attachments
}
