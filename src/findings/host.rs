//! What the project takes for granted on its host: networks and volumes that exist, ports and names that are free,
//! images that stay what they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::notes::Notes;
use crate::compose_places::yaml::Node;
use crate::model::diagnosis::Code;
use crate::model::mount::{Mount, MountOrigin};
use crate::model::service::{Service, ServiceName};

pub(super) fn find(notes: &mut Notes<'_>) {
    external(notes, "networks");
    external(notes, "volumes");
    ports(notes);
    names(notes);
    for service in notes.checkout.services {
        tag(notes, service);
        drift(notes, service);
        volumes(notes, service);
        borrowed(notes, service);
    }
}

/// Mounts of a container that is not of the project. Nobody knows what they are, so a rehearsal without them would be
/// one of less than the service has.
fn borrowed(notes: &mut Notes<'_>, service: &Service) {
    let key = &service.name.service;
    for setting in service.other.iter().filter(|of| of.field == "volumes_from") {
        let from = setting.value.strip_prefix("container:").unwrap_or(&setting.value);
        let from = from.split_once(':').map_or(from, |(name, _)| name);
        let what = format!(
            "{key} takes the mounts of the container {from}, which is not of the project: its files do not say what \
             data that is, and `up` stops on a new host, which has no such container"
        );
        let mend = format!(
            "Name the volumes of {from} under `volumes` of {key}, or put {from} into the project: `volumes_from: \
             [SERVICE]`."
        );
        notes.add(notes.place(key, &["volumes_from"]), Some(&service.name), Code::ConfigComposeUnknown, &what, mend);
    }
}

/// Networks or volumes that somebody else makes.
fn external(notes: &mut Notes<'_>, section: &str) {
    let mut told = Vec::new();
    let own: Vec<_> = notes.own_files().collect();
    for (number, file) in own {
        for (key, at) in file.names(section) {
            let Some((_, external)) = file.find(&[section, key, "external"]) else { continue };
            // Older files give the name below `external`.
            let old = external.get("name").and_then(|node| node.text());
            let is_external = old.is_some() || external.text().is_some_and(|text| text.eq_ignore_ascii_case("true"));
            if !is_external || told.contains(&key) {
                continue;
            }
            told.push(key);
            let name = file.find(&[section, key, "name"]).and_then(|(_, node)| node.text()).or(old).unwrap_or(key);
            let (kind, command) = if section == "networks" {
                ("network", "docker network create")
            } else {
                ("volume", "docker volume create")
            };
            // Compose has put the variables in; what they hold is no matter of this reader.
            let (shown, name) = if name.contains('$') { (key, "NAME") } else { (name, name) };
            let what = format!("the {kind} {shown} is external: a new host has none, and `up` stops there");
            let mend = format!("On the new host, before `up`: `{command} {name}`.");
            let users = notes.checkout.services.iter().filter(|of| uses(notes, of, section, key));
            let users: Vec<&ServiceName> = users.map(|service| &service.name).collect();
            // A service of another file may use it in a way that is not seen here: then the whole project is told.
            let concerned = if users.is_empty() { vec![None] } else { users.into_iter().map(Some).collect() };
            for service in concerned {
                notes.add(Some((number, at)), service, Code::ConfigExternal, &what, mend.clone());
            }
        }
    }
}

/// Whether a service names the network or the volume of this key in one of the files.
fn uses(notes: &Notes<'_>, service: &Service, section: &str, key: &str) -> bool {
    let named = |node: &Node| {
        let is_item = |item: &Arc<Node>| {
            let text = item.text().or_else(|| item.get("source")?.text());
            text.is_some_and(|text| text.split(':').next() == Some(key))
        };
        node.get(key).is_some() || node.items().iter().any(is_item)
    };
    notes.files_of(&service.name.service).into_iter().any(|(number, of)| {
        let found = notes.checkout.files[number].file.find(&["services", &of, section]);
        found.is_some_and(|(_, node)| named(node))
    })
}

/// Services that want one port of the host.
fn ports(notes: &mut Notes<'_>) {
    let mut taken: BTreeMap<(String, String), Vec<(&Service, String)>> = BTreeMap::new();
    for service in notes.checkout.services {
        for published in &service.published {
            // `127.0.0.1:8080->80/tcp`
            let Some((host, inside)) = published.split_once("->") else { continue };
            let (address, port) = host.rsplit_once(':').unwrap_or(("", host));
            if port.parse::<u16>().is_ok_and(|port| port > 0) {
                let protocol = inside.split_once('/').map_or("tcp", |(_, protocol)| protocol);
                let address = if matches!(address, "0.0.0.0" | "::" | "[::]") { "" } else { address };
                let all = taken.entry((port.to_owned(), protocol.to_owned())).or_default();
                all.push((service, address.to_owned()));
            }
        }
    }
    for ((port, protocol), users) in taken {
        let clash = users.iter().enumerate().find_map(|(index, (service, address))| {
            let meets = |other: &str| other == address || other.is_empty() || address.is_empty();
            let (first, _) = users[..index].iter().find(|(other, of)| other.name != service.name && meets(of))?;
            Some((*first, *service))
        });
        let Some((first, second)) = clash else { continue };
        let (one, other) = (&first.name.service, &second.name.service);
        let what = format!("{one} and {other} both want port {port}/{protocol} of the host: the second does not start");
        let mend = format!("Give {other} another port of the host, or put the two into different profiles.");
        notes.add(notes.place(other, &["ports"]), Some(&second.name), Code::ConfigPortTwice, &what, mend);
    }
}

/// Names of containers that are the same in every project.
fn names(notes: &mut Notes<'_>) {
    let fixed: Vec<_> = notes
        .checkout
        .services
        .iter()
        .filter_map(|service| {
            let key = &service.name.service;
            let (place, _) = notes.last(&["services", key, "container_name"])?;
            Some((place, key.as_str()))
        })
        .collect();
    let Some((place, first)) = fixed.first() else { return };
    let who = match fixed.len() {
        1 => format!("{first} has"),
        count => format!("{first} and {} more have", count - 1),
    };
    let what = format!(
        "{who} a fixed container_name: a second copy of the project on one host, as when a restore is tried beside the \
         old one, does not start"
    );
    let mend = "Leave out `container_name`; services reach each other by the names of their services.".to_owned();
    notes.add(Some(*place), None, Code::ConfigFixedName, &what, mend);
}

/// A tag that names another image tomorrow.
fn tag(notes: &mut Notes<'_>, service: &Service) {
    let key = &service.name.service;
    let Some((place, _)) = notes.last(&["services", key, "image"]) else { return };
    let reference = &service.image.reference;
    // Of a project that Compose refuses not every reference is known.
    if reference.contains('@') || reference.is_empty() {
        return;
    }
    let tag = reference.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'));
    let how = match tag {
        None => "has no tag",
        Some("latest") => "has the tag latest",
        Some(_) => return,
    };
    let what = format!(
        "the image {reference} of {key} {how}: a restore gets the image of that day, which may not read the old data"
    );
    let mend = format!("Pin it: `image: {}:VERSION`, or `@sha256:…`.", reference.trim_end_matches(":latest"));
    notes.add(Some(place), Some(&service.name), Code::ConfigUnpinnedImage, &what, mend);
}

/// An image that is another one than in the lock.
fn drift(notes: &mut Notes<'_>, service: &Service) {
    let key = &service.name.service;
    let Some(how) = notes.checkout.drifts.get(key) else { return };
    let what = format!("the image of {key} is not the one that was locked: {how}");
    let mend = "If the service came back on this image, lock it: `rehearsa lock`. Else pin the one that was locked by \
                its digest: `image: NAME@sha256:…`."
        .to_owned();
    notes.add(notes.place(key, &["image"]), Some(&service.name), Code::ConfigImageDrift, &what, mend);
}

/// Folders that belong to no single program: what lies beside each other there has nothing to do with each other.
const SHARED_FOLDERS: &[&str] =
    &["", "/etc", "/home", "/mnt", "/opt", "/srv", "/usr", "/usr/lib", "/usr/local", "/usr/share", "/var", "/var/lib"];

/// A volume of the image that no mount covers, while a mount lies beside or below it: the data goes into an anonymous
/// volume that no backup has.
fn volumes(notes: &mut Notes<'_>, service: &Service) {
    let key = &service.name.service;
    for bare in service.mounts.iter().filter(|mount| mount.origin.is_anonymous()) {
        let Some(near) = service.mounts.iter().find(|mount| is_near(bare, mount)) else { continue };
        let what = format!(
            "the image of {key} keeps data in {}, which no mount of yours covers; {} is mounted at {}, beside or below \
             it: what the service writes goes into an anonymous volume, and a restore brings none of it",
            bare.target,
            near.title(),
            near.target
        );
        let mend =
            format!("Mount the volume at {}, as the documentation of this version of the image says.", bare.target);
        notes.add(notes.place(key, &["volumes"]), Some(&service.name), Code::ConfigVolumeNotCovered, &what, mend);
    }
}

/// Whether the owner has mounted something beside or below a volume of the image.
fn is_near(bare: &Mount, mount: &Mount) -> bool {
    let parent = bare.target.rsplit_once('/').map_or("", |(parent, _)| parent);
    let is_own = match &mount.origin {
        MountOrigin::Volume { .. } => !mount.origin.is_anonymous(),
        MountOrigin::Bind { .. } => true,
        MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. } => false,
    };
    let is_beside = !SHARED_FOLDERS.contains(&parent) && mount.target.starts_with(&format!("{parent}/"));
    is_own && mount.target != bare.target && (bare.holds(&mount.target) || is_beside)
}
