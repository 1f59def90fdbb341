//! Objects that Rehearsa asks the engine to create.
//!
//! A [`ContainerSpec`] can only say what a sandbox may have. There is no field for a published port, a device or a
//! host namespace, so no mistake elsewhere can ask for one.

use super::secret::Secret;
use super::service::{EnvVar, Healthcheck, Ulimit};

/// A container to create.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerSpec {
    /// Image id or tag.
    pub image: String,
    /// Entry point; `None` for the image's.
    pub entrypoint: Option<Vec<String>>,
    /// Command; `None` for the image's.
    pub command: Option<Vec<String>>,
    pub env: Vec<EnvVar>,
    /// User; empty for the image's.
    pub user: String,
    pub group_add: Vec<String>,
    /// Working directory; empty for the image's.
    pub workdir: String,
    /// Host name; empty for the container's id.
    pub hostname: String,
    pub domainname: String,
    /// A terminal is attached.
    pub tty: bool,
    /// Standard input: closed, kept open, or attached to until the client goes away.
    pub stdin: Stdin,
    /// Shell for shell-form commands.
    pub shell: Option<Vec<String>>,
    /// Signal that stops the container.
    pub stop_signal: Option<String>,
    /// Seconds between that signal and a kill.
    pub stop_timeout: Option<i64>,
    pub healthcheck: HealthcheckSpec,
    pub mounts: Vec<MountSpec>,
    /// The container's one connection to a network.
    pub network: NetworkSpec,
    /// Names that resolve to fixed addresses (`host:ip`).
    pub extra_hosts: Vec<String>,
    /// Most memory in bytes.
    pub memory: Option<i64>,
    /// Most memory and swap in bytes.
    pub memory_swap: Option<i64>,
    /// CPU limit in billionths of a CPU.
    pub nano_cpus: Option<i64>,
    /// Relative CPU weight; 1024 is ordinary.
    pub cpu_shares: Option<i64>,
    /// CFS period in microseconds.
    pub cpu_period: Option<i64>,
    /// CFS quota in microseconds.
    pub cpu_quota: Option<i64>,
    /// CPUs that the container may use.
    pub cpuset_cpus: Option<String>,
    /// Most processes.
    pub pids: Option<i64>,
    /// Score for the kernel's choice when memory is short (-1000 to 1000): higher scores are killed first.
    pub oom_score_adj: i64,
    pub ulimits: Vec<Ulimit>,
    /// Namespaced kernel settings; those of IPv6 are never passed on.
    pub sysctls: Vec<(String, String)>,
    /// IPv6 is off on every interface but loopback. This says whether it is on there.
    pub loopback_ipv6: LoopbackIpv6,
    /// Additional capabilities, without `CAP_`. Those over networks are never passed on.
    pub cap_add: Vec<String>,
    /// Dropped capabilities; `ALL` drops all.
    pub cap_drop: Vec<String>,
    /// The process can gain no privileges by executing a file.
    pub no_new_privileges: bool,
    /// The root file system is read-only.
    pub read_only_root: bool,
    /// An init process reaps children.
    pub init: Option<bool>,
    /// Size of /dev/shm in bytes.
    pub shm_size: Option<i64>,
}

impl ContainerSpec {
    /// A small container that runs one command of an image and can do nothing else: it has no capability, no network,
    /// no mount and nothing to write to, and is the first to be killed when the host runs out of memory. Callers that
    /// need more set the fields.
    pub fn locked_down(image: &str, program: &str, args: &[&str]) -> ContainerSpec {
        ContainerSpec {
            image: image.to_owned(),
            entrypoint: Some(vec![program.to_owned()]),
            command: Some(args.iter().map(|&arg| arg.to_owned()).collect()),
            env: Vec::new(),
            user: String::new(),
            group_add: Vec::new(),
            workdir: "/".to_owned(),
            hostname: String::new(),
            domainname: String::new(),
            tty: false,
            stdin: Stdin::Closed,
            shell: None,
            stop_signal: None,
            stop_timeout: Some(0),
            healthcheck: HealthcheckSpec::Disabled,
            mounts: Vec::new(),
            network: NetworkSpec::None,
            extra_hosts: Vec::new(),
            memory: Some(256 << 20),
            memory_swap: None,
            nano_cpus: None,
            cpu_shares: Some(256),
            cpu_period: None,
            cpu_quota: None,
            cpuset_cpus: None,
            pids: Some(64),
            oom_score_adj: 500,
            ulimits: Vec::new(),
            sysctls: Vec::new(),
            loopback_ipv6: LoopbackIpv6::AsTheEngine,
            cap_add: Vec::new(),
            cap_drop: vec!["ALL".to_owned()],
            no_new_privileges: true,
            read_only_root: true,
            init: None,
            shm_size: None,
        }
    }
}

/// Whether the address `::1` is in a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopbackIpv6 {
    /// As the engine has it in a container without an IPv6 network: before Docker 26 not, from 26 on yes.
    AsTheEngine,
    On,
    Off,
}

/// Standard input of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdin {
    Closed,
    /// Open, but nobody writes.
    Open,
    /// Attached once: ends when the client's connection ends.
    Attached,
}

/// The healthcheck of a container to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthcheckSpec {
    /// No healthcheck, not even the image's.
    Disabled,
    /// This healthcheck.
    Probe(Healthcheck),
}

/// A mount of a container to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSpec {
    /// Absolute path inside the container.
    pub target: String,
    /// The mounted object.
    pub source: MountSource,
    pub read_only: bool,
}

/// The object that a container to create mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// A volume by its name. The engine never fills it from the image.
    Volume(String),
    /// A volume that the engine fills from the image, as a new host does.
    NewVolume(String),
    /// A path of the daemon's host, which must exist.
    HostPath(String),
    /// Memory, with these mount options.
    Tmpfs(String),
}

/// The network connection of a container to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkSpec {
    /// No network except loopback.
    None,
    /// A sandbox network. Names are resolved inside it only.
    Sandbox {
        /// Name of the network.
        network: String,
        /// Names by which others reach the container.
        aliases: Vec<String>,
    },
    /// The network namespace of this container of Rehearsa.
    Share(String),
}

/// A volume to create. The driver is always the plain local one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeSpec {
    /// An ordinary volume.
    Plain,
    /// An overlay: reads from `lower`, writes to `upper`. All are paths of the daemon's host.
    Overlay {
        /// Path of the data, which is never written.
        lower: String,
        /// Path that takes the writes.
        upper: String,
        /// Working folder of the overlay, on the same file system as `upper`.
        work: String,
    },
}

/// Labels that mark an object as Rehearsa's. The room `docker` writes and reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectLabels {
    /// Id of the session.
    pub session: String,
    /// Name of the stack.
    pub stack: String,
    /// Name of the client's host.
    pub host: String,
    /// The client's process: `pid.starttime`.
    pub process: String,
    /// Time (Unix seconds) after which nobody needs the object.
    pub expires: i64,
}

/// The secret values of an environment.
pub fn secrets(env: &[EnvVar]) -> impl Iterator<Item = &Secret> {
    env.iter().filter_map(|var| var.value.as_ref())
}
