//! A stack's folder out of a backup: its private copy, and the names that people see instead of the copy's.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::exit::Failure;
use super::stopped_project::StoppedProject;
use crate::compose::{self, ComposeError, Project};
use crate::discover::naming::escape;
use crate::model::diagnosis::Diagnosis;
use crate::model::mount::MountOrigin;
use crate::source::SmallFile;
use crate::source::tool::RunFolder;

/// The copy of a stack's folder.
pub struct UnpackedStack {
    /// The folder in the backup, with a slash in front.
    pub there: String,
    /// The same for people.
    shown: String,
    /// The backup, for people.
    place: String,
    /// The copy of the folder.
    copy: PathBuf,
    /// All copies of the run, which are removed with the last of them.
    _copies: Arc<RunFolder>,
}

/// A copy, and the files that Compose is to read; or why the folder is refused.
type Written = Result<(UnpackedStack, Vec<PathBuf>), ComposeError>;

impl UnpackedStack {
    /// Writes the small files of a folder of the backup into a folder of its own, which has the same name: Compose
    /// names a project by it.
    pub fn write(
        files: &[SmallFile],
        copies: &Arc<RunFolder>,
        number: usize,
        folder: &str,
        place: String,
    ) -> Result<Written, Failure> {
        let name = folder.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("backup");
        let copy = copies.path().join(number.to_string()).join(name);
        fs::create_dir_all(&copy).map_err(|error| Failure::errored(format!("making a temporary folder: {error}")))?;
        let there = format!("/{folder}");
        // Whoever made the backup chose the name: a line break in it would forge lines of the output.
        let shown = escape(&there);
        Ok(compose::write_stack(files, &copy, &shown).map(|names| {
            let names = names.iter().map(|name| copy.join(name)).collect();
            (UnpackedStack { there, shown, place, copy, _copies: Arc::clone(copies) }, names)
        }))
    }

    /// The folder around the copy, which holds nothing else.
    pub fn around(&self) -> &Path {
        self.copy.parent().unwrap_or(&self.copy)
    }

    /// The text with the places in the backup instead of those in the copy.
    pub fn rename(&self, text: &str) -> String {
        let own = |path: &Path| path.display().to_string();
        let beside = self.shown.rsplit_once('/').map_or("", |(parent, _)| parent);
        let begins = text.starts_with(&own(&self.copy));
        let renamed = text.replace(&own(&self.copy), &self.shown).replace(&own(self.around()), beside);
        // At the beginning stands the place that the text is about.
        if begins { format!("{} {renamed}", self.place) } else { renamed }
    }

    /// A diagnosis about the place in the backup.
    pub fn rename_in(&self, diagnosis: &mut Diagnosis) {
        diagnosis.message = self.rename(&diagnosis.message);
        diagnosis.remedy = diagnosis.remedy.as_ref().map(|remedy| self.rename(remedy));
    }

    /// The same for all that is known of a project that could not be read.
    pub fn rename_stopped(&self, mut stopped: StoppedProject) -> StoppedProject {
        stopped.each_diagnosis(|diagnosis| self.rename_in(diagnosis));
        stopped
    }

    /// Names the files of the project that are sent to the engine as the backup has them.
    pub fn rename_mounts(&self, project: &mut Project) {
        for of in &mut project.services {
            for mount in &mut of.service.mounts {
                if let MountOrigin::Bind { source } = &mut mount.origin {
                    *source = self.path_there(source);
                }
            }
        }
        for file in &mut project.project_files {
            file.source = self.path_there(&file.source);
        }
    }

    /// The place in the backup of a path in the copy; other paths stay as they are.
    fn path_there(&self, path: &str) -> String {
        match Path::new(path).strip_prefix(&self.copy) {
            Ok(within) => Path::new(&self.there).join(within).to_string_lossy().trim_end_matches('/').to_owned(),
            Err(_) => path.to_owned(),
        }
    }
}
