//! Patterns that stand for many projects: of Compose files and folders of this machine, and of folders in a backup.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::error::ComposeError;
use super::program::{FILE_NAMES, has_file};

/// A star stands for no slash, and a hidden folder is named by its dot.
const AS_IN_A_SHELL: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };
/// Ends of the names of Compose files.
const ENDS: [&str; 2] = [".yaml", ".yml"];

/// Whether a text has what makes it a pattern.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether a path of the command line is a pattern, and not a file of this name.
pub fn is_file_pattern(path: &Path, working_dir: &Path) -> bool {
    is_pattern(&path.to_string_lossy()) && !working_dir.join(path).exists()
}

/// The Compose files that fit a pattern, and the folders that fit it and have one; sorted. What else fits is no
/// project: other files, and the overrides of Compose files.
pub fn expand_pattern(pattern: &Path, working_dir: &Path) -> Result<Vec<PathBuf>, ComposeError> {
    let wrong = |why: &dyn std::fmt::Display| ComposeError::NoMatch(pattern.display().to_string(), format!(": {why}"));
    let Some(text) = pattern.to_str() else { return Err(wrong(&"it is no text")) };
    let whole = match pattern.is_absolute() {
        true => text.to_owned(),
        false => format!("{}/{text}", Pattern::escape(&working_dir.to_string_lossy())),
    };
    let found = glob::glob_with(&whole, AS_IN_A_SHELL).map_err(|error| wrong(&error))?;
    let mut projects = Vec::new();
    for path in found {
        let path = path.map_err(|error| wrong(&error))?;
        if has_file(&path) || path.is_file() && is_compose_file(&path) {
            projects.push(path.strip_prefix(working_dir).map_or(path.clone(), Path::to_owned));
        }
    }
    if projects.is_empty() {
        return Err(ComposeError::NoMatch(pattern.display().to_string(), String::new()));
    }
    Ok(projects)
}

/// Whether a file may be the first one of a project, by its name.
fn is_compose_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = ENDS.iter().find_map(|end| name.strip_suffix(end));
    stem.is_some_and(|stem| !stem.ends_with(".override"))
}

/// A pattern of folders in a backup.
#[derive(Debug)]
pub struct FolderPattern(Pattern);

impl FolderPattern {
    /// Reads a pattern; the error says what is wrong with it.
    pub fn new(text: &str) -> Result<FolderPattern, String> {
        Pattern::new(text.trim_matches('/')).map(FolderPattern).map_err(|error| error.to_string())
    }

    /// Whether a folder fits; its path has no slashes around it.
    fn fits(&self, folder: &str) -> bool {
        self.0.matches_with(folder, AS_IN_A_SHELL)
    }

    /// The folders that fit, of those that hold one of these files; sorted.
    pub fn folders<'a>(&self, files: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
        let folder = |path: &'a [u8]| {
            let path = std::str::from_utf8(path).ok()?;
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            (FILE_NAMES.contains(&name) && self.fits(folder)).then(|| folder.to_owned())
        };
        let mut folders: Vec<String> = files.filter_map(folder).collect();
        folders.sort();
        folders.dedup();
        folders
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_pattern_stands_for_compose_files_and_for_folders_that_have_one() {
        let dir = tempfile::tempdir().expect("a folder");
        for path in
            ["stacks/b/compose.yaml", "stacks/a/docker-compose.yml", "stacks/a/notes.txt", "stacks/[c]/compose.yml"]
        {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, "").expect("written");
        }
        for path in ["stacks/README.yaml.md", "stacks/b/compose.override.yaml", "stacks/lone.yaml"] {
            fs::write(dir.path().join(path), "").expect("written");
        }
        fs::create_dir_all(dir.path().join("stacks/none")).expect("made");
        fs::create_dir_all(dir.path().join("stacks/.git")).expect("made");
        fs::write(dir.path().join("stacks/.git/compose.yaml"), "").expect("written");
        let found = |pattern: &str| -> Vec<String> {
            let found = expand_pattern(Path::new(pattern), dir.path()).expect("something fits");
            found.iter().map(|path| path.display().to_string()).collect()
        };
        assert_eq!(found("stacks/*"), ["stacks/[c]", "stacks/a", "stacks/b", "stacks/lone.yaml"]);
        assert_eq!(found("stacks/*/compose.y*ml"), ["stacks/[c]/compose.yml", "stacks/b/compose.yaml"]);
        assert_eq!(found("stacks/b/*.yaml"), ["stacks/b/compose.yaml"], "an override is no project");
        assert!(is_file_pattern(Path::new("stacks/*"), dir.path()));
        assert!(!is_file_pattern(Path::new("stacks/[c]"), dir.path()), "it is the name of a folder");
        for wrong in ["stacks/*/none.yaml", "stacks/[", "stacks/none*"] {
            let error = expand_pattern(Path::new(wrong), dir.path()).expect_err("nothing fits");
            assert!(error.is_mistyped() && error.to_string().contains(wrong), "{error}");
        }
    }

    #[test]
    fn a_pattern_of_a_backup_names_folders_that_hold_a_compose_file() {
        let files = [
            "opt/stacks/b/compose.yaml",
            "opt/stacks/a/docker-compose.yml",
            "opt/stacks/a/compose.yaml",
            "compose.yml",
        ];
        let folders = |pattern: &str| {
            FolderPattern::new(pattern).expect("a pattern").folders(files.iter().map(|file| file.as_bytes()))
        };
        assert_eq!(folders("/opt/stacks/*"), ["opt/stacks/a", "opt/stacks/b"]);
        assert_eq!(folders("/opt/*"), Vec::<String>::new(), "a star stands for no slash");
        assert_eq!(folders("**/b/"), ["opt/stacks/b"]);
        assert!(FolderPattern::new("[").is_err());
    }
}
