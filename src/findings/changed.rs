//! What differs between a running container and the files of its project: a new host starts what the files say.

use std::collections::BTreeMap;
use std::path::Path;

use super::notes::{Notes, normal};
use crate::model::diagnosis::Code;
use crate::model::mount::{Mount, MountOrigin};
use crate::model::service::{EnvVar, Image, Service};

pub(super) fn find(notes: &mut Notes<'_>) {
    let checkout = notes.checkout;
    for live in checkout.live {
        let key = &live.name.service;
        let Some(service) = notes.service(key) else {
            let what = format!("{key} runs, and the files start no such service: a new host does not have it");
            let mend =
                "Put it back into the Compose file, or remove the container: `docker compose up --remove-orphans`.";
            notes.add(None, None, Code::ConfigChangedSinceUp, &what, mend.to_owned());
            continue;
        };
        let differences = differences(live, service);
        if differences.is_empty() {
            continue;
        }
        let what = format!("{key} runs as it was made, and its files say otherwise now: {}", differences.join("; "));
        let mend =
            "If the files are right, recreate the container (`docker compose up --detach`), back up, and rehearse \
                    again. Else put back what the running container has."
                .to_owned();
        notes.add(notes.place(key, &[]), Some(&service.name), Code::ConfigChangedSinceUp, &what, mend);
    }
}

/// The differences in image, environment and mounts. No value of the environment is told.
fn differences(live: &Service, files: &Service) -> Vec<String> {
    let mut differences: Vec<String> = image(&live.image, &files.image).into_iter().collect();
    // What the image adds is known only if an engine was asked.
    if !files.image.id.is_empty() {
        differences.extend(environment(live, files));
        differences.extend(mounts(live, files));
    }
    differences
}

fn image(live: &Image, files: &Image) -> Option<String> {
    if live.reference != files.reference && live.id != files.id {
        return Some(format!("the image is {} in the container, and {} in the files", live.reference, files.reference));
    }
    let is_known = !live.id.is_empty() && !files.id.is_empty();
    (is_known && live.id != files.id).then(|| {
        format!("{} was {} when the container was made, and is {} now", files.reference, short(live), short(files))
    })
}

/// The id of an image as `docker ps` shows it.
fn short(image: &Image) -> &str {
    let id = image.id.strip_prefix("sha256:").unwrap_or(&image.id);
    id.get(..12).unwrap_or(id)
}

fn environment(live: &Service, files: &Service) -> Vec<String> {
    let variables = |service: &Service| -> BTreeMap<String, Option<String>> {
        let value = |of: &EnvVar| of.value.as_ref().map(|value| value.reveal().to_owned());
        service.env.iter().map(|of| (of.name.clone(), value(of))).collect()
    };
    let (live, files) = (variables(live), variables(files));
    let names = |of: &BTreeMap<String, Option<String>>, is: &dyn Fn(&str) -> bool| -> Vec<String> {
        of.keys().filter(|name| is(name)).cloned().collect()
    };
    let groups = [
        ("only in the files", names(&files, &|name| !live.contains_key(name))),
        ("only in the container", names(&live, &|name| !files.contains_key(name))),
        ("with another value", names(&live, &|name| files.get(name).is_some_and(|value| *value != live[name]))),
    ];
    let told = groups.into_iter().filter(|(_, names)| !names.is_empty());
    told.map(|(how, names)| format!("variables {how}: {}", names.join(", "))).collect()
}

fn mounts(live: &Service, files: &Service) -> Vec<String> {
    let at = |service: &Service, target: &str| service.mounts.iter().find(|of| of.target == target).cloned();
    let mut targets: Vec<&str> = live.mounts.iter().chain(&files.mounts).map(|of| of.target.as_str()).collect();
    targets.sort_unstable();
    targets.dedup();
    let told = |target: &str| match (at(live, target), at(files, target)) {
        (Some(of_live), Some(of_files)) if is_same(&of_live, &of_files) => None,
        // Compose copies the text of a secret or a config into the container.
        (None, Some(of_files)) if is_text(&of_files) => None,
        (Some(of_live), Some(of_files)) => {
            Some(format!("{target} is {} in the container, and {} in the files", shown(&of_live), shown(&of_files)))
        }
        (Some(of_live), None) => Some(format!("{target} ({}) is not in the files", shown(&of_live))),
        (None, Some(of_files)) => Some(format!("{target} ({}) is only in the files", shown(&of_files))),
        (None, None) => None,
    };
    targets.into_iter().filter_map(told).collect()
}

fn is_same(live: &Mount, files: &Mount) -> bool {
    let is_same_origin = match (&live.origin, &files.origin) {
        (MountOrigin::Volume { name, .. }, MountOrigin::Volume { name: other, .. }) => {
            name == other || live.origin.is_anonymous() && files.origin.is_anonymous()
        }
        (MountOrigin::Bind { source }, MountOrigin::Bind { source: other }) => {
            normal(Path::new(source)) == normal(Path::new(other))
        }
        (MountOrigin::Tmpfs { .. }, MountOrigin::Tmpfs { .. }) => true,
        _ => false,
    };
    is_same_origin && live.read_only == files.read_only
}

/// Whether a mount of the files stands for a text.
fn is_text(mount: &Mount) -> bool {
    matches!(&mount.origin, MountOrigin::Bind { source } if !source.starts_with('/'))
}

fn shown(mount: &Mount) -> String {
    let title = mount.title();
    if mount.read_only { format!("{title}, read-only") } else { title }
}
