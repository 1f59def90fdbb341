//! What every part of a run shares: the connection, the session, the sources, the wish to stop, and what is made once.
//!
//! `cli` fills a [`RunContext`] and moves it down; nothing below reads the process's environment or its clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::docker::{Daemon, DaemonInfo, RegistryLogins};
use crate::model::diagnosis::Code;
use crate::model::environment::Environment;
use crate::model::event::Fact;
use crate::model::plan::ServicePlan;
use crate::model::profile::EarlierProfile;
use crate::model::project_files::PROJECT;
use crate::model::service::ServiceName;
use crate::model::source::SourcePlace;
use crate::source::Backup;
use crate::worker::client::WorkerImage;

use super::breach::Breach;
use super::diagnose::{docker_diagnosis, worker_diagnosis};
use super::images::{ImageFinder, Images};
use super::sandbox::media::Media;
use super::sandbox::room::DiskRoom;
use super::sandbox::session::Session;
use super::sandbox::stop::StopSignal;
use super::sandbox::watch::Watch;
use super::shared_task::{SharedFuture, SharedTask};
use super::steps::Notify;

/// The context of a run: everything besides its plan and its policy.
pub struct RunContext {
    /// The runtime that the engine works on.
    pub runtime: Handle,
    /// The connection to the Docker daemon.
    pub daemon: Daemon,
    /// What the daemon says of itself.
    pub info: DaemonInfo,
    /// Labels and names for every object that the run creates.
    pub session: Session,
    /// Receives the facts of the run.
    pub notify: Notify,
    /// Keep the sandboxes of stacks that are not green.
    pub keep: bool,
    /// The sources of the plan, in the order of `Plan::sources`; then the dumps among their files that are loaded.
    pub sources: Vec<OpenedSource>,
    /// Addresses of the host that no sandbox may reach, as far as the client knows them.
    pub host_addresses: Vec<String>,
    /// Stops all work after a signal or a timeout.
    pub stop: StopSignal,
    /// The logins for the registries of images.
    pub logins: RegistryLogins,
    /// The last green runs of the services; `None`: no history is kept.
    pub history: Option<BTreeMap<ServiceName, EarlierProfile>>,
    /// The environment of the process; secrets of checks may be in it.
    pub environment: Environment,
    /// Objects that the run makes once, when first needed.
    pub resources: RunResources,
}

/// Objects that a run makes once: the worker image, the services' images, the watch over its containers, the addresses
/// to keep out of reach.
#[derive(Default)]
pub struct RunResources {
    image: SharedTask<WorkerImage>,
    images: Arc<Images>,
    watch: SharedTask<Arc<Watch>>,
    addresses: SharedTask<Arc<Vec<String>>>,
    breach: Arc<Breach>,
    media: Arc<Media>,
    room: Arc<DiskRoom>,
}

/// A source of the plan with its reader.
#[derive(Debug, Clone)]
pub struct OpenedSource {
    /// The source as it was asked for.
    pub place: SourcePlace,
    /// Reader for the archive. `None`: the data is a folder on the engine's host, or opening failed (the plan then says
    /// why).
    pub backup: Option<Arc<Backup>>,
    /// It is the files of a project on this machine, and no backup.
    pub is_project: bool,
}

impl OpenedSource {
    /// The source in steps and reports.
    pub fn title(&self) -> String {
        if self.is_project { PROJECT.to_owned() } else { self.place.to_string() }
    }
}

impl RunContext {
    /// A context for a second boot (`control`): its facts go only to `overhear`, and its sandbox is never kept.
    pub(super) fn silenced(&self, overhear: impl Fn(&Fact) + Send + Sync + 'static) -> RunContext {
        RunContext {
            runtime: self.runtime.clone(),
            daemon: self.daemon.clone(),
            info: self.info.clone(),
            session: self.session.clone(),
            notify: self.notify.silenced(overhear),
            keep: false,
            sources: self.sources.clone(),
            host_addresses: self.host_addresses.clone(),
            stop: self.stop.clone(),
            logins: self.logins.clone(),
            history: None,
            environment: self.environment.clone(),
            resources: RunResources {
                images: Arc::clone(&self.resources.images),
                breach: Arc::clone(&self.resources.breach),
                media: Arc::clone(&self.resources.media),
                room: Arc::clone(&self.resources.room),
                ..RunResources::default()
            },
        }
    }

    /// The record of a sandbox that is not isolated; once there is one, nothing more is booted, and running work
    /// stops.
    pub(super) fn breach(&self) -> &Breach {
        &self.resources.breach
    }

    /// The media that the engine's kernel can make sandbox networks on.
    pub(super) fn media(&self) -> &Media {
        &self.resources.media
    }

    /// The room on the engine's disk that stacks have reserved.
    pub(super) fn room(&self) -> &DiskRoom {
        &self.resources.room
    }

    /// The worker image, imported if need be.
    pub(super) fn image(&self) -> SharedFuture<WorkerImage> {
        let (daemon, began) = (self.daemon.clone(), self.session.began);
        self.resources.image.get(|| async move {
            WorkerImage::ensure(&daemon, began).await.map_err(|error| worker_diagnosis(&error, "the worker image"))
        })
    }

    /// The id of the image that a service is to run on, pulled if need be. `cases`: those that a pull is shown to.
    pub(super) fn service_image(&self, plan: &ServicePlan, cases: Vec<ServiceName>) -> SharedFuture<String> {
        let finder = ImageFinder {
            daemon: self.daemon.clone(),
            logins: self.logins.clone(),
            notify: self.notify.clone(),
            stop: self.stop.clone(),
        };
        self.resources.images.get(finder, plan, cases)
    }

    /// The watch over the session's containers.
    pub(super) fn watch(&self) -> SharedFuture<Arc<Watch>> {
        let (daemon, session) = (self.daemon.clone(), self.session.id.clone());
        self.resources.watch.get(|| async move {
            let watch = Watch::start(&daemon, &session).await;
            watch
                .map(Arc::new)
                .map_err(|error| docker_diagnosis(&error, Code::SandboxFailed, "watching the sandbox's containers"))
        })
    }

    /// Every address that must not answer from inside a sandbox.
    pub(super) fn addresses(&self) -> SharedFuture<Arc<Vec<String>>> {
        let (daemon, mut addresses) = (self.daemon.clone(), self.host_addresses.clone());
        self.resources.addresses.get(|| async move {
            let networks = daemon.networks().await;
            let networks =
                networks.map_err(|error| docker_diagnosis(&error, Code::SandboxFailed, "listing the networks"))?;
            // The gateways of Rehearsa's own networks change with other stacks; each sandbox tests its own.
            let others = networks.into_iter().filter(|network| !network.name.starts_with("rehearsa-"));
            addresses.extend(others.flat_map(|network| network.gateways));
            addresses.sort_unstable();
            addresses.dedup();
            Ok(Arc::new(addresses))
        })
    }
}
