//! What a backup has of Compose projects: their Compose files, the small files of their folders, and where they lie.

use std::path::Path;

use super::exit::Failure;
use super::stopped_project::failure_of;
use super::survey::{NotSurveyed, SourceOptions, survey_source};
use crate::compose::FILE_NAMES;
use crate::docker::Daemon;
use crate::model::diagnosis::Diagnosis;
use crate::model::settings::ServiceSettings;
use crate::model::source::{
    BackupContents, Candidate, Keys, MatchRule, MountQuery, Pattern, Shape, SourcePlace, SourceSpec,
};
use crate::model::source_kind::SourceKind;
use crate::plan::SourceRequest;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::source::{Backup, SmallFile, SmallFileBounds};

/// A Compose file of a backup, by its path, and its content.
pub type FoundFile = (Vec<u8>, Vec<u8>);

/// Most Compose files of a backup that are read, and the most bytes of each.
const MOST_FILES: usize = 500;
const LONGEST_FILE: u64 = 1 << 20;

/// What is read of a stack's folder in a backup.
pub const STACK_FILES: SmallFileBounds = SmallFileBounds { file: 1 << 20, all: 32 << 20, files: 5_000, depth: 3 };

/// A search for projects in one source.
pub struct ProjectSearch {
    /// The names of Compose files that are looked for.
    pub names: Vec<String>,
    /// The contents of the files found are wanted, too.
    pub reads: bool,
    /// What else is looked for; the candidates for it come in this order after those of the files.
    pub wanted: Vec<MountQuery>,
}

/// Looks through a source for Compose files, for the names of its parts, and for what else is wanted. `None`: the
/// source cannot be read; the plan says so.
pub async fn find_projects(
    spec: &SourceSpec,
    search: ProjectSearch,
    daemon: Option<&Daemon>,
    options: &SourceOptions<'_>,
    stop: &StopSignal,
) -> Result<Option<(BackupContents, Vec<FoundFile>)>, Failure> {
    let ProjectSearch { names, reads, wanted } = search;
    let queries = std::iter::once(named(names.iter().map(String::as_str))).chain(wanted).collect();
    let read = move |backup: Backup, request: &SourceRequest| {
        let contents = backup.survey(&request.queries, 0)?.contents;
        let mut files = Vec::new();
        if reads {
            let paths: Vec<Vec<u8>> = files_of(&contents).map(<[u8]>::to_vec).take(MOST_FILES).collect();
            // A source whose files cannot be read one by one has none that is looked for.
            let found = match paths.is_empty() {
                true => Vec::new(),
                false => backup.read_files(&paths, LONGEST_FILE).unwrap_or_default(),
            };
            files.extend(paths.into_iter().zip(found).filter_map(|(path, content)| Some((path, content?))));
        }
        Ok((contents, files))
    };
    Ok(survey_source(request(spec, queries), daemon, options, stop, read).await?.ok())
}

/// Looks through a source for the paths of Compose files.
pub async fn find_compose_files(
    spec: &SourceSpec,
    options: &SourceOptions<'_>,
    stop: &StopSignal,
) -> Result<Vec<Vec<u8>>, Failure> {
    let read = |backup: Backup, request: &SourceRequest| {
        let contents = backup.survey(&request.queries, 0)?.contents;
        // A link is no file here, and its stack is not left out: it leads to a file of the folder, or is refused.
        let is_folder = |candidate: &&Candidate| candidate.tally.root == Some(Shape::Folder);
        let found = contents.candidates.first().into_iter().flatten().filter(|candidate| !is_folder(candidate));
        Ok(found.map(|candidate| candidate.path.clone()).collect())
    };
    let found = survey_source(request(spec, vec![named(FILE_NAMES.into_iter())]), None, options, stop, read).await?;
    found.map_err(|why| failure_of(&why.diagnosis()))
}

/// A search for files of these names anywhere.
fn named<'a>(names: impl Iterator<Item = &'a str>) -> MountQuery {
    let pattern = |name: &str| {
        let name = name.as_bytes().to_vec();
        [(MatchRule::Name, Pattern::Top(name.clone())), (MatchRule::Suffix, Pattern::Suffix(name))]
    };
    MountQuery { patterns: names.flat_map(pattern).collect() }
}

/// The files that the first query has found.
fn files_of(contents: &BackupContents) -> impl Iterator<Item = &[u8]> {
    let is_file = |candidate: &&Candidate| candidate.tally.root == Some(Shape::File);
    contents.candidates.first().into_iter().flatten().filter(is_file).map(|candidate| candidate.path.as_slice())
}

fn request(spec: &SourceSpec, queries: Vec<MountQuery>) -> SourceRequest {
    let max_window = ServiceSettings::default().max_window;
    SourceRequest { spec: spec.clone(), queries, max_entries: 0, max_window, dumps: Vec::new() }
}

/// Reads the small files of several folders of a source, in one pass. Each folder has a result of its own: one without
/// files is an error.
pub async fn read_folders(
    spec: &SourceSpec,
    folders: &[String],
    options: &SourceOptions<'_>,
    stop: &StopSignal,
) -> Result<Vec<Result<Vec<SmallFile>, FolderError>>, Failure> {
    let paths: Vec<Vec<u8>> = folders.iter().map(|folder| folder.trim_matches('/').as_bytes().to_vec()).collect();
    let read = move |backup: Backup, _: &SourceRequest| {
        let place = backup.place.clone();
        let found = backup.read_folders(&paths, STACK_FILES)?;
        let diagnosed = found.into_iter().map(|of| of.map_err(|error| error.diagnosis(&place)));
        Ok(diagnosed.collect::<Vec<Result<Vec<SmallFile>, Diagnosis>>>())
    };
    let found = survey_source(request(spec, Vec::new()), None, options, stop, read).await?;
    let found = found.map_err(|why: NotSurveyed| failure_of(&why.diagnosis()))?;
    let named = folders.iter().zip(found).map(|(folder, of)| match of {
        Ok(files) if files.is_empty() => {
            let folder = folder.trim_matches('/');
            Err(FolderError::None(format!("{} has no folder /{folder} with files of a stack", spec.place)))
        }
        Ok(files) => Ok(files),
        Err(diagnosis) => Err(FolderError::Unread(diagnosis)),
    });
    Ok(named.collect())
}

/// Why the files of a folder of a backup are not known.
pub enum FolderError {
    /// There is no such folder.
    None(String),
    /// It cannot be read.
    Unread(Diagnosis),
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Failure {
        match error {
            FolderError::None(told) => {
                Failure::usage(told).hint("name the folder of the Compose file as it is in the backup: --stack FOLDER")
            }
            FolderError::Unread(diagnosis) => failure_of(&diagnosis),
        }
    }
}

/// Opens a folder of this machine and looks for these paths in it; the candidates are in their order.
pub async fn open_folder(
    folder: &Path,
    paths: &[String],
    options: &SourceOptions<'_>,
    stop: &StopSignal,
) -> Result<(Backup, BackupContents), Failure> {
    let place = SourcePlace::at_path(SourceKind::Dir, folder);
    let query =
        |path: &String| MountQuery { patterns: vec![(MatchRule::Explicit, Pattern::Top(path.as_bytes().to_vec()))] };
    let request = SourceRequest {
        spec: SourceSpec { place, snapshot: None, keys: Keys::default() },
        queries: paths.iter().map(query).collect(),
        max_entries: 0,
        max_window: 0,
        dumps: Vec::new(),
    };
    let read = |backup: Backup, request: &SourceRequest| {
        let contents = backup.survey(&request.queries, 0)?.contents;
        Ok((backup, contents))
    };
    let opened = survey_source(request, None, options, stop, read).await?;
    opened.map_err(|why| Failure::errored(format!("the project's files cannot be read: {}", why.diagnosis().message)))
}
