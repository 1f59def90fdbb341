//! A project: the services that Compose resolved, as services of the model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::draft::{Content, Declared, DeclaredVolume, DraftService, FileHealthcheck};
use super::error::ComposeError;
use super::files::{FileContent, ProjectFile, find_project_files};
use super::keys::Reading::{self, NoEffect, Refused, Used};
use super::keys::{Notes, Table, read_keys, refuse_unknown};
use super::node::Node;
use super::program::Resolved;
use super::{mounts, service};
use crate::model::environment::Environment;
use crate::model::image_config::ImageConfig;
use crate::model::mask::Mask;
use crate::model::mount::{Mount, MountOrigin};
use crate::model::secret::Secret;
use crate::model::service::{Attachment, Condition, NetworkMode, Service};

/// A project, read from its files.
#[derive(Debug)]
pub struct Project {
    pub name: String,
    /// The project's folder on this machine.
    pub folder: PathBuf,
    /// The files that it was read from.
    pub files: Vec<PathBuf>,
    pub services: Vec<FileService>,
    /// What Compose warns of.
    pub warnings: Vec<String>,
    /// What this machine has for the mounts of the services.
    pub project_files: Vec<ProjectFile>,
    /// The keys of the volumes that have the project's name in front, by their real names.
    pub own_volumes: BTreeMap<String, String>,
}

/// A service as its file has it.
#[derive(Debug)]
pub struct FileService {
    /// The service, without what its image gives.
    pub service: Service,
    /// It is built, and the file does not name its image.
    pub is_built: bool,
    /// The file says how its image is built.
    pub has_build: bool,
    health: FileHealthcheck,
}

/// What is read of the whole project.
#[derive(Default)]
struct Top {
    declared: Declared,
}

impl Notes for Top {
    fn left_out(&mut self, _: &str, _: &Node<'_>) {}
}

/// The keys at the top of a project.
const KEYS: Table<Top> = &[
    ("configs", Used(|top, node| contents(node, &mut top.declared.configs))),
    ("include", NoEffect("Compose has resolved it")),
    ("models", Refused("its services need a language model that the engine provides")),
    ("name", Used(|top, node| node.text().map(|name| top.declared.project = name))),
    ("networks", Used(networks)),
    ("secrets", Used(|top, node| contents(node, &mut top.declared.secrets))),
    ("services", Reading::NoEffect("they are read after what they refer to")),
    ("version", NoEffect("Compose ignores it")),
    ("volumes", Used(volumes)),
];

/// Reads what Compose printed. `environment` has the values of secrets that are variables.
pub fn read(resolved: Resolved, environment: &Environment) -> Result<Project, ComposeError> {
    let Resolved { json, warnings, folder, files } = resolved;
    let value: Value = serde_json::from_slice(&json)
        .map_err(|error| ComposeError::NotRun(format!("what Docker Compose prints is no JSON: {error}")))?;
    let root = Node::root(&value);
    let mut top = Top::default();
    read_keys(&mut top, &root, KEYS)?;
    let declared = Arc::new(top.declared);
    let mut drafts = Vec::new();
    for (key, node) in root.get("services").map(|services| services.entries()).transpose()?.unwrap_or_default() {
        let mut draft = DraftService::new(&key, &declared);
        service::read(&mut draft, &node)?;
        if draft.scale > 1 {
            let replicas = draft.scale.to_string();
            draft.note("scale", replicas);
        }
        drafts.push(draft);
    }
    // A service of which no container is wanted is not started by `up` either.
    drafts.retain(|draft| draft.scale != 0);
    if drafts.is_empty() {
        let words = format!("the project {} has no service to start; --profile enables others", declared.project);
        return Err(ComposeError::Stops(words));
    }
    connect(&mut drafts);
    let mut project_files = grant_files(&mut drafts, environment)?;
    let named = declared.volumes.iter().filter(|(_, volume)| !volume.external);
    let own_volumes = named.map(|(key, volume)| (volume.name.clone(), key.clone())).collect();
    let services: Vec<FileService> = drafts.into_iter().map(finish).collect();
    let mounts = services.iter().flat_map(|of| &of.service.mounts);
    find_project_files(mounts, &folder, &mut project_files);
    let name = declared.project.clone();
    Ok(Project { name, folder, files, services, warnings, project_files, own_volumes })
}

/// Reads the volumes that the services refer to.
fn volumes(top: &mut Top, node: &Node<'_>) -> Result<(), ComposeError> {
    for (key, of) in node.entries()? {
        refuse_unknown(&of, &["name", "driver", "driver_opts", "external", "labels"])?;
        let text = |key: &str| of.get(key).map(|value| value.text()).transpose();
        let option = |name: &str| of.get("driver_opts")?.get(name)?.text().ok();
        let volume = DeclaredVolume {
            name: text("name")?.unwrap_or_else(|| format!("{}_{key}", top.declared.project)),
            driver: text("driver")?.unwrap_or_default(),
            in_memory: option("type").as_deref() == Some("tmpfs"),
            external: of.get("external").map_or(Ok(false), |flag| flag.flag())?,
        };
        top.declared.volumes.insert(key, volume);
    }
    Ok(())
}

/// Reads the networks. All of them become the network of the sandbox.
fn networks(top: &mut Top, node: &Node<'_>) -> Result<(), ComposeError> {
    for (key, of) in node.entries()? {
        let name = of.get("name").map(|name| name.text()).transpose()?;
        let name = name.unwrap_or_else(|| format!("{}_{key}", top.declared.project));
        top.declared.networks.insert(key, name);
    }
    Ok(())
}

/// Reads secrets or configs.
fn contents(node: &Node<'_>, contents: &mut BTreeMap<String, Content>) -> Result<(), ComposeError> {
    for (key, of) in node.entries()? {
        let text = |key: &str| of.get(key).map(|value| value.text()).transpose();
        let content = match (text("file")?, text("content")?, text("environment")?) {
            (Some(file), _, _) => Content::File(file),
            (_, Some(content), _) => Content::Text(Secret::new(content)),
            (_, _, Some(variable)) => Content::Variable(variable),
            _ => Content::External,
        };
        contents.insert(key, content);
    }
    Ok(())
}

/// Resolves what services refer to in each other: networks, links, mounts.
fn connect(drafts: &mut [DraftService]) {
    let named: BTreeMap<String, String> =
        drafts.iter().map(|draft| (draft.key.clone(), draft.service.container_name.clone())).collect();
    let mounts: BTreeMap<String, Vec<Mount>> =
        drafts.iter().map(|draft| (draft.key.clone(), draft.service.mounts.clone())).collect();
    let jobs: BTreeSet<String> = drafts
        .iter()
        .flat_map(|draft| &draft.service.depends_on)
        .filter(|of| of.condition == Condition::ServiceCompletedSuccessfully)
        .map(|of| of.service.clone())
        .collect();
    for draft in drafts {
        // A job that others wait for is no service by itself: it has ended when they run.
        draft.service.running = !jobs.contains(&draft.key);
        if let Some(container) = draft.network_of.as_ref().and_then(|service| named.get(service)) {
            draft.service.network_mode = NetworkMode::Container { container: container.clone() };
        }
        let own = draft.service.container_name.clone();
        let links = draft.links.iter().filter_map(|(service, alias)| {
            let container = named.get(service)?;
            Some(format!("/{container}:/{own}/{alias}"))
        });
        draft.service.links = links.collect();
        for from in draft.volumes_from.clone() {
            let container = from.strip_prefix("container:");
            let whole = container.unwrap_or(&from);
            let (name, access) = whole.split_once(':').unwrap_or((whole, ""));
            let service = match container {
                Some(_) => named.iter().find(|(_, own)| *own == name).map(|(service, _)| service.as_str()),
                None => Some(name),
            };
            let Some(shown) = service.and_then(|service| mounts.get(service)) else {
                draft.note("volumes_from", from.clone());
                continue;
            };
            for mount in shown {
                if draft.service.mounts.iter().all(|own| own.target != mount.target) {
                    let read_only = mount.read_only || access == "ro";
                    draft.mount(Mount { read_only, ..mount.clone() });
                }
            }
        }
        draft.has_build = draft.is_built;
        if draft.is_built && draft.service.image.reference.is_empty() {
            draft.service.image.reference = format!("{}-{}", draft.declared.project, draft.key);
        } else {
            draft.is_built = false;
        }
    }
}

/// Makes read-only mounts of secrets and configs, and returns their files.
fn grant_files(drafts: &mut [DraftService], environment: &Environment) -> Result<Vec<ProjectFile>, ComposeError> {
    let mut files: Vec<ProjectFile> = Vec::new();
    for draft in drafts {
        for grant in std::mem::take(&mut draft.grants) {
            let target = mounts::plain(&grant.target);
            // Another project may have a service and a target of the same names.
            let named = format!("{}::{}:{target}", draft.declared.project, draft.key);
            let (source, content) = match grant.content {
                Content::File(path) => (path.clone(), FileContent::Path(PathBuf::from(path))),
                Content::Text(text) => (named, FileContent::Text { text, mode: grant.mode, owner: grant.owner }),
                Content::Variable(name) => match environment.get_or_empty(&name) {
                    Some(value) => {
                        let text = Secret::new(value);
                        (named, FileContent::Text { text, mode: grant.mode, owner: grant.owner })
                    }
                    None => {
                        return Err(ComposeError::Stops(format!(
                            "{} of service {} is the value of the variable {name}, which is not set",
                            grant.target, draft.key
                        )));
                    }
                },
                // Refused where it is read.
                Content::External => continue,
            };
            draft.mount(Mount { target, origin: MountOrigin::Bind { source: source.clone() }, read_only: true });
            if files.iter().all(|known| known.source != source) {
                files.push(ProjectFile { source, content, is_first: true });
            }
        }
    }
    Ok(files)
}

/// Brings a service into the order of one that is read from the engine.
fn finish(draft: DraftService) -> FileService {
    let DraftService { mut service, health, is_built, has_build, .. } = draft;
    service.mounts.sort_by(|a, b| a.target.cmp(&b.target));
    service.exposed.sort();
    service.exposed.dedup();
    service.env.sort_by(|a, b| a.name.cmp(&b.name));
    service.networks.sort_by(|a: &Attachment, b| a.network.cmp(&b.network));
    service.other.sort_by(|a, b| a.field.cmp(&b.field));
    service.healthcheck = health.over(None);
    // Reports show these settings, and a value may repeat a secret of the environment.
    let mask = Mask::of_services([&service]);
    service.other.iter_mut().for_each(|setting| setting.value = mask.apply(&setting.value));
    FileService { service, is_built, has_build, health }
}

impl FileService {
    /// The service with what its image gives, as the engine merges it.
    pub fn with_image(&self, image: ImageConfig) -> Service {
        let ImageConfig {
            id,
            digests: _, // compared with a lock
            env,
            entrypoint,
            command,
            user,
            workdir,
            healthcheck,
            exposed,
            volumes,
            stop_signal,
            shell,
        } = image;
        let mut service = self.service.clone();
        service.image.id = id;
        let own = std::mem::take(&mut service.env);
        let of_image = env.into_iter().filter(|var| own.iter().all(|known| known.name != var.name));
        service.env = of_image.chain(own.iter().cloned()).collect();
        // An entrypoint of the file drops the image's command.
        if service.entrypoint.is_none() {
            service.command = service.command.or(command);
            service.entrypoint = Some(entrypoint.unwrap_or_default());
        }
        service.command = service.command.filter(|words| !words.is_empty());
        if service.user.is_empty() {
            service.user = user;
        }
        if service.workdir.is_empty() {
            service.workdir = workdir;
        }
        service.healthcheck = self.health.over(healthcheck.as_ref());
        service.exposed.extend(exposed);
        service.exposed.sort();
        service.exposed.dedup();
        for target in volumes {
            let target = mounts::plain(&target);
            if service.mounts.iter().all(|mount| mount.target != target) {
                let origin = mounts::anonymous(&service.name.to_string(), &target);
                service.mounts.push(Mount { target, origin, read_only: false });
            }
        }
        service.mounts.sort_by(|a, b| a.target.cmp(&b.target));
        service.stop_signal = service.stop_signal.or(stop_signal);
        service.shell = service.shell.or(shell);
        service
    }
}

#[cfg(test)]
#[path = "project_tests.rs"]
mod tests;
