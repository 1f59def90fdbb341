//! Reads a service of a project. The table has every key of Compose's schema.

use super::draft::{Content, DraftService, Grant, set};
use super::error::ComposeError;
use super::keys::Reading::{LeftOut, NoEffect, Refused, Used};
use super::keys::{Table, read_keys, refuse_unknown};
use super::node::Node;
use super::{deploy, mounts};
use crate::model::secret::Secret;
use crate::model::service::{Attachment, Condition, Dependency, EnvVar, NetworkMode, Port, Restart, Ulimit};

type Done = Result<(), ComposeError>;

/// The keys of a service.
pub(super) const KEYS: Table<DraftService> = &[
    ("annotations", NoEffect("they are for the engine's runtime")),
    ("attach", NoEffect("whose output `up` shows")),
    ("blkio_config", LeftOut),
    (
        "build",
        Used(|draft, _| {
            draft.is_built = true;
            Ok(())
        }),
    ),
    ("cap_add", Used(|draft, node| capabilities(node).map(|names| draft.service.privileges.cap_add = names))),
    ("cap_drop", Used(|draft, node| capabilities(node).map(|names| draft.service.privileges.cap_drop = names))),
    ("cgroup", Used(cgroup)),
    ("cgroup_parent", LeftOut),
    ("command", Used(|draft, node| node.texts().map(|words| draft.service.command = Some(words)))),
    ("configs", Used(|draft, node| grants(draft, node, GrantKind::Config))),
    (
        "container_name",
        Used(|draft, node| {
            draft.service.container_name = node.text()?;
            Ok(())
        }),
    ),
    ("cpu_count", LeftOut),
    ("cpu_percent", LeftOut),
    ("cpu_period", Used(|draft, node| node.number().map(|n| draft.service.limits.cpu_period = Some(n)))),
    ("cpu_quota", Used(|draft, node| node.number().map(|n| draft.service.limits.cpu_quota = Some(n)))),
    ("cpu_rt_period", LeftOut),
    ("cpu_rt_runtime", LeftOut),
    ("cpu_shares", Used(|draft, node| node.number().map(|n| draft.service.limits.cpu_shares = Some(n)))),
    ("cpus", Used(|draft, node| deploy::nano_cpus(node).map(|n| draft.service.limits.nano_cpus = n))),
    ("cpuset", Used(|draft, node| node.text().map(|text| draft.service.limits.cpuset_cpus = Some(text)))),
    ("credential_spec", LeftOut),
    ("depends_on", Used(depends_on)),
    ("deploy", Used(deploy::read)),
    ("develop", NoEffect("for `watch`")),
    (
        "device_cgroup_rules",
        Used(|draft, node| {
            let rules = node.texts()?.into_iter().map(|rule| format!("rule {rule}"));
            draft.service.privileges.devices.extend(rules);
            Ok(())
        }),
    ),
    ("devices", Used(devices)),
    ("dns", LeftOut),
    ("dns_opt", LeftOut),
    ("dns_search", LeftOut),
    ("domainname", Used(|draft, node| node.text().map(|text| draft.service.domainname = text))),
    ("entrypoint", Used(|draft, node| node.texts().map(|words| draft.service.entrypoint = Some(words)))),
    ("env_file", NoEffect("Compose has read the files into the environment")),
    ("environment", Used(environment)),
    (
        "expose",
        Used(|draft, node| {
            for port in node.list()? {
                draft.service.exposed.extend(port_range(&port.text()?).ok_or_else(|| port.unexpected("a port"))?);
            }
            Ok(())
        }),
    ),
    ("extends", NoEffect("Compose has resolved it")),
    ("external_links", LeftOut),
    (
        "extra_hosts",
        Used(|draft, node| {
            // Compose writes `name=address`, and the engine takes `name:address`.
            let hosts = node.texts()?.into_iter().map(|entry| entry.replacen('=', ":", 1));
            draft.service.extra_hosts = hosts.collect();
            Ok(())
        }),
    ),
    (
        "gpus",
        Used(|draft, _| {
            draft.service.privileges.devices.push("gpu".to_owned());
            Ok(())
        }),
    ),
    ("group_add", Used(|draft, node| node.texts().map(|groups| draft.service.group_add = groups))),
    ("healthcheck", Used(healthcheck)),
    ("hostname", Used(|draft, node| node.text().map(|text| draft.service.hostname = text))),
    ("image", Used(|draft, node| node.text().map(|text| draft.service.image.reference = text))),
    ("init", Used(|draft, node| node.flag().map(|flag| draft.service.init = Some(flag)))),
    (
        "ipc",
        Used(|draft, node| {
            let mode = node.text()?;
            if !matches!(mode.as_str(), "private" | "shareable" | "none" | "") {
                draft.service.privileges.ipc_mode = mode;
            }
            Ok(())
        }),
    ),
    ("isolation", LeftOut),
    ("label_file", NoEffect("Compose has read the file into the labels")),
    (
        "labels",
        Used(|draft, node| {
            for (key, value) in node.entries()? {
                let value = if value.is_null() { String::new() } else { value.text()? };
                draft.service.labels.push((key, value));
            }
            Ok(())
        }),
    ),
    (
        "links",
        Used(|draft, node| {
            for link in node.texts()? {
                let (service, alias) = link.split_once(':').unwrap_or((&link, &link));
                draft.links.push((service.to_owned(), alias.to_owned()));
            }
            Ok(())
        }),
    ),
    (
        "logging",
        Used(|draft, node| {
            // The options of a log driver have tokens and addresses; its name is enough.
            if let Some(driver) = node.get("driver") {
                let driver = driver.text()?;
                draft.note("logging.driver", driver);
            }
            Ok(())
        }),
    ),
    ("mac_address", LeftOut),
    ("mem_limit", Used(|draft, node| node.number().map(|n| draft.service.limits.memory = set(n)))),
    ("mem_reservation", Used(|draft, node| node.number().map(|n| draft.service.limits.memory_reservation = set(n)))),
    ("mem_swappiness", LeftOut),
    ("memswap_limit", Used(|draft, node| node.number().map(|n| draft.service.limits.memory_swap = set(n)))),
    ("models", Refused("it needs a language model that the engine provides")),
    ("network_mode", Used(network_mode)),
    ("networks", Used(networks)),
    ("oom_kill_disable", LeftOut),
    ("oom_score_adj", LeftOut),
    ("pid", Used(|draft, node| node.text().map(|mode| draft.service.privileges.pid_mode = mode))),
    (
        "pids_limit",
        Used(|draft, node| {
            draft.service.limits.pids = Some(node.number()?).filter(|most| *most > 0);
            Ok(())
        }),
    ),
    ("platform", Used(|draft, node| node.text().map(|text| draft.service.platform = Some(text)))),
    ("ports", Used(ports)),
    ("post_start", LeftOut),
    ("pre_start", LeftOut),
    ("pre_stop", NoEffect("the sandbox is removed, not stopped")),
    ("privileged", Used(|draft, node| node.flag().map(|flag| draft.service.privileges.privileged = flag))),
    ("profiles", NoEffect("Compose has chosen the services")),
    ("provider", Refused("it is no container: another program provides it")),
    ("pull_policy", NoEffect("--pull says when images are pulled")),
    ("pull_refresh_after", NoEffect("--pull says when images are pulled")),
    ("read_only", Used(|draft, node| node.flag().map(|flag| draft.service.read_only_root = flag))),
    (
        "restart",
        Used(|draft, node| {
            draft.service.restart = match node.text()?.split(':').next().unwrap_or_default() {
                "always" | "unless-stopped" => Restart::Always,
                "on-failure" => Restart::OnFailure,
                _ => Restart::No,
            };
            Ok(())
        }),
    ),
    ("runtime", LeftOut),
    ("scale", Used(|draft, node| node.number().map(|number| draft.scale = number))),
    ("secrets", Used(|draft, node| grants(draft, node, GrantKind::Secret))),
    ("security_opt", Used(|draft, node| node.texts().map(|words| draft.service.privileges.security_opt = words))),
    ("shm_size", Used(|draft, node| node.number().map(|n| draft.service.shm_size = set(n)))),
    ("stdin_open", Used(|draft, node| node.flag().map(|flag| draft.service.open_stdin = flag))),
    (
        "stop_grace_period",
        Used(|draft, node| {
            draft.service.stop_timeout = Some(node.time()? / 1_000_000_000);
            Ok(())
        }),
    ),
    ("stop_signal", Used(|draft, node| node.text().map(|text| draft.service.stop_signal = Some(text)))),
    ("storage_opt", LeftOut),
    (
        "sysctls",
        Used(|draft, node| {
            for (key, value) in node.entries()? {
                draft.service.sysctls.push((key, value.text()?));
            }
            Ok(())
        }),
    ),
    ("tmpfs", Used(mounts::tmpfs)),
    ("tty", Used(|draft, node| node.flag().map(|flag| draft.service.tty = flag))),
    ("ulimits", Used(ulimits)),
    ("use_api_socket", LeftOut),
    ("user", Used(|draft, node| node.text().map(|text| draft.service.user = text))),
    ("userns_mode", Used(|draft, node| node.text().map(|mode| draft.service.privileges.userns_mode = mode))),
    ("uts", Used(|draft, node| node.text().map(|mode| draft.service.privileges.uts_mode = mode))),
    ("volumes", Used(mounts::volumes)),
    ("volumes_from", Used(|draft, node| node.texts().map(|from| draft.volumes_from = from))),
    ("working_dir", Used(|draft, node| node.text().map(|text| draft.service.workdir = text))),
];

/// Reads a service by its table.
pub(super) fn read(draft: &mut DraftService, node: &Node<'_>) -> Done {
    read_keys(draft, node, KEYS)
}

/// Without `CAP_`, upper case, in order.
fn capabilities(node: &Node<'_>) -> Result<Vec<String>, ComposeError> {
    let plain = |name: String| name.to_ascii_uppercase().trim_start_matches("CAP_").to_owned();
    let mut names: Vec<String> = node.texts()?.into_iter().map(plain).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn cgroup(draft: &mut DraftService, node: &Node<'_>) -> Done {
    let mode = node.text()?;
    if mode != "private" {
        draft.service.privileges.cgroupns_mode = mode;
    }
    Ok(())
}

fn depends_on(draft: &mut DraftService, node: &Node<'_>) -> Done {
    for (service, of) in node.entries()? {
        let condition = match of.get("condition").map(|condition| condition.text()).transpose()?.as_deref() {
            Some("service_healthy") => Condition::ServiceHealthy,
            Some("service_completed_successfully") => Condition::ServiceCompletedSuccessfully,
            Some("service_started") | None => Condition::ServiceStarted,
            Some(_) => return Err(of.unexpected("a known condition")),
        };
        let required = of.get("required").map(|required| required.flag()).transpose()?.unwrap_or(true);
        draft.service.depends_on.push(Dependency { service, condition, required });
    }
    Ok(())
}

fn devices(draft: &mut DraftService, node: &Node<'_>) -> Done {
    for device in node.list()? {
        // Older versions print `source:target:permissions`.
        let source = match device.get("source") {
            Some(source) => source.text()?,
            None => device.text()?.split(':').next().unwrap_or_default().to_owned(),
        };
        draft.service.privileges.devices.push(source);
    }
    Ok(())
}

fn environment(draft: &mut DraftService, node: &Node<'_>) -> Done {
    for (name, value) in node.entries()? {
        let value = if value.is_null() { None } else { Some(Secret::new(value.text()?)) };
        draft.service.env.push(EnvVar { name, value });
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum GrantKind {
    Config,
    Secret,
}

/// Secrets and configs: files that appear in the container.
fn grants(draft: &mut DraftService, node: &Node<'_>, kind: GrantKind) -> Done {
    for grant in node.list()? {
        let source = match grant.get("source") {
            Some(source) => source.text()?,
            None => grant.text()?,
        };
        let declared = match kind {
            GrantKind::Config => &draft.declared.configs,
            GrantKind::Secret => &draft.declared.secrets,
        };
        let content = declared.get(&source).cloned().ok_or_else(|| grant.unexpected("a declared name"))?;
        if matches!(content, Content::External) {
            return Err(ComposeError::Unknown(format!(
                "{} is external: only a swarm has it, and Compose itself cannot start a service with it",
                grant.place()
            )));
        }
        let target = grant.get("target").map(|target| target.text()).transpose()?;
        let target = match (target, kind) {
            (Some(target), _) if target.starts_with('/') => target,
            (target, GrantKind::Secret) => format!("/run/secrets/{}", target.as_ref().unwrap_or(&source)),
            (target, GrantKind::Config) => format!("/{}", target.as_ref().unwrap_or(&source)),
        };
        let mode = grant.get("mode").map(|mode| mode.number()).transpose()?;
        let mode = mode.and_then(|mode| u32::try_from(mode).ok());
        let id = |key: &str| -> Result<u32, ComposeError> {
            let Some(id) = grant.get(key) else { return Ok(0) };
            u32::try_from(id.number()?).map_err(|_| id.unexpected("the number of a user or group"))
        };
        let owner = (id("uid")?, id("gid")?);
        draft.grants.push(Grant { target, content, mode, owner });
    }
    Ok(())
}

fn healthcheck(draft: &mut DraftService, node: &Node<'_>) -> Done {
    let health = &mut draft.health;
    let time = |key: &str| node.get(key).map_or(Ok(0), |time| time.time());
    health.interval = time("interval")?;
    health.timeout = time("timeout")?;
    health.start_period = time("start_period")?;
    health.retries = node.get("retries").map_or(Ok(0), |retries| retries.number())?;
    health.test = node.get("test").map(|test| test.texts()).transpose()?.filter(|test| !test.is_empty());
    let is_none = health.test.as_ref().is_some_and(|test| test[0] == "NONE");
    health.disabled = is_none || node.get("disable").map_or(Ok(false), |disable| disable.flag())?;
    // The sandbox probes more often than any start interval.
    let known = ["disable", "interval", "retries", "start_interval", "start_period", "test", "timeout"];
    refuse_unknown(node, &known)
}

fn network_mode(draft: &mut DraftService, node: &Node<'_>) -> Done {
    let mode = node.text()?;
    draft.service.network_mode = match mode.as_str() {
        "host" => NetworkMode::Host,
        "none" => NetworkMode::None,
        _ => match (mode.strip_prefix("service:"), mode.strip_prefix("container:")) {
            (Some(service), _) => {
                draft.network_of = Some(service.to_owned());
                NetworkMode::Container { container: service.to_owned() }
            }
            (_, Some(container)) => NetworkMode::Container { container: container.to_owned() },
            _ => NetworkMode::Networks,
        },
    };
    Ok(())
}

fn networks(draft: &mut DraftService, node: &Node<'_>) -> Done {
    for (key, of) in node.entries()? {
        let network = draft.declared.networks.get(&key).cloned().unwrap_or_else(|| key.clone());
        let aliases = of.get("aliases").map(|aliases| aliases.texts()).transpose()?.unwrap_or_default();
        for (name, field) in [("ipv4_address", "IPv4Address"), ("ipv6_address", "IPv6Address")] {
            if let Some(address) = of.get(name) {
                let address = address.text()?;
                draft.note(&format!("Networks[{network}].{field}"), address);
            }
        }
        draft.service.ipv6 |= of.get("ipv6_address").is_some();
        draft.service.networks.push(Attachment { network, aliases });
    }
    Ok(())
}

fn ports(draft: &mut DraftService, node: &Node<'_>) -> Done {
    for port in node.list()? {
        let text = |key: &str| port.get(key).map(|value| value.text()).transpose();
        let target = text("target")?.ok_or_else(|| port.unexpected("a port"))?;
        let protocol = text("protocol")?.unwrap_or_else(|| "tcp".to_owned());
        let inside = format!("{target}/{protocol}");
        draft.service.exposed.extend(port_range(&inside).ok_or_else(|| port.unexpected("a port"))?);
        let outside = text("published")?.unwrap_or_else(|| "any".to_owned());
        let shown = match text("host_ip")? {
            Some(ip) if ip.contains(':') => format!("[{ip}]:{outside}->{inside}"),
            Some(ip) => format!("{ip}:{outside}->{inside}"),
            None => format!("{outside}->{inside}"),
        };
        draft.service.published.push(shown);
    }
    Ok(())
}

/// `80`, `53/udp`, `8000-8001/tcp`.
fn port_range(text: &str) -> Option<Vec<Port>> {
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    Some((first..=last).map(|number| Port { number, protocol: protocol.to_ascii_lowercase() }).collect())
}

fn ulimits(draft: &mut DraftService, node: &Node<'_>) -> Done {
    for (name, of) in node.entries()? {
        let (soft, hard) = match (of.get("soft"), of.get("hard"), of.get("single")) {
            (Some(soft), Some(hard), _) => (soft.number()?, hard.number()?),
            (_, _, Some(single)) => (single.number()?, single.number()?),
            _ => (of.number()?, of.number()?),
        };
        draft.service.limits.ulimits.push(Ulimit { name, soft, hard });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_key_once_and_in_order() {
        let names: Vec<&str> = KEYS.iter().map(|(name, _)| *name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(names, sorted);
    }

    #[test]
    fn ports_and_their_ranges_are_read() {
        let of = |text: &str| port_range(text).map(|ports| ports.iter().map(|p| p.number).collect::<Vec<_>>());
        assert_eq!(of("80"), Some(vec![80]));
        assert_eq!(of("8000-8002/udp"), Some(vec![8000, 8001, 8002]));
        assert_eq!(of("http"), None);
    }
}
