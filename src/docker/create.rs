//! The request for a container. Every field of the engine's structures is written out, so that a field that a new
//! bollard brings has to be decided on. Most fields are not for a sandbox and stay unset.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
    Mount, MountBindOptions, MountBindOptionsPropagationEnum, MountType, MountVolumeOptions, NetworkingConfig,
    ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::CreateContainerOptionsBuilder;

use crate::model::sandbox::{ContainerSpec, HealthcheckSpec, MountSource, MountSpec, NetworkSpec, ObjectLabels, Stdin};
use crate::model::service::{EnvVar, Ulimit};

use super::client::Daemon;
use super::errors::Result;
use super::namespaces::{Engine, capabilities, sysctls};
use super::{labels, optout};

/// The first API version (Docker 20.10) in which a container can be given its own cgroup namespace.
const CGROUP_NAMESPACES: (u16, u16) = (1, 41);
/// The first API version (Docker 25) in which a read-only bind mount can be made read-only all the way down.
const RECURSIVE_READ_ONLY: (u16, u16) = (1, 44);

impl Daemon {
    /// Creates a container; every image default that the spec does not want is overridden. Returns its id.
    ///
    /// The engine creates an anonymous volume for each `VOLUME` of the image that no mount of the spec covers. That
    /// volume has no label, and is removed with the container.
    pub async fn create_container(&self, name: &str, spec: &ContainerSpec, marks: &ObjectLabels) -> Result<String> {
        const CREATE: &str = "create container";
        let image_labels = self.image_labels(&spec.image).await?;
        let image_labels: Vec<String> = image_labels.iter().flat_map(|labels| labels.keys().cloned()).collect();
        let engine =
            Engine { api: self.connection.api, newest: self.connection.engine_api, has_ipv6: self.ipv6.is_there() };
        let body = body(spec, marks, &image_labels, engine);
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let created = self.connection.call(CREATE, name, |docker| docker.create_container(Some(options), body)).await?;
        for warning in created.warnings {
            tracing::debug!(container = name, warning, "the engine warns");
        }
        Ok(created.id)
    }
}

/// The whole request.
fn body(spec: &ContainerSpec, marks: &ObjectLabels, image_labels: &[String], engine: Engine) -> ContainerCreateBody {
    let attached = spec.stdin == Stdin::Attached;
    // In the network namespace of another container both names are that container's; the engine refuses to set them.
    let own_network = !matches!(spec.network, NetworkSpec::Share(_));
    ContainerCreateBody {
        hostname: text(&spec.hostname).filter(|_| own_network),
        domainname: text(&spec.domainname).filter(|_| own_network),
        user: text(&spec.user),
        attach_stdin: Some(attached),
        attach_stdout: Some(attached),
        attach_stderr: Some(attached),
        exposed_ports: None,
        tty: Some(spec.tty),
        open_stdin: Some(spec.stdin != Stdin::Closed),
        stdin_once: Some(attached),
        env: Some(spec.env.iter().map(env_line).collect()),
        cmd: spec.command.clone(),
        healthcheck: Some(healthcheck(&spec.healthcheck)),
        args_escaped: None, // Windows
        image: Some(spec.image.clone()),
        volumes: None, // mounts say it all
        working_dir: text(&spec.workdir),
        // The engine takes an empty list for "as in the image", and one empty word for "none".
        entrypoint: spec.entrypoint.clone().map(|words| if words.is_empty() { vec![String::new()] } else { words }),
        network_disabled: None,
        on_build: None,
        labels: Some(optout::labels(marks, image_labels)),
        stop_signal: spec.stop_signal.clone(),
        stop_timeout: spec.stop_timeout,
        shell: spec.shell.clone(),
        host_config: Some(host_config(spec, marks, engine)),
        networking_config: networking(&spec.network),
    }
}

/// What the container may do on the host.
fn host_config(spec: &ContainerSpec, marks: &ObjectLabels, engine: Engine) -> HostConfig {
    let api = engine.api;
    let (cap_add, cap_drop) = capabilities(spec);
    let sandbox = matches!(spec.network, NetworkSpec::Sandbox { .. });
    let shares = matches!(spec.network, NetworkSpec::Share(_));
    let (tmpfs, mounts): (Vec<_>, Vec<_>) =
        spec.mounts.iter().partition(|mount| matches!(mount.source, MountSource::Tmpfs(_)));
    HostConfig {
        // Use of the host: what the spec says.
        cpu_shares: spec.cpu_shares,
        memory: spec.memory,
        memory_swap: spec.memory_swap,
        memory_reservation: None,
        memory_swappiness: None,
        nano_cpus: spec.nano_cpus,
        cpu_period: spec.cpu_period,
        cpu_quota: spec.cpu_quota,
        cpu_realtime_period: None,
        cpu_realtime_runtime: None,
        cpuset_cpus: spec.cpuset_cpus.clone(),
        cpuset_mems: None,
        pids_limit: spec.pids,
        ulimits: Some(ulimits(&spec.ulimits)),
        oom_kill_disable: Some(false),
        oom_score_adj: Some(spec.oom_score_adj),
        shm_size: spec.shm_size,
        cgroup_parent: None,
        blkio_weight: None,
        blkio_weight_device: None,
        blkio_device_read_bps: None,
        blkio_device_write_bps: None,
        blkio_device_read_iops: None,
        blkio_device_write_iops: None,
        cpu_count: None,            // Windows
        cpu_percent: None,          // Windows
        io_maximum_iops: None,      // Windows
        io_maximum_bandwidth: None, // Windows

        // Devices and privileges: none.
        devices: None,
        device_cgroup_rules: None,
        device_requests: None,
        privileged: Some(false),
        cap_add: Some(cap_add),
        cap_drop: Some(cap_drop),
        security_opt: spec.no_new_privileges.then(|| vec!["no-new-privileges".to_owned()]),
        masked_paths: None,   // the engine's own list
        readonly_paths: None, // the engine's own list
        group_add: Some(spec.group_add.clone()),
        runtime: None, // the engine's default

        // Namespaces: its own, each of them.
        ipc_mode: Some("private".to_owned()),
        pid_mode: None,
        uts_mode: None,
        userns_mode: None,
        cgroupns_mode: (api >= CGROUP_NAMESPACES).then_some(HostConfigCgroupnsModeEnum::PRIVATE),
        cgroup: None,
        isolation: None, // Windows

        // Network: no port is published, and no name is resolved outside. The engine's resolver asks the servers given
        // here for names that it does not know; on the container's own loopback nobody answers. A lone dot is the empty
        // search list.
        network_mode: Some(match &spec.network {
            NetworkSpec::None => "none".to_owned(),
            NetworkSpec::Sandbox { network, .. } => network.clone(),
            NetworkSpec::Share(container) => format!("container:{container}"),
        }),
        port_bindings: None,
        publish_all_ports: Some(false),
        dns: sandbox.then(|| vec!["127.0.0.1".to_owned()]),
        dns_options: None,
        dns_search: sandbox.then(|| vec![".".to_owned()]),
        extra_hosts: (!shares).then(|| spec.extra_hosts.clone()),
        links: None,

        // Storage: what the spec mounts.
        binds: None, // would create a missing host path
        mounts: Some(mounts.into_iter().filter_map(|mount| engine_mount(mount, spec.stdin, marks, api)).collect()),
        tmpfs: Some(tmpfs.into_iter().filter_map(tmpfs_line).collect()),
        volume_driver: None,
        volumes_from: None,
        storage_opt: None,
        readonly_rootfs: Some(spec.read_only_root),

        // Life: the engine neither restarts nor removes the container, so that its log and exit code can be read.
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        auto_remove: Some(false),
        init: spec.init,
        // The host's log driver may send logs away (gelf, syslog, splunk), where a clone's would mix with live ones.
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some([("max-size", "10m"), ("max-file", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
        }),
        sysctls: Some(sysctls(spec, engine)),
        annotations: None,
        container_id_file: None,
        console_size: None,
    }
}

/// The limits of the spec, and no core dumps: a kernel whose `core_pattern` is a program gives that program, on the
/// host, the memory of what has crashed in a container. With a limit of one byte the kernel does not start the program
/// (it is the mark of a program that handles core dumps and has crashed itself); with a limit of 0 it does.
fn ulimits(wanted: &[Ulimit]) -> Vec<ResourcesUlimits> {
    const CORE: &str = "core";
    let kept =
        wanted.iter().filter(|limit| limit.name != CORE).map(|limit| (limit.name.as_str(), limit.soft, limit.hard));
    kept.chain([(CORE, 1, 1)])
        .map(|(name, soft, hard)| ResourcesUlimits { name: Some(name.to_owned()), soft: Some(soft), hard: Some(hard) })
        .collect()
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// `NAME=value`; the bare name unsets what the image sets.
fn env_line(var: &EnvVar) -> String {
    match &var.value {
        Some(value) => format!("{}={}", var.name, value.reveal()),
        None => var.name.clone(),
    }
}

fn healthcheck(spec: &HealthcheckSpec) -> HealthConfig {
    match spec {
        HealthcheckSpec::Disabled => HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            interval: None,
            timeout: None,
            retries: None,
            start_period: None,
            start_interval: None,
        },
        HealthcheckSpec::Probe(probe) => HealthConfig {
            test: Some(probe.test.clone()),
            interval: Some(probe.interval),
            timeout: Some(probe.timeout),
            retries: Some(probe.retries),
            start_period: Some(probe.start_period),
            start_interval: None,
        },
    }
}

fn engine_mount(mount: &MountSpec, stdin: Stdin, marks: &ObjectLabels, api: (u16, u16)) -> Option<Mount> {
    let (typ, source, bind, volume) = match &mount.source {
        MountSource::Tmpfs(_) => return None,
        MountSource::Volume(name) | MountSource::NewVolume(name) => {
            let options = MountVolumeOptions {
                // The backup fills the volume, and never the image.
                no_copy: Some(matches!(mount.source, MountSource::Volume(_))),
                // The engine creates a volume that is missing; with these labels teardown finds it.
                labels: Some(labels::write(marks)),
                driver_config: None,
                subpath: None,
            };
            (MountType::VOLUME, name, None, Some(options))
        }
        MountSource::HostPath(path) => {
            (MountType::BIND, path, Some(bind_options(path, mount.read_only, stdin, api)), None)
        }
    };
    Some(Mount {
        target: Some(mount.target.clone()),
        source: Some(source.clone()),
        typ: Some(typ),
        read_only: Some(mount.read_only),
        consistency: None, // macOS
        bind_options: bind,
        volume_options: volume,
        image_options: None,
        tmpfs_options: None,
    })
}

/// Options of a bind mount.
///
/// Before Docker 25 a read-only bind mount is read-only at its top only: whatever the host has mounted below it stays
/// writable. So a service does not get to see those mounts. A worker (whose input is attached) sees all of them: it is
/// our own program, and writes to no source.
///
/// From Docker 25 on, a mount can be read-only all the way down, and then has to be `rprivate`. Below the engine's own
/// folder, where the copy of a single file lies, the engine refuses `rprivate`: there the propagation is left to the
/// engine.
fn bind_options(path: &str, read_only: bool, stdin: Stdin, api: (u16, u16)) -> MountBindOptions {
    let protect = read_only && stdin != Stdin::Attached;
    let all_the_way_down = protect && api >= RECURSIVE_READ_ONLY && !lies_in_a_volume(path);
    MountBindOptions {
        propagation: all_the_way_down.then_some(MountBindOptionsPropagationEnum::RPRIVATE),
        non_recursive: Some(protect && !all_the_way_down),
        create_mountpoint: None,
        read_only_non_recursive: None,
        read_only_force_recursive: all_the_way_down.then_some(true),
    }
}

/// Whether a path of the engine's host is below `…/volumes/NAME/_data`.
fn lies_in_a_volume(path: &str) -> bool {
    path.split_once("/volumes/").is_some_and(|(_, rest)| rest.split('/').nth(1) == Some("_data"))
}

fn tmpfs_line(mount: &MountSpec) -> Option<(String, String)> {
    let MountSource::Tmpfs(options) = &mount.source else { return None };
    let read_only = mount.read_only && !options.split(',').any(|option| option == "ro");
    let options = match (read_only, options.is_empty()) {
        (false, _) => options.clone(),
        (true, true) => "ro".to_owned(),
        (true, false) => format!("{options},ro"),
    };
    Some((mount.target.clone(), options))
}

fn networking(network: &NetworkSpec) -> Option<NetworkingConfig> {
    let NetworkSpec::Sandbox { network, aliases } = network else { return None };
    let endpoint = EndpointSettings {
        ipam_config: None, // a live container's fixed address means nothing here
        links: None,
        mac_address: None,
        aliases: Some(aliases.clone()),
        driver_opts: None,
        gw_priority: None,
        network_id: None,
        endpoint_id: None,
        gateway: None,
        ip_address: None,
        ip_prefix_len: None,
        ipv6_gateway: None,
        global_ipv6_address: None,
        global_ipv6_prefix_len: None,
        dns_names: None,
    };
    Some(NetworkingConfig { endpoints_config: Some(HashMap::from([(network.clone(), endpoint)])) })
}

#[cfg(test)]
#[path = "create_tests.rs"]
mod tests;
