//! Finds an owner's program and says what is known about it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, access};

use super::environment;
use crate::model::environment::Environment;
use crate::model::mask::Mask;
use crate::model::program::Program;
use crate::model::secret::Secret;
use crate::model::service::EnvVar;
use crate::source::access::SourceContext;
use crate::source::error::SourceError;

/// Folders that are searched where the environment has no PATH.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What is known about a program before it is looked for.
#[derive(Debug)]
pub struct ToolKind {
    /// Name of the program, which is also the name of its file.
    pub name: &'static str,
    /// Patterns of the program's own variables; `*` at the end stands for anything.
    pub own: &'static [&'static str],
    /// Patterns of the own variables that are passed on: they give access and do not change what is read.
    pub kept: &'static [&'static str],
    /// How long the program may say nothing.
    pub patience: Patience,
    /// Whether a line on standard error says that the program tries something again.
    pub is_retry: fn(&str) -> bool,
}

/// How long a program may take to say something. Only the time is counted in which somebody reads its output.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Longest time without a byte on standard output or standard error.
    pub silence: Duration,
    /// Longest time without a byte on standard output after the program has begun to try again.
    pub retries: Duration,
}

/// A program that was found, and its environment.
pub struct Tool {
    pub kind: &'static ToolKind,
    /// Absolute path of the program.
    pub program: PathBuf,
    /// The executable of Rehearsa, whose hidden command starts the program.
    pub(super) launcher: PathBuf,
    pub(super) variables: Vec<(String, String)>,
    /// Hides the secrets among the variables.
    pub(super) mask: Mask,
}

impl Tool {
    /// Looks for a program: at the path `given`, else in the folders of PATH.
    pub fn find(kind: &'static ToolKind, given: Option<&Path>, context: &SourceContext) -> Result<Tool, SourceError> {
        let environment = &context.environment;
        let program = match given {
            Some(path) if is_program(path) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            Some(path) => {
                return Err(SourceError::ToolMissing(not_runnable(kind.name, path)));
            }
            None => program_in_path(kind.name, environment).ok_or_else(|| {
                let flag = Program::ALL.into_iter().find(|program| program.name() == kind.name).map(Program::flag);
                let elsewhere = flag.map(|flag| format!(" ({flag} names one elsewhere)")).unwrap_or_default();
                SourceError::ToolMissing(format!(
                    "the program {0} is needed to read this backup, and PATH has no {0}{elsewhere}",
                    kind.name
                ))
            })?,
        };
        Ok(Tool::at(kind, program, environment, &context.executable))
    }

    /// The program at this path. It gets the variables of `environment`; `executable` is the one of Rehearsa, whose
    /// hidden command starts the program.
    pub fn at(kind: &'static ToolKind, program: PathBuf, environment: &Environment, executable: &Path) -> Tool {
        let variables = environment::inherited(environment, kind.own, kind.kept);
        let own = variables.iter().filter(|(name, _)| kind.kept.iter().any(|kept| environment::fits(kept, name)));
        let own: Vec<EnvVar> =
            own.map(|(name, value)| EnvVar { name: name.clone(), value: Some(Secret::new(value.as_str())) }).collect();
        let mask = Mask::of_variables(&own);
        Tool { kind, program, launcher: executable.to_owned(), variables, mask }
    }

    /// The variables that the program inherits.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("program", &self.program).finish_non_exhaustive()
    }
}

/// The error about a file that the user names as the program.
pub fn not_runnable(name: &str, path: &Path) -> String {
    let shown = path.display();
    match path.metadata() {
        Err(error) => format!("{shown}, which is to be the program {name}, cannot be found: {error}"),
        Ok(metadata) if metadata.is_dir() => {
            format!("{shown}, which is to be the program {name}, is a folder; name the file itself")
        }
        Ok(_) => format!("{shown}, which is to be the program {name}, is no program that this user may run"),
    }
}

/// Whether this user may run the file.
pub fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

/// The program of this name in the folders of PATH; `None`: no folder has it.
pub fn program_in_path(name: &str, environment: &Environment) -> Option<PathBuf> {
    let folders = environment.get("PATH").unwrap_or(USUAL_PATH).split(':').filter(|folder| folder.starts_with('/'));
    folders.map(|folder| Path::new(folder).join(name)).find(|path| is_program(path))
}

/// Version of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Finds the first version in the text that a program prints about itself; a missing third number is 0.
    pub fn find(text: &str) -> Option<Version> {
        text.split_whitespace().find_map(|word| {
            let mut numbers = word.trim_start_matches('v').split('.').map(|part| {
                let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
                part[..end].parse().ok()
            });
            Some(Version(numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)))
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_programs_print() {
        for (text, version) in [
            ("restic 0.14.0 compiled with go1.19.8 on linux/amd64", Version(0, 14, 0)),
            ("restic 0.16.4-dev (compiled manually) compiled with go1.21", Version(0, 16, 4)),
            ("borg 1.2.4\n", Version(1, 2, 4)),
            ("borg 2.0.0b14", Version(2, 0, 0)),
            ("rclone v1.60\n- os/version", Version(1, 60, 0)),
        ] {
            assert_eq!(Version::find(text), Some(version), "{text}");
        }
        assert_eq!(Version::find("no version here"), None);
        assert!(Version(0, 14, 0) < Version(0, 19, 1));
    }

    #[test]
    fn a_program_is_found_in_the_folders_of_path_only() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tool"), "").unwrap();
        let path = |value: &str| Environment::from_iter([("PATH", value)]);
        let folder = dir.path().display().to_string();
        assert_eq!(program_in_path("tool", &path(&folder)), None, "nobody may run it");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path().join("tool"), mode).unwrap();
        assert_eq!(program_in_path("tool", &path(&format!("/none:{folder}"))), Some(dir.path().join("tool")));
        assert_eq!(program_in_path("tool", &path("/none")), None);
        assert!(
            program_in_path("sh", &Environment::default()).is_some(),
            "without PATH the usual folders are searched"
        );
    }
}
