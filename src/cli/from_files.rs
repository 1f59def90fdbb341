//! A stack from its Compose files: what Compose resolves becomes services, the images give the rest, the backup tells
//! where it keeps the project, and small files of the project are made ready to be sent to the engine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{ComposeArgs, RehearsalArgs};
use super::exit::Failure;
use super::piped_file::PipedFile;
use super::prepare::{Prepared, finish, source_options, with_settings};
use super::project_backup::HeldFiles;
use super::project_findings::ProjectView;
use super::project_images::{ImageBuild, ImageEngine, WithImages, with_images};
use super::signals::{interrupted, unless_stopped};
use super::stopped_project::{DeclaredLines, StoppedFiles, StoppedProject, failure_of};
use super::{
    console, identity, project_backup, project_findings, project_images, project_lock, project_sources, survey,
    unused_flags,
};
use crate::compose::{self, ComposeCall, ComposeError, FILE_NAMES, FileContent, FileService, Project, ProjectFlags};
use crate::config::lock_file::{EngineImage, LockFile};
use crate::config::settings::Settings;
use crate::findings::{self, normal};
use crate::model::environment::Environment;
use crate::model::project_files::{ProjectFiles, ProjectPart};
use crate::model::service::Service;
use crate::model::settings::{DependencySource, ServiceSettings};
use crate::model::source::SourceSpec;
use crate::plan::draft;
use crate::rehearse::OpenedSource;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::source::SmallFileBounds;
use crate::source::tool::RunFolder;

/// What is read of a stack's folder in a backup.
const STACK_FILES: SmallFileBounds = SmallFileBounds { file: 1 << 20, all: 32 << 20, files: 5_000, depth: 3 };

/// A plan for a stack from its files.
pub struct PreparedFiles {
    pub prepared: Prepared,
    /// The copies of the project's files, which are removed when this is dropped.
    pub folder: RunFolder,
    pub project: Project,
    /// What the engine has, by the keys of the services.
    pub images: BTreeMap<String, EngineImage>,
}

/// A project that was read, and the copy of its folder if it came out of a backup.
pub struct ReadProject {
    pub project: Project,
    /// The files with the variables of the project.
    variables: Vec<PathBuf>,
    /// How its images are built; `None`: they are not.
    build: Option<ImageBuild>,
    /// The folder in the backup, and the copy, which is removed when this is dropped.
    unpacked: Option<(String, RunFolder)>,
    /// What came by standard input; removed when this is dropped.
    piped: Option<PipedFile>,
    /// The services as they run, to be compared; none: the project is read without a look at what runs.
    live: Vec<Service>,
}

impl ReadProject {
    /// The same project, to be compared with services as they run.
    #[must_use]
    pub fn compared_with(self, live: Vec<Service>) -> ReadProject {
        ReadProject { live, ..self }
    }
}

/// What came of the files of a project.
pub enum ReadFiles {
    Project(Box<ReadProject>),
    /// Compose, or the reader of what Compose prints, stopped.
    Stopped(Box<StoppedProject>),
}

impl ReadFiles {
    /// The project; that it could not be read is a failure.
    pub fn project(self) -> Result<ReadProject, Failure> {
        match self {
            ReadFiles::Project(project) => Ok(*project),
            ReadFiles::Stopped(stopped) => Err(stopped.failure()),
        }
    }
}

/// Reads the project; `None`: no file and no folder of a backup is named.
pub async fn read(
    args: &ComposeArgs,
    settings: &Settings,
    env: &Environment,
    stop: &StopSignal,
) -> Result<Option<ReadFiles>, Failure> {
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
    let mut flags = flags;
    let piped = PipedFile::take(&mut flags, settings, env)?;
    let call = CallOfCompose { flags: &flags, args, env, given: env, readable: None };
    let mut project = match call.run() {
        Ok(project) => project,
        Err(error) => return call.stopped(&error).map(|stopped| Some(ReadFiles::Stopped(Box::new(stopped)))),
    };
    if piped.is_none() {
        declare(&mut project, &identity::working_dir());
    }
    let variables = call.variables(&project.folder);
    let build =
        args.build.then(|| ImageBuild { program: call.program(), environment: env.clone(), flags: flags.clone() });
    Ok(Some(ReadFiles::Project(Box::new(ReadProject {
        project,
        variables,
        build,
        unpacked: None,
        piped,
        live: Vec::new(),
    }))))
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
) -> Result<ReadFiles, Failure> {
    let Some(spec) = settings.source_of_run()? else {
        return Err(Failure::usage("--stack names a folder of a backup, and no backup is named")
            .hint("name the backup with --from SOURCE"));
    };
    let inside = stack.trim_matches('/').to_owned();
    let (options, place) = (source_options(settings, env), spec.place.to_string());
    let files = survey::read_small_files(&spec, &inside, STACK_FILES, &options, stop).await?;
    let folder = RunFolder::make_in(env.temp_dir(), Path::new(identity::EXECUTABLE));
    let folder = folder.map_err(|error| Failure::errored(error.to_string()))?;
    // Compose names a project by its folder.
    let name = inside.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("backup").to_owned();
    let copy = folder.path().join(name);
    fs::create_dir(&copy).map_err(|error| Failure::errored(format!("making a temporary folder: {error}")))?;
    let names = compose::write_stack(&files, &copy, &format!("/{inside}")).map_err(|error| refusal(&error))?;
    let flags = ProjectFlags { files: names.iter().map(|name| copy.join(name)).collect(), ..flags };
    let variables = ["PATH", "HOME", "TMPDIR"].into_iter().filter_map(|name| Some((name, env.get(name)?)));
    // What the user names on the command line is the user's.
    let named = flags.env_files.iter().chain(&flags.folder).cloned();
    let readable: Vec<PathBuf> = named.chain([folder.path().to_owned()]).collect();
    let call = CallOfCompose { flags: &flags, args, env, given: &variables.collect(), readable: Some(&readable) };
    let project = match call.run() {
        Ok(project) => project,
        Err(error) => return call.stopped(&error).map(|stopped| ReadFiles::Stopped(Box::new(stopped))),
    };
    refuse_foreign_files(&project, &readable)?;
    console::note(&format!("The stack {} comes from /{inside} of {place}", project.name));
    let variables = call.variables(&project.folder);
    let unpacked = Some((format!("/{inside}"), folder));
    Ok(ReadFiles::Project(Box::new(ReadProject {
        project,
        variables,
        build: None,
        unpacked,
        piped: None,
        live: Vec::new(),
    })))
}

/// Refuses a project out of a backup that would send other files of this machine to the engine.
fn refuse_foreign_files(project: &Project, own: &[PathBuf]) -> Result<(), Failure> {
    for file in &project.project_files {
        let FileContent::Path(path) = &file.content else { continue };
        let path = normal(path);
        if !own.iter().any(|folder| path.starts_with(folder)) {
            let words = format!("a Compose file out of a backup names the file {} of this machine", path.display());
            return Err(refusal(&ComposeError::Unknown(words)));
        }
    }
    Ok(())
}

/// How Compose is to resolve a project.
struct CallOfCompose<'a> {
    flags: &'a ProjectFlags,
    args: &'a ComposeArgs,
    /// The caller's environment.
    env: &'a Environment,
    /// The one that Compose gets.
    given: &'a Environment,
    /// What Compose may read of this machine; `None`: the files are the user's own, so Compose reads what they name.
    readable: Option<&'a [PathBuf]>,
}

impl CallOfCompose<'_> {
    fn run(&self) -> Result<Project, ComposeError> {
        let CallOfCompose { flags, given, .. } = *self;
        let named = self.program();
        let working_dir = identity::working_dir();
        let call = ComposeCall {
            program: named.as_deref(),
            environment: given,
            executable: Path::new(identity::EXECUTABLE),
            working_dir: &working_dir,
            readable: self.readable,
        };
        let project = compose::resolve(flags, &call).and_then(|resolved| compose::read(resolved, given))?;
        project.warnings.iter().for_each(|warning| console::note(&format!("Compose: {warning}")));
        Ok(project)
    }

    /// The program that the user names.
    fn program(&self) -> Option<PathBuf> {
        let named = self.args.compose_path.clone();
        named.or_else(|| self.env.get(compose::VARIABLE).map(Into::into))
    }

    /// The files with the variables of a project: `.env`, or those that are named instead.
    fn variables(&self, folder: &Path) -> Vec<PathBuf> {
        match self.flags.env_files.as_slice() {
            [] => vec![folder.join(".env")],
            named => named.iter().map(|file| identity::working_dir().join(file)).collect(),
        }
    }

    /// What is known of a project that could not be read. A file that is not there is a mistake of the command line,
    /// and so is a folder without one.
    fn stopped(&self, error: &ComposeError) -> Result<StoppedProject, Failure> {
        if error.is_mistyped() {
            return Err(refusal(error));
        }
        let working_dir = identity::working_dir();
        let files = compose::expand_folders(&self.flags.files, &working_dir).unwrap_or_default();
        let folder = compose::project_folder(self.flags, &files, &working_dir);
        let variables = self.variables(&folder);
        let of = StoppedFiles { flags: self.flags, files: &files, folder: &folder, variables: &variables };
        Ok(of.search(self.given, error))
    }
}

/// What Compose stops at is found about the restore: it would stop there, too. What could not be found out is an error.
fn refusal(error: &ComposeError) -> Failure {
    if error.is_mistyped() {
        return Failure::usage(error.to_string()).hint("correct -f; nothing was rehearsed");
    }
    failure_of(&error.diagnosis())
}

/// Finds the lines that declare the services.
fn declare(project: &mut Project, working_dir: &Path) {
    let lines = DeclaredLines::read(&project.files, working_dir);
    for of in &mut project.services {
        of.service.declared = lines.of(&of.service.name.service);
    }
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
/// what images give is not known. `lock`: what the project's lock says.
pub async fn prepare(
    ReadProject { mut project, variables, build, unpacked, piped, live }: ReadProject,
    engine: Option<ImageEngine<'_>>,
    lock: &LockFile,
    (settings, args): (&Settings, &RehearsalArgs),
    env: &Environment,
    stop: &StopSignal,
) -> Result<PreparedFiles, Failure> {
    let daemon = engine.map(|engine| engine.daemon);
    let options = source_options(settings, env);
    let mut warnings = BTreeMap::new();
    // What a mount is found under in the backup is no matter of the files.
    let written: Vec<Service> = project.services.iter().map(|of| of.service.clone()).collect();
    let mut files = project_sources::load(&project.files, &project.folder);
    if let Some(piped) = &piped {
        piped.rename(&mut files);
    }
    let mut held = None;
    if let Some(spec) = only_source(&project, settings) {
        let mut names: Vec<String> = FILE_NAMES.map(str::to_owned).to_vec();
        let own = project.files.iter().filter_map(|file| file.file_name()?.to_str().map(str::to_owned));
        names.extend(own);
        names.sort();
        names.dedup();
        let wanted = project_backup::wanted(&files, &variables, &written);
        let queries = wanted.iter().map(|path| project_backup::query(path, &project.folder)).collect();
        if let Some((mut contents, found)) =
            survey::find_project(&spec, &names, queries, daemon, &options, stop).await?
        {
            let first = project.files.first().map(|file| identity::working_dir().join(file));
            let own = first.map(|file| fs::read(file).unwrap_or_default()).unwrap_or_default();
            let there = unpacked.as_ref().map(|(there, _)| there.clone());
            let located = project.locate(&contents, &found, &own, there);
            let candidates = contents.candidates.split_off(1);
            let mut of = HeldFiles::new(&project.folder, located.folder.clone(), wanted, candidates);
            // What came out of the backup is what the backup has.
            let open = of.folder_to_read(&contents.whole).filter(|_| unpacked.is_none());
            if let Some(folder) = open.map(|folder| folder.trim_matches('/').to_owned()) {
                let read = survey::read_small_files(&spec, &folder, STACK_FILES, &options, stop).await;
                of.learn(read.unwrap_or_default());
            }
            held = Some(of);
            warnings = project.apply(&located);
        }
    }
    let built = match (build, engine) {
        (Some(build), Some(engine)) => {
            unless_stopped(stop, project_images::build(&project.services, build, engine.host)).await?
        }
        _ => BTreeMap::new(),
    };
    let pulled = with_images(&project.services, engine, settings);
    let WithImages { services, mut missing, images } = unless_stopped(stop, pulled).await?;
    // An older image of the name is not the one that the files build.
    missing.extend(built);
    let of_files: Vec<Service> = services.iter().map(|service| as_written(service, &written)).collect();
    let drifts = project_lock::drifts(lock, &of_files, &images);
    project_lock::tell_unknown(lock, &project, &project_sources::declared_services(&files));
    let found = project_findings::of(&ProjectView {
        files: &files,
        folder: &project.folder,
        variables: &variables,
        services: &of_files,
        // Compose has gone on, so every variable that it cannot do without has a value.
        unset: findings::unset_variables(&files, &project.warnings, &|_| true),
        drifts,
        live: &live,
        held: held.as_ref(),
    });
    let mut services = with_settings(services, settings)?;
    for (service, of) in &mut services {
        let key = service.name.service.as_str();
        without_live(of);
        project_lock::add_maps(lock, service, of);
        of.warnings.extend(warnings.remove(key).unwrap_or_default());
        if of.unusable.is_none() {
            of.unusable = missing.get(key).cloned();
        }
        project_findings::tell(&found, service, of);
    }
    unused_flags::refuse(&services, &settings.selection, args)?;
    let mut draft = draft(services, &settings.selection);
    let (mut sources, surveys) = survey::survey(&draft.requests, daemon, &options, stop).await?;
    let folder = RunFolder::make_in(env.temp_dir(), Path::new(identity::EXECUTABLE));
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
    Ok(PreparedFiles { prepared: finish(draft, (sources, surveys)), folder, project, images })
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
