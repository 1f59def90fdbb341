//! The daemon: a connection that is cheap to share. Each kind of request stands in a file of its own in this folder.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::connection::Connection;
use super::errors::{DockerErrorKind, Result};
use super::namespaces::KernelIpv6;
use super::target::Target;

/// The labels of an image.
pub type ImageLabels = BTreeMap<String, String>;

/// A connection to a Docker engine; cheap to clone.
#[derive(Clone, Debug)]
pub struct Daemon {
    pub(super) connection: Arc<Connection>,
    /// The labels of images, by image id.
    pub(super) image_labels: Arc<Mutex<HashMap<String, Arc<ImageLabels>>>>,
    /// What is known of IPv6 in the engine's kernel.
    pub ipv6: KernelIpv6,
}

/// What the engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonInfo {
    /// Engine version, `20.10.24+dfsg1`.
    pub version: String,
    /// API version spoken after negotiation, as (major, minor).
    pub api: (u16, u16),
    /// The engine host's name.
    pub name: String,
    /// The engine's id.
    pub id: String,
    /// Where it keeps its data, on its host.
    pub root_dir: String,
    /// Storage driver.
    pub storage_driver: String,
    /// `linux`.
    pub os: String,
    /// `x86_64`, `aarch64`, …
    pub architecture: String,
    /// CPUs of its host.
    pub cpus: i64,
    /// Memory of its host in bytes.
    pub memory: i64,
}

impl Daemon {
    /// Connects; with `wait`, tries until the engine answers or the time is over.
    pub async fn connect(target: &Target, wait: Option<Duration>) -> Result<Daemon> {
        Self::connect_at(target, wait, None).await
    }

    /// Connects and speaks this version of the API. `None`: the newest that both sides know.
    pub async fn connect_at(target: &Target, wait: Option<Duration>, api: Option<(u16, u16)>) -> Result<Daemon> {
        let until = wait.map(|wait| Instant::now() + wait);
        let mut pause = Duration::from_millis(100);
        loop {
            let error = match Connection::open(target, api).await {
                Ok(connection) => {
                    return Ok(Daemon {
                        connection: Arc::new(connection),
                        image_labels: Arc::default(),
                        ipv6: KernelIpv6::default(),
                    });
                }
                Err(error) => error,
            };
            let may_pass = matches!(
                error.kind,
                DockerErrorKind::Unreachable | DockerErrorKind::Timeout(_) | DockerErrorKind::Engine(_)
            );
            let time_left = until.is_some_and(|until| Instant::now() + pause < until);
            if !(may_pass && time_left) {
                return Err(error);
            }
            tracing::debug!(%error, "the engine does not answer yet");
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// What the engine says of itself.
    pub async fn info(&self) -> Result<DaemonInfo> {
        let info = self.connection.system_info().await?;
        Ok(DaemonInfo {
            version: self.connection.version.clone(),
            api: self.connection.api,
            name: info.name.clone().unwrap_or_default(),
            id: info.id.clone().unwrap_or_default(),
            root_dir: info.docker_root_dir.clone().unwrap_or_default(),
            storage_driver: info.driver.clone().unwrap_or_default(),
            os: info.os_type.clone().unwrap_or_default(),
            architecture: info.architecture.clone().unwrap_or_default(),
            cpus: info.ncpu.unwrap_or_default(),
            memory: info.mem_total.unwrap_or_default(),
        })
    }

    /// Where the engine is, for messages.
    pub fn address(&self) -> &str {
        &self.connection.address
    }
}
