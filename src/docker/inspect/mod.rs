//! A live container as a service.
//!
//! The engine's structures are taken apart field by field, without `..`. A field that a new bollard brings does not
//! compile until somebody decides on it: it becomes a field of the service, one of its `other` settings, or is ignored
//! by name. Reports show the name and the value of an `other` setting, so no field that may hold a secret becomes one.

mod defaults;
mod host;
mod mounts;

use bollard::models::{ContainerConfig, ContainerInspectResponse, ContainerState, HealthConfig, HealthStatusEnum};

use crate::model::mask::Mask;
use crate::model::service::{EnvVar, Healthcheck, Image, NetworkMode, Port, Service, ServiceName};

use super::client::Daemon;
use super::containers::plain_name;
use super::errors::Result;
use defaults::{Defaults, Others};
use host::Host;

impl Daemon {
    /// A live container as a service. Its name is the container's; discovery gives it its place in a stack.
    pub async fn service(&self, id: &str) -> Result<Service> {
        let container = self.inspect(id).await?;
        let defaults = Defaults::of(self.connection.system_info().await?);
        Ok(service(container, &defaults))
    }
}

/// The whole container.
pub(super) fn service(container: ContainerInspectResponse, defaults: &Defaults) -> Service {
    let ContainerInspectResponse {
        id,
        created,
        path: _, // entrypoint and command again
        args: _,
        state,
        image: image_id,
        resolv_conf_path: _, // files the engine made for it
        hostname_path: _,
        hosts_path: _,
        log_path: _,
        name,
        restart_count: _,
        driver: _, // how the engine stores its layers
        platform: _,
        image_manifest_descriptor: _,
        mount_label: _, // SELinux, made up by the engine
        process_label: _,
        app_armor_profile: _, // what comes of security_opt
        exec_ids: _,
        host_config,
        graph_driver: _,
        storage: _,
        size_rw: _,
        size_root_fs: _,
        mounts: points,
        config,
        network_settings,
    } = container;
    let container_id = id.unwrap_or_default();
    let container_name = plain_name(&name.unwrap_or_default());
    let mut other = Others::default();
    let Config {
        hostname,
        domainname,
        user,
        exposed,
        tty,
        open_stdin,
        env,
        command,
        healthcheck,
        reference,
        workdir,
        entrypoint,
        network_disabled,
        labels,
        stop_signal,
        stop_timeout,
        shell,
    } = read_config(config.unwrap_or_default(), &mut other);
    let Host {
        network_mode,
        published,
        extra_hosts,
        mut links,
        limits,
        sysctls,
        read_only_root,
        init,
        shm_size,
        restart,
        privileges,
        group_add,
        tmpfs,
        mounts: wanted,
    } = host::read(host_config.unwrap_or_default(), defaults, &mut other);
    let network_mode = if network_disabled { NetworkMode::None } else { network_mode };
    let network_settings = network_settings.unwrap_or_default();
    let ipv6 = host::has_ipv6(&network_settings);
    let networks = host::read_networks(network_settings, &network_mode, &container_id, &mut links, &mut other);
    let mounts = mounts::read(points.unwrap_or_default(), tmpfs, wanted, &mut other);
    let mut other = other.0;
    other.sort_by(|a, b| a.field.cmp(&b.field));
    let service = Service {
        name: ServiceName::lone(container_name.clone()),
        container_id,
        container_name,
        running: is_running(state.as_ref()),
        unhealthy: failed_probe(state.as_ref()),
        created: created.unwrap_or_default(),
        image: Image { reference, id: image_id.unwrap_or_default() },
        platform: None, // the image that it runs is here
        entrypoint,
        command,
        env,
        user,
        group_add,
        workdir,
        hostname,
        domainname,
        tty,
        open_stdin,
        shell,
        stop_signal,
        stop_timeout,
        healthcheck,
        mounts,
        exposed,
        published,
        network_mode,
        networks,
        ipv6,
        extra_hosts,
        links,
        limits,
        sysctls,
        read_only_root,
        init,
        shm_size,
        restart,
        privileges,
        other: Vec::new(),
        depends_on: Vec::new(), // labels know, discovery reads them
        labels,
        unheard: Vec::new(), // discovery knows whose the labels are
        declared: None,      // the engine does not know
    };
    // Reports show these settings, and a value may repeat a secret of the environment.
    if !other.is_empty() {
        let mask = Mask::of_services([&service]);
        other.iter_mut().for_each(|setting| setting.value = mask.apply(&setting.value));
    }
    Service { other, ..service }
}

fn is_running(state: Option<&ContainerState>) -> bool {
    state.and_then(|state| state.running).unwrap_or_default()
}

/// The exit code of the last probe of an unhealthy container. The engine notes -1 for a probe that took too long, which
/// tells of a busy host.
fn failed_probe(state: Option<&ContainerState>) -> Option<i64> {
    let health = state?.health.as_ref().filter(|health| health.status == Some(HealthStatusEnum::UNHEALTHY))?;
    health.log.as_ref()?.last()?.exit_code.filter(|code| *code > 0)
}

/// What a container's `Config` says. The engine has merged the image's defaults into it.
struct Config {
    hostname: String,
    domainname: String,
    user: String,
    exposed: Vec<Port>,
    tty: bool,
    open_stdin: bool,
    env: Vec<EnvVar>,
    command: Option<Vec<String>>,
    healthcheck: Option<Healthcheck>,
    reference: String,
    workdir: String,
    entrypoint: Option<Vec<String>>,
    network_disabled: bool,
    labels: Vec<(String, String)>,
    stop_signal: Option<String>,
    stop_timeout: Option<i64>,
    shell: Option<Vec<String>>,
}

fn read_config(config: ContainerConfig, other: &mut Others) -> Config {
    let ContainerConfig {
        hostname,
        domainname,
        user,
        attach_stdin: _, // how it was started, not what it is
        attach_stdout: _,
        attach_stderr: _,
        exposed_ports,
        tty,
        open_stdin,
        stdin_once: _,
        env,
        cmd,
        healthcheck,
        args_escaped: _, // Windows
        image,
        volumes: _, // what came of them stands among the mounts
        working_dir,
        entrypoint,
        network_disabled,
        on_build: _, // for images built from this one
        labels,
        stop_signal,
        stop_timeout,
        shell,
    } = config;
    let mut exposed: Vec<Port> = exposed_ports.unwrap_or_default().iter().filter_map(|port| parse_port(port)).collect();
    exposed.sort();
    let mut labels: Vec<_> = labels.unwrap_or_default().into_iter().collect();
    labels.sort();
    let full = |words: Option<Vec<String>>| words.filter(|words| !words.is_empty());
    Config {
        hostname: hostname.unwrap_or_default(),
        domainname: domainname.unwrap_or_default(),
        user: user.unwrap_or_default(),
        exposed,
        tty: tty.unwrap_or_default(),
        open_stdin: open_stdin.unwrap_or_default(),
        env: env.unwrap_or_default().iter().map(|line| parse_env(line)).collect(),
        command: full(cmd),
        healthcheck: healthcheck.and_then(|healthcheck| read_healthcheck(healthcheck, other)),
        reference: image.unwrap_or_default(),
        workdir: working_dir.unwrap_or_default(),
        // Reported also where it is off: the image may have a healthcheck.
        entrypoint: Some(entrypoint.unwrap_or_default()),
        network_disabled: network_disabled.unwrap_or_default(),
        labels,
        stop_signal: stop_signal.filter(|signal| !signal.is_empty()),
        stop_timeout,
        shell: full(shell),
    }
}

fn read_healthcheck(healthcheck: HealthConfig, other: &mut Others) -> Option<Healthcheck> {
    let HealthConfig { test, interval, timeout, retries, start_period, start_interval } = healthcheck;
    let test = test.filter(|test| test.first().is_some_and(|word| word != "NONE"))?;
    other.number("Healthcheck.StartInterval", start_interval);
    Some(Healthcheck {
        test,
        interval: interval.unwrap_or_default(),
        timeout: timeout.unwrap_or_default(),
        retries: retries.unwrap_or_default(),
        start_period: start_period.unwrap_or_default(),
    })
}

/// `80/tcp`; the protocol may be left out.
pub(in crate::docker) fn parse_port(text: &str) -> Option<Port> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    Some(Port { number: number.parse().ok()?, protocol: protocol.to_ascii_lowercase() })
}

pub(in crate::docker) fn parse_env(line: &str) -> EnvVar {
    match line.split_once('=') {
        Some((name, value)) => EnvVar { name: name.to_owned(), value: Some(crate::model::secret::Secret::new(value)) },
        None => EnvVar { name: line.to_owned(), value: None },
    }
}

#[cfg(test)]
mod tests;
