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
/// breaks something fails it, and mounts that nobody knows make it an error. Whether a service misses a file, the plan
/// decides: it knows what the backup has for the mounts.
pub fn tell(found: &[Finding], service: &Service, settings: &mut ServiceSettings) {
    for diagnosis in about(found, &service.name) {
        match (diagnosis.severity(), diagnosis.code) {
            (Severity::Failed, Code::ConfigBlankVariable) | (Severity::Errored, Code::ConfigComposeUnknown)
                if settings.unusable.is_none() =>
            {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;

    #[test]
    fn what_nobody_can_know_or_mend_blocks_the_service_and_the_rest_warns() {
        let service = sample::service(ServiceName::of_stack("shop", "app"));
        let tell_of = |codes: &[Code]| {
            let of = |code: &Code| Finding { service: None, diagnosis: Diagnosis::new(*code, "why") };
            let found: Vec<Finding> = codes.iter().map(of).collect();
            let mut settings = ServiceSettings::default();
            tell(&found, &service, &mut settings);
            (settings.unusable.map(|of| of.code), settings.warnings.iter().map(|of| of.code).collect::<Vec<_>>())
        };
        let (unknown, blank, external) = (Code::ConfigComposeUnknown, Code::ConfigBlankVariable, Code::ConfigExternal);
        assert_eq!(tell_of(&[external, unknown, blank]), (Some(unknown), vec![external, blank]));
        assert_eq!(tell_of(&[blank, Code::ConfigMissingFile]), (Some(blank), vec![Code::ConfigMissingFile]));
    }
}
