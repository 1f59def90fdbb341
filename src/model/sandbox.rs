//! What is really created: our own words for the objects the engine is asked for.
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
    /// Entry point, `None` for the image's.
    pub entrypoint: Option<Vec<String>>,
    /// Command, `None` for the image's.
    pub command: Option<Vec<String>>,
    /// Environment.
    pub env: Vec<EnvVar>,
    /// User, empty for the image's.
    pub user: String,
    /// Supplementary groups.
    pub group_add: Vec<String>,
    /// Working directory, empty for the image's.
    pub workdir: String,
    /// Host name, empty for the container's id.
    pub hostname: String,
    /// Domain name.
    pub domainname: String,
    /// A terminal is attached.
    pub tty: bool,
    /// Standard input: closed, kept open, or attached to until the client goes away.
    pub stdin: Stdin,
    /// Shell for shell-form commands.
    pub shell: Option<Vec<String>>,
    /// Signal that stops it.
    pub stop_signal: Option<String>,
    /// Seconds it is given to stop.
    pub stop_timeout: Option<i64>,
    /// Its healthcheck.
    pub healthcheck: HealthcheckSpec,
    /// Its mounts.
    pub mounts: Vec<MountSpec>,
    /// Its one place in the network.
    pub network: NetworkSpec,
    /// Names that resolve to fixed addresses (`host:ip`).
    pub extra_hosts: Vec<String>,
    /// Memory in bytes.
    pub memory: Option<i64>,
    /// Memory and swap in bytes.
    pub memory_swap: Option<i64>,
    /// CPUs in billionths.
    pub nano_cpus: Option<i64>,
    /// Relative CPU weight; 1024 is ordinary.
    pub cpu_shares: Option<i64>,
    /// CFS period in microseconds.
    pub cpu_period: Option<i64>,
    /// CFS quota in microseconds.
    pub cpu_quota: Option<i64>,
    /// CPUs it may run on.
    pub cpuset_cpus: Option<String>,
    /// Processes.
    pub pids: Option<i64>,
    /// Higher is killed first when the host runs out of memory (-1000 to 1000).
    pub oom_score_adj: i64,
    /// Resource limits.
    pub ulimits: Vec<Ulimit>,
    /// Namespaced kernel settings.
    pub sysctls: Vec<(String, String)>,
    /// Added capabilities, without `CAP_`.
    pub cap_add: Vec<String>,
    /// Dropped capabilities (`ALL` is understood).
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
    /// A small container of ours that runs one command of an image and can do nothing else: no capability, no network, no
    /// mount, nothing to write to, and the first to be killed when the host runs out of memory. Whoever needs more says so
    /// on top of this.
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
            cap_add: Vec::new(),
            cap_drop: vec!["ALL".to_owned()],
            no_new_privileges: true,
            read_only_root: true,
            init: None,
            shm_size: None,
        }
    }
}

/// Standard input of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdin {
    /// Closed.
    Closed,
    /// Open, nobody writes to it.
    Open,
    /// Attached once: it ends when the client's connection ends.
    Attached,
}

/// The healthcheck of a container to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthcheckSpec {
    /// None, not even the image's.
    Disabled,
    /// This one.
    Probe(Healthcheck),
}

/// A mount of a container to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSpec {
    /// Absolute path inside the container.
    pub target: String,
    /// What is mounted there.
    pub source: MountSource,
    /// Mounted read-only.
    pub read_only: bool,
}

/// What a container to create has mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// A volume by its name, never filled from the image.
    Volume(String),
    /// A path of the daemon's host, which must exist.
    HostPath(String),
    /// Memory, with mount options.
    Tmpfs(String),
}

/// The one place in the network that a container to create has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkSpec {
    /// None at all, but for loopback.
    None,
    /// The network of this name, under these aliases; names are resolved inside only.
    Sandbox {
        /// The network.
        network: String,
        /// Names the container answers to.
        aliases: Vec<String>,
    },
    /// The network namespace of this container, one of ours.
    Share(String),
}

/// A volume to create, always of the plain local driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeSpec {
    /// An ordinary volume.
    Plain,
    /// An overlay: reads from `lower`, writes to `upper`. All are paths of the daemon's host.
    Overlay {
        /// The data, never written.
        lower: String,
        /// What is written.
        upper: String,
        /// Working folder of the overlay, on the same file system as `upper`.
        work: String,
    },
}

/// The labels that mark an object as ours: the docker room writes and reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectLabels {
    /// Session id.
    pub session: String,
    /// Stack's name.
    pub stack: String,
    /// Name of the client's host.
    pub host: String,
    /// Process of the client: `pid.starttime`.
    pub process: String,
    /// Unix seconds after which nobody needs the object.
    pub expires: i64,
}

/// A secret that a service holds, with where it came from, for masking logs.
pub fn secrets(env: &[EnvVar]) -> impl Iterator<Item = &Secret> {
    env.iter().filter_map(|var| var.value.as_ref())
}
