//! A project that Compose refuses, or whose files could not be read: none of its services can be rehearsed, and all
//! else that can be found in its files is told beside the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::exit::Failure;
use super::prepare::{Prepared, plan_names};
use super::project_findings::{self, ProjectView};
use super::project_sources;
use crate::compose::{ComposeError, ProjectFlags, normalized};
use crate::compose_places::variables::UseForm;
use crate::config::ConfigError;
use crate::config::settings::Settings;
use crate::discover;
use crate::findings::{self, Finding, SourceFile, normal};
use crate::model::diagnosis::{Diagnosis, Severity};
use crate::model::environment::Environment;
use crate::model::location::Location;
use crate::model::mount::{Mount, MountOrigin};
use crate::model::outcome::ExitCode;
use crate::model::service::{Service, ServiceName};
use crate::model::settings::ServiceSettings;

/// The name of a project of which none is known.
const NAMELESS: &str = "project";
/// Most bytes of a file with variables.
const MOST_VARIABLES: u64 = 1 << 20;

/// A project that could not be read.
pub struct StoppedProject {
    /// Why.
    pub diagnosis: Diagnosis,
    /// Its services, as far as their files tell; at least one.
    services: Vec<Service>,
    found: Vec<Finding>,
    /// Where it came from, for people.
    pub shown: String,
}

/// Why a service of a project that could not be read is not rehearsed, and what else is found about it.
pub struct StoppedService {
    diagnosis: Diagnosis,
    found: Vec<Diagnosis>,
}

impl StoppedService {
    /// Puts it into what is said of the service.
    pub fn apply(self, settings: &mut ServiceSettings) {
        settings.unusable = Some(self.diagnosis);
        settings.warnings.extend(self.found);
    }
}

/// The files of a project that could not be read.
pub struct StoppedFiles<'a> {
    pub flags: &'a ProjectFlags,
    pub files: &'a [PathBuf],
    /// The project's folder.
    pub folder: &'a Path,
    /// The files with its variables.
    pub variables: &'a [PathBuf],
}

impl StoppedProject {
    /// The end of a command that reports nothing else.
    pub fn failure(&self) -> Failure {
        failure_of(&self.diagnosis)
    }

    /// A project whose files could not be brought here; it stands for its services. `folder`: the name of its folder.
    pub fn unread(folder: &str, diagnosis: Diagnosis) -> StoppedProject {
        let name = Some(normalized(folder)).filter(|name| !name.is_empty()).unwrap_or_else(|| NAMELESS.to_owned());
        let services = vec![Service::declared(ServiceName::lone(name))];
        StoppedProject { diagnosis, services, found: Vec::new(), shown: String::new() }
    }

    /// The same, which people know by this place.
    #[must_use]
    pub fn called(self, shown: &str) -> StoppedProject {
        StoppedProject { shown: shown.to_owned(), ..self }
    }

    /// The name of the project, as far as it is known.
    pub fn name(&self) -> &str {
        self.services.first().map_or("", |service| service.name.stack_name())
    }

    /// Changes each diagnosis about it.
    pub fn each_diagnosis(&mut self, mut change: impl FnMut(&mut Diagnosis)) {
        change(&mut self.diagnosis);
        self.found.iter_mut().for_each(|finding| change(&mut finding.diagnosis));
    }

    /// Its services, each with the reason for which it is not rehearsed.
    pub fn into_services(self) -> Vec<(Service, StoppedService)> {
        let StoppedProject { diagnosis, services, found, shown: _ } = self;
        let with_reason = |service: Service| {
            let found = project_findings::about(&found, &service.name).cloned().collect();
            (service, StoppedService { diagnosis: diagnosis.clone(), found })
        };
        services.into_iter().map(with_reason).collect()
    }

    /// The plan of projects that could not be read: every selected service is blocked for this reason, with the
    /// findings about it as warnings.
    pub fn plan(stopped: Vec<StoppedProject>, settings: &Settings) -> Result<Prepared, ConfigError> {
        let with_settings = |(service, why): (Service, StoppedService)| {
            let mut of = settings.for_service(&service)?;
            why.apply(&mut of);
            Ok((service, of))
        };
        let services = stopped.into_iter().flat_map(StoppedProject::into_services);
        Ok(plan_names(services.map(with_settings).collect::<Result<_, ConfigError>>()?, &settings.selection))
    }
}

/// A command that ends with a diagnosis.
pub fn failure_of(diagnosis: &Diagnosis) -> Failure {
    let failure = Failure::errored(diagnosis.to_string()).hint(diagnosis.remedy());
    match diagnosis.severity() {
        Severity::Failed => Failure { exit: ExitCode::Failed, ..failure },
        Severity::Errored | Severity::Warning => failure,
    }
}

/// What Compose stops at is found about the restore: it would stop there, too. What could not be found out is an error.
pub fn refusal(error: &ComposeError) -> Failure {
    if error.is_mistyped() {
        return Failure::usage(error.to_string()).hint("correct -f; nothing was rehearsed");
    }
    failure_of(&error.diagnosis())
}

impl StoppedFiles<'_> {
    /// Finds what can be found without Compose. `environment` is the one that Compose got.
    pub fn search(&self, environment: &Environment, error: &ComposeError) -> StoppedProject {
        let files = project_sources::load(self.files, self.folder);
        let diagnosis = error.diagnosis();
        let known = self.known_variables(environment);
        let has = |name: &str| environment.get_or_empty(name).is_some() || known.contains(name);
        let mut unset = findings::unset_variables(&files, std::slice::from_ref(&diagnosis.message), &has);
        for of in files.iter().flat_map(|of| of.file.uses().0) {
            let is_blank = matches!(of.form, UseForm::Plain | UseForm::Required) && !of.nested && !has(&of.name);
            if is_blank {
                unset.insert(of.name);
            }
        }
        let services = self.services(&files, environment);
        let found = project_findings::of(&ProjectView {
            files: &files,
            folder: self.folder,
            variables: self.variables,
            services: &services,
            unset,
            drifts: BTreeMap::new(),
            live: &[],
            held: None,
        });
        StoppedProject { diagnosis, services, found, shown: String::new() }
    }

    /// The names of the variables that the files of the project set.
    fn known_variables(&self, environment: &Environment) -> BTreeSet<String> {
        let small = |file: &&PathBuf| fs::metadata(file).is_ok_and(|of| of.is_file() && of.len() <= MOST_VARIABLES);
        let texts = self.variables.iter().filter(small).filter_map(|file| fs::read_to_string(file).ok());
        let names = texts.flat_map(|text| text.lines().filter_map(name_of).collect::<Vec<_>>());
        names.chain(environment.names_starting_with("").map(str::to_owned)).collect()
    }

    /// The services whose profiles are on, as the files have them: no variable has its value. If there are none, the
    /// project stands for them.
    fn services(&self, files: &[SourceFile], environment: &Environment) -> Vec<Service> {
        let project = self.project(files, environment);
        let lines = DeclaredLines::read(self.files, &super::identity::working_dir());
        let mut profiles = self.flags.profiles.clone();
        let of_environment = environment.get("COMPOSE_PROFILES").unwrap_or_default();
        profiles.extend(of_environment.split(',').map(|name| name.trim().to_owned()));
        let names: BTreeSet<String> = project_sources::declared_services(files).into_iter().collect();
        let names: Vec<String> = names.into_iter().filter(|name| is_on(files, name, &profiles)).collect();
        if names.is_empty() {
            return vec![Service::declared(ServiceName::lone(project))];
        }
        let services = names.into_iter().map(|name| {
            let mut service = Service::declared(ServiceName::of_stack(project.clone(), name.as_str()));
            service.declared = lines.of(&name);
            for of in files.iter().filter(|of| !of.is_base) {
                fill(&mut service, of, &name);
            }
            service
        });
        services.collect()
    }

    /// The name of the project, as far as it is known without Compose.
    fn project(&self, files: &[SourceFile], environment: &Environment) -> String {
        let given = self.flags.name.clone().or_else(|| environment.get("COMPOSE_PROJECT_NAME").map(str::to_owned));
        let written = || {
            let own = files.iter().rev().filter(|of| !of.is_base);
            let mut names = own.filter_map(|of| of.file.find(&["name"])?.1.text());
            names.next().filter(|name| !name.contains('$')).map(str::to_owned)
        };
        let of_folder = || self.folder.file_name().map(|name| normalized(&name.to_string_lossy()));
        let name = given.or_else(written).or_else(of_folder).filter(|name| !name.is_empty());
        name.unwrap_or_else(|| NAMELESS.to_owned())
    }
}

/// The name that a line of a file with variables sets.
fn name_of(line: &str) -> Option<String> {
    let line = line.trim();
    let (name, _) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let name = name.trim();
    (!name.is_empty() && !name.starts_with('#')).then(|| name.to_owned())
}

/// Whether a service is started with these profiles.
fn is_on(files: &[SourceFile], service: &str, profiles: &[String]) -> bool {
    let own = files.iter().rev().filter(|of| !of.is_base);
    let lists = own.filter_map(|of| of.file.find(&["services", service, "profiles"]));
    let mut wanted = lists.flat_map(|(_, list)| list.items()).filter_map(|item| item.text()).peekable();
    wanted.peek().is_none() || wanted.any(|wanted| profiles.iter().any(|on| on == wanted || on == "*"))
}

/// Adds what a file says of a service without variables: its image, and the paths of the host that it mounts.
fn fill(service: &mut Service, of: &SourceFile, name: &str) {
    let image = of.file.find(&["services", name, "image"]).and_then(|(_, node)| node.text());
    if let Some(image) = image.filter(|image| !image.contains('$')) {
        service.image.reference = image.to_owned();
    }
    for mount in of.file.mounts(name) {
        let Some(source) = mount.source.filter(|source| source.starts_with(['.', '/']) && !source.contains('$')) else {
            continue;
        };
        let source = normal(&of.folder.join(source)).display().to_string();
        let origin = MountOrigin::Bind { source };
        service.mounts.push(Mount { target: mount.target, origin, read_only: false });
    }
}

/// The texts of Compose files, for the lines that declare services.
pub struct DeclaredLines<'a> {
    texts: Vec<(&'a PathBuf, String)>,
    working_dir: PathBuf,
}

impl<'a> DeclaredLines<'a> {
    pub fn read(files: &'a [PathBuf], working_dir: &Path) -> Self {
        let read = |file: &PathBuf| fs::read_to_string(working_dir.join(file)).unwrap_or_default();
        Self { texts: files.iter().map(|file| (file, read(file))).collect(), working_dir: working_dir.to_owned() }
    }

    /// The line that declares a service.
    pub fn of(&self, service: &str) -> Option<Location> {
        let mut found = self.texts.iter();
        found.find_map(|(file, text)| discover::declared::location_in(text, service, file, &self.working_dir))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::diagnosis::Code;

    fn search(files: &[(&str, &str)], environment: &[(&str, &str)], flags: &ProjectFlags) -> StoppedProject {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("My Shop");
        fs::create_dir(&folder).expect("made");
        for (name, text) in files {
            fs::write(folder.join(name), text).expect("written");
        }
        let of = StoppedFiles {
            flags,
            files: &[folder.join("compose.yaml")],
            folder: &folder,
            variables: &[folder.join(".env")],
        };
        of.search(&environment.iter().copied().collect(), &ComposeError::Stops("it stops".to_owned()))
    }

    const FILE: &str = "\
services:
  web:
    image: web
    env_file: gone.env
    environment: {A: $A, B: '${B:?}', C: $C, D: $D}
    volumes: ['./data:/data', '$X:/x', 'named:/n']
  db: {image: 'db:1', profiles: [full]}
";

    #[test]
    fn a_project_that_compose_refuses_has_its_services_and_all_other_findings() {
        let stopped =
            search(&[("compose.yaml", FILE), (".env", "A=1\n#C=1\n")], &[("D", "")], &ProjectFlags::default());
        let names: Vec<String> = stopped.services.iter().map(|service| service.name.to_string()).collect();
        assert_eq!(names, ["myshop::web"], "the profile of db is not on");
        assert_eq!(stopped.services[0].declared.as_ref().map(|at| at.line), Some(2));
        let told = |code| {
            let found = stopped.found.iter().filter(|of| of.diagnosis.code == code);
            found.map(|of| of.diagnosis.message.rsplit_once("compose.yaml:").expect("a place").1.to_owned()).collect()
        };
        let told: Vec<(Code, Vec<String>)> = stopped
            .found
            .iter()
            .map(|of| of.diagnosis.code)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|code| (code, told(code)))
            .collect();
        let starts = |code: Code| -> Vec<&str> {
            let found = told.iter().find(|(of, _)| *of == code).map(|(_, told)| told.as_slice()).unwrap_or_default();
            found.iter().map(|told| told.split(',').next().unwrap_or_default()).collect()
        };
        assert_eq!(starts(Code::ConfigVariableNotSet), ["5:42: $C is not set"], "{told:#?}");
        assert_eq!(starts(Code::ConfigBlankVariable).len(), 2, "B is demanded, and X is a mount: {told:#?}");
        let missing = "4:5: the env_file gone.env of web is not here: Compose stops without it.";
        assert_eq!(starts(Code::ConfigMissingFile), [missing]);
        assert_eq!(starts(Code::ConfigUnpinnedImage).len(), 1, "{told:#?}");
        let plan = StoppedProject::plan(vec![stopped], &Settings::default()).expect("its settings are right").plan;
        let case = plan.cases().next().expect("it is a case");
        assert_eq!(case.blocked.as_ref().map(|of| of.code), Some(Code::ConfigComposeStops));
        assert!(case.warnings.len() >= 5, "{:#?}", case.warnings);
    }

    #[test]
    fn profiles_and_names_are_those_of_the_flags_and_variables() {
        let names = |environment: &[(&str, &str)], flags: &ProjectFlags| -> Vec<String> {
            let stopped = search(&[("compose.yaml", FILE)], environment, flags);
            stopped.services.iter().map(|service| service.name.to_string()).collect()
        };
        let flags = ProjectFlags { profiles: vec!["full".to_owned()], ..ProjectFlags::default() };
        assert_eq!(names(&[], &flags), ["myshop::db", "myshop::web"]);
        let env = [("COMPOSE_PROFILES", "a, full"), ("COMPOSE_PROJECT_NAME", "of-env")];
        assert_eq!(names(&env, &ProjectFlags::default()), ["of-env::db", "of-env::web"]);
        let flags = ProjectFlags { name: Some("flag".to_owned()), ..ProjectFlags::default() };
        assert_eq!(names(&env, &flags), ["flag::db", "flag::web"]);
    }

    #[test]
    fn a_file_that_is_no_yaml_leaves_the_project_itself() {
        let stopped = search(&[("compose.yaml", "services: [\n")], &[], &ProjectFlags::default());
        assert_eq!(stopped.services.len(), 1);
        assert_eq!(stopped.services[0].name.to_string(), "myshop");
    }
}
