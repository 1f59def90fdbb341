//! Files and folders that the project needs and that a new host would not have.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::notes::{Notes, OnDisk, Place};
use crate::compose_places::yaml::Node;
use crate::model::diagnosis::Code;
use crate::model::mount::{Mount, MountOrigin};
use crate::model::service::{Service, ServiceName};

/// Paths that every Linux host has of its own.
const OF_EVERY_HOST: &[&str] = &[
    "/dev",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/localtime",
    "/etc/resolv.conf",
    "/etc/timezone",
    "/lib/modules",
    "/proc",
    "/run",
    "/sys",
    "/usr/share/zoneinfo",
    "/var/run",
];

pub(super) fn find(notes: &mut Notes<'_>) {
    env_files(notes);
    contents(notes, "secrets");
    contents(notes, "configs");
    let mut told = BTreeSet::new();
    for service in notes.checkout.services {
        for mount in &service.mounts {
            if let MountOrigin::Bind { source } = &mount.origin {
                bind(notes, service, mount, source, &mut told);
            }
        }
    }
}

/// The files with variables of each service.
fn env_files(notes: &mut Notes<'_>) {
    for (number, file) in notes.checkout.files.iter().enumerate() {
        for (service, _) in file.names("services") {
            for (at, node) in file.all(&["services", service, "env_file"]) {
                let single = node.text().is_some();
                for item in if single { std::slice::from_ref(node) } else { node.items() } {
                    let place = (number, if single { at } else { item.at });
                    env_file(notes, service, place, item);
                }
            }
        }
    }
}

fn env_file(notes: &mut Notes<'_>, service: &str, place: Place, item: &Arc<Node>) {
    let optional = item.get("required").and_then(|node| node.text()).is_some_and(|text| text == "false");
    let path = item.text().or_else(|| item.get("path").and_then(|node| node.text()));
    let Some(path) = path.filter(|path| !optional && !path.contains('$')) else { return };
    let name = notes.service(service).map(|service| service.name.clone());
    let what = format!("the env_file {path} of {service} is not here");
    missing(notes, place, name.as_ref(), path, &what, "Compose stops without it");
}

/// The files behind secrets or configs.
fn contents(notes: &mut Notes<'_>, section: &str) {
    for (number, file) in notes.checkout.files.iter().enumerate() {
        for (name, _) in file.names(section) {
            let Some((at, node)) = file.find(&[section, name, "file"]) else { continue };
            let Some(path) = node.text().filter(|path| !path.contains('$')) else { continue };
            let what = format!("the file {path} of {name} ({section}) is not here");
            let effect = "Docker makes an empty folder in its place, and the service finds a folder";
            missing(notes, (number, at), None, path, &what, effect);
        }
    }
}

/// A file that the project needs.
fn missing(notes: &mut Notes<'_>, place: Place, service: Option<&ServiceName>, path: &str, what: &str, effect: &str) {
    let whole = notes.absolute(path);
    if (notes.checkout.look)(&whole) != OnDisk::Nothing {
        return;
    }
    let (where_else, mend) = match notes.checkout.in_backup.map(|has| has(&whole)) {
        Some(true) => {
            (" The backup has it.", format!("Restore {path} from the backup first, or keep it with the Compose file."))
        }
        Some(false) => (
            " The backup has it neither.",
            format!("Add {} to the backup, or keep it with the Compose file.", notes.relative(&whole)),
        ),
        None => ("", format!("Keep {} with the Compose file, or in the backup.", notes.relative(&whole))),
    };
    notes.add(Some(place), service, Code::ConfigMissingFile, &format!("{what}: {effect}.{where_else}"), mend);
}

/// A path of the host that a service mounts.
fn bind(notes: &mut Notes<'_>, service: &Service, mount: &Mount, source: &str, told: &mut BTreeSet<String>) {
    let path = Path::new(source);
    let of_host = OF_EVERY_HOST.iter().any(|known| path.starts_with(known));
    if of_host || !told.insert(source.to_owned()) {
        return;
    }
    let key = &service.name.service;
    let Some(place) = mount_place(notes, key, &mount.target) else { return };
    let in_backup = notes.checkout.in_backup.map(|has| has(path));
    let is_inside = path.starts_with(notes.checkout.folder);
    let shown = notes.relative(path);
    match ((notes.checkout.look)(path), in_backup) {
        (OnDisk::Nothing, Some(false)) => {
            let what = format!(
                "{key} mounts {shown} at {}, and neither this machine nor the backup has it: Docker makes an empty \
                 folder in its place",
                mount.target
            );
            let mend = format!("Add {shown} to the backup, or keep it with the Compose file.");
            notes.add(Some(place), Some(&service.name), Code::ConfigMissingFile, &what, mend);
        }
        _ if !is_inside && in_backup != Some(true) => {
            let what = format!(
                "{key} mounts {shown} at {}, which lies outside of the project: a copy of the project's folder does \
                 not bring it to a new host",
                mount.target
            );
            let mend = format!("See that the backup has {shown}, or move it below the project's folder.");
            notes.add(Some(place), Some(&service.name), Code::ConfigPathOutside, &what, mend);
        }
        _ => {}
    }
}

/// The line of a mount, else that of the service's volumes.
fn mount_place(notes: &Notes<'_>, service: &str, target: &str) -> Option<Place> {
    let files = notes.checkout.files.iter().enumerate().rev();
    let exact = files.clone().find_map(|(number, file)| {
        let same = |written: &str| written.trim_end_matches('/') == target.trim_end_matches('/');
        let mount = file.mounts(service).into_iter().find(|mount| same(&mount.target))?;
        Some((number, mount.at))
    });
    exact.or_else(|| notes.place(service, &["volumes"]))
}
