//! Which projects a run is about: those of `-f` or `--stack`, else those of `[[stacks]]` in the plan file.
//!
//! As for Compose, several files are one project. A pattern stands for many: as soon as one of the files is a pattern,
//! each file is a project of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::args::ComposeArgs;
use super::exit::Failure;
use super::stopped_project::refusal;
use super::survey::SourceOptions;
use super::{identity, project_survey};
use crate::compose::{FolderPattern, ProjectFlags, expand_pattern, is_file_pattern, is_pattern};
use crate::config::plan_file::StackFiles;
use crate::config::settings::Settings;
use crate::discover::naming::escape;
use crate::model::source::SourceSpec;
use crate::rehearse::sandbox::stop::StopSignal;

/// Most stacks of a run.
const MOST: usize = 1000;

/// A project that is to be read.
pub struct WantedStack {
    /// How Compose is to read it. Without files if it is in a backup.
    pub flags: ProjectFlags,
    pub place: StackPlace,
    /// What the plan file says of it; `None`: the command line names it.
    pub entry: Option<StackFiles>,
    /// Where it is, for people.
    pub shown: String,
}

/// Where a project is.
#[derive(Debug, PartialEq, Eq)]
pub enum StackPlace {
    /// On this machine.
    Here,
    /// In this folder of a backup; without slashes around it.
    Backup { spec: SourceSpec, folder: String },
}

/// Finds the projects. Patterns of folders in a backup are looked for in it.
pub async fn find(
    args: &ComposeArgs,
    settings: &Settings,
    options: &SourceOptions<'_>,
    stop: &StopSignal,
) -> Result<Vec<WantedStack>, Failure> {
    let ComposeArgs { file, stack, project_name, env_file, profile, project_directory, .. } = args.clone();
    let flags = ProjectFlags {
        files: file,
        name: project_name,
        env_files: env_file,
        profiles: profile,
        folder: project_directory,
    };
    let mut search = StackSearch { settings, options, stop, known: BTreeMap::new(), found: Vec::new() };
    if !stack.is_empty() {
        search.in_backup(&stack, &ProjectFlags { files: Vec::new(), ..flags.clone() }, None).await?;
    } else if !flags.files.is_empty() {
        search.here(&flags, None)?;
    } else if args.as_new_host {
        return Ok(Vec::new());
    } else {
        for entry in &settings.file.stack_files {
            let flags = ProjectFlags {
                files: entry.files.clone(),
                env_files: entry.env_files.clone(),
                profiles: [entry.profiles.clone(), flags.profiles.clone()].concat(),
                ..ProjectFlags::default()
            };
            if !entry.files.is_empty() {
                search.here(&flags, Some(entry))?;
            }
            let flags = ProjectFlags { files: Vec::new(), ..flags };
            search.in_backup(&entry.backup_folders, &flags, Some(entry)).await?;
        }
    }
    let found = search.found;
    if found.len() > MOST {
        return Err(Failure::usage(format!("these are {} stacks, and a run has {MOST} at most", found.len())));
    }
    if found.len() > 1 && (flags.name.is_some() || flags.folder.is_some()) {
        let flag = if flags.name.is_some() { "-p" } else { "--project-directory" };
        let told = format!("{flag} is about one project, and these are {}", found.len());
        return Err(Failure::usage(told).hint("leave it out, or name one project. Nothing was rehearsed"));
    }
    Ok(found)
}

struct StackSearch<'a> {
    settings: &'a Settings,
    options: &'a SourceOptions<'a>,
    stop: &'a StopSignal,
    /// The Compose files of the backups that were looked through.
    known: BTreeMap<SourceSpec, Vec<Vec<u8>>>,
    found: Vec<WantedStack>,
}

impl StackSearch<'_> {
    fn here(&mut self, flags: &ProjectFlags, entry: Option<&StackFiles>) -> Result<(), Failure> {
        let working_dir = identity::working_dir();
        let wrong = |error| match entry {
            None => refusal(&error),
            Some(of) => Failure { hint: Some(format!("correct `files` in {}", of.origin)), ..refusal(&error) },
        };
        let is_pattern = |file: &PathBuf| is_file_pattern(file, &working_dir);
        let projects: Vec<Vec<PathBuf>> = match flags.files.iter().any(is_pattern) {
            false => vec![flags.files.clone()],
            true => {
                let mut files = Vec::new();
                for file in &flags.files {
                    match is_pattern(file) {
                        true => files.extend(expand_pattern(file, &working_dir).map_err(wrong)?),
                        false => files.push(file.clone()),
                    }
                }
                let mut once = Vec::new();
                for file in files {
                    if !once.contains(&file) {
                        once.push(file);
                    }
                }
                once.into_iter().map(|file| vec![file]).collect()
            }
        };
        for files in projects {
            let shown = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" with ");
            let flags = ProjectFlags { files, ..flags.clone() };
            self.found.push(WantedStack { flags, place: StackPlace::Here, entry: entry.cloned(), shown });
        }
        Ok(())
    }

    async fn in_backup(
        &mut self,
        named: &[String],
        flags: &ProjectFlags,
        entry: Option<&StackFiles>,
    ) -> Result<(), Failure> {
        if named.is_empty() {
            return Ok(());
        }
        let of_entry = entry.map(|entry| &entry.settings.overrides);
        let Some(spec) = self.settings.source_of_stack(of_entry)? else {
            let told = match entry {
                None => "--stack names a folder of a backup, and no backup is named".to_owned(),
                Some(of) => format!("{}: these stacks are in a backup, and no backup is named", of.origin),
            };
            return Err(Failure::usage(told).hint("name the backup with --from SOURCE"));
        };
        for text in named {
            let folders = match is_pattern(text) {
                true => self.fitting(text, &spec).await?,
                false => vec![text.trim_matches('/').to_owned()],
            };
            for folder in folders {
                let shown = format!("/{} of {}", escape(&folder), spec.place);
                let place = StackPlace::Backup { spec: spec.clone(), folder };
                if self.found.iter().any(|of| of.place == place) {
                    continue;
                }
                self.found.push(WantedStack { flags: flags.clone(), place, entry: entry.cloned(), shown });
            }
        }
        Ok(())
    }

    /// The folders of the backup that fit a pattern and hold a Compose file.
    async fn fitting(&mut self, text: &str, spec: &SourceSpec) -> Result<Vec<String>, Failure> {
        let pattern = FolderPattern::new(text)
            .map_err(|why| Failure::usage(format!("{text} is no pattern of folders in the backup: {why}")))?;
        if !self.known.contains_key(spec) {
            let files = project_survey::find_compose_files(spec, self.options, self.stop).await?;
            self.known.insert(spec.clone(), files);
        }
        let files = self.known.get(spec).map(Vec::as_slice).unwrap_or_default();
        let folders = pattern.folders(files.iter().map(Vec::as_slice));
        if folders.is_empty() {
            let told = format!("no folder of {} with a Compose file fits {text}", spec.place);
            return Err(Failure::usage(told).hint(there_are(files)));
        }
        Ok(folders)
    }
}

/// Some of the folders that a pattern could have meant.
fn there_are(files: &[Vec<u8>]) -> String {
    const SHOWN: usize = 5;
    let folder = |path: &Vec<u8>| {
        let path = String::from_utf8_lossy(path).into_owned();
        format!("/{}", escape(path.rsplit_once('/').map_or("", |(folder, _)| folder)))
    };
    let folders: Vec<String> = files.iter().take(SHOWN).map(folder).collect();
    match folders.is_empty() {
        true => "the backup has no Compose file at all; `-f FILE` takes those of this machine".to_owned(),
        false => format!(
            "folders with a Compose file are {}; `*` stands for one name, `**` for any number of folders",
            folders.join(", ")
        ),
    }
}
