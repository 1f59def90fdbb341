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
    /// The stack (Compose project); `None` for a lone container.
    pub stack: Option<String>,
    /// The service's own name within the stack.
    pub service: String,
}

impl ServiceName {
    /// Names a lone container.
    pub fn lone(service: impl Into<String>) -> Self {
        Self { stack: None, service: service.into() }
    }

    /// Names a service of a stack.
    pub fn of_stack(stack: impl Into<String>, service: impl Into<String>) -> Self {
        Self { stack: Some(stack.into()), service: service.into() }
    }

    /// The stack's name. A lone container is a stack of one with the container's name.
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

/// One container definition, read from a live container or from a Compose file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Service {
    /// Name of the service and its stack.
    pub name: ServiceName,
    /// Id of the live container; empty: the service is read from a Compose file, and no live container is known.
    pub container_id: String,
    /// Name of the live container, or the one that Compose would give it, without the leading slash.
    pub container_name: String,
    /// The live container runs now.
    pub running: bool,
    /// The exit code of the last probe, if the live container's own healthcheck fails now. A probe that took too long
    /// has none.
    pub unhealthy: Option<i64>,
    /// Creation time of the live container, RFC 3339. It orders the services of a stack that names no dependencies.
    pub created: String,
    /// The image's reference (`postgres:15`) and the exact id that the container runs.
    pub image: Image,
    /// Platform that the image is wanted for (`linux/amd64`); `None`: the engine's own.
    pub platform: Option<String>,
    /// Entry point; `None` for the image's.
    pub entrypoint: Option<Vec<String>>,
    pub command: Option<Vec<String>>,
    /// Environment in the given order; values are secrets.
    pub env: Vec<EnvVar>,
    /// `user[:group]`, numeric or by name; empty for the image's.
    pub user: String,
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
    /// Signal that stops the container.
    pub stop_signal: Option<String>,
    /// Seconds between that signal and a kill.
    pub stop_timeout: Option<i64>,
    /// The healthcheck of the container or its image; `None` when there is none or it is switched off.
    pub healthcheck: Option<Healthcheck>,
    /// Mounts, ordered by target.
    pub mounts: Vec<Mount>,
    /// Ports that the image or the container exposes.
    pub exposed: Vec<Port>,
    /// Ports published on the live host (`127.0.0.1:8080->80/tcp`). None is published in the sandbox.
    pub published: Vec<String>,
    pub network_mode: NetworkMode,
    /// Networks, with the service's aliases in each.
    pub networks: Vec<Attachment>,
    /// One of its networks gives it an IPv6 address.
    pub ipv6: bool,
    /// Names that resolve to fixed addresses (`host:ip`).
    pub extra_hosts: Vec<String>,
    /// Legacy links (`/other:/this/alias`).
    pub links: Vec<String>,
    /// Resource limits.
    pub limits: Limits,
    /// Namespaced kernel settings.
    pub sysctls: Vec<(String, String)>,
    /// The root file system is read-only.
    pub read_only_root: bool,
    /// An init process reaps children.
    pub init: Option<bool>,
    /// Size of /dev/shm in bytes.
    pub shm_size: Option<i64>,
    /// Restart policy.
    pub restart: Restart,
    /// Privileges beyond an ordinary container's.
    pub privileges: Privileges,
    /// Settings that the sandbox leaves out and the report shows.
    pub other: Vec<Setting>,
    /// Services of the same stack that must be up first.
    pub depends_on: Vec<Dependency>,
    /// Labels. `rehearsa.*` and the stack's are read; none is copied.
    pub labels: Vec<(String, String)>,
    /// Labels that would be read and are not heard, because the image brings them.
    pub unheard: Vec<(String, String)>,
    /// The line of a file that declares the service, if known.
    pub declared: Option<Location>,
}

/// The image of a live container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Image {
    /// The reference as written when the container was created.
    pub reference: String,
    /// The exact id (`sha256:…`) that the container runs.
    pub id: String,
}

/// One environment variable. Only its name is ever serialized.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvVar {
    pub name: String,
    /// The value; `None` when the container has the bare name, which unsets the variable.
    #[serde(skip)]
    pub value: Option<Secret>,
}

/// A healthcheck. Times are in nanoseconds, as the engine has them; 0 stands for the engine's default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Healthcheck {
    /// `["CMD", …]` or `["CMD-SHELL", …]`. May hold a secret, so reports show only the first word.
    #[serde(skip)]
    pub test: Vec<String>,
    /// Time between two probes, in nanoseconds.
    pub interval: i64,
    /// Time limit of a probe, in nanoseconds.
    pub timeout: i64,
    /// Failures in a row that make the container unhealthy.
    pub retries: i64,
    /// Time after the start in which failures do not count, in nanoseconds.
    pub start_period: i64,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Port {
    pub number: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// The network mode of a live container.
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

/// A live container's connection to a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attachment {
    pub network: String,
    /// Names by which others reach the container in the network.
    pub aliases: Vec<String>,
}

/// Resource limits of a container; `None` where no limit is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Limits {
    /// Most memory in bytes.
    pub memory: Option<i64>,
    /// Most memory and swap in bytes; -1: no limit.
    pub memory_swap: Option<i64>,
    /// Guaranteed memory in bytes.
    pub memory_reservation: Option<i64>,
    /// CPU limit in billionths of a CPU.
    pub nano_cpus: Option<i64>,
    /// Relative CPU weight.
    pub cpu_shares: Option<i64>,
    /// CFS period in microseconds.
    pub cpu_period: Option<i64>,
    /// CFS quota in microseconds.
    pub cpu_quota: Option<i64>,
    /// CPUs that the container may use.
    pub cpuset_cpus: Option<String>,
    /// Most processes.
    pub pids: Option<i64>,
    pub ulimits: Vec<Ulimit>,
}

/// A resource limit (`ulimit`) of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ulimit {
    /// Name: `nofile`, `memlock`, …
    pub name: String,
    pub soft: i64,
    pub hard: i64,
}

/// Restart policy of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    No,
    /// After a failure.
    OnFailure,
    /// Always, or unless the container was stopped.
    Always,
}

/// Privileges of a container beyond an ordinary one's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Privileges {
    /// Full access to the host.
    pub privileged: bool,
    /// Additional capabilities, without `CAP_`, in upper case.
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    /// Devices (`/dev/ttyUSB0`), device requests (`gpu`), device rules.
    pub devices: Vec<String>,
    /// Process namespace, when it is not the container's own.
    pub pid_mode: String,
    /// IPC namespace, when it is not the container's own.
    pub ipc_mode: String,
    pub userns_mode: String,
    pub cgroupns_mode: String,
    pub uts_mode: String,
    /// Security options: `seccomp=unconfined`, `apparmor=…`, `label=…`, `no-new-privileges`.
    pub security_opt: Vec<String>,
}

/// A setting that the sandbox leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The engine's name of the setting.
    pub field: String,
    /// The live value; free of secrets.
    pub value: String,
}

/// A service of the same stack that must be up first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dependency {
    /// Name of the other service within the stack.
    pub service: String,
    /// The state that it must have reached.
    pub condition: Condition,
    /// False: the stack's author allows it to be missing.
    pub required: bool,
}

/// The state that a dependency must have reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The container has started.
    ServiceStarted,
    /// The healthcheck passes.
    ServiceHealthy,
    /// The container ran and exited with 0.
    ServiceCompletedSuccessfully,
}

impl Service {
    /// A service of which only the name is known: no container stands behind it yet.
    pub fn declared(name: ServiceName) -> Self {
        Self {
            container_id: String::new(),
            container_name: format!("{}-{}-1", name.stack_name(), name.service),
            running: true,
            unhealthy: None,
            created: String::new(),
            image: Image { reference: String::new(), id: String::new() },
            platform: None,
            entrypoint: None,
            command: None,
            env: Vec::new(),
            user: String::new(),
            group_add: Vec::new(),
            workdir: String::new(),
            hostname: String::new(),
            domainname: String::new(),
            tty: false,
            open_stdin: false,
            shell: None,
            stop_signal: None,
            stop_timeout: None,
            healthcheck: None,
            mounts: Vec::new(),
            exposed: Vec::new(),
            published: Vec::new(),
            network_mode: NetworkMode::Networks,
            networks: Vec::new(),
            ipv6: false,
            extra_hosts: Vec::new(),
            links: Vec::new(),
            limits: Limits::default(),
            sysctls: Vec::new(),
            read_only_root: false,
            init: None,
            shm_size: None,
            restart: Restart::No,
            privileges: Privileges::default(),
            other: Vec::new(),
            depends_on: Vec::new(),
            labels: Vec::new(),
            unheard: Vec::new(),
            declared: None,
            name,
        }
    }

    /// Whether a live container is known. Without one nothing of the host stands behind the service: no volume, path,
    /// log or socket of the engine's host is its own, whatever it is called.
    pub fn is_live(&self) -> bool {
        !self.container_id.is_empty()
    }

    /// The value of a label; `None`: the service has no such label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}
