//! A service: one container definition as it runs on the live host.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::location::Location;
use super::mount::Mount;
use super::secret::Secret;

/// The name of a service and of its test case: `stack::service`, or `service` for a lone container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ServiceName {
    /// The stack (compose project) it belongs to; a lone container has none.
    pub stack: Option<String>,
    /// The service's own name.
    pub service: String,
}

impl ServiceName {
    /// The name of a lone container.
    pub fn lone(service: impl Into<String>) -> Self {
        Self { stack: None, service: service.into() }
    }

    /// The name of a service of a stack.
    pub fn of_stack(stack: impl Into<String>, service: impl Into<String>) -> Self {
        Self { stack: Some(stack.into()), service: service.into() }
    }

    /// The stack's name; a lone container is a stack of one that bears its name.
    pub fn stack_name(&self) -> &str {
        self.stack.as_deref().unwrap_or(&self.service)
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stack {
            Some(stack) => write!(f, "{stack}::{}", self.service),
            None => f.write_str(&self.service),
        }
    }
}

/// One container definition, read from a live container.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Service {
    /// Its name and its stack's.
    pub name: ServiceName,
    /// The live container's id.
    pub container_id: String,
    /// The live container's name, without the leading slash.
    pub container_name: String,
    /// Whether the live container runs now.
    pub running: bool,
    /// When the live container was created, RFC 3339; orders the services of a stack that names no dependencies.
    pub created: String,
    /// The image as written (`postgres:15`) and the exact id the container runs.
    pub image: Image,
    /// Overrides of the image's entry point.
    pub entrypoint: Option<Vec<String>>,
    /// The command.
    pub command: Option<Vec<String>>,
    /// Environment, in the order given; values are secrets.
    pub env: Vec<EnvVar>,
    /// `user[:group]`, numeric or by name; empty for the image's.
    pub user: String,
    /// Supplementary groups.
    pub group_add: Vec<String>,
    /// Working directory; empty for the image's.
    pub workdir: String,
    /// Host name inside the container.
    pub hostname: String,
    /// Domain name inside the container.
    pub domainname: String,
    /// A terminal is attached.
    pub tty: bool,
    /// Standard input is kept open.
    pub open_stdin: bool,
    /// Shell for shell-form commands.
    pub shell: Option<Vec<String>>,
    /// Signal that stops it.
    pub stop_signal: Option<String>,
    /// Seconds it is given to stop.
    pub stop_timeout: Option<i64>,
    /// Its healthcheck, whether from the image or the container; `None` when there is none or it is switched off.
    pub healthcheck: Option<Healthcheck>,
    /// Its mounts, ordered by target.
    pub mounts: Vec<Mount>,
    /// Ports that the image or the container exposes.
    pub exposed: Vec<Port>,
    /// Ports published on the live host (`127.0.0.1:8080->80/tcp`), never published in the sandbox.
    pub published: Vec<String>,
    /// How it is networked.
    pub network_mode: NetworkMode,
    /// Networks it is attached to, with the names it answers to there.
    pub networks: Vec<Attachment>,
    /// Names that resolve to fixed addresses (`host:ip`).
    pub extra_hosts: Vec<String>,
    /// Legacy links (`/other:/this/alias`).
    pub links: Vec<String>,
    /// Limits on what it may use.
    pub limits: Limits,
    /// Namespaced kernel settings.
    pub sysctls: Vec<(String, String)>,
    /// The root file system is read-only.
    pub read_only_root: bool,
    /// An init process reaps children.
    pub init: Option<bool>,
    /// Size of /dev/shm in bytes.
    pub shm_size: Option<i64>,
    /// What the engine does when it exits.
    pub restart: Restart,
    /// What it may do beyond an ordinary container.
    pub privileges: Privileges,
    /// Settings that the sandbox knows to leave behind, as `field` and `value` for the report.
    pub other: Vec<Setting>,
    /// Services of the same stack it depends on.
    pub depends_on: Vec<Dependency>,
    /// Its labels; read for `rehearsa.*` and the stack, never copied.
    pub labels: Vec<(String, String)>,
    /// The line of a file that declares it, when that is known.
    pub declared: Option<Location>,
}

/// The image of a live container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Image {
    /// As written when the container was made.
    pub reference: String,
    /// The exact id (`sha256:…`) it runs.
    pub id: String,
}

/// One environment variable. Only the name is ever serialized.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvVar {
    /// The variable's name.
    pub name: String,
    /// Its value; `None` when the container has the bare name, which unsets it.
    #[serde(skip)]
    pub value: Option<Secret>,
}

/// A healthcheck, times in nanoseconds as the engine has them; 0 stands for the engine's default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Healthcheck {
    /// `["CMD", …]` or `["CMD-SHELL", …]`. May hold a secret, so reports show only its first word.
    #[serde(skip)]
    pub test: Vec<String>,
    /// Time between two probes.
    pub interval: i64,
    /// Time a probe may take.
    pub timeout: i64,
    /// Failures in a row that make it unhealthy.
    pub retries: i64,
    /// Time after the start in which failures do not count.
    pub start_period: i64,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Port {
    /// The number.
    pub number: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// How a live container is networked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum NetworkMode {
    /// One or more bridge-like networks.
    Networks,
    /// The host's own network.
    Host,
    /// No network.
    None,
    /// The network namespace of another container.
    Container {
        /// That container's id or name.
        container: String,
    },
}

/// One network a live container is attached to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// The network's name.
    pub network: String,
    /// Names it answers to there.
    pub aliases: Vec<String>,
}

/// Limits of a container; `None` where none is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Limits {
    /// Memory in bytes.
    pub memory: Option<i64>,
    /// Memory and swap in bytes, -1 for no bound.
    pub memory_swap: Option<i64>,
    /// Guaranteed memory in bytes.
    pub memory_reservation: Option<i64>,
    /// CPUs in billionths.
    pub nano_cpus: Option<i64>,
    /// Relative CPU weight.
    pub cpu_shares: Option<i64>,
    /// CFS period in microseconds.
    pub cpu_period: Option<i64>,
    /// CFS quota in microseconds.
    pub cpu_quota: Option<i64>,
    /// CPUs it may run on.
    pub cpuset_cpus: Option<String>,
    /// Processes.
    pub pids: Option<i64>,
    /// `name`, soft, hard.
    pub ulimits: Vec<Ulimit>,
}

/// A resource limit of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ulimit {
    /// `nofile`, `memlock`, …
    pub name: String,
    /// Soft limit.
    pub soft: i64,
    /// Hard limit.
    pub hard: i64,
}

/// When the engine starts a container again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    No,
    /// After a failure.
    OnFailure,
    /// Always, or unless it was stopped.
    Always,
}

/// What a container may do beyond an ordinary one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Privileges {
    /// All of the host.
    pub privileged: bool,
    /// Added capabilities, without `CAP_`, upper case.
    pub cap_add: Vec<String>,
    /// Dropped capabilities.
    pub cap_drop: Vec<String>,
    /// Devices (`/dev/ttyUSB0`), device requests (`gpu`), device rules.
    pub devices: Vec<String>,
    /// Process namespace, when it is not its own.
    pub pid_mode: String,
    /// IPC namespace, when it is not its own.
    pub ipc_mode: String,
    /// User namespace mode.
    pub userns_mode: String,
    /// Control group namespace mode.
    pub cgroupns_mode: String,
    /// Host name namespace mode.
    pub uts_mode: String,
    /// `seccomp=unconfined`, `apparmor=…`, `label=…`, `no-new-privileges`.
    pub security_opt: Vec<String>,
}

/// A setting that does not go along into the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The engine's word for it.
    pub field: String,
    /// Its value, free of secrets.
    pub value: String,
}

/// A service that must be up first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dependency {
    /// The other service's name in the same stack.
    pub service: String,
    /// What must hold of it.
    pub condition: Condition,
    /// The stack's author said that it may be missing.
    pub required: bool,
}

/// What must hold of a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It has started.
    ServiceStarted,
    /// Its healthcheck passes.
    ServiceHealthy,
    /// It ran and exited with 0.
    ServiceCompletedSuccessfully,
}

impl Service {
    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}
