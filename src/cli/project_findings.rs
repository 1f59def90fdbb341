//! What a restore would stumble over in the files of a project: told in the plan, and in the report of each service.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::identity;
use crate::compose::Project;
use crate::compose_places::ComposeFile;
use crate::findings::{self, Checkout, Finding, OnDisk};
use crate::model::diagnosis::{Code, Severity};
use crate::model::service::Service;
use crate::model::settings::ServiceSettings;

/// The findings in a project that Compose has resolved.
pub fn of(project: &Project, services: &[Service]) -> Vec<Finding> {
    let working_dir = identity::working_dir();
    let parsed = project.files.iter().filter_map(|path| {
        let text = fs::read_to_string(working_dir.join(path)).ok()?;
        // Compose has read the file: what this reader cannot read has no places, and is no finding.
        ComposeFile::parse(&path.display().to_string(), &text).ok()
    });
    let files: Vec<ComposeFile> = parsed.collect();
    // Compose has gone on, so every variable that it cannot do without has a value.
    let unset: BTreeSet<String> = findings::unset_variables(&files, &project.warnings, &|_| true);
    let checkout =
        Checkout { files: &files, folder: &project.folder, services, unset: &unset, look: &on_disk, in_backup: None };
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
/// breaks something fails it. Whether a file is missing is known only once the backup was looked through.
pub fn tell(found: &[Finding], service: &Service, settings: &mut ServiceSettings) {
    let concerns = |finding: &&Finding| finding.service.as_ref().is_none_or(|name| *name == service.name);
    for finding in found.iter().filter(concerns) {
        let diagnosis = finding.diagnosis.clone();
        match (diagnosis.severity(), diagnosis.code) {
            (Severity::Warning, _) => settings.warnings.push(diagnosis),
            (_, Code::ConfigBlankVariable) if settings.unusable.is_none() => settings.unusable = Some(diagnosis),
            _ => {}
        }
    }
}
