//! The project that is looked at, and the findings so far.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::compose_places::ComposeFile;
use crate::compose_places::yaml::{Node, Position};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::service::{Service, ServiceName};

/// A Compose project as it lies on this machine.
pub struct Checkout<'a> {
    /// The files in the order in which Compose merges them; included ones, and those that are only extended, first.
    pub files: &'a [SourceFile],
    /// The project's folder.
    pub folder: &'a Path,
    /// The files with the variables of the project itself: `.env`, or those of `--env-file`.
    pub variables: &'a [PathBuf],
    /// The services as Compose resolved them; if Compose refuses the project, as far as they are known.
    pub services: &'a [Service],
    /// Variables that have no value.
    pub unset: &'a BTreeSet<String>,
    /// How images differ from those of the project's lock, by the keys of the services.
    pub drifts: &'a BTreeMap<String, String>,
    /// The services as they run; none: the project does not run, or nobody looked.
    pub live: &'a [Service],
    /// What this machine has at a path.
    pub look: &'a dyn Fn(&Path) -> OnDisk,
    /// What the backup has for a path; `None`: there is no backup, or nobody looked into it.
    pub in_backup: Option<&'a dyn Fn(&Path) -> InBackup>,
}

/// A Compose file of a project.
#[derive(Debug)]
pub struct SourceFile {
    pub file: ComposeFile,
    /// Where it lies: an absolute path.
    pub location: PathBuf,
    /// The folder that its relative paths begin at.
    pub folder: PathBuf,
    /// Services of other files are made from its services (`extends`), and nothing else of it counts.
    pub is_base: bool,
}

/// What a backup has for a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InBackup {
    Nothing,
    /// The same as this machine, as far as anybody looked.
    There,
    /// Another file than this machine has, and how the two differ.
    Other(String),
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

/// Most steps from a service to the one that it is made from in the end.
const MOST_STEPS: usize = 16;

/// The file and the key of the service that a service extends.
pub fn extended(of: &SourceFile, service: &str) -> Option<(Option<PathBuf>, String)> {
    let (_, node) = of.file.find(&["services", service, "extends"])?;
    let text = |node: Option<&Arc<Node>>| node.and_then(|node| node.text()).map(str::to_owned);
    if let Some(name) = node.text() {
        return Some((None, name.to_owned()));
    }
    let file = text(node.get("file")).filter(|file| !file.contains('$'));
    let folder = of.location.parent().unwrap_or(&of.folder);
    Some((file.map(|file| normal(&folder.join(file))), text(node.get("service"))?))
}

impl<'a> Notes<'a> {
    /// The files of the project itself, the last one first.
    pub(super) fn own_files(&self) -> impl Iterator<Item = (usize, &'a ComposeFile)> + use<'a> {
        let files: &'a [SourceFile] = self.checkout.files;
        files.iter().enumerate().rev().filter(|(_, of)| !of.is_base).map(|(number, of)| (number, &of.file))
    }

    /// The files that have something of a service, each with the key that it has there; the one with the last word
    /// first, then those that the service extends.
    pub(super) fn files_of(&self, service: &str) -> Vec<(usize, String)> {
        let files: &'a [SourceFile] = self.checkout.files;
        let has = |file: &ComposeFile, key: &str| file.find(&["services", key]).is_some();
        let own = self.own_files().filter(|(_, file)| has(file, service));
        let mut found: Vec<(usize, String)> = own.map(|(number, _)| (number, service.to_owned())).collect();
        let mut next = 0;
        while let Some((number, key)) = found.get(next).cloned().filter(|_| next < MOST_STEPS) {
            next += 1;
            let Some((file, base)) = extended(&files[number], &key) else { continue };
            let wanted = file.as_ref().unwrap_or(&files[number].location);
            let there = files.iter().position(|of| of.location == *wanted);
            if let Some(there) = there.filter(|there| !found.iter().any(|known| *known == (*there, base.clone()))) {
                found.push((there, base));
            }
        }
        found
    }

    /// The value at a path that has the last word over all files, and its place.
    pub(super) fn last(&self, path: &[&str]) -> Option<(Place, &'a Arc<Node>)> {
        let files: &'a [SourceFile] = self.checkout.files;
        let ["services", service, rest @ ..] = path else {
            return self.own_files().find_map(|(number, file)| {
                let (at, node) = file.find(path)?;
                Some(((number, at), node))
            });
        };
        self.files_of(service).into_iter().find_map(|(number, key)| {
            let (at, node) = files[number].file.find(&[&["services", &key][..], rest].concat())?;
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
        let file = self.checkout.files.get(number).map_or("", |of| of.file.path.as_str());
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

    /// A path that stands in the file of this number, absolute.
    pub(super) fn absolute(&self, file: usize, path: &str) -> PathBuf {
        let folder = self.checkout.files.get(file).map_or(self.checkout.folder, |of| &of.folder);
        normal(&folder.join(path))
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
pub fn normal(path: &Path) -> PathBuf {
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
