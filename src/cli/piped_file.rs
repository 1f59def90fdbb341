//! `-f -`: a Compose file that comes by standard input. Compose reads a private copy of it. The project's folder is the
//! working directory, as it is for a file of standard input.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::exit::Failure;
use super::identity;
use crate::compose::ProjectFlags;
use crate::config::settings::Settings;
use crate::findings::SourceFile;
use crate::model::environment::Environment;
use crate::model::source::SourceLocation;
use crate::source::tool::RunFolder;

/// How the file is named, and how it is shown.
const NAME: &str = "-";
/// Most bytes of it.
const LARGEST: u64 = 1 << 20;

/// The copy of a file of standard input; removed when this is dropped.
pub struct PipedFile {
    path: PathBuf,
    _folder: RunFolder,
}

impl PipedFile {
    /// Reads standard input if it is named among the files, and names the copy in its place.
    pub fn take(
        flags: &mut ProjectFlags,
        settings: &Settings,
        env: &Environment,
    ) -> Result<Option<PipedFile>, Failure> {
        let is_piped = |file: &&mut PathBuf| file.as_path() == Path::new(NAME);
        let mut named: Vec<&mut PathBuf> = flags.files.iter_mut().filter(is_piped).collect();
        let file = match named.as_mut_slice() {
            [] => return Ok(None),
            [file] => file,
            _ => return Err(Failure::usage("-f - names standard input twice, and it can be read once")),
        };
        if settings.source_of_run()?.is_some_and(|spec| matches!(spec.place.location, SourceLocation::Stdin)) {
            return Err(Failure::usage("-f - and --from both read standard input").hint("name one of them by its file"));
        }
        let errored =
            |error: io::Error| Failure::errored(format!("reading a Compose file from standard input: {error}"));
        let mut text = Vec::new();
        io::stdin().lock().take(LARGEST + 1).read_to_end(&mut text).map_err(errored)?;
        if text.len() as u64 > LARGEST {
            return Err(Failure::usage("-f -: what comes by standard input is longer than 1 MiB and no Compose file"));
        }
        let folder = RunFolder::make_in(env.temp_dir(), Path::new(identity::EXECUTABLE));
        let folder = folder.map_err(|error| Failure::errored(error.to_string()))?;
        let path = folder.path().join("standard-input.yaml");
        fs::write(&path, text).map_err(errored)?;
        **file = path.clone();
        flags.folder.get_or_insert_with(identity::working_dir);
        Ok(Some(PipedFile { path, _folder: folder }))
    }

    /// Shows the copy by the name of standard input.
    pub fn rename(&self, files: &mut [SourceFile]) {
        for of in files.iter_mut().filter(|of| of.location == self.path) {
            NAME.clone_into(&mut of.file.path);
        }
    }
}
