//! Projects of Docker Compose: their files become the services that discovery makes of live containers.
//!
//! Compose itself resolves the files (`docker compose config`), since it is the program that the owner would type in
//! the disaster. What it prints is read by one table of keys (`service.rs`), in which every key of Compose's schema is
//! used, has no effect, or is refused.

mod build;
mod deploy;
mod draft;
mod error;
mod files;
mod judge;
mod keys;
mod locate;
mod mounts;
mod node;
mod patterns;
mod program;
mod project;
mod service;
mod stranger;

pub use build::build;
pub use error::ComposeError;
pub use files::{FileContent, ProjectFile, stage};
pub use locate::{Located, normalized, path_from};
pub use patterns::{FolderPattern, expand_pattern, is_file_pattern, is_pattern};
pub use program::{ComposeCall, FILE_NAMES, ProjectFlags, Resolved, VARIABLE, expand_folders, project_folder, resolve};
pub use project::{FileService, Project, read};
pub use stranger::write_stack;
