//! A stack from its Compose files: what Compose resolves becomes services, the images give the rest, the backup tells
//! where it keeps the project, and small files of the project are made ready to be sent to the engine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::args::{ComposeArgs, RehearsalArgs};
use super::exit::Failure;
use super::prepare::{Prepared, finish, source_options, with_settings};
use super::signals::{interrupted, unless_stopped};
use super::{console, identity, project_findings, survey, unused_flags};
use crate::compose::{self, ComposeCall, ComposeError, FILE_NAMES, FileService, Project, ProjectFlags};
use crate::config::settings::Settings;
use crate::discover;
use crate::docker::{Daemon, ImageRequest, RegistryLogins, image_config};
use crate::model::diagnosis::{Code, Diagnosis, Severity};
use crate::model::environment::Environment;
use crate::model::image_config::ImageConfig;
use crate::model::outcome::ExitCode;
use crate::model::project_files::{ProjectFiles, ProjectPart};
use crate::model::pull::PullPolicy;
use crate::model::service::Service;
use crate::model::settings::{DependencySource, ServiceSettings};
use crate::model::source::SourceSpec;
use crate::plan::draft;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::{OpenedSource, images};
use crate::source::SmallFileBounds;
use crate::source::tool::RunFolder;

/// This program, also if its file was replaced meanwhile.
const EXECUTABLE: &str = "/proc/self/exe";
/// What is read of a stack's folder in a backup.
const STACK_FILES: SmallFileBounds = SmallFileBounds { file: 1 << 20, all: 32 << 20, files: 5_000, depth: 3 };
/// Number of images that are looked at in the engine at the same time.
const AT_A_TIME: usize = 8;

/// A plan for a stack from its files.
pub struct PreparedFiles {
    pub prepared: Prepared,
    /// The copies of the project's files, which are removed when this is dropped.
    pub folder: RunFolder,
}

/// A project that was read, and the copy of its folder if it came out of a backup.
pub struct ReadProject {
    pub project: Project,
    /// The folder in the backup, and the copy, which is removed when this is dropped.
    unpacked: Option<(String, RunFolder)>,
}

/// Reads the project; `None`: no file and no folder of a backup is named.
pub async fn read(
    args: &ComposeArgs,
    settings: &Settings,
    env: &Environment,
    stop: &StopSignal,
) -> Result<Option<ReadProject>, Failure> {
    let ComposeArgs { file, project_name, env_file, profile, project_directory, .. } = args.clone();
    let flags = ProjectFlags {
        files: file,
        name: project_name,
        env_files: env_file,
        profiles: profile,
        folder: project_directory,
    };
    if let Some(stack) = &args.stack {
        return read_from_backup(stack, flags, args, settings, env, stop).await.map(Some);
    }
    if args.file.is_empty() {
        return Ok(None);
    }
    let mut project = run_compose(&flags, args, env, env)?;
    declare(&mut project, &identity::working_dir());
    Ok(Some(ReadProject { project, unpacked: None }))
}

/// Reads the project of a folder in the backup. Only small files of the folder are read out of it, into a private
/// folder, and Compose gets nothing of the caller's environment.
async fn read_from_backup(
    stack: &str,
    flags: ProjectFlags,
    args: &ComposeArgs,
    settings: &Settings,
    env: &Environment,
    stop: &StopSignal,
) -> Result<ReadProject, Failure> {
    let Some(spec) = settings.source_of_run()? else {
        return Err(Failure::usage("--stack names a folder of a backup, and no backup is named")
            .hint("name the backup with --from SOURCE"));
    };
    let inside = stack.trim_matches('/').to_owned();
    let (options, place) = (source_options(settings, env), spec.place.to_string());
    let files = survey::read_small_files(&spec, &inside, STACK_FILES, &options, stop).await?;
    let folder = RunFolder::make_in(env.temp_dir(), Path::new(EXECUTABLE));
    let folder = folder.map_err(|error| Failure::errored(error.to_string()))?;
    // Compose names a project by its folder.
    let name = inside.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("backup").to_owned();
    let copy = folder.path().join(name);
    fs::create_dir(&copy).map_err(|error| Failure::errored(format!("making a temporary folder: {error}")))?;
    let names = compose::write_stack(&files, &copy, &format!("/{inside}")).map_err(|error| refusal(&error))?;
    let flags = ProjectFlags { files: names.iter().map(|name| copy.join(name)).collect(), ..flags };
    let variables = ["PATH", "HOME", "TMPDIR"].into_iter().filter_map(|name| Some((name, env.get(name)?)));
    let project = run_compose(&flags, args, env, &variables.collect())?;
    console::note(&format!("The stack {} comes from /{inside} of {place}", project.name));
    Ok(ReadProject { project, unpacked: Some((format!("/{inside}"), folder)) })
}

/// Lets Compose resolve a project. `env` is the caller's environment, `given` the one that Compose gets.
fn run_compose(
    flags: &ProjectFlags,
    args: &ComposeArgs,
    env: &Environment,
    given: &Environment,
) -> Result<Project, Failure> {
    let compose_path = args.compose_path.clone();
    let named = compose_path.or_else(|| env.get(compose::VARIABLE).map(Into::into));
    let working_dir = identity::working_dir();
    let call = ComposeCall {
        program: named.as_deref(),
        environment: given,
        executable: Path::new(EXECUTABLE),
        working_dir: &working_dir,
    };
    let project = compose::resolve(flags, &call).and_then(|resolved| compose::read(resolved, given));
    let project = project.map_err(|error| refusal(&error))?;
    project.warnings.iter().for_each(|warning| console::note(&format!("Compose: {warning}")));
    Ok(project)
}

/// What Compose stops at is found about the restore: it would stop there, too. What could not be found out is an error.
fn refusal(error: &ComposeError) -> Failure {
    if let ComposeError::NoFile(_) = error {
        return Failure::usage(error.to_string()).hint("correct -f; nothing was rehearsed");
    }
    let diagnosis = error.diagnosis();
    let failure = Failure::errored(diagnosis.to_string()).hint(diagnosis.remedy());
    match diagnosis.severity() {
        Severity::Failed => Failure { exit: ExitCode::Failed, ..failure },
        Severity::Errored | Severity::Warning => failure,
    }
}

/// Finds the lines that declare the services.
fn declare(project: &mut Project, working_dir: &Path) {
    let texts: Vec<_> = project.files.iter().map(|file| (file, read_text(&working_dir.join(file)))).collect();
    for of in &mut project.services {
        let name = of.service.name.service.clone();
        of.service.declared =
            texts.iter().find_map(|(file, text)| discover::declared::location_in(text, &name, file, working_dir));
    }
}

fn read_text(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// The services for a list of names: no engine and no backup is asked.
pub fn named_services(project: &Project, settings: &Settings) -> Result<Vec<(Service, ServiceSettings)>, Failure> {
    let services = project.services.iter().map(|of| of.service.clone()).collect();
    Ok(with_settings(services, settings)?)
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

/// Makes the plan. `engine`: the one that has the images, or pulls them; `None`: nothing is asked of an engine, and
/// what images give is not known.
pub async fn prepare(
    ReadProject { mut project, unpacked }: ReadProject,
    engine: Option<ImageEngine<'_>>,
    (settings, args): (&Settings, &RehearsalArgs),
    env: &Environment,
    stop: &StopSignal,
) -> Result<PreparedFiles, Failure> {
    let daemon = engine.map(|engine| engine.daemon);
    let options = source_options(settings, env);
    let mut warnings = BTreeMap::new();
    // What a mount is found under in the backup is no matter of the files.
    let written: Vec<Service> = project.services.iter().map(|of| of.service.clone()).collect();
    if let Some(spec) = only_source(&project, settings) {
        let mut names: Vec<String> = FILE_NAMES.map(str::to_owned).to_vec();
        let own = project.files.iter().filter_map(|file| file.file_name()?.to_str().map(str::to_owned));
        names.extend(own);
        names.sort();
        names.dedup();
        if let Some((contents, files)) = survey::find_project(&spec, &names, daemon, &options, stop).await? {
            let first = project.files.first().map(|file| identity::working_dir().join(file));
            let own = first.map(|file| fs::read(file).unwrap_or_default()).unwrap_or_default();
            let there = unpacked.as_ref().map(|(there, _)| there.clone());
            let located = project.locate(&contents, &files, &own, there);
            warnings = project.apply(&located);
        }
    }
    let pulled = with_images(&project.services, engine, settings);
    let (services, missing) = unless_stopped(stop, pulled).await?;
    let of_files: Vec<Service> = services.iter().map(|service| as_written(service, &written)).collect();
    let found = project_findings::of(&project, &of_files);
    let mut services = with_settings(services, settings)?;
    for (service, of) in &mut services {
        let key = service.name.service.as_str();
        without_live(of);
        of.warnings.extend(warnings.remove(key).unwrap_or_default());
        if of.unusable.is_none() {
            of.unusable = missing.get(key).cloned();
        }
        project_findings::tell(&found, service, of);
    }
    unused_flags::refuse(&services, &settings.selection, args)?;
    let mut draft = draft(services, &settings.selection);
    let (mut sources, surveys) = survey::survey(&draft.requests, daemon, &options, stop).await?;
    let folder = RunFolder::make_in(env.temp_dir(), Path::new(EXECUTABLE));
    let folder = folder.map_err(|error| Failure::errored(error.to_string()))?;
    let staged = compose::stage(&project.project_files, folder.path()).map_err(|error| refusal(&error))?;
    if !staged.is_empty() {
        let paths: Vec<String> = staged.iter().map(usize::to_string).collect();
        let (backup, contents) = survey::open_folder(folder.path(), &paths, &options, stop).await?;
        let parts = staged.iter().zip(contents.candidates).filter_map(|(number, candidates)| {
            let file = &project.project_files[*number];
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
    }
    if stop.is_cancelled() {
        return Err(interrupted(stop));
    }
    Ok(PreparedFiles { prepared: finish(draft, (sources, surveys)), folder })
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
pub fn require_backup(project: &Project, settings: &Settings) -> Result<(), Failure> {
    for of in &project.services {
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

/// An engine that has images, or pulls them.
#[derive(Clone, Copy)]
pub struct ImageEngine<'a> {
    pub daemon: &'a Daemon,
    pub logins: &'a RegistryLogins,
}

/// The services with what their images give; and why a service cannot be rehearsed, by its key.
async fn with_images(
    services: &[FileService],
    engine: Option<ImageEngine<'_>>,
    settings: &Settings,
) -> Result<(Vec<Service>, BTreeMap<String, Diagnosis>), Failure> {
    let Some(engine) = engine else {
        return Ok((services.iter().map(|of| of.service.clone()).collect(), BTreeMap::new()));
    };
    let found: Vec<Result<ImageConfig, Diagnosis>> =
        stream::iter(services).map(|of| image_of(of, engine, settings)).buffered(AT_A_TIME).try_collect().await?;
    let (mut merged, mut missing) = (Vec::new(), BTreeMap::new());
    for (of, image) in services.iter().zip(found) {
        match image {
            Ok(image) => merged.push(of.with_image(image)),
            Err(diagnosis) => {
                missing.insert(of.service.name.service.clone(), diagnosis);
                merged.push(of.service.clone());
            }
        }
    }
    Ok((merged, missing))
}

/// What the image of a service gives, which is pulled if need be; or why it cannot be had. An image that is built is in
/// no registry.
async fn image_of(
    of: &FileService,
    engine: ImageEngine<'_>,
    settings: &Settings,
) -> Result<Result<ImageConfig, Diagnosis>, Failure> {
    let wishes = settings.for_service(&of.service)?;
    let reference = &of.service.image.reference;
    let wanted = ImageRequest {
        reference: reference.clone(),
        id: String::new(),
        platform: of.service.platform.clone(),
        policy: if of.is_built { PullPolicy::Never } else { wishes.pull },
        patience: wishes.pull_timeout,
    };
    let begun = || console::note(&format!("Pulling image {reference}"));
    let image = match images::ensure(engine.daemon, &wanted, engine.logins, begun).await {
        Ok(image) => image,
        Err(_) if of.is_built => return Ok(Err(image_missing(of))),
        Err(diagnosis) => return Ok(Err(diagnosis)),
    };
    Ok(image_config(engine.daemon, &image.id).await?.ok_or_else(|| image_missing(of)))
}

fn image_missing(of: &FileService) -> Diagnosis {
    let (name, reference) = (&of.service.name, &of.service.image.reference);
    let (message, remedy) = match of.is_built {
        true => (
            format!("{name} is built, and the engine has no image {reference}, which a build would make"),
            "Build it on the engine first: `docker compose build`; or name an image in the file that can be pulled.",
        ),
        false => (
            format!("the engine has no image {reference}, which {name} runs"),
            "Pull it to the engine first: `docker compose pull`.",
        ),
    };
    Diagnosis { remedy: Some(remedy.to_owned()), ..Diagnosis::new(Code::ConfigImageUnavailable, message) }
}
