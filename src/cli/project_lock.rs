//! The lock of a Compose project, `rehearsa.lock`: where it lies, what it says, and what in it is about nothing.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::exit::Failure;
use super::{console, identity};
use crate::compose::Project;
use crate::config::lock_file::{EngineImage, LARGEST, LockFile, LockedService, NAME};
use crate::local_file::{self, Accept};
use crate::model::service::Service;
use crate::model::settings::ServiceSettings;
use crate::model::source_kind::SourceKind;

/// Where the lock of a project lies: beside its first file.
pub fn path_of(project: &Project) -> PathBuf {
    let folder = project.files.first().and_then(|file| file.parent()).unwrap_or(Path::new(""));
    folder.join(NAME)
}

/// Reads the lock of a project; one that is not there is empty.
pub fn read(project: &Project) -> Result<LockFile, Failure> {
    let path = path_of(project);
    let shown = path.display();
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("the lock {shown} cannot be read: {error}"))
            .hint("`rehearsa lock` writes it anew; without it nothing is compared")
    };
    let bytes = match local_file::read_from(&identity::working_dir().join(&path), Accept::Regular, LARGEST) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(LockFile::default()),
        Err(error) => return Err(unreadable(&error)),
    };
    let text = String::from_utf8(bytes).map_err(|_| unreadable(&"it is no text"))?;
    Ok(LockFile::parse(&path, &text)?)
}

/// Tells which entries of the lock are about no service of the project. `declared` are the services that its files
/// have, also those of profiles that are not on.
pub fn tell_unknown(lock: &LockFile, project: &Project, declared: &[String]) {
    let path = path_of(project);
    for (name, LockedService { line, column, .. }) in &lock.services {
        let is_known = declared.contains(name) || project.services.iter().any(|of| of.service.name.service == *name);
        if !is_known {
            console::note(&format!(
                "{}:{line}:{column}: the files of {} have no service {name}; `rehearsa lock` writes the lock anew",
                path.display(),
                project.name
            ));
        }
    }
}

/// How the images differ from the lock, by the keys of the services. `images`: those that an engine has.
pub fn drifts(
    lock: &LockFile,
    services: &[Service],
    images: &BTreeMap<String, EngineImage>,
) -> BTreeMap<String, String> {
    let drift = |service: &Service| {
        let key = &service.name.service;
        let locked = &lock.services.get(key)?.image;
        Some((key.clone(), locked.drift(&service.image.reference, images.get(key))?))
    };
    services.iter().filter_map(drift).collect()
}

/// Adds the parts of the backup that the lock has for a service. Whatever else says which part belongs to a mount is
/// stronger.
pub fn add_maps(lock: &LockFile, service: &Service, settings: &mut ServiceSettings) {
    let Some(locked) = lock.services.get(&service.name.service) else { return };
    // A dump has no parts.
    if settings.source.as_ref().is_some_and(|spec| spec.place.kind != SourceKind::Dump) {
        settings.maps.splice(0..0, locked.maps(&service.name.service));
    }
}
