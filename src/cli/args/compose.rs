//! The flags about stacks that are read from their Compose files. They mean what they mean to `docker compose`.

use std::path::PathBuf;

use clap::Args;

/// Which stack, from which files.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Stack from its files")]
pub struct ComposeArgs {
    /// Take the services of this Compose file, or of the one in this folder, instead of the running ones: their data
    /// comes from `--from`, and the engine need not know them; may be repeated, as for `docker compose`
    #[arg(short = 'f', long, value_name = "FILE", group = "which-stack")]
    pub file: Vec<PathBuf>,
    /// Take the stack of this folder of the backup: its Compose file, its variables and its secrets come out of the
    /// backup too
    #[arg(long, value_name = "FOLDER", conflicts_with = "file", group = "which-stack")]
    pub stack: Option<String>,
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
    /// Read Compose files with this program [default: the plugin of the Docker CLI, or `docker-compose` in PATH]
    /// [env: REHEARSA_COMPOSE_PATH]
    #[arg(long, value_name = "FILE")]
    pub compose_path: Option<PathBuf>,
}
