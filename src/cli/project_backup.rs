//! What a backup has for the files of a Compose project: whether it has them, and whether they are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::compose::path_from;
use crate::findings::{InBackup, SourceFile, normal};
use crate::model::mount::MountOrigin;
use crate::model::service::Service;
use crate::model::source::{Candidate, ContentTally, MatchRule, MountQuery, Pattern, Shape};
use crate::report::units;
use crate::source::{SmallContent, SmallFile};

/// The largest file whose content is compared.
const LARGEST: u64 = 1 << 20;
/// The largest backup that is read once more for the contents of small files.
const LARGEST_BACKUP: u64 = 4 << 30;

/// The files that a project has of its own or mounts, absolute: Compose files, variables, and sources of bind mounts.
pub fn wanted(files: &[SourceFile], variables: &[PathBuf], services: &[Service]) -> Vec<PathBuf> {
    let mut wanted: BTreeSet<PathBuf> = files.iter().map(|of| of.location.clone()).collect();
    wanted.extend(variables.iter().map(|path| normal(path)));
    for of in files {
        let paths = of.file.names("services").into_iter().flat_map(|(service, _)| {
            let lists = of.file.all(&["services", service, "env_file"]);
            let items = lists.into_iter().flat_map(|(_, node)| match node.text() {
                Some(_) => vec![node],
                None => node.items().iter().collect(),
            });
            items.filter_map(|item| item.text().or_else(|| item.get("path")?.text())).collect::<Vec<_>>()
        });
        let contents = ["secrets", "configs"].into_iter().flat_map(|section| {
            let names = of.file.names(section).into_iter();
            names.filter_map(move |(name, _)| of.file.find(&[section, name, "file"])?.1.text())
        });
        let written = paths.chain(contents).filter(|path| !path.contains('$'));
        wanted.extend(written.map(|path| normal(&of.folder.join(path))));
    }
    for mount in services.iter().flat_map(|service| &service.mounts) {
        if let MountOrigin::Bind { source } = &mount.origin {
            wanted.insert(normal(Path::new(source)));
        }
    }
    wanted.into_iter().filter(|path| path.is_absolute()).collect()
}

/// Where a file may be in a backup, if the project's folder is `folder` here. A single name is not looked for at any
/// depth: a backup may have it a hundred thousand times.
pub fn query(path: &Path, folder: &Path) -> MountQuery {
    let mut patterns = Vec::new();
    for end in ends(path, folder) {
        patterns.push((MatchRule::Name, Pattern::Top(end.clone().into_bytes())));
        if end.contains('/') {
            patterns.push((MatchRule::Suffix, Pattern::Suffix(end.into_bytes())));
        }
    }
    MountQuery { patterns }
}

/// The path as it may end in a backup: as it is here, as it lies in the project, and in a folder of the same name.
fn ends(path: &Path, folder: &Path) -> Vec<String> {
    let text = |path: &Path| path.to_string_lossy().trim_matches('/').to_owned();
    let around = folder.parent().filter(|parent| parent.parent().is_some());
    let near = path.strip_prefix(folder).ok().or_else(|| path.strip_prefix(around?).ok());
    let below = path.strip_prefix(folder).ok().and_then(|near| Some(Path::new(folder.file_name()?).join(near)));
    let mut ends = vec![text(path)];
    ends.extend(near.into_iter().map(text).filter(|near| !near.is_empty()));
    ends.extend(below.map(|below| text(&below)));
    ends
}

/// What a backup has for the files of a project.
pub struct HeldFiles {
    /// The project's folder here.
    folder: PathBuf,
    /// The project's folder in the backup; `None`: not known.
    there: Option<String>,
    candidates: BTreeMap<PathBuf, Vec<Candidate>>,
    /// The content of small files, by their paths in the backup.
    contents: BTreeMap<String, Vec<u8>>,
}

impl HeldFiles {
    /// `candidates` are in the order of `wanted`.
    pub fn new(folder: &Path, there: Option<String>, wanted: Vec<PathBuf>, candidates: Vec<Vec<Candidate>>) -> Self {
        let candidates = wanted.into_iter().zip(candidates).collect();
        Self { folder: folder.to_owned(), there, candidates, contents: BTreeMap::new() }
    }

    /// The folder of the backup whose small files would tell more; `None`: nothing is to be compared by its content or
    /// still looked for, or the backup is too large to be read once more. `whole` is what the backup holds.
    pub fn folder_to_read(&self, whole: &ContentTally) -> Option<&str> {
        let there = self.there.as_deref()?;
        let is_open = |path: &PathBuf| {
            if !self.is_searched(path) {
                return true;
            }
            let (here, there) = (size_of(path), self.exact(path).map(|held| held.tally.amount.bytes));
            here.is_some_and(|size| size <= LARGEST) && here == there
        };
        (whole.amount.bytes <= LARGEST_BACKUP && self.candidates.keys().any(is_open)).then_some(there)
    }

    /// Adds the small files of the project's folder in the backup.
    pub fn learn(&mut self, files: Vec<SmallFile>) {
        let there = self.there.as_deref().unwrap_or_default().trim_matches('/');
        for file in files {
            if let SmallContent::File(content) = file.content {
                self.contents.insert(format!("{there}/{}", file.path).trim_matches('/').to_owned(), content);
            }
        }
    }

    /// Whether the queries would have found a file in the backup's copy of the project.
    fn is_searched(&self, path: &Path) -> bool {
        let Some(there) = self.there.as_deref().map(|there| there.trim_matches('/')) else { return true };
        match path.strip_prefix(&self.folder) {
            Ok(near) if near.components().count() == 1 => {
                let name = there.rsplit('/').next().unwrap_or_default();
                there.is_empty() || self.folder.file_name().is_some_and(|own| own == name)
            }
            Ok(_) => true,
            // Beside the project's folder.
            Err(_) => self.path_there(path).is_none_or(|there| there.contains('/')),
        }
    }

    /// The path that a file has in the backup's copy of the project.
    fn path_there(&self, path: &Path) -> Option<String> {
        let there = path_from(self.there.as_deref()?, &self.folder, path.to_str()?)?;
        Some(there.trim_matches('/').to_owned())
    }

    /// The file of the backup's copy of the project.
    fn exact(&self, path: &Path) -> Option<&Candidate> {
        let there = self.path_there(path)?;
        let found = self.candidates.get(path)?.iter().find(|held| held.path == there.as_bytes())?;
        (found.tally.root == Some(Shape::File)).then_some(found)
    }

    /// What the backup has for a path of this machine.
    pub fn look(&self, path: &Path) -> InBackup {
        // Nobody has looked for it.
        let Some(candidates) = self.candidates.get(path) else { return InBackup::There };
        let there = self.path_there(path);
        let bytes = self.exact(path).map(|held| held.tally.amount.bytes);
        let content = there.as_ref().and_then(|there| self.contents.get(there));
        let bytes = bytes.or(content.map(|content| content.len() as u64));
        if let (Some(bytes), Some(size)) = (bytes, size_of(path)) {
            return compare(path, size, bytes, content.map(Vec::as_slice));
        }
        let whole = path.to_string_lossy().trim_matches('/').to_owned();
        let is_it = |held: &Candidate| {
            let is = |end: &str| {
                let end = end.as_bytes();
                held.path == end || Pattern::is_suffix_of(end, &held.path)
            };
            // Without the project's folder nobody knows which of several it is.
            self.there.is_none() || is(&whole) || there.as_deref().is_some_and(is)
        };
        if !self.is_searched(path) || candidates.iter().any(is_it) { InBackup::There } else { InBackup::Nothing }
    }
}

fn compare(path: &Path, size: u64, bytes: u64, content: Option<&[u8]>) -> InBackup {
    if size != bytes {
        return InBackup::Other(format!("{} here, {} there", units::bytes(size), units::bytes(bytes)));
    }
    match content {
        Some(content) if fs::read(path).is_ok_and(|here| here != content) => {
            InBackup::Other("of the same size".to_owned())
        }
        _ => InBackup::There,
    }
}

/// The size of a regular file of this machine.
fn size_of(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Amount;

    fn held(path: &str, bytes: u64) -> Candidate {
        let amount = Amount { files: 1, bytes };
        let tally = ContentTally { amount, root: Some(Shape::File), ..ContentTally::default() };
        Candidate { rule: MatchRule::Suffix, path: path.as_bytes().to_vec(), tally }
    }

    #[test]
    fn a_file_is_compared_with_the_one_in_the_projects_folder_of_the_backup() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("around/checkout");
        fs::create_dir_all(&folder).expect("made");
        let path = |name: &str| {
            let path = folder.join(name);
            fs::write(&path, "here").expect("written");
            path
        };
        let names = ["same", "sized", "other", "elsewhere", "unknown"];
        let paths: Vec<PathBuf> = names[..4].iter().map(|name| path(name)).collect();
        let candidates = vec![
            vec![held("opt/checkout/same", 4)],
            vec![held("opt/checkout/sized", 9), held("opt/blog/sized", 4)],
            vec![held("opt/checkout/other", 4)],
            vec![held("opt/blog/elsewhere", 4)],
        ];
        let mut held = HeldFiles::new(&folder, Some("/opt/checkout".to_owned()), paths.clone(), candidates);
        assert_eq!(held.look(&paths[0]), InBackup::There, "nobody has read it");
        assert_eq!(held.folder_to_read(&ContentTally::default()), Some("/opt/checkout"));
        let large = ContentTally { amount: Amount { files: 1, bytes: 5 << 30 }, ..ContentTally::default() };
        assert_eq!(held.folder_to_read(&large), None);
        let file = |path: &str, content: &str| SmallFile {
            path: path.to_owned(),
            mode: 0o644,
            content: SmallContent::File(content.as_bytes().to_vec()),
        };
        held.learn(vec![file("same", "here"), file("other", "them")]);
        assert_eq!(held.look(&paths[0]), InBackup::There);
        assert_eq!(held.look(&paths[1]), InBackup::Other("4 B here, 9 B there".to_owned()));
        assert_eq!(held.look(&paths[2]), InBackup::Other("of the same size".to_owned()));
        assert_eq!(held.look(&paths[3]), InBackup::Nothing, "it is another project's");
        assert_eq!(held.look(&folder.join(names[4])), InBackup::There, "nobody has asked");
    }

    /// Under another name of the folder, only a look into that folder tells.
    #[test]
    fn a_single_name_in_a_folder_of_another_name_is_known_once_the_folder_was_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("around/checkout");
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join(".env"), "A=1").expect("written");
        let paths = vec![folder.join(".env"), folder.join("data"), folder.join("sub/gone")];
        let candidates = vec![Vec::new(), Vec::new(), Vec::new()];
        let mut held = HeldFiles::new(&folder, Some("/opt/app".to_owned()), paths.clone(), candidates);
        assert_eq!(held.folder_to_read(&ContentTally::default()), Some("/opt/app"));
        let content = SmallContent::File(b"A=2".to_vec());
        held.learn(vec![SmallFile { path: ".env".to_owned(), mode: 0o644, content }]);
        assert_eq!(held.look(&paths[0]), InBackup::Other("of the same size".to_owned()));
        assert_eq!(held.look(&paths[1]), InBackup::There, "a folder is not in the list of small files");
        assert_eq!(held.look(&paths[2]), InBackup::Nothing, "the end of its path was looked for");
    }

    #[test]
    fn a_file_is_looked_for_as_it_lies_in_the_project() {
        let ends = |path: &str| ends(Path::new(path), Path::new("/builds/me/app"));
        assert_eq!(ends("/builds/me/app/conf/x"), ["builds/me/app/conf/x", "conf/x", "app/conf/x"]);
        let patterns = query(Path::new("/builds/me/app/data"), Path::new("/builds/me/app")).patterns;
        assert!(!patterns.iter().any(|(_, pattern)| *pattern == Pattern::Suffix(b"data".to_vec())), "it is everywhere");
        assert_eq!(ends("/builds/me/files/x"), ["builds/me/files/x", "files/x"]);
        assert_eq!(ends("/srv/media"), ["srv/media"]);
    }
}
