//! Files and folders that the project needs and that a new host would not have.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::notes::{InBackup, Notes, OnDisk, Place, SourceFile, normal};
use crate::compose_places::yaml::{Node, Position};
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
    of_project(notes);
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

/// The Compose files and the variables of the project.
fn of_project(notes: &mut Notes<'_>) {
    let Some(in_backup) = notes.checkout.in_backup else { return };
    let files: &[SourceFile] = notes.checkout.files;
    for (number, of) in files.iter().enumerate() {
        if let InBackup::Other(how) = in_backup(&of.location) {
            let at = Position { line: 1, column: 1 };
            differs(notes, (number, at), None, &format!("the Compose file {}", of.file.path), &how);
        }
    }
    for path in notes.checkout.variables {
        let whole = normal(path);
        if let InBackup::Other(how) = in_backup(&whole) {
            let shown = notes.relative(&whole);
            differs(notes, None, None, &format!("the file with variables {shown}"), &how);
        }
    }
}

/// The files with variables of each service.
fn env_files(notes: &mut Notes<'_>) {
    let files: &[SourceFile] = notes.checkout.files;
    let names: BTreeSet<&str> =
        notes.own_files().flat_map(|(_, file)| file.names("services")).map(|(name, _)| name).collect();
    for service in names {
        for (number, key) in notes.files_of(service) {
            for (at, node) in files[number].file.all(&["services", &key, "env_file"]) {
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
    let Some(path) = path.filter(|path| !path.contains('$')) else { return };
    let name = notes.service(service).map(|service| service.name.clone());
    let wanted = Wanted {
        place,
        service: name.as_ref(),
        path,
        title: format!("the env_file {path} of {service}"),
        effect: "Compose stops without it",
        optional,
    };
    wanted.look(notes);
}

/// The files behind secrets or configs.
fn contents(notes: &mut Notes<'_>, section: &str) {
    let own: Vec<_> = notes.own_files().collect();
    for (number, file) in own {
        for (name, _) in file.names(section) {
            let Some((at, node)) = file.find(&[section, name, "file"]) else { continue };
            let Some(path) = node.text().filter(|path| !path.contains('$')) else { continue };
            let wanted = Wanted {
                place: (number, at),
                service: None,
                path,
                title: format!("the file {path} of {name} ({section})"),
                effect: "Docker makes an empty folder in its place, and the service finds a folder",
                optional: false,
            };
            wanted.look(notes);
        }
    }
}

/// A file that the project needs.
struct Wanted<'w> {
    place: Place,
    service: Option<&'w ServiceName>,
    /// As it is written.
    path: &'w str,
    /// `the env_file ./vpn.env of web`.
    title: String,
    /// What happens without it.
    effect: &'static str,
    /// The project does without it.
    optional: bool,
}

impl Wanted<'_> {
    fn look(&self, notes: &mut Notes<'_>) {
        let Wanted { place, service, path, title, effect, optional } = self;
        let whole = notes.absolute(place.0, path);
        let in_backup = notes.checkout.in_backup.map(|has| has(&whole));
        if (notes.checkout.look)(&whole) != OnDisk::Nothing {
            if let Some(InBackup::Other(how)) = in_backup {
                differs(notes, *place, *service, title, &how);
            }
            return;
        }
        if *optional {
            return;
        }
        let shown = notes.relative(&whole);
        let (where_else, mend) = match in_backup {
            Some(InBackup::There | InBackup::Other(_)) => (
                " The backup has it.",
                format!("Restore {path} from the backup first, or keep it with the Compose file."),
            ),
            Some(InBackup::Nothing) => {
                (" The backup has it neither.", format!("Add {shown} to the backup, or keep it with the Compose file."))
            }
            None => ("", format!("Keep {shown} with the Compose file, or in the backup.")),
        };
        let what = format!("{title} is not here: {effect}.{where_else}");
        notes.add(Some(*place), *service, Code::ConfigMissingFile, &what, mend);
    }
}

/// A file that this machine and the backup have, each another one.
fn differs(
    notes: &mut Notes<'_>,
    place: impl Into<Option<Place>>,
    service: Option<&ServiceName>,
    title: &str,
    how: &str,
) {
    let what = format!(
        "{title} is another one than in the backup ({how}): the rehearsal takes the one of this machine, and the \
         service ran with the other one when it was backed up"
    );
    let mend = "Compare the two, and keep the right one with the Compose file.".to_owned();
    notes.add(place.into(), service, Code::ConfigFileDiffers, &what, mend);
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
        (OnDisk::File, Some(InBackup::Other(how))) => {
            let title = format!("{shown}, which {key} mounts at {},", mount.target);
            differs(notes, place, Some(&service.name), &title, &how);
        }
        (OnDisk::Nothing, Some(InBackup::Nothing)) => {
            let what = format!(
                "{key} mounts {shown} at {}, and neither this machine nor the backup has it: Docker makes an empty \
                 folder in its place",
                mount.target
            );
            let mend = format!("Add {shown} to the backup, or keep it with the Compose file.");
            notes.add(Some(place), Some(&service.name), Code::ConfigMissingFile, &what, mend);
        }
        (_, None | Some(InBackup::Nothing)) if !is_inside => {
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
    let same = |written: &str| written.trim_end_matches('/') == target.trim_end_matches('/');
    let exact = notes.files_of(service).into_iter().find_map(|(number, key)| {
        let mounts = notes.checkout.files[number].file.mounts(&key);
        Some((number, mounts.into_iter().find(|mount| same(&mount.target))?.at))
    });
    exact.or_else(|| notes.place(service, &["volumes"]))
}
