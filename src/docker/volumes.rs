//! Volumes: new ones of the plain local driver, and what is known of live ones.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{Volume, VolumeCreateRequest};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListVolumesOptionsBuilder, RemoveVolumeOptions};

use crate::model::sandbox::{ObjectLabels, VolumeSpec};

use super::client::Daemon;
use super::connection::in_path;
use super::containers::{is_not_found, own_name};
use super::errors::{DockerError, DockerErrorKind, Result};
use super::labels;

/// What the engine knows of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeInfo {
    /// Name.
    pub name: String,
    /// Driver.
    pub driver: String,
    /// Where it lies on the engine's host.
    pub mountpoint: String,
    /// Driver options (`type=nfs`, `o=bind`, …).
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

impl Daemon {
    /// Creates a volume. If there is a volume of this name that is not this session's, that is a conflict: the engine
    /// itself would return it as if it were new.
    pub async fn create_volume(&self, name: &str, spec: &VolumeSpec, marks: &ObjectLabels) -> Result<VolumeInfo> {
        const CREATE: &str = "create volume";
        let request =
            request(name, spec, marks).map_err(|why| DockerError::new(CREATE, name, DockerErrorKind::Engine(why)))?;
        let volume = info(self.connection.call(CREATE, name, |docker| docker.create_volume(request)).await?);
        let ours = labels::write(marks).iter().all(|(key, value)| volume.labels.get(key) == Some(value));
        if !ours {
            let why = "a volume of this name is there already and is not this session's";
            return Err(DockerError::new(CREATE, name, DockerErrorKind::Conflict(why.to_owned())));
        }
        Ok(volume)
    }

    /// What the engine knows of a volume.
    pub async fn volume(&self, name: &str) -> Result<VolumeInfo> {
        const LOOK: &str = "inspect volume";
        let name = in_path(LOOK, name)?;
        Ok(info(self.connection.call(LOOK, name, |docker| docker.inspect_volume(name)).await?))
    }

    /// Removes a volume; one that is not there is success.
    pub async fn remove_volume(&self, name: &str) -> Result<()> {
        const REMOVE: &str = "remove volume";
        let (name, options) = (in_path(REMOVE, name)?, None::<RemoveVolumeOptions>);
        match self.connection.call(REMOVE, name, |docker| docker.remove_volume(name, options)).await {
            Err(error) if is_not_found(&error) => Ok(()),
            done => done,
        }
    }
}

/// The names of the containers, running or not, that mount a volume.
pub async fn users_of(daemon: &Daemon, volume: &str) -> Result<Vec<String>> {
    let filters = HashMap::from([("volume".to_owned(), vec![volume.to_owned()])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let listed = daemon.connection.call("list users of volume", volume, |docker| docker.list_containers(Some(options)));
    let names = listed.await?.into_iter().map(|container| own_name(container.names.as_deref().unwrap_or_default()));
    // A container without a name is just being removed.
    Ok(names.filter(|name| !name.is_empty()).collect())
}

/// The names of the volumes that are memory by their options (`type=tmpfs`). Only the local driver is asked: a plugin
/// may not answer.
pub async fn memory_volumes(daemon: &Daemon) -> Result<BTreeSet<String>> {
    let filters = HashMap::from([("driver".to_owned(), vec!["local".to_owned()])]);
    let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
    let listed = daemon.connection.call("list volumes", "", |docker| docker.list_volumes(Some(options))).await?;
    let volumes = listed.volumes.unwrap_or_default().into_iter().map(info);
    let in_memory = volumes.filter(|volume| volume.options.get("type").is_some_and(|kind| kind == "tmpfs"));
    Ok(in_memory.map(|volume| volume.name).collect())
}

/// The request for a volume; an error says which path cannot stand in an overlay's options.
fn request(name: &str, spec: &VolumeSpec, marks: &ObjectLabels) -> std::result::Result<VolumeCreateRequest, String> {
    let options = match spec {
        VolumeSpec::Plain => None,
        VolumeSpec::Overlay { lower, upper, work } => {
            // The engine splits the options at commas, and takes a piece such as `ro` for an option whatever is before
            // the comma. The other two paths are the engine's own and never have such a character.
            for (path, refused) in [(lower, &[','][..]), (upper, &[',', ':', '\\']), (work, &[',', ':', '\\'])] {
                if !path.starts_with('/') || path.contains(refused) {
                    return Err(format!("an overlay cannot be made with the path {path}"));
                }
            }
            // The kernel splits the lower layers at colons. A backslash tells it that the next character is itself.
            let lower = lower.replace('\\', "\\\\").replace(':', "\\:");
            let layers = format!("lowerdir={lower},upperdir={upper},workdir={work}");
            Some([("type", "overlay".to_owned()), ("device", "overlay".to_owned()), ("o", layers)])
        }
    };
    Ok(VolumeCreateRequest {
        name: Some(name.to_owned()),
        driver: Some("local".to_owned()),
        driver_opts: options.map(|options| options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        labels: Some(labels::write(marks)),
        cluster_volume_spec: None,
    })
}

fn info(volume: Volume) -> VolumeInfo {
    let Volume {
        name,
        driver,
        mountpoint,
        created_at: _,
        status: _,
        labels,
        scope: _,
        cluster_volume: _,
        options,
        usage_data: _,
    } = volume;
    VolumeInfo {
        name,
        driver,
        mountpoint,
        options: options.into_iter().collect(),
        labels: labels.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> ObjectLabels {
        ObjectLabels { session: "s".into(), stack: "a".into(), host: "h".into(), process: "1.2".into(), expires: 3 }
    }

    #[test]
    fn a_plain_volume_has_no_options() {
        let request = request("v", &VolumeSpec::Plain, &marks()).expect("a request");
        assert_eq!((request.driver.as_deref(), request.driver_opts), (Some("local"), None));
        assert_eq!(request.labels.expect("labels")[labels::SESSION], "s");
    }

    #[test]
    fn an_overlay_names_its_layers() {
        let spec = VolumeSpec::Overlay { lower: "/a".into(), upper: "/b/up".into(), work: "/b/work".into() };
        let options = request("v", &spec, &marks()).expect("a request").driver_opts.expect("options");
        assert_eq!(options["o"], "lowerdir=/a,upperdir=/b/up,workdir=/b/work");
        assert_eq!((options["type"].as_str(), options["device"].as_str()), ("overlay", "overlay"));
    }

    #[test]
    fn a_path_never_becomes_another_option() {
        let overlay = |lower: &str| {
            let spec = VolumeSpec::Overlay { lower: lower.into(), upper: "/u".into(), work: "/w".into() };
            request("v", &spec, &marks())
        };
        for lower in ["/a,upperdir=/etc", "relative"] {
            assert!(overlay(lower).is_err(), "{lower}");
        }
        for (lower, escaped) in [("/a:/etc", "/a\\:/etc"), ("/a\\:b", "/a\\\\\\:b")] {
            let options = overlay(lower).expect("a request").driver_opts.expect("options");
            assert_eq!(options["o"], format!("lowerdir={escaped},upperdir=/u,workdir=/w"));
        }
    }
}
