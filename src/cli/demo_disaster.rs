//! `rehearsa demo --disaster`: the demo's live service is gone before the rehearsal. Its Compose file and the backup
//! are all that is left of it.

use std::path::{Path, PathBuf};

use super::args::{ComposeArgs, RehearsalArgs};
use super::connection::Endpoint;
use super::exit::Failure;
use super::from_files::{self, PreparedFiles};
use super::project_images::ImageEngine;
use super::read_project;
use crate::config::overrides::SourceRef;
use crate::config::settings::Settings;
use crate::docker::Daemon;
use crate::model::environment::Environment;
use crate::model::source::SourceSpec;
use crate::rehearse::sandbox::stop::StopSignal;

/// The Compose file of the demo service.
pub struct DemoProject {
    pub file: PathBuf,
}

impl DemoProject {
    /// Writes the file into a folder of its own. `image`: the worker image; `command`: the service's, and `probe` that
    /// of its healthcheck; `data`: where `volume` is mounted.
    pub fn write(
        folder: &Path,
        (name, volume): (&str, &str),
        image: &str,
        (command, probe): (&[&str], &[&str]),
        data: &str,
    ) -> Result<DemoProject, Failure> {
        let list = |words: &[&str]| words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
        let (program, rest) = command.split_first().unwrap_or((&"", &[]));
        let text = format!(
            "# The service of `rehearsa demo`, as its owner would have it in a checkout.\n\
             name: {name}\n\
             services:\n  \
               notes:\n    \
                 image: {image}\n    \
                 entrypoint: ['{program}']\n    \
                 command: [{}]\n    \
                 volumes:\n      - notes:{data}\n    \
                 healthcheck:\n      \
                   test: [{}]\n      \
                   interval: 30s\n      \
                   timeout: 5s\n      \
                   retries: 3\n\
             volumes:\n  \
               notes:\n    \
                 name: {volume}\n",
            list(rest),
            list(probe)
        );
        let file = folder.join("compose.yaml");
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, text));
        written.map_err(|error| Failure::errored(format!("cannot write {}: {error}", file.display())))?;
        Ok(DemoProject { file })
    }

    /// The plan for the service from its file and a backup, on an engine that has never seen it.
    pub async fn prepare(
        &self,
        source: &SourceSpec,
        settings: &Settings,
        (daemon, endpoint, host): (&Daemon, &Endpoint, Option<&str>),
        env: &Environment,
        stop: &StopSignal,
    ) -> Result<PreparedFiles, Failure> {
        let mut settings = settings.clone();
        settings.overrides.source = Some(SourceRef::Backup(source.clone()));
        let args = ComposeArgs { file: vec![self.file.clone()], ..ComposeArgs::default() };
        let read = read_project::read(&args, &mut settings, env, stop).await?.unwrap_or_default();
        if let Some(stopped) = read.stopped.first() {
            return Err(stopped.failure());
        }
        let engine = ImageEngine { daemon, logins: &endpoint.logins, host };
        from_files::prepare(read, Some(engine), (&settings, &RehearsalArgs::default()), env, stop).await
    }
}
