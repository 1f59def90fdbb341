//! Reads the projects that a run names: from Compose files of this machine, or out of a backup. Compose resolves
//! several of them side by side, at most one for each processor.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::args::ComposeArgs;
use super::exit::Failure;
use super::piped_file::PipedFile;
use super::prepare::source_options;
use super::project_images::ImageBuild;
use super::project_survey::{self, FolderError};
use super::signals::interrupted;
use super::stopped_project::{DeclaredLines, StoppedFiles, StoppedProject, refusal};
use super::unpacked_stack::UnpackedStack;
use super::wanted_stacks::{self, StackPlace, WantedStack};
use super::{console, identity, project_lock};
use crate::compose::{self, ComposeCall, ComposeError, FileContent, Project, ProjectFlags};
use crate::config::lock_file::LockFile;
use crate::config::plan_file::{ServiceEntry, StackFiles};
use crate::config::settings::Settings;
use crate::discover::naming::escape;
use crate::findings::normal;
use crate::model::diagnosis::Diagnosis;
use crate::model::environment::Environment;
use crate::model::lock::lock;
use crate::model::service::Service;
use crate::model::source::SourceSpec;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::source::SmallFile;
use crate::source::tool::RunFolder;

/// A project that was read.
pub struct ReadProject {
    pub project: Project,
    /// The files with the variables of the project.
    pub(super) variables: Vec<PathBuf>,
    /// How its images are built; `None`: they are not.
    pub(super) build: Option<ImageBuild>,
    /// The copy of its folder, if it came out of a backup.
    pub(super) unpacked: Option<UnpackedStack>,
    /// What came by standard input; removed when this is dropped.
    pub(super) piped: Option<PipedFile>,
    /// The services as they run, to be compared; none: the project is read without a look at what runs.
    pub(super) live: Vec<Service>,
    /// What its lock says.
    pub(super) lock: LockFile,
    /// Where it came from, for people.
    shown: String,
}

/// The projects of a run; at least one, read or not.
#[derive(Default)]
pub struct ReadStacks {
    pub projects: Vec<ReadProject>,
    /// Those that Compose, or the reader of what Compose prints, stopped at.
    pub stopped: Vec<StoppedProject>,
}

impl ReadStacks {
    /// The same projects, to be compared with services as they run.
    #[must_use]
    pub fn compared_with(mut self, live: &[Service]) -> ReadStacks {
        for of in &mut self.projects {
            let own = live.iter().filter(|service| service.name.stack_name() == of.project.name);
            of.live = own.cloned().collect();
        }
        self
    }

    /// Reads the locks of the projects.
    pub fn read_locks(&mut self) -> Result<(), Failure> {
        for of in self.projects.iter_mut().filter(|of| of.unpacked.is_none()) {
            of.lock = project_lock::read(&of.project)?;
        }
        Ok(())
    }
}

/// Reads the projects that the flags name, else those of the plan file, whose settings then hold for their services.
/// `None`: neither names any.
pub async fn read(
    args: &ComposeArgs,
    settings: &mut Settings,
    env: &Environment,
    stop: &StopSignal,
) -> Result<Option<ReadStacks>, Failure> {
    let options = source_options(settings, env);
    let wanted = wanted_stacks::find(args, settings, &options, stop).await?;
    if wanted.is_empty() {
        return Ok(None);
    }
    let is_alone = wanted.len() == 1;
    let mut stacks = ReadStacks::default();
    let opened = open(wanted, settings, env, stop, is_alone).await?;
    let mut entries = Vec::new();
    let reader = StackReader { args, env, is_alone };
    for read in side_by_side(opened, stop, |stack| reader.read(stack)) {
        match read.ok_or_else(|| interrupted(stop))?? {
            (OneStack::Project(of), entry) => {
                of.tell_warnings(is_alone);
                entries.push((of.project.name.clone(), of.shown.clone(), entry));
                stacks.projects.push(*of);
            }
            (OneStack::Stopped(of), entry) => {
                entries.push((of.name().to_owned(), of.shown.clone(), entry));
                stacks.stopped.push(*of);
            }
        }
    }
    refuse_same_names(&entries)?;
    for (name, _, entry) in entries {
        if let Some(StackFiles { settings: of, .. }) = entry {
            settings.file.stacks.insert(name, ServiceEntry { mounts: Vec::new(), ..of });
        }
    }
    Ok(Some(stacks))
}

/// Refuses projects of the same name: nothing could tell their services from each other.
fn refuse_same_names(entries: &[(String, String, Option<StackFiles>)]) -> Result<(), Failure> {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, shown, _) in entries {
        if let Some(other) = known.insert(name, shown) {
            let told = format!("{other} and {shown} are two projects of the same name, {name}");
            return Err(Failure::usage(told).hint(
                "write `name:` at the top of one of the files, or rename its folder; on one host the second would \
                 take the containers of the first for its own. Nothing was rehearsed",
            ));
        }
    }
    Ok(())
}

/// A project whose files are on this machine, or why they could not be brought here.
struct OpenedStack {
    flags: ProjectFlags,
    shown: String,
    entry: Option<StackFiles>,
    from: OpenedFrom,
}

enum OpenedFrom {
    Here(Option<PipedFile>),
    Backup(UnpackedStack),
    /// It is not there; the name of its folder, and why.
    Nowhere(String, Diagnosis),
}

/// Takes the file of standard input, and copies the folders of the backups. `is_alone`: what is wrong with the only
/// stack ends the run; else the others are rehearsed.
async fn open(
    wanted: Vec<WantedStack>,
    settings: &Settings,
    env: &Environment,
    stop: &StopSignal,
    is_alone: bool,
) -> Result<Vec<OpenedStack>, Failure> {
    let mut of_backups: BTreeMap<SourceSpec, Vec<String>> = BTreeMap::new();
    for stack in &wanted {
        if let StackPlace::Backup { spec, folder } = &stack.place {
            of_backups.entry(spec.clone()).or_default().push(folder.clone());
        }
    }
    let options = source_options(settings, env);
    let mut read: BTreeMap<(SourceSpec, String), Result<Vec<SmallFile>, FolderError>> = BTreeMap::new();
    for (spec, folders) in of_backups {
        let found = project_survey::read_folders(&spec, &folders, &options, stop).await?;
        read.extend(folders.into_iter().map(|folder| (spec.clone(), folder)).zip(found));
    }
    let copies = match read.is_empty() {
        true => None,
        false => {
            let folder = RunFolder::make_in(env.temp_dir(), Path::new(identity::EXECUTABLE));
            Some(Arc::new(folder.map_err(|error| Failure::errored(error.to_string()))?))
        }
    };
    let mut opened = Vec::new();
    for (number, WantedStack { mut flags, shown, entry, place }) in wanted.into_iter().enumerate() {
        let from = match place {
            StackPlace::Here => OpenedFrom::Here(PipedFile::take(&mut flags, settings, env)?),
            StackPlace::Backup { spec, folder } => {
                let shown_place = spec.place.to_string();
                let files = read.remove(&(spec, folder.clone()));
                let (Some(files), Some(copies)) = (files, &copies) else { continue };
                let name = escape(folder.rsplit('/').next().unwrap_or_default());
                let files = match files {
                    Ok(files) => files,
                    Err(error) if is_alone => return Err(error.into()),
                    Err(FolderError::None(told)) => return Err(FolderError::None(told).into()),
                    Err(FolderError::Unread(why)) => {
                        let from = OpenedFrom::Nowhere(name, why);
                        opened.push(OpenedStack { flags, shown, entry, from });
                        continue;
                    }
                };
                match UnpackedStack::write(&files, copies, number, &folder, shown_place)? {
                    Ok((unpacked, names)) => {
                        flags.files = names;
                        OpenedFrom::Backup(unpacked)
                    }
                    Err(error) if is_alone => return Err(refusal(&error)),
                    Err(error) => OpenedFrom::Nowhere(name, error.diagnosis()),
                }
            }
        };
        opened.push(OpenedStack { flags, shown, entry, from });
    }
    Ok(opened)
}

/// Does the work for each of these things, for at most as many at the same time as there are processors. `None`: the
/// run was stopped before.
fn side_by_side<T: Send, R: Send>(things: Vec<T>, stop: &StopSignal, work: impl Fn(T) -> R + Sync) -> Vec<Option<R>> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let results = Mutex::new(things.iter().map(|_| None).collect::<Vec<Option<R>>>());
    let workers = processors.min(things.len());
    let queue = Mutex::new(things.into_iter().enumerate());
    let take = || lock(&queue).next();
    let run = || {
        while let Some((index, thing)) = take().filter(|_| !stop.is_cancelled()) {
            let result = work(thing);
            lock(&results)[index] = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(run);
        }
        run();
    });
    results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What came of one stack.
enum OneStack {
    Project(Box<ReadProject>),
    Stopped(Box<StoppedProject>),
}

/// How the stacks of a run are read.
struct StackReader<'a> {
    args: &'a ComposeArgs,
    env: &'a Environment,
    is_alone: bool,
}

impl StackReader<'_> {
    fn read(&self, stack: OpenedStack) -> Result<(OneStack, Option<StackFiles>), Failure> {
        let OpenedStack { flags, shown, entry, from } = stack;
        let one = match from {
            OpenedFrom::Nowhere(name, why) => {
                OneStack::Stopped(Box::new(StoppedProject::unread(&name, why).called(&shown)))
            }
            OpenedFrom::Here(piped) => self.read_here(flags, piped, shown)?,
            OpenedFrom::Backup(unpacked) => self.read_unpacked(flags, unpacked, shown)?,
        };
        Ok((one, entry))
    }

    fn read_here(&self, flags: ProjectFlags, piped: Option<PipedFile>, shown: String) -> Result<OneStack, Failure> {
        let StackReader { args, env, .. } = *self;
        let call = CallOfCompose { flags: &flags, args, env, given: env, readable: None };
        let mut project = match call.run() {
            Ok(project) => project,
            Err(error) => return call.stopped(&error).map(|of| OneStack::Stopped(Box::new(of.called(&shown)))),
        };
        if piped.is_none() {
            declare(&mut project, &identity::working_dir());
        }
        let variables = call.variables(&project.folder);
        let build =
            args.build.then(|| ImageBuild { program: call.program(), environment: env.clone(), flags: flags.clone() });
        Ok(OneStack::Project(Box::new(ReadProject {
            project,
            variables,
            build,
            unpacked: None,
            piped,
            live: Vec::new(),
            lock: LockFile::default(),
            shown,
        })))
    }

    /// Reads the project of a folder in a backup. Compose gets nothing of the caller's environment.
    fn read_unpacked(&self, flags: ProjectFlags, unpacked: UnpackedStack, shown: String) -> Result<OneStack, Failure> {
        let StackReader { args, env, is_alone } = *self;
        let variables = ["PATH", "HOME", "TMPDIR"].into_iter().filter_map(|name| Some((name, env.get(name)?)));
        // What the user names on the command line is the user's.
        let named = flags.env_files.iter().chain(&flags.folder).cloned();
        let readable: Vec<PathBuf> = named.chain([unpacked.around().to_owned()]).collect();
        let call = CallOfCompose { flags: &flags, args, env, given: &variables.collect(), readable: Some(&readable) };
        let stopped = |of: StoppedProject| OneStack::Stopped(Box::new(unpacked.rename_stopped(of).called(&shown)));
        let project = match call.run() {
            Ok(project) => project,
            Err(error) => return call.stopped(&error).map(stopped),
        };
        if let Err(error) = refuse_foreign_files(&project, &readable) {
            return if is_alone { Err(refusal(&error)) } else { call.stopped(&error).map(stopped) };
        }
        console::note(&format!("The stack {} comes from {shown}", project.name));
        let variables = call.variables(&project.folder);
        Ok(OneStack::Project(Box::new(ReadProject {
            project,
            variables,
            build: None,
            unpacked: Some(unpacked),
            piped: None,
            live: Vec::new(),
            lock: LockFile::default(),
            shown,
        })))
    }
}

impl ReadProject {
    fn tell_warnings(&self, is_alone: bool) {
        for warning in &self.project.warnings {
            let warning = self.unpacked.as_ref().map_or(warning.clone(), |of| of.rename(warning));
            match is_alone {
                true => console::note(&format!("Compose: {warning}")),
                false => console::note(&format!("Compose about {}: {warning}", self.project.name)),
            }
        }
    }
}

/// Refuses a project out of a backup that would send other files of this machine to the engine.
fn refuse_foreign_files(project: &Project, own: &[PathBuf]) -> Result<(), ComposeError> {
    for file in &project.project_files {
        let FileContent::Path(path) = &file.content else { continue };
        let path = normal(path);
        if !own.iter().any(|folder| path.starts_with(folder)) {
            let words = format!("a Compose file out of a backup names the file {} of this machine", path.display());
            return Err(ComposeError::Unsafe(words));
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
        compose::resolve(flags, &call).and_then(|resolved| compose::read(resolved, given))
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

/// Finds the lines that declare the services.
fn declare(project: &mut Project, working_dir: &Path) {
    let lines = DeclaredLines::read(&project.files, working_dir);
    for of in &mut project.services {
        of.service.declared = lines.of(&of.service.name.service);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_things_and_a_stop_ends_the_work() {
        let stop = StopSignal::new();
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |number: usize| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
            number * 2
        };
        let results = side_by_side((0..50).collect(), &stop, work);
        assert_eq!(results, (0..50).map(|number| Some(number * 2)).collect::<Vec<_>>());
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        assert!(most.load(Ordering::SeqCst) <= processors);
        stop.cancel(2);
        assert_eq!(side_by_side(vec![1], &stop, work), [None]);
    }

    #[test]
    fn two_projects_of_one_name_are_refused_and_both_are_named() {
        let entry = |name: &str, shown: &str| (name.to_owned(), shown.to_owned(), None);
        let told = refuse_same_names(&[entry("a", "x/a"), entry("b", "x/b"), entry("a", "y/a")]);
        let told = told.expect_err("refused").render(false);
        assert!(told.contains("x/a and y/a are two projects of the same name, a"), "{told}");
        assert!(refuse_same_names(&[entry("a", "x/a"), entry("b", "y/a")]).is_ok());
    }
}
