//! The project that is looked at, and the findings so far.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::compose_places::ComposeFile;
use crate::compose_places::yaml::{Node, Position};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::service::{Service, ServiceName};

/// A Compose project as it lies on this machine.
pub struct Checkout<'a> {
    /// The files in the order in which Compose merges them.
    pub files: &'a [ComposeFile],
    /// The folder that relative paths begin at.
    pub folder: &'a Path,
    /// The services as Compose resolved them; none if Compose refuses the project.
    pub services: &'a [Service],
    /// Variables that have no value.
    pub unset: &'a BTreeSet<String>,
    /// What this machine has at a path.
    pub look: &'a dyn Fn(&Path) -> OnDisk,
    /// Whether the backup has a path; `None`: there is no backup, or nobody looked into it.
    pub in_backup: Option<&'a dyn Fn(&Path) -> bool>,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDisk {
    File,
    Folder,
    /// A socket, a device or the like.
    Special,
    Nothing,
}

/// Something that a restore would stumble over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The service; `None`: the whole project.
    pub service: Option<ServiceName>,
    /// Begins with the place: `compose.yaml:14:7: …`.
    pub diagnosis: Diagnosis,
}

/// A place in one of the files: the number of the file, and the position.
pub(super) type Place = (usize, Position);

/// The findings so far.
pub(super) struct Notes<'a> {
    pub(super) checkout: &'a Checkout<'a>,
    pub(super) found: Vec<(Option<Place>, Finding)>,
}

impl<'a> Notes<'a> {
    /// The value at a path that has the last word over all files, and its place.
    pub(super) fn last(&self, path: &[&str]) -> Option<(Place, &'a Arc<Node>)> {
        let files: &'a [ComposeFile] = self.checkout.files;
        files.iter().enumerate().rev().find_map(|(number, file)| {
            let (at, node) = file.find(path)?;
            Some(((number, at), node))
        })
    }

    /// The place of a key of a service, else of the service itself.
    pub(super) fn place(&self, service: &str, path: &[&str]) -> Option<Place> {
        let whole = [&["services", service][..], path].concat();
        let found = self.last(&whole).or_else(|| self.last(&["services", service]));
        found.map(|(place, _)| place)
    }

    /// A place for people: `compose.yaml:14:7`.
    pub(super) fn shown(&self, place: Place) -> String {
        let (number, Position { line, column }) = place;
        let file = self.checkout.files.get(number).map_or("", |file| file.path.as_str());
        format!("{file}:{line}:{column}")
    }

    pub(super) fn add(
        &mut self,
        place: Option<Place>,
        service: Option<&ServiceName>,
        code: Code,
        what: &str,
        mend: String,
    ) {
        let message = match place {
            Some(place) => format!("{}: {what}", self.shown(place)),
            None => what.to_owned(),
        };
        let diagnosis = Diagnosis { remedy: Some(mend), ..Diagnosis::new(code, message) };
        self.found.push((place, Finding { service: service.cloned(), diagnosis }));
    }

    /// The service of this key.
    pub(super) fn service(&self, key: &str) -> Option<&'a Service> {
        let services: &'a [Service] = self.checkout.services;
        services.iter().find(|service| service.name.service == key)
    }

    /// A path of a file, absolute.
    pub(super) fn absolute(&self, path: &str) -> PathBuf {
        normal(&self.checkout.folder.join(path))
    }

    /// A path for people: relative to the project's folder where it lies in it.
    pub(super) fn relative(&self, path: &Path) -> String {
        match path.strip_prefix(self.checkout.folder) {
            Ok(inside) => format!("./{}", inside.display()),
            Err(_) => path.display().to_string(),
        }
    }
}

/// Without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                whole.pop();
            }
            Component::CurDir => {}
            part => whole.push(part),
        }
    }
    whole
}
