//! What a restore would stumble over in the files of a project: told in the plan, and in the report of each service.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::project_backup::HeldFiles;
use crate::findings::{self, Checkout, Finding, InBackup, OnDisk, SourceFile};
use crate::model::diagnosis::{Code, Diagnosis, Severity};
use crate::model::service::{Service, ServiceName};
use crate::model::settings::ServiceSettings;

/// A project whose files are searched.
pub struct ProjectView<'a> {
    pub files: &'a [SourceFile],
    /// The project's folder.
    pub folder: &'a Path,
    /// The files with the variables of the project.
    pub variables: &'a [PathBuf],
    pub services: &'a [Service],
    /// The variables that have no value.
    pub unset: BTreeSet<String>,
    /// How images differ from the project's lock, by the keys of the services.
    pub drifts: BTreeMap<String, String>,
    /// The services as they run, if somebody looked.
    pub live: &'a [Service],
    /// What the backup has; `None`: there is none, or nobody looked.
    pub held: Option<&'a HeldFiles>,
}

/// The findings in a project.
pub fn of(view: &ProjectView<'_>) -> Vec<Finding> {
    let ProjectView { files, folder, variables, services, unset, drifts, live, held } = view;
    let look = |path: &Path| held.map_or(InBackup::There, |held| held.look(path));
    let checkout = Checkout {
        files,
        folder,
        variables,
        services,
        unset,
        drifts,
        live,
        look: &on_disk,
        in_backup: held.map(|_| &look as &dyn Fn(&Path) -> InBackup),
    };
    findings::find(&checkout)
}

fn on_disk(path: &Path) -> OnDisk {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => OnDisk::File,
        Ok(metadata) if metadata.is_dir() => OnDisk::Folder,
        Ok(_) => OnDisk::Special,
        Err(_) => OnDisk::Nothing,
    }
}

/// Puts the findings about a service, and those about the whole project, into what is said of the service. A blank that
/// breaks something fails it. Whether a service misses a file, the plan decides: it knows what the backup has for the
/// mounts.
pub fn tell(found: &[Finding], service: &Service, settings: &mut ServiceSettings) {
    for diagnosis in about(found, &service.name) {
        match (diagnosis.severity(), diagnosis.code) {
            (Severity::Failed, Code::ConfigBlankVariable) if settings.unusable.is_none() => {
                settings.unusable = Some(diagnosis.clone());
            }
            _ => settings.warnings.push(diagnosis.clone()),
        }
    }
}

/// The findings about a service and those about the whole project.
pub fn about<'f>(found: &'f [Finding], service: &ServiceName) -> impl Iterator<Item = &'f Diagnosis> {
    let concerns = move |finding: &&Finding| finding.service.as_ref().is_none_or(|name| name == service);
    found.iter().filter(concerns).map(|finding| &finding.diagnosis)
}
