//! Stacks from their Compose files: what Compose resolved becomes services, the images give the rest, the backup tells
//! where it keeps each project, and small files of the projects are made ready to be sent to the engine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::RehearsalArgs;
use super::exit::Failure;
use super::prepare::{Prepared, finish, source_options, with_settings};
use super::project_backup::HeldFiles;
use super::project_findings::ProjectView;
use super::project_images::{ImageEngine, WithImages, with_images};
use super::project_survey::{self, ProjectSearch};
use super::read_project::{ReadProject, ReadStacks};
use super::signals::{interrupted, unless_stopped};
use super::stopped_project::{StoppedProject, refusal};
use super::survey::SourceOptions;
use super::{
    identity, project_backup, project_findings, project_images, project_lock, project_sources, survey, unused_flags,
};
use crate::compose::{self, FILE_NAMES, FileService, Project, ProjectFile};
use crate::config::lock_file::EngineImage;
use crate::config::settings::Settings;
use crate::docker::Daemon;
use crate::findings::{self, Finding, SourceFile};
use crate::model::diagnosis::Diagnosis;
use crate::model::environment::Environment;
use crate::model::project_files::{ProjectFiles, ProjectPart};
use crate::model::service::Service;
use crate::model::settings::{DependencySource, ServiceSettings};
use crate::model::source::{ContentTally, SourceSpec};
use crate::plan::{Draft, draft};
use crate::rehearse::OpenedSource;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::source::tool::RunFolder;

/// A plan for stacks from their files.
pub struct PreparedFiles {
    pub prepared: Prepared,
    /// The copies of the projects' files, which are removed when this is dropped.
    pub folder: RunFolder,
    pub projects: Vec<PreparedProject>,
}

/// A project of the plan.
pub struct PreparedProject {
    pub project: Project,
    /// What the engine has, by the keys of the services.
    pub images: BTreeMap<String, EngineImage>,
}

/// The services for a list of names: no engine and no backup is asked.
pub fn named_services(stacks: ReadStacks, settings: &Settings) -> Result<Vec<(Service, ServiceSettings)>, Failure> {
    let mut services: Vec<Service> =
        stacks.projects.into_iter().flat_map(|of| of.project.services).map(|of| of.service).collect();
    let mut stopped = BTreeMap::new();
    for (service, why) in stacks.stopped.into_iter().flat_map(StoppedProject::into_services) {
        stopped.insert(service.name.clone(), why);
        services.push(service);
    }
    let mut services = with_settings(services, settings)?;
    for (service, of) in &mut services {
        if let Some(why) = stopped.remove(&service.name) {
            why.apply(of);
        }
    }
    Ok(services)
}

/// The service with its mounts as the files have them, and what its image adds.
fn as_written(service: &Service, written: &[Service]) -> Service {
    let mut service = service.clone();
    let files = written.iter().find(|of| of.name == service.name);
    for mount in &mut service.mounts {
        if let Some(of) = files.and_then(|files| files.mounts.iter().find(|of| of.target == mount.target)) {
            mount.clone_from(of);
        }
    }
    service
}

/// A project on its way into the plan.
struct OpenProject {
    of: ReadProject,
    /// Its services as the files have them. What a mount is found under in the backup is no matter of the files.
    written: Vec<Service>,
    files: Vec<SourceFile>,
    /// What the backup has for its files; `None`: nobody looked.
    held: Option<HeldFiles>,
    /// What its place in the backup means for the services, by their keys.
    warnings: BTreeMap<String, Vec<Diagnosis>>,
}

impl OpenProject {
    fn new(of: ReadProject) -> OpenProject {
        let written = of.project.services.iter().map(|of| of.service.clone()).collect();
        let mut files = project_sources::load(&of.project.files, &of.project.folder);
        if let Some(piped) = &of.piped {
            piped.rename(&mut files);
        }
        OpenProject { of, written, files, held: None, warnings: BTreeMap::new() }
    }

    /// The names of its files that the backup may have.
    fn names(&self) -> impl Iterator<Item = String> {
        self.of.project.files.iter().filter_map(|file| file.file_name()?.to_str().map(str::to_owned))
    }

    /// What the findings about it are, with the services as their images complete them.
    fn find(&self, services: &[Service], images: &BTreeMap<String, EngineImage>) -> Vec<Finding> {
        let OpenProject { of: ReadProject { project, variables, lock, live, unpacked, .. }, .. } = self;
        let of_files: Vec<Service> = services.iter().map(|service| as_written(service, &self.written)).collect();
        let mut found = project_findings::of(&ProjectView {
            files: &self.files,
            folder: &project.folder,
            variables,
            services: &of_files,
            // Compose has gone on, so every variable that it cannot do without has a value.
            unset: findings::unset_variables(&self.files, &project.warnings, &|_| true),
            drifts: project_lock::drifts(lock, &of_files, images),
            live,
            held: self.held.as_ref(),
        });
        if let Some(unpacked) = unpacked {
            found.iter_mut().for_each(|finding| unpacked.rename_in(&mut finding.diagnosis));
        }
        found
    }
}

/// Makes the plan. `engine`: the one that has the images, or pulls them; `None`: nothing is asked of an engine, and
/// what images give is not known.
pub async fn prepare(
    ReadStacks { projects, stopped }: ReadStacks,
    engine: Option<ImageEngine<'_>>,
    (settings, args): (&Settings, &RehearsalArgs),
    env: &Environment,
    stop: &StopSignal,
) -> Result<PreparedFiles, Failure> {
    let daemon = engine.map(|engine| engine.daemon);
    let options = source_options(settings, env);
    let mut projects: Vec<OpenProject> = projects.into_iter().map(OpenProject::new).collect();
    locate(&mut projects, settings, daemon, &options, stop).await?;
    let (mut services, mut known, mut prepared) = (Vec::new(), BTreeMap::new(), Vec::new());
    for project in &mut projects {
        let with = images_of(project, engine, settings, stop).await?;
        let ReadProject { project: of, lock, .. } = &project.of;
        project_lock::tell_unknown(lock, of, &project_sources::declared_services(&project.files));
        let found = project.find(&with.services, &with.images);
        let about = Known { found, missing: with.missing, warnings: std::mem::take(&mut project.warnings) };
        known.insert(of.name.clone(), (about, lock.clone()));
        services.extend(with.services);
        prepared.push(with.images);
    }
    let mut refused = BTreeMap::new();
    for (service, why) in stopped.into_iter().flat_map(StoppedProject::into_services) {
        refused.insert(service.name.clone(), why);
        services.push(service);
    }
    let mut services = with_settings(services, settings)?;
    for (service, of) in &mut services {
        without_live(of);
        if let Some(why) = refused.remove(&service.name) {
            why.apply(of);
        } else if let Some((about, lock)) = known.get_mut(service.name.stack_name()) {
            project_lock::add_maps(lock, service, of);
            about.apply(service, of);
        }
    }
    unused_flags::refuse(&services, &settings.selection, args)?;
    let mut draft = draft(services, &settings.selection);
    let (mut sources, surveys) = survey::survey(&draft.requests, daemon, &options, stop).await?;
    let folder = RunFolder::make_in(env.temp_dir(), Path::new(identity::EXECUTABLE));
    let folder = folder.map_err(|error| Failure::errored(error.to_string()))?;
    let files: Vec<ProjectFile> =
        projects.iter_mut().flat_map(|of| std::mem::take(&mut of.of.project.project_files)).collect();
    stage(&files, folder.path(), &mut draft, &mut sources, &options, stop).await?;
    if stop.is_cancelled() {
        return Err(interrupted(stop));
    }
    let projects = projects.into_iter().zip(prepared);
    let projects = projects.map(|(of, images)| PreparedProject { project: of.of.project, images }).collect();
    Ok(PreparedFiles { prepared: finish(draft, (sources, surveys)), folder, projects })
}

/// What is known of the services of a project before there is a plan, by their keys.
struct Known {
    found: Vec<Finding>,
    /// Why an image cannot be had.
    missing: BTreeMap<String, Diagnosis>,
    warnings: BTreeMap<String, Vec<Diagnosis>>,
}

impl Known {
    fn apply(&mut self, service: &Service, settings: &mut ServiceSettings) {
        let key = service.name.service.as_str();
        settings.warnings.extend(self.warnings.remove(key).unwrap_or_default());
        if settings.unusable.is_none() {
            settings.unusable = self.missing.get(key).cloned();
        }
        project_findings::tell(&self.found, service, settings);
    }
}

/// Builds, finds or pulls the images of a project.
async fn images_of(
    project: &mut OpenProject,
    engine: Option<ImageEngine<'_>>,
    settings: &Settings,
    stop: &StopSignal,
) -> Result<WithImages, Failure> {
    let services = &project.of.project.services;
    let built = match (project.of.build.take(), engine) {
        (Some(build), Some(engine)) => {
            unless_stopped(stop, project_images::build(services, build, engine.host)).await?
        }
        _ => BTreeMap::new(),
    };
    let mut with = unless_stopped(stop, with_images(services, engine, settings)).await?;
    // An older image of the name is not the one that the files build.
    with.missing.extend(built);
    Ok(with)
}

/// Finds out where the backups keep the projects. Each backup is looked through once for all of its projects.
async fn locate(
    projects: &mut [OpenProject],
    settings: &Settings,
    daemon: Option<&Daemon>,
    options: &SourceOptions<'_>,
    stop: &StopSignal,
) -> Result<(), Failure> {
    let mut by_source: BTreeMap<SourceSpec, Vec<&mut OpenProject>> = BTreeMap::new();
    for project in projects {
        if let Some(spec) = only_source(&project.of.project, settings) {
            by_source.entry(spec).or_default().push(project);
        }
    }
    for (spec, projects) in by_source {
        let mut names: Vec<String> = FILE_NAMES.map(str::to_owned).to_vec();
        names.extend(projects.iter().flat_map(|project| project.names()));
        names.sort();
        names.dedup();
        let wanted_of =
            |project: &OpenProject| project_backup::wanted(&project.files, &project.of.variables, &project.written);
        let wanted: Vec<Vec<PathBuf>> = projects.iter().map(|project| wanted_of(project)).collect();
        let query = |(project, wanted): (&&mut OpenProject, &Vec<PathBuf>)| {
            let folder = &project.of.project.folder;
            wanted.iter().map(|path| project_backup::query(path, folder)).collect::<Vec<_>>()
        };
        let queries = projects.iter().zip(&wanted).flat_map(query).collect();
        let reads = projects.iter().any(|project| project.of.unpacked.is_none());
        let search = ProjectSearch { names, reads, wanted: queries };
        let found = project_survey::find_projects(&spec, search, daemon, options, stop).await?;
        let Some((mut contents, files)) = found else { continue };
        let mut candidates = contents.candidates.split_off(1).into_iter();
        let mut open = Vec::new();
        for (project, wanted) in projects.into_iter().zip(wanted) {
            let of = &mut project.of;
            let first = of.project.files.first().map(|file| identity::working_dir().join(file));
            let own = first.map(|file| fs::read(file).unwrap_or_default()).unwrap_or_default();
            let there = of.unpacked.as_ref().map(|unpacked| unpacked.there.clone());
            let located = of.project.locate(&contents, &files, &own, there);
            let own = candidates.by_ref().take(wanted.len()).collect();
            project.held = Some(HeldFiles::new(&of.project.folder, located.folder.clone(), wanted, own));
            project.warnings = of.project.apply(&located);
            match &of.unpacked {
                // What came out of the backup is what the backup has.
                Some(unpacked) => unpacked.rename_mounts(&mut of.project),
                None => open.push(project),
            }
        }
        learn(open, &spec, &contents.whole, options, stop).await?;
    }
    Ok(())
}

/// Reads the small files of the projects' folders in a backup where that would tell more, in one pass.
async fn learn(
    projects: Vec<&mut OpenProject>,
    spec: &SourceSpec,
    whole: &ContentTally,
    options: &SourceOptions<'_>,
    stop: &StopSignal,
) -> Result<(), Failure> {
    let mut held: Vec<&mut HeldFiles> = projects.into_iter().filter_map(|project| project.held.as_mut()).collect();
    held.retain(|held| held.folder_to_read(whole).is_some());
    let folders: Vec<String> = held.iter().filter_map(|held| held.folder_to_read(whole).map(str::to_owned)).collect();
    if folders.is_empty() {
        return Ok(());
    }
    // What cannot be read is not compared.
    let read = project_survey::read_folders(spec, &folders, options, stop).await;
    for (held, files) in held.into_iter().zip(read.unwrap_or_default()) {
        held.learn(files.unwrap_or_default());
    }
    Ok(())
}

/// Copies what is sent of this machine, and opens the copies as a source.
async fn stage(
    files: &[ProjectFile],
    folder: &Path,
    draft: &mut Draft,
    sources: &mut Vec<OpenedSource>,
    options: &SourceOptions<'_>,
    stop: &StopSignal,
) -> Result<(), Failure> {
    let staged = compose::stage(files, folder).map_err(|error| refusal(&error))?;
    if staged.is_empty() {
        return Ok(());
    }
    let paths: Vec<String> = staged.iter().map(usize::to_string).collect();
    let (backup, contents) = project_survey::open_folder(folder, &paths, options, stop).await?;
    let parts = staged.iter().zip(contents.candidates).filter_map(|(number, candidates)| {
        let file = &files[*number];
        let candidate = candidates.into_iter().next()?;
        Some(ProjectPart {
            mounted: file.source.clone(),
            path: candidate.path,
            holds: candidate.tally,
            is_first: file.is_first,
        })
    });
    draft.project_files = ProjectFiles { source: sources.len(), parts: parts.collect() };
    let place = backup.place.clone();
    sources.push(OpenedSource { place, backup: Some(Arc::new(backup)), is_project: true });
    Ok(())
}

/// The source of all services, if there is only one.
fn only_source(project: &Project, settings: &Settings) -> Option<SourceSpec> {
    let of = |of: &FileService| settings.for_service(&of.service).ok()?.source;
    let mut sources: Vec<SourceSpec> = project.services.iter().filter_map(of).collect();
    sources.sort();
    sources.dedup();
    sources.pop().filter(|_| sources.is_empty())
}

/// Refuses a run in which nothing says where the data of a service comes from.
pub fn require_backup(stacks: &ReadStacks, settings: &Settings) -> Result<(), Failure> {
    for of in stacks.projects.iter().flat_map(|of| &of.project.services) {
        let rehearsal = settings.for_service(&of.service)?;
        if rehearsal.source.is_none() && rehearsal.unusable.is_none() && rehearsal.skip.is_none() {
            let message = format!("{} comes from a Compose file, and no backup is named for its data", of.service.name);
            return Err(Failure::usage(message).hint(
                "name the backup with --from SOURCE; a service from a file has no live data that could be copied \
                 instead",
            ));
        }
    }
    Ok(())
}

/// A service from a file has no live data that could stand in for a backup.
fn without_live(settings: &mut ServiceSettings) {
    match &settings.as_dependency {
        DependencySource::SameIfFound | DependencySource::Other(None) => {
            settings.as_dependency = DependencySource::Same;
        }
        DependencySource::Other(Some(_)) | DependencySource::Same => {}
    }
}
