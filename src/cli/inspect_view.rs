//! The output of `rehearsa inspect`: types of its own, with the names of variables but never their values.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::plan_text::{condition, short_id};
use crate::config::values::duration;
use crate::model::mount::Mount;
use crate::model::service::{
    Attachment, Dependency, Healthcheck, Image, Limits, NetworkMode, Privileges, Restart, Service, Setting,
};
use crate::report::units;

/// Version of the JSON output: raised when a field goes or changes its meaning, not for new fields.
const SCHEMA_VERSION: u32 = 1;

/// A service without its secrets.
#[derive(Debug, Serialize)]
pub struct InspectView<'a> {
    schema_version: u32,
    name: String,
    container: &'a str,
    container_id: &'a str,
    running: bool,
    image: &'a Image,
    user: &'a str,
    workdir: &'a str,
    hostname: &'a str,
    /// Names only.
    env: Vec<&'a str>,
    mounts: &'a [Mount],
    healthcheck: Option<HealthcheckView>,
    exposed: Vec<String>,
    published: &'a [String],
    network_mode: &'a NetworkMode,
    networks: &'a [Attachment],
    depends_on: &'a [Dependency],
    restart: Restart,
    limits: &'a Limits,
    privileges: &'a Privileges,
    read_only_root: bool,
    other: &'a [Setting],
}

/// A healthcheck without its arguments, which may hold a secret.
#[derive(Debug, Serialize)]
struct HealthcheckView {
    /// The program it runs.
    program: String,
    interval_seconds: f64,
    timeout_seconds: f64,
    retries: i64,
    start_period_seconds: f64,
}

/// Docker's defaults for settings that a healthcheck leaves out.
const DEFAULT_SECONDS: f64 = 30.0;
const DEFAULT_RETRIES: i64 = 3;

impl<'a> InspectView<'a> {
    /// The view of a service.
    pub fn of(service: &'a Service) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            name: service.name.to_string(),
            container: &service.container_name,
            container_id: &service.container_id,
            running: service.running,
            image: &service.image,
            user: &service.user,
            workdir: &service.workdir,
            hostname: &service.hostname,
            env: service.env.iter().map(|var| var.name.as_str()).collect(),
            mounts: &service.mounts,
            healthcheck: service.healthcheck.as_ref().map(healthcheck),
            exposed: service.exposed.iter().map(|port| format!("{}/{}", port.number, port.protocol)).collect(),
            published: &service.published,
            network_mode: &service.network_mode,
            networks: &service.networks,
            depends_on: &service.depends_on,
            restart: service.restart,
            limits: &service.limits,
            privileges: &service.privileges,
            read_only_root: service.read_only_root,
            other: &service.other,
        }
    }
}

fn healthcheck(check: &Healthcheck) -> HealthcheckView {
    #[expect(clippy::cast_precision_loss, reason = "a healthcheck's times are far from 2^53 ns")]
    let seconds = |nanos: i64, default: f64| if nanos == 0 { default } else { nanos as f64 / 1e9 };
    HealthcheckView {
        program: program(&check.test),
        interval_seconds: seconds(check.interval, DEFAULT_SECONDS),
        timeout_seconds: seconds(check.timeout, DEFAULT_SECONDS),
        retries: if check.retries == 0 { DEFAULT_RETRIES } else { check.retries },
        start_period_seconds: seconds(check.start_period, 0.0),
    }
}

/// The first word of the test that is a program: `PGPASSWORD=… psql` begins with a secret.
fn program(test: &[String]) -> String {
    let words: Vec<&str> = match test.split_first() {
        Some((kind, rest)) if kind == "CMD-SHELL" => rest.iter().flat_map(|text| text.split_whitespace()).collect(),
        Some((kind, rest)) if kind == "CMD" => rest.iter().take(1).map(String::as_str).collect(),
        _ => Vec::new(),
    };
    words.into_iter().find(|word| !word.contains('=')).unwrap_or("(not shown)").to_owned()
}

/// The view for people. Writing to a string cannot fail, so those results are ignored.
pub fn text(view: &InspectView<'_>) -> String {
    let mut text = format!("{}\n", view.name);
    let mut line = |key: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {key:<12} {value}");
        }
    };
    let state = if view.running { "running" } else { "stopped" };
    line("container", &format!("{} ({}, {state})", view.container, short_id(view.container_id)));
    line("image", &format!("{} ({})", view.image.reference, short_id(&view.image.id)));
    line("user", view.user);
    line("workdir", view.workdir);
    line("hostname", view.hostname);
    line("environment", &view.env.join(", "));
    for (i, mount) in view.mounts.iter().enumerate() {
        let read_only = if mount.read_only { ", read-only" } else { "" };
        line(if i == 0 { "mounts" } else { "" }, &format!("{}{read_only}", mount.place()));
    }
    if view.mounts.is_empty() {
        line("mounts", "none: there is no data to restore");
    }
    line("healthcheck", &view.healthcheck.as_ref().map_or_else(|| "none".to_owned(), healthcheck_text));
    line("exposes", &view.exposed.join(", "));
    line("publishes", &view.published.join(", "));
    line("network", &network_text(view));
    let depends: Vec<String> =
        view.depends_on.iter().map(|d| format!("{} ({})", d.service, condition(d.condition))).collect();
    line("depends on", &depends.join(", "));
    line("limits", &limits_text(view.limits));
    line("privileges", &privileges_text(view.privileges));
    if view.read_only_root {
        line("root", "read-only");
    }
    for (i, setting) in view.other.iter().enumerate() {
        line(if i == 0 { "not copied" } else { "" }, &format!("{} = {}", setting.field, setting.value));
    }
    text
}

fn healthcheck_text(check: &HealthcheckView) -> String {
    let show = |seconds: f64| duration::show(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let mut text = format!(
        "{} …, every {}, at most {} each, {}",
        check.program,
        show(check.interval_seconds),
        show(check.timeout_seconds),
        match check.retries {
            1 => "one failure is too many".to_owned(),
            retries => format!("{retries} failures in a row are too many"),
        }
    );
    if check.start_period_seconds > 0.0 {
        let _ = write!(text, ", not counted for the first {}", show(check.start_period_seconds));
    }
    text
}

fn network_text(view: &InspectView<'_>) -> String {
    match view.network_mode {
        NetworkMode::Host => "the host's own".to_owned(),
        NetworkMode::None => "none".to_owned(),
        NetworkMode::Container { container } => format!("that of container {}", short_id(container)),
        NetworkMode::Networks => {
            let one = |at: &Attachment| match at.aliases.as_slice() {
                [] => at.network.clone(),
                aliases => format!("{} (as {})", at.network, aliases.join(", ")),
            };
            view.networks.iter().map(one).collect::<Vec<_>>().join("; ")
        }
    }
}

fn limits_text(limits: &Limits) -> String {
    let mut parts = Vec::new();
    if let Some(memory) = limits.memory.and_then(|bytes| u64::try_from(bytes).ok()) {
        parts.push(format!("memory {}", units::bytes(memory)));
    }
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    if let Some(cpus) = limits.nano_cpus {
        parts.push(format!("{:.2} CPUs", cpus as f64 / 1e9));
    }
    if let Some(cpus) = &limits.cpuset_cpus {
        parts.push(format!("on CPUs {cpus}"));
    }
    if let Some(pids) = limits.pids {
        parts.push(if pids == 1 { "1 process".to_owned() } else { format!("{pids} processes") });
    }
    parts.extend(limits.ulimits.iter().map(|limit| format!("{} {}:{}", limit.name, limit.soft, limit.hard)));
    parts.join(", ")
}

fn privileges_text(privileges: &Privileges) -> String {
    let mut parts = Vec::new();
    if privileges.privileged {
        parts.push("privileged".to_owned());
    }
    let mut named = |what: &str, values: &[String]| {
        if !values.is_empty() {
            parts.push(format!("{what} {}", values.join(" ")));
        }
    };
    named("adds", &privileges.cap_add);
    named("drops", &privileges.cap_drop);
    named("devices", &privileges.devices);
    named("security", &privileges.security_opt);
    let modes = [
        ("pid", &privileges.pid_mode),
        ("ipc", &privileges.ipc_mode),
        ("userns", &privileges.userns_mode),
        ("cgroup", &privileges.cgroupns_mode),
        ("uts", &privileges.uts_mode),
    ];
    parts.extend(modes.iter().filter(|(_, mode)| !mode.is_empty()).map(|(what, mode)| format!("{what} {mode}")));
    parts.join(", ")
}
