//! A service while it is read from its file, before it is known what its image gives.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::keys::Notes;
use super::node::Node;
use crate::model::mount::Mount;
use crate::model::secret::Secret;
use crate::model::service::{Healthcheck, Service, ServiceName, Setting};

/// What the project declares beside its services.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// Name of the project.
    pub project: String,
    /// The volumes, by their keys.
    pub volumes: BTreeMap<String, DeclaredVolume>,
    /// The real names of the networks, by their keys.
    pub networks: BTreeMap<String, String>,
    /// Secrets and configs, by their keys.
    pub secrets: BTreeMap<String, Content>,
    pub configs: BTreeMap<String, Content>,
}

/// A volume that the project declares.
#[derive(Debug, Clone, Default)]
pub(super) struct DeclaredVolume {
    /// Its real name.
    pub name: String,
    /// Its driver; empty: the local one.
    pub driver: String,
    /// It is memory by its options.
    pub in_memory: bool,
    /// It is made elsewhere: Compose does not put the project's name in front.
    pub external: bool,
}

/// The content of a secret or a config.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// A file of this machine.
    File(String),
    /// The text itself.
    Text(Secret),
    /// The value of a variable of the caller.
    Variable(String),
    /// It is made elsewhere.
    External,
}

/// A secret or a config in a service.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    /// Absolute path in the container.
    pub target: String,
    pub content: Content,
    /// Permissions, for a content that is no file.
    pub mode: Option<u32>,
    /// User and group, for a content that is no file.
    pub owner: (u32, u32),
}

/// The healthcheck as the file has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FileHealthcheck {
    /// It is switched off.
    pub disabled: bool,
    /// `None`: the image's.
    pub test: Option<Vec<String>>,
    /// In nanoseconds; 0: the image's.
    pub interval: i64,
    pub timeout: i64,
    pub start_period: i64,
    /// 0: the image's.
    pub retries: i64,
}

/// A service that is being read.
#[derive(Debug)]
pub(super) struct DraftService {
    pub declared: Arc<Declared>,
    /// Its key in the file.
    pub key: String,
    pub service: Service,
    pub health: FileHealthcheck,
    /// It is built, so its image has no name of its own.
    pub is_built: bool,
    /// The file says how its image is built, whether it names the image or not.
    pub has_build: bool,
    /// The service whose network, processes or IPC it shares.
    pub network_of: Option<String>,
    /// `service` or `container:name`, with the access.
    pub volumes_from: Vec<String>,
    /// The services that it links to, with the alias.
    pub links: Vec<(String, String)>,
    pub grants: Vec<Grant>,
    /// Number of its containers.
    pub scale: i64,
}

impl DraftService {
    pub fn new(key: &str, declared: &Arc<Declared>) -> DraftService {
        DraftService {
            service: Service::declared(ServiceName::of_stack(declared.project.clone(), key)),
            declared: Arc::clone(declared),
            key: key.to_owned(),
            health: FileHealthcheck::default(),
            is_built: false,
            has_build: false,
            network_of: None,
            volumes_from: Vec::new(),
            links: Vec::new(),
            grants: Vec::new(),
            scale: 1,
        }
    }

    /// Adds a mount, or replaces the one at the same path.
    pub fn mount(&mut self, mount: Mount) {
        self.service.mounts.retain(|known| known.target != mount.target);
        self.service.mounts.push(mount);
    }

    /// Notes a setting that the sandbox leaves out.
    pub fn note(&mut self, field: &str, value: impl Into<String>) {
        self.service.other.push(Setting { field: field.to_owned(), value: value.into() });
    }
}

impl Notes for DraftService {
    fn left_out(&mut self, key: &str, value: &Node<'_>) {
        let shown = value.shown();
        if !shown.is_empty() && shown != "false" {
            self.note(key, shown);
        }
    }
}

impl FileHealthcheck {
    /// The healthcheck of the container: what the file leaves open is the image's.
    pub fn over(&self, image: Option<&Healthcheck>) -> Option<Healthcheck> {
        if self.disabled {
            return None;
        }
        let test = self.test.clone().or_else(|| Some(image?.test.clone()))?;
        let or = |own: i64, of_image: fn(&Healthcheck) -> i64| if own > 0 { own } else { image.map_or(0, of_image) };
        Some(Healthcheck {
            test,
            interval: or(self.interval, |image| image.interval),
            timeout: or(self.timeout, |image| image.timeout),
            retries: or(self.retries, |image| image.retries),
            start_period: or(self.start_period, |image| image.start_period),
        })
    }
}

/// A number that is set; 0 stands for none.
pub(super) fn set(number: i64) -> Option<i64> {
    Some(number).filter(|number| *number != 0)
}
