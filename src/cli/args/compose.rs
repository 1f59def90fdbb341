//! The flags about stacks that are read from their Compose files. They mean what they mean to `docker compose`.

use std::path::PathBuf;

use clap::Args;

/// Which stack, from which files.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Stack from its files")]
pub struct ComposeArgs {
    /// Take the services of this Compose file, or of the one in this folder, instead of the running ones: their data
    /// comes from `--from`, and the engine need not know them; `-` is standard input; may be repeated, as for
    /// `docker compose`. With a pattern (`'stacks/*'`) each file is a project of its own
    #[arg(short = 'f', long, value_name = "FILE", group = "which-stack")]
    pub file: Vec<PathBuf>,
    /// Take the stack of this folder of the backup: its Compose file, its variables and its secrets come out of the
    /// backup too; may be repeated, and a pattern (`'/opt/stacks/*'`) takes every folder that has a Compose file
    #[arg(long, value_name = "FOLDER", conflicts_with = "file", group = "which-stack")]
    pub stack: Vec<String>,
    /// Take the running stack that the filters name from the files that it was started with, as a new host would, and
    /// tell what differs from the running containers
    #[arg(long, conflicts_with_all = ["file", "stack"])]
    pub as_new_host: bool,
    /// Name the project, as `docker compose -p` does
    #[arg(short = 'p', long, value_name = "NAME", requires = "which-stack")]
    pub project_name: Option<String>,
    /// Read variables from this file instead of `.env`; may be repeated
    #[arg(long, value_name = "FILE", requires = "file")]
    pub env_file: Vec<PathBuf>,
    /// Take the services of this profile too; may be repeated
    #[arg(long, value_name = "NAME", requires = "which-stack")]
    pub profile: Vec<String>,
    /// Take relative paths of the files from this folder [default: that of the first file]
    #[arg(long, value_name = "DIR", requires = "file")]
    pub project_directory: Option<PathBuf>,
    /// Build the images of services that the files say how to build, before anything is restored, as
    /// `docker compose build` does
    #[arg(long, requires = "file")]
    pub build: bool,
    /// Read Compose files with this program [default: the plugin of the Docker CLI, or `docker-compose` in PATH]
    /// [env: REHEARSA_COMPOSE_PATH]
    #[arg(long, value_name = "FILE")]
    pub compose_path: Option<PathBuf>,
}

impl ComposeArgs {
    /// The flags that name the files, as they can be typed again.
    pub fn typed(&self) -> String {
        let ComposeArgs { file, stack, project_name, env_file, profile, project_directory, .. } = self;
        let path = |flag: &'static str, path: &PathBuf| (flag, path.display().to_string());
        let mut flags: Vec<(&str, String)> = file.iter().map(|file| path("-f", file)).collect();
        flags.extend(stack.iter().map(|stack| ("--stack", stack.clone())));
        flags.extend(project_name.iter().map(|name| ("-p", name.clone())));
        flags.extend(env_file.iter().map(|file| path("--env-file", file)));
        flags.extend(profile.iter().map(|name| ("--profile", name.clone())));
        flags.extend(project_directory.iter().map(|folder| path("--project-directory", folder)));
        // The address of a backup may hold a password.
        let from = if stack.is_empty() { "" } else { "--from … " };
        let flags: Vec<String> = flags.iter().map(|(flag, value)| format!("{flag} {}", word(value))).collect();
        format!("{from}{}", flags.join(" "))
    }
}

/// A word for a shell.
fn word(text: &str) -> String {
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_./+:@,=".contains(c));
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_can_be_named_again() {
        let args = ComposeArgs {
            file: vec!["compose.yaml".into(), "my stack/it's.yaml".into()],
            project_name: Some("shop".to_owned()),
            profile: vec!["full".to_owned()],
            ..ComposeArgs::default()
        };
        assert_eq!(args.typed(), "-f compose.yaml -f 'my stack/it'\\''s.yaml' -p shop --profile full");
        let stack = ComposeArgs { stack: vec!["/opt/app".to_owned()], ..ComposeArgs::default() };
        assert_eq!(stack.typed(), "--from … --stack /opt/app");
    }
}
