//! Finds Docker Compose and lets it resolve the files of a project, as it would for `up`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::ComposeError;
use crate::model::environment::Environment;
use crate::model::mask::Mask;
use crate::model::secret::Secret;
use crate::model::service::EnvVar;
use crate::source::tool::{Patience, Tool, ToolCall, ToolEnd, ToolKind, Version, is_program};

/// Names of a project's file, in the order in which Compose looks for them.
pub const FILE_NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// The variable that names the program; the flag is `--compose-path`.
pub const VARIABLE: &str = "REHEARSA_COMPOSE_PATH";

/// The oldest Compose that prints JSON.
const OLDEST: u32 = 2;
/// Most bytes that Compose may print for a project.
const MOST_OUTPUT: u64 = 64 << 20;
/// Most bytes of a file with variables that is read to learn what must not be shown.
const MOST_VARIABLES: u64 = 1 << 20;
/// Where the Docker CLI looks for its plugins, beside the user's own folder.
const PLUGIN_FOLDERS: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];
/// The PATH of a Compose that reads a stranger's files: it finds no `git` and no `ssh`.
const NO_PROGRAMS: &str = "/nonexistent";
/// The engine of such a Compose, which needs none.
const NO_ENGINE: &str = "unix:///nonexistent";
/// A stranger's `.env` can turn these on; a variable of the environment comes before it.
const FETCH_NOTHING: [(&str, &str); 2] =
    [("COMPOSE_EXPERIMENTAL_GIT_REMOTE", "false"), ("COMPOSE_EXPERIMENTAL_OCI_REMOTE", "false")];
const HOW_TO_GET: &str = "install docker-compose-plugin from Docker's packages, docker-compose-v2 on Ubuntu or \
    docker-compose on Debian 13, or name the program with --compose-path";

static COMPOSE: ToolKind = ToolKind {
    name: "docker-compose",
    // Whatever the caller has set may be a variable of the file.
    own: &[],
    kept: &[],
    patience: Patience { silence: Duration::from_secs(60), retries: Duration::from_secs(60) },
    is_retry: |_| false,
};

/// The files of a project and how Compose is to read them; the same flags as those of `docker compose`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectFlags {
    /// `--file`; a folder stands for the files in it that Compose would find.
    pub files: Vec<PathBuf>,
    /// `--project-name`.
    pub name: Option<String>,
    /// `--env-file`.
    pub env_files: Vec<PathBuf>,
    /// `--profile`.
    pub profiles: Vec<String>,
    /// `--project-directory`.
    pub folder: Option<PathBuf>,
}

/// A project as Compose resolved it.
pub struct Resolved {
    /// The JSON.
    pub json: Vec<u8>,
    /// What Compose warns of, without secrets.
    pub warnings: Vec<String>,
    /// The project's folder.
    pub folder: PathBuf,
    /// The files that were read, without those that they include.
    pub files: Vec<PathBuf>,
}

/// How Compose is started.
pub struct ComposeCall<'a> {
    /// The program that the user names.
    pub program: Option<&'a Path>,
    /// The variables that Compose gets; the files may use them.
    pub environment: &'a Environment,
    /// The executable of Rehearsa.
    pub executable: &'a Path,
    /// The working directory.
    pub working_dir: &'a Path,
    /// The files are a stranger's, and this is all that Compose may read: files, and folders with all that is in them.
    pub readable: Option<&'a [PathBuf]>,
}

/// Lets Compose resolve a project.
pub fn resolve(flags: &ProjectFlags, call: &ComposeCall<'_>) -> Result<Resolved, ComposeError> {
    let program = find(call)?;
    let files = expand_folders(&flags.files, call.working_dir)?;
    let folder = project_folder(flags, &files, call.working_dir);
    let tool = Tool::at(&COMPOSE, program, call.environment, call.executable);
    let args = arguments(flags, &files);
    let not_run = |error: crate::source::SourceError| ComposeError::NotRun(error.to_string());
    let mut run = ToolCall::new(&tool).args(args).args(["config", "--format", "json"]).folder(call.working_dir);
    if let Some(readable) = call.readable {
        run = run.confined(readable).variable("PATH", NO_PROGRAMS).variable("DOCKER_HOST", NO_ENGINE);
        for (name, value) in FETCH_NOTHING {
            run = run.variable(name, value);
        }
    }
    let (json, end) = run.output(MOST_OUTPUT).map_err(not_run)?;
    let mask = known_variables(flags, &folder, call);
    if end.success() {
        let warnings = end.words.iter().filter_map(|line| warning(line)).map(|line| mask.apply(&line)).collect();
        return Ok(Resolved { json, warnings, folder, files });
    }
    refuse_old(&tool)?;
    Err(ComposeError::Stops(mask.apply(&refusal(&end))))
}

/// The flags as Compose takes them.
pub(super) fn arguments(flags: &ProjectFlags, files: &[PathBuf]) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    let mut add = |flag: &str, value: &dyn AsRef<std::ffi::OsStr>| {
        args.push(flag.into());
        args.push(value.as_ref().to_owned());
    };
    files.iter().for_each(|file| add("--file", file));
    flags.name.iter().for_each(|name| add("--project-name", name));
    flags.env_files.iter().for_each(|file| add("--env-file", file));
    flags.profiles.iter().for_each(|profile| add("--profile", profile));
    flags.folder.iter().for_each(|folder| add("--project-directory", folder));
    args
}

/// Finds the program: the one that is named, a plugin of the Docker CLI, or `docker-compose` in PATH.
pub(super) fn find(call: &ComposeCall<'_>) -> Result<PathBuf, ComposeError> {
    let environment = call.environment;
    if let Some(named) = call.program {
        let named = call.working_dir.join(named);
        return match is_program(&named) {
            true => Ok(named),
            false => Err(ComposeError::Missing(format!(
                "{} is named as Docker Compose, and is no program that this user may run",
                named.display()
            ))),
        };
    }
    let own = environment.get("DOCKER_CONFIG").map(PathBuf::from);
    let own = own.or_else(|| Some(Path::new(environment.get("HOME")?).join(".docker")));
    let own = own.map(|folder| folder.join("cli-plugins"));
    let plugins = own.into_iter().chain(PLUGIN_FOLDERS.iter().map(PathBuf::from));
    let path = environment.get("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin");
    let folders = plugins.chain(path.split(':').filter(|folder| folder.starts_with('/')).map(PathBuf::from));
    folders.map(|folder| folder.join(COMPOSE.name)).find(|file| is_program(file)).ok_or_else(|| {
        ComposeError::Missing(format!(
            "Docker Compose reads the files of a project, and this machine has none: neither `docker compose` nor \
             docker-compose in PATH; {HOW_TO_GET}"
        ))
    })
}

/// Refuses a Compose of version 1, which knows neither the format nor today's files.
fn refuse_old(tool: &Tool) -> Result<(), ComposeError> {
    let not_run = |error: crate::source::SourceError| ComposeError::NotRun(error.to_string());
    let (output, _) = ToolCall::new(tool).args(["version", "--short"]).output(64 << 10).map_err(not_run)?;
    match Version::find(&String::from_utf8_lossy(&output)) {
        Some(version) if version.0 < OLDEST => Err(ComposeError::Missing(format!(
            "{} is Docker Compose {version}, and the files are read by version {OLDEST} or newer; {HOW_TO_GET}",
            tool.program.display()
        ))),
        _ => Ok(()),
    }
}

/// The files that Compose would find in the folders that are named among the files.
pub fn expand_folders(files: &[PathBuf], working_dir: &Path) -> Result<Vec<PathBuf>, ComposeError> {
    let mut expanded = Vec::new();
    for file in files {
        let folder = working_dir.join(file);
        if !folder.is_dir() {
            if !folder.exists() {
                return Err(ComposeError::NoFile(file.display().to_string()));
            }
            expanded.push(file.clone());
            continue;
        }
        if let Some(named) = named_in(&folder) {
            expanded.extend(named.iter().map(|name| file.join(name)));
            continue;
        }
        let found = FILE_NAMES.iter().map(|name| file.join(name)).find(|path| working_dir.join(path).is_file());
        let Some(found) = found else {
            let names = FILE_NAMES.join(", ");
            return Err(ComposeError::EmptyFolder { folder: file.display().to_string(), names });
        };
        let is_there = |path: &PathBuf| working_dir.join(path).is_file();
        let overriding = ["yaml", "yml"].iter().map(|end| {
            let stem = found.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            file.join(format!("{stem}.override.{end}"))
        });
        let overriding = overriding.into_iter().find(is_there);
        expanded.push(found);
        expanded.extend(overriding);
    }
    Ok(expanded)
}

/// Whether a path is a folder in which Compose would find a file.
pub(super) fn has_file(folder: &Path) -> bool {
    folder.is_dir()
        && (FILE_NAMES.iter().any(|name| folder.join(name).is_file())
            || named_in(folder).is_some_and(|of| !of.is_empty()))
}

/// The files that the `.env` of a folder names for Compose; `None`: it names none.
fn named_in(folder: &Path) -> Option<Vec<PathBuf>> {
    let text = read_variables(&folder.join(".env"));
    let value = |wanted: &str| {
        let variables = text.lines().rev().filter_map(read_variable);
        variables.filter(|of| of.name == wanted).find_map(|of| Some(of.value?.reveal().to_owned()))
    };
    let separator = value("COMPOSE_PATH_SEPARATOR").unwrap_or_else(|| ":".to_owned());
    let files = value("COMPOSE_FILE")?;
    Some(files.split(&separator).filter(|name| !name.is_empty()).map(PathBuf::from).collect())
}

/// The text of a file with variables; empty: there is none, or it is too large.
fn read_variables(file: &Path) -> String {
    let is_small = fs::metadata(file).is_ok_and(|of| of.is_file() && of.len() <= MOST_VARIABLES);
    if is_small { fs::read_to_string(file).unwrap_or_default() } else { String::new() }
}

/// The project's folder: the one that is named, else that of the first file.
pub fn project_folder(flags: &ProjectFlags, files: &[PathBuf], working_dir: &Path) -> PathBuf {
    let folder = flags.folder.clone().or_else(|| Some(files.first()?.parent()?.to_owned())).unwrap_or_default();
    std::path::absolute(working_dir.join(folder)).unwrap_or_else(|_| working_dir.to_owned())
}

/// What Compose says of its refusal.
fn refusal(end: &ToolEnd) -> String {
    let words: Vec<&str> = end.words.iter().map(String::as_str).filter(|line| warning(line).is_none()).collect();
    if words.is_empty() { end.told() } else { words.join("; ") }
}

/// The text of a warning in Compose's log; `None`: the line is none.
fn warning(line: &str) -> Option<String> {
    let (_, text) = line.split_once("level=warning msg=")?;
    let text = text.trim().trim_matches('"').replace("\\\"", "\"");
    Some(text)
}

/// Hides the values that the files may have put into Compose's words: those of the caller's variables and of the files
/// with variables in the project's folder.
pub(super) fn known_variables(flags: &ProjectFlags, folder: &Path, call: &ComposeCall<'_>) -> Mask {
    // The shell's names for folders are no passwords, whatever PWD means elsewhere.
    let is_folder = |name: &&str| matches!(*name, "PWD" | "OLDPWD");
    let mut known: Vec<EnvVar> = call
        .environment
        .names_starting_with("")
        .filter(|name| !is_folder(name))
        .filter_map(|name| Some(variable(name, call.environment.get(name)?)))
        .collect();
    let beside = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let beside = beside.filter(|path| path.to_string_lossy().ends_with(".env"));
    for file in flags.env_files.iter().map(|file| call.working_dir.join(file)).chain(beside) {
        known.extend(read_variables(&file).lines().filter_map(read_variable));
    }
    Mask::of_variables(&known)
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(Secret::new(value)) }
}

fn read_variable(line: &str) -> Option<EnvVar> {
    let line = line.trim();
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!name.starts_with('#') && !value.is_empty()).then(|| variable(name.trim(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_of_compose_is_told_from_its_refusal() {
        let line = r#"time="2026-11-30T17:15:42Z" level=warning msg="The \"TAG\" variable is not set. Defaulting""#;
        assert_eq!(warning(line).as_deref(), Some("The \"TAG\" variable is not set. Defaulting"));
        assert_eq!(warning("service \"a\" refers to undefined volume nope: invalid compose project"), None);
    }

    #[test]
    fn a_folder_stands_for_the_files_that_compose_finds_in_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let put = |name: &str| fs::write(dir.path().join(name), "").expect("written");
        put("docker-compose.yml");
        put("docker-compose.override.yml");
        let of = |files: &[&str]| expand_folders(&files.iter().map(PathBuf::from).collect::<Vec<_>>(), dir.path());
        let found = |names: &[&str]| Ok(names.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(of(&["."]), found(&["./docker-compose.yml", "./docker-compose.override.yml"]));
        put("compose.yaml");
        assert_eq!(of(&["."]), found(&["./compose.yaml"]), "the override is of the other file");
        put("other.yaml");
        assert_eq!(of(&["other.yaml"]), found(&["other.yaml"]));
        assert_eq!(of(&["typo.yaml"]), Err(ComposeError::NoFile("typo.yaml".to_owned())));
        fs::write(dir.path().join(".env"), "A=1\nCOMPOSE_FILE='other.yaml:sub/b.yaml'\n").expect("written");
        assert_eq!(of(&["."]), found(&["./other.yaml", "./sub/b.yaml"]), "as its .env says");
        fs::create_dir(dir.path().join("empty")).expect("made");
        let error = of(&["empty"]).expect_err("there is no file");
        assert!(error.is_mistyped(), "it is no refusal of Compose: {error:?}");
        assert!(error.to_string().starts_with("the folder empty has no Compose file (compose.yaml, "), "{error}");
    }

    #[test]
    fn a_program_that_is_named_and_missing_is_no_other() {
        let environment = Environment::from_iter([("PATH", "/usr/bin:/bin")]);
        let call = ComposeCall {
            program: Some(Path::new("no-such-program")),
            environment: &environment,
            executable: Path::new("/proc/self/exe"),
            working_dir: Path::new("/"),
            readable: None,
        };
        let error = find(&call).expect_err("it is missing");
        assert!(matches!(&error, ComposeError::Missing(words) if words.contains("/no-such-program")), "{error}");
        let nowhere = Environment::from_iter([("PATH", "/nowhere")]);
        let call = ComposeCall { program: None, environment: &nowhere, ..call };
        if PLUGIN_FOLDERS.iter().all(|folder| !Path::new(folder).join(COMPOSE.name).exists()) {
            assert!(find(&call).expect_err("there is none").to_string().contains("docker-compose-plugin"));
        }
    }

    #[test]
    fn values_in_files_with_variables_are_hidden() {
        let read = |line: &str| read_variable(line).map(|var| (var.name, var.value.map(|v| v.reveal().to_owned())));
        assert_eq!(read("export DB_PASSWORD='hunter2'"), Some(("DB_PASSWORD".into(), Some("hunter2".into()))));
        assert_eq!(read("# A=b"), None);
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join(".env"), "DB_PASSWORD=hunter2\nTAG=latest\n").expect("written");
        let environment = Environment::from_iter([("PWD", "/srv/stacks/shop"), ("OLDPWD", "/srv/stacks")]);
        let call = ComposeCall {
            program: None,
            environment: &environment,
            executable: Path::new("/proc/self/exe"),
            working_dir: dir.path(),
            readable: None,
        };
        let mask = known_variables(&ProjectFlags::default(), dir.path(), &call);
        let told = mask.apply("invalid port hunter2 of image app:latest");
        assert!(!told.contains("hunter2") && told.contains("latest"), "{told}");
        let place = "open /srv/stacks/shop/compose.yaml";
        assert_eq!(mask.apply(place), place, "a message says where");
    }
}
